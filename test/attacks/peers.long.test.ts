// FAULTS X8: 200,000 handshakes with an attacker who has heard earlier ones and can ask as many nodes as he likes.

import { suite } from 'uvu'
import { attackHandshakes } from '../support/handshake-attacks.ts'
import { runProgramme } from '../support/programme.ts'

const HANDSHAKES = 200_000
const HANDSHAKES_A_UNIT = 20_000

const attacks = suite('X8')

attacks('[LIV1] nobody becomes a peer without proving the secret', async () => {
  await runProgramme({
    id: 'X8',
    title: 'handshakes with an attacker who replays, reflects, relays, mangles and mixes what honest nodes say, to either role',
    promise: '0 accepted, nothing throws',
    units: Array.from({ length: HANDSHAKES / HANDSHAKES_A_UNIT }, (_, share) => `handshakes/${share}`),
    run: (unit) => attackHandshakes(unit, HANDSHAKES_A_UNIT),
    replay: (unit) => `STARLING_UNIT='${unit}' node scripts/test.mjs --long --only attacks/peers.long`,
  })
})

attacks.run()
