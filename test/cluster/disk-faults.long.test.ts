// FAULTS P11 and P12: full and failing disks, 20 times each.

import { suite } from 'uvu'
import { createRandom } from '../sim/random.ts'
import type { Cluster } from '../support/cluster.ts'
import { replayOf, runOnCluster } from '../support/cluster-unit.ts'
import { type Disk, type DiskKind, buildDiskNode, createDisk, playDiskFault } from '../support/disk-faults.ts'
import { type UnitResult, runProgramme } from '../support/programme.ts'
import { waitSteady } from '../support/steady.ts'
import { startWorkload } from '../support/workload.ts'
import { checkWorkloads } from '../support/workload-checks.ts'

const TIMES = 20

const disks = suite('P11 P12')

const PROGRAMMES: readonly { readonly id: string; readonly title: string; readonly kinds: readonly DiskKind[] }[] = [
  { id: 'P11', title: 'the disk of one node at work is full but for some pages, so that writes are cut short, then refused', kinds: ['full'] },
  { id: 'P12', title: 'fsync of one node at work fails: EIO of the kernel from an ext4 whose own disk is gone, and commits that fail although half of them are written', kinds: ['kernel EIO', 'failing commits'] },
]

for (const { id, title, kinds } of PROGRAMMES) {
  disks(`[COR4] ${id}: a node whose disk fails stops acknowledging, ends and says so; the others go on; mended, it comes back`, async () => {
    const { options, directory } = await buildDiskNode()
    await runProgramme({
      id,
      title,
      promise: 'it ends with code 1 and its text, 0 acknowledged lost, the others go on; with a good disk it comes back with everything',
      units: Array.from({ length: TIMES }, (_, time) => `${kinds[time % kinds.length]}/${time}`),
      isReal: true,
      run: (unit) => {
        const random = createRandom(`${id}/${unit}`)
        const kind = unit.split('/')[0] as DiskKind
        const pid = random.integer(0, 2)
        const play = async (cluster: Cluster, disk: Disk): Promise<UnitResult> => {
          for (const one of cluster.pids) cluster.start(one)
          await cluster.waitAllReady()
          await waitSteady(cluster)
          const workload = await startWorkload(cluster, { label: 'd', textBytes: 2_000 })
          await workload.untilAcknowledged(20)
          const { findings, endedMs, gapMs, backMs } = await playDiskFault(cluster, workload, disk, pid, random)
          await workload.stop()
          const all = [...findings, ...(await checkWorkloads(cluster, [workload]))]
          return { findings: all, figures: { faults: 1, acknowledged: workload.acknowledged().length, 'ended after': [endedMs], 'longest gap in writes': [gapMs], 'ready again after': [backMs] } }
        }
        return runOnCluster(`${id}-${unit}`, async (cluster) => {
          const disk = createDisk(kind, cluster.at(pid).dataDir, pid, directory)
          return play(cluster, disk).finally(async () => {
            await cluster.kill(pid)
            disk.remove()
          })
        }, { ...options, idle: true }, ['node-crashed', 'quarantined', 'document-quarantined'])
      },
      replay: replayOf('cluster/disk-faults.long'),
    })
  })
}

disks.run()
