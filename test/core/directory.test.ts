// The directory follows its documents: kept current by transactions it says what one built afresh says.

import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as Y from 'yjs'
import { addSecret, currentSecret } from '../../crdt-schema/accounts.ts'
import { type AccountId, type RequestId, accountToDocument, nameToKey, parseRequestId, requestToAccountId } from '../../crdt-schema/ids.ts'
import { type Directory, createDirectory } from '../../node/core/directory.ts'
import { healAccounts } from '../../node/core/upkeep.ts'
import { signIn, signUp } from '../support/accounts.ts'
import { type FakeDesk, createFakeDesk, mergeDesks, toName } from '../support/desk.ts'

const NAMES = ['alice', 'Alice', 'bob', 'al', 'álvaro', 'x-1']
const ALL = { prefix: '', after: null, limit: 1000 }

const accountOf = (n: number): AccountId => requestToAccountId(requestOf(n))
const requestOf = (n: number): RequestId => parseRequestId(`7b0c1c6e-0000-4000-8000-${String(n).padStart(12, '0')}`) as RequestId

/** What anybody can ask, in one value to compare. */
const tell = (directory: Directory, desk: FakeDesk): unknown => ({
  names: directory.listNames(ALL),
  people: Array.from({ length: 8 }, (_, n) => accountOf(n)).map(id => [directory.nameOf(id), directory.hasLost(id), directory.exists(id), directory.isRemoved(id), directory.secretOf(id), directory.liveSessionsOf(id, desk.clusterMs).map(session => session.id)]),
  owners: NAMES.map(name => [directory.ownerOfName(nameToKey(name)), directory.claimantsOf(nameToKey(name))]),
  sessions: directory.sessionCount(),
})

const rebuild = (desk: FakeDesk): Directory => {
  const directory = createDirectory()
  for (const [name, doc] of desk.docs) directory.indexDocument(name, doc)
  return directory
}

type Deed =
  | { readonly type: 'create' | 'rename'; readonly desk: number; readonly who: number; readonly name: string }
  | { readonly type: 'remove' | 'heal' | 'merge' | 'list'; readonly desk: number; readonly who: number }

const act = (desks: readonly FakeDesk[], deed: Deed, n: number): void => {
  const desk = desks[deed.desk]
  if (desk === undefined) return
  const accountId = accountOf(deed.who)
  switch (deed.type) {
    case 'create':
      return void desk.grant({ kind: 'create-account', requestId: requestOf(deed.who), accountId, shownName: deed.name, nameKey: nameToKey(deed.name), passwordHash: `hash ${n}`, session: { id: `0198a000-0000-7000-8000-${String(deed.who).padStart(12, '0')}` as never, tokenHash: 'x', expiresMs: (desk.clusterMs + 1000) as never, device: '' } })
    case 'rename':
      return void desk.grant({ kind: 'change-account', requestId: requestOf(100 + n), accountId, shownName: deed.name, nameKey: nameToKey(deed.name), passwordHash: `hash ${n}`, keepSession: null })
    case 'remove':
      return void desk.grant({ kind: 'remove-account', requestId: requestOf(200 + n), accountId })
    case 'heal':
      return healAccounts(desk, desk.stamp().hlc)
    case 'merge':
      return mergeDesks(...desks)
    case 'list':
      return void desk.directory.listNames(ALL)
  }
}

const desk = fc.nat(2)
const who = fc.nat(7)
const deeds = fc.array(
  fc.oneof(
    fc.record({ type: fc.constantFrom('create' as const, 'rename' as const), desk, who, name: fc.constantFrom(...NAMES) }),
    fc.record({ type: fc.constantFrom('remove' as const, 'heal' as const, 'merge' as const, 'list' as const), desk, who }),
  ),
  { maxLength: 40 },
)

const following = suite('the directory')

following('[COO6] kept current by transactions says what one built afresh says, and all replicas agree', () => {
  fc.assert(
    fc.property(deeds, history => {
      const desks = [1, 2, 3].map(n => createFakeDesk({ seed: n, epochCounter: n }))
      history.forEach((deed, n) => act(desks, deed, n))
      mergeDesks(...desks)
      for (const one of desks) {
        assert.equal(tell(one.directory, one), tell(rebuild(one), one))
        assert.equal(tell(one.directory, one), tell(desks[0]?.directory ?? one.directory, one))
      }
    }),
    { numRuns: 60, seed: 7 },
  )
})

following('[COO6] live accounts never show one name twice', () => {
  fc.assert(
    fc.property(deeds, history => {
      const desks = [1, 2, 3].map(n => createFakeDesk({ seed: n, epochCounter: n }))
      history.forEach((deed, n) => act(desks, deed, n))
      mergeDesks(...desks)
      const shown = desks[0]?.directory.listNames(ALL).accounts.map(({ name }) => nameToKey(name)) ?? []
      assert.is(new Set(shown).size, shown.length)
    }),
    { numRuns: 60, seed: 8 },
  )
})

following('an update that comes in one piece is indexed like the edits it holds', () => {
  const [from, to] = [createFakeDesk({ seed: 1 }), createFakeDesk({ seed: 2 })]
  const alice = signUp(from, 'alice')
  mergeDesks(from, to)
  assert.is(to.directory.nameOf(alice.id), 'alice')
  assert.is(to.directory.sessionOf(alice.token, to.clusterMs)?.accountId, alice.id)
})

following('[DOC5] junk in its documents is passed over', () => {
  const one = createFakeDesk()
  const { id } = signUp(one, 'alice')
  for (const name of [...one.docs.keys()]) {
    one.edit(name, doc => {
      for (const root of ['claims', 'released', 'secrets', 'removed', 'requests', 'granted', 'ended', 'nodes', 'expired']) {
        for (const [key, value] of [['junk', 1], [`${id}/x`, {}], ['a/b/c/d', [1, 2, 3, 4]], ['', null]] as const) doc.getMap(root).set(key, value)
      }
    })
  }
  assert.is(one.directory.nameOf(id), 'alice')
  assert.equal(tell(one.directory, one), tell(rebuild(one), one))
})

following('a document indexed again takes the place of what it said; removals stay', () => {
  const one = createFakeDesk()
  const { id } = signUp(one, 'alice')
  for (const name of one.docs.keys()) one.directory.indexDocument(name, new Y.Doc())
  assert.equal([one.directory.exists(id), one.directory.ownerOfName(nameToKey('alice')), one.directory.sessionCount()], [false, null, 0])
  const other = createFakeDesk()
  const bob = signUp(other, 'bob')
  other.grant({ kind: 'remove-account', requestId: requestOf(1), accountId: bob.id })
  for (const name of other.docs.keys()) other.directory.forget(name)
  assert.is(other.directory.isRemoved(bob.id), true)
})

following('of two passwords of one moment the same is in force as in the document', () => {
  const one = createFakeDesk()
  const { id } = signUp(one, 'alice')
  const name = accountToDocument(id)
  const hlc = one.stamp().hlc
  for (const hash of ['first', 'second']) one.edit(name, doc => addSecret(doc, id, hash, hlc))
  assert.is(one.directory.secretOf(id)?.passwordHash, 'second')
  assert.equal(one.directory.secretOf(id), currentSecret(one.docs.get(name) ?? new Y.Doc(), id))
})

following('[DEL3] a name is had by who claims or claimed it, also with the letters of the own id', () => {
  const one = createFakeDesk()
  const { id } = signUp(one, 'Alice')
  const had = (name: string): boolean => one.directory.hadName(id, name)
  assert.equal(['alice', 'ALICE', `Alice~${id.slice(0, 4)}`, 'Alice~zzzz', 'bob', ''].map(had), [true, true, true, false, false, false])
})

following('pages of the listing join without gap or repeat, whatever changes between', () => {
  const one = createFakeDesk()
  const names = Array.from({ length: 30 }, (_, n) => `p${String(n * 7 % 30).padStart(2, '0')}`)
  for (const name of names) signUp(one, name)
  const seen: string[] = []
  let after: string | null = null
  do {
    const page: ReturnType<Directory['listNames']> = one.directory.listNames({ prefix: 'p', after, limit: 7 })
    seen.push(...page.accounts.map(({ name }) => name))
    after = page.next
    signUp(one, `a${seen.length}`)
  } while (after !== null && seen.length < 100)
  assert.equal(seen, [...names].sort())
})

// Sorting anew for each page would take minutes: the runner's deadline is the assertion.
following('100,000 accounts: a page after each of 500 changes', () => {
  const doc = new Y.Doc()
  const directory = createDirectory()
  doc.transact(() => {
    for (let n = 0; n < 100_000; n++) doc.getMap('claims').set(`u${n}/${accountOf(n)}/65`, [`u${n}`, requestOf(n), 1000 + n, 65])
  })
  directory.indexDocument(toName('names/00'), doc)
  doc.on('afterTransaction', (transaction: Y.Transaction) => void directory.onTransaction(toName('names/00'), transaction))
  assert.is(directory.listNames({ prefix: 'u99', after: null, limit: 3 }).accounts.map(({ name }) => name).join(), 'u99,u990,u9900')
  for (let n = 0; n < 500; n++) {
    doc.getMap('claims').set(`v${n}/${accountOf(200_000 + n)}/65`, [`v${n}`, requestOf(200_000 + n), 1000, 65])
    assert.is(directory.listNames({ prefix: `v${n}`, after: null, limit: 1 }).accounts.length, 1)
  }
})

following('sessions are counted until they end', () => {
  const one = createFakeDesk({ config: { sessionsPerAccount: 2 } })
  signUp(one, 'alice')
  for (let n = 0; n < 4; n++) signIn(one, 'alice')
  assert.is(one.directory.sessionCount(), 2)
})

following.run()
