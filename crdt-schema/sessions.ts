// Sessions: the documents `sessions/<yyyy-mm-dd>`, written by nodes only; a session lives in the document of
// the day in its id. An ended session stays ended [DOC3]; a whole day leaves by `expired` in members [DOC8].
// Refuses to know tokens (only their hashes come here) and how many sessions an account may have [COO7].

import type * as Y from 'yjs'
import { isString, isTuple, readEntries, readEntry, setFlag } from './entries.ts'
import { type AccountId, type Hlc, type Millis, type SessionId, parseAccountId, parseHlc, parseMillis, parseSessionId } from './ids.ts'
import { LIMITS } from './limits.ts'
import { type Read, type Result, ok } from './prelude.ts'

const GRANTED = 'granted'
const ENDED = 'ended'

export interface Session {
  readonly id: SessionId
  readonly accountId: AccountId
  readonly tokenHash: string
  /** Rises with each session of the account; after a split the highest wins or the lowest ends [COO7]. */
  readonly rank: number
  readonly hlc: Hlc
  readonly expiresMs: Millis
  /** What the person's device calls itself; may be empty. */
  readonly device: string
}

export interface SessionRow extends Session {
  readonly ended: boolean
}

/** An entry of the root map `granted`. */
export const parseSessionEntry = (key: string, value: unknown): Session | null => {
  const id = parseSessionId(key)
  if (id === null || !isTuple(value, 6)) return null
  const [account, tokenHash, rank, hlcValue, expires, device] = value
  const accountId = parseAccountId(account)
  const hlc = parseHlc(hlcValue)
  const expiresMs = parseMillis(expires)
  if (accountId === null || hlc === null || expiresMs === null) return null
  if (!isString(tokenHash) || typeof rank !== 'number' || !Number.isSafeInteger(rank) || rank < 0 || !isString(device)) return null
  return { id, accountId, tokenHash, rank, hlc, expiresMs, device }
}

/** An entry of the root map `ended`. */
export const parseEndedEntry = (key: string, value: unknown): { readonly id: SessionId; readonly hlc: Hlc } | null => {
  const id = parseSessionId(key)
  const hlc = parseHlc(value)
  return id === null || hlc === null ? null : { id, hlc }
}

/** Writes a granted session once; its device's name is cut to the limit. */
export const grantSession = (doc: Y.Doc, session: Session): Result<'granted' | 'present', never> => {
  if (readEntry(doc, GRANTED, session.id, parseSessionEntry) !== null) return ok('present')
  const { accountId, tokenHash, rank, hlc, expiresMs } = session
  const device = session.device.slice(0, LIMITS.deviceCharactersMax)
  doc.transact(() => doc.getMap(GRANTED).set(session.id, [accountId, tokenHash, rank, hlc, expiresMs, device]))
  return ok('granted')
}

/** Ends a session for ever, even one not yet seen here; the first ending's moment stays. */
export const endSession = (doc: Y.Doc, id: SessionId, hlc: Hlc): Result<'ended' | 'present', never> => {
  if (isSessionEnded(doc, id)) return ok('present')
  setFlag(doc, ENDED, id, hlc)
  return ok('ended')
}

export const isSessionEnded = (doc: Y.Doc, id: SessionId): boolean => doc.getMap(ENDED).has(id)

export const readSession = (doc: Y.Doc, id: SessionId): SessionRow | null => {
  const session = readEntry(doc, GRANTED, id, parseSessionEntry)
  return session === null ? null : { ...session, ended: isSessionEnded(doc, id) }
}

export const readSessions = (doc: Y.Doc): Read<SessionRow[]> => {
  const granted = readEntries(doc, GRANTED, parseSessionEntry)
  const ended = readEntries(doc, ENDED, parseEndedEntry)
  return { value: granted.value.map(session => ({ ...session, ended: isSessionEnded(doc, session.id) })), skipped: granted.skipped + ended.skipped }
}
