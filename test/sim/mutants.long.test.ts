// All seeded defects through the rows of the fuzz from seed 1 on, with no hint of where to look [S8]; see docs/simulation.md.

import { suite } from 'uvu'
import { MUTANTS, type Mutant } from '../../crdt-schema/mutation.ts'
import { runProgramme } from '../support/programme.ts'
import { SIMULATED_MS } from './long-rows.ts'
import { huntMutant } from './mutants.ts'
import { ROWS } from './plans.ts'

const RUNS_MAX = 1_000

const programme = suite('S8, long')

const isMutant = (unit: string): unit is Mutant => MUTANTS.some(mutant => mutant === unit)

programme('[COR2] every seeded defect is caught within 1,000 seeds', async () => {
  await runProgramme({
    id: 'S8',
    title: `${MUTANTS.length} seeded defects, one at a time, each through the seeds of S1 to S4 from the first on`,
    promise: `every one is caught within ${RUNS_MAX} seeds`,
    units: MUTANTS,
    replay: unit => `STARLING_UNIT=${unit} node scripts/test.mjs --long --only sim/mutants.long`,
    run: unit => {
      const caught = isMutant(unit) ? huntMutant(unit, { rows: ROWS.map(({ id }) => id), firstSeed: 1, runsMax: RUNS_MAX, simulatedMs: SIMULATED_MS }) : null
      if (caught === null) return { findings: [`${unit} survived ${RUNS_MAX} seeds: a fault, a workload or a checker is missing`], figures: {} }
      console.log(`    ${unit}: ${caught.row} seed ${caught.seed}, run ${caught.runs}: ${caught.finding.slice(0, 160)}`)
      return { findings: [], figures: { seeds: caught.runs } }
    }
  })
})

programme.run()
