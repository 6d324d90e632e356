// Programme P7: the lowest node is up for 3 s and down for 3 s, for ten minutes, by kill -9 or by SIGSTOP. It may not take
// the role back each time [COO1].

import { suite } from 'uvu'
import { type Cluster, wait } from '../support/cluster.ts'
import { countEvents, replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { waitSettled } from '../support/kill-orders.ts'
import { runProgramme } from '../support/programme.ts'
import { readRoles } from '../support/roles.ts'
import { startWorkload } from '../support/workload.ts'
import { checkWorkloads } from '../support/workload-checks.ts'

const FLAPS = 100
const UP_MS = 3_000
const DOWN_MS = 3_000
const TAKE_OVERS_MAX = 6
const PATIENCE_MS = 120_000

/** How often a node that nobody touched lost the role because the machine did not let it run; it goes, and comes back. */
const countStarved = (cluster: Cluster): number =>
  cluster.pids.filter((pid) => pid !== 0).reduce((sum, pid) => sum + readRoles(cluster, pid).filter(({ event, line }) => event === 'stepped-down' && line.includes('"reason":"paused"')).length, 0)

const flapping = suite('a flapping node, long')

flapping(`[COO1] the lowest node flaps for ten minutes: the role changes hands at most ${TAKE_OVERS_MAX} times`, async () => {
  await runProgramme({
    id: 'P7',
    title: 'the lowest node flaps, 3 s up and 3 s down, for ten minutes; killed, or frozen',
    promise: `at most ${TAKE_OVERS_MAX} take-overs, 0 lost`,
    units: ['killed', 'frozen'],
    replay: replayOf('flapping'),
    isReal: true,
    run: (unit) =>
      runOnCluster(`P7-${unit}`, async (cluster) => {
        const [down, up] = unit === 'killed' ? [cluster.kill, (pid: number) => cluster.start(pid)] : [cluster.freeze, cluster.thaw]
        await waitSettled(cluster)
        const load = await startWorkload(cluster, { label: unit })
        const before = countEvents(cluster, 'coordinating')
        const startedMs = performance.now()
        for (let flap = 0; flap < FLAPS; flap++) {
          await wait(UP_MS)
          await down(0)
          await wait(DOWN_MS)
          up(0)
        }
        const endedMs = performance.now()
        const takeOvers = countEvents(cluster, 'coordinating') - before
        await cluster.waitAllReady(PATIENCE_MS)
        await load.stop()
        const starved = countStarved(cluster)
        const findings = takeOvers > TAKE_OVERS_MAX + 2 * starved ? [`K7 the role was taken ${takeOvers} times, although only ${starved} times another node did not get to run`] : []
        findings.push(...(await checkWorkloads(cluster, [load])))
        return { findings, figures: { faults: FLAPS, acknowledged: load.acknowledged().length, 'take-overs': takeOvers, 'other nodes starved by the machine': starved, 'gaps above 500 ms': load.gaps(startedMs, endedMs) } }
      }),
  })
})

flapping.run()
