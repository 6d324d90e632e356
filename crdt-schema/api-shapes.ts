// The JSON that calls give and take, as valibot schemas and the types that follow from them (DESIGN 8).
// Times are RFC 3339 text; ids are checked and branded here, so nobody behind the API parses them again.
// Objects are strict: an unknown field is an error, not something to pass over.
// For JSON Schema use the input side: `toJsonSchema(schema, { typeMode: 'input' })`.

import * as v from 'valibot'
import { parseAccountId, parseDraftId, parseMessageId, parseSessionId } from './ids.ts'
import { LIMITS } from './limits.ts'
import { isProblemCode, type ProblemCode } from './api-problems.ts'

// ---- ids

const UUID_PATTERN = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/
const HEX_128_PATTERN = /^[0-9a-f]{32}$/

/** Text of a pattern, branded by its one parser. */
const idOf = <Id extends string>(pattern: RegExp, parse: (value: unknown) => Id | null) =>
  v.pipe(
    v.string(),
    v.regex(pattern),
    v.rawTransform<string, Id>(({ dataset, addIssue, NEVER }) => {
      const id = parse(dataset.value)
      if (id !== null) return id
      addIssue()
      return NEVER
    }),
  )

export const accountId = idOf(HEX_128_PATTERN, parseAccountId)
export const messageId = idOf(UUID_PATTERN, parseMessageId)
export const draftId = idOf(UUID_PATTERN, parseDraftId)
export const sessionId = idOf(UUID_PATTERN, parseSessionId)

/** Names and passwords are judged by the call, which answers 422; here they are only text of a bounded size. */
export const nameText = v.pipe(v.string(), v.maxLength(256))
export const passwordText = v.pipe(v.string(), v.maxLength(1024))
/** A recovery code as somebody types it. */
export const codeText = v.pipe(v.string(), v.maxLength(64))
export const deviceText = v.pipe(v.string(), v.maxLength(LIMITS.deviceCharactersMax))

const time = v.pipe(v.string(), v.isoTimestamp())
export const count = v.pipe(v.number(), v.integer(), v.minValue(0))
const pid = count
const pids = v.array(pid)

/** A number in a query string, from 1 to `max`; `fallback` when it is left out. */
export const limitOf = (max: number, fallback: number) =>
  v.optional(v.pipe(v.string(), v.regex(/^\d{1,6}$/), v.transform(Number), v.minValue(1), v.maxValue(max)), String(fallback))

// ---- people and accounts

export const account = v.strictObject({ id: v.string(), name: v.string() })
export type AccountJson = v.InferOutput<typeof account>

/** Whom a message is for: a name, or an account by id. A person as drafts show them is taken too, so a draft read can be put back. */
export const recipient = v.union([
  nameText,
  v.strictObject({ id: accountId, name: v.exactOptional(nameText) }),
  v.strictObject({ id: v.literal(''), name: nameText }),
])
export type RecipientJson = v.InferOutput<typeof recipient>
export const recipients = v.pipe(v.array(recipient), v.maxLength(LIMITS.recipientsMax))

/** Told to whoever lost a name in a split [COO6]: choose a new one. */
export const notice = v.strictObject({ code: v.literal('name-lost'), name: v.string(), detail: v.string() })
export type NoticeJson = v.InferOutput<typeof notice>

export const newSession = v.strictObject({ id: v.string(), token: v.string(), expiresAt: time })
export const session = v.strictObject({ id: v.string(), device: v.string(), createdAt: time, expiresAt: time, current: v.boolean() })
export type SessionJson = v.InferOutput<typeof session>

/** Each is good once, for a new password. Told in the answer that made them and never again. */
export const recoveryCodes = v.array(v.string())
/** With `recoveryCodes` for an account that was just made. */
export const signedIn = v.strictObject({ account, session: newSession, notice: v.exactOptional(notice), recoveryCodes: v.exactOptional(recoveryCodes) })
export type SignedInJson = v.InferOutput<typeof signedIn>

export const setting = v.union([v.string(), v.number(), v.boolean()])
export const room = v.strictObject({ room: v.string(), digest: v.string(), unopened: count })
export type RoomJson = v.InferOutput<typeof room>
export const me = v.strictObject({ account, rooms: v.array(room), recoveryCodesLeft: count, settings: v.record(v.string(), setting), notice: v.exactOptional(notice) })
export type MeJson = v.InferOutput<typeof me>

// ---- messages and drafts

export const receipt = v.strictObject({
  id: v.string(),
  name: v.string(),
  status: v.picklist(['waiting', 'delivered', 'opened', 'read', 'no-such-account', 'mailbox-full', 'bad-id', 'bad-name']),
  /** When it became so; left out where nobody noted it. */
  at: v.exactOptional(time),
})
export type ReceiptJson = v.InferOutput<typeof receipt>

export const message = v.strictObject({
  id: v.string(),
  from: account,
  to: v.array(account),
  text: v.string(),
  sentAt: time,
  openedAt: v.exactOptional(time),
  kind: v.picklist(['received', 'sent']),
  state: v.picklist(['inbox', 'opened']),
  checked: v.boolean(),
  receipts: v.exactOptional(v.array(receipt)),
})
export type MessageJson = v.InferOutput<typeof message>

/** An id of '' in `to` is a name that was never resolved [DEL3]. */
export const draft = v.strictObject({ id: v.string(), to: v.array(account), text: v.string(), selected: v.boolean(), editedAt: time })
export type DraftJson = v.InferOutput<typeof draft>

export const sentMessage = v.strictObject({
  id: v.string(),
  storedOn: pids,
  recipients: v.array(v.strictObject({ id: v.string(), name: v.string(), status: v.picklist(['delivered', 'no-such-account', 'mailbox-full', 'bad-id', 'bad-name']) })),
})
export type SentMessageJson = v.InferOutput<typeof sentMessage>

const problemCode = v.pipe(v.string(), v.check(isProblemCode))
export const sentDrafts = v.strictObject({
  sent: v.array(v.strictObject({ draftId: v.string(), id: v.string(), storedOn: pids })),
  failed: v.array(v.strictObject({ draftId: v.string(), code: problemCode })),
})
export interface SentDraftsJson {
  readonly sent: readonly { readonly draftId: string; readonly id: string; readonly storedOn: readonly number[] }[]
  readonly failed: readonly { readonly draftId: string; readonly code: ProblemCode }[]
}

/** What each server-sent event of GET /api/events carries. A draft that was sent or discarded comes as its id alone. */
export const STREAM_EVENTS = {
  message,
  'message-changed': message,
  'draft-changed': v.union([draft, v.strictObject({ id: v.string(), gone: v.literal(true) })]),
  'session-ended': v.strictObject({ code: v.literal('unauthorized') }),
} as const

// ---- the cluster

export const cluster = v.strictObject({
  self: v.nullable(pid),
  coordinator: v.nullable(pid),
  epoch: count,
  version: v.string(),
  nodes: v.array(
    v.strictObject({
      pid,
      url: v.string(),
      status: v.picklist(['ready', 'syncing', 'down', 'removed']),
      /** Neither waited for nor counted until it has acknowledged everything [REP6], and why. */
      behind: v.boolean(),
      behindBecause: v.nullable(v.string()),
      // What is heard from the node itself: null while it is not heard.
      digest: v.nullable(v.string()),
      upSince: v.nullable(time),
      messages: v.nullable(count),
      sessions: v.nullable(count),
      bytes: v.nullable(count),
      version: v.nullable(v.string()),
    }),
  ),
  links: v.array(v.strictObject({ a: pid, b: pid, state: v.picklist(['up', 'half', 'down']), rttMs: v.nullable(v.pipe(v.number(), v.minValue(0))) })),
  events: v.array(v.strictObject({ at: time, kind: v.string(), pid: v.nullable(pid) })),
  recent: v.array(v.strictObject({ seq: count, pids })),
})
export type ClusterJson = v.InferOutput<typeof cluster>

export const problemShape = v.looseObject({ type: v.string(), title: v.string(), status: v.number(), code: v.string(), detail: v.string() })
