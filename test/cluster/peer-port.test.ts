// Links between nodes on a port of their own, that a firewall may close to everybody else.
// deadline: 120 s

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type ChildProcess, spawn } from 'node:child_process'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import WebSocket from 'ws'
import { until } from '../support/asking.ts'
import { call, findFreePorts } from '../support/cluster.ts'

const test = suite<{ children: ChildProcess[]; directory: string }>('peer port')

test.before((context) => {
  context.children = []
  context.directory = mkdtempSync(join(tmpdir(), 'starling-peer-port-'))
})

test.after(({ children, directory }) => {
  for (const child of children) child.kill('SIGKILL')
  rmSync(directory, { recursive: true, force: true })
})

/** Resolves to the HTTP status that an upgrade on this address gets. */
const upgradeStatus = (url: string): Promise<number> =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(url)
    socket.on('open', () => {
      socket.terminate()
      resolve(101)
    })
    socket.on('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0))
    socket.on('error', (error) => /Unexpected server response|closed before/.test(error.message) || reject(error))
  })

test('with --peer-port nodes meet there, clients on --port, and neither is served on the other', async ({ children, directory }) => {
  const [port = 0, peerPort = 0] = await findFreePorts(2)
  const hosts = ['127.0.0.1', '127.0.0.2'] // one number on both, so they need addresses of their own
  const peers = hosts.map((host, pid) => `${pid}=http://${host}:${port}`).join()
  for (const [pid, host] of hosts.entries()) {
    const flags = ['--pid', String(pid), '--peers', peers, '--host', host, '--peer-port', String(peerPort), '--data-dir', join(directory, `node-${pid}`), '--secret-file', join(directory, 'cluster.secret')]
    children.push(spawn(process.execPath, [join(process.env['STARLING_ROOT'] ?? process.cwd(), 'dist/node.js'), ...flags], { stdio: 'ignore' }))
  }
  const first = { url: `http://127.0.0.1:${port}` }
  await until('both nodes ready', async () => {
    const { status, body } = await call(first, 'GET', '/api/cluster', { timeoutMs: 1000 })
    return status === 200 && body.nodes.length === 2 && body.nodes.every((node: { status: string }) => node.status === 'ready')
  }, 60_000)

  assert.is(await upgradeStatus(`ws://127.0.0.1:${peerPort}/peer`), 101)
  assert.is(await upgradeStatus(`ws://127.0.0.1:${port}/peer`), 404)
  assert.is(await upgradeStatus(`ws://127.0.0.1:${peerPort}/sync/x`), 404)
  assert.is(await upgradeStatus(`ws://127.0.0.1:${port}/sync/x`), 101)
  assert.is((await call({ url: `http://127.0.0.1:${peerPort}` }, 'GET', '/api/cluster')).status, 404)
})

test.run()
