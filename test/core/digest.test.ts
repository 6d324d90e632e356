// Digests against their slow oracle: replicas whose snapshots encode to equal bytes have equal digests, and no others do.

import fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as Y from 'yjs'
import { type DocumentName, toHex } from '../../crdt-schema/ids.ts'
import { BUCKET_COUNT, type Digest, ZERO, addDigest, bucketOf, digestOfDocument, digestOfTransaction, digestToHex, isEqualDigest, subtractDigest, tableTerm } from '../../node/core/digest.ts'

/** A replica that keeps its digest per transaction, as the core does. */
class Replica {
  readonly doc = new Y.Doc()
  readonly updates: Uint8Array[] = []
  digest: Digest = ZERO

  constructor(clientId: number) {
    this.doc.clientID = clientId
    this.doc.on('afterTransaction', (transaction: Y.Transaction) => {
      this.digest = addDigest(this.digest, digestOfTransaction(transaction))
    })
    this.doc.on('update', (update: Uint8Array) => this.updates.push(update))
  }

  /** Equal texts: equal content by the oracle. */
  get snapshot(): string {
    return toHex(Y.encodeSnapshot(Y.snapshot(this.doc)))
  }
}

const REPLICAS = 4
type Edit = { readonly replica: number; readonly kind: string; readonly at: number; readonly count: number }
const editArbitrary: fc.Arbitrary<Edit> = fc.record({
  replica: fc.nat(REPLICAS - 1),
  kind: fc.constantFrom('text', 'cut', 'bold', 'set', 'unset', 'nest', 'nest-text', 'drop-nest', 'several', 'sync-state', 'sync-diff', 'sync-loose'),
  at: fc.nat(11),
  count: fc.integer({ min: 1, max: 5 }),
})

const nestedAt = (doc: Y.Doc, at: number): Y.Map<unknown> | null => {
  const nested = doc.getMap('tree').get(`n${at % 3}`)
  return nested instanceof Y.Map ? (nested as Y.Map<unknown>) : null
}

const applyEdit = (replicas: readonly Replica[], edit: Edit): void => {
  const mine = replicas[edit.replica]
  const other = replicas[(edit.replica + edit.at) % REPLICAS]
  if (mine === undefined || other === undefined) return
  const { doc } = mine
  const text = doc.getText('text')
  const at = Math.min(edit.at, text.length)
  const length = Math.min(edit.count, text.length - at)
  const nested = nestedAt(doc, edit.at)
  switch (edit.kind) {
    case 'text':
      return text.insert(at, 'abcdef'.slice(0, edit.count))
    case 'cut':
      return text.delete(at, length)
    case 'bold':
      return text.format(at, length, { bold: edit.count % 2 === 0 ? true : null })
    case 'set':
      doc.getMap('map').set(`k${edit.at % 3}`, edit.count)
      return
    case 'unset':
      return doc.getMap('map').delete(`k${edit.at % 3}`)
    case 'nest':
      if (nested === null) doc.getMap('tree').set(`n${edit.at % 3}`, new Y.Map())
      else nested.set(`m${edit.count}`, new Y.Map([['x', new Y.Text('deep')]]))
      return
    case 'nest-text':
      nested?.set('t', new Y.Text('nested'))
      return
    case 'drop-nest':
      return doc.getMap('tree').delete(`n${edit.at % 3}`)
    case 'several':
      return doc.transact(() => {
        text.insert(0, 'xyz')
        text.delete(0, 2)
        const map = doc.getMap('tree')
        map.set('n0', new Y.Map([['a', new Y.Text('gone at once')]]))
        map.delete('n0')
      })
    case 'sync-state':
      return Y.applyUpdate(doc, Y.encodeStateAsUpdate(other.doc))
    case 'sync-diff':
      return Y.applyUpdate(doc, Y.encodeStateAsUpdate(other.doc, Y.encodeStateVector(doc)))
    default: {
      // One update out of order: it may stay pending, which must not count.
      const update = other.updates[edit.count % Math.max(1, other.updates.length)]
      if (update !== undefined) Y.applyUpdate(doc, update)
    }
  }
}

const shuffle = <Value>(values: readonly Value[], ranks: readonly number[]): Value[] =>
  values
    .map((value, index) => ({ value, rank: ranks[index % ranks.length] ?? 0 }))
    .sort((a, b) => a.rank - b.rank)
    .map(({ value }) => value)

const digests = suite('digests')

digests('[STO3] the sum over transactions is the digest of the document, on every replica however it was built', () => {
  fc.assert(
    fc.property(fc.array(editArbitrary, { minLength: 1, maxLength: 60 }), fc.array(fc.nat(1000), { minLength: 7, maxLength: 13 }), (edits, ranks) => {
      const replicas = Array.from({ length: REPLICAS }, (_, index) => new Replica(index + 1))
      for (const edit of edits) applyEdit(replicas, edit)
      const fromState = replicas.map((replica, index) => {
        const copy = new Replica(100 + index)
        Y.applyUpdate(copy.doc, Y.encodeStateAsUpdate(replica.doc))
        return copy
      })
      const all = shuffle(replicas.flatMap(({ updates }) => [...updates, ...updates]), ranks)
      const fromUpdates = new Replica(200)
      for (const update of all) Y.applyUpdate(fromUpdates.doc, update)
      const fromStates = new Replica(201)
      for (const copy of shuffle(fromState, ranks)) Y.applyUpdate(fromStates.doc, Y.encodeStateAsUpdate(copy.doc))
      const inOneTransaction = new Replica(202)
      inOneTransaction.doc.transact(() => {
        for (const update of all) Y.applyUpdate(inOneTransaction.doc, update)
      })
      const everyone = [...replicas, ...fromState, fromUpdates, fromStates, inOneTransaction]
      for (const replica of everyone) assert.equal(replica.digest, digestOfDocument(replica.doc))
      assert.equal(fromUpdates.digest, fromStates.digest)
      assert.equal(fromUpdates.digest, inOneTransaction.digest)
      for (const a of everyone) {
        for (const b of everyone) assert.is(isEqualDigest(a.digest, b.digest), a.snapshot === b.snapshot)
      }
    }),
    { numRuns: 400 },
  )
})

digests('[STO3] edits made by observers count once', () => {
  const replica = new Replica(1)
  const { doc } = replica
  const map = doc.getMap<number | Y.Map<unknown>>('map')
  map.observe(() => {
    if (map.get('answered') === undefined) map.set('answered', 1)
    else if (map.has('nest')) map.delete('nest')
  })
  doc.transact(() => {
    map.set('question', 1)
    map.set('nest', new Y.Map([['text', new Y.Text('short life')]]))
  })
  assert.not.ok(map.has('nest'))
  assert.equal(replica.digest, digestOfDocument(doc))
})

digests('[STO3] what an observer writes into a type that was just deleted is collected early, and counts once', () => {
  const replica = new Replica(1)
  const { doc } = replica
  const map = doc.getMap<Y.Map<unknown>>('map')
  const nest = new Y.Map<unknown>()
  map.observe(() => {
    if (nest.doc !== null && map.get('nest') === undefined) nest.set('late', 1)
  })
  doc.transact(() => {
    map.set('nest', nest)
    nest.set('early', 1)
    map.delete('nest')
  })
  assert.is(Y.getState(doc.store, 1), 3)
  assert.equal(replica.digest, digestOfDocument(doc))
})

digests('[STO3] items whose parent was collected before they came are counted as deleted', () => {
  const here = new Replica(1)
  const there = new Replica(2)
  here.doc.getMap('map').set('nest', new Y.Map())
  Y.applyUpdate(there.doc, Y.encodeStateAsUpdate(here.doc))
  ;(there.doc.getMap('map').get('nest') as Y.Map<unknown>).set('late', new Y.Text('to the party'))
  here.doc.getMap('map').delete('nest')
  Y.applyUpdate(here.doc, Y.encodeStateAsUpdate(there.doc))
  Y.applyUpdate(there.doc, Y.encodeStateAsUpdate(here.doc))
  assert.equal(here.digest, digestOfDocument(here.doc))
  assert.equal(here.digest, there.digest)
  assert.is(here.snapshot, there.snapshot)
})

digests('[STO3] pending structs do not count, and a digest of nothing is ZERO', () => {
  const source = new Replica(1)
  source.doc.getText('text').insert(0, 'one')
  source.doc.getText('text').insert(3, 'two')
  const target = new Replica(2)
  assert.equal(digestOfDocument(target.doc), ZERO)
  Y.applyUpdate(target.doc, source.updates[1] ?? new Uint8Array())
  assert.ok(target.doc.store.pendingStructs !== null)
  assert.equal(target.digest, ZERO)
  Y.applyUpdate(target.doc, source.updates[0] ?? new Uint8Array())
  assert.equal(target.digest, source.digest)
})

digests('[STO3] clocks and clients beyond 32 bits are told apart', () => {
  const digestOf = (clientId: number): Digest => {
    const replica = new Replica(clientId)
    replica.doc.getText('text').insert(0, 'x')
    return replica.digest
  }
  assert.not.equal(digestOf(7), digestOf(7 + 2 ** 32))
})

digests('adding and subtracting are inverse, and hex has 16 digits', () => {
  const lane = fc.integer({ min: 0, max: 0xffffffff })
  const digest = fc.record({ high: lane, low: lane }, { noNullPrototype: true })
  fc.assert(
    fc.property(digest, digest, (a, b) => {
      assert.equal(subtractDigest(addDigest(a, b), b), a)
      assert.equal(addDigest(a, b), addDigest(b, a))
      assert.is(BigInt(`0x${digestToHex(a)}`), (BigInt(a.high) << 32n) + BigInt(a.low))
      assert.is(digestToHex(a).length, 16)
    }),
  )
})

digests('[REP2] names spread over all buckets, and a term depends on name and digest', () => {
  const names = Array.from({ length: 40_960 }, (_, index) => `inbox/${index}/2026-01` as DocumentName)
  const counts = new Map<number, number>()
  for (const name of names) counts.set(bucketOf(name), (counts.get(bucketOf(name)) ?? 0) + 1)
  const buckets = [...counts.keys()]
  assert.ok(buckets.length > 4000 && buckets.every((bucket) => bucket >= 0 && bucket < BUCKET_COUNT))
  assert.ok(Math.max(...counts.values()) < 40)
  const [a, b] = ['drafts/a' as DocumentName, 'drafts/b' as DocumentName]
  const [one, two] = [{ high: 1, low: 2 }, { high: 3, low: 4 }]
  assert.equal(tableTerm(a, ZERO), ZERO)
  assert.not.equal(tableTerm(a, one), tableTerm(b, one))
  assert.not.equal(tableTerm(a, one), tableTerm(a, two))
  assert.not.equal(addDigest(tableTerm(a, one), tableTerm(b, two)), addDigest(tableTerm(a, two), tableTerm(b, one)))
})

digests.run()
