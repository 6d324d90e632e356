// FAULTS X1 for HTTP: 100,000 hostile requests at three nodes.

import { suite } from 'uvu'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { attackOverHttp } from '../support/http-attacks.ts'
import { runProgramme } from '../support/programme.ts'

const REQUESTS = 100_000
const REQUESTS_A_UNIT = 10_000

const attacks = suite('X1-http')

attacks('[COR4] whatever is asked, the answer is a problem with a code, and the node goes on', async () => {
  await runProgramme({
    id: 'X1-http',
    title: '100,000 requests to every call with fields, headers, paths and bodies that are not what they should be, and bytes that are no HTTP',
    promise: 'never an internal error, the nodes go on and hold the same',
    units: Array.from({ length: REQUESTS / REQUESTS_A_UNIT }, (_, share) => `http/${share}`),
    isReal: true,
    run: (unit) =>
      runOnCluster(`X1-${unit}`, async (cluster) => {
        const result = await attackOverHttp(cluster, await cluster.createPerson(0, 'ann'), unit, REQUESTS_A_UNIT)
        await cluster.waitEqual(60_000)
        return result
      }),
    replay: replayOf('attacks/http.long'),
  })
})

attacks.run()
