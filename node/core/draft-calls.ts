// Calls on drafts: listing, writing, discarding. A draft that others edit at the same time merges: its text changes by
// the smallest difference, everything else is a register. Checks everything before it writes anything.

import type { CallOf } from '../../crdt-schema/api.ts'
import { countLiveDrafts, createDraft, discardDraft, editText, readDraft, readDrafts, restoreDraft, setRecipients, setSelected, touchDraft } from '../../crdt-schema/drafts.ts'
import { type AccountId, type Millis, draftsDocument, idToMillis, utf8Length } from '../../crdt-schema/ids.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import { type CallContext, answer, refuse } from './answers.ts'
import type { Answer, Desk } from './desk.ts'
import { isAhead } from './homes.ts'
import { toDraftJson } from './message-views.ts'
import { findPeople } from './people.ts'

export const listDrafts = (desk: Desk, account: AccountId): Answer => {
  const drafts = draftsDocument(account)
  const doc = desk.document(drafts)
  if (doc === null) return { status: 'needs-documents', documents: [drafts] }
  return answer(200, { drafts: readDrafts(doc).value.filter(({ discarded }) => !discarded).map(toDraftJson) })
}

/** Makes a draft or edits it; one that was discarded comes back, one that was sent does not. */
export const putDraft = (desk: Desk, call: CallOf<'put-draft'>, context: CallContext, account: AccountId): Answer => {
  const drafts = draftsDocument(account)
  const doc = desk.document(drafts)
  if (doc === null) return { status: 'needs-documents', documents: [drafts] }
  if (isAhead(desk, idToMillis(call.id))) return refuse('bad-id')
  const textBytes = utf8Length(call.text)
  if (textBytes > LIMITS.draftTextBytesMax) return refuse('too-large')
  const to = findPeople(desk, call.to)
  if (to === null) return refuse('bad-request', { field: 'body.to', reason: 'not a possible name' })
  const held = readDraft(doc, call.id)
  if (held?.sentAs != null && held.discarded) return refuse('bad-id', { detail: 'A draft with this id was sent. Make a new one.' })
  if ((held === null || held.discarded) && countLiveDrafts(doc) >= LIMITS.draftsMax) return refuse('too-large', { detail: 'There are as many drafts as there may be. Discard some.' })
  if (desk.bytesOf(drafts) + textBytes > LIMITS.draftsDocumentBytesMax) return refuse('too-large', { detail: 'The drafts of this account take as much room as they may.' })
  desk.edit(drafts, () => writeDraft(doc, call, { to, nowMs: context.facts.arrivedMs }))
  const written = readDraft(doc, call.id)
  return written === null ? refuse('bad-id', { detail: 'A draft with this id was discarded long ago. Make a new one.' }) : answer(200, { draft: toDraftJson(written) })
}

const writeDraft = (doc: Parameters<typeof readDraft>[0], { id, text, selected }: CallOf<'put-draft'>, { to, nowMs }: { readonly to: Parameters<typeof setRecipients>[2]; readonly nowMs: Millis }): void => {
  createDraft(doc, { id, editedMs: nowMs, text })
  restoreDraft(doc, id)
  setRecipients(doc, id, to)
  editText(doc, id, text)
  if (selected !== undefined) setSelected(doc, id, selected)
  touchDraft(doc, id, nowMs)
}

/** Discards a draft; one that is discarded already stays so, and a repeat is told the same. */
export const deleteDraft = (desk: Desk, call: CallOf<'delete-draft'>, account: AccountId): Answer => {
  const drafts = draftsDocument(account)
  const doc = desk.document(drafts)
  if (doc === null) return { status: 'needs-documents', documents: [drafts] }
  const held = readDraft(doc, call.id)
  if (held === null || (held.discarded && held.sentAs !== null)) return refuse('no-such-draft')
  desk.edit(drafts, () => discardDraft(doc, call.id))
  return answer(204, null)
}
