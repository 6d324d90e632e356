// The rows that lists show: a message, a draft, a sent message with the truth about where it is, and their orders.

import type { AccountId, DraftId, MessageId } from '../../crdt-schema/ids.ts'
import type { Person } from '../../crdt-schema/inbox.ts'
import type { ReceivedMessage, RecipientStatus, SentMessage, UnsentMessage } from '../../crdt-schema/mailbox.ts'

export interface MessageRow {
  readonly id: MessageId
  readonly from: Person
  readonly isOwn: boolean
  readonly text: string
  readonly openedMs: number
  readonly sentMs: number
  readonly isRead: boolean
  /** Deleted in this visit to the list: shown as a line with Undo. */
  readonly isDeleted: boolean
}

export type SentState =
  /** Not on this device's disk yet; a few milliseconds. */
  | { readonly status: 'keeping' }
  | { readonly status: 'waiting' }
  | { readonly status: 'stored' }
  | { readonly status: 'opened' | 'read'; readonly atMs: number | null; readonly isTooLate: boolean }
  | { readonly status: 'recalling' | 'recalled' }
  /** `wasKnown`: the recipient had an account when this was written. */
  | { readonly status: 'failed'; readonly because: RecipientStatus; readonly name: string; readonly wasKnown: boolean }

export interface SentRow {
  readonly id: MessageId
  readonly to: readonly Person[]
  readonly text: string
  readonly sentMs: number
  readonly state: SentState
  /** The nodes known to hold it, in order. */
  readonly storedOn: readonly number[]
}

export type DraftError = 'no-recipient' | 'empty' | 'too-large' | 'outbox-full'

export interface DraftRow {
  readonly id: DraftId
  readonly to: readonly Person[]
  readonly text: string
  readonly isSelected: boolean
  readonly isEditing: boolean
  /** Discarded in this visit: shown as a line with Undo. */
  readonly isDiscarded: boolean
  readonly isPending: boolean
  readonly storedOn: readonly number[]
  readonly error: DraftError | null
}

export type MessageOrder = 'newest' | 'unread'

export const toRow = (message: ReceivedMessage, owner: AccountId, isDeleted: boolean): MessageRow => ({
  id: message.id,
  from: message.from,
  isOwn: message.from.id === owner,
  text: message.text,
  openedMs: message.openedMs ?? message.sentMs,
  sentMs: message.sentMs,
  isRead: message.checked,
  isDeleted,
})

export const isSameRow = (a: MessageRow, b: MessageRow): boolean =>
  a.id === b.id &&
  a.isRead === b.isRead &&
  a.isDeleted === b.isDeleted &&
  a.openedMs === b.openedMs &&
  a.sentMs === b.sentMs &&
  a.text === b.text &&
  a.from.id === b.from.id &&
  a.from.name === b.from.name

export const byNewestOpened = (a: MessageRow, b: MessageRow): number =>
  b.openedMs - a.openedMs || b.sentMs - a.sentMs || (a.id < b.id ? 1 : -1)
export const byUnread = (a: MessageRow, b: MessageRow): number => Number(a.isRead) - Number(b.isRead) || byNewestOpened(a, b)

export const toSentRow = (message: SentMessage, storedOn: readonly number[]): SentRow => ({
  id: message.id,
  to: message.to,
  text: message.text,
  sentMs: message.sentMs,
  state: toSentState(message),
  storedOn,
})

const toSentState = (message: SentMessage): SentState => {
  switch (message.status) {
    case 'opened':
    case 'read': {
      const furthest = message.recipients.find(({ status }) => status === message.status)
      return { status: message.status, atMs: furthest?.atMs ?? null, isTooLate: message.recallRequested }
    }
    case 'recalled':
      return { status: 'recalled' }
    case 'failed': {
      const failed = message.recipients[0]
      return { status: 'failed', because: failed?.status ?? 'no-such-account', name: failed?.person.name ?? '', wasKnown: failed !== undefined && failed.person.id !== '' }
    }
    case 'stored':
      return { status: message.recallRequested ? 'recalling' : 'stored' }
  }
}

const HARMLESS: readonly RecipientStatus[] = ['waiting', 'delivered', 'opened', 'read']

export const toUnsentRow = (entry: UnsentMessage, storedOn: readonly number[], isPending: boolean, isBeingKept: boolean): SentRow => {
  const failed = entry.recipients.find(({ status }) => !HARMLESS.includes(status))
  const state = ((): SentState => {
    if (failed !== undefined) return { status: 'failed', because: failed.status, name: failed.person.name, wasKnown: failed.person.id !== '' }
    if (isBeingKept) return { status: 'keeping' }
    return { status: isPending || storedOn.length === 0 ? 'waiting' : 'stored' }
  })()
  return { id: entry.id, to: entry.to, text: entry.text, sentMs: entry.sentMs, state, storedOn: state.status === 'stored' ? storedOn : [] }
}
