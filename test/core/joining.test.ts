// A node that joins without a pid asks for one [REP7]: granted, so that no two get the same, and the same however often it asks.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type NodeId, type Pid, mintNodeId } from '../../crdt-schema/ids.ts'
import { createNode, readStoredPid, step } from '../../node/core/node.ts'
import { type Cores, configOf, createTrio, pidOf } from '../support/cores.ts'

const joining = suite('joining')

const FIRST = mintNodeId(new Uint8Array(16).fill(71))
const SECOND = mintNodeId(new Uint8Array(16).fill(72))
let lastCall = 0

/** The call of a node with this id, at `pid`; nothing is carried out for others before it is taken in. */
const ask = (cores: Cores, pid: number, nodeId: NodeId): number => {
  const call = --lastCall
  cores.feed(pid, { type: 'request', call, body: { type: 'operator-admit-member', nodeId, url: `http://${nodeId.slice(0, 4)}` }, token: null, idempotencyKey: null, address: 'test' })
  return call
}

const answerTo = (cores: Cores, pid: number, call: number): unknown => cores.core(pid).answers.get(call)
const pidIn = (answer: unknown): number | undefined => (answer as { body: { pid?: number } } | undefined)?.body.pid

joining('[REP7] two nodes that ask at once through different members get different pids, and asking again gives the same', () => {
  const cores = createTrio()
  const calls = [[1, ask(cores, 1, FIRST)], [2, ask(cores, 2, SECOND)]] as const
  cores.run(500)
  const pids = calls.map(([pid, call]) => pidIn(answerTo(cores, pid, call)))
  assert.equal(pids, [3, 4])
  for (const { state } of cores.all) assert.equal(state.directory.members().filter(({ nodeId }) => nodeId === FIRST || nodeId === SECOND).map(({ pid, nodeId, removed }) => [pid, nodeId, removed]), [[3, FIRST, false], [4, SECOND, false]])
  const again = ask(cores, 0, SECOND)
  cores.run(500)
  assert.equal(answerTo(cores, 0, again), { status: 200, body: { pid: 4, nodes: [...cores.core(0).state.desk.nodes].map(({ pid, url }) => ({ pid, url })) } })
  assert.equal(cores.core(0).state.desk.nodes.map(({ pid }) => pid), [0, 1, 2, 3, 4])
})

joining('[REP7] [COO4] the coordinator dies before it answers: the next one grants the same pid, once', () => {
  const cores = createTrio()
  cores.core(1).isDiskStuck = true // so that the grant is tentative on 0 and asked of 1, and goes no further
  ask(cores, 2, FIRST)
  cores.run(100)
  assert.is(cores.core(2).state.meta.tentative.length, 1)
  cores.kill(0)
  cores.core(1).isDiskStuck = false
  cores.run(6_000)
  assert.is(cores.core(2).state.directory.memberOf(FIRST)?.pid, 3, 'nobody asked again, and it was granted')
  const again = ask(cores, 2, FIRST)
  const other = ask(cores, 1, SECOND)
  cores.run(1_000)
  assert.equal([pidIn(answerTo(cores, 2, again)), pidIn(answerTo(cores, 1, other))], [3, 4])
  assert.is(cores.core(2).state.directory.members().filter(({ nodeId }) => nodeId === FIRST).length, 1)
})

joining('[REP7] who was removed is told so', () => {
  const cores = createTrio()
  ask(cores, 0, FIRST)
  cores.run(500)
  cores.feed(0, { type: 'request', call: --lastCall, body: { type: 'operator-remove-member', nodeId: FIRST }, token: null, idempotencyKey: null, address: 'test' })
  cores.run(500)
  const call = ask(cores, 1, FIRST)
  cores.run(500)
  const { status, body } = answerTo(cores, 1, call) as { status: number; body: { code: string } }
  assert.equal([status, body.code], [409, 'removed'])
})

joining('[REP7] a node has the id under which its pid was granted, and later what its directory says', () => {
  const start = (nodeId: NodeId | null, meta: string | null): { readonly pid: Pid; readonly nodeId: NodeId } => {
    const node = createNode()
    step(node, { type: 'start', config: configOf(3, 4, { nodeId }), stored: { meta, heads: [], lastCommit: meta === null ? 0 : 1, unclean: false }, seed: new Uint8Array(32) }, { monotonicMs: 0, wallMs: 0 })
    return node.meta
  }
  const first = start(FIRST, null)
  assert.equal([first.pid, first.nodeId], [pidOf(3), FIRST])
  const stored = JSON.stringify(first)
  assert.equal([readStoredPid(null), readStoredPid(stored)], [null, 3])
  assert.is(start(null, stored).nodeId, FIRST)
  assert.is.not(start(null, null).nodeId, FIRST)
})

joining.run()
