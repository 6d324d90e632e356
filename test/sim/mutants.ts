// Hunts a seeded defect of crdt-schema/mutation.ts through the seeds of the rows: a programme that finds nothing must be
// able to find something [S8].

import { type Mutant, plantMutant } from '../../crdt-schema/mutation.ts'
import { fuzzSeed } from './fuzz.ts'
import type { RowId } from './plans.ts'

export interface Caught {
  readonly row: RowId
  readonly seed: string
  /** How many seeds were run, this one among them. */
  readonly runs: number
  readonly finding: string
}

export interface Hunt {
  readonly rows: readonly RowId[]
  readonly firstSeed: number
  readonly runsMax: number
  readonly simulatedMs: number
}

/** The first run that fails: seed after seed, each through the rows in order. Null if none of `runsMax` does. */
export const huntMutant = (mutant: Mutant, { rows, firstSeed, runsMax, simulatedMs }: Hunt): Caught | null => {
  plantMutant(mutant)
  try {
    for (let runs = 1; runs <= runsMax; runs++) {
      const row = rows[(runs - 1) % rows.length] ?? 'S1'
      const seed = String(firstSeed + Math.floor((runs - 1) / rows.length))
      const [finding] = fuzzSeed({ seed, simulatedMs, row }).findings
      if (finding !== undefined) return { row, seed, runs, finding: finding.split('\n')[0] ?? '' }
    }
    return null
  } finally {
    plantMutant(null)
  }
}
