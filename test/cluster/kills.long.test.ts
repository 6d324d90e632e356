// The long counts of kills.test.ts: all six orders several times, every pair after a total outage with the waiting time
// that ships, and 200 kills of the node that a sender is talking to.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TEST_ENV, print, showMs, showTimes } from '../support/asking.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { type OrderFigures, playOrder, playOutage, playSenderKills } from '../support/kill-orders.ts'
import { checkRoles } from '../support/roles.ts'

const ORDERS = [[0, 1], [0, 2], [1, 0], [1, 2], [2, 0], [2, 1]] as const
const ROUNDS = 5
const SENDER_KILLS = 200

const kills = suite<{ cluster: Cluster }>('kills, long')

kills.before(async (context) => {
  context.cluster = await startCluster({ env: TEST_ENV })
})
kills.after(({ cluster }) => cluster.close())

kills(`[REP6] all six orders of two failures, ${ROUNDS} times`, async ({ cluster }) => {
  const figures: OrderFigures[] = []
  for (let round = 0; round < ROUNDS; round++) for (const order of ORDERS) figures.push(await playOrder(cluster, order))
  print(`${figures.reduce((sum, { acknowledged }) => sum + acknowledged, 0)} acknowledged in ${figures.length} plays, all there`)
  print(`writes back after the second kill: ${showTimes(figures.map(({ writesBackMs }) => writesBackMs[1] ?? Number.NaN))} (promised 1,500)`)
  print(`new accounts: ${showTimes(figures.map(({ accountBackMs }) => accountBackMs))} (promised 4,000)`)
})

kills('[RDY1] all are killed and any two return', async ({ cluster }) => {
  for (const pair of [[0, 1], [0, 2], [1, 2]] as const) {
    const { acknowledged, readyMs } = await playOutage(cluster, pair)
    print(`${pair.join(' and ')}: ${acknowledged} acknowledged, all there; ready after ${showMs(readyMs)}`)
  }
})

kills(`[DEL8] the node that holds a sender is killed ${SENDER_KILLS} times`, async ({ cluster }) => {
  const { sent, unanswered, storedUnanswered } = await playSenderKills(cluster, SENDER_KILLS)
  assert.ok(unanswered > 0, 'some kill came before an answer')
  print(`${sent} of ${sent} there once; ${unanswered} were cut off without an answer, ${storedUnanswered} of these after they were stored`)
})

kills('[COO1] nobody took the role before it was ready', ({ cluster }) => {
  print(`the role was taken ${checkRoles(cluster)} times, always by a ready node, in rising epochs`)
})

kills.run()
