// One message as its owner sees it, read from the documents of its month without folding all of them; and the months
// an account has. Says the same as crdt-schema/mailbox.ts, which a test holds it to. Writes nothing.
// Keeps [DOC4] (counts are sizes of sets), [DEL7] (what was recalled unopened is hidden), [DOC5].

import type * as Y from 'yjs'
import type { DraftJson, MessageJson, ReceiptJson } from '../../crdt-schema/api-shapes.ts'
import type { Draft } from '../../crdt-schema/drafts.ts'
import { type AccountId, type DocumentName, type MessageId, inboxDocument, marksDocument, messageToMonth, parseDocumentName, toDocumentName } from '../../crdt-schema/ids.ts'
import { type Message, type Person, type Receipts, RECEIPT_KINDS, isRecalled, keyToMessageId, personToRecipient, readMessage, readReceiptsOf } from '../../crdt-schema/inbox.ts'
import { type Mark, readMark } from '../../crdt-schema/marks.ts'
import { millisToTime } from './answers.ts'
import type { Desk } from './desk.ts'

/** The pair of documents that hold a month of messages. */
export interface MonthDocuments {
  readonly inbox: DocumentName
  readonly marks: DocumentName
}

/** The months in which an account has messages, newest first. */
export const monthsOf = (desk: Desk, account: AccountId): MonthDocuments[] => {
  const months: MonthDocuments[] = []
  for (const inbox of desk.documentsUnder(`inbox/${account}/`)) {
    const ref = parseDocumentName(inbox)
    if (ref?.kind === 'inbox') months.push({ inbox, marks: marksDocument(account, ref.month) })
  }
  return months.sort((a, b) => (a.inbox < b.inbox ? 1 : -1))
}

/** The month of a message, or null when the time in its id is beyond the calendar of documents. */
export const monthOfMessage = (account: AccountId, id: MessageId): MonthDocuments | null => {
  const month = messageToMonth(id)
  return toDocumentName(inboxDocument(account, month)) === null ? null : { inbox: inboxDocument(account, month), marks: marksDocument(account, month) }
}

export interface MessageView {
  readonly message: Message
  /** A note to oneself counts as received. */
  readonly kind: 'received' | 'sent'
  readonly mark: Mark
  /** By recipient, in the order of `message.to`; of a sent message only. */
  readonly receipts: readonly Receipts[]
  /** Taken back before anybody opened it. */
  readonly isGone: boolean
}

/** The message under an id, deleted or taken back or not; null if there is none. */
export const readView = (owner: AccountId, inbox: Y.Doc, marks: Y.Doc, id: MessageId): MessageView | null => {
  const message = readMessage(inbox, id)
  if (message === null) return null
  const mark = readMark(marks, id)
  const kind = message.from.id !== owner || message.to.some(person => person.id === owner) ? 'received' : 'sent'
  const receipts = message.from.id === owner ? message.to.map(person => readReceiptsOf(inbox, id, personToRecipient(person))) : []
  const isOpened = kind === 'received' ? mark.openedMs !== null : receipts.some(({ opened, read }) => opened !== undefined || read === true)
  return { message, kind, mark, receipts, isGone: isRecalled(inbox, id) && !isOpened }
}

export const isVisible = ({ mark, isGone }: MessageView): boolean => !mark.deleted && !isGone
export const isUnopened = (view: MessageView): boolean => view.kind === 'received' && view.mark.openedMs === null && isVisible(view)

/** Ids of the messages of a month, greatest and so newest first; junk left out. */
export const messageIdsOf = (inbox: Y.Doc): MessageId[] => [...inbox.getMap('messages').keys()].map(keyToMessageId).filter(id => id !== null).sort().reverse()

/** Whether the message under an id waits in the Inbox. */
export const isUnopenedIn = (owner: AccountId, inbox: Y.Doc, marks: Y.Doc, id: MessageId): boolean => {
  const view = readMark(marks, id).openedMs === null ? readView(owner, inbox, marks, id) : null
  return view !== null && isUnopened(view)
}

/** How many messages of a month wait in the Inbox. */
export const countUnopened = (owner: AccountId, inbox: Y.Doc, marks: Y.Doc): number => messageIdsOf(inbox).filter(id => isUnopenedIn(owner, inbox, marks, id)).length

// ---- JSON

const STATUSES = ['read', ...RECEIPT_KINDS.filter(kind => kind !== 'read').sort((a, b) => rankOf(b) - rankOf(a))] as const

function rankOf(kind: string): number {
  return kind === 'opened' ? 2 : kind === 'delivered' ? 1 : 0
}

const toReceiptJson = ({ id, name }: Person, receipts: Receipts): ReceiptJson => {
  const status = STATUSES.find(kind => (kind === 'read' ? receipts.read === true : receipts[kind] !== undefined)) ?? 'waiting'
  const at = status === 'waiting' ? undefined : status === 'read' ? receipts.opened : receipts[status]
  return { id, name, status, ...(at === undefined ? {} : { at: millisToTime(at) }) }
}

const toPerson = ({ id, name }: Person): Person => ({ id, name })

export const toMessageJson = ({ message, kind, mark, receipts }: MessageView): MessageJson => ({
  id: message.id,
  from: toPerson(message.from),
  to: message.to.map(toPerson),
  text: message.text,
  sentAt: millisToTime(message.sentMs),
  ...(mark.openedMs === null ? {} : { openedAt: millisToTime(mark.openedMs) }),
  kind,
  state: kind === 'received' && mark.openedMs === null ? 'inbox' : 'opened',
  checked: mark.checked,
  ...(receipts.length === 0 ? {} : { receipts: message.to.map((person, i) => toReceiptJson(person, receipts[i] ?? {})) }),
})

export const toDraftJson = ({ id, to, text, selected, editedMs }: Draft): DraftJson => ({ id, to: to.map(toPerson), text, selected, editedAt: millisToTime(editedMs) })
