// deadline: 900 s
// A share of the fuzz: crashes, pauses, partitions and bad disks under people at work, then healing and every checker.
// STARLING_SEED=17 replays one seed, and shrinks its plan if it fails.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { addFigures, describeFailure, describeFigures, fuzzSeed, noFigures, runPlan, shrinkPlan } from './fuzz.ts'

const SEEDS = 30
const SIMULATED_MS = 60_000
const SHRINK_RUNS_MAX = 200

const fuzz = suite('fuzz')
const asked = process.env['STARLING_SEED']
const seeds = asked === undefined ? Array.from({ length: SEEDS }, (_, index) => String(index + 1)) : [asked]

fuzz(`[COR2] ${seeds.length} seeds: nothing acknowledged is lost, doubled or invented`, () => {
  const figures = noFigures()
  const failures: string[] = []
  for (const seed of seeds) {
    const result = fuzzSeed({ seed, simulatedMs: SIMULATED_MS })
    addFigures(figures, result)
    if (result.findings.length > 0) failures.push(describeFailure(result))
    if (result.findings.length > 0 && asked !== undefined) failures.push(`the shortest plan that fails:\n${runPlan(shrinkPlan(result.plan, SHRINK_RUNS_MAX)).transcript.join('\n')}`)
  }
  console.log('    ' + describeFigures(figures))
  assert.is(failures.length, 0, failures.slice(0, 3).join('\n\n'))
})

fuzz.run()
