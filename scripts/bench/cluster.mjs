// Three nodes with people on them, and the generator beside: what every figure is measured on.

import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createAccount } from '../demo/people.mjs'
import { createNodes, findFreePorts } from '../lib/nodes.mjs'
import { ROOT } from '../lib/paths.mjs'
import { startCpuMeter } from './measure.mjs'

/** Hashing this cheap is refused outside tests; how long hashing takes is a figure of its own. */
export const CHEAP_PASSWORDS = { STARLING_TEST: '1', STARLING_ARGON2: '8,1,1' }

/** Starts `count` nodes on a scratch directory and waits until all are ready. `profiles`: where each writes its CPU profile when it is stopped. */
export const startCluster = async ({ count = 3, env = CHEAP_PASSWORDS, flags = [], workDirectory = tmpdir(), profiles = null, peerUrl } = {}) => {
  const directory = mkdtempSync(join(workDirectory, 'starling-bench-'))
  const ports = await findFreePorts(count)
  const nodes = createNodes({
    program: join(ROOT, profiles === null ? 'dist/node.js' : 'scripts/bench/profiled-node.mjs'),
    directory,
    ports,
    peerUrl: peerUrl?.(ports),
    flags: ['--rate-limits', 'off', '--log-level', 'warn', ...flags],
    env: profiles === null ? env : { ...env, STARLING_BENCH_PROFILES: profiles },
  })
  for (const { pid } of nodes.places) nodes.start(pid)
  await Promise.all(nodes.places.map(({ pid }) => nodes.waitReady(pid)))
  const close = async () => {
    await nodes.close()
    rmSync(directory, { recursive: true, force: true })
  }
  const processIds = () => Object.fromEntries(nodes.places.map(({ pid }) => [`node ${pid}`, nodes.processIdOf(pid)]).filter(([, id]) => id !== undefined))
  return { ...nodes, directory, close, processIds }
}

/** Makes accounts, a few at a time, each through the next node. */
export const createPeople = async (cluster, names) => {
  const people = []
  for (let at = 0; at < names.length; at += 16) {
    people.push(...(await Promise.all(names.slice(at, at + 16).map((name, i) => createAccount({ places: cluster.places, home: at + i, name })))))
  }
  return people
}

export const thisMonth = () => new Date().toISOString().slice(0, 7)

/** A sender as the generator wants it. */
export const toSender = (place, person, to) => ({ url: place.url, account: person.id, token: person.token, name: person.name, to: { id: to.id, name: to.name } })
export const toReader = (place, person) => ({ url: place.url, account: person.id, token: person.token, month: thisMonth() })

/** Starts the generator's process. `run` gives it a job and resolves to its result, with the CPU seconds of `processIds` meanwhile. */
export const startGenerator = async () => {
  const child = fork(join(ROOT, 'scripts/bench/generator.mjs'), { execArgv: process.env.STARLING_BENCH_GENERATOR?.split(' ') ?? [] })
  const next = (...types) =>
    new Promise((resolve, reject) => {
      const onMessage = (message) => {
        if (message.type !== 'failed' && !types.includes(message.type)) return
        child.off('message', onMessage)
        if (message.type === 'failed') reject(new Error(message.text))
        else resolve(message)
      }
      child.on('message', onMessage)
      child.once('exit', () => reject(new Error('the load generator ended')))
    })
  child.setMaxListeners(0)
  await next('up')
  const run = async (job, processIds = {}) => {
    const finished = next('result')
    const measuring = next('measuring')
    const measured = next('measured')
    for (const promise of [measuring, measured]) promise.catch(() => {}) // `finished` tells
    child.send(job)
    await Promise.race([measuring, finished])
    const stop = startCpuMeter(processIds)
    await Promise.race([measured, finished])
    const cpu = stop()
    const { result } = await finished
    const messages = Math.max(1, result.latency.count)
    const perThousand = Object.fromEntries([...Object.entries(cpu), ['generator', result.cpuSeconds]].map(([name, seconds]) => [name, Math.round((seconds / messages) * 1e6) / 1e3]))
    return { ...result, cpuPerThousand: perThousand }
  }
  return { run, processId: child.pid, close: () => child.disconnect() }
}
