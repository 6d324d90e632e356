// Starts, kills, stops, freezes and restarts real nodes as child processes on loopback ports; used by the demo and,
// through test/support/cluster.ts, by the tests. Knows the command line of a node (DESIGN 12), nothing of what it does.
// Every child is killed by its own process id when this process ends, however it ends (but for SIGKILL).

import { spawn } from 'node:child_process'
import { randomInt } from 'node:crypto'
import { closeSync, existsSync, mkdirSync, openSync, readFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'

/**
 * @typedef {'stopped' | 'running' | 'frozen'} NodeState
 * @typedef {{ pid: number, port: number, url: string, dataDir: string, logFile: string, isJoining?: boolean }} NodePlace
 * @typedef {{ code: number | null, signal: string | null }} NodeEnd
 */

/** @returns {Promise<boolean>} whether nobody listens on this loopback port */
export const isPortFree = (/** @type {number} */ port) =>
  new Promise((resolve) => {
    const server = createServer()
    server.once('error', () => resolve(false))
    server.listen(port, '127.0.0.1', () => server.close(() => resolve(true)))
  })

/** Below what systems hand out to outgoing connections and to listeners on port 0, which would take a port found free before its node has it. */
const PORT_MIN = 10_000
const PORT_MAX = 32_000

/** @returns {Promise<number[]>} this many distinct random free loopback ports */
export const findFreePorts = async (/** @type {number} */ count) => {
  /** @type {Set<number>} */
  const ports = new Set()
  while (ports.size < count) {
    const port = randomInt(PORT_MIN, PORT_MAX)
    if (await isPortFree(port)) ports.add(port)
  }
  return [...ports]
}

/** Waits; the one sleep that scripts and process tests share. @returns {Promise<void>} */
export const wait = (/** @type {number} */ ms) => new Promise((resolve) => setTimeout(resolve, ms))

/** Sends a signal and takes "no such process" for an answer. */
const signal = (/** @type {import('node:child_process').ChildProcess} */ child, /** @type {NodeJS.Signals} */ name) => {
  if (child.exitCode === null && child.signalCode === null) child.kill(name)
}

/**
 * The processes of one cluster; none runs yet.
 *
 * @param {object} options
 * @param {string} options.program      path of the node's program, dist/node.js
 * @param {string} options.directory    holds node-N (data), node-N.log and cluster.secret
 * @param {number[]} options.ports      one per node; the index is the pid
 * @param {string[]} [options.flags]    further flags for every node
 * @param {Record<string, string>} [options.env]
 * @param {boolean} [options.detached]  a process group of their own, so that Ctrl-C reaches only the supervisor
 * @param {(from: number, to: number) => string | undefined} [options.peerUrl]  address under which `from` dials `to`
 * @param {(pid: number, end: NodeEnd) => void} [options.onUnexpectedEnd]
 */
export const createNodes = ({ program, directory, ports, flags = [], env = {}, detached = false, peerUrl, onUnexpectedEnd }) => {
  mkdirSync(directory, { recursive: true })
  /** @returns {NodePlace} */
  const placeAt = (/** @type {number} */ port, /** @type {number} */ pid) => ({
    pid,
    port,
    url: `http://127.0.0.1:${port}`,
    dataDir: join(directory, `node-${pid}`),
    logFile: join(directory, `node-${pid}.log`),
  })
  const places = ports.map(placeAt)
  /** @type {Map<number, import('node:child_process').ChildProcess>} */
  const children = new Map()
  /** @type {Map<number, NodeEnd>} */
  const ends = new Map()
  const frozen = new Set()
  const expected = new Set()

  const placeOf = (/** @type {number} */ pid) => {
    const place = places[pid]
    if (place === undefined) throw new Error(`there is no node ${pid}`)
    return place
  }

  /** How a node finds the others: it is told all that were there from the start, or asks one that runs to be let in. */
  const companyOf = (/** @type {NodePlace} */ { pid, isJoining = false }) => {
    const others = places.filter((peer) => peer.pid !== pid)
    if (isJoining) return ['--join', (others.find((peer) => stateOf(peer.pid) === 'running') ?? placeOf(0)).url]
    const first = places.filter((peer) => peer.isJoining !== true)
    return ['--peers', first.map((peer) => `${peer.pid}=${peer.pid === pid ? peer.url : (peerUrl?.(pid, peer.pid) ?? peer.url)}`).join(',')]
  }

  /** A place for one node more, which joins those that run; start it by its pid. @returns {number} */
  const addPlace = (/** @type {number} */ port) => {
    const place = { ...placeAt(port, places.length), isJoining: true }
    places.push(place)
    return place.pid
  }

  const argumentsOf = (/** @type {number} */ pid, /** @type {string[]} */ extra) => {
    const place = placeOf(pid)
    return [
      program,
      ...['--pid', String(pid), ...companyOf(place), '--host', '127.0.0.1', '--port', String(place.port)],
      ...['--data-dir', place.dataDir, '--secret-file', join(directory, 'cluster.secret'), '--log-format', 'json'],
      ...flags,
      ...extra,
    ]
  }

  /** Starts a node; throws if it runs already. Does not wait until it is ready. */
  const start = (/** @type {number} */ pid, /** @type {string[]} */ extra = []) => {
    const place = placeOf(pid)
    if (children.has(pid)) throw new Error(`node ${pid} runs already`)
    const log = openSync(place.logFile, 'a')
    const child = spawn(process.execPath, argumentsOf(pid, extra), { env: { ...process.env, ...env }, stdio: ['ignore', log, log], detached })
    closeSync(log)
    children.set(pid, child)
    ends.delete(pid)
    expected.delete(pid)
    const onEnd = (/** @type {NodeEnd} */ end) => {
      if (children.get(pid) !== child) return
      children.delete(pid)
      frozen.delete(pid)
      ends.set(pid, end)
      if (!expected.has(pid)) onUnexpectedEnd?.(pid, end)
    }
    child.on('exit', (code, name) => onEnd({ code, signal: name }))
    child.on('error', () => onEnd({ code: null, signal: null }))
  }

  /** @returns {Promise<NodeEnd>} how the node ended; at once if it does not run. Rejects after `limitMs`. */
  const ended = async (/** @type {number} */ pid, limitMs = 15_000) => {
    const deadline = Date.now() + limitMs
    while (children.has(pid)) {
      if (Date.now() > deadline) throw new Error(`node ${pid} still runs after ${limitMs} ms\n${logTail(pid)}`)
      await wait(5)
    }
    return ends.get(pid) ?? { code: null, signal: null }
  }

  const send = (/** @type {number} */ pid, /** @type {NodeJS.Signals} */ name) => {
    const child = children.get(pid)
    if (child !== undefined) signal(child, name)
    return child !== undefined
  }

  /** kill -9: returns when the process is gone. */
  const kill = (/** @type {number} */ pid) => {
    expected.add(pid)
    send(pid, 'SIGKILL')
    return ended(pid)
  }
  /** SIGTERM: returns when the node has drained and gone. A frozen one is thawed first, or it would never hear. */
  const stop = (/** @type {number} */ pid) => {
    expected.add(pid)
    if (frozen.has(pid)) thaw(pid)
    send(pid, 'SIGTERM')
    return ended(pid)
  }
  const freeze = (/** @type {number} */ pid) => {
    if (send(pid, 'SIGSTOP')) frozen.add(pid)
  }
  const thaw = (/** @type {number} */ pid) => {
    if (send(pid, 'SIGCONT')) frozen.delete(pid)
  }
  const restart = async (/** @type {number} */ pid) => {
    await stop(pid)
    start(pid)
  }

  /** @returns {NodeState} */
  const stateOf = (/** @type {number} */ pid) => (frozen.has(pid) ? 'frozen' : children.has(pid) ? 'running' : 'stopped')

  /** The last lines the node logged, for the text of a failure. */
  const logTail = (/** @type {number} */ pid, lines = 25) => {
    const { logFile } = placeOf(pid)
    if (!existsSync(logFile)) return `(node ${pid} logged nothing)`
    return readFileSync(logFile, 'utf8').trimEnd().split('\n').slice(-lines).join('\n')
  }

  /** Resolves when /readyz answers 200; rejects with the log's end if the node ends or `limitMs` passes. */
  const waitReady = async (/** @type {number} */ pid, limitMs = 30_000) => {
    const deadline = Date.now() + limitMs
    let last = 'no answer'
    while (Date.now() < deadline) {
      if (!children.has(pid)) {
        const end = ends.get(pid)
        throw new Error(`node ${pid} ended (${end?.signal ?? `exit code ${end?.code}`}) before it was ready:\n${logTail(pid)}`)
      }
      try {
        const response = await fetch(`${placeOf(pid).url}/readyz`, { signal: AbortSignal.timeout(1000) })
        const text = await response.text()
        if (response.status === 200) return
        last = `${response.status} ${text.slice(0, 300)}`
      } catch (error) {
        last = String(/** @type {any} */ (error)?.cause?.code ?? error)
      }
      await wait(25)
    }
    throw new Error(`node ${pid} was not ready within ${limitMs} ms; /readyz: ${last}\n${logTail(pid)}`)
  }

  const killAll = () => {
    for (const child of children.values()) signal(child, 'SIGKILL')
  }
  process.on('exit', killAll)

  /** Kills whatever runs and waits for it. */
  const close = async () => {
    await Promise.all(places.map(({ pid }) => kill(pid)))
    process.off('exit', killAll)
  }

  return { places, addPlace, start, kill, stop, freeze, thaw, restart, ended, stateOf, waitReady, logTail, argumentsOf, killAll, close, processIdOf: (/** @type {number} */ pid) => children.get(pid)?.pid }
}
