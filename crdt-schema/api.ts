// The calls of the HTTP API (DESIGN 8): for each its id, route, what it takes and what it gives, in one table from
// which the node's routes, the checks both ways, OpenAPI and the type `Call` all follow. It is a trust boundary:
// what `parseCall` let through is not parsed again. Shapes live in api-shapes.ts, failures in api-problems.ts.

import * as v from 'valibot'
import type { ProblemCode } from './api-problems.ts'
import * as shapes from './api-shapes.ts'
import { type AnswerFrom, type CallDefinition, type FieldsFrom, NOTHING, NO_CONTENT, type RawCall, json, parseFields } from './api-tables.ts'

export type { CallDefinition, RawCall }

/** What every call may answer; `unauthorized` only where a token is needed. */
export const COMMON_CODES = ['bad-request', 'unauthorized', 'too-large', 'too-many-requests', 'internal', 'not-ready', 'incomplete', 'busy', 'unknown'] as const satisfies readonly ProblemCode[]

const byMessage = v.strictObject({ id: shapes.messageId })
const byDraft = v.strictObject({ id: shapes.draftId })

export const CALLS = {
  'look-up-name': {
    method: 'GET', path: '/api/accounts/:name', summary: 'Whether an account has this name', token: 'not-needed',
    params: v.strictObject({ name: v.string() }), query: NOTHING, body: null,
    success: json(200, v.strictObject({ name: v.string(), exists: v.boolean() })), codes: ['invalid-name'],
  },
  'create-account': {
    method: 'POST', path: '/api/accounts', summary: 'Make an account and sign in; its recovery codes are told this once', token: 'not-needed',
    params: NOTHING, query: NOTHING, body: v.strictObject({ name: shapes.nameText, password: shapes.passwordText, device: v.exactOptional(shapes.deviceText) }),
    success: json(201, shapes.signedIn), codes: ['wrong-credentials', 'registration-closed', 'name-taken', 'id-reused', 'invalid-name', 'weak-password', 'no-coordinator'],
  },
  'list-accounts': {
    method: 'GET', path: '/api/accounts', summary: 'Accounts by name, a page at a time', token: 'needed',
    params: NOTHING, query: v.strictObject({ prefix: v.exactOptional(shapes.nameText), after: v.exactOptional(shapes.nameText), limit: shapes.limitOf(200, 50) }), body: null,
    success: json(200, v.strictObject({ accounts: v.array(shapes.account), next: v.exactOptional(v.string()) })), codes: [],
  },
  'read-me': {
    method: 'GET', path: '/api/me', summary: 'The account of this session: rooms, settings, notice', token: 'needed',
    params: NOTHING, query: NOTHING, body: null,
    success: json(200, shapes.me), codes: [],
  },
  'change-me': {
    method: 'PATCH', path: '/api/me', summary: 'Change the name or the password; a new password ends the other sessions', token: 'needed',
    params: NOTHING, query: NOTHING, body: v.strictObject({ password: shapes.passwordText, name: v.exactOptional(shapes.nameText), newPassword: v.exactOptional(shapes.passwordText) }),
    success: json(200, v.strictObject({ account: shapes.account })), codes: ['wrong-credentials', 'name-taken', 'id-reused', 'invalid-name', 'weak-password', 'no-coordinator'],
  },
  'remove-me': {
    method: 'DELETE', path: '/api/me', summary: 'Remove the account for ever', token: 'needed',
    params: NOTHING, query: NOTHING, body: v.strictObject({ password: shapes.passwordText }),
    success: NO_CONTENT, codes: ['wrong-credentials', 'id-reused', 'no-coordinator'],
  },
  'create-session': {
    method: 'POST', path: '/api/sessions', summary: 'Sign in', token: 'not-needed',
    params: NOTHING, query: NOTHING,
    body: v.strictObject({ name: shapes.nameText, password: shapes.passwordText, device: v.exactOptional(shapes.deviceText), takeOver: v.exactOptional(v.boolean()) }),
    success: json(201, shapes.signedIn), codes: ['wrong-credentials', 'already-signed-in', 'id-reused', 'no-coordinator'],
  },
  'recover-account': {
    method: 'POST', path: '/api/recover', summary: 'Set a new password with a recovery code, which is used up; ends every session. Sign in after it', token: 'not-needed',
    params: NOTHING, query: NOTHING, body: v.strictObject({ name: shapes.nameText, code: shapes.codeText, newPassword: shapes.passwordText }),
    success: json(200, v.strictObject({ account: shapes.account, recoveryCodesLeft: shapes.count })), codes: ['wrong-credentials', 'id-reused', 'weak-password', 'no-coordinator'],
  },
  'make-recovery-codes': {
    method: 'POST', path: '/api/me/recovery-codes', summary: 'New recovery codes in place of all old ones, told this once', token: 'needed',
    params: NOTHING, query: NOTHING, body: v.strictObject({ password: shapes.passwordText }),
    success: json(201, v.strictObject({ recoveryCodes: shapes.recoveryCodes })), codes: ['wrong-credentials', 'id-reused', 'no-coordinator'],
  },
  'list-sessions': {
    method: 'GET', path: '/api/sessions', summary: 'Where this account is signed in', token: 'needed',
    params: NOTHING, query: NOTHING, body: null,
    success: json(200, v.strictObject({ sessions: v.array(shapes.session) })), codes: [],
  },
  'end-session': {
    method: 'DELETE', path: '/api/sessions/:id', summary: 'Sign out this session (`current`) or another one', token: 'needed',
    params: v.strictObject({ id: v.union([v.literal('current'), shapes.sessionId]) }), query: NOTHING, body: null,
    success: NO_CONTENT, codes: ['no-such-session'],
  },
  'count-inbox': {
    method: 'GET', path: '/api/inbox', summary: 'How many messages wait unopened', token: 'needed',
    params: NOTHING, query: NOTHING, body: null,
    success: json(200, v.strictObject({ unopened: v.pipe(v.number(), v.integer(), v.minValue(0)) })), codes: [],
  },
  'open-inbox': {
    method: 'POST', path: '/api/inbox/open', summary: 'Open the oldest unopened messages, or those named', token: 'needed',
    params: NOTHING, query: NOTHING,
    body: v.union([
      v.strictObject({ count: v.pipe(v.number(), v.integer(), v.minValue(1), v.maxValue(1000)) }),
      v.strictObject({ ids: v.pipe(v.array(shapes.messageId), v.maxLength(1000)) }),
    ], 'Give either `count`, 1 to 1000, or `ids`, at most 1000'),
    success: json(200, v.strictObject({ opened: v.array(shapes.message) })), codes: ['id-reused'],
  },
  'list-messages': {
    method: 'GET', path: '/api/messages', summary: 'Opened and sent messages, newest first, a page at a time', token: 'needed',
    params: NOTHING, query: v.strictObject({ before: v.exactOptional(v.pipe(v.string(), v.maxLength(256))), limit: shapes.limitOf(200, 50) }), body: null,
    success: json(200, v.strictObject({ messages: v.array(shapes.message), next: v.exactOptional(v.string()) })), codes: [],
  },
  'send-message': {
    method: 'POST', path: '/api/messages', summary: 'Send a message; the same id sends it once', token: 'needed',
    params: NOTHING, query: NOTHING,
    body: v.strictObject({ to: v.pipe(shapes.recipients, v.minLength(1)), text: v.pipe(v.string(), v.minLength(1)), id: v.exactOptional(shapes.messageId) }),
    success: json(201, shapes.sentMessage), codes: ['id-reused', 'id-taken', 'bad-id'],
  },
  'change-message': {
    method: 'PATCH', path: '/api/messages/:id', summary: 'Mark a message read or unread, or bring a deleted one back', token: 'needed',
    params: byMessage, query: NOTHING, body: v.union([v.strictObject({ checked: v.boolean() }), v.strictObject({ deleted: v.literal(false) })], 'Give either `checked` or `deleted: false`'),
    success: json(200, v.strictObject({ message: shapes.message })), codes: ['no-such-message'],
  },
  'delete-message': {
    method: 'DELETE', path: '/api/messages/:id', summary: 'Delete a message; PATCH brings it back', token: 'needed',
    params: byMessage, query: NOTHING, body: null,
    success: NO_CONTENT, codes: ['no-such-message'],
  },
  'recall-message': {
    method: 'POST', path: '/api/messages/:id/recall', summary: 'Take back a sent message that nobody has opened', token: 'needed',
    params: byMessage, query: NOTHING, body: null,
    success: json(200, v.strictObject({ recalled: v.boolean() })), codes: ['no-such-message'],
  },
  'list-drafts': {
    method: 'GET', path: '/api/drafts', summary: 'All drafts', token: 'needed',
    params: NOTHING, query: NOTHING, body: null,
    success: json(200, v.strictObject({ drafts: v.array(shapes.draft) })), codes: [],
  },
  'put-draft': {
    method: 'PUT', path: '/api/drafts/:id', summary: 'Make or edit a draft; `selected` stays as it is when left out', token: 'needed',
    params: byDraft, query: NOTHING, body: v.strictObject({ to: shapes.recipients, text: v.string(), selected: v.exactOptional(v.boolean()) }),
    success: json(200, v.strictObject({ draft: shapes.draft })), codes: ['bad-id'],
  },
  'delete-draft': {
    method: 'DELETE', path: '/api/drafts/:id', summary: 'Discard a draft', token: 'needed',
    params: byDraft, query: NOTHING, body: null,
    success: NO_CONTENT, codes: ['no-such-draft'],
  },
  'send-drafts': {
    method: 'POST', path: '/api/drafts/send', summary: 'Send the drafts named, or all that are selected', token: 'needed',
    params: NOTHING, query: NOTHING,
    body: v.union([v.strictObject({ ids: v.pipe(v.array(shapes.draftId), v.maxLength(1000)) }), v.strictObject({ selected: v.literal(true) })], 'Give either `ids`, at most 1000, or `selected: true`'),
    success: json(200, shapes.sentDrafts), codes: ['id-reused'],
  },
  'follow-events': {
    method: 'GET', path: '/api/events', summary: 'Server-sent events: message, message-changed, draft-changed, session-ended', token: 'needed',
    params: NOTHING, query: NOTHING, body: null,
    success: { status: 200, body: null, type: 'stream' }, codes: [],
  },
  'read-cluster': {
    method: 'GET', path: '/api/cluster', summary: 'The nodes of the cluster as this one sees them', token: 'not-needed',
    params: NOTHING, query: NOTHING, body: null,
    success: json(200, shapes.cluster), codes: [],
  },
} as const satisfies Record<string, CallDefinition>

export type CallType = keyof typeof CALLS

type Definition<Type extends CallType> = (typeof CALLS)[Type]

/** A parsed call: its type and the fields of path, query and body side by side, ids branded. */
export type CallOf<Type extends CallType> = { readonly type: Type } & FieldsFrom<Definition<Type>>
export type Call = { [Type in CallType]: CallOf<Type> }[CallType]

/** What a success of a call answers. */
export type AnswerOf<Type extends CallType> = AnswerFrom<Definition<Type>>

export type ParseOutcome = { readonly ok: true; readonly value: Call } | { readonly ok: false; readonly field: string; readonly reason: string }

/** Checks a request against its call; on failure says which field is wrong, and how. */
export const parseCall = (type: CallType, raw: RawCall): ParseOutcome => {
  const parsed = parseFields(CALLS[type], raw)
  return parsed.ok ? { ok: true, value: Object.assign({ type }, parsed.value) as Call } : parsed
}
