// Which things this tab wrote are stored, and on which nodes: a thing (a draft, a message, a mark) remembers the
// number of the change that wrote it last, and the link tells up to which change each node has everything.
// k only rises: a node that once held a change is not taken back [UI: stored k of n].

import { type ReadonlySignal, computed, signal } from '@preact/signals'
import type { StoredChanges } from '../link/receipts.ts'

interface Entry {
  readonly change: number
  readonly pids: readonly number[]
}

export interface Ledger<Key extends string> {
  /** Changes whenever an answer below may have changed. */
  readonly version: ReadonlySignal<number>
  /** Things that no node is known to hold. */
  readonly pending: ReadonlySignal<readonly Key[]>
  /** Notes that `change` wrote these, or wrote them anew; a change that is stored already is not pending. */
  touch(keys: readonly Key[], change: number): void
  /** The same, for something first seen now: no later than `change`. What is known of it stays. */
  meet(key: Key, change: number): void
  onStored(stored: StoredChanges): void
  /** Where a thing is stored; for one that this tab never wrote, where everything from before is. */
  pidsOf(key: Key): readonly number[]
  /** The same, but nothing for a thing that this tab never wrote. */
  knownPidsOf(key: Key): readonly number[]
  isPending(key: Key): boolean
}

/** Entries stored everywhere are forgotten; this many others are kept, oldest first out. */
const ENTRIES_MAX = 2000

export const createLedger = <Key extends string>(): Ledger<Key> => {
  const entries = signal<ReadonlyMap<Key, Entry>>(new Map())
  const version = signal(0)
  let before: readonly number[] = []
  let storedChange = 0
  const pending = computed(() => [...entries.value].flatMap(([key, { pids }]) => (pids.length === 0 ? [key] : [])))

  const replace = (next: Map<Key, Entry>): void => {
    for (const key of next.keys()) {
      if (next.size <= ENTRIES_MAX) break
      next.delete(key)
    }
    entries.value = next
    version.value += 1
  }

  const touch = (keys: readonly Key[], change: number): void => {
    const next = new Map(entries.value)
    for (const key of keys) {
      next.delete(key) // what was written last is kept longest
      next.set(key, { change, pids: change <= storedChange ? before : [] })
    }
    replace(next)
  }

  return {
    version,
    pending,
    touch,
    meet: (key, change) => {
      if (!entries.value.has(key)) touch([key], change)
    },
    onStored: ({ change, pids }) => {
      before = union(before, pids)
      storedChange = Math.max(storedChange, change)
      const next = new Map(entries.value)
      for (const [key, entry] of next) {
        if (entry.change <= change) next.set(key, { ...entry, pids: union(entry.pids, pids) })
      }
      replace(next)
    },
    pidsOf: (key) => entries.value.get(key)?.pids ?? before,
    knownPidsOf: (key) => entries.value.get(key)?.pids ?? [],
    isPending: (key) => entries.value.get(key)?.pids.length === 0,
  }
}

export const union = (a: readonly number[], b: readonly number[]): readonly number[] =>
  b.every((pid) => a.includes(pid)) ? a : [...new Set([...a, ...b])].sort((x, y) => x - y)
