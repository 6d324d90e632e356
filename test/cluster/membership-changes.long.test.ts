// FAULTS P17: changes and mistakes of membership, 20 times each, under load.

import { suite } from 'uvu'
import { createRandom } from '../sim/random.ts'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { CHANGES, playChange } from '../support/memberships.ts'
import { runProgramme } from '../support/programme.ts'
import { waitSteady } from '../support/steady.ts'
import { startWorkload } from '../support/workload.ts'
import { checkWorkloads } from '../support/workload-checks.ts'

const TIMES = 20

const membership = suite('P17')

membership('[REP7] joined, removed, replaced, impersonated: every time as promised, and nothing is lost', async () => {
  await runProgramme({
    id: 'P17',
    title: `changes of membership under load, each ${TIMES} times: ${CHANGES.join(', ')}`,
    promise: 'the fourth has everything and is a copy; the removed one serves nobody and ends with code 6; the new machine takes the pid and the old directory is removed; the impostor is refused with code 6; 0 lost',
    units: Array.from({ length: TIMES }, (_, time) => `all/${time}`),
    isReal: true,
    run: (unit) =>
      runOnCluster(`P17-${unit}`, async (cluster) => {
        const random = createRandom(`P17/${unit}`)
        await waitSteady(cluster)
        const workload = await startWorkload(cluster, { label: 'm', perSecond: 10 })
        await workload.untilAcknowledged(10)
        const findings: string[] = []
        const times: number[] = []
        for (const change of random.shuffle(CHANGES)) {
          const played = await playChange(cluster, change, random)
          findings.push(...played.findings)
          times.push(played.ms)
          await workload.untilAcknowledged(5)
        }
        await workload.stop()
        return { findings: [...findings, ...(await checkWorkloads(cluster, [workload]))], figures: { faults: CHANGES.length, acknowledged: workload.acknowledged().length, 'took': times } }
      }, {}, ['refused']),
    replay: replayOf('cluster/membership-changes.long'),
  })
})

membership.run()
