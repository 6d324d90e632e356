// Commits for tests of stores, and the model that says what must be there after them, in the words of the Store port.

import * as assert from 'uvu/assert'
import { type AccountId, type DocumentName, type Month, draftsDocument, inboxDocument } from '../../crdt-schema/ids.ts'
import type { CommitNumber, CommitRecord, DocumentHead } from '../../node/core/events.ts'
import type { Store } from '../../node/core/ports.ts'
import type { Random } from '../sim/random.ts'

export const DOCUMENTS: readonly DocumentName[] = ['a', 'b', 'c'].flatMap((digit) => {
  const account = digit.repeat(32) as AccountId
  return [draftsDocument(account), inboxDocument(account, '2026-01' as Month)]
})
export const [FIRST, SECOND] = DOCUMENTS as [DocumentName, DocumentName]
/** No update of the model is longer than this, so a state made by a compaction is known by its length. */
const UPDATE_BYTES_MAX = 60
export const STATE_BYTES = 100

export const recordOf = (seq: CommitNumber, parts: Partial<CommitRecord> = {}): CommitRecord => ({ seq, updates: [], digests: [], removed: [], meta: null, ...parts })

/** A record with one update of one document, digest included. */
export const updateOf = (seq: CommitNumber, document: DocumentName, update: Uint8Array = Uint8Array.of(seq)): CommitRecord =>
  recordOf(seq, { updates: [{ document, update }], digests: [{ document, digest: { high: seq, low: 7 } }] })

/** Commits as busy nodes make them: several documents, some not applied yet, some digests late, removals, meta now and then. */
export const createRecords = (random: Random, count: number): CommitRecord[] =>
  Array.from({ length: count }, (_, index) => {
    const seq = index + 1
    const documents = random.shuffle(DOCUMENTS).slice(0, random.integer(0, 3))
    const removed = random.chance(0.1) ? [random.pick(DOCUMENTS)] : []
    const updated = documents.filter((document) => !removed.includes(document))
    const late = random.chance(0.3) ? [random.pick(DOCUMENTS)] : []
    return recordOf(seq, {
      updates: updated.flatMap((document) => Array.from({ length: random.integer(1, 2) }, () => ({ document, update: random.bytes(random.integer(2, UPDATE_BYTES_MAX)) }))),
      digests: [...new Set([...updated, ...late])].filter(() => random.chance(0.8)).map((document) => ({ document, digest: random.chance(0.7) ? { high: seq, low: random.integer(0, 9) } : null })),
      removed,
      meta: random.chance(0.2) ? JSON.stringify({ boot: seq }) : null,
    })
  })

interface Expected {
  readonly heads: readonly DocumentHead[]
  readonly updates: ReadonlyMap<DocumentName, readonly Uint8Array[]>
  readonly meta: string | null
}

/** What these records leave, told in the port's words. */
export const expectedAfter = (records: readonly CommitRecord[]): Expected => {
  const heads = new Map<DocumentName, DocumentHead>()
  const updates = new Map<DocumentName, Uint8Array[]>()
  let meta: string | null = null
  for (const record of records) {
    for (const { document, update } of record.updates) {
      updates.set(document, [...(updates.get(document) ?? []), update])
      heads.set(document, { document, seq: record.seq, digest: null, bytes: (heads.get(document)?.bytes ?? 0) + update.byteLength })
    }
    for (const { document, digest } of record.digests) {
      const head = heads.get(document)
      if (head !== undefined) heads.set(document, { ...head, digest })
    }
    for (const document of record.removed) {
      heads.delete(document)
      updates.delete(document)
    }
    meta = record.meta ?? meta
  }
  return { heads: [...heads.values()].sort((a, b) => a.seq - b.seq || (a.document < b.document ? -1 : 1)), updates, meta }
}

/** The updates of a document; fails if it was quarantined. */
export const loadUpdates = async (store: Store, document: DocumentName): Promise<readonly number[][]> => {
  const outcome = await store.load(document)
  assert.is(outcome.status, 'loaded', JSON.stringify(outcome))
  return outcome.status === 'loaded' ? outcome.updates.map((update) => [...update]) : []
}

const toNumbers = (updates: readonly Uint8Array[] = []): number[][] => updates.map((update) => [...update])
export const stateOf = (document: DocumentName): Uint8Array => new Uint8Array(STATE_BYTES).fill(DOCUMENTS.indexOf(document) + 1)

/** Loads give what the model says; where a compaction may have run, its state stands for the updates before it. */
export const assertContents = async (store: Store, expected: Expected): Promise<void> => {
  for (const document of DOCUMENTS) {
    const updates = await loadUpdates(store, document)
    const wanted = toNumbers(expected.updates.get(document))
    const isCompacted = updates[0]?.length === STATE_BYTES
    if (!isCompacted) assert.equal(updates, wanted, document)
    else assert.equal(updates.slice(1), wanted.slice(wanted.length - updates.length + 1), `${document}, compacted`)
  }
}

/** All that the store says after opening. Byte counts depend on whether a compaction ran, so they are left out if one may have. */
export const assertOpened = async (store: Store, records: readonly CommitRecord[], compactions: 'none' | 'some' = 'none'): Promise<void> => {
  const expected = expectedAfter(records)
  const withoutBytes = (heads: readonly DocumentHead[]): unknown[] => heads.map((head) => ({ ...head, bytes: compactions === 'some' ? 0 : head.bytes }))
  assert.equal(withoutBytes(store.state.heads), withoutBytes(expected.heads))
  assert.is(store.state.meta, expected.meta)
  assert.is(store.state.lastCommit, records.length)
  await assertContents(store, expected)
}
