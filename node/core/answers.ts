// What the handlers of all calls share: who asks, and how answers and refusals are put together.
// Keeps [STO2]: an answer that tells of what is stored waits until that is settled; one that tells only of the request does not.

import { type Problem, type ProblemCode, isProblemCode, problem, retryAfterSecondsOf } from '../../crdt-schema/api-problems.ts'
import { type Hlc, type Millis, type RequestId, millisToDay, mintRequestId, parseHlc, parseRequestId } from '../../crdt-schema/ids.ts'
import type { SessionRow } from '../../crdt-schema/sessions.ts'
import { assert } from '../../crdt-schema/prelude.ts'
import type { Answer, Facts } from './desk.ts'

export interface CallContext {
  /** As it came; `session` is what it stands for, or null. */
  readonly token: string | null
  readonly session: SessionRow | null
  readonly idempotencyKey: string | null
  readonly facts: Facts
}

type Done = Extract<Answer, { status: 'done' }>

/** A success. `wait`: 'acknowledged' when it tells of a write of this node, 'settled' when it tells what others may have written. */
export const answer = (httpStatus: number, body: Done['body'], wait: Done['wait'] = 'settled'): Done => ({ status: 'done', httpStatus, body, wait })

/** A failure; those that tell of stored facts (who has a name, whose a message is) wait for them. */
export const refuse = (code: ProblemCode, extra?: Readonly<Record<string, unknown>>): Done => {
  const body: Problem = problem(code, extra)
  const retryAfterSeconds = retryAfterSecondsOf(code)
  const tellsOfStored = body.status === 401 || body.status === 404 || body.status === 409
  const done: Done = { status: 'done', httpStatus: body.status, body, wait: tellsOfStored ? 'settled' : 'nothing' }
  return retryAfterSeconds === null ? done : { ...done, retryAfterSeconds }
}

/** A grant's refusal as the caller sees it. Refusals that are no problem's code are bugs of this node. */
export const refuseGrant = (code: string): Done => {
  assert(isProblemCode(code), `a call was refused with ${code}`)
  return refuse(code)
}

/** The id under which a request may be repeated: the caller's own, or a fresh one; null if the caller's is not a UUID. */
export const requestIdOf = (context: CallContext): RequestId | null =>
  context.idempotencyKey === null ? mintRequestId(context.facts.random.slice(48, 64)) : parseRequestId(context.idempotencyKey)

export const refuseKey = (): Done => refuse('bad-request', { field: 'Idempotency-Key', reason: 'not a UUID' })

/** RFC 3339, UTC, with milliseconds; for the years 1970 to 9999. */
export const millisToTime = (timeMs: Millis): string => {
  const ms = Math.floor(timeMs) % 86_400_000
  const two = (part: number): string => String(Math.floor(part)).padStart(2, '0')
  return `${millisToDay(timeMs)}T${two(ms / 3_600_000)}:${two((ms / 60_000) % 60)}:${two((ms / 1000) % 60)}.${String(ms % 1000).padStart(3, '0')}Z`
}

/** A moment as an hlc, for facts whose order decides nothing. Facts that compete get theirs from the coordinator. */
export const millisToHlc = (timeMs: Millis): Hlc => {
  const hlc = parseHlc(timeMs * 1024)
  assert(hlc !== null, 'a moment out of the range of the hybrid clock')
  return hlc
}
