// A share of FAULTS P6: blips of 5 to 500 ms on the links of a cluster at work. The counts are in blips.long.test.ts.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createRandom } from '../sim/random.ts'
import { TEST_ENV, print } from '../support/asking.ts'
import { type Blip, findLastingSplit, inspectBlips, playBlip } from '../support/blips.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { waitSteady } from '../support/steady.ts'
import { startWorkload } from '../support/workload.ts'
import { checkWorkloads } from '../support/workload-checks.ts'

const BLIPS = 10
/** A lower node may take the role some moments after the start. */
const QUIET_MS = 1_000

const blips = suite<{ cluster: Cluster }>('blips')

blips.before(async (context) => {
  context.cluster = await startCluster({ env: TEST_ENV, proxied: true })
})
blips.after(({ cluster }) => cluster.close())

blips('[LIV1] a blip changes no role and leaves no split', async ({ cluster }) => {
  const random = createRandom('blips')
  await waitSteady(cluster, { quietMs: QUIET_MS })
  const workload = await startWorkload(cluster, { label: 'b' })
  const played: Blip[] = []
  for (let round = 0; round < BLIPS; round++) played.push(await playBlip(cluster, random))
  await workload.stop()
  assert.equal(await findLastingSplit(cluster), [])
  const { findings, views, pauses } = inspectBlips(cluster, played)
  assert.equal([...findings, ...(await checkWorkloads(cluster, [workload]))], [])
  print(`${played.length} blips: ${workload.acknowledged().length} messages acknowledged, ${views} views changed for a moment, ${pauses} nodes starved by the machine`)
})

blips.run()
