// FAULTS P14: 200 images of what a loss of power leaves on the disk of a node at work.

import { suite } from 'uvu'
import { join } from 'node:path'
import { createRandom } from '../sim/random.ts'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { DAMAGES, copyWhileWritten } from '../support/power-loss.ts'
import { type ImagePlay, type ImageStatus, buildImageCheck, playImage } from '../support/power-loss-plays.ts'
import { runProgramme } from '../support/programme.ts'
import { waitSteady } from '../support/steady.ts'
import { startWorkload } from '../support/workload.ts'
import { checkWorkloads } from '../support/workload-checks.ts'

const IMAGES = 200
const IMAGES_PER_UNIT = 10
/** So often two of three lose power at once. */
const TWO_AT_ONCE = 0.2
const TEXT_BYTES = 500
const WARM_UP = 10

const powerLoss = suite('P14')

powerLoss('[STO6] whatever a loss of power leaves is told or does no harm, and is made whole by the others', async () => {
  const program = await buildImageCheck()
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
        const workload = await startWorkload(cluster, { label: 'w', perSecond: 12, textBytes: TEXT_BYTES })
        await workload.untilAcknowledged(WARM_UP)
        const world = { cluster, workload, program, earlierOf: (pid: number) => join(cluster.directory, `earlier-${pid}`) }
        for (const pid of cluster.pids) copyWhileWritten(cluster.at(pid).dataDir, world.earlierOf(pid))
        const plays: ImagePlay[] = []
        const damages = random.shuffle(Array.from({ length: IMAGES_PER_UNIT }, (_, index) => DAMAGES[(index + Number(unit.split('/')[1])) % DAMAGES.length] ?? 'killed'))
        while (plays.length < IMAGES_PER_UNIT) {
          const count = Math.min(random.chance(TWO_AT_ONCE) ? 2 : 1, IMAGES_PER_UNIT - plays.length)
          const victims = random.shuffle(cluster.pids).slice(0, count)
          const done = plays.length
          plays.push(...(await Promise.all(victims.map((pid, index) => playImage(world, pid, damages[done + index] ?? 'killed', random.fork(`${done}/${pid}`))))))
        }
        await workload.stop()
        const countOf = (field: 'offline' | 'online', status: ImageStatus): number => plays.filter((play) => play[field] === status).length
        return {
          findings: [...plays.flatMap(({ findings }) => findings), ...(await checkWorkloads(cluster, [workload]))],
          figures: {
            faults: plays.length,
            acknowledged: workload.acknowledged().length,
            'read as sound': countOf('online', 'sound'),
            'said what is missing': countOf('online', 'told'),
            'moved the directory aside': countOf('online', 'aside'),
            'refused the directory': countOf('online', 'refused'),
            'ended inside LevelDB': countOf('online', 'ended'),
            'offline sound': countOf('offline', 'sound'),
            'offline told or refused': plays.length - countOf('offline', 'sound'),
            'documents with a hole': plays.reduce((sum, { holes }) => sum + holes, 0),
            'serves again after': plays.map(({ backMs }) => backMs),
          },
        }
      }, {}, ['quarantined']),
    replay: replayOf('cluster/power-loss.long'),
  })
})

powerLoss.run()
