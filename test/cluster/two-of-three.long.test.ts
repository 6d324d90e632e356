// Programme P2: two of three nodes are killed under load, in all six orders, twenty times; the last one goes on.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { playOrder } from '../support/kill-orders.ts'
import { quantile, runProgramme } from '../support/programme.ts'
import { createRandom } from '../sim/random.ts'

const ORDERS = [[0, 1], [0, 2], [1, 0], [1, 2], [2, 0], [2, 1]] as const
const ROUNDS = 20
const WRITES_BACK_MS = 1_500

const orders = suite('two of three killed, long')

orders(`[REP6] all six orders of two failures, ${ROUNDS} times: writes are back within ${WRITES_BACK_MS} ms (p99) of the second, nothing is lost`, async () => {
  const lines = await runProgramme({
    id: 'P2',
    title: 'kill -9 of two of three nodes under load, all six orders',
    promise: `0 lost; writes accepted within ${WRITES_BACK_MS} ms (p99) of the second kill`,
    units: Array.from({ length: ROUNDS }, (_, index) => `orders-${index + 1}`),
    replay: replayOf('two-of-three'),
    isReal: true,
    run: (unit) =>
      runOnCluster(`P2-${unit}`, async (cluster) => {
        const findings: string[] = []
        let acknowledged = 0
        const back = { first: [] as number[], second: [] as number[], account: [] as number[] }
        for (const order of createRandom(unit).shuffle(ORDERS)) {
          const figures = await playOrder(cluster, order, `${unit}-${order.join('')}`)
          findings.push(...figures.findings)
          acknowledged += figures.acknowledged
          back.first.push(figures.writesBackMs[0] ?? Infinity)
          back.second.push(figures.writesBackMs[1] ?? Infinity)
          back.account.push(figures.accountBackMs)
        }
        return { findings, figures: { faults: 2 * ORDERS.length, acknowledged, 'writes back after the first kill': back.first, 'writes back after the second kill': back.second, 'new account after the second kill': back.account } }
      }),
  })
  const times = lines.flatMap(({ figures }) => figures['writes back after the second kill'] ?? [])
  assert.ok(times.length === 0 || quantile(times, 0.99) <= WRITES_BACK_MS, `p99 is ${quantile(times, 0.99)} ms of ${times.length}`)
})

orders.run()
