// FAULTS X1: a million hostile frames on the client side and a million on the peer side of a node.

import { suite } from 'uvu'
import { attackClientFrames, attackPeerFrames } from '../support/frame-attacks.ts'
import { runProgramme } from '../support/programme.ts'

const FRAMES = 1_000_000
const FRAMES_A_UNIT = 25_000
const SIDES = ['client', 'peer'] as const

const attacks = suite('X1')

attacks('[COR4] no frame throws, ends the node or holds it', async () => {
  await runProgramme({
    id: 'X1',
    title: 'a million frames on each side of a node, random, flipped, truncated, spliced, nested, wrong in one field; clients with and without a token, peers that hold the secret',
    promise: 'no step throws, the node goes on, none takes 200 ms',
    units: SIDES.flatMap((side) => Array.from({ length: FRAMES / FRAMES_A_UNIT }, (_, share) => `${side}/${share}`)),
    run: (unit) => (unit.startsWith('client') ? attackClientFrames : attackPeerFrames)(unit, FRAMES_A_UNIT),
    replay: (unit) => `STARLING_UNIT='${unit}' node scripts/test.mjs --long --only attacks/frames.long`,
  })
})

attacks.run()
