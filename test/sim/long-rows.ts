// A row of the fuzz as a long programme: 1,000 seeds of two dense simulated minutes and 50 of ten. One file for each row, so
// that two of them can run at once; one line of results for each seed, so that a programme that was stopped goes on.

import { runProgramme } from '../support/programme.ts'
import { fuzzSeed, replayOf } from './fuzz.ts'
import { addFigures, noFigures } from './figures.ts'
import { type RowId, rowOf } from './plans.ts'

const SEEDS = 1_000
export const SIMULATED_MS = 120_000
const LONG_SEEDS = 50
const LONG_SIMULATED_MS = 600_000
/** Long seeds are named `long-1`, so that no plan is the beginning of another. */
const LONG_PREFIX = 'long-'

const simulatedMsOf = (seed: string): number => (seed.startsWith(LONG_PREFIX) ? LONG_SIMULATED_MS : SIMULATED_MS)

/** Runs all seeds of a row that have no result yet; throws at the end if any failed. */
export const runRow = async (row: RowId): Promise<void> => {
  await runProgramme({
    id: row,
    title: rowOf(row).title,
    promise: 'nothing acknowledged is lost, doubled or invented, names and sessions are one, nodes and pages equal; healed, every node gives an account and a message within 20 s',
    units: [...Array.from({ length: SEEDS }, (_, index) => String(index + 1)), ...Array.from({ length: LONG_SEEDS }, (_, index) => `${LONG_PREFIX}${index + 1}`)],
    replay: seed => replayOf({ row, seed, simulatedMs: simulatedMsOf(seed) }),
    run: seed => {
      const result = fuzzSeed({ seed, simulatedMs: simulatedMsOf(seed), row })
      const figures = noFigures()
      addFigures(figures, result)
      const { acknowledged, refused, unknown, crashes, pauses, faults, epochs, simulatedMs, longestGapMs, healedMs } = figures
      return { findings: result.findings, figures: { acknowledged, refused, unknown, crashes, pauses, faults, epochs, simulatedMs, longestGapMs, healedMs } }
    }
  })
}
