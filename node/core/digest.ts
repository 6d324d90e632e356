// Digests: 64 bits that say whether two replicas hold the same content, kept current per transaction [STO3].
// A digest is a sum over every inserted and every deleted (client, clock) of a document, so it does not depend on the order in which
// they came, and it telescopes: the clocks start … end − 1 of one client add F(client, end) − F(client, start), however many they are.
// Equal digests mean equal `Y.encodeSnapshot(Y.snapshot(doc))`, which is the slow oracle of the tests. Pending structs do not count.
// Not a defence: whoever may write to a document could look for collisions, and would only deceive his own replica.

import * as Y from 'yjs'
import type { DocumentName } from '../../crdt-schema/ids.ts'

/** A 64-bit sum in two lanes, both uint32; the lanes do not carry into each other. */
export interface Digest {
  readonly high: number
  readonly low: number
}

/** The digest of an empty document. */
export const ZERO: Digest = { high: 0, low: 0 }
/** The number of buckets of a digest table [REP2]. */
export const BUCKET_COUNT = 4096

export const addDigest = (a: Digest, b: Digest): Digest => ({ high: (a.high + b.high) >>> 0, low: (a.low + b.low) >>> 0 })
export const subtractDigest = (a: Digest, b: Digest): Digest => ({ high: (a.high - b.high) >>> 0, low: (a.low - b.low) >>> 0 })
export const isEqualDigest = (a: Digest, b: Digest): boolean => a.high === b.high && a.low === b.low
/** 16 hex digits. */
export const digestToHex = (digest: Digest): string => digest.high.toString(16).padStart(8, '0') + digest.low.toString(16).padStart(8, '0')

/** The digest of everything a document holds, counted anew: O(structs). */
export const digestOfDocument = (doc: Y.Doc): Digest => {
  let sum = ZERO
  for (const [client, structs] of doc.store.clients) {
    const last = structs[structs.length - 1]
    if (last === undefined) continue
    sum = addRange(sum, INSERTED, client, 0, last.id.clock + last.length)
    for (const struct of structs) {
      if (struct.deleted) sum = addRange(sum, DELETED, client, struct.id.clock, struct.id.clock + struct.length)
    }
  }
  return sum
}

/**
 * What one transaction adds to the digest of its document. Call it from the document's `afterTransaction` event: before that the
 * delete set is neither sorted nor merged. The sum over all transactions of a document is its digestOfDocument.
 */
export const digestOfTransaction = (transaction: Y.Transaction): Digest => {
  let sum = ZERO
  for (const [client, end] of transaction.afterState) {
    const start = transaction.beforeState.get(client) ?? 0
    if (start === end) continue
    sum = addRange(sum, INSERTED, client, start, end)
    sum = addDigest(sum, digestOfCollected(transaction, client, start, end))
  }
  for (const [client, ranges] of transaction.deleteSet.clients) {
    for (const { clock, len } of ranges) sum = addRange(sum, DELETED, client, clock, clock + len)
  }
  return sum
}

/**
 * Deletions that no delete set names: GC structs that arrived as such, as they do in a replica built from another's state, and items
 * whose parent was collected before they came. Those also in the delete set were collected since, and are counted there.
 */
const digestOfCollected = (transaction: Y.Transaction, client: number, start: number, end: number): Digest => {
  const structs = transaction.doc.store.clients.get(client)
  if (structs === undefined) return ZERO
  const named = transaction.deleteSet.clients.get(client) ?? []
  let sum = ZERO
  for (let index = Y.findIndexSS(structs, start); index < structs.length; index++) {
    const struct = structs[index]
    if (struct === undefined || struct.id.clock >= end) break
    if (!(struct instanceof Y.GC)) continue
    // A struct may reach over both ends: neighbours that were collected are merged, even those of transactions still under way.
    let from = Math.max(struct.id.clock, start)
    const to = Math.min(struct.id.clock + struct.length, end)
    for (const { clock, len } of named) {
      if (clock + len <= from) continue
      if (clock >= to) break
      if (clock > from) sum = addRange(sum, DELETED, client, from, clock)
      from = clock + len
    }
    if (from < to) sum = addRange(sum, DELETED, client, from, to)
  }
  return sum
}

/** The bucket of a document in the digest table: 0 … 4095 [REP2]. */
export const bucketOf = (document: DocumentName): number => hashName(document, SEED_BUCKET) % BUCKET_COUNT

/**
 * What a document adds to its bucket and to the root: its digest mixed with its name, so that two documents which trade contents
 * do not cancel out. ZERO adds ZERO: a node that never heard of a document agrees with one that holds it empty.
 */
export const tableTerm = (document: DocumentName, digest: Digest): Digest => {
  if (isEqualDigest(digest, ZERO)) return ZERO
  const name = hashName(document, SEED_NAME)
  return { high: hashTwo(TERM.high ^ name, digest.high, digest.low), low: hashTwo(TERM.low ^ name, digest.low, digest.high) }
}

// ---- hashing

/** Seeds, one pair per use, so that an insert and a delete of the same range differ. The first 32 bits of sqrt(2), sqrt(3), sqrt(5) … */
const INSERTED: Digest = { high: 0x6a09e667, low: 0xbb67ae85 }
const DELETED: Digest = { high: 0x3c6ef372, low: 0xa54ff53a }
const TERM: Digest = { high: 0x510e527f, low: 0x9b05688c }
const SEED_NAME = 0x1f83d9ab
const SEED_BUCKET = 0x5be0cd19

const addRange = (sum: Digest, salt: Digest, client: number, start: number, end: number): Digest => ({
  high: (sum.high + hashPoint(salt.high, client, end) - hashPoint(salt.high, client, start)) >>> 0,
  low: (sum.low + hashPoint(salt.low, client, end) - hashPoint(salt.low, client, start)) >>> 0,
})

/** Both may be any safe integer, so each gives two words. */
const hashPoint = (seed: number, client: number, clock: number): number =>
  finish(mixWord(mixWord(mixWord(mixWord(seed, client >>> 0), Math.floor(client / 2 ** 32)), clock >>> 0), Math.floor(clock / 2 ** 32)), 16)

const hashName = (name: string, seed: number): number => {
  let hash = seed
  for (let index = 0; index < name.length; index++) hash = mixWord(hash, name.charCodeAt(index))
  return finish(hash, name.length)
}

const hashTwo = (seed: number, first: number, second: number): number => finish(mixWord(mixWord(seed, first), second), 8)

/** MurmurHash3_x86_32, body and finalizer (Austin Appleby, public domain). */
const mixWord = (hash: number, word: number): number => {
  let k = Math.imul(word, 0xcc9e2d51)
  k = Math.imul((k << 15) | (k >>> 17), 0x1b873593)
  const mixed = hash ^ k
  return (Math.imul((mixed << 13) | (mixed >>> 19), 5) + 0xe6546b64) | 0
}

const finish = (hash: number, length: number): number => {
  let h = hash ^ length
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b)
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35)
  return (h ^ (h >>> 16)) >>> 0
}
