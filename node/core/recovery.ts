// Getting back in without the password: the calls on recovery codes.
// Keeps [COO5] on the asking side, and the rule of signing in that a name nobody has costs the same work as one that somebody has: here the
// slow work is the hash of the new password, and it is done before anything is looked at.

import type { CallOf } from '../../crdt-schema/api.ts'
import { type AccountId, accountToDocument, parseAccountId } from '../../crdt-schema/ids.ts'
import { assert } from '../../crdt-schema/prelude.ts'
import { codeToHash, isCodeGood, isCodeSpent, spendCode } from '../../crdt-schema/recovery.ts'
import { provePassword } from './accounts.ts'
import { type CallContext, answer, millisToHlc, refuse, refuseGrant, refuseKey, requestIdOf } from './answers.ts'
import { askForCodes, codesOf, countCodesOf } from './codes.ts'
import type { Answer, Desk, GrantOutcome } from './desk.ts'
import { CODES_FINGERPRINT, recoveryToFingerprint } from './grants.ts'
import { CLAIMANTS_MAX, isPossiblePassword } from './sessions.ts'

// ---- recover-account

/** A code in place of the password: gives a new password, ends every session, and uses the code up. Signing in comes after it. */
export const recoverAccount = (desk: Desk, call: CallOf<'recover-account'>, context: CallContext): Answer => {
  const { facts } = context
  const requestId = requestIdOf(context)
  if (requestId === null) return refuseKey()
  if (facts.grant !== null) return afterRecovery(desk, call.code, facts.grant)
  if (!isPossiblePassword(call.newPassword)) return refuse('weak-password')
  if (facts.hash === null) return { status: 'needs-hash', password: call.newPassword }

  const meant = desk.directory.meantBy(call.name).slice(0, CLAIMANTS_MAX)
  const missing = meant.map(accountToDocument).filter(name => desk.document(name) === null)
  if (missing.length > 0) return { status: 'needs-documents', documents: missing }
  for (const accountId of meant) {
    const hash = codeToHash(accountId, call.code)
    const past = desk.directory.requestOf(accountId, requestId)
    if (past?.fingerprint === recoveryToFingerprint(hash)) return repeatRecovery(desk, accountId, call.newPassword, context)
    if (!isGood(desk, accountId, hash)) continue
    if (past !== null) return refuse('id-reused')
    return {
      status: 'needs-grant',
      grant: { kind: 'change-account', requestId, accountId, shownName: null, nameKey: null, passwordHash: facts.hash, keepSession: null, spends: hash },
    }
  }
  return refuseCode()
}

const isGood = (desk: Desk, accountId: AccountId, hash: string): boolean => {
  const doc = desk.document(accountToDocument(accountId))
  return doc !== null && isCodeGood(doc, accountId, hash)
}

/** The same words whatever is wrong: nobody learns whether there is such an account, or such a code. */
const refuseCode = (): Answer =>
  refuse('wrong-credentials', { title: 'Wrong name or recovery code', detail: 'No account has this name with this recovery code, or the code was used before. Check both, or try another one of your codes.' })

/** The code was used by this very request: whoever knows the password it gave is told so again. */
const repeatRecovery = (desk: Desk, accountId: AccountId, newPassword: string, { facts }: CallContext): Answer => {
  const proof = provePassword(desk, accountId, newPassword, facts)
  if (proof.status === 'asked') return proof.answer
  return proof.status === 'wrong' ? refuse('id-reused') : answerRecovered(desk, accountId)
}

const afterRecovery = (desk: Desk, code: string, outcome: GrantOutcome): Answer => {
  if (outcome.status === 'refused') return outcome.code === 'wrong-credentials' || outcome.code === 'no-such-account' ? refuseCode() : refuseGrant(outcome.code)
  const accountId = parseAccountId(outcome.value['accountId'])
  assert(accountId !== null, 'a recovery was granted to nobody')
  const name = accountToDocument(accountId)
  const doc = desk.document(name)
  if (doc === null) return { status: 'needs-documents', documents: [name] }
  // A coordinator of an older version gave the password and knew nothing of the code. Like the end of a session this is a fact that
  // only grows, whoever writes it.
  const hash = codeToHash(accountId, code)
  if (!isCodeSpent(doc, accountId, hash)) desk.edit(name, edited => spendCode(edited, accountId, hash, millisToHlc(desk.clusterMs)))
  return answerRecovered(desk, accountId)
}

const answerRecovered = (desk: Desk, accountId: AccountId): Answer =>
  answer(200, { account: { id: accountId, name: desk.directory.nameOf(accountId) ?? '' }, recoveryCodesLeft: countCodesOf(desk, accountId) })

// ---- make-recovery-codes

/** New codes in place of all old ones. A repeat whose first answer nobody got makes others once more. */
export const makeRecoveryCodes = (desk: Desk, call: CallOf<'make-recovery-codes'>, context: CallContext): Answer => {
  const { session, facts } = context
  if (session === null) return refuse('unauthorized')
  const requestId = requestIdOf(context)
  if (requestId === null) return refuseKey()
  if (facts.grant !== null) return afterCodes(context, facts.grant)
  const past = desk.directory.requestOf(session.accountId, requestId)
  if (past !== null && past.fingerprint !== CODES_FINGERPRINT) return refuse('id-reused')
  const proof = provePassword(desk, session.accountId, call.password, facts)
  if (proof.status === 'asked') return proof.answer
  if (proof.status === 'wrong') return refuse('wrong-credentials')
  const codes = askForCodes(desk, session.accountId, facts)
  return {
    status: 'needs-grant',
    grant: { kind: 'change-account', requestId, accountId: session.accountId, shownName: null, nameKey: null, passwordHash: null, keepSession: session.id, codes },
  }
}

const afterCodes = ({ facts }: CallContext, outcome: GrantOutcome): Answer => {
  if (outcome.status === 'refused') return refuseGrant(outcome.code)
  if (outcome.value['codes'] === undefined) return refuse('incomplete', { detail: 'The node that decides this has an older version. The codes of before are still good; make new ones once every node is upgraded.' })
  return answer(201, { recoveryCodes: codesOf(facts) })
}
