// The frames of a sync socket: y-websocket's protocol as any stock client speaks it, and Starling's notes beside it,
// hidden in y-protocols' auth messages, which a stock client passes over in silence. The trust boundary of clients:
// nobody behind it parses frames again; what an update holds is gate.ts's business. PROTOCOL.md is its prose.
// Frames between nodes are elsewhere, in peer-wire.ts: client ports never accept those.

import { type Decoder, createDecoder, hasContent, readVarString, readVarUint, readVarUint8Array } from 'lib0/decoding'
import { createEncoder, toUint8Array, writeVarString, writeVarUint, writeVarUint8Array } from 'lib0/encoding'
import * as v from 'valibot'
import { type Millis, type Pid, parsePid } from './ids.ts'
import { LIMITS } from './limits.ts'
import { type Result, fail, ok } from './prelude.ts'

/** Raised when a change makes older pages or nodes misread a frame or a document. */
export const CLIENT_PROTOCOL = 'starling.v1'
/** The token travels as a second subprotocol with this prefix, never in the URL. */
export const TOKEN_PROTOCOL_PREFIX = 'starling.token.'

const MESSAGE_SYNC = 0
const MESSAGE_AWARENESS = 1
const MESSAGE_AUTH = 2
const MESSAGE_QUERY_AWARENESS = 3
const SYNC_STEP_1 = 0
const SYNC_STEP_2 = 1
const SYNC_UPDATE = 2
const NOTE_STORED = 100
const NOTE_NODES = 101
const NOTE_ROOM = 102

/** Why a node closes a sync socket [SYN4]. */
export const CLOSE_CODES = {
  /** Going away or restarting: try another node. */
  goingAway: 1012,
  /** Overloaded: try another node. */
  tryLater: 1013,
  sessionEnded: 4401,
  /** Not yours, or read-only. */
  forbidden: 4403,
  signedInElsewhere: 4409,
  tooLarge: 4413,
  badUpdate: 4422,
  /** This node is not ready: try another one. */
  notReady: 4503,
} as const
export type CloseCode = (typeof CLOSE_CODES)[keyof typeof CLOSE_CODES]

/** Whether a replica must not come back as it is: trying another node would only repeat it. */
export const isFinalClose = (code: number): boolean =>
  code === CLOSE_CODES.sessionEnded || code === CLOSE_CODES.forbidden || code === CLOSE_CODES.signedInElsewhere || code === CLOSE_CODES.tooLarge || code === CLOSE_CODES.badUpdate

// ---- frames from a client

export type ClientFrame =
  | { readonly type: 'sync-step-1'; readonly stateVector: ReadonlyMap<number, number>; readonly stateVectorBytes: Uint8Array }
  | { readonly type: 'sync-step-2' | 'update'; readonly update: Uint8Array }
  /** Answered by nothing: nodes keep no awareness [DOC7]. */
  | { readonly type: 'awareness' | 'query-awareness' | 'auth' }

/** One frame of a client, checked to its last byte. Views into `bytes` are copied, so that the buffer may be reused. */
export const decodeClientFrame = (bytes: Uint8Array): Result<ClientFrame, 'bad-frame'> => {
  try {
    const decoder = createDecoder(bytes)
    const frame = readClientFrame(decoder)
    return frame === null || (isSyncFrame(frame) && hasContent(decoder)) ? fail('bad-frame') : ok(frame)
  } catch {
    return fail('bad-frame') // lib0 throws on a short or overlong field
  }
}

const isSyncFrame = (frame: ClientFrame): boolean => frame.type === 'sync-step-1' || frame.type === 'sync-step-2' || frame.type === 'update'

const readClientFrame = (decoder: Decoder): ClientFrame | null => {
  switch (readVarUint(decoder)) {
    case MESSAGE_SYNC:
      return readSyncFrame(decoder)
    case MESSAGE_AWARENESS:
      return { type: 'awareness' }
    case MESSAGE_AUTH:
      return { type: 'auth' }
    case MESSAGE_QUERY_AWARENESS:
      return { type: 'query-awareness' }
    default:
      return null
  }
}

const readSyncFrame = (decoder: Decoder): ClientFrame | null => {
  const step = readVarUint(decoder)
  if (step !== SYNC_STEP_1 && step !== SYNC_STEP_2 && step !== SYNC_UPDATE) return null
  const payload = readVarUint8Array(decoder).slice()
  if (step !== SYNC_STEP_1) return { type: step === SYNC_STEP_2 ? 'sync-step-2' : 'update', update: payload }
  const stateVector = parseStateVector(payload)
  return stateVector === null ? null : { type: 'sync-step-1', stateVector, stateVectorBytes: payload }
}

/** As Yjs reads it, but whole: no entry without a number, nothing after the last one. Throws where it ends too early. */
const decodeStateVector = (bytes: Uint8Array): Map<number, number> | null => {
  const decoder = createDecoder(bytes)
  const count = readVarUint(decoder)
  const stateVector = new Map<number, number>()
  for (let i = 0; i < count; i += 1) {
    const client = readVarUint(decoder)
    const clock = readVarUint(decoder)
    if (!Number.isSafeInteger(client) || !Number.isSafeInteger(clock)) return null
    stateVector.set(client, clock)
  }
  return hasContent(decoder) ? null : stateVector
}

/** What Y.encodeStateVector wrote, or null. Yjs itself throws on anything else, so nothing else may reach it. */
export const parseStateVector = (bytes: Uint8Array): ReadonlyMap<number, number> | null => {
  try {
    return decodeStateVector(bytes)
  } catch {
    return null // lib0 throws on every read past the end
  }
}

/** How large a frame may be: the first sync step 2 of a socket brings a page's whole offline work. */
export const clientFrameBytesMax = (isFirstSync: boolean): number => (isFirstSync ? LIMITS.firstSyncFrameBytesMax : LIMITS.clientFrameBytesMax)

// ---- frames to a client

const encodeSync = (step: number, payload: Uint8Array): Uint8Array => {
  const encoder = createEncoder()
  writeVarUint(encoder, MESSAGE_SYNC)
  writeVarUint(encoder, step)
  writeVarUint8Array(encoder, payload)
  return toUint8Array(encoder)
}

/** Asks the other side for what this state vector (from Y.encodeStateVector) lacks. */
export const encodeSyncStep1 = (stateVector: Uint8Array): Uint8Array => encodeSync(SYNC_STEP_1, stateVector)
/** Answers a step 1 with a diff (from Y.encodeStateAsUpdate). */
export const encodeSyncStep2 = (update: Uint8Array): Uint8Array => encodeSync(SYNC_STEP_2, update)
export const encodeUpdate = (update: Uint8Array): Uint8Array => encodeSync(SYNC_UPDATE, update)

/** An update without structs or deletes: an application message that says only "I am here" [SYN3]. */
export const encodeKeepAlive = (): Uint8Array => encodeUpdate(EMPTY_UPDATE)
const EMPTY_UPDATE = new Uint8Array([0, 0])

// ---- notes to a page

const pidSchema = v.custom<Pid>(value => parsePid(value) !== null)
const countSchema = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const millisSchema = v.pipe(v.number(), v.safeInteger(), v.minValue(0), v.transform(time => time as Millis))

const storedSchema = v.object({ count: countSchema, pids: v.array(pidSchema), members: countSchema })
const nodeStatusSchema = v.picklist(['ready', 'syncing', 'down', 'removed'])
const nodesSchema = v.object({ time: millisSchema, nodes: v.array(v.object({ pid: pidSchema, url: v.string(), status: nodeStatusSchema })) })
const roomSchema = v.object({ room: v.string(), digest: v.string(), unopened: countSchema, pids: v.array(pidSchema) })

/** The first `count` sync step 2 and update frames of this socket that were applied are stored on `pids`, of `members` nodes [SYN1]. */
export type StoredNote = Readonly<v.InferOutput<typeof storedSchema>>
/** Cluster time and the nodes, best first [SYN2]. */
export type NodesNote = Readonly<v.InferOutput<typeof nodesSchema>>
/** All that this node holds of a room is stored on `pids` [SYN6]. */
export type RoomNote = Readonly<v.InferOutput<typeof roomSchema>>
export type ServerNote = ({ readonly type: 'stored' } & StoredNote) | ({ readonly type: 'nodes' } & NodesNote) | ({ readonly type: 'room' } & RoomNote)

const encodeNote = (subtype: number, note: StoredNote | NodesNote | RoomNote): Uint8Array => {
  const encoder = createEncoder()
  writeVarUint(encoder, MESSAGE_AUTH)
  writeVarUint(encoder, subtype)
  writeVarString(encoder, JSON.stringify(note))
  return toUint8Array(encoder)
}

export const encodeStoredNote = (note: StoredNote): Uint8Array => encodeNote(NOTE_STORED, note)
export const encodeNodesNote = (note: NodesNote): Uint8Array => encodeNote(NOTE_NODES, note)
export const encodeRoomNote = (note: RoomNote): Uint8Array => encodeNote(NOTE_ROOM, note)

/** The note in a frame from a node, or null if the frame is none, or one of a later version. */
export const decodeServerNote = (bytes: Uint8Array): ServerNote | null => {
  try {
    const decoder = createDecoder(bytes)
    return readVarUint(decoder) === MESSAGE_AUTH ? readNote(decoder) : null
  } catch {
    return null // short, or not JSON
  }
}

/** The same for a handler of y-websocket, whose decoder stands behind the message type already. */
export const readNote = (decoder: Decoder): ServerNote | null => {
  const subtype = readVarUint(decoder)
  const body: unknown = JSON.parse(readVarString(decoder))
  if (subtype === NOTE_STORED) return withType('stored', v.safeParse(storedSchema, body))
  if (subtype === NOTE_NODES) return withType('nodes', v.safeParse(nodesSchema, body))
  if (subtype === NOTE_ROOM) return withType('room', v.safeParse(roomSchema, body))
  return null
}

const withType = <Type extends string, Note>(type: Type, parsed: { readonly success: true; readonly output: Note } | { readonly success: false }): ({ readonly type: Type } & Note) | null =>
  parsed.success ? { ...parsed.output, type } : null
