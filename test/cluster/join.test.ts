// A fourth machine joins a running cluster, keeps what it fetched, and finds the others again by itself; and two join at once.
// deadline: 150 s

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Cluster, call, findFreePorts, newMessageId, startCluster } from '../support/cluster.ts'
import { type Joiner, startJoiner } from '../support/joiner.ts'

const test = suite<{ cluster: Cluster; fourth: Joiner | null; joiners: Joiner[] }>('join')

test.before(async (context) => {
  context.cluster = await startCluster()
  context.fourth = null
  context.joiners = []
})

test.after(async ({ cluster, fourth, joiners }) => {
  await Promise.all([fourth, ...joiners].map((joiner) => joiner?.kill()))
  await cluster.close()
})

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
  context.fourth = startJoiner(cluster, 'fourth', port, cluster.at(1).url)
  await cluster.waitCluster(0, isFourthReady, 60_000)
  assert.equal((await send(cluster.at(2))).body.storedOn, [0, 1, 2, 3])
  const inbox = await call(fourth, 'GET', '/api/inbox', { token: ana.token })
  assert.equal(inbox.body, { unopened: 2 })

  await context.fourth.kill()
  await cluster.waitCluster(0, (state) => state.nodes.find(({ pid }: { pid: number }) => pid === 3)?.status === 'down', 30_000)
  assert.equal((await send(cluster.at(0))).body.storedOn, [0, 1, 2])
  // The address it once joined by is gone; what it knows of the members is in its own data.
  context.fourth = startJoiner(cluster, 'fourth', port, 'http://127.0.0.1:9')
  await cluster.waitCluster(0, isFourthReady, 60_000)
  assert.equal((await send(fourth)).body.storedOn, [0, 1, 2, 3])
})

test('[REP7] two nodes that join in the same second without --pid both become members, and return under the pids they were granted', async (context) => {
  const { cluster } = context
  const ports = await findFreePorts(2)
  const places = ports.map((port, at) => ({ url: `http://127.0.0.1:${port}`, port, name: `joiner-${at}`, through: cluster.at(at + 1).url }))
  context.joiners = places.map(({ port, name, through }) => startJoiner(cluster, name, port, through))
  const isWhole = (state: { nodes: { status: string; digest: string | null }[] }): boolean =>
    state.nodes.length === 6 && state.nodes.every(({ status, digest }) => status === 'ready' && digest === state.nodes[0]?.digest)
  const pidsOf = (state: { nodes: { pid: number; url: string }[] }): (number | undefined)[] => places.map(({ url }) => state.nodes.find((row) => row.url === url)?.pid)
  const pids = pidsOf(await cluster.waitCluster(0, isWhole, 60_000))
  assert.equal([...pids].sort(), [4, 5])

  // One dies; it need not be told its pid, and nobody else gets it.
  const [place] = places
  await context.joiners[0]?.kill()
  if (place !== undefined) context.joiners[0] = startJoiner(cluster, place.name, place.port, place.through)
  await context.joiners[0]?.untilReady()
  assert.equal(pidsOf(await cluster.waitCluster(0, isWhole, 60_000)), pids)
})

test('[REP7] a node that dies between the grant and its first write gets the same pid on its directory', async (context) => {
  const { cluster } = context
  await Promise.all(context.joiners.map((joiner) => joiner.kill()))
  const [port = 0] = await findFreePorts(1)
  const url = `http://127.0.0.1:${port}`
  const pidOfIt = (state: { nodes: { pid: number; url: string }[] }): number | undefined => state.nodes.find((row) => row.url === url)?.pid
  // It is a member from the grant on, and has not begun to write when the others hear so: killed at once, it may have written or not.
  const unlucky = startJoiner(cluster, 'unlucky', port, cluster.at(0).url)
  context.joiners.push(unlucky)
  const granted = pidOfIt(await cluster.waitCluster(0, (state) => pidOfIt(state) !== undefined, 60_000))
  await unlucky.kill()
  const again = startJoiner(cluster, 'unlucky', port, cluster.at(2).url)
  context.joiners.push(again)
  await again.untilReady()
  const state = await cluster.waitCluster(0, (seen) => seen.nodes.find((row: { url: string }) => row.url === url)?.status === 'ready', 60_000)
  assert.equal([pidOfIt(state), state.nodes.length], [granted, 7])
})

test('[REP7] a node that nobody answers ends and says so', async ({ cluster }) => {
  const [port = 0] = await findFreePorts(1)
  const child = spawn(process.execPath, [join(process.env['STARLING_ROOT'] ?? process.cwd(), 'dist/node.js'), '--join', 'http://127.0.0.1:9', '--port', String(port), '--data-dir', join(cluster.directory, 'nobody'), '--secret-file', join(cluster.directory, 'cluster.secret')])
  let said = ''
  child.stderr.on('data', (text: Buffer) => { said += text.toString() })
  const code = await Promise.race([new Promise((resolve) => child.once('close', resolve)), new Promise((resolve) => setTimeout(resolve, 30_000, 'still running').unref())])
  child.kill('SIGKILL')
  assert.is(code, 6)
  assert.match(said, /Nobody answers at http:\/\/127\.0\.0\.1:9/)
})

test.run()
