// How two nodes prove to each other that they hold the cluster's secret, as a machine over texts; ws-links.ts carries them.
// Refuses to know sockets, timers and who is a member: it proves who speaks, the core decides whether it may.
//
//   dialer                                        acceptor
//     | -- hello {role: dialer, …, nonce} ---------> |
//     | <-------- hello {role: acceptor, …, nonce} - |
//     | <------------------------ proof {macs} ----- |   over both hellos, as acceptor
//     | -- proof {macs} ---------------------------> |   over both hellos, as dialer
//     | <------------------------------ welcome ---- |   only now may frames follow
//
// A proof is HMAC-SHA-256(secret, transcript), and the transcript is [name, role of the prover, the dialer's hello, the acceptor's hello],
// each hello byte for byte as sent. Both nonces make an old proof worthless, the role makes a proof useless to whoever it was shown to.
// Several secrets may hold at once, so that one can be changed without a stop: a proof lists one MAC for each.

import { createHmac, timingSafeEqual } from 'node:crypto'
import { type NodeId, type Pid, parseNodeId, parsePid } from '../../crdt-schema/ids.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import { type Result, fail, ok } from '../../crdt-schema/prelude.ts'
import type { PeerIdentity, Refusal } from '../core/events.ts'

export const NONCE_BYTES = 32
export const HANDSHAKE_TEXT_BYTES_MAX = 4096
const SECRETS_MAX = 4
const TRANSCRIPT_NAME = 'starling link 1'

export type Role = 'dialer' | 'acceptor'

/** What this node says of itself. `channel` names the TLS session as both ends see it, or is empty. */
export interface Claim {
  readonly protocol: number
  /** The newest way of writing frames that it knows; a node of the first release says nothing, and knows 1. */
  readonly frames: number
  readonly clusterId: string | null
  readonly pid: Pid
  readonly nodeId: NodeId
  readonly boot: number
  readonly url: string
  readonly version: string
  readonly channel: string
}

export type HandshakeStep =
  | { readonly status: 'waiting'; readonly send: readonly string[] }
  /** `frames`: the way of writing frames that both know. */
  | { readonly status: 'proven'; readonly send: readonly string[]; readonly peer: PeerIdentity; readonly frames: number }
  /** `stranger`: this node itself, or someone else than was called. */
  | { readonly status: 'refused'; readonly reason: Refusal | 'stranger' }

export interface HandshakeOptions {
  readonly role: Role
  readonly claim: Claim
  /** The cluster's, the preferred one first. */
  readonly secrets: readonly Uint8Array[]
  /** 32 fresh random bytes. */
  readonly nonce: Uint8Array
  /** Who must answer; null: anyone. */
  readonly expectedPid: Pid | null
  /** Both ends must name the same TLS session: nobody vouched for its certificate, and someone might sit in between. */
  readonly mustShareChannel: boolean
}

export interface Handshake {
  /** The texts to send before anything is heard. */
  readonly opening: readonly string[]
  /** Takes one text of the peer. After `proven` or `refused` it must not be called again. */
  receive(text: string): HandshakeStep
}

interface Hello extends Claim {
  readonly text: string
  readonly nonce: string
}

/** One end of a handshake. */
export const createHandshake = ({ role, claim, secrets, nonce, expectedPid, mustShareChannel }: HandshakeOptions): Handshake => {
  const ownNonce = Buffer.from(nonce).toString('hex')
  const ownHello = JSON.stringify({ type: 'hello', role, ...claim, nonce: ownNonce })
  const peerRole: Role = role === 'dialer' ? 'acceptor' : 'dialer'
  let peer: Hello | null = null
  let state: 'awaits-hello' | 'awaits-proof' | 'awaits-welcome' = 'awaits-hello'

  const transcript = (prover: Role, peerHello: string): string =>
    JSON.stringify([TRANSCRIPT_NAME, prover, ...(role === 'dialer' ? [ownHello, peerHello] : [peerHello, ownHello])])
  const proof = (peerHello: string): string =>
    JSON.stringify({ type: 'proof', macs: secrets.slice(0, SECRETS_MAX).map(secret => mac(secret, transcript(role, peerHello)).toString('hex')) })

  const onHello = (text: string): HandshakeStep => {
    const hello = parseHello(text, peerRole, claim.protocol)
    if (!hello.ok) return refuse('protocol')
    // A node that hears its own nonce or its own id talks to itself, or to someone who only repeats what it says.
    if (hello.value.nonce === ownNonce || hello.value.nodeId === claim.nodeId) return refuse('stranger')
    if (expectedPid !== null && hello.value.pid !== expectedPid) return refuse('stranger')
    // Before this node proves anything: its proof, passed on, would open the other end to whoever sits in between.
    if (mustShareChannel && hello.value.channel !== claim.channel) return refuse('protocol')
    peer = hello.value
    state = 'awaits-proof'
    return { status: 'waiting', send: role === 'dialer' ? [] : [ownHello, proof(text)] }
  }

  const onProof = (text: string, hello: Hello): HandshakeStep => {
    const macs = parseProof(text)
    if (macs === null) return refuse('protocol')
    const isProven = secrets.some(secret => macs.some(sent => timingSafeEqual(sent, mac(secret, transcript(peerRole, hello.text)))))
    if (!isProven) return refuse('wrong-secret')
    // Only now: before the proof, what it says of its cluster is nobody's word, and another secret gives another id.
    if (hello.clusterId !== null && claim.clusterId !== null && hello.clusterId !== claim.clusterId) return refuse('foreign-cluster')
    if (role === 'acceptor') return proven(hello, claim.frames, ['{"type":"welcome"}'])
    state = 'awaits-welcome'
    return { status: 'waiting', send: [proof(hello.text)] }
  }

  return {
    opening: role === 'dialer' ? [ownHello] : [],
    receive: text => {
      if (Buffer.byteLength(text) > HANDSHAKE_TEXT_BYTES_MAX) return refuse('protocol')
      if (peer === null) return onHello(text)
      if (state === 'awaits-proof') return onProof(text, peer)
      return parseObject(text)?.['type'] === 'welcome' ? proven(peer, claim.frames, []) : refuse('protocol')
    }
  }
}

const mac = (secret: Uint8Array, transcript: string): Buffer => createHmac('sha256', secret).update(transcript).digest()

const refuse = (reason: Refusal | 'stranger'): HandshakeStep => ({ status: 'refused', reason })

const proven = ({ pid, nodeId, boot, url, version, frames }: Hello, ownFrames: number, send: readonly string[]): HandshakeStep => ({
  status: 'proven',
  send,
  peer: { pid, nodeId, boot, url, version },
  frames: Math.min(frames, ownFrames)
})

// ---- reading what is not yet trusted

const parseObject = (text: string): Readonly<Record<string, unknown>> | null => {
  try {
    const value: unknown = JSON.parse(text)
    return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : null
  } catch {
    return null // not JSON is one more way of not being a message
  }
}

const isText = (value: unknown, lengthMax: number): value is string => typeof value === 'string' && value.length <= lengthMax

const parseHello = (text: string, role: Role, protocol: number): Result<Hello, 'protocol'> => {
  const fields = parseObject(text)
  if (fields === null || fields['type'] !== 'hello' || fields['role'] !== role || fields['protocol'] !== protocol) return fail('protocol')
  const { clusterId, boot, url, version, channel, nonce, frames = 1 } = fields
  const pid = parsePid(fields['pid'])
  const nodeId = parseNodeId(fields['nodeId'])
  if (pid === null || nodeId === null || typeof boot !== 'number' || !Number.isSafeInteger(boot) || boot < 0) return fail('protocol')
  if (!isText(url, LIMITS.urlCharactersMax) || !isText(version, 64) || !isText(channel, 64)) return fail('protocol')
  if (clusterId !== null && !isText(clusterId, 64)) return fail('protocol')
  if (!isText(nonce, NONCE_BYTES * 2) || !/^[0-9a-f]{64}$/.test(nonce)) return fail('protocol')
  if (typeof frames !== 'number' || !Number.isSafeInteger(frames) || frames < 1) return fail('protocol')
  return ok({ text, protocol, frames, clusterId, pid, nodeId, boot, url, version, channel, nonce })
}

/** The MACs of a proof, each of 32 bytes, or null. */
const parseProof = (text: string): readonly Buffer[] | null => {
  const fields = parseObject(text)
  const macs = fields?.['macs']
  if (fields?.['type'] !== 'proof' || !Array.isArray(macs) || macs.length > SECRETS_MAX) return null
  return macs.every(sent => typeof sent === 'string' && /^[0-9a-f]{64}$/.test(sent)) ? macs.map(sent => Buffer.from(String(sent), 'hex')) : null
}
