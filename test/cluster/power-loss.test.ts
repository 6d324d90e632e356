// A share of FAULTS P14: what a loss of power leaves on the disk of a node at work. The counts are in power-loss.long.test.ts.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { join } from 'node:path'
import { createRandom } from '../sim/random.ts'
import { TEST_ENV, print } from '../support/asking.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { type Damage, copyWhileWritten } from '../support/power-loss.ts'
import { type ImagePlay, buildImageCheck, playImage } from '../support/power-loss-plays.ts'
import { startWorkload } from '../support/workload.ts'
import { checkWorkloads } from '../support/workload-checks.ts'

const IMAGES: readonly Damage[] = ['log torn', 'table torn', 'files of two moments']
const WARM_UP = 10

const powerLoss = suite<{ cluster: Cluster }>('a loss of power')

powerLoss.before(async (context) => {
  context.cluster = await startCluster({ env: TEST_ENV })
})
powerLoss.after(({ cluster }) => cluster.close())

powerLoss('[STO6] what it leaves is told or does no harm, and is made whole by the others', async ({ cluster }) => {
  const random = createRandom('power-loss')
  const program = await buildImageCheck()
  const workload = await startWorkload(cluster, { label: 'w', textBytes: 500 })
  await workload.untilAcknowledged(WARM_UP)
  const world = { cluster, workload, program, earlierOf: (pid: number) => join(cluster.directory, `earlier-${pid}`) }
  for (const pid of cluster.pids) copyWhileWritten(cluster.at(pid).dataDir, world.earlierOf(pid))
  const plays: ImagePlay[] = []
  for (const [index, damage] of IMAGES.entries()) plays.push(await playImage(world, index < 2 ? 2 : 0, damage, random))
  await workload.stop()
  assert.equal([...plays.flatMap(({ findings }) => findings), ...(await checkWorkloads(cluster, [workload]))], [])
  for (const { pid, done, offline, online } of plays) print(`node ${pid}, ${done}: by itself ${offline}, as a node ${online}`)
  print(`${workload.acknowledged().length} messages acknowledged, all there`)
})

powerLoss.run()
