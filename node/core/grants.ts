// What the coordinator decides: whether a grant may be, and what it writes [COO4]. Pure but for `desk.edit`.
// Keeps [COO5] (a repeat changes nothing and says the same), [COO6] names, [COO7] sessions, [COO8] removal.
// Knows nothing of terms, promises and preparing: coordinator.ts does, and calls this with one grant per key at a time.

import { type Claim, addClaim, addSecret, releaseClaim, removeAccount, rememberAccountRequest } from '../../crdt-schema/accounts.ts'
import { type AccountId, type DocumentName, type Hlc, MEMBERS_DOCUMENT, type NameKey, PID_MAX, type Pid, type RequestId, type SessionId, accountToDocument, nameToDocument, nextHlc, parsePid, sessionToDocument } from '../../crdt-schema/ids.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import { addMember, removeMember } from '../../crdt-schema/members.ts'
import { isBroken } from '../../crdt-schema/mutation.ts'
import { type Result, assert, fail, ok, unreachable } from '../../crdt-schema/prelude.ts'
import { addCodeSet, countCodes, currentCodeSet, hashesToSetId, isCodeGood, spendCode } from '../../crdt-schema/recovery.ts'
import { endSession, grantSession } from '../../crdt-schema/sessions.ts'
import type { Desk, Grant, GrantOutcome, GrantStamp, NewCodes } from './desk.ts'
import { isEarlierTry } from './tokens.ts'

type GrantOf<Kind extends Grant['kind']> = Extract<Grant, { kind: Kind }>
/** Why a grant may not be; the code is what the caller is told. */
type Judgement = Result<null, string>

const ALLOWED = ok(null)

/** What a grant is about: two grants that share a key are decided one after the other [COO4]. */
export const grantKeys = (grant: Grant): readonly string[] => {
  const request = `request:${grant.requestId}`
  switch (grant.kind) {
    case 'create-account':
      return [request, `account:${grant.accountId}`, `name:${grant.nameKey}`]
    case 'change-account':
      return grant.nameKey === null ? [request, `account:${grant.accountId}`] : [request, `account:${grant.accountId}`, `name:${grant.nameKey}`]
    case 'grant-session':
    case 'remove-account':
      return [request, `account:${grant.accountId}`]
    case 'admit-member':
    case 'remove-member':
      return [request, 'members'] // one key for all: two nodes that ask for any free pid must not get the same
    default:
      return unreachable(grant)
  }
}

/** The documents a grant reads or writes, beside those it drops. */
export const documentsOfGrant = (grant: Grant): readonly DocumentName[] => {
  switch (grant.kind) {
    case 'create-account':
      return [nameToDocument(grant.nameKey), accountToDocument(grant.accountId), sessionToDocument(grant.session.id)]
    case 'change-account':
      return grant.nameKey === null ? [accountToDocument(grant.accountId)] : [nameToDocument(grant.nameKey), accountToDocument(grant.accountId)]
    case 'grant-session':
      return [accountToDocument(grant.accountId), sessionToDocument(grant.session.id)]
    case 'remove-account':
      return [accountToDocument(grant.accountId)]
    case 'admit-member':
    case 'remove-member':
      return [MEMBERS_DOCUMENT]
    default:
      return unreachable(grant)
  }
}

/** Whether a grant may be, as things stand. */
export const judgeGrant = (desk: Desk, grant: Grant): Judgement => {
  switch (grant.kind) {
    case 'create-account':
      return judgeCreation(desk, grant)
    case 'change-account':
      return judgeChange(desk, grant)
    case 'grant-session':
      return judgeSession(desk, grant)
    case 'remove-account':
      return desk.directory.exists(grant.accountId) || desk.directory.isRemoved(grant.accountId) ? ALLOWED : fail('no-such-account')
    case 'admit-member':
      return judgeAdmission(desk, grant)
    case 'remove-member':
      return desk.directory.memberOf(grant.nodeId) === null ? fail('no-such-member') : ALLOWED
    default:
      return unreachable(grant)
  }
}

/** Writes what a grant says and tells its outcome. A grant that was already applied writes nothing and tells the same. */
export const applyGrant = (desk: Desk, grant: Grant, stamp: GrantStamp): GrantOutcome => {
  const judgement = judgeGrant(desk, grant)
  if (!judgement.ok) return { status: 'refused', code: judgement.code }
  switch (grant.kind) {
    case 'create-account':
      return applyCreation(desk, grant, stamp)
    case 'change-account':
      return applyChange(desk, grant, stamp)
    case 'grant-session':
      return applySession(desk, grant, stamp)
    case 'remove-account':
      return applyRemoval(desk, grant, stamp)
    case 'admit-member':
      return applyAdmission(desk, grant, stamp)
    case 'remove-member':
      desk.edit(MEMBERS_DOCUMENT, doc => removeMember(doc, grant.nodeId, stamp.hlc))
      return granted({ nodeId: grant.nodeId })
    default:
      return unreachable(grant)
  }
}

const granted = (value: Extract<GrantOutcome, { status: 'granted' }>['value']): GrantOutcome => ({ status: 'granted', value })

// ---- create-account

const claimOfRequest = (desk: Desk, accountId: AccountId, requestId: RequestId): Claim | null => {
  for (const claim of desk.directory.claimsOf(accountId)) if (claim.requestId === requestId) return claim
  return null
}

/**
 * A repeat comes in two ways. The very same grant, sent again or settled by the next coordinator, has the same hash. A repeat by
 * the client has a fresh one, and nobody here can check the password: `unknown` makes its node run the call again,
 * find the account and verify.
 */
const judgeCreation = (desk: Desk, grant: GrantOf<'create-account'>): Judgement => {
  const { directory } = desk
  if (directory.isRemoved(grant.accountId)) return fail('id-reused')
  const made = claimOfRequest(desk, grant.accountId, grant.requestId)
  if (made !== null) {
    if (made.shownName !== grant.shownName) return fail('id-reused')
    return directory.secretOf(grant.accountId)?.passwordHash === grant.passwordHash ? ALLOWED : fail('unknown')
  }
  if (directory.ownerOfName(grant.nameKey) !== null) return fail('name-taken')
  return isTooLate(desk, grant) ? fail('unknown') : ALLOWED
}

/** A grant left tentative by a cluster that stood still for a month: its session's day has expired, and is not written again [DOC8]. */
const isTooLate = (desk: Desk, grant: GrantOf<'create-account' | 'grant-session'>): boolean => desk.directory.isGone(sessionToDocument(grant.session.id))

const applyCreation = (desk: Desk, grant: GrantOf<'create-account'>, stamp: GrantStamp): GrantOutcome => {
  const { requestId, accountId, shownName, nameKey, passwordHash, session } = grant
  if (claimOfRequest(desk, accountId, requestId) === null) {
    desk.edit(nameToDocument(nameKey), doc => addClaim(doc, { nameKey, accountId, epoch: stamp.epoch, shownName, requestId, hlc: stamp.hlc }))
    desk.edit(accountToDocument(accountId), doc => addSecret(doc, accountId, passwordHash, stamp.hlc))
    writeCodes(desk, accountId, grant.codes, stamp.hlc)
    desk.edit(sessionToDocument(session.id), doc => grantSession(doc, { ...session, accountId, rank: nextRank(desk, accountId), hlc: stamp.hlc }))
  }
  return granted({ accountId, name: desk.directory.nameOf(accountId), sessionId: session.id, expiresMs: session.expiresMs, ...codesTold(desk, accountId, grant.codes) })
}

// ---- change-account

/** Tells a change from another one under the same id, without anything made from a password. */
export const changeToFingerprint = (shownName: string | null, changesPassword: 'new-password' | 'same-password'): string => JSON.stringify(['change', shownName, changesPassword])

/** The same for a recovery: the hash of its code is in the document anyway. */
export const recoveryToFingerprint = (codeHash: string): string => JSON.stringify(['recover', codeHash])
export const CODES_FINGERPRINT = 'new-codes'

const fingerprintOf = (grant: GrantOf<'change-account'>): string =>
  grant.spends !== undefined ? recoveryToFingerprint(grant.spends) : grant.codes !== undefined ? CODES_FINGERPRINT : changeToFingerprint(grant.shownName, grant.passwordHash === null ? 'same-password' : 'new-password')

const judgeChange = (desk: Desk, grant: GrantOf<'change-account'>): Judgement => {
  const { directory } = desk
  if (!directory.exists(grant.accountId)) return fail('no-such-account')
  const repeated = directory.requestOf(grant.accountId, grant.requestId)
  if (repeated !== null && repeated.fingerprint !== fingerprintOf(grant)) return fail('id-reused')
  if (!areInTime(desk, grant.accountId, grant.codes)) return fail('unknown')
  if (repeated !== null) return ALLOWED
  if (grant.spends !== undefined && !isGoodFor(desk, grant.accountId, grant.spends)) return fail('wrong-credentials')
  return grant.nameKey === null || isFreeFor(desk, grant.nameKey, grant.accountId) ? ALLOWED : fail('name-taken')
}

const isFreeFor = (desk: Desk, nameKey: NameKey, accountId: AccountId): boolean => {
  const owner = desk.directory.ownerOfName(nameKey)
  return owner === null || owner === accountId
}

const applyChange = (desk: Desk, grant: GrantOf<'change-account'>, stamp: GrantStamp): GrantOutcome => {
  const { requestId, accountId, shownName, nameKey, passwordHash, spends } = grant
  if (desk.directory.requestOf(accountId, requestId) === null) {
    if (shownName !== null && nameKey !== null) rename(desk, { nameKey, accountId, epoch: stamp.epoch, shownName, requestId, hlc: stamp.hlc })
    const secretHlc = toLater(stamp.hlc, desk.directory.secretOf(accountId)?.hlc ?? null)
    desk.edit(accountToDocument(accountId), doc => {
      if (passwordHash !== null) addSecret(doc, accountId, passwordHash, secretHlc)
      if (spends !== undefined) spendCode(doc, accountId, spends, stamp.hlc)
      rememberAccountRequest(doc, { accountId, requestId, fingerprint: fingerprintOf(grant), hlc: stamp.hlc })
    })
    if (passwordHash !== null) endSessions(desk, accountId, stamp.hlc, id => id !== grant.keepSession)
  }
  writeCodes(desk, accountId, grant.codes, stamp.hlc) // a repeat brings others: nobody got those of the first try
  return granted({ accountId, name: desk.directory.nameOf(accountId), ...codesTold(desk, accountId, grant.codes) })
}

/**
 * The latest hlc decides which secret and which name an account has. One written by a node whose clock was far ahead was not
 * adopted [CLK1], so a change must go past what the account holds, or it would be granted and have no effect.
 */
const toLater = (hlc: Hlc, heldHlc: Hlc | null): Hlc => (heldHlc === null || heldHlc < hlc ? hlc : nextHlc(heldHlc, 0))

const rename = (desk: Desk, asked: Claim): void => {
  const held = desk.directory.currentClaimOf(asked.accountId)
  if (held?.shownName === asked.shownName) return // a new claim would only be younger
  const claim = { ...asked, hlc: toLater(asked.hlc, held?.hlc ?? null) }
  desk.edit(nameToDocument(claim.nameKey), doc => addClaim(doc, claim))
  releaseClaims(desk, claim.accountId, claim, claim.hlc)
}

/** Releases an account's claims but those of the request that made `kept` [COO6]. */
export const releaseClaims = (desk: Desk, accountId: AccountId, kept: Claim, hlc: Hlc): void => {
  for (const claim of [...desk.directory.claimsOf(accountId)]) {
    if (claim.released || claim.requestId === kept.requestId) continue
    desk.edit(nameToDocument(claim.nameKey), doc => releaseClaim(doc, claim, claim.hlc > hlc ? claim.hlc : hlc))
  }
}

// ---- grant-session

const judgeSession = (desk: Desk, grant: GrantOf<'grant-session'>): Judgement => {
  const { directory } = desk
  if (directory.session(grant.session.id) !== null) return ALLOWED
  if (!directory.exists(grant.accountId)) return fail('wrong-credentials')
  if (isTooLate(desk, grant)) return fail('unknown')
  const ofRequest = directory.sessionsOfRequest(grant.requestId)
  if (ofRequest.some(({ accountId, device }) => accountId !== grant.accountId || device !== grant.session.device)) return fail('id-reused')
  // A first try that comes after its repeat: who asked has the session of the repeat, and keeps it.
  if (ofRequest.some(({ id }) => isEarlierTry(grant.session.id, id))) return fail('unknown')
  if (!areInTime(desk, grant.accountId, grant.codes)) return fail('unknown')
  // The password was changed, or its hash renewed, between the check and now: run the call again.
  if (directory.secretOf(grant.accountId)?.passwordHash !== grant.provedHash) return fail('unknown')
  if (desk.config.sessionsPerAccount > 1 || grant.takeOver) return ALLOWED
  const others = directory.liveSessionsOf(grant.accountId, desk.clusterMs).filter(session => !ofRequest.some(own => own.id === session.id))
  return others.length === 0 ? ALLOWED : fail('already-signed-in')
}

const applySession = (desk: Desk, grant: GrantOf<'grant-session'>, stamp: GrantStamp): GrantOutcome => {
  const { accountId, requestId, session, rehash } = grant
  if (desk.directory.session(session.id) === null) {
    const replaced = new Set(desk.directory.sessionsOfRequest(requestId).map(({ id }) => id))
    const rank = isBroken('sessions-by-clock') ? stamp.hlc : nextRank(desk, accountId)
    desk.edit(sessionToDocument(session.id), doc => grantSession(doc, { ...session, accountId, rank, hlc: stamp.hlc }))
    endSessions(desk, accountId, stamp.hlc, id => id !== session.id && (grant.takeOver || replaced.has(id)))
    const over = new Set(sessionsOverLimit(desk, accountId))
    endSessions(desk, accountId, stamp.hlc, id => over.has(id))
    const secretHlc = toLater(stamp.hlc, desk.directory.secretOf(accountId)?.hlc ?? null)
    if (rehash !== null) desk.edit(accountToDocument(accountId), doc => addSecret(doc, accountId, rehash, secretHlc))
    writeCodes(desk, accountId, grant.codes, stamp.hlc)
  }
  return granted({ accountId, name: desk.directory.nameOf(accountId), sessionId: session.id, expiresMs: session.expiresMs, ...codesTold(desk, accountId, grant.codes) })
}

const nextRank = (desk: Desk, accountId: AccountId): number => (desk.directory.sessionsOf(accountId).at(-1)?.rank ?? 0) + 1

/** The live sessions of lowest rank that an account has above its limit: the newest stay, also after a split [COO7]. */
export const sessionsOverLimit = (desk: Desk, accountId: AccountId): readonly SessionId[] => {
  const live = desk.directory.liveSessionsOf(accountId, desk.clusterMs)
  return live.slice(0, Math.max(0, live.length - desk.config.sessionsPerAccount)).map(session => session.id)
}

/** Ends those of an account's sessions that have not ended yet, expired ones too: cluster time may step back. */
export const endSessions = (desk: Desk, accountId: AccountId, hlc: Hlc, isEnding: (id: SessionId) => boolean): void => {
  for (const { id, ended } of desk.directory.sessionsOf(accountId)) {
    if (!ended && isEnding(id)) desk.edit(sessionToDocument(id), doc => endSession(doc, id, hlc))
  }
}

// ---- recovery codes, which come with other grants

const codeSetIdOf = (desk: Desk, accountId: AccountId): string | null => {
  const doc = desk.document(accountToDocument(accountId))
  return (doc === null ? null : currentCodeSet(doc, accountId)?.id) ?? null
}

/** Codes made before others were shown come too late: whoever was shown those would hold codes that are none. The very same again may be. */
const areInTime = (desk: Desk, accountId: AccountId, codes: NewCodes | undefined): boolean => {
  if (codes === undefined) return true
  const heldId = codeSetIdOf(desk, accountId)
  return heldId === codes.over || heldId === hashesToSetId(codes.hashes)
}

const isGoodFor = (desk: Desk, accountId: AccountId, hash: string): boolean => {
  const doc = desk.document(accountToDocument(accountId))
  return doc !== null && isCodeGood(doc, accountId, hash)
}

const writeCodes = (desk: Desk, accountId: AccountId, codes: NewCodes | undefined, hlc: Hlc): void => {
  if (codes === undefined) return
  desk.edit(accountToDocument(accountId), doc => addCodeSet(doc, accountId, codes.hashes, toLater(hlc, currentCodeSet(doc, accountId)?.hlc ?? null)))
}

/** Tells that the codes are in force, so that they may be shown. */
const codesTold = (desk: Desk, accountId: AccountId, codes: NewCodes | undefined): { readonly codes?: number } => {
  const doc = desk.document(accountToDocument(accountId))
  return doc === null || codes === undefined || codeSetIdOf(desk, accountId) !== hashesToSetId(codes.hashes) ? {} : { codes: countCodes(doc, accountId) }
}

// ---- remove-account

const applyRemoval = (desk: Desk, grant: GrantOf<'remove-account'>, stamp: GrantStamp): GrantOutcome => {
  const { accountId, requestId } = grant
  if (!desk.directory.isRemoved(accountId)) {
    endSessions(desk, accountId, stamp.hlc, () => true)
    desk.edit(accountToDocument(accountId), doc => {
      removeAccount(doc, accountId, stamp.hlc)
      rememberAccountRequest(doc, { accountId, requestId, fingerprint: 'remove', hlc: stamp.hlc })
    })
    desk.dropDocuments(documentsOfAccount(desk, accountId))
  }
  return granted({ accountId })
}

/** The documents that go when an account is removed [DOC8]. */
export const documentsOfAccount = (desk: Desk, accountId: AccountId): readonly DocumentName[] =>
  [`inbox/${accountId}/`, `marks/${accountId}/`, `drafts/${accountId}`].flatMap(prefix => desk.documentsUnder(prefix))

// ---- members. Whether the node before is still linked under its pid is the coordinator's to know [REP7].

const judgeAdmission = (desk: Desk, grant: GrantOf<'admit-member'>): Judgement => {
  const member = desk.directory.memberOf(grant.nodeId)
  if (member?.removed === true) return fail('removed')
  return pidFor(desk, grant) === null ? fail('cluster-full') : ALLOWED
}

/**
 * The pid a node asks for, or has, or the lowest nobody has or had; null when there is none. What was removed may stand in somebody's
 * `--peers` for ever, and what stands there may be switched on at any time: neither is given away.
 */
const pidFor = (desk: Desk, grant: GrantOf<'admit-member'>): Pid | null => {
  const held = desk.directory.memberOf(grant.nodeId)
  if (grant.pid !== null) return grant.pid
  if (held !== null) return held.pid
  const members = desk.directory.members()
  const present = new Set<Pid>([...desk.config.peers.keys(), ...members.filter(member => !member.removed).map(member => member.pid), ...desk.nodes.map(({ pid }) => pid)])
  if (present.size >= LIMITS.nodesMax) return null
  const taken = new Set<Pid>([...present, ...members.map(member => member.pid), ...(grant.taken ?? [])])
  for (let number = 0; number <= PID_MAX; number++) {
    const pid = parsePid(number)
    if (pid !== null && !taken.has(pid)) return pid
  }
  return null
}

const applyAdmission = (desk: Desk, grant: GrantOf<'admit-member'>, stamp: GrantStamp): GrantOutcome => {
  const pid = pidFor(desk, grant)
  assert(pid !== null, 'admitted a node without a pid')
  // A granted pid is nobody's, but for one that both sides of a split granted: of those two none may remove the other by asking again.
  const replaced = grant.pid === null ? [] : desk.directory.members().filter(member => member.pid === pid && member.nodeId !== grant.nodeId)
  desk.edit(MEMBERS_DOCUMENT, doc => {
    addMember(doc, { pid, nodeId: grant.nodeId, url: grant.url, hlc: stamp.hlc })
    for (const member of replaced) removeMember(doc, member.nodeId, stamp.hlc)
  })
  return granted({ pid, nodeId: grant.nodeId })
}
