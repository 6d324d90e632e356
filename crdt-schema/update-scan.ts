// Reads a Yjs update (V1) from a stranger without letting Yjs touch it: seven bytes can ask Yjs for thirty million
// structs. Every count is held against the bytes that are left, so the work is linear in the update's size, and what
// no Starling document ever holds (embeds, formats, sub-documents, binary, XML) is refused here already.
// Knows the encoding only; where a struct belongs and whether it may, is gate.ts's business [SYN5].

export interface StructId {
  readonly client: number
  readonly clock: number
}

/** One struct of an update. `parent` is a root's name, the id of a type, or null: then it is that of the neighbours. */
export interface ScannedStruct extends StructId {
  readonly length: number
  readonly content:
    | { readonly type: 'gc' | 'skip' | 'deleted' | 'text' }
    | { readonly type: 'string'; readonly string: string }
    | { readonly type: 'values'; readonly values: readonly unknown[] }
  readonly origin: StructId | null
  readonly rightOrigin: StructId | null
  readonly parent: string | StructId | null
  readonly parentSub: string | null
}

export interface ClockRange {
  readonly clock: number
  readonly length: number
}

export interface ScannedUpdate {
  /** By client, rising in clock and without holes but for skips. */
  readonly structs: ReadonlyMap<number, readonly ScannedStruct[]>
  /** By client, rising and apart from each other. */
  readonly deletes: ReadonlyMap<number, readonly ClockRange[]>
}

/** Yjs draws client ids from 32 bits; clocks beyond 31 bits would take decades of typing. */
const CLIENT_MAX = 0xffff_ffff
const CLOCK_MAX = 0x7fff_ffff
/** How deep values may nest: a list of pairs is 2, outcomes of requests need a little more. */
const VALUE_DEPTH_MAX = 12

const HAS_ORIGIN = 0x80
const HAS_RIGHT_ORIGIN = 0x40
const HAS_PARENT_SUB = 0x20
const CONTENT_BITS = 0x1f
const YTEXT = 2

/** Thrown inside this file only, where returning a code through every read would bury the format. */
class Malformed extends Error {}

/** The structs and deletes of an update, or null if it is malformed, holds a foreign type or more than `structsMax` structs. */
export const scanUpdate = (update: Uint8Array, structsMax: number): ScannedUpdate | null => {
  try {
    const bytes = createByteReader(update)
    const structs = readStructs(bytes, structsMax)
    const deletes = readDeletes(bytes)
    demand(bytes.left() === 0)
    return { structs, deletes }
  } catch (error) {
    if (error instanceof Malformed) return null
    throw error
  }
}

function demand(condition: boolean): asserts condition {
  if (!condition) throw new Malformed()
}

// ---- structs and deletes

const readStructs = (bytes: ByteReader, structsMax: number): Map<number, ScannedStruct[]> => {
  const byClient = new Map<number, ScannedStruct[]>()
  let budget = structsMax
  for (let clients = bytes.count(3); clients > 0; clients -= 1) {
    const count = bytes.count(2)
    budget -= count
    demand(budget >= 0)
    const client = bytes.uint(CLIENT_MAX)
    let clock = bytes.uint(CLOCK_MAX)
    demand(!byClient.has(client)) // Yjs would keep the last list only
    const structs: ScannedStruct[] = []
    for (let i = 0; i < count; i += 1) {
      const struct = readStruct(bytes, client, clock)
      clock += struct.length
      demand(struct.length > 0 && clock <= CLOCK_MAX) // a struct without length would stop the clock
      structs.push(struct)
    }
    byClient.set(client, structs)
  }
  return byClient
}

const readStruct = (bytes: ByteReader, client: number, clock: number): ScannedStruct => {
  const info = bytes.byte()
  if (info === 0 || info === 10) {
    const type = info === 0 ? 'gc' : 'skip'
    return { client, clock, length: bytes.uint(CLOCK_MAX), content: { type }, origin: null, rightOrigin: null, parent: null, parentSub: null }
  }
  const origin = (info & HAS_ORIGIN) === 0 ? null : readId(bytes)
  const rightOrigin = (info & HAS_RIGHT_ORIGIN) === 0 ? null : readId(bytes)
  let parent: string | StructId | null = null
  let parentSub: string | null = null
  if (origin === null && rightOrigin === null) {
    parent = bytes.uint(1) === 1 ? bytes.string() : readId(bytes)
    if ((info & HAS_PARENT_SUB) !== 0) parentSub = bytes.string()
  }
  for (const id of [origin, rightOrigin, parent]) {
    // A struct that points at itself or ahead in its own line makes Yjs throw half way through a transaction.
    demand(id === null || typeof id === 'string' || id.client !== client || id.clock < clock)
  }
  return { client, clock, origin, rightOrigin, parent, parentSub, ...readContent(bytes, info & CONTENT_BITS) }
}

const readContent = (bytes: ByteReader, ref: number): Pick<ScannedStruct, 'content' | 'length'> => {
  switch (ref) {
    case 1:
      return { content: { type: 'deleted' }, length: bytes.uint(CLOCK_MAX) }
    case 4: {
      const string = bytes.string()
      return { content: { type: 'string', string }, length: string.length }
    }
    case 7:
      demand(bytes.uint(CLOCK_MAX) === YTEXT)
      return { content: { type: 'text' }, length: 1 }
    case 8: {
      const values: unknown[] = []
      for (let count = bytes.count(1); count > 0; count -= 1) values.push(readValue(bytes, VALUE_DEPTH_MAX))
      return { content: { type: 'values', values }, length: values.length }
    }
    default:
      throw new Malformed()
  }
}

const readId = (bytes: ByteReader): StructId => ({ client: bytes.uint(CLIENT_MAX), clock: bytes.uint(CLOCK_MAX) })

const readDeletes = (bytes: ByteReader): Map<number, ClockRange[]> => {
  const byClient = new Map<number, ClockRange[]>()
  for (let clients = bytes.count(2); clients > 0; clients -= 1) {
    const client = bytes.uint(CLIENT_MAX)
    demand(!byClient.has(client))
    const ranges: ClockRange[] = []
    let end = 0
    for (let count = bytes.count(2); count > 0; count -= 1) {
      const range = { clock: bytes.uint(CLOCK_MAX), length: bytes.uint(CLOCK_MAX) }
      // Every writer sorts and merges; overlaps only multiply the work, empty ranges split items to no end.
      demand(range.clock >= end && range.length > 0)
      end = range.clock + range.length
      demand(end <= CLOCK_MAX)
      ranges.push(range)
    }
    byClient.set(client, ranges)
  }
  return byClient
}

// ---- values in lib0's "any" encoding, as far as they are JSON

const readValue = (bytes: ByteReader, depth: number): unknown => {
  demand(depth > 0)
  switch (bytes.byte()) {
    case 126:
      return null
    case 125:
      return bytes.int()
    case 124:
      return bytes.view(4).getFloat32(0, false)
    case 123:
      return bytes.view(8).getFloat64(0, false)
    case 121:
      return false
    case 120:
      return true
    case 119:
      return bytes.string()
    case 118: {
      const object: Record<string, unknown> = {}
      for (let count = bytes.count(2); count > 0; count -= 1) {
        const key = bytes.string()
        demand(key !== '__proto__') // lib0 assigns it
        object[key] = readValue(bytes, depth - 1)
      }
      return object
    }
    case 117: {
      const list: unknown[] = []
      for (let count = bytes.count(1); count > 0; count -= 1) list.push(readValue(bytes, depth - 1))
      return list
    }
    default:
      throw new Malformed() // undefined, bigint, binary
  }
}

// ---- bytes

interface ByteReader {
  left(): number
  byte(): number
  /** A varUint of at most `max`. */
  uint(max: number): number
  /** A varUint that counts items of at least `bytesEach` bytes: more than can follow is refused before any is read. */
  count(bytesEach: number): number
  int(): number
  string(): string
  view(length: number): DataView
}

/** lib0 decodes strings so, too: fatal, and keeping a byte order mark, or lengths would differ. */
const utf8 = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })

const createByteReader = (bytes: Uint8Array): ByteReader => {
  let position = 0
  const left = (): number => bytes.length - position
  const byte = (): number => {
    const value = bytes[position]
    demand(value !== undefined)
    position += 1
    return value
  }
  /** lib0's own reader accepts endless zeros and turns them into NaN. */
  const digits = (start: number, multiplier: number): number => {
    let value = start
    for (let factor = multiplier; ; factor *= 128) {
      const digit = byte()
      value += (digit & 0x7f) * factor
      demand(value <= Number.MAX_SAFE_INTEGER && factor <= Number.MAX_SAFE_INTEGER)
      if (digit < 0x80) return value
    }
  }
  const uint = (max: number): number => {
    const value = digits(0, 1)
    demand(value <= max)
    return value
  }
  const view = (length: number): DataView => {
    demand(length <= left())
    position += length
    return new DataView(bytes.buffer, bytes.byteOffset + position - length, length)
  }
  const string = (): string => {
    try {
      return utf8.decode(view(uint(bytes.length)))
    } catch {
      throw new Malformed() // not UTF-8
    }
  }
  const int = (): number => {
    const first = byte()
    const size = (first & 0x80) === 0 ? first & 0x3f : digits(first & 0x3f, 64)
    return (first & 0x40) === 0 ? size : -size
  }
  return { left, byte, uint, count: bytesEach => uint(Math.floor(left() / bytesEach)), int, string, view }
}
