// Row S10: the rare situations of marks.ts are reached, each by some of 1,000 seeds; a mark never hit fails the programme.
// See docs/simulation.md.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { runProgramme } from '../support/programme.ts'
import { addFigures, noFigures, unhitMarks } from './figures.ts'
import { fuzzSeed, replayOf } from './fuzz.ts'
import { MARKS } from './marks.ts'
import { rowInTurn } from './plans.ts'

const SEEDS = 1_000
const SIMULATED_MS = 30_000

const marks = suite('S10, long')

marks(`[COR2] each of ${MARKS.length} rare situations is met`, async () => {
  const lines = await runProgramme({
    id: 'S10',
    title: `"sometimes" marks: ${MARKS.length} rare situations under the faults of S1 to S4 in turn`,
    promise: 'each is met by some of the seeds (the figure of each: how many)',
    units: Array.from({ length: SEEDS }, (_, index) => String(index + 1)),
    replay: unit => replayOf({ row: rowInTurn(Number(unit)), seed: `mark-${unit}`, simulatedMs: SIMULATED_MS }),
    run: unit => {
      const result = fuzzSeed({ seed: `mark-${unit}`, simulatedMs: SIMULATED_MS, row: rowInTurn(Number(unit)) })
      const figures = noFigures()
      addFigures(figures, result)
      const { acknowledged, faults, simulatedMs } = figures
      return { findings: result.findings, figures: { acknowledged, faults, simulatedMs, ...figures.marks } }
    }
  })
  const sums: Record<string, number> = {}
  for (const { figures } of lines) for (const name of MARKS) sums[name] = (sums[name] ?? 0) + Number(figures[name] ?? 0)
  for (const name of MARKS) console.log(`    ${String(sums[name]).padStart(5)}  ${name}`)
  assert.equal(unhitMarks(sums), [], 'a mark that is never hit means a missing fault or workload')
})

marks.run()
