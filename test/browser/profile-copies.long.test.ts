// FAULTS C9: a profile is copied with what it has not sent yet, and both go on.

import { suite } from 'uvu'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { playClonedProfile } from '../support/page-faults.ts'
import { runProgramme } from '../support/programme.ts'

const COPIES = 5

const copies = suite('profile copies, long')

copies('C9: a profile with a full outbox is copied', async () => {
  await runProgramme({
    id: 'C9',
    title: 'a profile with 20 messages in its outbox is copied; both go on',
    promise: 'each comes exactly once, and neither hides what the other writes',
    units: Array.from({ length: COPIES }, (_, place) => `cloned/${place}`),
    isReal: true,
    replay: replayOf('browser/profile-copies.long'),
    run: (unit) =>
      runOnCluster(`C9-${unit}`, async (cluster) => {
        const { findings } = await playClonedProfile(cluster, 20)
        return { findings, figures: { faults: 1 } }
      }),
  })
})

copies.run()
