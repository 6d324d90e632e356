// The calls on accounts, run as the machine runs them, against a desk that grants at once.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Call } from '../../crdt-schema/api.ts'
import { hashText } from '../../crdt-schema/ids.ts'
import { changeMe, listAccounts, lookUpName, removeMe } from '../../node/core/accounts.ts'
import { runCall } from '../../node/core/calls.ts'
import { endSession } from '../../node/core/sessions.ts'
import { KEY, OTHER_KEY, PASSWORD, signIn, signUp } from '../support/accounts.ts'
import { type Caller, type FakeDesk, type Handler, bodyOf, createFakeDesk, runHandler } from '../support/desk.ts'

const change = (desk: FakeDesk, caller: Caller, body: { name?: string; newPassword?: string }, password = PASSWORD) =>
  runHandler(desk, changeMe, { type: 'change-me', password, ...body }, caller)

const signInStatus = (desk: FakeDesk, name: string, password: string): number => signIn(desk, name, {}, password).status

const creating = suite('creating accounts')

creating('an account is created with a session whose token is stored only as a hash', () => {
  const desk = createFakeDesk()
  const alice = signUp(desk, 'Alice')
  assert.is(alice.status, 201)
  assert.is(desk.directory.nameOf(alice.id), 'Alice')
  const session = desk.directory.sessionOf(alice.token, desk.clusterMs)
  assert.is(session?.accountId, alice.id)
  assert.is(session?.tokenHash, hashText(alice.token))
  const secret = alice.token.split('.')[1] ?? 'none'
  for (const doc of desk.docs.values()) assert.not(JSON.stringify(doc.toJSON()).includes(secret))
})

creating('[COO6] a name is unique whatever its case, and free again for nobody else', () => {
  const desk = createFakeDesk()
  signUp(desk, 'Alice')
  assert.is(signUp(desk, 'aLICE').code, 'name-taken')
  assert.is(signUp(desk, 'ａlice').code, 'name-taken')
})

creating('[COO6] two creations under way for one name: the second is refused at the grant', () => {
  const desk = createFakeDesk()
  const second = signUp(desk, 'alice', { onAsked: ({ status }) => void (status === 'needs-grant' && desk.grants.length === 0 && signUp(desk, 'Alice')) })
  assert.is(second.code, 'name-taken')
})

creating('names and passwords out of bounds are refused before any work', () => {
  const desk = createFakeDesk()
  for (const name of ['', 'a b', 'x'.repeat(33), 'a/b', 'a~b']) assert.is(signUp(desk, name).code, 'invalid-name', name)
  for (const password of ['1234567', 'x'.repeat(257)]) assert.is(signUp(desk, 'alice', {}, password).code, 'weak-password')
  assert.is(desk.grants.length, 0)
})

creating('closed registration refuses new accounts', () => {
  const answer = signUp(createFakeDesk({ config: { registration: 'closed' } }), 'alice')
  assert.equal([answer.status, answer.code], [403, 'registration-closed'])
})

creating('[COO5] a repeat gives the same account and a fresh session that ends the first', () => {
  const desk = createFakeDesk()
  const first = signUp(desk, 'alice', { idempotencyKey: KEY })
  const again = signUp(desk, 'alice', { idempotencyKey: KEY })
  assert.is(again.status, 201)
  assert.is(again.id, first.id)
  assert.is.not(again.token, first.token)
  assert.is(desk.directory.sessionOf(first.token, desk.clusterMs), null)
  assert.is(desk.directory.sessionOf(again.token, desk.clusterMs)?.accountId, first.id)
})

creating('[COO5] a repeat with another name or password is id-reused and gets no session', () => {
  const desk = createFakeDesk()
  const first = signUp(desk, 'alice', { idempotencyKey: KEY })
  assert.is(signUp(desk, 'bob', { idempotencyKey: KEY }).code, 'id-reused')
  assert.is(signUp(desk, 'alice', { idempotencyKey: KEY }, 'another one').code, 'id-reused')
  assert.is(desk.directory.liveSessionsOf(first.id, desk.clusterMs).length, 1)
})

creating('[COO5] two tries of one creation that overtake each other: the second may be repeated and then gives the account', () => {
  const desk = createFakeDesk()
  const late = signUp(desk, 'alice', { idempotencyKey: KEY, onAsked: ({ status }) => void (status === 'needs-grant' && desk.grants.length === 0 && signUp(desk, 'alice', { idempotencyKey: KEY })) })
  assert.equal([late.status, late.code], [503, 'unknown'])
  assert.is(signUp(desk, 'alice', { idempotencyKey: KEY }).status, 201)
})

creating('[COO5] one key used for two names at once makes one account', () => {
  const desk = createFakeDesk()
  const late = signUp(desk, 'bob', { idempotencyKey: KEY, onAsked: ({ status }) => void (status === 'needs-grant' && desk.grants.length === 0 && signUp(desk, 'alice', { idempotencyKey: KEY })) })
  assert.is(late.code, 'id-reused')
})

creating('[COO8] a key whose account was removed makes no other', () => {
  const desk = createFakeDesk()
  const { token } = signUp(desk, 'alice', { idempotencyKey: KEY })
  runHandler(desk, removeMe, { type: 'remove-me', password: PASSWORD }, { token })
  assert.is(signUp(desk, 'alice', { idempotencyKey: KEY }).code, 'id-reused')
  assert.is(signUp(desk, 'alice', { idempotencyKey: OTHER_KEY }).status, 201)
})

creating('a key that is no UUID is a bad request', () => {
  assert.is(signUp(createFakeDesk(), 'alice', { idempotencyKey: 'once' }).code, 'bad-request')
})

creating.run()

const looking = suite('looking up')

looking('a name is looked up whatever its case', () => {
  const desk = createFakeDesk()
  signUp(desk, 'Alice')
  const look = (name: string): unknown => bodyOf(runHandler(desk, lookUpName, { type: 'look-up-name', name }))
  assert.equal(look('alice'), { name: 'alice', exists: true })
  assert.equal(look('bob'), { name: 'bob', exists: false })
  assert.is((look('a b') as { code: string }).code, 'invalid-name')
})

looking('accounts are listed by name, a page at a time, to who is signed in', () => {
  const desk = createFakeDesk()
  const [token] = ['bob', 'Alice', 'alan', 'carol', 'al'].map(name => signUp(desk, name).token)
  const list = (query: { prefix?: string; after?: string }): { accounts: { name: string }[]; next?: string } =>
    bodyOf(runHandler(desk, listAccounts, { type: 'list-accounts', limit: 2, ...query }, { token: token ?? '' })) as never
  const first = list({ prefix: 'AL' })
  assert.equal(first.accounts.map(({ name }) => name), ['al', 'alan'])
  const second = list({ prefix: 'AL', after: first.next ?? '' })
  assert.equal(second.accounts.map(({ name }) => name), ['Alice'])
  assert.is(second.next, undefined)
  assert.is(runHandler(desk, listAccounts, { type: 'list-accounts', limit: 2 }).httpStatus, 401)
})

looking.run()

const changing = suite('changing and removing')

changing('[COO6] a rename gives the new name and frees the old one', () => {
  const desk = createFakeDesk()
  const { id, token } = signUp(desk, 'alice')
  assert.equal(bodyOf(change(desk, { token }, { name: 'Alicia' })), { account: { id, name: 'Alicia' } })
  assert.is(signUp(desk, 'alice').status, 201)
  assert.is(desk.directory.hadName(id, 'alice'), true, '[DEL3] mail sent under the old name is still hers')
  assert.is(bodyOf(change(desk, { token }, { name: 'alice' })).code, 'name-taken')
})

changing('a rename back within one term, and one of case only, take effect', () => {
  const desk = createFakeDesk()
  const { id, token } = signUp(desk, 'alice')
  for (const name of ['bella', 'alice', 'ALICE', 'bella']) {
    change(desk, { token }, { name })
    assert.is(desk.directory.nameOf(id), name)
  }
  assert.is(signUp(desk, 'alice').status, 201)
})

changing('[COO7] a new password ends the other sessions and keeps this one', () => {
  const desk = createFakeDesk()
  const { token } = signUp(desk, 'alice')
  const other = signIn(desk, 'alice')
  assert.is(change(desk, { token }, { newPassword: 'battery staple' }).httpStatus, 200)
  assert.is(desk.directory.sessionOf(other.token, desk.clusterMs), null)
  assert.ok(desk.directory.sessionOf(token, desk.clusterMs))
  assert.is(signInStatus(desk, 'alice', PASSWORD), 401)
  assert.is(signInStatus(desk, 'alice', 'battery staple'), 201)
})

changing('a wrong password changes and removes nothing', () => {
  const desk = createFakeDesk()
  const { id, token } = signUp(desk, 'alice')
  assert.is(bodyOf(change(desk, { token }, { name: 'bob' }, 'wrong password')).code, 'wrong-credentials')
  assert.is(bodyOf(runHandler(desk, removeMe, { type: 'remove-me', password: 'wrong password' }, { token })).code, 'wrong-credentials')
  assert.is(desk.directory.nameOf(id), 'alice')
})

changing('[COO5] a repeated change says the same, though the old password fits no more', () => {
  const desk = createFakeDesk()
  const { token } = signUp(desk, 'alice')
  const body = { name: 'bella', newPassword: 'battery staple' }
  const first = change(desk, { token, idempotencyKey: KEY }, body)
  const grants = desk.grants.length
  const again = change(desk, { token, idempotencyKey: KEY }, body)
  assert.equal([again.httpStatus, bodyOf(again)], [first.httpStatus, bodyOf(first)])
  assert.is(desk.grants.length, grants)
  assert.is(bodyOf(change(desk, { token, idempotencyKey: KEY }, { name: 'carol' })).code, 'id-reused')
})

changing('a password changed elsewhere between check and grant lets nothing through', () => {
  const desk = createFakeDesk()
  const { token } = signUp(desk, 'alice')
  let changed = false
  const onAsked = ({ status }: { status: string }): void => {
    if (status !== 'needs-hash' || changed) return
    changed = true
    change(desk, { token }, { newPassword: 'battery staple' })
  }
  assert.is(change(desk, { token, onAsked }, { newPassword: 'third password' }).httpStatus, 503)
  assert.is(signInStatus(desk, 'alice', 'battery staple'), 201)
})

changing('[CLK1] a change wins over what a node with a clock far ahead wrote', () => {
  const desk = createFakeDesk()
  const { id, token } = signUp(desk, 'alice')
  const stamp = desk.stamp
  desk.stamp = () => ({ ...stamp(), hlc: ((desk.clusterMs + 86_400_000) * 1024) as never })
  change(desk, { token }, { name: 'bella', newPassword: 'battery staple' })
  desk.stamp = stamp
  change(desk, { token }, { name: 'carol', newPassword: 'third password' }, 'battery staple')
  assert.is(desk.directory.nameOf(id), 'carol')
  assert.is(signInStatus(desk, 'carol', 'third password'), 201)
  assert.is(signInStatus(desk, 'carol', 'battery staple'), 401)
})

changing('[COO8] removal ends the sessions, drops the documents, frees the name for a new account id', () => {
  const desk = createFakeDesk()
  const { id, token } = signUp(desk, 'alice')
  const drafts = `drafts/${id}` as never
  desk.edit(drafts, doc => doc.getMap('drafts').set('x', 1))
  assert.is(runHandler(desk, removeMe, { type: 'remove-me', password: PASSWORD }, { token }).httpStatus, 204)
  assert.equal(desk.dropped, [drafts])
  assert.ok(desk.news.some(({ removedAccounts }) => removedAccounts.includes(id)))
  assert.is(desk.directory.sessionOf(token, desk.clusterMs), null)
  assert.is(signInStatus(desk, 'alice', PASSWORD), 401)
  const next = signUp(desk, 'alice')
  assert.is(next.status, 201)
  assert.is.not(next.id, id)
})

changing('[COO5] a repeated removal is 204 again; the token is good for nothing else', () => {
  const desk = createFakeDesk()
  const { token } = signUp(desk, 'alice')
  const remove = (idempotencyKey: string): number => runHandler(desk, removeMe, { type: 'remove-me', password: PASSWORD }, { token, idempotencyKey }).httpStatus
  assert.equal([remove(KEY), remove(KEY), remove(OTHER_KEY)], [204, 204, 401])
  assert.is(change(desk, { token }, { name: 'bob' }).httpStatus, 401)
})

changing('removal is answered though it has ended the session that asked, also when routed', () => {
  const desk = createFakeDesk()
  const { token } = signUp(desk, 'alice')
  const route: Handler<Call> = (of, call, context) => runCall(of, call, context, () => null)
  assert.is(runHandler(desk, route, { type: 'remove-me', password: PASSWORD }, { token }).httpStatus, 204)
  assert.is(runHandler(desk, route, { type: 'read-me' }, { token }).httpStatus, 401)
})

changing('the key of another request does not make an ended session remove anything', () => {
  const desk = createFakeDesk()
  const { id, token } = signUp(desk, 'alice')
  change(desk, { token, idempotencyKey: KEY }, { name: 'bella' })
  runHandler(desk, endSession, { type: 'end-session', id: 'current' }, { token })
  assert.is(runHandler(desk, removeMe, { type: 'remove-me', password: PASSWORD }, { token, idempotencyKey: KEY }).httpStatus, 401)
  assert.is(desk.directory.exists(id), true)
})

changing.run()
