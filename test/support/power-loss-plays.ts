// One or two nodes of a cluster at work lose power: what their disks hold then is an image (power-loss.ts). Each image is
// looked at by itself, and then its node starts from it among those that went on: it says what is missing or nothing is,
// serves nothing old, and has everything again from its peers [STO5, STO6].

import { execFile } from 'node:child_process'
import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { buildProgram } from '../../esbuild.config.mjs'
import type { Random } from '../sim/random.ts'
import { type Cluster, wait } from './cluster.ts'
import type { ImageReport } from './image-check.ts'
import { type Damage, copyWhileWritten, damageDirectory } from './power-loss.ts'
import type { Figures } from './programme.ts'
import { type Workload, startWorkload } from './workload.ts'
import { checkWorkloads } from './workload-checks.ts'

const ROOT = process.env['STARLING_ROOT'] ?? process.cwd()
const runFile = promisify(execFile)

/** What became of an image: read without a word, with a word, moved aside by its node, refused, or the process ended inside LevelDB. */
type ImageStatus = ImageReport['status'] | 'aside' | 'ended'
export type ImagePlay = { readonly pid: number; readonly damage: Damage; readonly done: string; readonly offline: ImageStatus; readonly online: ImageStatus; readonly holes: number; readonly backMs: number; readonly findings: readonly string[] }

const READS = 2
const BACK_LIMIT_MS = 60_000
const LOAD_MS_MAX = 400
const CHECK_LIMIT_MS = 60_000
const TEXT_BYTES = 500
const WARM_UP = 10

/** Builds the program that looks at an image by itself; resolves to its path. */
const buildImageCheck = async (): Promise<string> => {
  const outfile = join(ROOT, '.cache/image-check.js')
  await buildProgram({ entry: join(ROOT, 'test/support/image-check.ts'), outfile })
  return outfile
}

export type ImageWorld = {
  readonly cluster: Cluster
  readonly workload: Workload
  readonly program: string
  /** Where the directory of a node is kept as it was at its start before. */
  readonly earlierOf: (pid: number) => string
}

export type PlayedImages = {
  readonly plays: readonly ImagePlay[]
  readonly acknowledged: number
  readonly findings: readonly string[]
}

/** People at work while `play` harms nodes; every directory is kept as it was before, and at the end all is looked at (K1, K6). */
export const playImages = async (cluster: Cluster, perSecond: number, play: (world: ImageWorld) => Promise<readonly ImagePlay[]>): Promise<PlayedImages> => {
  const program = await buildImageCheck()
  const workload = await startWorkload(cluster, { label: 'w', perSecond, textBytes: TEXT_BYTES })
  await workload.untilAcknowledged(WARM_UP)
  const world: ImageWorld = { cluster, workload, program, earlierOf: (pid) => join(cluster.directory, `earlier-${pid}`) }
  for (const pid of cluster.pids) copyWhileWritten(cluster.at(pid).dataDir, world.earlierOf(pid))
  const plays = await play(world)
  await workload.stop()
  return { plays, acknowledged: workload.acknowledged().length, findings: [...plays.flatMap(({ findings }) => findings), ...(await checkWorkloads(cluster, [workload]))] }
}

/** What became of the images, for the report of a programme. */
export const figuresOf = ({ plays, acknowledged }: PlayedImages): Figures => {
  const countOf = (field: 'offline' | 'online', status: ImageStatus): number => plays.filter((play) => play[field] === status).length
  return {
    faults: plays.length,
    acknowledged,
    'read as sound': countOf('online', 'sound'),
    'said what is missing': countOf('online', 'told'),
    'moved the directory aside': countOf('online', 'aside'),
    'refused the directory': countOf('online', 'refused'),
    'ended inside LevelDB': countOf('online', 'ended'),
    'offline sound': countOf('offline', 'sound'),
    'serves again after': plays.map(({ backMs }) => backMs),
  }
}

/** Power goes at one node after some moments of work, and comes back. Resolves when it has answered everybody a few times. */
export const playImage = async (world: ImageWorld, pid: number, damage: Damage, random: Random): Promise<ImagePlay> => {
  const { cluster, workload } = world
  const { dataDir } = cluster.at(pid)
  const earlier = world.earlierOf(pid)
  await wait(random.integer(0, LOAD_MS_MAX))
  if (damage === 'copied while it writes') {
    rmSync(earlier, { recursive: true, force: true })
    copyWhileWritten(dataDir, earlier)
  }
  await cluster.kill(pid)
  let used = damage
  let done = damageDirectory(dataDir, damage, earlier, random)
  if (done === null) {
    used = 'log torn' // there is no table yet; a log there is always
    done = damageDirectory(dataDir, used, earlier, random) ?? 'nothing'
  }
  rmSync(earlier, { recursive: true, force: true })
  cpSync(dataDir, earlier, { recursive: true }) // for the next time
  const image = `${earlier}-image`
  cpSync(dataDir, image, { recursive: true })
  const checking = checkImage(world.program, image)

  const sinceMs = performance.now()
  const online = await startFromImage(cluster, pid, dataDir)
  let reads = 0
  while (reads < READS) {
    if (performance.now() - sinceMs > BACK_LIMIT_MS) throw new Error(`node ${pid} does not serve from its image (${done})\n${cluster.logTail(pid)}`)
    if ((await workload.readEverybodyAt(pid)) > 0) reads += 1
    else await wait(20)
  }
  const backMs = performance.now() - sinceMs
  if (online !== 'sound' && online !== 'told') {
    rmSync(earlier, { recursive: true, force: true }) // of a directory that is no more
    copyWhileWritten(dataDir, earlier)
  }
  const report = await checking
  rmSync(image, { recursive: true, force: true })
  const invented = report.texts.filter((text) => workload.messageOf(text) === undefined)
  const findings = [...report.wrong, ...invented.map((text) => `holds "${text.trim().slice(0, 60)}", which nobody sent`)].map((text) => `node ${pid}, ${used} (${done}): ${text}`)
  return { pid, damage: used, done, offline: report.status, online, holes: report.holes, backMs, findings }
}

/** LevelDB ends the process on some damage, which tells as well as a refusal; anything else is a finding of its own. */
const checkImage = async (program: string, image: string): Promise<Omit<ImageReport, 'status'> & { readonly status: ImageStatus }> => {
  try {
    const { stdout } = await runFile(process.execPath, [program, image], { timeout: CHECK_LIMIT_MS, maxBuffer: 64 * 1024 * 1024 })
    return JSON.parse(stdout) as ImageReport
  } catch (error) {
    const { signal, code, stderr } = error as { signal?: string | null; code?: number; stderr?: string }
    const isNative = signal === 'SIGSEGV' || signal === 'SIGABRT' || signal === 'SIGBUS'
    return { status: 'ended', damage: [], documents: 0, texts: [], holes: 0, wrong: isNative ? [] : [`the check ended with ${signal ?? code}: ${stderr?.slice(0, 800)}`] }
  }
}

const DATA_DIRECTORY_CODE = 4

/** Starts a node; one that refuses its directory, or ends in LevelDB, has it moved away and starts anew, as an operator would do. */
const startFromImage = async (cluster: Cluster, pid: number, dataDir: string): Promise<ImageStatus> => {
  const before = cluster.logTail(pid, 100_000).length
  cluster.start(pid)
  try {
    await cluster.waitReady(pid, BACK_LIMIT_MS)
    const said = cluster.logTail(pid, 100_000).slice(before)
    return said.includes('"event":"directory-aside"') ? 'aside' : said.includes('"event":"quarantined"') ? 'told' : 'sound'
  } catch (error) {
    if (cluster.stateOf(pid) !== 'stopped') throw error
    const { code, signal } = await cluster.ended(pid)
    const isNative = signal === 'SIGSEGV' || signal === 'SIGABRT' || signal === 'SIGBUS'
    if (code !== DATA_DIRECTORY_CODE && !isNative) throw error
    rmSync(dataDir, { recursive: true, force: true })
    cluster.start(pid)
    await cluster.waitReady(pid, BACK_LIMIT_MS)
    return isNative ? 'ended' : 'refused'
  }
}

