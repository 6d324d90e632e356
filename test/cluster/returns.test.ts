// A share of FAULTS P8 and P9: the lowest pid comes back with an empty directory, and with an old copy of it. The counts
// are in returns.long.test.ts.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createRandom } from '../sim/random.ts'
import { TEST_ENV, print, showMs } from '../support/asking.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { playReturn } from '../support/returns.ts'
import { checkRoles } from '../support/roles.ts'

const returns = suite<{ cluster: Cluster }>('the lowest pid comes back')

returns.before(async (context) => {
  context.cluster = await startCluster({ env: TEST_ENV })
})
returns.after(({ cluster }) => cluster.close())

for (const [disk, company] of [['empty', 'beside others'], ['old', 'before others']] as const) {
  returns(`[RDY1] with an ${disk} directory, ${company}: it serves and coordinates only when it has synced, and nothing removed returns`, async ({ cluster }) => {
    const { findings, readyMs, answersJudged } = await playReturn(cluster, disk, company, disk, createRandom(`returns/${disk}`))
    assert.equal(findings, [])
    checkRoles(cluster)
    print(`its first answer came ${showMs(readyMs)} after its start; ${answersJudged} answers, none of them old`)
  })
}

returns.run()
