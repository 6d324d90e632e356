// The whole fuzz: crashes, pauses, partitions and bad disks under people at work, then healing and every checker.
// STARLING_SEED=17 with fuzz.test.ts replays one of its seeds.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { addFigures, describeFailure, describeFigures, fuzzSeed, noFigures } from './fuzz.ts'

const SEEDS = 200
const SIMULATED_MS = 60_000

const fuzz = suite('fuzz, long')
const seeds = Array.from({ length: SEEDS }, (_, index) => String(index + 1))

fuzz(`[COR2] ${seeds.length} seeds: nothing acknowledged is lost, doubled or invented`, () => {
  const figures = noFigures()
  const failures: string[] = []
  for (const seed of seeds) {
    const result = fuzzSeed({ seed, simulatedMs: SIMULATED_MS })
    addFigures(figures, result)
    if (result.findings.length > 0) failures.push(describeFailure(result))
  }
  console.log('    ' + describeFigures(figures))
  assert.is(failures.length, 0, failures.slice(0, 3).join('\n\n'))
})

fuzz.run()
