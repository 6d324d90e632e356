// One account open in this tab: its link, its rooms, and the models over them, wired to each other. Made when someone
// is signed in and closed when they are not.

import { type ReadonlySignal, batch, computed, effect, signal } from '@preact/signals'
import type { AccountId } from '../../crdt-schema/ids.ts'
import { encodeStateAsUpdate } from 'yjs'
import { readBlocked, readDrafts, setBlocked, setSharesReceipts, sharesReceipts } from '../../crdt-schema/drafts.ts'
import { CLOSE_CODES } from '../../crdt-schema/wire.ts'
import type { NodeAddress } from '../link/fail-over.ts'
import type { Room } from '../link/room-socket.ts'
import type { Link, LinkEvents } from '../link/sockets.ts'
import type { SignedInAccount } from './accounts.ts'
import { type ConnectionModel, createConnection } from './connection.ts'
import { type DraftContent, type DraftsModel, createDrafts } from './drafts.ts'
import { createLedger } from './ledger.ts'
import { type DraftsKey, type MailboxModel, createMailbox } from './mailbox.ts'
import { createMarking } from './marking.ts'
import { type PeopleModel, createPeople } from './people.ts'
import type { Ports } from './ports.ts'
import { type Rooms, createRooms } from './rooms.ts'
import { type Seen, createSeenStore } from './seen.ts'

export interface Mail {
  readonly owner: AccountId
  readonly mailbox: MailboxModel
  readonly drafts: DraftsModel
  readonly people: PeopleModel
  readonly connection: ConnectionModel
  /** Drafts and messages, with their texts, that no node is known to hold. */
  readonly onlyHere: ReadonlySignal<readonly OnlyHere[]>
  /** Months that are not open; `showOlder` opens the next one. */
  readonly hasOlder: ReadonlySignal<boolean>
  showOlder(): void
  /** Opens every month; resolves once what this device and, if one answers, its node have of them is here. */
  openEverything(): Promise<void>
  /** People whose messages are not delivered here, by id. */
  readonly blocked: ReadonlySignal<readonly AccountId[]>
  setBlocked(id: AccountId, isBlocked: boolean): void
  /** The browser has refused to keep what is here for good. */
  readonly isEvictable: ReadonlySignal<boolean>
  readonly sharesReceipts: ReadonlySignal<boolean>
  setSharesReceipts(isOn: boolean): void
  /** What this device had is shown. */
  readonly isLoaded: ReadonlySignal<boolean>
  /** Until then: the time of what is shown instead, as it was last seen; null when there is nothing to show. */
  readonly seenMs: ReadonlySignal<number | null>
  /** Notes for the next start what the screen shows. */
  keepSeen(): void
  wake(): void
  /** Closes everything; with `forget`, this device keeps nothing of the account. */
  close(options: { readonly forget: boolean }): Promise<void>
}

export interface OnlyHere {
  readonly kind: 'message' | 'draft'
  readonly to: string
  readonly text: string
}

export interface RefusedReplica {
  readonly room: string
  readonly state: Uint8Array
  readonly texts: readonly DraftContent[]
}

export interface MailOptions {
  readonly ports: Ports
  readonly account: SignedInAccount
  readonly name: ReadonlySignal<string>
  readonly remembered: readonly NodeAddress[]
  readonly kept: Promise<readonly string[]>
  readonly onEnded: (how: 'ended' | 'taken-over') => void
  /** A node will not take what this device has of a room, now or ever [SYN4]. */
  readonly onRefused: (refused: RefusedReplica) => void
  /** Texts of a replica that was refused: they become drafts when the node's side is here. */
  readonly rescued: readonly DraftContent[]
}

/** Codes after which the replica itself is what a node will not have. */
const REFUSED: readonly number[] = [CLOSE_CODES.tooLarge, CLOSE_CODES.badUpdate]

const OPEN_LIMIT_MS = 10_000
const OPEN_POLL_MS = 50
/** How soon after a key it is known whether the disk has it. */
const CHECK_DISK_MS = 1000
/** How soon after a change it is noted for the next start; a page that is left notes it at once. */
const KEEP_SEEN_MS = 500

export const createMail = ({ ports, account, name, remembered, kept, onEnded, onRefused, rescued }: MailOptions): Mail => {
  const { clock, api, deviceStore, random } = ports
  const owner = account.id
  const ledger = createLedger<DraftsKey>()
  const isLoaded = signal(false)
  const sharing = signal(true)
  const blockedIds = signal<readonly AccountId[]>([])
  const isKept = signal<boolean | null>(null)
  const seenStore = createSeenStore(ports, owner)
  // Of a replica that a node refused, nothing is shown any more.
  const seen = signal<Seen | null>(rescued.length === 0 ? seenStore.read() : null)
  /** Cluster time less this device's clock [CLK1]. */
  let offsetMs = 0
  const nowMs = (): number => clock.nowMs() + offsetMs
  let hasDisk = true
  const onDiskFull = (): void => {
    if (hasDisk) connection.onDiskFull()
  }

  const events: LinkEvents = {
    onStatus: (status) => {
      connection.onStatus(status)
      if (status.status !== 'ended') return
      if (REFUSED.includes(status.code)) onRefused(describeRefused(rooms.drafts))
      else onEnded(status.code === CLOSE_CODES.signedInElsewhere ? 'taken-over' : 'ended')
    },
    onSynced: (room) => {
      noteProgress()
      if (room !== rooms.drafts) return
      connection.onSynced(room.isSynced())
      if (room.isSynced()) enterRescued()
    },
    onStored: (room, stored) => {
      if (room === rooms.drafts) ledger.onStored(stored)
      else marking.onStored(room.name, stored)
    },
    onHeard: () => connection.onHeard(),
    onNodesNote: (note) => {
      offsetMs = note.time - clock.nowMs()
      connection.onNodesNote(note)
    },
    onRoomNote: (note) => {
      rooms.onNote(note)
      mailbox.onRoomNote(note)
    },
    onRoomClosed: (room, code) => {
      closed.add(room)
      noteProgress()
      if (REFUSED.includes(code)) onRefused(describeRefused(room))
    },
  }

  /** Rooms that will not be heard again. */
  const closed = new Set<Room>()
  const noteProgress = (): void => {
    const open = rooms.all().filter((room) => !closed.has(room))
    connection.onProgress({ done: open.filter((room) => room.isSynced()).length, total: open.length })
  }

  const describeRefused = (room: Room): RefusedReplica => ({
    room: room.name,
    state: encodeStateAsUpdate(room.doc),
    texts:
      room !== rooms.drafts
        ? []
        : [
            ...drafts.rows.peek().filter(({ isDiscarded }) => !isDiscarded),
            ...mailbox.sent.peek().filter(({ state }) => state.status === 'waiting'),
          ],
  })

  let toRescue = rescued
  /** Once the node's drafts are here: those that it had got need not be written again. */
  const enterRescued = (): void => {
    const known = new Set(readDrafts(doc).value.map(({ text }) => text))
    for (const { to = [], text = '' } of toRescue) if (text !== '' && !known.has(text)) drafts.create({ to, text })
    if (toRescue.length > 0) connection.onSetAside()
    toRescue = []
  }

  const link: Link = ports.connect({ accountId: owner, token: account.token }, events)
  const marking = createMarking(() => rooms, nowMs)
  const mailbox: MailboxModel = createMailbox({ owner, rooms: () => rooms, marking, draftsLedger: ledger, seen, onDiskFull })
  const rooms: Rooms = createRooms({ owner, link, nowMs, kept, onOpened: (opened) => mailbox.watch(opened) })
  mailbox.watchDrafts()
  const drafts = createDrafts({
    room: rooms.drafts,
    ledger,
    nowMs,
    ownName: () => name.value,
    random,
    seen,
    onSent: (id, kept) => {
      if (isKept.value === null) void ports.keepStorage().then((kept) => (isKept.value = kept))
      mailbox.onSent(id, kept)
    },
    onDiskFull,
  })
  const pendingCount = computed(() => ledger.pending.value.length + marking.pendingCount.value)
  const connection: ConnectionModel = createConnection({ clock, remembered, pendingCount, inboxCount: mailbox.inboxCount })
  const people = createPeople({ owner, ownName: name, token: account.token, api, clock, store: deviceStore })

  const openEverything = async (): Promise<void> => {
    for (const month of rooms.closedMonths.peek()) rooms.openMonth(month)
    const open = rooms.all()
    await Promise.all(open.map((room) => room.loaded))
    const untilMs = clock.nowMs() + OPEN_LIMIT_MS
    while (connection.isOnline.peek() && clock.nowMs() < untilMs && open.some((room) => !room.isSynced() && !closed.has(room))) {
      await new Promise<void>((resolve) => clock.after(OPEN_POLL_MS, resolve))
    }
  }

  const { doc } = rooms.drafts
  // A disk that is full takes a write and gives it up later: nobody hears of it who does not ask.
  let isCheckDue = false
  const checkDisk = (_update: Uint8Array, origin: unknown): void => {
    if (isCheckDue || rooms.drafts.isFromNode(origin)) return
    isCheckDue = true
    clock.after(CHECK_DISK_MS, () => {
      isCheckDue = false
      if (hasDisk) rooms.drafts.flush().catch(onDiskFull)
    })
  }
  doc.on('update', checkDisk)
  const readSettings = (): void => {
    sharing.value = sharesReceipts(doc)
    const ids = [...readBlocked(doc)]
    if (ids.join() !== blockedIds.value.join()) blockedIds.value = ids
  }
  doc.on('update', readSettings)
  void rooms.drafts.loaded.then((kept) => {
    if (kept === 'disk') return
    hasDisk = false
    connection.onNoStorage()
  })
  void rooms.loaded.then(() => {
    readSettings()
    batch(() => {
      isLoaded.value = true
      seen.value = null
    })
  })
  const keepSeen = (): void => {
    if (isLoaded.peek()) seenStore.write({ atMs: clock.nowMs(), ...mailbox.describe(), ...drafts.describe() })
  }
  let cancelKeeping: (() => void) | null = null
  const stopKeeping = effect(() => {
    void [mailbox.inboxCount.value, mailbox.messages.value, mailbox.sent.value, drafts.rows.value]
    cancelKeeping ??= clock.after(KEEP_SEEN_MS, () => {
      cancelKeeping = null
      keepSeen()
    })
  })

  return {
    owner,
    mailbox,
    drafts,
    people,
    connection,
    onlyHere: computed(() => [
      ...mailbox.sent.value
        .filter(({ state }) => state.status === 'waiting' || state.status === 'keeping')
        .map(({ to, text }) => ({ kind: 'message' as const, to: toNames(to), text })),
      ...drafts.rows.value
        .filter(({ isPending, isDiscarded }) => isPending && !isDiscarded)
        .map(({ to, text }) => ({ kind: 'draft' as const, to: toNames(to), text })),
    ]),
    hasOlder: computed(() => rooms.closedMonths.value.length > 0),
    showOlder: () => {
      const [month] = rooms.closedMonths.value
      if (month !== undefined) rooms.openMonth(month)
    },
    openEverything,
    blocked: blockedIds,
    setBlocked: (id, isBlocked) => setBlocked(doc, id, isBlocked),
    isEvictable: computed(() => isKept.value === false),
    sharesReceipts: sharing,
    setSharesReceipts: (isOn) => setSharesReceipts(doc, isOn ? 'on' : 'off'),
    isLoaded,
    seenMs: computed(() => seen.value?.atMs ?? null),
    keepSeen,
    wake: () => link.wake(),
    close: async ({ forget }) => {
      stopKeeping()
      cancelKeeping?.()
      const keptRooms = await kept
      doc.off('update', readSettings)
      doc.off('update', checkDisk)
      drafts.close()
      mailbox.close()
      connection.close()
      people.close()
      const names = rooms.all().map((room) => room.name)
      await link.close()
      if (forget) await ports.forgetReplicas([...new Set([...names, ...keptRooms])])
    },
  }
}

const toNames = (to: readonly { readonly name: string }[]): string => to.map(({ name }) => name).join(', ')
