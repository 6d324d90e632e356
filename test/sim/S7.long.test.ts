// Row S7: a seed is a run. A hundred seeds over all rows, each run twice: the hash over every frame, commit and answer is the
// same. Its share in `npm test` is determinism.test.ts.

import { suite } from 'uvu'
import { runProgramme } from '../support/programme.ts'
import { fuzzSeed, replayOf } from './fuzz.ts'
import { rowInTurn } from './plans.ts'

const SEEDS = 100
const SIMULATED_MS = 60_000

const determinism = suite('S7, long')

determinism('[COR2] each of a hundred seeds gives one trace hash, twice', async () => {
  await runProgramme({
    id: 'S7',
    title: 'the same seed twice, the rows S1 to S4 in turn',
    promise: 'one trace hash over every frame, commit and answer',
    units: Array.from({ length: SEEDS }, (_, index) => String(index + 1)),
    replay: unit => replayOf({ row: rowInTurn(Number(unit)), seed: unit, simulatedMs: SIMULATED_MS }),
    run: unit => {
      const runs = [1, 2].map(() => fuzzSeed({ seed: unit, simulatedMs: SIMULATED_MS, row: rowInTurn(Number(unit)) }).world)
      const hashes = runs.map(({ trace }) => trace.hash())
      return {
        findings: hashes[0] === hashes[1] ? [] : [`seed ${unit} gives ${hashes.join(' and ')}`],
        figures: { simulatedMs: runs.reduce((sum, { schedule }) => sum + schedule.nowMs, 0), 'identical pairs': hashes[0] === hashes[1] ? 1 : 0 }
      }
    }
  })
})

determinism.run()
