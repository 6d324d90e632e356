// Which handler answers which call, and for whom: the one place that turns a token into a session before a handler runs.
// Keeps DESIGN's table: calls that need a token are 401 without a live session, or 503 where another node may know one.

import type { Call } from '../../crdt-schema/api.ts'
import type { OperatorCall } from '../../crdt-schema/operator-api.ts'
import { unreachable } from '../../crdt-schema/prelude.ts'
import type { SessionRow } from '../../crdt-schema/sessions.ts'
import { changeMe, createAccount, listAccounts, lookUpName, removeMe } from './accounts.ts'
import { type CallContext, answer, refuse } from './answers.ts'
import type { Answer, Desk } from './desk.ts'
import { deleteDraft, listDrafts, putDraft } from './draft-calls.ts'
import { readMe } from './me.ts'
import { changeMessage, countInbox, deleteMessage, listMessages, openInbox, recallMessage } from './message-calls.ts'
import { runOperatorCall } from './operator-calls.ts'
import { makeRecoveryCodes, recoverAccount } from './recovery.ts'
import { sendDrafts, sendMessage } from './sending-calls.ts'
import { authenticate, createSession, endSession, listSessions, mayBeElsewhere } from './sessions.ts'

/** Runs a call once; see desk.ts for what the answers mean. `describe` makes the view of the machine that some calls answer with, which is not the product's. */
export const runCall = (desk: Desk, call: Call | OperatorCall, asked: Omit<CallContext, 'session'>, describe: () => unknown): Answer => {
  if (isOperatorCall(call)) return runOperatorCall(desk, call, { ...asked, session: null }, describe)
  const context: CallContext = { ...asked, session: authenticate(desk, asked.token) }
  switch (call.type) {
    case 'look-up-name': return lookUpName(desk, call)
    case 'create-account': return createAccount(desk, call, context)
    case 'create-session': return createSession(desk, call, context)
    case 'recover-account': return recoverAccount(desk, call, context)
    case 'remove-me': return removeMe(desk, call, context) // it ends its own session, and answers after that
    case 'read-cluster': return answer(200, describe(), 'nothing')
    default: return context.session === null ? refuse(mayBeElsewhere(desk, asked.token) ? 'incomplete' : 'unauthorized') : runOwn(desk, call, context, context.session)
  }
}

const isOperatorCall = (call: Call | OperatorCall): call is OperatorCall => call.type.startsWith('operator-')

type OwnCall = Exclude<Call, { readonly type: 'look-up-name' | 'create-account' | 'create-session' | 'recover-account' | 'remove-me' | 'read-cluster' }>

const runOwn = (desk: Desk, call: OwnCall, context: CallContext, { accountId, id }: SessionRow): Answer => {
  switch (call.type) {
    case 'list-accounts': return listAccounts(desk, call, context)
    case 'read-me': return readMe(desk, call, context)
    case 'change-me': return changeMe(desk, call, context)
    case 'make-recovery-codes': return makeRecoveryCodes(desk, call, context)
    case 'list-sessions': return listSessions(desk, call, context)
    case 'end-session': return endSession(desk, call, context)
    case 'count-inbox': return countInbox(desk, accountId)
    case 'open-inbox': return openInbox(desk, call, context, accountId)
    case 'list-messages': return listMessages(desk, call, accountId)
    case 'send-message': return sendMessage(desk, call, context, accountId)
    case 'change-message': return changeMessage(desk, call, accountId)
    case 'delete-message': return deleteMessage(desk, call, accountId)
    case 'recall-message': return recallMessage(desk, call, accountId)
    case 'list-drafts': return listDrafts(desk, accountId)
    case 'put-draft': return putDraft(desk, call, context, accountId)
    case 'delete-draft': return deleteDraft(desk, call, accountId)
    case 'send-drafts': return sendDrafts(desk, call, context, accountId)
    case 'follow-events': return { status: 'stream', accountId, sessionId: id }
    default: return unreachable(call)
  }
}
