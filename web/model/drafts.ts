// The drafts of the account: rows for the view, editing character by character, recipients, selecting, sending,
// discarding with Undo. Which drafts are open for editing and what was wrong with a sending is this tab's own affair;
// everything else is in the shared document. Keeps [DEL1]: sending and discarding the draft are one transaction.

import { type ReadonlySignal, batch, computed, signal } from '@preact/signals'
import {
  type Draft,
  createDraft,
  discardDraft,
  draftText,
  editText,
  readDraft,
  readDrafts,
  restoreDraft,
  sendDraft,
  setRecipients,
  setSelected,
  touchDraft,
} from '../../crdt-schema/drafts.ts'
import { type DraftId, type MessageId, type Millis, mintDraftId } from '../../crdt-schema/ids.ts'
import type { Person } from '../../crdt-schema/inbox.ts'
import type { Room } from '../link/room-socket.ts'
import type { Ledger } from './ledger.ts'
import type { DraftsKey } from './mailbox.ts'
import { ID_RANDOM_BYTES } from './ports.ts'
import type { DraftError, DraftRow } from './rows.ts'
import type { Seen } from './seen.ts'

export type SelectAllState = 'none' | 'some' | 'all'

export interface DraftContent {
  readonly to?: readonly Person[]
  readonly text?: string
}

export interface DraftsModel {
  /** Newest draft first; the order does not change while one writes. */
  readonly rows: ReadonlySignal<readonly DraftRow[]>
  readonly count: ReadonlySignal<number>
  readonly selectedCount: ReadonlySignal<number>
  readonly selectAllState: ReadonlySignal<SelectAllState>
  /** Makes a draft, open for editing; null if there are too many. */
  create(content?: DraftContent): DraftId | null
  edit(id: DraftId): void
  save(id: DraftId): void
  /** The field now reads `text`; only the difference is written, so that other devices' edits stay. */
  write(id: DraftId, text: string): void
  setRecipient(id: DraftId, person: Person | null): void
  select(id: DraftId, isSelected: boolean): void
  selectAll(isSelected: boolean): void
  discard(id: DraftId): void
  restore(id: DraftId): void
  /** Sends these, or the selected ones. What cannot go stays, with its reason in its row. */
  send(ids?: readonly DraftId[]): { readonly sent: readonly MessageId[]; readonly failed: readonly DraftId[] }
  leaveList(): void
  /** What of the drafts the next start shows first. */
  describe(): Pick<Seen, 'drafts' | 'draftCount' | 'selectedCount'>
  close(): void
}

export interface DraftsOptions {
  readonly room: Room
  readonly ledger: Ledger<DraftsKey>
  readonly nowMs: () => number
  readonly ownName: () => string
  readonly random: (bytes: number) => Uint8Array
  /** Shown instead of the document until it is loaded. */
  readonly seen: ReadonlySignal<Seen | null>
  readonly onSent: (id: MessageId, kept: Promise<void>) => void
  readonly onDiskFull: () => void
}

/** While one types, the time of the last edit is written at most this often. */
const TOUCH_EVERY_MS = 10_000

export const createDrafts = ({ room, ledger, nowMs, ownName, random, seen, onSent, onDiskFull }: DraftsOptions): DraftsModel => {
  const { doc } = room
  const drafts = signal<readonly Draft[]>([])
  const editing = signal<ReadonlySet<DraftId>>(new Set())
  const discarded = signal<ReadonlySet<DraftId>>(new Set())
  const errors = signal<ReadonlyMap<DraftId, DraftError>>(new Map())
  let isReadDue = false

  const read = (): void => {
    isReadDue = false
    drafts.value = readDrafts(doc).value
  }
  const readSoon = (): void => {
    if (isReadDue) return
    isReadDue = true
    queueMicrotask(() => {
      if (isReadDue) read()
    })
  }
  doc.on('update', readSoon)
  readSoon()

  const now = (): Millis => Math.round(nowMs()) as Millis

  /** Writes, notes what was written, and looks at it at once: an action shows before the next frame. */
  const change = (id: DraftId, write: () => void): void => {
    const before = room.latestChange()
    batch(() => {
      write()
      if (room.latestChange() === before) return
      ledger.touch([`draft:${id}`], room.latestChange())
      read()
    })
  }

  const clearError = (id: DraftId): void => {
    if (!errors.value.has(id)) return
    const next = new Map(errors.value)
    next.delete(id)
    errors.value = next
  }

  const live = computed(() => drafts.value.filter((draft) => !draft.discarded))
  const rows = computed((): readonly DraftRow[] => {
    ledger.version.value // the rows read the ledger
    return drafts.value
      .filter(({ id, discarded: isGone, sentAs }) => !isGone || (discarded.value.has(id) && sentAs === null))
      .map((draft) => ({
        id: draft.id,
        to: draft.to,
        text: draft.text,
        isSelected: draft.selected,
        isEditing: editing.value.has(draft.id),
        isDiscarded: draft.discarded,
        isPending: ledger.isPending(`draft:${draft.id}`),
        storedOn: ledger.pidsOf(`draft:${draft.id}`),
        error: errors.value.get(draft.id) ?? null,
      }))
      .sort((a, b) => (a.id < b.id ? 1 : -1))
  })

  const plus = <Item>(set: ReadonlySet<Item>, item: Item): ReadonlySet<Item> => new Set(set).add(item)
  const without = <Item>(set: ReadonlySet<Item>, item: Item): ReadonlySet<Item> => new Set([...set].filter((other) => other !== item))

  const sendOne = (id: DraftId): MessageId | null => {
    const result = sendDraft(doc, { draftId: id, fromName: ownName(), nowMs: now() })
    if (!result.ok) {
      const error = toError(result.code)
      if (error !== null) errors.value = new Map(errors.value).set(id, error)
      return null
    }
    clearError(id)
    editing.value = without(editing.value, id)
    ledger.touch([`outbox:${result.value}`], room.latestChange())
    return result.value
  }

  const count = computed(() => seen.value?.draftCount ?? live.value.length)
  const selectedCount = computed(() => seen.value?.selectedCount ?? live.value.filter(({ selected }) => selected).length)

  return {
    rows: computed(() => seen.value?.drafts ?? rows.value),
    count,
    selectedCount,
    selectAllState: computed(() => {
      if (selectedCount.value === 0) return 'none'
      return selectedCount.value === count.value ? 'all' : 'some'
    }),
    describe: () => ({
      drafts: rows.peek().filter(({ isDiscarded }) => !isDiscarded),
      draftCount: live.peek().length,
      selectedCount: live.peek().filter(({ selected }) => selected).length,
    }),
    create: ({ to = [], text = '' } = {}) => {
      const id = mintDraftId(now(), random(ID_RANDOM_BYTES))
      let isMade = false
      change(id, () => {
        isMade = createDraft(doc, { id, editedMs: now(), to, text }).ok
      })
      if (!isMade) return null
      editing.value = plus(editing.value, id)
      return id
    },
    edit: (id) => {
      editing.value = plus(editing.value, id)
    },
    save: (id) => {
      editing.value = without(editing.value, id)
      change(id, () => touchDraft(doc, id, now()))
      room.flush().catch(onDiskFull)
    },
    write: (id, text) => {
      clearError(id)
      change(id, () =>
        doc.transact(() => {
          const edited = editText(doc, id, text)
          if (!edited.ok && edited.code === 'too-large') errors.value = new Map(errors.value).set(id, 'too-large')
          const draft = readDraft(doc, id)
          if (draft !== null && now() - draft.editedMs > TOUCH_EVERY_MS) touchDraft(doc, id, now())
        }),
      )
    },
    setRecipient: (id, person) => {
      clearError(id)
      change(id, () => setRecipients(doc, id, person === null ? [] : [person]))
    },
    select: (id, isSelected) => change(id, () => setSelected(doc, id, isSelected)),
    selectAll: (isSelected) => {
      doc.transact(() => {
        for (const { id } of live.value) setSelected(doc, id, isSelected)
      })
      ledger.touch(
        live.value.map(({ id }) => `draft:${id}` as const),
        room.latestChange(),
      )
      read()
    },
    discard: (id) => {
      // An empty draft leaves nothing worth an Undo.
      if (draftText(doc, id)?.length !== 0) discarded.value = plus(discarded.value, id)
      editing.value = without(editing.value, id)
      change(id, () => discardDraft(doc, id))
    },
    restore: (id) => {
      discarded.value = without(discarded.value, id)
      change(id, () => restoreDraft(doc, id))
    },
    send: (ids = live.value.filter(({ selected }) => selected).map(({ id }) => id)) => {
      const sent: MessageId[] = []
      const failed: DraftId[] = []
      batch(() => {
        for (const id of ids) {
          const messageId = sendOne(id)
          if (messageId === null) failed.push(id)
          else sent.push(messageId)
        }
        // Once for all of them: to wait for the disk after each takes seconds with hundreds.
        const kept = sent.length === 0 ? null : room.flush()
        if (kept !== null) for (const id of sent) onSent(id, kept)
        read()
      })
      return { sent, failed }
    },
    leaveList: () => {
      discarded.value = new Set()
    },
    close: () => doc.off('update', readSoon),
  }
}

const toError = (code: 'no-recipient' | 'empty' | 'too-large' | 'no-such-draft' | 'outbox-full' | 'id-taken'): DraftError | null => {
  if (code === 'no-such-draft' || code === 'id-taken') return null // gone on another device: there is no row to say it in
  return code
}
