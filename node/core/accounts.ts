// The calls on accounts: look up, create, list, change, remove.
// Keeps [COO5] (a repeat says the same, through any node, after the password was checked again), [COO6] and [COO8] on the asking
// side. What is decided here before a grant only spares the work: the coordinator decides again.

import type { CallOf } from '../../crdt-schema/api.ts'
import { type AccountId, type RequestId, nameToKey, parseName, requestToAccountId } from '../../crdt-schema/ids.ts'
import { type CallContext, answer, refuse, refuseGrant, refuseKey, requestIdOf } from './answers.ts'
import { askForCodes } from './codes.ts'
import type { Answer, Desk, Facts } from './desk.ts'
import { changeToFingerprint } from './grants.ts'
import { answerSignIn, askForSession, isPossiblePassword, mayBeElsewhere, mintSessionFor } from './sessions.ts'

// ---- look-up-name, list-accounts

export const lookUpName = (desk: Desk, call: CallOf<'look-up-name'>): Answer => {
  const name = parseName(call.name)
  if (name === null) return refuse('invalid-name')
  return answer(200, { name, exists: desk.directory.ownerOfName(nameToKey(name)) !== null })
}

export const listAccounts = (desk: Desk, call: CallOf<'list-accounts'>, { session }: CallContext): Answer => {
  if (session === null) return refuse('unauthorized')
  const { accounts, next } = desk.directory.listNames({ prefix: call.prefix ?? '', after: call.after ?? null, limit: call.limit })
  return answer(200, next === null ? { accounts } : { accounts, next })
}

// ---- create-account

export const createAccount = (desk: Desk, call: CallOf<'create-account'>, context: CallContext): Answer => {
  const { facts } = context
  const requestId = requestIdOf(context)
  if (requestId === null) return refuseKey()
  const device = call.device ?? ''
  if (facts.grant !== null) return answerSignIn(desk, facts.grant, facts)
  const name = parseName(call.name)
  if (name === null) return refuse('invalid-name')
  if (!isPossiblePassword(call.password)) return refuse('weak-password')

  const accountId = requestToAccountId(requestId)
  if (desk.directory.isRemoved(accountId)) return refuse('id-reused', { detail: 'The account made with this Idempotency-Key was removed. Make a new key for a new account.' })
  if (desk.directory.exists(accountId)) return repeatCreation(desk, { accountId, requestId, name, device, password: call.password, facts })

  if (desk.config.registration === 'closed') return refuse('registration-closed')
  const nameKey = nameToKey(name)
  if (desk.directory.ownerOfName(nameKey) !== null) return refuse('name-taken')
  if (facts.hash === null) return { status: 'needs-hash', password: call.password }
  const seed = mintSessionFor(desk, requestId, device, facts)
  return { status: 'needs-grant', grant: { kind: 'create-account', requestId, accountId, shownName: name, nameKey, passwordHash: facts.hash, session: seed, codes: askForCodes(desk, accountId, facts) } }
}

interface Repeat {
  readonly accountId: AccountId
  readonly requestId: RequestId
  readonly name: string
  readonly device: string
  readonly password: string
  readonly facts: Facts
}

/**
 * The account is there already: whoever knows its password gets it with a fresh session and fresh recovery codes, which replace those of the
 * first try. Nobody got these, or the call would not be repeated.
 */
const repeatCreation = (desk: Desk, { accountId, requestId, name, device, password, facts }: Repeat): Answer => {
  const made = [...desk.directory.claimsOf(accountId)].find(claim => claim.requestId === requestId)
  if (made?.shownName !== name) return refuse('id-reused')
  const proof = provePassword(desk, accountId, password, facts)
  if (proof.status === 'asked') return proof.answer
  if (proof.status === 'wrong') return refuse('id-reused')
  return askForSession(desk, { accountId, requestId, takeOver: false, device, provedHash: proof.hash, facts, codes: askForCodes(desk, accountId, facts) })
}

// ---- change-me

/**
 * One call for a new name, a new password, or both. After a change that the caller never heard of, the old password fits no more;
 * so a repeat is checked by the new one.
 */
export const changeMe = (desk: Desk, call: CallOf<'change-me'>, context: CallContext): Answer => {
  const { session, facts } = context
  if (session === null) return refuse('unauthorized')
  const requestId = requestIdOf(context)
  if (requestId === null) return refuseKey()
  if (facts.grant !== null) return facts.grant.status === 'refused' ? refuseGrant(facts.grant.code) : answerWithAccount(desk, session.accountId)

  const name = call.name === undefined ? undefined : parseName(call.name)
  if (name === null) return refuse('invalid-name')
  if (call.newPassword !== undefined && !isPossiblePassword(call.newPassword)) return refuse('weak-password')
  const past = desk.directory.requestOf(session.accountId, requestId)
  if (past !== null && past.fingerprint !== changeToFingerprint(name ?? null, call.newPassword === undefined ? 'same-password' : 'new-password')) return refuse('id-reused')

  const proof = provePassword(desk, session.accountId, past === null ? call.password : (call.newPassword ?? call.password), facts)
  if (proof.status === 'asked') return proof.answer
  if (proof.status === 'wrong') return refuse('wrong-credentials')
  if (past !== null || (name === undefined && call.newPassword === undefined)) return answerWithAccount(desk, session.accountId)

  const nameKey = name === undefined ? null : nameToKey(name)
  const owner = nameKey === null ? null : desk.directory.ownerOfName(nameKey)
  if (owner !== null && owner !== session.accountId) return refuse('name-taken')
  if (call.newPassword !== undefined && facts.hash === null) return { status: 'needs-hash', password: call.newPassword }
  return {
    status: 'needs-grant',
    grant: { kind: 'change-account', requestId, accountId: session.accountId, shownName: name ?? null, nameKey, passwordHash: call.newPassword === undefined ? null : facts.hash, keepSession: session.id },
  }
}

const answerWithAccount = (desk: Desk, id: AccountId): Answer => answer(200, { account: { id, name: desk.directory.nameOf(id) ?? '' } })

// ---- remove-me

/** The removal ends the session that asked for it, so a repeat is recognised by the token of the account that is gone. */
export const removeMe = (desk: Desk, call: CallOf<'remove-me'>, context: CallContext): Answer => {
  const { session, facts } = context
  const requestId = requestIdOf(context)
  if (requestId === null) return refuseKey()
  if (facts.grant !== null) return facts.grant.status === 'refused' ? refuseGrant(facts.grant.code) : answer(204, null)
  if (session === null) return isRepeatedRemoval(desk, requestId, context.token) ? answer(204, null) : refuse(mayBeElsewhere(desk, context.token) ? 'incomplete' : 'unauthorized')
  const proof = provePassword(desk, session.accountId, call.password, facts)
  if (proof.status === 'asked') return proof.answer
  if (proof.status === 'wrong') return refuse('wrong-credentials')
  if (desk.directory.requestOf(session.accountId, requestId) !== null) return refuse('id-reused')
  return { status: 'needs-grant', grant: { kind: 'remove-account', requestId, accountId: session.accountId } }
}

const isRepeatedRemoval = (desk: Desk, requestId: RequestId, token: string | null): boolean => {
  const ended = token === null ? null : desk.directory.sessionOfToken(token)
  return ended !== null && desk.directory.isRemoved(ended.accountId) && desk.directory.requestOf(ended.accountId, requestId) !== null
}

// ---- passwords

export type Proof =
  /** The hash that fits, which is in force. */
  | { readonly status: 'right'; readonly hash: string }
  | { readonly status: 'wrong' }
  | { readonly status: 'asked'; readonly answer: Answer }

/** Checks the password of an account that exists; asks the shell first, and again by way of the caller if the hash has changed since. */
export const provePassword = (desk: Desk, accountId: AccountId, password: string, { verified }: Facts): Proof => {
  const secret = desk.directory.secretOf(accountId)
  if (secret === null || !isPossiblePassword(password)) return { status: 'wrong' }
  if (verified === null) return { status: 'asked', answer: { status: 'needs-verify', password, hashes: [secret.passwordHash] } }
  const hash = verified.hashes[verified.match]
  if (hash === undefined) return { status: 'wrong' }
  return hash === secret.passwordHash ? { status: 'right', hash } : { status: 'asked', answer: refuse('unknown') }
}
