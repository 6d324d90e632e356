// What the core's shell needs from the outside: the store. One contract suite runs on LevelDB and on the fake disk.
// Links, sockets, HTTP and the password worker speak the events of events.ts directly.

import type { DocumentName } from '../../crdt-schema/ids.ts'
import type { CommitNumber, CommitRecord, StoredState } from './events.ts'

/**
 * Why a store would not open; the command line maps each to an exit code and a text. 'damaged': ours, of this format, and corrupt beyond
 * what can be mended document by document; 'unreadable': whose it is, or what is wrong with it, cannot be told.
 */
export type StoreRefusal = 'locked' | 'foreign' | 'newer' | 'damaged' | 'unreadable'

/** An expected failure to open a data directory [STO5]. */
export class StoreRefused extends Error {
  override readonly name = 'StoreRefused'
  readonly code: StoreRefusal
  constructor(code: StoreRefusal, message: string) {
    super(message)
    this.code = code
  }
}

/** The outcome of loading: the updates in commit order, or why the document's rows were moved aside [STO6]. */
export type LoadOutcome =
  | { readonly status: 'loaded'; readonly updates: readonly Uint8Array[] }
  | { readonly status: 'quarantined'; readonly reason: string }

/**
 * A node's disk [STO1 to STO6]. `commit` is called with contiguous seqs, one at a time (the next only after the last has returned),
 * and resolves when the record is fsynced; it rejects once and for all on a failed write: the node must end.
 */
export interface Store {
  /** Everything but the documents' contents, until `release`. */
  readonly state: StoredState
  /** The core has taken in `state`: the heads in it, one for each document, are kept no longer. */
  release(): void
  commit(record: CommitRecord): Promise<void>
  /** Reads rows and log entries of one document, including commits that have returned. Unknown documents load as empty. */
  load(document: DocumentName): Promise<LoadOutcome>
  /** Replaces rows up to `through` by one; does nothing if the document has entries after `through` that are not yet in rows, or was removed. */
  compact(document: DocumentName, state: Uint8Array, through: CommitNumber): Promise<void>
  /** Folds the whole log into rows, marks the directory clean, releases the lock. */
  close(): Promise<void>
  /** Bytes on disk and counts, for `/api/cluster` and metrics. */
  stats(): { readonly bytes: number; readonly documents: number; readonly logRecords: number; readonly lastCommitMs: number }
}
