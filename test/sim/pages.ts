// People with a page: what they do with their drafts, their outbox and their messages, on real Yjs replicas, online or
// not. Keeps the page's side of [DEL1] and [DEL2]. The sockets are in rooms.ts.

import * as Y from 'yjs'
import { clearOutboxEntries, createDraft, discardDraft, draftText, readDrafts, readOutboxEntry, resendRefused, sendDraft, setSelected, touchDraft } from '../../crdt-schema/drafts.ts'
import { type DocumentName, type DraftId, type MessageId, type Pid, draftsDocument, marksDocument, messageToMonth, mintDraftId } from '../../crdt-schema/ids.ts'
import { type Mailbox, createMailboxFolder } from '../../crdt-schema/mailbox.ts'
import { markOpened, setChecked, setDeleted } from '../../crdt-schema/marks.ts'
import type { Deed, Operation } from './history.ts'
import type { Device, Person } from './people.ts'
import type { Random } from './random.ts'
import { type PageWorld, type Room, createRooms } from './rooms.ts'

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

const LOCAL = Symbol('local')

export const createPage = (world: PageWorld, device: Device, randomOfDevice: Random): Page => {
  const { schedule, history, trace } = world
  const random = randomOfDevice.fork('page')
  const rooms = createRooms(world, device, random, () => tidyOutbox())
  const folder = createMailboxFolder()

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

  const draftsRoom = (): Room | null => (device.person.account === null ? null : rooms.open(draftsDocument(device.person.account)))
  const marksRoom = (message: MessageId): Room | null => (device.person.account === null ? null : rooms.open(marksDocument(device.person.account, messageToMonth(message))))

  const mailbox = (): Mailbox | null => {
    const owner = device.person.account
    const drafts = draftsRoom()
    if (owner === null || drafts === null) return null
    const docsOf = (kind: string): Y.Doc[] => [...rooms.all.values()].filter(({ document }) => document.startsWith(`${kind}/`)).map(({ doc }) => doc)
    return folder.fold({ owner, inboxes: docsOf('inbox'), marks: docsOf('marks'), drafts: drafts.doc }).value
  }

  /** Outbox entries that have all their receipts are cleared [DEL2], those refused for their id sent again under another [DEL4]. */
  const tidyOutbox = (): void => {
    const drafts = draftsRoom()
    if (drafts === null || drafts.doc.getMap('outbox').size === 0) return
    const { settled = [], refused = [] } = mailbox() ?? {}
    if (settled.length > 0) clearOutboxEntries(drafts.doc, settled)
    for (const entry of refused) resendRefused(drafts.doc, entry)
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

  return {
    device,
    replicas: () => new Map([...rooms.all].map(([name, { doc }]) => [name, doc])),
    describe: () =>
      rooms.isOnline ? [...rooms.all.values()].map(({ document, status, isSynced, pending, sent, stored }) => `${document.split('/')[0]} ${status}${isSynced ? ' synced' : ''} ${stored}/${sent} ${pending.length} waiting`).join(', ') : 'offline',
    get isOnline() {
      return rooms.isOnline
    },
    get isSettled() {
      return [...rooms.all.values()].every(({ status, isSynced, pending }) => status === 'open' && isSynced && pending.length === 0)
    },
    get node() {
      return rooms.node
    },
    goOnline: rooms.goOnline,
    goOffline: rooms.goOffline,
    reload() {
      folder.close() // it is bound to the replicas, and a reload makes new ones
      rooms.reload()
    },
    moveTo: rooms.moveTo,
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
