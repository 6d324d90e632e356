// A long programme: many independent units (seeds, kills, images …), each run once, each result kept as a line of
// .cache/proof/<id>.jsonl, so that a programme that was stopped goes on where it was. What was run with another build of
// the code under test does not count. scripts/proof.mjs makes the report of docs/proof.md from these files.
// STARLING_UNITS=0/2 runs every second unit from the first on, so that two processes may share a programme and its file;
// STARLING_UNIT=NAME runs that unit alone, once more, and leaves the file as it is; only so with STARLING_DEFECT=NAME, which
// plants a defect of defects.ts in real nodes to see that the unit fails.

import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import { appendFileSync, existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** A number is added up over the units; a list of numbers is joined, and the report tells its median, p99 and largest. */
export type Figures = Readonly<Record<string, number | readonly number[]>>

export type UnitResult = {
  /** What broke, a line each; empty when all held. */
  readonly findings: readonly string[]
  /** Known names: acknowledged, faults, simulatedMs, seeds (needed to catch a mutant); any other is printed as it is. */
  readonly figures: Figures
}

export type Programme = {
  /** As in docs/proof.md: `S1`, `P4`. Names the file of results. */
  readonly id: string
  /** What is done and under which faults, in one line for the report. */
  readonly title: string
  /** What must hold, in one line for the report. */
  readonly promise: string
  readonly units: readonly string[]
  readonly run: (unit: string) => UnitResult | Promise<UnitResult>
  /** The command that runs this unit again. */
  readonly replay: (unit: string) => string
  /** It drives dist/node.js, which then belongs to the build. */
  readonly isReal?: boolean
}

type Line = UnitResult & { readonly unit: string; readonly ms: number }
type Header = { readonly id: string; readonly title: string; readonly promise: string; readonly units: number; readonly build: string; readonly commit: string; readonly isDirty: boolean }

const ROOT = process.env['STARLING_ROOT'] ?? process.cwd()
const FAILURES_SHOWN = 3

/** Hash of the code under test: this bundled test file, with all of ours that it imports, and the node's program. */
const buildOf = (isReal: boolean): string => {
  const hash = createHash('sha256')
  for (const file of [process.argv[1] ?? '', ...(isReal ? [join(ROOT, 'dist/node.js')] : [])]) hash.update(readFileSync(file))
  return hash.digest('hex').slice(0, 16)
}

const git = (...args: string[]): string => {
  try {
    return execFileSync('git', args, { cwd: ROOT, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim()
  } catch {
    return '' // not a clone
  }
}

/** Results of this build in the programme's file; a file of another build is begun anew. */
const openResults = ({ id, title, promise, units, isReal = false }: Programme): { readonly file: string; readonly lines: Line[] } => {
  const directory = join(ROOT, '.cache/proof')
  const file = join(directory, `${id}.jsonl`)
  mkdirSync(directory, { recursive: true })
  const header: Header = { id, title, promise, units: units.length, build: buildOf(isReal), commit: git('rev-parse', '--short', 'HEAD'), isDirty: git('status', '--porcelain', '--', 'node', 'web', 'crdt-schema', 'test') !== '' }
  return withLock(file, () => {
    const [first, ...rest] = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : []
    const isSame = first !== undefined && (JSON.parse(first) as Header).build === header.build && (JSON.parse(first) as Header).units === header.units
    if (isSame) return { file, lines: rest.map((line) => JSON.parse(line) as Line) }
    writeFileSync(file, `${JSON.stringify(header)}\n`)
    return { file, lines: [] }
  })
}

/** The value that this share of all values does not exceed, as scripts/proof.mjs reports it. */
export const quantile = (values: readonly number[], share: number): number => [...values].sort((a, b) => a - b)[Math.min(values.length - 1, Math.ceil(share * values.length) - 1)] ?? Number.NaN

/** Of two processes that begin a programme together, one begins its file and the other finds it begun. */
const withLock = <Value>(file: string, act: () => Value): Value => {
  const lock = `${file}.lock`
  for (;;) {
    try {
      writeFileSync(lock, String(process.pid), { flag: 'wx' })
      break
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'EEXIST') throw error
      if (isAbandoned(lock)) rmSync(lock, { force: true })
      Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, 20)
    }
  }
  try {
    return act()
  } finally {
    rmSync(lock, { force: true })
  }
}

/** True if the process that took a lock was killed with it. */
const isAbandoned = (lock: string): boolean => {
  try {
    const owner = Number(readFileSync(lock, 'utf8'))
    return owner > 0 && !process.kill(owner, 0) // 0: taken, and the id not written yet
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'ESRCH' // ENOENT: it was given back meanwhile
  }
}

/** The units of this process: all, or the share that STARLING_UNITS names. */
const shareOf = (units: readonly string[]): readonly string[] => {
  const [, part, parts] = /^(\d+)\/(\d+)$/.exec(process.env['STARLING_UNITS'] ?? '0/1') ?? []
  if (part === undefined || Number(part) >= Number(parts)) throw new Error(`STARLING_UNITS is a share such as 0/2 or 1/2, not ${process.env['STARLING_UNITS']}`)
  return units.filter((_, index) => index % Number(parts) === Number(part))
}

const replay = async (programme: Programme, unit: string): Promise<readonly Line[]> => {
  if (!programme.units.includes(unit)) return []
  const { findings, figures } = await programme.run(unit)
  console.log(`    ${programme.id} ${unit}: ${JSON.stringify(figures)}`)
  if (findings.length > 0) throw new Error(`${programme.id} unit ${unit}:\n  ${findings.join('\n  ')}`)
  return []
}

/**
 * Runs the units that have no result yet, one after the other, to the end even when some fail. Resolves to the lines of
 * all units, those of a process with another share as far as they were there at the start; throws one Error that tells
 * the first failures and how to replay them.
 */
export const runProgramme = async (programme: Programme): Promise<readonly Line[]> => {
  const replayed = process.env['STARLING_UNIT']
  if (replayed !== undefined) return replay(programme, replayed)
  if (process.env['STARLING_DEFECT'] !== undefined) throw new Error('name the unit that shall find this defect: STARLING_UNIT')
  const { file, lines } = openResults(programme)
  const done = new Set(lines.map(({ unit }) => unit))
  if (done.size > 0) console.log(`    ${programme.id}: ${done.size} of ${programme.units.length} were done before, with this same build`)
  for (const unit of shareOf(programme.units)) {
    if (done.has(unit)) continue
    const startedMs = performance.now()
    const { findings, figures } = await programme.run(unit)
    const line: Line = { unit, ms: Math.round(performance.now() - startedMs), findings, figures }
    lines.push(line)
    appendFileSync(file, `${JSON.stringify(line)}\n`)
  }
  const failed = lines.filter(({ findings }) => findings.length > 0)
  console.log(`    ${programme.id}: ${lines.length} units, ${failed.length} failed`)
  if (failed.length === 0) return lines
  const shown = failed.slice(0, FAILURES_SHOWN).map(({ unit, findings }) => [`${programme.id} unit ${unit}:`, ...findings.slice(0, 10), `replay: ${programme.replay(unit)}`].join('\n  '))
  throw new Error(`${failed.length} of ${lines.length} units of ${programme.id} failed: ${failed.map(({ unit }) => unit).join(' ')}\n\n${shown.join('\n\n')}`)
}
