// A document in memory, at work or at rest, and what a change of it says. Declared apart from state.ts, which holds them, for those that know
// nothing of the rest of the node.

import * as Y from 'yjs'
import type { AccountId, DocumentName, MessageId } from '../../crdt-schema/ids.ts'
import type { Digest } from './digest.ts'

export interface LoadedDocument {
  readonly name: DocumentName
  readonly doc: Y.Doc
  digest: Digest
  /** Messages its owner sent. */
  messages: number
  pins: number
  usedMs: number
  /** Updates since the rows were last written as one, and those written then. */
  updatesSinceCompaction: number
  updatesCompacted: number
  /** Whose mailbox it is part of; null: a document of all. */
  readonly owner: AccountId | null
  /** The message ids that an inbox or outbox, or what rests beside it, holds anything about, and perhaps others; null until somebody asks. */
  heard: Set<string> | null
  /** Its listener for updates. */
  readonly onUpdate: (update: Uint8Array, origin: unknown) => void
}

/** A document in memory without the `updates` that came since it was last needed; it counts as not loaded. */
export interface RestingDocument {
  readonly loaded: LoadedDocument
  readonly updates: Uint8Array[]
  /** How many items they add. */
  added: number
  /** They do nothing but put entries into the outbox. */
  onlySends: boolean
  /** Where the clients that wrote them have got to. */
  readonly clocks: Map<number, number>
  readonly sinceMs: number
  latestMs: number
}

/** What a transaction changed, for the product's rules to look at once the event's own work is done. */
export interface Change {
  readonly name: DocumentName
  readonly update: Uint8Array
  /** The attached client it came from, or null. */
  readonly client: number | null
  /** The messages that it is about; null: to be looked up in the document. */
  readonly ids: readonly MessageId[] | null
}

/**
 * Gives back what a document that stays for good has too much of: lib0 reads each array by adding to an empty one, for which V8 makes room
 * for 17 values, and nearly all have one to five.
 */
export const trimContents = (doc: Y.Doc): void => {
  for (const structs of doc.store.clients.values()) {
    for (const struct of structs) {
      if (struct instanceof Y.Item && struct.content instanceof Y.ContentAny) struct.content.arr = struct.content.arr.map((value: unknown) => (Array.isArray(value) ? value.slice() : value))
    }
  }
}
