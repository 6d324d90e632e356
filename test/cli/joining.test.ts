// How a node that joins gets its pid, and what it says when it gets none; the cluster is played [REP7].

import { mkdtempSync, rmSync } from 'node:fs'
import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { mintNodeId, parsePid } from '../../crdt-schema/ids.ts'
import { proveAnswer } from '../../node/adapters/http-operator-token.ts'
import { keepNodeId } from '../../node/adapters/level-directory.ts'
import { Exit } from '../../node/cli/errors.ts'
import { type JoiningDirectory, joinCluster } from '../../node/cli/joining.ts'
import { readOptions } from '../../node/cli/options.ts'
import { type Settings, createSettings } from '../../node/cli/settings.ts'

const test = suite<{ server: Server; url: string }>('joining')
const SECRET = 'a secret that is long enough'
const env = { STARLING_SECRET: SECRET }
const ID = mintNodeId(new Uint8Array(16).fill(7))
const EMPTY: JoiningDirectory = { pid: null, isEmpty: true, keepNodeId: async () => ID }
const GRANTED = { pid: 3, nodes: [{ pid: 0, url: 'http://a' }, { pid: 3, url: 'http://127.0.0.1:4003' }] }

/** What was asked: path, key, proof, body. */
const heard: { readonly path: string; readonly key: string; readonly authorization: string; readonly body: unknown }[] = []
let play: (request: IncomingMessage, response: ServerResponse) => void

test.before(async (context) => {
  context.server = createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const { authorization = '', 'idempotency-key': key = '' } = request.headers
      heard.push({ path: request.url ?? '', key: String(key), authorization, body: chunks.length === 0 ? null : JSON.parse(Buffer.concat(chunks).toString()) })
      play(request, response)
    })
  })
  await new Promise<void>((resolve) => context.server.listen(0, '127.0.0.1', resolve))
  context.url = `http://127.0.0.1:${(context.server.address() as AddressInfo).port}`
})
test.before.each(() => void (heard.length = 0))
test.after(({ server }) => {
  server.closeAllConnections()
  server.close()
})

const say = (response: ServerResponse, status: number, body: unknown, secret: string | null = null): void => {
  const bytes = Buffer.from(JSON.stringify(body))
  const { authorization = '' } = response.req.headers
  if (secret !== null) response.setHeader('Starling-Proof', proveAnswer([new TextEncoder().encode(secret)], { authorization, status, body: bytes }))
  response.writeHead(status, { 'Content-Type': 'application/json' }).end(bytes)
}

const settingsFor = (url: string, ...flags: readonly string[]): Settings => createSettings(readOptions(['--join', url, '--port', '4003', ...flags], env), env, '1.0.0')

/** The exit code and the text of a join that fails. */
const failure = async (settings: Settings, directory: JoiningDirectory): Promise<{ readonly code: number; readonly message: string }> => {
  try {
    await joinCluster(settings, directory)
  } catch (error) {
    if (error instanceof Exit) return error
    throw error
  }
  throw new Error('it joined')
}

test('[REP7] an empty directory without a pid gets the one that the cluster grants, and starts under the id it asked with', async ({ url }) => {
  play = (_request, response) => say(response, 200, GRANTED, SECRET)
  const { config } = await joinCluster(settingsFor(url), EMPTY)
  assert.equal([config.pid, config.nodeId, [...config.peers]], [3, ID, [[0, 'http://a'], [3, 'http://127.0.0.1:4003']]])
  assert.equal(heard.map(({ path, body }) => [path, body]), [['/operator/admissions', { nodeId: ID, url: 'http://127.0.0.1:4003' }]])
})

test('[REP7] "not now" and a lost answer are asked again: the same request, each time with a proof of its own', async ({ url }) => {
  const asked = (): typeof heard => heard.filter(({ path }) => path === '/operator/admissions')
  play = (request, response) => {
    if (request.url === '/api/cluster') say(response, 200, { nodes: GRANTED.nodes })
    else if (asked().length === 2) say(response, 503, { code: 'no-coordinator' })
    else if (asked().length < 4) response.destroy()
    else say(response, 200, GRANTED, SECRET)
  }
  assert.is((await joinCluster(settingsFor(url), EMPTY)).config.pid, 3)
  assert.is(asked().length, 4)
  assert.is(new Set(asked().map(({ key, body }) => `${key} ${JSON.stringify(body)}`)).size, 1)
  assert.is(new Set(asked().map(({ authorization }) => authorization)).size, 4)
})

test('[REP7] a pid from somebody who does not prove the secret is not taken', async ({ url }) => {
  for (const secret of [null, 'a secret that is another one']) {
    play = (_request, response) => say(response, 200, { ...GRANTED, pid: 0 }, secret)
    const { code, message } = await failure(settingsFor(url), EMPTY)
    assert.is(code, 6)
    assert.match(message, /does not prove the cluster's secret/)
  }
})

test('[REP7] each refusal ends with code 6 and says what to do', async ({ url }) => {
  const said: readonly (readonly [status: number, body: unknown, text: RegExp])[] = [
    [401, { code: 'unauthorized', detail: 'Give the secret file of this cluster.' }, /^Refused by the node at .*Give the secret file of this cluster\.$/],
    [409, { code: 'cluster-full', title: 'No pid is free', detail: 'Start it otherwise.' }, /No pid is free\. Start it otherwise\./],
    [409, { code: 'removed', title: 'This node was removed', detail: 'Start it with an empty one.' }, /This node was removed\. Start it with an empty one\./]
  ]
  for (const [status, body, text] of said) {
    play = (_request, response) => say(response, status, body)
    const { code, message } = await failure(settingsFor(url), EMPTY)
    assert.is(code, 6)
    assert.match(message, text)
  }
})

test('[REP7] a cluster of a version that grants none is told apart from nobody', async ({ url }) => {
  play = (request, response) => (request.url === '/api/cluster' ? say(response, 200, { nodes: GRANTED.nodes }) : say(response, 404, { code: 'not-found' }))
  const old = await failure(settingsFor(url), EMPTY)
  assert.is(old.code, 6)
  assert.match(old.message, /of a version that grants no pid\. Give this node a --pid/)
  play = (_request, response) => say(response, 404, { message: 'some other program' })
  for (const place of [url, 'http://127.0.0.1:9']) {
    const nobody = await failure(settingsFor(place), EMPTY)
    assert.is(nobody.code, 6)
    assert.match(nobody.message, /^Nobody answers at/)
  }
})

test('[REP7] a directory that is a node’s asks for no pid, whether or not one is given, and whether or not somebody answers', async ({ url }) => {
  play = (_request, response) => say(response, 200, { nodes: GRANTED.nodes })
  const directory: JoiningDirectory = { pid: parsePid(3), isEmpty: false, keepNodeId: () => Promise.reject(new Error('asked for a pid')) }
  for (const settings of [settingsFor(url), settingsFor(url, '--pid', '3')]) {
    const { config } = await joinCluster(settings, directory)
    assert.equal([config.pid, config.nodeId, config.peers.get(0 as never)], [3, null, 'http://a'])
  }
  assert.equal([...(await joinCluster(settingsFor('http://127.0.0.1:9'), directory)).config.peers], [[3, 'http://127.0.0.1:4003']])
  assert.ok(heard.every(({ path }) => path === '/api/cluster'))
  const unclear = await failure(settingsFor(url), { ...directory, pid: null })
  assert.is(unclear.code, 4)
  assert.match(unclear.message, /does not say which node it belongs to/)
})

test('[REP7] the id under which a directory asks is made once', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'starling-id-'))
  try {
    assert.is(await keepNodeId(directory, ID), ID)
    assert.is(await keepNodeId(directory, mintNodeId(new Uint8Array(16).fill(8))), ID)
  } finally {
    rmSync(directory, { recursive: true })
  }
})

test.run()
