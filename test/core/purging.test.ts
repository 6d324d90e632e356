// What was deleted or finished thirty days ago goes for good, and what was taken back in time does not [DOC3]: the walk's steps on a
// desk, and the walk itself on three real cores.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as Y from 'yjs'
import { createDraft, discardDraft, readDraft, readFinished, restoreDraft } from '../../crdt-schema/drafts.ts'
import { type AccountId, type DocumentName, type DraftId, type MessageId, type Millis, draftsDocument, inboxDocument, marksDocument, millisToMonth, mintDraftId, mintMessageId } from '../../crdt-schema/ids.ts'
import { addMessage, isPurged, readMessage } from '../../crdt-schema/inbox.ts'
import { readDeleted, readMark, setDeleted } from '../../crdt-schema/marks.ts'
import { purgeStep } from '../../node/core/purging.ts'
import { type Cores, createTrio } from '../support/cores.ts'
import { type FakeDesk, START_MS, createFakeDesk } from '../support/desk.ts'

const ANA = 'aa'.repeat(16) as AccountId
const BEN = 'bb'.repeat(16) as AccountId
const DAY_MS = 86_400_000
const MONTH = millisToMonth(START_MS)
const INBOX = inboxDocument(ANA, MONTH)
const MARKS = marksDocument(ANA, MONTH)
const DRAFTS = draftsDocument(ANA)

const messageOf = (n: number): MessageId => mintMessageId(START_MS, new Uint8Array(10).fill(n))
const draftOf = (n: number): DraftId => mintDraftId(START_MS, new Uint8Array(10).fill(n))

const addTo = (doc: Y.Doc, id: MessageId): void =>
  void addMessage(doc, { id, from: { id: ANA, name: 'ana' }, to: [{ id: BEN, name: 'ben' }], text: 'secret', sentMs: START_MS })

const steps = suite('steps of the walk')

const createDesk = (): FakeDesk => {
  const desk = createFakeDesk()
  desk.edit(INBOX, doc => [1, 2, 3].forEach(n => addTo(doc, messageOf(n))))
  desk.edit(MARKS, doc => [1, 2].forEach(n => setDeleted(doc, messageOf(n), true)))
  desk.edit(DRAFTS, doc => {
    for (const n of [1, 2]) createDraft(doc, { id: draftOf(n), editedMs: START_MS, text: 'written' })
    discardDraft(doc, draftOf(1))
  })
  return desk
}

const docOf = (desk: FakeDesk, name: DocumentName): Y.Doc => desk.docs.get(name) ?? new Y.Doc()
const walk = (desk: FakeDesk, mode: 'note' | 'purge' = 'purge'): void => {
  for (const name of [MARKS, DRAFTS]) assert.is(purgeStep(desk, name, mode).status, 'done')
}
const goOn = (desk: FakeDesk, days: number): void => {
  desk.clusterMs = (desk.clusterMs + days * DAY_MS) as Millis
}
const purged = (desk: FakeDesk): readonly number[] => [1, 2, 3].filter(n => isPurged(docOf(desk, INBOX), messageOf(n)))

steps('[DOC3] thirty days after it was found deleted a message is overwritten, and of a draft only that it is done stays', () => {
  const desk = createDesk()
  walk(desk)
  goOn(desk, 29)
  walk(desk)
  assert.equal(purged(desk), [])
  assert.is(readDraft(docOf(desk, DRAFTS), draftOf(1))?.text, 'written')
  goOn(desk, 1)
  walk(desk)
  assert.equal(purged(desk), [1, 2], 'the third was never deleted')
  assert.is(readDraft(docOf(desk, DRAFTS), draftOf(1)), null)
  assert.is(readDraft(docOf(desk, DRAFTS), draftOf(2))?.text, 'written')
  assert.not.ok(Buffer.from(Y.encodeStateAsUpdate(docOf(desk, INBOX))).toString('latin1').split('secret').length > 2, 'the text is gone from what is stored')
  const before = [INBOX, MARKS, DRAFTS].map(name => Y.encodeStateAsUpdate(docOf(desk, name)))
  goOn(desk, 60)
  walk(desk)
  assert.equal([INBOX, MARKS, DRAFTS].map(name => Y.encodeStateAsUpdate(docOf(desk, name))), before, 'once is enough')
})

steps('[DOC3] what was taken back and deleted again has thirty days again, whenever the walk came by', () => {
  const desk = createDesk()
  walk(desk)
  goOn(desk, 29.9)
  desk.edit(MARKS, doc => setDeleted(doc, messageOf(1), false))
  desk.edit(DRAFTS, doc => restoreDraft(doc, draftOf(1)))
  desk.edit(MARKS, doc => setDeleted(doc, messageOf(1), true))
  desk.edit(DRAFTS, doc => discardDraft(doc, draftOf(1)))
  goOn(desk, 0.2)
  walk(desk)
  assert.equal(purged(desk), [2])
  assert.is(readDraft(docOf(desk, DRAFTS), draftOf(1))?.text, 'written')
  goOn(desk, 30)
  walk(desk)
  assert.equal(purged(desk), [1, 2])
})

steps('[DOC3] what was taken back stays; an undo that comes after the purge shows nothing', () => {
  const desk = createDesk()
  walk(desk)
  desk.edit(MARKS, doc => setDeleted(doc, messageOf(1), false))
  desk.edit(DRAFTS, doc => restoreDraft(doc, draftOf(1)))
  goOn(desk, 31)
  walk(desk)
  assert.equal(purged(desk), [2])
  assert.is(readMessage(docOf(desk, INBOX), messageOf(1))?.text, 'secret')
  assert.is(readDraft(docOf(desk, DRAFTS), draftOf(1))?.discarded, false)
  desk.edit(MARKS, doc => setDeleted(doc, messageOf(2), false))
  assert.is(readMark(docOf(desk, MARKS), messageOf(2)).deleted, false)
  assert.is(readMessage(docOf(desk, INBOX), messageOf(2)), null)
})

steps('[DOC3] without every member nothing goes, and a note from the future is made anew', () => {
  const desk = createDesk()
  goOn(desk, 400)
  walk(desk)
  goOn(desk, -400)
  walk(desk)
  assert.equal(readDeleted(docOf(desk, MARKS)).map(({ sinceMs }) => sinceMs), [START_MS, START_MS])
  assert.equal(readFinished(docOf(desk, DRAFTS)).map(({ finishedMs }) => finishedMs), [START_MS])
  goOn(desk, 31)
  walk(desk, 'note')
  assert.equal(purged(desk), [])
  walk(desk)
  assert.equal(purged(desk), [1, 2])
})

steps('[DOC3] a step does a bounded part of a document, and the next ones the rest', () => {
  const desk = createFakeDesk()
  const ids = Array.from({ length: 250 }, (_, n) => mintMessageId(START_MS, new Uint8Array(10).fill(n)))
  desk.edit(INBOX, doc => ids.forEach(id => addTo(doc, id)))
  desk.edit(MARKS, doc => ids.forEach(id => setDeleted(doc, id, true)))
  const all = (): readonly string[] => [1, 2, 3].map(() => purgeStep(desk, MARKS, 'purge').status)
  assert.equal(all(), ['more', 'more', 'done'])
  goOn(desk, 30)
  assert.equal(all(), ['more', 'more', 'done'])
  assert.ok(ids.every(id => isPurged(docOf(desk, INBOX), id)))
})

steps('[DOC3] what must be loaded first is said, and a document that has gone is passed over', () => {
  const desk = createDesk()
  desk.unload(INBOX)
  assert.equal(purgeStep(desk, MARKS, 'purge'), { status: 'needs-documents', documents: [INBOX] })
  assert.equal(purgeStep(desk, marksDocument(BEN, MONTH), 'purge'), { status: 'done' })
})

steps.run()

// ---- the walk

const walks = suite('the walk of a coordinator')

const createFilled = (): Cores => {
  const cores = createTrio({ purgeEveryMs: 2_400 })
  cores.edit(1, INBOX, doc => [1, 2].forEach(n => addTo(doc, messageOf(n))))
  cores.edit(1, MARKS, doc => [1, 2].forEach(n => setDeleted(doc, messageOf(n), true)))
  cores.run(3_000)
  return cores
}

const skipDays = (cores: Cores, days: number): void => {
  for (const core of cores.all) core.skewMs += days * DAY_MS
}

const purgedOn = (cores: Cores, pid: number): readonly number[] => {
  const loaded = cores.core(pid).state.documents.loaded.get(INBOX)
  return [1, 2].filter(n => loaded !== undefined && isPurged(loaded.doc, messageOf(n)))
}

walks('[DOC3] what was deleted goes after thirty days on every node, but for what was taken back on one of them', () => {
  const cores = createFilled()
  skipDays(cores, 29)
  cores.run(3_000)
  assert.equal([0, 1, 2].map(pid => purgedOn(cores, pid)), [[], [], []])
  cores.edit(2, MARKS, doc => setDeleted(doc, messageOf(2), false))
  skipDays(cores, 2)
  cores.run(3_000)
  assert.equal([0, 1, 2].map(pid => purgedOn(cores, pid)), [[1], [1], [1]])
  assert.equal(new Set(cores.all.map(({ state }) => JSON.stringify(state.documents.root))).size, 1)
  assert.equal(cores.all.map(({ state }) => state.documents.messages), [1, 1, 1], 'and is counted no more')
})

walks('[DOC3] while a member is away nothing goes; once it is back and in step its undo counts', () => {
  const cores = createFilled()
  cores.run(500)
  cores.kill(2)
  skipDays(cores, 31)
  cores.run(6_000)
  assert.equal([0, 1].map(pid => purgedOn(cores, pid)), [[], []])
  cores.start(2)
  cores.run(6_000)
  assert.equal([0, 1].map(pid => purgedOn(cores, pid)), [[1, 2], [1, 2]])
})

walks.run()
