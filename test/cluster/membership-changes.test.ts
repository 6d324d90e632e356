// A share of FAULTS P17: each change and mistake of membership once, under load. The counts are in membership-changes.long.test.ts.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createRandom } from '../sim/random.ts'
import { TEST_ENV, print } from '../support/asking.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { CHANGES, playChange } from '../support/memberships.ts'
import { startWorkload } from '../support/workload.ts'
import { checkWorkloads } from '../support/workload-checks.ts'

const membership = suite<{ cluster: Cluster }>('membership')

membership.before(async (context) => {
  context.cluster = await startCluster({ env: TEST_ENV })
})
membership.after(({ cluster }) => cluster.close())

membership('[REP7] joined, removed, replaced, impersonated: as promised, and nothing is lost', async ({ cluster }) => {
  const random = createRandom('membership')
  const workload = await startWorkload(cluster, { label: 'm', perSecond: 10 })
  await workload.untilAcknowledged(10)
  for (const change of CHANGES) {
    const { findings, ms } = await playChange(cluster, change, random)
    assert.equal(findings, [])
    print(`${change}: ${Math.round(ms)} ms`)
  }
  await workload.stop()
  assert.equal(await checkWorkloads(cluster, [workload]), [])
})

membership.run()
