// One unit of a programme of real processes: a fresh cluster, what is done to it, and everything that broke as findings.
// The logs of the nodes of a unit that failed are kept in .cache/proof/failed/<unit>.

import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { TEST_ENV } from './asking.ts'
import { type Cluster, type ClusterOptions, startCluster } from './cluster.ts'
import type { Figures, Programme, UnitResult } from './programme.ts'
import { readRoles } from './roles.ts'
import { readHealth } from './workload-checks.ts'

export type Play = (cluster: Cluster) => Promise<UnitResult>

const keepLogs = (cluster: Cluster, unit: string): string => {
  const kept = join(process.env['STARLING_ROOT'] ?? process.cwd(), '.cache/proof/failed', unit.replace(/[^\w.-]+/g, '_'))
  rmSync(kept, { recursive: true, force: true })
  mkdirSync(kept, { recursive: true })
  for (const name of readdirSync(cluster.directory).filter((file) => file.endsWith('.log'))) cpSync(join(cluster.directory, name), join(kept, name))
  return kept
}

/**
 * Plays on a cluster of its own. Whatever is thrown is a finding, and what a node says is wrong with itself but for the
 * events in `expected`; the figures of K9 are added where nodes run at the end.
 */
export const runOnCluster = async (unit: string, play: Play, options: ClusterOptions = {}, expected: readonly string[] = []): Promise<UnitResult> => {
  const cluster = await startCluster({ env: TEST_ENV, ...options })
  try {
    const result = await play(cluster).catch((error: unknown): UnitResult => ({ findings: [`thrown: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`], figures: {} }))
    const findings = [...result.findings, ...findCrashes(cluster, expected)]
    const figures: Figures = { ...result.figures, ...(await readHealth(cluster)) }
    return { findings: findings.length === 0 ? [] : [...findings, `logs: ${keepLogs(cluster, unit)}`], figures }
  } finally {
    await cluster.close()
  }
}

/** Lines with which a node says that something is wrong with itself; no fault of these programmes is an excuse for one. */
const FAULT_LINES = ['node-crashed', 'bad-response', 'peer-frame-rejected', 'document-quarantined', 'quarantined', 'refused']

const findCrashes = (cluster: Cluster, expected: readonly string[]): string[] =>
  cluster.pids.flatMap((pid) => readRoles(cluster, pid).filter(({ event }) => FAULT_LINES.includes(event) && !expected.includes(event)).map(({ line }) => `node ${pid} logged ${line.slice(0, 500)}`))

/** How often any node logged an event. */
export const countEvents = (cluster: Cluster, event: string): number => cluster.pids.reduce((sum, pid) => sum + readRoles(cluster, pid).filter((line) => line.event === event).length, 0)

/** The command that runs one unit of the programmes of a file again. */
export const replayOf = (file: string): Programme['replay'] => (unit) => `STARLING_UNIT='${unit}' node scripts/test.mjs --long --only ${file}`
