// Where a message lives, and what a plan still lacks: the few words that delivery, recalls, receipts and calls share.
// Keeps [DOC2]: the month of the id's time names the document, so every node finds the same home without asking.

import { type AccountId, type DocumentName, type MessageId, inboxDocument, messageToMonth, parseMonth } from '../../crdt-schema/ids.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import type { Desk } from './desk.ts'

export interface NeedsDocuments {
  readonly status: 'needs-documents'
  readonly documents: readonly DocumentName[]
}

/** The outcome of a write; 'more': as much as one commit may hold is written, the rest is for the next turns [COR3]. */
export type DeliveryStep = NeedsDocuments | { readonly status: 'done' } | { readonly status: 'more' }

/** The document that holds a message of `account`, or null when the time in the id is beyond the calendar of documents. */
export const homeOfMessage = (account: AccountId, id: MessageId): DocumentName | null => {
  const month = parseMonth(messageToMonth(id))
  return month === null ? null : inboxDocument(account, month)
}

/** Whether the time in an id is too far ahead of cluster time to be taken [DOC2]. */
export const isAhead = (desk: Desk, timeMs: number): boolean => timeMs > desk.clusterMs + LIMITS.idAheadMsMax

/** Those of `names` that are not loaded. */
export const notLoaded = (desk: Desk, names: readonly DocumentName[]): DocumentName[] => names.filter(name => desk.document(name) === null)

/** All documents that some plan still lacks, each once. */
export const missingOf = (plans: Iterable<{ readonly status: string } | NeedsDocuments>): DocumentName[] => {
  const missing = new Set<DocumentName>()
  for (const plan of plans) if ('documents' in plan) for (const name of plan.documents) missing.add(name)
  return [...missing]
}
