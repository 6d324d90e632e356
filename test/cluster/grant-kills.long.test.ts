// FAULTS P3: the coordinator is killed at every named step of a grant, 20 times each.

import { suite } from 'uvu'
import { createRandom } from '../sim/random.ts'
import { countEvents, replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { FAILPOINTS } from '../support/failpoints.ts'
import { type GrantKill, buildFailpointNode, playGrantKill } from '../support/grant-kills.ts'
import { runProgramme } from '../support/programme.ts'
import { findRoles } from '../support/workload-checks.ts'

const KILLS_PER_STEP = 20
const KILLS_PER_UNIT = 10

const kills = suite('P3')

const units = FAILPOINTS.flatMap((failpoint) => Array.from({ length: KILLS_PER_STEP / KILLS_PER_UNIT }, (_, share) => `${failpoint}/${share}`))

kills('[COO4] never two owners of a name, wherever the coordinator dies', async () => {
  const { options, directory } = await buildFailpointNode()
  await runProgramme({
    id: 'P3',
    title: `the coordinator killed at ${FAILPOINTS.length} named steps of a grant, ${KILLS_PER_STEP} times each, while two ask for one name`,
    promise: 'one owner; a repeat through any node gives the same account or the same refusal',
    units,
    isReal: true,
    run: (unit) =>
      runOnCluster(`P3-${unit}`, async (cluster) => {
        const failpoint = FAILPOINTS.find((name) => unit.startsWith(`${name}/`)) ?? 'asked'
        const random = createRandom(`P3/${unit}`)
        const plays: GrantKill[] = []
        for (let round = 0; round < KILLS_PER_UNIT; round++) plays.push(await playGrantKill(cluster, directory, failpoint, `name-${round}`, random))
        return {
          findings: [...plays.flatMap(({ findings }) => findings), ...findRoles(cluster)],
          figures: {
            faults: plays.length,
            acknowledged: plays.length,
            'plays anew': plays.reduce((sum, { missed }) => sum + missed, 0),
            'name went to the first': plays.filter(({ isFirst }) => isFirst).length,
            'role taken': countEvents(cluster, 'coordinating'),
            'both answered after': plays.map(({ answeredMs }) => answeredMs),
          },
        }
      }, options),
    replay: replayOf('cluster/grant-kills.long'),
  })
})

kills.run()
