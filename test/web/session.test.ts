// Signing in and out in two steps, several accounts on one device, and calls that go on to the next node.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createApi } from '../../web/link/api.ts'
import { createNodeBook } from '../../web/link/node-book.ts'
import { createApp } from '../../web/model/app.ts'
import { createSession } from '../../web/model/session.ts'
import { createKeyboard } from '../../web/view/keys.ts'
import { createCaretMove } from '../../web/view/drafts.tsx'
import { ANA, BEN, createFakePorts, createFakeStore, present, settle } from '../support/web-fakes.ts'

const test = suite('session')

const signedIn = (id: string, name: string, token = `token-${name}`) => ({
  ok: true as const,
  value: { account: { id, name }, session: { id: `session-${token}`, token, expiresAt: '2026-12-22T12:00:00.000Z' } },
})

const openAs = async (ports: ReturnType<typeof createFakePorts>, name: string) => {
  const session = createSession(ports)
  await session.submitName(name)
  await session.submitPassword('a-good-password')
  return session
}

test('both greetings, and what is wrong with a name or a password', async () => {
  const known = new Set(['ana'])
  const ports = createFakePorts({
    lookUpName: async (name) => ({ ok: true, value: { name, exists: known.has(name) } }),
    signIn: async ({ password }) => (password === 'right-password' ? signedIn(ANA, 'ana') : { ok: false, code: 'wrong-credentials' }),
    createAccount: async ({ name }) => signedIn(BEN, name),
  })
  const session = createSession(ports)
  await session.submitName('  ')
  assert.equal(session.error.value, { code: 'empty-name' })
  await session.submitName('a b')
  assert.equal(session.error.value, { code: 'invalid-name' })
  await session.submitName('ana')
  assert.equal(session.state.value, { status: 'known', name: 'ana' })
  await session.submitPassword('wrong-password')
  assert.equal(session.error.value, { code: 'wrong-password' })
  session.changeName()
  assert.equal(session.state.value, { status: 'name', name: 'ana' })
  await session.submitName('ben')
  assert.equal(session.state.value, { status: 'new', name: 'ben' })
  await session.submitPassword('short')
  assert.equal(session.error.value, { code: 'weak-password' })
  await session.submitPassword('long-enough')
  assert.is(session.state.value.status, 'signed-in')
})

test('the recovery codes of an account made here are there until they are kept, and never after signing in', async () => {
  const codes = ['7K3M-9QZT-W1HA-R5CD']
  const made = { ...signedIn(ANA, 'ana'), value: { ...signedIn(ANA, 'ana').value, recoveryCodes: codes } }
  const known = new Set<string>()
  const ports = createFakePorts({
    lookUpName: async (name) => ({ ok: true, value: { name, exists: known.has(name) } }),
    createAccount: async () => made,
    signIn: async () => signedIn(ANA, 'ana'),
  })
  const session = await openAs(ports, 'ana')
  assert.equal([session.state.value.status, session.freshCodes.value], ['signed-in', codes])
  session.keepCodes()
  assert.is(session.freshCodes.value, null)
  session.leave()
  known.add('ana')
  await session.submitName('ana')
  await session.submitPassword('a-good-password')
  assert.equal([session.state.value.status, session.freshCodes.value], ['signed-in', null])
})

test('a recovery code sets a new password and signs in with it; what is wrong is said, and the password step is a step back', async () => {
  const asked: unknown[] = []
  let password = 'forgotten-password'
  const ports = createFakePorts({
    lookUpName: async (name) => ({ ok: true, value: { name, exists: true } }),
    signIn: async (given) => (given.password === password ? signedIn(ANA, 'ana') : { ok: false, code: 'no-server' }),
    recover: async (how) => {
      asked.push(how)
      if (how.code !== 'right') return { ok: false, code: 'wrong-credentials' }
      password = how.newPassword
      return { ok: true, value: { account: { id: ANA, name: 'ana' }, recoveryCodesLeft: 7 } }
    },
  })
  const session = createSession(ports)
  await session.submitName('ana')
  session.forgetPassword()
  assert.equal(session.state.value, { status: 'recovering', name: 'ana' })
  session.rememberPassword()
  assert.equal(session.state.value, { status: 'known', name: 'ana' })
  session.forgetPassword()
  for (const [code, newPassword, wrong] of [[' ', 'long-enough', 'empty-code'], ['right', '', 'empty-password'], ['right', 'short', 'weak-password'], ['wrong', 'long-enough', 'wrong-code']] as const) {
    await session.submitCode(code, newPassword)
    assert.equal(session.error.value, { code: wrong })
  }
  await session.submitCode('right', 'long-enough')
  assert.is(session.state.value.status, 'signed-in')
  assert.equal(asked, ['wrong', 'right'].map((code) => ({ name: 'ana', code, newPassword: 'long-enough' })))
})

test('after a recovery that no node signs in from, the password step waits for the new password', async () => {
  const ports = createFakePorts({
    lookUpName: async (name) => ({ ok: true, value: { name, exists: true } }),
    signIn: async () => ({ ok: false, code: 'no-server' }),
    recover: async () => ({ ok: true, value: { account: { id: ANA, name: 'ana' }, recoveryCodesLeft: 7 } }),
  })
  const session = createSession(ports)
  await session.submitName('ana')
  session.forgetPassword()
  await session.submitCode('right', 'long-enough')
  assert.equal([session.state.value, session.error.value], [{ status: 'known', name: 'ana' }, { code: 'no-server' }])
})

test('a name that someone else took meanwhile leads back to the first step', async () => {
  const ports = createFakePorts({
    lookUpName: async (name) => ({ ok: true, value: { name, exists: false } }),
    createAccount: async () => ({ ok: false, code: 'name-taken' }),
  })
  const session = await openAs(ports, 'ana')
  assert.equal(session.state.value, { status: 'name', name: 'ana' })
  assert.equal(session.error.value, { code: 'name-taken' })
})

test('each tab keeps its account; a new tab goes on with the one used last; leaving is for this tab', async () => {
  const api = {
    lookUpName: async (name: string) => ({ ok: true as const, value: { name, exists: true } }),
    signIn: async ({ name }: { name: string }) => signedIn(name === 'ana' ? ANA : BEN, name),
  }
  const first = createFakePorts(api)
  const second = { ...createFakePorts(api), deviceStore: first.deviceStore }
  await openAs(first, 'ana')
  await openAs(second, 'ben')
  const nameIn = (ports: typeof first): string => {
    const state = createSession(ports).state.value
    return state.status === 'signed-in' ? state.account.name : 'nobody'
  }
  assert.is(nameIn(first), 'ana')
  assert.is(nameIn(second), 'ben')
  assert.is(nameIn({ ...second, tabStore: createFakeStore() }), 'ben')
  createSession(second).leave()
  assert.is(nameIn(second), 'nobody')
  assert.is(nameIn(first), 'ana')
  assert.is(nameIn({ ...second, tabStore: createFakeStore() }), 'ana')
})

test('a session ended by the server leaves the name filled in and the mail on the device', async () => {
  const ports = createFakePorts({
    lookUpName: async (name) => ({ ok: true, value: { name, exists: true } }),
    signIn: async () => signedIn(ANA, 'ana'),
  })
  const app = createApp({ ports, remembered: () => [], learn: () => {}, fetch: globalThis.fetch, fragment: '' })
  await app.session.submitName('ana')
  await app.session.submitPassword('right-password')
  await settle()
  assert.ok(app.mail.value)
  ports.links[0]?.events.onStatus({ status: 'ended', code: 4401 })
  await settle()
  assert.equal(app.session.state.value, { status: 'known', name: 'ana' })
  assert.is(app.mail.value, null)
  assert.equal(ports.forgotten, [])
  await app.session.submitPassword('right-password')
  await settle()
  assert.ok(app.mail.value)
})

test('leaving with `forget` closes the link, forgets the rooms and ends the session', async () => {
  const ended: string[] = []
  const ports = createFakePorts({
    lookUpName: async (name) => ({ ok: true, value: { name, exists: true } }),
    signIn: async () => signedIn(ANA, 'ana'),
    endSession: async (token, id) => (ended.push(`${token} ${id}`), { ok: true, value: null }),
  })
  const app = createApp({ ports, remembered: () => [], learn: () => {}, fetch: globalThis.fetch, fragment: '' })
  await app.session.submitName('ana')
  await app.session.submitPassword('right-password')
  await settle()
  await app.logOut({ forget: true })
  assert.is(ports.forgotten.length, 1)
  assert.ok(ports.links[0]?.isClosed)
  assert.equal(ended, ['token-ana current'])
})

test('[SYN4] a replica that a node refuses is put aside once, and what was written is in drafts again', async () => {
  const ports = createFakePorts({
    lookUpName: async (name) => ({ ok: true, value: { name, exists: true } }),
    signIn: async () => signedIn(ANA, 'ana'),
  })
  const app = createApp({ ports, remembered: () => [], learn: () => {}, fetch: globalThis.fetch, fragment: '' })
  await app.session.submitName('ana')
  await app.session.submitPassword('right-password')
  await settle()
  const first = present(app.mail.value)
  first.drafts.create({ text: 'half written' })
  first.drafts.send([present(first.drafts.create({ to: [{ id: BEN, name: 'ben' }], text: 'not stored yet' }))])
  await settle()
  ports.links[0]?.events.onStatus({ status: 'ended', code: 4422 })
  await settle()
  assert.is(ports.aside.length, 1)
  const second = present(app.mail.value)
  assert.is.not(second, first)
  ports.links[1]?.sync()
  await settle()
  assert.equal(second.drafts.rows.value.map(({ text }) => text).sort(), ['half written', 'not stored yet'])
  assert.is(second.connection.banner.value?.kind, 'set-aside')
  ports.links[1]?.events.onStatus({ status: 'ended', code: 4422 })
  await settle()
  assert.is(app.session.state.value.status, 'known')
  assert.is(ports.aside.length, 1)
})

// ---- calls

const answer = (status: number, body: unknown): Response =>
  new Response(status === 204 ? null : JSON.stringify(body), { status, headers: { 'content-type': 'application/json' } })

test('[COO5] a change goes through the next node under one key when the first is dead or not ready', async () => {
  const asked: [string, string | null][] = []
  const book = createNodeBook(createFakeStore(), 'http://a')
  book.learn(['http://a', 'http://b', 'http://c'].map((url, pid) => ({ pid, url, status: 'ready' })))
  const fetch = async (url: string | URL | Request, options?: RequestInit): Promise<Response> => {
    asked.push([String(url), new Headers(options?.headers).get('Idempotency-Key')])
    if (String(url).startsWith('http://a')) throw new TypeError('refused')
    return String(url).startsWith('http://b') ? answer(503, { code: 'not-ready' }) : answer(204, null)
  }
  const api = createApi({ book, fetch: fetch as typeof globalThis.fetch, device: 'test' })
  assert.equal(await api.endSession('token', 'current'), { ok: true, value: null })
  assert.equal(
    asked.map(([url]) => new URL(url).host),
    ['a', 'b', 'c'],
  )
  assert.is(new Set(asked.map(([, key]) => key)).size, 1)
  assert.ok(asked[0]?.[1])
  assert.is(book.lastGood(), 'http://c')
})

test('an answer that another node would repeat is taken as it is', async () => {
  let asked = 0
  const book = createNodeBook(createFakeStore(), 'http://a')
  const fetch = async (): Promise<Response> => ((asked += 1), answer(401, { code: 'wrong-credentials' }))
  const api = createApi({ book, fetch: fetch as typeof globalThis.fetch, device: 'test' })
  const result = await api.signIn({ name: 'ana', password: 'x' }, { takeOver: false })
  assert.is(result.ok ? '' : result.code, 'wrong-credentials')
  assert.is(asked, 1)
})

test('addresses are remembered between visits, the page’s own always among them', () => {
  const store = createFakeStore()
  createNodeBook(store, 'http://a').learn([{ pid: 1, url: 'http://b', status: 'ready' }])
  assert.equal(
    createNodeBook(store, 'http://c')
      .nodes()
      .map(({ url }) => url),
    ['http://b', 'http://a', 'http://c'],
  )
})

// ---- keys and carets

const press = (key: string, more: object = {}) => ({ key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...more })
const free = { isInField: false, hasSingleKeys: true, nowMs: 0 }

test('single keys act outside fields only, can be switched off, and g waits for a second key', () => {
  const keyboard = createKeyboard()
  assert.is(keyboard.press(press('c'), free), 'new-draft')
  assert.is(keyboard.press(press('c'), { ...free, isInField: true }), null)
  assert.is(keyboard.press(press('c'), { ...free, hasSingleKeys: false }), null)
  assert.is(keyboard.press(press('g'), free), null)
  assert.is(keyboard.press(press('c'), { ...free, nowMs: 1000 }), 'go-cluster')
  keyboard.press(press('g'), { ...free, nowMs: 2000 })
  assert.is(keyboard.press(press('c'), { ...free, nowMs: 9000 }), 'new-draft')
  assert.is(keyboard.press(press('Enter', { ctrlKey: true }), { ...free, isInField: true }), 'send')
  assert.is(keyboard.press(press('s', { metaKey: true }), { ...free, isInField: true }), 'save')
  assert.is(keyboard.press(press('c', { ctrlKey: true }), free), null)
})

test('the caret stays with the text around it when another device writes', () => {
  const before = createCaretMove('one three', 'one two three')
  assert.is(before(2), 2)
  assert.is(before(9), 13)
  const after = createCaretMove('one two three', 'one three')
  assert.is(after(6), 5)
  assert.is(after(13), 9)
})

test.run()
