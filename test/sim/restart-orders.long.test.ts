// The whole of S5: three nodes (6 orders of return, killed at once and in every order) and five (120 orders, killed at once, in that
// order and against it), with no stale disk and with each one stale. STARLING_ORDER with restart-orders.test.ts replays a unit.

import { suite } from 'uvu'
import { runProgramme } from '../support/programme.ts'
import { runCases, unitToCases, unitsOf } from './restart-orders.ts'

const orders = suite('restart-orders, long')

orders('[RDY1] S5: total outages and returns in every order', async () => {
  await runProgramme({
    id: 'S5',
    title: 'total outage, restart in every order (3 nodes: 6, 5 nodes: 120), with and without a stale one; each part that is back meanwhile is judged; W2',
    promise: 'exhaustive, 0: nothing acknowledged lost, no name given twice, ready exactly when RDY1 says so',
    units: [...unitsOf(3), ...unitsOf(5)],
    run: unit => runCases(unitToCases(unit)),
    replay: unit => `STARLING_ORDER='${unit}' node scripts/test.mjs --only restart-orders.test`
  })
})

orders.run()
