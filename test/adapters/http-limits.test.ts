// Who is held back and who is not: the limits by themselves, and as a client meets them over HTTP.

import type { IncomingMessage } from 'node:http'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Call } from '../../crdt-schema/api.ts'
import { createAddressReader } from '../../node/adapters/http-address.ts'
import { createHttpApi } from '../../node/adapters/http-api.ts'
import { type Admission, type HttpLimits, LIMIT_FIGURES, createHttpLimits } from '../../node/adapters/http-limits.ts'
import { createHttpServer } from '../../node/adapters/http-server.ts'
import { problem } from '../../crdt-schema/api-problems.ts'

const test = suite('http-limits')

const signIn = (name: string): Call => ({ type: 'create-session', name, password: 'wrong password' })
const lookUp: Call = { type: 'look-up-name', name: 'ada' }
const from = (address: string, token: string | null = null) => ({ address, token })

const waitOf = (admission: Admission): number => (admission.status === 'wait' ? admission.seconds : 0)
/** Tries once with the outcome given; the seconds to wait instead, or 0. */
const attempt = async (limits: HttpLimits, call: Call, address: string, code: string | null): Promise<number> => {
  const admission = await limits.admit(call, from(address))
  if (admission.status === 'admitted') admission.settle(code)
  return waitOf(admission)
}
const failOften = async (limits: HttpLimits, times: number, toCall: (i: number) => Call, toAddress: (i: number) => string): Promise<number[]> => {
  const waits: number[] = []
  for (let i = 0; i < times; i++) waits.push(await attempt(limits, toCall(i), toAddress(i), 'wrong-credentials'))
  return waits
}
const sleep = (ms: number): Promise<void> => new Promise(resolve => setTimeout(resolve, ms))

test('wrong passwords make the next try wait, and longer after each', async () => {
  const limits = createHttpLimits()
  assert.equal(await failOften(limits, 6, () => signIn('ada'), () => '192.0.2.1'), [0, 0, 0, 0, 0, 1])
  await sleep(1_050)
  assert.is(await attempt(limits, signIn('ada'), '192.0.2.1', 'wrong-credentials'), 0, 'never a hard lockout')
  assert.is(await attempt(limits, signIn('ada'), '192.0.2.1', 'wrong-credentials'), 2)
})

test('a hundred at once get no further than one after the other', async () => {
  const limits = createHttpLimits()
  const admissions = await Promise.all(Array.from({ length: 100 }, () => limits.admit(signIn('ada'), from('192.0.2.1'))))
  assert.is(admissions.filter(({ status }) => status === 'admitted').length, LIMIT_FIGURES.guessesByPair.free)
})

test('the right password clears what was wrong before; a node that was busy counts for nothing', async () => {
  const limits = createHttpLimits()
  for (let round = 0; round < 4; round++) {
    assert.equal(await failOften(limits, 4, () => signIn('ada'), () => '192.0.2.1'), [0, 0, 0, 0])
    assert.is(await attempt(limits, signIn('ada'), '192.0.2.1', null), 0)
  }
  for (let i = 0; i < 20; i++) assert.is(await attempt(limits, signIn('bob'), '192.0.2.2', 'busy'), 0)
})

test('guesses at one name from everywhere wait, but not for whoever signed in from there before', async () => {
  const limits = createHttpLimits()
  assert.is(await attempt(limits, signIn('ada'), '192.0.2.1', null), 0)
  const waits = await failOften(limits, 21, () => signIn('Ada'), i => `198.51.100.${i}`)
  assert.is(waits.at(-1), 1, 'a name is the same however it is written')
  assert.is(await attempt(limits, signIn('ada'), '192.0.2.1', null), 0)
})

test('guesses at many names from one network wait', async () => {
  const limits = createHttpLimits()
  const waits = await failOften(limits, 31, i => signIn(`name-${i}`), i => `2001:db8:0:1::${i.toString(16)}`)
  assert.equal([waits[29], waits[30]], [0, 1])
  assert.is(await attempt(limits, signIn('eve'), '2001:db8::2:0:0:0:1', 'wrong-credentials'), 0, 'the network beside is free')
})

test('guesses at recovery codes and at the password of one name count together', async () => {
  const limits = createHttpLimits()
  const recover = (name: string): Call => ({ type: 'recover-account', name, code: '0000-0000-0000-0000', newPassword: 'correct horse' })
  assert.equal(await failOften(limits, 6, i => (i % 2 === 0 ? signIn('ada') : recover(' ADA ')), () => '192.0.2.1'), [0, 0, 0, 0, 0, 1])
})

test('a session that guesses the password of its account waits too', async () => {
  const limits = createHttpLimits()
  const waits: number[] = []
  for (let i = 0; i < 6; i++) {
    const admission = await limits.admit({ type: 'remove-me', password: 'wrong password' }, from('192.0.2.1', 'token'))
    if (admission.status === 'admitted') admission.settle('wrong-credentials')
    waits.push(waitOf(admission))
  }
  assert.is(waits.at(-1), 1)
})

test('ten names a minute may be looked up from one address, and accounts and messages have their figures', async () => {
  const limits = createHttpLimits({ ...LIMIT_FIGURES, creationsAnHour: 2, messagesAMinute: 3 })
  const count = async (call: Call, token: string | null): Promise<number[]> => {
    const waits: number[] = []
    for (let i = 0; i < 12; i++) waits.push(waitOf(await limits.admit(call, from('192.0.2.1', token))))
    return waits.filter(seconds => seconds > 0)
  }
  const lookUps = await count(lookUp, null)
  assert.is(lookUps.length, 2)
  assert.ok(lookUps.every(seconds => seconds > 0 && seconds <= 60))
  assert.is((await count({ type: 'create-account', name: 'ada', password: 'right password' }, null)).length, 10)
  const send: Call = { type: 'send-message', to: ['ada'], text: 'hello' }
  assert.is((await count(send, 'one')).length, 9)
  assert.is((await count(send, 'two')).length, 9, 'each session has its own')
  assert.is(waitOf(await limits.admit(lookUp, from('192.0.2.2'))), 0)
})

test('over HTTP it is 429 with Retry-After and the code, and the core hears nothing', async () => {
  let heard = 0
  const codes: (string | null)[] = []
  const api = createHttpApi({
    version: '1', checksResponses: true, log: () => undefined, onAnswered: ({ code }) => codes.push(code), limits: createHttpLimits(),
    emit: event => {
      if (event.type !== 'request') return
      heard++
      const isSignIn = event.body.type === 'create-session'
      api.respond({ type: 'respond', call: event.call, status: isSignIn ? 401 : 200, body: isSignIn ? problem('wrong-credentials') : { name: 'ada', exists: false }, retryAfterSeconds: null, after: 0 })
    }
  })
  const server = createHttpServer({ tls: null, nodeUrls: () => [], handlers: [api.handle], onPeer: () => 503, onSync: () => 400, log: () => undefined })
  const url = `http://127.0.0.1:${await server.listen(0, '127.0.0.1')}`
  const body = JSON.stringify({ name: 'ada', password: 'wrong password' })
  const statuses: number[] = []
  let last = await fetch(`${url}/api/accounts/ada`)
  for (let i = 0; i < 6; i++) {
    last = await fetch(`${url}/api/sessions`, { method: 'POST', body, headers: { 'Content-Type': 'application/json' } })
    statuses.push(last.status)
  }
  assert.equal(statuses, [401, 401, 401, 401, 401, 429])
  assert.is(last.headers.get('retry-after'), '1')
  assert.is(last.headers.get('content-type'), 'application/problem+json')
  assert.is(((await last.json()) as { code: string }).code, 'too-many-requests')
  assert.is(heard, 6)
  assert.is(codes.at(-1), 'too-many-requests')
  for (let i = 0; i < 9; i++) assert.is((await fetch(`${url}/api/accounts/ada`)).status, 200)
  assert.is((await fetch(`${url}/api/accounts/ada`)).status, 429)
  await server.shutDown()
})

test('X-Forwarded-For is believed from the proxies named and from nobody else', () => {
  const read = createAddressReader(['127.0.0.1', '10.0.0.2'])
  const request = (remoteAddress: string, forwarded?: string): IncomingMessage => ({ socket: { remoteAddress }, headers: forwarded === undefined ? {} : { 'x-forwarded-for': forwarded } }) as unknown as IncomingMessage
  assert.is(read(request('192.0.2.7', '198.51.100.1')), '192.0.2.7')
  assert.is(read(request('::ffff:127.0.0.1', '198.51.100.1, 192.0.2.7, 10.0.0.2')), '192.0.2.7')
  assert.is(read(request('127.0.0.1')), '127.0.0.1')
})

test.run()
