// What reviews found broken in replication and in who may serve, each as it was found, on real cores. docs/found-faults.md lists them.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as Y from 'yjs'
import { type DocumentName, MEMBERS_DOCUMENT, draftsDocument, parseAccountId } from '../../crdt-schema/ids.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import { decodePeerMessage, encodePeerFrame, encodePeerMessage } from '../../crdt-schema/peer-wire.ts'
import { stepDown } from '../../node/core/coordinator.ts'
import { digestToHex } from '../../node/core/digest.ts'
import { receiveUpdate, requireDocument } from '../../node/core/documents.ts'
import { ownRow } from '../../node/core/members.ts'
import { becomeSyncing } from '../../node/core/readiness.ts'
import type { Peer } from '../../node/core/state.ts'
import { type Core, type Cores, createCores, createLone, createTrio, pidOf } from '../support/cores.ts'

const draftsOf = (digits: string): DocumentName => {
  const account = parseAccountId(digits.repeat(16))
  return account === null ? MEMBERS_DOCUMENT : draftsDocument(account)
}
const DRAFTS = draftsOf('5e')
const OTHER = draftsOf('6f')

let count = 0
/** One own commit of a node. */
const write = (cores: Cores, pid: number, name: DocumentName = DRAFTS): void =>
  void cores.edit(pid, name, doc => doc.getMap('settings').set(`key ${++count}`, count))

const rootOf = ({ state }: Core): string => digestToHex(state.documents.root)
const rootsOf = (cores: Cores): readonly string[] => [...new Set(cores.all.map(rootOf))]
const phasesOf = (cores: Cores): readonly string[] => cores.all.map(({ state }) => state.phase)
const holdersAt = (cores: Cores, pid: number): string => cores.core(pid).state.desk.holders.join()
const said = (core: Core, event: string): boolean => core.effects.some(effect => effect.type === 'log' && effect.event === event)
const peerAt = (cores: Cores, at: number, pid: number): Peer => {
  const peer = cores.core(at).state.peers.get(pidOf(pid))
  assert.ok(peer)
  return peer as Peer
}
/** Whether everything that this node has stored may be shown to its clients. */
const isAllSettled = ({ state: { commits } }: Core): boolean => commits.settledThrough === commits.committedThrough

const runUntil = (cores: Cores, holds: () => boolean, withinMs: number): void => {
  for (let ms = 0; !holds() && ms < withinMs; ms += 50) cores.run(50)
  assert.ok(holds(), `not within ${withinMs} ms: ${holds}`)
}

const replication = suite('faults found in replication')

replication('[REP3] what is passed on of a pulled diff deletes nothing whose replacement the receiver has not got', () => {
  const { state } = createLone().core(0)
  const doc = new Y.Doc()
  const updates: Uint8Array[] = []
  doc.on('update', update => void updates.push(update))
  doc.getMap('settings').set('k', 'first')
  doc.getMap('settings').set('k', 'second')
  requireDocument(state, DRAFTS)
  for (const update of updates) assert.is(receiveUpdate(state, pidOf(1), DRAFTS, update, 'as-received'), 'complete')
  const known = Y.encodeStateVector(doc)
  doc.getMap('settings').set('other', 'thing')
  const { own } = state.commits.open
  const before = own.length
  assert.is(receiveUpdate(state, pidOf(1), DRAFTS, Y.encodeStateAsUpdate(doc, known), 'as-done'), 'complete')
  const third = new Y.Doc()
  const [first = new Uint8Array()] = updates
  Y.applyUpdate(third, first)
  for (const { update } of own.slice(before)) Y.applyUpdate(third, update)
  assert.is(third.getMap('settings').get('k'), 'first', 'it has not heard of the second')
  Y.applyUpdate(third, updates[1] ?? first)
  assert.equal(third.getMap('settings').toJSON(), { k: 'second', other: 'thing' })
  assert.is(receiveUpdate(state, pidOf(1), DRAFTS, Y.encodeStateAsUpdate(doc), 'as-done'), 'complete')
  assert.is(own.length, before + 1, 'and what is known is not passed on at all')
})

replication('[REP3] what a pulled diff brought too late is passed on with what has replaced it', () => {
  const { state } = createLone().core(0)
  const [low, high] = [1, 2].map(clientID => {
    const doc = new Y.Doc()
    doc.clientID = clientID
    doc.getMap('settings').set('k', `of ${clientID}`)
    return Y.encodeStateAsUpdate(doc)
  }) as [Uint8Array, Uint8Array]
  requireDocument(state, DRAFTS)
  assert.is(receiveUpdate(state, pidOf(1), DRAFTS, high, 'as-received'), 'complete')
  assert.is(receiveUpdate(state, pidOf(1), DRAFTS, low, 'as-done'), 'complete')
  const third = new Y.Doc()
  Y.applyUpdate(third, low)
  for (const { update } of state.commits.open.own) Y.applyUpdate(third, update)
  assert.is(third.getMap('settings').get('k'), 'of 2')
})

replication('[REP3] a push of an origin that this node does not see is its own, and settles although that origin dies', () => {
  const cores = createTrio()
  cores.cut(0, 2)
  cores.deafen(1, 0)
  const one = cores.core(1)
  runUntil(cores, () => !one.state.members.view.includes(pidOf(0)) && peerAt(cores, 1, 0).link !== null, 6_000)
  assert.equal([cores.core(0).state.members.view, one.state.members.view], [[0], [1, 2]], 'the link works one way')
  const { boot, heldPush } = peerAt(cores, 1, 0)
  const doc = new Y.Doc()
  doc.getMap('settings').set('last', 'words')
  const push = { type: 'push', origin: pidOf(0), boot, seq: heldPush + 9, previous: heldPush, sentTo: [0, 1, 2].map(pidOf), updates: [{ document: DRAFTS, update: Y.encodeStateAsUpdate(doc) }] } as const
  cores.core(2).isDiskStuck = true
  cores.inject(0, 1, encodePeerFrame([encodePeerMessage(push)]))
  assert.not.ok(isAllSettled(one), 'node 2 has not stored it')
  cores.kill(0)
  cores.core(2).isDiskStuck = false
  cores.run(2_000)
  assert.equal([1, 2].map(pid => cores.core(pid).state.documents.heads.has(DRAFTS)), [true, true])
  assert.ok(isAllSettled(one), `settled ${one.state.commits.settledThrough} of ${one.state.commits.committedThrough}`)
})

replication('[REP3] a push of an origin that this node does not see becomes its own once, however often it comes', () => {
  for (const isLoaded of [true, false]) {
    const cores = createTrio()
    write(cores, 0)
    cores.run(2_000)
    const one = cores.core(1)
    const { boot } = peerAt(cores, 1, 0)
    cores.kill(0)
    runUntil(cores, () => !one.state.members.view.includes(pidOf(0)), 6_000)
    if (isLoaded) requireDocument(one.state, DRAFTS)
    cores.run(500)
    const updates = one.records.flatMap((record) => record.updates.filter(({ document }) => document === DRAFTS))
    const count = (): number => one.records.flatMap((record) => record.updates.filter(({ document }) => document === DRAFTS)).length
    // As another node passes it on that took it for its own, while neither sees the other.
    for (let round = 0; round < 20; round++) {
      cores.inject(2, 1, encodePeerFrame([encodePeerMessage({ type: 'push', origin: pidOf(0), boot, seq: 9_000 + round, previous: 0, sentTo: [0, 1, 2].map(pidOf), updates: updates.slice(0, 1) })]))
      cores.run(20)
    }
    assert.ok(count() <= updates.length + 1, `${count() - updates.length} more, loaded: ${isLoaded}`)
  }
})

replication('[STO2] what a ready node pulls is shown when the other ready nodes have it too', () => {
  const cores = createTrio()
  cores.cut(0, 1)
  cores.cut(0, 2)
  cores.run(3_000)
  write(cores, 0)
  cores.run(1_000)
  const one = cores.core(1)
  cores.core(2).isDiskStuck = true
  cores.mend(0, 1)
  runUntil(cores, () => one.state.documents.heads.has(DRAFTS), 8_000)
  assert.equal([one.state.phase, cores.core(2).state.phase], ['ready', 'ready'])
  assert.not.ok(peerAt(cores, 1, 2).excluded)
  const { seq } = one.state.documents.heads.get(DRAFTS) ?? { seq: 0 }
  assert.ok(one.state.commits.committedThrough >= seq, 'node 1 has stored it')
  assert.ok(one.state.commits.settledThrough < seq, 'node 2 has not')
  cores.core(2).isDiskStuck = false
  cores.run(1_000)
  assert.ok(isAllSettled(one))
})

replication('[REP1] a node that raised its boot meets its peers again under it, and its pushes settle as before', () => {
  const cores = createTrio()
  write(cores, 2)
  const copy = [...cores.core(2).records]
  for (let run = 0; run < 3; run++) {
    cores.kill(2)
    cores.start(2)
    cores.run(2_000)
  }
  cores.kill(2)
  cores.restore(2, copy)
  cores.start(2)
  cores.run(3_000)
  assert.ok(said(cores.core(2), 'restored-copy'))
  const { boot } = cores.core(2).state.meta
  assert.equal([0, 1].map(at => peerAt(cores, at, 2).boot), [boot, boot])
  cores.core(0).isDiskStuck = true
  write(cores, 2)
  assert.not.ok(isAllSettled(cores.core(1)), 'node 0 has not stored it')
  cores.core(0).isDiskStuck = false
  cores.run(200)
  assert.ok(isAllSettled(cores.core(1)))
})

replication('[REP1] a directory that was put back and went on is not read from a checkpoint of what it was', () => {
  const cores = createTrio({ aloneMs: 2_000 })
  write(cores, 0)
  const copy = [...cores.core(0).records]
  for (let i = 0; i < 6; i++) write(cores, 0)
  cores.run(1_000)
  cores.kill(0)
  cores.cut(0, 1)
  cores.cut(0, 2)
  cores.restore(0, copy)
  cores.start(0)
  runUntil(cores, () => cores.core(0).state.phase === 'ready', 10_000)
  write(cores, 0, OTHER)
  for (let i = 0; i < 12; i++) write(cores, 0)
  const zero = cores.core(0).state
  const through = cores.core(1).state.meta.held[zero.meta.nodeId]?.through ?? 0
  assert.ok((zero.documents.heads.get(OTHER)?.seq ?? 0) <= through && through < zero.commits.committedThrough, 'the new part is below the old checkpoint')
  cores.core(1).isDiskStuck = true
  cores.mend(0, 1)
  cores.mend(0, 2)
  runUntil(cores, () => peerAt(cores, 0, 1).helloSeen, 8_000)
  assert.is(peerAt(cores, 0, 1).holdsThrough, 0, 'what it held of the earlier run is no copy of this one')
  cores.core(1).isDiskStuck = false
  cores.run(3_000)
  assert.equal(phasesOf(cores), ['ready', 'ready', 'ready'])
  assert.is(rootsOf(cores).length, 1, 'long before tables are compared')
})

replication('[COR3] a message that no frame holds travels in pieces, and no link is lost', () => {
  const cores = createTrio()
  for (const { effects } of cores.all) (effects as unknown[]).length = 0
  cores.edit(0, DRAFTS, doc => doc.getMap('settings').set('large', 'x'.repeat(LIMITS.peerFrameBytesMax + 100_000)))
  cores.run(500)
  const frames = cores.all.flatMap(({ effects }) => effects.flatMap(effect => (effect.type === 'send' ? [effect.frame.byteLength] : [])))
  assert.ok(Math.max(...frames) <= LIMITS.peerFrameBytesMax, `${Math.max(...frames)}`)
  assert.ok(cores.spoken.some(({ message }) => message.type === 'fragment' && !message.last))
  assert.is(rootsOf(cores).length, 1)
  assert.not.ok(cores.all.some(({ effects }) => effects.some(effect => effect.type === 'close-link')))
  assert.ok(cores.all.every(isAllSettled))
})

replication('[REP6] nobody counts a copy on a node that the origin has given up waiting for', () => {
  const cores = createTrio()
  cores.run(1_000)
  assert.is(holdersAt(cores, 1), '0,1,2')
  cores.freeze(2)
  write(cores, 0)
  runUntil(cores, () => peerAt(cores, 0, 2).excluded, 1_400)
  const { state } = cores.core(1)
  assert.ok(state.members.view.includes(pidOf(2)) && !peerAt(cores, 1, 2).excluded, 'node 1 has no reason of its own')
  assert.ok(isAllSettled(cores.core(1)))
  assert.equal([holdersAt(cores, 0), holdersAt(cores, 1)], ['0,1', '0,1'])
})

replication('[REP6] a copy that the origin gave up waiting for counts no more when that origin has left ready', () => {
  const cores = createTrio()
  cores.run(1_000)
  cores.freeze(2)
  write(cores, 0)
  runUntil(cores, () => peerAt(cores, 0, 2).excluded, 1_400)
  becomeSyncing(cores.core(0).state, 'a reason of its own')
  cores.run(50)
  assert.is(cores.core(1).state.members.rows.get(pidOf(0))?.row.phase, 'syncing')
  assert.ok(cores.core(1).state.members.view.includes(pidOf(2)))
  assert.is(holdersAt(cores, 1), '1', 'node 0 is not ready, and node 2 lacks what node 0 acknowledged')
})

replication('[STO2] equal roots say nothing of what is only in memory', () => {
  const cores = createTrio()
  cores.run(1_000)
  const zero = cores.core(0).state
  const heldBy1 = (): number => cores.core(1).state.meta.held[zero.meta.nodeId]?.through ?? 0
  cores.core(1).isDiskStuck = true
  write(cores, 0)
  cores.run(600)
  assert.is(rootOf(cores.core(1)), rootOf(cores.core(0)), 'it is applied')
  assert.ok(heldBy1() < zero.commits.committedThrough, 'and not stored')
  cores.core(1).isDiskStuck = false
  cores.run(1_000)
  assert.is(heldBy1(), zero.commits.committedThrough)
})

replication('[COR4] a row with the longest address there may be is read', () => {
  const row = ownRow(createLone().core(0).state)
  const isRead = (characters: number): boolean =>
    decodePeerMessage(encodePeerMessage({ type: 'heartbeat', rows: [{ ...row, url: `http://${'a'.repeat(characters - 7)}` }] })).ok
  assert.equal([256, 257, LIMITS.urlCharactersMax, LIMITS.urlCharactersMax + 1].map(isRead), [true, true, true, false])
})

replication('[REP5] what was pushed during a pull leaves no hole behind it', () => {
  const cores = createTrio()
  cores.deafen(0, 2)
  write(cores, 0)
  cores.mend(0, 2)
  cores.core(2).isDiskStuck = true
  for (let i = 0; i < 3; i++) write(cores, 0)
  assert.is(peerAt(cores, 2, 0).pull?.status, 'storing', 'it fetches what it missed')
  cores.core(2).isDiskStuck = false
  cores.run(50)
  cores.spoken.length = 0
  for (let i = 0; i < 3; i++) write(cores, 0)
  assert.not.ok(cores.spoken.some(({ from, message }) => from === 2 && message.type === 'feed-request'))
  assert.is(peerAt(cores, 2, 0).heldAbove.size, 0)
})

replication('[COR3] an empty node is sent what it asks for as its link drains, not all at once', () => {
  const cores = createCores(3, { bootstrap: true })
  cores.start(0, 1)
  cores.run(6_000)
  for (let i = 0; i < 40; i++) cores.edit(0, draftsOf((16 + i).toString(16)), doc => doc.getMap('settings').set('large', 'x'.repeat(200_000)))
  cores.run(500)
  cores.spoken.length = 0
  cores.start(2)
  const perTick: number[] = []
  for (let at = 0; cores.core(2).state.phase !== 'ready' && perTick.length < 200; at = cores.spoken.length) {
    cores.run(50)
    perTick.push(cores.spoken.slice(at).reduce((sum, { from, to, message }) => sum + (from === 0 && to === 2 && message.type === 'diff' ? message.bytes.byteLength : 0), 0))
  }
  assert.is(cores.core(2).state.phase, 'ready')
  assert.ok(perTick.reduce((sum, bytes) => sum + bytes, 0) > 7_000_000)
  assert.ok(Math.max(...perTick) < 3_000_000, perTick.join(' '))
})

replication('[COR5] a document that is loaded while an update for it is still being written has that update', () => {
  const cores = createTrio({ documentMemoryBytes: 1 })
  write(cores, 0)
  cores.run(3_000)
  const one = cores.core(1)
  assert.not.ok(one.state.documents.loaded.has(DRAFTS))
  one.isDiskStuck = true
  write(cores, 0)
  assert.not.ok(one.state.documents.loaded.has(DRAFTS), 'it is logged and not loaded')
  assert.is(cores.edit(1, DRAFTS, doc => doc.getMap('settings').size), 2)
  one.isDiskStuck = false
})

replication('[REP1] a link that comes back is no sign of a restored copy', () => {
  const cores = createTrio()
  for (let i = 0; i < 3; i++) {
    cores.cut(0, 1)
    cores.mend(0, 1)
    cores.run(1_000)
  }
  assert.equal(cores.all.map(({ state }) => state.meta.boot), [1, 1, 1])
})

replication('[REP1] a question that is lost on its way through a neighbour is asked again within seconds', () => {
  const cores = createTrio()
  cores.cut(1, 2)
  cores.run(3_000)
  cores.freeze(2)
  cores.run(1_000)
  cores.cut(0, 1)
  cores.wake(2)
  // It suspects itself and asks both for what it missed; what is for node 1 goes through node 0, which has no link to it just now.
  cores.run(50)
  const pulled = peerAt(cores, 2, 1)
  assert.equal([pulled.pull?.status, pulled.synced], ['rows', false])
  cores.mend(0, 1)
  runUntil(cores, () => pulled.synced && cores.core(2).state.phase === 'ready', 4_000)
})

replication.run()

const serving = suite('faults found in who may serve')

serving('[LIV3] time spent frozen is not time spent waiting alone', () => {
  const cores = createTrio()
  cores.kill(2)
  cores.run(3_000)
  write(cores, 0)
  cores.kill(0)
  cores.kill(1)
  cores.start(2)
  cores.run(1_000)
  const two = cores.core(2)
  assert.is(two.state.phase, 'recovering')
  cores.freeze(2)
  cores.run(9_500)
  cores.wake(2)
  cores.run(4_000)
  assert.is.not(two.state.phase, 'ready', 'it has waited five seconds')
  assert.not.ok(said(two, 'alone'))
  cores.start(0, 1)
  runUntil(cores, () => phasesOf(cores).every(phase => phase === 'ready'), 15_000)
  assert.not.ok(said(two, 'alone'))
  cores.run(1_000)
  assert.is(rootsOf(cores).length, 1)
})

serving('[LIV3] a node that wakes among others that went on syncs before it serves', () => {
  const cores = createTrio()
  cores.kill(2)
  cores.run(3_000)
  for (const pid of [0, 1]) cores.kill(pid)
  cores.start(2)
  cores.run(1_000)
  cores.freeze(2)
  cores.start(0, 1)
  runUntil(cores, () => cores.core(0).state.phase === 'ready' && cores.core(1).state.phase === 'ready', 15_000)
  write(cores, 0)
  cores.run(12_000)
  const two = cores.core(2)
  cores.wake(2)
  for (let i = 0; i < 100; i++) {
    cores.run(50)
    if (two.state.phase === 'ready') assert.ok(two.state.documents.heads.has(DRAFTS), 'it serves with what they acknowledged')
  }
  assert.equal(phasesOf(cores), ['ready', 'ready', 'ready'])
  assert.not.ok(said(two, 'alone'))
})

serving('[LIV3] a commit that returns just after another run of a peer has called does not let a woken node serve', () => {
  const cores = createTrio()
  cores.kill(1)
  cores.run(3_000)
  const { state } = cores.core(0)
  cores.freeze(0)
  cores.run(8_000)
  const { nodeId, boot } = cores.core(2).state.meta
  cores.feed(0, { type: 'tick' })
  write(cores, 0)
  assert.equal([state.phase, state.members.view.join()], ['syncing', '0,2'])
  const seq = state.commits.writing?.record.seq ?? 0
  const peer = { pid: pidOf(2), nodeId, boot: boot + 1, url: 'http://node-2.test', version: '1.0.0' }
  cores.feed(0, { type: 'link-up', link: 9_999, peer, dialed: false }, { type: 'committed', seq })
  // Of the run before it has forgotten everything, of this one it has heard nothing: node 2 may know of much that it has missed.
  assert.is(state.phase, 'syncing')
})

serving('[STO2] a node serves when the ready ones hold what it had stored, not as soon as it has what they hold', () => {
  const cores = createTrio()
  cores.run(1_000)
  const { state } = cores.core(0)
  cores.freeze(0)
  cores.run(700)
  // As after a restart: its last commit returned just before it died, and no push of it ever left.
  const one = peerAt(cores, 0, 1)
  one.mustHold = state.commits.committedThrough + 1_000
  cores.wake(0)
  cores.run(1_000)
  assert.equal([one.synced, peerAt(cores, 0, 2).synced, state.phase], [true, true, 'syncing'])
  one.mustHold = one.holdsThrough
  cores.run(200)
  assert.is(state.phase, 'ready')
})

serving('[REP6] who is called behind by a node that has left ready since is behind, and both come back', () => {
  for (const accusers of [[0], [0, 1]] as const) {
    const cores = createTrio()
    cores.run(1_000)
    // In one turn each gives the other up and leaves ready, as two nodes do that hear each other late: nobody sees it ready and accusing.
    for (const pid of accusers) {
      const peer = peerAt(cores, pid, 1 - pid)
      peer.excluded = true
      peer.missingThrough = cores.core(pid).state.commits.committedThrough + 1
      stepDown(cores.core(pid).state, 'test')
      becomeSyncing(cores.core(pid).state, 'test')
    }
    for (const pid of accusers) {
      cores.core(pid).isDiskStuck = true
      write(cores, pid)
    }
    cores.run(100)
    assert.equal(phasesOf(cores), ['syncing', 'syncing', 'ready'], `accused by ${accusers.join()}`)
    for (const pid of accusers) cores.core(pid).isDiskStuck = false
    runUntil(cores, () => phasesOf(cores).every((phase) => phase === 'ready'), 5_000)
    cores.run(1_000)
    assert.equal(cores.all.flatMap(({ state }) => [...state.peers.values()].filter(({ excluded }) => excluded)), [])
    assert.equal(rootsOf(cores).length, 1)
  }
})

serving.run()
