// FAULTS P6: 500 blips of 5 to 500 ms on the links of a cluster at work.

import { suite } from 'uvu'
import { createRandom } from '../sim/random.ts'
import { type Blip, findLastingSplit, inspectBlips, playBlip } from '../support/blips.ts'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { runProgramme } from '../support/programme.ts'
import { waitSteady } from '../support/steady.ts'
import { startWorkload } from '../support/workload.ts'
import { checkWorkloads } from '../support/workload-checks.ts'

const BLIPS = 500
const BLIPS_PER_UNIT = 50
/** A lower node may take the role back some moments after the start. */
const QUIET_MS = 1_000

const blips = suite('P6')

blips('[LIV1] a blip changes no role and leaves no split', async () => {
  await runProgramme({
    id: 'P6',
    title: 'blips of 5 to 500 ms on one link, one way, all links of a node or all links: stalled, lost, refused, slow, cut inside a frame; under load',
    promise: 'no role changes, all links are up again, nothing is lost',
    units: Array.from({ length: BLIPS / BLIPS_PER_UNIT }, (_, share) => `blips/${share}`),
    isReal: true,
    run: (unit) =>
      runOnCluster(`P6-${unit}`, async (cluster) => {
        const random = createRandom(`P6/${unit}`)
        await waitSteady(cluster, { quietMs: QUIET_MS })
        const workload = await startWorkload(cluster, { label: 'b' })
        const played: Blip[] = []
        for (let round = 0; round < BLIPS_PER_UNIT; round++) played.push(await playBlip(cluster, random))
        await workload.stop()
        const lasting = await findLastingSplit(cluster)
        const { findings, views, pauses } = inspectBlips(cluster, played)
        const gaps = workload.gaps(performance.now() - (Date.now() - (played[0]?.fromMs ?? 0)), performance.now() - (Date.now() - (played.at(-1)?.toMs ?? 0)))
        return {
          findings: [...findings, ...lasting, ...(await checkWorkloads(cluster, [workload]))],
          figures: { faults: played.length, acknowledged: workload.acknowledged().length, 'views that changed for a moment': views, 'nodes starved by the machine': pauses, 'gaps above 500 ms': gaps },
        }
      }, { proxied: true }),
    replay: replayOf('cluster/blips.long'),
  })
})

blips.run()
