// A fourth machine joins a running cluster, keeps what it fetched, and finds the others again by itself.
// deadline: 150 s

import { type ChildProcess, spawn } from 'node:child_process'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Cluster, call, findFreePorts, newMessageId, startCluster, wait } from '../support/cluster.ts'

const test = suite<{ cluster: Cluster; fourth: ChildProcess | null }>('join')

test.before(async (context) => {
  context.cluster = await startCluster()
  context.fourth = null
})

test.after(async ({ cluster, fourth }) => {
  fourth?.kill('SIGKILL')
  await cluster.close()
})

const start = (cluster: Cluster, port: number, flags: readonly string[]): ChildProcess =>
  spawn(
    process.execPath,
    [
      join(process.env['STARLING_ROOT'] ?? process.cwd(), 'dist/node.js'), '--host', '127.0.0.1', '--port', String(port), '--rate-limits', 'off', '--log-format', 'json',
      '--data-dir', join(cluster.directory, 'fourth'), '--secret-file', join(cluster.directory, 'cluster.secret'), ...flags
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
  context.fourth = start(cluster, port, ['--pid', '3', '--join', 'http://127.0.0.1:9'])
  await cluster.waitCluster(0, isFourthReady, 60_000)
  assert.equal((await send(fourth)).body.storedOn, [0, 1, 2, 3])
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
