// FAULTS P13: 300 data directories harmed while their node is stopped.

import { suite } from 'uvu'
import { join } from 'node:path'
import { createRandom } from '../sim/random.ts'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { type Damage, HARMS, copyWhileWritten } from '../support/power-loss.ts'
import { type ImagePlay, type ImageStatus, buildImageCheck, playImage } from '../support/power-loss-plays.ts'
import { runProgramme } from '../support/programme.ts'
import { waitSteady } from '../support/steady.ts'
import { startWorkload } from '../support/workload.ts'
import { checkWorkloads } from '../support/workload-checks.ts'

const DIRECTORIES = 300
const DIRECTORIES_PER_UNIT = 10
const TEXT_BYTES = 500
const WARM_UP = 10

const damaged = suite('P13')

damaged('[STO6] whatever was done to the files of a stopped node is told or does no harm, and is made whole by the others', async () => {
  const program = await buildImageCheck()
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
        const workload = await startWorkload(cluster, { label: 'w', perSecond: 12, textBytes: TEXT_BYTES })
        await workload.untilAcknowledged(WARM_UP)
        const world = { cluster, workload, program, earlierOf: (pid: number) => join(cluster.directory, `earlier-${pid}`) }
        for (const pid of cluster.pids) copyWhileWritten(cluster.at(pid).dataDir, world.earlierOf(pid))
        const plays: ImagePlay[] = []
        for (let play = 0; play < DIRECTORIES_PER_UNIT; play++) {
          const harm: Damage = HARMS[(play + Number(unit.split('/')[1])) % HARMS.length] ?? 'a bit flipped'
          plays.push(await playImage(world, random.pick(cluster.pids), harm, random.fork(String(play))))
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
            'serves again after': plays.map(({ backMs }) => backMs),
          },
        }
      }, {}, ['quarantined', 'document-quarantined', 'refused', 'node-crashed']),
    replay: replayOf('cluster/damaged-files.long'),
  })
})

damaged.run()
