// A share of FAULTS P13: the files of a stopped node are harmed. The counts are in damaged-files.long.test.ts.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createRandom } from '../sim/random.ts'
import { TEST_ENV, print } from '../support/asking.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import type { Damage } from '../support/power-loss.ts'
import { type ImagePlay, playImage, playImages } from '../support/power-loss-plays.ts'

const DONE: readonly Damage[] = ['bits flipped in every file', 'a file gone', 'bytes overwritten']
const PER_SECOND = 20

const damaged = suite<{ cluster: Cluster }>('damaged files')

damaged.before(async (context) => {
  context.cluster = await startCluster({ env: TEST_ENV })
})
damaged.after(({ cluster }) => cluster.close())

damaged('[STO6] what was done to the files of a stopped node is told or does no harm, and is made whole by the others', async ({ cluster }) => {
  const random = createRandom('damaged-files')
  const { plays, findings } = await playImages(cluster, PER_SECOND, async (world) => {
    const done: ImagePlay[] = []
    for (const [pid, harm] of DONE.entries()) done.push(await playImage(world, pid, harm, random))
    return done
  })
  assert.equal(findings, [])
  for (const { pid, damage, done, offline, online } of plays) print(`node ${pid}, ${damage} (${done}): by itself ${offline}, as a node ${online}`)
})

damaged.run()
