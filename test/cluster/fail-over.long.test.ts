// The figures of fail-over as a client sees them: the coordinator killed, and frozen, 200 times each.

import { suite } from 'uvu'
import { createRandom } from '../sim/random.ts'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { type FailOver, createFailOverWorld, inspectFailOver, playFailOver } from '../support/fail-over.ts'
import { runProgramme } from '../support/programme.ts'
import { findRoles } from '../support/workload-checks.ts'

const FAULTS = ['killed', 'frozen'] as const
const FAULTS_EACH = 200
const FAULTS_PER_UNIT = 20

const failOver = suite('FO')

const units = FAULTS.flatMap((fault) => Array.from({ length: FAULTS_EACH / FAULTS_PER_UNIT }, (_, share) => `${fault}/${share}`))

failOver('[COO1] the coordinator goes: how long until the next message and the next account', async () => {
  await runProgramme({
    id: 'FO',
    title: `the coordinator killed, and frozen, ${FAULTS_EACH} times each; at that moment a message and an account through the others`,
    promise: 'both succeed; nothing is lost or doubled',
    units,
    isReal: true,
    run: (unit) =>
      runOnCluster(`FO-${unit}`, async (cluster) => {
        const fault = unit.startsWith('frozen') ? 'frozen' : 'killed'
        const random = createRandom(`FO/${unit}`)
        const world = await createFailOverWorld(cluster)
        const plays: FailOver[] = []
        for (let round = 0; round < FAULTS_PER_UNIT; round++) plays.push(await playFailOver(world, fault, `${fault}-${round}`, random))
        const findings = [...plays.flatMap((play) => play.findings), ...(await inspectFailOver(world)), ...findRoles(cluster)]
        return {
          findings,
          figures: {
            faults: plays.length,
            acknowledged: world.record.acknowledged.size + plays.length,
            [`${fault}: next message`]: plays.map(({ messageMs }) => messageMs),
            [`${fault}: next account`]: plays.map(({ accountMs }) => accountMs),
          },
        }
      }),
    replay: replayOf('cluster/fail-over.long'),
  })
})

failOver.run()
