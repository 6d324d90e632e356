// A share of FAULTS X3: sockets that waste a node's memory and patience. All 5,000 idle ones are in flood.long.test.ts.
// deadline: 400 s

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TEST_ENV, print } from '../support/asking.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { FLOODS, playFlood } from '../support/floods.ts'

const SIZE = { idle: 300, others: 40 }
const MESSAGES = 30
/** Bounded means: by what the sockets may hold, not by what is sent. */
const GROWN_MIB_MAX = 400
/** Promised is twice the baseline; on a machine at work only what is far beyond says anything. */
const P99_MS_MAX = 10_000

const flood = suite<{ cluster: Cluster }>('X3')

flood.before(async (context) => {
  context.cluster = await startCluster({ env: TEST_ENV })
})
flood.after(({ cluster }) => cluster.close())

for (const name of FLOODS) {
  flood(`[COR3] ${name}: others go on, and memory stays bounded`, async ({ cluster }) => {
    const { baselineP99Ms, p99Ms, grownMiB } = await playFlood(cluster, name, SIZE, MESSAGES)
    print(`${name}: p99 of honest messages ${Math.round(baselineP99Ms)} ms before, ${Math.round(p99Ms)} ms during; memory grew by ${Math.round(grownMiB)} MiB at most`)
    assert.is(cluster.stateOf(0), 'running')
    assert.ok(p99Ms < P99_MS_MAX, `p99 ${p99Ms} ms`)
    assert.ok(grownMiB < GROWN_MIB_MAX, `grew by ${grownMiB} MiB`)
  })
}

flood.run()
