// Mistakes and changes of membership under load [FAULTS P17]: a fourth node by --join, two that join at once without a pid,
// one that is removed, a machine replaced under its pid, and two nodes with one pid.

import { rmSync } from 'node:fs'
import { join } from 'node:path'
import { createNodes } from '../../scripts/lib/nodes.mjs'
import { TEST_ENV, runNode } from './asking.ts'
import { type Cluster, findFreePorts, wait } from './cluster.ts'
import { startJoiner } from './joiner.ts'
import type { Random } from '../sim/random.ts'

export const CHANGES = ['a fourth joins', 'two join at once', 'one is removed', 'a machine is replaced', 'an impostor'] as const
export type Change = (typeof CHANGES)[number]

const ROOT = process.env['STARLING_ROOT'] ?? process.cwd()
const JOIN_LIMIT_MS = 90_000

const secretOf = (cluster: Cluster): string => join(cluster.directory, 'cluster.secret')

/** Plays one change on a cluster at work; what is wrong with how it went, and what it took. */
export const playChange = async (cluster: Cluster, change: Change, random: Random): Promise<{ readonly findings: readonly string[]; readonly ms: number }> => {
  const startedMs = performance.now()
  const pid = random.integer(0, 2)
  const findings = await ACTS[change](cluster, pid, random)
  return { findings: findings.map((finding) => `${change} (node ${pid}): ${finding}`), ms: performance.now() - startedMs }
}

const ACTS: { readonly [Name in Change]: (cluster: Cluster, pid: number, random: Random) => Promise<readonly string[]> } = {
  'a fourth joins': async (cluster, pid) => {
    const [port = 0] = await findFreePorts(1)
    const child = createNodes({ program: join(ROOT, 'dist/node.js'), directory: join(cluster.directory, 'fourth'), ports: [port], env: TEST_ENV, flags: [] })
    const args = ['--join', cluster.at(pid).url, '--secret-file', secretOf(cluster), '--rate-limits', 'off']
    child.start(0, [...args, '--pid', '3', '--peers', `3=http://127.0.0.1:${port}`])
    try {
      await cluster.waitCluster(pid, ({ nodes }) => nodes.length === 4 && nodes.every(({ status, digest }: { status: string; digest: string }) => status === 'ready' && digest === nodes[0].digest), JOIN_LIMIT_MS)
      const end = await child.stop(0)
      const findings = end.code === 0 ? [] : [`it ended with ${JSON.stringify(end)}`]
      await cluster.waitCluster(pid, ({ nodes }) => nodes.some(({ pid: other, status }: { pid: number; status: string }) => other === 3 && status === 'down'))
      const removed = await runNode(['members', 'remove', '3', '--yes', '--url', cluster.at(pid).url, '--secret-file', secretOf(cluster)], { env: TEST_ENV })
      return removed.code === 0 ? findings : [...findings, `it could not be removed: ${removed.stderr}`]
    } finally {
      await child.close()
    }
  },
  'two join at once': async (cluster, pid, random) => {
    const ports = await findFreePorts(2)
    const urls = ports.map((port) => `http://127.0.0.1:${port}`)
    const start = (at: number) => startJoiner(cluster, `joiner-${at}`, ports[at] ?? 0, cluster.at((pid + at) % 3).url)
    const pidsIn = (nodes: readonly { pid: number; url: string }[]): (number | undefined)[] => urls.map((url) => nodes.find((row) => row.url === url)?.pid)
    const first = start(0)
    const second = start(1)
    let again: typeof first | null = null
    try {
      // One dies at some moment, before the grant or after it, and comes back on its directory.
      await wait(random.integer(100, 1_500))
      await first.kill()
      const early = pidsIn((await cluster.waitCluster(pid, () => true)).nodes)[0]
      again = start(0)
      await Promise.all([again.untilReady(), second.untilReady()])
      const { nodes } = await cluster.waitCluster(pid, (state) => state.nodes.length === 5 && state.nodes.every(({ status, digest }: { status: string; digest: string }) => status === 'ready' && digest === state.nodes[0].digest), JOIN_LIMIT_MS)
      const pids = pidsIn(nodes)
      const findings = new Set([0, 1, 2, ...pids]).size === 5 && !pids.includes(undefined) ? [] : [`they got the pids ${pids.join()}`]
      if (early !== undefined && early !== pids[0]) findings.push(`it was granted ${early}, and ${pids[0]} when it came back`)
      const codes = await Promise.all([again.stop(), second.stop()])
      if (codes.some((code) => code !== 0)) findings.push(`they ended with ${codes.join()}`)
      for (const granted of pids) {
        await cluster.waitCluster(pid, (state) => state.nodes.find((row: { pid: number }) => row.pid === granted)?.status === 'down')
        const removed = await runNode(['members', 'remove', String(granted), '--yes', '--url', cluster.at(pid).url, '--secret-file', secretOf(cluster)], { env: TEST_ENV })
        if (removed.code !== 0) findings.push(`node ${granted} could not be removed: ${removed.stderr}`)
      }
      return findings
    } finally {
      await Promise.all([first, second, again].map((joiner) => joiner?.kill()))
    }
  },
  'one is removed': async (cluster, pid) => {
    const other = (pid + 1) % 3
    const flags = ['--url', cluster.at(other).url, '--secret-file', secretOf(cluster)]
    const early = await runNode(['members', 'remove', String(pid), '--yes', ...flags], { env: TEST_ENV })
    const findings = early.code === 0 ? ['it was removed while it was up'] : []
    await cluster.kill(pid)
    await cluster.waitCluster(other, ({ nodes }) => nodes.find((row: { pid: number }) => row.pid === pid)?.status === 'down')
    const removed = await runNode(['members', 'remove', String(pid), '--yes', ...flags], { env: TEST_ENV })
    if (removed.code !== 0) findings.push(`members remove ended with ${removed.code}: ${removed.stderr}`)
    await wait(500)
    cluster.start(pid)
    const end = await cluster.ended(pid, 60_000)
    if (end.code !== 6) findings.push(`it came back and ended with ${JSON.stringify(end)} instead of code 6: ${cluster.logTail(pid, 5)}`)
    // With an empty directory it is a new member under the old pid.
    rmSync(cluster.at(pid).dataDir, { recursive: true, force: true })
    await cluster.revive(pid)
    return findings
  },
  'a machine is replaced': async (cluster, pid) => {
    await cluster.kill(pid)
    // Another directory is refused as long as the node before it may be there.
    for (const other of cluster.pids) if (other !== pid) await cluster.waitCluster(other, ({ nodes }) => nodes.find((row: { pid: number }) => row.pid === pid)?.status === 'down')
    rmSync(cluster.at(pid).dataDir, { recursive: true, force: true })
    await cluster.revive(pid)
    const { stdout } = await runNode(['members', 'list', '-o', 'json', '--url', cluster.at((pid + 1) % 3).url, '--secret-file', secretOf(cluster)], { env: TEST_ENV })
    const rows: { pid: number; status: string }[] = JSON.parse(stdout).members
    const live = rows.filter((row) => row.pid === pid && row.status !== 'removed')
    return live.length === 1 ? [] : [`members lists ${live.length} nodes under its pid that are not removed: ${JSON.stringify(rows)}`]
  },
  'an impostor': async (cluster, pid) => {
    const [port = 0] = await findFreePorts(1)
    const peers = cluster.places.map((place) => `${place.pid}=${place.pid === pid ? `http://127.0.0.1:${port}` : place.url}`).join(',')
    const end = await runNode(['--pid', String(pid), '--peers', peers, '--port', String(port), '--data-dir', join(cluster.directory, 'impostor'), '--secret-file', secretOf(cluster), '--log-level', 'silent'], { env: TEST_ENV })
    rmSync(join(cluster.directory, 'impostor'), { recursive: true, force: true })
    const findings = end.code === 6 ? [] : [`the impostor ended with ${end.code ?? end.signal} instead of code 6: ${end.stderr}`]
    return cluster.stateOf(pid) === 'running' ? findings : [...findings, 'the node whose pid it took is gone']
  },
}
