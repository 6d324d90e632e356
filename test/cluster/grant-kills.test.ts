// The coordinator is killed at each named step of a grant, once each: never two owners of a name, and a repeat says what
// the first answer said. The counts of FAULTS P3 are in grant-kills.long.test.ts.
// The node of this test is a build of its own with failpoints; test/cluster/bundles.test.ts shows that dist has none.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createRandom } from '../sim/random.ts'
import { print, showTimes } from '../support/asking.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { FAILPOINTS } from '../support/failpoints.ts'
import { type GrantKill, buildFailpointNode, playGrantKill } from '../support/grant-kills.ts'
import { checkRoles } from '../support/roles.ts'

/** Those after which it is not clear at once whether the name was granted; all of them run long. */
const SHORT = FAILPOINTS.filter((failpoint) => ['prepare-sent-first', 'committed', 'push-sent-first', 'stored-second'].includes(failpoint))

const kills = suite<{ cluster: Cluster; directory: string }>('kills inside a grant')

kills.before(async (context) => {
  const { options, directory } = await buildFailpointNode()
  Object.assign(context, { directory, cluster: await startCluster(options) })
})
kills.after(({ cluster }) => cluster.close())

kills('[COO4] the coordinator dies inside a grant: one owner, and the repeat says the same', async ({ cluster, directory }) => {
  const random = createRandom('grant-kills')
  const plays: GrantKill[] = []
  for (const failpoint of SHORT) plays.push(await playGrantKill(cluster, directory, failpoint, failpoint, random))
  assert.equal(plays.flatMap(({ findings }) => findings), [])
  checkRoles(cluster)
  print(`killed at ${SHORT.length} of ${FAILPOINTS.length} steps; both had their answer after ${showTimes(plays.map(({ answeredMs }) => answeredMs))}`)
})

kills.run()
// deadline: 400 s
