// How a command proves to a node that it holds the cluster's secret, without sending it: an HMAC over the whole request.
//
//   Authorization: Starling-Operator <time, ms> <nonce, 32 hex> <HMAC-SHA-256(secret, transcript), 64 hex>
//   transcript = ["starling operator 1", method, host, path and query, sha-256 of the body, time, nonce] as JSON
//
// A proof holds for one request, to one address, once, for a minute: who overhears it can do nothing with it.
//
// An answer that comes from another machine is proven back, since who sits in between must not be able to make one up:
//
//   Starling-Proof: <HMAC-SHA-256(secret, transcript), 64 hex> …, one for each secret that holds
//   transcript = ["starling operator answer 1", the request's Authorization, status, sha-256 of the body] as JSON
//
// Keeps [COR3]: nonces are kept only while their proofs would hold, and their number is bounded.

import { createHash, createHmac, randomBytes, timingSafeEqual } from 'node:crypto'

const SCHEME = 'Starling-Operator'
const TRANSCRIPT_NAME = 'starling operator 1'
const ANSWER_TRANSCRIPT_NAME = 'starling operator answer 1'
const PROOF_MS = 60_000
const NONCES_MAX = 100_000

export interface OperatorRequest {
  readonly method: string
  /** Host and port, as in the Host header. */
  readonly host: string
  /** Path and query. */
  readonly url: string
  readonly body: Uint8Array
}

/** The Authorization header that proves the secret for this request. */
export const signOperatorRequest = (secret: Uint8Array, request: OperatorRequest, nowMs: number): string => {
  const nonce = randomBytes(16).toString('hex')
  return `${SCHEME} ${nowMs} ${nonce} ${mac(secret, request, nowMs, nonce).toString('hex')}`
}

export interface ProvenAnswer {
  /** As the request had it. */
  readonly authorization: string
  readonly status: number
  readonly body: Uint8Array
}

export type ProofOutcome = 'proven' | 'missing' | 'wrong' | 'stale' | 'repeated'

/** What checks proofs by the secrets that hold at the time; it remembers those it has seen. */
export const createOperatorGate = (readSecrets: () => readonly Uint8Array[]): ((authorization: string | undefined, request: OperatorRequest, nowMs: number) => ProofOutcome) => {
  /** Nonces of proofs that held, with the time from which on they would be stale anyway; oldest first. */
  const seen = new Map<string, number>()
  return (authorization, request, nowMs) => {
    const [, timeText, nonce, proof] = /^Starling-Operator (\d{1,16}) ([0-9a-f]{32}) ([0-9a-f]{64})$/.exec(authorization ?? '') ?? []
    if (timeText === undefined || nonce === undefined || proof === undefined) return 'missing'
    const timeMs = Number(timeText)
    const sent = Buffer.from(proof, 'hex')
    if (!readSecrets().some(secret => timingSafeEqual(sent, mac(secret, request, timeMs, nonce)))) return 'wrong'
    if (Math.abs(nowMs - timeMs) > PROOF_MS) return 'stale'
    for (const [old, untilMs] of seen) {
      if (untilMs > nowMs) break
      seen.delete(old)
    }
    if (seen.has(nonce) || seen.size >= NONCES_MAX) return 'repeated'
    // A proof may be dated a minute ahead and hold for a minute after that.
    seen.set(nonce, nowMs + 2 * PROOF_MS)
    return 'proven'
  }
}

/** The header that proves an answer to a request that was proven, by each of these secrets. */
export const proveAnswer = (secrets: readonly Uint8Array[], answer: ProvenAnswer): string => secrets.map(secret => answerMac(secret, answer).toString('hex')).join(' ')

/** Whether an answer was given by somebody who holds one of these secrets, to this very request. */
export const isAnswerProven = (secrets: readonly Uint8Array[], answer: ProvenAnswer, header: string): boolean => {
  const sent = header.split(' ').filter(text => /^[0-9a-f]{64}$/.test(text)).map(text => Buffer.from(text, 'hex'))
  return secrets.some(secret => sent.some(one => timingSafeEqual(one, answerMac(secret, answer))))
}

const answerMac = (secret: Uint8Array, { authorization, status, body }: ProvenAnswer): Buffer =>
  createHmac('sha256', secret)
    .update(JSON.stringify([ANSWER_TRANSCRIPT_NAME, authorization, status, createHash('sha256').update(body).digest('hex')]))
    .digest()

const mac = (secret: Uint8Array, { method, host, url, body }: OperatorRequest, timeMs: number, nonce: string): Buffer =>
  createHmac('sha256', secret)
    .update(JSON.stringify([TRANSCRIPT_NAME, method, host, url, createHash('sha256').update(body).digest('hex'), timeMs, nonce]))
    .digest()
