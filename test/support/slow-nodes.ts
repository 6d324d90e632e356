// A node that is up and slow [FAULTS P16]: its commits, its links, or its share of the processor. Whoever uses the others
// must not notice much: the slow one is waited for once and then left out until it is quick again [REP6].

import type { Random } from '../sim/random.ts'
import { type Cluster, wait } from './cluster.ts'
import { countEvents } from './cluster-unit.ts'
import { SOUND, writeDiskFault } from './disk-fault-files.ts'
import { quantile } from './programme.ts'
import type { Workload } from './workload.ts'

export const SLOWNESSES = ['disk 300 ms', 'disk 900 ms', 'disk 1500 ms', 'disk 3000 ms', 'links 100 ms', 'links 400 ms', 'links 900 ms', 'half a processor', 'a tenth of a processor'] as const

const SLOW_MS = 20_000
const WRITES_P99_MS_MAX = 2_000
/** A machine at work on other things stretches everything: only far beyond the promise is a finding. */
const SLACK = 2
const SLICE_MS = 200

export type SlowPlay = { readonly findings: readonly string[]; readonly writesMs: readonly number[]; readonly leftReady: number }

/** Makes a node slow for a while under load and measures what writes through the others took. */
export const playSlowness = async (cluster: Cluster, workload: Workload, faults: string, slowness: string, pid: number, random: Random, slowMs = SLOW_MS): Promise<SlowPlay> => {
  const before = countEvents(cluster, 'left-ready')
  const [kind, figure] = [slowness.split(' ')[0], Number(/\d+/.exec(slowness)?.[0] ?? 0)]
  const fromMs = performance.now()
  if (kind === 'disk') writeDiskFault(faults, pid, { delayMs: figure, error: null })
  if (kind === 'links') for (const other of cluster.pids) if (other !== pid) for (const proxy of cluster.linksBetween(pid, other)) proxy.delay(figure)
  if (kind === 'half' || kind === 'a') {
    const share = kind === 'half' ? 0.5 : 0.1
    while (performance.now() - fromMs < slowMs) {
      cluster.freeze(pid)
      await wait(SLICE_MS * (1 - share) * (0.5 + random.next()))
      cluster.thaw(pid)
      await wait(SLICE_MS * share * (0.5 + random.next()))
    }
  } else await wait(slowMs)
  const untilMs = performance.now()
  writeDiskFault(faults, pid, SOUND)
  for (const other of cluster.pids) if (other !== pid) for (const proxy of cluster.linksBetween(pid, other)) proxy.heal()
  await workload.untilAcknowledged(5)
  const writesMs = workload.acknowledged().filter(({ startedMs, answeredBy }) => startedMs >= fromMs && startedMs <= untilMs && answeredBy !== pid).map(({ startedMs, acknowledgedMs }) => acknowledgedMs - startedMs)
  const p99 = quantile(writesMs, 0.99)
  const findings: string[] = []
  if (writesMs.length < 5) findings.push(`only ${writesMs.length} writes went through the others in ${slowMs} ms`)
  if (p99 > WRITES_P99_MS_MAX * SLACK) findings.push(`${slowness} at node ${pid}: p99 of ${writesMs.length} writes through the others is ${Math.round(p99)} ms`)
  return { findings, writesMs, leftReady: countEvents(cluster, 'left-ready') - before }
}
