// A data directory that cannot be opened: moved aside and fetched again where the cluster has another copy, left alone where it has none.
// deadline: 150 s

import { cpSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { basename, dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { runNode } from '../support/asking.ts'
import { type Cluster, call, newMessageId, startCluster } from '../support/cluster.ts'

const test = suite<{ cluster: Cluster }>('a damaged data directory')

test.before(async (context) => {
  context.cluster = await startCluster()
})

test.after(async ({ cluster }) => {
  await cluster.close()
})

const asides = (dataDir: string): readonly string[] => readdirSync(dirname(dataDir)).filter((name) => name.startsWith(`${basename(dataDir)}.aside-`))

test('[STO5] a node whose directory is damaged keeps it aside, fetches everything and serves; one of something else is refused', async ({ cluster }) => {
  const ana = await cluster.createPerson(0, 'ana')
  const sent = await call(cluster.at(0), 'POST', '/api/messages', { token: ana.token, body: { id: newMessageId(), to: ['ana'], text: 'on all three' }, timeoutMs: 10_000 })
  assert.equal(sent.body.storedOn, [0, 1, 2])
  const { dataDir } = cluster.at(2)
  await cluster.kill(2)
  const before = readdirSync(dataDir).filter((name) => name !== 'CURRENT').sort()
  rmSync(join(dataDir, 'CURRENT'))
  await cluster.revive(2)
  await cluster.waitEqual(60_000)
  const [aside, ...more] = asides(dataDir)
  assert.ok(aside !== undefined && more.length === 0, asides(dataDir).join())
  assert.equal(readdirSync(join(dirname(dataDir), aside)).sort(), before, 'every file is there')
  const inbox = await call(cluster.at(2), 'GET', '/api/inbox', { token: ana.token })
  assert.equal(inbox.body, { unopened: 1 })

  // Damage that an earlier run met: it would meet it again in every run.
  await cluster.kill(2)
  writeFileSync(join(dataDir, 'DAMAGED'), 'a table cannot be read\n')
  await cluster.revive(2)
  await cluster.waitEqual(60_000)
  assert.is(asides(dataDir).length, 2)

  await cluster.kill(2)
  rmSync(join(dataDir, 'STARLING'))
  const foreign = await runNode(['--pid', '2', '--peers', cluster.places.map(({ pid, url }) => `${pid}=${url}`).join(','), '--data-dir', dataDir, '--secret-file', join(cluster.directory, 'cluster.secret')], {})
  assert.equal([foreign.code, /not a Starling data directory/.test(foreign.stderr)], [4, true], foreign.stderr)
  assert.is(asides(dataDir).length, 2, 'left where it was')
})

test('[STO5] a node without others leaves its damaged directory where it is and says so', async ({ cluster }) => {
  const dataDir = join(cluster.directory, 'lone')
  cpSync(cluster.at(1).dataDir, dataDir, { recursive: true })
  writeFileSync(join(dataDir, 'CURRENT'), 'rubbish')
  /** But LevelDB's diary, which it begins anew at each try. */
  const listFiles = (): readonly string[] => readdirSync(dataDir).filter((name) => !name.startsWith('LOG')).sort()
  const files = listFiles()
  const lone = await runNode(['--pid', '1', '--peers', '1=http://127.0.0.1:9', '--data-dir', dataDir, '--secret-file', join(cluster.directory, 'cluster.secret')], {})
  assert.equal([lone.code, /is damaged.*no other copy/.test(lone.stderr)], [4, true], lone.stderr)
  assert.equal([listFiles(), asides(dataDir)], [files, []])
})

test.run()
