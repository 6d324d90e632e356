// Sessions as they are made and recognised: ids, tokens, and which request a session came from.
// A token is `<sessionId>.<256 random bits, base64url>`: the id finds the session, and only a hash of the whole is stored.
// Keeps [COO5]: the last 48 bits of a session's id are a hash of its request, so a repeat finds the session it replaces; the first 48 are
// a time, so a first try that arrives after its repeat is known for what it is.

import { toBase64UrlEncoded } from 'lib0/buffer'
import { type Millis, type RequestId, type SessionId, hashText, idToMillis, mintSessionId, parseMillis, parseSessionId } from '../../crdt-schema/ids.ts'
import { assert } from '../../crdt-schema/prelude.ts'
import type { Session } from '../../crdt-schema/sessions.ts'

/** A session that is asked for: what its grant carries. The token itself never travels. */
export interface SessionSeed {
  readonly id: SessionId
  readonly tokenHash: string
  readonly expiresMs: Millis
  readonly device: string
}

/** What of a session its maker decides; the coordinator adds whose it is, and its rank. */
export type MintedSession = Pick<Session, 'id' | 'tokenHash' | 'expiresMs' | 'device'>

const SECRET = /^[A-Za-z0-9_-]{43}$/
const TAIL_BYTES = 6

/** The part of a session id that tells its request. */
export const sessionToTail = (id: SessionId): string => id.slice(-2 * TAIL_BYTES)
export const requestToSessionTail = (requestId: RequestId): string => hashText(`session ${requestId}`).slice(0, 2 * TAIL_BYTES)
export const isSessionOfRequest = (id: SessionId, requestId: RequestId): boolean => sessionToTail(id) === requestToSessionTail(requestId)

/** The session a token claims to be for, or null if it is no token. */
export const tokenToSessionId = (token: string): SessionId | null => {
  const [id, secret, ...rest] = token.split('.')
  return secret !== undefined && rest.length === 0 && SECRET.test(secret) ? parseSessionId(id) : null
}

/** Whether a session was asked for before another one of the same request. */
export const isEarlierTry = (id: SessionId, other: SessionId): boolean => id < other

/** What its owner shows: the secret is 32 random bytes that only the node which asked for the session has. */
export const toToken = (id: SessionId, random: Uint8Array): string => `${id}.${toBase64UrlEncoded(random.slice(0, 32))}`

export interface SessionOrder {
  readonly requestId: RequestId
  readonly nowMs: Millis
  /** Sessions that the request made before: the new one is later, whatever the clocks say. */
  readonly earlier: readonly SessionId[]
  readonly lifeMs: number
  readonly device: string
  /** At least 36 bytes; the same bytes make the same session. */
  readonly random: Uint8Array
}

/** A session to ask for, and the token that only its owner will see. */
export const mintSession = ({ requestId, nowMs, earlier, lifeMs, device, random }: SessionOrder): { readonly seed: MintedSession; readonly token: string } => {
  assert(random.length >= 36, 'too few random bytes for a session')
  const tail = requestToSessionTail(requestId)
  const idBytes = new Uint8Array(10)
  idBytes.set(random.subarray(32, 36))
  for (let i = 0; i < TAIL_BYTES; i++) idBytes[4 + i] = Number.parseInt(tail.slice(2 * i, 2 * i + 2), 16)
  const id = mintSessionId(Math.max(nowMs, ...earlier.map((other) => idToMillis(other) + 1)) as Millis, idBytes)
  const token = toToken(id, random)
  const expiresMs = parseMillis(nowMs + lifeMs)
  assert(expiresMs !== null, 'a session must expire at a time')
  return { seed: { id, tokenHash: hashText(token), expiresMs, device }, token }
}
