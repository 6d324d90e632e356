// Programme P10: all nodes are killed at once under load and started again in every order, together or one after the
// other, with so much time between in one round that the first serves alone; and any two of three without the third.

import { suite } from 'uvu'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { playOutage } from '../support/kill-orders.ts'
import { runProgramme } from '../support/programme.ts'
import { createRandom } from '../sim/random.ts'

const ORDERS = [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] as const
const PAIRS = [[0, 1], [0, 2], [1, 2]] as const
const ROUNDS = 10
const GAP_MS_MAX = 1_500
/** Longer than a node waits for the others it saw last [RDY1]. */
const ALONE_GAP_MS = 11_000

const outages = suite('outages, long')
const rounds = Array.from({ length: ROUNDS }, (_, index) => `round-${index + 1}`)
const ALONE_ROUND = rounds.at(-1)
const PAIRS_UNIT = 'two-of-three'

outages(`[RDY1] all are killed at once and return in every order, ${ROUNDS} times, and any two of them`, async () => {
  await runProgramme({
    id: 'P10',
    title: 'kill -9 of all nodes at once under load, started again in every order; and any two without the third',
    promise: '0 lost, reads never go back, names are granted once',
    units: [...rounds, PAIRS_UNIT],
    replay: replayOf('restart-orders'),
    isReal: true,
    run: (unit) =>
      runOnCluster(`P10-${unit}`, async (cluster) => {
        const dice = createRandom(unit)
        const findings: string[] = []
        const readyMs: number[] = []
        let acknowledged = 0
        const orders = unit === PAIRS_UNIT ? PAIRS : dice.shuffle(ORDERS)
        for (const order of orders) {
          const gapMs = unit === ALONE_ROUND ? ALONE_GAP_MS : dice.integer(0, GAP_MS_MAX)
          const figures = await playOutage(cluster, order, { label: `${unit}-${order.join('')}`, gapMs })
          findings.push(...figures.findings)
          acknowledged += figures.acknowledged
          readyMs.push(figures.readyMs)
        }
        return { findings, figures: { faults: 3 * orders.length, acknowledged, 'all ready after': readyMs } }
      }),
  })
})

outages.run()
