// The programmes of real processes that nothing had been seen to fail: each with a defect planted in its nodes, for a share of
// its faults. A unit fails if its play finds nothing. Those of the fake world are in test/sim/mutants.long.test.ts.

import { suite } from 'uvu'
import { createRandom } from '../sim/random.ts'
import { type Blip, inspectBlips, playBlip } from '../support/blips.ts'
import { CLOCK_ENV, CLOCK_SHIFTS, playClock } from '../support/clocks.ts'
import { type Cluster, type ClusterOptions, wait } from '../support/cluster.ts'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { DEFECT_VARIABLE, type Defect } from '../support/defects.ts'
import { createFailOverWorld, inspectFailOver, playFailOver } from '../support/fail-over.ts'
import { playFlaps } from '../support/flaps.ts'
import { playOutage, playRandomKills, playSenderKills } from '../support/kill-orders.ts'
import { runProgramme } from '../support/programme.ts'
import { waitSteady } from '../support/steady.ts'
import { startWorkload } from '../support/workload.ts'

type Planted = { readonly defect: Defect; readonly play: (cluster: Cluster) => Promise<readonly string[]>; readonly options?: ClusterOptions }

/** So long that a node is ready and has settled, on any machine, each time that it is up. */
const LONG_UP_MS = 7_000
/** The nodes of `late-claim` start without it, and have it after six seconds. */
const START_MS = 6_000

const random = createRandom('planted')

const playBlips = async (cluster: Cluster): Promise<readonly string[]> => {
  await waitSteady(cluster, { quietMs: 1_000 })
  const blips: Blip[] = []
  for (let round = 0; round < 40; round++) blips.push(await playBlip(cluster, random))
  return inspectBlips(cluster, blips).findings
}

const playOutages = async (cluster: Cluster): Promise<readonly string[]> => {
  const findings: string[] = []
  for (const order of [[0, 1, 2], [2, 1, 0], [1, 2, 0]] as const) findings.push(...(await playOutage(cluster, order, { label: `out-${order.join('')}`, gapMs: 1_000 })).findings)
  return findings
}

const playClocks = async (cluster: Cluster): Promise<readonly string[]> => {
  const load = await startWorkload(cluster, { label: 'clock' })
  const findings = await playClock(cluster, load, [{ pid: 0, byMs: CLOCK_SHIFTS['an hour ahead']?.() ?? Number.NaN, how: 'jump' }], 'planted')
  await load.stop()
  return findings
}

const playFailOvers = async (cluster: Cluster): Promise<readonly string[]> => {
  const world = await createFailOverWorld(cluster)
  await wait(START_MS)
  const { findings } = await playFailOver(world, 'killed', 'planted', random)
  return [...findings, ...(await inspectFailOver(world))]
}

const playFlapping = async (cluster: Cluster): Promise<readonly string[]> => {
  const { findings, takeOvers, starved } = await playFlaps(cluster, 'killed', 14, LONG_UP_MS)
  console.log(`    ${takeOvers} take-overs, ${starved} nodes starved by the machine`)
  return findings
}

/** By programme. */
const PLANTED: Readonly<Record<string, Planted>> = {
  P1: { defect: 'no-ready-gate', play: async (cluster) => (await playRandomKills(cluster, { label: 'planted', kills: 12, everyMs: [2_000, 5_000], downMs: [1_000, 5_000] })).findings },
  'P-sender': { defect: 'message-array', play: async (cluster) => (await playSenderKills(cluster, 20, 'planted')) && [] },
  P6: { defect: 'close-is-death', play: playBlips, options: { proxied: true } },
  P7: { defect: 'no-hold-back', play: playFlapping },
  P10: { defect: 'no-ready-gate', play: playOutages },
  P15: { defect: 'monotonic-by-wall', play: playClocks, options: { env: CLOCK_ENV } },
  FO: { defect: 'late-claim', play: playFailOvers },
}

const planted = suite('planted, long')

planted('[COR2] each programme of real processes finds the defect that is planted for it', async () => {
  await runProgramme({
    id: 'P-planted',
    title: `a share of ${Object.keys(PLANTED).join(', ')}, each with one defect planted in its nodes`,
    promise: 'each programme fails',
    units: Object.entries(PLANTED).map(([row, { defect }]) => `${row} ${defect}`),
    replay: replayOf('planted'),
    isReal: true,
    run: async (unit) => {
      const [row = ''] = unit.split(' ')
      const { defect, play, options = {} } = PLANTED[row] as Planted
      process.env[DEFECT_VARIABLE] = defect
      const { findings } = await runOnCluster(`planted-${row}`, async (cluster) => ({ findings: await play(cluster), figures: {} }), options).finally(() => delete process.env[DEFECT_VARIABLE])
      const [first] = findings
      console.log(`    ${unit}: ${first === undefined ? 'not found' : `${findings.length} findings, ${first.slice(0, 200).split('\n')[0]}`}`)
      return { findings: first === undefined ? [`${row} did not find ${defect}: a fault, a workload or a checker is missing`] : [], figures: { found: 1 } }
    },
  })
})

planted.run()
