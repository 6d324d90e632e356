// How the document kinds read and write their root maps. Every fact is one key of a map, every value a tuple
// or a flag; a reader skips and counts what it cannot parse [DOC5], and lists come sorted by key, so that
// replicas with equal content answer equally whatever the order in which they heard of it.

import type * as Y from 'yjs'
import type { Read } from './prelude.ts'

/** Parses one entry of a root map, or returns null when it is junk or from a future version. */
export type EntryParser<Entry> = (key: string, value: unknown) => Entry | null

/** Every entry of the root map `root` that `parse` accepts, by key. */
export const readEntries = <Entry>(doc: Y.Doc, root: string, parse: EntryParser<Entry>): Read<Entry[]> => {
  const map = doc.getMap<unknown>(root)
  const value: Entry[] = []
  let skipped = 0
  for (const key of [...map.keys()].sort()) {
    const entry = parse(key, map.get(key))
    if (entry === null) skipped += 1
    else value.push(entry)
  }
  return { value, skipped }
}

/** One entry parsed, or null when it is absent or junk. */
export const readEntry = <Entry>(doc: Y.Doc, root: string, key: string, parse: EntryParser<Entry>): Entry | null => {
  const value = doc.getMap<unknown>(root).get(key)
  return value === undefined ? null : parse(key, value)
}

/** Sets a key unless it holds this very flag or number: a repeated operation writes nothing. */
export const setFlag = (doc: Y.Doc, root: string, key: string, value: string | number | boolean): void => {
  const map = doc.getMap<unknown>(root)
  if (map.get(key) !== value) doc.transact(() => map.set(key, value))
}

/** Whether a value is a list of exactly `length` items. */
export const isTuple = (value: unknown, length: number): value is readonly unknown[] => Array.isArray(value) && value.length === length

export const isString = (value: unknown): value is string => typeof value === 'string'
