// FAULTS X1: hostile frames on both sides of a node. Whatever arrives, no step throws, the node does not end, none takes
// long; a frame that is not understood costs its socket or its link and nothing else.

import * as Y from 'yjs'
import * as marks from '../../crdt-schema/marks.ts'
import { type PeerMessage, encodePeerMessage } from '../../crdt-schema/peer-wire.ts'
import { encodeSyncStep1, encodeSyncStep2, encodeUpdate } from '../../crdt-schema/wire.ts'
import { type Random, createRandom } from '../sim/random.ts'
import { MESSAGE_ID, writeHonestPage } from './honest-page.ts'
import { mangle, mangleMessage, sealFrame, toFrame, tryEncode } from './mangling.ts'
import type { UnitResult } from './programme.ts'
import { MONTH, type Victim, createAttackedMember, createAttackedNode } from './victim.ts'

/** Longer than this no frame may hold the event loop. A busy machine stretches a step, so it is judged by the second look. */
export const BLOCK_MS_MAX = 200
/** After so many frames a fresh node: what an authenticated peer may rightly say changes the one there is beyond use. */
const FRAMES_A_NODE = 2_000

/** What an honest page says in a room, one of each. */
const createClientCorpus = (): readonly Uint8Array[] => {
  const { page, updates } = writeHonestPage('hello there')
  const mark = new Y.Doc()
  mark.clientID = 78
  marks.markOpened(mark, MESSAGE_ID, 1_778_000_000_000 as never)
  const whole = Y.encodeStateAsUpdate(page)
  return [
    encodeSyncStep1(Y.encodeStateVector(page)), encodeSyncStep2(whole), ...updates.map(encodeUpdate), encodeUpdate(Y.encodeStateAsUpdate(mark)), encodeUpdate(new Uint8Array([0, 0])),
    Uint8Array.from([1, 4, 1, 77, 1, 2, 123, 125]), Uint8Array.from([2, 0, 2, 104, 105]), Uint8Array.from([3]), Uint8Array.from([0, 0, 1, 0])
  ]
}

/** The longest a frame takes at a second look, alone: the first may have been another process's doing. */
const isSlowAgain = (again: () => Victim): boolean => again().slowest.ms > BLOCK_MS_MAX

type Tally = { readonly findings: string[]; frames: number; refused: number; slowestMs: number; nodes: number }

const toResult = ({ findings, frames, refused, slowestMs, nodes }: Tally): UnitResult => ({ findings, figures: { faults: frames, 'sockets and links closed': refused, 'nodes used up': nodes, 'longest step, ms': [Math.round(slowestMs)] } })

const toHex = (bytes: Uint8Array): string => Buffer.from(bytes.slice(0, 4_096)).toString('hex')

/** Runs one attack; what throws is a finding with the bytes that did it. */
const attempt = (tally: Tally, victim: Victim, what: string, bytes: Uint8Array, act: () => void, again: () => Victim): void => {
  const { slowest } = victim
  slowest.ms = 0
  tally.frames += 1
  try {
    act()
  } catch (error) {
    tally.findings.push(`${what} threw ${(error as Error).stack?.split('\n').slice(0, 9).join(' | ')}: ${toHex(bytes)}`)
    victim.stopped = 'threw'
    return
  }
  if (slowest.ms > BLOCK_MS_MAX && isSlowAgain(again)) tally.findings.push(`${what} held the node for ${Math.round(slowest.ms)} ms (${slowest.what}): ${toHex(bytes)}`)
  else tally.slowestMs = Math.max(tally.slowestMs, slowest.ms)
}

const ROOMS = ['drafts', `marks/${MONTH}`, `inbox/${MONTH}`] as const

/** Frames of clients: half by an owner in his own rooms, the rest without a token, with a wrong one, in somebody else's room. */
export const attackClientFrames = (seed: string, frames: number, onFrame: (bytes: Uint8Array) => void = () => {}): UnitResult => {
  const random = createRandom(`X1/client/${seed}`)
  const corpus = createClientCorpus()
  const tally: Tally = { findings: [], frames: 0, refused: 0, slowestMs: 0, nodes: 0 }
  while (tally.frames < frames && tally.findings.length < 20) {
    const { victim, ann, ben } = createAttackedNode()
    tally.nodes += 1
    let client: number | null = null
    for (let used = 0; used < FRAMES_A_NODE && tally.frames < frames && victim.stopped === null; used++) {
      if (client === null || victim.closedWith(client) !== null) {
        const room = random.pick(ROOMS)
        const [owner, token] = random.pick([[ann, ann.token], [ann, ann.token], [ann, ann.token], [ann, null], [ann, 'A'.repeat(43)], [ben, ann.token]] as const)
        client = victim.attach(random.chance(0.02) ? random.pick(['', 'members', `${ann.id}/../members`, `${ann.id}/inbox/9999-99`, '\u0000']) : `${owner.id}/${room}`, token)
      }
      const frame = mangle(random.pick(corpus), random, corpus)
      const at = client
      onFrame(frame)
      attempt(tally, victim, `a client's frame (seed ${seed}, ${tally.frames})`, frame, () => victim.feed({ type: 'client-frame', client: at, frame }), () => playClientFrame(frame))
      if (victim.closedWith(client) !== null) tally.refused += 1
      if (used % 50 === 49) victim.tick()
    }
    if (victim.stopped !== null && victim.stopped !== 'threw') tally.findings.push(`the node ended: ${victim.stopped}`)
  }
  return toResult(tally)
}

/** One frame of an owner at a fresh node. */
export const playClientFrame = (frame: Uint8Array): Victim => {
  const { victim, ann } = createAttackedNode()
  for (const room of ROOMS) {
    const client = victim.attach(`${ann.id}/${room}`, ann.token)
    victim.slowest.ms = 0
    victim.feed({ type: 'client-frame', client, frame })
  }
  victim.tick()
  return victim
}

/** What an attacker who holds the secret may send: mangled bytes under a sum that fits, mangled messages, any of them wrapped. */
const hostileFrame = (random: Random, said: readonly PeerMessage[], encoded: readonly Uint8Array[]): Uint8Array => {
  if (random.chance(0.1)) return mangle(toFrame([random.pick(encoded)]), random, encoded) // the sum does not fit any more
  if (random.chance(0.1)) return sealFrame(mangle(random.pick(encoded), random, encoded))
  const messages = Array.from({ length: random.chance(0.8) ? 1 : random.integer(2, 6) }, (): Uint8Array => {
    const message = random.pick(said)
    const bytes = random.chance(0.3) ? mangle(encodePeerMessage(message), random, encoded) : (tryEncode(mangleMessage(message, random, said)) ?? random.bytes(8))
    const wrap = random.next()
    if (wrap < 0.08) return encodePeerMessage({ type: 'fragment', bytes, last: random.chance(0.7) })
    if (wrap < 0.18) return tryEncode({ type: 'relay', from: random.integer(0, 3) as never, to: random.integer(0, 3) as never, hops: random.integer(0, 9), message: bytes }) ?? bytes
    return bytes
  })
  return toFrame(messages)
}

/** Frames of a peer that proved the secret and is out to do harm. */
export const attackPeerFrames = (seed: string, frames: number, onFrame: (bytes: Uint8Array) => void = () => {}): UnitResult => {
  const random = createRandom(`X1/peer/${seed}`)
  const tally: Tally = { findings: [], frames: 0, refused: 0, slowestMs: 0, nodes: 0 }
  const ended: Record<string, number> = {}
  while (tally.frames < frames && tally.findings.length < 20) {
    const { victim, identityOf, said } = createAttackedMember()
    const kinds = [...new Set(said.map(({ type }) => type))].map((type) => said.filter((message) => message.type === type))
    const varied = Array.from({ length: 400 }, () => random.pick(random.pick(kinds)))
    const encoded = varied.map(encodePeerMessage)
    tally.nodes += 1
    let link: number | null = null
    for (let used = 0; used < FRAMES_A_NODE && tally.frames < frames && victim.stopped === null; used++) {
      if (link === null || !victim.isUp(link)) {
        link = victim.link(identityOf(random.pick([1, 1, 2])))
        const hello = varied.find(({ type }) => type === 'hello')
        if (victim.isUp(link) && hello !== undefined && random.chance(0.8)) victim.feed({ type: 'link-frame', link, frame: toFrame([encodePeerMessage(hello)]) })
      }
      const frame = hostileFrame(random, varied, encoded)
      const at = link
      onFrame(frame)
      attempt(tally, victim, `a peer's frame (seed ${seed}, ${tally.frames})`, frame, () => victim.feed({ type: 'link-frame', link: at, frame }), () => playPeerFrame(frame))
      if (!victim.isUp(link)) tally.refused += 1
      if (used % 20 === 19 && victim.stopped === null) attempt(tally, victim, `a tick after a peer's frame (seed ${seed}, ${tally.frames})`, frame, () => victim.tick(), () => playPeerFrame(frame))
    }
    // A peer that holds the secret is believed when it says that this node was removed or is another's: that is no crash.
    if (victim.stopped !== null && victim.stopped !== 'threw' && !victim.stopped.startsWith('6:')) tally.findings.push(`the node ended: ${victim.stopped}`)
    if (victim.stopped !== null) ended[victim.stopped.slice(0, 1)] = (ended[victim.stopped.slice(0, 1)] ?? 0) + 1
  }
  return toResult(tally)
}

/** One frame of a peer at a fresh member, and a tick after it. */
export const playPeerFrame = (frame: Uint8Array): Victim => {
  const { victim, identityOf, said } = createAttackedMember()
  const link = victim.link(identityOf(1))
  const hello = said.find(({ type }) => type === 'hello')
  if (hello !== undefined) victim.feed({ type: 'link-frame', link, frame: toFrame([encodePeerMessage(hello)]) })
  victim.slowest.ms = 0
  victim.feed({ type: 'link-frame', link, frame })
  victim.tick()
  return victim
}
