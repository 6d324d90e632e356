// A share of FAULTS P13: the files of a stopped node are harmed. The counts are in damaged-files.long.test.ts.

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

const DONE: readonly Damage[] = ['bits flipped in every file', 'a file gone', 'bytes overwritten']

const damaged = suite<{ cluster: Cluster }>('damaged files')

damaged.before(async (context) => {
  context.cluster = await startCluster({ env: TEST_ENV })
})
damaged.after(({ cluster }) => cluster.close())

damaged('[STO6] what was done to the files of a stopped node is told or does no harm, and is made whole by the others', async ({ cluster }) => {
  const random = createRandom('damaged-files')
  const program = await buildImageCheck()
  const workload = await startWorkload(cluster, { label: 'w', textBytes: 500 })
  await workload.untilAcknowledged(10)
  const world = { cluster, workload, program, earlierOf: (pid: number) => join(cluster.directory, `earlier-${pid}`) }
  for (const pid of cluster.pids) copyWhileWritten(cluster.at(pid).dataDir, world.earlierOf(pid))
  const plays: ImagePlay[] = []
  for (const [index, harm] of DONE.entries()) plays.push(await playImage(world, index, harm, random))
  await workload.stop()
  assert.equal([...plays.flatMap(({ findings }) => findings), ...(await checkWorkloads(cluster, [workload]))], [])
  for (const { pid, damage, done, offline, online } of plays) print(`node ${pid}, ${damage} (${done}): by itself ${offline}, as a node ${online}`)
})

damaged.run()
