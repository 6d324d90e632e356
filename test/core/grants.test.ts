// Grants as the coordinator makes them: each once, again, and again by a successor; and what is put in order after a split.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as Y from 'yjs'
import { type AccountId, type NodeId, type Pid, type RequestId, nameToKey, parseMillis, parsePid, parseRequestId, requestToAccountId } from '../../crdt-schema/ids.ts'
import type { Grant } from '../../node/core/desk.ts'
import { applyGrant, documentsOfGrant, grantKeys, judgeGrant } from '../../node/core/grants.ts'
import { mintSession } from '../../node/core/tokens.ts'
import { expireSessionDays, healAccounts } from '../../node/core/upkeep.ts'
import { signIn, signUp } from '../support/accounts.ts'
import { type FakeDesk, createFakeDesk, mergeDesks, toName } from '../support/desk.ts'

const requestId = (n: number): RequestId => parseRequestId(`7b0c1c6e-0000-4000-8000-${String(n).padStart(12, '0')}`) as RequestId
const pid = (n: number): Pid => parsePid(n) as Pid
const nodeId = (letter: string): NodeId => letter.repeat(32) as NodeId
const later = (desk: FakeDesk, ms: number): void => {
  desk.clusterMs = parseMillis(desk.clusterMs + ms) ?? desk.clusterMs
}

const seed = (desk: FakeDesk, id: RequestId) => mintSession({ requestId: id, nowMs: desk.clusterMs, earlier: [], lifeMs: 86_400_000, device: 'test', random: desk.random(64) }).seed

const creation = (desk: FakeDesk, n: number, name: string): Extract<Grant, { kind: 'create-account' }> => ({
  kind: 'create-account', requestId: requestId(n), accountId: requestToAccountId(requestId(n)), shownName: name, nameKey: nameToKey(name), passwordHash: `hash ${n}`, session: seed(desk, requestId(n)),
})

const renaming = (n: number, accountId: AccountId, name: string): Grant => ({ kind: 'change-account', requestId: requestId(n), accountId, shownName: name, nameKey: nameToKey(name), passwordHash: null, keepSession: null })

const signingIn = (desk: FakeDesk, n: number, accountId: AccountId): Grant =>
  ({ kind: 'grant-session', requestId: requestId(n), accountId, takeOver: false, session: seed(desk, requestId(n)), provedHash: desk.directory.secretOf(accountId)?.passwordHash ?? '', rehash: null })

/** Everything stored, to compare: what every document says, whoever wrote it. */
const contentOf = (desk: FakeDesk): unknown => [...desk.docs].map(([name, doc]) => [name, doc.toJSON()])

const granting = suite('granting')

granting('[COO5] every kind of grant made twice writes once and says the same', () => {
  const desk = createFakeDesk()
  const alice = creation(desk, 1, 'alice')
  desk.grant(alice)
  const grants: Grant[] = [
    alice,
    signingIn(desk, 2, alice.accountId),
    renaming(3, alice.accountId, 'bella'),
    { kind: 'change-account', requestId: requestId(4), accountId: alice.accountId, shownName: null, nameKey: null, passwordHash: 'new', keepSession: null },
    { kind: 'change-account', requestId: requestId(8), accountId: alice.accountId, shownName: null, nameKey: null, passwordHash: null, keepSession: null, codes: { hashes: ['a'.repeat(32), 'b'.repeat(32)], over: null } },
    { kind: 'change-account', requestId: requestId(9), accountId: alice.accountId, shownName: null, nameKey: null, passwordHash: 'newer', keepSession: null, spends: 'b'.repeat(32) },
    { kind: 'admit-member', requestId: requestId(5), pid: null, nodeId: nodeId('a'), url: 'http://a' },
    { kind: 'remove-member', requestId: requestId(6), nodeId: nodeId('a') },
    { kind: 'remove-account', requestId: requestId(7), accountId: alice.accountId },
  ]
  for (const grant of grants) {
    const first = desk.grant(grant)
    const content = contentOf(desk)
    assert.is(first.status, 'granted', grant.kind)
    if (grant.kind === 'create-account' || grant.kind === 'remove-member' || grant.kind === 'remove-account') assert.equal(desk.grant(grant), first)
    else assert.equal(desk.grant(grant).status, 'granted')
    assert.equal(contentOf(desk), content, grant.kind)
  }
})

granting('[COO4] grants about one name, account, request or the members share a key; others do not', () => {
  const desk = createFakeDesk()
  const [alice, alsoAlice, bob] = [creation(desk, 1, 'alice'), creation(desk, 2, 'ALICE'), creation(desk, 3, 'bob')]
  const share = (a: Grant, b: Grant): boolean => grantKeys(a).some(key => grantKeys(b).includes(key))
  assert.is(share(alice, alsoAlice), true)
  assert.is(share(alice, bob), false)
  assert.is(share(alice, renaming(4, bob.accountId, 'Alice')), true)
  assert.is(share(signingIn(desk, 5, alice.accountId), renaming(6, alice.accountId, 'carol')), true)
  assert.is(share(signingIn(desk, 7, alice.accountId), signingIn(desk, 7, bob.accountId)), true)
  assert.is(share({ kind: 'admit-member', requestId: requestId(8), pid: null, nodeId: nodeId('a'), url: '' }, { kind: 'remove-member', requestId: requestId(9), nodeId: nodeId('b') }), true)
})

granting('a grant writes only the documents it names, beside earlier names and sessions', () => {
  const desk = createFakeDesk()
  const touched = (grant: Grant): string[] => {
    const before = new Map([...desk.docs].map(([name, doc]) => [name, JSON.stringify(doc.toJSON())]))
    desk.grant(grant)
    return [...desk.docs].filter(([name, doc]) => JSON.stringify(doc.toJSON()) !== (before.get(name) ?? '{}')).map(([name]) => name)
  }
  const alice = creation(desk, 1, 'alice')
  for (const grant of [alice, signingIn(desk, 2, alice.accountId), { kind: 'admit-member', requestId: requestId(3), pid: null, nodeId: nodeId('a'), url: '' } satisfies Grant]) {
    const named: readonly string[] = documentsOfGrant(grant)
    for (const name of touched(grant)) assert.ok(named.includes(name), `${grant.kind} wrote ${name}`)
  }
})

granting('judging writes nothing', () => {
  const desk = createFakeDesk()
  const alice = creation(desk, 1, 'alice')
  judgeGrant(desk, alice)
  assert.is(desk.directory.exists(alice.accountId), false)
})

granting('[COO8] nothing is granted to a removed account', () => {
  const desk = createFakeDesk()
  const alice = creation(desk, 1, 'alice')
  desk.grant(alice)
  desk.grant({ kind: 'remove-account', requestId: requestId(2), accountId: alice.accountId })
  for (const grant of [creation(desk, 1, 'alice'), renaming(3, alice.accountId, 'bella'), signingIn(desk, 4, alice.accountId)]) assert.is(desk.grant(grant).status, 'refused', grant.kind)
})

granting('[COO8] removal wins over what the other side of a split granted meanwhile', () => {
  const [left, right] = [createFakeDesk({ seed: 1 }), createFakeDesk({ seed: 2, epochCounter: 2 })]
  const alice = creation(left, 1, 'alice')
  left.grant(alice)
  mergeDesks(left, right)
  left.grant({ kind: 'remove-account', requestId: requestId(2), accountId: alice.accountId })
  right.grant(renaming(3, alice.accountId, 'bella'))
  right.grant(signingIn(right, 4, alice.accountId))
  mergeDesks(left, right)
  for (const { directory, clusterMs } of [left, right]) {
    assert.is(directory.exists(alice.accountId), false)
    assert.equal([directory.ownerOfName(nameToKey('alice')), directory.ownerOfName(nameToKey('bella'))], [null, null])
    assert.is(directory.liveSessionsOf(alice.accountId, clusterMs).length, 0)
  }
})

granting('[REP7] a node without a pid gets the lowest nobody has; a new one under a pid takes the place of the old', () => {
  const desk = createFakeDesk({ config: { peers: new Map([[pid(0), 'http://0'], [pid(1), 'http://1']]) } })
  const admit = (n: number, node: string, wanted: Pid | null) => desk.grant({ kind: 'admit-member', requestId: requestId(n), pid: wanted, nodeId: nodeId(node), url: `http://${node}` })
  const pidOf = (outcome: ReturnType<typeof admit>): unknown => (outcome.status === 'granted' ? outcome.value['pid'] : outcome.code)
  assert.equal([pidOf(admit(1, 'a', null)), pidOf(admit(2, 'b', null)), pidOf(admit(3, 'a', null))], [2, 3, 2])
  assert.is(pidOf(admit(4, 'c', pid(2))), 2)
  assert.equal(desk.directory.members().filter(({ removed }) => !removed).map(member => member.nodeId), [nodeId('c'), nodeId('b')])
  assert.is(pidOf(admit(5, 'a', pid(4))), 'removed')
})

granting('[REP7] a pid that was removed, that is heard, or that has an address in --peers here or where it was asked is given to nobody', () => {
  const desk = createFakeDesk({ config: { peers: new Map([[pid(0), 'http://0']]) }, nodes: [{ pid: pid(2), url: 'http://2', status: 'ready' }] })
  const admit = (n: number, node: string, taken: readonly Pid[]) => desk.grant({ kind: 'admit-member', requestId: requestId(n), pid: null, nodeId: nodeId(node), url: `http://${node}`, taken })
  const pidOf = (outcome: ReturnType<typeof admit>): unknown => (outcome.status === 'granted' ? outcome.value['pid'] : outcome.code)
  assert.is(pidOf(admit(1, 'a', [pid(3)])), 1)
  desk.grant({ kind: 'remove-member', requestId: requestId(2), nodeId: nodeId('a') })
  assert.is(pidOf(admit(3, 'a', [])), 'removed')
  assert.is(pidOf(admit(4, 'b', [pid(3)])), 4)
  assert.is(pidOf(admit(5, 'b', [pid(3), pid(4)])), 4, 'what it was granted stays its own')
})

granting('[REP7] of two nodes that were granted one pid on the sides of a split none removes the other by asking again', () => {
  const [left, right] = [createFakeDesk({ seed: 1 }), createFakeDesk({ seed: 2, epochCounter: 2 })]
  const admit = (desk: FakeDesk, node: string) => desk.grant({ kind: 'admit-member', requestId: requestId(1), pid: null, nodeId: nodeId(node), url: `http://${node}` })
  const [first, second] = [admit(left, 'a'), admit(right, 'b')]
  assert.is(first.status === 'granted' && first.value['pid'], 1)
  assert.is(second.status === 'granted' && second.value['pid'], 1)
  mergeDesks(left, right)
  assert.equal(admit(right, 'a'), first)
  assert.equal(right.directory.members().map(({ removed }) => removed), [false, false])
})

granting('a cluster has at most nine nodes', () => {
  const desk = createFakeDesk({ config: { peers: new Map() }, nodes: [] })
  const outcomes = 'abcdef0123'.split('').map((letter, n) => desk.grant({ kind: 'admit-member', requestId: requestId(n), pid: null, nodeId: nodeId(letter), url: '' }))
  assert.equal(outcomes.map(({ status }) => status), [...Array.from({ length: 9 }, () => 'granted'), 'refused'])
  desk.grant({ kind: 'remove-member', requestId: requestId(10), nodeId: nodeId('a') })
  const next = desk.grant({ kind: 'admit-member', requestId: requestId(11), pid: null, nodeId: nodeId('4'), url: '' })
  assert.is(next.status === 'granted' && next.value['pid'], 9, 'a place is free again, the pid is not')
  const far = createFakeDesk({ config: { peers: new Map(Array.from({ length: 9 }, (_, at) => [pid(20 + at), ''])) }, nodes: [] })
  assert.is(far.grant({ kind: 'admit-member', requestId: requestId(12), pid: null, nodeId: nodeId('a'), url: '' }).status, 'refused')
})

granting.run()

const healing = suite('after a split')

const split = (): { readonly left: FakeDesk; readonly right: FakeDesk; readonly id: AccountId } => {
  const [left, right] = [createFakeDesk({ seed: 1, config: { sessionsPerAccount: 2 } }), createFakeDesk({ seed: 2, epochCounter: 2, config: { sessionsPerAccount: 2 } })]
  const { id } = signUp(left, 'alice')
  mergeDesks(left, right)
  return { left, right, id }
}

const heal = (...desks: readonly FakeDesk[]): void => {
  for (const desk of desks) healAccounts(desk, desk.stamp().hlc)
  mergeDesks(...desks)
}

healing('[COO6] one request granted by two coordinators is one account with one name', () => {
  const [left, right] = [createFakeDesk({ seed: 1 }), createFakeDesk({ seed: 2, epochCounter: 2 })]
  const alice = creation(left, 1, 'alice')
  for (const desk of [left, right]) assert.is(applyGrant(desk, alice, desk.stamp()).status, 'granted')
  mergeDesks(left, right)
  heal(left, right)
  assert.equal([left.directory.claimantsOf(nameToKey('alice')), left.directory.nameOf(alice.accountId)], [[alice.accountId], 'alice'])
  left.grant(renaming(2, alice.accountId, 'bella'))
  assert.is(left.directory.ownerOfName(nameToKey('alice')), null, 'every claim of the request is released')
})

healing('[COO6] an account renamed on both sides keeps the later name and frees the other', () => {
  const { left, right, id } = split()
  left.grant(renaming(1, id, 'bella'))
  later(right, 5000)
  right.grant(renaming(2, id, 'carol'))
  mergeDesks(left, right)
  heal(left)
  mergeDesks(left, right)
  for (const { directory } of [left, right]) {
    assert.is(directory.nameOf(id), 'carol')
    assert.equal(['alice', 'bella', 'carol'].map(name => directory.ownerOfName(nameToKey(name))), [null, null, id])
  }
})

healing('[COO7] sessions above the limit end, lowest rank first, the same ones on both sides', () => {
  const { left, right, id } = split()
  for (const desk of [left, right]) for (let i = 0; i < 2; i++) signIn(desk, 'alice')
  mergeDesks(left, right)
  assert.is(left.directory.liveSessionsOf(id, left.clusterMs).length, 4)
  const [first, second] = [left, right].map(desk => {
    healAccounts(desk, desk.stamp().hlc)
    return desk.directory.liveSessionsOf(id, desk.clusterMs).map(session => session.id)
  })
  assert.equal(first, second)
  assert.is(first?.length, 2)
  mergeDesks(left, right)
  assert.equal(left.directory.liveSessionsOf(id, left.clusterMs).map(({ rank }) => rank), [3, 3])
})

healing('a healthy cluster is left as it is', () => {
  const { left, id } = split()
  left.grant(renaming(1, id, 'bella'))
  signIn(left, 'bella')
  const before = contentOf(left)
  heal(left)
  assert.equal(contentOf(left), before)
})

healing('[DOC8] a session day goes when no session of it can be live, and stays gone', () => {
  const { left, right } = split()
  const day = toName('sessions/2026-05-10')
  later(left, 31 * 86_400_000)
  expireSessionDays(left, left.stamp().hlc)
  assert.equal(left.dropped, [])
  later(left, 86_400_000)
  expireSessionDays(left, left.stamp().hlc)
  assert.equal(left.dropped, [day])
  assert.is(left.directory.isGone(day), true)
  assert.is(left.directory.sessionCount(), 0)
  right.applyUpdate(toName('members'), Y.encodeStateAsUpdate(left.docs.get(toName('members')) ?? new Y.Doc()), -1)
  assert.equal(right.news.flatMap(({ expiredDays }) => expiredDays), ['2026-05-10'])
})

healing('[DOC8] a grant settled after its session day has expired is dropped', () => {
  const { left, id } = split()
  const late = [creation(left, 8, 'bob'), signingIn(left, 9, id)]
  later(left, 33 * 86_400_000)
  expireSessionDays(left, left.stamp().hlc)
  assert.equal(late.map(grant => left.grant(grant).status), ['refused', 'refused'])
})

healing.run()
