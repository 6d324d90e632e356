// What goes wrong from outside: requests that are not what a call takes, nodes that were started wrongly, a full disk.
// Each gets a clear coded answer or exit code and leaves nothing behind: afterwards the cluster holds what it held.

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, statfsSync, writeFileSync } from 'node:fs'
import { connect, createServer } from 'node:net'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Answer, TEST_ENV, ask, askAny, mustAsk, print, runNode, show, until } from '../support/asking.ts'
import { type Cluster, type Person, findFreePorts, newMessageId, newRequestId, startCluster } from '../support/cluster.ts'
import { attach } from '../support/providers.ts'

// ---- requests

let cluster: Cluster
let ann: Person
let ben: Person

/** All that a person can read, and how many names there are: equal before and after means nothing was left behind. */
const holdings = async (pid: number): Promise<string> => {
  const texts: string[] = []
  for (const { token } of [ann, ben]) {
    for (const path of ['/api/inbox', '/api/messages', '/api/drafts', '/api/sessions', '/api/accounts?limit=200', '/api/me']) {
      texts.push(`${path} ${JSON.stringify((await mustAsk(200, cluster.at(pid), 'GET', path, { token })).body)}`)
    }
  }
  return texts.join('\n')
}

/** Makes bad requests of node 0, 1, 2 in turn; each must answer with its status and code, and all of them change nothing. */
const refuseAll = async (rows: readonly (readonly [what: string, status: number, code: string, asked: (pid: number) => Promise<Answer>])[]): Promise<void> => {
  const before = await holdings(0)
  for (const [index, [what, status, code, asked]] of rows.entries()) {
    for (const pid of [index % 3, (index + 1) % 3]) {
      const answer = await asked(pid)
      assert.equal([answer.status, answer.code], [status, code], `${what} at node ${pid}: ${show(answer)}`)
      assert.match(answer.headers.get('content-type') ?? '', /^application\/problem\+json/, what)
      assert.ok(answer.body.detail.length > 10 && answer.body.title.length > 3, `${what}: ${show(answer)}`)
    }
  }
  await cluster.waitEqual()
  for (const pid of cluster.pids) assert.is(await holdings(pid), before, `node ${pid} holds what it held`)
}

const requests = suite('bad requests')

requests.before(async () => {
  cluster = await startCluster({ env: TEST_ENV })
  ann = await cluster.createPerson(0, 'ann')
  ben = await cluster.createPerson(1, 'ben')
  await mustAsk(201, cluster.at(2), 'POST', '/api/messages', { token: ann.token, body: { to: ['ben'], text: 'hello' } })
})
requests.after(() => cluster.close())

const post = (path: string, rawBody: string | Uint8Array, headers: Record<string, string> = {}) => (pid: number) =>
  ask(cluster.at(pid), 'POST', path, { token: ann.token, rawBody, headers })
const send = (body: unknown, token = ann.token) => (pid: number) => ask(cluster.at(pid), 'POST', '/api/messages', { token, body })

requests('[COR4] bodies that are not JSON, of the wrong kind or oversize are refused and leave nothing behind', () =>
  refuseAll([
    ['no JSON', 400, 'bad-request', post('/api/messages', 'to=ben&text=hello')],
    ['half a JSON', 400, 'bad-request', post('/api/messages', '{"to":["ben"],"text":"hel')],
    ['no UTF-8', 400, 'bad-request', post('/api/messages', new Uint8Array([0x7b, 0x22, 0xff, 0xfe, 0x22, 0x7d]))],
    ['nothing', 400, 'bad-request', post('/api/messages', '')],
    ['null', 400, 'bad-request', post('/api/messages', 'null')],
    ['a list', 400, 'bad-request', post('/api/messages', '[]')],
    ['a form', 415, 'unsupported-media-type', post('/api/messages', '{}', { 'content-type': 'application/x-www-form-urlencoded' })],
    ['text/plain', 415, 'unsupported-media-type', post('/api/sessions', '{}', { 'content-type': 'text/plain' })],
    ['a body of 600 KiB', 413, 'too-large', post('/api/messages', JSON.stringify({ to: ['ben'], text: 'x'.repeat(600 * 1024) }))],
    ['a text of 16 KiB and a byte', 413, 'too-large', send({ to: ['ben'], text: 'é'.repeat(8 * 1024) + 'x' })],
    ['a body for a call without one', 400, 'bad-request', post(`/api/messages/${newMessageId()}/recall`, '{"really":true}')],
    ['a nest of lists', 400, 'bad-request', post('/api/messages', `{"to":${'['.repeat(50_000)}${']'.repeat(50_000)},"text":"x"}`)],
  ]),
)

requests('[COR4] wrong types, unknown fields, impossible values and odd paths are refused and leave nothing behind', () =>
  refuseAll([
    ['a number as text', 400, 'bad-request', send({ to: ['ben'], text: 7 })],
    ['an object as text', 400, 'bad-request', send({ to: ['ben'], text: { toString: 'x' } })],
    ['a string as recipients', 400, 'bad-request', send({ to: 'ben', text: 'x' })],
    ['65 recipients', 400, 'bad-request', send({ to: Array(65).fill('ben'), text: 'x' })],
    ['an empty text', 400, 'bad-request', send({ to: ['ben'], text: '' })],
    ['an unknown field', 400, 'bad-request', send({ to: ['ben'], text: 'x', from: ben.id })],
    ['__proto__', 400, 'bad-request', post('/api/messages', '{"to":["ben"],"text":"x","__proto__":{"id":"y"}}')],
    ['an id that is none', 400, 'bad-request', send({ to: ['ben'], text: 'x', id: 'first' })],
    ['an id in capitals', 400, 'bad-request', send({ to: ['ben'], text: 'x', id: newMessageId().toUpperCase() })],
    ['an id of next week', 422, 'bad-id', send({ to: ['ben'], text: 'x', id: newMessageId(Date.now() + 7 * 86_400_000) })],
    ['a recipient with no id', 400, 'bad-request', send({ to: [{ name: 'ben' }], text: 'x' })],
    ['a count of -1', 400, 'bad-request', post('/api/inbox/open', '{"count":-1}')],
    ['a count of 1.5', 400, 'bad-request', post('/api/inbox/open', '{"count":1.5}')],
    ['count and ids', 400, 'bad-request', post('/api/inbox/open', '{"count":1,"ids":[]}')],
    ['an unknown query', 400, 'bad-request', (pid) => ask(cluster.at(pid), 'GET', '/api/messages?order=up', { token: ann.token })],
    ['a query twice', 400, 'bad-request', (pid) => ask(cluster.at(pid), 'GET', '/api/messages?limit=1&limit=2', { token: ann.token })],
    ['no call', 404, 'not-found', (pid) => ask(cluster.at(pid), 'GET', '/api/mesages', { token: ann.token })],
    ['a stray %', 404, 'not-found', (pid) => ask(cluster.at(pid), 'GET', '/api/accounts/%E0%A4%A', { token: ann.token })],
    ['another method', 405, 'method-not-allowed', (pid) => ask(cluster.at(pid), 'PUT', '/api/messages', { token: ann.token, body: {} })],
    ['a name of 33 letters', 422, 'invalid-name', (pid) => ask(cluster.at(pid), 'POST', '/api/accounts', { body: { name: 'x'.repeat(33), password: 'long enough' } })],
    ['a name with a line break', 422, 'invalid-name', (pid) => ask(cluster.at(pid), 'POST', '/api/accounts', { body: { name: 'ann\nx', password: 'long enough' } })],
    ['a name that looks like one there is', 409, 'name-taken', (pid) => ask(cluster.at(pid), 'POST', '/api/accounts', { body: { name: 'ＡＮＮ', password: 'long enough' } })],
    ['a password of 257', 422, 'weak-password', (pid) => ask(cluster.at(pid), 'POST', '/api/accounts', { body: { name: 'cat', password: 'x'.repeat(257) } })],
  ]),
)

requests('[COO7] wrong tokens are refused by every call that needs one, and leave nothing behind', async () => {
  const document = (await mustAsk(200, cluster.at(0), 'GET', '/api/openapi.json')).body
  const calls = Object.entries<any>(document.paths).flatMap(([path, methods]) =>
    Object.entries<any>(methods).map(([method, { security }]) => ({ method: method.toUpperCase(), path: path.replace(/\{\w+\}/, newMessageId()), needsToken: security.length > 0 })),
  )
  const ended = (await mustAsk(201, cluster.at(0), 'POST', '/api/sessions', { body: { name: 'ann', password: ann.password } })).body.session.token
  await mustAsk(204, cluster.at(1), 'DELETE', '/api/sessions/current', { token: ended })
  const bodies: Record<string, unknown> = {
    'PATCH /api/me': { password: 'x' }, 'DELETE /api/me': { password: 'x' }, 'POST /api/inbox/open': { count: 1 }, 'POST /api/drafts/send': { selected: true },
    'POST /api/messages': { to: ['ben'], text: 'x' }, 'POST /api/me/recovery-codes': { password: 'x' },
  }
  const rows = calls.filter(({ needsToken }) => needsToken).flatMap(({ method, path }) =>
    ([['no token', undefined], ['a made-up token', 'A'.repeat(43)], ['an ended one', ended], ["an account's id as token", ben.id]] as const).map(
      ([what, token]) => [`${method} ${path} with ${what}`, 401, 'unauthorized', (pid: number) => {
        const body = bodies[`${method} ${path}`] ?? (method === 'PATCH' ? { checked: true } : method === 'PUT' ? { to: [], text: 'x' } : undefined)
        return ask(cluster.at(pid), method, path, { ...(token === undefined ? {} : { token }), ...(body === undefined ? {} : { body }) })
      }] as const,
    ),
  )
  assert.ok(rows.length > 60, `${rows.length}`)
  await refuseAll(rows)
})

requests("[DEL8] other people's message ids and ids used for another message are refused and leave nothing behind", async () => {
  const id = newMessageId()
  await mustAsk(201, cluster.at(0), 'POST', '/api/messages', { token: ann.token, body: { id, to: [{ id: ann.id }], text: 'a note to myself' } })
  const of = (method: string, path: string, body?: unknown) => (pid: number) => ask(cluster.at(pid), method, path, { token: ben.token, ...(body === undefined ? {} : { body }) })
  await refuseAll([
    ['the same id from somebody else', 409, 'id-taken', send({ id, to: [{ id: ann.id }], text: 'a note to myself' }, ben.token)],
    ['the same id, another text', 409, 'id-taken', send({ id, to: [{ id: ann.id }], text: 'another' })],
    ['the same id, other recipients', 409, 'id-taken', send({ id, to: [{ id: ann.id }, { id: ben.id }], text: 'a note to myself' })],
    ['marking it', 404, 'no-such-message', of('PATCH', `/api/messages/${id}`, { checked: true })],
    ['deleting it', 404, 'no-such-message', of('DELETE', `/api/messages/${id}`)],
    ['recalling it', 404, 'no-such-message', of('POST', `/api/messages/${id}/recall`)],
    ['deleting an unknown draft', 404, 'no-such-draft', of('DELETE', `/api/drafts/${newMessageId()}`)],
    ['ending an unknown session', 404, 'no-such-session', of('DELETE', `/api/sessions/${newMessageId()}`)],
  ])
})

requests('[COO5] a key repeated with another body is refused on every node and leaves nothing behind', async () => {
  const [accountKey, sendKey, openKey, renameKey] = [newRequestId(), newRequestId(), newRequestId(), newRequestId()]
  await mustAsk(201, cluster.at(0), 'POST', '/api/accounts', { body: { name: 'dan', password: 'long enough' }, idempotencyKey: accountKey })
  await mustAsk(201, cluster.at(1), 'POST', '/api/messages', { token: ann.token, body: { to: ['dan'], text: 'one' }, idempotencyKey: sendKey })
  await mustAsk(200, cluster.at(2), 'POST', '/api/inbox/open', { token: ben.token, body: { count: 1 }, idempotencyKey: openKey })
  await mustAsk(200, cluster.at(0), 'PATCH', '/api/me', { token: ann.token, body: { password: ann.password, name: 'Ann' }, idempotencyKey: renameKey })
  const at = (method: string, path: string, token: string | undefined, body: unknown, idempotencyKey: string) => (pid: number) =>
    ask(cluster.at(pid), method, path, { body, idempotencyKey, ...(token === undefined ? {} : { token }) })
  await refuseAll([
    ['another name', 409, 'id-reused', at('POST', '/api/accounts', undefined, { name: 'eve', password: 'long enough' }, accountKey)],
    ['another password', 409, 'id-reused', at('POST', '/api/accounts', undefined, { name: 'dan', password: 'long enough too' }, accountKey)],
    ['another text', 409, 'id-reused', at('POST', '/api/messages', ann.token, { to: ['dan'], text: 'two' }, sendKey)],
    ['another count', 409, 'id-reused', at('POST', '/api/inbox/open', ben.token, { count: 2 }, openKey)],
    ['another new name', 409, 'id-reused', at('PATCH', '/api/me', ann.token, { password: ann.password, name: 'Anna' }, renameKey)],
    ['no UUID', 400, 'bad-request', at('POST', '/api/messages', ann.token, { to: ['dan'], text: 'one' }, 'a key of mine')],
  ])
})

requests('[COR3] bytes that are no HTTP, and requests that never end, cost one connection and no node', async () => {
  const before = await holdings(0)
  const say = (bytes: string | Uint8Array): Promise<void> =>
    new Promise((resolve) => {
      const socket = connect(cluster.at(0).port, '127.0.0.1', () => socket.write(bytes))
      socket.on('error', () => {}).on('close', () => resolve())
      socket.resume()
      setTimeout(() => socket.destroy(), 1500).unref()
    })
  await Promise.all([
    say(new Uint8Array(4096).map((_, index) => (index * 197) % 256)),
    say(`GET /api/me HTTP/1.1\r\nHost: x\r\n${'X-Long: y\r\n'.repeat(20_000)}\r\n`),
    say('POST /api/messages HTTP/1.1\r\nHost: x\r\nContent-Length: 100\r\n\r\n{"to"'),
    say('GET /peer HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: x\r\nSec-WebSocket-Version: 13\r\n\r\n'),
    say('GET /sync/x HTTP/1.1\r\nHost: x\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\r\n'),
  ])
  assert.equal(cluster.pids.map((pid) => cluster.stateOf(pid)), ['running', 'running', 'running'])
  assert.is(await holdings(0), before)
})

// ---- nodes that were started wrongly

const starts = suite('nodes started wrongly')

starts.before(async () => {
  cluster = await startCluster({ env: TEST_ENV })
})
starts.after(() => cluster.close())

/** The command line of a node like `pid`, with other flags behind; the last of a flag counts. */
const likeNode = (pid: number, ...flags: string[]): string[] => [...cluster.argumentsOf(pid, ['--log-level', 'silent', ...flags])].slice(1)
const listing = (directory: string): string[] => (existsSync(directory) ? readdirSync(directory) : [])

/** The cluster still takes a write through every node, and none of its nodes ended. */
const mustServe = async (name: string): Promise<void> => {
  assert.equal(cluster.pids.map((pid) => cluster.stateOf(pid)), ['running', 'running', 'running'], cluster.pids.map((pid) => cluster.logTail(pid, 3)).join('\n'))
  for (const pid of cluster.pids) await mustAsk(201, cluster.at(pid), 'POST', '/api/accounts', { body: { name: `${name}-${pid}`, password: 'long enough' } })
}

starts('[STO5] a second process on a data directory ends with code 4 and says so; the first goes on', async () => {
  const [port = 0] = await findFreePorts(1)
  const { code, stderr, stdout } = await runNode(likeNode(1, '--port', String(port)), { env: TEST_ENV })
  assert.is(code, 4, `${stdout}\n${stderr}`)
  assert.match(stderr, /^Another process has \S+node-1 open\. Stop it, or give this node its own directory with --data-dir\.\n$/, stderr)
  await mustServe('second-process')
})

starts('[COR4] a port in use ends with code 3, by whom it is held and a free one to try; nothing is left behind', async () => {
  const dataDir = join(cluster.directory, 'no-port')
  const { code, stderr } = await runNode(likeNode(2, '--data-dir', dataDir), { env: TEST_ENV })
  assert.is(code, 3, stderr)
  assert.match(stderr, /^Port \d+ on 127\.0\.0\.1 is in use by Starling's node 2\. Stop it, or try --port \d+\.\n$/, stderr)
  const stranger = createServer((socket) => socket.destroy())
  await new Promise<void>((resolve) => stranger.listen(0, '127.0.0.1', resolve))
  const { port } = stranger.address() as { port: number }
  const other = await runNode(likeNode(2, '--data-dir', dataDir, '--port', String(port)), { env: TEST_ENV })
  stranger.close()
  assert.is(other.code, 3, other.stderr)
  assert.match(other.stderr, /is in use by another program/, other.stderr)
  await mustServe('port-in-use')
})

starts('[COR4] bad options end with code 2, one line of what and why, before anything is made', async () => {
  const dataDir = join(cluster.directory, 'no-options')
  const rows: [string[], RegExp][] = [
    [['--pord', '1'], /Unknown option --pord\. Did you mean --port\?/],
    [['--peers', '1=localhost:4001'], /peers: 1=localhost:4001 must start with http:\/\/ or https:\/\//],
    [['--pid', '9'], /pid: 9 is not among the peers 0, 1, 2/],
    [['--heartbeat-ms', '9000'], /timings/],
  ]
  for (const [flags, text] of rows) {
    const { code, stderr } = await runNode(likeNode(1, '--data-dir', dataDir, ...flags), { env: TEST_ENV })
    assert.is(code, 2, `${flags.join(' ')}: ${stderr}`)
    assert.match(stderr, text)
  }
  assert.equal(listing(dataDir), [])
})

starts('[LIV1] a node with another secret ends with code 6 and says so; the cluster does not take it in', async () => {
  const [port = 0] = await findFreePorts(1)
  const secretFile = join(cluster.directory, 'other.secret')
  writeFileSync(secretFile, 'another secret, as long as it must be')
  await cluster.stop(2)
  const { code, stderr, stdout } = await runNode(likeNode(2, '--data-dir', join(cluster.directory, 'stranger'), '--port', String(port), '--secret-file', secretFile), { env: TEST_ENV })
  assert.is(code, 6, `${stdout}\n${stderr}`)
  assert.match(stderr, /secret/)
  const { body } = await mustAsk(200, cluster.at(0), 'GET', '/api/cluster')
  assert.is(body.nodes.find(({ pid }: any) => pid === 2).status, 'down')
  await cluster.revive(2)
  await mustServe('wrong-secret')
  print(`said: ${stderr.trim()}`)
})

starts('[LIV1] a second node under a pid that is taken ends with code 6 and says so; the first goes on', async () => {
  const [port = 0] = await findFreePorts(1)
  const dataDir = join(cluster.directory, 'impostor')
  const { code, stderr, stdout } = await runNode(likeNode(1, '--data-dir', dataDir, '--port', String(port), '--url', `http://127.0.0.1:${port}`), { env: TEST_ENV })
  assert.is(code, 6, `${stdout}\n${stderr}`)
  assert.match(stderr, /pid/)
  await mustServe('pid-twice')
  const { body } = await mustAsk(200, cluster.at(0), 'GET', '/api/cluster')
  assert.is(body.nodes.find(({ pid }: any) => pid === 1).url, cluster.at(1).url, 'the address of node 1 is still its own')
  print(`said: ${stderr.trim()}`)
})

starts('[RDY1] a node whose data belongs to another cluster ends with code 6 and says so; its data stays', async () => {
  const foreign = await startCluster({ env: TEST_ENV })
  await foreign.createPerson(0, 'somebody-else')
  for (const pid of [2, 1, 0]) await foreign.stop(pid)
  const dataDir = join(cluster.directory, 'foreign')
  cpSync(foreign.at(2).dataDir, dataDir, { recursive: true })
  await foreign.close()
  await cluster.stop(2)
  const { code, stderr, stdout } = await runNode(likeNode(2, '--data-dir', dataDir), { env: TEST_ENV })
  assert.is(code, 6, `${stdout}\n${stderr}`)
  assert.match(stderr, /another cluster/)
  assert.ok(listing(dataDir).length > 0, 'its data is not deleted')
  await cluster.revive(2)
  await mustServe('foreign-cluster')
  for (const pid of cluster.pids) assert.is((await mustAsk(200, cluster.at(pid), 'GET', '/api/accounts/somebody-else')).body.exists, false, `node ${pid} took nothing over`)
  print(`said: ${stderr.trim()}`)
})

starts('[STO5] the data of node 1 started as node 2 is refused with code 4, by whose it is', async () => {
  await cluster.stop(1)
  await cluster.stop(2)
  const { code, stderr, stdout } = await runNode(likeNode(2, '--data-dir', cluster.at(1).dataDir), { env: TEST_ENV })
  await cluster.revive(1)
  await cluster.revive(2)
  assert.is(code, 4, `${stdout}\n${stderr}`)
  assert.match(stderr, /node 1/)
  await mustServe('other-pid')
})

starts('[STO5] a directory that holds something else is refused with code 4 and left as it is', async () => {
  const [port = 0] = await findFreePorts(1)
  const dataDir = join(cluster.directory, 'holiday-pictures')
  mkdirSync(dataDir)
  writeFileSync(join(dataDir, 'beach.jpg'), 'not a database')
  const { code, stderr } = await runNode(likeNode(1, '--data-dir', dataDir, '--port', String(port)), { env: TEST_ENV })
  assert.is(code, 4, stderr)
  assert.equal(listing(dataDir), ['beach.jpg'])
  print(`said: ${stderr.trim()}`)
})

// ---- a full disk

const DISK_BYTES = 8 * 1024 * 1024

/** Puts a small file system under a directory; the reason if this machine does not let us. */
const mountSmallDisk = (directory: string): string | null => {
  mkdirSync(directory, { recursive: true })
  try {
    execFileSync('mount', ['-t', 'tmpfs', '-o', `size=${DISK_BYTES}`, 'starling-test', directory], { stdio: 'pipe' })
    return null
  } catch (error) {
    return (error as Error).message.split('\n').join(' ')
  }
}

const disk = suite('a full disk')

disk('[COR4] a node whose disk is full stops acknowledging and exits with code 1 and its text; the others go on; nothing acknowledged is lost', async () => {
  const small = await startCluster({ env: TEST_ENV, idle: true })
  const { dataDir } = small.at(2)
  const refusal = mountSmallDisk(dataDir)
  if (refusal !== null) {
    print(`NOT SHOWN HERE: this machine refuses to mount a small disk (${refusal}); run as root to see it`)
    return small.close()
  }
  try {
    for (const pid of small.pids) small.start(pid)
    await small.waitAllReady()
    await small.waitEqual()
    const [fay, gus] = [await small.createPerson(0, 'fay'), await small.createPerson(1, 'gus')]
    const acknowledged: { id: string; storedOn: number[] }[] = []
    const text = randomBytes(11_000).toString('base64') // LevelDB compresses what repeats itself
    for (let index = 0; index < 4000 && small.stateOf(2) === 'running'; index++) {
      const id = newMessageId()
      // Through the small node as long as it answers: it must not say yes to what it could not write.
      const answer = await askAny([small.at(2), small.at(0)], 'POST', '/api/messages', { token: fay.token, body: { id, to: [{ id: gus.id }], text } })
      assert.is(answer.status, 201, show(answer))
      acknowledged.push({ id, storedOn: answer.body.storedOn })
    }
    const free = statfsSync(dataDir)
    const end = await small.ended(2)
    assert.is(end.code, 1, `${JSON.stringify(end)}\n${small.logTail(2)}`)
    assert.match(readFileSync(small.at(2).logFile, 'utf8'), /^Stopped: the disk under \S+ is full\. Nothing acknowledged was lost\. Free space and start again\.$/m)
    const onThree = acknowledged.filter(({ storedOn }) => storedOn.includes(2)).length
    assert.ok(onThree > 20, `${onThree} were stored on the small node before its disk was full`)
    for (const pid of [0, 1]) await mustAsk(201, small.at(pid), 'POST', '/api/accounts', { body: { name: `goes-on-${pid}`, password: 'long enough' } })
    const { body: after } = await mustAsk(201, small.at(1), 'POST', '/api/messages', { token: fay.token, body: { to: [{ id: gus.id }], text: 'after' } })
    assert.not(after.storedOn.includes(2), 'nobody counts the node that stopped')
    for (const pid of [0, 1]) assert.is((await mustAsk(200, small.at(pid), 'GET', '/api/inbox', { token: gus.token })).body.unopened, acknowledged.length + 1, `node ${pid}`)
    print(`${acknowledged.length} messages of 14 KiB acknowledged, ${onThree} of them by the node with ${DISK_BYTES / 1024 / 1024} MiB of disk, ${Math.round((free.bavail * free.bsize) / 1024)} KiB left when it stopped`)

    // More room, as its text asks for. Started alone it must hold, on its own disk, all that it was counted for.
    execFileSync('mount', ['-o', `remount,size=${DISK_BYTES * 20}`, dataDir], { stdio: 'pipe' })
    for (const pid of [0, 1]) await small.stop(pid)
    small.start(2, ['--alone-ms', '500'])
    await small.waitReady(2)
    const inbox = attach([small.at(2)], `${gus.id}/inbox/${new Date().toISOString().slice(0, 7)}`, gus.token)
    await until('its inbox is read', () => inbox.doc.getMap('messages').size > 0)
    const lost = acknowledged.filter(({ id, storedOn }) => storedOn.includes(2) && !inbox.doc.getMap('messages').has(id))
    inbox.detach()
    assert.is(lost.length, 0, `${lost.length} of ${onThree} that it was counted for are not on its disk`)
    for (const pid of [0, 1]) await small.revive(pid)
    await small.waitEqual(60_000)
    for (const pid of small.pids) assert.is((await mustAsk(200, small.at(pid), 'GET', '/api/inbox', { token: gus.token })).body.unopened, acknowledged.length + 1, `node ${pid}`)
  } finally {
    for (const pid of small.pids) await small.kill(pid)
    execFileSync('umount', [dataDir], { stdio: 'pipe' })
    await small.close()
  }
})

requests.run()
starts.run()
disk.run()
