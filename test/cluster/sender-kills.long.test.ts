// Programme P-sender: three messages are on their way to a node that is killed, from before they arrive to after they are
// answered; each is sent again with its id through another.

import { suite } from 'uvu'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { playSenderKills } from '../support/kill-orders.ts'
import { runProgramme } from '../support/programme.ts'

const KILLS = 20
const UNITS = 10

const kills = suite('killed senders, long')

kills(`[DEL8] the node that holds a sender is killed ${UNITS * KILLS} times: each message is there once`, async () => {
  await runProgramme({
    id: 'P-sender',
    title: 'kill -9 of the node that three messages are on their way to; each is sent again with its id through another',
    promise: 'each is there exactly once, on every node',
    units: Array.from({ length: UNITS }, (_, index) => `senders-${index + 1}`),
    replay: replayOf('sender-kills'),
    isReal: true,
    run: (unit) =>
      runOnCluster(`P-sender-${unit}`, async (cluster) => {
        const { sent, unanswered, storedUnanswered } = await playSenderKills(cluster, KILLS, unit)
        const findings = unanswered > 0 ? [] : ['no kill came before an answer: the unit shows nothing']
        return { findings, figures: { faults: KILLS, acknowledged: sent, 'cut off without an answer': unanswered, 'of these stored': storedUnanswered } }
      }),
  })
})

kills.run()
