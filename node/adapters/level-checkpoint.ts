// What a checkpoint, a compaction and a quarantine write, as lists of operations for one batch each [STO3, STO4, STO6].
// Pure: given what is in the log and on disk, it says what should be. level-store.ts reads and writes.

import { crc32 } from 'node:zlib'
import type { DocumentName } from '../../crdt-schema/ids.ts'
import { joinUpdates } from '../../crdt-schema/insertions.ts'
import type { CommitNumber, CommitRecord, DocumentHead, StoredDigest } from '../core/events.ts'
import { META_KEY, OUTDATED_STATE_VECTOR, type Operation, type RowsHead, asideKey, encodeHead, encodeMeta, feedKey, headKey, logKey, rowKey, rowKeysOf, sealOf, stateVectorKey } from './level-records.ts'

/** One batch, and what it changes in the log's state. */
export interface Plan {
  readonly operations: readonly Operation[]
  readonly addedDocuments: number
  /** To be added to the sum of seals, modulo 2^32. */
  readonly addedSum: number
}

/** What a run of commits did to one document. */
export interface Delta {
  /** Whatever it held before is void. */
  isRemoved: boolean
  updates: Uint8Array[]
  /** The latest commit that updated it; 0 if none did. */
  seq: CommitNumber
  /** As the newest commit that named it has it; undefined: none did. */
  digest: StoredDigest | null | undefined
}

/** What these commits, in order, did to each document they name. In one commit a removal wins over updates [DOC8]. */
export const gatherDeltas = (records: Iterable<CommitRecord>): Map<DocumentName, Delta> => {
  const deltas = new Map<DocumentName, Delta>()
  const deltaOf = (document: DocumentName): Delta => {
    const known = deltas.get(document)
    if (known !== undefined) return known
    const fresh: Delta = { isRemoved: false, updates: [], seq: 0, digest: undefined }
    deltas.set(document, fresh)
    return fresh
  }
  for (const record of records) {
    for (const { document, update } of record.updates) {
      const delta = deltaOf(document)
      delta.updates.push(update)
      delta.seq = record.seq
      delta.digest = null
    }
    for (const { document, digest } of record.digests) deltaOf(document).digest = digest
    for (const document of record.removed) deltas.set(document, { isRemoved: true, updates: [], seq: 0, digest: undefined })
  }
  return deltas
}

/** A head as the core wants it, after `delta`; null if nothing is left or ever was. */
export const headAfter = (document: DocumentName, head: Pick<DocumentHead, 'seq' | 'digest' | 'bytes'> | null, delta: Delta): DocumentHead | null => {
  const base = delta.isRemoved ? null : head
  if (delta.updates.length === 0) {
    if (base === null) return null
    return { document, seq: base.seq, digest: delta.digest === undefined ? base.digest : delta.digest, bytes: base.bytes }
  }
  const bytes = delta.updates.reduce((sum, update) => sum + update.byteLength, base?.bytes ?? 0)
  return { document, seq: delta.seq, digest: delta.digest ?? null, bytes }
}

/** Folds one document's delta: its rows, head, feed row, and the entry under which y-leveldb lists it. */
export const planDocument = (document: DocumentName, head: RowsHead | null, delta: Delta): Plan => {
  const removal = delta.isRemoved && head !== null ? planRemoval(document, head) : NOTHING
  const base = delta.isRemoved ? null : head
  const after = headAfter(document, base, delta)
  if (after === null) return removal
  // A document written again after its removal goes on counting, so that deleting old rows and writing new ones may share a batch.
  const firstRow = base?.firstRow ?? head?.nextRow ?? 0
  const nextRow = base?.nextRow ?? firstRow
  let bytes = base?.bytes ?? 0
  let checksum = base?.checksum ?? 0
  const keyOf = rowKeysOf(document)
  // Most updates only add keys: those of one fold share a row, for what a row costs is its key and its operation.
  const rows = joinUpdates(delta.updates).map((update, index): Operation => {
    bytes += update.byteLength
    checksum = crc32(update, checksum)
    return { type: 'put', key: keyOf(nextRow + index), value: update }
  })
  const next: RowsHead = { seq: after.seq, digest: after.digest, firstRow, nextRow: nextRow + rows.length, bytes, checksum }
  return joinPlans([removal, { ...NOTHING, operations: rows }, planHead(document, base, next)])
}

/** Rewrites all rows of a document as one. */
export const planCompaction = (document: DocumentName, head: RowsHead, state: Uint8Array): Plan => {
  const next: RowsHead = { ...head, firstRow: head.nextRow, nextRow: head.nextRow + 1, bytes: state.byteLength, checksum: crc32(state) }
  const rows: Operation[] = [...planRowDeletions(document, head), { type: 'put', key: rowKey(document, head.nextRow), value: state }]
  return joinPlans([{ ...NOTHING, operations: rows }, planHead(document, head, next)])
}

/** What a checkpoint of these records writes besides the documents: that the records are gone, and the newest meta in place of `before`. */
export const planRecords = (records: readonly CommitRecord[], before: string | null): Plan => {
  const operations: Operation[] = records.map(({ seq }) => ({ type: 'del', key: logKey(seq) }))
  const meta = newestMeta(records)
  if (meta === null) return { ...NOTHING, operations }
  const value = encodeMeta(meta)
  operations.push({ type: 'put', key: META_KEY, value })
  return { ...NOTHING, operations, addedSum: sealOf(value) - (before === null ? 0 : sealOf(encodeMeta(before))) }
}

export const newestMeta = (records: readonly CommitRecord[]): string | null => records.findLast(({ meta }) => meta !== null)?.meta ?? null

/** Takes a document's head and whatever was found with it out of the listing and moves it aside. */
export const planQuarantine = (found: CommitNumber, document: DocumentName, head: RowsHead | null, remains: Iterable<readonly [Uint8Array, Uint8Array]>): Plan => ({
  operations: planAside(found, remains),
  addedDocuments: -1,
  addedSum: head === null ? 0 : -sealOf(encodeHead(headKey(document), head)),
})

export const joinPlans = (plans: readonly Plan[]): Plan => ({
  operations: plans.flatMap(({ operations }) => operations),
  addedDocuments: plans.reduce((sum, plan) => sum + plan.addedDocuments, 0),
  addedSum: plans.reduce((sum, plan) => sum + plan.addedSum, 0),
})

/** Moves entries to where nothing reads them but a person. */
export const planAside = (found: CommitNumber, entries: Iterable<readonly [Uint8Array, Uint8Array]>): Operation[] => {
  const operations: Operation[] = []
  for (const [key, value] of entries) operations.push({ type: 'put', key: asideKey(found, key), value }, { type: 'del', key })
  return operations
}

const NOTHING: Plan = { operations: [], addedDocuments: 0, addedSum: 0 }

const planHead = (document: DocumentName, before: RowsHead | null, after: RowsHead): Plan => {
  const key = headKey(document)
  const value = encodeHead(key, after)
  const operations: Operation[] = [{ type: 'put', key, value }]
  if (before === null) operations.push({ type: 'put', key: stateVectorKey(document), value: OUTDATED_STATE_VECTOR })
  if (before?.seq !== after.seq) {
    if (before !== null) operations.push({ type: 'del', key: feedKey(before.seq, document) })
    operations.push({ type: 'put', key: feedKey(after.seq, document), value: new Uint8Array() })
  }
  return { operations, addedDocuments: before === null ? 1 : 0, addedSum: sealOf(value) - (before === null ? 0 : sealOf(encodeHead(key, before))) }
}

const planRemoval = (document: DocumentName, head: RowsHead): Plan => {
  const key = headKey(document)
  const operations: Operation[] = [
    ...planRowDeletions(document, head),
    { type: 'del', key },
    { type: 'del', key: feedKey(head.seq, document) },
    { type: 'del', key: stateVectorKey(document) },
  ]
  return { operations, addedDocuments: -1, addedSum: -sealOf(encodeHead(key, head)) }
}

const planRowDeletions = (document: DocumentName, head: RowsHead): Operation[] => {
  const keyOf = rowKeysOf(document)
  return Array.from({ length: head.nextRow - head.firstRow }, (_, index) => ({ type: 'del', key: keyOf(head.firstRow + index) }))
}
