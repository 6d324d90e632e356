// Signing in and out: the calls on sessions, and what other calls need of them.
// Keeps [COO6] (signing in under a contested name tries every live claim), [COO7], and the rule that a name nobody has
// costs the same work as one that somebody has. Passwords are hashed and checked by the shell, sessions granted by the coordinator.

import type { CallOf } from '../../crdt-schema/api.ts'
import type { NoticeJson, SessionJson, SignedInJson } from '../../crdt-schema/api-shapes.ts'
import { type AccountId, type Millis, type RequestId, idToMillis, parseSessionId, sessionToDocument } from '../../crdt-schema/ids.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import { assert } from '../../crdt-schema/prelude.ts'
import { type SessionRow, endSession as markEnded } from '../../crdt-schema/sessions.ts'
import { type CallContext, answer, millisToHlc, millisToTime, refuse, refuseGrant, refuseKey, requestIdOf } from './answers.ts'
import { codesOf } from './codes.ts'
import type { Answer, Desk, Facts, GrantOutcome, NewCodes } from './desk.ts'
import { type MintedSession, mintSession, toToken, tokenToSessionId } from './tokens.ts'

/** Hashes tried for one sign-in: more people than this never claim one name. */
export const CLAIMANTS_MAX = 4
const DAY_MS = 86_400_000

/** Checked when there is nobody to check: no password fits it, and whoever checks it does the work of a real hash as it is configured. */
const DECOY_HASH = 'nobody'

/** The live session a token stands for, or null. */
export const authenticate = (desk: Desk, token: string | null): SessionRow | null => (token === null ? null : desk.directory.sessionOf(token, desk.clusterMs))

/**
 * Whether a token that this node does not know may be that of a session granted where it does not see: while some member is missing, nobody
 * may be told here that their session has ended [SYN4].
 */
export const mayBeElsewhere = (desk: Desk, token: string | null): boolean => {
  if (token === null || desk.isWhole) return false
  const id = tokenToSessionId(token)
  return id !== null && desk.directory.session(id) === null && idToMillis(id) + desk.config.sessionDays * DAY_MS > desk.clusterMs
}

export const isPossiblePassword = (password: string): boolean =>
  password.length >= LIMITS.passwordCharactersMin && password.length <= LIMITS.passwordCharactersMax

// ---- create-session

export const createSession = (desk: Desk, call: CallOf<'create-session'>, context: CallContext): Answer => {
  const requestId = requestIdOf(context)
  if (requestId === null) return refuseKey()
  const { facts } = context
  if (facts.grant !== null) return answerSignIn(desk, facts.grant, facts)
  if (!isPossiblePassword(call.password)) return refuse('wrong-credentials')
  const hashes = hashesOf(desk, desk.directory.meantBy(call.name).slice(0, CLAIMANTS_MAX))
  if (facts.verified === null) return { status: 'needs-verify', password: call.password, hashes: hashes.length === 0 ? [DECOY_HASH] : hashes }
  const provedHash = facts.verified.hashes[facts.verified.match]
  if (provedHash === undefined || provedHash === DECOY_HASH) return refuse('wrong-credentials')
  const accountId = desk.directory.meantBy(call.name).find(id => desk.directory.secretOf(id)?.passwordHash === provedHash)
  if (accountId === undefined) return refuse('unknown')
  return askForSession(desk, { accountId, requestId, takeOver: call.takeOver ?? false, device: call.device ?? '', provedHash, facts })
}

const hashesOf = (desk: Desk, ids: readonly AccountId[]): readonly string[] => ids.map(id => desk.directory.secretOf(id)?.passwordHash).filter(hash => hash !== undefined)

export interface SessionWish {
  readonly accountId: AccountId
  readonly requestId: RequestId
  readonly takeOver: boolean
  readonly device: string
  /** The hash in force that the password was found to fit. */
  readonly provedHash: string
  readonly facts: Facts
  /** Recovery codes to give with it: for the repeat of a sign-up. */
  readonly codes?: NewCodes
}

/** Asks the coordinator for a session. */
export const askForSession = (desk: Desk, { accountId, requestId, takeOver, device, provedHash, facts, codes }: SessionWish): Answer => {
  const seed = mintSessionFor(desk, requestId, device, facts)
  const rehash = facts.verified?.rehash ?? null
  return { status: 'needs-grant', grant: { kind: 'grant-session', requestId, accountId, takeOver, session: seed, provedHash, rehash, ...(codes === undefined ? {} : { codes }) } }
}

export const mintSessionFor = (desk: Desk, requestId: RequestId, device: string, facts: Facts): MintedSession => {
  const earlier = desk.directory.sessionsOfRequest(requestId).map(({ id }) => id)
  return mintSession({ requestId, nowMs: facts.arrivedMs, earlier, lifeMs: desk.config.sessionDays * DAY_MS, device, random: facts.random }).seed
}

/** Tells of the account and session that a grant gave, with the token that only the caller's node knows. */
export const answerSignIn = (desk: Desk, outcome: GrantOutcome, facts: Facts): Answer => {
  if (outcome.status === 'refused') return refuseGrant(outcome.code)
  const { accountId, name, sessionId, expiresMs, codes } = outcome.value
  const id = typeof sessionId === 'string' ? parseSessionId(sessionId) : null
  assert(typeof accountId === 'string' && id !== null && typeof expiresMs === 'number', 'a sign-in was granted to nobody')
  const account = desk.directory.session(id)?.accountId
  const notice = account === undefined ? null : noticeOf(desk, account)
  const body: SignedInJson = {
    account: { id: accountId, name: typeof name === 'string' ? name : '' },
    session: { id, token: toToken(id, facts.random), expiresAt: millisToTime(expiresMs as Millis) },
    ...(notice === null ? {} : { notice }),
    ...(codes === undefined ? {} : { recoveryCodes: [...codesOf(facts)] }),
  }
  return answer(201, body)
}

/** What whoever lost a name is told until a new one is chosen [COO6]. */
export const noticeOf = (desk: Desk, id: AccountId): NoticeJson | null => {
  const name = desk.directory.currentClaimOf(id)?.shownName
  if (name === undefined || !desk.directory.hasLost(id)) return null
  return { code: 'name-lost', name, detail: `While the servers could not reach each other, two people took the name ${name}. The other one was first. Your mail and drafts are all here; please choose a new name.` }
}

// ---- list-sessions, end-session

export const listSessions = (desk: Desk, _call: CallOf<'list-sessions'>, { session: current }: CallContext): Answer => {
  if (current === null) return refuse('unauthorized')
  const live = desk.directory.liveSessionsOf(current.accountId, desk.clusterMs)
  const sessions: SessionJson[] = live.map(({ id, device, expiresMs }) => ({
    id,
    device,
    createdAt: millisToTime(idToMillis(id)),
    expiresAt: millisToTime(expiresMs),
    current: id === current.id,
  }))
  return answer(200, { sessions })
}

/** Needs no coordinator: an ending is a fact that only grows, whoever writes it. */
export const endSession = (desk: Desk, call: CallOf<'end-session'>, { session: current }: CallContext): Answer => {
  if (current === null) return refuse('unauthorized')
  const ending = call.id === 'current' ? current : desk.directory.session(call.id)
  if (ending === null || ending.accountId !== current.accountId || !desk.directory.isLive(ending, desk.clusterMs)) return refuse('no-such-session')
  const name = sessionToDocument(ending.id)
  if (desk.document(name) === null) return { status: 'needs-documents', documents: [name] }
  desk.edit(name, doc => markEnded(doc, ending.id, millisToHlc(desk.clusterMs)))
  return answer(204, null, 'acknowledged')
}
