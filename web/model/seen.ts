// What the mail screen showed last, in short, so that the next start draws it before the documents are read. It is kept
// per account for as long as the account is signed in on this device. Nothing can be done with what it shows, and it
// names no node as a holder: both are for the documents to say.

import type { AccountId } from '../../crdt-schema/ids.ts'
import { createAccountStore, keyOfAccount } from './accounts.ts'
import type { Ports } from './ports.ts'
import type { DraftRow, MessageRow, SentRow } from './rows.ts'

/** Lists are cut to what a screen shows, and count in full. */
export interface Seen {
  readonly atMs: number
  readonly inboxCount: number
  readonly messages: readonly MessageRow[]
  readonly messageCount: number
  readonly unreadCount: number
  readonly drafts: readonly DraftRow[]
  readonly draftCount: number
  readonly selectedCount: number
  readonly sent: readonly SentRow[]
  readonly sentCount: number
}

/** Of another shape than this: not read. */
const SHAPE = 1
const MESSAGES_MAX = 40
const OTHERS_MAX = 12
/** Rows show two lines. */
const CHARACTERS_MAX = 300

export interface SeenStore {
  read(): Seen | null
  /** Does nothing once the account is signed out here, in this tab or in another one. */
  write(seen: Seen): void
}

export const createSeenStore = ({ deviceStore, tabStore }: Pick<Ports, 'deviceStore' | 'tabStore'>, owner: AccountId): SeenStore => {
  const key = keyOfAccount('seen', owner)
  const accounts = createAccountStore(deviceStore, tabStore)
  return {
    read: () => {
      try {
        const kept = JSON.parse(deviceStore.getItem(key) ?? 'null')
        return kept?.shape === SHAPE ? kept : null
      } catch {
        return null // by hand
      }
    },
    write: (seen) => {
      if (!accounts.has(owner)) return
      try {
        deviceStore.setItem(key, JSON.stringify({ shape: SHAPE, ...shorten(seen) }))
      } catch {
        deviceStore.removeItem(key) // full: nothing is better than what was seen long ago
      }
    },
  }
}

const shorten = (seen: Seen): Seen => ({
  ...seen,
  messages: seen.messages.slice(0, MESSAGES_MAX).map(shortenText),
  drafts: seen.drafts.slice(0, OTHERS_MAX).map((row) => ({ ...shortenText(row), isEditing: false, error: null, storedOn: [] })),
  sent: seen.sent.slice(0, OTHERS_MAX).map((row) => ({ ...shortenText(row), storedOn: [] })),
})

const shortenText = <Row extends { readonly text: string }>(row: Row): Row => ({ ...row, text: row.text.slice(0, CHARACTERS_MAX) })
