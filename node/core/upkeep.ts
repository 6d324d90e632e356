// What the coordinator puts in order by itself: names and sessions that a split left over, session days whose time has passed.
// Keeps [COO6] (an account keeps one name), [COO7] (no more sessions than the limit) and [DOC8] (days expire by a fact).
// Doing it twice, or on both sides of a split, writes nothing more.

import type { Claim } from '../../crdt-schema/accounts.ts'
import { type AccountId, type Day, type Hlc, MEMBERS_DOCUMENT, dayToSessionsDocument, millisToDay, parseDocumentName, parseMillis } from '../../crdt-schema/ids.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import { expireDay } from '../../crdt-schema/members.ts'
import type { Desk } from './desk.ts'
import { endSessions, releaseClaims, sessionsOverLimit } from './grants.ts'

const DAY_MS = 86_400_000

/** The claim that an account keeps when several of its requests left one unreleased; null when nothing is to be released. */
export const claimToKeep = (desk: Desk, accountId: AccountId): Claim | null => {
  const kept = desk.directory.currentClaimOf(accountId)
  if (kept === null) return null
  for (const claim of desk.directory.claimsOf(accountId)) if (!claim.released && claim.requestId !== kept.requestId) return kept
  return null
}

/** Session days that no live session can be in any more, and are not yet marked as expired. */
export const daysToExpire = (desk: Desk): readonly Day[] => {
  const keptMs = Math.max(LIMITS.sessionDayKeptMs, (desk.config.sessionDays + 1) * DAY_MS)
  const cutoffMs = parseMillis(desk.clusterMs - keptMs)
  if (cutoffMs === null) return []
  const firstKept = millisToDay(cutoffMs)
  return desk.documentsUnder('sessions/').flatMap(name => {
    const ref = parseDocumentName(name)
    return ref?.kind === 'sessions' && ref.day < firstKept && !desk.directory.expiredDays().has(ref.day) ? [ref.day] : []
  })
}

/** Puts all accounts in order: once after becoming coordinator and after each merge; it looks at every account. */
export const healAccounts = (desk: Desk, hlc: Hlc): void => {
  for (const accountId of desk.directory.accounts()) {
    const kept = claimToKeep(desk, accountId)
    if (kept !== null) releaseClaims(desk, accountId, kept, hlc)
    const over = new Set(sessionsOverLimit(desk, accountId))
    if (over.size > 0) endSessions(desk, accountId, hlc, id => over.has(id))
  }
}

/** Lets old session days go; cheap enough for every minute. */
export const expireSessionDays = (desk: Desk, hlc: Hlc): void => {
  for (const day of daysToExpire(desk)) {
    desk.edit(MEMBERS_DOCUMENT, doc => expireDay(doc, day, hlc))
    desk.dropDocuments([dayToSessionsDocument(day)])
  }
}
