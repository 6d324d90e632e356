// The whole of S11: 200 seeds of 30,000 operations. STARLING_SEED with fuzz.test.ts replays one.

import { suite } from 'uvu'
import { runProgramme } from '../support/programme.ts'
import { fuzzSchema } from './fuzz.ts'

const SEEDS = 200
const OPERATIONS = 30_000

const fuzz = suite('schema fuzz, long')

fuzz('[DOC1] S11: replicas of every document kind read the same in the end', async () => {
  await runProgramme({
    id: 'S11',
    title: 'schema fuzz: 3 to 6 replicas, random operations of every document kind, out of order, repeated, merged, late joiners, undo',
    promise: 'canonical JSON, views, digests and Yjs snapshots equal on all replicas',
    units: Array.from({ length: SEEDS }, (_, index) => String(index + 1)),
    run: seed => fuzzSchema({ seed, operations: OPERATIONS }),
    replay: seed => `STARLING_SEED=${seed} node scripts/test.mjs --only crdt-schema/fuzz.test`
  })
})

fuzz.run()
