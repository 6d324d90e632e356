// The calls on an account's own mailbox, by type: who may make them, and which handler runs. A handler is run again
// from the start whenever something it lacked has arrived, and writes only in its last run (desk.ts).

import type { Call } from '../../crdt-schema/api.ts'
import { unreachable } from '../../crdt-schema/prelude.ts'
import { type CallContext, refuse } from './answers.ts'
import type { Answer, Desk } from './desk.ts'
import { deleteDraft, listDrafts, putDraft } from './draft-calls.ts'
import { changeMessage, countInbox, deleteMessage, listMessages, openInbox, recallMessage } from './message-calls.ts'
import { sendDrafts, sendMessage } from './sending-calls.ts'

const MAILBOX_CALLS = [
  'count-inbox', 'open-inbox', 'list-messages', 'send-message', 'change-message', 'delete-message', 'recall-message',
  'list-drafts', 'put-draft', 'delete-draft', 'send-drafts', 'follow-events',
] as const

export type MailboxCall = Extract<Call, { type: (typeof MAILBOX_CALLS)[number] }>

export const isMailboxCall = (call: Call): call is MailboxCall => MAILBOX_CALLS.some(type => type === call.type)

/** Runs a call on the mailbox of whoever asks. */
export const runMailboxCall = (desk: Desk, call: MailboxCall, context: CallContext): Answer => {
  const { session } = context
  if (session === null) return refuse('unauthorized')
  const account = session.accountId
  switch (call.type) {
    case 'count-inbox':
      return countInbox(desk, account)
    case 'open-inbox':
      return openInbox(desk, call, context, account)
    case 'list-messages':
      return listMessages(desk, call, account)
    case 'send-message':
      return sendMessage(desk, call, context, account)
    case 'change-message':
      return changeMessage(desk, call, account)
    case 'delete-message':
      return deleteMessage(desk, call, account)
    case 'recall-message':
      return recallMessage(desk, call, account)
    case 'list-drafts':
      return listDrafts(desk, account)
    case 'put-draft':
      return putDraft(desk, call, context, account)
    case 'delete-draft':
      return deleteDraft(desk, call, account)
    case 'send-drafts':
      return sendDrafts(desk, call, context, account)
    case 'follow-events':
      return { status: 'stream', accountId: account, sessionId: session.id }
    default:
      return unreachable(call)
  }
}
