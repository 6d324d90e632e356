// deadline: 400 s
// kill -9 of real processes under load: two of three in turn, all at once, and the one that a sender is talking to.
// All orders and the large counts are in programmes/; the demo's script plays all orders in demo.test.ts.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TEST_ENV, print, showMs } from '../support/asking.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { playOrder, playOutage, playRandomKills, playSenderKills } from '../support/kill-orders.ts'
import { checkRoles } from '../support/roles.ts'

const kills = suite<{ cluster: Cluster }>('kills')

kills.before(async (context) => {
  context.cluster = await startCluster({ env: TEST_ENV, flags: ['--alone-ms', '2000'] })
})
kills.after(({ cluster }) => cluster.close())

kills('[REP6] two of three are killed: the last takes every action, and nothing acknowledged is lost or doubled', async ({ cluster }) => {
  for (const order of [[0, 1], [2, 0]] as const) {
    const { order: name, findings, acknowledged, writesBackMs, accountBackMs } = await playOrder(cluster, order, `order-${order.join('')}`)
    assert.equal(findings, [])
    print(`${name}: ${acknowledged} acknowledged, all there; writes back after ${writesBackMs.map(showMs).join(' and ')} (promised 1,500), a new account after ${showMs(accountBackMs)} (promised 4,000)`)
  }
})

kills('[RDY1] all are killed and two return: they serve, and hold all that was acknowledged', async ({ cluster }) => {
  const { findings, acknowledged, readyMs } = await playOutage(cluster, [1, 2], { label: 'outage' })
  assert.equal(findings, [])
  print(`${acknowledged} acknowledged, all there; two of three ready after ${showMs(readyMs)}, waiting 2,000 for the third`)
})

kills('[DEL8] the node that holds a sender is killed: sent again through another, each message is there once', async ({ cluster }) => {
  const { sent, unanswered, storedUnanswered } = await playSenderKills(cluster, 7, 'sender')
  assert.ok(unanswered > 0, 'some kill came before an answer')
  print(`${sent} of ${sent} there once; ${unanswered} were cut off without an answer, ${storedUnanswered} of these after they were stored`)
})

kills('[STO2] any node is killed at any moment, whether or not the others are back: nothing is lost, doubled, or seen and then gone', async ({ cluster }) => {
  const { findings, load, gapsMs, allDown } = await playRandomKills(cluster, { label: 'random', kills: 5, everyMs: [500, 3000], downMs: [500, 3000] })
  assert.equal(findings, [])
  print(`5 kills, all down ${allDown} times: ${load.acknowledged().length} acknowledged, all there; nobody was answered for ${gapsMs.map(showMs).join(', ')}`)
})

kills('[COO1] nobody took the role before it was ready', ({ cluster }) => {
  print(`the role was taken ${checkRoles(cluster)} times, always by a ready node, in rising epochs`)
})

kills.run()
