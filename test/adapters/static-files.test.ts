// The page's files over a real port: which paths give what, and the headers that keep a page to itself.

import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { contentPolicy, createStaticFiles } from '../../node/adapters/static-files.ts'

const test = suite('static-files')
const outside = mkdtempSync(join(tmpdir(), 'starling-static-'))
const directory = join(outside, 'web')
const files: Record<string, string> = { 'index.html': '<!doctype html>', 'main-ABCD1234.js': '1', 'service-worker.js': '2', 'shell.json': '{}' }
let handle: ReturnType<typeof createStaticFiles>
const server = createServer((request, response) => {
  response.setHeader('Content-Security-Policy', "default-src 'none'") // as the node's server does for all that is no page
  if (!handle(request, response, (request.url ?? '').split('?')[0] ?? '')) response.writeHead(404).end()
})
const get = (path: string, method = 'GET'): Promise<Response> => fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`, { method })

test.before(async () => {
  mkdirSync(directory)
  writeFileSync(join(outside, 'secret.txt'), 'secret')
  for (const [name, content] of Object.entries(files)) writeFileSync(join(directory, name), content)
  handle = createStaticFiles({ directory, nodeUrls: () => ['http://a.example:4000', 'https://b.example', 'nonsense'] })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
})
test.after(() => {
  server.closeAllConnections()
  server.close()
  rmSync(outside, { recursive: true, force: true })
})

test('files are served as they are, and every page path gives the page', async () => {
  assert.is(await (await get('/main-ABCD1234.js')).text(), '1')
  for (const path of ['/', '/drafts', '/messages/7?x=1']) assert.is(await (await get(path)).text(), '<!doctype html>', path)
  assert.is((await get('/', 'HEAD')).status, 200)
})

test('a file that is not there, another method and a way out of the folder give nothing', async () => {
  assert.is((await get('/missing.js')).status, 404)
  assert.is((await get('/', 'POST')).status, 404)
  // What names no file is a path of the page.
  for (const path of ['/..%2fsecret.txt', '/%2e%2e/secret.txt', '/../secret.txt']) assert.not.match(await (await get(path)).text(), /secret/, path)
})

test('only what never changes is kept by browsers; the service worker governs the whole origin', async () => {
  assert.match((await get('/main-ABCD1234.js')).headers.get('cache-control') ?? '', /immutable/)
  assert.is((await get('/')).headers.get('cache-control'), 'no-cache')
  const worker = await get('/service-worker.js')
  assert.is(worker.headers.get('cache-control'), 'no-cache')
  assert.is(worker.headers.get('service-worker-allowed'), '/')
})

test('the policy allows the page itself and its nodes, over both schemes, and nothing else', async () => {
  const policy = (await get('/')).headers.get('content-security-policy') ?? ''
  assert.match(policy, /connect-src 'self' http:\/\/a\.example:4000 ws:\/\/a\.example:4000 https:\/\/b\.example wss:\/\/b\.example;/)
  assert.match(policy, /require-trusted-types-for 'script'; trusted-types starling$/)
  assert.not.match(policy, /unsafe|nonsense/)
  assert.match(contentPolicy([]), /connect-src 'self';/)
})

test('a page that has not changed since keeps its policy: browsers put the headers of a 304 over those they have', async () => {
  const { port } = server.address() as AddressInfo
  const first = await get('/')
  const etag = first.headers.get('etag') ?? ''
  const second = await fetch(`http://127.0.0.1:${port}/`, { headers: { 'If-None-Match': etag } })
  assert.is(second.status, 304)
  assert.is(second.headers.get('content-security-policy'), first.headers.get('content-security-policy'))
})

test('a node without a built page says so at its front door', async () => {
  const bare = createStaticFiles({ directory: join(directory, 'absent'), nodeUrls: () => [] })
  const before = handle
  handle = bare
  assert.match(await (await get('/')).text(), /npm run build/)
  assert.is((await get('/drafts')).status, 404)
  handle = before
})

test.run()
