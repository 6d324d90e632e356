// Reads everything but documents' contents when a store opens, checks it, and moves aside what is damaged [STO3, STO6].
// LevelDB may lose stretches of a damaged file without a word, so everything is counted twice: log records by their numbers,
// documents by their heads, by the feed, and by the sum in the state. Documents' rows are checked when they are read.

import type { DocumentName } from '../../crdt-schema/ids.ts'
import type { CommitNumber, CommitRecord } from '../core/events.ts'
import { planAside } from './level-checkpoint.ts'
import type { LogEntry } from './level-log.ts'
import { FEED_RANGE, HEAD_RANGE, LOG_RANGE, type LogState, META_KEY, type Operation, type RowsHead, STATE_KEY, decodeHead, decodeMeta, decodeRecord, decodeState, feedKey, parseFeedKey, parseHeadKey, parseLogKey, sealOf } from './level-records.ts'
import { BROKEN_HEAD, type Database, type Entry, readRemains, visitRange } from './level-rows.ts'

export interface Found {
  readonly state: LogState
  /** As of the last checkpoint. */
  readonly meta: string | null
  readonly heads: ReadonlyMap<DocumentName, RowsHead>
  readonly log: readonly LogEntry[]
  readonly lastCommit: CommitNumber
  /** What is wrong, for people; empty in a sound directory. */
  readonly damage: readonly string[]
  /** Documents whose rows were moved aside, with the reason. */
  readonly quarantined: ReadonlyMap<DocumentName, string>
}

/** What the directory holds, after its damaged entries have been moved aside. */
export const readDatabase = async (db: Database): Promise<Found> => {
  const { heads, brokenHeads, headsSum } = await readHeads(db)
  const feed = await readFeed(db, heads)
  const rows = await readLog(db)
  const { meta, metaSum, brokenMeta } = await readMeta(db)
  const { state, isLost } = await readState(db, rows, heads, feed)
  const sum = (headsSum + metaSum) % 2 ** 32
  const lastCommit = Math.max(state.folded, rows.at(-1)?.seq ?? 0)
  const { entries, brokenRecords, damage } = checkLog(rows, state.folded)

  const quarantined = new Map<DocumentName, string>()
  for (const document of feed.withoutHead.keys()) quarantined.set(document, 'its head was lost')
  for (const document of brokenHeads) quarantined.set(document, BROKEN_HEAD)
  for (const [document, reason] of quarantined) damage.push(`${document}: ${reason}`)
  if (isLost) damage.push('the state of the log was lost')
  else if (sum !== state.sum || heads.size !== state.documents) damage.push('what the last checkpoint wrote is not all there')
  if (feed.stale.length > 0 || feed.missing.size > 0) damage.push('the feed and the heads disagree')
  if (brokenMeta.length > 0) damage.push("the node's own state does not match its checksum")

  for (const document of quarantined.keys()) {
    await db.batch(planAside(lastCommit, await readRemains(db, document, feed.withoutHead.get(document) ?? null)), { sync: true })
  }
  const repairs: Operation[] = planAside(lastCommit, [...brokenRecords, ...brokenMeta, ...feed.stale])
  for (const [document, seq] of feed.missing) repairs.push({ type: 'put', key: feedKey(seq, document), value: new Uint8Array() })
  if (repairs.length > 0) await db.batch(repairs, { sync: true })
  // A record's digest counts everything before it. If some of that was lost, a peer's equal digest would hide the loss.
  const log = damage.length === 0 ? entries : entries.map(({ record, bytes }) => ({ record: distrust(record), bytes }))
  return { state: { ...state, documents: heads.size, sum }, meta, heads, log, lastCommit, damage, quarantined }
}

const readState = async (db: Database, log: readonly LogRow[], heads: ReadonlyMap<DocumentName, RowsHead>, feed: FeedCheck): Promise<{ state: LogState; isLost: boolean }> => {
  const value = await db.get(STATE_KEY)
  const known = value === undefined ? null : decodeState(value)
  if (known !== null) return { state: known, isLost: false }
  const isNew = value === undefined && log.length === 0 && heads.size === 0 && feed.count === 0
  let folded = (log[0]?.seq ?? 1) - 1
  for (const { seq } of heads.values()) folded = Math.max(folded, seq)
  return { state: { folded, documents: heads.size, sum: 0, isClean: isNew }, isLost: !isNew }
}

const readHeads = async (db: Database): Promise<{ heads: Map<DocumentName, RowsHead>; brokenHeads: DocumentName[]; headsSum: number }> => {
  const heads = new Map<DocumentName, RowsHead>()
  const brokenHeads: DocumentName[] = []
  let headsSum = 0
  await visitRange(db, HEAD_RANGE, (key, value) => {
    const document = parseHeadKey(key)
    if (document === null) return
    const head = decodeHead(key, value)
    if (head === null) brokenHeads.push(document)
    else {
      heads.set(document, head)
      headsSum = (headsSum + sealOf(value)) % 2 ** 32
    }
  })
  return { heads, brokenHeads, headsSum }
}

interface FeedCheck {
  readonly count: number
  /** Documents in the feed that have no sound head, with their feed rows' numbers. */
  readonly withoutHead: ReadonlyMap<DocumentName, CommitNumber>
  /** Rows under another number than the head's. */
  readonly stale: readonly Entry[]
  /** Heads without a feed row. */
  readonly missing: ReadonlyMap<DocumentName, CommitNumber>
}

const readFeed = async (db: Database, heads: ReadonlyMap<DocumentName, RowsHead>): Promise<FeedCheck> => {
  const withoutHead = new Map<DocumentName, CommitNumber>()
  const stale: Entry[] = []
  const missing = new Map<DocumentName, CommitNumber>()
  const seen = new Set<DocumentName>()
  let count = 0
  await visitRange(db, FEED_RANGE, (key, value) => {
    const row = parseFeedKey(key)
    if (row === null) return
    count++
    const head = heads.get(row.document)
    if (head === undefined) withoutHead.set(row.document, row.seq)
    else if (head.seq === row.seq) seen.add(row.document)
    else stale.push([key, value])
  })
  if (seen.size < heads.size) for (const [document, { seq }] of heads) if (!seen.has(document)) missing.set(document, seq)
  return { count, withoutHead, stale, missing }
}

interface LogRow {
  readonly seq: CommitNumber
  readonly key: Uint8Array
  readonly value: Uint8Array
}

const readLog = async (db: Database): Promise<LogRow[]> => {
  const rows: LogRow[] = []
  await visitRange(db, LOG_RANGE, (key, value) => {
    const seq = parseLogKey(key)
    if (seq !== null) rows.push({ seq, key, value })
  })
  return rows
}

const readMeta = async (db: Database): Promise<{ meta: string | null; metaSum: number; brokenMeta: Entry[] }> => {
  const value = await db.get(META_KEY)
  const meta = value === undefined ? null : decodeMeta(value)
  if (value === undefined) return { meta, metaSum: 0, brokenMeta: [] }
  return meta === null ? { meta, metaSum: 0, brokenMeta: [[META_KEY, value]] } : { meta, metaSum: sealOf(value), brokenMeta: [] }
}

/** The sound records that go on from `folded`, and what is wrong with the others. */
const checkLog = (rows: readonly LogRow[], folded: CommitNumber): { entries: LogEntry[]; brokenRecords: Entry[]; damage: string[] } => {
  const entries: LogEntry[] = []
  const brokenRecords: Entry[] = []
  const damage: string[] = []
  let expected = folded + 1
  for (const { seq, key, value } of rows) {
    if (seq > expected) damage.push(seq === expected + 1 ? `commit ${expected} was lost` : `commits ${expected} to ${seq - 1} were lost`)
    const record = seq < expected ? null : decodeRecord(key, value)
    if (record === null || record.seq !== seq) {
      damage.push(seq < expected ? `commit ${seq} is in the log although it was folded` : `commit ${seq} does not match its checksum`)
      brokenRecords.push([key, value])
    } else entries.push({ record, bytes: value.byteLength })
    expected = Math.max(expected, seq + 1)
  }
  return { entries, brokenRecords, damage }
}

/** Null makes the core count the document anew. */
const distrust = (record: CommitRecord): CommitRecord => ({ ...record, digests: record.digests.map(({ document }) => ({ document, digest: null })) })
