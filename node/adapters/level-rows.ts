// Reads documents' rows and heads from LevelDB and checks them against each other on every read [STO6]. Writes nothing.

import { crc32 } from 'node:zlib'
import type { ClassicLevel, Snapshot } from 'classic-level'
import type { DocumentName } from '../../crdt-schema/ids.ts'
import { isBroken } from '../../crdt-schema/mutation.ts'
import type { CommitNumber } from '../core/events.ts'
import { type KeyRange, type RowsHead, decodeHead, feedKey, headKey, rowKey, rowRange, stateVectorKey } from './level-records.ts'

export type Database = ClassicLevel<Uint8Array, Uint8Array>
export type Entry = readonly [key: Uint8Array, value: Uint8Array]

export type Rows =
  | { readonly status: 'sound'; readonly head: RowsHead | null; readonly updates: readonly Uint8Array[] }
  | { readonly status: 'damaged'; readonly reason: string }

export const BROKEN_HEAD = 'its head does not match its checksum'
const PAGE = 1000
/** LevelDB's binding ends a page after 16 KiB if it is not told otherwise: a start, which reads all heads, waited for a thread a hundred times too often. */
const PAGE_BYTES = 256 * 1024

/** Calls `visit` for each entry of the range, in order of keys, a page at a time. */
export const visitRange = async (db: Database, range: KeyRange, visit: (key: Uint8Array, value: Uint8Array) => void, snapshot?: Snapshot): Promise<void> => {
  const iterator = db.iterator({ ...range, fillCache: false, highWaterMarkBytes: PAGE_BYTES, ...(snapshot === undefined ? {} : { snapshot }) })
  try {
    for (;;) {
      const page = await iterator.nextv(PAGE)
      if (page.length === 0) return
      for (const [key, value] of page) visit(key, value)
    }
  } finally {
    await iterator.close()
  }
}

/** The heads of these documents; one without rows is in neither, one whose head is damaged or cannot be read is in `broken`. */
export const readHeads = async (db: Database, documents: readonly DocumentName[]): Promise<{ readonly heads: ReadonlyMap<DocumentName, RowsHead>; readonly broken: readonly DocumentName[] }> => {
  const heads = new Map<DocumentName, RowsHead>()
  const broken: DocumentName[] = []
  const keys = documents.map(headKey)
  const values = await readValues(db, keys)
  for (const [index, document] of documents.entries()) {
    const value = values[index]
    const key = keys[index]
    if (value === undefined || key === undefined) continue
    const head = value === UNREADABLE ? null : decodeHead(key, value)
    if (head === null) broken.push(document)
    else heads.set(document, head)
  }
  return { heads, broken }
}

const UNREADABLE = 'unreadable'

/** The values of these keys. If LevelDB cannot read one of them it tells nothing of the others, so they are then read one by one. */
const readValues = async (db: Database, keys: readonly Uint8Array[]): Promise<(Uint8Array | undefined | typeof UNREADABLE)[]> => {
  try {
    return await db.getMany([...keys])
  } catch (error) {
    if (!isCorruption(error)) throw error
    if (keys.length === 1) return [UNREADABLE]
    const values: (Uint8Array | undefined | typeof UNREADABLE)[] = []
    for (const key of keys) values.push(...(await readValues(db, [key])))
    return values
  }
}

/**
 * A document's rows as they are when this is called, whatever is written meanwhile. Rows that are older than commit `removedBy`
 * count as none.
 */
export const readRows = async (db: Database, document: DocumentName, removedBy: CommitNumber): Promise<Rows> => {
  const snapshot = db.snapshot()
  try {
    return await checkRows(db, document, removedBy, snapshot)
  } catch (error) {
    if (isCorruption(error)) return { status: 'damaged', reason: 'its rows cannot be read' }
    throw error
  } finally {
    await snapshot.close()
  }
}

/** So few are read by their keys, in one call where an iterator takes three. */
const ROWS_AT_ONCE = 16

const checkRows = async (db: Database, document: DocumentName, removedBy: CommitNumber, snapshot: Snapshot): Promise<Rows> => {
  const key = headKey(document)
  const value = await db.get(key, { snapshot })
  if (value === undefined) return { status: 'sound', head: null, updates: [] }
  const head = decodeHead(key, value)
  if (head === null) return { status: 'damaged', reason: BROKEN_HEAD }
  if (head.seq <= removedBy) return { status: 'sound', head: null, updates: [] }
  const updates: Uint8Array[] = []
  let bytes = 0
  let checksum = 0
  const take = (_key: Uint8Array, row: Uint8Array): void => {
    updates.push(row)
    bytes += row.byteLength
    checksum = crc32(row, checksum)
  }
  const count = head.nextRow - head.firstRow
  if (count > ROWS_AT_ONCE) await visitRange(db, { gte: rowKey(document, head.firstRow), lt: rowKey(document, head.nextRow) }, take, snapshot)
  else {
    const keys = Array.from({ length: count }, (_, row) => rowKey(document, head.firstRow + row))
    const rows = await db.getMany(keys, { snapshot })
    for (const [at, row] of rows.entries()) if (row !== undefined) take(keys[at] as Uint8Array, row)
  }
  if (updates.length !== count) return { status: 'damaged', reason: `${updates.length} of its ${count} rows are there` }
  if ((bytes !== head.bytes || checksum !== head.checksum) && !isBroken('no-checksum')) return { status: 'damaged', reason: 'its rows do not match their checksum' }
  return { status: 'sound', head, updates }
}

const NOTHING = new Uint8Array()

/** Everything that stands under a document's name, to be moved aside. Rows that cannot be read stay behind, where no head leads. */
export const readRemains = async (db: Database, document: DocumentName, feedSeq: CommitNumber | null): Promise<readonly Entry[]> => {
  const entries: Entry[] = []
  try {
    await visitRange(db, rowRange(document), (key, value) => entries.push([key, value]))
  } catch (error) {
    if (!isCorruption(error)) throw error
  }
  const keys = [headKey(document), stateVectorKey(document), ...(feedSeq === null ? [] : [feedKey(feedSeq, document)])]
  const values = await readValues(db, keys)
  for (const [index, key] of keys.entries()) {
    const value = values[index]
    if (value !== undefined) entries.push([key, value === UNREADABLE ? NOTHING : value])
  }
  return entries
}

/** What LevelDB says of a table that is shorter than it was: an I/O error, like that of a failing disk, but for its text. */
const CUT_TABLE = /\.(ldb|sst): Invalid argument/

/** Whether LevelDB itself found a table or a block of one that it cannot read. */
export const isCorruption = (error: unknown): boolean => {
  for (let cause = error; cause instanceof Error; cause = cause.cause) {
    if ('code' in cause && (cause.code === 'LEVEL_CORRUPTION' || (cause.code === 'LEVEL_IO_ERROR' && CUT_TABLE.test(cause.message)))) return true
  }
  return false
}
