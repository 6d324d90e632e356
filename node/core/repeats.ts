// Repeatable requests on a mailbox: the outcome of a request is kept under its Idempotency-Key among its owner's marks,
// in the commit that holds what it did, so that a repeat through any node does nothing more and hears the same.
// Keeps [COO5] and [DEL6]: the same key with another body is refused.

import type { Call } from '../../crdt-schema/api.ts'
import { type AccountId, type DocumentName, type Month, type RequestId, hashText, idToMillis, marksDocument, millisToMonth, parseMessageId, parseMillis } from '../../crdt-schema/ids.ts'
import { readRequest, rememberRequest } from '../../crdt-schema/marks.ts'
import { assert } from '../../crdt-schema/prelude.ts'
import { type CallContext, refuse, refuseKey, requestIdOf } from './answers.ts'
import type { Answer, Desk } from './desk.ts'
import { isAhead, notLoaded } from './homes.ts'

const DAY_MS = 86_400_000
/** No program made keys with times before Starling was; such a key's time is noise. */
const KEY_MS_MIN = 1_577_836_800_000

export type Repeat =
  /** Not done yet: do it, and remember its outcome in the same step. */
  | { readonly status: 'fresh'; readonly remember: (outcome: unknown) => void }
  | { readonly status: 'repeated'; readonly outcome: unknown }
  | { readonly status: 'answered'; readonly answer: Answer }

/** Whether this very request was made before. `answered`: the caller must pass the answer on, nothing can be done now. */
export const findRepeat = (desk: Desk, call: Call, context: CallContext, account: AccountId): Repeat => {
  if (context.idempotencyKey === null) return { status: 'fresh', remember: () => undefined }
  const requestId = requestIdOf(context)
  if (requestId === null) return { status: 'answered', answer: refuseKey() }
  const documents = documentsOf(desk, requestId, context, account)
  const missing = notLoaded(desk, documents)
  if (missing.length > 0) return { status: 'answered', answer: { status: 'needs-documents', documents: missing } }
  const fingerprint = hashText(JSON.stringify(call))
  for (const name of documents) {
    const doc = desk.document(name)
    const held = doc === null ? null : readRequest(doc, requestId)
    if (held === null) continue
    return held.fingerprint === fingerprint ? { status: 'repeated', outcome: held.outcome } : { status: 'answered', answer: refuse('id-reused') }
  }
  const [home] = documents
  assert(home !== undefined, 'a request is remembered somewhere')
  const remember = (outcome: unknown): void => {
    const kept = desk.edit(home, doc => rememberRequest(doc, { requestId, fingerprint, outcome }))
    assert(kept.ok, 'an outcome is below its limit, and nobody used its key')
  }
  return { status: 'fresh', remember }
}

/** The time in a UUIDv7-shaped key, if it can be one: such a key names its own home and may serve as a message id. */
export const timeOfKey = (desk: Desk, requestId: RequestId): number | null => {
  const asId = parseMessageId(requestId)
  if (asId === null || asId[14] !== '7') return null
  const timeMs = idToMillis(asId)
  return timeMs >= KEY_MS_MIN && !isAhead(desk, timeMs) ? timeMs : null
}

/** Where the outcome is kept first, then where a repeat may have left it around the turn of a month. */
const documentsOf = (desk: Desk, requestId: RequestId, { facts }: CallContext, account: AccountId): DocumentName[] => {
  const timeMs = timeOfKey(desk, requestId)
  const times = timeMs === null ? [facts.arrivedMs, facts.arrivedMs + DAY_MS, facts.arrivedMs - 28 * DAY_MS] : [timeMs]
  const months = times.map(parseMillis).filter(time => time !== null).map(millisToMonth)
  return [...new Set<Month>(months)].map(month => marksDocument(account, month))
}
