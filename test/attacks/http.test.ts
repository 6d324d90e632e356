// A share of the attacks on the HTTP calls (FAULTS X1, for HTTP). The counts are in http.long.test.ts.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TEST_ENV, mustAsk, print } from '../support/asking.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { attackOverHttp } from '../support/http-attacks.ts'

const REQUESTS = 1_500

const attacks = suite<{ cluster: Cluster }>('X1 over HTTP')

attacks.before(async (context) => {
  context.cluster = await startCluster({ env: TEST_ENV })
})
attacks.after(({ cluster }) => cluster.close())

attacks('[COR4] whatever is asked, the answer is a problem with a code, and the node goes on', async ({ cluster }) => {
  const ann = await cluster.createPerson(0, 'ann')
  const { findings, figures } = await attackOverHttp(cluster, ann, 'share', REQUESTS)
  assert.equal(findings, [])
  await cluster.waitEqual()
  // Her session may be over: one of the requests was an honest sign-out.
  const { token } = (await mustAsk(201, cluster.at(2), 'POST', '/api/sessions', { body: { name: 'ann', password: ann.password } })).body.session
  await mustAsk(201, cluster.at(1), 'POST', '/api/messages', { token, body: { to: ['ann'], text: 'still here' } })
  print(JSON.stringify(figures))
})

attacks.run()
