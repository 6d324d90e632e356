// What the buttons and keys of the main screen do, what is said about it, and where the focus goes afterwards.

import type { DraftId, MessageId } from '../../crdt-schema/ids.ts'
import type { DraftContent } from '../model/drafts.ts'
import type { Mail } from '../model/mail.ts'
import type { Announcer } from './announcer.tsx'
import { focusSoon } from './focus.ts'
import type { Region } from './frame.tsx'
import type { MessageActions } from './messages.tsx'
import type { SentActions } from './sent.tsx'
import { openedText, sendText } from './words.ts'

export interface ScreenActions {
  readonly open: (count: number) => void
  readonly newDraft: (content?: DraftContent) => void
  readonly send: (ids?: readonly DraftId[]) => void
  readonly undo: () => void
  readonly messages: MessageActions
  readonly sent: SentActions
}

export const createActions = (mail: Mail, announcer: Announcer, show: (region: Region) => void): ScreenActions => {
  const { mailbox, drafts } = mail
  /** What `z` takes back, latest last. */
  const undoable: (() => void)[] = []

  const undoDelete = (id: MessageId): void => {
    mailbox.restore(id)
    announcer.say('Message brought back')
    focusSoon(`#message-${id}`)
  }

  const newDraft: ScreenActions['newDraft'] = (content = {}) => {
    const id = drafts.create(content)
    if (id === null) {
      announcer.say('There are too many drafts. Send or discard some first.')
      return
    }
    show('drafts')
    // Whom it goes to comes first, unless that is known.
    focusSoon(content.to === undefined ? `#draft-${id} select` : `#draft-${id} textarea`)
  }

  return {
    open: (count) => {
      const { opened, first } = mailbox.open(count)
      announcer.say(openedText(opened, mailbox.inboxCount.peek()))
      if (first !== null) focusSoon(`#message-${first}`)
    },
    newDraft,
    send: (ids) => {
      const { sent, failed } = drafts.send(ids)
      announcer.say(sendText(sent.length, drafts.rows.peek().flatMap(({ id, error }) => (failed.includes(id) && error !== null ? [error] : []))))
      for (const id of sent) undoable.push(() => mailbox.recall(id))
      const [first] = failed
      if (first !== undefined) focusSoon(`#draft-${first} select, #draft-${first} textarea`)
      else if (sent.length > 0) focusSoon('#drafts-heading')
    },
    undo: () => {
      undoable.pop()?.()
    },
    messages: {
      onRead: (id, isRead) => mailbox.setRead(id, isRead),
      onDelete: (row) => {
        mailbox.remove(row.id)
        undoable.push(() => undoDelete(row.id))
        announcer.say('Deleted. Undo with z.')
        focusSoon(`#message-${row.id} .btn.link`)
      },
      onUndo: undoDelete,
      onReply: (row) => newDraft({ to: [row.from] }),
    },
    sent: {
      onCancel: (row) => {
        const given = mailbox.giveUp(row.id)
        if (given !== null) newDraft(given)
      },
      onRecall: (row) => mailbox.recall(row.id),
      onCopy: (row) => {
        // Only secure pages have a clipboard; elsewhere the text comes back as a draft.
        if (navigator.clipboard === undefined) newDraft({ to: [], text: row.text })
        else void navigator.clipboard.writeText(row.text).then(() => announcer.say('Text copied'))
      },
      onDiscard: (row) => void mailbox.giveUp(row.id),
      onRetry: (row) => {
        const given = mailbox.giveUp(row.id)
        if (given === null) return
        const id = drafts.create(given)
        if (id !== null) drafts.send([id])
      },
    },
  }
}
