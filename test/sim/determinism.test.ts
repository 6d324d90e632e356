// deadline: 900 s
// The same seed is the same run: every frame, commit and answer [COR2]. A share of S7.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { fuzzSeed } from './fuzz.ts'
import { ROWS } from './plans.ts'

const determinism = suite('determinism')

for (const { id } of ROWS) {
  determinism(`[COR2] a seed of ${id} gives one trace hash, twice`, () => {
    const hashes = new Set([1, 2].map(() => fuzzSeed({ seed: 'determinism', simulatedMs: 15_000, row: id }).world.trace.hash()))
    assert.is(hashes.size, 1)
  })
}

determinism('[COR2] another seed gives another trace hash', () => {
  const [first, second] = ['one', 'two'].map(seed => fuzzSeed({ seed, simulatedMs: 6_000 }).world.trace.hash())
  assert.is.not(first, second)
})

determinism.run()
