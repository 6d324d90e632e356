// The commits that are in the log and not yet in rows, in memory, found by document [STO3]. Knows nothing of disks.

import type { DocumentName } from '../../crdt-schema/ids.ts'
import type { CommitNumber, CommitRecord } from '../core/events.ts'

export interface LogEntry {
  readonly record: CommitRecord
  /** Length of its log record. */
  readonly bytes: number
}

interface LoggedUpdate {
  readonly seq: CommitNumber
  readonly update: Uint8Array
}

/** What the log holds of one document. */
export interface Logged {
  /** The commit that removed it: whatever it held up to then is void; 0: none did. */
  readonly removedBy: CommitNumber
  readonly updates: readonly LoggedUpdate[]
}

const NOTHING: Logged = { removedBy: 0, updates: [] }
/** A checkpoint holds up other writes for one slice at a time. */
const SLICE_UPDATES_MAX = 4_000
const SLICE_BYTES_MAX = 1024 * 1024

export class UnfoldedLog {
  readonly #entries: LogEntry[] = []
  readonly #byDocument = new Map<DocumentName, { removedBy: CommitNumber; updates: LoggedUpdate[] }>()
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  /** All entries, oldest first. */
  get entries(): readonly LogEntry[] {
    return this.#entries
  }

  has(document: DocumentName): boolean {
    return this.#byDocument.has(document)
  }

  /** What the log holds of a document now; it does not change when the log does. */
  read(document: DocumentName): Logged {
    const logged = this.#byDocument.get(document)
    return logged === undefined ? NOTHING : { removedBy: logged.removedBy, updates: [...logged.updates] }
  }

  append(entry: LogEntry): void {
    this.#entries.push(entry)
    this.#bytes += entry.bytes
    const { seq, updates, removed } = entry.record
    for (const { document, update } of updates) {
      const known = this.#byDocument.get(document)
      if (known === undefined) this.#byDocument.set(document, { removedBy: 0, updates: [{ seq, update }] })
      else known.updates.push({ seq, update })
    }
    for (const document of removed) this.#byDocument.set(document, { removedBy: seq, updates: [] })
  }

  /** The oldest entries, up to commit `through` and the bounds of a slice; at least one if there is any. */
  slice(through: CommitNumber): readonly LogEntry[] {
    let updates = 0
    let bytes = 0
    let count = 0
    for (const entry of this.#entries) {
      updates += entry.record.updates.length
      bytes += entry.bytes
      if (entry.record.seq > through || (count > 0 && (updates > SLICE_UPDATES_MAX || bytes > SLICE_BYTES_MAX))) break
      count++
    }
    return this.#entries.slice(0, count)
  }

  /** Forgets the oldest `count` entries, which are in rows now. */
  drop(count: number): void {
    const last = new Map<DocumentName, CommitNumber>()
    for (const { record, bytes } of this.#entries.splice(0, count)) {
      this.#bytes -= bytes
      for (const document of record.removed) last.set(document, record.seq)
      for (const { document } of record.updates) last.set(document, record.seq)
    }
    for (const [document, seq] of last) this.#dropFrom(document, seq)
  }

  #dropFrom(document: DocumentName, seq: CommitNumber): void {
    const logged = this.#byDocument.get(document)
    if (logged === undefined) return
    const kept = logged.updates.findIndex((entry) => entry.seq > seq)
    logged.updates.splice(0, kept === -1 ? logged.updates.length : kept)
    if (logged.removedBy <= seq) logged.removedBy = 0
    if (logged.removedBy === 0 && logged.updates.length === 0) this.#byDocument.delete(document)
  }
}
