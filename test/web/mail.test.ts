// The models of an open account over fake rooms: Inbox, live mail, marks, Undo, drafts, sending, and the states of a
// sent message, without a browser.

import { signal } from '@preact/signals'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readOutbox } from '../../crdt-schema/drafts.ts'
import { type AccountId, type MessageId, type Millis, type Month, messageToMonth, millisToMonth, mintMessageId } from '../../crdt-schema/ids.ts'
import { addMessage, addReceipt, recallMessage } from '../../crdt-schema/inbox.ts'
import { readMark } from '../../crdt-schema/marks.ts'
import { type Mail, createMail } from '../../web/model/mail.ts'
import { ANA, BEN, type FakeLink, type FakePorts, NOW_MS, createFakePorts, present, settle } from '../support/web-fakes.ts'

const MONTH: Month = millisToMonth(NOW_MS as Millis)
const INBOX = `${ANA}/inbox/${MONTH}`
const MARKS = `${ANA}/marks/${MONTH}`
const DRAFTS = `${ANA}/drafts`
const BEN_PERSON = { id: BEN, name: 'ben' }
const EVE_PERSON = { id: 'ee'.repeat(16) as AccountId, name: 'eve' }
const URL = 'http://node-0'

const test = suite('mail')

let counter = 0
const messageId = (atMs = NOW_MS): MessageId =>
  mintMessageId(
    atMs as Millis,
    Uint8Array.from({ length: 10 }, () => (counter += 1) % 256),
  )

interface Opened {
  readonly mail: Mail
  readonly link: FakeLink
  readonly ports: FakePorts
  readonly ended: string[]
}

const openMail = async (): Promise<Opened> => {
  const ports = createFakePorts()
  const ended: string[] = []
  const mail = createMail({
    ports,
    account: { id: ANA, name: 'ana', token: 't', sessionId: 's' },
    name: signal('ana'),
    remembered: [],
    kept: Promise.resolve([]),
    rescued: [],
    onRefused: ({ room }) => ended.push(`refused ${room}`),
    onEnded: (how) => ended.push(how),
  })
  await settle()
  const link = ports.links[0] as FakeLink
  return { mail, link, ports, ended }
}

const goOnline = ({ link }: Opened): void => {
  link.events.onNodesNote({
    time: NOW_MS as Millis,
    nodes: [0, 1, 2].map((pid) => ({ pid, url: `http://node-${pid}`, status: 'ready' })) as never,
  })
  link.events.onStatus({ status: 'open', url: URL })
  link.sync()
}

/** What nodes call the time: ids are minted by it. */
const tellTime = (link: FakeLink, timeMs: number): void => link.events.onNodesNote({ time: timeMs as Millis, nodes: [] })

/** A node delivers a message from ben. */
const deliver = async (link: FakeLink, text: string, sentMs = NOW_MS): Promise<MessageId> => {
  const id = messageId(sentMs)
  link.write(INBOX, (doc) => addMessage(doc, { id, from: BEN_PERSON, to: [{ id: ANA, name: 'ana' }], text, sentMs: sentMs as Millis }))
  await settle()
  return id
}

const send = async (mail: Mail, text: string): Promise<MessageId> => {
  const id = mail.drafts.create({ to: [BEN_PERSON], text })
  assert.ok(id)
  const { sent } = mail.drafts.send([id])
  await settle()
  return sent[0] as MessageId
}

const stateOf = (mail: Mail, id: MessageId) => mail.mailbox.sent.value.find((row) => row.id === id)?.state

test('what is there when the page comes waits in the Inbox; what arrives while it is there is opened at once', async () => {
  const opened = await openMail()
  const { mail, link } = opened
  await deliver(link, 'while away')
  assert.is(mail.mailbox.inboxCount.value, 1)
  goOnline(opened)
  const live = await deliver(link, 'while here')
  assert.is(mail.mailbox.inboxCount.value, 1)
  assert.equal(
    mail.mailbox.messages.value.map(({ text }) => text),
    ['while here'],
  )
  assert.is(readMark(present(link.rooms.get(MARKS)).doc, live).openedMs, NOW_MS)
  assert.equal(mail.mailbox.arrived.value, { from: 'ben', count: 1, id: live, text: 'while here' })
})

test('[DEL6] opening three opens the three oldest and gives the first row, the newest of them', async () => {
  const { mail, link } = await openMail()
  const ids = []
  for (let place = 0; place < 5; place += 1) ids.push(await deliver(link, `m${place}`, NOW_MS - 5000 + place))
  const { opened, first } = mail.mailbox.open(3)
  assert.is(opened, 3)
  assert.is(mail.mailbox.inboxCount.value, 2)
  assert.equal(
    mail.mailbox.messages.value.map(({ text }) => text),
    ['m2', 'm1', 'm0'],
  )
  assert.is(first, ids[2])
  assert.is(mail.mailbox.open(10).opened, 2)
})

test('[DOC4] unopened messages in rooms that are not open are counted, and those rooms are opened', async () => {
  const { mail, link } = await openMail()
  const past = `${ANA}/inbox/2026-03`
  link.events.onRoomNote({ room: past, digest: 'd', unopened: 2, pids: [] as never })
  assert.ok(link.rooms.has(past))
  assert.ok(link.rooms.has(`${ANA}/marks/2026-03`))
  link.events.onRoomNote({ room: `${ANA}/inbox/2025-01`, digest: 'd', unopened: 0, pids: [] as never })
  link.events.onRoomNote({ room: `${ANA}/inbox/2025-02`, digest: 'd', unopened: 0, pids: [] as never })
  assert.not(link.rooms.has(`${ANA}/inbox/2025-01`))
  assert.ok(mail.hasOlder.value)
  mail.showOlder()
  assert.ok(link.rooms.has(`${ANA}/inbox/2025-02`))
})

test('a deleted message leaves a line in its place until the list is left; Undo brings it back', async () => {
  const { mail, link } = await openMail()
  await deliver(link, 'older', NOW_MS - 10)
  const id = await deliver(link, 'newer')
  mail.mailbox.open(2)
  mail.mailbox.remove(id)
  await settle()
  assert.equal(
    mail.mailbox.messages.value.map(({ text, isDeleted }) => [text, isDeleted]),
    [
      ['newer', true],
      ['older', false],
    ],
  )
  assert.is(mail.mailbox.messageCount.value, 1)
  mail.mailbox.restore(id)
  assert.equal(
    mail.mailbox.messages.value.map(({ isDeleted }) => isDeleted),
    [false, false],
  )
  mail.mailbox.remove(id)
  await settle()
  mail.mailbox.leaveList()
  assert.equal(
    mail.mailbox.messages.value.map(({ text }) => text),
    ['older'],
  )
})

test('[DEL1] a message says “waiting” only after it is on disk; sending discards its draft in the same transaction', async () => {
  const { mail, link } = await openMail()
  const room = present(link.rooms.get(DRAFTS))
  room.flushes = []
  let updates = 0
  const draft = mail.drafts.create({ to: [BEN_PERSON], text: 'hello' })
  room.doc.on('update', () => (updates += 1))
  const { sent } = mail.drafts.send([present(draft)])
  assert.is(updates, 1)
  await settle()
  assert.is(stateOf(mail, present(sent[0]))?.status, 'keeping')
  for (const done of room.flushes) done()
  await settle()
  assert.is(stateOf(mail, present(sent[0]))?.status, 'waiting')
  assert.is(mail.drafts.count.value, 0)
  assert.equal(
    mail.onlyHere.value.map(({ kind, text }) => [kind, text]),
    [['message', 'hello']],
  )
})

test('[DEL5] waiting, stored on k of n, opened, read, and back to opened', async () => {
  const opened = await openMail()
  const { mail, link } = opened
  goOnline(opened)
  const id = await send(mail, 'hello')
  const room = present(link.rooms.get(DRAFTS))
  assert.is(stateOf(mail, id)?.status, 'waiting')
  assert.is(mail.mailbox.unsentCount.value, 1)

  link.events.onStored(room, { change: room.changes, pids: [0], members: 3 })
  assert.is(stateOf(mail, id)?.status, 'stored')
  link.events.onStored(room, { change: room.changes, pids: [1], members: 3 })
  assert.equal(mail.mailbox.sent.value[0]?.storedOn, [0, 1])

  const [entry] = readOutbox(room.doc).value
  link.write(INBOX, (doc) => {
    addMessage(doc, { id, from: { id: ANA, name: 'ana' }, to: present(entry).to, text: 'hello', sentMs: present(entry).sentMs })
    addReceipt(doc, id, BEN, 'delivered', NOW_MS as Millis)
  })
  await settle()
  assert.equal(readOutbox(room.doc).value, [], 'the page clears what has all its receipts')
  assert.is(stateOf(mail, id)?.status, 'stored')
  link.events.onRoomNote({ room: INBOX, digest: 'd', unopened: 0, pids: [0, 1, 2] as never })
  assert.equal(mail.mailbox.sent.value[0]?.storedOn, [0, 1, 2])

  const receive = async (kind: 'opened' | 'read' | 'unread'): Promise<string | undefined> => {
    link.write(INBOX, (doc) =>
      kind === 'opened' ? addReceipt(doc, id, BEN, 'opened', NOW_MS as Millis) : addReceipt(doc, id, BEN, 'read', kind === 'read'),
    )
    await settle()
    return stateOf(mail, id)?.status
  }
  assert.is(await receive('opened'), 'opened')
  assert.is(await receive('read'), 'read')
  assert.is(await receive('unread'), 'opened')
})

test('[DEL7] a recall shows as under way, then as done; if the reader was faster, that is said', async () => {
  const { mail, link } = await openMail()
  for (const outcome of ['recalled', 'opened'] as const) {
    const id = await send(mail, outcome)
    link.write(INBOX, (doc) => {
      addMessage(doc, { id, from: { id: ANA, name: 'ana' }, to: [BEN_PERSON], text: outcome, sentMs: NOW_MS as Millis })
      addReceipt(doc, id, BEN, 'delivered', NOW_MS as Millis)
    })
    await settle()
    mail.mailbox.recall(id)
    await settle()
    assert.is(stateOf(mail, id)?.status, 'recalling')
    link.write(INBOX, (doc) =>
      outcome === 'recalled' ? recallMessage(doc, id, ANA, NOW_MS as Millis) : addReceipt(doc, id, BEN, 'opened', NOW_MS as Millis),
    )
    await settle()
    const state = stateOf(mail, id)
    assert.is(state?.status, outcome)
    if (state?.status === 'opened') assert.ok(state.isTooLate)
  }
})

test('[DEL4] a message that cannot be delivered fails with its reason; given up, its text comes back', async () => {
  const { mail, link } = await openMail()
  const id = await send(mail, 'to nobody')
  link.write(INBOX, (doc) => addReceipt(doc, id, BEN, 'no-such-account', NOW_MS as Millis))
  await settle()
  assert.equal(stateOf(mail, id), { status: 'failed', because: 'no-such-account', name: 'ben', wasKnown: true })
  assert.equal(mail.mailbox.giveUp(id), { to: [BEN_PERSON], text: 'to nobody' })
  await settle()
  assert.is(mail.mailbox.sent.value.length, 0)
})

test('[DEL4] what is refused for its id goes out again under another, once, to those who have not got it', async () => {
  const { mail, link } = await openMail()
  const ahead = NOW_MS + 90 * 86_400_000
  tellTime(link, ahead)
  const draft = mail.drafts.create({ to: [BEN_PERSON, EVE_PERSON], text: 'from the future' })
  tellTime(link, NOW_MS)
  const [id] = mail.drafts.send([present(draft)]).sent
  await settle()
  assert.ok(id)
  const month = millisToMonth(ahead as Millis)
  assert.ok(link.rooms.has(`${ANA}/inbox/${month}`), 'the month of the id is open, or nobody would see the answer')
  link.write(`${ANA}/inbox/${month}`, (doc) => {
    addReceipt(doc, id, BEN, 'bad-id', NOW_MS as Millis)
    addReceipt(doc, id, EVE_PERSON.id, 'delivered', NOW_MS as Millis)
  })
  await settle()
  const outbox = readOutbox(present(link.rooms.get(DRAFTS)).doc).value
  assert.equal(outbox.map(({ to, text }) => [to, text]), [[[BEN_PERSON], 'from the future']])
  const again = present(outbox[0]).id
  assert.is(messageToMonth(again), MONTH)
  assert.equal(stateOf(mail, again), { status: 'waiting' })
  link.write(INBOX, (doc) => {
    addMessage(doc, { id: again, from: { id: ANA, name: 'ana' }, to: [BEN_PERSON], text: 'from the future', sentMs: NOW_MS as Millis })
    addReceipt(doc, again, BEN, 'delivered', NOW_MS as Millis)
  })
  await settle()
  assert.is(readOutbox(present(link.rooms.get(DRAFTS)).doc).value.length, 0)
})

test('[DEL2] a draft of long ago is sent like any other: the page sees the answer in the month of its id', async () => {
  const { mail, link } = await openMail()
  const past = NOW_MS - 200 * 86_400_000
  tellTime(link, past)
  const draft = mail.drafts.create({ to: [BEN_PERSON], text: 'at last' })
  tellTime(link, NOW_MS)
  const [id] = mail.drafts.send([present(draft)]).sent
  await settle()
  assert.ok(id)
  link.write(`${ANA}/inbox/${millisToMonth(past as Millis)}`, (doc) => {
    addMessage(doc, { id, from: { id: ANA, name: 'ana' }, to: [BEN_PERSON], text: 'at last', sentMs: NOW_MS as Millis })
    addReceipt(doc, id, BEN, 'delivered', NOW_MS as Millis)
  })
  await settle()
  assert.is(readOutbox(present(link.rooms.get(DRAFTS)).doc).value.length, 0, 'cleared')
  assert.is(mail.mailbox.sent.value.find((row) => row.id === id)?.text, 'at last')
})

test('drafts: select all has three states; what cannot be sent stays and says why', async () => {
  const { mail } = await openMail()
  const { drafts } = mail
  const whole = present(drafts.create({ to: [BEN_PERSON], text: 'whole' }))
  const lonely = present(drafts.create({ text: 'to nobody' }))
  const empty = present(drafts.create({ to: [BEN_PERSON] }))
  assert.is(drafts.selectAllState.value, 'none')
  drafts.select(whole, true)
  assert.is(drafts.selectAllState.value, 'some')
  drafts.selectAll(true)
  assert.is(drafts.selectAllState.value, 'all')
  const { sent, failed } = drafts.send()
  assert.is(sent.length, 1)
  assert.equal([...failed].sort(), [lonely, empty].sort())
  const errors = new Map(drafts.rows.value.map(({ id, error }) => [id, error]))
  assert.is(errors.get(lonely), 'no-recipient')
  assert.is(errors.get(empty), 'empty')
  drafts.setRecipient(lonely, BEN_PERSON)
  assert.is(drafts.rows.value.find(({ id }) => id === lonely)?.error, null)
})

test('a draft keeps its place while it is written, says where it is stored, and comes back from being discarded', async () => {
  const opened = await openMail()
  const { mail, link } = opened
  const { drafts } = mail
  const first = present(drafts.create({ text: 'first' }))
  opened.ports.clock.advance(10)
  const second = present(drafts.create({ text: 'second' }))
  drafts.write(first, 'first, longer')
  assert.equal(
    drafts.rows.value.map(({ id }) => id),
    [second, first],
  )
  assert.ok(drafts.rows.value[1]?.isPending)
  const room = present(link.rooms.get(DRAFTS))
  link.events.onStored(room, { change: room.changes, pids: [0, 2], members: 3 })
  assert.equal(drafts.rows.value[1]?.storedOn, [0, 2])
  drafts.discard(first)
  assert.is(drafts.count.value, 1)
  assert.ok(drafts.rows.value[1]?.isDiscarded)
  drafts.restore(first)
  assert.is(drafts.rows.value[1]?.text, 'first, longer')
})

test('junk in a document changes nothing that is shown [DOC5]', async () => {
  const { mail, link } = await openMail()
  await deliver(link, 'fine')
  link.write(INBOX, (doc) => {
    doc.getMap('messages').set('junk', 7)
    doc.getMap('messages').set(messageId(), [['x'], { text: 'no' }])
    doc.getMap('receipts').set('a/b/c', 'no')
  })
  link.write(DRAFTS, (doc) => doc.getMap('drafts').set('junk.text', ['no text']))
  await settle()
  assert.is(mail.mailbox.inboxCount.value, 1)
  assert.is(mail.drafts.count.value, 0)
})

test('the end of a session is told, and as what', async () => {
  const { link, ended } = await openMail()
  link.events.onStatus({ status: 'ended', code: 4409 })
  link.events.onStatus({ status: 'ended', code: 4401 })
  link.events.onStatus({ status: 'ended', code: 4422 })
  link.events.onRoomClosed(present(link.rooms.get(MARKS)), 4413)
  link.events.onRoomClosed(present(link.rooms.get(INBOX)), 4403)
  assert.equal(ended, ['taken-over', 'ended', `refused ${DRAFTS}`, `refused ${MARKS}`])
})

test('closing with `forget` leaves nothing of the account on the device', async () => {
  const { mail, link, ports } = await openMail()
  await mail.close({ forget: true })
  assert.ok(link.isClosed)
  assert.equal(ports.forgotten.flat().sort(), [DRAFTS, INBOX, MARKS].sort())
})

test('drafts that are sent together wait for the disk once', async () => {
  const { mail, link } = await openMail()
  const room = present(link.rooms.get(DRAFTS))
  room.flushes = []
  const ids = ['one', 'two', 'three'].map((text) => present(mail.drafts.create({ to: [BEN_PERSON], text })))
  const { sent } = mail.drafts.send(ids)
  assert.is(room.flushes.length, 1)
  await settle()
  assert.equal(
    sent.map((id) => stateOf(mail, id)?.status),
    ['keeping', 'keeping', 'keeping'],
  )
  for (const done of room.flushes) done()
  await settle()
  assert.equal(
    sent.map((id) => stateOf(mail, id)?.status),
    ['waiting', 'waiting', 'waiting'],
  )
})

test.run()
