// Client frames: what is written is read again, what stock y-protocols write is understood, and noise is refused.

import * as fc from 'fast-check'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as auth from 'y-protocols/auth'
import * as sync from 'y-protocols/sync'
import * as Y from 'yjs'
import { type Millis, type Pid } from '../../crdt-schema/ids.ts'
import * as wire from '../../crdt-schema/wire.ts'
import { createReplica, holds } from './replicas.ts'

const test = suite('wire')
const aPid = fc.nat(63) as fc.Arbitrary<Pid>

const stockFrame = (write: (encoder: encoding.Encoder) => void): Uint8Array => {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, 0)
  write(encoder)
  return encoding.toUint8Array(encoder)
}
const docWith = (entries: readonly [string, number][]): Y.Doc => {
  const doc = createReplica(5)
  for (const [key, value] of entries) doc.getMap('m').set(key, value)
  return doc
}
const someEntries = fc.array(fc.tuple(fc.string(), fc.nat()), { maxLength: 5 })

test('[SYN1] the frames of stock y-protocols are read', () => {
  holds(
    fc.property(someEntries, entries => {
      const doc = docWith(entries)
      const step1 = wire.decodeClientFrame(stockFrame(encoder => sync.writeSyncStep1(encoder, doc)))
      assert.ok(step1.ok && step1.value.type === 'sync-step-1')
      assert.equal([...step1.value.stateVector], [...Y.decodeStateVector(Y.encodeStateVector(doc))])
      assert.equal(step1.value.stateVectorBytes, Y.encodeStateVector(doc))
      const update = Y.encodeStateAsUpdate(doc)
      assert.equal(wire.decodeClientFrame(stockFrame(encoder => sync.writeSyncStep2(encoder, doc))), { ok: true, value: { type: 'sync-step-2', update } })
      assert.equal(wire.decodeClientFrame(stockFrame(encoder => sync.writeUpdate(encoder, update))), { ok: true, value: { type: 'update', update } })
    }),
  )
  for (const [number, type] of [[1, 'awareness'], [2, 'auth'], [3, 'query-awareness']] as const) assert.equal(wire.decodeClientFrame(new Uint8Array([number, 9, 9])), { ok: true, value: { type } })
})

test('[SYN1] what a node writes, stock y-protocols read', () => {
  const doc = docWith([['a', 1]])
  const read = (frame: Uint8Array, into: Y.Doc): number => {
    const decoder = decoding.createDecoder(frame)
    assert.is(decoding.readVarUint(decoder), 0)
    return sync.readSyncMessage(decoder, encoding.createEncoder(), into, null)
  }
  const [first, second] = [createReplica(6), createReplica(7)]
  assert.is(read(wire.encodeSyncStep1(Y.encodeStateVector(doc)), first), 0)
  assert.is(read(wire.encodeSyncStep2(Y.encodeStateAsUpdate(doc)), first), 1)
  assert.is(read(wire.encodeUpdate(Y.encodeStateAsUpdate(doc)), second), 2)
  assert.equal([first.getMap('m').get('a'), second.getMap('m').get('a')], [1, 1])
  assert.is(read(wire.encodeKeepAlive(), second), 2)
})

test('[SYN1] [SYN2] [SYN6] notes come back as they were written, and a stock client passes over them', () => {
  // Plain prototypes, as JSON makes them, or equality would tell them apart.
  const plain = { noNullPrototype: true }
  const stored = fc.record({ count: fc.nat(), pids: fc.array(aPid), members: fc.nat(9) }, plain)
  const status = fc.constantFrom('ready' as const, 'syncing' as const, 'down' as const, 'removed' as const)
  const nodes = fc.record({ time: fc.nat() as fc.Arbitrary<number> as fc.Arbitrary<Millis>, nodes: fc.array(fc.record({ pid: aPid, url: fc.string(), status }, plain)) }, plain)
  const room = fc.record({ room: fc.string(), digest: fc.string(), unopened: fc.nat(), pids: fc.array(aPid) }, plain)
  holds(
    fc.property(stored, nodes, room, (a, b, c) => {
      const frames = [wire.encodeStoredNote(a), wire.encodeNodesNote(b), wire.encodeRoomNote(c)]
      assert.equal(frames.map(wire.decodeServerNote), [{ ...a, type: 'stored' }, { ...b, type: 'nodes' }, { ...c, type: 'room' }])
      for (const frame of frames) {
        const decoder = decoding.createDecoder(frame)
        assert.is(decoding.readVarUint(decoder), 2)
        auth.readAuthMessage(decoder, createReplica(1), () => assert.unreachable('denied'))
      }
    }),
  )
})

test('[COR4] noise is a bad frame or no note, never a throw', () => {
  holds(
    fc.property(fc.uint8Array({ maxLength: 30 }), fc.constantFrom([], [0, 0], [0, 2], [2, 100], [2, 101, 2]), (bytes, prefix) => {
      const frame = new Uint8Array([...prefix, ...bytes])
      wire.decodeClientFrame(frame)
      wire.decodeServerNote(frame)
    }),
    3000,
  )
  const bad: number[][] = [[], [0], [0, 3, 0], [0, 2, 5, 1], [0, 2, 1, 0, 0], [4], [0, 0, 1, 9], [0, 0, 6, 0xff, 0xff, 0xff, 0xff, 0x0f, 0], [0, 0, 2, 0, 0]]
  for (const frame of bad) assert.equal(wire.decodeClientFrame(new Uint8Array(frame)), { ok: false, code: 'bad-frame' }, String(frame))
  assert.is(wire.decodeServerNote(wire.encodeUpdate(new Uint8Array([0, 0]))), null)
  assert.is(wire.decodeServerNote(wire.encodeStoredNote({ count: 1, pids: [99 as Pid], members: 3 })), null)
})

test('[SYN4] what only another replica could cure is final; what another node could cure is not', () => {
  const { sessionEnded, forbidden, signedInElsewhere, tooLarge, badUpdate, goingAway, tryLater, notReady } = wire.CLOSE_CODES
  assert.equal([sessionEnded, forbidden, signedInElsewhere, tooLarge, badUpdate].map(wire.isFinalClose), [true, true, true, true, true])
  assert.equal([goingAway, tryLater, notReady, 1000, 1006].map(wire.isFinalClose), [false, false, false, false, false])
})

test('[COR3] an update kept from a frame does not hold on to the socket\'s buffer', () => {
  const frame = wire.encodeUpdate(new Uint8Array([0, 0]))
  const decoded = wire.decodeClientFrame(frame)
  frame.fill(9)
  assert.equal(decoded, { ok: true, value: { type: 'update', update: new Uint8Array([0, 0]) } })
})

test.run()
