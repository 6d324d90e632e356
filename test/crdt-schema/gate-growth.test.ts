// The gate's work for one message does not grow with those that were sent before.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as Y from 'yjs'
import { DEFAULT_GATE_LIMITS, inspectUpdate } from '../../crdt-schema/gate.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import { createReplica, messageIds } from './replicas.ts'

const test = suite('gate-growth')
const idOf = (i: number): string => `${String(messageIds[0]).slice(0, -4)}${i.toString(16).padStart(4, '0')}`
const ids = Array.from({ length: LIMITS.outboxMax * 2 + 10 }, (_, i) => idOf(i))

test('[SYN5] judging one sending does not walk over all that were ever sent, and still counts those under way', () => {
  const held = createReplica(1)
  const page = createReplica(2)
  page.on('update', (update: Uint8Array) => Y.applyUpdate(held, update))
  const outbox = page.getMap('outbox')
  const send = (map: Y.Map<unknown>, id: string): unknown => map.set(id, ['ana', [['', 'ben']], 'x', 1])
  const judge = (): string => {
    const writer = createReplica(3)
    Y.applyUpdate(writer, Y.encodeStateAsUpdate(held))
    const before = Y.encodeStateVector(writer)
    send(writer.getMap('outbox'), idOf(ids.length))
    const inspection = inspectUpdate(held, 'drafts', Y.encodeStateAsUpdate(writer, before), DEFAULT_GATE_LIMITS)
    return inspection.status === 'rejected' ? inspection.code : inspection.status
  }
  for (const id of ids) {
    send(outbox, id)
    outbox.delete(id)
  }
  assert.is(judge(), 'applicable')

  let walks = 0
  const kept = held.getMap('outbox')._map
  for (const method of ['entries', 'keys', 'values', 'forEach', Symbol.iterator] as const) {
    const walk = kept[method] as (...given: unknown[]) => unknown
    Object.defineProperty(kept, method, { value: (...given: unknown[]) => (walks++, walk.apply(kept, given)) })
  }
  assert.is(judge(), 'applicable')
  assert.is(walks, 0, 'the map was walked over')

  page.transact(() => { for (const id of ids) send(outbox, id) })
  assert.is(judge(), 'outbox-full')
  page.transact(() => { for (const id of ids) outbox.delete(id) })
  assert.is(judge(), 'applicable')
})

test.run()
