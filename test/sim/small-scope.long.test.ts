// The whole of S9, a unit for each kind of steps and each pair of faults. STARLING_UNIT with small-scope.test.ts explores one.

import { suite } from 'uvu'
import { runProgramme } from '../support/programme.ts'
import { explore, parseUnit, unitsOfScope } from './small-scope.ts'

const scope = suite('small-scope, long')

scope('[COO4] S9: every way through two and three nodes, one name, two people, up to two faults', async () => {
  await runProgramme({
    id: 'S9',
    title: 'membership and coordinator in the whole core: 2 and 3 nodes, 1 name, 2 people, every pair of faults; frame by frame to depth 12 while no timer is due (2 nodes: also with time passing once), and by whole steps of fail-over, with deaths inside each: 2 nodes to depth 5 (4 with two crashes), 3 nodes to depth 4 (3 with a crash), with one fault 5',
    promise: 'the whole space so bounded, 0: no two owners, no epoch twice, nothing granted lost, every end heals',
    units: unitsOfScope().map(({ name }) => name),
    run: name => {
      const { findings, figures } = explore(parseUnit(name))
      return { findings, figures }
    },
    replay: name => `STARLING_UNIT='${name}' node scripts/test.mjs --only sim/small-scope.test`
  })
})

scope.run()
