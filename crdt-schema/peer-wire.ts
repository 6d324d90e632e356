// Frames between nodes: what they may say, how it is written, and the one place where it is parsed.
// A frame is a checksum and the messages that one turn of the event loop had for one peer [REP4]. Behind this file nobody parses again.

import * as v from 'valibot'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { isGrantText, isOutcomeText } from './grant-wire.ts'
import { type DocumentName, type Epoch, type NodeId, type Pid, parseEpoch, parseNodeId, parsePid, toDocumentName } from './ids.ts'
import { LIMITS } from './limits.ts'
import { type Result, assert, fail, ok } from './prelude.ts'
import { parseStateVector } from './wire.ts'

/** Raised only when two versions cannot talk at all: they refuse each other. What both may say is settled by `frames` in their hellos. */
export const PEER_PROTOCOL = 1

export type PeerPhase = 'starting' | 'recovering' | 'syncing' | 'ready' | 'draining'

/** One node's own account of itself, relayed to all [LIV1]. Newer means a higher (boot, counter). */
export interface StateRow {
  readonly pid: Pid
  readonly nodeId: NodeId
  readonly boot: number
  readonly counter: number
  readonly url: string
  readonly version: string
  /** Pids it heard directly within deadMs. */
  readonly hears: readonly Pid[]
  readonly phase: PeerPhase
  /** False while its directory is empty: it has never been part of a cluster. */
  readonly hasData: boolean
  /** All but ready: it waits until it stands in the lastView of every ready node [RDY1]. */
  readonly isSynced: boolean
  /** The ready nodes it last saw together, as its disk has it: it knows nothing that was acknowledged after them [RDY1]. */
  readonly lastView: readonly Pid[]
  readonly promised: Epoch
  /** The epoch it coordinates, 0 if it does not. */
  readonly coordinates: Epoch
  /** Its own commits took too long lately: it is not waited for until they are quick again [REP6]. */
  readonly isSlow: boolean
  /** It lost the role too often and waits: not "lower" for anyone [COO1]. */
  readonly holdsBack: boolean
  /** Pids it neither waits for nor counts [REP6]. */
  readonly behind: readonly Pid[]
  /** Digest over all its replicated documents; empty while updates are unapplied. */
  readonly root: string
  readonly head: number
  /** Its own commits up to this one are acknowledged by its view. */
  readonly acknowledged: number
  readonly wallMs: number
  readonly upSinceMs: number
  readonly messages: number
  readonly sessions: number
  readonly bytes: number
}

export interface WireUpdate {
  readonly document: DocumentName
  readonly update: Uint8Array
}

export interface WireDigest {
  readonly document: DocumentName
  /** Hex; "0" for an empty document. */
  readonly digest: string
}

/** A grant on its way, opaque here: JSON text that node/core/granting.ts writes and reads. */
export interface WireGrant {
  readonly epoch: Epoch
  readonly order: number
  readonly grant: string
}

export type PeerMessage =
  /** First on every link: `held`: how far I hold your feed; `bootSeen`: the highest boot I saw of your nodeId [REP1]. */
  | { readonly type: 'hello'; readonly head: number; readonly held: number; readonly bootSeen: number; readonly clusterId: string }
  | { readonly type: 'heartbeat'; readonly rows: readonly StateRow[] }
  /** One commit of its origin, live [REP3]. `previous`: the push of this boot before it (0: none). */
  | { readonly type: 'push'; readonly origin: Pid; readonly boot: number; readonly seq: number; readonly previous: number; readonly sentTo: readonly Pid[]; readonly updates: readonly WireUpdate[] }
  /** These pushes of `boot` are in a commit of the sender. */
  | { readonly type: 'ack'; readonly boot: number; readonly seqs: readonly number[] }
  /** The sender's pushes of `boot` up to `through` are acknowledged by its whole view. */
  | { readonly type: 'settled'; readonly boot: number; readonly through: number }
  /** The sender holds all that the receiver's feed held up to `through`. */
  | { readonly type: 'holds'; readonly nodeId: NodeId; readonly through: number }
  | { readonly type: 'feed-request'; readonly pull: number; readonly after: number }
  | { readonly type: 'table-request'; readonly pull: number }
  | { readonly type: 'table'; readonly pull: number; readonly head: number; readonly buckets: Uint8Array }
  | { readonly type: 'bucket-request'; readonly pull: number; readonly buckets: readonly number[] }
  /** Answers feed- and bucket-requests; `through`: the feed position the rows cover; `last`: nothing follows. */
  | { readonly type: 'rows'; readonly pull: number; readonly rows: readonly WireDigest[]; readonly through: number; readonly last: boolean }
  | { readonly type: 'want'; readonly pull: number; readonly items: readonly { readonly document: DocumentName; readonly stateVector: Uint8Array }[] }
  /** One part of the answer to one wanted document. `missing`: the sender cannot read it. */
  | { readonly type: 'diff'; readonly pull: number; readonly document: DocumentName; readonly part: number; readonly parts: number; readonly bytes: Uint8Array; readonly missing: boolean }
  /** Ends a pull: the promise and tentative grants that the asker stores before it is ready [RDY2]. */
  | { readonly type: 'pull-end-request'; readonly pull: number }
  | { readonly type: 'pull-end'; readonly pull: number; readonly promised: Epoch; readonly tentative: readonly WireGrant[] }
  | { readonly type: 'claim'; readonly epoch: Epoch }
  | { readonly type: 'promise'; readonly epoch: Epoch; readonly accepted: boolean; readonly promised: Epoch; readonly digests: readonly WireDigest[]; readonly tentative: readonly WireGrant[] }
  | { readonly type: 'prepare'; readonly grant: WireGrant }
  | { readonly type: 'prepared'; readonly epoch: Epoch; readonly order: number; readonly accepted: boolean; readonly promised: Epoch }
  /** These grants of `epoch` are committed or dropped; every tentative grant below `epoch` is settled. */
  | { readonly type: 'resolved'; readonly epoch: Epoch; readonly orders: readonly number[] }
  | { readonly type: 'ask'; readonly key: string; readonly epoch: Epoch; readonly grant: string }
  | { readonly type: 'reply'; readonly key: string; readonly outcome: string }
  | { readonly type: 'goodbye' }
  /** A message for a member without a direct link [LIV2]. */
  | { readonly type: 'relay'; readonly from: Pid; readonly to: Pid; readonly hops: number; readonly message: Uint8Array }
  /** A piece of a message that is too large for one frame; the pieces follow one another on the same link. */
  | { readonly type: 'fragment'; readonly bytes: Uint8Array; readonly last: boolean }

const pid = v.pipe(v.number(), v.check((value) => parsePid(value) !== null), v.transform((value) => value as Pid))
const nodeId = v.pipe(v.string(), v.check((value) => parseNodeId(value) !== null), v.transform((value) => value as NodeId))
const epoch = v.pipe(v.number(), v.check((value) => parseEpoch(value) !== null), v.transform((value) => value as Epoch))
const document = v.pipe(v.string(), v.maxLength(128), v.check((value) => toDocumentName(value) !== null), v.transform((value) => value as DocumentName))
const count = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const text = v.pipe(v.string(), v.maxLength(256))
const url = v.pipe(v.string(), v.maxLength(LIMITS.urlCharactersMax))
const grantText = v.pipe(v.string(), v.maxLength(8_192), v.check(isGrantText))
const outcomeText = v.pipe(v.string(), v.maxLength(8_192), v.check(isOutcomeText))
const bytes = v.instance(Uint8Array<ArrayBufferLike>)
const pids = v.pipe(v.array(pid), v.maxLength(64))
/** Checked here, since Yjs throws on a bad one and the node would end. */
const stateVector = v.pipe(bytes, v.check((value) => parseStateVector(value) !== null))

const row = v.object({
  pid, nodeId, boot: count, counter: count, url, version: text, hears: pids,
  phase: v.picklist(['starting', 'recovering', 'syncing', 'ready', 'draining']),
  hasData: v.boolean(), isSynced: v.boolean(), lastView: pids, promised: epoch, coordinates: epoch, isSlow: v.boolean(), holdsBack: v.boolean(), behind: pids,
  root: text, head: count, acknowledged: count, wallMs: v.number(), upSinceMs: v.number(), messages: count, sessions: count, bytes: count
})
const digestRow = v.object({ document, digest: text })
const grant = v.object({ epoch, order: count, grant: grantText })

/** Control messages: lib0's `any` encoding of the fields, checked by these schemas. `push` and `ack` are written by hand, below. */
const CONTROL = {
  hello: v.object({ head: count, held: count, bootSeen: count, clusterId: text }),
  heartbeat: v.object({ rows: v.pipe(v.array(row), v.maxLength(64)) }),
  settled: v.object({ boot: count, through: count }),
  holds: v.object({ nodeId, through: count }),
  'feed-request': v.object({ pull: count, after: count }),
  'table-request': v.object({ pull: count }),
  table: v.object({ pull: count, head: count, buckets: bytes }),
  'bucket-request': v.object({ pull: count, buckets: v.pipe(v.array(count), v.maxLength(4_096)) }),
  rows: v.object({ pull: count, rows: v.array(digestRow), through: count, last: v.boolean() }),
  want: v.object({ pull: count, items: v.array(v.object({ document, stateVector })) }),
  diff: v.object({ pull: count, document, part: count, parts: count, bytes, missing: v.boolean() }),
  'pull-end-request': v.object({ pull: count }),
  'pull-end': v.object({ pull: count, promised: epoch, tentative: v.array(grant) }),
  claim: v.object({ epoch }),
  promise: v.object({ epoch, accepted: v.boolean(), promised: epoch, digests: v.array(digestRow), tentative: v.array(grant) }),
  prepare: v.object({ grant }),
  prepared: v.object({ epoch, order: count, accepted: v.boolean(), promised: epoch }),
  resolved: v.object({ epoch, orders: v.array(count) }),
  ask: v.object({ key: text, epoch, grant: grantText }),
  reply: v.object({ key: text, outcome: outcomeText }),
  goodbye: v.object({}),
  relay: v.object({ from: pid, to: pid, hops: count, message: bytes }),
  fragment: v.object({ bytes, last: v.boolean() })
} as const

type ControlType = keyof typeof CONTROL
const CONTROL_TYPES = Object.keys(CONTROL) as ControlType[]
/** Type bytes on the wire. The order is part of the protocol: append, never insert. */
const PUSH = 0
const ACK = 1
const CONTROL_BASE = 2

const writePids = (encoder: encoding.Encoder, values: readonly Pid[]): void => {
  encoding.writeVarUint(encoder, values.length)
  for (const value of values) encoding.writeVarUint(encoder, value)
}

/** One message as bytes. */
export const encodePeerMessage = (message: PeerMessage): Uint8Array => {
  const encoder = encoding.createEncoder()
  if (message.type === 'push') {
    encoding.writeUint8(encoder, PUSH)
    encoding.writeVarUint(encoder, message.origin)
    encoding.writeVarUint(encoder, message.boot)
    encoding.writeVarUint(encoder, message.seq)
    encoding.writeVarUint(encoder, message.previous)
    writePids(encoder, message.sentTo)
    encoding.writeVarUint(encoder, message.updates.length)
    for (const { document, update } of message.updates) {
      encoding.writeVarString(encoder, document)
      encoding.writeVarUint8Array(encoder, update)
    }
  } else if (message.type === 'ack') {
    encoding.writeUint8(encoder, ACK)
    encoding.writeVarUint(encoder, message.boot)
    encoding.writeVarUint(encoder, message.seqs.length)
    for (const seq of message.seqs) encoding.writeVarUint(encoder, seq)
  } else {
    const { type, ...fields } = message
    encoding.writeUint8(encoder, CONTROL_BASE + CONTROL_TYPES.indexOf(type))
    encoding.writeAny(encoder, fields as never)
  }
  return encoding.toUint8Array(encoder)
}

const parsePeerMessage = (bytes: Uint8Array): PeerMessage | null => {
  const decoder = decoding.createDecoder(bytes)
  const code = decoding.readUint8(decoder)
  if (code === PUSH) return readPush(decoder)
  if (code === ACK) {
    const boot = decoding.readVarUint(decoder)
    const length = decoding.readVarUint(decoder)
    if (length > bytes.length) return null
    const seqs: number[] = []
    for (let i = 0; i < length; i++) seqs.push(decoding.readVarUint(decoder))
    return { type: 'ack', boot, seqs }
  }
  const type = CONTROL_TYPES[code - CONTROL_BASE]
  if (type === undefined) return null
  // Up to the first fault: a list of four million wrong items would make as many issues, and fill the memory.
  const fields = v.safeParse(CONTROL[type], decoding.readAny(decoder), { abortEarly: true })
  return fields.success ? ({ ...fields.output, type } as PeerMessage) : null
}

const readPush = (decoder: decoding.Decoder): PeerMessage | null => {
  const origin = parsePid(decoding.readVarUint(decoder))
  const boot = decoding.readVarUint(decoder)
  const seq = decoding.readVarUint(decoder)
  const previous = decoding.readVarUint(decoder)
  const sentTo: Pid[] = []
  for (let left = decoding.readVarUint(decoder); left > 0; left--) {
    const member = parsePid(decoding.readVarUint(decoder))
    if (member === null || sentTo.length >= 64) return null
    sentTo.push(member)
  }
  const updates: WireUpdate[] = []
  for (let left = decoding.readVarUint(decoder); left > 0; left--) {
    const name = toDocumentName(decoding.readVarString(decoder))
    const update = decoding.readVarUint8Array(decoder)
    if (name === null) return null
    updates.push({ document: name, update })
  }
  return origin === null ? null : { type: 'push', origin, boot, seq, previous, sentTo, updates }
}

/** Parses one message; every malformed one is `bad-message`, nothing throws. */
export const decodePeerMessage = (bytes: Uint8Array): Result<PeerMessage, 'bad-message'> => {
  try {
    const message = parsePeerMessage(bytes)
    return message === null ? fail('bad-message') : ok(message)
  } catch {
    // lib0 throws on every read past the end; the bytes came from outside, so this is an expected failure.
    return fail('bad-message')
  }
}

/** Eight tables for eight bytes a step: "slicing by 8", after M. Kounavis and F. Berry, 2005. Four times as fast as byte by byte. */
const CRC_TABLES = new Int32Array(8 * 256)
for (let i = 0; i < 256; i++) {
  let c = i
  for (let bit = 0; bit < 8; bit++) c = c & 1 ? (c >>> 1) ^ 0xedb88320 : c >>> 1
  CRC_TABLES[i] = c
}
for (let i = 256; i < CRC_TABLES.length; i++) {
  const before = CRC_TABLES[i - 256] as number
  CRC_TABLES[i] = (CRC_TABLES[before & 0xff] as number) ^ (before >>> 8)
}
/** What a byte adds that has `after` more behind it in its step. */
const crcTerm = (after: number, byte: number): number => CRC_TABLES[(after << 8) + byte] as number
/** CRC-32 (IEEE 802.3) of bytes from `start`, as an unsigned 32-bit number. */
export const crc32 = (bytes: Uint8Array, start = 0): number => {
  const byteAt = (at: number): number => bytes[at] as number
  let c = -1
  let i = start
  for (const end = bytes.length - 7; i < end; i += 8) {
    c ^= byteAt(i) | (byteAt(i + 1) << 8) | (byteAt(i + 2) << 16) | (byteAt(i + 3) << 24)
    c =
      crcTerm(7, c & 0xff) ^ crcTerm(6, (c >>> 8) & 0xff) ^ crcTerm(5, (c >>> 16) & 0xff) ^ crcTerm(4, c >>> 24) ^
      crcTerm(3, byteAt(i + 4)) ^ crcTerm(2, byteAt(i + 5)) ^ crcTerm(1, byteAt(i + 6)) ^ crcTerm(0, byteAt(i + 7))
  }
  for (; i < bytes.length; i++) c = crcTerm(0, (c ^ byteAt(i)) & 0xff) ^ (c >>> 8)
  return ~c >>> 0
}

/** One frame: four bytes of CRC-32 over the rest, then each message with its length. */
export const encodePeerFrame = (messages: readonly Uint8Array[]): Uint8Array => {
  assert(messages.length > 0, 'an empty frame')
  const encoder = encoding.createEncoder()
  encoding.writeUint32(encoder, 0)
  for (const message of messages) encoding.writeVarUint8Array(encoder, message)
  const frame = encoding.toUint8Array(encoder)
  new DataView(frame.buffer, frame.byteOffset).setUint32(0, crc32(frame, 4), true)
  return frame
}

/** The messages of a frame, still as bytes, or `bad-frame` if the checksum, the lengths or their number do not fit [STO6]. */
export const decodePeerFrame = (frame: Uint8Array): Result<readonly Uint8Array[], 'bad-frame'> => {
  if (frame.length < 5 || new DataView(frame.buffer, frame.byteOffset).getUint32(0, true) !== crc32(frame, 4)) return fail('bad-frame')
  const decoder = decoding.createDecoder(frame.subarray(4))
  const messages: Uint8Array[] = []
  try {
    while (decoding.hasContent(decoder)) {
      if (messages.length >= LIMITS.peerFrameMessagesMax) return fail('bad-frame')
      messages.push(decoding.readVarUint8Array(decoder))
    }
  } catch {
    return fail('bad-frame')
  }
  return ok(messages)
}
