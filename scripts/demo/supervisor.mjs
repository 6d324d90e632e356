// Three nodes for a person to play with: starts them, says where they are, stops them on Ctrl-C. Their data stays.

import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startLinks } from '../lib/link-proxy.mjs'
import { createNodes, isPortFree } from '../lib/nodes.mjs'
import { Refusal, say } from '../lib/paths.mjs'
import { startControl } from './control.mjs'
import { playSixOnDemo } from './six.mjs'

const FIRST_PORT = 4000
const PORTS_TRIED_MAX = 200
const NODE_COUNT = 3

/** Runs the demo until Ctrl-C; resolves to the exit code. */
export const supervise = async ({ program, directory, isBrowserWanted }) => {
  mkdirSync(directory, { recursive: true })
  const lock = takeLock(join(directory, 'demo.json'))
  const nodeCount = countNodes(directory)
  const ports = await choosePorts(nodeCount)
  const control = await startControl()
  // Links that can be cut; those of nodes added later go direct.
  const links = await startLinks(ports.slice(0, NODE_COUNT))
  // The nodes get process groups of their own: Ctrl-C must reach them once, through us, not twice.
  const nodes = createNodes({
    program,
    directory,
    ports: ports.slice(0, NODE_COUNT),
    peerUrl: links.peerUrl,
    detached: true,
    env: { STARLING_DEMO_CONTROL: control.origin },
    onUnexpectedEnd: (pid, end) => {
      say(`node ${pid} ended by itself (${end.signal ?? `exit code ${end.code}`}); the end of its log:\n${nodes.logTail(pid, 8)}`)
      lock.write(nodes)
    },
  })
  for (const port of ports.slice(NODE_COUNT)) nodes.addPlace(port)
  const addNode = async () => {
    const [port] = await choosePorts(1, Math.max(...nodes.places.map((place) => place.port)) + 1)
    nodes.start(nodes.addPlace(port))
  }
  const playSix = (tell) => playSixOnDemo({ nodes, ...tell })
  control.attach({ nodes, links, addNode, playSix, onChange: () => lock.write(nodes) })

  let finish
  const finished = new Promise((resolve) => {
    finish = resolve
  })
  let isStopping = false
  const stop = async () => {
    if (isStopping) {
      say('Killed. What was acknowledged is on disk.')
      nodes.killAll()
      process.exit(130)
    }
    isStopping = true
    say('\nStopping all nodes …')
    const ends = await Promise.allSettled(nodes.places.map(({ pid }) => nodes.stop(pid)))
    const failed = ends.filter(({ status }) => status === 'rejected')
    for (const { reason } of failed) say(reason.message)
    await nodes.close()
    links.close()
    control.close()
    lock.release()
    if (failed.length === 0) say('Stopped. The data is kept; npm run demo goes on with it.')
    finish(failed.length === 0 ? 0 : 1)
  }
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, stop)

  const started = Date.now()
  for (const { pid } of nodes.places) nodes.start(pid)
  lock.write(nodes)
  try {
    await Promise.all(nodes.places.map(({ pid }) => nodes.waitReady(pid, 60_000)))
  } catch (error) {
    if (isStopping) return finished
    await nodes.close()
    links.close()
    control.close()
    lock.release()
    throw new Refusal(`${error.message}\nThe demo could not start; the end of the node's log is above.`)
  }
  const page = `${nodes.places[0].url}/#demo=${control.port}.${control.token}`
  console.log(describe({ nodes, directory, page, ms: Date.now() - started }))
  if (isBrowserWanted) openBrowser(page)
  return finished
}

const describe = ({ nodes: { places, processIdOf }, directory, page, ms }) => `
Starling runs: ${places.length === NODE_COUNT ? 'three' : places.length} nodes, ready in ${ms} ms.

${places.map(({ pid, url }) => `  node ${pid}   ${url}   (process ${processIdOf(pid)})`).join('\n')}
  data     ${directory}   (kept between runs; logs beside it)
  page     ${page}   (with kill and restart buttons on its Cluster page)

Three things to try:
  1. Create an account at node 0, a second one at ${places[1].url}, and write to each other.
  2. Kill the node your page is attached to, on the Cluster page or with  kill -9 PROCESS , while you type. Then a second one.
  3. npm run demo -- --script six   kills two of three in all six orders, under load, and counts what is left.

Ctrl-C stops all ${places.length === NODE_COUNT ? 'three' : places.length} and loses nothing.
`

/** Three, or as many as an earlier demo had when it ended: a node that was added is a member for good. */
const countNodes = (directory) => {
  let count = NODE_COUNT
  while (existsSync(join(directory, `node-${count}`))) count++
  return count
}

/** Ports from `first` (4000) on, or for each that is taken the next free one, and says so. */
const choosePorts = async (count, first = FIRST_PORT) => {
  const ports = []
  for (let port = first; ports.length < count && port < first + PORTS_TRIED_MAX; port++) {
    if (await isPortFree(port)) ports.push(port)
    else say(`Port ${port} is in use; taking the next free one.`)
  }
  if (ports.length < count) throw new Refusal(`No ${count} free ports between ${first} and ${first + PORTS_TRIED_MAX}. Stop what uses them and try again.`)
  return ports
}

/** Opens the system's browser if there is a display; a missing one is no failure, the URL is printed anyway. */
const openBrowser = (url) => {
  const hasDisplay = process.platform !== 'linux' || process.env.DISPLAY || process.env.WAYLAND_DISPLAY
  if (!hasDisplay) return
  const [command, ...args] = { darwin: ['open'], win32: ['cmd', '/c', 'start', ''] }[process.platform] ?? ['xdg-open']
  const child = spawn(command, [...args, url], { stdio: 'ignore', detached: true })
  child.on('error', () => say(`No browser could be opened (${command} is missing). Open the page above by hand.`))
  child.unref()
}

/** One demo at a time on this data; remembers the processes, so that those of a killed supervisor can be named. */
const takeLock = (path) => {
  if (existsSync(path)) {
    const { supervisor, nodes } = readLock(path)
    if (isAlive(supervisor)) throw new Refusal(`A demo runs here already (process ${supervisor}). Stop it with Ctrl-C in its terminal, or: kill ${supervisor}`, 3)
    const left = nodes.filter(isAlive)
    if (left.length > 0) throw new Refusal(`Nodes of an earlier demo that was killed still run. Stop them with: kill ${left.join(' ')}`, 4)
  }
  const write = (nodes) => writeFileSync(path, JSON.stringify({ supervisor: process.pid, nodes: nodes.places.map(({ pid }) => nodes.processIdOf(pid)).filter((id) => id !== undefined) }))
  const release = () => rmSync(path, { force: true })
  writeFileSync(path, JSON.stringify({ supervisor: process.pid, nodes: [] }))
  return { write, release }
}

const readLock = (path) => {
  try {
    const { supervisor, nodes } = JSON.parse(readFileSync(path, 'utf8'))
    return { supervisor, nodes: Array.isArray(nodes) ? nodes : [] }
  } catch {
    return { supervisor: undefined, nodes: [] } // cut off while it was written: nothing to learn from it
  }
}

const isAlive = (processId) => {
  if (!Number.isInteger(processId) || processId <= 1) return false
  try {
    process.kill(processId, 0)
    return true
  } catch (error) {
    return error.code === 'EPERM'
  }
}
