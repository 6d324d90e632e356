// Programme P7: the lowest node is up for 3 s and down for 3 s, for ten minutes, by kill -9 or by SIGSTOP. It may not take
// the role back each time [COO1].

import { suite } from 'uvu'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { TAKE_OVERS_MAX, playFlaps } from '../support/flaps.ts'
import { runProgramme } from '../support/programme.ts'

const FLAPS = 100

const flapping = suite('a flapping node, long')

flapping(`[COO1] the lowest node flaps for ten minutes: the role changes hands at most ${TAKE_OVERS_MAX} times`, async () => {
  await runProgramme({
    id: 'P7',
    title: 'the lowest node flaps, 3 s up and 3 s down, for ten minutes; killed, or frozen',
    promise: `at most ${TAKE_OVERS_MAX} take-overs, 0 lost`,
    units: ['killed', 'frozen'],
    replay: replayOf('flapping'),
    isReal: true,
    run: (unit) =>
      runOnCluster(`P7-${unit}`, async (cluster) => {
        const { findings, load, takeOvers, starved, gapsMs } = await playFlaps(cluster, unit === 'killed' ? 'killed' : 'frozen', FLAPS)
        return { findings, figures: { faults: FLAPS, acknowledged: load.acknowledged().length, 'take-overs': takeOvers, 'other nodes starved by the machine': starved, 'gaps above 500 ms': gapsMs } }
      }),
  })
})

flapping.run()
