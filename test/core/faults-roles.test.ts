// What reviews found broken in claims, grants, membership and the size of deliveries, each as it was found. docs/found-faults.md lists them.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as Y from 'yjs'
import { addOutboxEntry, getSetting, readDrafts, setSetting } from '../../crdt-schema/drafts.ts'
import { type AccountId, type Hlc, MEMBERS_DOCUMENT, createEpoch, draftsDocument, epochCounter, inboxDocument, millisToMonth, mintDraftId, mintMessageId, mintNodeId, mintRequestId, parseAccountId, sessionToDocument } from '../../crdt-schema/ids.ts'
import { type Person, addMessage, countSentIn, readMessage } from '../../crdt-schema/inbox.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import { addMember, removeMember } from '../../crdt-schema/members.ts'
import { grantSession } from '../../crdt-schema/sessions.ts'
import { deliverOutbox } from '../../node/core/delivery.ts'
import { putDraft } from '../../node/core/draft-calls.ts'
import { holders, memberCount } from '../../node/core/members.ts'
import { noteEpoch } from '../../node/core/promises.ts'
import { sendDrafts } from '../../node/core/sending-calls.ts'
import { mintSession } from '../../node/core/tokens.ts'
import { KEY, type SignIn, isSignedIn, signIn, signUp } from '../support/accounts.ts'
import { type Cores, createTrio, pidOf } from '../support/cores.ts'
import { type FakeDesk, START_MS, bodyOf, createFakeDesk, runHandler } from '../support/desk.ts'

/** Asks for an account; the status comes when it comes. */
const askFor = (cores: Cores, pid: number, name: string, seed: number): (() => number | undefined) => {
  const call = cores.call(pid, { type: 'create-account', name, password: `password of ${name}` }, { key: mintRequestId(new Uint8Array(16).fill(seed)) })
  return () => cores.core(pid).answers.get(call)?.status
}

const roles = suite('faults found in roles')

roles('[COO4] a question about a grant that was lost with a link is asked again', () => {
  for (const [from, to] of [[0, 1], [1, 0]] as const) {
    const cores = createTrio()
    cores.deafen(from, to)
    const status = askFor(cores, 0, 'ann', 1)
    cores.mend(from, to)
    cores.run(100)
    assert.is(status(), undefined, 'prepare or prepared was lost')
    cores.run(900)
    assert.is(status(), 201, `${from} to ${to}`)
    const other = askFor(cores, 2, 'ann', 2)
    cores.run(500)
    assert.is(other(), 409, 'and its keys are free again')
  }
})

roles('[COO4] a grant that was made is not held for ever by whoever missed the word, or got it back with a pull', () => {
  const cores = createTrio()
  const status = askFor(cores, 0, 'ann', 1)
  cores.run(500)
  assert.is(status(), 201)
  const held = cores.core(1).state
  const epoch = held.meta.promised
  // As the answer of a node to a pull brings it, when the word that it was made came before.
  for (const { state } of cores.all) state.meta.tentative.push({ epoch, order: 1, grant: '{}' })
  cores.run(5_000)
  assert.equal(cores.all.map(({ state }) => state.meta.tentative.length), [0, 0, 0])
  assert.is(held.meta.promised, epoch, 'without a new epoch')
})

roles('[COO7] a coordinator that stays one through a merge ends the sessions that are too many then', () => {
  const cores = createTrio({ sessionsPerAccount: 1 })
  const status = askFor(cores, 0, 'ann', 1)
  cores.run(500)
  assert.is(status(), 201)
  const [coordinator, other] = [cores.core(0).state, cores.core(1).state]
  const { epoch } = coordinator.coordinator
  const account = [...coordinator.directory.accounts()][0]
  assert.ok(account !== undefined)
  // What the other side of a split granted, as it comes with a pull or a push.
  const { seed } = mintSession({ requestId: mintRequestId(new Uint8Array(16).fill(9)), nowMs: coordinator.desk.clusterMs, earlier: [], lifeMs: 1_000_000, device: 'her phone', random: new Uint8Array(36).fill(9) })
  other.desk.edit(sessionToDocument(seed.id), doc => grantSession(doc, { ...seed, accountId: account, rank: 7, hlc: other.meta.hlc }))
  cores.run(200)
  assert.is(coordinator.directory.liveSessionsOf(account, coordinator.desk.clusterMs).length, 2)
  cores.run(2_000)
  for (const { state } of cores.all) assert.equal(state.directory.liveSessionsOf(account, state.desk.clusterMs).map(({ id }) => id), [seed.id])
  assert.is(coordinator.coordinator.epoch, epoch, 'without a new epoch')
})

roles('[COO5] a request that was lost on its way to the coordinator is sent again', () => {
  const cores = createTrio()
  cores.deafen(2, 0)
  const status = askFor(cores, 2, 'ann', 1)
  cores.mend(2, 0)
  cores.run(2_000)
  assert.is(status(), 201)
})

roles('[COO1] what was pulled for one claim is no answer to the next', () => {
  const cores = createTrio()
  cores.freeze(0)
  cores.run(1_000) // a pause that the links survive
  cores.wake(0)
  const { state } = cores.core(0)
  for (let ms = 0; state.phase !== 'ready' && ms < 5_000; ms += 50) cores.run(50)
  assert.is(state.coordinator.role, 'follower')
  // From here on nobody else can promise anything.
  for (const pid of [1, 2]) cores.core(pid).isDiskStuck = true
  const seen = new Set<string>()
  for (let ms = 0; ms < 800; ms += 50) {
    cores.run(50)
    seen.add(state.coordinator.role)
  }
  assert.equal([...seen], ['follower', 'claiming'])
  for (const pid of [1, 2]) cores.core(pid).isDiskStuck = false
  cores.run(6_000)
  assert.is(state.coordinator.role, 'coordinating')
  assert.equal([1, 2].map(pid => cores.core(pid).state.meta.promised), [state.coordinator.epoch, state.coordinator.epoch])
})

roles('[COO1] while every node holds back, the lowest claims as if none did', () => {
  const cores = createTrio()
  for (const { state } of cores.all) state.meta.roleLostMs = Array.from({ length: 12 }, (_, i) => state.now.wallMs - i * 1_000)
  cores.kill(0)
  cores.run(4_000)
  assert.ok(cores.core(1).state.coordinator.holdUntilMs > cores.core(1).state.now.monotonicMs && cores.core(2).state.coordinator.holdUntilMs > cores.core(2).state.now.monotonicMs, 'both hold back')
  assert.is(cores.core(1).state.coordinator.role, 'coordinating')
  const status = askFor(cores, 2, 'ann', 1)
  cores.run(200)
  assert.is(status(), 201)
})

roles('[COO5] a first try that comes after its repeat ends nothing: the session that the caller holds stays', () => {
  for (const takeOver of [false, true]) {
    const cores = createTrio()
    const status = askFor(cores, 0, 'ann', 1)
    cores.run(500)
    assert.is(status(), 201)
    const key = mintRequestId(new Uint8Array(16).fill(2))
    const signIn = (pid: number): number => cores.call(pid, { type: 'create-session', name: 'ann', password: 'password of ann', takeOver, device: 'her phone' }, { key })
    cores.deafen(2, 0)
    signIn(2)
    cores.mend(2, 0)
    cores.run(100)
    const call = signIn(1)
    cores.run(300)
    const answer = cores.core(1).answers.get(call)
    assert.is(answer?.status, 201)
    const { token } = (answer?.body as { readonly session: { readonly token: string } }).session
    cores.run(6_000)
    for (const { state } of cores.all) assert.is.not(state.directory.sessionOf(token, state.desk.clusterMs), null, 'it is live')
    const again = signIn(2)
    cores.run(500)
    assert.is(cores.core(2).answers.get(again)?.status, 201)
    for (const { state } of cores.all) assert.is(state.directory.sessionOf(token, state.desk.clusterMs), null, 'a later repeat ends it')
  }
})

roles('[COO5] a repeat through a node whose cluster time is earlier is still the later one', () => {
  const desk = createFakeDesk()
  const { id } = signUp(desk, 'ann')
  const first = signIn(desk, 'ann', { idempotencyKey: KEY })
  desk.clusterMs = (desk.clusterMs - 3_600_000) as typeof desk.clusterMs
  const repeat = signIn(desk, 'ann', { idempotencyKey: KEY })
  assert.equal([first.status, repeat.status], [201, 201])
  assert.equal([isSignedIn(desk, first), isSignedIn(desk, repeat)], [false, true])
  assert.is(desk.directory.liveSessionsOf(id, desk.clusterMs).length, 2, 'and that of the sign-up')
})

roles('[RDY2] an epoch that one node has only heard of is not coordinated once more by a node whose disk was lost', () => {
  const cores = createTrio()
  // A coordinator of epoch 40 was heard, and lost its disk before anybody had promised that.
  noteEpoch(cores.core(2).state, createEpoch(40, pidOf(0)))
  cores.kill(0)
  cores.run(3_000)
  cores.restore(0, [])
  cores.start(0)
  cores.run(10_000)
  const { coordinator } = cores.core(0).state
  assert.is(coordinator.role, 'coordinating')
  assert.ok(epochCounter(coordinator.epoch) > 40, `it coordinates ${epochCounter(coordinator.epoch)}`)
})

roles('[COO1] an old copy of a disk that serves alone does not coordinate its epochs once more', () => {
  const cores = createTrio({ aloneMs: 3_000 })
  cores.kill(0)
  const copy = [...cores.core(1).records]
  cores.run(3_000)
  const { coordinator: before } = cores.core(1).state
  assert.is(before.role, 'coordinating')
  const epoch = before.epoch
  cores.kill(1)
  cores.restore(1, copy)
  cores.cut(1, 2)
  cores.start(1)
  cores.run(10_000)
  const { coordinator: after } = cores.core(1).state
  assert.is(after.role, 'coordinating')
  assert.ok(after.epoch > epoch, `it coordinates ${epochCounter(after.epoch)} after ${epochCounter(epoch)}`)
})

roles.run()

const split = suite('faults found in splits')

split('[SYN4] a session granted on one side of a split is not called ended on the other', () => {
  const cores = createTrio({ aloneMs: 2_000 })
  for (const pid of [0, 1]) cores.cut(pid, 2)
  cores.run(8_000)
  assert.is(cores.core(2).state.phase, 'ready', 'it serves alone')
  const signedUp = cores.call(0, { type: 'create-account', name: 'ann', password: 'password of ann' }, { key: mintRequestId(new Uint8Array(16).fill(1)) })
  cores.run(1_000)
  const { session } = cores.core(0).answers.get(signedUp)?.body as { readonly session: { readonly token: string } }
  const statusAt = (pid: number, token: string): number | undefined => {
    const call = cores.call(pid, { type: 'read-me' }, { token })
    cores.run(200)
    return cores.core(pid).answers.get(call)?.status
  }
  const forged = `${session.token.slice(0, -2)}AA`
  assert.equal([statusAt(0, session.token), statusAt(2, session.token)], [200, 503])
  assert.equal([statusAt(0, forged), statusAt(2, 'no token')], [401, 401], 'what is known, or is no token, is judged at once')
  for (const pid of [0, 1]) cores.mend(pid, 2)
  cores.run(5_000)
  assert.equal([statusAt(2, session.token), statusAt(2, forged)], [200, 401])
  const unknown = `${session.token.replace(/^[0-9a-f]{8}/, '00000001')}`
  assert.is(statusAt(2, unknown), 401, 'whole again, nobody knows it')
})

split.run()

const membership = suite('faults found in membership')

membership('[REP7] a node that joined is known and dialed after a restart of all', () => {
  const cores = createTrio()
  cores.edit(0, MEMBERS_DOCUMENT, doc => addMember(doc, { pid: pidOf(3), nodeId: mintNodeId(new Uint8Array(16).fill(9)), url: 'http://three.test', hlc: 1 as Hlc }))
  cores.run(500)
  for (const pid of [0, 1, 2]) cores.kill(pid)
  for (const { effects } of cores.all) (effects as unknown[]).length = 0
  cores.start(0, 1, 2)
  cores.run(3_000)
  for (const { effects, state } of cores.all) {
    assert.is(memberCount(state), 4)
    assert.ok(effects.some(effect => effect.type === 'dial' && effect.pid === 3 && effect.url === 'http://three.test'), `node ${state.meta.pid}`)
  }
})

membership('[REP7] a removed node that stands in --peers counts no more, is not listed, not dialed and not waited for', () => {
  const cores = createTrio({ aloneMs: null })
  const { nodeId } = cores.core(2).state.meta
  for (const pid of [0, 1, 2]) cores.kill(pid)
  cores.start(0, 1)
  cores.run(3_000)
  assert.equal([0, 1].map(pid => cores.core(pid).state.phase), ['syncing', 'syncing'], 'what 2 knows may be missing')
  cores.edit(0, MEMBERS_DOCUMENT, doc => removeMember(doc, nodeId, 1 as Hlc))
  cores.run(2_000)
  for (const pid of [0, 1]) {
    const { state, effects } = cores.core(pid)
    assert.is(state.phase, 'ready')
    assert.is(memberCount(state), 2)
    assert.equal(state.desk.nodes.map(node => node.pid).sort(), [0, 1])
    const before = effects.length
    cores.run(6_000)
    assert.not.ok(effects.slice(before).some(effect => effect.type === 'dial' && effect.pid === 2))
  }
})

membership('[REP7] a node that was removed while it was apart lets the members fetch what it had acknowledged, serves nobody, and ends', () => {
  const cores = createTrio({ aloneMs: 2_000 })
  const { nodeId } = cores.core(2).state.meta
  cores.cut(0, 2)
  cores.cut(1, 2)
  cores.run(6_000)
  const alone = cores.core(2).state
  assert.is(alone.phase, 'ready')
  cores.edit(2, draftsDocument('aa'.repeat(16) as AccountId), doc => setSetting(doc, 'theme', 'dark'))
  cores.run(500)
  assert.is(alone.commits.acknowledgedThrough, alone.commits.committedThrough, 'acknowledged, alone')
  cores.edit(0, MEMBERS_DOCUMENT, doc => removeMember(doc, nodeId, 1 as Hlc))
  cores.run(500)
  cores.mend(0, 2)
  cores.mend(1, 2)
  for (let i = 0; i < 200 && cores.core(2).isUp; i++) {
    cores.run(50)
    for (const pid of [0, 1]) {
      const { state } = cores.core(pid)
      assert.is(state.phase, 'ready')
      assert.not.ok(holders(state).includes(pidOf(2)), 'it is no copy')
    }
  }
  assert.not.ok(cores.core(2).isUp, 'it has ended')
  const stop = cores.core(2).effects.find(effect => effect.type === 'stop')
  assert.ok(stop?.type === 'stop' && stop.exitCode === 6 && /was removed from the cluster/.test(stop.text), JSON.stringify(stop))
  cores.run(3_000)
  for (const pid of [0, 1]) assert.is(getSetting(cores.edit(pid, draftsDocument('aa'.repeat(16) as AccountId), doc => doc), 'theme'), 'dark')
  // It knows now, and is asked nothing more: started again it serves nobody, tells who is there, and ends.
  cores.start(2)
  cores.run(5_000)
  assert.not.ok(cores.core(2).isUp)
  assert.not.ok(cores.core(2).state.wasReady)
})

membership('[REP7] a removed node whose place another has taken is refused', () => {
  const cores = createTrio()
  const { nodeId } = cores.core(2).state.meta
  cores.kill(2)
  cores.edit(0, MEMBERS_DOCUMENT, doc => {
    removeMember(doc, nodeId, 1 as Hlc)
    addMember(doc, { pid: pidOf(2), nodeId: mintNodeId(new Uint8Array(16).fill(9)), url: 'http://two.test', hlc: 1 as Hlc })
  })
  cores.run(500)
  cores.start(2)
  cores.run(1_000)
  assert.not.ok(cores.core(2).state.wasReady)
  assert.ok([0, 1].some(pid => cores.core(pid).effects.some(effect => effect.type === 'close-link' && effect.reason === 'removed')))
})

membership.run()

const bounds = suite('faults found in bounds')

/** People, and a sender whose message to all of them is a quarter of what a commit may hold. */
const createCrowd = (): { readonly desk: FakeDesk; readonly sender: SignIn; readonly to: readonly Person[]; readonly text: string } => {
  const desk = createFakeDesk()
  const people = Array.from({ length: LIMITS.recipientsMax }, (_, i) => signUp(desk, `person-${i}`))
  const to = people.map(({ id, name }) => ({ id, name: String(name) }))
  const [sender] = people
  assert.ok(sender)
  return { desk, sender: sender as SignIn, to, text: 'x'.repeat(Math.ceil(LIMITS.commitBytesMax / 4 / LIMITS.recipientsMax)) }
}

bounds('[COR3] an outbox is delivered entry by entry, no more at once than a commit holds', () => {
  const { desk, sender, to, text } = createCrowd()
  const drafts = draftsDocument(sender.id)
  const ids = Array.from({ length: 6 }, (_, i) => mintMessageId(START_MS, new Uint8Array(10).fill(i + 1)))
  desk.edit(drafts, doc => ids.forEach(id => addOutboxEntry(doc, { id, fromName: 'person-0', to, text, sentMs: START_MS })))
  const delivered = (): readonly number[] => to.map(({ id }) => ids.filter(message => {
    const doc = id === '' ? null : desk.document(inboxDocument(id, millisToMonth(START_MS)))
    return doc !== null && readMessage(doc, message) !== null
  }).length)
  assert.is(deliverOutbox(desk, drafts).status, 'more')
  assert.equal([...new Set(delivered())], [4], 'each entry to all of its recipients')
  assert.is(deliverOutbox(desk, drafts).status, 'done')
  assert.equal([...new Set(delivered())], [6])
})

bounds('[COR3] one call sends as many drafts as a commit holds; the others stay drafts', () => {
  const { desk, sender, to, text } = createCrowd()
  const ids = Array.from({ length: 6 }, (_, i) => mintDraftId(START_MS, new Uint8Array(10).fill(i + 1)))
  for (const id of ids) runHandler(desk, (d, call, context) => putDraft(d, call, context, sender.id), { type: 'put-draft', id, to: to.map(({ name }) => name), text, selected: true }, { token: sender.token })
  const send = (): { readonly sent: readonly { readonly draftId: string }[]; readonly failed: readonly { readonly code: string }[] } =>
    bodyOf(runHandler(desk, (d, call, context) => sendDrafts(d, call, context, sender.id), { type: 'send-drafts', selected: true }, { token: sender.token, idempotencyKey: KEY })) as never
  const { sent, failed } = send()
  assert.is(sent.length, 4)
  assert.equal(failed.map(({ code }) => code), ['too-many-requests', 'too-many-requests'])
  const doc = desk.document(draftsDocument(sender.id))
  assert.is(doc === null ? 0 : readDrafts(doc).value.filter(({ selected, discarded }) => selected && !discarded).length, 2)
  const again = send()
  assert.equal([again.sent.length, again.failed.length], [4, 2], 'asking again says the same')
})

bounds('[COR3] while a commit is written and the next one is full, calls wait and are then answered', () => {
  const cores = createTrio()
  const { answers } = cores.core(0)
  const created = cores.call(0, { type: 'create-account', name: 'ann', password: 'password of ann' }, { key: KEY })
  cores.run(500)
  const { account, session } = answers.get(created)?.body as { readonly account: { readonly id: string }; readonly session: { readonly token: string } }
  const id = parseAccountId(account.id)
  const drafts = id === null ? MEMBERS_DOCUMENT : draftsDocument(id)
  const put = (n: number): number => cores.call(0, { type: 'put-draft', id: mintDraftId(START_MS, new Uint8Array(10).fill(n)), to: [], text: 'short', selected: false }, { token: session.token })
  put(1)
  cores.run(200)
  cores.core(0).isDiskStuck = true
  put(2) // is being written
  cores.edit(0, drafts, doc => doc.getMap('settings').set('large', 'x'.repeat(LIMITS.commitBytesMax + 1)))
  const { open } = cores.core(0).state.commits
  const { bytes } = open
  const waiting = put(3)
  cores.run(200)
  assert.is(open.bytes, bytes, 'nothing more goes into the full one')
  cores.core(0).isDiskStuck = false
  cores.run(500)
  assert.is(answers.get(waiting)?.status, 200)
})

bounds('[DOC4] a message of two nodes that comes in one transaction counts once', () => {
  const owner = parseAccountId('0a'.repeat(16))
  const month = new Y.Doc()
  month.getMap('messages')
  const id = mintMessageId(START_MS, new Uint8Array(10).fill(1))
  const copies = [1, 2].map(() => {
    const doc = new Y.Doc()
    addMessage(doc, { id, from: { id: owner ?? '', name: 'ann' }, to: [], text: 'once', sentMs: START_MS })
    return Y.encodeStateAsUpdate(doc)
  })
  const counts: number[] = []
  month.on('afterTransaction', (transaction: Y.Transaction) => {
    if (owner !== null) counts.push(countSentIn(transaction, owner))
  })
  Y.applyUpdate(month, Y.mergeUpdates(copies))
  assert.equal(counts, [1])
})

bounds.run()
