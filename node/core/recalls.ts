// Recalls: a sender takes back a message that no recipient has opened [DEL7]; it is the undo of sending.
// A recall is only ever as good as its sender: it counts only for copies that came from that account. Whether a
// recalled message vanishes is decided where it is read: one that was opened meanwhile stays.

import type { AccountId, DocumentName, MessageId } from '../../crdt-schema/ids.ts'
import { type Message, isRecalled, readMessage, readReceipts, recallMessage } from '../../crdt-schema/inbox.ts'
import type { Desk } from './desk.ts'
import { type NeedsDocuments, homeOfMessage } from './homes.ts'

export interface RecallPlan {
  readonly status: 'recallable'
  readonly messageId: MessageId
  /** Documents with a copy, the sender's own included. */
  readonly copies: readonly DocumentName[]
}

export type RecallOutcome =
  | NeedsDocuments
  | RecallPlan
  /** Nothing to write: it is taken back already, was opened, or is none of this sender's. */
  | { readonly status: 'recalled' | 'opened' | 'no-such-message' }

/** Works out what a recall must touch. Writes nothing. */
export const planRecall = (desk: Desk, sender: AccountId, messageId: MessageId): RecallOutcome => {
  const home = homeOfMessage(sender, messageId)
  if (home === null) return { status: 'no-such-message' }
  const doc = desk.document(home)
  if (doc === null) return { status: 'needs-documents', documents: [home] }
  const message = readMessage(doc, messageId)
  if (message === null || message.from.id !== sender) return { status: 'no-such-message' }
  const receipts = [...readReceipts(doc, messageId).values()]
  if (receipts.some(({ opened, read }) => opened !== undefined || read === true)) return { status: 'opened' }
  if (isRecalled(doc, messageId)) return { status: 'recalled' }
  const copies = copiesOf(desk, sender, message)
  const missing = copies.filter(name => desk.document(name) === null)
  return missing.length > 0 ? { status: 'needs-documents', documents: missing } : { status: 'recallable', messageId, copies: [home, ...copies] }
}

const copiesOf = (desk: Desk, sender: AccountId, message: Message): DocumentName[] => {
  const copies: DocumentName[] = []
  for (const { id } of message.to) {
    const name = id === '' || id === sender || !desk.directory.exists(id) ? null : homeOfMessage(id, message.id)
    if (name !== null) copies.push(name)
  }
  return copies
}

/** Marks every copy that came from the sender as taken back, and every place where one may yet arrive from a node that holds more. */
export const writeRecall = (desk: Desk, { messageId, copies }: RecallPlan): void => {
  const [home] = copies
  const sender = home === undefined ? null : desk.edit(home, doc => readMessage(doc, messageId)?.from.id ?? null)
  if (sender === null || sender === '') return
  for (const name of copies) {
    desk.edit(name, doc => {
      if ((readMessage(doc, messageId)?.from.id ?? sender) === sender) recallMessage(doc, messageId, sender, desk.clusterMs)
    })
  }
}
