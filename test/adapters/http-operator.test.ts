// The operator's calls over a real port with a core that a test plays: nothing opens without a proof, and a proof opens one request once.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createHttpOperator } from '../../node/adapters/http-operator.ts'
import { type OperatorRequest, createOperatorGate, isAnswerProven, proveAnswer, signOperatorRequest } from '../../node/adapters/http-operator-token.ts'
import { createHttpServer } from '../../node/adapters/http-server.ts'
import type { Event } from '../../node/core/events.ts'

const test = suite('http-operator')
const secret = new TextEncoder().encode('a secret of the cluster')
const other = new TextEncoder().encode('a secret of nobody here')
const ADMITTED = { pid: 3, nodes: [{ pid: 3, url: 'http://fourth.example' }] }
const heard: Extract<Event, { type: 'request' }>[] = []

const operator = createHttpOperator({
  readSecrets: () => [other, secret], checksResponses: true, log: () => undefined,
  emit: event => {
    if (event.type !== 'request') return
    heard.push(event)
    const body = event.body.type === 'operator-remove-account' ? null : event.body.type === 'operator-admit-member' ? ADMITTED : { account: { id: 'a', name: 'ada' } }
    operator.respond({ type: 'respond', call: event.call, status: body === null ? 204 : 200, body, retryAfterSeconds: null, after: 0 })
  }
})
const server = createHttpServer({ tls: null, nodeUrls: () => ['http://node.example'], handlers: [operator.handle], onPeer: () => 503, onSync: () => 400, log: () => undefined })
let host = ''

test.before(async () => {
  host = `127.0.0.1:${await server.listen(0, '127.0.0.1')}`
})
test.before.each(() => void (heard.length = 0))
test.after(() => server.shutDown())

interface Asked {
  readonly method?: string
  readonly path?: string
  readonly body?: string
  readonly sign?: (request: OperatorRequest) => string
  readonly headers?: Record<string, string>
}

const ask = async ({ method = 'POST', path = '/operator/accounts/ada/password', body = '{"password":"a new password"}', sign = request => signOperatorRequest(secret, request, Date.now()), headers = {} }: Asked): Promise<number> => {
  const request: OperatorRequest = { method, host, url: path, body: Buffer.from(method === 'DELETE' ? '' : body) }
  const response = await fetch(`http://${host}${path}`, {
    method,
    ...(method === 'DELETE' ? {} : { body }),
    headers: { 'Content-Type': 'application/json', Authorization: sign(request), ...headers }
  })
  return response.status
}

test('a command with a proof reaches the core, checked; either secret will do', async () => {
  assert.is(await ask({}), 200)
  assert.equal(heard[0]?.body, { type: 'operator-reset-password', account: 'ada', password: 'a new password' })
  assert.is(await ask({ method: 'DELETE', path: '/operator/accounts/a%20b', sign: request => signOperatorRequest(other, request, Date.now()) }), 204)
  assert.equal(heard[1]?.body, { type: 'operator-remove-account', account: 'a b' })
  assert.ok(heard.every(({ call }) => call < 0), 'so that they are never mistaken for calls of the API')
})

test('without a proof, with another secret, an old or a used proof nothing reaches the core', async () => {
  const wrong = new TextEncoder().encode('a secret that somebody guessed')
  assert.is(await ask({ sign: () => 'Bearer token' }), 401)
  assert.is(await ask({ sign: request => signOperatorRequest(wrong, request, Date.now()) }), 401)
  assert.is(await ask({ sign: request => signOperatorRequest(secret, request, Date.now() - 61_000) }), 401)
  const request: OperatorRequest = { method: 'POST', host, url: '/operator/accounts/ada/password', body: Buffer.from('{"password":"a new password"}') }
  const once = signOperatorRequest(secret, request, Date.now())
  assert.is(await ask({ sign: () => once }), 200)
  assert.is(await ask({ sign: () => once }), 401)
  assert.is(heard.length, 1)
})

test('a proof holds for its own method, address, path and body only', () => {
  const gate = createOperatorGate(() => [secret])
  const request: OperatorRequest = { method: 'POST', host, url: '/operator/accounts', body: Buffer.from('{}') }
  const changes: Partial<OperatorRequest>[] = [{ method: 'DELETE' }, { host: 'elsewhere:1' }, { url: '/operator/accounts?x=1' }, { body: Buffer.from('{ }') }]
  for (const change of changes) assert.is(gate(signOperatorRequest(secret, request, 5), { ...request, ...change }, 5), 'wrong', JSON.stringify(change))
  const proof = signOperatorRequest(secret, request, 5)
  assert.is(gate(proof, request, 60_005), 'proven')
  assert.is(gate(proof, request, 60_005), 'repeated')
  assert.is(gate(proof, request, 200_000), 'stale', 'a proof whose nonce is forgotten is too old')
})

test('for a browser and for what a proxy passes on, the calls do not exist, even with a proof', async () => {
  assert.is(await ask({ headers: { Origin: 'http://node.example' } }), 404)
  assert.is(await ask({ headers: { 'X-Forwarded-For': '127.0.0.1' } }), 404)
  assert.is(heard.length, 0)
})

test('[REP7] a node that joins asks from afar, with a proof, and its answer is proven to it alone', async () => {
  const path = '/operator/admissions'
  const body = JSON.stringify({ nodeId: 'ab'.repeat(16), url: 'http://fourth.example' })
  const afar = { 'X-Forwarded-For': '192.0.2.7' }
  const wrong = new TextEncoder().encode('a secret that somebody guessed')
  assert.is(await ask({ path, body, headers: afar, sign: () => '' }), 401)
  assert.is(await ask({ path, body, headers: afar, sign: request => signOperatorRequest(wrong, request, Date.now()) }), 401)
  assert.is(await ask({ path, body, headers: { ...afar, Origin: 'http://node.example' } }), 404)
  assert.is(await ask({ path, body: body.replace('http:', 'data:'), headers: afar }), 400)
  assert.is(await ask({ method: 'DELETE', path, headers: afar }), 404, 'the other calls and methods are for the same machine')
  assert.is(heard.length, 0)

  const authorization = signOperatorRequest(secret, { method: 'POST', host, url: path, body: Buffer.from(body) }, Date.now())
  const headers = { 'Content-Type': 'application/json', Authorization: authorization, ...afar }
  const response = await fetch(`http://${host}${path}`, { method: 'POST', body, headers })
  const answer = { authorization, status: response.status, body: Buffer.from(await response.arrayBuffer()) }
  const proof = response.headers.get('starling-proof') ?? ''
  assert.equal(JSON.parse(answer.body.toString()), ADMITTED)
  assert.is(isAnswerProven([secret], answer, proof), true)
  assert.is(isAnswerProven([wrong], answer, proof), false)
  const changes = [{ authorization: signOperatorRequest(secret, { method: 'POST', host, url: path, body: Buffer.from(body) }, Date.now()) }, { status: 201 }, { body: Buffer.from(answer.body.toString().replace('3', '1')) }]
  for (const change of changes) assert.is(isAnswerProven([secret], { ...answer, ...change }, proof), false, JSON.stringify(change))
  assert.is(isAnswerProven([secret], answer, proveAnswer([wrong], answer)), false)
  assert.is(isAnswerProven([secret], answer, ''), false)
  assert.is((await fetch(`http://${host}${path}`, { method: 'POST', body, headers })).status, 401, 'a request that was overheard')
  assert.is(heard.length, 1)
})

test('what does not fit its call is refused with the field', async () => {
  assert.is(await ask({ body: '{"pass":1}' }), 400)
  assert.is(await ask({ method: 'DELETE', path: '/operator/members/nobody' }), 400)
  assert.is(await ask({ path: '/operator/nothing' }), 404)
  assert.is(await ask({ method: 'PUT' }), 405)
  assert.is(heard.length, 0)
})

test.run()
