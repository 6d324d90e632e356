// Which rooms of an account are open: its drafts, the inbox and marks of the month, every month with something
// unopened, every month this device has kept, and older ones when asked. Hands their documents to the models.

import { type ReadonlySignal, signal } from '@preact/signals'
import {
  type AccountId,
  type MessageId,
  type Millis,
  type Month,
  documentToRoom,
  draftsDocument,
  inboxDocument,
  marksDocument,
  messageToMonth,
  millisToMonth,
  parseDocumentName,
  parseRoom,
} from '../../crdt-schema/ids.ts'
import type { RoomNote } from '../../crdt-schema/wire.ts'
import type { Room } from '../link/room-socket.ts'
import type { Link } from '../link/sockets.ts'

export interface MonthRooms {
  readonly month: Month
  readonly inbox: Room
  readonly marks: Room
}

export interface Rooms {
  readonly drafts: Room
  /** Newest month first. */
  readonly months: ReadonlySignal<readonly MonthRooms[]>
  /** What nodes said of rooms, open or not. */
  readonly notes: ReadonlySignal<ReadonlyMap<string, RoomNote>>
  /** Months that have messages here or on the nodes and are not open. */
  readonly closedMonths: ReadonlySignal<readonly Month[]>
  /** Every open room. */
  all(): readonly Room[]
  /** The rooms of a message; opened if they were not. */
  ofMessage(id: MessageId): MonthRooms
  openMonth(month: Month): MonthRooms
  onNote(note: RoomNote): void
  /** Everything this device had of the rooms opened at the start is loaded. */
  readonly loaded: Promise<void>
}

/** Besides those with something unopened, this many of the latest months are opened at the start. */
const RECENT_MONTHS = 2

export interface RoomsOptions {
  readonly owner: AccountId
  readonly link: Link
  readonly nowMs: () => number
  /** Room names that this device has kept; what is certain to be needed does not wait for them. */
  readonly kept: Promise<readonly string[]>
  readonly onOpened: (rooms: MonthRooms) => void
}

export const createRooms = ({ owner, link, nowMs, kept, onOpened }: RoomsOptions): Rooms => {
  const months = signal<readonly MonthRooms[]>([])
  const notes = signal<ReadonlyMap<string, RoomNote>>(new Map())
  const closedMonths = signal<readonly Month[]>([])
  const drafts = link.open(documentToRoom(draftsDocument(owner)))

  const openMonth = (month: Month): MonthRooms => {
    const open = months.value.find((rooms) => rooms.month === month)
    if (open !== undefined) return open
    const inbox = link.open(documentToRoom(inboxDocument(owner, month)))
    const marks = link.open(documentToRoom(marksDocument(owner, month)))
    const rooms = { month, inbox, marks }
    months.value = [...months.value, rooms].sort((a, b) => (a.month < b.month ? 1 : -1))
    closedMonths.value = closedMonths.value.filter((closed) => closed !== month)
    onOpened(rooms)
    return rooms
  }

  const noteMonth = (month: Month): void => {
    const isKnown = closedMonths.value.includes(month) || months.value.some((rooms) => rooms.month === month)
    if (!isKnown) closedMonths.value = [...closedMonths.value, month].sort().reverse()
  }

  const all = (): readonly Room[] => [drafts, ...months.peek().flatMap(({ inbox, marks }) => [inbox, marks])]

  openMonth(millisToMonth(nowMs() as Millis))
  const start = async (): Promise<void> => {
    const keptMonths = [...new Set((await kept).flatMap((name) => monthOf(name, owner) ?? []))].sort().reverse()
    for (const month of keptMonths.slice(0, RECENT_MONTHS)) openMonth(month)
    for (const month of keptMonths) noteMonth(month)
    await Promise.all(all().map((room) => room.loaded))
  }

  return {
    drafts,
    months,
    notes,
    closedMonths,
    openMonth,
    all,
    ofMessage: (id) => openMonth(messageToMonth(id)),
    onNote: (note) => {
      notes.value = new Map(notes.value).set(note.room, note)
      const month = monthOf(note.room, owner)
      if (month === null) return
      noteMonth(month)
      const isRecent =
        [...closedMonths.value, ...months.value.map((rooms) => rooms.month)].filter((other) => other > month).length < RECENT_MONTHS
      if (note.unopened > 0 || isRecent) openMonth(month)
    },
    loaded: start(),
  }
}

/** The month of an inbox or marks room of `owner`. */
const monthOf = (room: string, owner: AccountId): Month | null => {
  const parsed = parseRoom(room)
  const ref = parsed?.owner === owner ? parseDocumentName(parsed.document) : null
  return ref !== null && (ref.kind === 'inbox' || ref.kind === 'marks') ? ref.month : null
}
