// The bytes of one direction of a link: frames, each written as an LZ4 block that may refer back to the frames before it.
// Messages repeat one another: the text of a delivery stands in three updates, ids and document names in every commit, and a heartbeat
// says nearly what the last one said. A window over the frames of this link finds all of that at the cost of a few microseconds a frame.
//
// The format is LZ4's block format (Y. Collet, "LZ4 Block Format Description"), blocks linked over a window of 64 KiB. Both ends keep the
// window by themselves: a link delivers every frame, in order, or is over. What the bytes mean is checked behind, by the frame's checksum.

import { LIMITS } from './limits.ts'
import { type Result, assert, fail, ok } from './prelude.ts'

/** How frames go over a link: 1, each as it is; 2, as described here. Ends that know different ways use the older one. */
export const FRAMES_PLAIN = 1
export const FRAMES_NEWEST = 2

/** First byte of what goes over the link. */
const STORED = 0
const BLOCK = 1

const WINDOW_BYTES = 64 * 1024
/** Larger frames are bulk of a catch-up: they go as they are, and the window passes over them. */
const BLOCK_BYTES_MAX = WINDOW_BYTES
const OFFSET_MAX = WINDOW_BYTES - 1
const MATCH_MIN = 4
/** LZ4's rules for the end of a block: the last five bytes are literals, and no match begins in the last twelve. */
const LAST_LITERALS = 5
const LAST_MATCH_DISTANCE = 12
const HASH_BITS = 13
/** After so many bytes without a match, steps grow: text that does not compress is passed over quickly. */
const SKIP_BITS = 5

/** The last window, and behind it room for two frames: it moves once in many frames. */
interface History {
  readonly bytes: Uint8Array
  end: number
}

const createHistory = (): History => ({ bytes: new Uint8Array(WINDOW_BYTES + 2 * BLOCK_BYTES_MAX), end: 0 })

/** Makes room for a frame; returns by how much everything moved. */
const makeRoom = (history: History, length: number): number => {
  if (history.end + length <= history.bytes.length) return 0
  const moved = history.end - WINDOW_BYTES
  history.bytes.copyWithin(0, moved, history.end)
  history.end = WINDOW_BYTES
  return moved
}

/** The sending end of one direction of a link. Every frame it returns must go over the link, in this order. */
export const createLinkEncoder = (): ((frame: Uint8Array) => Uint8Array) => {
  const history = createHistory()
  /** Where bytes with this hash were last seen, plus one; 0: nowhere in the window. */
  const seenAt = new Int32Array(1 << HASH_BITS)
  return (frame) => {
    assert(frame.length > 0, 'an empty frame')
    if (frame.length > BLOCK_BYTES_MAX) return prefix(STORED, frame)
    const moved = makeRoom(history, frame.length)
    if (moved > 0) for (let i = 0; i < seenAt.length; i++) seenAt[i] = Math.max(0, (seenAt[i] as number) - moved)
    const start = history.end
    history.bytes.set(frame, start)
    history.end += frame.length
    return encodeBlock(history.bytes, start, history.end, seenAt)
  }
}

/** The receiving end: the frame, or `bad-block` when the bytes are none or lead out of the window. After that the link must end. */
export const createLinkDecoder = (): ((bytes: Uint8Array) => Result<Uint8Array, 'bad-block'>) => {
  const history = createHistory()
  return (bytes) => {
    const kind = bytes[0]
    if (kind === STORED && bytes.length > BLOCK_BYTES_MAX && bytes.length <= LIMITS.peerFrameBytesMax + 1) return ok(bytes.slice(1))
    if (kind !== BLOCK) return fail('bad-block')
    makeRoom(history, BLOCK_BYTES_MAX)
    const start = history.end
    const end = decodeBlock(bytes, history.bytes, start)
    if (end === null || end === start) return fail('bad-block')
    history.end = end
    return ok(history.bytes.slice(start, end))
  }
}

const prefix = (kind: number, bytes: Uint8Array): Uint8Array => {
  const prefixed = new Uint8Array(bytes.length + 1)
  prefixed[0] = kind
  prefixed.set(bytes, 1)
  return prefixed
}

// ---- blocks

const readWord = (bytes: Uint8Array, at: number): number =>
  (bytes[at] as number) | ((bytes[at + 1] as number) << 8) | ((bytes[at + 2] as number) << 16) | ((bytes[at + 3] as number) << 24)

/** Of five bytes, as four alone are too often alike by chance in hexadecimal ids. */
const hashAt = (word: number, fifth: number): number => Math.imul(word ^ Math.imul(fifth, 0x9e3779b1), 0x85ebca6b) >>> (32 - HASH_BITS)

/** Bytes `start … end` of the window as a block; what they repeat is referred to. */
const encodeBlock = (window: Uint8Array, start: number, end: number, seenAt: Int32Array): Uint8Array => {
  const block = new Uint8Array(1 + end - start + Math.ceil((end - start) / 255) + 16)
  block[0] = BLOCK
  let to = 1
  let literalsAt = start
  const lastMatch = end - LAST_MATCH_DISTANCE
  const matchEnd = end - LAST_LITERALS
  for (let at = start; at <= lastMatch; ) {
    const word = readWord(window, at)
    const hash = hashAt(word, window[at + 4] as number)
    let from = (seenAt[hash] as number) - 1
    seenAt[hash] = at + 1
    if (from < 0 || at - from > OFFSET_MAX || readWord(window, from) !== word) {
      at += 1 + ((at - literalsAt) >> SKIP_BITS)
      continue
    }
    let first = at
    while (first > literalsAt && from > 0 && window[first - 1] === window[from - 1]) {
      first--
      from--
    }
    let behind = at + MATCH_MIN
    for (let other = from + (behind - first); behind < matchEnd && window[behind] === window[other]; other++) behind++
    to = writeSequence(block, to, window, literalsAt, first, first - from, behind - first)
    at = literalsAt = behind
    if (at <= lastMatch) seenAt[hashAt(readWord(window, at - 2), window[at + 2] as number)] = at - 1
  }
  return block.subarray(0, writeSequence(block, to, window, literalsAt, end, 0, 0))
}

/** Literals `from … until`, then a match; without a match (offset 0) it is the block's last sequence. */
const writeSequence = (block: Uint8Array, at: number, window: Uint8Array, from: number, until: number, offset: number, length: number): number => {
  const literals = until - from
  const rest = length - MATCH_MIN
  let to = at
  block[to++] = (Math.min(literals, 15) << 4) | (offset === 0 ? 0 : Math.min(rest, 15))
  to = writeLength(block, to, literals)
  for (let i = from; i < until; i++) block[to++] = window[i] as number
  if (offset === 0) return to
  block[to++] = offset & 0xff
  block[to++] = offset >> 8
  return writeLength(block, to, rest)
}

const writeLength = (block: Uint8Array, at: number, length: number): number => {
  let to = at
  if (length < 15) return to
  let left = length - 15
  for (; left >= 255; left -= 255) block[to++] = 255
  block[to++] = left
  return to
}

/** Writes what the block says behind `start` of the window and returns where it ends; null if it is none. */
const decodeBlock = (block: Uint8Array, window: Uint8Array, start: number): number | null => {
  const limit = start + BLOCK_BYTES_MAX
  let to = start
  let at = 1
  const readLength = (nibble: number): number => {
    let length = nibble
    if (nibble < 15) return length
    for (;;) {
      const byte = block[at++]
      if (byte === undefined) return Number.POSITIVE_INFINITY
      length += byte
      if (byte < 255) return length
    }
  }
  while (at < block.length) {
    const token = block[at++] as number
    const literals = readLength(token >> 4)
    if (literals > block.length - at || literals > limit - to) return null
    for (const until = at + literals; at < until; ) window[to++] = block[at++] as number
    if (at === block.length) return to
    if (at + 2 > block.length) return null
    const offset = (block[at] as number) | ((block[at + 1] as number) << 8)
    at += 2
    const length = readLength(token & 15) + MATCH_MIN
    if (offset === 0 || offset > to || length > limit - to) return null
    for (const until = to + length; to < until; to++) window[to] = window[to - offset] as number
  }
  return null
}
