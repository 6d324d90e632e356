// deadline: 400 s
// kill -9 of real processes under load: two of three in turn, all at once, and the one that a sender is talking to.
// All six orders and the large counts are in kills.long.test.ts; the demo's script plays all orders in demo.test.ts.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TEST_ENV, print, showMs } from '../support/asking.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { playOrder, playOutage, playSenderKills } from '../support/kill-orders.ts'
import { checkRoles } from '../support/roles.ts'

const kills = suite<{ cluster: Cluster }>('kills')

kills.before(async (context) => {
  context.cluster = await startCluster({ env: TEST_ENV, flags: ['--alone-ms', '2000'] })
})
kills.after(({ cluster }) => cluster.close())

kills('[REP6] two of three are killed: the last takes every action, and nothing acknowledged is lost or doubled', async ({ cluster }) => {
  for (const order of [[0, 1], [2, 0]] as const) {
    const { order: name, acknowledged, writesBackMs, accountBackMs } = await playOrder(cluster, order)
    print(`${name}: ${acknowledged} acknowledged, all there; writes back after ${writesBackMs.map(showMs).join(' and ')} (promised 1,500), a new account after ${showMs(accountBackMs)} (promised 4,000)`)
  }
})

kills('[RDY1] all are killed and two return: they serve, and hold all that was acknowledged', async ({ cluster }) => {
  const { acknowledged, readyMs } = await playOutage(cluster, [1, 2])
  print(`${acknowledged} acknowledged, all there; two of three ready after ${showMs(readyMs)}, waiting 2,000 for the third`)
})

kills('[DEL8] the node that holds a sender is killed: sent again through another, each message is there once', async ({ cluster }) => {
  const { sent, unanswered, storedUnanswered } = await playSenderKills(cluster, 7)
  assert.ok(unanswered > 0, 'some kill came before an answer')
  print(`${sent} of ${sent} there once; ${unanswered} were cut off without an answer, ${storedUnanswered} of these after they were stored`)
})

kills('[COO1] node 0 coordinates again, and nobody took the role before it was ready', ({ cluster }) => {
  print(`the role was taken ${checkRoles(cluster)} times, always by a ready node, in rising epochs`)
})

kills.run()
