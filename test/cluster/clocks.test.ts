// A wrong wall clock on one node while people work; all kinds and nodes are in clocks.long.test.ts.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { print } from '../support/asking.ts'
import { CLOCK_ENV, CLOCK_SHIFTS, playClock } from '../support/clocks.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { startWorkload } from '../support/workload.ts'
import { checkWorkloads } from '../support/workload-checks.ts'

const clocks = suite<{ cluster: Cluster }>('wrong clocks')

clocks.before(async (context) => {
  context.cluster = await startCluster({ env: CLOCK_ENV })
})
clocks.after(({ cluster }) => cluster.close())

clocks('[CLK1] the clocks of the coordinator and of another node jump: roles, sessions and the times that people see stay as they are', async ({ cluster }) => {
  const load = await startWorkload(cluster, { label: 'clock' })
  for (const [pid, shift] of [[0, 'ten years ahead'], [2, 'in 1970']] as const) {
    const play = { pid, byMs: CLOCK_SHIFTS[shift]?.() ?? Number.NaN, how: 'jump' } as const
    assert.equal(await playClock(cluster, load, [play], `at-${pid}`), [])
    print(`node ${pid} ${shift}: nothing moved`)
  }
  await load.stop()
  assert.equal(await checkWorkloads(cluster, [load]), [])
})

clocks.run()
