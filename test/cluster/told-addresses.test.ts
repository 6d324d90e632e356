// What clients are told of nodes: the address that each goes by, not the one by which its peers reach it. Here they
// differ, as behind a proxy: every directed link has an address of its own.
// deadline: 90 s

import WebSocket from 'ws'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Cluster, call, startCluster } from '../support/cluster.ts'

const test = suite<{ cluster: Cluster }>('told addresses')

test.before(async (context) => {
  context.cluster = await startCluster({ proxied: true })
})

test.after(({ cluster }) => cluster.close())

/** What the upgrade of a page that was served by `origin` comes to. */
const upgradeFrom = (origin: string, url: string): Promise<'open' | number> =>
  new Promise((resolve) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/sync/x`, ['starling.v1'], { origin })
    socket.on('open', () => (socket.terminate(), resolve('open')))
    socket.on('unexpected-response', (_request, response) => resolve(response.statusCode ?? 0))
    socket.on('error', () => {})
  })

test('[SYN2] a node that is down is told by the address it goes by, and its pages are let in by the others', async ({ cluster }) => {
  const told = cluster.places.map(({ url }) => url)
  const urlsAt = async (pid: number): Promise<string[]> => (await call(cluster.at(pid), 'GET', '/api/cluster')).body.nodes.map(({ url }: { url: string }) => url)
  assert.equal(await urlsAt(1), told)
  await cluster.kill(0)
  await cluster.waitCluster(1, (state) => state.nodes[0].status === 'down')
  assert.equal(await urlsAt(1), told)
  // Also by a node that has never heard it in this run.
  await cluster.stop(1)
  await cluster.revive(1)
  assert.equal(await urlsAt(1), told)
  assert.is(await upgradeFrom(cluster.at(0).url, cluster.at(1).url), 'open')
  assert.is(await upgradeFrom('http://stranger.example', cluster.at(1).url), 403)
})

test.run()
