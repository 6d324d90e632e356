// FAULTS P16: one slow node among three at work: its disk, its network or its processor.

import { suite } from 'uvu'
import { createRandom } from '../sim/random.ts'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { buildDiskNode } from '../support/disk-faults.ts'
import { SLOWNESSES, playSlowness } from '../support/slow-nodes.ts'
import { runProgramme } from '../support/programme.ts'
import { waitSteady } from '../support/steady.ts'
import { startWorkload } from '../support/workload.ts'
import { checkWorkloads } from '../support/workload-checks.ts'

const slow = suite('P16')

slow('[REP6] one slow node delays the others by less than two seconds, or it leaves cleanly', async () => {
  const { options, directory } = await buildDiskNode()
  await runProgramme({
    id: 'P16',
    title: 'one slow node for 20 s: commits that take 0.3 to 3 s, links that take 0.1 to 0.9 s each way, a processor it has half or a tenth of the time; the coordinator or another',
    promise: "p99 of the others' writes under 2000 ms; 0 lost; equal afterwards",
    units: SLOWNESSES.flatMap((slowness) => [0, 2].map((pid) => `${slowness}/${pid}`)),
    isReal: true,
    run: (unit) => {
      const [slowness, pid] = unit.split('/')
      return runOnCluster(`P16-${unit}`, async (cluster) => {
        await waitSteady(cluster)
        const workload = await startWorkload(cluster, { label: 's' })
        await workload.untilAcknowledged(20)
        const { findings, writesMs, leftReady } = await playSlowness(cluster, workload, directory, slowness ?? '', Number(pid), createRandom(`P16/${unit}`))
        await workload.stop()
        return { findings: [...findings, ...(await checkWorkloads(cluster, [workload]))], figures: { faults: 1, acknowledged: workload.acknowledged().length, 'times it left ready': leftReady, 'writes through the others': writesMs } }
      }, { ...options, proxied: true })
    },
    replay: replayOf('cluster/slow-node.long'),
  })
})

slow.run()
