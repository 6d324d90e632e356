// Recovery codes: given once, used once, replaced, on both sides of a split, and after an older coordinator. Against a desk that grants at once.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { isGrantText } from '../../crdt-schema/grant-wire.ts'
import { type Hlc, accountToDocument } from '../../crdt-schema/ids.ts'
import { CODES_PER_SET, addCodeSet, codeToHash, currentCodeSet, isCodeGood } from '../../crdt-schema/recovery.ts'
import { changeMe, createAccount } from '../../node/core/accounts.ts'
import type { Answer, Grant } from '../../node/core/desk.ts'
import { readMe } from '../../node/core/me.ts'
import { makeRecoveryCodes, recoverAccount } from '../../node/core/recovery.ts'
import { KEY, OTHER_KEY, PASSWORD, type SignIn, isSignedIn, signIn, signUp } from '../support/accounts.ts'
import { type Caller, type DoneAnswer, type FakeDesk, bodyOf, createFakeDesk, mergeDesks, runHandler } from '../support/desk.ts'

const NEW_PASSWORD = 'battery staple'

interface Outcome {
  readonly status: number
  readonly code: unknown
  readonly codes: readonly string[]
  readonly left: unknown
}
const toOutcome = (answer: DoneAnswer): Outcome => {
  const { code, recoveryCodes, recoveryCodesLeft } = bodyOf(answer)
  return { status: answer.httpStatus, code, codes: (recoveryCodes ?? []) as string[], left: recoveryCodesLeft }
}

const create = (desk: FakeDesk, name: string, caller: Caller = {}): Outcome => toOutcome(runHandler(desk, createAccount, { type: 'create-account', name, password: PASSWORD }, caller))
const recover = (desk: FakeDesk, name: string, code: string, newPassword = NEW_PASSWORD, caller: Caller = {}): Outcome =>
  toOutcome(runHandler(desk, recoverAccount, { type: 'recover-account', name, code, newPassword }, caller))
const renew = (desk: FakeDesk, { token }: SignIn, caller: Caller = {}, password = PASSWORD): Outcome =>
  toOutcome(runHandler(desk, makeRecoveryCodes, { type: 'make-recovery-codes', password }, { ...caller, token }))
const leftOf = (desk: FakeDesk, { token }: SignIn): unknown => toOutcome(runHandler(desk, readMe, { type: 'read-me' }, { token })).left

const at = (codes: readonly string[], i: number): string => codes[i] ?? assert.unreachable(`no code ${i}`) as never
const contentOf = (desk: FakeDesk): string => JSON.stringify([...desk.docs.values()].map(doc => doc.toJSON()))
/** Does something once, at the moment a call asks the coordinator. */
const atGrant = (work: () => void): Caller => {
  let done = false
  return {
    onAsked: ({ status }: Answer) => {
      if (status !== 'needs-grant' || done) return
      done = true
      work()
    },
  }
}

const giving = suite('giving recovery codes')

giving('a sign-up gives eight different codes, once, and stores only their hashes', () => {
  const desk = createFakeDesk()
  const { codes } = create(desk, 'alice')
  assert.is(new Set(codes).size, CODES_PER_SET)
  for (const code of codes) assert.match(code, /^([0-9A-HJKMNP-TV-Z]{4}-){3}[0-9A-HJKMNP-TV-Z]{4}$/)
  const stored = contentOf(desk) + JSON.stringify(desk.grants)
  for (const code of codes) for (const form of [code, code.replaceAll('-', ''), code.toLowerCase()]) assert.not.ok(stored.includes(form))
  const alice = signIn(desk, 'alice')
  assert.ok(desk.docs.get(accountToDocument(alice.id))?.toJSON()['codes'] !== undefined)
  assert.is(leftOf(desk, alice), CODES_PER_SET)
})

giving('signing in gives none', () => {
  const desk = createFakeDesk()
  create(desk, 'alice')
  signIn(desk, 'alice', { idempotencyKey: KEY })
  assert.is(desk.grants.filter(grant => grant.kind === 'grant-session' && grant.codes !== undefined).length, 0)
})

giving('[COO5] the repeat of a sign-up gives fresh codes, which replace those nobody got', () => {
  const desk = createFakeDesk()
  const first = create(desk, 'alice', { idempotencyKey: KEY })
  const again = create(desk, 'alice', { idempotencyKey: KEY })
  assert.is(again.codes.length, CODES_PER_SET)
  assert.is(recover(desk, 'alice', at(first.codes, 0)).code, 'wrong-credentials')
  assert.is(recover(desk, 'alice', at(again.codes, 0)).status, 200)
})

giving('new codes need the password and replace all old ones', () => {
  const desk = createFakeDesk()
  const { codes: old } = create(desk, 'alice')
  const alice = signIn(desk, 'alice')
  assert.is(renew(desk, alice, {}, 'wrong password').code, 'wrong-credentials')
  assert.is(leftOf(desk, alice), CODES_PER_SET)
  const { status, codes } = renew(desk, alice)
  assert.equal([status, codes.length, isSignedIn(desk, alice)], [201, CODES_PER_SET, true])
  for (const code of old) assert.is(recover(desk, 'alice', code).code, 'wrong-credentials')
  assert.is(recover(desk, 'alice', at(codes, 7)).status, 200)
})

giving('[COO5] the repeat of a renewal gives fresh codes; the key of something else is refused', () => {
  const desk = createFakeDesk()
  create(desk, 'alice')
  const alice = signIn(desk, 'alice')
  const first = renew(desk, alice, { idempotencyKey: KEY })
  const again = renew(desk, alice, { idempotencyKey: KEY })
  assert.equal([first.status, again.status], [201, 201])
  assert.is(recover(desk, 'alice', at(first.codes, 0), PASSWORD).code, 'wrong-credentials')
  assert.is(recover(desk, 'alice', at(again.codes, 0), PASSWORD).status, 200)
  const back = signIn(desk, 'alice')
  runHandler(desk, changeMe, { type: 'change-me', password: PASSWORD, newPassword: NEW_PASSWORD }, { token: back.token, idempotencyKey: OTHER_KEY })
  assert.is(renew(desk, back, { idempotencyKey: OTHER_KEY }, NEW_PASSWORD).code, 'id-reused')
})

giving('codes made before others were shown come too late, and the shown ones stay good', () => {
  const desk = createFakeDesk()
  create(desk, 'alice')
  const alice = signIn(desk, 'alice')
  let shown: readonly string[] = []
  const late = renew(desk, alice, atGrant(() => (shown = renew(desk, alice).codes)))
  assert.equal([late.status, late.code, late.codes], [503, 'unknown', []])
  assert.is(recover(desk, 'alice', at(shown, 0)).status, 200)
})

giving('[CLK1] new codes replace a set of a node whose clock was far ahead', () => {
  const desk = createFakeDesk()
  create(desk, 'alice')
  const alice = signIn(desk, 'alice')
  desk.edit(accountToDocument(alice.id), doc => addCodeSet(doc, alice.id, ['a'.repeat(32)], (desk.stamp().hlc * 2) as Hlc))
  const { status, codes } = renew(desk, alice)
  assert.is(status, 201)
  assert.is(recover(desk, 'alice', at(codes, 0)).status, 200)
})

giving('an account made before there were codes has none, and gets some in the settings', () => {
  const desk = createFakeDesk()
  const { id } = signUp(desk, 'alice')
  const doc = desk.docs.get(accountToDocument(id))
  doc?.getMap('codes').clear() // what release 1 wrote
  const alice = signIn(desk, 'alice')
  assert.is(leftOf(desk, alice), 0)
  assert.is(recover(desk, 'alice', '0000-0000-0000-0000').code, 'wrong-credentials')
  const { codes } = renew(desk, alice)
  assert.equal([codes.length, leftOf(desk, alice)], [CODES_PER_SET, CODES_PER_SET])
})

giving.run()

const using = suite('using recovery codes')

using('a code gives a new password, ends every session, and is used up; the others stay', () => {
  const desk = createFakeDesk()
  const { codes } = create(desk, 'alice')
  const sessions = [signIn(desk, 'alice'), signIn(desk, 'alice')]
  const done = recover(desk, 'alice', at(codes, 3))
  assert.equal([done.status, done.left], [200, CODES_PER_SET - 1])
  assert.equal(sessions.map(one => isSignedIn(desk, one)), [false, false])
  assert.is(signIn(desk, 'alice').code, 'wrong-credentials')
  assert.is(signIn(desk, 'alice', {}, NEW_PASSWORD).status, 201)
  assert.is(recover(desk, 'alice', at(codes, 3), 'yet another one').code, 'wrong-credentials')
  assert.is(recover(desk, 'alice', at(codes, 4), 'yet another one').left, CODES_PER_SET - 2)
  assert.is(signIn(desk, 'alice', {}, 'yet another one').status, 201)
})

using('a code may be typed in lower case, with spaces or no dashes, and with letters for digits', () => {
  const desk = createFakeDesk()
  const { codes } = create(desk, 'alice')
  const typed = [(code: string) => code.toLowerCase(), (code: string) => ` ${code.replaceAll('-', '')} `, (code: string) => code.replaceAll('-', ' ').replaceAll('0', 'o').replaceAll('1', 'l')]
  for (const [i, type] of typed.entries()) assert.is(recover(desk, 'ALICE', type(at(codes, i))).status, 200, type(at(codes, i)))
})

using('unknown names, wrong and junk codes, and codes of others are told alike, for the same work', () => {
  const desk = createFakeDesk()
  const { codes } = create(desk, 'alice')
  const bob = create(desk, 'bob')
  const bodies = new Set<string>()
  for (const [name, code] of [['nobody', at(codes, 0)], ['no such name!', at(codes, 0)], ['alice', '0000-0000-0000-0000'], ['alice', ''], ['alice', 'x'.repeat(64)], ['alice', at(bob.codes, 0)]] as const) {
    const asked: string[] = []
    const answer = runHandler(desk, recoverAccount, { type: 'recover-account', name, code, newPassword: NEW_PASSWORD }, { onAsked: ({ status }) => void asked.push(status) })
    bodies.add(JSON.stringify([answer.httpStatus, answer.body, asked]))
  }
  assert.equal([...bodies].length, 1, [...bodies].join('\n'))
  assert.match([...bodies].join(), /"wrong-credentials"/)
  assert.match([...bodies].join(), /\["needs-hash"\]/)
})

using('a password that is none is refused before any work, and uses no code up', () => {
  const desk = createFakeDesk()
  const { codes } = create(desk, 'alice')
  assert.is(recover(desk, 'alice', at(codes, 0), 'short').code, 'weak-password')
  assert.is(leftOf(desk, signIn(desk, 'alice')), CODES_PER_SET)
})

using('[COO4] one code used twice at once: the coordinator lets one have it', () => {
  const desk = createFakeDesk()
  const { codes } = create(desk, 'alice')
  const second = recover(desk, 'alice', at(codes, 0), 'from the second', atGrant(() => assert.is(recover(desk, 'alice', at(codes, 0), 'from the first').status, 200)))
  assert.equal([second.status, second.code], [401, 'wrong-credentials'])
  assert.equal([signIn(desk, 'alice', {}, 'from the first').status, signIn(desk, 'alice', {}, 'from the second').status], [201, 401])
})

using('[COO4] the grant itself uses the code up, should the node that asked for it be gone', () => {
  const desk = createFakeDesk()
  const { codes } = create(desk, 'alice')
  const { id } = signIn(desk, 'alice')
  const hash = codeToHash(id, at(codes, 0))
  desk.grant({ kind: 'change-account', requestId: KEY as never, accountId: id, shownName: null, nameKey: null, passwordHash: 'some hash', keepSession: null, spends: hash })
  assert.is(isCodeGood(desk.docs.get(accountToDocument(id)) as never, id, hash), false)
})

using('[COO5] a repeat says the same, and only with the same code and password', () => {
  const desk = createFakeDesk()
  const { codes } = create(desk, 'alice')
  const caller = { idempotencyKey: KEY }
  const first = recover(desk, 'alice', at(codes, 0), NEW_PASSWORD, caller)
  const alice = signIn(desk, 'alice', {}, NEW_PASSWORD)
  const before = contentOf(desk)
  assert.equal(recover(desk, 'alice', at(codes, 0), NEW_PASSWORD, caller), first)
  assert.is(recover(desk, 'alice', at(codes, 0), 'another password', caller).code, 'id-reused')
  assert.is(recover(desk, 'alice', at(codes, 1), NEW_PASSWORD, caller).code, 'id-reused')
  assert.is(contentOf(desk), before)
  assert.is(isSignedIn(desk, alice), true)
})

using('[DOC3] a code used on one side of a split is used on both, and one replaced on one side is replaced', () => {
  const [left, right] = [createFakeDesk({ seed: 1 }), createFakeDesk({ seed: 2, epochCounter: 2 })]
  const { codes } = create(left, 'alice')
  mergeDesks(left, right)
  assert.equal([recover(left, 'alice', at(codes, 0), 'left password').status, recover(right, 'alice', at(codes, 0), 'right password').status], [200, 200])
  assert.is(recover(left, 'alice', at(codes, 1), 'left password').status, 200)
  mergeDesks(left, right)
  for (const desk of [left, right]) for (const i of [0, 1]) assert.is(recover(desk, 'alice', at(codes, i)).code, 'wrong-credentials')
  const passwords = [left, right].map(desk => ['left password', 'right password'].map(password => signIn(desk, 'alice', {}, password).status).sort())
  assert.equal(passwords, [[201, 401], [201, 401]], 'one password is in force')

  recover(left, 'alice', at(codes, 2), PASSWORD)
  mergeDesks(left, right)
  const sides = [left, right].map(desk => renew(desk, signIn(desk, 'alice')).codes)
  mergeDesks(left, right)
  const accountId = signIn(left, 'alice').id
  const inForce = [left, right].map(desk => currentCodeSet(desk.docs.get(accountToDocument(accountId)) as never, accountId)?.id)
  assert.is(inForce[0], inForce[1])
  const good = sides.map(of => recover(right, 'alice', at(of, 0), PASSWORD).status).sort()
  assert.equal(good, [200, 401], 'one of the two sets is in force, everywhere the same')
  assert.is(recover(left, 'alice', at(codes, 5), PASSWORD).code, 'wrong-credentials')
})

using('[COO6] under a contested name each comes back with the own code', () => {
  const [left, right] = [createFakeDesk({ seed: 1 }), createFakeDesk({ seed: 2, epochCounter: 2 })]
  const [first, second] = [create(left, 'alice'), create(right, 'Alice')]
  mergeDesks(left, right)
  assert.is(recover(left, 'alice', at(first.codes, 0), 'of the first').status, 200)
  assert.is(recover(left, 'alice', at(second.codes, 0), 'of the second').status, 200)
  assert.is.not(signIn(left, 'alice', {}, 'of the first').id, signIn(left, 'alice', {}, 'of the second').id)
})

using('[COO8] a removed account is not recovered', () => {
  const desk = createFakeDesk()
  const { codes } = create(desk, 'alice')
  const { id } = signIn(desk, 'alice')
  const late = recover(desk, 'alice', at(codes, 0), NEW_PASSWORD, atGrant(() => desk.grant({ kind: 'remove-account', requestId: KEY as never, accountId: id })))
  assert.is(late.code, 'wrong-credentials')
  assert.is(recover(desk, 'alice', at(codes, 1)).code, 'wrong-credentials')
})

using.run()

const mixed = suite('recovery codes while a node of release 1 coordinates')

/** What a coordinator that knows no codes makes of a grant. */
const forgetCodes = (desk: FakeDesk): void => {
  const { grant } = desk
  desk.grant = (asked: Grant) => {
    const { codes: _codes, spends: _spends, ...known } = asked as Extract<Grant, { kind: 'change-account' }>
    return grant(known)
  }
}

mixed('[DOC5] nobody is shown codes that are not stored, and the account is made all the same', () => {
  const desk = createFakeDesk()
  const before = create(desk, 'carol')
  const carol = signIn(desk, 'carol')
  forgetCodes(desk)
  const { status, codes } = create(desk, 'alice')
  assert.equal([status, codes], [201, []])
  const refused = renew(desk, carol)
  assert.equal([refused.status, refused.code, refused.codes], [503, 'incomplete', []])
  assert.is(leftOf(desk, carol), CODES_PER_SET)
  assert.is(before.codes.length, CODES_PER_SET)
})

mixed('a code used then is used up all the same', () => {
  const desk = createFakeDesk()
  const { codes } = create(desk, 'alice')
  forgetCodes(desk)
  assert.is(recover(desk, 'alice', at(codes, 0)).status, 200)
  assert.is(signIn(desk, 'alice', {}, NEW_PASSWORD).status, 201)
  assert.is(recover(desk, 'alice', at(codes, 0), 'once more, please').code, 'wrong-credentials')
})

mixed('grants with codes pass between nodes, and junk in their place does not', () => {
  const desk = createFakeDesk()
  const { codes } = create(desk, 'alice')
  const alice = signIn(desk, 'alice')
  renew(desk, alice)
  recover(desk, 'alice', at(codes, 0))
  for (const grant of desk.grants) assert.is(isGrantText(JSON.stringify(grant)), true, grant.kind)
  const change = desk.grants.find(grant => grant.kind === 'change-account')
  for (const junk of [{ codes: 'x' }, { codes: { hashes: [], over: null } }, { codes: { hashes: Array.from({ length: 33 }, () => codeToHash(alice.id, 'x')), over: null } }, { codes: { hashes: ['x'] } }, { spends: 1 }]) {
    assert.is(isGrantText(JSON.stringify({ ...change, ...junk })), false, JSON.stringify(junk))
  }
})

mixed.run()
