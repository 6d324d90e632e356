// The HTTP side of a node over a real port with a core that a test plays: routing, checks, limits, headers, streams.

import { request as httpRequest } from 'node:http'
import { connect } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CALLS } from '../../crdt-schema/api.ts'
import { problem } from '../../crdt-schema/api-problems.ts'
import { type HttpApi, createHttpApi } from '../../node/adapters/http-api.ts'
import { BODY_BYTES_MAX } from '../../node/adapters/http-body.ts'
import { createHealth } from '../../node/adapters/http-health.ts'
import { createHttpServer, isOwnOrigin } from '../../node/adapters/http-server.ts'
import type { Event } from '../../node/core/events.ts'

type Request = Extract<Event, { type: 'request' }>

const test = suite('http-api')
const events: Event[] = []
/** What the played core does with a request; each test sets its own. */
let onRequest: (request: Request) => void
let ready = true
const answered: (string | null)[] = []
const faults: string[] = []

const api: HttpApi = createHttpApi({
  version: '1.0.0',
  checksResponses: true,
  emit: event => {
    events.push(event)
    if (event.type === 'request') onRequest(event)
  },
  log: (_level, _event, fields) => faults.push(String(fields['err'])),
  onAnswered: ({ code }) => answered.push(code)
})
const server = createHttpServer({
  tls: null,
  nodeUrls: () => ['http://node-1.example:4001'],
  handlers: [
    api.handle,
    createHealth({
      readiness: () => ({ ready, checks: [{ check: 'storage', ok: true, text: 'open' }, { check: 'caught-up', ok: ready, text: ready ? 'yes' : 'syncing' }] }),
      renderMetrics: async () => ({ type: 'text/plain', text: 'starling_coordinator 1\n' })
    })
  ],
  onPeer: () => 503,
  onSync: () => 400,
  log: () => undefined
})
let port = 0
const url = (path: string): string => `http://127.0.0.1:${port}${path}`

const answer = (call: number, status: number, body: unknown, retryAfterSeconds: number | null = null): void =>
  api.respond({ type: 'respond', call, status, body, retryAfterSeconds, after: 0 })
const post = (path: string, body: unknown, headers: Record<string, string> = {}): Promise<Response> =>
  fetch(url(path), { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body), headers: { 'Content-Type': 'application/json', Authorization: 'Bearer T', ...headers } })
const readProblem = async (response: Response): Promise<{ status: number; code: string; field?: string }> => {
  assert.is(response.headers.get('content-type'), 'application/problem+json')
  const body = (await response.json()) as { status: number; code: string; field?: string }
  assert.is(body.status, response.status)
  return body
}

/** The status line that these bytes get. */
const say = (bytes: string): Promise<string> =>
  new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(bytes))
    socket.on('data', data => {
      resolve(String(data).split('\r\n')[0] ?? '')
      socket.destroy()
    })
    socket.on('error', reject)
  })

test.before(async () => {
  port = await server.listen(0, '127.0.0.1')
})
test.before.each(() => {
  events.length = 0
  answered.length = 0
  faults.length = 0
  ready = true
  onRequest = ({ call }) => answer(call, 200, {})
})
test.after(() => server.shutDown())

test('a call reaches the core checked and whole, and its answer the client', async () => {
  onRequest = ({ call }) => answer(call, 201, { id: 'm', storedOn: [0, 1], recipients: [] })
  const response = await post('/api/messages', { to: ['ada'], text: 'hello' }, { 'Idempotency-Key': '0190A0B0-0000-7000-8000-000000000001' })
  assert.is(response.status, 201)
  assert.is(response.headers.get('content-type'), 'application/json')
  assert.equal(await response.json(), { id: 'm', storedOn: [0, 1], recipients: [] })
  const [request] = events
  assert.equal(request, {
    type: 'request',
    call: (request as Request).call,
    body: { type: 'send-message', to: ['ada'], text: 'hello' },
    token: 'T',
    idempotencyKey: '0190a0b0-0000-7000-8000-000000000001',
    address: '127.0.0.1'
  })
})

test('fields of path and query are decoded', async () => {
  onRequest = ({ call }) => answer(call, 200, { name: 'é', exists: false })
  assert.is((await fetch(url('/api/accounts/%C3%A9'))).status, 200)
  assert.equal((events[0] as Request).body, { type: 'look-up-name', name: 'é' })
  onRequest = ({ call }) => answer(call, 200, { accounts: [] })
  await fetch(url('/api/accounts?prefix=a%20b&limit=7'), { headers: { Authorization: 'Bearer T' } })
  assert.equal((events[1] as Request).body, { type: 'list-accounts', prefix: 'a b', limit: 7 })
})

test('drafts/send is not a draft named send', async () => {
  onRequest = ({ call }) => answer(call, 200, { sent: [], failed: [] })
  assert.is((await post('/api/drafts/send', { selected: true })).status, 200)
  assert.is((events[0] as Request).body.type, 'send-drafts')
})

test('bodies that are not what the call takes are refused with the field, and the core hears nothing', async () => {
  const bad: readonly [unknown, string][] = [
    ['not json', 'body'],
    ['', 'body'],
    ['"\xff"', 'body.to'],
    [[], 'body.to'],
    [{ to: ['ada'] }, 'body.text'],
    [{ to: ['ada'], text: 7 }, 'body.text'],
    [{ to: 'ada', text: 'x' }, 'body.to'],
    [{ to: ['ada'], text: 'x', more: 1 }, 'body.more'],
    [{ to: ['ada'], text: 'x', id: 'nonsense' }, 'body.id']
  ]
  for (const [body, field] of bad) {
    const response = await post('/api/messages', body)
    assert.is(response.status, 400, JSON.stringify(body))
    const told = await readProblem(response)
    assert.is(told.code, 'bad-request')
    assert.ok(told.field?.startsWith(field.split('.')[0] ?? ''), `${told.field} for ${JSON.stringify(body)}`)
  }
  assert.is((await readProblem(await fetch(url('/api/messages?limit=0'), { headers: { Authorization: 'Bearer T' } }))).field, 'query.limit')
  assert.is((await readProblem(await fetch(url('/api/messages?limit=1&limit=2'), { headers: { Authorization: 'Bearer T' } }))).field, 'query')
  assert.equal(events, [])
})

test('[COR3] a body over its cap is refused by its length before it is read, and by its bytes where no length is told', async () => {
  const head = `POST /api/messages HTTP/1.1\r\nHost: a\r\nAuthorization: Bearer T\r\nContent-Type: application/json\r\nContent-Length: ${BODY_BYTES_MAX + 1}\r\n\r\n`
  assert.match(await say(head), /413/)
  const status = await new Promise<number>((resolve, reject) => {
    const request = httpRequest(url('/api/messages'), { method: 'POST', headers: { 'Content-Type': 'application/json', Authorization: 'Bearer T', 'Transfer-Encoding': 'chunked' } })
    request.on('response', ({ statusCode }) => {
      resolve(statusCode ?? 0)
      request.destroy()
    })
    request.on('error', reject)
    const chunk = Buffer.alloc(64 * 1024, 0x20)
    for (let sent = 0; sent <= BODY_BYTES_MAX; sent += chunk.length) request.write(chunk)
  })
  assert.is(status, 413)
  assert.equal(events, [])
})

test('a body must say that it is JSON', async () => {
  assert.is((await readProblem(await post('/api/messages', '{}', { 'Content-Type': 'text/plain' }))).code, 'unsupported-media-type')
})

test('[COO5] an Idempotency-Key is a UUID or an error', async () => {
  const told = await readProblem(await post('/api/messages', { to: ['ada'], text: 'x' }, { 'Idempotency-Key': 'abc' }))
  assert.equal([told.status, told.field], [400, 'Idempotency-Key'])
})

test('a call that needs a token is refused without one, and says which scheme', async () => {
  for (const authorization of ['', 'Basic abc', 'Bearer', `Bearer ${'x'.repeat(300)}`]) {
    const response = await post('/api/messages', { to: ['ada'], text: 'x' }, { Authorization: authorization })
    assert.is((await readProblem(response)).code, 'unauthorized', authorization)
    assert.is(response.headers.get('www-authenticate'), 'Bearer')
  }
  assert.equal(events, [])
})

test('an unknown path is 404; a known one with another method is 405 and names those there are', async () => {
  assert.is((await readProblem(await fetch(url('/api/nothing')))).code, 'not-found')
  assert.is((await readProblem(await fetch(url('/nothing')))).code, 'not-found')
  assert.is((await readProblem(await fetch(url('/api/%')))).code, 'not-found')
  const response = await fetch(url('/api/messages'), { method: 'PUT' })
  assert.is((await readProblem(response)).code, 'method-not-allowed')
  assert.is(response.headers.get('allow'), 'GET, POST, OPTIONS')
})

test('a problem of the core travels with its code and when to come back', async () => {
  onRequest = ({ call }) => answer(call, 503, problem('no-coordinator'), 1)
  const response = await post('/api/sessions', { name: 'ada', password: 'correct horse' })
  assert.is(response.headers.get('retry-after'), '1')
  assert.is((await readProblem(response)).code, 'no-coordinator')
  assert.equal(answered, ['no-coordinator'])
})

test('an answer that does not fit its schema is a bug: 500, and the log says where', async () => {
  for (const [status, body] of [[200, { unopened: 'three' }], [201, { unopened: 3 }], [200, null]] as const) {
    onRequest = ({ call }) => answer(call, status, body)
    assert.is((await readProblem(await fetch(url('/api/inbox'), { headers: { Authorization: 'Bearer T' } }))).code, 'internal')
  }
  assert.is(faults.length, 3)
  assert.match(faults[0] ?? '', /count-inbox: unopened/)
})

test('204 has no body', async () => {
  onRequest = ({ call }) => answer(call, 204, null)
  const response = await fetch(url('/api/sessions/current'), { method: 'DELETE', headers: { Authorization: 'Bearer T' } })
  assert.is(response.status, 204)
  assert.is(await response.text(), '')
})

test('a client that goes away is told to the core, and what comes for it later is dropped', async () => {
  const abort = new AbortController()
  const seen = new Promise<number>(resolve => (onRequest = ({ call }) => resolve(call)))
  const gone = fetch(url('/api/inbox'), { headers: { Authorization: 'Bearer T' }, signal: abort.signal }).catch(() => 'gone')
  const call = await seen
  abort.abort()
  assert.is(await gone, 'gone')
  while (!events.some(event => event.type === 'request-aborted' && event.call === call)) await new Promise(resolve => setImmediate(resolve))
  answer(call, 200, { unopened: 1 })
})

test('an event stream opens at once, carries events, and tells the core when its reader leaves', async () => {
  onRequest = ({ call }) => api.stream({ type: 'stream', call, event: '', data: null, after: 0 })
  const response = await fetch(url('/api/events'), { headers: { Authorization: 'Bearer T' } })
  assert.match(response.headers.get('content-type') ?? '', /^text\/event-stream/)
  const { call } = events[0] as Request
  api.stream({ type: 'stream', call, event: 'session-ended', data: { code: 'unauthorized' }, after: 0 })
  api.endStream(call)
  const text = await response.text()
  assert.match(text, /^retry: 1000\n\n:\n\nevent: session-ended\ndata: \{"code":"unauthorized"\}\n\n$/)
  const second = await fetch(url('/api/events'), { headers: { Authorization: 'Bearer T' } })
  await second.body?.cancel()
  while (!events.some(({ type }) => type === 'request-aborted')) await new Promise(resolve => setImmediate(resolve))
})

test('pages of the cluster may call from their own origin or another node’s, and no other page may', async () => {
  onRequest = ({ call }) => answer(call, 200, { unopened: 0 })
  const from = (origin: string) => fetch(url('/api/inbox'), { headers: { Authorization: 'Bearer T', Origin: origin } })
  assert.is((await from(`http://127.0.0.1:${port}`)).status, 200)
  const other = await from('http://node-1.example:4001')
  assert.is(other.headers.get('access-control-allow-origin'), 'http://node-1.example:4001')
  assert.is(other.headers.get('vary'), 'Origin')
  for (const origin of ['http://evil.example', 'http://node-1.example:4002', 'null']) {
    const refused = await from(origin)
    assert.is((await readProblem(refused)).code, 'foreign-origin')
    assert.is(refused.headers.get('access-control-allow-origin'), null)
  }
  const preflight = await fetch(url('/api/messages'), { method: 'OPTIONS', headers: { Origin: 'http://node-1.example:4001', 'Access-Control-Request-Method': 'POST' } })
  assert.is(preflight.status, 204)
  assert.match(preflight.headers.get('access-control-allow-headers') ?? '', /Idempotency-Key/)
  assert.not(isOwnOrigin('http://a:1', 'b:1', ['nonsense']))
})

test('every answer keeps browsers from guessing, framing and caching', async () => {
  const { headers } = await fetch(url('/api/nothing'))
  assert.is(headers.get('x-content-type-options'), 'nosniff')
  assert.match(headers.get('content-security-policy') ?? '', /default-src 'none'; frame-ancestors 'none'/)
  assert.is(headers.get('referrer-policy'), 'no-referrer')
  assert.is(headers.get('cache-control'), 'no-store')
})

/** The status line that a raw upgrade request gets. */
const upgrade = (path: string, origin: string | null): Promise<string> => {
  const lines = [`GET ${path} HTTP/1.1`, 'Host: node.example', 'Connection: Upgrade', 'Upgrade: websocket', ...(origin === null ? [] : [`Origin: ${origin}`])]
  return say(`${lines.join('\r\n')}\r\n\r\n`)
}

test('upgrades: foreign pages and browsers at /peer are refused, and other paths have none', async () => {
  assert.match(await upgrade('/sync/a/drafts', 'http://evil.example'), /403/)
  assert.match(await upgrade('/sync/a/drafts', 'http://node.example'), /400/) // reached the socket, which the test refuses
  assert.match(await upgrade('/sync/a/drafts', null), /400/)
  assert.match(await upgrade('/peer', 'http://node.example'), /403/)
  assert.match(await upgrade('/peer', null), /503/)
  assert.match(await upgrade('/api/events', null), /404/)
})

test('[COR4] what is not HTTP costs its connection and nothing else', async () => {
  assert.match(await say('\u0000\u0001 rubbish\r\n\r\n'), /400/)
  assert.is((await fetch(url('/livez'))).status, 200)
})

test('livez says the loop turns; readyz says why a node is not ready', async () => {
  assert.is(await (await fetch(url('/readyz'))).text(), 'ok\n')
  assert.is(await (await fetch(url('/healthz?verbose'))).text(), 'ok   storage: open\nok   caught-up: yes\nok\n')
  ready = false
  const response = await fetch(url('/readyz'))
  assert.is(response.status, 503)
  assert.is(await response.text(), 'fail caught-up: syncing\nnot ready\n')
  assert.is((await fetch(url('/livez'))).status, 200)
  assert.match(await (await fetch(url('/metrics'))).text(), /starling_coordinator/)
})

test('the OpenAPI document describes every call, with its body, its success and its codes', async () => {
  const document = (await (await fetch(url('/api/openapi.json'))).json()) as { openapi: string; paths: Record<string, Record<string, { operationId: string; responses: Record<string, unknown>; requestBody?: unknown }>> }
  assert.is(document.openapi, '3.1.0')
  const found = Object.values(document.paths).flatMap(path => Object.values(path))
  assert.equal(found.map(({ operationId }) => operationId).sort(), Object.keys(CALLS).sort())
  const send = document.paths['/api/messages']?.['post']
  assert.equal(Object.keys(send?.responses ?? {}), ['201', '400', '401', '403', '409', '413', '415', '422', '429', '500', '503'])
  assert.ok(send?.requestBody)
  assert.ok(document.paths['/api/messages/{id}/recall']?.['post'])
})

test.run()
