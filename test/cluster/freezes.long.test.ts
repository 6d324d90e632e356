// Programme P4: SIGSTOP of each node for 0.3 to 30 s under a load that fills the buffers of its links: 200 freezes.

import { suite } from 'uvu'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { playFreeze } from '../support/freezes.ts'
import { runProgramme } from '../support/programme.ts'
import { startWorkload } from '../support/workload.ts'
import { checkWorkloads } from '../support/workload-checks.ts'
import { createRandom } from '../sim/random.ts'

const FREEZES = 10
const UNITS = 20
const SHORTEST_MS = 300
const LONGEST_MS = 30_000
const WRITE_MS = 2_500
const TAKE_OVER_MS = 4_000

const freezes = suite('frozen nodes, long')

freezes(`[LIV3] ${UNITS * FREEZES} freezes of ${SHORTEST_MS} to ${LONGEST_MS} ms: no stale word from the woken node, and the others go on`, async () => {
  await runProgramme({
    id: 'P4',
    title: 'SIGSTOP of each node for 0.3 to 30 s (log-uniform), full buffers',
    promise: `0 lost, 0 stale acknowledgements and reads; take-over within ${TAKE_OVER_MS} ms; no write through the others waits beyond ${WRITE_MS} ms`,
    units: Array.from({ length: UNITS }, (_, index) => `freezes-${index + 1}`),
    replay: replayOf('freezes'),
    isReal: true,
    run: (unit) =>
      runOnCluster(`P4-${unit}`, async (cluster) => {
        const dice = createRandom(unit)
        const load = await startWorkload(cluster, { label: unit, people: 8, perSecond: 80, textBytes: 8_000, deeds: { send: 80, 'sign-up': 6, open: 4, read: 4, mark: 3, draft: 3 } })
        const findings: string[] = []
        const figures = { longestWrite: [] as number[], takeOver: [] as number[], serves: [] as number[] }
        for (let count = 0; count < FREEZES; count++) {
          const pid = count % cluster.pids.length
          const forMs = SHORTEST_MS * (LONGEST_MS / SHORTEST_MS) ** dice.next()
          const { findings: found, writeMs, takeOverMs, servesMs } = await playFreeze(cluster, load, { pid, forMs })
          const longest = Math.max(0, ...writeMs)
          findings.push(...found)
          if (longest > WRITE_MS) findings.push(`K8 node ${pid} frozen for ${Math.round(forMs)} ms: a write through the others waited ${Math.round(longest)} ms`)
          if ((takeOverMs ?? 0) > TAKE_OVER_MS) findings.push(`K8 node ${pid} frozen for ${Math.round(forMs)} ms: taken over after ${Math.round(takeOverMs ?? 0)} ms`)
          figures.longestWrite.push(longest)
          figures.serves.push(servesMs)
          if (takeOverMs !== null) figures.takeOver.push(takeOverMs)
        }
        await load.stop()
        findings.push(...(await checkWorkloads(cluster, [load])))
        return {
          findings,
          figures: { faults: FREEZES, acknowledged: load.acknowledged().length, 'longest write through the others, per freeze': figures.longestWrite, 'take-over': figures.takeOver, 'served again after waking': figures.serves },
        }
      }),
  })
})

freezes.run()
