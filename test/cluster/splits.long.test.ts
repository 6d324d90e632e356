// FAULTS P5: splits of three and of five nodes under load, with a name claimed on both sides.

import { suite } from 'uvu'
import { type Random, createRandom } from '../sim/random.ts'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { runProgramme } from '../support/programme.ts'
import { type Means, type Split, type SplitPlay, cutLink, halve, isolate, makeRing, muffle, playSplit, silenceOneWay } from '../support/splits.ts'
import { checkWorkloads } from '../support/workload-checks.ts'

/** Promised are 10 s; a machine that also does other things is not held to that. */
const EQUAL_PROMISE_MS = 10_000
const EQUAL_LIMIT_MS = 30_000
const SPLITS_PER_UNIT = 10
/** 120 splits of three nodes and 80 of five. */
const UNITS_OF_THREE = 12
const UNITS_OF_FIVE = 8

const splits = suite('P5')

const units = [...Array.from({ length: UNITS_OF_THREE }, (_, share) => `three/${share}`), ...Array.from({ length: UNITS_OF_FIVE }, (_, share) => `five/${share}`)]

/** What parts people lasts until both sides coordinate; what does not is shorter. */
const PARTED_MS = [2_000, 4_000] as const
const CONNECTED_MS = [600, 2_000] as const

const chooseSplit = (pids: readonly number[], round: number, random: Random): Split => {
  const means = random.pick<Means>(['stall', 'drop', 'refuse'])
  const quiet = random.pick(['stall', 'drop'] as const)
  const [a = 0, b = 1] = random.shuffle(pids)
  if (pids.length === 3) return [isolate(pids, round % 3, means), isolate(pids, (round + 1) % 3, means), cutLink(a, b, means), silenceOneWay(a, b, quiet), muffle(pids, a, quiet)][round % 5] as Split
  return [halve(pids, random.shuffle(pids).slice(0, 2), means), makeRing(pids, random.shuffle(pids), means), isolate(pids, a, means), makeRing(pids, pids, means), cutLink(a, b, means)][round % 5] as Split
}

splits('[RDY1, COO6] nodes that were parted are equal soon after, and name one owner of each name', async () => {
  await runProgramme({
    id: 'P5',
    title: 'each node alone, halves, one link, one way, unheard, rings of five; kept, lost or reset bytes; under load, one name claimed on both sides',
    promise: `equal within ${EQUAL_PROMISE_MS / 1000} s of healing, nothing lost, one owner of a name on every node`,
    units,
    isReal: true,
    run: (unit) =>
      runOnCluster(`P5-${unit}`, async (cluster) => {
        const random = createRandom(`P5/${unit}`)
        const plays: SplitPlay[] = []
        for (let round = 0; round < SPLITS_PER_UNIT; round++) {
          const split = chooseSplit(cluster.pids, round, random)
          const [shortestMs, longestMs] = split.parted === null ? CONNECTED_MS : PARTED_MS
          plays.push(await playSplit(cluster, split, `s${round}`, random.integer(shortestMs, longestMs), random))
        }
        const late = plays.filter(({ equalMs }) => equalMs > EQUAL_LIMIT_MS).map(({ equalMs, split }) => `${split.text}: equal only ${Math.round(equalMs)} ms after healing`)
        const found = await checkWorkloads(cluster, plays.map(({ workload }) => workload), { allowsNameSplits: true })
        return {
          findings: [...plays.flatMap(({ findings }) => findings), ...late, ...found],
          figures: {
            faults: plays.length,
            acknowledged: plays.reduce((sum, { acknowledged }) => sum + acknowledged, 0),
            'names granted on both sides': plays.filter(({ isGrantedTwice }) => isGrantedTwice).length,
            'equal later than promised': plays.filter(({ equalMs }) => equalMs > EQUAL_PROMISE_MS).length,
            'equal after': plays.map(({ equalMs }) => equalMs),
          },
        }
      }, { proxied: true, size: unit.startsWith('three') ? 3 : 5 }),
    replay: replayOf('cluster/splits.long'),
  })
})

splits.run()
