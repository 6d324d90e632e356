// Nodes restarted one after the other under load, as an upgrade does it: SIGTERM, perhaps another version, ready, the next.
// People follow going-away: whoever gets 503 goes to the next node with the same id; nothing may fail for good [FAULTS P18].

import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Random } from '../sim/random.ts'
import { TEST_ENV } from './asking.ts'
import { type Cluster, type ClusterOptions, wait } from './cluster.ts'
import type { Workload } from './workload.ts'

const ROOT = process.env['STARLING_ROOT'] ?? process.cwd()
export const NEW_PROGRAM = join(ROOT, 'dist/node.js')

/** A cluster whose nodes run what `choose` says for them, from their next start on. */
export const mixedVersions = (name: string): { readonly options: ClusterOptions; readonly choose: (pid: number, program: string) => void } => {
  const directory = join(ROOT, '.cache/programs', name.replace(/\W+/g, '_'))
  mkdirSync(directory, { recursive: true })
  return {
    options: { program: join(ROOT, 'test/support/choose-program.mjs'), env: { ...TEST_ENV, STARLING_PROGRAMS: directory } },
    choose: (pid, program) => writeFileSync(join(directory, `program-${pid}`), program),
  }
}

export type Roll = { readonly findings: readonly string[]; readonly drainedMs: readonly number[]; readonly readyMs: readonly number[] }

/** Stops each node in turn, starts it again, waits until it is ready, and lets some work pass. */
export const rollOver = async (cluster: Cluster, workload: Workload, random: Random, beforeStart: (pid: number) => void = () => {}): Promise<Roll> => {
  const findings: string[] = []
  const drainedMs: number[] = []
  const readyMs: number[] = []
  for (const pid of random.shuffle(cluster.pids)) {
    const stopMs = performance.now()
    const end = await cluster.stop(pid)
    drainedMs.push(performance.now() - stopMs)
    if (end.code !== 0) findings.push(`node ${pid} ended its drain with ${JSON.stringify(end)}: ${cluster.logTail(pid, 5)}`)
    await wait(random.integer(0, 300))
    beforeStart(pid)
    const startMs = performance.now()
    cluster.start(pid)
    await cluster.waitReady(pid, 60_000)
    readyMs.push(performance.now() - startMs)
    await workload.untilAcknowledged(10)
  }
  return { findings, drainedMs, readyMs }
}
