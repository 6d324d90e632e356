// Makes hostile bytes out of honest ones: random, flipped, truncated, spliced, nested, with lengths that announce more
// than there is; and hostile messages between nodes, well formed but for a field that is not what it should be.

import { encodePeerFrame, encodePeerMessage, crc32, type PeerMessage } from '../../crdt-schema/peer-wire.ts'
import type { Random } from '../sim/random.ts'

/** Beginnings and lengths that decoders stumble over: huge, negative or overlong numbers, deep nests, odd types. */
const TOKENS: readonly Uint8Array[] = [
  [0xff, 0xff, 0xff, 0xff, 0x0f], [0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f], [0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x00],
  [0x00], [0x7f], [0x80], [0xff], [0x75, 0x75, 0x75, 0x75], [0x76, 0xff, 0xff, 0x03], [0x77, 0xff, 0xff, 0xff, 0x7f], [0x74, 0xff, 0xff, 0xff, 0x7f],
  [0x7b, 0x7f, 0xf8, 0, 0, 0, 0, 0, 0], [0x7c, 0x7f, 0x80, 0, 0], [0x7a, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff], [0x0a], [0x28], [0xc4],
].map((bytes) => Uint8Array.from(bytes))

const concat = (...parts: readonly Uint8Array[]): Uint8Array => Uint8Array.from(Buffer.concat(parts))

const MANGLES: readonly ((bytes: Uint8Array, random: Random, corpus: readonly Uint8Array[]) => Uint8Array)[] = [
  (_bytes, random) => random.bytes(random.integer(0, 64)),
  (bytes, random) => {
    const flipped = bytes.slice()
    for (let times = random.integer(1, 6); times > 0 && flipped.length > 0; times--) {
      const at = random.integer(0, flipped.length - 1)
      flipped[at] = (flipped[at] ?? 0) ^ (1 << random.integer(0, 7))
    }
    return flipped
  },
  (bytes, random) => bytes.slice(0, random.integer(0, bytes.length)),
  (bytes, random) => concat(bytes, random.bytes(random.integer(1, 32))),
  (bytes, random) => {
    const at = random.integer(0, bytes.length)
    return concat(bytes.slice(0, at), random.pick(TOKENS), bytes.slice(random.chance(0.5) ? at : Math.min(bytes.length, at + 1)))
  },
  (bytes, random, corpus) => concat(bytes.slice(0, random.integer(0, bytes.length)), random.pick(corpus).slice(random.integer(0, 8))),
  (bytes, random) => {
    const from = random.integer(0, bytes.length)
    const piece = bytes.slice(from, from + random.integer(1, 16))
    return concat(bytes.slice(0, from), ...Array.from({ length: random.integer(2, 40) }, () => piece), bytes.slice(from))
  },
  // A frame inside a frame: the same head again before the whole.
  (bytes, random) => concat(bytes.slice(0, Math.min(bytes.length, random.integer(1, 3))), bytes),
  (bytes) => bytes,
]

/** Something like `bytes`, and not. */
export const mangle = (bytes: Uint8Array, random: Random, corpus: readonly Uint8Array[]): Uint8Array => {
  let mangled = random.pick(MANGLES)(bytes, random, corpus)
  if (random.chance(0.2)) mangled = random.pick(MANGLES)(mangled, random, corpus)
  return mangled.length > 65_536 ? mangled.slice(0, 65_536) : mangled
}

const ODD_VALUES: readonly unknown[] = [
  0, 1, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 31, 2 ** 32, Number.MAX_SAFE_INTEGER, -(2 ** 53), '', 'x'.repeat(300), '__proto__', 'constructor', '\u0000', '\ud800',
  'members', 'inbox/../members', null, true, false, [], {}, { length: 5 }, [[[[]]]], new Uint8Array(), new Uint8Array([0, 0]), new Uint8Array(40).fill(255), 10n,
]

/** The same message with one to three of its fields, at any depth, replaced, repeated or taken from another message. */
export const mangleMessage = (message: PeerMessage, random: Random, corpus: readonly PeerMessage[]): PeerMessage => {
  let mangled: unknown = message
  for (let times = random.integer(1, 3); times > 0; times--) mangled = changeSomewhere(mangled, random, corpus, 0)
  return { ...(mangled as PeerMessage), type: random.chance(0.05) ? random.pick(corpus).type : message.type } as PeerMessage
}

const changeSomewhere = (value: unknown, random: Random, corpus: readonly PeerMessage[], depth: number): unknown => {
  if (value instanceof Uint8Array) return random.chance(0.5) ? mangle(value, random, [value]) : random.pick(ODD_VALUES)
  if (Array.isArray(value) && value.length > 0 && random.chance(0.85)) {
    const at = random.integer(0, value.length - 1)
    if (random.chance(0.2)) return Array.from({ length: random.integer(2, 200) }, () => value[at])
    return value.map((item, index) => (index === at ? changeSomewhere(item, random, corpus, depth + 1) : item))
  }
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && (depth === 0 || random.chance(0.9))) {
    const keys = Object.keys(value).filter((key) => key !== 'type')
    if (keys.length === 0) return value
    const key = random.pick(keys)
    return { ...value, [key]: changeSomewhere((value as Record<string, unknown>)[key], random, corpus, depth + 1) }
  }
  if (typeof value === 'number' && random.chance(0.6)) return random.pick([value + 1, value - 1, value * 2, value + 64, random.integer(0, 100), Number.MAX_SAFE_INTEGER])
  return random.pick(ODD_VALUES)
}

/** A frame of a peer that passes the checksum whatever its messages are. */
export const toFrame = (messages: readonly Uint8Array[]): Uint8Array => encodePeerFrame(messages)

/** Body bytes under a sum that fits. */
export const sealFrame = (body: Uint8Array): Uint8Array => {
  const frame = concat(new Uint8Array(4), body)
  new DataView(frame.buffer).setUint32(0, crc32(frame, 4), true)
  return frame
}

/** Whether every number in it is one that lib0 comes to the end of writing. */
const isWritable = (value: unknown): boolean =>
  typeof value === 'number' ? Number.isSafeInteger(value) && value >= 0 : value instanceof Uint8Array || typeof value !== 'object' || value === null || Object.values(value).every(isWritable)

/** As encodePeerMessage, for what its types forbid; null where not even lib0 can write it. */
export const tryEncode = (message: PeerMessage): Uint8Array | null => {
  if ((message.type === 'push' || message.type === 'ack') && !isWritable(message)) return null
  try {
    return encodePeerMessage(message)
  } catch {
    return null // a push with a text for a number, say: the hand-written part of the format has no way to say it
  }
}
