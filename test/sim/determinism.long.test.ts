// The same seed is the same run, a hundred times and with a minute of everything [COR2].

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { fuzzSeed } from './fuzz.ts'

const determinism = suite('determinism, long')

determinism('[COR2] one seed gives one trace hash, a hundred times', () => {
  const hashes = new Set(Array.from({ length: 100 }, () => fuzzSeed({ seed: 'determinism', simulatedMs: 60_000 }).world.trace.hash()))
  assert.is(hashes.size, 1)
})

determinism.run()
