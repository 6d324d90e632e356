// A share of FAULTS C10: clients lose their node at once. All 200 of them are in client-storm.long.test.ts.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TEST_ENV, print, showTimes } from '../support/asking.ts'
import { playStorm } from '../support/client-storm.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { detachAll } from '../support/providers.ts'

const CLIENTS = 60

const storm = suite<{ cluster: Cluster }>('client storm')

storm.before(async (context) => {
  context.cluster = await startCluster({ env: TEST_ENV })
})
storm.after(({ cluster }) => {
  detachAll()
  return cluster.close()
})

storm('[SYN4] clients whose node was killed are all attached elsewhere soon', async ({ cluster }) => {
  const { findings, attachedMs, sendMs, lagMs } = await playStorm(cluster, CLIENTS)
  assert.equal(findings, [])
  print(`${CLIENTS} clients: all attached ${Math.round(attachedMs)} ms after the kill; sends through another node meanwhile ${showTimes(sendMs)}; longest stop of an event loop ${Math.round(lagMs)} ms`)
})

storm.run()
