// The feed, the bucket table and the sums over all documents, kept while commits touch, apply and remove them [REP1, REP2, STO3, DOC8].

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type DocumentName, draftsDocument, parseAccountId } from '../../crdt-schema/ids.ts'
import { BUCKET_COUNT, type Digest, ZERO, addDigest, bucketOf, isEqualDigest, tableTerm } from '../../node/core/digest.ts'
import { createDocuments, differingBuckets, encodeTable, forgetDigest, noteTouch, readBuckets, readFeed, restoreHeads, setDigest } from '../../node/core/heads.ts'
import type { Documents, NodeState } from '../../node/core/state.ts'
import { createRandom } from '../sim/random.ts'

const heads = suite('heads')

const nameOf = (index: number): DocumentName => {
  const account = parseAccountId(index.toString(16).padStart(32, '0'))
  if (account === null) throw new Error(`no account ${index}`)
  return draftsDocument(account)
}
const digestOf = (seed: number): Digest => ({ high: seed * 2_654_435_761 >>> 0, low: seed })

/** These functions look at documents and nothing else. */
const nodeWith = (documents: Documents): NodeState => ({ documents }) as NodeState

/** Every document under its own commit, all digested. */
const createStored = (count: number): Documents => {
  const documents = createDocuments()
  restoreHeads(documents, Array.from({ length: count }, (_, i) => ({ document: nameOf(i), seq: i + 1, digest: digestOf(i + 1), bytes: 10 })))
  return documents
}

const names = (rows: readonly { readonly document: DocumentName }[]): readonly DocumentName[] => rows.map(({ document }) => document)

heads('[REP1] the feed holds each document once, under the last commit that touched it, oldest first', () => {
  const documents = createStored(4)
  const node = nodeWith(documents)
  noteTouch(node, nameOf(1), 5, 3)
  noteTouch(node, nameOf(0), 6, 3)
  noteTouch(node, nameOf(1), 7, 3)
  assert.equal(readFeed(documents, 0, 100).map(({ document, seq }) => [document, seq]), [[nameOf(2), 3], [nameOf(3), 4], [nameOf(0), 6], [nameOf(1), 7]])
  assert.equal(names(readFeed(documents, 6, 100)), [nameOf(1)])
  assert.equal(readFeed(documents, 7, 100), [])
})

heads('[REP1] pages of the feed, each after the last of the one before, give every document once', () => {
  const documents = createStored(50)
  const node = nodeWith(documents)
  const random = createRandom('pages')
  for (let seq = 51; seq <= 3_000; seq++) noteTouch(node, nameOf(random.integer(0, 49)), seq, 1)
  const seen: DocumentName[] = []
  for (let after = 0, rows = readFeed(documents, after, 7); rows.length > 0; rows = readFeed(documents, after, 7)) {
    seen.push(...names(rows))
    after = rows[rows.length - 1]?.seq ?? 0
  }
  assert.is(seen.length, 50)
  assert.is(new Set(seen).size, 50)
  assert.ok(documents.touches.length < 1_200, `${documents.touches.length} touches kept of 3,000`)
})

heads('[REP1] a page never ends inside a commit: the next one begins after it', () => {
  const documents = createDocuments()
  const node = nodeWith(documents)
  ;[[0, 1], [1, 2], [2, 2], [3, 2], [4, 3]].forEach(([index = 0, seq = 0]) => { noteTouch(node, nameOf(index), seq, 1) })
  const first = readFeed(documents, 0, 2)
  assert.equal(first.map(({ seq }) => seq), [1, 2, 2, 2])
  assert.equal(names(readFeed(documents, 2, 2)), [nameOf(4)])
})

heads('[REP2] a document that is not in memory has no digest until what was logged for it is applied', () => {
  const documents = createStored(2)
  const node = nodeWith(documents)
  const before = documents.root
  noteTouch(node, nameOf(0), 3, 5)
  assert.is(documents.heads.get(nameOf(0))?.digest, null)
  assert.ok(documents.unapplied.has(nameOf(0)))
  assert.is(readFeed(documents, 2, 10)[0]?.digest, null)
  assert.not.ok(isEqualDigest(documents.root, before), 'and its old digest is in no sum')
  setDigest(node, nameOf(0), digestOf(1))
  assert.ok(isEqualDigest(documents.root, before))
  assert.is(documents.unapplied.size, 0)
})

heads('[REP2] equal documents have equal tables, in whatever order they came; one that differs shows in its bucket alone', () => {
  const documents = createStored(300)
  const other = createDocuments()
  restoreHeads(other, [...documents.heads].reverse().map(([document, { digest, bytes }], i) => ({ document, seq: i + 1, digest, bytes })))
  assert.equal(differingBuckets(documents, encodeTable(other)), [])
  setDigest(nodeWith(other), nameOf(17), digestOf(999))
  assert.equal(differingBuckets(documents, encodeTable(other)), [bucketOf(nameOf(17))])
  const rows = readBuckets(other, new Set([bucketOf(nameOf(17))]))
  assert.ok(names(rows).includes(nameOf(17)))
  assert.ok(rows.every(({ document }) => bucketOf(document) === bucketOf(nameOf(17))))
})

heads('[REP2] the table is 32 KiB, whatever it holds; one of another size is equal in nothing', () => {
  assert.is(encodeTable(createStored(9)).byteLength, BUCKET_COUNT * 8)
  assert.is(differingBuckets(createStored(9), encodeTable(createStored(9)).slice(8)).length, BUCKET_COUNT)
})

heads('[DOC8] a document that has gone counts as never seen: in no sum, no bucket, no feed, nobody’s list', () => {
  const documents = createStored(3)
  const without = createDocuments()
  restoreHeads(without, [1, 3].map((seq) => ({ document: nameOf(seq - 1), seq, digest: digestOf(seq), bytes: 10 })))
  forgetDigest(nodeWith(documents), nameOf(1))
  assert.ok(isEqualDigest(documents.root, without.root))
  assert.equal(differingBuckets(documents, encodeTable(without)), [])
  assert.equal(names(readFeed(documents, 0, 10)), [nameOf(0), nameOf(2)])
  assert.is(documents.byAccount.size, 2)
})

heads('[STO3] the sums over many touches, digests and removals are those counted afresh', () => {
  const documents = createStored(40)
  const node = nodeWith(documents)
  const random = createRandom('sums')
  for (let seq = 41; seq < 2_000; seq++) {
    const name = nameOf(random.integer(0, 59))
    if (random.chance(0.5)) noteTouch(node, name, seq, 1)
    else if (random.chance(0.9)) setDigest(node, name, digestOf(random.integer(0, 50)))
    else forgetDigest(node, name)
  }
  const afresh = [...documents.heads].reduce((sum, [name, { digest }]) => (digest === null || isEqualDigest(digest, ZERO) ? sum : addDigest(sum, tableTerm(name, digest))), ZERO)
  assert.ok(isEqualDigest(documents.root, afresh))
  const fresh = createDocuments()
  restoreHeads(fresh, [...documents.heads].map(([document, { seq, digest, bytes }]) => ({ document, seq, digest, bytes })))
  assert.equal(differingBuckets(documents, encodeTable(fresh)), [])
  assert.equal([...documents.unapplied].sort(), [...fresh.unapplied].sort())
})

heads.run()
