// `doctor`: looks at a node's disk, and through the node, if it runs, at clocks, links and copies; says what is wrong and what to do.
// Refuses to change anything: its write test leaves nothing behind.

import { existsSync } from 'node:fs'
import { open, rm, statfs } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import type { OperatorAnswerOf } from '../../crdt-schema/operator-api.ts'
import { PLACE_FLAGS, PLACE_HELP, type Terminal, readArguments, showBytes, toColumns } from './arguments.ts'
import type { Environment } from './asking.ts'
import { EXIT, Exit } from './errors.ts'
import { type Place, createAskNode, findPlace } from './operator.ts'
import { showPath } from './settings.ts'

export const DOCTOR_HELP = `Usage: node dist/node.js doctor

Checks the disk (space, a write, how long an fsync takes) and, if the node runs, whether it is ready, how far the clocks
of the nodes are apart, who reaches whom, and who is behind. Each line is ok, warn or fail; what is not ok says what to do.
Exit code 1 if anything fails. Give --config or --pid, so that it knows the data directory.

${PLACE_HELP}`

export interface Finding {
  readonly check: string
  readonly status: 'ok' | 'warn' | 'fail'
  readonly text: string
  readonly remedy?: string
}

const WRITES = 20
const WRITE_BYTES = 4_096
const FSYNC_WARN_MS = 30
/** A node whose commits take as long is behind for the others. */
const FSYNC_FAIL_MS = 1_000
const FREE_WARN_BYTES = 1024 ** 3
const FREE_FAIL_BYTES = 64 * 1024 ** 2
const CLOCK_WARN_MS = 2_000
/** A claim from further ahead is not adopted (CLK1). */
const CLOCK_FAIL_MS = 5 * 60_000

export const doctor = async (args: readonly string[], env: Environment, terminal: Terminal): Promise<number> => {
  const parsed = readArguments('doctor', args, PLACE_FLAGS, { min: 0, max: 0 })
  const place = findPlace(parsed, env)
  const findings = [...(await checkDisk(place)), ...(await checkNode(place))]
  if (parsed.output === 'json') terminal.say(JSON.stringify({ checks: findings }, null, 2))
  else for (const line of describeFindings(findings)) terminal.say(line)
  return findings.some(({ status }) => status === 'fail') ? EXIT.failed : EXIT.done
}

export const describeFindings = (findings: readonly Finding[]): readonly string[] => {
  const lines = toColumns(findings.map(({ status, check, text }) => [status, check, text]))
  return lines.flatMap((line, index) => {
    const remedy = findings[index]?.remedy
    return remedy === undefined ? [line] : [line, `      → ${remedy}`]
  })
}

// ---- the disk

const checkDisk = async ({ dataDir }: Place): Promise<readonly Finding[]> => {
  if (dataDir === null) return [{ check: 'disk', status: 'warn', text: 'not looked at: which data directory is not known', remedy: 'Give --config or --pid.' }]
  let directory = dataDir
  while (!existsSync(directory) && dirname(directory) !== directory) directory = dirname(directory)
  const shown = showPath(directory)
  try {
    const { bavail, bsize } = await statfs(directory)
    const free = bavail * bsize
    const times = await timeWrites(directory)
    return [judgeSpace(shown, free), ...judgeWrites(shown, times)]
  } catch (error) {
    return [{ check: 'disk', status: 'fail', text: `${shown} cannot be written (${(error as Error).message})`, remedy: 'Check that the disk is sound and not full, and whose the directory is.' }]
  }
}

/** Milliseconds of some writes, each with its fsync. */
const timeWrites = async (directory: string): Promise<readonly number[]> => {
  const path = join(directory, `doctor-${process.pid}.tmp`)
  const file = await open(path, 'wx')
  const times: number[] = []
  try {
    for (let i = 0; i < WRITES; i++) {
      const startMs = performance.now()
      await file.write(Buffer.alloc(WRITE_BYTES, i))
      await file.sync()
      times.push(performance.now() - startMs)
    }
  } finally {
    await file.close()
    await rm(path, { force: true })
  }
  return times.sort((a, b) => a - b)
}

export const judgeSpace = (shown: string, free: number): Finding => {
  const text = `${showBytes(free)} free under ${shown}`
  if (free >= FREE_WARN_BYTES) return { check: 'space', status: 'ok', text }
  return { check: 'space', status: free < FREE_FAIL_BYTES ? 'fail' : 'warn', text, remedy: 'Free space: a node whose disk is full stops. Nothing acknowledged is lost by that.' }
}

/** `times` ascending, ms. */
export const judgeWrites = (shown: string, times: readonly number[]): readonly Finding[] => {
  const median = times[times.length >> 1] ?? 0
  const worst = times.at(-1) ?? 0
  const text = `${times.length} writes with fsync to ${shown}: ${median.toFixed(1)} ms each, ${worst.toFixed(1)} ms at worst`
  if (worst >= FSYNC_FAIL_MS) return [{ check: 'fsync', status: 'fail', text, remedy: 'So slow a disk leaves the node behind the others. Use a local SSD, and see what else writes to it.' }]
  return [median > FSYNC_WARN_MS ? { check: 'fsync', status: 'warn', text, remedy: 'Every acknowledgement waits for an fsync on every node. A local SSD takes a millisecond or two.' } : { check: 'fsync', status: 'ok', text }]
}

// ---- the running node

const checkNode = async (place: Place): Promise<readonly Finding[]> => {
  try {
    return judgeNode(await createAskNode(place)('operator-check'))
  } catch (error) {
    if (!(error instanceof Exit)) throw error
    return [{ check: 'node', status: 'fail', text: error.message }]
  }
}

export const judgeNode = (found: OperatorAnswerOf<'operator-check'>): readonly Finding[] => [
  { check: 'node', status: 'ok', text: `node ${found.self} answers: version ${found.version}, ${found.phase}, ${found.documents} documents, ${showBytes(found.bytes)}` },
  ...found.checks.map(({ check, ok, text }): Finding => (ok ? { check, status: 'ok', text } : { check, status: 'fail', text, remedy: 'Wait: a node that starts or comes back first catches up. If it stays so, docs/operate.md says what each reason means.' })),
  ...judgeClocks(found),
  ...judgeReach(found),
  ...found.behind.map(({ pid, because }): Finding => ({ check: 'copies', status: 'warn', text: `node ${pid} is behind: ${because}`, remedy: 'Until it has caught up it holds no further copy. Look at its log and run doctor there.' })),
  ...(found.quarantined.length === 0 ? [] : [{ check: 'damage', status: 'fail', text: `${found.quarantined.length} documents were damaged here and are not yet fetched: ${found.quarantined.slice(0, 3).join(', ')}`, remedy: 'Connect a node that holds them. Check the disk: something changed what was written.' } as const])
]

const judgeClocks = ({ clocks }: OperatorAnswerOf<'operator-check'>): readonly Finding[] =>
  clocks.map(({ pid, offsetMs, roundTripMs }) => {
    const trip = roundTripMs === null ? '' : `, ${roundTripMs.toFixed(1)} ms there and back`
    const text = `node ${pid}: ${Math.abs(offsetMs)} ms ${offsetMs < 0 ? 'behind' : 'ahead of'} this clock${trip}`
    const offMs = Math.abs(offsetMs)
    if (offMs < CLOCK_WARN_MS) return { check: 'clock', status: 'ok', text }
    return { check: 'clock', status: offMs < CLOCK_FAIL_MS ? 'warn' : 'fail', text, remedy: 'Run NTP (chrony, systemd-timesyncd) on both. Times shown and the end of sessions follow the median of the clocks.' }
  })

const judgeReach = ({ self, members, hears }: OperatorAnswerOf<'operator-check'>): readonly Finding[] => {
  const inView = new Map(hears.map(row => [row.pid, new Set(row.hears)]))
  const away = members.filter(pid => !inView.has(pid))
  const deaf = [...inView].flatMap(([pid, heard]) => [...inView.keys()].filter(other => other !== pid && !heard.has(other)).map(other => `node ${pid} does not hear node ${other}`))
  const findings: Finding[] = away.map(pid => ({ check: 'reach', status: 'warn', text: `node ${pid} is down or out of reach`, remedy: `Start it, or check that nodes ${self} and ${pid} can open each other's port.` }))
  for (const text of deaf) findings.push({ check: 'reach', status: 'warn', text, remedy: 'They go on through a third node. Check the network and firewalls between the two.' })
  if (findings.length === 0) findings.push({ check: 'reach', status: 'ok', text: members.length === 1 ? 'this node is the only member' : `all ${members.length} members hear each other` })
  return findings
}
