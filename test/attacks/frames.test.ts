// A share of FAULTS X1: hostile frames of clients and of peers, and those that once ended or held a node. The counts are
// in frames.long.test.ts.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { createEncoder, toUint8Array, writeUint8, writeVarString, writeVarUint } from 'lib0/encoding'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { LIMITS } from '../../crdt-schema/limits.ts'
import { decodePeerFrame, encodePeerMessage } from '../../crdt-schema/peer-wire.ts'
import { print } from '../support/asking.ts'
import { attackClientFrames, attackPeerFrames, playPeerFrame } from '../support/frame-attacks.ts'
import { toFrame } from '../support/mangling.ts'
import type { Victim } from '../support/victim.ts'

const FRAMES = 6_000

const attacks = suite('X1')

attacks('[COR4] no frame of a client throws, ends the node or holds it', () => {
  const { findings, figures } = attackClientFrames('share', FRAMES)
  assert.equal(findings, [])
  print(`client frames: ${JSON.stringify(figures)}`)
})

attacks('[COR4] no frame of a peer throws, ends the node or holds it', () => {
  const { findings, figures } = attackPeerFrames('share', FRAMES)
  assert.equal(findings, [])
  print(`peer frames: ${JSON.stringify(figures)}`)
})

/** The node goes on, and the link of whoever sent this is closed. */
const mustReject = (what: string, victim: Victim): void => {
  assert.is(victim.stopped, null, what)
  assert.ok([...victim.state.peers.values()].every(({ link }) => link === null), `${what}: the link is still up`)
}

attacks('[COR4] frames of peers that ended a node once cost their link', () => {
  const kept: { what: string; hex: string }[] = JSON.parse(readFileSync(join(process.env['STARLING_ROOT'] ?? process.cwd(), 'test/attacks/fixtures/peer-frames.json'), 'utf8'))
  assert.ok(kept.length > 0)
  for (const { what, hex } of kept) mustReject(what, playPeerFrame(Uint8Array.from(Buffer.from(hex, 'hex'))))
})

/** A heartbeat whose rows are `count` times nothing: two bytes of JavaScript's `any` encoding each. */
const heartbeatOfNothings = (count: number): Uint8Array => {
  const encoder = createEncoder()
  writeUint8(encoder, 3)
  writeUint8(encoder, 118) // an object
  writeVarUint(encoder, 1)
  writeVarString(encoder, 'rows')
  writeUint8(encoder, 117) // a list
  writeVarUint(encoder, count)
  for (let i = 0; i < count; i++) writeUint8(encoder, 127) // undefined
  return toUint8Array(encoder)
}

attacks('[COR3] a list of a million wrong rows is refused at its first, and fills no memory', () => {
  mustReject('a million wrong rows', playPeerFrame(toFrame([heartbeatOfNothings(1_000_000)])))
})

attacks('[COR3] pieces of a message are few: a thousand of one byte cost the link', () => {
  const piece = encodePeerMessage({ type: 'fragment', bytes: new Uint8Array([1]), last: false })
  mustReject('a thousand pieces', playPeerFrame(toFrame(Array.from({ length: 1_000 }, () => piece))))
})

attacks('[COR3] a frame holds a bounded number of messages', () => {
  const message = encodePeerMessage({ type: 'table-request', pull: 1 })
  const frameOf = (count: number): Uint8Array => toFrame(Array.from({ length: count }, () => message))
  assert.ok(decodePeerFrame(frameOf(LIMITS.peerFrameMessagesMax)).ok)
  assert.not.ok(decodePeerFrame(frameOf(LIMITS.peerFrameMessagesMax + 1)).ok)
})

attacks.run()
