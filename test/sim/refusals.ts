// How one end of a link tells the other why it hangs up, in the codes of the real links: a refused node that is told so ends, one that is
// not dials on [REP7]. What else a link is closed with says nothing that the other end must know.

import { LINK_CLOSE_CODES } from '../../node/adapters/ws-links.ts'
import type { Effect, Refusal } from '../../node/core/events.ts'

type CloseReason = (Effect & { readonly type: 'close-link' })['reason']

const REFUSALS: Readonly<Record<Refusal, true>> = { 'wrong-secret': true, 'foreign-cluster': true, 'pid-taken': true, removed: true, protocol: true }

const isRefusal = (reason: string): reason is Refusal => Object.hasOwn(REFUSALS, reason)

const refusals = new Map(Object.entries(LINK_CLOSE_CODES).flatMap(([reason, code]) => (isRefusal(reason) ? [[code, reason] as const] : [])))

export const closeCodeOf = (reason: CloseReason): number => LINK_CLOSE_CODES[reason]

/** What a close tells of a refusal; null: nothing. */
export const refusalOf = (code: number): Refusal | null => refusals.get(code) ?? null
