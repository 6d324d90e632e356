// deadline: 900 s
// The programme that finds nothing must be able to find something: each seeded defect of crdt-schema/mutation.ts is planted
// in turn, and the same fuzz with the same checkers has to catch it within a few hundred seeds. Prints which seed did.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Mutant, plantMutant } from '../../crdt-schema/mutation.ts'
import { fuzzSeed } from './fuzz.ts'

const SEEDS_MAX = 200
const SIMULATED_MS = 60_000
const MUTANTS: readonly Mutant[] = ['acknowledge-early', 'no-ready-gate', 'no-fence-no-self-suspicion', 'delete-by-key', 'reused-client-id']

const mutants = suite('mutants')

/** The first seed that fails, and its first finding. */
const findSeed = (mutant: Mutant): { readonly seed: string; readonly finding: string } | null => {
  plantMutant(mutant)
  try {
    for (let number = 1; number <= SEEDS_MAX; number++) {
      const seed = String(number)
      const [finding] = fuzzSeed({ seed, simulatedMs: SIMULATED_MS }).findings
      if (finding !== undefined) return { seed, finding: finding.split('\n')[0] ?? '' }
    }
    return null
  } finally {
    plantMutant(null)
  }
}

for (const mutant of MUTANTS) {
  mutants(`[COR2] ${mutant} is caught`, () => {
    const caught = findSeed(mutant)
    assert.is.not(caught, null, `${mutant} survived ${SEEDS_MAX} seeds: a fault, a workload or a checker is missing`)
    console.log(`    ${mutant}: caught by seed ${caught?.seed}: ${caught?.finding.slice(0, 160)}`)
  })
}

mutants.run()
