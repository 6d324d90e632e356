// FAULTS P14: 200 images of what a loss of power leaves on the disk of a node at work.

import { suite } from 'uvu'
import { createRandom } from '../sim/random.ts'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { DAMAGES } from '../support/power-loss.ts'
import { type ImagePlay, figuresOf, playImage, playImages } from '../support/power-loss-plays.ts'
import { runProgramme } from '../support/programme.ts'
import { waitSteady } from '../support/steady.ts'

const IMAGES = 200
const IMAGES_PER_UNIT = 10
/** So often two of three lose power at once. */
const TWO_AT_ONCE = 0.2
const PER_SECOND = 12

const powerLoss = suite('P14')

powerLoss('[STO6] whatever a loss of power leaves is told or does no harm, and is made whole by the others', async () => {
  await runProgramme({
    id: 'P14',
    title: `images of a loss of power at a node at work, a fifth of the times at two of three at once: ${DAMAGES.join(', ')}`,
    promise: 'told or harmless; nothing old or invented is served; nothing acknowledged is lost; made whole by the others',
    units: Array.from({ length: IMAGES / IMAGES_PER_UNIT }, (_, share) => `images/${share}`),
    isReal: true,
    run: (unit) =>
      runOnCluster(`P14-${unit}`, async (cluster) => {
        const random = createRandom(`P14/${unit}`)
        await waitSteady(cluster)
        const damages = random.shuffle(Array.from({ length: IMAGES_PER_UNIT }, (_, index) => DAMAGES[(index + Number(unit.split('/')[1])) % DAMAGES.length] ?? 'killed'))
        const played = await playImages(cluster, PER_SECOND, async (world) => {
          const plays: ImagePlay[] = []
          while (plays.length < IMAGES_PER_UNIT) {
            const count = Math.min(random.chance(TWO_AT_ONCE) ? 2 : 1, IMAGES_PER_UNIT - plays.length)
            const victims = random.shuffle(cluster.pids).slice(0, count)
            const done = plays.length
            plays.push(...(await Promise.all(victims.map((pid, index) => playImage(world, pid, damages[done + index] ?? 'killed', random.fork(`${done}/${pid}`))))))
          }
          return plays
        })
        const { plays, findings } = played
        return { findings, figures: { ...figuresOf(played), 'offline told or refused': plays.filter(({ offline }) => offline !== 'sound').length, 'documents with a hole': plays.reduce((sum, { holes }) => sum + holes, 0) } }
      }, {}, ['quarantined']),
    replay: replayOf('cluster/power-loss.long'),
  })
})

powerLoss.run()
