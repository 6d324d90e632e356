// FAULTS P18: rolling restarts and rolling upgrades under load, and clusters of mixed versions in which nodes are killed.

import { suite } from 'uvu'
import { createRandom } from '../sim/random.ts'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { buildOldNode } from '../support/old-release.ts'
import { runProgramme } from '../support/programme.ts'
import { NEW_PROGRAM, mixedVersions, rollOver } from '../support/rolling.ts'
import { waitSteady } from '../support/steady.ts'
import { startWorkload } from '../support/workload.ts'
import { checkWorkloads } from '../support/workload-checks.ts'

const TIMES = 5
const KILLS = 6

const upgrade = suite('P18')

upgrade('[LIV1] old and new nodes are one cluster: nothing fails for good and nothing is lost', async () => {
  const old = buildOldNode()
  if ('refusal' in old) return console.log(`    NOT SHOWN HERE: ${old.refusal}; P18 needs the history of the repository`)
  await runProgramme({
    id: 'P18',
    title: 'all nodes restarted in turn under load; all nodes upgraded in turn under load; two versions side by side while nodes are killed',
    promise: 'drained with exit code 0; 0 writes fail for good, 0 lost',
    units: ['restart', 'upgrade', 'mixed'].flatMap((kind) => Array.from({ length: TIMES }, (_, time) => `${kind}/${time}`)),
    isReal: true,
    run: (unit) => {
      const random = createRandom(`P18/${unit}`)
      const [kind] = unit.split('/')
      const { options, choose } = mixedVersions(`P18-${unit}-${process.pid}`)
      const newest = random.integer(0, 2)
      for (const pid of [0, 1, 2]) choose(pid, kind === 'upgrade' || (kind === 'mixed' && pid !== newest) ? old.program : NEW_PROGRAM)
      return runOnCluster(`P18-${unit}`, async (cluster) => {
        await waitSteady(cluster)
        const workload = await startWorkload(cluster, { label: 'u' })
        await workload.untilAcknowledged(20)
        if (kind !== 'mixed') {
          const roll = await rollOver(cluster, workload, random, (pid) => choose(pid, NEW_PROGRAM))
          await workload.stop()
          return { findings: [...roll.findings, ...(await checkWorkloads(cluster, [workload]))], figures: { faults: 3, acknowledged: workload.acknowledged().length, 'drained after': roll.drainedMs, 'ready again after': roll.readyMs, 'gaps above 500 ms': workload.gaps(0, performance.now()) } }
        }
        for (let kill = 0; kill < KILLS; kill++) {
          const pid = random.integer(0, 2)
          await cluster.kill(pid)
          await workload.untilAcknowledged(5)
          await cluster.revive(pid)
        }
        await workload.stop()
        return { findings: await checkWorkloads(cluster, [workload]), figures: { faults: KILLS, acknowledged: workload.acknowledged().length } }
      }, options)
    },
    replay: replayOf('cluster/upgrade-rolling.long'),
  })
})

upgrade.run()
