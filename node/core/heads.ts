// What is known of every document without loading it: its place in the feed, its digest, its size; and the sums over them.
// Keeps the feed of [REP1], the table of [REP2] and the digests of [STO3] current. Holds no document.

import { type DocumentName, parseDocumentName } from '../../crdt-schema/ids.ts'
import { BUCKET_COUNT, type Digest, ZERO, addDigest, bucketOf, digestToHex, isEqualDigest, subtractDigest, tableTerm } from './digest.ts'
import type { CommitNumber, DocumentHead } from './events.ts'
import { createGroups } from './groups.ts'
import type { Documents, Head, NodeState } from './state.ts'

export const createDocuments = (): Documents => ({
  heads: new Map(), touches: [], loaded: new Map(), resting: new Map(), loading: new Map(), unapplied: new Set(), quarantined: new Set(),
  byAccount: createGroups((a, b) => a === b), buckets: new Uint32Array(BUCKET_COUNT * 2), root: ZERO, bytes: 0, messages: 0, unloadedMs: 0, roomInTick: 0
})

const addToSums = (documents: Documents, name: DocumentName, digest: Digest, sign: 'plus' | 'minus'): void => {
  if (isEqualDigest(digest, ZERO)) return
  const term = tableTerm(name, digest)
  const combine = sign === 'plus' ? addDigest : subtractDigest
  documents.root = combine(documents.root, term)
  const at = bucketOf(name) * 2
  const sum = combine({ high: documents.buckets[at] as number, low: documents.buckets[at + 1] as number }, term)
  documents.buckets[at] = sum.high
  documents.buckets[at + 1] = sum.low
}

const accountOf = (name: DocumentName): string | null => {
  const ref = parseDocumentName(name)
  return ref !== null && (ref.kind === 'inbox' || ref.kind === 'marks' || ref.kind === 'drafts') ? ref.account : null
}

const addHead = (documents: Documents, name: DocumentName, head: Head): void => {
  documents.heads.set(name, head)
  documents.bytes += head.bytes
  documents.messages += head.messages
  const account = accountOf(name)
  if (account !== null) documents.byAccount.set(account, name)
}

/** Takes in the heads that the store kept, in feed order. */
export const restoreHeads = (documents: Documents, heads: readonly DocumentHead[]): void => {
  for (const { document, seq, digest, bytes } of [...heads].sort((a, b) => a.seq - b.seq)) {
    addHead(documents, document, { seq, digest, bytes, messages: digest?.messages ?? 0 })
    documents.touches.push({ seq, name: document })
    if (digest === null) documents.unapplied.add(document)
    else addToSums(documents, document, digest, 'plus')
  }
}

/** A commit will hold another update of this document: it moves to the end of the feed, and its digest waits for the update to be applied. */
export const noteTouch = (node: NodeState, name: DocumentName, seq: CommitNumber, bytes: number): void => {
  const { documents } = node
  const head = documents.heads.get(name)
  if (head === undefined) addHead(documents, name, { seq, digest: documents.loaded.has(name) ? ZERO : null, bytes, messages: 0 })
  else {
    head.bytes += bytes
    documents.bytes += bytes
    if (head.seq === seq && documents.loaded.has(name)) return
    head.seq = seq
  }
  documents.touches.push({ seq, name })
  if (documents.touches.length > 1_000 && documents.touches.length > documents.heads.size * 2) {
    documents.touches = documents.touches.filter((touch) => documents.heads.get(touch.name)?.seq === touch.seq)
  }
  const loaded = documents.loaded.get(name)
  if (loaded === undefined) markUnapplied(node, name)
  else {
    setDigest(node, name, loaded.digest)
    setMessages(node, name, loaded.messages)
  }
}

const markUnapplied = (node: NodeState, name: DocumentName): void => {
  const head = node.documents.heads.get(name)
  if (head === undefined || node.documents.unapplied.has(name)) return
  if (head.digest !== null) addToSums(node.documents, name, head.digest, 'minus')
  head.digest = null
  node.documents.unapplied.add(name)
}

/** The document's digest as its loaded form has it. A document without a head stays unknown until something is logged. */
export const setDigest = (node: NodeState, name: DocumentName, digest: Digest): void => {
  const { documents } = node
  const head = documents.heads.get(name)
  if (head === undefined) return
  documents.unapplied.delete(name)
  if (head.digest !== null) {
    if (isEqualDigest(head.digest, digest)) return
    addToSums(documents, name, head.digest, 'minus')
  }
  head.digest = digest
  addToSums(documents, name, digest, 'plus')
}

/** How many messages the document counts now. */
export const setMessages = (node: NodeState, name: DocumentName, messages: number): void => {
  const head = node.documents.heads.get(name)
  if (head === undefined) return
  node.documents.messages += messages - head.messages
  head.messages = messages
}

/** The document counts as never seen [DOC8]. */
export const forgetDigest = (node: NodeState, name: DocumentName): void => {
  const { documents } = node
  const head = documents.heads.get(name)
  if (head === undefined) return
  if (head.digest !== null) addToSums(documents, name, head.digest, 'minus')
  documents.heads.delete(name)
  documents.bytes -= head.bytes
  documents.messages -= head.messages
  documents.unapplied.delete(name)
  documents.quarantined.delete(name)
  const account = accountOf(name)
  if (account !== null) documents.byAccount.delete(account, name)
}

export interface FeedRow {
  readonly document: DocumentName
  readonly seq: CommitNumber
  /** Hex; null while unapplied. */
  readonly digest: string | null
}

const toRow = (name: DocumentName, head: Head): FeedRow => ({ document: name, seq: head.seq, digest: head.digest === null ? null : digestToHex(head.digest) })

/**
 * Rows of the feed after `after`, oldest first: each document once, under its latest commit. About `limit` of them: a page never ends
 * inside a commit, or the next one, which begins after its last row's commit, would miss the rest.
 */
export const readFeed = (documents: Documents, after: CommitNumber, limit: number): readonly FeedRow[] => {
  const { touches } = documents
  let low = 0
  let high = touches.length
  while (low < high) {
    const middle = (low + high) >> 1
    if ((touches[middle] as { seq: number }).seq <= after) low = middle + 1
    else high = middle
  }
  const rows: FeedRow[] = []
  for (let i = low; i < touches.length; i++) {
    const touch = touches[i] as { seq: number; name: DocumentName }
    if (rows.length >= limit && touch.seq !== rows[rows.length - 1]?.seq) break
    const head = documents.heads.get(touch.name)
    if (head !== undefined && head.seq === touch.seq && rows[rows.length - 1]?.document !== touch.name) rows.push(toRow(touch.name, head))
  }
  return rows
}

/** All rows of these buckets, in no particular order but the same for the same history. */
export const readBuckets = (documents: Documents, buckets: ReadonlySet<number>): readonly FeedRow[] => {
  const rows: FeedRow[] = []
  for (const [name, head] of documents.heads) if (buckets.has(bucketOf(name))) rows.push(toRow(name, head))
  return rows
}

/** The bucket table as bytes, 32 KiB, big-endian pairs. */
export const encodeTable = (documents: Documents): Uint8Array => {
  const bytes = new Uint8Array(documents.buckets.length * 4)
  const view = new DataView(bytes.buffer)
  documents.buckets.forEach((lane, i) => { view.setUint32(i * 4, lane) })
  return bytes
}

/** Numbers of the buckets in which `table` differs from these documents; all of them for a table of another size. */
export const differingBuckets = (documents: Documents, table: Uint8Array): readonly number[] => {
  if (table.byteLength !== documents.buckets.length * 4) return Array.from({ length: BUCKET_COUNT }, (_, bucket) => bucket)
  const view = new DataView(table.buffer, table.byteOffset, table.byteLength)
  const differing: number[] = []
  for (let bucket = 0; bucket < BUCKET_COUNT; bucket++) {
    const at = bucket * 2
    if (view.getUint32(at * 4) !== documents.buckets[at] || view.getUint32(at * 4 + 4) !== documents.buckets[at + 1]) differing.push(bucket)
  }
  return differing
}
