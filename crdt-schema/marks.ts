// The documents `marks/<accountId>/<yyyy-mm>`: what an account did with its messages of a month of ids.
// Written by its owner, by whatever device, and by nodes on the owner's behalf. One root map, `marks`:
// `o:` opened is written once; `d:` deleted and `c:` checked are registers, so Undo can set them back [DOC3];
// `s:` says since when a node has seen `d:` true, and goes back to 0 with Undo; it decides when a message may be purged.
// `k:` holds the outcome of a repeatable request, so that a repeat through any node gets the same answer.

import type * as Y from 'yjs'
import { isString, isTuple, readEntry, setFlag } from './entries.ts'
import { type MessageId, type Millis, type RequestId, parseMessageId, parseMillis, parseRequestId, utf8Length } from './ids.ts'
import { LIMITS } from './limits.ts'
import { type Read, type Result, fail, ok } from './prelude.ts'

export const MARKS = 'marks'

export interface Mark {
  readonly openedMs: Millis | null
  readonly deleted: boolean
  readonly checked: boolean
}

export const NO_MARK: Mark = { openedMs: null, deleted: false, checked: false }

/** The outcome of a request, kept under its id. `fingerprint` tells the same request from another one under the same id. */
export interface RequestRecord {
  readonly requestId: RequestId
  readonly fingerprint: string
  /** JSON. */
  readonly outcome: unknown
}

export type MarkEntry =
  | { readonly type: 'opened'; readonly messageId: MessageId; readonly openedMs: Millis }
  | { readonly type: 'deleted' | 'checked'; readonly messageId: MessageId; readonly flag: boolean }
  | { readonly type: 'deleted-since'; readonly messageId: MessageId; readonly sinceMs: Millis }
  | ({ readonly type: 'request' } & RequestRecord)

/** An entry of the root map `marks`. */
export const parseMarkEntry = (key: string, value: unknown): MarkEntry | null => {
  const prefix = key.slice(0, 2)
  const rest = key.slice(2)
  if (prefix === 'k:') return parseRequestEntry(rest, value)
  const messageId = parseMessageId(rest)
  if (messageId === null) return null
  if (prefix === 'o:') {
    const openedMs = parseMillis(value)
    return openedMs === null ? null : { type: 'opened', messageId, openedMs }
  }
  if (prefix === 's:') {
    const sinceMs = parseMillis(value)
    return sinceMs === null ? null : { type: 'deleted-since', messageId, sinceMs }
  }
  if (typeof value !== 'boolean') return null
  if (prefix === 'd:') return { type: 'deleted', messageId, flag: value }
  return prefix === 'c:' ? { type: 'checked', messageId, flag: value } : null
}

const parseRequestEntry = (id: string, value: unknown): MarkEntry | null => {
  const requestId = parseRequestId(id)
  if (requestId !== id || !isTuple(value, 2) || !isString(value[0])) return null
  return { type: 'request', requestId, fingerprint: value[0], outcome: value[1] }
}

/** Moves a message out of the Inbox; the first opening's moment stays. */
export const markOpened = (doc: Y.Doc, messageId: MessageId, openedMs: Millis): Result<'opened' | 'present', never> => {
  if (readEntry(doc, MARKS, `o:${messageId}`, parseMarkEntry) !== null) return ok('present')
  setFlag(doc, MARKS, `o:${messageId}`, openedMs)
  return ok('opened')
}

/** Deletes a message, or takes that back: then the time until it is purged begins again, too [DOC3]. */
export const setDeleted = (doc: Y.Doc, messageId: MessageId, deleted: boolean): void =>
  doc.transact(() => {
    setRegister(doc, `d:${messageId}`, deleted)
    if (!deleted && doc.getMap(MARKS).has(`s:${messageId}`)) setFlag(doc, MARKS, `s:${messageId}`, 0)
  })
export const setChecked = (doc: Y.Doc, messageId: MessageId, checked: boolean): void => setRegister(doc, `c:${messageId}`, checked)

/** Absent reads as false, and saying so again writes nothing. */
const setRegister = (doc: Y.Doc, key: string, flag: boolean): void => {
  if (flag || doc.getMap(MARKS).has(key)) setFlag(doc, MARKS, key, flag)
}

/** Notes since when the message has been seen deleted, in cluster time; for nodes. */
export const noteDeletedSince = (doc: Y.Doc, messageId: MessageId, sinceMs: Millis): void => setFlag(doc, MARKS, `s:${messageId}`, sinceMs)

/** The messages that are deleted now, in order of ids, and since when nodes have seen that; 0 if none has noted it. */
export const readDeleted = (doc: Y.Doc): readonly { readonly messageId: MessageId; readonly sinceMs: Millis }[] => {
  const map = doc.getMap<unknown>(MARKS)
  const ids = [...map.keys()].filter(key => key.startsWith('d:') && map.get(key) === true).map(key => parseMessageId(key.slice(2)))
  return ids.filter(id => id !== null).sort().map(messageId => ({ messageId, sinceMs: parseMillis(map.get(`s:${messageId}`)) ?? (0 as Millis) }))
}

export const readMark = (doc: Y.Doc, messageId: MessageId): Mark => {
  const map = doc.getMap<unknown>(MARKS)
  return { openedMs: parseMillis(map.get(`o:${messageId}`)), deleted: map.get(`d:${messageId}`) === true, checked: map.get(`c:${messageId}`) === true }
}

export const readMarks = (doc: Y.Doc): Read<Map<MessageId, Mark>> => {
  const map = doc.getMap<unknown>(MARKS)
  const value = new Map<MessageId, Mark>()
  let skipped = 0
  for (const key of [...map.keys()].sort()) {
    const entry = parseMarkEntry(key, map.get(key))
    if (entry === null) skipped += 1
    else if (entry.type !== 'request' && entry.type !== 'deleted-since') value.set(entry.messageId, withEntry(value.get(entry.messageId) ?? NO_MARK, entry))
  }
  return { value, skipped }
}

const withEntry = (mark: Mark, entry: Exclude<MarkEntry, { type: 'request' | 'deleted-since' }>): Mark =>
  entry.type === 'opened' ? { ...mark, openedMs: entry.openedMs } : { ...mark, [entry.type]: entry.flag }

/** Keeps the outcome of a request, once. `reused`: the id was used for another request [COO5]. */
export const rememberRequest = (doc: Y.Doc, record: RequestRecord): Result<RequestRecord, 'reused' | 'too-large'> => {
  const held = readRequest(doc, record.requestId)
  if (held !== null) return held.fingerprint === record.fingerprint ? ok(held) : fail('reused')
  if (utf8Length(JSON.stringify(record.outcome ?? null)) > LIMITS.requestOutcomeBytesMax) return fail('too-large')
  doc.transact(() => doc.getMap(MARKS).set(`k:${record.requestId}`, [record.fingerprint, record.outcome]))
  return ok(record)
}

export const readRequest = (doc: Y.Doc, requestId: RequestId): RequestRecord | null => {
  const entry = readEntry(doc, MARKS, `k:${requestId}`, parseMarkEntry)
  return entry?.type === 'request' ? { requestId, fingerprint: entry.fingerprint, outcome: entry.outcome } : null
}
