// People with a page: real Yjs replicas of their rooms that speak y-websocket's protocol over client sockets, work
// offline, and move to another node by themselves. Keeps the page's side of [DEL1], [DEL2], [SYN1] and [SYN4];
// a close code that a page of good manners must never get is a violation.

import * as Y from 'yjs'
import { clearOutboxEntries, createDraft, discardDraft, draftText, readDrafts, readOutboxEntry, sendDraft, setSelected, touchDraft } from '../../crdt-schema/drafts.ts'
import {
  type AccountId,
  type DocumentName,
  type DraftId,
  type MessageId,
  type Month,
  type Pid,
  documentToRoom,
  draftsDocument,
  inboxDocument,
  marksDocument,
  messageToMonth,
  millisToMonth,
  mintDraftId
} from '../../crdt-schema/ids.ts'
import { type Mailbox, foldMailbox } from '../../crdt-schema/mailbox.ts'
import { markOpened, setChecked, setDeleted } from '../../crdt-schema/marks.ts'
import { CLOSE_CODES, type StoredNote, decodeClientFrame, decodeServerNote, encodeSyncStep1, encodeSyncStep2, encodeUpdate, isFinalClose } from '../../crdt-schema/wire.ts'
import { WORLD_BEGINS_MS } from './clock.ts'
import type { Deed, Operation } from './history.ts'
import type { End, EndHandler } from './network.ts'
import type { Device, PeopleWorld, Person } from './people.ts'
import type { SimProcess } from './process.ts'
import type { Random } from './random.ts'

export interface Page {
  readonly device: Device
  readonly isOnline: boolean
  /** Every room is connected and has had its first sync, and nothing waits for an acknowledgement. */
  readonly isSettled: boolean
  readonly node: Pid | null
  /** Its replicas by document. */
  replicas(): ReadonlyMap<DocumentName, Y.Doc>
  /** The state of its rooms, for the person who must find out why it is not settled. */
  describe(): string
  goOnline(): void
  goOffline(): void
  /** The browser is closed and opened again: sockets and memory are lost, replicas come back from its disk. */
  reload(): void
  moveTo(pid: Pid): void
  writeDraft(text: string, to: readonly Person[]): DraftId | null
  /** Types into the draft at a place of its choosing. */
  editDraft(draft: DraftId, text: string): void
  discardDraft(draft: DraftId): void
  selectDraft(draft: DraftId): void
  sendDraft(draft: DraftId): Operation | null
  openAll(): void
  mark(message: MessageId, mark: 'deleted' | 'checked'): void
  mailbox(): Mailbox | null
  liveDrafts(): readonly DraftId[]
}

interface Room {
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

const CONNECT_TIMEOUT_MS = 1_500
const SILENT_MS = 4_000
const STUCK_MS = 6_000
const RECONNECT_MS_MIN = 20
const RECONNECT_MS_MAX = 400
const WATCH_MS = 500

const LOCAL = Symbol('local')

export interface PageWorld extends PeopleWorld {
  onViolation(who: string, error: unknown): void
}

export const createPage = (world: PageWorld, device: Device, randomOfDevice: Random): Page => {
  const { schedule, history, trace } = world
  const random = randomOfDevice.fork('page')
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
    for (const item of room.pending) item.frame = null
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
      tidyOutbox()
    }
  }

  const receiveStored = (room: Room, word: StoredNote): void => {
    if (word.count > room.sent) world.onViolation(device.label, new Error(`[SYN1] ${room.room}: ${word.count} frames stored of ${room.sent} sent`))
    room.stored = Math.max(room.stored, word.count)
    const process = node()
    const done = room.pending.filter(({ frame }) => frame !== null && frame <= room.stored)
    room.pending = room.pending.filter(({ frame }) => frame === null || frame > room.stored)
    for (const { operation } of done) {
      history.end(operation, schedule.nowMs, { outcome: 'acknowledged', answeredBy: process?.pid ?? null, view: process?.state?.members.view ?? [], storedOn: word.pids })
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
    device.signIn(false)
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
    if (device.session === null && device.person.account !== null && !device.isBusy) device.signIn(false)
    connectAll()
    const drafts = device.person.account === null ? undefined : rooms.get(draftsDocument(device.person.account))
    const isSilent = drafts?.status === 'open' && schedule.nowMs - drafts.heardMs > SILENT_MS
    const isStuck = [...rooms.values()].some(({ status, pending }) => status === 'open' && pending.some(({ operation }) => schedule.nowMs - operation.startedMs > STUCK_MS) && random.chance(0.1))
    if (isSilent || isStuck) moveOn()
    else tidyOutbox()
  }

  // ---- what a person does

  /** Changes a replica as one deed; the deed is done when a node calls the frame that carries it stored. */
  const change = (room: Room, deed: Deed, act: (doc: Y.Doc) => boolean): Operation | null => {
    const before = room.sent
    let isDone = false
    room.doc.transact(() => {
      isDone = act(room.doc)
    }, LOCAL)
    if (!isDone) return null
    const operation = history.begin(device.label, deed, schedule.nowMs)
    room.pending.push({ operation, frame: room.status === 'open' && room.sent > before ? room.sent : null })
    // What changed nothing has no frame of its own: the newest one carries it.
    const item = room.pending.at(-1)
    if (item !== undefined && room.status === 'open' && room.isSynced) item.frame ??= room.sent
    return operation
  }

  const draftsRoom = (): Room | null => (device.person.account === null ? null : openRoom(draftsDocument(device.person.account)))
  const marksRoom = (message: MessageId): Room | null => (device.person.account === null ? null : openRoom(marksDocument(device.person.account, messageToMonth(message))))

  const mailbox = (): Mailbox | null => {
    const owner = device.person.account
    const drafts = draftsRoom()
    if (owner === null || drafts === null) return null
    const docsOf = (kind: string): Y.Doc[] => [...rooms.values()].filter(({ document }) => document.startsWith(`${kind}/`)).map(({ doc }) => doc)
    return foldMailbox({ owner, inboxes: docsOf('inbox'), marks: docsOf('marks'), drafts: drafts.doc }).value
  }

  /** Outbox entries that have all their receipts are cleared [DEL2]. */
  const tidyOutbox = (): void => {
    const drafts = draftsRoom()
    if (drafts === null || drafts.doc.getMap('outbox').size === 0) return
    const settled = mailbox()?.settled ?? []
    if (settled.length > 0) clearOutboxEntries(drafts.doc, settled)
  }

  const goOffline = (): void => {
    isOnline = false
    closeAll()
  }

  const editDraftOf = (draft: DraftId, text: string): void => {
    const room = draftsRoom()
    const account = device.person.account
    if (room === null || account === null) return
    change(room, { kind: 'draft', account, draft, text }, doc => {
      const shared = draftText(doc, draft)
      if (shared === null) return false
      shared.insert(random.integer(0, shared.length), text)
      touchDraft(doc, draft, world.wallMs())
      return true
    })
  }

  schedule.after(random.integer(0, WATCH_MS), watch)

  return {
    device,
    replicas: () => new Map([...rooms].map(([name, { doc }]) => [name, doc])),
    describe: () =>
      isOnline ? [...rooms.values()].map(({ document, status, isSynced, pending, sent, stored }) => `${document.split('/')[0]} ${status}${isSynced ? ' synced' : ''} ${stored}/${sent} ${pending.length} waiting`).join(', ') : 'offline',
    get isOnline() {
      return isOnline
    },
    get isSettled() {
      return [...rooms.values()].every(({ status, isSynced, pending }) => status === 'open' && isSynced && pending.length === 0)
    },
    get node() {
      return isOnline ? (node()?.pid ?? null) : null
    },
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
    },
    writeDraft(text, to) {
      const room = draftsRoom()
      const account = device.person.account
      if (room === null || account === null) return null
      const id = mintDraftId(world.wallMs(), random.bytes(10))
      const people = to.flatMap(person => (person.account === null ? [] : [{ id: person.account, name: person.name }]))
      change(room, { kind: 'draft', account, draft: id, text }, doc => createDraft(doc, { id, editedMs: world.wallMs(), to: people, text }).ok)
      return id
    },
    editDraft: editDraftOf,
    discardDraft(draft) {
      const room = draftsRoom()
      if (room !== null) discardDraft(room.doc, draft)
    },
    selectDraft(draft) {
      const room = draftsRoom()
      if (room !== null) setSelected(room.doc, draft, true)
    },
    sendDraft(draft) {
      const room = draftsRoom()
      const from = device.person.account
      if (room === null || from === null) return null
      const found = readDrafts(room.doc).value.find(({ id }) => id === draft)
      if (found === undefined) return null
      let message: MessageId | null = null
      const before = room.sent
      const sent = sendDraft(room.doc, { draftId: draft, fromName: device.person.name, nowMs: world.wallMs() })
      if (!sent.ok) return null
      message = sent.value
      const to = found.to.flatMap(({ id }) => (id === '' ? [] : [id]))
      const operation = history.begin(device.label, { kind: 'send', from, to, text: found.text, message }, schedule.nowMs)
      room.pending.push({ operation, frame: room.status === 'open' && room.sent > before ? room.sent : null })
      trace.line(schedule.nowMs, `${device.label} sends draft as ${message}, ${readOutboxEntry(room.doc, message) === null ? 'again' : 'waiting'}`)
      return operation
    },
    openAll() {
      const account = device.person.account
      for (const message of mailbox()?.inbox ?? []) {
        const room = marksRoom(message.id)
        if (room !== null && account !== null) change(room, { kind: 'mark', account, message: message.id, mark: 'opened' }, doc => markOpened(doc, message.id, world.wallMs()).ok)
      }
    },
    mark(message, mark) {
      const room = marksRoom(message)
      const account = device.person.account
      if (room === null || account === null) return
      change(room, { kind: 'mark', account, message, mark }, doc => {
        if (mark === 'deleted') setDeleted(doc, message, true)
        else setChecked(doc, message, true)
        return true
      })
    },
    mailbox,
    liveDrafts() {
      const room = draftsRoom()
      return room === null ? [] : readDrafts(room.doc).value.flatMap(({ id, discarded }) => (discarded ? [] : [id]))
    }
  }
}

const SILENT: EndHandler = { onFrame: () => {}, onDown: () => {}, onFull: () => {}, onWritable: () => {} }
