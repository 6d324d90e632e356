// One account open in this tab: its link, its rooms, and the models over them, wired to each other. Made when someone
// is signed in and closed when they are not.

import { type ReadonlySignal, computed, signal } from '@preact/signals'
import type { AccountId } from '../../crdt-schema/ids.ts'
import { sharesReceipts, setSharesReceipts } from '../../crdt-schema/drafts.ts'
import { CLOSE_CODES } from '../../crdt-schema/wire.ts'
import type { NodeAddress } from '../link/fail-over.ts'
import type { Link, LinkEvents } from '../link/sockets.ts'
import type { SignedInAccount } from './accounts.ts'
import { type ConnectionModel, createConnection } from './connection.ts'
import { type DraftsModel, createDrafts } from './drafts.ts'
import { createLedger } from './ledger.ts'
import { type DraftsKey, type MailboxModel, createMailbox } from './mailbox.ts'
import { type PeopleModel, createPeople } from './people.ts'
import type { Ports } from './ports.ts'
import { type Rooms, createRooms } from './rooms.ts'

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
  readonly sharesReceipts: ReadonlySignal<boolean>
  setSharesReceipts(isOn: boolean): void
  /** What this device had is shown. */
  readonly isLoaded: ReadonlySignal<boolean>
  wake(): void
  /** Closes everything; with `forget`, this device keeps nothing of the account. */
  close(options: { readonly forget: boolean }): Promise<void>
}

export interface OnlyHere {
  readonly kind: 'message' | 'draft'
  readonly to: string
  readonly text: string
}

export interface MailOptions {
  readonly ports: Ports
  readonly account: SignedInAccount
  readonly name: ReadonlySignal<string>
  readonly remembered: readonly NodeAddress[]
  readonly kept: readonly string[]
  readonly onEnded: (how: 'ended' | 'taken-over') => void
}

export const createMail = ({ ports, account, name, remembered, kept, onEnded }: MailOptions): Mail => {
  const { clock, api, deviceStore, random } = ports
  const owner = account.id
  const ledger = createLedger<DraftsKey>()
  const isLoaded = signal(false)
  const sharing = signal(true)
  /** Cluster time less this device's clock [CLK1]. */
  let offsetMs = 0
  const nowMs = (): number => clock.nowMs() + offsetMs
  const onDiskFull = (): void => connection.onDiskFull()

  const events: LinkEvents = {
    onStatus: (status) => {
      connection.onStatus(status)
      if (status.status === 'ended') onEnded(status.code === CLOSE_CODES.signedInElsewhere ? 'taken-over' : 'ended')
    },
    onSynced: (room) => {
      if (room === rooms.drafts) connection.onSynced(room.isSynced())
    },
    onStored: (room, stored) => {
      if (room === rooms.drafts) ledger.onStored(stored)
      else mailbox.onMarksStored(room.name, stored)
    },
    onNodesNote: (note) => {
      offsetMs = note.time - clock.nowMs()
      connection.onNodesNote(note)
    },
    onRoomNote: (note) => {
      rooms.onNote(note)
      mailbox.onRoomNote(note)
    },
    onRoomClosed: () => {}, // a month that a node refuses stays as this device has it
  }

  const link: Link = ports.connect({ accountId: owner, token: account.token }, events)
  const mailbox: MailboxModel = createMailbox({ owner, rooms: () => rooms, nowMs, draftsLedger: ledger, onDiskFull })
  const rooms: Rooms = createRooms({ owner, link, nowMs, kept, onOpened: (opened) => mailbox.watch(opened) })
  mailbox.watchDrafts()
  const drafts = createDrafts({
    room: rooms.drafts,
    ledger,
    nowMs,
    ownName: () => name.value,
    random,
    onSent: (id, kept) => mailbox.onSent(id, kept),
    onDiskFull,
  })
  const pendingCount = computed(() => ledger.pending.value.length + mailbox.pendingMarkCount.value)
  const connection: ConnectionModel = createConnection({ clock, remembered, pendingCount, inboxCount: mailbox.inboxCount })
  const people = createPeople({ owner, ownName: name, token: account.token, api, clock, store: deviceStore })

  const { doc } = rooms.drafts
  const readSettings = (): void => {
    sharing.value = sharesReceipts(doc)
  }
  doc.on('update', readSettings)
  void rooms.loaded.then(() => {
    readSettings()
    isLoaded.value = true
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
    sharesReceipts: sharing,
    setSharesReceipts: (isOn) => setSharesReceipts(doc, isOn ? 'on' : 'off'),
    isLoaded,
    wake: () => link.wake(),
    close: async ({ forget }) => {
      doc.off('update', readSettings)
      drafts.close()
      mailbox.close()
      connection.close()
      people.close()
      const names = [rooms.drafts, ...rooms.months.value.flatMap(({ inbox, marks }) => [inbox, marks])].map((room) => room.name)
      await link.close()
      if (forget) await ports.forgetReplicas([...new Set([...names, ...kept])])
    },
  }
}

const toNames = (to: readonly { readonly name: string }[]): string => to.map(({ name }) => name).join(', ')
