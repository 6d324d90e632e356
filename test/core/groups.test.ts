// Several rows under one key: the index says what a map of maps would, whatever is set and deleted.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createGroups } from '../../node/core/groups.ts'
import { createRandom } from '../sim/random.ts'

interface Row {
  readonly id: number
  readonly version: number
}

const test = suite('groups')

test('rows come and go as in a map of maps, in the order in which each first came', () => {
  const groups = createGroups<string, Row>((a, b) => a.id === b.id)
  const model = new Map<string, Map<number, Row>>()
  const random = createRandom('groups')
  for (let version = 0; version < 5_000; version++) {
    const key = `key-${random.integer(0, 9)}`
    const row = { id: random.integer(0, 3), version }
    const rows = model.get(key) ?? new Map<number, Row>()
    if (random.chance(0.5)) {
      groups.set(key, row)
      model.set(key, rows.set(row.id, row))
    } else if (random.chance(0.9)) {
      groups.delete(key, row)
      rows.delete(row.id)
      if (rows.size === 0) model.delete(key)
    } else {
      groups.deleteAll(key)
      model.delete(key)
    }
    assert.is(groups.size, model.size)
    assert.is(groups.has(key), model.has(key))
    assert.equal(groups.of(key), [...(model.get(key)?.values() ?? [])])
    assert.equal([...groups.keys()].sort(), [...model.keys()].sort())
  }
})

test('what was read before a change is not changed by a deletion', () => {
  const groups = createGroups<string, string>((a, b) => a === b)
  for (const row of ['one', 'two', 'three']) groups.set('key', row)
  const before = groups.of('key')
  for (const row of before) groups.delete('key', row)
  assert.equal(before, ['one', 'two', 'three'])
  assert.equal(groups.of('key'), [])
  assert.not.ok(groups.has('key'))
})

test.run()
