// Updates that only set keys which no replica has held before, as a delivery does. They can be written without a document: what they
// say follows from the client, its next clock and the entries, and a test holds the bytes to those that Yjs writes. And since they
// refer to nothing, several of one client can be put together byte by byte, as one update that means the same.
// Whoever writes one answers for both conditions: the clock is the client's next, the keys are new.

import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'

/** A key of a root map, set for the first time; the value is JSON. */
export interface Insertion {
  readonly root: string
  readonly key: string
  readonly value: unknown
}

/** Yjs's struct info of an item without neighbours: arbitrary content (8) under the key of a map (32). */
const ANY_UNDER_KEY = 8 | 32
const PARENT_IS_ROOT = 1

/** The update of one transaction in which `client`, at `clock`, sets these keys, each once, in this order. */
export const encodeInsertions = (client: number, clock: number, insertions: readonly Insertion[]): Uint8Array => {
  const encoder = encoding.createEncoder()
  writeHeader(encoder, client, clock, insertions.length)
  for (const { root, key, value } of insertions) {
    encoding.writeUint8(encoder, ANY_UNDER_KEY)
    encoding.writeVarUint(encoder, PARENT_IS_ROOT)
    encoding.writeVarString(encoder, root)
    encoding.writeVarString(encoder, key)
    encoding.writeVarUint(encoder, 1) // one value
    encoding.writeAny(encoder, value as encoding.AnyEncodable)
  }
  encoding.writeVarUint(encoder, 0) // nothing deleted
  return encoding.toUint8Array(encoder)
}

const writeHeader = (encoder: encoding.Encoder, client: number, clock: number, count: number): void => {
  encoding.writeVarUint(encoder, 1) // one client
  encoding.writeVarUint(encoder, count)
  encoding.writeVarUint(encoder, client)
  encoding.writeVarUint(encoder, clock)
}

// ---- reading

/** An update of this form, taken apart: items `clock` … `clock + count − 1` of `client`, and what it deletes. */
export interface ReadInsertions {
  readonly update: Uint8Array
  readonly client: number
  readonly clock: number
  readonly count: number
  /** Where its items begin and end in `update`. */
  readonly from: number
  readonly to: number
  /** Where the keys stand: pairs of root and key, each as first and last byte. */
  readonly places: readonly number[]
  /** Deleted ranges, as triples of client, clock and length. */
  readonly deletes: readonly number[]
}

const VALUE_DEPTH_MAX = 12
const CLIENT_MAX = 0xffff_ffff
const CLOCK_MAX = 0x7fff_ffff

/** Takes an update apart, or answers null if it has another form, or is not sure to decode. Makes nothing of its values. */
export const readInsertions = (update: Uint8Array): ReadInsertions | null => {
  const reader: Reader = { bytes: update, at: 0, isSound: true }
  if (skipUint(reader, 1) !== 1) return null
  const count = skipUint(reader, update.length)
  const client = skipUint(reader, CLIENT_MAX)
  const clock = skipUint(reader, CLOCK_MAX - update.length)
  const from = reader.at
  const places: number[] = []
  for (let left = count; left > 0 && reader.isSound; left--) skipItem(reader, places)
  const to = reader.at
  const deletes = readDeletes(reader)
  if (!reader.isSound || count === 0 || reader.at !== update.length) return null
  return { update, client, clock, count, from, to, places, deletes }
}

/** The keys that an update of this form sets, with the roots they are set in. */
export const keysOfInsertions = ({ update, places }: ReadInsertions): { readonly root: string; readonly key: string }[] => {
  const keys: { root: string; key: string }[] = []
  const text = (at: number): string => utf8.decode(update.subarray(places[at], places[at + 1]))
  for (let i = 0; i < places.length; i += 4) keys.push({ root: text(i), key: text(i + 2) })
  return keys
}

/** The values under those keys, in the same order. */
export const valuesOfInsertions = ({ update, places }: ReadInsertions): unknown[] => {
  const values: unknown[] = []
  const decoder = decoding.createDecoder(update)
  for (let i = 3; i < places.length; i += 4) {
    decoder.pos = (places[i] as number) + 1 // behind the key, and the count of values: one
    values.push(decoding.readAny(decoder))
  }
  return values
}

/** lib0 decodes strings so, too: fatal, and keeping a byte order mark. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

interface Reader {
  readonly bytes: Uint8Array
  at: number
  /** False once anything was not as it must be; all that is read after that means nothing. */
  isSound: boolean
}

const skipUint = (reader: Reader, max: number): number => {
  const { bytes } = reader
  let value = 0
  for (let factor = 1; reader.at < bytes.length && factor <= 2 ** 49; factor *= 128) {
    const digit = bytes[reader.at++] as number
    value += (digit & 0x7f) * factor
    if (digit >= 0x80) continue
    // A last digit of zero would make two spellings of one number.
    if (value > max || (digit === 0 && factor > 1)) break
    return value
  }
  reader.isSound = false
  return 0
}

const skipItem = (reader: Reader, places: number[]): void => {
  if (reader.bytes[reader.at++] !== ANY_UNDER_KEY || skipUint(reader, 1) !== PARENT_IS_ROOT) reader.isSound = false
  skipString(reader, places)
  skipString(reader, places)
  if (skipUint(reader, 1) !== 1) reader.isSound = false
  skipValue(reader, VALUE_DEPTH_MAX)
}

/** Passes over a string that decodes; where it stands is added to `places`. */
const skipString = (reader: Reader, places: number[] | null): void => {
  const length = skipUint(reader, reader.bytes.length)
  const from = reader.at
  const end = from + length
  if (end > reader.bytes.length) reader.isSound = false
  if (!reader.isSound) return
  reader.at = end
  places?.push(from, end)
  for (let i = from; i < end; i++) if ((reader.bytes[i] as number) >= 0x80) return checkText(reader, i, end)
}

const checkText = (reader: Reader, from: number, end: number): void => {
  try {
    utf8.decode(reader.bytes.subarray(from, end))
  } catch {
    reader.isSound = false // not UTF-8
  }
}

const skipValue = (reader: Reader, depth: number): void => {
  if (depth === 0) reader.isSound = false
  if (!reader.isSound) return
  switch (reader.bytes[reader.at++]) {
    case 119: // string
      return skipString(reader, null)
    case 125: // integer: of lib0's varInt only the ends of digits matter here; eight of them are safe
      for (let digits = 1; (reader.bytes[reader.at++] ?? 0) >= 0x80; digits++) if (digits === 8) reader.isSound = false
      return
    case 124: // float32
      reader.at += 4
      return
    case 123: // float64
      reader.at += 8
      return
    case 120: // true
    case 121: // false
      return
    case 117: // list
      for (let left = skipUint(reader, reader.bytes.length); left > 0 && reader.isSound; left--) skipValue(reader, depth - 1)
      return
    default:
      reader.isSound = false
  }
}

const readDeletes = (reader: Reader): number[] => {
  const deletes: number[] = []
  for (let clients = skipUint(reader, reader.bytes.length); clients > 0 && reader.isSound; clients--) {
    const client = skipUint(reader, CLIENT_MAX)
    for (let ranges = skipUint(reader, reader.bytes.length); ranges > 0 && reader.isSound; ranges--) {
      const clock = skipUint(reader, CLOCK_MAX)
      const length = skipUint(reader, CLOCK_MAX - clock)
      if (length === 0) reader.isSound = false
      deletes.push(client, clock, length)
    }
  }
  return deletes
}

// ---- putting together

/**
 * The same updates in fewer: those of one client that follow on each other's clocks become one. Nothing is moved past an update of
 * another form, which may build on what came before it.
 */
export const joinUpdates = (updates: readonly Uint8Array[]): Uint8Array[] => {
  if (updates.length < 2) return [...updates]
  const joined: Uint8Array[] = []
  const runs = new Map<number, ReadInsertions[]>()
  const flush = (): void => {
    for (const run of runs.values()) joined.push(joinRun(run))
    runs.clear()
  }
  for (const update of updates) {
    const read = readInsertions(update)
    const run = read === null ? undefined : runs.get(read.client)
    const last = run?.at(-1)
    if (read !== null && run !== undefined && last !== undefined && last.clock + last.count === read.clock) run.push(read)
    else {
      if (read === null || run !== undefined) flush()
      if (read === null) joined.push(update)
      else runs.set(read.client, [read])
    }
  }
  flush()
  return joined
}

const joinRun = (run: readonly ReadInsertions[]): Uint8Array => {
  const [first] = run
  if (first === undefined || run.length === 1) return first?.update ?? new Uint8Array([0, 0])
  const encoder = encoding.createEncoder()
  writeHeader(encoder, first.client, first.clock, run.reduce((sum, { count }) => sum + count, 0))
  for (const { update, from, to } of run) encoding.writeUint8Array(encoder, update.subarray(from, to))
  writeDeletes(encoder, run)
  return encoding.toUint8Array(encoder)
}

/** As Yjs writes them: by client, rising and merged. */
const writeDeletes = (encoder: encoding.Encoder, run: readonly ReadInsertions[]): void => {
  const byClient = new Map<number, { clock: number; end: number }[]>()
  for (const { deletes } of run) {
    for (let i = 0; i < deletes.length; i += 3) {
      const [client = 0, clock = 0, length = 0] = deletes.slice(i, i + 3)
      const ranges = byClient.get(client)
      if (ranges === undefined) byClient.set(client, [{ clock, end: clock + length }])
      else ranges.push({ clock, end: clock + length })
    }
  }
  encoding.writeVarUint(encoder, byClient.size)
  for (const [client, ranges] of byClient) {
    const merged: { clock: number; end: number }[] = []
    for (const range of ranges.sort((a, b) => a.clock - b.clock)) {
      const last = merged.at(-1)
      if (last !== undefined && range.clock <= last.end) last.end = Math.max(last.end, range.end)
      else merged.push(range)
    }
    encoding.writeVarUint(encoder, client)
    encoding.writeVarUint(encoder, merged.length)
    for (const { clock, end } of merged) {
      encoding.writeVarUint(encoder, clock)
      encoding.writeVarUint(encoder, end - clock)
    }
  }
}
