// deadline: 900 s
// A share of the rows S1 to S4: faults under people at work, then healing and every checker.
// STARLING_SEED=17 STARLING_ROW=S2 replays one seed of a row (STARLING_MS: of so many simulated ms), and shrinks its plan if it fails.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { addFigures, describeFigures, noFigures } from './figures.ts'
import { describeFailure, describeShrunk, fuzzSeed } from './fuzz.ts'
import { ROWS, rowOf } from './plans.ts'

const SEEDS = 5
const SIMULATED_MS = 60_000

const fuzz = suite('fuzz')
const asked = process.env['STARLING_SEED']
const simulatedMs = Number(process.env['STARLING_MS'] ?? SIMULATED_MS)
const rows = process.env['STARLING_ROW'] === undefined ? ROWS : [rowOf(process.env['STARLING_ROW'])]
const seeds = asked === undefined ? Array.from({ length: SEEDS }, (_, index) => String(index + 1)) : asked.split(',')

for (const { id, title } of rows) {
  fuzz(`[COR2] ${id}, ${seeds.length} seeds: ${title}: nothing acknowledged is lost, doubled or invented`, () => {
    const figures = noFigures()
    const failures: string[] = []
    for (const seed of seeds) {
      const result = fuzzSeed({ seed, simulatedMs, row: id })
      addFigures(figures, result)
      if (result.findings.length === 0) continue
      failures.push(describeFailure(result))
      if (asked !== undefined) failures.push(describeShrunk(result))
    }
    console.log(`    ${id}: ${describeFigures(figures)}`)
    assert.is(failures.length, 0, failures.slice(0, 3).join('\n\n'))
  })
}

fuzz.run()
