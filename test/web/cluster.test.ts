// The cluster as its nodes see it: each by what it says of itself, links by their ends, both sides of a split; and how far a new name has got.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ClusterJson } from '../../crdt-schema/api-shapes.ts'
import { ok } from '../../crdt-schema/prelude.ts'
import { createClusterWatch } from '../../web/model/cluster-watch.ts'
import { createCluster } from '../../web/model/cluster.ts'
import { createReserving } from '../../web/model/reserving.ts'
import { ANA, BEN, createFakeApi, createFakeClock, createFakeStore, present, settle } from '../support/web-fakes.ts'

const PIDS = [0, 1, 2] as const

/** What the node `self` sees when it hears `hears`; `digests` and `seq` may be given by pid. */
const viewOf = (self: number, hears: readonly number[], { digests = {}, batches = [] }: { digests?: Record<number, string>; batches?: readonly number[] } = {}): ClusterJson => ({
  self,
  coordinator: Math.min(self, ...hears),
  epoch: 1,
  version: '1',
  nodes: PIDS.map((pid) => {
    const isThere = pid === self || hears.includes(pid)
    return {
      pid, url: `http://node-${pid}`, status: isThere ? 'ready' : 'down', behind: !isThere, behindBecause: isThere ? null : 'no node in view hears it',
      digest: isThere ? (digests[pid] ?? 'same') : null, upSince: null, messages: isThere ? 10 : null, sessions: null, bytes: null, version: isThere ? '1' : null,
    }
  }),
  links: [[0, 1], [0, 2], [1, 2]].map(([a = 0, b = 0]) => {
    const isUp = [a, b].every((pid) => pid === self || hears.includes(pid))
    return { a, b, state: isUp ? 'up' : 'down', rttMs: isUp && (a === self || b === self) ? 2 : null }
  }),
  events: hears.map((pid) => ({ at: '2026-11-22T12:00:00.000Z', kind: 'up', pid })),
  recent: batches.map((seq) => ({ seq, pids: [self, ...hears] })),
})

const watchOf = (answers: Map<number, ClusterJson>) => {
  const clock = createFakeClock()
  const api = createFakeApi({
    readCluster: async () => ok(present(answers.get(0))),
    readClusterAt: async (url) => {
      const view = answers.get(Number(url.at(-1)))
      return view === undefined ? { ok: false, code: 'no-server' } : ok(view)
    },
  })
  const cluster = createCluster({ api, clock, onNodes: () => {} })
  const watch = createClusterWatch({ cluster, api, clock })
  const turn = async (): Promise<void> => {
    clock.advance(250)
    await settle()
  }
  return { clock, watch, turn }
}

const test = suite('cluster')

test('a split is seen from both sides, each with its coordinator', async () => {
  const answers = new Map([[0, viewOf(0, [1])], [1, viewOf(1, [0])], [2, viewOf(2, [])]])
  const { watch, turn } = watchOf(answers)
  const stop = watch.start()
  for (let count = 0; count < 3; count += 1) await turn()
  assert.equal(watch.groups.value, [{ pids: [0, 1], coordinator: 0 }, { pids: [2], coordinator: 2 }])
  assert.equal(watch.state.value?.nodes.map(({ status }) => status), ['ready', 'ready', 'ready'])
  assert.equal(watch.state.value?.links.map(({ state }) => state), ['up', 'down', 'down'])
  assert.is(watch.events.value.filter(({ pid }) => pid === 0).length, 1, 'two nodes that tell of one event tell of it once')

  for (const pid of PIDS) answers.set(pid, viewOf(pid, PIDS.filter((other) => other !== pid)))
  for (let count = 0; count < 3; count += 1) await turn()
  assert.equal(watch.groups.value, [{ pids: [0, 1, 2], coordinator: 0 }])
  assert.equal(watch.state.value?.links.map(({ rttMs }) => rttMs), [2, 2, 2], 'also of links that the node of the page does not have')
  stop()
})

test('a node that answers no more is what the others say of it', async () => {
  const answers = new Map([[0, viewOf(0, [1, 2])], [1, viewOf(1, [0, 2])], [2, viewOf(2, [0, 1])]])
  const { watch, turn } = watchOf(answers)
  const stop = watch.start()
  for (let count = 0; count < 3; count += 1) await turn()
  answers.delete(2)
  answers.set(0, viewOf(0, [1]))
  answers.set(1, viewOf(1, [0]))
  for (let count = 0; count < 3; count += 1) await turn()
  assert.equal(watch.state.value?.nodes.map(({ status }) => status), ['ready', 'ready', 'down'])
  assert.equal(watch.groups.value, [{ pids: [0, 1], coordinator: 0 }])
  stop()
})

test('the traffic of a node is counted from what it began itself', async () => {
  const answers = new Map(PIDS.map((pid) => [pid, viewOf(pid, PIDS.filter((other) => other !== pid), { batches: [7] })]))
  const { watch, turn } = watchOf(answers)
  const stop = watch.start()
  for (let count = 0; count < 3; count += 1) await turn()
  assert.is(watch.traffic.value.get(1)?.perSecond, 0, 'what was there before is no traffic')
  answers.set(1, viewOf(1, [0, 2], { batches: [7, 9, 12] }))
  await turn()
  assert.is(watch.traffic.value.get(1)?.perSecond.toFixed(2), '0.67')
  assert.equal(watch.traffic.value.get(1)?.batches, [12, 11])
  assert.is(watch.traffic.value.get(0)?.perSecond, 0)
  for (let count = 0; count < 14; count += 1) await turn()
  assert.is(watch.traffic.value.get(1)?.perSecond, 0)
  stop()
})

test('[COO6] a new name is reserved on the nodes that are equal to the own one, and no longer shown once all have been', async () => {
  const clock = createFakeClock()
  let view = viewOf(1, [0])
  const reserving = createReserving({ api: createFakeApi({ readCluster: async () => ok(view) }), clock, store: createFakeStore() })
  reserving.begin(ANA)
  const turn = async (): Promise<void> => {
    clock.advance(2000)
    await settle()
  }
  const stopOther = reserving.watch(BEN, () => 1)
  await turn()
  assert.is(reserving.reserved.value, null, 'an account that was not made here')
  stopOther()
  let ownPid = 0
  reserving.watch(ANA, () => ownPid)
  await turn()
  assert.is(reserving.reserved.value, null, 'another node than the own one may know nothing of it')
  ownPid = 1
  await turn()
  assert.equal(reserving.reserved.value, { on: 2, of: 3 })
  view = viewOf(1, [0, 2], { digests: { 0: 'busy', 2: 'other' } })
  await turn()
  assert.equal(reserving.reserved.value, { on: 2, of: 3 }, 'whoever had it has it')
  view = viewOf(1, [0, 2])
  await turn()
  assert.is(reserving.reserved.value, null)
  const again = reserving.watch(ANA, () => 1)
  view = viewOf(1, [])
  await turn()
  assert.is(reserving.reserved.value, null, 'what all once had is never reserved again')
  again()
})

test.run()
