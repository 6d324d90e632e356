// Programme P15: the wall clock of one node an hour off either way, in 1970, or ten years ahead, while it runs and from its
// start on; and two nodes off in opposite directions: 51 times.

import { suite } from 'uvu'
import { CLOCK_ENV, CLOCK_SHIFTS, type ClockPlay, playClock } from '../support/clocks.ts'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { runProgramme } from '../support/programme.ts'
import { startWorkload } from '../support/workload.ts'
import { checkWorkloads } from '../support/workload-checks.ts'

const clocks = suite('wrong clocks, long')

const shifts = Object.values(CLOCK_SHIFTS)
/** By unit: what is shifted, play after play. */
const plays = new Map<string, () => ClockPlay[][]>()
for (const how of ['jump', 'restart'] as const) {
  for (const pid of [0, 1, 2]) {
    for (const time of ['first', 'again']) plays.set(`${how}-node-${pid}-${time}`, () => shifts.map((shift) => [{ pid, byMs: shift(), how }]))
  }
}
const by = (shift: string): number => CLOCK_SHIFTS[shift]?.() ?? Number.NaN
plays.set('opposite', () => [
  [{ pid: 0, byMs: by('an hour ahead'), how: 'jump' }, { pid: 1, byMs: by('in 1970'), how: 'jump' }],
  [{ pid: 1, byMs: by('ten years ahead'), how: 'jump' }, { pid: 2, byMs: by('an hour back'), how: 'jump' }],
])
// One after the other they are restarted, so for a while two are up and one of those is decades wrong: what clocks agreed on has passed.
plays.set('restart-opposite', () => [[{ pid: 0, byMs: by('an hour ahead'), how: 'restart' }, { pid: 1, byMs: by('in 1970'), how: 'restart' }]])

clocks(`[CLK1] wrong clocks, 51 times: roles, sessions and the times that people see stay as they are`, async () => {
  await runProgramme({
    id: 'P15',
    title: 'wall clock of one node ± 1 h, in 1970, + 10 years, jumping or from the start; two in opposite directions',
    promise: 'roles and sessions unmoved, times shown are those of the cluster, 0 lost',
    units: [...plays.keys()],
    replay: replayOf('clocks'),
    isReal: true,
    run: (unit) =>
      runOnCluster(
        `P15-${unit}`,
        async (cluster) => {
          const load = await startWorkload(cluster, { label: 'clock' })
          const findings: string[] = []
          const list = plays.get(unit)?.() ?? []
          for (const [index, play] of list.entries()) findings.push(...(await playClock(cluster, load, play, `at-${index}`)))
          await load.stop()
          findings.push(...(await checkWorkloads(cluster, [load])))
          return { findings, figures: { faults: list.length, acknowledged: load.acknowledged().length } }
        },
        { env: CLOCK_ENV },
      ),
  })
})

clocks.run()
