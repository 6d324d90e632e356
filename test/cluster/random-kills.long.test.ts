// Programme P1: kill -9 of a random node every 2 to 8 s, started again 1 to 10 s later, under people at work; it happens
// that all are down. 500 kills, 25 to a cluster, each judged at its end.

import { suite } from 'uvu'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { playRandomKills } from '../support/kill-orders.ts'
import { runProgramme } from '../support/programme.ts'

const KILLS = 25
const UNITS = 20

const kills = suite('random kills, long')

kills(`[STO2] ${UNITS * KILLS} kills of random nodes: nothing acknowledged is lost or doubled`, async () => {
  await runProgramme({
    id: 'P1',
    title: 'kill -9 of a random node every 2 to 8 s, started again after 1 to 10 s; all may be down',
    promise: '0 lost, 0 doubled, reads never go back, names are granted once, roles are taken when ready',
    units: Array.from({ length: UNITS }, (_, index) => `kills-${index + 1}`),
    replay: replayOf('random-kills'),
    isReal: true,
    run: (unit) =>
      runOnCluster(`P1-${unit}`, async (cluster) => {
        const { findings, load, allDown, alone, gapsMs } = await playRandomKills(cluster, { label: unit, kills: KILLS, everyMs: [2_000, 8_000], downMs: [1_000, 10_000] })
        return { findings, figures: { faults: KILLS, acknowledged: load.acknowledged().length, 'times all were down': allDown, 'served alone': alone, 'gaps above 500 ms': gapsMs } }
      }),
  })
})

kills.run()
