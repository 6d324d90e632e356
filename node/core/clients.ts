// Attached clients: the life of a sync socket, from its token to the code it is closed with, and what each event of the
// machine means for all of them. What is said in rooms is in rooms.ts, notes to pages are in notes.ts.
// Keeps [RDY1] (only a ready node serves; frames are held for `holdMs`, then 4503), [SYN4], [COO7], [COR3], [COR5].

import { parseDocumentName, parseRoom } from '../../crdt-schema/ids.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import { CLOSE_CODES } from '../../crdt-schema/wire.ts'
import type { DocumentName } from '../../crdt-schema/ids.ts'
import type { Desk, Phase } from './desk.ts'
import type { ClientId, Event } from './events.ts'
import { keepAlive, noteAllRooms, noteRoom, tellNodes, tellRooms, tellStored } from './notes.ts'
import { resumeDeliveries } from './outboxes.ts'
import { broadcast, greet, readInput, tendAllowances } from './rooms.ts'
import type { Change } from './loaded.ts'
import { mayBeElsewhere } from './sessions.ts'
import { type Clients, type Socket, addSocket, closeSocket, createClientState, createSocket, dropSocket, flushSocket, isServing, pace } from './sockets.ts'

export type { Clients } from './sockets.ts'

const SOCKETS_MAX = 10_000
const SOCKETS_PER_ACCOUNT_MAX = 256
const SOCKETS_PER_ROOM_MAX = 32
/** Frames that wait on one socket: a first sync and some more. */
/** What came before the shell stopped reading (sockets.ts) may still arrive: a segment full of small frames. */
const INPUT_FRAMES_MAX = 4_096
const INPUT_BYTES_MAX = LIMITS.firstSyncFrameBytesMax + 1024 * 1024
/** How long a document may take to load before the page is sent to another node. */
const LOAD_PATIENCE_MS = 10_000
const CHECK_INTERVAL_MS = 1_000

type ClientEvent<Type extends Event['type']> = Extract<Event, { type: Type }>

export const createClients = (): Clients => createClientState()

/** How many sockets are open. */
export const clientCount = (clients: Clients): number => clients.sockets.size

// ---- one socket

/** A client has connected. It is judged when the node is ready: before that it may not have heard of the session. */
export const onClientUp = (desk: Desk, clients: Clients, { client, room, token }: ClientEvent<'client-up'>): void => {
  const parsed = parseRoom(room)
  const ref = parsed === null ? null : parseDocumentName(parsed.document)
  if (parsed === null || ref === null || !('month' in ref || ref.kind === 'drafts')) return refuse(desk, client, CLOSE_CODES.forbidden, 'no such room')
  if (desk.phase === 'draining') return refuse(desk, client, CLOSE_CODES.goingAway, 'going away')
  const inRoom = clients.byDocument.get(parsed.document)?.size ?? 0
  const ofAccount = clients.byAccount.get(parsed.owner)?.size ?? 0
  if (clients.sockets.size >= SOCKETS_MAX || inRoom >= SOCKETS_PER_ROOM_MAX || ofAccount >= SOCKETS_PER_ACCOUNT_MAX) {
    return refuse(desk, client, CLOSE_CODES.tryLater, 'too many connections')
  }
  const kind = ref.kind === 'inbox' || ref.kind === 'marks' ? ref.kind : 'drafts'
  const socket = createSocket({ id: client, token, account: parsed.owner, document: parsed.document, kind }, desk.monotonicMs)
  addSocket(clients, socket)
  if (clients.nodes === '') clients.nodes = nodesAsText(desk)
  if (desk.phase === 'ready') authenticate(desk, clients, socket)
}

const refuse = (desk: Desk, client: ClientId, code: number, reason: string): void => desk.emit({ type: 'client-close', client, code, reason })

const authenticate = (desk: Desk, clients: Clients, socket: Socket): void => {
  const session = socket.token === null ? null : desk.directory.sessionOf(socket.token, desk.clusterMs)
  if (session === null && mayBeElsewhere(desk, socket.token)) return closeSocket(desk, clients, socket, CLOSE_CODES.notReady, 'not all is here')
  if (session === null) return closeEnded(desk, clients, socket)
  if (session.accountId !== socket.account) return closeSocket(desk, clients, socket, CLOSE_CODES.forbidden, 'not yours')
  socket.session = session.id
  socket.status = 'loading'
  socket.sinceMs = desk.monotonicMs
  desk.pin(socket.document)
  attachIfLoaded(desk, clients, socket)
}

/** 4409 for a session that another one took over, 4401 for any that ended. */
const closeEnded = (desk: Desk, clients: Clients, socket: Socket): void => {
  const session = socket.token === null ? null : desk.directory.sessionOfToken(socket.token)
  const isTakenOver = session !== null && session.ended && desk.config.sessionsPerAccount === 1 && desk.directory.liveSessionsOf(session.accountId, desk.clusterMs).length > 0
  if (isTakenOver) closeSocket(desk, clients, socket, CLOSE_CODES.signedInElsewhere, 'signed in elsewhere')
  else closeSocket(desk, clients, socket, CLOSE_CODES.sessionEnded, 'session ended')
}

/** Nothing is said about a document before it is loaded completely [COR5]. */
const attachIfLoaded = (desk: Desk, clients: Clients, socket: Socket): void => {
  if (socket.status !== 'loading' || desk.document(socket.document) === null) return
  socket.status = 'attached'
  greet(desk, clients, socket)
  noteAllRooms(desk, socket)
  proceed(desk, clients, socket)
}

/** Does whatever can be done for a socket now. */
const proceed = (desk: Desk, clients: Clients, socket: Socket): void => {
  proceedWithInput(desk, clients, socket)
  if (!clients.sockets.has(socket.id)) return
  tellRooms(desk, clients, socket)
  flushSocket(desk, clients, socket)
}

/** The same but for what rooms hold: what the input has just changed is noted only when its step ends. */
const proceedWithInput = (desk: Desk, clients: Clients, socket: Socket): void => {
  readInput(desk, clients, socket)
  if (!clients.sockets.has(socket.id)) return
  pace(desk, socket)
  tellNodes(desk, socket)
  flushSocket(desk, clients, socket)
  tellStored(desk, socket)
}

export const onClientFrame = (desk: Desk, clients: Clients, { client, frame }: ClientEvent<'client-frame'>): void => {
  const socket = clients.sockets.get(client)
  if (socket === undefined) return
  if (frame.length > LIMITS.firstSyncFrameBytesMax) return closeSocket(desk, clients, socket, CLOSE_CODES.tooLarge, 'frame too large')
  if (socket.input.length >= INPUT_FRAMES_MAX || socket.inputBytes + frame.length > INPUT_BYTES_MAX) {
    return closeSocket(desk, clients, socket, CLOSE_CODES.tryLater, 'too much at once')
  }
  socket.input.push(frame)
  socket.inputBytes += frame.length
  proceedWithInput(desk, clients, socket)
}

export const onClientDown = (desk: Desk, clients: Clients, { client }: ClientEvent<'client-down'>): void => {
  const socket = clients.sockets.get(client)
  if (socket !== undefined) dropSocket(desk, clients, socket)
}

/** The client reads too slowly: nothing more is sent until it has caught up [COR3]. */
export const onClientFull = (_desk: Desk, clients: Clients, { client }: ClientEvent<'client-full'>): void => {
  const socket = clients.sockets.get(client)
  if (socket !== undefined) socket.isFull = true
}

export const onClientWritable = (desk: Desk, clients: Clients, { client }: ClientEvent<'client-writable'>): void => {
  const socket = clients.sockets.get(client)
  if (socket === undefined) return
  socket.isFull = false
  proceed(desk, clients, socket)
}

// ---- all of them

/** A document has changed, by whomever. */
export const onDocumentUpdate = (desk: Desk, clients: Clients, { name, update, client, ids }: Change): void => {
  broadcast(desk, clients, name, update, client)
  noteRoom(desk, clients, name, update, ids)
}

/** A document is in memory: whoever waited for it goes on. */
export const onLoaded = (desk: Desk, clients: Clients, name: DocumentName): void => {
  noteRoom(desk, clients, name, null, null) // what came while it was out of memory was announced by nobody
  for (const socket of clients.byDocument.get(name) ?? []) attachIfLoaded(desk, clients, socket)
  for (const socket of [...clients.sockets.values()]) if (socket.lacks.includes(name) || socket.countLacks.includes(name)) proceed(desk, clients, socket)
  resumeDeliveries(desk, clients)
}

/** Commits have settled, or the nodes that hold them have changed: what waited for that goes out. */
export const onSettled = (desk: Desk, clients: Clients): void => {
  const holders = desk.holders.join()
  const isNews = holders !== clients.holders
  clients.holders = holders
  for (const socket of [...(isNews ? clients.sockets.values() : clients.unsent)]) {
    if (isNews) for (const name of socket.toldRooms.keys()) socket.changedRooms.add(name)
    proceed(desk, clients, socket)
  }
}

const nodesAsText = (desk: Desk): string => JSON.stringify(desk.nodes)

/** Nodes came, went or changed their phase [SYN2]. */
export const onNodesChanged = (desk: Desk, clients: Clients): void => {
  clients.nodes = nodesAsText(desk)
  for (const socket of clients.sockets.values()) {
    socket.owesNodes = true
    tellNodes(desk, socket)
  }
}

/** Sessions ended, were taken over, or accounts were removed: their sockets are closed on every node [COO7]. */
export const onSessionsChanged = (desk: Desk, clients: Clients): void => {
  for (const socket of [...clients.sockets.values()]) {
    const session = socket.session === null ? null : desk.directory.session(socket.session)
    if (socket.session !== null && (session === null || !desk.directory.isLive(session, desk.clusterMs))) closeEnded(desk, clients, socket)
  }
}

/** The node's phase, whether it changed or not: becoming ready lets everybody in, draining sends everybody away. */
export const onPhase = (desk: Desk, clients: Clients, phase: Phase): void => {
  if (phase === clients.phase) return
  if (phase === 'ready' || clients.phase === 'ready') clients.phaseSinceMs = desk.monotonicMs
  clients.phase = phase
  if (phase === 'ready') {
    for (const socket of [...clients.sockets.values()]) if (socket.status === 'waiting') authenticate(desk, clients, socket)
    onSessionsChanged(desk, clients)
    resumeDeliveries(desk, clients)
    for (const socket of [...clients.sockets.values()]) proceed(desk, clients, socket)
  } else if (phase === 'draining') {
    for (const socket of clients.sockets.values()) socket.closeAtMs = desk.monotonicMs + toFraction(desk.random(2)) * desk.config.drainMs
    onNodesChanged(desk, clients)
  }
}

const toFraction = (bytes: Uint8Array): number => ((bytes[0] ?? 0) * 256 + (bytes[1] ?? 0)) / 65_536

/** Time has passed: keep-alives, notes that were too early, holds and loads that took too long, draining. */
export const onTick = (desk: Desk, clients: Clients): void => {
  closeOverdue(desk, clients)
  if (desk.monotonicMs - clients.checkedMs >= CHECK_INTERVAL_MS) {
    clients.checkedMs = desk.monotonicMs
    onSessionsChanged(desk, clients) // some may have expired
    tendAllowances(desk, clients)
  }
  resumeDeliveries(desk, clients)
  if (nodesAsText(desk) !== clients.nodes) onNodesChanged(desk, clients)
  if (desk.holders.join() !== clients.holders) onSettled(desk, clients)
  for (const socket of [...clients.sockets.values()]) {
    attachIfLoaded(desk, clients, socket)
    if (socket.input.length > 0 || socket.changedRooms.size > 0) proceed(desk, clients, socket)
    if (clients.sockets.has(socket.id)) keepAlive(desk, socket)
  }
}

const closeOverdue = (desk: Desk, clients: Clients): void => {
  const now = desk.monotonicMs
  for (const socket of [...clients.sockets.values()]) {
    const notReadyMs = isServing(desk) ? 0 : now - Math.max(clients.phaseSinceMs, socket.status === 'waiting' ? socket.sinceMs : 0)
    const isLoading = socket.status === 'loading' || socket.lacks.some(name => desk.document(name) === null)
    if (notReadyMs >= desk.config.holdMs) closeSocket(desk, clients, socket, CLOSE_CODES.notReady, 'not ready')
    else if (isLoading && isServing(desk) && now - socket.sinceMs >= LOAD_PATIENCE_MS) closeSocket(desk, clients, socket, CLOSE_CODES.notReady, 'not all here yet')
    else if (socket.closeAtMs !== null && now >= socket.closeAtMs) closeSocket(desk, clients, socket, CLOSE_CODES.goingAway, 'going away')
  }
}
