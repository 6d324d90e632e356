// Receipts for what a recipient did: whoever stores that a message was opened or read tells its sender in the same
// commit, if the recipient shares that [DEL5]. Starts from the keys of a marks document that changed.

import { sharesReceipts } from '../../crdt-schema/drafts.ts'
import { type AccountId, type DocumentName, type MessageId, draftsDocument, inboxDocument, messageToMonth, parseDocumentName, parseMessageId } from '../../crdt-schema/ids.ts'
import { addReceipt, readMessage, readReceiptsOf } from '../../crdt-schema/inbox.ts'
import { type Mark, readMark } from '../../crdt-schema/marks.ts'
import type { Desk } from './desk.ts'
import { type DeliveryStep, type NeedsDocuments, homeOfMessage, missingOf, notLoaded } from './homes.ts'

interface ReceiptPlan {
  readonly status: 'planned'
  readonly messageId: MessageId
  readonly home: DocumentName
}

/**
 * Tells the senders what the marks under `keys` of a loaded marks document say. Writes all of it, or nothing and says
 * which documents must be loaded first. Keys of other kinds, and junk, are passed over.
 */
export const storeMarks = (desk: Desk, marks: DocumentName, keys: Iterable<string>): DeliveryStep => {
  const ref = parseDocumentName(marks)
  const doc = desk.document(marks)
  if (ref?.kind !== 'marks' || doc === null || desk.directory.isRemoved(ref.account)) return { status: 'done' }
  const plans = planReceipts(desk, marks, keys)
  const missing = missingOf(plans)
  if (missing.length > 0) return { status: 'needs-documents', documents: missing }
  for (const plan of plans) if (plan.status === 'planned') writeReceipts(desk, plan, ref.account, readMark(doc, plan.messageId))
  return { status: 'done' }
}

/** What must be loaded before marks under `keys` can be told to the senders in the commit that stores them. */
export const documentsToStoreMarks = (desk: Desk, marks: DocumentName, keys: Iterable<string>): readonly DocumentName[] => missingOf(planReceipts(desk, marks, keys))

const planReceipts = (desk: Desk, marks: DocumentName, keys: Iterable<string>): (NeedsDocuments | ReceiptPlan)[] => {
  const ref = parseDocumentName(marks)
  if (ref?.kind !== 'marks') return []
  const ids = new Set([...keys].filter(key => key.startsWith('o:') || key.startsWith('c:')).map(key => parseMessageId(key.slice(2))))
  const here = [...ids].filter(id => id !== null).filter(id => messageToMonth(id) === ref.month)
  if (here.length === 0) return []
  const settings = desk.document(draftsDocument(ref.account))
  const inbox = desk.document(inboxDocument(ref.account, ref.month))
  if (settings === null || inbox === null) return [{ status: 'needs-documents', documents: notLoaded(desk, [draftsDocument(ref.account), inboxDocument(ref.account, ref.month)]) }]
  if (!sharesReceipts(settings)) return []
  const plans: (NeedsDocuments | ReceiptPlan)[] = []
  for (const messageId of here) {
    const message = readMessage(inbox, messageId)
    if (message === null || message.from.id === '' || !message.to.some(({ id }) => id === ref.account)) continue
    const home = desk.directory.exists(message.from.id) ? homeOfMessage(message.from.id, messageId) : null
    if (home !== null) plans.push(desk.document(home) === null ? { status: 'needs-documents', documents: [home] } : { status: 'planned', messageId, home })
  }
  return plans
}

const writeReceipts = (desk: Desk, { messageId, home }: ReceiptPlan, reader: AccountId, mark: Mark): void => {
  desk.edit(home, doc => {
    if (mark.openedMs !== null) addReceipt(doc, messageId, reader, 'opened', mark.openedMs)
    const told = readReceiptsOf(doc, messageId, reader).read ?? false
    if (mark.checked !== told) addReceipt(doc, messageId, reader, 'read', mark.checked)
  })
}
