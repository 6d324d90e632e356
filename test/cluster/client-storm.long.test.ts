// FAULTS C10: 200 clients, and their node is killed, ten times.

import { suite } from 'uvu'
import { playStorm } from '../support/client-storm.ts'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { runProgramme } from '../support/programme.ts'

const CLIENTS = 200
const TIMES = 10
const ATTACHED_MS_MAX = 5_000
const LAG_MS_MAX = 500
/** The 200 replicas live in one process beside the nodes: only far beyond the promise is a finding. */
const SLACK = 2

const storm = suite('C10')

storm('[SYN4] clients whose node was killed are all attached elsewhere within seconds', async () => {
  await runProgramme({
    id: 'C10',
    title: '200 clients attached to one node, which is killed',
    promise: 'all attached elsewhere within 5 s, no event loop stands still for 500 ms, none is sent away for good',
    units: Array.from({ length: TIMES }, (_, time) => `storm/${time}`),
    isReal: true,
    run: (unit) =>
      runOnCluster(`C10-${unit}`, async (cluster) => {
        const { findings, attachedMs, sendMs, lagMs } = await playStorm(cluster, CLIENTS)
        const late = attachedMs > ATTACHED_MS_MAX * SLACK ? [`all were attached only after ${Math.round(attachedMs)} ms`] : []
        const still = lagMs > LAG_MS_MAX * SLACK ? [`an event loop stood still for ${Math.round(lagMs)} ms`] : []
        return { findings: [...findings, ...late, ...still], figures: { faults: 1, acknowledged: sendMs.length, 'all attached after': [attachedMs], 'sends meanwhile': sendMs, 'longest stop of a loop': [lagMs] } }
      }),
    replay: replayOf('cluster/client-storm.long'),
  })
})

storm.run()
