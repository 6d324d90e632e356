// deadline: 900 s
// The same seed is the same run: every frame, commit and answer [COR2].

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { fuzzSeed } from './fuzz.ts'

const determinism = suite('determinism')

determinism('[COR2] one seed gives one trace hash, ten times', () => {
  const hashes = new Set(Array.from({ length: 10 }, () => fuzzSeed({ seed: 'determinism', simulatedMs: 15_000 }).world.trace.hash()))
  assert.is(hashes.size, 1)
})

determinism('[COR2] another seed gives another trace hash', () => {
  const [first, second] = ['one', 'two'].map(seed => fuzzSeed({ seed, simulatedMs: 6_000 }).world.trace.hash())
  assert.is.not(first, second)
})

determinism.run()
