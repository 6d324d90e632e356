// The store on LevelDB: a commit log in front, documents in y-leveldb's own layout behind [STO1 to STO6].
// A commit is one log record in one fsynced batch. In the background the log is folded into rows, a slice at a time, each slice in
// one batch with the removal of its records. What is in the log is also kept in memory, so a load never waits for a checkpoint.
// Layout: level-records.ts and docs/storage.md. What is written: level-checkpoint.ts. What an open checks: level-opening.ts.

import { readdir, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import type { DocumentName } from '../../crdt-schema/ids.ts'
import { isBroken } from '../../crdt-schema/mutation.ts'
import { assert } from '../../crdt-schema/prelude.ts'
import type { CommitNumber, CommitRecord, DocumentHead, StoredState } from '../core/events.ts'
import type { LoadOutcome, Store } from '../core/ports.ts'
import { type Plan, gatherDeltas, headAfter, joinPlans, newestMeta, planCompaction, planDocument, planQuarantine, planRecords } from './level-checkpoint.ts'
import { type Damage, claimDirectory, markDamaged, toRefusal } from './level-directory.ts'
import { type LogEntry, UnfoldedLog } from './level-log.ts'
import { type Found, readDatabase } from './level-opening.ts'
import { type LogState, type Operation, STATE_KEY, encodeRecord, encodeState, logKey } from './level-records.ts'
import { BROKEN_HEAD, type Database, isCorruption, readHeads, readRemains, readRows } from './level-rows.ts'
import { createPauses } from './level-pauses.ts'

export interface LevelStoreOptions {
  readonly directory: string
  /** Length of the log at which a checkpoint begins; it is what a start replays and what is kept in memory. */
  readonly logBytesMax?: number
  /** Whether a directory that an earlier run called damaged is refused (if left out) or opened, as far as it opens. */
  readonly damage?: Damage
  /** Told what an open or a load found damaged. */
  readonly onDamage?: (text: string) => void
  /** Makes the database; tests give one that dies on command. */
  readonly createDatabase?: (directory: string) => Database
}

const LOG_BYTES_MAX = 4 * 1024 * 1024
/** LevelDB's default of 4 MiB is one large record; a table is written whenever it is full. */
const WRITE_BUFFER_BYTES = 16 * 1024 * 1024
/** While the log is longer than this many bounds, commits wait for the checkpoint to catch up [COR3]. */
const LOG_OVERRUN_MAX = 4

/** Opens, or makes, the store of a directory. Rejects with StoreRefused, having changed nothing, if it is not ours to open. */
export const openLevelStore = async (options: LevelStoreOptions): Promise<Store> => {
  const { directory, createDatabase = createClassicLevel } = options
  await claimDirectory(directory, options.damage ?? 'refused')
  const db = createDatabase(directory)
  try {
    await db.open()
    const found = await readDatabase(db)
    for (const text of found.damage) options.onDamage?.(text)
    const store = new LevelStore(db, found, options)
    await store.begin(found.damage.length === 0 ? 'sound' : 'damaged')
    return store
  } catch (error) {
    await db.close().catch(() => undefined) // what went wrong first is what matters
    throw toRefusal(directory, error)
  }
}

const createClassicLevel = (directory: string): Database => {
  const db = new ClassicLevel<Uint8Array, Uint8Array>(directory, { keyEncoding: 'view', valueEncoding: 'view', writeBufferSize: WRITE_BUFFER_BYTES })
  return Object.assign(db, { batch: createLeanBatch(db) })
}

/** A batch of a list, by way of a chained one: abstract-level copies and encodes each operation of a list, at five times the CPU time. */
const createLeanBatch = (db: Database): ((operations: readonly Operation[], options: { readonly sync: boolean }) => Promise<void>) => {
  const begin = db.batch.bind(db) as () => ReturnType<Database['batch']>
  return async (operations, options) => {
    const batch = begin()
    const pauses = createPauses()
    for (const operation of operations) {
      if (operation.type === 'put') batch.put(operation.key, operation.value)
      else batch.del(operation.key)
      if (pauses.isDue()) await pauses.take()
    }
    await batch.write(options)
  }
}

class LevelStore implements Store {
  state: StoredState
  readonly #db: Database
  readonly #options: LevelStoreOptions
  /** Commits that have returned and are not in rows. */
  readonly #log = new UnfoldedLog()
  /** Moved aside by an open or a checkpoint; the next load says so. */
  readonly #quarantined: Map<DocumentName, string>
  /** As it is on disk, but for the mark of a clean stop. */
  #logState: LogState
  #foldedMeta: string | null
  #issued: CommitNumber
  #diskBytes = 0
  #lastCommitMs = 0
  #hasDamage = false
  #isClosing = false
  /** The first failed write; nothing is written after it. */
  #failure: Error | null = null
  #writing: Promise<void> = Promise.resolve()
  /** Checkpoints, compactions and quarantines change heads, so they run one after the other. */
  #lastTask: Promise<unknown> = Promise.resolve()
  #checkpoint: Promise<void> | null = null
  /** Lets a commit go on that waits for the log to become shorter. */
  #onFolded: () => void = () => undefined

  constructor(db: Database, found: Found, options: LevelStoreOptions) {
    this.#db = db
    this.#options = options
    this.#logState = { ...found.state, isClean: false }
    this.#foldedMeta = found.meta
    this.#issued = found.lastCommit
    this.#quarantined = new Map(found.quarantined)
    for (const entry of found.log) this.#log.append(entry)
    this.state = describe(found)
  }

  /** Takes back the mark of a clean stop. A damaged log is folded at once, so that its holes are not met again. */
  async begin(isDamaged: 'sound' | 'damaged'): Promise<void> {
    if (isDamaged === 'damaged') {
      await this.#fold(this.#issued)
      this.#logState = { ...this.#logState, folded: this.#issued }
    }
    await this.#write([toOperation(this.#logState)])
    await this.#measure()
  }

  release(): void {
    this.state = { ...this.state, heads: [] }
  }

  async commit(record: CommitRecord): Promise<void> {
    assert(!this.#isClosing, 'commit on a closed store')
    assert(record.seq === this.#issued + 1, `commit ${record.seq} follows ${this.#issued}`)
    this.#issued = record.seq
    while (this.#log.bytes > this.#logBytesMax * LOG_OVERRUN_MAX && this.#checkpoint !== null) {
      await new Promise<void>((resolve) => (this.#onFolded = resolve))
    }
    const key = logKey(record.seq)
    const value = encodeRecord(key, record)
    const startMs = performance.now()
    this.#writing = this.#write([{ type: 'put', key, value }])
    await this.#writing
    this.#lastCommitMs = performance.now() - startMs
    this.#diskBytes += value.byteLength
    this.#log.append({ record, bytes: value.byteLength })
    if (this.#log.bytes > this.#logBytesMax) this.#startCheckpoint()
  }

  async load(document: DocumentName): Promise<LoadOutcome> {
    const lost = this.#quarantined.get(document)
    if (lost !== undefined) {
      this.#quarantined.delete(document)
      return { status: 'quarantined', reason: lost }
    }
    // Both are taken in one turn, so what a checkpoint has moved since is in exactly one of them, by the head's number.
    const logged = this.#log.read(document)
    const rows = await readRows(this.#db, document, logged.removedBy)
    if (rows.status === 'sound') {
      const foldedSeq = rows.head?.seq ?? 0
      return { status: 'loaded', updates: [...rows.updates, ...logged.updates.filter(({ seq }) => seq > foldedSeq).map(({ update }) => update)] }
    }
    const reason = await this.#exclusively(() => this.#quarantine(document))
    return reason === null ? this.load(document) : { status: 'quarantined', reason }
  }

  async compact(document: DocumentName, state: Uint8Array, through: CommitNumber): Promise<void> {
    await this.#exclusively(async () => {
      await this.#fold(through)
      if (this.#log.has(document)) return // removed, or updated after `through`
      const head = (await readHeads(this.#db, [document])).heads.get(document)
      if (head === undefined || head.seq > through) return
      await this.#carryOut(planCompaction(document, head, state))
    })
  }

  async close(): Promise<void> {
    if (this.#isClosing) return
    this.#isClosing = true
    try {
      await this.#writing.catch(() => undefined) // whoever committed has heard of it
      await this.#lastTask
      if (this.#failure !== null) return
      await this.#fold(this.#issued)
      if (!this.#hasDamage) await this.#write([toOperation({ ...this.#logState, isClean: true })])
    } finally {
      await this.#db.close()
    }
  }

  stats(): { readonly bytes: number; readonly documents: number; readonly logRecords: number; readonly lastCommitMs: number } {
    return { bytes: this.#diskBytes, documents: this.#logState.documents, logRecords: this.#log.entries.length, lastCommitMs: this.#lastCommitMs }
  }

  get #logBytesMax(): number {
    return this.#options.logBytesMax ?? LOG_BYTES_MAX
  }

  // ---- writing

  async #write(operations: readonly Operation[]): Promise<void> {
    if (this.#failure !== null) throw this.#failure
    try {
      await this.#db.batch([...operations], { sync: !isBroken('no-fsync') })
    } catch (error) {
      if (isBroken('swallowed-disk-full')) return
      if (isCorruption(error)) await markDamaged(this.#options.directory, (error as Error).message).catch(() => undefined) // the failed write is told in any case
      this.#failure ??= new Error(`the disk refused a write: ${error instanceof Error ? error.message : String(error)}`, { cause: error })
      throw this.#failure
    }
  }

  /** Writes a plan and the log's state after it in one batch. `folded`: the last commit that is in rows then. */
  async #carryOut(plan: Plan, folded: CommitNumber = this.#logState.folded): Promise<void> {
    const { documents, sum } = this.#logState
    const next: LogState = { folded, documents: documents + plan.addedDocuments, sum: (((sum + plan.addedSum) % 2 ** 32) + 2 ** 32) % 2 ** 32, isClean: false }
    await this.#write([...plan.operations, toOperation(next)])
    this.#logState = next
  }

  /** Runs `task` when those before it have ended, well or not. */
  #exclusively<Value>(task: () => Promise<Value>): Promise<Value> {
    const run = this.#lastTask.then(task)
    this.#lastTask = run.catch(() => undefined) // its caller hears of it
    return run
  }

  // ---- the log

  #startCheckpoint(): void {
    if (this.#checkpoint !== null || this.#isClosing) return
    const through = this.#issued
    this.#checkpoint = this.#exclusively(() => this.#fold(through))
      .then(() => this.#measure())
      .catch((error: unknown) => {
        // A write that failed makes the next commit fail, and so does a checkpoint that cannot read.
        this.#failure ??= error instanceof Error ? error : new Error(String(error))
      })
      .finally(() => {
        this.#checkpoint = null
        this.#onFolded()
      })
  }

  /** Folds the log up to commit `through` into rows, a slice at a time. Runs exclusively. */
  async #fold(through: CommitNumber): Promise<void> {
    for (let slice = this.#log.slice(through); slice.length > 0; slice = this.#log.slice(through)) await this.#foldEntries(slice, new Set())
  }

  /**
   * Folds the oldest entries of the log in one batch, and moves what stands of the `lost` documents aside in the same.
   * Digests in the log count what is lost, so they must not survive it: where something is lost, the whole log is folded.
   */
  async #foldEntries(entries: readonly LogEntry[], lost: ReadonlySet<DocumentName>): Promise<void> {
    const records = entries.map(({ record }) => record)
    const deltas = gatherDeltas(records)
    const { heads, broken } = await readHeads(this.#db, [...deltas.keys()].filter((document) => !lost.has(document)))
    if (broken.length > 0) {
      for (const document of broken) {
        this.#noteDamage(document, BROKEN_HEAD)
        this.#quarantined.set(document, BROKEN_HEAD)
      }
      return this.#foldEntries([...this.#log.entries], new Set([...lost, ...broken]))
    }
    const plans = [planRecords(records, this.#foldedMeta)]
    for (const document of lost) plans.push(await this.#planQuarantine(document))
    const pauses = createPauses()
    for (const [document, delta] of deltas) {
      plans.push(planDocument(document, heads.get(document) ?? null, lost.has(document) ? { ...delta, digest: null } : delta))
      if (pauses.isDue()) await pauses.take()
    }
    await this.#carryOut(joinPlans(plans), records.at(-1)?.seq)
    this.#foldedMeta = newestMeta(records) ?? this.#foldedMeta
    this.#log.drop(entries.length)
    this.#onFolded()
  }

  // ---- rows

  /** Moves a damaged document's rows aside; what the log holds of it stays. Null if they were replaced meanwhile. Runs exclusively. */
  async #quarantine(document: DocumentName): Promise<string | null> {
    const rows = await readRows(this.#db, document, 0)
    if (rows.status === 'sound') return null
    this.#noteDamage(document, rows.reason)
    await this.#foldEntries([...this.#log.entries], new Set([document]))
    return rows.reason
  }

  async #planQuarantine(document: DocumentName): Promise<Plan> {
    const head = (await readHeads(this.#db, [document])).heads.get(document) ?? null
    return planQuarantine(this.#issued, document, head, await readRemains(this.#db, document, head?.seq ?? null))
  }

  #noteDamage(document: DocumentName, reason: string): void {
    this.#hasDamage = true
    this.#options.onDamage?.(`${document}: ${reason}`)
  }

  // ---- figures

  async #measure(): Promise<void> {
    let bytes = 0
    for (const name of await readdir(this.#options.directory)) {
      // LevelDB deletes files as it goes.
      const file = await stat(join(this.#options.directory, name)).catch(() => null)
      bytes += file?.size ?? 0
    }
    this.#diskBytes = bytes
  }
}

const toOperation = (state: LogState): Operation => ({ type: 'put', key: STATE_KEY, value: encodeState(state) })

/** What the core is told: heads as of the last checkpoint and what the log did to them since. */
const describe = (found: Found): StoredState => {
  const heads = new Map<DocumentName, DocumentHead>()
  for (const [document, { seq, digest, bytes }] of found.heads) heads.set(document, { document, seq, digest, bytes })
  const records = found.log.map(({ record }) => record)
  for (const [document, delta] of gatherDeltas(records)) {
    const head = headAfter(document, heads.get(document) ?? null, delta)
    if (head === null) heads.delete(document)
    else heads.set(document, head)
  }
  return {
    meta: newestMeta(records) ?? found.meta,
    heads: [...heads.values()].sort((a, b) => a.seq - b.seq || (a.document < b.document ? -1 : 1)),
    lastCommit: found.lastCommit,
    unclean: !found.state.isClean || found.damage.length > 0,
  }
}
