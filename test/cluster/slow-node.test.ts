// A share of FAULTS P16: a node with a slow disk, and one behind slow links. All of it is in slow-node.long.test.ts.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createRandom } from '../sim/random.ts'
import { print } from '../support/asking.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { buildDiskNode } from '../support/disk-faults.ts'
import { quantile } from '../support/programme.ts'
import { playSlowness } from '../support/slow-nodes.ts'
import { waitSteady } from '../support/steady.ts'
import { startWorkload } from '../support/workload.ts'
import { checkWorkloads } from '../support/workload-checks.ts'

const SLOW_MS = 8_000

const slow = suite<{ cluster: Cluster; directory: string }>('a slow node')

slow.before(async (context) => {
  const { options, directory } = await buildDiskNode()
  Object.assign(context, { directory, cluster: await startCluster({ ...options, proxied: true }) })
})
slow.after(({ cluster }) => cluster.close())

slow('[REP6] a slow disk or slow links of one node delay the others little, and it comes back', async ({ cluster, directory }) => {
  const workload = await startWorkload(cluster, { label: 's' })
  await workload.untilAcknowledged(10)
  for (const [slowness, pid] of [['disk 1500 ms', 2], ['links 400 ms', 1]] as const) {
    await waitSteady(cluster)
    const { findings, writesMs, leftReady } = await playSlowness(cluster, workload, directory, slowness, pid, createRandom(slowness), SLOW_MS)
    assert.equal(findings, [])
    print(`${slowness} at node ${pid}: ${writesMs.length} writes through the others, median ${Math.round(quantile(writesMs, 0.5))}, p99 ${Math.round(quantile(writesMs, 0.99))} ms; it left ready ${leftReady} times`)
  }
  await workload.stop()
  assert.equal(await checkWorkloads(cluster, [workload]), [])
})

slow.run()
