// Delivery, recalls and receipts on a desk of real documents.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as Y from 'yjs'
import { type OutboxEntry, addOutboxEntry, requestRecall, setBlocked, setSharesReceipts } from '../../crdt-schema/drafts.ts'
import { type AccountId, type DocumentName, type MessageId, type Millis, draftsDocument, idToMillis, inboxDocument, marksDocument, messageToMonth, millisToMonth, mintMessageId, parseMillis } from '../../crdt-schema/ids.ts'
import { type Person, isRecalled, readMessage, readReceiptsOf } from '../../crdt-schema/inbox.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import { markOpened, setChecked } from '../../crdt-schema/marks.ts'
import { removeMe } from '../../node/core/accounts.ts'
import { deliverOutbox, documentsToDeliver } from '../../node/core/delivery.ts'
import { storeMarks } from '../../node/core/receipts.ts'
import { keysIn, readTouched } from '../../node/core/touched.ts'
import { PASSWORD, type SignIn, signUp } from '../support/accounts.ts'
import { type FakeDesk, START_MS, createFakeDesk, mergeDesks, runHandler } from '../support/desk.ts'
import { createRandom } from '../sim/random.ts'

interface Town {
  readonly desk: FakeDesk
  readonly alice: SignIn
  readonly bob: SignIn
  readonly carol: SignIn
}

const createTown = (): Town => {
  const desk = createFakeDesk()
  return { desk, alice: signUp(desk, 'alice'), bob: signUp(desk, 'bob'), carol: signUp(desk, 'carol') }
}

let minted = 0
const mintId = (timeMs: Millis = START_MS): MessageId => mintMessageId(timeMs, new Uint8Array(10).fill(++minted))
const month = millisToMonth(START_MS)
const after = (ms: number): Millis => parseMillis(START_MS + ms) as Millis
const person = ({ id, name }: SignIn): Person => ({ id, name: String(name) })

const entryTo = (to: readonly Person[], more: Partial<OutboxEntry> = {}): OutboxEntry => ({ id: mintId(), fromName: 'alice', to, text: 'hello', sentMs: START_MS, ...more })

const inboxOf = (desk: FakeDesk, id: AccountId): Y.Doc => desk.document(inboxDocument(id, month)) as Y.Doc
const receiptsOf = (desk: FakeDesk, sender: SignIn, entry: OutboxEntry, recipient: AccountId | `@${string}`) => readReceiptsOf(inboxOf(desk, sender.id), entry.id, recipient)

const send = ({ desk, alice }: Town, entry: OutboxEntry): void => {
  desk.edit(draftsDocument(alice.id), doc => addOutboxEntry(doc, entry))
  assert.equal(deliverOutbox(desk, draftsDocument(alice.id)), { status: 'done' })
}

const allContent = (desk: FakeDesk): string => JSON.stringify([...desk.docs].map(([name, doc]) => [name, [...Y.encodeStateAsUpdate(doc)]]))

const delivery = suite('delivery')

delivery('[DEL2] an entry, its copies and its receipts are written in one step, and again changes nothing', () => {
  const town = createTown()
  const { desk, alice, bob, carol } = town
  const entry = entryTo([person(bob), person(carol)])
  send(town, entry)
  const stored = { id: entry.id, from: { id: alice.id, name: 'alice' }, to: entry.to, text: 'hello', sentMs: START_MS }
  for (const { id } of [alice, bob, carol]) assert.equal(readMessage(inboxOf(desk, id), entry.id), stored)
  for (const { id } of [bob, carol]) assert.equal(receiptsOf(desk, alice, entry, id), { delivered: START_MS })
  const before = allContent(desk)
  desk.clusterMs = after(5_000)
  deliverOutbox(desk, draftsDocument(alice.id))
  assert.is(allContent(desk), before)
})

delivery('[DEL2] nothing is written before every document it touches is loaded', () => {
  const { desk, alice, bob, carol } = createTown()
  const drafts = draftsDocument(alice.id)
  const entry = entryTo([person(bob), person(carol)])
  desk.edit(drafts, doc => addOutboxEntry(doc, entry))
  const lazy = [inboxDocument(alice.id, month), inboxDocument(bob.id, month), draftsDocument(bob.id), inboxDocument(carol.id, month)]
  lazy.forEach(desk.unload)
  const asked = new Set<DocumentName>()
  for (let round = 0; round < 9; round++) {
    const missing = documentsToDeliver(desk, alice.id, [entry], [])
    const step = deliverOutbox(desk, drafts)
    assert.equal(step, missing.length === 0 ? { status: 'done' } : { status: 'needs-documents', documents: missing })
    const [next] = missing
    if (next === undefined) break
    asked.add(next)
    for (const { id } of [alice, bob, carol]) assert.is(desk.docs.get(inboxDocument(id, month))?.getMap('messages').size ?? 0, 0)
    desk.load(next)
  }
  assert.equal([...asked].sort(), [...lazy].sort())
  assert.is.not(readMessage(inboxOf(desk, carol.id), entry.id), null)
})

delivery('[DOC1] two nodes that deliver the same entry write one message', () => {
  const { desk, alice, bob } = createTown()
  const other = createFakeDesk({ seed: 2 })
  mergeDesks(desk, other)
  const entry = entryTo([{ id: '', name: 'bob' }])
  for (const each of [desk, other]) {
    each.edit(draftsDocument(alice.id), doc => addOutboxEntry(doc, entry))
    deliverOutbox(each, draftsDocument(alice.id))
  }
  mergeDesks(desk, other)
  for (const each of [desk, other]) {
    assert.equal(readMessage(inboxOf(each, bob.id), entry.id)?.to, [{ id: bob.id, name: 'bob' }])
    assert.is(inboxOf(each, bob.id).getMap('messages').size, 1)
  }
  assert.equal(inboxOf(desk, bob.id).toJSON(), inboxOf(other, bob.id).toJSON())
})

delivery('[DOC2] an id more than a day ahead is refused with a receipt, and one beyond all calendars is passed over', () => {
  const town = createTown()
  const { desk, alice, bob } = town
  const soon = entryTo([person(bob)], { id: mintId(after(LIMITS.idAheadMsMax)) })
  const late = entryTo([person(bob)], { id: mintId(after(LIMITS.idAheadMsMax + 1)) })
  const never = entryTo([person(bob)], { id: mintId((2 ** 48 - 1) as Millis) })
  for (const entry of [soon, late, never]) send(town, entry)
  const home = (entry: OutboxEntry, id: AccountId): Y.Doc => desk.document(inboxDocument(id, messageToMonth(entry.id))) as Y.Doc
  assert.ok(readMessage(home(soon, bob.id), soon.id))
  assert.is(readMessage(home(late, bob.id), late.id), null)
  assert.equal(readReceiptsOf(home(late, alice.id), late.id, bob.id), { 'bad-id': START_MS })
  assert.is(idToMillis(never.id), 2 ** 48 - 1)
})

delivery('[DEL3] a name is resolved to who has it, and one never resolved gets its receipt under the name', () => {
  const town = createTown()
  const { desk, alice, bob } = town
  const entry = entryTo([{ id: '', name: 'Bob' }, { id: '', name: 'nobody' }])
  send(town, entry)
  assert.equal(readMessage(inboxOf(desk, bob.id), entry.id)?.to, [{ id: bob.id, name: 'Bob' }, { id: '', name: 'nobody' }])
  assert.equal(receiptsOf(desk, alice, entry, bob.id), { delivered: START_MS })
  assert.equal(receiptsOf(desk, alice, entry, '@nobody'), { 'no-such-account': START_MS })
})

delivery('[DEL3] a sender cannot take a name that was never his', () => {
  const town = createTown()
  const { desk, alice, bob } = town
  const entry = entryTo([person(bob)], { fromName: 'carol' })
  send(town, entry)
  assert.is(readMessage(inboxOf(desk, bob.id), entry.id), null)
  assert.equal(receiptsOf(desk, alice, entry, bob.id), { 'bad-name': START_MS })
})

delivery('[DEL4] a removed account and a full mailbox fail, the other recipients get their message', () => {
  const town = createTown()
  const { desk, alice, bob, carol } = town
  const dave = signUp(desk, 'dave')
  const mail = entryTo([person(carol)])
  send(town, mail)
  runHandler(desk, removeMe, { type: 'remove-me', password: PASSWORD }, { token: bob.token })
  const measure = desk.bytesOf
  desk.bytesOf = name => (name === inboxDocument(carol.id, month) ? LIMITS.mailboxBytesMax : measure(name))
  const entry = entryTo([person(bob), person(carol), person(dave)])
  send(town, entry)
  assert.equal(receiptsOf(desk, alice, entry, bob.id), { 'no-such-account': START_MS })
  assert.equal(receiptsOf(desk, alice, entry, carol.id), { 'mailbox-full': START_MS })
  assert.equal(receiptsOf(desk, alice, entry, dave.id), { delivered: START_MS })
  assert.is(readMessage(inboxOf(desk, carol.id), entry.id), null)
  assert.ok(readMessage(inboxOf(desk, dave.id), entry.id))
  assert.ok(readMessage(inboxOf(desk, alice.id), entry.id))
})

delivery('[DEL4] a message that nobody gets leaves receipts and no copy', () => {
  const town = createTown()
  const entry = entryTo([{ id: '', name: 'nobody' }])
  send(town, entry)
  assert.is(readMessage(inboxOf(town.desk, town.alice.id), entry.id), null)
  assert.equal(receiptsOf(town.desk, town.alice, entry, '@nobody'), { 'no-such-account': START_MS })
})

delivery('who is blocked is not told so', () => {
  const town = createTown()
  const { desk, alice, bob } = town
  desk.edit(draftsDocument(bob.id), doc => setBlocked(doc, alice.id, true))
  const entry = entryTo([person(bob)])
  send(town, entry)
  assert.is(readMessage(inboxOf(desk, bob.id), entry.id), null)
  assert.equal(receiptsOf(desk, alice, entry, bob.id), { delivered: START_MS })
})

delivery('[DEL8] an id that was used for something else fails for whoever has no receipt yet', () => {
  const town = createTown()
  const { desk, alice, bob, carol } = town
  const first = entryTo([person(bob)])
  send(town, first)
  desk.edit(draftsDocument(alice.id), doc => doc.getMap('outbox').delete(first.id))
  send(town, { ...first, to: [person(carol)], text: 'something else' })
  assert.is(readMessage(inboxOf(desk, carol.id), first.id), null)
  assert.equal(receiptsOf(desk, alice, first, carol.id), { 'bad-id': START_MS })
  assert.equal(receiptsOf(desk, alice, first, bob.id), { delivered: START_MS })
  assert.is(readMessage(inboxOf(desk, alice.id), first.id)?.text, 'hello')
})

// ---- receipts

const open = ({ desk, bob }: Town, id: MessageId, openedMs: Millis): void => {
  const marks = marksDocument(bob.id, month)
  desk.edit(marks, doc => markOpened(doc, id, openedMs))
  assert.equal(storeMarks(desk, marks, [`o:${id}`]), { status: 'done' })
}

delivery('[DEL5] the sender hears of opened and read, and of unread again', () => {
  const town = createTown()
  const { desk, alice, bob } = town
  const entry = entryTo([person(bob)])
  send(town, entry)
  open(town, entry.id, after(10))
  assert.equal(receiptsOf(desk, alice, entry, bob.id), { delivered: START_MS, opened: after(10) })
  for (const checked of [true, false]) {
    desk.edit(marksDocument(bob.id, month), doc => setChecked(doc, entry.id, checked))
    storeMarks(desk, marksDocument(bob.id, month), [`c:${entry.id}`])
    assert.is(receiptsOf(desk, alice, entry, bob.id).read, checked)
  }
})

delivery('[DEL5] a recipient who does not share it is not told of', () => {
  const town = createTown()
  const { desk, alice, bob } = town
  desk.edit(draftsDocument(bob.id), doc => setSharesReceipts(doc, 'off'))
  const entry = entryTo([person(bob)])
  send(town, entry)
  open(town, entry.id, after(10))
  assert.equal(receiptsOf(desk, alice, entry, bob.id), { delivered: START_MS })
})

delivery('[DEL5] nobody makes receipts for mail that is not his', () => {
  const town = createTown()
  const { desk, alice, bob, carol } = town
  const entry = entryTo([person(carol)])
  send(town, entry)
  open(town, entry.id, after(10)) // bob marks carol's message
  assert.equal(receiptsOf(desk, alice, entry, bob.id), {})
  desk.edit(marksDocument(alice.id, month), doc => setChecked(doc, entry.id, true)) // and alice what she sent
  storeMarks(desk, marksDocument(alice.id, month), [`c:${entry.id}`])
  assert.equal(receiptsOf(desk, alice, entry, alice.id), {})
  assert.equal(receiptsOf(desk, alice, entry, carol.id), { delivered: START_MS })
})

// ---- recalls

const recall = ({ desk }: Town, sender: SignIn, id: MessageId): void => {
  desk.edit(draftsDocument(sender.id), doc => requestRecall(doc, id))
  assert.equal(deliverOutbox(desk, draftsDocument(sender.id)), { status: 'done' })
}

delivery('[DEL7] a sender takes a message back from every inbox; nobody else can', () => {
  const town = createTown()
  const { desk, alice, bob, carol } = town
  const entry = entryTo([person(bob), person(carol)])
  send(town, entry)
  recall(town, bob, entry.id)
  assert.not(isRecalled(inboxOf(desk, bob.id), entry.id))
  recall(town, alice, entry.id)
  for (const { id } of [alice, bob, carol]) assert.ok(isRecalled(inboxOf(desk, id), entry.id))
})

delivery('[DEL7] what was opened is not taken back', () => {
  const town = createTown()
  const entry = entryTo([person(town.bob)])
  send(town, entry)
  open(town, entry.id, after(10))
  recall(town, town.alice, entry.id)
  assert.not(isRecalled(inboxOf(town.desk, town.bob.id), entry.id))
})

delivery('[DEL7] a recall by a node that has not got every copy yet counts for those that come', () => {
  const town = createTown()
  const { desk, alice, bob } = town
  const entry = entryTo([person(bob)])
  // Its pull was cut between the two documents: it holds the sender's copy, and not the recipient's.
  const behind = { ...town, desk: createFakeDesk({ seed: 2 }) }
  mergeDesks(desk, behind.desk)
  send(town, entry)
  for (const name of [inboxDocument(alice.id, month), draftsDocument(alice.id)]) behind.desk.applyUpdate(name, Y.encodeStateAsUpdate(desk.document(name) as Y.Doc), -1)
  recall(behind, alice, entry.id)
  mergeDesks(desk, behind.desk)
  for (const each of [desk, behind.desk]) assert.ok(isRecalled(inboxOf(each, bob.id), entry.id))
})

// ---- junk

delivery('[DOC5] junk in drafts and marks is passed over', () => {
  const random = createRandom('junk')
  const { desk, alice, bob } = createTown()
  const keys = [mintId(), 'no id', mintId((2 ** 48 - 1) as Millis), `o:${mintId()}`, 'o:', 'c:x', '']
  const values = [null, 1, 'text', [], [1, 2, 3, 4], ['alice', [['x', 'y']], 'text', START_MS], ['alice', [[bob.id, 'bob']], 'text', 'late'], { a: 1 }, true]
  for (let i = 0; i < 200; i++) {
    const [drafts, marks] = [draftsDocument(alice.id), marksDocument(bob.id, month)]
    desk.edit(drafts, doc => doc.getMap(random.pick(['outbox', 'recalls', 'settings'])).set(random.pick(keys), random.pick(values)))
    desk.edit(marks, doc => doc.getMap('marks').set(random.pick(keys), random.pick(values)))
    assert.equal(deliverOutbox(desk, drafts), { status: 'done' })
    assert.equal(storeMarks(desk, marks, keys), { status: 'done' })
  }
  assert.is(inboxOf(desk, bob.id).getMap('messages').size, 0)
})

// ---- which keys an update touched

delivery('an update tells its keys, also those it only overwrites, deletes or writes beneath', () => {
  const doc = new Y.Doc()
  const replica = new Y.Doc()
  const map = doc.getMap<unknown>('drafts')
  map.set('text', new Y.Text('abc'))
  map.set('old', 1)
  map.set('gone', 1)
  Y.applyUpdate(replica, Y.encodeStateAsUpdate(doc))
  const touchedBy = (change: () => void): string[] => {
    const updates: Uint8Array[] = []
    const collect = (update: Uint8Array): void => void updates.push(update)
    doc.on('update', collect)
    change()
    doc.off('update', collect)
    const [update] = updates
    if (update === undefined) return []
    Y.applyUpdate(replica, update)
    return [...keysIn(readTouched(replica, update), 'drafts')].sort()
  }
  assert.equal(touchedBy(() => map.set('old', 2)), ['old'])
  assert.equal(touchedBy(() => map.delete('gone')), ['gone'])
  assert.equal(touchedBy(() => (map.get('text') as Y.Text).insert(1, 'x')), ['text'])
  assert.equal(touchedBy(() => (map.get('text') as Y.Text).delete(0, 2)), ['text'])
  assert.equal(touchedBy(() => map.set('new', 1)), ['new'])
})

delivery.run()
