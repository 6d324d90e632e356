// The Inbox, Messages and Sent of the account: the folded documents as rows for the view, and what a person can do
// with them. Keeps the rule that mail to someone who is there is opened at once, and leaves a deleted row in its
// place, with Undo, until the list is left.

import { type ReadonlySignal, computed, signal } from '@preact/signals'
import type * as Y from 'yjs'
import { clearOutboxEntries, clearOutboxEntry, readOutbox, readRecalls, requestRecall, resendRefused } from '../../crdt-schema/drafts.ts'
import { type AccountId, type MessageId, messageToMonth, parseMonth } from '../../crdt-schema/ids.ts'
import type { Person } from '../../crdt-schema/inbox.ts'
import { type Mailbox, type ReceivedMessage, createMailboxFolder, oldestUnopened } from '../../crdt-schema/mailbox.ts'
import type { RoomNote } from '../../crdt-schema/wire.ts'
import { type Ledger, union } from './ledger.ts'
import type { Marking } from './marking.ts'
import type { MonthRooms, Rooms } from './rooms.ts'
import { type MessageOrder, type MessageRow, type SentRow, byNewestOpened, byUnread, isSameRow, toRow, toSentRow, toUnsentRow } from './rows.ts'
import type { Seen } from './seen.ts'

export interface MailboxModel {
  readonly inboxCount: ReadonlySignal<number>
  /** Waiting in the Inbox of the open months, oldest first. */
  readonly inbox: ReadonlySignal<readonly ReceivedMessage[]>
  readonly messages: ReadonlySignal<readonly MessageRow[]>
  readonly messageCount: ReadonlySignal<number>
  readonly unreadCount: ReadonlySignal<number>
  readonly order: ReadonlySignal<MessageOrder>
  readonly sent: ReadonlySignal<readonly SentRow[]>
  readonly sentCount: ReadonlySignal<number>
  /** Messages that no node is known to hold. */
  readonly unsentCount: ReadonlySignal<number>
  /** Arrived and opened while the page was there; the view announces it. */
  readonly arrived: ReadonlySignal<{ readonly from: string; readonly count: number; readonly id: MessageId; readonly text: string } | null>
  /** Opens the oldest `count`; gives the first of them, where the focus goes. */
  open(count: number): { readonly opened: number; readonly first: MessageId | null }
  setRead(id: MessageId, isRead: boolean): void
  remove(id: MessageId): void
  restore(id: MessageId): void
  /** The list is left: what was deleted in it is no longer shown. */
  leaveList(): void
  setOrder(order: MessageOrder): void
  /** What of the messages the next start shows first. */
  describe(): Pick<Seen, 'inboxCount' | 'messages' | 'messageCount' | 'unreadCount' | 'sent' | 'sentCount'>
  recall(id: MessageId): void
  /** Gives up a message that is waiting or failed; gives its text and recipients back. */
  giveUp(id: MessageId): { readonly to: readonly Person[]; readonly text: string } | null
  /** A message was written to the outbox; `kept` resolves when it is on disk. */
  onSent(id: MessageId, kept: Promise<void>): void
  onRoomNote(note: RoomNote): void
  /** A month's rooms were opened. */
  watch(rooms: MonthRooms): void
  watchDrafts(): void
  close(): void
}

export type DraftsKey = `draft:${string}` | `outbox:${string}`

export interface MailboxOptions {
  readonly owner: AccountId
  readonly rooms: () => Rooms
  readonly marking: Marking
  readonly draftsLedger: Ledger<DraftsKey>
  /** Shown instead of the documents until they are loaded. */
  readonly seen: ReadonlySignal<Seen | null>
  /** A write did not reach the disk of this device. */
  readonly onDiskFull: () => void
}

export const createMailbox = ({ owner, rooms, draftsLedger, marking, seen, onDiskFull }: MailboxOptions): MailboxModel => {
  const folder = createMailboxFolder()
  const folded = signal<Mailbox | null>(null)
  const order = signal<MessageOrder>('newest')
  const arrived = signal<{ from: string; count: number; id: MessageId; text: string } | null>(null)
  const removed = signal<ReadonlyMap<MessageId, ReceivedMessage>>(new Map())
  const storedOn = signal<ReadonlyMap<MessageId, readonly number[]>>(new Map())
  const keeping = signal<ReadonlySet<MessageId>>(new Set())
  /** Seen in the Inbox: these wait there, however the page is connected. */
  const waiting = new Set<MessageId>()
  /** Months whose inbox changed by what came while the room was synced, since the last fold. */
  const liveMonths = new Set<string>()
  const stops: (() => void)[] = []
  let isFoldDue = false

  const foldSoon = (): void => {
    if (isFoldDue) return
    isFoldDue = true
    queueMicrotask(() => {
      isFoldDue = false
      fold()
    })
  }

  const fold = (): void => {
    const { drafts, months, ofMessage } = rooms()
    // The answer to a message is in the month of its id, and that of a draft written long ago is no month of these days.
    for (const { id } of readOutbox(drafts.doc).value) if (parseMonth(messageToMonth(id)) !== null) ofMessage(id)
    const mailbox = folder.fold({
      owner,
      drafts: drafts.doc,
      inboxes: months.value.map(({ inbox }) => inbox.doc),
      marks: months.value.map(({ marks }) => marks.doc),
    }).value
    for (const { id } of mailbox.outbox) draftsLedger.meet(`outbox:${id}`, drafts.latestChange())
    folded.value = mailbox
    if (mailbox.settled.length > 0) clearOutboxEntries(drafts.doc, mailbox.settled)
    for (const refused of mailbox.refused) resendRefused(drafts.doc, refused)
    openLive(mailbox.inbox)
  }

  const openLive = (inbox: readonly ReceivedMessage[]): void => {
    const fresh = inbox.filter(({ id }) => !waiting.has(id))
    const live = fresh.filter(({ id }) => liveMonths.has(messageToMonth(id)))
    for (const { id } of fresh) waiting.add(id)
    liveMonths.clear()
    marking.open(live.map(({ id }) => id))
    const last = live.at(-1)
    if (last !== undefined) arrived.value = { from: last.from.name, count: live.length, id: last.id, text: last.text }
  }

  /** Adds to what is known of where these are stored. */
  const noteStored = (ids: readonly MessageId[], pids: readonly number[]): void => {
    const next = new Map(storedOn.value)
    for (const id of ids) next.set(id, union(next.get(id) ?? [], pids))
    storedOn.value = next
  }

  /** A row that says what it said before is the same object: with thousands of them only what is new is drawn. */
  const rowsById = new Map<MessageId, MessageRow>()
  const rowOf = (message: ReceivedMessage, isDeleted: boolean): MessageRow => {
    const known = rowsById.get(message.id)
    const row = toRow(message, owner, isDeleted)
    if (known !== undefined && isSameRow(known, row)) return known
    rowsById.set(message.id, row)
    return row
  }

  const messages = computed(() => {
    const shown = folded.value?.messages ?? []
    const rows = shown.map((message) => rowOf(message, removed.value.has(message.id)))
    if (removed.value.size > 0) {
      const shownIds = new Set(shown.map(({ id }) => id))
      for (const message of removed.value.values()) if (!shownIds.has(message.id)) rows.push(rowOf(message, true))
    }
    return rows.sort(order.value === 'newest' ? byNewestOpened : byUnread)
  })

  /** What this tab was told of its own sending, and what nodes said of the month since. */
  const copiesOf = (id: MessageId): readonly number[] => union(storedOn.value.get(id) ?? [], draftsLedger.knownPidsOf(`outbox:${id}`))

  const sent = computed((): readonly SentRow[] => {
    const mailbox = folded.value
    if (mailbox === null) return []
    draftsLedger.version.value // the rows below read the ledger
    const stored = [...mailbox.sent, ...mailbox.recalled].map((message) => toSentRow(message, copiesOf(message.id)))
    const storedIds = new Set(stored.map(({ id }) => id))
    const unsent = mailbox.outbox
      .filter(({ id, status }) => status === 'failed' || !storedIds.has(id))
      .map((entry) =>
        toUnsentRow(
          entry,
          draftsLedger.pidsOf(`outbox:${entry.id}`),
          draftsLedger.isPending(`outbox:${entry.id}`),
          keeping.value.has(entry.id),
        ),
      )
    const unsentIds = new Set(unsent.map(({ id }) => id))
    return [...unsent, ...stored.filter(({ id }) => !unsentIds.has(id))].sort((a, b) => b.sentMs - a.sentMs || (a.id < b.id ? 1 : -1))
  })

  const inboxCount = computed(() => {
    const { months, notes } = rooms()
    const open = new Set(months.value.map(({ inbox }) => inbox.name))
    const elsewhere = [...notes.value.values()].filter(({ room }) => !open.has(room)).reduce((sum, { unopened }) => sum + unopened, 0)
    return (folded.value?.counts.unopened ?? 0) + elsewhere
  })

  return {
    inboxCount: computed(() => seen.value?.inboxCount ?? inboxCount.value),
    inbox: computed(() => folded.value?.inbox ?? []),
    messages: computed(() => seen.value?.messages ?? messages.value),
    messageCount: computed(() => seen.value?.messageCount ?? folded.value?.counts.messages ?? 0),
    unreadCount: computed(() => seen.value?.unreadCount ?? folded.value?.counts.unread ?? 0),
    order,
    sent: computed(() => seen.value?.sent ?? sent.value),
    sentCount: computed(() => seen.value?.sentCount ?? sent.value.length),
    describe: () => {
      const rows = messages.peek().filter(({ isDeleted }) => !isDeleted)
      return {
        inboxCount: inboxCount.peek(),
        messages: order.peek() === 'newest' ? rows : rows.sort(byNewestOpened),
        messageCount: rows.length,
        unreadCount: folded.peek()?.counts.unread ?? 0,
        sent: sent.peek(),
        sentCount: sent.peek().length,
      }
    },
    unsentCount: computed(() => sent.value.filter(({ state }) => state.status === 'waiting' || state.status === 'keeping').length),
    arrived,
    open: (count) => {
      const mailbox = folded.value
      if (mailbox === null) return { opened: 0, first: null }
      const ids = oldestUnopened(mailbox, count)
      marking.open(ids)
      fold()
      const opened = new Set(ids)
      return { opened: ids.length, first: messages.value.find(({ id }) => opened.has(id))?.id ?? null }
    },
    setRead: marking.setRead,
    remove: (id) => {
      const message = folded.value?.messages.find((shown) => shown.id === id)
      if (message === undefined) return
      removed.value = new Map(removed.value).set(id, message)
      marking.setDeleted(id, true)
    },
    restore: (id) => {
      const next = new Map(removed.value)
      next.delete(id)
      marking.setDeleted(id, false)
      fold()
      removed.value = next
    },
    leaveList: () => {
      removed.value = new Map()
    },
    setOrder: (next) => {
      order.value = next
    },
    recall: (id) => {
      const { drafts } = rooms()
      requestRecall(drafts.doc, id)
      draftsLedger.touch([`outbox:${id}`], drafts.latestChange())
    },
    giveUp: (id) => {
      const entry = folded.value?.outbox.find((unsent) => unsent.id === id)
      if (entry === undefined) {
        // Failed for all its recipients, and filed as sent: it is only taken out of sight.
        const filed = folded.value?.sent.find((message) => message.id === id)
        if (filed === undefined) return null
        marking.setDeleted(id, true)
        return { to: filed.to, text: filed.text }
      }
      const { drafts } = rooms()
      drafts.doc.transact(() => {
        clearOutboxEntry(drafts.doc, id)
        // A node may have it already without having said so: then it is taken back there.
        requestRecall(drafts.doc, id)
      })
      return { to: entry.to, text: entry.text }
    },
    onSent: (id, kept) => {
      keeping.value = new Set(keeping.value).add(id)
      const isKept = (): void => {
        const next = new Set(keeping.value)
        next.delete(id)
        keeping.value = next
      }
      kept.then(isKept, onDiskFull)
    },
    onRoomNote: ({ room, pids }) => {
      const home = rooms().months.value.find(({ inbox }) => inbox.name === room)
      if (home === undefined) return
      const sentThen = folded.value?.sent.filter(({ id }) => messageToMonth(id) === home.month) ?? []
      noteStored(
        sentThen.map(({ id }) => id),
        pids,
      )
    },
    watch: ({ month, inbox, marks }) => {
      const onInbox = (_update: Uint8Array, origin: unknown): void => {
        if (inbox.isFromNode(origin) && inbox.isSynced()) liveMonths.add(month)
        foldSoon()
      }
      inbox.doc.on('update', onInbox)
      marks.doc.on('update', foldSoon)
      stops.push(() => {
        inbox.doc.off('update', onInbox)
        marks.doc.off('update', foldSoon)
      })
      foldSoon()
    },
    watchDrafts: () => {
      const { doc } = rooms().drafts
      // Most of what happens in this document is typing, and that changes nothing here.
      let seen = describeSending(doc)
      const look = (): void => {
        const now = describeSending(doc)
        if (now === seen) return
        seen = now
        foldSoon()
      }
      doc.on('update', look)
      stops.push(() => doc.off('update', look))
      foldSoon()
    },
    close: () => {
      for (const stop of stops) stop()
      folder.close()
    },
  }
}

/** Changes whenever something is sent, settled or taken back. */
const describeSending = (drafts: Y.Doc): string =>
  [...readOutbox(drafts).value.map(({ id }) => id), '|', ...readRecalls(drafts).value].join()
