// FAULTS C1 with its counts: browsers that are killed while they send.

import { suite } from 'uvu'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { SENDING_STEPS, type SendingStep, playBrowserKills } from '../support/page-faults.ts'
import { runProgramme } from '../support/programme.ts'

const KILLS = 20
const KILLS_IN_A_UNIT = 10

const kills = suite('browser kills, long')

kills(`C1: the browser is killed ${KILLS} times at each step of sending`, async () => {
  await runProgramme({
    id: 'C1',
    title: `kill -9 of the browser at each of ${SENDING_STEPS.length} steps of sending, ${KILLS} times each`,
    promise: 'it is a draft still or a message, and comes exactly once',
    units: SENDING_STEPS.flatMap((step) => Array.from({ length: KILLS / KILLS_IN_A_UNIT }, (_, place) => `${step}/${place}`)),
    isReal: true,
    replay: replayOf('browser/browser-kills.long'),
    run: (unit) =>
      runOnCluster(`C1-${unit}`, async (cluster) => {
        const step = unit.split('/')[0] as SendingStep
        const { findings, wereDrafts } = await playBrowserKills(cluster, Array.from({ length: KILLS_IN_A_UNIT }, () => step))
        return { findings, figures: { faults: KILLS_IN_A_UNIT, 'of these still drafts': wereDrafts } }
      }),
  })
})

kills.run()
