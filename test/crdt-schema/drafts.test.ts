// Drafts, sending and undo, on one replica and on several that write at once.

import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as Y from 'yjs'
import * as drafts from '../../crdt-schema/drafts.ts'
import { type DraftId, type MessageId, type Millis, idToMillis, refusedToMessageId } from '../../crdt-schema/ids.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import * as marks from '../../crdt-schema/marks.ts'
import { KINDS } from './deeds.ts'
import { aText, at, createReplica, draftIds, historyOf, holds, messageIds, personOf, playHistory } from './replicas.ts'

const test = suite('drafts')
const draftId = draftIds[0] as DraftId
const messageId = messageIds[0] as MessageId
const merge = (into: Y.Doc, from: Y.Doc): void => Y.applyUpdate(into, Y.encodeStateAsUpdate(from))

const withDraft = (text: string, to = [personOf(1)]): Y.Doc => {
  const doc = createReplica(1)
  drafts.createDraft(doc, { id: draftId, editedMs: at(0), text, to })
  return doc
}
const send = (doc: Y.Doc, nowMs = at(1)): ReturnType<typeof drafts.sendDraft> => drafts.sendDraft(doc, { draftId, fromName: 'ana', nowMs })

test('[DEL1] sending writes the outbox entry and discards the draft in one transaction', () => {
  const doc = withDraft('hello')
  let updates = 0
  doc.on('update', () => void (updates += 1))
  const sent = send(doc)
  assert.is(updates, 1)
  assert.is(sent.ok, true)
  assert.equal(drafts.readOutbox(doc).value, sent.ok ? [{ id: sent.value, fromName: 'ana', to: [personOf(1)], text: 'hello', sentMs: at(1) }] : [])
  assert.is(drafts.readDraft(doc, draftId)?.discarded, true)
  assert.is(sent.ok ? idToMillis(sent.value) : 0, idToMillis(draftId))
})

test('[DEL8] one draft sent from two devices is one message; two texts are two', () => {
  holds(
    fc.property(fc.string({ minLength: 1, maxLength: 5 }), fc.string({ minLength: 1, maxLength: 5 }), (a, b) => {
      fc.pre(a.trim() !== '' && b.trim() !== '')
      const left = withDraft(a)
      const right = createReplica(2)
      merge(right, left)
      drafts.editText(right, draftId, b)
      const first = send(left, at(5))
      const second = send(right, at(9))
      merge(left, right)
      merge(right, left)
      assert.ok(first.ok && second.ok)
      assert.is(drafts.readOutbox(left).value.length, a === b ? 1 : 2)
      assert.equal(drafts.readOutbox(left), drafts.readOutbox(right))
    }),
  )
})

test('[DEL8] a draft sent again gives the same id and writes nothing, also once its entry and the draft are gone', () => {
  const doc = withDraft('hello')
  const sent = send(doc)
  const before = Y.encodeStateAsUpdate(doc)
  assert.equal(send(doc, at(50)), sent)
  assert.equal(Y.encodeStateAsUpdate(doc), before)
  drafts.clearOutboxEntry(doc, sent.ok ? sent.value : messageId)
  drafts.purgeDraft(doc, draftId)
  assert.is(drafts.readDraft(doc, draftId), null)
  assert.equal(send(doc, at(60)), sent)
  assert.is(drafts.readOutbox(doc).value.length, 0)
  assert.equal(drafts.createDraft(doc, { id: draftId, editedMs: at(70) }), { ok: true, value: 'present' })
})

test('[DEL4] two devices that send again what was refused for its id send one message, and the old entry is gone in the same step', () => {
  const left = withDraft('hello', [personOf(1), personOf(2)])
  const sent = send(left)
  const right = createReplica(2)
  merge(right, left)
  const [entry] = drafts.readOutbox(left).value
  assert.ok(entry !== undefined && sent.ok)
  const refusedMs = Date.UTC(2026, 1, 28, 23) as Millis
  const refused = { entry, to: [personOf(2)], refusedMs }
  let updates = 0
  left.on('update', () => void (updates += 1))
  const again = drafts.resendRefused(left, refused)
  assert.is(updates, 1)
  assert.ok(again.ok && again.value !== sent.value)
  assert.equal(drafts.readOutbox(left).value, [{ ...entry, id: again.value, to: [personOf(2)] }])
  assert.is(idToMillis(again.value), Date.UTC(2026, 1, 1), 'the start of the month in which it was refused')
  assert.equal(drafts.resendRefused(right, { ...refused, refusedMs: (refusedMs - 86_400_000) as Millis }), again)
  merge(left, right)
  merge(right, left)
  assert.is(drafts.readOutbox(left).value.length, 1)
  assert.equal(drafts.readOutbox(left), drafts.readOutbox(right))
  assert.equal(drafts.resendRefused(left, refused), { ok: false, code: 'no-such-entry' })
  // A third device sends the draft under its first id once more: refused again, it becomes the same message again.
  drafts.addOutboxEntry(left, entry)
  assert.equal(drafts.resendRefused(left, refused), again)
  assert.is(drafts.readOutbox(left).value.length, 1)
})

test('[DEL4] a full outbox has room for what is sent again, and two texts under one refused id are two messages', () => {
  const doc = withDraft('hello')
  send(doc)
  const [entry] = drafts.readOutbox(doc).value
  assert.ok(entry !== undefined)
  for (let i = 1; i < LIMITS.outboxMax; i += 1) doc.getMap('outbox').set(String(i), 1)
  const refused = { entry, to: entry.to, refusedMs: at(5) }
  const first = drafts.resendRefused(doc, refused)
  assert.ok(first.ok)
  assert.is(doc.getMap('outbox').size, LIMITS.outboxMax)
  assert.is.not(refusedToMessageId(entry.id, 'hello', at(5)), refusedToMessageId(entry.id, 'other', at(5)))
})

test('[DEL1] what cannot be sent says why and changes nothing', () => {
  const codes: [Y.Doc, string][] = [
    [withDraft('hello', []), 'no-recipient'],
    [withDraft(' \n'), 'empty'],
    [withDraft('x'.repeat(LIMITS.messageTextBytesMax + 1)), 'too-large'],
    [createReplica(1), 'no-such-draft'],
  ]
  const full = withDraft('hello')
  for (let i = 0; i < LIMITS.outboxMax; i += 1) full.getMap('outbox').set(String(i), 1)
  codes.push([full, 'outbox-full'])
  const discarded = withDraft('hello')
  drafts.discardDraft(discarded, draftId)
  codes.push([discarded, 'no-such-draft'])
  for (const [doc, code] of codes) {
    const before = Y.encodeStateAsUpdate(doc)
    assert.equal(send(doc), { ok: false, code })
    assert.equal(Y.encodeStateAsUpdate(doc), before)
  }
})

test('[DOC3] undo brings a discarded draft and a deleted message back on every replica that hears of it last', () => {
  holds(
    fc.property(historyOf(KINDS.find(kind => kind.name === 'drafts')?.deeds ?? fc.constant({ name: '', run: () => 0 })), history => {
      for (const doc of playHistory(history)) {
        for (const draft of drafts.readDrafts(doc).value) {
          drafts.discardDraft(doc, draft.id)
          assert.is(drafts.readDraft(doc, draft.id)?.discarded, true)
          const restored = drafts.restoreDraft(doc, draft.id)
          assert.is(restored.ok, draft.sentAs === null)
          assert.is(drafts.readDraft(doc, draft.id)?.discarded, draft.sentAs !== null)
        }
      }
    }),
    40,
  )
  const [left, right] = [createReplica(1), createReplica(2)]
  marks.setDeleted(left, messageId, true)
  merge(right, left)
  marks.setDeleted(right, messageId, false)
  merge(left, right)
  assert.is(marks.readMark(left, messageId).deleted, false)
})

test('[DEL6] the first opening of a message stays', () => {
  const doc = createReplica(1)
  marks.markOpened(doc, messageId, at(3))
  assert.equal(marks.markOpened(doc, messageId, at(9)), { ok: true, value: 'present' })
  assert.is(marks.readMark(doc, messageId).openedMs, at(3))
})

test('[COO5] a request under a known id gets the first outcome; another request under it is refused', () => {
  const doc = createReplica(1)
  const record = { requestId: '00000000-0000-4000-8000-000000000000' as marks.RequestRecord['requestId'], fingerprint: 'a', outcome: { opened: [messageId] } }
  marks.rememberRequest(doc, record)
  assert.equal(marks.rememberRequest(doc, { ...record, outcome: 'other' }), { ok: true, value: record })
  assert.equal(marks.rememberRequest(doc, { ...record, fingerprint: 'b' }), { ok: false, code: 'reused' })
  assert.is(marks.readMarks(doc).skipped, 0)
})

test('an edit by difference makes any text of any other, and parts no surrogate pair', () => {
  holds(
    fc.property(aText, aText, (from, to) => {
      const doc = withDraft(from)
      // Yjs keeps text as UTF-8: lone halves are replaced on the way, so only whole texts can be compared.
      fc.pre(!/\p{Surrogate}/u.test(from + to))
      drafts.editText(doc, draftId, to)
      const other = createReplica(2)
      merge(other, doc)
      assert.is(drafts.draftText(other, draftId)?.toString(), to)
    }),
    400,
  )
  // Two faces with one first half, and two with one second half.
  assert.equal(drafts.difference('a😀b', 'a😁b'), { start: 1, end: 1 })
  assert.equal(drafts.difference('a\u{1f600}b', 'a\u{1fa00}b'), { start: 1, end: 1 })
})

test('two devices that edit different ends of a draft keep both edits', () => {
  const left = withDraft('middle')
  const right = createReplica(2)
  merge(right, left)
  drafts.editText(left, draftId, 'start middle')
  drafts.editText(right, draftId, 'middle end')
  merge(left, right)
  assert.is(drafts.draftText(left, draftId)?.toString(), 'start middle end')
})

test('limits: drafts, recipients and texts beyond them are refused', () => {
  const doc = withDraft('hello')
  const crowd = Array.from({ length: LIMITS.recipientsMax + 1 }, (_, i) => ({ id: '' as const, name: `n${i}` }))
  assert.equal(drafts.setRecipients(doc, draftId, crowd), { ok: false, code: 'too-many-recipients' })
  assert.equal(drafts.setRecipients(doc, draftId, [personOf(1), personOf(2), personOf(1)]), { ok: true, value: 'set' })
  assert.equal(drafts.readDraft(doc, draftId)?.to, [personOf(1), personOf(2)])
  assert.equal(drafts.editText(doc, draftId, 'ä'.repeat(LIMITS.draftTextBytesMax / 2 + 1)), { ok: false, code: 'too-large' })
  for (let i = 1; i < LIMITS.draftsMax; i += 1) {
    const id = draftId.slice(0, -4) + i.toString(16).padStart(4, '0')
    doc.getMap('drafts').set(`${id}.text`, new Y.Text())
  }
  assert.equal(drafts.createDraft(doc, { id: draftIds[1] as DraftId, editedMs: at(1) }), { ok: false, code: 'too-many-drafts' })
})

test.run()
