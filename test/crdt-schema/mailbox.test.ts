// What a person sees, held against a plain recount, and the states of what was sent.

import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as Y from 'yjs'
import * as drafts from '../../crdt-schema/drafts.ts'
import type { AccountId, DraftId, MessageId } from '../../crdt-schema/ids.ts'
import * as inbox from '../../crdt-schema/inbox.ts'
import { type Mailbox, createMailboxFolder, foldMailbox, oldestUnopened } from '../../crdt-schema/mailbox.ts'
import * as marks from '../../crdt-schema/marks.ts'
import { KINDS } from './deeds.ts'
import { type Deed, accountIds, at, createReplica, draftIds, holds, junkEntries, messageIds, personOf, show } from './replicas.ts'

const test = suite('mailbox')
const owner = accountIds[0] as AccountId
const [first, second, third] = messageIds as [MessageId, MessageId, MessageId]

interface World {
  readonly inboxes: readonly Y.Doc[]
  readonly marks: readonly Y.Doc[]
  readonly drafts: Y.Doc
}
const createWorld = (): World => ({ inboxes: [createReplica(1), createReplica(2)], marks: [createReplica(3), createReplica(4)], drafts: createReplica(5) })
const look = (world: World): Mailbox => foldMailbox({ owner, ...world }).value
const theInbox = (world: World): Y.Doc => world.inboxes[0] as Y.Doc
const theMarks = (world: World): Y.Doc => world.marks[0] as Y.Doc

const deedsOfKind = (name: string): fc.Arbitrary<Deed> => KINDS.find(kind => kind.name === name)?.deeds ?? fc.constant({ name: '', run: () => 0 })
const aWorld: fc.Arbitrary<World> = fc
  .record({ inbox: fc.array(deedsOfKind('inbox'), { maxLength: 30 }), marks: fc.array(deedsOfKind('marks'), { maxLength: 15 }), drafts: fc.array(deedsOfKind('drafts'), { maxLength: 20 }) })
  .map(deeds => {
    const world = createWorld()
    for (const deed of deeds.inbox) deed.run(theInbox(world))
    for (const deed of deeds.marks) deed.run(theMarks(world))
    for (const deed of deeds.drafts) deed.run(world.drafts)
    return world
  })

const received = (id: MessageId, n: number): inbox.Message => ({ id, from: personOf(1), to: [personOf(0)], text: `t${n}`, sentMs: at(n) })
const senderOf = (n: number): AccountId => personOf(n).id as AccountId
const sentTo = (id: MessageId, ...to: number[]): inbox.Message => ({ id, from: personOf(0), to: to.map(personOf), text: 'x', sentMs: at(1) })

test('[DOC4] counts and lists equal a recount, message by message', () => {
  holds(
    fc.property(aWorld, world => {
      const { value: mailbox } = foldMailbox({ owner, ...world })
      const recount = { inbox: 0, messages: 0, unread: 0, sent: 0, recalled: 0 }
      for (const id of messageIds) {
        const message = inbox.readMessage(theInbox(world), id)
        const mark = marks.readMark(theMarks(world), id)
        if (message === null || mark.deleted) continue
        const isMine = message.from.id === owner
        const wasOpened = [...inbox.readReceipts(theInbox(world), id).values()].some(receipt => receipt.opened !== undefined || receipt.read === true)
        const isRecalled = inbox.isRecalled(theInbox(world), id)
        if (!isMine || message.to.some(person => person.id === owner)) {
          if (mark.openedMs !== null) recount.messages += 1
          else if (!isRecalled) recount.inbox += 1
          if (mark.openedMs !== null && !mark.checked) recount.unread += 1
        }
        if (isMine) recount[isRecalled && !wasOpened ? 'recalled' : 'sent'] += 1
      }
      const { counts } = mailbox
      assert.equal({ inbox: mailbox.inbox.length, messages: mailbox.messages.length, unread: counts.unread, sent: mailbox.sent.length, recalled: mailbox.recalled.length }, recount)
      assert.equal([counts.unopened, counts.messages, counts.sent, counts.drafts], [recount.inbox, recount.messages, recount.sent, drafts.countLiveDrafts(world.drafts)])
      assert.is(counts.unsent + counts.failed + mailbox.settled.length, drafts.readOutbox(world.drafts).value.length)
    }),
    300,
  )
})

test('[DEL6] opening n opens the n oldest by (sentMs, id), and no others', () => {
  holds(
    fc.property(fc.uniqueArray(fc.record({ n: fc.nat(99), sentMs: fc.nat(4) }), { selector: item => item.n, maxLength: 12 }), fc.nat(14), (items, count) => {
      const world = createWorld()
      const idOf = (n: number): MessageId => (first.slice(0, -2) + String(n).padStart(2, '0')) as MessageId
      for (const { n, sentMs } of items) inbox.addMessage(world.inboxes[n % 2] as Y.Doc, { ...received(idOf(n), n), sentMs: at(sentMs) })
      const chosen = oldestUnopened(look(world), count)
      const byAge = [...items].sort((a, b) => a.sentMs - b.sentMs || a.n - b.n).map(({ n }) => idOf(n))
      assert.equal(chosen, byAge.slice(0, count))
      chosen.forEach((id, i) => marks.markOpened(theMarks(world), id, at(100 + i)))
      const after = look(world)
      assert.equal(after.inbox.map(({ id }) => id), byAge.slice(count))
      assert.equal(after.messages.map(({ id }) => id), chosen.reverse())
    }),
  )
  assert.equal(oldestUnopened(look(createWorld()), -1), [])
})

test('[DEL7] a recalled message is gone unless it was opened, and on a race the open wins', () => {
  const world = createWorld()
  inbox.addMessage(theInbox(world), received(first, 1))
  inbox.addMessage(theInbox(world), received(second, 2))
  marks.markOpened(theMarks(world), second, at(5))
  inbox.recallMessage(theInbox(world), first, senderOf(1), at(4))
  inbox.recallMessage(theInbox(world), second, senderOf(1), at(4))
  assert.equal([look(world).inbox.length, look(world).messages.map(({ id }) => id)], [0, [second]])
  marks.markOpened(theMarks(world), first, at(6))
  assert.equal(look(world).messages.map(({ id }) => id), [first, second])
})

test('[DEL7] a recall counts for the message of its sender, wherever that comes from and whenever', () => {
  const world = createWorld()
  inbox.recallMessage(theInbox(world), first, senderOf(1), at(4))
  inbox.recallMessage(theInbox(world), second, senderOf(2), at(4))
  inbox.addMessage(theInbox(world), received(first, 1))
  inbox.addMessage(theInbox(world), received(second, 2))
  assert.equal(look(world).inbox.map(({ id }) => id), [second])
  assert.equal([inbox.isRecalled(theInbox(world), first), inbox.isRecalled(theInbox(world), second)], [true, false])
  // Data of old name no sender.
  theInbox(world).getMap('recalled').set(second, at(5))
  assert.equal(look(world).inbox, [])
})

test('[DOC3] delete hides a message everywhere and undo shows it again in its place', () => {
  const world = createWorld()
  inbox.addMessage(theInbox(world), received(first, 1))
  inbox.addMessage(theInbox(world), received(second, 2))
  const before = show(look(world))
  marks.setDeleted(theMarks(world), first, true)
  assert.equal(look(world).inbox.map(({ id }) => id), [second])
  marks.setDeleted(theMarks(world), first, false)
  assert.is(show(look(world)), before)
})

test('[DEL5] a sent message goes from stored to opened to read and back to opened', () => {
  const world = createWorld()
  const statuses: string[] = []
  const note = (): void => void statuses.push(look(world).sent[0]?.status ?? 'none')
  inbox.addMessage(theInbox(world), sentTo(first, 1, 2))
  inbox.addReceipt(theInbox(world), first, personOf(1).id as AccountId, 'delivered', at(1))
  note()
  inbox.addReceipt(theInbox(world), first, personOf(1).id as AccountId, 'opened', at(2))
  note()
  inbox.addReceipt(theInbox(world), first, personOf(1).id as AccountId, 'read', true)
  note()
  inbox.addReceipt(theInbox(world), first, personOf(1).id as AccountId, 'read', false)
  note()
  assert.equal(statuses, ['stored', 'opened', 'read', 'opened'])
  assert.equal(look(world).sent[0]?.recipients.map(({ status }) => status), ['opened', 'waiting'])
  inbox.recallMessage(theInbox(world), first, senderOf(0), at(9))
  note()
  assert.is(statuses.at(-1), 'opened')
})

test('[DEL7] a sent message taken back unopened leaves Sent; one asked back says so', () => {
  const world = createWorld()
  inbox.addMessage(theInbox(world), sentTo(first, 1))
  drafts.requestRecall(world.drafts, first)
  assert.is(look(world).sent[0]?.recallRequested, true)
  inbox.recallMessage(theInbox(world), first, senderOf(0), at(9))
  assert.equal([look(world).sent.length, look(world).recalled[0]?.status], [0, 'recalled'])
})

test('[DEL4] an outbox entry waits, fails with its reason, or is settled, by its receipts', () => {
  const world = createWorld()
  const add = (id: MessageId, to: inbox.Person[]): unknown => drafts.addOutboxEntry(world.drafts, { id, fromName: 'ana', to, text: 'x', sentMs: at(1) })
  add(first, [personOf(1), personOf(2)])
  add(second, [{ id: '', name: 'Ghost' }])
  add(third, [{ id: '', name: 'Ben' }])
  assert.equal(look(world).counts.unsent, 3)
  inbox.addReceipt(theInbox(world), first, personOf(1).id as AccountId, 'delivered', at(2))
  inbox.addReceipt(theInbox(world), first, personOf(2).id as AccountId, 'mailbox-full', at(2))
  inbox.addReceipt(theInbox(world), second, '@ghost', 'no-such-account', at(2))
  // The node resolved Ben's name: the stored message carries the id, and so do the receipts.
  inbox.addMessage(theInbox(world), { ...sentTo(third, 1) })
  inbox.addReceipt(theInbox(world), third, personOf(1).id as AccountId, 'delivered', at(2))
  const mailbox = look(world)
  assert.equal(mailbox.outbox.map(entry => [entry.id, entry.status, entry.recipients.map(({ status }) => status)]), [
    [first, 'failed', ['delivered', 'mailbox-full']],
    [second, 'failed', ['no-such-account']],
  ])
  assert.equal([mailbox.settled, mailbox.counts.unsent, mailbox.counts.failed], [[third], 0, 2])
  inbox.addReceipt(theInbox(world), first, personOf(2).id as AccountId, 'delivered', at(3))
  assert.equal(look(world).settled, [first, third])
})

test('[DEL8] another sender, recipient or text under a known id is refused; another name or time is not', () => {
  const doc = createReplica(1)
  const message = received(first, 1)
  inbox.addMessage(doc, message)
  const others: inbox.Message[] = [{ ...message, from: personOf(2) }, { ...message, to: [personOf(2)] }, { ...message, to: [...message.to, personOf(2)] }, { ...message, text: 'x' }]
  for (const other of others) assert.equal(inbox.addMessage(doc, other), { ok: false, code: 'different' })
  assert.equal(inbox.addMessage(doc, { ...message, sentMs: at(99), from: { ...message.from, name: 'renamed' } }), { ok: true, value: 'present' })
  assert.equal(inbox.readMessage(doc, first), message)
})

test('a note to oneself is received and sent', () => {
  const world = createWorld()
  inbox.addMessage(theInbox(world), sentTo(first, 0))
  assert.equal([look(world).inbox.length, look(world).sent.length, look(world).counts.unopened], [1, 1, 1])
})

test('[DOC3] a purged message is neither shown nor counted as junk, and cannot be delivered again', () => {
  const world = createWorld()
  inbox.addMessage(theInbox(world), received(first, 1))
  inbox.purgeMessage(theInbox(world), first)
  assert.equal(inbox.addMessage(theInbox(world), received(first, 1)), { ok: true, value: 'present' })
  const { value, skipped } = foldMailbox({ owner, ...world })
  assert.equal([value.inbox.length, skipped], [0, 0])
})

test('[DOC5] junk in every map is counted and hides nothing', () => {
  holds(
    fc.property(aWorld, junkEntries, (world, junk) => {
      const before = show(look(world))
      for (const doc of [...world.inboxes, ...world.marks, world.drafts]) {
        for (const root of ['messages', 'receipts', 'recalled', 'marks', 'drafts', 'outbox', 'recalls']) for (const [key, value] of junk) doc.getMap(root).set(`?${key}`, value)
      }
      const { value, skipped } = foldMailbox({ owner, ...world })
      assert.is(show(value), before)
      assert.is(skipped, new Set(junk.map(([key]) => key)).size * (2 * 3 + 2 * 1 + 3))
    }),
  )
})

test('a folder that reads only what changed sees what a fresh fold sees', () => {
  holds(
    fc.property(fc.array(fc.oneof(...['inbox', 'marks', 'drafts'].map(kind => fc.record({ kind: fc.constant(kind), deed: deedsOfKind(kind) }))), { maxLength: 40 }), deeds => {
      const world = createWorld()
      const folder = createMailboxFolder()
      for (const { kind, deed } of deeds) {
        deed.run(kind === 'inbox' ? theInbox(world) : kind === 'marks' ? theMarks(world) : world.drafts)
        assert.is(show(folder.fold({ owner, ...world })), show(foldMailbox({ owner, ...world })))
      }
      folder.close()
    }),
    60,
  )
})

test('folding again after a keystroke reads no inbox and no marks', () => {
  const world = createWorld()
  inbox.addMessage(theInbox(world), received(first, 1))
  drafts.createDraft(world.drafts, { id: draftIds[0] as DraftId, editedMs: at(0) })
  const folder = createMailboxFolder()
  folder.fold({ owner, ...world })
  let reads = 0
  for (const doc of [...world.inboxes, ...world.marks]) {
    const getMap = doc.getMap.bind(doc)
    doc.getMap = name => {
      reads += 1
      return getMap(name)
    }
  }
  drafts.editText(world.drafts, draftIds[0] as DraftId, 'x')
  assert.is(folder.fold({ owner, ...world }).value.drafts[0]?.text, 'x')
  assert.is(reads, 0)
  marks.markOpened(theMarks(world), first, at(9))
  assert.is(folder.fold({ owner, ...world }).value.messages.length, 1)
  assert.ok(reads > 0)
})

test.run()
