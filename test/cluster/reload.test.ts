// SIGHUP on running nodes: a renewed certificate, a new secret for the whole cluster without a stop.
// deadline: 200 s

import { appendFileSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { connect } from 'node:tls'
import { generate } from 'selfsigned'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TEST_ENV, mustAsk, print, runNode, until } from '../support/asking.ts'
import { type Cluster, findFreePorts, startCluster } from '../support/cluster.ts'
import { countEvents } from '../support/cluster-unit.ts'
import { createNodes } from '../../scripts/lib/nodes.mjs'
import { startWorkload } from '../support/workload.ts'
import { checkWorkloads } from '../support/workload-checks.ts'

const reloading = suite<{ cluster: Cluster }>('SIGHUP')

reloading.before(async (context) => {
  context.cluster = await startCluster({ env: TEST_ENV })
})
reloading.after(({ cluster }) => cluster.close())

const hangUp = (cluster: Pick<Cluster, 'processIdOf'>, pid: number): void => {
  const id = cluster.processIdOf(pid)
  if (id === undefined) throw new Error(`node ${pid} does not run`)
  process.kill(id, 'SIGHUP')
}

const writeCertificate = async (directory: string, name: string): Promise<void> => {
  const made = await generate([{ name: 'commonName', value: name }], { keyType: 'ec', algorithm: 'sha256' })
  writeFileSync(join(directory, 'key.pem'), made.private)
  writeFileSync(join(directory, 'cert.pem'), made.cert)
}

/** The name in the certificate that a new connection is shown. */
const nameShown = (port: number): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect({ port, host: '127.0.0.1', rejectUnauthorized: false }, () => {
      resolve(String(socket.getPeerCertificate().subject.CN))
      socket.destroy()
    })
    socket.on('error', reject)
  })

reloading('a renewed certificate is shown to new connections; one that cannot be used changes nothing', async ({ cluster }) => {
  const { directory } = cluster
  await writeCertificate(directory, 'first.example')
  const [port = 0] = await findFreePorts(1)
  const nodes = createNodes({ program: join(process.env['STARLING_ROOT'] ?? process.cwd(), 'dist/node.js'), directory: join(directory, 'tls'), ports: [port], env: TEST_ENV, flags: ['--bootstrap', '--tls-cert', join(directory, 'cert.pem'), '--tls-key', join(directory, 'key.pem'), '--url', `https://127.0.0.1:${port}`, '--peers', `0=https://127.0.0.1:${port}`] })
  try {
    nodes.start(0)
    await until('it listens', () => nameShown(port).then((name) => name === 'first.example', () => false))
    await writeCertificate(directory, 'second.example')
    hangUp(nodes, 0)
    await until('the new certificate is shown', () => nameShown(port).then((name) => name === 'second.example', () => false))
    writeFileSync(join(directory, 'cert.pem'), 'not a certificate')
    hangUp(nodes, 0)
    await until('it says that it cannot', () => nodes.logTail(0, 100).includes('"event":"reload-failed"'))
    assert.is(await nameShown(port), 'second.example')
    assert.is(nodes.stateOf(0), 'running')
  } finally {
    await nodes.close()
  }
})

reloading('[LIV1] the secret changes on a cluster at work: nobody is cut off, the old one opens nothing afterwards', async ({ cluster }) => {
  const file = join(cluster.directory, 'cluster.secret')
  const [oldSecret, newSecret] = [readFileSync(file, 'utf8').trim(), 'the new secret of this cluster']
  const workload = await startWorkload(cluster, { label: 'r' })
  await workload.untilAcknowledged(10)
  const rollOut = async (lines: readonly string[]): Promise<void> => {
    writeFileSync(file, `${lines.join('\n')}\n`)
    const before = countEvents(cluster, 'reloaded')
    for (const pid of cluster.pids) hangUp(cluster, pid)
    await until('all have reloaded', () => countEvents(cluster, 'reloaded') === before + 3)
  }
  await rollOut([oldSecret, newSecret])
  // A node that starts in the middle meets the others by either.
  await cluster.kill(1)
  await cluster.revive(1)
  await rollOut([newSecret, oldSecret])
  await rollOut([newSecret])
  await cluster.kill(2)
  await cluster.revive(2)
  await workload.stop()
  assert.equal(await checkWorkloads(cluster, [workload]), [])

  const stale = join(cluster.directory, 'stale.secret')
  appendFileSync(stale, `${oldSecret}\n`)
  const listed = await runNode(['members', 'list', '--url', cluster.at(0).url, '--secret-file', stale])
  assert.equal([listed.code, /another secret/.test(listed.stderr)], [6, true], listed.stderr)
  const [port = 0] = await findFreePorts(1)
  const stranger = await runNode(['--join', cluster.at(0).url, '--port', String(port), '--data-dir', join(cluster.directory, 'stranger'), '--secret-file', stale], { env: TEST_ENV })
  assert.equal([stranger.code, /made with another secret/.test(stranger.stderr)], [6, true], stranger.stderr)
  // A machine that has only ever seen the new one joins under the cluster's old id.
  const fresh = createNodes({ program: join(process.env['STARLING_ROOT'] ?? process.cwd(), 'dist/node.js'), directory: cluster.directory, ports: [cluster.at(0).port, cluster.at(1).port, cluster.at(2).port, port], env: TEST_ENV, flags: [] })
  fresh.start(3, ['--join', cluster.at(0).url])
  try {
    await cluster.waitCluster(0, ({ nodes }) => nodes.length === 4 && nodes.every(({ status, digest }: { status: string; digest: string }) => status === 'ready' && digest === nodes[0].digest), 60_000)
  } finally {
    await fresh.close()
  }
  await mustAsk(200, cluster.at(0), 'GET', '/api/cluster')
  print(`${workload.acknowledged().length} messages acknowledged while the secret changed in three steps and two nodes were restarted`)
})

reloading.run()
