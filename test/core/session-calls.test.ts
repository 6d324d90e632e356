// Signing in and out, and what /api/me tells, against a desk that grants at once.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { addMessage } from '../../crdt-schema/inbox.ts'
import { type MessageId, inboxDocument, marksDocument, millisToMonth, mintMessageId, parseMillis } from '../../crdt-schema/ids.ts'
import { markOpened } from '../../crdt-schema/marks.ts'
import { changeMe } from '../../node/core/accounts.ts'
import { readMe } from '../../node/core/me.ts'
import { endSession, listSessions } from '../../node/core/sessions.ts'
import { KEY, OTHER_KEY, PASSWORD, type SignIn, isSignedIn, signIn, signUp } from '../support/accounts.ts'
import { type FakeDesk, bodyOf, createFakeDesk, mergeDesks, runHandler } from '../support/desk.ts'

const DAY_MS = 86_400_000

const sessionsOf = (desk: FakeDesk, { token }: SignIn): { id: string; device: string; createdAt: string; expiresAt: string; current: boolean }[] =>
  (bodyOf(runHandler(desk, listSessions, { type: 'list-sessions' }, { token })) as { sessions: never[] }).sessions

const signingIn = suite('signing in')

signingIn('the right password gives a session, a wrong one and an unknown name are told alike', () => {
  const desk = createFakeDesk()
  const { id } = signUp(desk, 'Alice')
  const good = signIn(desk, 'alice')
  assert.equal([good.status, good.id, good.name, good.notice], [201, id, 'Alice', null])
  for (const answer of [signIn(desk, 'alice', {}, 'wrong password'), signIn(desk, 'nobody'), signIn(desk, 'no such name!'), signIn(desk, 'alice', {}, 'short')]) {
    assert.equal([answer.status, answer.code], [401, 'wrong-credentials'])
  }
})

signingIn('an unknown name costs as many hashes as a known one', () => {
  const desk = createFakeDesk()
  signUp(desk, 'alice')
  for (const name of ['alice', 'nobody', 'no such name!']) {
    desk.hashesChecked = 0
    signIn(desk, name, {}, 'wrong password')
    assert.is(desk.hashesChecked, 1, name)
  }
})

signingIn('[COO5] a repeat gives a fresh session that ends the first, and leaves the others', () => {
  const desk = createFakeDesk()
  const laptop = signUp(desk, 'alice')
  const first = signIn(desk, 'alice', { idempotencyKey: KEY })
  const again = signIn(desk, 'alice', { idempotencyKey: KEY })
  assert.is.not(again.token, first.token)
  assert.equal([laptop, first, again].map(one => isSignedIn(desk, one)), [true, false, true])
  assert.equal([signIn(desk, 'alice', { idempotencyKey: OTHER_KEY }).status, isSignedIn(desk, again)], [201, true])
})

signingIn('[COO5] the key of one account’s sign-in is refused for another account', () => {
  const desk = createFakeDesk()
  signUp(desk, 'alice')
  signUp(desk, 'bob')
  signIn(desk, 'alice', { idempotencyKey: KEY })
  assert.is(signIn(desk, 'bob', { idempotencyKey: KEY }).code, 'id-reused')
})

signingIn('[COO5] the same key with another device is another request, and refused', () => {
  const desk = createFakeDesk()
  signUp(desk, 'alice')
  const first = signIn(desk, 'alice', { idempotencyKey: KEY, device: 'phone' })
  assert.is(signIn(desk, 'alice', { idempotencyKey: KEY, device: 'laptop' }).code, 'id-reused')
  assert.is(isSignedIn(desk, first), true)
})

signingIn('[COO7] with one session the second is told so, unless it takes over', () => {
  const desk = createFakeDesk({ config: { sessionsPerAccount: 1 } })
  const first = signUp(desk, 'alice')
  assert.equal([signIn(desk, 'alice').status, signIn(desk, 'alice').code], [409, 'already-signed-in'])
  assert.is(isSignedIn(desk, first), true)
  const second = signIn(desk, 'alice', { takeOver: true })
  assert.equal([isSignedIn(desk, first), isSignedIn(desk, second)], [false, true])
})

signingIn('[COO5] with one session the repeat of a sign-in is not told that its own first try is signed in', () => {
  const desk = createFakeDesk({ config: { sessionsPerAccount: 1 } })
  const first = signUp(desk, 'alice')
  runHandler(desk, endSession, { type: 'end-session', id: 'current' }, { token: first.token })
  signIn(desk, 'alice', { idempotencyKey: KEY })
  assert.is(signIn(desk, 'alice', { idempotencyKey: KEY }).status, 201)
})

signingIn('[COO7] above one the oldest session ends when the limit is passed', () => {
  const desk = createFakeDesk({ config: { sessionsPerAccount: 3 } })
  const people = [signUp(desk, 'alice'), signIn(desk, 'alice'), signIn(desk, 'alice'), signIn(desk, 'alice')]
  assert.equal(people.map(one => isSignedIn(desk, one)), [false, true, true, true])
})

signingIn('[COO7] taking over ends all others, however many there may be', () => {
  const desk = createFakeDesk()
  const others = [signUp(desk, 'alice'), signIn(desk, 'alice')]
  const taken = signIn(desk, 'alice', { takeOver: true })
  assert.equal([...others, taken].map(one => isSignedIn(desk, one)), [false, false, true])
})

signingIn('a session ends by itself after its days, by cluster time', () => {
  const desk = createFakeDesk()
  const alice = signUp(desk, 'alice')
  desk.clusterMs = parseMillis(desk.clusterMs + 30 * DAY_MS - 1) ?? desk.clusterMs
  assert.is(isSignedIn(desk, alice), true)
  desk.clusterMs = parseMillis(desk.clusterMs + 1) ?? desk.clusterMs
  assert.is(isSignedIn(desk, alice), false)
})

signingIn('a token with another secret, another id or other junk is nobody’s', () => {
  const desk = createFakeDesk()
  const { token } = signUp(desk, 'alice')
  const [id, secret] = token.split('.')
  for (const forged of [`${id}.${'A'.repeat(43)}`, `${id}.`, `${id}`, '', `.${secret}`, `${token}.`, `${token}x`, `${id?.replace(/^./, 'f')}.${secret}`]) {
    assert.is(desk.directory.sessionOf(forged, desk.clusterMs), null, forged)
  }
})

signingIn('a password changed between check and grant gives no session', () => {
  const desk = createFakeDesk()
  const { token } = signUp(desk, 'alice')
  const onAsked = ({ status }: { status: string }): void => {
    if (status === 'needs-grant') runHandler(desk, changeMe, { type: 'change-me', password: PASSWORD, newPassword: 'battery staple' }, { token })
  }
  assert.equal([signIn(desk, 'alice', { onAsked }).code, signIn(desk, 'alice').code], ['unknown', 'wrong-credentials'])
})

signingIn('a hash of old parameters is renewed on the way, and the other sessions stay', () => {
  const desk = createFakeDesk()
  const alice = signUp(desk, 'alice')
  const before = desk.directory.secretOf(alice.id)?.passwordHash
  desk.rehashes = true
  assert.is(signIn(desk, 'alice').status, 201)
  assert.is.not(desk.directory.secretOf(alice.id)?.passwordHash, before)
  assert.equal([signIn(desk, 'alice').status, isSignedIn(desk, alice)], [201, true])
})

signingIn.run()

const contested = suite('a name claimed on both sides of a split')

const claimOnBothSides = (): { readonly desk: FakeDesk; readonly first: SignIn; readonly second: SignIn } => {
  const [left, right] = [createFakeDesk({ seed: 1 }), createFakeDesk({ seed: 2, epochCounter: 2 })]
  const first = signUp(left, 'alice', {}, 'left password')
  right.clusterMs = parseMillis(right.clusterMs + 5000) ?? right.clusterMs
  const second = signUp(right, 'Alice', {}, 'right password')
  mergeDesks(left, right)
  return { desk: left, first, second }
}

contested('[COO6] each signs in with the own password, and the loser is told', () => {
  const { desk, first, second } = claimOnBothSides()
  const winner = signIn(desk, 'alice', {}, 'left password')
  const loser = signIn(desk, 'alice', {}, 'right password')
  assert.equal([winner.id, winner.name, winner.notice], [first.id, 'alice', null])
  assert.equal([loser.id, loser.name], [second.id, `Alice~${second.id.slice(0, 4)}`])
  assert.equal([loser.notice?.code, loser.notice?.name], ['name-lost', 'Alice'])
  assert.is(signIn(desk, `alice~${second.id.slice(0, 4)}`, {}, 'right password').id, second.id)
  assert.is(signIn(desk, 'alice', {}, 'third password').status, 401)
})

contested('[COO6] both keep their sessions', () => {
  const { desk, first, second } = claimOnBothSides()
  assert.equal([isSignedIn(desk, first), isSignedIn(desk, second)], [true, true])
})

contested('[COO6] a claim that arrives while a password is checked signs in nobody else', () => {
  const [left, right] = [createFakeDesk({ seed: 1 }), createFakeDesk({ seed: 2, epochCounter: 2 })]
  const early = signUp(left, 'alice', {}, 'left password')
  right.clusterMs = parseMillis(right.clusterMs + 5000) ?? right.clusterMs
  const late = signUp(right, 'alice', {}, 'right password')
  const onAsked = ({ status }: { status: string }): void => void (status === 'needs-verify' && mergeDesks(left, right))
  assert.is(signIn(right, 'alice', { onAsked }, 'right password').id, late.id)
  assert.is(right.directory.claimantsOf('alice' as never)[0], early.id)
})

contested('[COO6] a new name ends it', () => {
  const { desk, second } = claimOnBothSides()
  runHandler(desk, changeMe, { type: 'change-me', password: 'right password', name: 'Alicia' }, { token: second.token })
  assert.equal([desk.directory.nameOf(second.id), desk.directory.hasLost(second.id)], ['Alicia', false])
  assert.equal([signIn(desk, 'alice', {}, 'right password').status, signIn(desk, 'alicia', {}, 'right password').notice], [401, null])
})

contested.run()

const sessions = suite('sessions')

sessions('are listed with their devices and ended one by one', () => {
  const desk = createFakeDesk()
  const laptop = signUp(desk, 'alice')
  const phone = signIn(desk, 'alice', { device: 'phone' })
  const listed = sessionsOf(desk, laptop)
  assert.equal(listed.map(({ device, current }) => [device, current]), [['', true], ['phone', false]])
  assert.equal([listed[0]?.createdAt, listed[0]?.expiresAt], ['2026-05-10T12:00:00.000Z', '2026-06-09T12:00:00.000Z'])
  const end = (id: string, { token }: SignIn) => runHandler(desk, endSession, { type: 'end-session', id: id as never }, { token })
  assert.is(end(listed[1]?.id ?? '', laptop).httpStatus, 204)
  assert.equal([isSignedIn(desk, laptop), isSignedIn(desk, phone)], [true, false])
  assert.is(bodyOf(end(listed[1]?.id ?? '', laptop)).code, 'no-such-session')
  assert.is(end('current', laptop).httpStatus, 204)
  assert.is(end('current', laptop).httpStatus, 401)
  assert.equal(desk.news.flatMap(({ endedSessions }) => endedSessions), [listed[1]?.id, listed[0]?.id])
})

sessions('another person’s session is no session of mine', () => {
  const desk = createFakeDesk()
  const [alice, bob] = [signUp(desk, 'alice'), signUp(desk, 'bob')]
  const id = sessionsOf(desk, bob)[0]?.id ?? ''
  assert.is(bodyOf(runHandler(desk, endSession, { type: 'end-session', id: id as never }, { token: alice.token })).code, 'no-such-session')
  assert.is(isSignedIn(desk, bob), true)
})

sessions.run()

const me = suite('me')

const receive = (desk: FakeDesk, { id }: SignIn, isOpened: boolean): MessageId => {
  const messageId = mintMessageId(desk.clusterMs, desk.random(10))
  const month = millisToMonth(desk.clusterMs)
  const person = { id, name: 'alice' }
  desk.edit(inboxDocument(id, month), doc => addMessage(doc, { id: messageId, from: { ...person, id: 'f'.repeat(32) as never }, to: [person], text: 'hello', sentMs: desk.clusterMs }))
  if (isOpened) desk.edit(marksDocument(id, month), doc => markOpened(doc, messageId, desk.clusterMs))
  return messageId
}

me('[DOC4] tells each room with what waits in it, loading what it must count', () => {
  const desk = createFakeDesk()
  const alice = signUp(desk, 'alice')
  receive(desk, alice, true)
  receive(desk, alice, false)
  const inbox = inboxDocument(alice.id, millisToMonth(desk.clusterMs))
  desk.unload(inbox)
  const { account, rooms } = bodyOf(runHandler(desk, readMe, { type: 'read-me' }, { token: alice.token })) as { account: unknown; rooms: { room: string; digest: string; unopened: number }[] }
  assert.equal(account, { id: alice.id, name: 'alice' })
  assert.equal(rooms.map(({ room, unopened }) => [room, unopened]), [[`${alice.id}/inbox/2026-05`, 1], [`${alice.id}/marks/2026-05`, 0]])
  assert.ok(rooms.every(({ digest }) => digest !== '0'))
})

me('is nobody’s without a session', () => {
  assert.is(runHandler(createFakeDesk(), readMe, { type: 'read-me' }, { token: 'x' }).httpStatus, 401)
})

me.run()
