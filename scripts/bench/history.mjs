// What much history costs: start to ready, catching up, and memory, with as many mailboxes on disk as asked for.
// Each store is written directly (make-store.ts), so that the figures do not wait for a million sends.

import { execFile } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { WebSocket } from 'ws'
import { wait } from '../lib/nodes.mjs'
import { CACHE, ROOT } from '../lib/paths.mjs'
import { createPeople, startCluster, thisMonth } from './cluster.mjs'
import { directoryBytes } from './load.mjs'
import { residentMiB, round } from './measure.mjs'

const run = promisify(execFile)
const MESSAGES = 10
const SETTLE_MS = 3_000
const LIMIT_MS = 300_000

const buildGenerator = async () => {
  const { buildProgram } = await import('../../esbuild.config.mjs')
  const outfile = join(CACHE, 'bench-make-store.mjs')
  mkdirSync(CACHE, { recursive: true })
  await buildProgram({ entry: join(ROOT, 'scripts/bench/make-store.ts'), outfile })
  return (place, mailboxes, before = 0) => run(process.execPath, ['--max-old-space-size=4096', outfile, place.dataDir, String(mailboxes), String(MESSAGES), String(before)])
}

const readDigest = async (place, pid) => {
  const cluster = await (await fetch(`${place.url}/api/cluster`)).json()
  return cluster.nodes.find((node) => node.pid === pid)?.digest
}

/** Starts one node beside the others; ms until it is ready, and until its root digest is that of node 0 as well. */
const startBeside = async (cluster, pid) => {
  const startedMs = performance.now()
  cluster.start(pid)
  await cluster.waitReady(pid, LIMIT_MS)
  const readyMs = performance.now() - startedMs
  for (;;) {
    const [own, other] = await Promise.all([readDigest(cluster.places[pid], pid), readDigest(cluster.places[0], 0)])
    if (own === other && own !== '') return { readyMs, equalMs: performance.now() - startedMs }
    if (performance.now() - startedMs > LIMIT_MS) throw new Error(`node ${pid} did not become equal`)
    await wait(20)
  }
}

/** Start, catch-up and memory with `mailboxes` mailboxes of ten messages each on every disk. */
export const measureHistory = async ({ mailboxes }) => {
  const makeStore = await buildGenerator()
  const cluster = await startCluster({})
  const memoryOf = async (pid) => {
    await wait(SETTLE_MS)
    return residentMiB(cluster.processIdOf(pid))
  }
  try {
    const emptyMiB = await memoryOf(1)
    await cluster.stop(2)
    const empty = await startBeside(cluster, 2)
    for (const { pid } of cluster.places) await cluster.stop(pid)
    for (const place of cluster.places) await makeStore(place, mailboxes)
    const diskBytes = directoryBytes(cluster.places[1].dataDir)
    for (const pid of [0, 1]) cluster.start(pid)
    for (const pid of [0, 1]) await cluster.waitReady(pid, LIMIT_MS)
    const inStep = await startBeside(cluster, 2)
    const unloadedMiB = await memoryOf(2)
    const alone = await measureStartAlone(cluster)
    for (const { pid } of cluster.places) await cluster.stop(pid)
    for (const pid of [0, 1]) await makeStore(cluster.places[pid], mailboxes, MESSAGES)
    for (const pid of [0, 1]) cluster.start(pid)
    for (const pid of [0, 1]) await cluster.waitReady(pid, LIMIT_MS)
    const behind = await startBeside(cluster, 2)
    await cluster.stop(2)
    rmSync(cluster.places[2].dataDir, { recursive: true })
    const fresh = await startBeside(cluster, 2)
    const perSecond = ({ equalMs }) => Math.round(mailboxes / (Math.max(1, equalMs - empty.equalMs) / 1000))
    return {
      mailboxes,
      emptyStartMs: Math.round(empty.readyMs), startMs: Math.round(inStep.readyMs), startAllMs: Math.round(alone),
      inStepPerSecond: perSecond(inStep), behindMs: Math.round(behind.equalMs), behindPerSecond: perSecond(behind), freshMs: Math.round(fresh.equalMs), freshPerSecond: perSecond(fresh),
      emptyMiB, unloadedMiB, kibPerDocument: round(((unloadedMiB - emptyMiB) * 1024) / mailboxes, 2), diskBytesPerMessage: round(diskBytes / (mailboxes * MESSAGES), 0),
    }
  } finally {
    await cluster.close()
  }
}

/** All nodes at once from a clean stop: ms until the last is ready. */
const measureStartAlone = async (cluster) => {
  for (const { pid } of cluster.places) await cluster.stop(pid)
  const startedMs = performance.now()
  for (const { pid } of cluster.places) cluster.start(pid)
  await Promise.all(cluster.places.map(({ pid }) => cluster.waitReady(pid, LIMIT_MS)))
  return performance.now() - startedMs
}

/** Memory of a node at rest, and what each attached and idle socket adds to it. */
export const measureIdle = async ({ sockets }) => {
  const cluster = await startCluster({})
  const open = []
  try {
    await wait(SETTLE_MS)
    const idleMiB = residentMiB(cluster.processIdOf(1))
    const people = await createPeople(cluster, Array.from({ length: Math.ceil(sockets / 10) }, (_, i) => `idle-${i}`))
    await wait(SETTLE_MS)
    const beforeMiB = residentMiB(cluster.processIdOf(1))
    for (let i = 0; i < sockets; i++) {
      const person = people[i % people.length]
      const socket = new WebSocket(`${cluster.places[1].url.replace('http', 'ws')}/sync/${person.id}/inbox/${thisMonth()}`, ['starling.v1', `starling.token.${person.token}`], { perMessageDeflate: false })
      open.push(socket)
      await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
    }
    await wait(SETTLE_MS)
    return { idleMiB, sockets, kibPerSocket: round(((residentMiB(cluster.processIdOf(1)) - beforeMiB) * 1024) / sockets, 1) }
  } finally {
    for (const socket of open) socket.terminate()
    await cluster.close()
  }
}
