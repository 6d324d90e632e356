// The calls on a mailbox: sending, opening, listing, marking, recalling, drafts; and that they are safe to repeat.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as Y from 'yjs'
import type { DraftJson, MessageJson } from '../../crdt-schema/api-shapes.ts'
import { discardDraft } from '../../crdt-schema/drafts.ts'
import { type DraftId, type MessageId, type Millis, draftsDocument, inboxDocument, marksDocument, millisToMonth, mintDraftId, mintMessageId, parseMillis } from '../../crdt-schema/ids.ts'
import { addReceipt, recallMessage } from '../../crdt-schema/inbox.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import { foldMailbox } from '../../crdt-schema/mailbox.ts'
import { markOpened, setChecked, setDeleted } from '../../crdt-schema/marks.ts'
import { deleteDraft, listDrafts, putDraft } from '../../node/core/draft-calls.ts'
import { changeMessage, countInbox, deleteMessage, listMessages, openInbox, recallMessage as recallCall } from '../../node/core/message-calls.ts'
import { isUnopened, isVisible, messageIdsOf, readView, toMessageJson } from '../../node/core/message-views.ts'
import { sendDrafts, sendMessage } from '../../node/core/sending-calls.ts'
import type { CallOf } from '../../crdt-schema/api.ts'
import { KEY, OTHER_KEY, type SignIn, signUp } from '../support/accounts.ts'
import { type Caller, type DoneAnswer, type FakeDesk, START_MS, bodyOf, createFakeDesk, mergeDesks, runHandler } from '../support/desk.ts'
import { createRandom } from '../sim/random.ts'

const HOUR_MS = 3_600_000
let minted = 0
const random = (): Uint8Array => new Uint8Array(10).fill(++minted)
const after = (ms: number): Millis => parseMillis(START_MS + ms) as Millis
const month = millisToMonth(START_MS)
/** A key whose first 48 bits are a time: it may serve as the id. */
const timedKey = (timeMs: Millis = START_MS): string => mintMessageId(timeMs, random())

type By = SignIn & { readonly key?: string }
const caller = ({ token, key }: By): Caller => ({ token, ...(key === undefined ? {} : { idempotencyKey: key }) })

const send = (desk: FakeDesk, by: By, to: CallOf<'send-message'>['to'], text = 'hello', id?: MessageId): DoneAnswer =>
  runHandler(desk, (d, call, context) => sendMessage(d, call, context, by.id), { type: 'send-message', to, text, ...(id === undefined ? {} : { id }) }, caller(by))
const open = (desk: FakeDesk, by: By, what: { count: number } | { ids: MessageId[] }): MessageJson[] =>
  (bodyOf(runHandler(desk, (d, call, context) => openInbox(d, call, context, by.id), { type: 'open-inbox', ...what }, caller(by))) as { opened: MessageJson[] }).opened
const count = (desk: FakeDesk, { id }: SignIn): unknown => bodyOf(runHandler(desk, d => countInbox(d, id), { type: 'count-inbox' })).unopened
const list = (desk: FakeDesk, { id }: SignIn, limit = 50, before?: string): { messages: MessageJson[]; next?: string } =>
  bodyOf(runHandler(desk, (d, call) => listMessages(d, call, id), { type: 'list-messages', limit, ...(before === undefined ? {} : { before }) })) as never
const change = (desk: FakeDesk, { id: account }: SignIn, id: MessageId, what: { checked: boolean } | { deleted: false }): DoneAnswer =>
  runHandler(desk, (d, call) => changeMessage(d, call, account), { type: 'change-message', id, ...what })
const remove = (desk: FakeDesk, { id: account }: SignIn, id: MessageId): DoneAnswer => runHandler(desk, (d, call) => deleteMessage(d, call, account), { type: 'delete-message', id })
const recall = (desk: FakeDesk, { id: account }: SignIn, id: MessageId): DoneAnswer => runHandler(desk, (d, call) => recallCall(d, call, account), { type: 'recall-message', id })
const put = (desk: FakeDesk, by: SignIn, id: DraftId, what: Omit<CallOf<'put-draft'>, 'type' | 'id'>): DoneAnswer =>
  runHandler(desk, (d, call, context) => putDraft(d, call, context, by.id), { type: 'put-draft', id, ...what }, caller(by))
const drafts = (desk: FakeDesk, { id }: SignIn): DraftJson[] => (bodyOf(runHandler(desk, d => listDrafts(d, id), { type: 'list-drafts' })) as { drafts: DraftJson[] }).drafts
const discard = (desk: FakeDesk, by: SignIn, id: DraftId): number => runHandler(desk, (d, call) => deleteDraft(d, call, by.id), { type: 'delete-draft', id }).httpStatus
const sendAll = (desk: FakeDesk, by: By, what: { ids: DraftId[] } | { selected: true }): { sent: { draftId: string; id: string }[]; failed: { draftId: string; code: string }[] } =>
  bodyOf(runHandler(desk, (d, call, context) => sendDrafts(d, call, context, by.id), { type: 'send-drafts', ...what }, caller(by))) as never

const idOf = (answer: DoneAnswer): MessageId => bodyOf(answer).id as MessageId
const codeOf = (answer: DoneAnswer): unknown => bodyOf(answer).code
const textsOf = (messages: readonly MessageJson[]): string[] => messages.map(({ text }) => text)

const createPair = (): { desk: FakeDesk; alice: SignIn; bob: SignIn } => {
  const desk = createFakeDesk()
  return { desk, alice: signUp(desk, 'alice'), bob: signUp(desk, 'bob') }
}

// ---- sending

const sending = suite('sending')

sending('a message to names and ids arrives, and says what became of each recipient', () => {
  const { desk, alice, bob } = createPair()
  const answer = send(desk, alice, ['Bob', { id: bob.id }, 'nobody'])
  assert.equal([answer.httpStatus, bodyOf(answer).recipients], [201, [{ id: bob.id, name: 'bob', status: 'delivered' }, { id: '', name: 'nobody', status: 'no-such-account' }]])
  assert.is(answer.wait, 'acknowledged')
  assert.is(count(desk, bob), 1)
  const [message] = open(desk, bob, { count: 1 })
  assert.equal([message?.from, message?.text, message?.kind, message?.state], [{ id: alice.id, name: 'alice' }, 'hello', 'received', 'opened'])
})

sending('what cannot be sent says why and leaves nothing', () => {
  const { desk, alice } = createPair()
  const before = desk.openCommit
  assert.equal(codeOf(send(desk, alice, ['bob'], 'x'.repeat(LIMITS.messageTextBytesMax + 1))), 'too-large')
  assert.equal(codeOf(send(desk, alice, ['bob'], ' \n')), 'bad-request')
  assert.equal(codeOf(send(desk, alice, ['no name at all'])), 'bad-request')
  assert.equal(codeOf(send(desk, alice, ['bob'], 'hi', mintMessageId(after(25 * HOUR_MS), random()))), 'bad-id')
  assert.equal(codeOf(send(desk, alice, ['bob'], 'hi', mintMessageId((2 ** 48 - 1) as Millis, random()))), 'bad-id')
  assert.is(desk.openCommit, before)
})

for (const [kind, key] of [['a random key', KEY], ['a key with a time', timedKey()]] as const) {
  sending(`[COO5] ${kind}: the same request makes one message and is answered alike; another body is refused`, () => {
    const { desk, alice, bob } = createPair()
    const first = send(desk, { ...alice, key }, ['bob'])
    desk.clusterMs = after(5 * HOUR_MS)
    const again = send(desk, { ...alice, key }, ['bob'])
    assert.equal([again.httpStatus, bodyOf(again)], [201, bodyOf(first)])
    assert.is(again.wait, 'settled')
    assert.equal(codeOf(send(desk, { ...alice, key }, ['bob'], 'other')), 'id-reused')
    assert.is(count(desk, bob), 1)
  })

  sending(`[COO5] ${kind}: two nodes asked at once make one message`, () => {
    const { desk, alice, bob } = createPair()
    const other = createFakeDesk({ seed: 2 })
    mergeDesks(desk, other)
    other.clusterMs = after(700)
    const ids = [desk, other].map(node => idOf(send(node, { ...alice, key }, ['bob'])))
    mergeDesks(desk, other)
    assert.is(ids[0], ids[1])
    assert.equal([count(desk, bob), count(other, bob)], [1, 1])
  })
}

sending('[COO5] a repeat at a node that has the word of a message and not its copies stores them before it says so', () => {
  const { desk, alice, bob } = createPair()
  const other = createFakeDesk({ seed: 2 })
  mergeDesks(desk, other)
  const first = send(desk, { ...alice, key: KEY }, ['bob', 'nobody'])
  const marks = marksDocument(alice.id, month)
  Y.applyUpdate(other.document(marks) as Y.Doc, Y.encodeStateAsUpdate(desk.document(marks) as Y.Doc))
  assert.is(count(other, bob), 0, 'a pull was cut after the marks')
  const again = send(other, { ...alice, key: KEY }, ['bob', 'nobody'])
  assert.equal(bodyOf(again), bodyOf(first))
  assert.is(count(other, bob), 1)
  assert.equal(textsOf(list(other, alice).messages), ['hello'])
  const held = (): number[] => [alice, bob].map(({ id }) => Y.encodeStateAsUpdate(other.document(inboxDocument(id, month)) as Y.Doc).length)
  const before = held()
  send(other, { ...alice, key: KEY }, ['bob', 'nobody'])
  assert.equal(held(), before, 'and nothing is written twice')
  mergeDesks(desk, other)
  assert.equal([count(desk, bob), count(other, bob)], [1, 1])
  assert.equal(list(desk, alice), list(other, alice))
})

sending('[COO5] a repeat is known after the turn of a month', () => {
  const { desk, alice, bob } = createPair()
  desk.clusterMs = parseMillis(Date.UTC(2026, 4, 31, 23, 59)) as Millis
  send(desk, { ...alice, key: KEY }, ['bob'])
  desk.clusterMs = parseMillis(Date.UTC(2026, 5, 1, 0, 1)) as Millis
  send(desk, { ...alice, key: KEY }, ['bob'])
  assert.is(count(desk, bob), 1)
})

sending('[DEL8] an id of a program: the same message again is the same, another one is refused', () => {
  const { desk, alice, bob } = createPair()
  const id = mintMessageId(START_MS, random())
  assert.is(idOf(send(desk, alice, ['bob'], 'hello', id)), id)
  desk.clusterMs = after(1_000)
  assert.is(send(desk, alice, ['bob'], 'hello', id).httpStatus, 201)
  assert.equal(codeOf(send(desk, alice, ['bob'], 'other', id)), 'id-taken')
  assert.equal(codeOf(send(desk, alice, ['alice'], 'hello', id)), 'id-taken')
  assert.is(count(desk, bob), 1)
})

sending.run()

// ---- opening and listing

const reading = suite('reading')

reading('[DEL6] opening N opens the N oldest; a repeat with the same key, or the ids, opens nothing more', () => {
  const { desk, alice, bob } = createPair()
  for (const text of ['one', 'two', 'three', 'four']) {
    desk.clusterMs = after(++minted * 1_000)
    send(desk, alice, ['bob'], text)
  }
  const first = open(desk, { ...bob, key: KEY }, { count: 2 })
  assert.equal(textsOf(first), ['one', 'two'])
  assert.equal(open(desk, { ...bob, key: KEY }, { count: 2 }), first)
  assert.equal(textsOf(open(desk, bob, { ids: first.map(({ id }) => id as MessageId) })), ['one', 'two'])
  assert.is(count(desk, bob), 2)
  assert.equal(textsOf(open(desk, { ...bob, key: OTHER_KEY }, { count: 9 })), ['three', 'four'])
  assert.is(count(desk, bob), 0)
})

reading('[DEL5] the sender of an opened message sees that, whoever opened it', () => {
  const { desk, alice, bob } = createPair()
  send(desk, alice, ['bob'])
  desk.clusterMs = after(1_000)
  open(desk, bob, { count: 1 })
  const [sent] = list(desk, alice).messages
  assert.equal(sent?.receipts, [{ id: bob.id, name: 'bob', status: 'opened', at: new Date(START_MS + 1_000).toISOString() }])
})

reading('opened and sent messages are listed, newest first; what waits in the Inbox is not', () => {
  const { desk, alice, bob } = createPair()
  const step = (by: SignIn, to: string, text: string): void => {
    desk.clusterMs = after(++minted * 1_000)
    send(desk, by, [to], text)
  }
  step(alice, 'bob', 'one')
  step(bob, 'alice', 'two')
  step(alice, 'bob', 'three')
  assert.equal(textsOf(list(desk, bob).messages), ['two'])
  open(desk, bob, { count: 1 })
  assert.equal(textsOf(list(desk, bob).messages), ['two', 'one'])
  step(bob, 'bob', 'note to self')
  assert.equal(textsOf(list(desk, bob).messages), ['two', 'one'])
  open(desk, bob, { count: 9 })
  assert.equal(list(desk, bob).messages.map(({ text, kind }) => [text, kind]), [['note to self', 'received'], ['three', 'received'], ['two', 'sent'], ['one', 'received']])
})

reading('a list goes on page by page and loads only the months it shows', () => {
  const { desk, alice, bob } = createPair()
  const months = [0, 31, 61].map(days => parseMillis(START_MS + days * 24 * HOUR_MS) as Millis)
  for (const timeMs of months) for (let i = 0; i < 3; i++) {
    desk.clusterMs = parseMillis(timeMs + i * 1_000) as Millis
    send(desk, alice, ['bob'], `${millisToMonth(timeMs)} ${i}`)
  }
  const names = months.map(timeMs => inboxDocument(alice.id, millisToMonth(timeMs)))
  names.forEach(desk.unload)
  const asked: string[] = []
  const page = (before?: string): { messages: MessageJson[]; next?: string } =>
    bodyOf(runHandler(desk, (d, call) => listMessages(d, call, alice.id), { type: 'list-messages', limit: 2, ...(before === undefined ? {} : { before }) }, {
      onAsked: answer => { if (answer.status === 'needs-documents') asked.push(...answer.documents) },
    })) as never
  const first = page()
  assert.equal(textsOf(first.messages), ['2026-07 2', '2026-07 1'])
  assert.equal(asked, [names[2]])
  const texts = textsOf(first.messages)
  page(first.next) // the rest of July, the first of June
  desk.unload(names[2] ?? assert.unreachable() as never)
  asked.length = 0
  page(mintMessageId(months[1] ?? START_MS, random()))
  assert.equal(asked, [names[0]])
  for (let next = first.next; next !== undefined;) {
    const following = page(next)
    texts.push(...textsOf(following.messages))
    next = following.next
  }
  assert.equal(texts, ['2026-07 2', '2026-07 1', '2026-07 0', '2026-06 2', '2026-06 1', '2026-06 0', '2026-05 2', '2026-05 1', '2026-05 0'])
  assert.is(list(desk, alice, 9).next, undefined)
  assert.is(bob.status, 201)
})

reading('a view of one message agrees with the folded mailbox, whatever was done to it', () => {
  const dice = createRandom('views')
  const { desk, alice, bob } = createPair()
  const { id: owner } = bob
  const ids: MessageId[] = []
  for (let i = 0; i < 60; i++) {
    const by = dice.pick([alice, bob])
    ids.push(idOf(send(desk, by, dice.pick([['alice'], ['bob'], ['alice', 'bob'], ['alice', 'nobody']]), `${i}`)))
  }
  for (let i = 0; i < 150; i++) {
    const id = dice.pick(ids)
    desk.edit(marksDocument(owner, month), doc => dice.pick([() => markOpened(doc, id, after(i)), () => setDeleted(doc, id, dice.chance(0.5)), () => setChecked(doc, id, dice.chance(0.5))])())
    desk.edit(inboxDocument(owner, month), doc => dice.pick([() => recallMessage(doc, id, dice.pick([alice, bob]).id, START_MS), () => addReceipt(doc, id, alice.id, 'opened', after(i)), () => addReceipt(doc, id, alice.id, 'read', dice.chance(0.5))])())
  }
  const [inbox, marks, draftsDoc] = [inboxDocument(owner, month), marksDocument(owner, month), draftsDocument(owner)].map(name => desk.document(name))
  assert.ok(inbox && marks && draftsDoc)
  const { value } = foldMailbox({ owner, inboxes: [inbox], marks: [marks], drafts: draftsDoc })
  const views = messageIdsOf(inbox).map(id => readView(owner, inbox, marks, id)).filter(view => view !== null)
  const shown = views.filter(isVisible)
  assert.equal(shown.filter(isUnopened).map(({ message }) => message.id).sort(), value.inbox.map(({ id }) => id).sort())
  const isListed = (id: MessageId): boolean => shown.some(view => view.message.id === id && !isUnopened(view))
  for (const message of value.messages) assert.ok(isListed(message.id))
  assert.equal(shown.filter(({ kind }) => kind === 'sent').map(({ message }) => message.id).sort(), value.sent.filter(({ to }) => !to.some(person => person.id === owner)).map(({ id }) => id).sort())
  for (const sent of value.sent) {
    const view = shown.find(({ message }) => message.id === sent.id)
    if (view === undefined) continue // a note to oneself that was taken back unopened
    const time = (ms: Millis | null): string | undefined => (ms === null ? undefined : new Date(ms).toISOString())
    assert.equal(toMessageJson(view).receipts?.map(({ status, at }) => [status, at]), sent.recipients.map(({ status, atMs }) => [status, time(atMs)]))
  }
  assert.ok(value.inbox.length > 0 && value.messages.length > 0 && value.recalled.length > 0 && shown.length < views.length)
})

reading('a message is marked, deleted and brought back; one that is not mine is none', () => {
  const { desk, alice, bob } = createPair()
  const id = idOf(send(desk, alice, ['bob']))
  open(desk, bob, { count: 1 })
  assert.equal((bodyOf(change(desk, bob, id, { checked: true })) as { message: MessageJson }).message.checked, true)
  assert.is(list(desk, alice).messages[0]?.receipts?.[0]?.status, 'read')
  for (let i = 0; i < 2; i++) assert.is(remove(desk, bob, id).httpStatus, 204)
  assert.equal(list(desk, bob).messages, [])
  assert.is(codeOf(change(desk, bob, id, { checked: false })), 'no-such-message')
  assert.is(change(desk, bob, id, { deleted: false }).httpStatus, 200)
  assert.is(list(desk, bob).messages.length, 1)
  const carol = signUp(desk, 'carol')
  for (const answer of [change(desk, carol, id, { checked: true }), remove(desk, carol, id), recall(desk, carol, id), recall(desk, bob, id), remove(desk, bob, mintMessageId(START_MS, random()))]) {
    assert.is(codeOf(answer), 'no-such-message')
  }
})

reading('[DEL7] a message is recalled until it is opened', () => {
  const { desk, alice, bob } = createPair()
  const [first, second] = [idOf(send(desk, alice, ['bob'], 'first')), idOf(send(desk, alice, ['bob'], 'second'))]
  for (let i = 0; i < 2; i++) assert.equal(bodyOf(recall(desk, alice, first)), { recalled: true })
  assert.equal(textsOf(open(desk, bob, { count: 9 })), ['second'])
  assert.equal(bodyOf(recall(desk, alice, second)), { recalled: false })
  assert.equal(textsOf(list(desk, alice).messages), ['second'])
  assert.is(codeOf(change(desk, bob, first, { checked: true })), 'no-such-message')
})

reading.run()

// ---- drafts

const writing = suite('drafts')
const newDraft = (timeMs: Millis = START_MS): DraftId => mintDraftId(timeMs, random())

writing('a draft is written, edited, listed, discarded and brought back', () => {
  const { desk, alice, bob } = createPair()
  const id = newDraft()
  const written = put(desk, alice, id, { to: ['bob', 'nobody'], text: 'dear bob', selected: true })
  const draft = { id, to: [{ id: bob.id, name: 'bob' }, { id: '', name: 'nobody' }], text: 'dear bob', selected: true, editedAt: new Date(START_MS).toISOString() }
  assert.equal([written.httpStatus, bodyOf(written)], [200, { draft }])
  desk.clusterMs = after(1_000)
  put(desk, alice, id, { to: [], text: 'dear Bob!' })
  assert.equal(drafts(desk, alice), [{ ...draft, to: [], text: 'dear Bob!', editedAt: new Date(START_MS + 1_000).toISOString() }])
  for (let i = 0; i < 2; i++) assert.is(discard(desk, alice, id), 204)
  assert.equal(drafts(desk, alice), [])
  put(desk, alice, id, { to: ['bob'], text: 'again' })
  assert.is(drafts(desk, alice).length, 1)
  assert.is(discard(desk, alice, newDraft()), 404)
})

writing('a draft that cannot be kept says why and leaves nothing', () => {
  const { desk, alice } = createPair()
  assert.is(codeOf(put(desk, alice, newDraft(after(25 * HOUR_MS)), { to: [], text: '' })), 'bad-id')
  assert.is(codeOf(put(desk, alice, newDraft(), { to: [], text: 'x'.repeat(LIMITS.draftTextBytesMax + 1) })), 'too-large')
  assert.is(codeOf(put(desk, alice, newDraft(), { to: ['no name at all'], text: '' })), 'bad-request')
  assert.equal(drafts(desk, alice), [])
})

writing('[DEL8] drafts are sent once, by id or as selected, from whatever node', () => {
  const { desk, alice, bob } = createPair()
  const [one, two, idle] = [newDraft(), newDraft(), newDraft()]
  put(desk, alice, one, { to: ['bob'], text: 'one', selected: true })
  put(desk, alice, two, { to: ['bob'], text: 'two', selected: true })
  put(desk, alice, idle, { to: ['bob'], text: 'idle' })
  const other = createFakeDesk({ seed: 2 })
  mergeDesks(desk, other)
  const first = sendAll(desk, { ...alice, key: KEY }, { selected: true })
  assert.equal([first.sent.map(({ draftId }) => draftId).sort(), first.failed], [[one, two].sort(), []])
  assert.equal(sendAll(desk, { ...alice, key: KEY }, { selected: true }), first)
  assert.equal(sendAll(desk, alice, { ids: [one] }).sent, first.sent.filter(({ draftId }) => draftId === one))
  assert.equal(sendAll(other, alice, { selected: true }).sent.map(({ id }) => id).sort(), first.sent.map(({ id }) => id).sort())
  mergeDesks(desk, other)
  assert.is(count(desk, bob), 2)
  assert.equal(drafts(desk, alice).map(({ id }) => id), [idle])
  assert.is(desk.document(draftsDocument(alice.id))?.getMap('outbox').size, 0)
  assert.is(codeOf(put(desk, alice, one, { to: [], text: 'more' })), 'bad-id')
})

writing('[DEL4] a draft that nobody would get stays a draft, and says why', () => {
  const { desk, alice } = createPair()
  const lost = newDraft()
  const texts = { empty: newDraft(), alone: newDraft(), gone: newDraft() }
  put(desk, alice, lost, { to: ['nobody'], text: 'hello?' })
  put(desk, alice, texts.empty, { to: ['bob'], text: ' ' })
  put(desk, alice, texts.alone, { to: [], text: 'hello?' })
  put(desk, alice, texts.gone, { to: ['bob'], text: 'hello?' })
  desk.edit(draftsDocument(alice.id), doc => discardDraft(doc, texts.gone))
  const { sent, failed } = sendAll(desk, alice, { ids: [lost, texts.empty, texts.alone, texts.gone] })
  assert.equal([sent, failed], [[], [
    { draftId: lost, code: 'no-such-account' }, { draftId: texts.empty, code: 'bad-request' }, { draftId: texts.alone, code: 'no-recipients' }, { draftId: texts.gone, code: 'no-such-draft' },
  ]])
  assert.is(drafts(desk, alice).length, 3)
})

writing('[DOC5] a forged outcome among the marks breaks nothing', () => {
  const { desk, alice } = createPair()
  send(desk, { ...alice, key: KEY }, ['bob'])
  const marks = desk.document(marksDocument(alice.id, month))
  const [fingerprint] = marks?.getMap<[string, unknown]>('marks').get(`k:${KEY}`) ?? ['']
  for (const outcome of [null, 1, 'x', [], { id: 1 }, { id: 'x', recipients: [{ id: 1 }] }]) {
    desk.edit(marksDocument(alice.id, month), doc => doc.getMap('marks').set(`k:${KEY}`, [fingerprint, outcome]))
    assert.is(codeOf(send(desk, { ...alice, key: KEY }, ['bob'])), 'id-reused')
  }
})

writing.run()
