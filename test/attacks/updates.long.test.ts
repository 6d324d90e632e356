// FAULTS X2: 200,000 hostile updates through the sockets of a node.

import { suite } from 'uvu'
import { runProgramme } from '../support/programme.ts'
import { attackWithUpdates } from '../support/update-attacks.ts'

const UPDATES = 200_000
const UPDATES_A_UNIT = 10_000

const attacks = suite('X2')

attacks('[SYN5] nothing of a hostile update is applied', async () => {
  await runProgramme({
    id: 'X2',
    title: 'hostile updates by an owner in his own rooms: junk roots, wrong keys and values, giant lengths, gaps, 10,000 ids, the id of the node, an inbox written, circles, cut off, too much, flipped',
    promise: '0 applied but for flipped ones that integrate whole and leave no junk; none holds the node for 200 ms',
    units: Array.from({ length: UPDATES / UPDATES_A_UNIT }, (_, share) => `updates/${share}`),
    run: (unit) => attackWithUpdates(unit, UPDATES_A_UNIT),
    replay: (unit) => `STARLING_UNIT='${unit}' node scripts/test.mjs --long --only attacks/updates.long`,
  })
})

attacks.run()
