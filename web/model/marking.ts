// Writes the marks of messages (opened, read, deleted) into the documents of their months, and knows which of them no
// node holds yet. Changes are numbered room by room, so each room of marks has a ledger of its own.

import { type ReadonlySignal, computed, signal } from '@preact/signals'
import type * as Y from 'yjs'
import { type MessageId, type Millis, type Month, messageToMonth } from '../../crdt-schema/ids.ts'
import { markOpened, setChecked, setDeleted } from '../../crdt-schema/marks.ts'
import type { StoredChanges } from '../link/receipts.ts'
import { type Ledger, createLedger } from './ledger.ts'
import type { Rooms } from './rooms.ts'

export interface Marking {
  /** Marks that no node is known to hold. */
  readonly pendingCount: ReadonlySignal<number>
  open(ids: readonly MessageId[]): void
  setRead(id: MessageId, isRead: boolean): void
  setDeleted(id: MessageId, isDeleted: boolean): void
  onStored(room: string, stored: StoredChanges): void
}

/** Marks written in one transaction: its update must fit into a client's frame. */
const AT_ONCE = 1000

export const createMarking = (rooms: () => Rooms, nowMs: () => number): Marking => {
  const ledgers = signal<ReadonlyMap<string, Ledger<MessageId>>>(new Map())

  const ledgerOf = (room: string): Ledger<MessageId> => {
    const known = ledgers.value.get(room)
    if (known !== undefined) return known
    const made = createLedger<MessageId>()
    ledgers.value = new Map(ledgers.value).set(room, made)
    return made
  }

  /** Marks messages of one month in one transaction. */
  const mark = (ids: readonly MessageId[], write: (marks: Y.Doc, id: MessageId) => void): void => {
    const [first] = ids
    if (first === undefined) return
    const { marks } = rooms().ofMessage(first)
    const before = marks.latestChange()
    marks.doc.transact(() => {
      for (const id of ids) write(marks.doc, id)
    })
    if (marks.latestChange() > before) ledgerOf(marks.name).touch(ids, marks.latestChange())
  }

  return {
    pendingCount: computed(() => [...ledgers.value.values()].reduce((sum, { pending }) => sum + pending.value.length, 0)),
    open: (ids) => {
      const openedMs = Math.round(nowMs()) as Millis
      for (const ofMonth of groupByMonth(ids)) {
        for (let start = 0; start < ofMonth.length; start += AT_ONCE) {
          mark(ofMonth.slice(start, start + AT_ONCE), (marks, id) => markOpened(marks, id, openedMs))
        }
      }
    },
    setRead: (id, isRead) => mark([id], (marks) => setChecked(marks, id, isRead)),
    setDeleted: (id, isDeleted) => mark([id], (marks) => setDeleted(marks, id, isDeleted)),
    onStored: (room, stored) => ledgerOf(room).onStored(stored),
  }
}

const groupByMonth = (ids: readonly MessageId[]): Iterable<readonly MessageId[]> => {
  const byMonth = new Map<Month, MessageId[]>()
  for (const id of ids) {
    const month = messageToMonth(id)
    const ofMonth = byMonth.get(month)
    if (ofMonth === undefined) byMonth.set(month, [id])
    else ofMonth.push(id)
  }
  return byMonth.values()
}
