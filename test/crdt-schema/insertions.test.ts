// Updates written and joined without a document, held to what Yjs itself writes and reads.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as Y from 'yjs'
import { type Insertion, encodeInsertions, joinUpdates, keysOfInsertions, readInsertions } from '../../crdt-schema/insertions.ts'
import { createRandom } from '../sim/random.ts'

const insertions = suite('insertions')

const TEXTS = ['', 'x', 'hello', 'grüße', '漢字', '🙂'.repeat(40), '\ufeffmark', 'y'.repeat(500)]
const valueOf = (random: ReturnType<typeof createRandom>, depth = 3): unknown => {
  const kind = random.integer(0, depth === 0 ? 3 : 4)
  if (kind === 0) return random.pick(TEXTS)
  if (kind === 1) return random.pick([0, 1, -1, 63, 64, 127, 128, 2 ** 31 - 1, -(2 ** 31), 2 ** 31, 1_700_000_000_000, 2 ** 53 - 1])
  if (kind === 2) return random.pick([true, false])
  if (kind === 3) return random.pick([-5, 12_345, 1e9])
  return Array.from({ length: random.integer(0, 4) }, () => valueOf(random, depth - 1))
}

const ROOTS = ['messages', 'receipts', 'outbox']
/** One transaction of new keys, and what Yjs says of it. */
const write = (doc: Y.Doc, entries: readonly Insertion[]): Uint8Array => {
  let said: Uint8Array = new Uint8Array()
  doc.once('update', (update: Uint8Array) => { said = update })
  doc.transact(() => { for (const { root, key, value } of entries) doc.getMap(root).set(key, value) })
  return said
}

insertions('[DOC1] an update written without a document is byte for byte that of Yjs', () => {
  const random = createRandom('insertions')
  for (let run = 0; run < 300; run++) {
    const doc = new Y.Doc()
    doc.clientID = random.pick([1, 127, 128, 2 ** 31, 2 ** 32 - 1])
    for (let clock = 0; clock < 40; ) {
      const entries = Array.from({ length: random.integer(1, 4) }, (_, i) => ({ root: random.pick(ROOTS), key: `${clock}/${i}${random.pick(TEXTS)}`, value: valueOf(random) }))
      const written = encodeInsertions(doc.clientID, clock, entries)
      assert.equal(written, write(doc, entries))
      const read = readInsertions(written)
      assert.is(read === null ? null : `${read.client} ${read.clock} ${read.count}`, `${doc.clientID} ${clock} ${entries.length}`)
      assert.equal(read === null ? null : keysOfInsertions(read), entries.map(({ root, key }) => ({ root, key })))
      clock += entries.length
    }
  }
})

/** What three people write in turn: new keys, the same keys again, deletions; some of it taken in by the others. */
const writeTogether = (random: ReturnType<typeof createRandom>): Uint8Array[] => {
  const docs = [1, 2, 3].map(() => new Y.Doc())
  const updates: Uint8Array[] = []
  for (let i = 0; i < 60; i++) {
    const doc = random.pick(docs)
    const note = (update: Uint8Array): void => void updates.push(update)
    doc.on('update', note)
    doc.transact(() => {
      const map = doc.getMap(random.pick(ROOTS))
      const keys = [...map.keys()]
      if (keys.length > 0 && random.integer(0, 3) === 0) map.delete(random.pick(keys))
      map.set(random.integer(0, 4) === 0 && keys.length > 0 ? random.pick(keys) : `key ${i}`, valueOf(random))
    })
    doc.off('update', note)
    if (random.integer(0, 3) === 0) for (const other of docs) if (other !== doc) Y.applyUpdate(other, Y.encodeStateAsUpdate(doc))
  }
  return updates
}

const applied = (updates: readonly Uint8Array[]): Y.Doc => {
  const doc = new Y.Doc()
  for (const update of updates) Y.applyUpdate(doc, update)
  return doc
}

insertions('[STO3] joined updates mean what they meant one by one, in fewer', () => {
  const random = createRandom('joined')
  let [before, after] = [0, 0]
  for (let run = 0; run < 200; run++) {
    const updates = writeTogether(random)
    const joined = joinUpdates(updates)
    const [apart, together] = [applied(updates), applied(joined)]
    assert.equal(Y.encodeSnapshot(Y.snapshot(together)), Y.encodeSnapshot(Y.snapshot(apart)))
    for (const root of ROOTS) assert.equal(together.getMap(root).toJSON(), apart.getMap(root).toJSON())
    assert.is(together.store.pendingStructs, null)
    before += updates.length
    after += joined.length
  }
  assert.ok(after < before * 0.9, `${before} became ${after}`)
  const mail = new Y.Doc()
  const alone = Array.from({ length: 50 }, (_, i) => write(mail, [{ root: 'messages', key: `${i}`, value: ['a', i] }]))
  assert.is(joinUpdates(alone).length, 1, 'what a mailbox gets from one node is one')
  assert.equal(joinUpdates(alone)[0], Y.encodeStateAsUpdate(mail), 'and the very bytes that the document would be written as')
})

insertions('[COR4] what is cut, changed or of another form is not taken for one', () => {
  const random = createRandom('mangled')
  const sound = encodeInsertions(77, 5, [{ root: 'messages', key: 'one', value: ['grüße', 1, true, [2 ** 40]] }, { root: 'receipts', key: 'two', value: 3 }])
  for (let length = 0; length < sound.length; length++) assert.is(readInsertions(sound.slice(0, length)), null, `cut to ${length}`)
  assert.is(readInsertions(Uint8Array.of(...sound, 0)), null)
  for (let run = 0; run < 3_000; run++) {
    const changed = sound.slice()
    changed[random.integer(0, sound.length)] = random.integer(0, 256)
    if (readInsertions(changed) === null) continue
    assert.not.throws(() => Y.decodeUpdate(changed), `Yjs does not read ${String(changed)}`)
    assert.not.throws(() => Y.applyUpdate(new Y.Doc(), changed))
  }
  const text = new Y.Doc()
  text.getText('messages').insert(0, 'no map')
  assert.is(readInsertions(Y.encodeStateAsUpdate(text)), null)
  assert.is(readInsertions(Uint8Array.of(0, 0)), null)
})

insertions.run()
