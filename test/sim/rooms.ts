// A page's rooms and their sockets: replicas that speak y-websocket's protocol to one node at a time, and move to the
// next one together. Keeps the page's side of [SYN1], [SYN3] and [SYN4]; a close code that a page of good manners must
// never get is a violation. Knows nothing of what the documents say.

import * as Y from 'yjs'
import {
  type AccountId,
  type DocumentName,
  type Month,
  type Pid,
  documentToRoom,
  draftsDocument,
  inboxDocument,
  marksDocument,
  millisToMonth
} from '../../crdt-schema/ids.ts'
import { CLOSE_CODES, type StoredNote, decodeClientFrame, decodeServerNote, encodeSyncStep1, encodeSyncStep2, encodeUpdate, isFinalClose } from '../../crdt-schema/wire.ts'
import { WORLD_BEGINS_MS } from './clock.ts'
import type { Operation } from './history.ts'
import type { End, EndHandler } from './network.ts'
import { type Device, type PeopleWorld } from './people.ts'
import type { SimProcess } from './process.ts'
import type { Random } from './random.ts'

export interface Room {
  readonly document: DocumentName
  readonly room: string
  doc: Y.Doc
  end: End | null
  status: 'closed' | 'dialing' | 'open'
  /** Sync step 2 and update frames sent on this socket, and how many of them the node has called stored [SYN1]. */
  sent: number
  stored: number
  isSynced: boolean
  heardMs: number
  /** Operations and the frame that carries each; null while it waits for a socket. */
  pending: { readonly operation: Operation; frame: number | null }[]
}

export interface Rooms {
  readonly all: ReadonlyMap<DocumentName, Room>
  readonly isOnline: boolean
  readonly node: Pid | null
  /** The room of a document, made on first use; it connects when the page is online. */
  open(document: DocumentName): Room
  goOnline(): void
  goOffline(): void
  /** Sockets and memory are lost; replicas come back from the browser's disk, under new clientIDs. */
  reload(): void
  moveTo(pid: Pid): void
}

export interface PageWorld extends PeopleWorld {
  onViolation(who: string, error: unknown): void
}

const CONNECT_TIMEOUT_MS = 1_500
const SILENT_MS = 4_000
const STUCK_MS = 6_000
const RECONNECT_MS_MIN = 20
const RECONNECT_MS_MAX = 400
const WATCH_MS = 500

/** `onReceived` is called whenever something came, and now and then. */
export const createRooms = (world: PageWorld, device: Device, random: Random, onReceived: () => void): Rooms => {
  const { schedule, history, trace } = world
  const rooms = new Map<DocumentName, Room>()
  let isOnline = false
  let nodeIndex = Math.max(0, world.processes.findIndex(({ pid }) => pid === device.home))
  let isMoving = false
  let generation = 0

  const node = (): SimProcess | undefined => world.processes[nodeIndex % world.processes.length]

  // ---- rooms

  const openRooms = (account: AccountId): void => {
    const months: Month[] = [...new Set([millisToMonth(WORLD_BEGINS_MS as never), millisToMonth(world.wallMs())])]
    for (const document of [draftsDocument(account), ...months.flatMap(month => [inboxDocument(account, month), marksDocument(account, month)])]) openRoom(document)
  }

  const openRoom = (document: DocumentName): Room => {
    const known = rooms.get(document)
    if (known !== undefined) return known
    const room: Room = { document, room: documentToRoom(document), doc: new Y.Doc(), end: null, status: 'closed', sent: 0, stored: 0, isSynced: false, heardMs: 0, pending: [] }
    rooms.set(document, room)
    adopt(room, room.doc)
    return room
  }

  const adopt = (room: Room, doc: Y.Doc): void => {
    doc.clientID = random.integer(1, 0xffff_fffe)
    room.doc = doc
    doc.on('update', (update: Uint8Array, origin: unknown) => {
      if (origin !== room && room.doc === doc && room.status === 'open') sendCounted(room, encodeUpdate(update))
    })
  }

  const sendCounted = (room: Room, frame: Uint8Array): void => {
    room.end?.send(frame)
    room.sent += 1
  }

  // ---- sockets

  const connect = (room: Room): void => {
    const process = node()
    const session = device.session
    if (!isOnline || room.status !== 'closed' || process === undefined || session === null) return
    room.status = 'dialing'
    const mine = generation
    world.network.dial({
      from: device.place,
      to: process.place,
      timeoutMs: CONNECT_TIMEOUT_MS,
      roundTrips: 1,
      accept: end => process.acceptClient(end, room.room, session.token, device.place),
      connected: end => {
        if (mine === generation && isOnline) return attach(room, end)
        end.close()
        return SILENT
      },
      failed: () => {
        if (mine !== generation) return
        room.status = 'closed'
        moveOn()
      }
    })
  }

  const attach = (room: Room, end: End): EndHandler => {
    Object.assign(room, { end, status: 'open', sent: 0, stored: 0, isSynced: false, heardMs: schedule.nowMs })
    for (const item of room.pending) {
      item.operation.resent ||= item.frame !== null
      item.frame = null
    }
    end.send(encodeSyncStep1(Y.encodeStateVector(room.doc)))
    return {
      onFrame: frame => {
        if (room.end !== end) return
        room.heardMs = schedule.nowMs
        receive(room, frame)
      },
      onDown: code => {
        if (room.end === end) onClosed(room, code)
      },
      onFull: () => {},
      onWritable: () => {}
    }
  }

  const receive = (room: Room, bytes: Uint8Array): void => {
    const note = decodeServerNote(bytes)
    if (note !== null) return note.type === 'stored' ? receiveStored(room, note) : undefined
    const frame = decodeClientFrame(bytes)
    if (!frame.ok) return world.onViolation(device.label, new Error(`[SYN] ${room.room}: a frame that does not parse`))
    if (frame.value.type === 'sync-step-1') {
      sendCounted(room, encodeSyncStep2(Y.encodeStateAsUpdate(room.doc, frame.value.stateVectorBytes)))
      // Whatever waited is in this frame.
      for (const item of room.pending) item.frame ??= room.sent
    } else if (frame.value.type === 'sync-step-2' || frame.value.type === 'update') {
      Y.applyUpdate(room.doc, frame.value.update, room)
      if (frame.value.type === 'sync-step-2') room.isSynced = true
      onReceived()
    }
  }

  const receiveStored = (room: Room, word: StoredNote): void => {
    if (word.count > room.sent) world.onViolation(device.label, new Error(`[SYN1] ${room.room}: ${word.count} frames stored of ${room.sent} sent`))
    room.stored = Math.max(room.stored, word.count)
    const process = node()
    const done = room.pending.filter(({ frame }) => frame !== null && frame <= room.stored)
    room.pending = room.pending.filter(({ frame }) => frame === null || frame > room.stored)
    for (const { operation } of done) {
      history.end(operation, schedule.nowMs, { outcome: 'acknowledged', answeredBy: process?.pid ?? null, storedOn: word.pids })
    }
  }

  const onClosed = (room: Room, code: number): void => {
    room.end = null
    room.status = 'closed'
    trace.line(schedule.nowMs, `${device.label} loses ${room.room}: ${code}`)
    if (code === CLOSE_CODES.sessionEnded) return signInAgain()
    if (code === CLOSE_CODES.signedInElsewhere || device.person.hasLeft) return goOffline()
    if (isFinalClose(code)) return world.onViolation(device.label, new Error(`[SYN4] ${room.room} closed with ${code}`))
    moveOn()
  }

  const signInAgain = (): void => {
    closeAll()
    if (device.person.hasLeft || device.isBusy) return
    device.session = null
    signIn()
  }

  let lastSignIn: Operation | null = null
  /** Its person takes over what stands in the way: a session of their own that this page has lost. */
  const signIn = (): void => {
    lastSignIn = device.signIn(lastSignIn?.code === 'already-signed-in')
  }

  const closeAll = (): void => {
    generation += 1
    for (const room of rooms.values()) {
      const { end } = room
      room.end = null
      room.status = 'closed'
      end?.close()
    }
  }

  /** Leaves this node for the next one; all rooms together, once. */
  const moveOn = (): void => {
    if (isMoving || !isOnline) return
    isMoving = true
    closeAll()
    nodeIndex = (nodeIndex + 1) % world.processes.length
    const mine = generation
    schedule.after(random.integer(RECONNECT_MS_MIN, RECONNECT_MS_MAX), () => {
      isMoving = false
      if (mine === generation) connectAll()
    })
  }

  const connectAll = (): void => {
    const { account } = device.person
    if (account === null || device.person.hasLeft) return
    openRooms(account)
    for (const room of rooms.values()) connect(room)
  }

  const watch = (): void => {
    schedule.after(WATCH_MS, watch)
    if (!isOnline || device.person.hasLeft) return
    if (device.session === null && device.person.account !== null && !device.isBusy) signIn()
    connectAll()
    const drafts = device.person.account === null ? undefined : rooms.get(draftsDocument(device.person.account))
    const isSilent = drafts?.status === 'open' && schedule.nowMs - drafts.heardMs > SILENT_MS
    const isStuck = [...rooms.values()].some(({ status, pending }) => status === 'open' && pending.some(({ operation }) => schedule.nowMs - operation.startedMs > STUCK_MS) && random.chance(0.1))
    if (isSilent || isStuck) moveOn()
    else onReceived()
  }

  const goOffline = (): void => {
    isOnline = false
    closeAll()
  }

  schedule.after(random.integer(0, WATCH_MS), watch)

  return {
    all: rooms,
    get isOnline() {
      return isOnline
    },
    get node() {
      return isOnline ? (node()?.pid ?? null) : null
    },
    open: openRoom,
    goOnline() {
      isOnline = true
      connectAll()
    },
    goOffline,
    reload() {
      closeAll()
      for (const room of rooms.values()) {
        const doc = new Y.Doc()
        Y.applyUpdate(doc, Y.encodeStateAsUpdate(room.doc), room)
        adopt(room, doc)
      }
      connectAll()
    },
    moveTo(pid) {
      nodeIndex = Math.max(0, world.processes.findIndex(process => process.pid === pid))
      closeAll()
      connectAll()
    }
  }
}

const SILENT: EndHandler = { onFrame: () => {}, onDown: () => {}, onFull: () => {}, onWritable: () => {} }
