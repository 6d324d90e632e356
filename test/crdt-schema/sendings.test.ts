// What passes the gate by the short way, for sendings, passes it by the long way too, and means the same.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as Y from 'yjs'
import { addOutboxEntry, clearOutboxEntry } from '../../crdt-schema/drafts.ts'
import { DEFAULT_GATE_LIMITS, type GateLimits, inspectSending, inspectUpdate } from '../../crdt-schema/gate.ts'
import { type Millis, mintMessageId, parseAccountId } from '../../crdt-schema/ids.ts'
import { encodeInsertions } from '../../crdt-schema/insertions.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import { createRandom } from '../sim/random.ts'

const sendings = suite('sendings')

const BEN = { id: parseAccountId('b'.repeat(32)) ?? ('' as const), name: 'ben' }
const VALUE = ['ann', [['b'.repeat(32), 'ben']], 'hello', 1_780_000_000_000]

const shortWay = (doc: Y.Doc, update: Uint8Array, limits: GateLimits = DEFAULT_GATE_LIMITS): ReturnType<typeof inspectSending> => {
  const known = new Set(doc.getMap('outbox')._map.keys())
  return inspectSending({ clockOf: client => Y.getState(doc.store, client), isKnown: key => known.has(key), liveCount: known.size }, update, limits)
}

const idOf = (random: ReturnType<typeof createRandom>) => mintMessageId(1_780_000_000_000 as Millis, random.bytes(10))

sendings('[SYN5] whatever the short way lets through, the long way finds applicable with the same entries', () => {
  const random = createRandom('sendings')
  let [short, mangled] = [0, 0]
  for (let run = 0; run < 60; run++) {
    const node = new Y.Doc()
    const page = new Y.Doc()
    page.on('update', (update: Uint8Array) => {
      const copies = Array.from({ length: 6 }, () => {
        const copy = update.slice()
        copy[random.integer(0, copy.length)] = random.integer(0, 256)
        return copy
      })
      for (const candidate of [...copies, update]) {
        const entries = shortWay(node, candidate)
        if (entries === null) continue
        const long = inspectUpdate(node, 'drafts', candidate)
        assert.is(long.status, 'applicable')
        if (long.status === 'applicable') assert.equal(long.entries.filter(({ value }) => value !== undefined).map(({ root, key }) => `${root}/${key}`), entries.map(({ id }) => `outbox/${id}`))
        if (candidate === update) short++
        else mangled++
      }
      Y.applyUpdate(node, update)
    })
    const sent = Array.from({ length: 20 }, () => {
      const id = idOf(random)
      page.transact(() => {
        if (random.chance(0.2)) page.getMap('settings').set('receipts', random.pick(['on', 'off']))
        addOutboxEntry(page, { id, fromName: 'ann', to: [BEN], text: random.pick(['hello', 'grüße', '🙂']), sentMs: 1_780_000_000_000 as Millis })
      })
      return id
    })
    for (const id of sent) if (random.chance(0.5)) clearOutboxEntry(page, id)
  }
  assert.ok(short > 600 && mangled > 600, `${short} sendings, ${mangled} mangled`)
})

sendings('[SYN5] what is not sure to be a good sending is left to the long way', () => {
  const random = createRandom('unsure')
  const doc = new Y.Doc()
  const [first, second] = [idOf(random), idOf(random)]
  const page = 77
  Y.applyUpdate(doc, encodeInsertions(page, 0, [{ root: 'outbox', key: first, value: VALUE }]))
  const sending = (client: number, clock: number, root: string, key: string, value: unknown = VALUE): Uint8Array => encodeInsertions(client, clock, [{ root, key, value }])
  const withDelete = (...ranges: number[]): Uint8Array => Uint8Array.of(...sending(page, 1, 'outbox', second).slice(0, -1), 1, ranges[0] as number, ranges.length / 2 | 0, ...ranges.slice(1))
  assert.is(shortWay(doc, sending(page, 1, 'outbox', second))?.length, 1)
  assert.is(shortWay(doc, withDelete(page, 0, 1))?.length, 1, 'with what was acknowledged taken away')
  const unsure: Record<string, Uint8Array> = {
    'a clock too far': sending(page, 2, 'outbox', second),
    'a clock that is held': sending(page, 0, 'outbox', second),
    'a key that is held': sending(page, 1, 'outbox', first),
    'another map': sending(page, 1, 'recalls', second, 1),
    'no message id': sending(page, 1, 'outbox', 'junk'),
    'no entry': sending(page, 1, 'outbox', second, [1, 2, 3, 4]),
    'one key twice': encodeInsertions(page, 1, [{ root: 'outbox', key: second, value: VALUE }, { root: 'outbox', key: second, value: VALUE }]),
    'a deletion of another client': withDelete(78, 0, 1),
    'a deletion ahead': withDelete(page, 2, 1),
    'deletions that go back': withDelete(page, 1, 1, 0, 1),
  }
  for (const [what, update] of Object.entries(unsure)) assert.is(shortWay(doc, update), null, what)
  const good = sending(page, 1, 'outbox', second)
  assert.is(shortWay(doc, good, { ...DEFAULT_GATE_LIMITS, reservedClients: new Set([page]) }), null, 'under an id of the node')
  assert.is(shortWay(doc, good, { ...DEFAULT_GATE_LIMITS, updateBytesMax: good.length - 1 }), null, 'a large one')
  assert.is(shortWay(doc, good, { ...DEFAULT_GATE_LIMITS, documentBytes: LIMITS.draftsDocumentBytesMax }), null, 'a full document')
  assert.is(inspectSending({ clockOf: () => 1, isKnown: () => false, liveCount: LIMITS.outboxMax * 2 }, good, DEFAULT_GATE_LIMITS), null, 'a full outbox')
})

sendings.run()
