// Ids and document names: how each is written, read and made. The only casts to branded ids are here and in wire.ts.
// Keeps [DOC2]: a message id carries the time that names its documents, so every node computes the same home.

import { digest as sha256 } from 'lib0/hash/sha256'
import { type Brand, assert } from './prelude.ts'

export type Pid = Brand<number, 'Pid'>
export type NodeId = Brand<string, 'NodeId'>
export type AccountId = Brand<string, 'AccountId'>
export type MessageId = Brand<string, 'MessageId'>
export type DraftId = Brand<string, 'DraftId'>
export type SessionId = Brand<string, 'SessionId'>
export type RequestId = Brand<string, 'RequestId'>
export type DocumentName = Brand<string, 'DocumentName'>
/** A name folded for uniqueness: NFKC and lower case. */
export type NameKey = Brand<string, 'NameKey'>
/** UTC month, `yyyy-mm`. */
export type Month = Brand<string, 'Month'>
/** UTC day, `yyyy-mm-dd`. */
export type Day = Brand<string, 'Day'>
/** Wall clock time, milliseconds since 1970. */
export type Millis = Brand<number, 'Millis'>
/** Hybrid logical clock: milliseconds since 1970 times 1,024 plus a counter; a safe integer until 2248. */
export type Hlc = Brand<number, 'Hlc'>
/** A coordinator's term: counter times 64 plus pid, so that epochs order as (counter, pid). */
export type Epoch = Brand<number, 'Epoch'>

export const PID_MAX = 63
export const NO_EPOCH = 0 as Epoch

const UUID = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const HEX_128 = /^[0-9a-f]{32}$/

export const parsePid = (value: unknown): Pid | null =>
  typeof value === 'number' && Number.isInteger(value) && value >= 0 && value <= PID_MAX ? (value as Pid) : null
export const parseNodeId = (value: unknown): NodeId | null =>
  typeof value === 'string' && HEX_128.test(value) ? (value as NodeId) : null
export const parseAccountId = (value: unknown): AccountId | null =>
  typeof value === 'string' && HEX_128.test(value) ? (value as AccountId) : null
export const parseMessageId = (value: unknown): MessageId | null =>
  typeof value === 'string' && UUID.test(value) ? (value as MessageId) : null
export const parseDraftId = (value: unknown): DraftId | null =>
  typeof value === 'string' && UUID.test(value) ? (value as DraftId) : null
export const parseSessionId = (value: unknown): SessionId | null =>
  typeof value === 'string' && UUID.test(value) ? (value as SessionId) : null
export const parseRequestId = (value: unknown): RequestId | null => {
  if (typeof value !== 'string') return null
  const lower = value.toLowerCase()
  return UUID.test(lower) ? (lower as RequestId) : null
}
export const parseMillis = (value: unknown): Millis | null =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? (value as Millis) : null
export const parseHlc = (value: unknown): Hlc | null =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? (value as Hlc) : null
export const parseEpoch = (value: unknown): Epoch | null =>
  typeof value === 'number' && Number.isSafeInteger(value) && value >= 0 ? (value as Epoch) : null

// ---- names of people

const NAME = /^[\p{L}\p{N}._-]{1,32}$/u

/** The name as shown, or null unless it is 1 to 32 letters, digits, dots, dashes or underscores after NFKC. */
export const parseName = (value: unknown): string | null => {
  if (typeof value !== 'string' || value.length > 256) return null
  const name = value.normalize('NFKC').trim()
  return NAME.test(name) && [...name].length <= 32 ? name : null
}

/** The form under which a shown name is unique. Give it only what parseName returned. */
export const nameToKey = (name: string): NameKey => name.normalize('NFKC').toLowerCase().normalize('NFKC') as NameKey

// ---- epochs and the hybrid logical clock

export const createEpoch = (counter: number, pid: Pid): Epoch => (counter * 64 + pid) as Epoch
export const epochCounter = (epoch: Epoch): number => Math.floor(epoch / 64)
export const epochPid = (epoch: Epoch): Pid => (epoch % 64) as Pid

export const hlcToMillis = (hlc: Hlc): Millis => Math.floor(hlc / 1024) as Millis
/** The next hlc after `last` at wall time `wallMs`: rises always, follows the wall clock when that is ahead. */
export const nextHlc = (last: Hlc, wallMs: number): Hlc => Math.max(last + 1, Math.floor(wallMs) * 1024) as Hlc

// ---- bytes, hex, UUIDs

export const toHex = (bytes: Uint8Array): string => {
  let text = ''
  for (const byte of bytes) text += byte.toString(16).padStart(2, '0')
  return text
}

const utf8 = new TextEncoder()
/** sha-256 of the UTF-8 bytes of `text`, as 64 hex digits. */
export const hashText = (text: string): string => toHex(sha256(utf8.encode(text)))
export const utf8Length = (text: string): number => utf8.encode(text).length

const uuidFrom = (hex32: string, version: '7' | '8' | '4'): string =>
  `${hex32.slice(0, 8)}-${hex32.slice(8, 12)}-${version}${hex32.slice(13, 16)}-${'89ab'[Number.parseInt(hex32.slice(16, 17), 16) & 3]}${hex32.slice(17, 20)}-${hex32.slice(20, 32)}`

/** An id whose first 48 bits are `timeMs`: UUIDv7 with `random` (10 bytes), see RFC 9562. */
const timedUuid = (timeMs: number, tailHex: string, version: '7' | '8'): string => {
  assert(Number.isSafeInteger(timeMs) && timeMs >= 0 && timeMs < 2 ** 48, 'time of an id out of range')
  return uuidFrom(timeMs.toString(16).padStart(12, '0') + tailHex.slice(0, 20).padEnd(20, '0'), version)
}

/** A fresh message id (UUIDv7) of cluster time `timeMs`; `random` is 10 bytes. */
export const mintMessageId = (timeMs: Millis, random: Uint8Array): MessageId => timedUuid(timeMs, toHex(random), '7') as MessageId
/** A fresh draft id (UUIDv7): the draft's time is the first 48 bits; `random` is 10 bytes. */
export const mintDraftId = (timeMs: Millis, random: Uint8Array): DraftId => timedUuid(timeMs, toHex(random), '7') as DraftId
/** A session id (UUIDv7): its time names the day document that holds it; `random` is 10 bytes. */
export const mintSessionId = (timeMs: Millis, random: Uint8Array): SessionId => timedUuid(timeMs, toHex(random), '7') as SessionId
/** A random request id (UUIDv4 layout) from 16 bytes. */
export const mintRequestId = (random: Uint8Array): RequestId => uuidFrom(toHex(random), '4') as RequestId
/** The account a creation request makes: the same request makes the same account through any node [COO5]. */
export const requestToAccountId = (requestId: RequestId): AccountId => hashText(`account ${requestId}`).slice(0, 32) as AccountId
export const mintNodeId = (random: Uint8Array): NodeId => toHex(random.slice(0, 16)) as NodeId

/** The time in the first 48 bits of an id. */
export const idToMillis = (id: MessageId | DraftId | SessionId): Millis => Number.parseInt(id.slice(0, 8) + id.slice(9, 13), 16) as Millis

/**
 * The id of a message sent from a draft [DEL8]: the draft's time and a hash of (draftId, recipients, text),
 * so that one draft sent twice is one message, and two texts are two.
 */
export const draftToMessageId = (draftId: DraftId, recipients: readonly (readonly [string, string])[], text: string): MessageId =>
  timedUuid(idToMillis(draftId), hashText(JSON.stringify([draftId, recipients.map(([id, name]) => (id === '' ? ['', name] : [id])), text])), '8') as MessageId

/**
 * The id under which a message is sent again when nodes refused `id` at `refusedMs` [DEL4]. Its time is the start of that month: never
 * ahead, and the same on each device that saw the refusal, so that two which send it again at once still send one message.
 */
export const refusedToMessageId = (id: MessageId, text: string, refusedMs: Millis): MessageId =>
  timedUuid(startOfMonth(refusedMs), hashText(JSON.stringify(['again', id, text])), '8') as MessageId

// ---- the calendar, UTC

const startOfMonth = (timeMs: Millis): number => {
  const daysBefore = Number(millisToDay(timeMs).slice(8)) - 1
  return (Math.floor(timeMs / 86_400_000) - daysBefore) * 86_400_000
}

export const millisToMonth = (timeMs: Millis): Month => millisToDay(timeMs).slice(0, 7) as Month

/** Days since 1970 to (year, month, day); algorithm: H. Hinnant, "chrono-Compatible Low-Level Date Algorithms", civil_from_days. */
export const millisToDay = (timeMs: Millis): Day => {
  const days = Math.floor(timeMs / 86_400_000) + 719_468
  const era = Math.floor(days / 146_097)
  const dayOfEra = days - era * 146_097
  const yearOfEra = Math.floor((dayOfEra - Math.floor(dayOfEra / 1460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365)
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100))
  const shifted = Math.floor((5 * dayOfYear + 2) / 153)
  const day = dayOfYear - Math.floor((153 * shifted + 2) / 5) + 1
  const month = shifted < 10 ? shifted + 3 : shifted - 9
  const year = yearOfEra + era * 400 + (month <= 2 ? 1 : 0)
  return `${String(year).padStart(4, '0')}-${String(month).padStart(2, '0')}-${String(day).padStart(2, '0')}` as Day
}

export const messageToMonth = (id: MessageId): Month => millisToMonth(idToMillis(id))

// ---- documents

export const MEMBERS_DOCUMENT = 'members' as DocumentName
export const nameToDocument = (key: NameKey): DocumentName => `names/${hashText(key).slice(0, 2)}` as DocumentName
export const accountToDocument = (id: AccountId): DocumentName => `accounts/${id.slice(0, 2)}` as DocumentName
export const dayToSessionsDocument = (day: Day): DocumentName => `sessions/${day}` as DocumentName
export const sessionToDocument = (id: SessionId): DocumentName => dayToSessionsDocument(millisToDay(idToMillis(id)))
export const inboxDocument = (id: AccountId, month: Month): DocumentName => `inbox/${id}/${month}` as DocumentName
export const marksDocument = (id: AccountId, month: Month): DocumentName => `marks/${id}/${month}` as DocumentName
export const draftsDocument = (id: AccountId): DocumentName => `drafts/${id}` as DocumentName

/** A document name taken apart. */
export type DocumentRef =
  | { readonly kind: 'names'; readonly shard: string }
  | { readonly kind: 'accounts'; readonly shard: string }
  | { readonly kind: 'sessions'; readonly day: Day }
  | { readonly kind: 'members' }
  | { readonly kind: 'inbox'; readonly account: AccountId; readonly month: Month }
  | { readonly kind: 'marks'; readonly account: AccountId; readonly month: Month }
  | { readonly kind: 'drafts'; readonly account: AccountId }

const MONTH = /^\d{4}-(0[1-9]|1[0-2])$/
const DAY = /^\d{4}-(0[1-9]|1[0-2])-(0[1-9]|[12]\d|3[01])$/
const SHARD = /^[0-9a-f]{2}$/

export const parseDay = (value: unknown): Day | null => (typeof value === 'string' && DAY.test(value) ? (value as Day) : null)
export const parseMonth = (value: unknown): Month | null => (typeof value === 'string' && MONTH.test(value) ? (value as Month) : null)

/** Takes a document name apart, or null if it names no kind of document. */
export const parseDocumentName = (name: string): DocumentRef | null => {
  const [kind, a, b, ...rest] = name.split('/')
  if (rest.length > 0) return null
  if (kind === 'members') return a === undefined ? { kind } : null
  if (a === undefined) return null
  if (kind === 'names' || kind === 'accounts') return b === undefined && SHARD.test(a) ? { kind, shard: a } : null
  if (kind === 'sessions') return b === undefined && DAY.test(a) ? { kind, day: a as Day } : null
  const account = parseAccountId(a)
  if (account === null) return null
  if (kind === 'drafts') return b === undefined ? { kind, account } : null
  const month = parseMonth(b)
  if (month === null) return null
  return kind === 'inbox' || kind === 'marks' ? { kind, account, month } : null
}

/** The brand for a name that parseDocumentName accepted. */
export const toDocumentName = (name: string): DocumentName | null => (parseDocumentName(name) === null ? null : (name as DocumentName))

/** A sync room's name as a client writes it, `<accountId>/inbox/<yyyy-mm>`, `<accountId>/marks/<yyyy-mm>` or `<accountId>/drafts`. */
export const documentToRoom = (name: DocumentName): string => {
  const ref = parseDocumentName(name)
  assert(ref !== null && (ref.kind === 'inbox' || ref.kind === 'marks' || ref.kind === 'drafts'), `no room for ${name}`)
  return ref.kind === 'drafts' ? `${ref.account}/drafts` : `${ref.account}/${ref.kind}/${ref.month}`
}

/** The document behind a room and its owner, or null if the room's name is not one. */
export const parseRoom = (room: string): { readonly owner: AccountId; readonly document: DocumentName } | null => {
  const [owner, kind, month, ...rest] = room.split('/')
  if (rest.length > 0) return null
  const document = toDocumentName(month === undefined ? `${kind}/${owner}` : `${kind}/${owner}/${month}`)
  const account = parseAccountId(owner)
  if (document === null || account === null) return null
  const ref = parseDocumentName(document)
  return ref !== null && (ref.kind === 'inbox' || ref.kind === 'marks' || ref.kind === 'drafts') ? { owner: account, document } : null
}
