// What an honest page writes: the ground that hostile frames and updates are made from.

import * as Y from 'yjs'
import * as drafts from '../../crdt-schema/drafts.ts'
import { type DraftId, type MessageId, parseDraftId, parseMessageId } from '../../crdt-schema/ids.ts'

export const DRAFT_ID = parseDraftId('0196b8a0-0000-7000-8000-000000000001') as DraftId
export const MESSAGE_ID = parseMessageId('0196b8a0-0000-7000-8000-000000000002') as MessageId

/** A page with a draft, edited to `text`, and a setting: its document, and what it sent meanwhile. `more` is done last. */
export const writeHonestPage = (text: string, more: (page: Y.Doc) => void = () => {}): { readonly page: Y.Doc; readonly updates: readonly Uint8Array[] } => {
  const page = new Y.Doc()
  page.clientID = 77
  const updates: Uint8Array[] = []
  page.on('update', (update: Uint8Array) => void updates.push(update))
  drafts.createDraft(page, { id: DRAFT_ID, editedMs: 1_778_000_000_000 as never, text: 'hello' })
  drafts.editText(page, DRAFT_ID, text)
  drafts.setSetting(page, 'theme', 'dark')
  more(page)
  return { page, updates }
}
