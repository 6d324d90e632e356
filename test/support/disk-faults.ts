// FAULTS P11, P12 and P16 with real processes: disks that are full, that fail, that are slow. Full ones are small tmpfs
// mounts; failing ones an ext4 on a loop device whose backing file runs out of room, so that fsync gets EIO from the
// kernel, or a test build whose commits fail; slow ones that build.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, statfsSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { buildNode } from '../../esbuild.config.mjs'
import { TEST_ENV } from './asking.ts'
import { type Cluster, type ClusterOptions, wait } from './cluster.ts'
import { DISK_FAULTS_VARIABLE, SOUND, writeDiskFault } from './disk-fault-files.ts'
import type { Workload } from './workload.ts'
import type { Random } from '../sim/random.ts'

const ROOT = process.env['STARLING_ROOT'] ?? process.cwd()
const FULL_DISK_BYTES = 12 * 1024 * 1024
const LOOP_BYTES = 64 * 1024 * 1024
const BACKING_BYTES = 28 * 1024 * 1024
const PAGE_BYTES = 4_096
const END_LIMIT_MS = 60_000

/** A build whose disks obey files in `directory`; kept beside the results, never in dist. */
export const buildDiskNode = async (): Promise<{ readonly options: ClusterOptions; readonly directory: string }> => {
  const outdir = join(ROOT, '.cache/disk-faults')
  await buildNode({ root: ROOT, outdir, runtime: join(ROOT, 'test/support/disk-runtime.ts') })
  const directory = join(outdir, `faults-${process.pid}`)
  mkdirSync(directory, { recursive: true })
  process.on('exit', () => rmSync(directory, { recursive: true, force: true }))
  return { directory, options: { program: join(outdir, 'node.js'), env: { ...TEST_ENV, [DISK_FAULTS_VARIABLE]: directory } } }
}

const run = (command: string, ...args: string[]): string => execFileSync(command, args, { stdio: 'pipe', encoding: 'utf8' })

/** A disk under the data directory of a node that is not running yet. */
export type Disk = {
  /** Makes it fail from some moment on. */
  readonly spoil: (random: Random) => void
  /** Makes it good again, as an operator would, while the node is down. */
  readonly mend: () => void
  readonly remove: () => void
}

export type DiskKind = 'full' | 'kernel EIO' | 'failing commits'

/** Why this machine cannot show a kind of disk; null if it can. */
export const refusalOf = (kind: DiskKind, directory: string): string | null => {
  if (kind === 'failing commits') return null
  try {
    mkdirSync(directory, { recursive: true })
    createDisk(kind, directory, 0, '').remove()
    return null
  } catch (error) {
    return (error as Error).message.split('\n').join(' ').slice(0, 200)
  }
}

export const createDisk = (kind: DiskKind, dataDir: string, pid: number, faults: string): Disk => {
  mkdirSync(dataDir, { recursive: true })
  if (kind === 'failing commits') {
    return {
      spoil: (random) => writeDiskFault(faults, pid, { delayMs: 0, error: random.pick(['Input/output error', 'No space left on device', 'Read-only file system']) }),
      mend: () => writeDiskFault(faults, pid, SOUND),
      remove: () => writeDiskFault(faults, pid, SOUND),
    }
  }
  if (kind === 'full') {
    run('mount', '-t', 'tmpfs', '-o', `size=${FULL_DISK_BYTES}`, 'starling-test', dataDir)
    return {
      // Somebody else's file takes all but a few pages: writes are cut short, then refused.
      spoil: (random) => fillUp(dataDir, random.integer(0, 64) * PAGE_BYTES),
      mend: () => rmSync(join(dataDir, 'filler'), { force: true }),
      remove: () => void run('umount', '-l', dataDir),
    }
  }
  const backing = `${dataDir}-backing`
  mkdirSync(backing, { recursive: true })
  run('mount', '-t', 'tmpfs', '-o', `size=${BACKING_BYTES}`, 'starling-test', backing)
  const image = join(backing, 'disk')
  writeFileSync(image, '')
  truncateSync(image, LOOP_BYTES)
  run('mkfs.ext4', '-q', '-F', '-E', 'lazy_itable_init=0,lazy_journal_init=0', '-J', 'size=4', image)
  const loop = run('losetup', '--find', '--show', image).trim()
  run('mount', '-o', 'errors=continue', loop, dataDir)
  rmSync(join(dataDir, 'lost+found'), { recursive: true, force: true })
  return {
    // The disk behind the disk is full: what the file system writes to it fails, and fsync says EIO.
    spoil: () => fillUp(backing, 0),
    mend: () => {
      run('umount', dataDir)
      rmSync(join(backing, 'filler'), { force: true })
      try {
        run('e2fsck', '-f', '-y', loop)
      } catch {
        // exit code 1: errors were corrected, which is what it is for
      }
      run('mount', '-o', 'errors=continue', loop, dataDir)
      rmSync(join(dataDir, 'lost+found'), { recursive: true, force: true })
    },
    remove: () => {
      for (const [command, ...args] of [['umount', '-l', dataDir], ['losetup', '-d', loop], ['umount', '-l', backing]] as const) run(command, ...args)
    },
  }
}

const fillUp = (directory: string, leftBytes: number): void => {
  const { bavail, bsize } = statfsSync(directory)
  const bytes = Math.max(0, bavail * bsize - leftBytes)
  try {
    writeFileSync(join(directory, 'filler'), Buffer.alloc(bytes, 1))
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error // the node took the rest meanwhile: full is full
  }
}

export type DiskPlay = { readonly findings: readonly string[]; readonly endedMs: number; readonly gapMs: number; readonly backMs: number }

/** Spoils the disk of a node at work: it must end by itself and say why; the others go on; mended, it comes back with everything. */
export const playDiskFault = async (cluster: Cluster, workload: Workload, disk: Disk, pid: number, random: Random): Promise<DiskPlay> => {
  const findings: string[] = []
  const before = existsSync(cluster.at(pid).logFile) ? readFileSync(cluster.at(pid).logFile, 'utf8').length : 0
  await wait(random.integer(0, 500))
  const spoiledMs = performance.now()
  disk.spoil(random)
  let end: Awaited<ReturnType<Cluster['ended']>> | null = null
  try {
    end = await cluster.ended(pid, END_LIMIT_MS)
  } catch {
    findings.push(`node ${pid} still runs a minute after its disk failed`)
    await cluster.kill(pid)
  }
  const endedMs = performance.now() - spoiledMs
  const said = readFileSync(cluster.at(pid).logFile, 'utf8').slice(before)
  if (end !== null && end.code !== 1) findings.push(`node ${pid} ended with ${JSON.stringify(end)} instead of code 1: ${said.slice(-600)}`)
  if (end !== null && !/^Stopped: .*Nothing acknowledged was lost\./m.test(said)) findings.push(`node ${pid} does not say what happened: ${said.slice(-600)}`)
  await workload.untilAcknowledged(10)
  const gapMs = Math.max(0, ...workload.gaps(spoiledMs, performance.now(), 0))
  disk.mend()
  const mendedMs = performance.now()
  await cluster.revive(pid)
  return { findings, endedMs, gapMs, backMs: performance.now() - mendedMs }
}
