// What the load generator says on a sync socket, made by hand: a Yjs document per sender would cost more than the nodes do.
// One update writes one outbox entry, as a page's `map.set` would, and deletes the entries that were acknowledged before it.

import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'

const MESSAGE_SYNC = 0
const MESSAGE_AUTH = 2
const SYNC_STEP_1 = 0
const SYNC_STEP_2 = 1
const SYNC_UPDATE = 2
const NOTE_STORED = 100
/** Yjs's struct info: arbitrary content (8), with the key of a map (32). */
const ANY_IN_MAP = 8 | 32

/** A sender's replica, as far as it must be known: its clientID, its next clock, and the clocks of entries to be deleted. */
export const createReplica = () => ({ client: 1 + Math.floor(Math.random() * 2 ** 31), clock: 0, done: [] })

/** An update frame that puts `value` under `key` of the root map `outbox`. */
export const encodeSending = (replica, key, value) => {
  const update = encoding.createEncoder()
  encoding.writeVarUint(update, 1)
  encoding.writeVarUint(update, 1)
  encoding.writeVarUint(update, replica.client)
  encoding.writeVarUint(update, replica.clock)
  encoding.writeUint8(update, ANY_IN_MAP)
  encoding.writeVarUint(update, 1)
  encoding.writeVarString(update, 'outbox')
  encoding.writeVarString(update, key)
  encoding.writeVarUint(update, 1)
  encoding.writeAny(update, value)
  encoding.writeVarUint(update, replica.done.length === 0 ? 0 : 1)
  if (replica.done.length > 0) {
    encoding.writeVarUint(update, replica.client)
    encoding.writeVarUint(update, replica.done.length)
    for (const clock of replica.done) {
      encoding.writeVarUint(update, clock)
      encoding.writeVarUint(update, 1)
    }
    replica.done = []
  }
  replica.clock += 1
  return encodeSync(SYNC_UPDATE, encoding.toUint8Array(update))
}

const encodeSync = (step, payload) => {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, MESSAGE_SYNC)
  encoding.writeVarUint(encoder, step)
  encoding.writeVarUint8Array(encoder, payload)
  return encoding.toUint8Array(encoder)
}

/** Sync step 1 of an empty replica: send me everything, and all that follows. */
export const encodeHello = () => encodeSync(SYNC_STEP_1, Uint8Array.of(0))
export const encodeEmptyAnswer = () => encodeSync(SYNC_STEP_2, Uint8Array.of(0, 0))

const LETTERS = new TextDecoder()

/** A frame of a node: {type: 'stored', count, pids}, {type: 'content', bytes}, {type: 'asked'} or {type: 'other'}. */
export const readFrame = (bytes) => {
  const decoder = decoding.createDecoder(bytes)
  const message = decoding.readVarUint(decoder)
  const kind = decoding.readVarUint(decoder)
  if (message === MESSAGE_AUTH) return kind === NOTE_STORED ? { type: 'stored', ...JSON.parse(decoding.readVarString(decoder)) } : { type: 'other' }
  if (message !== MESSAGE_SYNC) return { type: 'other' }
  return kind === SYNC_STEP_1 ? { type: 'asked' } : { type: 'content', bytes: decoding.readVarUint8Array(decoder) }
}

const ID = /[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}/g

/** The message ids that occur in an update, in order. */
export const idsIn = (bytes) => LETTERS.decode(bytes).match(ID) ?? []
