// Backup, verify and restore by the commands of dist/node.js: taken while people write, restored beside a living cluster and after the loss of all.

import { copyFileSync, existsSync, readFileSync, renameSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type ProcessEnd, TEST_ENV, ask, mustAsk, runNode } from '../support/asking.ts'
import { type Cluster, type Person, newMessageId, startCluster, wait } from '../support/cluster.ts'

const test = suite('operate-backup')
let cluster: Cluster
let ann: Person
let ben: Person
let cat: Person
/** Of a message that Ben deletes after the backup. */
let deleted = ''

const file = (): string => join(cluster.directory, 'starling.backup')
const secret = (): string[] => ['--secret-file', join(cluster.directory, 'cluster.secret')]
const mustRun = async (...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await runNode(args)
  assert.is(code, 0, `${args.join(' ')}: ${stdout}${stderr}`)
  return stdout
}
const restore = (pid: number, path = file()): Promise<ProcessEnd> => runNode(['restore', path, '--pid', String(pid), '--data-dir', cluster.at(pid).dataDir, ...secret()])
const refusal = ({ code, stderr }: ProcessEnd): string => `${code} ${stderr.replaceAll(cluster.directory, '.').trim()}`

const send = async (from: Person, to: string, text: string, pid = 0): Promise<string> =>
  (await mustAsk(201, cluster.at(pid), 'POST', '/api/messages', { token: from.token, body: { to: [to], text, id: newMessageId() } })).body.id
const textsOf = async (person: Person, pid: number): Promise<string[]> => {
  const texts: string[] = []
  let next = ''
  do {
    const { body } = await mustAsk(200, cluster.at(pid), 'GET', `/api/messages?limit=200${next === '' ? '' : `&before=${encodeURIComponent(next)}`}`, { token: person.token })
    texts.push(...body.messages.map((message: any) => message.text))
    next = body.next ?? ''
  } while (next !== '')
  return texts.sort()
}

test.before(async () => {
  cluster = await startCluster({ env: TEST_ENV })
  ann = await cluster.createPerson(0, 'ann')
  ben = await cluster.createPerson(1, 'ben')
  cat = await cluster.createPerson(2, 'cat')
  for (let i = 0; i < 20; i++) await send(i % 2 === 0 ? ann : ben, i % 2 === 0 ? 'ben' : 'ann', `before ${i}`, i % 3)
  deleted = await send(ann, 'ben', 'to be deleted')
  await send(cat, 'ben', 'from one who goes')
  for (const person of [ann, ben]) await mustAsk(200, cluster.at(0), 'POST', '/api/inbox/open', { token: person.token, body: { count: 100 } })
  await mustAsk(200, cluster.at(0), 'PUT', '/api/drafts/0190a0b0-0000-7000-8000-000000000001', { token: ann.token, body: { to: ['ben'], text: 'a draft' } })
})
test.after(() => cluster.close())

test('a backup is taken while people write, and holds all that was acknowledged before', async () => {
  let isWriting = true
  let written = 0
  const writing = (async () => {
    while (isWriting) await send(ann, 'ben', `during ${written++}`, 1)
  })()
  while (written < 3) await wait(20)
  const said = await mustRun('backup', file(), '--url', cluster.at(0).url, ...secret())
  isWriting = false
  await writing
  assert.match(said, /^Wrote .*: \d+ documents \(3 names, .*SHA-256 [0-9a-f]{64}\.\n$/)
  assert.is(statSync(file()).mode & 0o777, 0o600)
  assert.not.ok(existsSync(`${file()}.partial`))
  const { messages, documents, kinds } = JSON.parse(await mustRun('verify', file(), '-o', 'json'))
  assert.ok(messages >= 22 + 3 && messages <= 22 + written, `${messages} messages, ${written} written meanwhile`)
  assert.is(documents, Object.values<number>(kinds).reduce((sum, count) => sum + count, 0))
  assert.match(refusal(await runNode(['backup', file(), '--url', cluster.at(0).url, ...secret()])), /^2 .* exists\. A backup is never overwritten/)
})

test('a file that is cut, changed or foreign is refused, and nothing is made of it', async () => {
  const bytes = readFileSync(file())
  const bad = join(cluster.directory, 'bad.backup')
  const target = join(cluster.directory, 'target')
  const spoil = async (content: Uint8Array): Promise<string> => {
    writeFileSync(bad, content)
    const { code, stderr } = await runNode(['restore', bad, '--pid', '0', '--data-dir', target, ...secret()])
    assert.not.ok(existsSync(target), stderr)
    const verified = await runNode(['verify', bad])
    assert.equal([verified.code, verified.stderr], [code, stderr])
    return `${code} ${stderr}`
  }
  const flipped = Uint8Array.from(bytes)
  flipped[bytes.length >> 1] = (flipped[bytes.length >> 1] ?? 0) ^ 1
  assert.match(await spoil(flipped), /^1 .* is not a sound backup: /)
  assert.match(await spoil(bytes.subarray(0, bytes.length - 7)), /^1 .* is not a sound backup: it ends too early/)
  assert.match(await spoil(Buffer.concat([bytes, Buffer.from('x')])), /^1 .* something stands after its end/)
  assert.match(await spoil(Buffer.from('PK a zip file or whatever')), /^1 .* it is not a backup of Starling/)
  assert.match(await spoil(new Uint8Array()), /^1 .* it is not a backup of Starling/)
})

test('a running node and a directory with data are refused, unchanged', async () => {
  assert.match(refusal(await restore(0)), /^4 The node of .* runs\. Stop it/)
  await cluster.kill(2)
  assert.match(refusal(await restore(2)), /^4 .* is not empty\. Nothing was changed\./)
  await cluster.revive(2)
  assert.is((await runNode(['restore', file(), ...secret()])).code, 2, 'without a pid')
})

test('[COO8] restored beside a living cluster it only adds: what was removed or deleted since stays so, what is newer stays', async () => {
  await cluster.waitEqual()
  await mustAsk(204, cluster.at(0), 'DELETE', `/api/messages/${deleted}`, { token: ben.token })
  await mustAsk(204, cluster.at(0), 'DELETE', '/api/me', { token: cat.token, body: { password: cat.password } })
  await mustAsk(204, cluster.at(0), 'DELETE', '/api/drafts/0190a0b0-0000-7000-8000-000000000001', { token: ann.token })
  await send(ann, 'ben', 'after the backup')
  await mustAsk(200, cluster.at(0), 'POST', '/api/inbox/open', { token: ben.token, body: { count: 1000 } })
  const before = await textsOf(ben, 0)
  assert.ok(before.includes('after the backup') && !before.includes('to be deleted'))
  await cluster.waitEqual()

  await cluster.kill(2)
  rmSync(cluster.at(2).dataDir, { recursive: true })
  assert.match((await restore(2)).stdout, /^Filled .* with \d+ documents\. Start node 2/)
  await cluster.revive(2)
  await cluster.waitEqual()
  for (const pid of cluster.pids) {
    assert.equal(await textsOf(ben, pid), before, `node ${pid}`)
    assert.is((await ask(cluster.at(pid), 'POST', '/api/sessions', { body: { name: 'cat', password: cat.password } })).code, 'wrong-credentials')
    assert.equal((await mustAsk(200, cluster.at(pid), 'GET', '/api/drafts', { token: ann.token })).body.drafts, [])
  }
})

test('after the loss of all three, one restored directory brings everything of the backup back', async () => {
  const path = join(cluster.directory, 'second.backup')
  await mustRun('backup', path, '--url', cluster.at(1).url, ...secret())
  const before = await Promise.all([ann, ben].map(person => textsOf(person, 0)))
  for (const pid of cluster.pids) {
    await cluster.kill(pid)
    renameSync(cluster.at(pid).dataDir, `${cluster.at(pid).dataDir}.lost`)
  }
  copyFileSync(path, file())
  assert.is((await restore(1)).code, 0)
  for (const pid of cluster.pids) cluster.start(pid)
  await cluster.waitAllReady(60_000)
  await cluster.waitEqual(60_000)
  for (const pid of cluster.pids) assert.equal(await Promise.all([ann, ben].map(person => textsOf(person, pid))), before, `node ${pid}`)
  assert.is((await ask(cluster.at(2), 'POST', '/api/sessions', { body: { name: 'ben', password: ben.password } })).status, 201)
  assert.is((await ask(cluster.at(0), 'POST', '/api/sessions', { body: { name: 'cat', password: cat.password } })).code, 'wrong-credentials')
  await send(ben, 'ann', 'and on it goes', 2)
})

test.run()
