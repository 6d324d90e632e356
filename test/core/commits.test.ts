// Commits from collecting to settled, on real cores: what waits for whom, and what becomes of pushes whose origin is lost
// [STO1, STO2, REP3, REP5, REP6]. And that the invariants see what they are there to see.

import * as Y from 'yjs'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { describeReplication } from '../../node/core/describe.ts'
import { type DocumentName, type Hlc, MEMBERS_DOCUMENT, createEpoch, draftsDocument, mintDraftId, mintNodeId, mintRequestId, parseAccountId } from '../../crdt-schema/ids.ts'
import { addMember } from '../../crdt-schema/members.ts'
import { encodePeerFrame, encodePeerMessage } from '../../crdt-schema/peer-wire.ts'
import { digestToHex } from '../../node/core/digest.ts'
import { checkCluster, checkNode, checkNodeDeeply, checkStableComponent } from '../../node/core/invariants.ts'
import { createNode } from '../../node/core/node.ts'
import type { NodeState } from '../../node/core/state.ts'
import { START_MS } from '../support/desk.ts'
import { type Cores, createCores, createLone, createTrio, pidOf } from '../support/cores.ts'

const account = parseAccountId('5e'.repeat(16))
const DRAFTS: DocumentName = account === null ? MEMBERS_DOCUMENT : draftsDocument(account)

/** One own commit of a node, about nothing in particular. */
let count = 0
const write = (cores: Cores, pid: number, name: DocumentName = DRAFTS): void =>
  void cores.edit(pid, name, (doc) => doc.getMap('settings').set(`key ${++count}`, count))
const thresholds = ({ state: { commits } }: { readonly state: NodeState }): readonly [number, number, number] => [commits.committedThrough, commits.acknowledgedThrough, commits.settledThrough]
const keysOn = (cores: Cores, pid: number): number => cores.core(pid).state.documents.loaded.get(DRAFTS)?.doc.getMap('settings').size ?? 0
const logged = (cores: Cores, pid: number, event: string): boolean => cores.core(pid).effects.some((effect) => effect.type === 'log' && effect.event === event)

const commits = suite('commits')

commits('[STO1] all that one turn changed is one record, and while it is being written the next one collects', () => {
  const cores = createLone()
  const core = cores.core(0)
  core.isDiskStuck = true
  const before = core.records.length
  for (let i = 0; i < 5; i++) write(cores, 0)
  assert.is(core.records.length, before + 1, 'one is being written')
  core.isDiskStuck = false
  cores.run(50)
  assert.is(core.records.length, before + 2, 'the other four are one')
  assert.is(core.records[before + 1]?.updates.length, 4)
})

commits('[STO2] nothing leaves a node about a commit that has not returned', () => {
  const cores = createTrio()
  cores.core(0).isDiskStuck = true
  write(cores, 0)
  assert.not.ok(cores.spoken.some(({ message }) => message.type === 'push'))
  cores.core(0).isDiskStuck = false
  cores.run(50)
  assert.is(cores.spoken.filter(({ from, message }) => from === 0 && message.type === 'push').length, 2)
})

commits('[REP3] in a healthy mesh an update crosses each link of its origin once, and no other', () => {
  const cores = createTrio()
  for (let i = 0; i < 10; i++) write(cores, 1)
  cores.run(1_000)
  const pushes = cores.spoken.filter(({ message }) => message.type === 'push').map(({ from, to }) => `${from}>${to}`)
  assert.is(pushes.length, 20)
  assert.equal([...new Set(pushes)].sort(), ['1>0', '1>2'])
})

commits('[REP4] what several commits had for a peer in one turn goes in one frame, and the peer commits it as one record', () => {
  const cores = createTrio()
  const far = cores.core(2)
  far.isDiskStuck = true
  for (let i = 0; i < 6; i++) write(cores, 0)
  const before = far.records.length
  far.isDiskStuck = false
  cores.run(50)
  assert.is(far.records.length, before + 1)
  assert.is(keysOn(cores, 2) > 0 || cores.core(2).state.documents.heads.has(DRAFTS), true)
})

commits('[REP6] a commit is acknowledged when every node in view has it on disk, not before', () => {
  const cores = createTrio()
  cores.core(2).isDiskStuck = true
  const [, before] = thresholds(cores.core(0))
  write(cores, 0)
  const [committed, acknowledged] = thresholds(cores.core(0))
  assert.ok(committed > before)
  assert.is(acknowledged, before, 'node 2 has not stored it')
  cores.core(2).isDiskStuck = false
  cores.run(50)
  assert.equal(thresholds(cores.core(0)), [committed, committed, committed])
})

commits('[REP6] thresholds rise in order: a later commit does not overtake an earlier one', () => {
  const cores = createTrio()
  cores.deafen(2, 0)
  const [, before] = thresholds(cores.core(0))
  write(cores, 0)
  cores.mend(2, 0)
  write(cores, 0)
  write(cores, 0)
  assert.is(cores.core(0).state.peers.get(pidOf(2))?.unacknowledged.size, 1, 'one acknowledgement was lost, the later two came')
  assert.is(thresholds(cores.core(0))[1], before)
  cores.run(4_000)
  assert.is(thresholds(cores.core(0))[1], thresholds(cores.core(0))[0])
})

commits('[REP5] a hole in the pushes of a peer is asked for at once', () => {
  const cores = createTrio()
  cores.deafen(0, 2)
  write(cores, 0)
  cores.mend(0, 2)
  cores.spoken.length = 0
  write(cores, 0)
  assert.ok(cores.spoken.some(({ from, message }) => from === 2 && message.type === 'feed-request'), 'without waiting for a tick')
  cores.run(200)
  assert.is(digestToHex(cores.core(2).state.documents.root), digestToHex(cores.core(1).state.documents.root))
})

commits('[REP6] what a peer pushed is shown to clients when its origin says that it is acknowledged', () => {
  const cores = createTrio()
  cores.core(1).isDiskStuck = true
  write(cores, 0)
  const [committed, acknowledged, settled] = thresholds(cores.core(2))
  assert.is(acknowledged, committed, 'node 2 has nothing of its own to wait for')
  assert.ok(settled < committed, 'node 0 still waits for node 1')
  cores.core(1).isDiskStuck = false
  cores.run(50)
  assert.is(thresholds(cores.core(2))[2], thresholds(cores.core(2))[0])
})

commits('[REP6] only the origin of a push says that it is acknowledged: others have nothing to tell of it', () => {
  const cores = createTrio()
  cores.run(1_000)
  const before = cores.spoken.length
  write(cores, 1)
  cores.run(40)
  const said = cores.spoken.slice(before).filter(({ message }) => message.type === 'settled').map(({ from, to }) => `${from}>${to}`)
  assert.equal(said.sort(), ['1>0', '1>2'])
})

commits('[REP6] a peer silent past ackTimeoutMs is behind: not waited for, not counted, until it has acknowledged everything', () => {
  const cores = createTrio()
  const { state } = cores.core(0)
  cores.core(2).isDiskStuck = true
  write(cores, 0)
  cores.run(900)
  assert.is(state.peers.get(pidOf(2))?.excluded, false)
  const [one, two] = describeReplication(state).peers
  assert.equal(one, { pid: pidOf(1), lagMs: 0, behindDocuments: 0 })
  assert.ok(two !== undefined && two.lagMs >= 850 && two.lagMs <= 950 && two.behindDocuments >= 1, JSON.stringify(two))
  cores.run(300)
  assert.is(state.peers.get(pidOf(2))?.excluded, true)
  assert.is(state.commits.acknowledgedThrough, state.commits.committedThrough)
  assert.not.ok(state.desk.holders.includes(pidOf(2)))
  write(cores, 0)
  assert.is(state.commits.acknowledgedThrough, state.commits.committedThrough, 'it costs others this wait once')
  cores.core(2).isDiskStuck = false
  cores.run(4_000)
  assert.ok(logged(cores, 0, 'peer-caught-up'))
  assert.ok(state.desk.holders.includes(pidOf(2)))
  assert.ok(describeReplication(state).peers.every(({ lagMs, behindDocuments }) => lagMs + behindDocuments === 0))
})

commits('[REP6] in a cluster at rest every ready node counts as a copy within a second', () => {
  const cores = createTrio()
  cores.run(1_000)
  assert.equal(cores.all.map(({ state }) => state.desk.holders.join()), ['0,1,2', '0,1,2', '0,1,2'])
})

commits('[REP6] a node whose own commit takes longer than ackTimeoutMs is not ready until it is quick and in step again', () => {
  const cores = createTrio()
  cores.core(1).isDiskStuck = true
  write(cores, 1)
  cores.run(1_200)
  assert.is(cores.core(1).state.phase, 'syncing')
  cores.core(1).isDiskStuck = false
  cores.run(4_000)
  assert.is(cores.core(1).state.phase, 'ready')
})

commits('[REP6] when the origin of a push is lost, each survivor takes it over and finds out who holds it', () => {
  const cores = createTrio()
  cores.deafen(0, 2)
  cores.core(1).isDiskStuck = true
  write(cores, 0)
  cores.kill(0)
  cores.core(1).isDiskStuck = false
  cores.run(1_000)
  assert.ok(logged(cores, 1, 'pushes-adopted'))
  assert.ok(cores.spoken.some(({ from, to, message }) => from === 1 && to === 2 && message.type === 'push' && message.origin === 1), 'as a push of its own')
  const heads = [1, 2].map((pid) => cores.core(pid).state.documents)
  assert.equal(heads.map(({ heads: all }) => all.has(DRAFTS)), [true, true])
  assert.is(digestToHex(heads[0]?.root ?? { high: 0, low: 1 }), digestToHex(heads[1]?.root ?? { high: 0, low: 2 }))
  assert.equal([1, 2].map((pid) => thresholds(cores.core(pid))[0] === thresholds(cores.core(pid))[2]), [true, true], 'and it settles')
})

commits('[REP1] a node that was away fetches what changed and no more', () => {
  const cores = createTrio()
  write(cores, 0)
  cores.run(31_000)
  cores.kill(2)
  cores.run(2_000)
  write(cores, 1)
  cores.run(200)
  cores.spoken.length = 0
  cores.start(2)
  cores.run(2_000)
  const wanted = cores.spoken.flatMap(({ from, message }) => (from === 2 && message.type === 'want' ? message.items.map(({ document }) => document) : []))
  assert.ok(wanted.includes(DRAFTS))
  assert.equal([...new Set(wanted)], [DRAFTS])
  assert.is(cores.core(2).state.phase, 'ready')
})

commits('[REP1] what two peers hold alike is fetched from one of them, many documents in a message, and both count as pulled from', () => {
  const cores = createTrio()
  const names = Array.from({ length: 300 }, (_, i) => draftsDocument(parseAccountId(i.toString(16).padStart(32, '0')) ?? (assert.unreachable() as never)))
  for (const name of names) write(cores, 0, name)
  cores.run(1_000)
  cores.kill(2)
  for (const name of names) write(cores, 0, name)
  cores.run(3_000)
  cores.spoken.length = 0
  cores.start(2)
  cores.run(3_000)
  const diffs = cores.spoken.flatMap(({ from, to, message }) => (to === 2 && message.type === 'diff' && message.bytes.length > 2 && names.includes(message.document) ? [{ from, document: message.document }] : []))
  const wants = cores.spoken.flatMap(({ from, message }) => (from === 2 && message.type === 'want' ? [message.items.length] : []))
  assert.equal(diffs.map(({ document }) => document).sort(), [...names].sort(), 'each once')
  assert.equal([...new Set(diffs.map(({ from }) => from))].sort(), [0, 1], 'some from each')
  assert.ok(wants.length < 40, `${wants.length} questions`)
  assert.ok(cores.core(0).state.peers.get(pidOf(2))?.missing.size === 0 && [0, 1].every((pid) => cores.core(2).state.peers.get(pidOf(pid))?.synced === true))
  assert.equal(cores.all.map(({ state }) => digestToHex(state.documents.root)), [0, 1, 2].map(() => digestToHex(cores.core(0).state.documents.root)))
})

commits('[REP1] a peer that is asked and dies leaves what it was asked for to the other', () => {
  const cores = createTrio()
  const names = Array.from({ length: 100 }, (_, i) => draftsDocument(parseAccountId(i.toString(16).padStart(32, '0')) ?? (assert.unreachable() as never)))
  cores.kill(2)
  for (const name of names) write(cores, 0, name)
  cores.run(3_000)
  cores.deafen(0, 2) // it hears the questions, and its answers are lost
  cores.start(2)
  cores.run(500)
  cores.kill(0)
  cores.run(5_000)
  assert.is(cores.core(2).state.phase, 'ready')
  assert.is(digestToHex(cores.core(2).state.documents.root), digestToHex(cores.core(1).state.documents.root))
})

commits('[REP1] when a link comes back the feed since the checkpoint is asked for; of another run of the peer, its table', () => {
  const cores = createTrio()
  write(cores, 0)
  cores.run(1_000)
  const askedBy2 = (): ReadonlySet<string> => {
    const types = cores.spoken.flatMap(({ from, to, message }) => (from === 2 && to === 0 && (message.type === 'table-request' || (message.type === 'feed-request' && message.after > 0)) ? [message.type] : []))
    cores.spoken.length = 0
    return new Set(types)
  }
  askedBy2()
  cores.cut(0, 2)
  write(cores, 0)
  cores.mend(0, 2)
  cores.run(500)
  assert.equal([...askedBy2()], ['feed-request'])
  cores.kill(0)
  cores.run(500)
  cores.start(0)
  cores.run(500)
  assert.equal([...askedBy2()], ['table-request'])
})

commits('[REP1] a restored copy of a data directory takes a boot above the one that others saw', () => {
  const cores = createTrio()
  write(cores, 0)
  const copy = [...cores.core(2).records]
  const { boot } = cores.core(2).state.meta
  for (const runs of [1, 3]) {
    for (let run = 0; run < runs; run++) {
      cores.kill(2)
      cores.start(2)
      cores.run(2_000)
    }
    const seen = cores.core(2).state.meta.boot
    cores.kill(2)
    cores.restore(2, copy)
    cores.start(2)
    assert.ok(boot + 1 <= seen)
    cores.run(3_000)
    assert.ok(cores.core(2).state.meta.boot > seen, `boot ${cores.core(2).state.meta.boot}, seen ${seen}`)
    assert.is(cores.core(2).state.phase, 'ready')
  }
  assert.ok(logged(cores, 2, 'restored-copy'))
})

commits('[REP2] a difference that no push and no feed tells of is found by comparing tables', () => {
  const cores = createTrio()
  const { state } = cores.core(2)
  write(cores, 0)
  cores.run(100)
  cores.deafen(0, 2)
  cores.deafen(1, 2)
  write(cores, 0)
  // As if it had acknowledged what it never got: nobody has a reason to send it again.
  for (const pid of [0, 1]) {
    const peer = cores.core(pid).state.peers.get(pidOf(2))
    peer?.unacknowledged.clear()
    peer?.missing.clear()
    for (const pending of cores.core(pid).state.commits.pending) pending.ackedBy.add(pidOf(2))
    const { nodeId } = cores.core(pid).state.meta
    state.meta.held[nodeId] = { pid: pidOf(pid), boot: 1, through: cores.core(pid).state.commits.committedThrough }
  }
  cores.mend(0, 2)
  cores.mend(1, 2)
  cores.run(100)
  const rootOf = (pid: number): string => digestToHex(cores.core(pid).state.documents.root)
  assert.is.not(rootOf(2), rootOf(0))
  cores.run(31_000)
  assert.is(rootOf(2), rootOf(0))
  assert.is(state.phase, 'ready')
})

commits('[DOC6] a clientID is fresh with each boot, one for what the node writes and another for what it writes for an owner', () => {
  const cores = createLone()
  const first = cores.core(0).state.clientIds
  cores.kill(0)
  cores.start(0)
  const second = cores.core(0).state.clientIds
  assert.is(new Set([first.node, first.owner, second.node, second.owner]).size, 4)
  cores.run(1_000)
  write(cores, 0)
  const { doc } = cores.core(0).state.documents.loaded.get(DRAFTS) ?? { doc: new Y.Doc() }
  assert.is(doc.clientID, second.owner)
  assert.is(cores.core(0).state.documents.loaded.get(MEMBERS_DOCUMENT)?.doc.clientID, second.node)
})

commits('[DOC7] a node collects garbage in every document and writes the first encoding', () => {
  const cores = createLone()
  write(cores, 0)
  const { doc } = cores.core(0).state.documents.loaded.get(DRAFTS) ?? { doc: new Y.Doc({ gc: false }) }
  assert.is(doc.gc, true)
  const update = cores.core(0).records.flatMap(({ updates }) => updates).find(({ document }) => document === DRAFTS)?.update
  assert.ok(update !== undefined)
  const copy = new Y.Doc()
  if (update !== undefined) Y.applyUpdate(copy, update)
  assert.is(copy.getMap('settings').size, 1)
})

commits('[COR1] the same events at the same times give the same effects, byte for byte', () => {
  const play = (): string => {
    count = 0
    const cores = createTrio()
    for (let i = 0; i < 5; i++) write(cores, i % 3)
    cores.run(300)
    return JSON.stringify(cores.all.map(({ effects }) => effects), (_, value: unknown) => (value instanceof Uint8Array ? [...value].join() : value))
  }
  assert.ok(play() === play())
})

commits('[COR4] a frame that is damaged costs its link, which comes back; one write that fails ends the node', () => {
  const cores = createTrio()
  const frame = encodePeerFrame([encodePeerMessage({ type: 'goodbye' })])
  frame[5] = (frame[5] ?? 0) ^ 1
  cores.inject(1, 0, frame)
  assert.ok(logged(cores, 0, 'peer-frame-rejected'))
  cores.run(500)
  assert.equal(cores.core(0).state.members.view, [0, 1, 2])
  assert.ok(cores.core(0).state.peers.get(pidOf(1))?.link !== null)
  cores.feed(0, { type: 'commit-failed', seq: cores.core(0).state.commits.committedThrough + 1, reason: 'ENOSPC' })
  const stop = cores.core(0).effects.find((effect) => effect.type === 'stop')
  assert.is(stop?.type === 'stop' ? stop.exitCode : null, 1)
  const after = cores.core(0).effects.length
  cores.feed(0, { type: 'tick' })
  assert.is(cores.core(0).effects.length, after, 'and nothing more happens')
})

commits('[COR4] a document that does not decode is set aside and fetched from a peer, and the node goes on', () => {
  const cores = createTrio({ documentMemoryBytes: 1 })
  write(cores, 0)
  cores.run(3_000)
  const { state } = cores.core(1)
  assert.not.ok(state.documents.loaded.has(DRAFTS), 'it has left memory')
  cores.core(1).records.forEach(({ updates }) => updates.forEach((entry, i) => { if (entry.document === DRAFTS) (updates as { document: DocumentName; update: Uint8Array }[])[i] = { document: DRAFTS, update: Uint8Array.of(9, 9, 9) } }))
  write(cores, 0)
  cores.run(2_000)
  assert.ok(logged(cores, 1, 'document-quarantined'))
  cores.run(2_000)
  assert.ok(logged(cores, 1, 'document-restored'))
  assert.is(state.phase, 'ready')
  assert.is(digestToHex(state.documents.root), digestToHex(cores.core(0).state.documents.root))
})

commits('[REP4] what peers push to a document that nobody uses is applied together, and at once when somebody needs it', () => {
  const cores = createTrio()
  write(cores, 0)
  cores.run(1_000)
  const { documents } = cores.core(1).state
  const doc = documents.loaded.get(DRAFTS)?.doc
  let transactions = 0
  doc?.on('afterTransaction', () => void transactions++)
  for (let i = 0; i < 5; i++) write(cores, 0)
  assert.not.ok(documents.loaded.has(DRAFTS), 'it counts as not loaded')
  assert.is(transactions, 0)
  write(cores, 1)
  assert.is(keysOn(cores, 1), 7, 'whoever changes it has all of it')
  assert.is(transactions, 2, 'five pushes are one transaction, the change another')
  for (let i = 0; i < 5; i++) write(cores, 0)
  assert.not.ok(documents.loaded.has(DRAFTS))
  cores.run(1_000)
  assert.is(keysOn(cores, 1), 12, 'soon it is applied without being needed')
  assert.is(transactions, 3)
  assert.is(digestToHex(documents.root), digestToHex(cores.core(0).state.documents.root))
})

commits('[COR4] an update that does not decode, in a frame that does, costs the link of who sent it and leaves nothing', () => {
  // Cut off in its deletions: Yjs has taken the rest in by then.
  const half = new Y.Doc()
  half.getMap('settings').set('half', 1)
  const cut = Y.encodeStateAsUpdate(half).slice(0, -1)
  for (const [name, update] of [[MEMBERS_DOCUMENT, Uint8Array.of(9, 9, 9)], [DRAFTS, Uint8Array.of(9, 9, 9)], [DRAFTS, cut]] as const) {
    const cores = createTrio()
    write(cores, 0)
    cores.run(500)
    const before = digestToHex(cores.core(0).state.documents.root)
    cores.inject(1, 0, encodePeerFrame([encodePeerMessage({ type: 'push', origin: pidOf(1), boot: 1, seq: 9_999, previous: 0, sentTo: [0, 1, 2].map(pidOf), updates: [{ document: name, update }] })]))
    assert.ok(logged(cores, 0, 'peer-frame-rejected'), name)
    cores.run(2_000)
    assert.is(digestToHex(cores.core(0).state.documents.root), before)
    assert.is(cores.core(0).state.documents.loaded.get(DRAFTS)?.doc.getMap('settings').has('half'), false)
    assert.equal(cores.core(0).state.members.view, [0, 1, 2])
    assert.is(cores.core(0).state.phase, 'ready')
  }
})

commits('[RDY1] a document that cannot be completed answers 503 and holds nothing else back', () => {
  const cores = createLone({ documentMemoryBytes: 1 })
  const tokenOf = (seed: number, name: string): string => {
    const call = cores.call(0, { type: 'create-account', name, password: `password of ${name}` }, { key: mintRequestId(new Uint8Array(16).fill(seed)) })
    return (cores.core(0).answers.get(call)?.body as { readonly session: { readonly token: string } }).session.token
  }
  const [ann, ben] = [tokenOf(1, 'ann'), tokenOf(2, 'ben')]
  for (const token of [ann, ben]) cores.call(0, { type: 'put-draft', id: mintDraftId(START_MS, new Uint8Array(16).fill(4)), to: [], text: 'kept', selected: false }, { token })
  cores.run(3_000)
  const { state, records } = cores.core(0)
  const owner = state.directory.accountShownAs('ann')
  records.forEach(({ updates }) => updates.forEach((entry, i) => { if (entry.document === `drafts/${owner}`) (updates as { document: DocumentName; update: Uint8Array }[])[i] = { ...entry, update: Uint8Array.of(9, 9, 9) } }))
  const list = (token: string): unknown => {
    const call = cores.call(0, { type: 'list-drafts' }, { token })
    cores.run(100)
    const answer = cores.core(0).answers.get(call)
    return [answer?.status, (answer?.body as { readonly code?: string } | undefined)?.code]
  }
  assert.equal(list(ann), [503, 'incomplete'])
  assert.equal(list(ben), [200, undefined])
  assert.is(state.phase, 'ready')
})

commits('[STO4] a document with many rows is rewritten from its loaded form, and only when nothing of it is under way', () => {
  const cores = createLone()
  const core = cores.core(0)
  const rewritten = (): readonly { readonly document: DocumentName; readonly through: number; readonly state: Uint8Array }[] => core.effects.flatMap((effect) => (effect.type === 'compact' && effect.document === DRAFTS ? [effect] : []))
  for (let i = 0; i < 250; i++) write(cores, 0)
  core.isDiskStuck = true
  write(cores, 0)
  cores.run(900)
  assert.equal(rewritten(), [], 'its last commit has not returned')
  core.isDiskStuck = false
  cores.run(5_000)
  const [first, ...more] = rewritten()
  assert.is(more.length, 0)
  assert.is(first?.through, core.state.documents.heads.get(DRAFTS)?.seq)
  const copy = new Y.Doc()
  if (first !== undefined) Y.applyUpdate(copy, first.state)
  assert.is(copy.getMap('settings').size, keysOn(cores, 0))
})

commits('[COR5] idle documents leave memory past the budget, never with something that is not settled', () => {
  const cores = createTrio({ documentMemoryBytes: 1 })
  cores.core(2).isDiskStuck = true
  write(cores, 0)
  cores.run(800)
  assert.ok(cores.core(0).state.documents.loaded.has(DRAFTS), 'not acknowledged yet')
  cores.core(2).isDiskStuck = false
  cores.run(3_000)
  assert.not.ok(cores.core(0).state.documents.loaded.has(DRAFTS))
  assert.ok(cores.core(0).state.documents.loaded.has(MEMBERS_DOCUMENT), 'what logins and names are decided from stays')
})

commits.run()

// ---- invariants

const invariants = suite('invariants')

const catches = (words: RegExp, spoil: (node: NodeState) => void): void => {
  const { state } = createLone().core(0)
  assert.is(checkNode(state) ?? checkNodeDeeply(state), null)
  spoil(state)
  assert.match(checkNode(state) ?? checkNodeDeeply(state) ?? 'nothing', words)
}

invariants('[COR4] each planted violation is seen and named', () => {
  assert.is(checkNode(createNode()), null, 'before start there is nothing to hold')
  catches(/thresholds out of order/, ({ commits: all }) => { all.acknowledgedThrough = all.committedThrough + 1 })
  catches(/thresholds out of order/, ({ commits: all }) => { all.settledThrough = all.acknowledgedThrough + 1 })
  catches(/already returned/, ({ commits: all }) => { all.open.seq = all.committedThrough })
  catches(/pending commits out of order/, ({ commits: all }) => {
    const pending = { seq: 9, own: [], previous: 0, ackedBy: new Set<never>(), pushedAtMs: 0, foreign: new Map(), adoptedBy: 0 }
    all.pending = [pending, { ...pending, seq: 8 }]
  })
  catches(/coordinates while syncing/, (node) => { node.phase = 'syncing' })
  catches(/another epoch than it promised/, ({ meta }) => { meta.promised = createEpoch(99, pidOf(0)) })
  catches(/an epoch of another pid/, ({ meta, coordinator }) => { meta.promised = coordinator.epoch = createEpoch(99, pidOf(1)) })
  catches(/ready without data/, ({ meta }) => { meta.clusterId = null })
  catches(/unapplied and digested/, ({ documents }) => { documents.unapplied.add(MEMBERS_DOCUMENT) })
  catches(/another digest than the document/, ({ documents }) => {
    const loaded = documents.loaded.get(MEMBERS_DOCUMENT)
    if (loaded !== undefined) loaded.digest = { high: 1, low: 1 }
  })
  catches(/not that of its content/, ({ documents }) => {
    const [loaded, head] = [documents.loaded.get(MEMBERS_DOCUMENT), documents.heads.get(MEMBERS_DOCUMENT)]
    if (loaded !== undefined && head !== undefined) loaded.digest = head.digest = { high: 1, low: 1 }
  })
  catches(/root digest is not the sum/, ({ documents }) => { documents.root = { high: 1, low: 1 } })
})

invariants('[COO1] an epoch coordinated twice, no coordinator and the wrong one are seen', () => {
  const cores = createTrio()
  const [first, second, third] = cores.all.map(({ state }) => state)
  if (first === undefined || second === undefined || third === undefined) throw new Error('three cores')
  assert.is(checkCluster([first, second, third]), null)
  assert.is(checkStableComponent([first, second, third]), null)
  second.coordinator = { ...second.coordinator, role: 'coordinating', epoch: first.coordinator.epoch }
  assert.match(checkCluster([first, second, third]) ?? '', /coordinated twice/)
  assert.match(checkStableComponent([first, second, third]) ?? '', /2 coordinators/)
  first.coordinator.role = 'follower'
  assert.match(checkStableComponent([first, second, third]) ?? '', /node 1 coordinates instead of 0/)
  second.coordinator.role = 'follower'
  assert.match(checkStableComponent([first, second, third]) ?? '', /0 coordinators/)
})

invariants.run()

// ---- an unfinished start

const starts = suite('starts')

starts('[STO6] after an unclean stop a node compares tables with a peer before it is ready', () => {
  const cores = createTrio()
  cores.run(31_000)
  cores.kill(2)
  cores.spoken.length = 0
  cores.start(2)
  cores.run(2_000)
  assert.ok(cores.spoken.some(({ from, message }) => from === 2 && message.type === 'table-request'))
  assert.is(cores.core(2).state.phase, 'ready')
})

starts('[RDY1] a node without data does not serve, and one that bootstraps alone does nothing when a peer with data answers', () => {
  const cores = createCores(2, { bootstrap: true })
  cores.start(0)
  cores.run(4_000)
  const { clusterId } = cores.core(0).state.meta
  cores.edit(0, MEMBERS_DOCUMENT, (doc) => addMember(doc, { pid: pidOf(7), nodeId: mintNodeId(new Uint8Array(16).fill(7)), url: 'http://seven.test', hlc: 1 as Hlc }))
  cores.start(1)
  cores.run(4_000)
  assert.is(cores.core(1).state.meta.clusterId, clusterId)
  assert.not.ok(logged(cores, 1, 'bootstrapped'))
  assert.ok(cores.core(1).state.directory.members().some(({ pid }) => pid === 7))
})

starts.run()
