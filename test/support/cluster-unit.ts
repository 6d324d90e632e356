// One unit of a programme of real processes: a fresh cluster, what is done to it, and everything that broke as findings.
// The logs of the nodes of a unit that failed are kept in .cache/proof/failed/<unit>.

import { cpSync, mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { buildNode } from '../../esbuild.config.mjs'
import { TEST_ENV } from './asking.ts'
import { type Cluster, type ClusterOptions, startCluster } from './cluster.ts'
import { DEFECT_VARIABLE, isDefect } from './defects.ts'
import type { Figures, Programme, UnitResult } from './programme.ts'
import { readRoles } from './roles.ts'
import { readHealth } from './workload-checks.ts'

export type Play = (cluster: Cluster) => Promise<UnitResult>

const ROOT = process.env['STARLING_ROOT'] ?? process.cwd()

/** What startCluster needs for nodes with this defect; they are built beside the results, never into dist. */
const plantDefect = async (name: string, env: Readonly<Record<string, string>>): Promise<ClusterOptions> => {
  if (!isDefect(name)) throw new Error(`no defect is called ${name}: see test/support/defects.ts`)
  const outdir = join(ROOT, '.cache/defects')
  await buildNode({ root: ROOT, outdir, runtime: join(ROOT, 'test/support/defect-runtime.ts'), hasMutants: true })
  return { program: join(outdir, 'node.js'), env: { ...env, [DEFECT_VARIABLE]: name } }
}

const keepLogs = (cluster: Cluster, unit: string): string => {
  const kept = join(ROOT, '.cache/proof/failed', unit.replace(/[^\w.-]+/g, '_'))
  rmSync(kept, { recursive: true, force: true })
  mkdirSync(kept, { recursive: true })
  for (const name of readdirSync(cluster.directory).filter((file) => file.endsWith('.log'))) cpSync(join(cluster.directory, name), join(kept, name))
  return kept
}

/**
 * Plays on a cluster of its own. Whatever is thrown is a finding, and what a node says is wrong with itself but for the
 * events in `expected`; the figures of K9 are added where nodes run at the end. Its nodes have the defect that STARLING_DEFECT names, if any.
 */
export const runOnCluster = async (unit: string, play: Play, options: ClusterOptions = {}, expected: readonly string[] = []): Promise<UnitResult> => {
  const defect = process.env[DEFECT_VARIABLE]
  if (defect !== undefined && options.program !== undefined) throw new Error('this programme has a build of its own, which has no defects')
  const cluster = await startCluster({ env: TEST_ENV, ...options, ...(defect === undefined ? {} : await plantDefect(defect, options.env ?? TEST_ENV)) })
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
