// FAULTS P13: 300 data directories harmed while their node is stopped.

import { suite } from 'uvu'
import { createRandom } from '../sim/random.ts'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { type Damage, HARMS } from '../support/power-loss.ts'
import { type ImagePlay, figuresOf, playImage, playImages } from '../support/power-loss-plays.ts'
import { runProgramme } from '../support/programme.ts'
import { waitSteady } from '../support/steady.ts'

const DIRECTORIES = 300
const DIRECTORIES_PER_UNIT = 10
const PER_SECOND = 12

const damaged = suite('P13')

damaged('[STO6] whatever was done to the files of a stopped node is told or does no harm, and is made whole by the others', async () => {
  await runProgramme({
    id: 'P13',
    title: `the data directory of a stopped node harmed: ${HARMS.join(', ')}; the others at work`,
    promise: 'told or harmless; nothing wrong is served; nothing acknowledged is lost; made whole by the others',
    units: Array.from({ length: DIRECTORIES / DIRECTORIES_PER_UNIT }, (_, share) => `directories/${share}`),
    isReal: true,
    run: (unit) =>
      runOnCluster(`P13-${unit}`, async (cluster) => {
        const random = createRandom(`P13/${unit}`)
        await waitSteady(cluster)
        const played = await playImages(cluster, PER_SECOND, async (world) => {
          const plays: ImagePlay[] = []
          for (let play = 0; play < DIRECTORIES_PER_UNIT; play++) {
            const harm: Damage = HARMS[(play + Number(unit.split('/')[1])) % HARMS.length] ?? 'a bit flipped'
            plays.push(await playImage(world, random.pick(cluster.pids), harm, random.fork(String(play))))
          }
          return plays
        })
        return { findings: played.findings, figures: figuresOf(played) }
      }, {}, ['quarantined', 'document-quarantined', 'refused', 'node-crashed']),
    replay: replayOf('cluster/damaged-files.long'),
  })
})

damaged.run()
