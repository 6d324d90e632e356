// FAULTS X3 in full: 5,000 idle sockets, and each other way of wasting a node, for longer.

import { suite } from 'uvu'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { FLOODS, type Flood, playFlood } from '../support/floods.ts'
import { runProgramme } from '../support/programme.ts'

const SIZE = { idle: 5_000, others: 200 }
const MESSAGES = 400
const GROWN_MIB_MAX = 400
const TIMES_BASELINE_MAX = 2
/** Below this the p99 of so few messages is the machine's own noise. */
const NOISE_MS = 150

const flood = suite('X3')

flood('[COR3] others go on, and memory stays bounded', async () => {
  await runProgramme({
    id: 'X3',
    title: `one node flooded while somebody sends through it: ${FLOODS.join(', ')}; 5,000 idle sockets, 200 of the others`,
    promise: "p99 of the honest under twice the baseline, the node's memory grows by less than 400 MiB",
    units: [...FLOODS],
    isReal: true,
    run: (unit) =>
      runOnCluster(`X3-${unit}`, async (cluster) => {
        const { baselineP99Ms, p99Ms, grownMiB, times } = await playFlood(cluster, unit as Flood, SIZE, MESSAGES)
        const findings = [
          ...(p99Ms > Math.max(NOISE_MS, baselineP99Ms * TIMES_BASELINE_MAX) ? [`p99 ${Math.round(p99Ms)} ms, ${Math.round(baselineP99Ms)} before`] : []),
          ...(grownMiB > GROWN_MIB_MAX ? [`grew by ${Math.round(grownMiB)} MiB`] : []),
        ]
        return { findings, figures: { acknowledged: times.length, 'p99 before, ms': [baselineP99Ms], 'p99 during, ms': [p99Ms], 'grown by, MiB': [grownMiB] } }
      }),
    replay: replayOf('attacks/flood.long'),
  })
})

flood.run()
