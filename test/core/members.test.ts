// Rows, views and cluster time, and what the machine makes of them: on real cores in one process [LIV1, LIV2, LIV3, RDY1, CLK1].

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Hlc, MEMBERS_DOCUMENT, type NodeId, createEpoch, mintNodeId } from '../../crdt-schema/ids.ts'
import { addMember } from '../../crdt-schema/members.ts'
import type { StateRow } from '../../crdt-schema/peer-wire.ts'
import { createPeer } from '../../node/core/links.ts'
import { clusterMs } from '../../node/core/cluster-time.ts'
import { computeView, expireRows, holders, memberCount, mergeRows, ownRow, requiredPeers } from '../../node/core/members.ts'
import type { NodeState } from '../../node/core/state.ts'
import { createCores, createLone, createTrio, pidOf, urlOf } from '../support/cores.ts'

const NODE_IDS = [0, 1, 2, 3, 4].map((pid) => mintNodeId(new Uint8Array(16).fill(pid + 1)))

/** A ready node 0 that knows others by rows alone: each hears whom the map says, and has an open link to 0 if listed in `linked`. */
const createKnowing = (hears: Readonly<Record<number, readonly number[]>>, linked: readonly number[], heard: readonly number[] = linked): NodeState => {
  const node = createLone().core(0).state
  for (const [key, others] of Object.entries(hears)) {
    const pid = pidOf(Number(key))
    const row: StateRow = { ...ownRow(node), pid, nodeId: NODE_IDS[pid] ?? node.meta.nodeId, url: urlOf(pid), hears: others.map(pidOf), counter: 1 }
    node.members.rows.set(pid, { row, seenMs: node.now.monotonicMs, wallOffsetMs: row.wallMs - node.now.monotonicMs })
    node.peers.set(pid, { ...createPeer(pid, urlOf(pid)), link: linked.includes(pid) ? pid : null, lastHeardMs: heard.includes(pid) ? node.now.monotonicMs : -Infinity })
  }
  return node
}

const viewOf = (node: NodeState): readonly number[] => computeView(node).view
const hopTo = (node: NodeState, pid: number): number | undefined => computeView(node).routes.get(pidOf(pid))

const views = suite('views')

views('[LIV2] a link counts when both ends hear it: one way is none', () => {
  assert.equal(viewOf(createKnowing({ 1: [0], 2: [] }, [1, 2])), [0, 1], '2 does not hear 0')
  assert.equal(viewOf(createKnowing({ 1: [0], 2: [0] }, [1, 2], [1])), [0, 1], '0 does not hear 2')
})

views('[LIV2] who hears this node only through others is in the view, and the way to him is the first of them', () => {
  const node = createKnowing({ 1: [0, 2], 2: [1, 3], 3: [2], 4: [] }, [1])
  assert.equal(viewOf(node), [0, 1, 2, 3])
  assert.equal([1, 2, 3].map((pid) => hopTo(node, pid)), [1, 1, 1])
  assert.is(hopTo(node, 4), undefined)
})

views('[LIV2] one way in the middle of a chain cuts it', () => {
  assert.equal(viewOf(createKnowing({ 1: [0, 2], 2: [3], 3: [2] }, [1])), [0, 1])
})

views('[LIV1] a peer whose link has just closed stays in the view while it is heard, and the way to it leads around', () => {
  const node = createKnowing({ 1: [0, 2], 2: [0, 1] }, [1], [1, 2])
  assert.equal(viewOf(node), [0, 1, 2])
  assert.is(hopTo(node, 2), 1)
})

views('[LIV1] the newest row of a node stands: by boot, then by counter; nobody else speaks for this node', () => {
  const node = createKnowing({ 1: [0] }, [1])
  const known = node.members.rows.get(pidOf(1))?.row ?? ownRow(node)
  assert.not.ok(mergeRows(node, [known]), 'the same again')
  assert.not.ok(mergeRows(node, [{ ...known, boot: known.boot - 1, counter: 50 }]), 'an earlier run')
  assert.ok(mergeRows(node, [{ ...known, counter: 2, head: 5 }]))
  assert.ok(mergeRows(node, [{ ...known, boot: known.boot + 1, counter: 0, head: 1 }]), 'a later run counts from the start')
  assert.not.ok(mergeRows(node, [{ ...ownRow(node), counter: 999 }]))
  assert.is(node.members.rows.has(node.meta.pid), false)
})

views('[LIV1] a row that is not renewed within deadMs of the own running clock is forgotten', () => {
  const node = createKnowing({ 1: [0], 2: [0] }, [1, 2])
  const seen = node.members.rows.get(pidOf(1))
  if (seen !== undefined) seen.seenMs = node.now.monotonicMs - node.config.deadMs - 1
  expireRows(node)
  assert.equal([...node.members.rows.keys()], [2])
})

views('[CLK1] cluster time is the median clock of the ready members in view, the lower of two', () => {
  const node = createKnowing({ 1: [0], 2: [0], 3: [0] }, [1, 2, 3])
  const own = node.now.wallMs
  const skew = (pid: number, ms: number, phase: 'ready' | 'syncing' = 'ready'): void => {
    const seen = node.members.rows.get(pidOf(pid))
    if (seen !== undefined) node.members.rows.set(pidOf(pid), { ...seen, row: { ...seen.row, phase }, wallOffsetMs: own + ms - node.now.monotonicMs })
  }
  node.members.view = [0, 1, 2].map(pidOf)
  skew(1, 3_600_000)
  skew(2, -40)
  assert.is(clusterMs(node), own, 'one clock an hour ahead moves nothing')
  skew(2, -40, 'syncing')
  assert.is(clusterMs(node), own, 'who is not ready has no say')
  node.members.view = [0, 1, 2, 3].map(pidOf)
  skew(2, -40)
  skew(3, 70)
  assert.is(clusterMs(node), own, 'of an even number the lower middle one')
  node.members.view = [0].map(pidOf)
  assert.is(clusterMs(node), own)
})

views('[REP6] who is behind is neither waited for nor counted, and who is not ready is waited for but not counted', () => {
  const node = createKnowing({ 1: [0], 2: [0], 3: [0] }, [1, 2, 3])
  node.members.view = [0, 1, 2, 3].map(pidOf)
  const behind = node.peers.get(pidOf(1))
  if (behind !== undefined) behind.excluded = true
  const seen = node.members.rows.get(pidOf(2))
  if (seen !== undefined) seen.row = { ...seen.row, phase: 'syncing' }
  assert.equal(requiredPeers(node), [2, 3])
  assert.equal(holders(node), [0, 3])
})

views.run()

// ---- the machine

const machine = suite('members of real cores')

machine('[REP7] the size of the cluster is that of --peers and the members document, less the removed', () => {
  const cores = createLone()
  const { state } = cores.core(0)
  cores.edit(0, MEMBERS_DOCUMENT, (doc) => addMember(doc, { pid: pidOf(5), nodeId: NODE_IDS[4] ?? state.meta.nodeId, url: 'http://five.test', hlc: 1 as Hlc }))
  assert.is(memberCount(state), 2)
})

machine('[RDY1] three empty nodes make one cluster, once, when all of them say that they are empty', () => {
  const cores = createCores(3)
  cores.start(0, 1)
  cores.run(4_000)
  assert.equal(cores.all.slice(0, 2).map(({ state }) => state.phase === 'ready'), [false, false], 'two of three wait')
  cores.start(2)
  cores.run(3_000)
  assert.equal(cores.all.map(({ state }) => state.phase), ['ready', 'ready', 'ready'])
  const made = cores.all.flatMap(({ effects }) => effects.filter((effect) => effect.type === 'log' && effect.event === 'bootstrapped'))
  assert.is(made.length, 1)
  assert.is(new Set(cores.all.map(({ state }) => state.meta.clusterId)).size, 1)
})

machine('[RDY1] of a cluster that stopped, those wait who cannot know what the missing one had acknowledged', () => {
  const cores = createTrio({ aloneMs: null })
  for (const pid of [0, 1, 2]) cores.kill(pid)
  cores.start(0, 1)
  cores.run(15_000)
  assert.equal([0, 1].map((pid) => cores.core(pid).state.phase), ['syncing', 'syncing'])
  cores.start(2)
  cores.run(3_000)
  assert.equal(cores.all.map(({ state }) => state.phase), ['ready', 'ready', 'ready'])
})

machine('[RDY1] last views are followed: whoever is awaited by one that is awaited is awaited', () => {
  const cores = createTrio({ aloneMs: null })
  cores.kill(2)
  cores.run(3_000)
  cores.kill(1)
  cores.start(2)
  cores.run(4_000)
  assert.equal(cores.core(0).state.meta.lastView, [0, 2])
  cores.kill(0)
  cores.run(3_000)
  assert.equal(cores.core(2).state.meta.lastView, [2], 'the last one went on alone')
  cores.kill(2)
  cores.start(0, 1)
  cores.run(6_000)
  assert.equal(cores.core(1).state.meta.lastView, [0, 1], 'all of whom are there')
  assert.equal([0, 1].map((pid) => cores.core(pid).state.phase), ['syncing', 'syncing'], 'but 0 was with 2 after that')
  cores.start(2)
  cores.run(3_000)
  assert.equal(cores.all.map(({ state }) => state.phase), ['ready', 'ready', 'ready'])
})

machine('[RDY1] a node that has synced serves when every ready node has it in its lastView on disk, not before', () => {
  const cores = createTrio()
  cores.kill(2)
  cores.run(3_000)
  cores.core(0).isDiskStuck = true
  cores.start(2)
  cores.run(500)
  assert.equal([cores.core(2).state.isSynced, cores.core(2).state.phase], [true, 'syncing'])
  cores.core(0).isDiskStuck = false
  cores.run(400)
  assert.is(cores.core(2).state.phase, 'ready')
  assert.equal(cores.core(0).state.storedLastView, [0, 1, 2])
})

machine('[LIV3] a node that did not run for pauseMs gives up its role and syncs before it serves', () => {
  const cores = createTrio()
  cores.freeze(0)
  cores.run(700)
  const { effects, state } = cores.core(0)
  cores.feed(0, { type: 'client-down', client: 1 })
  assert.is(state.coordinator.role, 'follower', 'whatever the first event is')
  cores.wake(0)
  cores.feed(0, { type: 'tick' })
  const said = effects.filter((effect) => effect.type === 'log').map((effect) => effect.event)
  assert.ok(said.includes('paused') && said.includes('left-ready'), said.slice(-8).join(' '))
  cores.run(3_000)
  assert.is(state.phase, 'ready')
  assert.is(state.coordinator.role, 'coordinating', 'and takes it back')
})

machine('[LIV3] up to pauseMs nothing happens', () => {
  const cores = createTrio()
  cores.freeze(1)
  cores.run(550)
  cores.wake(1)
  cores.run(200)
  assert.not.ok(cores.core(1).effects.some((effect) => effect.type === 'log' && effect.event === 'paused'))
})

machine('[LIV1] two refused redials tell of a dead node before its silence does', () => {
  const cores = createTrio()
  cores.kill(2)
  cores.run(300)
  assert.equal(cores.core(0).state.members.view, [0, 1])
})

machine('[LIV1] who hears a node no more tells the others in the same turn, so none of them waits for the next heartbeat', () => {
  const cores = createTrio({ heartbeatMs: 350 }) // the longest there is: a node that waited for it would be late
  for (let round = 0; round < 5; round++) {
    cores.kill(2)
    cores.run(100)
    assert.equal([0, 1].map((pid) => cores.core(pid).state.members.view.join()), ['0,1', '0,1'], `round ${round}`)
    cores.start(2)
    cores.run(3_000 + round * 50)
    assert.equal(cores.all.map(({ state }) => state.phase), ['ready', 'ready', 'ready'])
  }
})

machine('[LIV1] a link that closes and comes back changes nothing', () => {
  const cores = createTrio()
  cores.cut(0, 1)
  cores.mend(0, 1)
  cores.run(1_000)
  assert.equal(cores.all.map(({ state }) => [state.phase, state.members.view.join()]), [['ready', '0,1,2'], ['ready', '0,1,2'], ['ready', '0,1,2']])
  assert.not.ok(cores.all.some(({ effects }) => effects.some((effect) => effect.type === 'log' && effect.event === 'stepped-down')))
})

machine('[LIV2] with one link cut the third node carries what the two have for each other', () => {
  const cores = createTrio()
  cores.cut(0, 1)
  cores.run(3_000)
  assert.equal(cores.core(0).state.members.view, [0, 1, 2])
  cores.edit(0, MEMBERS_DOCUMENT, (doc) => addMember(doc, { pid: pidOf(5), nodeId: NODE_IDS[4] ?? cores.core(0).state.meta.nodeId, url: 'http://five.test', hlc: 9 as Hlc }))
  cores.run(100)
  const { state } = cores.core(0)
  assert.is(state.commits.acknowledgedThrough, state.commits.committedThrough)
  assert.ok(cores.spoken.some(({ from, to, message }) => from === 1 && to === 2 && message.type === 'relay' && message.to === 0), 'its acknowledgement went through 2')
  assert.is(cores.core(1).state.directory.members().some(({ pid }) => pid === 5), true)
})

machine('[CLK1] of two clocks that disagree, the one before what was agreed on is not believed, nor is it when it is alone', () => {
  const cores = createTrio({ aloneMs: 1_000 })
  const day = 86_400_000
  const isRight = (pid: number): boolean => Math.abs(cores.core(pid).state.desk.clusterMs - Date.UTC(2026, 4, 10, 12) - cores.nowMs) < day
  cores.run(1_000)
  cores.kill(0)
  cores.core(1).skewMs = -56 * 365 * day
  cores.run(3_000)
  assert.equal([isRight(1), isRight(2)], [true, true], 'one of them is in 1970')
  for (const pid of [1, 2]) cores.kill(pid)
  cores.start(1, 2)
  cores.run(5_000)
  assert.equal([isRight(1), isRight(2)], [true, true], 'after a restart, too')
  cores.kill(2)
  cores.run(5_000)
  assert.is(cores.core(1).state.phase, 'ready')
  assert.ok(isRight(1), 'alone')
  cores.core(2).skewMs = -56 * 365 * day
  cores.start(2)
  cores.run(5_000)
  assert.not.ok(isRight(1), 'but whatever two agree on is so')
  cores.core(1).skewMs = 10 * 365 * day
  cores.core(2).skewMs = 0
  cores.start(0)
  cores.run(5_000)
  assert.equal([0, 1, 2].map(isRight), [true, true, true], 'and two that are right again carry it')
})

machine('[CLK1] a fact from far ahead is stored, not adopted, and reported once with who sent it', () => {
  const cores = createTrio()
  const reports = (pid: number): readonly unknown[] =>
    cores.core(pid).effects.flatMap((effect) => (effect.type === 'log' && effect.event === 'clock-ahead' ? [[effect.fields['peer'], effect.fields['document']]] : []))
  const nowMs = Date.UTC(2026, 4, 10, 12) + cores.nowMs
  const write = (pid: number, aheadMs: number, nodeId: NodeId | undefined): void => {
    if (nodeId === undefined) throw new Error('no node id')
    cores.edit(1, MEMBERS_DOCUMENT, (doc) => addMember(doc, { pid: pidOf(pid), nodeId, url: urlOf(pid), hlc: ((nowMs + aheadMs) * 1024) as Hlc }))
    cores.run(100)
  }
  write(5, 4 * 60_000, NODE_IDS[3])
  assert.equal([0, 1, 2].map(reports), [[], [], []], 'less than five minutes is nothing')
  write(6, 86_400_000, NODE_IDS[4])
  write(7, 86_400_000, mintNodeId(new Uint8Array(16).fill(77)))
  assert.equal([0, 1, 2].map(reports), [[[1, MEMBERS_DOCUMENT]], [], [[1, MEMBERS_DOCUMENT]]], 'who wrote it knows, the others say it once')
  for (const { state } of cores.all) {
    assert.ok(state.directory.members().some(({ pid }) => pid === 7), 'stored')
    assert.ok(state.meta.hlc < (nowMs + 60_000) * 1024, 'not adopted')
  }
})

machine('[RDY2] an empty node that joins has the promise and the grants under way before it is ready', () => {
  const cores = createCores(3, { bootstrap: true })
  cores.start(0, 1)
  cores.run(6_000)
  const { state } = cores.core(0)
  state.meta.tentative = [{ epoch: state.meta.promised, order: 77, grant: JSON.stringify({ kind: 'remove-account', requestId: '', accountId: 'ff'.repeat(16) }) }]
  cores.start(2)
  const joining = cores.core(2)
  for (let i = 0; i < 100 && joining.state.phase !== 'ready'; i++) cores.run(50)
  assert.is(joining.state.phase, 'ready')
  assert.is(joining.state.meta.promised >= createEpoch(1, pidOf(0)), true)
  assert.ok(joining.state.meta.tentative.some(({ order }) => order === 77))
  const stored = joining.records.filter(({ seq }) => seq <= joining.state.commits.committedThrough).flatMap(({ meta }) => (meta === null ? [] : [meta]))
  assert.ok(stored[stored.length - 1]?.includes('"order":77'), 'and on its disk')
})

machine.run()
