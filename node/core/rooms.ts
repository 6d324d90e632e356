// What clients say in their rooms, and who hears of it: the y-websocket protocol between a socket and its document.
// Keeps [SYN5] (nothing is applied that the gate has not passed whole), [DEL2] (what an update sends is delivered in the
// commit that stores it: its documents are loaded first, and the socket's next frames wait meanwhile), [DEL5].

import * as Y from 'yjs'
import { type OutboxEntry, parseOutboxEntry, parseRecallEntry } from '../../crdt-schema/drafts.ts'
import { DEFAULT_GATE_LIMITS, type GateCode, type GateEntry, inspectUpdate } from '../../crdt-schema/gate.ts'
import type { DocumentName } from '../../crdt-schema/ids.ts'
import { unreachable } from '../../crdt-schema/prelude.ts'
import { CLOSE_CODES, type ClientFrame, type CloseCode, clientFrameBytesMax, decodeClientFrame, encodeSyncStep1, encodeSyncStep2, encodeUpdate } from '../../crdt-schema/wire.ts'
import { documentsToDeliver } from './delivery.ts'
import type { Desk } from './desk.ts'
import type { ClientId } from './events.ts'
import { countFrame } from './notes.ts'
import { deliverNow, deliverSoon } from './outboxes.ts'
import { documentsToStoreMarks } from './receipts.ts'
import { type Clients, type Socket, closeSocket, enqueue, enqueueUpdate, isServing, isStuffed } from './sockets.ts'

/** Messages an account may send at once, and then each second, over its sockets; above, it is read more slowly. */
const SENDING_BURST = 60
const SENDINGS_PER_SECOND = 20
/** How far below zero an allowance goes: a page that sends a day's outbox is not punished for long. */
const SENDING_DEBT_MAX = 40
/** Updates that start after what the node holds, one after the other; a client with all its own data sends one or two. */
const GAPS_MAX = 20

type Handled = 'handled' | 'waits' | 'closed'

/** Says what the node holds, so that the client sends what it lacks. Inbox rooms take nothing, so they do not ask. */
export const greet = (desk: Desk, clients: Clients, socket: Socket): void => {
  if (socket.kind !== 'inbox') askForMissing(desk, clients, socket)
}

const askForMissing = (desk: Desk, clients: Clients, socket: Socket): void => {
  const doc = desk.document(socket.document)
  if (doc !== null) enqueue(clients, socket, { after: desk.latestCommit(socket.document), frame: encodeSyncStep1(Y.encodeStateVector(doc)) })
}

/** Handles the frames that wait, oldest first, as far as documents, rate and the reader's own pace allow. */
export const readInput = (desk: Desk, clients: Clients, socket: Socket): void => {
  if (socket.lacks.some(name => desk.document(name) === null)) return
  while (socket.status === 'attached' && isServing(desk) && !desk.isOverfull && !isStuffed(socket) && socket.readFromMs <= desk.monotonicMs) {
    const frame = socket.input[0]
    if (frame === undefined || !desk.isInMemory(socket.document)) return
    const handled = readFrame(desk, clients, socket, frame)
    if (handled !== 'handled') return
    for (const name of socket.lacks) desk.unpin(name)
    socket.lacks = []
    socket.input.shift()
    socket.inputBytes -= frame.length
  }
}

const readFrame = (desk: Desk, clients: Clients, socket: Socket, bytes: Uint8Array): Handled => {
  const decoded = decodeClientFrame(bytes)
  if (!decoded.ok) return refuse(desk, clients, socket, CLOSE_CODES.badUpdate, decoded.code)
  const frame = decoded.value
  const isFirstSync = frame.type === 'sync-step-2' && !socket.hasSynced
  if (bytes.length > clientFrameBytesMax(isFirstSync)) return refuse(desk, clients, socket, CLOSE_CODES.tooLarge, 'frame too large')
  switch (frame.type) {
    case 'sync-step-1':
      return answerStep1(desk, clients, socket, frame)
    case 'sync-step-2':
    case 'update':
      return takeUpdate(desk, clients, socket, frame)
    case 'awareness':
    case 'query-awareness':
    case 'auth':
      return 'handled'
    default:
      return unreachable(frame)
  }
}

const refuse = (desk: Desk, clients: Clients, socket: Socket, code: CloseCode, reason: string): Handled => {
  closeSocket(desk, clients, socket, code, reason)
  return 'closed'
}

const answerStep1 = (desk: Desk, clients: Clients, socket: Socket, { stateVectorBytes }: Extract<ClientFrame, { type: 'sync-step-1' }>): Handled => {
  const doc = desk.document(socket.document)
  if (doc === null) return 'waits'
  socket.isSynced = true
  socket.missed = null // whatever was left out is in the answer
  enqueue(clients, socket, { after: desk.latestCommit(socket.document), frame: encodeSyncStep2(Y.encodeStateAsUpdate(doc, stateVectorBytes)) })
  return 'handled'
}

// ---- updates

const takeUpdate = (desk: Desk, clients: Clients, socket: Socket, { type, update }: Extract<ClientFrame, { type: 'sync-step-2' | 'update' }>): Handled => {
  const isFirstSync = type === 'sync-step-2' && !socket.hasSynced
  const limits = { ...DEFAULT_GATE_LIMITS, updateBytesMax: clientFrameBytesMax(isFirstSync), documentBytes: desk.bytesOf(socket.document) }
  const sendings = socket.kind === 'drafts' && type === 'update' ? desk.readSending(socket.document, update, limits) : null
  if (sendings !== null) return takeSendings(desk, clients, socket, update, sendings)
  const doc = desk.document(socket.document)
  if (doc === null) return 'waits'
  const inspection = inspectUpdate(doc, socket.kind, update, { ...limits, reservedClients: new Set([doc.clientID]) })
  switch (inspection.status) {
    case 'rejected':
      return refuse(desk, clients, socket, closeCodeOf(inspection.code), inspection.code)
    case 'gap':
      socket.gaps += 1
      if (socket.gaps > GAPS_MAX) return refuse(desk, clients, socket, CLOSE_CODES.tryLater, 'updates without what they build on')
      askForMissing(desk, clients, socket)
      return 'handled'
    case 'nothing':
      break
    case 'applicable':
      if (mustWait(desk, clients, socket, inspection.entries)) return 'waits'
      desk.applyUpdate(socket.document, update, socket.id)
      followUp(desk, clients, socket, inspection.entries)
      break
    default:
      return unreachable(inspection)
  }
  socket.gaps = 0
  if (type === 'sync-step-2') socket.hasSynced = true
  if (socket.kind !== 'inbox') countFrame(desk, clients, socket)
  return 'handled'
}

/** An update that does nothing but send: most do, and it needs no look at the document. */
const takeSendings = (desk: Desk, clients: Clients, socket: Socket, update: Uint8Array, sendings: readonly OutboxEntry[]): Handled => {
  const missing = documentsToDeliver(desk, socket.account, sendings, [])
  if (missing.length > 0) return waitFor(desk, socket, missing)
  if (!spendAllowance(desk, clients, socket, sendings.length)) return 'waits'
  desk.applySending(socket.document, update, socket.id)
  deliverNow(desk, clients, socket.document, socket.account, sendings)
  socket.gaps = 0
  countFrame(desk, clients, socket)
  return 'handled'
}

const waitFor = (desk: Desk, socket: Socket, missing: readonly DocumentName[]): 'waits' => {
  for (const name of missing) desk.pin(name)
  socket.lacks.push(...missing)
  socket.sinceMs = desk.monotonicMs
  return 'waits'
}

const TOO_LARGE: readonly GateCode[] = ['too-large', 'document-full', 'text-too-large']

const closeCodeOf = (code: GateCode): CloseCode => (code === 'read-only' ? CLOSE_CODES.forbidden : TOO_LARGE.includes(code) ? CLOSE_CODES.tooLarge : CLOSE_CODES.badUpdate)

/** Pins what the update's deliveries and receipts will touch, and keeps the sending rate. Whether it must wait for either. */
const mustWait = (desk: Desk, clients: Clients, socket: Socket, entries: readonly GateEntry[]): boolean => {
  const missing = socket.kind === 'drafts' ? documentsOfDrafts(desk, socket, entries) : documentsToStoreMarks(desk, socket.document, entries.map(({ key }) => key))
  if (missing.length > 0) return waitFor(desk, socket, missing) === 'waits'
  const outbox = desk.document(socket.document)?.getMap('outbox')
  return !spendAllowance(desk, clients, socket, entries.filter(({ root, key, value }) => root === 'outbox' && value !== undefined && outbox?.has(key) !== true).length)
}

const documentsOfDrafts = (desk: Desk, socket: Socket, entries: readonly GateEntry[]): readonly DocumentName[] => {
  const sendings = entries.filter(({ root }) => root === 'outbox').map(({ key, value }) => parseOutboxEntry(key, value))
  const recalls = entries.filter(({ root }) => root === 'recalls').map(({ key, value }) => parseRecallEntry(key, value))
  return documentsToDeliver(desk, socket.account, sendings.filter(entry => entry !== null), recalls.filter(id => id !== null))
}

/** Pays for `fresh` messages that an update sends for the first time [DEL3]. False: the account must wait before it may. */
const spendAllowance = (desk: Desk, clients: Clients, socket: Socket, fresh: number): boolean => {
  if (fresh === 0 || !desk.config.rateLimits) return true
  const allowed = allowanceOf(desk, clients, socket)
  if (allowed < 0) socket.readFromMs = desk.monotonicMs - (allowed / SENDINGS_PER_SECOND) * 1000
  else clients.allowances.set(socket.account, { left: Math.max(allowed - fresh, -SENDING_DEBT_MAX), atMs: desk.monotonicMs })
  return allowed >= 0
}

const allowanceOf = (desk: Desk, clients: Clients, { account }: Pick<Socket, 'account'>): number => {
  const { left, atMs } = clients.allowances.get(account) ?? { left: SENDING_BURST, atMs: desk.monotonicMs }
  return Math.min(SENDING_BURST, left + ((desk.monotonicMs - atMs) / 1000) * SENDINGS_PER_SECOND)
}

/** Forgets allowances that are whole again. */
export const tendAllowances = (desk: Desk, clients: Clients): void => {
  for (const account of clients.allowances.keys()) if (allowanceOf(desk, clients, { account }) >= SENDING_BURST) clients.allowances.delete(account)
}

/** Delivers and tells what the applied update sent, took back, opened or checked, in the same step and so the same commit. */
const followUp = (desk: Desk, clients: Clients, socket: Socket, entries: readonly GateEntry[]): void => {
  const roots = socket.kind === 'drafts' ? ['outbox', 'recalls'] : ['marks']
  const keys = entries.filter(({ root, value }) => roots.includes(root) && value !== undefined).map(({ key }) => key)
  if (keys.length > 0) deliverSoon(desk, clients, socket.document, keys)
}

// ---- to everybody else in the room

/** Passes an update on to all who are attached to the document, but the socket it came from. */
export const broadcast = (desk: Desk, clients: Clients, name: DocumentName, update: Uint8Array, fromClient: ClientId | null): void => {
  const sockets = clients.byDocument.get(name)
  if (sockets === undefined) return
  const frame = encodeUpdate(update)
  for (const socket of sockets) {
    if (socket.isSynced && socket.id !== fromClient) enqueueUpdate(desk, clients, socket, update, frame)
  }
}
