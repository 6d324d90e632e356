// A disk for the fake world: keeps the promises of the Store port, and breaks as disks do, when told to.
// Callbacks instead of promises, since the simulator runs one task at a time; `toStore` wraps it for the contract suite,
// which runs on this and on LevelDB. No clock and no chance of its own: tasks go to the schedule, dice come from `random`.
//
//            open              crash, close
//   closed ---------> open ------------------> closed      commits:  issued --(fsync)--> in the log --(checkpoint)--> in rows
//
// A crash keeps, loses or tears the commit that was being written; what had returned stays, unless the disk lied about it.

import type { DocumentName } from '../../crdt-schema/ids.ts'
import { isBroken } from '../../crdt-schema/mutation.ts'
import { assert } from '../../crdt-schema/prelude.ts'
import type { CommitNumber, CommitRecord, DocumentHead, StoredState, StoredDigest } from '../../node/core/events.ts'
import { type LoadOutcome, type Store, StoreRefused } from '../../node/core/ports.ts'
import type { Random } from './random.ts'
import type { Schedule } from './schedule.ts'

export interface DiskOptions {
  /** How long an fsync and a read take, before jitter and faults. */
  readonly fsyncMs?: number
  readonly readMs?: number
  /** Log records at which a checkpoint begins. */
  readonly logRecordsMax?: number
}

/** What becomes of the commit that was being written. A torn one is found damaged by the next open. */
export type InFlight = 'lost' | 'kept' | 'torn'

/** A disk that is in use; after a crash or close it never calls back. */
export interface OpenDisk {
  readonly state: StoredState
  /** `done` gets null, or why the write failed: then every later one fails too. */
  commit(record: CommitRecord, done: (failure: string | null) => void): void
  load(document: DocumentName, done: (outcome: LoadOutcome) => void): void
  compact(document: DocumentName, state: Uint8Array, through: CommitNumber, done?: (failure: string | null) => void): void
  /** Ends at once, with everything folded. */
  close(): void
  stats(): ReturnType<Store['stats']>
}

/** All that is on a disk at one moment. */
interface DiskImage {
  readonly isClean: boolean
  readonly meta: string | null
  readonly folded: CommitNumber
  readonly documents: ReadonlyMap<DocumentName, StoredDocument>
  readonly log: readonly LogRecord[]
}

interface StoredDocument {
  readonly seq: CommitNumber
  readonly digest: StoredDigest | null
  readonly rows: readonly Uint8Array[]
  readonly isDamaged: boolean
}

interface LogRecord {
  readonly record: CommitRecord
  readonly isDamaged: boolean
  /** Its write failed, and nobody was told: the defect `swallowed-disk-full`. */
  readonly isInMemory?: boolean
}

export interface FakeDisk {
  /** Throws StoreRefused 'locked' while it is open. */
  open(): OpenDisk
  /** The process dies, or the power fails. `inFlight` is thrown by the dice unless given. Does nothing if closed. */
  crash(kind: 'process' | 'power', inFlight?: InFlight): void
  readonly isOpen: boolean

  /** What is safe, by document, in commit order; for checkers, and whether the disk is open or not. */
  contents(): ReadonlyMap<DocumentName, readonly Uint8Array[]>
  /** Whether what is safe of a document has this text in it, even if the power failed now; for checkers. */
  holds(document: DocumentName, text: string): boolean

  // faults; each lasts until `heal` takes all back
  /** Added to every fsync. */
  setSlow(extraMs: number): void
  /** Nothing completes until `heal`. */
  stick(): void
  /** Writes fail. Whether the first commit that fails with EIO reached the platter is thrown by the dice. */
  fail(code: 'ENOSPC' | 'EIO'): void
  /** From now on fsync returns before anything is safe: a power failure loses all commits since. */
  lie(): void
  heal(): void

  // damage, while it is open or closed
  /** Flips a bit in a document's rows; false if it has none. */
  flipRow(document: DocumentName): boolean
  /** Flips a bit in a log record, seen by the next open; false if that commit is not in the log. */
  flipRecord(seq: CommitNumber): boolean
  /** Flips a bit anywhere; says where, or null if there is nothing. */
  flipAny(): string | null

  // another disk in its place; only while it is closed
  wipe(): void
  /** Copies the disk, as it is now, open or not; `restoreSnapshot` puts the last copy in its place. */
  takeSnapshot(): void
  restoreSnapshot(): void
  /** The last copy is from before a `wipe`: who came back empty has a new id, and the old one is removed [REP7]. */
  readonly isCopyOutlived: boolean
}

const EMPTY: DiskImage = { isClean: true, meta: null, folded: 0, documents: new Map(), log: [] }

export const createFakeDisk = (schedule: Pick<Schedule, 'after'>, random: Random, options: DiskOptions = {}): FakeDisk =>
  new Disk(schedule, random, { fsyncMs: 2, readMs: 0.2, logRecordsMax: 64, ...options })

/** The same disk behind the port's promises. */
export const toStore = (disk: OpenDisk): Store => {
  const settle = (resolve: () => void, reject: (error: Error) => void) => (failure: string | null) => (failure === null ? resolve() : reject(new Error(failure)))
  return {
    state: disk.state,
    release: () => {},
    commit: (record) => new Promise((resolve, reject) => disk.commit(record, settle(resolve, reject))),
    load: (document) => new Promise((resolve) => disk.load(document, resolve)),
    compact: (document, state, through) => new Promise((resolve, reject) => disk.compact(document, state, through, settle(resolve, reject))),
    close: async () => disk.close(),
    stats: () => disk.stats(),
  }
}

interface Run {
  writing: CommitRecord | null
  issued: CommitNumber
  failure: string | null
  hasDamage: boolean
  isCheckpointDue: boolean
}

class Disk implements FakeDisk {
  readonly #schedule: Pick<Schedule, 'after'>
  readonly #random: Random
  readonly #options: Required<DiskOptions>
  #documents = new Map<DocumentName, StoredDocument>()
  #log: LogRecord[] = []
  #meta: string | null = null
  #folded: CommitNumber = 0
  #isClean = true
  #run: Run | null = null
  #extraMs = 0
  /** Tasks that came due while the disk was stuck; null: it is not. */
  #stuck: (() => void)[] | null = null
  #failing: 'ENOSPC' | 'EIO' | null = null
  /** The disk as it really was when it began to lie. */
  #truth: DiskImage | null = null
  #snapshot: DiskImage = EMPTY
  #isCopyOutlived = false

  constructor(schedule: Pick<Schedule, 'after'>, random: Random, options: Required<DiskOptions>) {
    this.#schedule = schedule
    this.#random = random
    this.#options = options
  }

  get isCopyOutlived(): boolean {
    return this.#isCopyOutlived
  }

  get isOpen(): boolean {
    return this.#run !== null
  }

  open(): OpenDisk {
    if (this.#run !== null) throw new StoreRefused('locked', 'the disk is open')
    const damaged = this.#log.filter(({ isDamaged }) => isDamaged)
    const lastCommit = this.#log.at(-1)?.record.seq ?? this.#folded
    const hasHole = this.#log.some(({ record }, index) => record.seq !== (this.#log[index - 1]?.record.seq ?? this.#folded) + 1)
    const unclean = !this.#isClean || damaged.length > 0 || hasHole
    if (damaged.length > 0 || hasHole) {
      // Digests count what is lost, so none in the log is believed any more.
      this.#log = this.#log.filter(({ isDamaged }) => !isDamaged).map(({ record }) => ({ record: withoutDigests(record, () => true), isDamaged: false }))
      this.#fold()
      this.#folded = lastCommit
    }
    this.#isClean = false
    if (isBroken('no-fsync')) this.lie()
    const run: Run = { writing: null, issued: lastCommit, failure: null, hasDamage: false, isCheckpointDue: false }
    this.#run = run
    const documents = new Map(this.#documents)
    let meta = this.#meta
    for (const { record } of this.#log) {
      applyRecord(documents, record)
      meta = record.meta ?? meta
    }
    const state: StoredState = { meta, heads: toHeads(documents), lastCommit, unclean }
    return {
      state,
      commit: (record, done) => this.#commit(run, record, done),
      load: (document, done) => this.#later(run, this.#options.readMs, () => done(this.#read(run, document))),
      compact: (document, update, through, done = () => undefined) => this.#later(run, this.#options.fsyncMs, () => done(this.#compact(run, document, update, through))),
      close: () => this.#close(run),
      stats: () => ({ bytes: this.#bytes(), documents: this.#documents.size, logRecords: this.#log.length, lastCommitMs: this.#options.fsyncMs }),
    }
  }

  crash(kind: 'process' | 'power', inFlight?: InFlight): void {
    const run = this.#run
    if (run === null) return
    this.#run = null
    this.#log = this.#log.filter(({ isInMemory = false }) => !isInMemory)
    // Whoever kills only the process leaves the write to the operating system, which does not tear it.
    const outcome = inFlight ?? this.#random.pick<InFlight>(kind === 'process' ? ['lost', 'kept'] : ['lost', 'kept', 'torn'])
    if (run.writing !== null && outcome !== 'lost') this.#log.push({ record: run.writing, isDamaged: outcome === 'torn' })
    if (kind === 'power' && this.#truth !== null) this.#become({ ...this.#truth, isClean: false })
    this.#truth = null
    if (this.#stuck !== null) this.#stuck = []
  }

  contents(): ReadonlyMap<DocumentName, readonly Uint8Array[]> {
    const documents = new Map(this.#documents)
    for (const { record, isInMemory = false } of this.#log) if (!isInMemory) applyRecord(documents, record)
    return new Map([...documents].map(([document, { rows }]) => [document, rows]))
  }

  holds(document: DocumentName, text: string): boolean {
    const { documents, log } = this.#truth ?? this.#image()
    const logged = log.flatMap(({ record, isDamaged, isInMemory = false }) => (isDamaged || isInMemory ? [] : record.updates.filter((entry) => entry.document === document)))
    return [...(documents.get(document)?.rows ?? []), ...logged.map(({ update }) => update)].some((row) => Buffer.from(row.buffer, row.byteOffset, row.byteLength).includes(text))
  }

  // ---- faults

  setSlow(extraMs: number): void {
    this.#extraMs = extraMs
  }

  stick(): void {
    this.#stuck ??= []
  }

  fail(code: 'ENOSPC' | 'EIO'): void {
    this.#failing = code
  }

  lie(): void {
    this.#truth ??= this.#image()
  }

  heal(): void {
    this.#extraMs = 0
    this.#failing = null
    this.#truth = null
    const tasks = this.#stuck ?? []
    this.#stuck = null
    for (const task of tasks) this.#schedule.after(0, task)
  }

  flipRow(document: DocumentName): boolean {
    const stored = this.#documents.get(document)
    if (stored === undefined) return false
    this.#documents.set(document, isBroken('no-checksum') ? { ...stored, rows: stored.rows.map((row) => this.#flip(row)) } : { ...stored, isDamaged: true })
    return true
  }

  flipRecord(seq: CommitNumber): boolean {
    const index = this.#log.findIndex(({ record }) => record.seq === seq)
    const entry = this.#log[index]
    if (entry === undefined) return false
    const updates = entry.record.updates.map(({ document, update }) => ({ document, update: this.#flip(update) }))
    this.#log[index] = isBroken('no-checksum') ? { ...entry, record: { ...entry.record, updates } } : { ...entry, isDamaged: true }
    return true
  }

  #flip(bytes: Uint8Array): Uint8Array {
    const flipped = bytes.slice()
    const at = this.#random.integer(0, Math.max(0, bytes.byteLength - 1))
    flipped[at] = (bytes[at] ?? 0) ^ (1 << this.#random.integer(0, 7))
    return flipped
  }

  flipAny(): string | null {
    const targets = [...this.#documents.keys(), ...this.#log.map(({ record }) => record.seq)]
    if (targets.length === 0) return null
    const target = this.#random.pick(targets)
    if (typeof target === 'number') this.flipRecord(target)
    else this.flipRow(target)
    return typeof target === 'number' ? `commit ${target}` : target
  }

  wipe(): void {
    this.#become(EMPTY)
    this.#isCopyOutlived = true
  }

  takeSnapshot(): void {
    this.#snapshot = this.#image()
    this.#isCopyOutlived = false
  }

  restoreSnapshot(): void {
    this.#become(this.#snapshot)
  }

  #image(): DiskImage {
    return { isClean: this.#isClean, meta: this.#meta, folded: this.#folded, documents: new Map(this.#documents), log: [...this.#log] }
  }

  #become(image: DiskImage): void {
    assert(this.#run === null, 'another disk in place of one in use')
    this.#documents = new Map(image.documents)
    this.#log = [...image.log]
    this.#meta = image.meta
    this.#folded = image.folded
    this.#isClean = image.isClean
    this.#truth = null
  }

  // ---- work

  /** Runs `task` after about `delayMs`, unless the run has ended by then, and not while the disk is stuck. */
  #later(run: Run, delayMs: number, task: () => void): void {
    const runTask = (): void => {
      if (this.#run !== run) return
      if (this.#stuck !== null) this.#stuck.push(runTask)
      else task()
    }
    this.#schedule.after(delayMs * (0.5 + this.#random.next()), runTask)
  }

  #commit(run: Run, record: CommitRecord, done: (failure: string | null) => void): void {
    assert(this.#run === run, 'commit on a closed disk')
    assert(run.writing === null && record.seq === run.issued + 1, `commit ${record.seq} follows ${run.issued}, one at a time`)
    run.issued = record.seq
    run.writing = record
    this.#later(run, this.#options.fsyncMs + this.#extraMs, () => {
      run.writing = null
      const isKept = run.failure === null && this.#failing === 'EIO' && this.#random.chance(0.5)
      run.failure ??= this.#failureNow()
      const isSwallowed = run.failure === null && this.#failing !== null
      if (run.failure === null || isKept) this.#log.push({ record, isDamaged: false, isInMemory: isSwallowed })
      if (run.failure === null) this.#startCheckpoint(run)
      done(run.failure)
    })
  }

  #failureNow(): string | null {
    if (this.#failing === null || (this.#failing === 'ENOSPC' && isBroken('swallowed-disk-full'))) return null
    return this.#failing === 'ENOSPC' ? 'ENOSPC: no space left on device, write' : 'EIO: i/o error, fsync'
  }

  #startCheckpoint(run: Run): void {
    if (run.isCheckpointDue || this.#log.length <= this.#options.logRecordsMax) return
    run.isCheckpointDue = true
    this.#later(run, this.#options.fsyncMs + this.#extraMs, () => {
      run.isCheckpointDue = false
      run.failure ??= this.#failureNow()
      if (run.failure === null) this.#fold()
    })
  }

  /** A flip in a log record is not met here: the store folds what it has in memory. */
  #fold(): void {
    for (const { record } of this.#log) {
      applyRecord(this.#documents, record)
      this.#meta = record.meta ?? this.#meta
      this.#folded = record.seq
    }
    this.#log = []
  }

  #read(run: Run, document: DocumentName): LoadOutcome {
    const isRemoved = this.#log.some(({ record }) => record.removed.includes(document))
    if (this.#documents.get(document)?.isDamaged === true && !isRemoved) {
      run.hasDamage = true
      this.#documents.delete(document)
      this.#log = this.#log.map((entry) => ({ ...entry, record: withoutDigests(entry.record, (name) => name === document) }))
      this.#fold()
      return { status: 'quarantined', reason: 'its rows do not match their checksum' }
    }
    const documents = new Map<DocumentName, StoredDocument>()
    const stored = this.#documents.get(document)
    if (stored !== undefined) documents.set(document, stored)
    for (const { record } of this.#log) applyRecord(documents, record)
    return { status: 'loaded', updates: documents.get(document)?.rows ?? [] }
  }

  #compact(run: Run, document: DocumentName, update: Uint8Array, through: CommitNumber): string | null {
    run.failure ??= this.#failureNow()
    if (run.failure !== null) return run.failure
    this.#fold()
    const stored = this.#documents.get(document)
    if (stored !== undefined && stored.seq <= through) this.#documents.set(document, { ...stored, rows: [update], isDamaged: false })
    return null
  }

  #close(run: Run): void {
    if (this.#run !== run) return
    this.#run = null
    if (run.failure !== null || this.#failing !== null) return
    if (run.writing !== null) this.#log.push({ record: run.writing, isDamaged: false })
    this.#fold()
    this.#isClean = !run.hasDamage
    this.#truth = null
  }

  #bytes(): number {
    let bytes = 0
    for (const { rows } of this.#documents.values()) for (const row of rows) bytes += row.byteLength
    for (const { record } of this.#log) for (const { update } of record.updates) bytes += update.byteLength
    return bytes
  }
}

/** In one commit a removal wins over updates [DOC8]. A document whose newest update brings no digest has none. */
const applyRecord = (documents: Map<DocumentName, StoredDocument>, record: CommitRecord): void => {
  for (const { document, update } of record.updates) {
    const known = documents.get(document)
    documents.set(document, { seq: record.seq, digest: null, rows: [...(known?.rows ?? []), update], isDamaged: known?.isDamaged ?? false })
  }
  for (const { document, digest } of record.digests) {
    const known = documents.get(document)
    if (known !== undefined) documents.set(document, { ...known, digest })
  }
  for (const document of record.removed) documents.delete(document)
}

const withoutDigests = (record: CommitRecord, isLost: (document: DocumentName) => boolean): CommitRecord => ({
  ...record,
  digests: record.digests.map(({ document, digest }) => ({ document, digest: isLost(document) ? null : digest })),
})

const toHeads = (documents: ReadonlyMap<DocumentName, StoredDocument>): readonly DocumentHead[] =>
  [...documents]
    .map(([document, { seq, digest, rows }]) => ({ document, seq, digest, bytes: rows.reduce((sum, row) => sum + row.byteLength, 0) }))
    .sort((a, b) => a.seq - b.seq || (a.document < b.document ? -1 : 1))
