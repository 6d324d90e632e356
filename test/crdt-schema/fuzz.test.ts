// A share of S11: random operations of every document kind on three to six replicas. STARLING_SEED=17 replays one seed of the
// whole, which is in the long file.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { fuzzSchema } from './fuzz.ts'

const SEEDS = 10
const OPERATIONS = 3_000
const OPERATIONS_OF_LONG = 30_000

const fuzz = suite('schema fuzz')
const asked = process.env['STARLING_SEED']
const runs = asked === undefined ? Array.from({ length: SEEDS }, (_, index) => ({ seed: String(index + 1), operations: OPERATIONS })) : [{ seed: asked, operations: OPERATIONS_OF_LONG }]

fuzz(`[DOC1] ${runs.length} seeds: replicas that heard the same, late, twice, merged and out of order, read the same`, () => {
  const sums = { operations: 0, updates: 0, deliveries: 0, undone: 0, joined: 0 }
  for (const run of runs) {
    const { findings, figures } = fuzzSchema(run)
    for (const key of Object.keys(sums) as (keyof typeof sums)[]) sums[key] += figures[key]
    assert.equal(findings, [], `seed ${run.seed}`)
  }
  console.log(`    ${sums.operations} operations (${sums.undone} undone) made ${sums.updates} updates, delivered ${sums.deliveries} times to ${sums.joined} replicas`)
})

fuzz('[DOC6] two writers under one clientID are found at once', () => {
  assert.ok(fuzzSchema({ seed: '1', operations: 300, clientIds: 'shared' }).findings.some(finding => finding.startsWith('K5')))
})

fuzz.run()
