// A fourth machine joins a running cluster, keeps what it fetched, and finds the others again by itself; and two join at once.
// deadline: 150 s

import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Cluster, call, findFreePorts, newMessageId, startCluster, wait } from '../support/cluster.ts'

const test = suite<{ cluster: Cluster; fourth: ChildProcess | null; joiners: ChildProcess[] }>('join')

test.before(async (context) => {
  context.cluster = await startCluster()
  context.fourth = null
  context.joiners = []
})

test.after(async ({ cluster, fourth, joiners }) => {
  for (const child of [fourth, ...joiners]) child?.kill('SIGKILL')
  await cluster.close()
})

const start = (cluster: Cluster, port: number, flags: readonly string[], name = 'fourth'): ChildProcess =>
  spawn(
    process.execPath,
    [
      join(process.env['STARLING_ROOT'] ?? process.cwd(), 'dist/node.js'), '--host', '127.0.0.1', '--port', String(port), '--rate-limits', 'off', '--log-format', 'json',
      '--data-dir', join(cluster.directory, name), '--secret-file', join(cluster.directory, 'cluster.secret'), ...flags
    ],
    { stdio: 'ignore' }
  )

const isFourthReady = (state: { nodes: { pid: number; status: string; digest: string | null }[] }): boolean =>
  state.nodes.length === 4 && state.nodes.every(({ status, digest }) => status === 'ready' && digest === state.nodes[0]?.digest)

test('[REP7] a new node with --join fetches everything, becomes a member and a copy, and dies and returns like the others', async (context) => {
  const { cluster } = context
  const ana = await cluster.createPerson(0, 'ana')
  const send = async (node: { url: string }): Promise<{ status: number; body: { storedOn: number[] } }> =>
    await call(node, 'POST', '/api/messages', { token: ana.token, body: { id: newMessageId(), to: ['ana'], text: 'to all four' }, timeoutMs: 10_000 })
  assert.equal((await send(cluster.at(0))).body.storedOn, [0, 1, 2])
  const [port = 0] = await findFreePorts(1)
  const fourth = { url: `http://127.0.0.1:${port}` }
  context.fourth = start(cluster, port, ['--join', cluster.at(1).url])
  await cluster.waitCluster(0, isFourthReady, 60_000)
  assert.equal((await send(cluster.at(2))).body.storedOn, [0, 1, 2, 3])
  const inbox = await call(fourth, 'GET', '/api/inbox', { token: ana.token })
  assert.equal(inbox.body, { unopened: 2 })

  const ended = new Promise((resolve) => context.fourth?.once('exit', resolve))
  context.fourth.kill('SIGKILL')
  await ended
  await cluster.waitCluster(0, (state) => state.nodes.find(({ pid }: { pid: number }) => pid === 3)?.status === 'down', 30_000)
  assert.equal((await send(cluster.at(0))).body.storedOn, [0, 1, 2])
  // The address it once joined by is gone; what it knows of the members is in its own data.
  context.fourth = start(cluster, port, ['--join', 'http://127.0.0.1:9'])
  await cluster.waitCluster(0, isFourthReady, 60_000)
  assert.equal((await send(fourth)).body.storedOn, [0, 1, 2, 3])
})

test('[REP7] two nodes that join in the same second without --pid both become members, and return under the pids they were granted', async (context) => {
  const { cluster } = context
  const ports = await findFreePorts(2)
  const places = ports.map((port, at) => ({ url: `http://127.0.0.1:${port}`, port, name: `joiner-${at}`, through: cluster.at(at + 1).url }))
  context.joiners = places.map(({ port, name, through }) => start(cluster, port, ['--join', through], name))
  const isWhole = (state: { nodes: { status: string; digest: string | null }[] }): boolean =>
    state.nodes.length === 6 && state.nodes.every(({ status, digest }) => status === 'ready' && digest === state.nodes[0]?.digest)
  const pidsOf = (state: { nodes: { pid: number; url: string }[] }): (number | undefined)[] => places.map(({ url }) => state.nodes.find((row) => row.url === url)?.pid)
  const pids = pidsOf(await cluster.waitCluster(0, isWhole, 60_000))
  assert.equal([...pids].sort(), [4, 5])

  // One dies; it need not be told its pid, and nobody else gets it.
  const [first] = context.joiners
  const ended = new Promise((resolve) => first?.once('exit', resolve))
  first?.kill('SIGKILL')
  await ended
  const [place] = places
  if (place !== undefined) context.joiners[0] = start(cluster, place.port, ['--join', place.through], place.name)
  await cluster.waitCluster(0, (state) => state.nodes.some(({ pid, status }: { pid: number; status: string }) => pid === pids[0] && status !== 'ready') || isWhole(state), 30_000)
  assert.equal(pidsOf(await cluster.waitCluster(0, isWhole, 60_000)), pids)
})

test('[REP7] a node that dies between the grant and its first write gets the same pid on its directory', async (context) => {
  const { cluster } = context
  for (const joiner of context.joiners) joiner.kill('SIGKILL')
  const [port = 0] = await findFreePorts(1)
  const url = `http://127.0.0.1:${port}`
  const pidOfIt = (state: { nodes: { pid: number; url: string }[] }): number | undefined => state.nodes.find((row) => row.url === url)?.pid
  // It is a member from the grant on, and has not begun to write when the others hear so: killed at once, it may have written or not.
  const child = start(cluster, port, ['--join', cluster.at(0).url], 'unlucky')
  context.joiners.push(child)
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const granted = pidOfIt(await cluster.waitCluster(0, (state) => pidOfIt(state) !== undefined, 60_000))
  child.kill('SIGKILL')
  await ended
  context.joiners.push(start(cluster, port, ['--join', cluster.at(2).url], 'unlucky'))
  const state = await cluster.waitCluster(0, (seen) => seen.nodes.find((row: { url: string }) => row.url === url)?.status === 'ready', 60_000)
  assert.equal([pidOfIt(state), state.nodes.length], [granted, 7])
})

test('[REP7] a node that nobody answers ends and says so', async ({ cluster }) => {
  const [port = 0] = await findFreePorts(1)
  const child = spawn(process.execPath, [join(process.env['STARLING_ROOT'] ?? process.cwd(), 'dist/node.js'), '--join', 'http://127.0.0.1:9', '--port', String(port), '--data-dir', join(cluster.directory, 'nobody'), '--secret-file', join(cluster.directory, 'cluster.secret')])
  let said = ''
  child.stderr.on('data', (text: Buffer) => { said += text.toString() })
  const code = await Promise.race([new Promise((resolve) => child.once('close', resolve)), wait(30_000).then(() => 'still running')])
  child.kill('SIGKILL')
  assert.is(code, 6)
  assert.match(said, /Nobody answers at http:\/\/127\.0\.0\.1:9/)
})

test.run()
