// Places and who gives one up: a flood from one address never keeps another out.

import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createCrowd } from '../../node/core/crowd.ts'

const test = suite('crowd')

test('[COR3] while there is room nobody goes; then the oldest of who has most, for whoever has fewer', () => {
  const crowd = createCrowd<string>(3)
  assert.equal([crowd.add('a1', 'a'), crowd.add('a2', 'a'), crowd.add('b1', 'b')], [null, null, null])
  assert.is(crowd.add('c1', 'c'), 'a1')
  assert.is(crowd.add('d1', 'd'), 'd1', 'all have one: nobody has more than the newcomer would')
  crowd.remove('c1')
  assert.is(crowd.add('b2', 'b'), null)
  assert.is(crowd.add('b3', 'b'), 'b3', 'who has most gets none more')
})

test('[COR3] never more than there are places; who has fewer than half of what another has is let in', () => {
  fc.assert(
    fc.property(fc.integer({ min: 2, max: 8 }), fc.array(fc.tuple(fc.constantFrom('a', 'b', 'c', 'd'), fc.boolean()), { maxLength: 60 }), (places, acts) => {
      const crowd = createCrowd<number>(places)
      const held = new Map<number, string>()
      for (const [index, [address, leaves]] of acts.entries()) {
        const counts = (of: string): number => [...held.values()].filter((one) => one === of).length
        const mine = [...held].find(([, one]) => one === address)
        if (leaves && mine !== undefined) {
          crowd.remove(mine[0])
          held.delete(mine[0])
          continue
        }
        const most = Math.max(0, ...['a', 'b', 'c', 'd'].map(counts))
        const victim = crowd.add(index, address)
        if (held.size < places) assert.is(victim, null)
        if (victim === index) assert.ok(most <= counts(address) + 1)
        else held.set(index, address)
        if (victim !== null) held.delete(victim)
        assert.ok(held.size <= places)
      }
    }),
  )
})

test.run()
