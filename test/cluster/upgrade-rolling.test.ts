// A share of FAULTS P18: all nodes of an older version are upgraded one by one under load. Without the history of the
// repository there is no older version, and they are restarted. The counts are in upgrade-rolling.long.test.ts.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createRandom } from '../sim/random.ts'
import { print, showTimes } from '../support/asking.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { buildOldNode } from '../support/old-release.ts'
import { NEW_PROGRAM, mixedVersions, rollOver } from '../support/rolling.ts'
import { waitSteady } from '../support/steady.ts'
import { startWorkload } from '../support/workload.ts'
import { checkWorkloads } from '../support/workload-checks.ts'

const upgrade = suite<{ cluster: Cluster; choose: (pid: number, program: string) => void; from: string }>('a rolling upgrade')

upgrade.before(async (context) => {
  const old = buildOldNode()
  const { options, choose } = mixedVersions(`upgrade-${process.pid}`)
  for (const pid of [0, 1, 2]) choose(pid, 'program' in old ? old.program : NEW_PROGRAM)
  Object.assign(context, { choose, from: 'program' in old ? 'an older version' : 'the same version', cluster: await startCluster(options) })
})
upgrade.after(({ cluster }) => cluster.close())

upgrade('[LIV1] under load no write fails for good and nothing is lost', async ({ cluster, choose, from }) => {
  await waitSteady(cluster)
  const workload = await startWorkload(cluster, { label: 'u' })
  await workload.untilAcknowledged(15)
  const { findings, drainedMs, readyMs } = await rollOver(cluster, workload, createRandom('upgrade'), (pid) => choose(pid, NEW_PROGRAM))
  await workload.stop()
  assert.equal([...findings, ...(await checkWorkloads(cluster, [workload]))], [])
  print(`from ${from}: drained after ${showTimes(drainedMs)}, ready again after ${showTimes(readyMs)}; ${workload.acknowledged().length} acknowledged, all there`)
})

upgrade.run()
