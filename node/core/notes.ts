// What a node tells pages beside documents: which of their frames are stored where [SYN1], the nodes and cluster time
// [SYN2], each room's digest and unopened messages [SYN6], and that it is alive [SYN3]. Stock clients pass all of it over.
// Every note tells only of what is settled [STO2]; one that a full socket missed is sent in its latest form when it drains.

import { type AccountId, type DocumentName, type MessageId, documentToRoom, inboxDocument, marksDocument, parseDocumentName, parseMessageId } from '../../crdt-schema/ids.ts'
import { encodeKeepAlive, encodeNodesNote, encodeRoomNote, encodeStoredNote } from '../../crdt-schema/wire.ts'
import type { Desk } from './desk.ts'
import { notLoaded } from './homes.ts'
import { isUnopenedIn, messageIdsOf } from './message-views.ts'
import { type Clients, type Count, type Socket, enqueue, isServing, isStuffed, sendNow } from './sockets.ts'
import { readTouched } from './touched.ts'

/** At most four notes a second on each room [SYN6]. */
const ROOM_NOTE_INTERVAL_MS = 250
const COUNTS_MAX = 4_096
const ALIVE_INTERVAL_MS: Record<Socket['kind'], number> = { drafts: 950, marks: 9_950, inbox: 9_950 } // a tick below what is promised

// ---- 100: stored

/** Counts a frame that was applied; it is told when the commit that holds it is settled. */
export const countFrame = (desk: Desk, clients: Clients, socket: Socket): void => {
  socket.applied += 1
  const commit = desk.latestCommit(socket.document)
  if (socket.unsettled.at(-1)?.commit === commit) socket.unsettled.pop()
  socket.unsettled.push({ count: socket.applied, commit })
  clients.unsent.add(socket)
}

/** Tells how many frames are stored, and on whom; again when more nodes hold them [SYN1]. */
export const tellStored = (desk: Desk, socket: Socket): void => {
  const { unsettled, told } = socket
  const settledCount = unsettled.findIndex(({ commit }) => commit > desk.settledThrough)
  const settled = unsettled.splice(0, settledCount === -1 ? unsettled.length : settledCount)
  socket.settled = settled.at(-1)?.count ?? socket.settled
  const isNews = socket.settled > told.count || desk.holders.some(pid => !told.pids.includes(pid))
  if (socket.settled === 0 || !isNews || socket.isFull || !isServing(desk)) return
  socket.told = { count: socket.settled, pids: desk.holders }
  sendNow(desk, socket, encodeStoredNote({ count: socket.settled, pids: [...desk.holders], members: desk.memberCount }), desk.settledThrough)
}

// ---- 101: nodes

/** Tells a page the time and the nodes, best first, if it does not know them as they are [SYN2]. */
export const tellNodes = (desk: Desk, socket: Socket): void => {
  if (socket.kind !== 'drafts' || socket.status !== 'attached' || !socket.owesNodes || socket.isFull) return
  socket.owesNodes = false
  sendNow(desk, socket, encodeNodesNote({ time: desk.clusterMs, nodes: desk.nodes.map(({ pid, url, status }) => ({ pid, url, status })) }))
}

// ---- 102: rooms

/** A page that has just attached is told of all its rooms. */
export const noteAllRooms = (desk: Desk, socket: Socket): void => {
  if (socket.kind !== 'drafts') return
  for (const kind of ['inbox/', 'marks/']) for (const name of desk.documentsUnder(`${kind}${socket.account}/`)) socket.changedRooms.add(name)
  socket.changedRooms.add(socket.document)
}

/**
 * A document has changed: the pages of its owner are to hear of it. Marks count for the Inbox of their month, too.
 * `update` is null when it was loaded: then nobody has seen what changed in it; `ids`: the messages it is about, if that is known.
 */
export const noteRoom = (desk: Desk, clients: Clients, name: DocumentName, update: Uint8Array | null, ids: readonly MessageId[] | null): void => {
  const ref = parseDocumentName(name)
  if (ref === null || !('account' in ref)) return
  if (ref.kind !== 'drafts') noteForCount(desk, clients, name, inboxDocument(ref.account, ref.month), update, ids)
  for (const socket of clients.byAccount.get(ref.account) ?? []) {
    if (socket.kind !== 'drafts') continue
    socket.changedRooms.add(name)
    if (ref.kind === 'marks') socket.changedRooms.add(inboxDocument(ref.account, ref.month))
  }
}

/** Remembers which messages a counted month must be asked about again, or forgets its count. */
const noteForCount = (desk: Desk, clients: Clients, name: DocumentName, inbox: DocumentName, update: Uint8Array | null, ids: readonly MessageId[] | null): void => {
  const count = clients.counts.get(inbox)
  if (count === undefined) return
  if (ids !== null) return ids.forEach(id => count.changed.add(id))
  const doc = update === null ? null : desk.document(name)
  if (update === null || doc === null) return void clients.counts.delete(inbox)
  for (const [root, keys] of readTouched(doc, update)) {
    for (const key of keys) {
      const id = root === 'receipts' ? null : parseMessageId(root === 'marks' ? key.slice(2) : key.slice(0, 36)) // a recall names its sender, too
      if (id !== null) count.changed.add(id)
    }
  }
}

/** Puts in line what is due about rooms. What must be counted first pins its documents, one room at a time. */
export const tellRooms = (desk: Desk, clients: Clients, socket: Socket): void => {
  if (socket.changedRooms.size === 0 || socket.status !== 'attached' || !isServing(desk)) return
  if (notLoaded(desk, socket.countLacks).length > 0) return
  const lacked = socket.countLacks
  socket.countLacks = []
  for (const name of socket.changedRooms) {
    if (isStuffed(socket)) break
    const told = socket.toldRooms.get(name)
    if (told !== undefined && desk.monotonicMs - told.atMs < ROOM_NOTE_INTERVAL_MS) continue
    if (!desk.applyInTime(name)) continue // without what rests beside it there is no digest
    const digest = desk.digestOf(name)
    const unopened = unopenedIn(desk, clients, socket, name)
    if (digest === null || unopened === null) {
      if (socket.countLacks.length === 0) pinToCount(desk, socket, name)
      continue
    }
    socket.changedRooms.delete(name)
    const key = `${digest} ${unopened} ${desk.holders.join()}`
    if (key === told?.key) continue
    socket.toldRooms.set(name, { key, atMs: desk.monotonicMs })
    const room = documentToRoom(name)
    enqueue(clients, socket, { after: desk.latestCommit(name), frame: () => encodeRoomNote({ room, digest, unopened, pids: [...desk.holders] }) })
  }
  for (const name of lacked) desk.unpin(name)
}

/**
 * Unopened messages of an inbox room, 0 for others; null while its documents must be loaded to know. They are counted whole once,
 * and then only what changed is looked at: the work must not grow with the mailbox.
 */
const unopenedIn = (desk: Desk, clients: Clients, { account }: { readonly account: AccountId }, name: DocumentName): number | null => {
  const ref = parseDocumentName(name)
  if (ref?.kind !== 'inbox') return 0
  const marks = marksDocument(account, ref.month)
  const readDigests = (): string => `${desk.digestOf(name)} ${desk.digestOf(marks)}`
  const known = clients.counts.get(name)
  if (known?.digests === readDigests()) return known.ids.size
  const inboxDoc = desk.document(name)
  const marksDoc = desk.document(marks)
  if (inboxDoc === null || marksDoc === null) return null
  const isPatched = known !== undefined && known.changed.size > 0
  const count = isPatched ? known : { digests: '', ids: new Set<MessageId>(), changed: new Set<MessageId>() }
  for (const id of isPatched ? count.changed : messageIdsOf(inboxDoc)) {
    if (isUnopenedIn(account, inboxDoc, marksDoc, id)) count.ids.add(id)
    else count.ids.delete(id)
  }
  count.changed.clear()
  count.digests = readDigests() // looked at with everything applied, so these are the digests that it belongs to
  if (!isPatched) keepCount(clients, name, count)
  return count.ids.size
}

const keepCount = (clients: Clients, name: DocumentName, count: Count): void => {
  const oldest = clients.counts.size >= COUNTS_MAX ? clients.counts.keys().next().value : undefined
  if (oldest !== undefined) clients.counts.delete(oldest)
  clients.counts.set(name, count)
}

const pinToCount = (desk: Desk, socket: Socket, name: DocumentName): void => {
  const ref = parseDocumentName(name)
  socket.countLacks = ref?.kind === 'inbox' ? [name, marksDocument(ref.account, ref.month)] : [name]
  for (const lacking of socket.countLacks) desk.pin(lacking)
}

// ---- alive

/** Says "I am here" on a socket that has heard nothing for its interval [SYN3]. */
export const keepAlive = (desk: Desk, socket: Socket): void => {
  if (socket.status === 'attached' && !socket.isFull && desk.monotonicMs - socket.sentMs >= ALIVE_INTERVAL_MS[socket.kind]) sendNow(desk, socket, encodeKeepAlive())
}
