// FAULTS P8 and P9: the lowest pid comes back with an empty directory, and with an old copy of it, 50 times each.

import { suite } from 'uvu'
import { createRandom } from '../sim/random.ts'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { runProgramme } from '../support/programme.ts'
import { type Company, type Disk, type Return, playReturn } from '../support/returns.ts'
import { findRoles } from '../support/workload-checks.ts'

const RETURNS = 50
const RETURNS_PER_UNIT = 10

const returns = suite('P8, P9')

const run = async (id: string, disk: Disk, what: string): Promise<void> => {
  await runProgramme({
    id,
    title: `node 0 comes back with ${what}, beside the others or before them; accounts, names, sessions, messages and drafts were undone while it was away`,
    promise: 'it never serves or coordinates before it has synced; nothing that was removed returns',
    units: Array.from({ length: RETURNS / RETURNS_PER_UNIT }, (_, share) => `${disk}/${share}`),
    isReal: true,
    run: (unit) =>
      runOnCluster(`${id}-${unit}`, async (cluster) => {
        const random = createRandom(`${id}/${unit}`)
        const plays: Return[] = []
        for (let round = 0; round < RETURNS_PER_UNIT; round++) {
          const company: Company = round % 3 === 2 ? 'before others' : 'beside others'
          plays.push(await playReturn(cluster, disk, company, `r${round}`, random))
        }
        return {
          findings: [...plays.flatMap(({ findings }) => findings), ...findRoles(cluster)],
          figures: {
            faults: plays.length,
            acknowledged: plays.reduce((sum, { acknowledged }) => sum + acknowledged, 0),
            'answers of node 0 judged': plays.reduce((sum, { answersJudged }) => sum + answersJudged, 0),
            'first answer after': plays.map(({ readyMs }) => readyMs),
          },
        }
      }),
    replay: replayOf('cluster/returns.long'),
  })
}

returns('[RDY1] P8: the lowest pid comes back empty', () => run('P8', 'empty', 'an empty directory'))
returns('[RDY1] P9: the lowest pid comes back with an old copy', () => run('P9', 'old', 'an old copy of its directory'))

returns.run()
