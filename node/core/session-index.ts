// Who is signed in: an index over the documents `sessions/<yyyy-mm-dd>`.
// Keeps [COO7]: sessions in the order of their rank; an ended or expired one is never live. Knows tokens only by their hash.

import { type AccountId, type DocumentName, type Millis, type RequestId, type SessionId, hashText, sessionToDocument } from '../../crdt-schema/ids.ts'
import type { SessionRow } from '../../crdt-schema/sessions.ts'
import { createGroups } from './groups.ts'
import { isSessionOfRequest, requestToSessionTail, sessionToTail, tokenToSessionId } from './tokens.ts'

export const createSessionIndex = (isRemoved: (id: AccountId) => boolean) => {
  const sessions = new Map<SessionId, SessionRow>()
  const sessionsByAccount = createGroups<AccountId, SessionRow>(isSameSession)
  const sessionsByTail = createGroups<string, SessionRow>(isSameSession)
  let unended = 0

  const isLive = (session: SessionRow, nowMs: Millis): boolean => !session.ended && session.expiresMs > nowMs && !isRemoved(session.accountId)

  const session = (id: SessionId): SessionRow | null => sessions.get(id) ?? null

  /** Every session of an account that is still stored, ended ones too, by rank. */
  const sessionsOf = (id: AccountId): SessionRow[] => [...sessionsByAccount.of(id)].sort(compareRanks)

  const liveSessionsOf = (id: AccountId, nowMs: Millis): SessionRow[] => sessionsOf(id).filter(row => isLive(row, nowMs))

  /** Sessions that a request made, of whatever account [COO5]. */
  const sessionsOfRequest = (requestId: RequestId): SessionRow[] =>
    sessionsByTail.of(requestToSessionTail(requestId)).filter(row => isSessionOfRequest(row.id, requestId))

  /** The session a token was given for, even if it has ended; null for a token nobody gave. */
  const sessionOfToken = (token: string): SessionRow | null => {
    const id = tokenToSessionId(token)
    const row = id === null ? null : session(id)
    return row !== null && row.tokenHash === hashText(token) ? row : null
  }

  /** The same if it is live, else null. */
  const liveSessionOfToken = (token: string, nowMs: Millis): SessionRow | null => {
    const row = sessionOfToken(token)
    return row !== null && isLive(row, nowMs) ? row : null
  }

  const countOf = (row: SessionRow | null): number => (row === null || row.ended ? 0 : 1)

  const setSession = (row: SessionRow): void => {
    unended += countOf(row) - countOf(session(row.id))
    sessions.set(row.id, row)
    sessionsByAccount.set(row.accountId, row)
    sessionsByTail.set(sessionToTail(row.id), row)
  }

  const forget = (name: DocumentName): void => {
    for (const row of sessions.values()) {
      if (sessionToDocument(row.id) !== name) continue
      unended -= countOf(row)
      sessions.delete(row.id)
      sessionsByAccount.delete(row.accountId, row)
      sessionsByTail.delete(sessionToTail(row.id), row)
    }
  }

  /** How many stored sessions have not ended; those that expired count until their day goes. */
  const count = (): number => unended

  return { isLive, count, session, sessionsOf, liveSessionsOf, sessionsOfRequest, sessionOfToken, liveSessionOfToken, setSession, forget }
}

export type SessionIndex = ReturnType<typeof createSessionIndex>

const isSameSession = (a: SessionRow, b: SessionRow): boolean => a.id === b.id

/** By rank; two sides of a split may have given the same rank, so the id decides on every node alike. */
export const compareRanks = (a: SessionRow, b: SessionRow): number => a.rank - b.rank || (a.id < b.id ? -1 : 1)
