// What a grant and its outcome may look like when they come from another node: checked once, at the frame boundary.
// Behind it they are text that parses; what they mean is node/core's business (grants.ts).

import * as v from 'valibot'
import { PID_MAX } from './ids.ts'
import { CODES_PER_SET_MAX } from './recovery.ts'

const text = v.pipe(v.string(), v.maxLength(512))
const number = v.pipe(v.number(), v.safeInteger(), v.minValue(0))
const session = v.looseObject({ id: text, tokenHash: text, expiresMs: number, device: text })
const requestId = text
const accountId = text
const codes = v.exactOptional(v.looseObject({ hashes: v.pipe(v.array(text), v.minLength(1), v.maxLength(CODES_PER_SET_MAX)), over: v.nullable(text) }))

const grant = v.variant('kind', [
  v.looseObject({ kind: v.literal('create-account'), requestId, accountId, shownName: text, nameKey: text, passwordHash: text, session, codes }),
  v.looseObject({ kind: v.literal('change-account'), requestId, accountId, shownName: v.nullable(text), nameKey: v.nullable(text), passwordHash: v.nullable(text), keepSession: v.nullable(text), codes, spends: v.exactOptional(text) }),
  v.looseObject({ kind: v.literal('grant-session'), requestId, accountId, takeOver: v.boolean(), session, codes }),
  v.looseObject({ kind: v.literal('remove-account'), requestId, accountId }),
  v.looseObject({ kind: v.literal('admit-member'), requestId, pid: v.nullable(number), nodeId: text, url: text, taken: v.exactOptional(v.pipe(v.array(number), v.maxLength(PID_MAX + 1))) }),
  v.looseObject({ kind: v.literal('remove-member'), requestId, nodeId: text })
])

const outcome = v.variant('status', [
  v.looseObject({ status: v.literal('granted'), value: v.record(text, v.nullable(v.union([v.string(), v.number(), v.boolean()]))) }),
  v.looseObject({ status: v.literal('refused'), code: text })
])

const isJsonOf = (schema: v.GenericSchema) => (json: string): boolean => {
  try {
    return v.is(schema, JSON.parse(json))
  } catch {
    return false
  }
}

/** Whether a text is a grant that this version knows. */
export const isGrantText = isJsonOf(grant)
/** Whether a text is the outcome of one. */
export const isOutcomeText = isJsonOf(outcome)
