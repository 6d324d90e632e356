// A share of FAULTS P14: what a loss of power leaves on the disk of a node at work. The counts are in power-loss.long.test.ts.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createRandom } from '../sim/random.ts'
import { TEST_ENV, print } from '../support/asking.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import type { Damage } from '../support/power-loss.ts'
import { type ImagePlay, playImage, playImages } from '../support/power-loss-plays.ts'

const IMAGES: readonly Damage[] = ['log torn', 'table torn', 'files of two moments']
const PER_SECOND = 20

const powerLoss = suite<{ cluster: Cluster }>('a loss of power')

powerLoss.before(async (context) => {
  context.cluster = await startCluster({ env: TEST_ENV })
})
powerLoss.after(({ cluster }) => cluster.close())

powerLoss('[STO6] what it leaves is told or does no harm, and is made whole by the others', async ({ cluster }) => {
  const random = createRandom('power-loss')
  const { plays, findings, acknowledged } = await playImages(cluster, PER_SECOND, async (world) => {
    const done: ImagePlay[] = []
    for (const [index, damage] of IMAGES.entries()) done.push(await playImage(world, index < 2 ? 2 : 0, damage, random))
    return done
  })
  assert.equal(findings, [])
  for (const { pid, done, offline, online } of plays) print(`node ${pid}, ${done}: by itself ${offline}, as a node ${online}`)
  print(`${acknowledged} messages acknowledged, all there`)
})

powerLoss.run()
