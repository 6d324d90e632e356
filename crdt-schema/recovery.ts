// Recovery codes: with one of them, and without the password, an account gets a new password. They are part of the documents
// `accounts/<hh>`, written by nodes only. A set replaces the ones before; a code that was used is used for good [DOC3], on whichever
// side of a split. Only hashes are stored: 80 random bits cannot be guessed, so a plain sha-256 hides them as well as a slow hash would
// (passwords need argon2 because people choose them). The account's id is hashed with the code: equal codes of two people would not show.

import type * as Y from 'yjs'
import { isString, isTuple, readEntries, readEntry, setFlag } from './entries.ts'
import { type AccountId, type Hlc, hashText, parseAccountId, parseHlc } from './ids.ts'
import { type Read, type Result, assert, ok } from './prelude.ts'

const SETS = 'codes'
const SPENT = 'spent'

export const CODES_PER_SET = 8
const CODE_BYTES = 10
/** Random bytes that a set is made of. */
export const CODES_RANDOM_BYTES = CODES_PER_SET * CODE_BYTES
/** What a reader takes: later versions may give more. */
export const CODES_PER_SET_MAX = 32

// ---- codes as people have them

/** Crockford's base 32: no I, L, O and U, so that nothing is taken for something else. */
const LETTERS = '0123456789ABCDEFGHJKMNPQRSTVWXYZ'
const CODE = /^[0-9A-HJKMNP-TV-Z]{16}$/
const BITS_PER_LETTER = 5

/** A set of codes from CODES_RANDOM_BYTES of randomness, each as `XXXX-XXXX-XXXX-XXXX`. */
export const makeCodes = (random: Uint8Array): readonly string[] => {
  assert(random.length === CODES_RANDOM_BYTES, 'a set of codes needs its random bytes')
  return Array.from({ length: CODES_PER_SET }, (_, i) => toCode(random.subarray(i * CODE_BYTES, (i + 1) * CODE_BYTES)))
}

const toCode = (bytes: Uint8Array): string => {
  let letters = ''
  let bits = 0
  let held = 0
  for (const byte of bytes) {
    held = (held << 8) | byte
    bits += 8
    for (; bits >= BITS_PER_LETTER; bits -= BITS_PER_LETTER) letters += LETTERS.charAt((held >> (bits - BITS_PER_LETTER)) & 31)
    held &= (1 << bits) - 1
  }
  return letters.replace(/.{4}(?!$)/g, '$&-')
}

/** The code a person may have meant, without dashes, or null: spaces, lower case, and O, I, L for digits are forgiven. */
export const parseCode = (typed: string): string | null => {
  const code = typed.toUpperCase().replace(/[\s-]/g, '').replaceAll('O', '0').replace(/[IL]/g, '1')
  return CODE.test(code) ? code : null
}

/** What is stored of a code; of one that parseCode cannot read, what no code has. */
export const codeToHash = (accountId: AccountId, typed: string): string => hashText(`recovery ${accountId} ${parseCode(typed) ?? ''}`).slice(0, 32)

// ---- accounts/<hh>

export interface CodeSet {
  readonly accountId: AccountId
  /** Follows from the hashes: the same set written twice is one. */
  readonly id: string
  readonly hashes: readonly string[]
  readonly hlc: Hlc
}

const HASH = /^[0-9a-f]{32}$/
const isHash = (value: unknown): value is string => isString(value) && HASH.test(value)

/** The id of a set. */
export const hashesToSetId = (hashes: readonly string[]): string => hashText(hashes.join(' ')).slice(0, 16)

/** An entry of the root map `codes`. */
export const parseCodeSetEntry = (key: string, value: unknown): CodeSet | null => {
  const [account, id, ...rest] = key.split('/')
  const accountId = parseAccountId(account)
  if (accountId === null || id === undefined || rest.length > 0 || !isTuple(value, 2)) return null
  const [hashes] = value
  const hlc = parseHlc(value[1])
  if (hlc === null || !Array.isArray(hashes) || hashes.length === 0 || hashes.length > CODES_PER_SET_MAX || !hashes.every(isHash)) return null
  return hashesToSetId(hashes) === id ? { accountId, id, hashes, hlc } : null
}

/** Writes a set once. */
export const addCodeSet = (doc: Y.Doc, accountId: AccountId, hashes: readonly string[], hlc: Hlc): Result<'added' | 'present', never> => {
  const key = `${accountId}/${hashesToSetId(hashes)}`
  if (readEntry(doc, SETS, key, parseCodeSetEntry) !== null) return ok('present')
  doc.transact(() => doc.getMap(SETS).set(key, [[...hashes], hlc]))
  return ok('added')
}

/** The set in force: the one with the highest (hlc, id), or null for an account that never had codes. Looks at every key, as readSecrets does. */
export const currentCodeSet = (doc: Y.Doc, accountId: AccountId): CodeSet | null => {
  const map = doc.getMap<unknown>(SETS)
  let current: CodeSet | null = null
  for (const key of map.keys()) {
    if (!key.startsWith(`${accountId}/`)) continue
    const set = parseCodeSetEntry(key, map.get(key))
    if (set !== null && (current === null || set.hlc > current.hlc || (set.hlc === current.hlc && set.id > current.id))) current = set
  }
  return current
}

/** Uses up a code for ever; the first use's moment stays. */
export const spendCode = (doc: Y.Doc, accountId: AccountId, hash: string, hlc: Hlc): Result<'spent' | 'present', never> => {
  if (isCodeSpent(doc, accountId, hash)) return ok('present')
  setFlag(doc, SPENT, `${accountId}/${hash}`, hlc)
  return ok('spent')
}

/** Whether a code was used. A value nobody can parse still counts: junk must not bring it back. */
export const isCodeSpent = (doc: Y.Doc, accountId: AccountId, hash: string): boolean => doc.getMap(SPENT).has(`${accountId}/${hash}`)

/** An entry of the root map `spent`. */
export const parseSpentEntry = (key: string, value: unknown): { readonly accountId: AccountId; readonly hash: string; readonly hlc: Hlc } | null => {
  const [account, hash, ...rest] = key.split('/')
  const accountId = parseAccountId(account)
  const hlc = parseHlc(value)
  return accountId === null || hlc === null || rest.length > 0 || !isHash(hash) ? null : { accountId, hash, hlc }
}

export const readCodeSets = (doc: Y.Doc): Read<CodeSet[]> => readEntries(doc, SETS, parseCodeSetEntry)
export const readSpentCodes = (doc: Y.Doc): Read<{ readonly accountId: AccountId; readonly hash: string; readonly hlc: Hlc }[]> => readEntries(doc, SPENT, parseSpentEntry)

/** Whether a code would be taken: it is of the set in force, and was not used. */
export const isCodeGood = (doc: Y.Doc, accountId: AccountId, hash: string): boolean =>
  currentCodeSet(doc, accountId)?.hashes.includes(hash) === true && !isCodeSpent(doc, accountId, hash)

/** How many codes are left. */
export const countCodes = (doc: Y.Doc, accountId: AccountId): number =>
  (currentCodeSet(doc, accountId)?.hashes ?? []).filter(hash => !isCodeSpent(doc, accountId, hash)).length
