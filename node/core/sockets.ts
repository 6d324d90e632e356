// The sync sockets of this node as state: who is attached to what, what came in and waits, what goes out and waits.
// Here too is the way out: every frame waits in its socket's line until the commit it reflects is settled [STO2], and
// a reader that is too slow costs no memory: updates are left out and made good by one diff [COR3].
//
//   waiting ──ready, token good──> loading ──document there──> attached
//      └── any of them ──> closed (and forgotten) for a code of [SYN4]

import * as Y from 'yjs'
import type { AccountId, DocumentName, MessageId, Pid, SessionId } from '../../crdt-schema/ids.ts'
import { type CloseCode, encodeUpdate } from '../../crdt-schema/wire.ts'
import type { Desk, Phase } from './desk.ts'
import type { ClientId, CommitNumber } from './events.ts'

/** Bytes that may wait for their commits on one socket; beyond, updates are left out and sent as one diff later. */
const OUTPUT_BYTES_MAX = 1024 * 1024

export type RoomKind = 'inbox' | 'marks' | 'drafts'

/** A frame on its way out. A function is asked at the last moment, for what may change while it waits. */
export interface Outgoing {
  readonly after: CommitNumber
  readonly bytes: number
  readonly frame: Uint8Array | (() => Uint8Array)
}

/** What a page was told of a room. */
export interface ToldRoom {
  readonly key: string
  readonly atMs: number
}

export interface Socket {
  readonly id: ClientId
  readonly token: string | null
  readonly account: AccountId
  readonly document: DocumentName
  readonly kind: RoomKind
  status: 'waiting' | 'loading' | 'attached'
  /** Since when it has this status, or lacks something. */
  sinceMs: number
  /** Null while waiting. */
  session: SessionId | null
  /** Frames not handled yet, oldest first; bounded in number and bytes. */
  readonly input: Uint8Array[]
  inputBytes: number
  /** So much waits that the shell was told to read no more. */
  isPaused: boolean
  /** Documents pinned for the oldest frame, which waits until all are loaded. */
  lacks: DocumentName[]
  /** The sending rate was passed: nothing is read before this [DEL3]. */
  readFromMs: number
  readonly output: Outgoing[]
  outputBytes: number
  /** The shell has more than 1 MiB unsent. */
  isFull: boolean
  /** Of the updates left out: the first clock by client. Null: none were. */
  missed: Map<number, number> | null
  /** It has been sent the whole document, and gets every update since. */
  isSynced: boolean
  /** Its first sync step 2 has come: later frames are held to the smaller limit. */
  hasSynced: boolean
  /** Updates in a row that started after what the node holds. */
  gaps: number
  /** Frames applied, and for the latest of them the commits that hold them, ascending [SYN1]. */
  applied: number
  readonly unsettled: { readonly count: number; readonly commit: CommitNumber }[]
  /** How many of them are settled, and what the page was told of that. */
  settled: number
  told: { readonly count: number; readonly pids: readonly Pid[] }
  /** Nodes have changed and this page does not know [SYN2]. */
  owesNodes: boolean
  /** Rooms that changed since the page heard of them [SYN6]; of a drafts socket only. */
  readonly changedRooms: Set<DocumentName>
  readonly toldRooms: Map<DocumentName, ToldRoom>
  /** Pinned to count what is unopened in one room. */
  countLacks: DocumentName[]
  /** When a frame was last sent [SYN3]. */
  sentMs: number
  /** When draining: to be closed then. */
  closeAtMs: number | null
}

/** Deliveries that wait for documents: see outboxes.ts. */
export interface Undelivered {
  /** Keys of its outbox, recalls or marks. */
  readonly ids: Set<string>
  readonly pinned: DocumentName[]
  sinceMs: number
}

/** The unopened messages of a month, good for these digests but for the messages that changed since. */
export interface Count {
  digests: string
  readonly ids: Set<MessageId>
  readonly changed: Set<MessageId>
}

export interface Clients {
  readonly sockets: Map<ClientId, Socket>
  readonly byDocument: Map<DocumentName, Set<Socket>>
  readonly byAccount: Map<AccountId, Set<Socket>>
  /** With something in their line, or frames that no commit holds yet. */
  readonly unsent: Set<Socket>
  readonly undelivered: Map<DocumentName, Undelivered>
  /** Messages that each account may still send at once; below zero its sockets wait. */
  readonly allowances: Map<AccountId, { left: number; atMs: number }>
  /** Unopened messages by inbox document; bounded. */
  readonly counts: Map<DocumentName, Count>
  /** What the sockets were last told of: the node's phase and since when, the nodes and the holders as text. */
  phase: Phase
  phaseSinceMs: number
  nodes: string
  holders: string
  /** When sessions were last looked over. */
  checkedMs: number
}

export const createClientState = (): Clients => ({
  sockets: new Map(), byDocument: new Map(), byAccount: new Map(), unsent: new Set(), undelivered: new Map(), allowances: new Map(), counts: new Map(),
  phase: 'starting', phaseSinceMs: 0, nodes: '', holders: '', checkedMs: 0,
})

export type SocketOrigin = Pick<Socket, 'id' | 'token' | 'account' | 'document' | 'kind'>

export const createSocket = (origin: SocketOrigin, nowMs: number): Socket => ({
  ...origin,
  status: 'waiting', sinceMs: nowMs, session: null,
  input: [], inputBytes: 0, isPaused: false, lacks: [], readFromMs: 0,
  output: [], outputBytes: 0, isFull: false, missed: null,
  isSynced: false, hasSynced: false, gaps: 0,
  applied: 0, unsettled: [], settled: 0, told: { count: 0, pids: [] },
  owesNodes: true, changedRooms: new Set(), toldRooms: new Map(), countLacks: [],
  sentMs: nowMs, closeAtMs: null,
})

/** Whether clients are served: the node is ready, or handing over [RDY1]. */
export const isServing = (desk: Desk): boolean => desk.phase === 'ready' || desk.phase === 'draining'

export const addSocket = (clients: Clients, socket: Socket): void => {
  clients.sockets.set(socket.id, socket)
  addTo(clients.byDocument, socket.document, socket)
  addTo(clients.byAccount, socket.account, socket)
}

const addTo = <Key>(index: Map<Key, Set<Socket>>, key: Key, socket: Socket): void => {
  const sockets = index.get(key) ?? new Set()
  sockets.add(socket)
  index.set(key, sockets)
}

const removeFrom = <Key>(index: Map<Key, Set<Socket>>, key: Key, socket: Socket): void => {
  const sockets = index.get(key)
  sockets?.delete(socket)
  if (sockets?.size === 0) index.delete(key)
}

/** Forgets a socket and all it holds. */
export const dropSocket = (desk: Desk, clients: Clients, socket: Socket): void => {
  if (!clients.sockets.delete(socket.id)) return
  removeFrom(clients.byDocument, socket.document, socket)
  removeFrom(clients.byAccount, socket.account, socket)
  // Changes of documents that nobody is attached to are told to nobody, so a count would not follow them.
  if (!clients.byAccount.has(socket.account)) for (const name of desk.documentsUnder(`inbox/${socket.account}/`)) clients.counts.delete(name)
  clients.unsent.delete(socket)
  if (socket.status !== 'waiting') desk.unpin(socket.document)
  for (const name of [...socket.lacks, ...socket.countLacks]) desk.unpin(name)
}

export const closeSocket = (desk: Desk, clients: Clients, socket: Socket, code: CloseCode, reason: string): void => {
  if (!clients.sockets.has(socket.id)) return
  dropSocket(desk, clients, socket)
  desk.emit({ type: 'client-close', client: socket.id, code, reason })
}

// ---- the way in

const PAUSE_FRAMES = 256
const PAUSE_BYTES = 1024 * 1024
const RESUME_FRAMES = 64
const RESUME_BYTES = 256 * 1024

/** Has the shell read no more of a client while much of it waits, and go on when little does [COR3]. */
export const pace = (desk: Desk, socket: Socket): void => {
  const { input, inputBytes, isPaused } = socket
  const isOver = input.length > (isPaused ? RESUME_FRAMES : PAUSE_FRAMES) || inputBytes > (isPaused ? RESUME_BYTES : PAUSE_BYTES)
  if (isOver === isPaused) return
  socket.isPaused = isOver
  desk.emit({ type: isOver ? 'client-pause' : 'client-resume', client: socket.id })
}

// ---- the way out

/** Sends at once: only for frames that tell of no document, or of settled commits up to `after`. */
export const sendNow = (desk: Desk, socket: Socket, frame: Uint8Array, after: CommitNumber = 0): void => {
  socket.sentMs = desk.monotonicMs
  desk.emit({ type: 'client-send', client: socket.id, frame, after })
}

/** Puts a frame in line until `after` is settled. */
export const enqueue = (clients: Clients, socket: Socket, outgoing: Omit<Outgoing, 'bytes'>): void => {
  const bytes = typeof outgoing.frame === 'function' ? 256 : outgoing.frame.length
  socket.output.push({ ...outgoing, bytes })
  socket.outputBytes += bytes
  clients.unsent.add(socket)
}

/** Whether so much waits already that nothing more should be asked of this socket. */
export const isStuffed = (socket: Socket): boolean => socket.isFull || socket.outputBytes > OUTPUT_BYTES_MAX

/** Puts a document's update in line, or leaves it out for the diff that will follow. */
export const enqueueUpdate = (desk: Desk, clients: Clients, socket: Socket, update: Uint8Array, frame: Uint8Array): void => {
  if (!isStuffed(socket) && socket.missed === null) return enqueue(clients, socket, { after: desk.latestCommit(socket.document), frame })
  const missed = socket.missed ?? new Map<number, number>()
  // A map without entries still says that something was left out: updates that only delete start at no clock.
  for (const [client, clock] of Y.parseUpdateMeta(update).from) missed.set(client, Math.min(clock, missed.get(client) ?? clock))
  socket.missed = missed
  clients.unsent.add(socket)
}

/** Sends what is settled, in order, and when nothing waits any more the diff for what was left out. */
export const flushSocket = (desk: Desk, clients: Clients, socket: Socket): void => {
  if (socket.isFull || !isServing(desk)) return
  sendSettled(desk, socket)
  if (socket.output.length === 0 && socket.missed !== null) {
    enqueueDiff(desk, clients, socket)
    sendSettled(desk, socket)
  }
  if (socket.output.length === 0 && socket.unsettled.length === 0) clients.unsent.delete(socket)
}

const sendSettled = (desk: Desk, socket: Socket): void => {
  let sent = 0
  for (const { after, frame, bytes } of socket.output) {
    if (after > desk.settledThrough) break
    sendNow(desk, socket, typeof frame === 'function' ? frame() : frame, after)
    socket.outputBytes -= bytes
    sent += 1
  }
  socket.output.splice(0, sent)
}

/** One diff from the state before the first update that was left out: a stock client takes it like any update. */
const enqueueDiff = (desk: Desk, clients: Clients, socket: Socket): void => {
  const doc = desk.document(socket.document)
  if (doc === null || socket.missed === null) return
  const vector = Y.decodeStateVector(Y.encodeStateVector(doc))
  for (const [client, clock] of socket.missed) vector.set(client, Math.min(clock, vector.get(client) ?? clock))
  socket.missed = null
  enqueue(clients, socket, { after: desk.latestCommit(socket.document), frame: encodeUpdate(Y.encodeStateAsUpdate(doc, Y.encodeStateVector(vector))) })
}
