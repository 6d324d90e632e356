// The lowest node goes up and down every few seconds under people at work; it may not take the role back each time [COO1].

import { type Cluster, wait } from './cluster.ts'
import { countEvents } from './cluster-unit.ts'
import { waitSettled } from './kill-orders.ts'
import { readRoles } from './roles.ts'
import { type Workload, startWorkload } from './workload.ts'
import { checkWorkloads } from './workload-checks.ts'

const UP_MS = 3_000
const DOWN_MS = 3_000
const PATIENCE_MS = 120_000
/** However long it goes on. */
export const TAKE_OVERS_MAX = 6

/** How often a node that nobody touched lost the role because the machine did not let it run; it goes, and comes back. */
const countStarved = (cluster: Cluster): number =>
  cluster.pids.filter((pid) => pid !== 0).reduce((sum, pid) => sum + readRoles(cluster, pid).filter(({ event, line }) => event === 'stepped-down' && line.includes('"reason":"paused"')).length, 0)

export type FlapFigures = { readonly findings: readonly string[]; readonly load: Workload; readonly takeOvers: number; readonly starved: number; readonly gapsMs: readonly number[] }

/** Node 0 is up and down `flaps` times; up for three seconds unless said. */
export const playFlaps = async (cluster: Cluster, how: 'killed' | 'frozen', flaps: number, upMs = UP_MS): Promise<FlapFigures> => {
  const [down, up] = how === 'killed' ? [cluster.kill, (pid: number) => cluster.start(pid)] : [cluster.freeze, cluster.thaw]
  await waitSettled(cluster)
  const load = await startWorkload(cluster, { label: how })
  const before = countEvents(cluster, 'coordinating')
  const startedMs = performance.now()
  for (let flap = 0; flap < flaps; flap++) {
    await wait(upMs)
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
  return { findings, load, takeOvers, starved, gapsMs: load.gaps(startedMs, endedMs) }
}
