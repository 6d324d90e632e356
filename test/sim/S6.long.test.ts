// Row S6: liveness. However a cluster was left, once all faults are gone every node itself gives a new account and a message
// within 20 s. Every seed of S1 to S4 ends with this too; here the faults last until the moment of healing. See docs/simulation.md.

import { suite } from 'uvu'
import { runProgramme } from '../support/programme.ts'
import { addFigures, noFigures } from './figures.ts'
import { fuzzSeed, replayOf } from './fuzz.ts'
import { rowInTurn } from './plans.ts'

const SEEDS = 400
const SIMULATED_MS = 20_000

const liveness = suite('S6, long')

liveness('[RDY1] healed, every node gives an account and a message within 20 s', async () => {
  await runProgramme({
    id: 'S6',
    title: 'the faults of S1 to S4 in turn, until all are taken away at once; W6',
    promise: 'within 20 s every node itself gives a new account and a message, in every seed',
    units: Array.from({ length: SEEDS }, (_, index) => String(index + 1)),
    replay: unit => replayOf({ row: rowInTurn(Number(unit)), seed: `heal-${unit}`, simulatedMs: SIMULATED_MS }),
    run: unit => {
      const result = fuzzSeed({ seed: `heal-${unit}`, simulatedMs: SIMULATED_MS, row: rowInTurn(Number(unit)) })
      const figures = noFigures()
      addFigures(figures, result)
      const { acknowledged, faults, simulatedMs, healedMs } = figures
      return { findings: result.findings, figures: { acknowledged, faults, simulatedMs, healedMs } }
    }
  })
})

liveness.run()
