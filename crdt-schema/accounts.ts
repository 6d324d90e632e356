// Names and accounts: the documents `names/<hh>` and `accounts/<hh>`, written by nodes only.
// A claim says that an account asked for a name at a moment; who owns the name is computed from the set of
// claims on reading and never written [COO6]. A removed account stays removed [COO8].
// Refuses to know who may claim: granting is the coordinator's work.

import type * as Y from 'yjs'
import { isString, isTuple, readEntries, readEntry, setFlag } from './entries.ts'
import { type AccountId, type Epoch, type Hlc, type NameKey, type RequestId, nameToKey, parseAccountId, parseEpoch, parseHlc, parseName, parseRequestId } from './ids.ts'
import { isBroken } from './mutation.ts'
import { type Read, type Result, assert, fail, ok } from './prelude.ts'

const CLAIMS = 'claims'
const RELEASED = 'released'
const SECRETS = 'secrets'
const REMOVED = 'removed'
const REQUESTS = 'requests'

// ---- names/<hh>

export interface Claim {
  readonly nameKey: NameKey
  readonly accountId: AccountId
  readonly epoch: Epoch
  readonly shownName: string
  readonly requestId: RequestId
  readonly hlc: Hlc
}

export interface ClaimRow extends Claim {
  readonly released: boolean
}

export const claimToKey = (claim: Pick<Claim, 'nameKey' | 'accountId' | 'epoch'>): string => `${claim.nameKey}/${claim.accountId}/${claim.epoch}`

/** An entry of the root map `claims`. */
export const parseClaimEntry = (key: string, value: unknown): Claim | null => {
  const [nameKey, account, epochText, ...rest] = key.split('/')
  if (nameKey === undefined || rest.length > 0 || !isTuple(value, 4)) return null
  const accountId = parseAccountId(account)
  const shownName = parseName(value[0])
  const requestId = parseRequestId(value[1])
  const hlc = parseHlc(value[2])
  const epoch = parseEpoch(value[3])
  if (accountId === null || shownName === null || requestId === null || hlc === null || epoch === null) return null
  if (String(epoch) !== epochText || nameToKey(shownName) !== nameKey) return null
  return { nameKey: nameToKey(shownName), accountId, epoch, shownName, requestId, hlc }
}

/** An entry of the root map `released`: the key of a claim and the moment up to which it is void. */
export const parseReleasedEntry = (key: string, value: unknown): { readonly claimKey: string; readonly hlc: Hlc } | null => {
  const hlc = parseHlc(value)
  const [, account, , ...rest] = key.split('/')
  return hlc === null || rest.length > 0 || parseAccountId(account) === null ? null : { claimKey: key, hlc }
}

/** A release voids the claims made up to its moment, so an account may come back to a name within one epoch. */
export const isReleasedAt = (claim: Claim, releasedHlc: Hlc | null): boolean => releasedHlc !== null && releasedHlc >= claim.hlc

const releasedHlcOf = (doc: Y.Doc, claimKey: string): Hlc | null => readEntry(doc, RELEASED, claimKey, parseReleasedEntry)?.hlc ?? null

/** The claim under a key as an index sees it, released or not, or null. */
export const readClaim = (doc: Y.Doc, claimKey: string): ClaimRow | null => {
  const claim = readEntry(doc, CLAIMS, claimKey, parseClaimEntry)
  return claim === null ? null : toRow(claim, releasedHlcOf(doc, claimKey))
}

/** Field by field: V8 gives every object made by spreading one that JSON or a pattern made a shape of its own, four times its size. */
const toRow = (claim: Claim, releasedHlc: Hlc | null): ClaimRow => {
  const { nameKey, accountId, epoch, shownName, requestId, hlc } = claim
  return { nameKey, accountId, epoch, shownName, requestId, hlc, released: isReleasedAt(claim, releasedHlc) }
}

/** Writes a claim. A claim as late or later under the same key stays: a repeat writes nothing. */
export const addClaim = (doc: Y.Doc, claim: Claim): Result<'added' | 'present', 'released'> => {
  const key = claimToKey(claim)
  const held = readClaim(doc, key)
  if (held !== null && held.hlc >= claim.hlc) return ok('present')
  if (isReleasedAt(claim, releasedHlcOf(doc, key))) return fail('released')
  doc.transact(() => doc.getMap(CLAIMS).set(key, [claim.shownName, claim.requestId, claim.hlc, claim.epoch]))
  return ok('added')
}

/** Voids a claim from `hlc` on. Leaves alone a claim that another request has renewed since: that one is not meant. */
export const releaseClaim = (doc: Y.Doc, claim: Claim, hlc: Hlc): Result<'released' | 'present', 'renewed'> => {
  assert(hlc >= claim.hlc, 'a claim cannot be released before it was made')
  const key = claimToKey(claim)
  const held = readEntry(doc, CLAIMS, key, parseClaimEntry)
  if (held !== null && held.requestId !== claim.requestId && held.hlc > claim.hlc) return fail('renewed')
  const releasedHlc = releasedHlcOf(doc, key)
  if (releasedHlc !== null && releasedHlc >= hlc) return ok('present')
  doc.transact(() => doc.getMap(RELEASED).set(key, hlc))
  return ok('released')
}

export const readClaims = (doc: Y.Doc): Read<ClaimRow[]> => {
  const claims = readEntries(doc, CLAIMS, parseClaimEntry)
  const releases = readEntries(doc, RELEASED, parseReleasedEntry)
  const releasedHlcs = new Map(releases.value.map(({ claimKey, hlc }) => [claimKey, hlc]))
  const value = claims.value.map(claim => toRow(claim, releasedHlcs.get(claimToKey(claim)) ?? null))
  return { value, skipped: claims.skipped + releases.skipped }
}

/** Orders claims by (hlc, epoch, accountId); the lowest owns a name [COO6]. */
export const compareClaims = (a: Claim, b: Claim): number =>
  a.hlc - b.hlc || a.epoch - b.epoch || (a.accountId < b.accountId ? -1 : a.accountId > b.accountId ? 1 : 0)

/** The claim that owns a name: the lowest of those neither released nor of a removed account [COO6]. */
export const ownerOfName = (claims: Iterable<ClaimRow>, nameKey: NameKey, isRemoved: (id: AccountId) => boolean): Claim | null => {
  let owner: ClaimRow | null = null
  for (const claim of claims) {
    if (claim.nameKey !== nameKey || claim.released || isRemoved(claim.accountId)) continue
    if (owner === null || compareClaims(claim, owner) < 0 !== isBroken('last-writer-wins-names')) owner = claim
  }
  return owner
}

/** An account's name: its unreleased claim with the highest (hlc, epoch), or null if it has none. */
export const nameOfAccount = (claims: Iterable<ClaimRow>, accountId: AccountId): Claim | null => {
  let latest: ClaimRow | null = null
  for (const claim of claims) {
    if (claim.accountId !== accountId || claim.released) continue
    if (latest === null || compareClaims(claim, latest) > 0) latest = claim
  }
  return latest
}

/**
 * The name shown for an account: as typed if it owns the name, else (it lost a name claimed on both sides of a
 * split) with `~` and four letters of its id. `claims` holds at least its own claims and all claims of its name.
 */
export const shownNameOf = (claims: readonly ClaimRow[], accountId: AccountId, isRemoved: (id: AccountId) => boolean): string | null => {
  const claim = nameOfAccount(claims, accountId)
  if (claim === null) return null
  const owner = ownerOfName(claims, claim.nameKey, isRemoved)
  return owner === null || owner.accountId === accountId ? claim.shownName : `${claim.shownName}~${accountId.slice(0, 4)}`
}

// ---- accounts/<hh>

export interface Secret {
  readonly accountId: AccountId
  /** Counts the passwords of the account from 0. */
  readonly n: number
  readonly passwordHash: string
  readonly hlc: Hlc
}

/** An entry of the root map `secrets`. */
export const parseSecretEntry = (key: string, value: unknown): Secret | null => {
  const [account, nText, ...rest] = key.split('/')
  const accountId = parseAccountId(account)
  const n = Number(nText)
  if (accountId === null || rest.length > 0 || !Number.isSafeInteger(n) || n < 0 || String(n) !== nText || !isTuple(value, 2)) return null
  const [passwordHash] = value
  const hlc = parseHlc(value[1])
  return isString(passwordHash) && hlc !== null ? { accountId, n, passwordHash, hlc } : null
}

/** An entry of the root map `removed` of an accounts document. */
export const parseRemovedAccountEntry = (key: string, value: unknown): { readonly accountId: AccountId; readonly hlc: Hlc } | null => {
  const accountId = parseAccountId(key)
  const hlc = parseHlc(value)
  return accountId === null || hlc === null ? null : { accountId, hlc }
}

/** Adds a password hash under the account's next number; the very hash at the same moment again writes nothing. */
export const addSecret = (doc: Y.Doc, accountId: AccountId, passwordHash: string, hlc: Hlc): Result<Secret, never> => {
  const known = readSecrets(doc, accountId).value
  const same = known.find(secret => secret.passwordHash === passwordHash && secret.hlc === hlc)
  if (same !== undefined) return ok(same)
  const map = doc.getMap<unknown>(SECRETS)
  let n = (known.at(-1)?.n ?? -1) + 1
  while (map.has(`${accountId}/${n}`)) n += 1 // junk holds its number; ends with the map
  doc.transact(() => map.set(`${accountId}/${n}`, [passwordHash, hlc]))
  return ok({ accountId, n, passwordHash, hlc })
}

/** The secrets of one account by number. Looks at every key: an update may reach us before the one it follows. */
export const readSecrets = (doc: Y.Doc, accountId: AccountId): Read<Secret[]> => {
  const map = doc.getMap<unknown>(SECRETS)
  const value: Secret[] = []
  let skipped = 0
  for (const key of map.keys()) {
    if (!key.startsWith(`${accountId}/`)) continue
    const secret = parseSecretEntry(key, map.get(key))
    if (secret === null) skipped += 1
    else value.push(secret)
  }
  return { value: value.sort((a, b) => a.n - b.n), skipped }
}

/** The secret in force: the one with the highest (hlc, n), or null. */
export const currentSecret = (doc: Y.Doc, accountId: AccountId): Secret | null => {
  let current: Secret | null = null
  for (const secret of readSecrets(doc, accountId).value) {
    if (current === null || secret.hlc > current.hlc || (secret.hlc === current.hlc && secret.n > current.n)) current = secret
  }
  return current
}

/** Removes an account for ever; the first removal's moment stays [COO8]. */
export const removeAccount = (doc: Y.Doc, accountId: AccountId, hlc: Hlc): Result<'removed' | 'present', never> => {
  if (isAccountRemoved(doc, accountId)) return ok('present')
  if (isBroken('delete-by-key')) {
    for (const { n } of readSecrets(doc, accountId).value) doc.getMap(SECRETS).delete(`${accountId}/${n}`)
    return ok('removed')
  }
  setFlag(doc, REMOVED, accountId, hlc)
  return ok('removed')
}

/** Whether the removal is known. A value nobody can parse still counts: removal must not be undone by junk. */
export const isAccountRemoved = (doc: Y.Doc, accountId: AccountId): boolean => doc.getMap(REMOVED).has(accountId)

export const readRemovedAccounts = (doc: Y.Doc): Read<{ readonly accountId: AccountId; readonly hlc: Hlc }[]> => readEntries(doc, REMOVED, parseRemovedAccountEntry)

/** A request that changed or removed an account, kept so that a repeat is recognised for ever [COO5]. */
export interface AccountRequest {
  readonly accountId: AccountId
  readonly requestId: RequestId
  /** Tells the same request from another one under the same id; never anything made from a password. */
  readonly fingerprint: string
  readonly hlc: Hlc
}

/** An entry of the root map `requests` of an accounts document. */
export const parseAccountRequestEntry = (key: string, value: unknown): AccountRequest | null => {
  const [account, request, ...rest] = key.split('/')
  const accountId = parseAccountId(account)
  const requestId = parseRequestId(request)
  if (accountId === null || requestId === null || rest.length > 0 || !isTuple(value, 2)) return null
  const [fingerprint] = value
  const hlc = parseHlc(value[1])
  return isString(fingerprint) && hlc !== null ? { accountId, requestId, fingerprint, hlc } : null
}

/** Keeps a request once; `reused`: its id was used for another request of this account. */
export const rememberAccountRequest = (doc: Y.Doc, request: AccountRequest): Result<'remembered' | 'present', 'reused'> => {
  const key = `${request.accountId}/${request.requestId}`
  const held = readEntry(doc, REQUESTS, key, parseAccountRequestEntry)
  if (held !== null) return held.fingerprint === request.fingerprint ? ok('present') : fail('reused')
  doc.transact(() => doc.getMap(REQUESTS).set(key, [request.fingerprint, request.hlc]))
  return ok('remembered')
}

export const readAccountRequests = (doc: Y.Doc): Read<AccountRequest[]> => readEntries(doc, REQUESTS, parseAccountRequestEntry)
