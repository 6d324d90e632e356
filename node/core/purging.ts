// What was deleted or finished long ago goes for good [DOC3]: the coordinator walks through all marks and drafts documents, a few at a
// time, notes since when it has found a thing deleted, and takes away what has been so for thirty days. A deletion has no time of its
// own, so the note begins it; whoever takes a deletion back sets the note back in the same transaction, see marks.ts and drafts.ts.
//
// Only with every member ready, in view and holding everything: an undo that any of them had acknowledged is then known here. Two
// coordinators cannot both be so, and would write the same. Knows nothing of links; refuses to decide what a reader shows.

import { noteFinished, purgeDraft, readFinished } from '../../crdt-schema/drafts.ts'
import { type DocumentName, type MessageId, type Millis, inboxDocument, parseDocumentName } from '../../crdt-schema/ids.ts'
import { purgeMessage, readMessage } from '../../crdt-schema/inbox.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import { noteDeletedSince, readDeleted } from '../../crdt-schema/marks.ts'
import type { Desk } from './desk.ts'
import { requireDocument } from './documents.ts'
import { type DeliveryStep, notLoaded } from './homes.ts'
import type { NodeState, Purging } from './state.ts'

/** The first walk of a coordinator begins after this part of `purgeEveryMs`. */
const FIRST_PART = 24
/** Documents looked at in one tick: a walk must not be felt. */
const DOCUMENTS_PER_TICK = 4
/** Messages or drafts noted or purged in one step. */
const CHANGES_PER_STEP = 100

/** Whether a walk may take things away, or only note what it finds. */
export type PurgeMode = 'note' | 'purge'

export const createPurging = (): Purging => ({ nextMs: null, queue: [] })

/** Each tick: as coordinator, goes on with the walk, or begins one when it is time. */
export const tendPurging = (node: NodeState): void => {
  const { purging, coordinator, desk, config, now } = node
  if (coordinator.role !== 'coordinating') {
    purging.nextMs = null
    purging.queue = []
    return
  }
  purging.nextMs ??= now.monotonicMs + config.purgeEveryMs / FIRST_PART
  if (purging.queue.length === 0) {
    if (now.monotonicMs < purging.nextMs) return
    purging.nextMs = now.monotonicMs + config.purgeEveryMs
    purging.queue = [...desk.documentsUnder('marks/'), ...desk.documentsUnder('drafts/')].reverse()
  }
  for (let looked = 0; looked < DOCUMENTS_PER_TICK && !desk.isOverfull; looked++) {
    const document = purging.queue.at(-1)
    if (document === undefined) return
    const step = purgeStep(desk, document, desk.holders.length === desk.memberCount ? 'purge' : 'note')
    if (step.status === 'needs-documents') {
      for (const name of step.documents) requireDocument(node, name)
      // What is in memory and still cannot be read is quarantined: its turn comes with another walk.
      if (step.documents.some(name => !node.documents.loaded.has(name))) return
    }
    if (step.status !== 'more') purging.queue.pop()
  }
}

/** Looks at one marks or drafts document: notes what was deleted or finished, takes away what was so long enough; a bounded part of it. */
export const purgeStep = (desk: Desk, document: DocumentName, mode: PurgeMode): DeliveryStep => {
  const ref = parseDocumentName(document)
  if (ref === null || desk.directory.isGone(document) || !desk.isKnown(document)) return { status: 'done' }
  if (ref.kind === 'drafts') return purgeDrafts(desk, document, mode)
  return ref.kind === 'marks' ? purgeMessages(desk, document, inboxDocument(ref.account, ref.month), mode) : { status: 'done' }
}

type Due = 'note' | 'wait' | 'purge'

/** A note from the future is no note: some clock was wrong, and nothing may go before its time for that. */
const judge = (desk: Desk, sinceMs: Millis, mode: PurgeMode): Due => {
  if (sinceMs === 0 || sinceMs > desk.clusterMs) return 'note'
  return mode === 'purge' && desk.clusterMs - sinceMs >= LIMITS.purgeAfterMs ? 'purge' : 'wait'
}

const purgeMessages = (desk: Desk, marks: DocumentName, inbox: DocumentName, mode: PurgeMode): DeliveryStep => {
  const missing = notLoaded(desk, [marks, inbox])
  const [marksDoc, inboxDoc] = [desk.document(marks), desk.document(inbox)]
  if (marksDoc === null || inboxDoc === null) return { status: 'needs-documents', documents: missing }
  const toNote: MessageId[] = []
  const toPurge: MessageId[] = []
  for (const { messageId, sinceMs } of readDeleted(marksDoc)) {
    if (readMessage(inboxDoc, messageId) === null) continue
    const due = judge(desk, sinceMs, mode)
    if (due === 'note') toNote.push(messageId)
    if (due === 'purge') toPurge.push(messageId)
  }
  const noted = toNote.slice(0, CHANGES_PER_STEP)
  const purged = toPurge.slice(0, CHANGES_PER_STEP)
  if (noted.length > 0) desk.edit(marks, doc => noted.forEach(id => noteDeletedSince(doc, id, desk.clusterMs)))
  if (purged.length > 0) desk.edit(inbox, doc => purged.forEach(id => purgeMessage(doc, id)))
  return { status: noted.length < toNote.length || purged.length < toPurge.length ? 'more' : 'done' }
}

const purgeDrafts = (desk: Desk, drafts: DocumentName, mode: PurgeMode): DeliveryStep => {
  const doc = desk.document(drafts)
  if (doc === null) return { status: 'needs-documents', documents: [drafts] }
  const due = readFinished(doc).map(({ draftId, finishedMs }) => ({ draftId, act: judge(desk, finishedMs, mode) })).filter(({ act }) => act !== 'wait')
  const part = due.slice(0, CHANGES_PER_STEP)
  if (part.length > 0) {
    desk.edit(drafts, changed => {
      for (const { draftId, act } of part) {
        if (act === 'note') noteFinished(changed, draftId, desk.clusterMs)
        else purgeDraft(changed, draftId)
      }
    })
  }
  return { status: part.length < due.length ? 'more' : 'done' }
}
