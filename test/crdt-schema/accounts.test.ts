// Names, accounts, sessions and members: what is taken, lost, released and gone for ever.

import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as Y from 'yjs'
import * as accounts from '../../crdt-schema/accounts.ts'
import { type AccountId, type Epoch, type Hlc, nameToKey } from '../../crdt-schema/ids.ts'
import * as members from '../../crdt-schema/members.ts'
import * as recovery from '../../crdt-schema/recovery.ts'
import * as sessions from '../../crdt-schema/sessions.ts'
import { KINDS, aClaim } from './deeds.ts'
import { type Deed, accountIds, anAccount, anHlc, at, createReplica, historyOf, hlcAt, holds, nodeIds, personOf, playHistory, requestIds, sessionIds } from './replicas.ts'

const test = suite('accounts')
const isNobodyRemoved = (_id: AccountId): boolean => false
const deedsOfKind = (name: string): fc.Arbitrary<Deed> => {
  const kind = KINDS.find(known => known.name === name)
  if (kind === undefined) throw new Error(`no kind ${name}`)
  return kind.deeds
}

const claimOf = (n: number, shownName: string, hlc: number, epoch = 64): accounts.Claim => {
  const [accountId, requestId] = [accountIds[n], requestIds[n]]
  if (accountId === undefined || requestId === undefined) throw new Error('few ids')
  return { nameKey: nameToKey(shownName), shownName, accountId, requestId, hlc: hlcAt(hlc), epoch: epoch as Epoch }
}
const merge = (into: Y.Doc, from: Y.Doc): void => Y.applyUpdate(into, Y.encodeStateAsUpdate(from))

test('[COO6] the owner of a name is the lowest of its claims neither released nor removed', () => {
  holds(
    fc.property(fc.array(aClaim, { maxLength: 8 }), fc.array(fc.nat(7)), anAccount, (claims, released, removed) => {
      const rows = claims.map((claim, i) => ({ ...claim, released: released.includes(i) }))
      const isRemoved = (id: AccountId): boolean => id === removed
      for (const { nameKey } of claims) {
        const owner = accounts.ownerOfName(rows, nameKey, isRemoved)
        const entitled = rows.filter(row => row.nameKey === nameKey && !row.released && !isRemoved(row.accountId))
        assert.is(owner === null, entitled.length === 0)
        for (const row of entitled) assert.ok(owner !== null && accounts.compareClaims(owner, row) <= 0)
        assert.equal(accounts.ownerOfName([...rows].reverse(), nameKey, isRemoved)?.accountId, owner?.accountId)
      }
    }),
  )
})

test('[COO6] a name claimed on both sides of a split belongs to the earlier claim; the later shows four letters of its id', () => {
  const [left, right] = [createReplica(1), createReplica(2)]
  accounts.addClaim(left, claimOf(0, 'Ana', 5, 64))
  accounts.addClaim(right, claimOf(1, 'ana', 3, 129))
  merge(left, right)
  const claims = accounts.readClaims(left).value
  assert.is(accounts.shownNameOf(claims, accountIds[1] as AccountId, isNobodyRemoved), 'ana')
  assert.is(accounts.shownNameOf(claims, accountIds[0] as AccountId, isNobodyRemoved), `Ana~${accountIds[0]?.slice(0, 4)}`)
  assert.is(accounts.shownNameOf(claims, accountIds[2] as AccountId, isNobodyRemoved), null)
  assert.is(accounts.shownNameOf(claims, accountIds[0] as AccountId, id => id === accountIds[1]), 'Ana')
})

test('[COO6] an account that renames away and back within one epoch has its name again', () => {
  const doc = createReplica(1)
  const first = claimOf(0, 'ana', 1)
  const back = { ...claimOf(0, 'ana', 4), requestId: requestIds[1] ?? first.requestId }
  accounts.addClaim(doc, first)
  accounts.releaseClaim(doc, first, first.hlc) // at its own moment, the tightest case
  assert.is(accounts.ownerOfName(accounts.readClaims(doc).value, first.nameKey, isNobodyRemoved), null)
  assert.equal(accounts.addClaim(doc, back), { ok: true, value: 'added' })
  assert.is(accounts.ownerOfName(accounts.readClaims(doc).value, first.nameKey, isNobodyRemoved)?.hlc, back.hlc)
  assert.equal(accounts.releaseClaim(doc, first, hlcAt(9)), { ok: false, code: 'renewed' })
  assert.equal(accounts.addClaim(doc, first), { ok: true, value: 'present' })
})

test('[DOC3] a released claim stays released: a late repeat of it does not bring it back', () => {
  holds(
    fc.property(historyOf(deedsOfKind('names')), aClaim, fc.nat(9), (history, claim, later) => {
      const docs = playHistory([...history, { replica: 0, deed: { name: 'release', run: doc => accounts.releaseClaim(doc, claim, (claim.hlc + later + 60) as Hlc) } }])
      for (const doc of docs) {
        const row = accounts.readClaim(doc, accounts.claimToKey(claim))
        if (row !== null && row.requestId === claim.requestId && row.hlc <= claim.hlc) assert.is(row.released, true)
        accounts.addClaim(doc, claim)
        const again = accounts.readClaim(doc, accounts.claimToKey(claim))
        if (again !== null && again.hlc === claim.hlc && row?.released !== false) assert.is(again.released, true)
      }
    }),
  )
})

test('[COO8] a removed account is removed on every replica, whatever came before, beside or after', () => {
  holds(
    fc.property(historyOf(deedsOfKind('accounts')), fc.nat(40), anAccount, anHlc, (history, place, account, hlc) => {
      const removal = { replica: place % 5, deed: { name: 'remove', run: (doc: Y.Doc) => accounts.removeAccount(doc, account, hlc) } }
      for (const doc of playHistory([...history.slice(0, place), removal, ...history.slice(place)])) assert.is(accounts.isAccountRemoved(doc, account), true)
    }),
  )
})

test('[COO7] an ended session is ended on every replica, even if the ending came before the grant', () => {
  const doc = createReplica(1)
  const id = sessionIds[0]
  if (id === undefined) return
  sessions.endSession(doc, id, hlcAt(1))
  sessions.grantSession(doc, { id, accountId: accountIds[0] as AccountId, tokenHash: 'h', rank: 0, hlc: hlcAt(0), expiresMs: at(0), device: 'x'.repeat(999) })
  assert.is(sessions.readSession(doc, id)?.ended, true)
  assert.is(sessions.readSession(doc, id)?.device.length, 128)
})

test('[REP7] a removed node stays removed and cannot be added again', () => {
  const doc = createReplica(1)
  const nodeId = nodeIds[0]
  if (nodeId === undefined) return
  const member = { pid: 3 as members.Member['pid'], nodeId, url: 'http://a', hlc: hlcAt(1) }
  members.addMember(doc, member)
  members.removeMember(doc, nodeId, hlcAt(2))
  assert.equal(members.addMember(doc, { ...member, url: 'http://b', hlc: hlcAt(3) }), { ok: false, code: 'removed' })
  assert.equal(members.readMembers(doc).value, [{ ...member, removed: true }])
})

test('[REP7] two ids of one cluster are settled the same way everywhere', () => {
  const [left, right] = [createReplica(1), createReplica(2)]
  members.setClusterId(left, 'bbb')
  members.setClusterId(right, 'aaa')
  merge(left, right)
  merge(right, left)
  assert.equal([members.readClusterId(left), members.readClusterId(right)], ['aaa', 'aaa'])
})

test('[COO5] the password in force is the latest, not the last heard of', () => {
  const [left, right] = [createReplica(1), createReplica(2)]
  const id = accountIds[0] as AccountId
  accounts.addSecret(left, id, 'old', hlcAt(1))
  merge(right, left)
  accounts.addSecret(right, id, 'newest', hlcAt(9))
  accounts.addSecret(right, id, 'late clock', hlcAt(5))
  merge(left, right)
  assert.is(accounts.currentSecret(left, id)?.passwordHash, 'newest')
  assert.is(accounts.readSecrets(left, id).value.length, 3)
  assert.is(accounts.currentSecret(left, personOf(1).id as AccountId), null)
})

test('[DOC3] a recovery code that was used is used on every replica, whatever came before, beside or after', () => {
  const spending = fc.record({ accountId: anAccount, letter: fc.constantFrom('a', 'b', 'c'), hlc: anHlc })
  const accountDeeds = deedsOfKind('accounts')
  holds(
    fc.property(historyOf(accountDeeds), historyOf(accountDeeds), spending, (before, after, { accountId, letter, hlc }) => {
      const hash = letter.repeat(32)
      const spend = { replica: 0, deed: { name: 'spend', run: (doc: Y.Doc) => recovery.spendCode(doc, accountId, hash, hlc) } }
      for (const doc of playHistory([...before, spend, ...after])) {
        recovery.addCodeSet(doc, accountId, [hash], hlcAt(1_000_000))
        assert.is(recovery.currentCodeSet(doc, accountId)?.hashes[0], hash)
        assert.equal([recovery.isCodeGood(doc, accountId, hash), recovery.countCodes(doc, accountId)], [false, 0])
      }
    }),
  )
})

test('the recovery codes in force are the latest set, not the last heard of; the same set twice is one', () => {
  const [left, right] = [createReplica(1), createReplica(2)]
  const id = accountIds[0] as AccountId
  const [old, newest, late] = ['a', 'b', 'c'].map(letter => [letter.repeat(32)]) as [string[], string[], string[]]
  recovery.addCodeSet(left, id, old, hlcAt(1))
  merge(right, left)
  recovery.addCodeSet(right, id, newest, hlcAt(9))
  recovery.addCodeSet(left, id, late, hlcAt(5))
  merge(left, right)
  merge(right, left)
  for (const doc of [left, right]) assert.equal(recovery.currentCodeSet(doc, id)?.hashes, newest)
  assert.equal(recovery.addCodeSet(left, id, newest, hlcAt(20)), { ok: true, value: 'present' })
  assert.is(recovery.currentCodeSet(left, id)?.hlc, hlcAt(9))
  assert.is(recovery.currentCodeSet(left, accountIds[1] as AccountId), null)
})

test('[DOC5] junk among recovery codes hides no set, and no junk brings a used code back', () => {
  const doc = createReplica(1)
  const id = accountIds[0] as AccountId
  const hash = 'a'.repeat(32)
  recovery.addCodeSet(doc, id, [hash], hlcAt(1))
  const [codes, spent] = [doc.getMap('codes'), doc.getMap('spent')]
  for (const [i, junk] of [7, null, [], [[hash]], [[], 5], [['no hash'], 5], [[hash], -1], [Array.from({ length: 33 }, () => hash), 5], [[hash], 1e18], [['b'.repeat(32)], 5]].entries()) codes.set(`${id}/${i}`, junk)
  codes.set(`${id}/${recovery.hashesToSetId(['no hash'])}`, [['no hash'], hlcAt(9)])
  codes.set(`${id}/${recovery.hashesToSetId([hash])}0`, [['b'.repeat(32)], hlcAt(9)])
  assert.is(recovery.currentCodeSet(doc, id)?.hlc, hlcAt(1))
  assert.is(recovery.isCodeGood(doc, id, hash), true)
  spent.set(`${id}/${hash}`, 'junk')
  assert.is(recovery.isCodeGood(doc, id, hash), false)
})

test('a recovery code is 80 bits, each of which changes it, and is read however it is typed', () => {
  const random = Uint8Array.from({ length: recovery.CODES_RANDOM_BYTES }, (_, i) => i * 37)
  const [code = ''] = recovery.makeCodes(random)
  const codes = new Set([code])
  for (let bit = 0; bit < 80; bit++) {
    const other = Uint8Array.from(random)
    other[bit >> 3] = (other[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    codes.add(recovery.makeCodes(other)[0] ?? '')
  }
  assert.is(codes.size, 81)
  assert.is(recovery.makeCodes(new Uint8Array(recovery.CODES_RANDOM_BYTES).fill(255))[7], 'ZZZZ-ZZZZ-ZZZZ-ZZZZ')
  const plain = code.replaceAll('-', '')
  for (const typed of [code, plain, plain.toLowerCase(), ` ${plain.replace(/../g, '$& ')}\n`, plain.replaceAll('0', 'o')]) assert.is(recovery.parseCode(typed), plain, typed)
  assert.is(recovery.parseCode('OoIi-Ll01-0000-1111'), '0011110100001111')
  for (const typed of ['', plain.slice(1), `${plain}0`, `U${plain.slice(1)}`, `é${plain.slice(1)}`]) assert.is(recovery.parseCode(typed), null, typed)
  const [mine, theirs] = accountIds as [AccountId, AccountId]
  assert.is.not(recovery.codeToHash(mine, code), recovery.codeToHash(theirs, code))
})

test.run()
