// Who claims which name: an index over the documents `names/<hh>`, and the listing of accounts by name.
// Computes owners and names from the set of claims on reading, never stores them [COO6]. Knows removals only by asking.

import type { AccountId, DocumentName, NameKey } from '../../crdt-schema/ids.ts'
import { nameToDocument, nameToKey, parseName } from '../../crdt-schema/ids.ts'
import { type Claim, type ClaimRow, compareClaims, nameOfAccount, ownerOfName } from '../../crdt-schema/accounts.ts'
import { createGroups } from './groups.ts'

export interface ListedAccount {
  readonly id: AccountId
  /** As shown: with `~abcd` for who lost it. */
  readonly name: string
}

/** A page of the listing; `next` continues after it, null at the end. */
export interface AccountPage {
  readonly accounts: readonly ListedAccount[]
  readonly next: string | null
}

export interface PageQuery {
  readonly prefix: string
  /** The `next` of the page before, or null. */
  readonly after: string | null
  readonly limit: number
}

interface ListingRow extends ListedAccount {
  /** The folded shown name, a space (below all letters a name may have), the id: unique and in the order of names. */
  readonly sortKey: string
}

/** How many rows of the listing are put in place one by one; when more have changed it is sorted anew. */
const PATCHES_MAX = 256

const SHOWN_LOSER = /^(.*)~([0-9a-f]{4})$/

export const createNameIndex = (isRemoved: (id: AccountId) => boolean) => {
  const claimsByName = createGroups<NameKey, ClaimRow>(isSameClaim)
  const claimsByAccount = createGroups<AccountId, ClaimRow>(isSameClaim)
  const listing = createListing(id => rowOf(id), () => claimsByAccount.keys())

  const claimsOf = (id: AccountId): readonly ClaimRow[] => claimsByAccount.of(id)
  const claimsFor = (key: NameKey): readonly ClaimRow[] => claimsByName.of(key)

  /** The account that has a name, or null if it is free. */
  const ownerOf = (key: NameKey): AccountId | null => ownerOfName(claimsFor(key), key, isRemoved)?.accountId ?? null

  /** The claim that gives an account its name. */
  const currentClaimOf = (id: AccountId): Claim | null => (isRemoved(id) ? null : nameOfAccount(claimsOf(id), id))

  /** Whether another account has the name this one claims: both claimed it in a split. */
  const hasLost = (id: AccountId): boolean => {
    const claim = currentClaimOf(id)
    return claim !== null && ownerOf(claim.nameKey) !== id
  }

  const nameOf = (id: AccountId): string | null => {
    const claim = currentClaimOf(id)
    if (claim === null) return null
    return hasLost(id) ? `${claim.shownName}~${id.slice(0, 4)}` : claim.shownName
  }

  const rowOf = (id: AccountId): ListingRow | null => {
    const name = nameOf(id)
    return name === null ? null : { id, name, sortKey: `${nameToKey(name)} ${id}` }
  }

  /** Accounts with a live claim of a name, its owner first. */
  const claimantsOf = (key: NameKey): readonly AccountId[] => {
    const live = claimsFor(key).filter(claim => !claim.released && !isRemoved(claim.accountId)).sort(compareClaims)
    return [...new Set(live.map(claim => claim.accountId))]
  }

  /** Accounts that a person may mean by what was typed: `name` means all who claim it, `name~abcd` one who lost it. */
  const meantBy = (typed: string): readonly AccountId[] => {
    const [, base, letters] = SHOWN_LOSER.exec(typed.normalize('NFKC').trim()) ?? []
    const name = parseName(base ?? typed)
    if (name === null) return []
    const claimants = claimantsOf(nameToKey(name))
    return letters === undefined ? claimants : claimants.slice(1).filter(id => id.startsWith(letters))
  }

  /** The one account shown under a name, or null. */
  const accountShownAs = (typed: string): AccountId | null => meantBy(typed)[0] ?? null

  /** Whether an account has, or once had, the name shown; also with the `~abcd` of its own id [DEL3]. */
  const hadName = (id: AccountId, shown: string): boolean => {
    const ending = `~${id.slice(0, 4)}`
    const name = parseName(shown.endsWith(ending) ? shown.slice(0, -ending.length) : shown)
    if (name === null) return false
    const key = nameToKey(name)
    for (const claim of claimsOf(id)) if (claim.nameKey === key) return true
    return false
  }

  /** Everybody whose shown name may follow from the claims of one account. */
  const markStale = (id: AccountId): void => {
    listing.markStale(id)
    for (const { nameKey } of claimsOf(id)) for (const claim of claimsFor(nameKey)) listing.markStale(claim.accountId)
  }

  const setClaim = (claim: ClaimRow): void => {
    claimsByName.set(claim.nameKey, claim)
    claimsByAccount.set(claim.accountId, claim)
    if (listing.isBuilt()) markStale(claim.accountId)
  }

  /** Forgets the claims of one document; the next listing is sorted anew. */
  const forget = (name: DocumentName): void => {
    for (const nameKey of claimsByName.keys()) {
      if (nameToDocument(nameKey) !== name) continue
      for (const claim of claimsByName.of(nameKey)) claimsByAccount.delete(claim.accountId, claim)
      claimsByName.deleteAll(nameKey)
    }
    listing.reset()
  }

  return { claimsOf, ownerOf, currentClaimOf, hasLost, nameOf, claimantsOf, meantBy, accountShownAs, hadName, markStale, setClaim, forget, list: listing.list, accounts: () => claimsByAccount.keys() }
}

export type NameIndex = ReturnType<typeof createNameIndex>

/** One claim, however often it is read: what its key in the document is made of. */
const isSameClaim = (a: Claim, b: Claim): boolean => a.epoch === b.epoch && a.accountId === b.accountId && a.nameKey === b.nameKey

// ---- the listing: sorted when first asked for, then patched

const createListing = (rowOf: (id: AccountId) => ListingRow | null, accounts: () => Iterable<AccountId>) => {
  /** Null until asked for, and again when too much has changed. */
  let rows: ListingRow[] | null = null
  const rowsById = new Map<AccountId, ListingRow>()
  const stale = new Set<AccountId>()

  const reset = (): void => {
    rows = null
    stale.clear()
  }

  const markStale = (id: AccountId): void => {
    if (rows === null) return
    stale.add(id)
    if (stale.size > PATCHES_MAX) reset()
  }

  const build = (): ListingRow[] => {
    rowsById.clear()
    const built: ListingRow[] = []
    for (const id of accounts()) {
      const row = rowOf(id)
      if (row === null) continue
      rowsById.set(id, row)
      built.push(row)
    }
    return built.sort((a, b) => (a.sortKey < b.sortKey ? -1 : 1))
  }

  const patch = (sorted: ListingRow[]): void => {
    for (const id of stale) {
      const old = rowsById.get(id)
      if (old !== undefined) sorted.splice(indexFrom(sorted, old.sortKey), 1)
      rowsById.delete(id)
      const row = rowOf(id)
      if (row === null) continue
      sorted.splice(indexFrom(sorted, row.sortKey), 0, row)
      rowsById.set(id, row)
    }
    stale.clear()
  }

  const list = ({ prefix, after, limit }: PageQuery): AccountPage => {
    const sorted = rows ?? build()
    rows = sorted
    patch(sorted)
    const folded = nameToKey(prefix)
    const start = after === null || after < folded ? indexFrom(sorted, folded) : indexFrom(sorted, `${after} `)
    const page: ListingRow[] = []
    for (let i = start; i < sorted.length && page.length < limit; i++) {
      const row = sorted[i]
      if (row === undefined || !row.sortKey.startsWith(folded)) break
      page.push(row)
    }
    const following = sorted[start + page.length]
    const next = page.length === limit && following?.sortKey.startsWith(folded) === true ? (page.at(-1)?.sortKey ?? null) : null
    return { accounts: page.map(({ id, name }) => ({ id, name })), next }
  }

  return { list, markStale, reset, isBuilt: () => rows !== null }
}

/** Index of the first row not below `sortKey`. */
const indexFrom = (rows: readonly ListingRow[], sortKey: string): number => {
  let low = 0
  let high = rows.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((rows[middle]?.sortKey ?? '') < sortKey) low = middle + 1
    else high = middle
  }
  return low
}
