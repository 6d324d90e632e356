// The directory: names, accounts, sessions and members, indexed from the documents that hold them and kept current
// by every transaction on those, whoever made it. Everything in it follows from the documents; nothing is stored.
// Keeps [COO6] to [COO8] on the reading side. Refuses to decide: grants.ts does.
//
// Inside `desk.edit` it still says what was true before; it follows when the transaction ends.

import type * as Y from 'yjs'
import { parseAccountRequestEntry, parseSecretEntry, readAccountRequests, readClaim, readClaims } from '../../crdt-schema/accounts.ts'
import { readEntries, readEntry } from '../../crdt-schema/entries.ts'
import { type AccountId, type Day, type DocumentName, type Hlc, type NodeId, parseAccountId, parseDocumentName, parseSessionId, type SessionId } from '../../crdt-schema/ids.ts'
import { type MemberRow, readExpired, readMembers } from '../../crdt-schema/members.ts'
import { type Session, readSession, readSessions } from '../../crdt-schema/sessions.ts'
import { createAccountIndex } from './account-index.ts'
import { createNameIndex } from './name-index.ts'
import { createSessionIndex } from './session-index.ts'

/** Facts that others must act upon: sockets to close, documents to drop. */
export interface DirectoryNews {
  readonly endedSessions: readonly SessionId[]
  readonly removedAccounts: readonly AccountId[]
  readonly expiredDays: readonly Day[]
  /** The latest hlc of what was written; 0 when nothing was [CLK1]. */
  readonly latestHlc: Hlc
}

const NO_NEWS: DirectoryNews = { endedSessions: [], removedAccounts: [], expiredDays: [], latestHlc: 0 as Hlc }

export const createDirectory = () => {
  const accounts = createAccountIndex()
  const names = createNameIndex(accounts.isRemoved)
  const sessions = createSessionIndex(accounts.isRemoved)
  const indexed = new Set<DocumentName>()
  let members: readonly MemberRow[] = []
  let expiredDays: ReadonlySet<Day> = new Set()

  const setRemoved = (id: AccountId): void => {
    accounts.setRemoved(id)
    names.markStale(id)
  }

  const setMembers = (doc: Y.Doc): readonly Day[] => {
    const before = expiredDays
    members = readMembers(doc).value
    expiredDays = new Set(readExpired(doc).value.map(({ day }) => day))
    return [...expiredDays].filter(day => !before.has(day))
  }

  /** Takes in a document that was just loaded. Documents of other kinds are passed over. */
  const indexDocument = (name: DocumentName, doc: Y.Doc): void => {
    if (indexed.has(name)) forget(name)
    indexed.add(name)
    // Each reader makes its root map a Y.Map of this doc: `changedKeys` compares maps by identity.
    switch (parseDocumentName(name)?.kind) {
      case 'names':
        return readClaims(doc).value.forEach(names.setClaim)
      case 'accounts':
        readEntries(doc, 'secrets', parseSecretEntry).value.forEach(accounts.setSecret)
        readAccountRequests(doc).value.forEach(accounts.setRequest)
        return toAccountIds(doc.getMap('removed').keys()).forEach(setRemoved)
      case 'sessions':
        return readSessions(doc).value.forEach(sessions.setSession)
      case 'members':
        return void setMembers(doc)
      default:
        return
    }
  }

  /** Takes in what a transaction changed in an indexed document; to be called when it has ended. */
  const onTransaction = (name: DocumentName, transaction: Y.Transaction): DirectoryNews => {
    if (!indexed.has(name)) return NO_NEWS
    const { doc } = transaction
    switch (parseDocumentName(name)?.kind) {
      case 'names': {
        const claims = [...changedKeys(transaction, 'claims'), ...changedKeys(transaction, 'released')].map(key => readClaim(doc, key)).filter(claim => claim !== null)
        claims.forEach(names.setClaim)
        return { ...NO_NEWS, latestHlc: latestOf(claims) }
      }
      case 'accounts': {
        const secrets = changedKeys(transaction, 'secrets').map(key => readEntry(doc, 'secrets', key, parseSecretEntry)).filter(secret => secret !== null)
        secrets.forEach(accounts.setSecret)
        const requests = changedKeys(transaction, 'requests').map(key => readEntry(doc, 'requests', key, parseAccountRequestEntry)).filter(request => request !== null)
        requests.forEach(accounts.setRequest)
        const removedAccounts = toAccountIds(changedKeys(transaction, 'removed')).filter(id => !accounts.isRemoved(id))
        removedAccounts.forEach(setRemoved)
        return { ...NO_NEWS, removedAccounts, latestHlc: latestOf([...secrets, ...requests]) }
      }
      case 'sessions': {
        const endedSessions: SessionId[] = []
        const written: Session[] = []
        for (const key of new Set([...changedKeys(transaction, 'granted'), ...changedKeys(transaction, 'ended')])) {
          const id = parseSessionId(key)
          const session = id === null ? null : readSession(doc, id)
          if (session === null) continue
          if (session.ended && sessions.session(session.id)?.ended !== true) endedSessions.push(session.id)
          sessions.setSession(session)
          written.push(session)
        }
        return { ...NO_NEWS, endedSessions, latestHlc: latestOf(written) }
      }
      case 'members': {
        const expired = setMembers(doc)
        const written = new Set(changedKeys(transaction, 'nodes'))
        return { ...NO_NEWS, expiredDays: expired, latestHlc: latestOf(members.filter(({ pid, nodeId }) => written.has(`${pid}/${nodeId}`))) }
      }
      default:
        return NO_NEWS
    }
  }

  /** Forgets what a dropped or damaged document said; removals stay [COO8]. */
  const forget = (name: DocumentName): void => {
    if (!indexed.delete(name)) return
    const kind = parseDocumentName(name)?.kind
    if (kind === 'names') names.forget(name)
    if (kind === 'accounts') accounts.forget(name)
    if (kind === 'sessions') sessions.forget(name)
  }

  /** Whether there is such an account and it was not removed. */
  const exists = (id: AccountId): boolean => !accounts.isRemoved(id) && (accounts.hasSecret(id) || names.currentClaimOf(id) !== null)

  /** Whether a fact removed this document for good [DOC8]. */
  const isGone = (name: DocumentName): boolean => {
    if (!accounts.hasRemoved() && expiredDays.size === 0) return false // asked for each update of each push: names are taken apart only if it may matter
    const ref = parseDocumentName(name)
    if (ref?.kind === 'inbox' || ref?.kind === 'marks' || ref?.kind === 'drafts') return accounts.isRemoved(ref.account)
    return ref?.kind === 'sessions' && expiredDays.has(ref.day)
  }

  return {
    indexDocument,
    onTransaction,
    forget,
    isGone,
    // names [COO6]
    ownerOfName: names.ownerOf,
    claimantsOf: names.claimantsOf,
    claimsOf: names.claimsOf,
    currentClaimOf: names.currentClaimOf,
    meantBy: names.meantBy,
    accountShownAs: names.accountShownAs,
    nameOf: names.nameOf,
    hasLost: names.hasLost,
    hadName: names.hadName,
    listNames: names.list,
    // accounts
    exists,
    accounts: names.accounts,
    isRemoved: accounts.isRemoved,
    removedAccounts: accounts.removed,
    secretOf: accounts.secretOf,
    requestOf: accounts.requestOf,
    // sessions [COO7]
    session: sessions.session,
    sessionCount: sessions.count,
    sessionsOf: sessions.sessionsOf,
    liveSessionsOf: sessions.liveSessionsOf,
    isLive: sessions.isLive,
    sessionsOfRequest: sessions.sessionsOfRequest,
    sessionOfToken: sessions.sessionOfToken,
    sessionOf: sessions.liveSessionOfToken,
    // members
    members: () => members,
    memberOf: (nodeId: NodeId): MemberRow | null => members.find(member => member.nodeId === nodeId) ?? null,
    expiredDays: () => expiredDays,
  }
}

export type Directory = ReturnType<typeof createDirectory>

const toAccountIds = (keys: Iterable<string>): AccountId[] => [...keys].map(parseAccountId).filter(id => id !== null)

/** The keys of a root map that a transaction wrote. */
const changedKeys = (transaction: Y.Transaction, root: string): string[] => {
  const map = transaction.doc.getMap(root)
  for (const [type, keys] of transaction.changed) if (Object.is(type, map)) return [...keys].filter(key => key !== null)
  return []
}

const latestOf = (facts: readonly { readonly hlc: Hlc }[]): Hlc => facts.reduce<Hlc>((latest, { hlc }) => (hlc > latest ? hlc : latest), NO_NEWS.latestHlc)
