// Recovery codes as calls make and count them. They are random from the start of a call, so that each of its runs has the same ones; their
// plain text is in the answer and nowhere else [COR1]. What is stored of them is in crdt-schema/recovery.ts.

import { type AccountId, accountToDocument } from '../../crdt-schema/ids.ts'
import { CODES_RANDOM_BYTES, codeToHash, countCodes, currentCodeSet, makeCodes } from '../../crdt-schema/recovery.ts'
import type { Desk, Facts, NewCodes } from './desk.ts'

/** What every call has for its session and its request. */
const RANDOM_BYTES = 64

/** How many random bytes a call needs [COR1]. */
export const randomBytesOf = (type: string): number => (type === 'create-account' || type === 'make-recovery-codes' ? RANDOM_BYTES + CODES_RANDOM_BYTES : RANDOM_BYTES)

/** The codes of a call that makes some: for its answer alone. */
export const codesOf = ({ random }: Facts): readonly string[] => makeCodes(random.subarray(RANDOM_BYTES))

/** The same codes as a grant asks for them. */
export const askForCodes = (desk: Desk, accountId: AccountId, facts: Facts): NewCodes => {
  const doc = desk.document(accountToDocument(accountId))
  return { hashes: codesOf(facts).map(code => codeToHash(accountId, code)), over: (doc === null ? null : currentCodeSet(doc, accountId)?.id) ?? null }
}

/** How many codes an account has left; 0 for one made before there were any. */
export const countCodesOf = (desk: Desk, accountId: AccountId): number => {
  const doc = desk.document(accountToDocument(accountId))
  return doc === null ? 0 : countCodes(doc, accountId)
}
