// A share of FAULTS P11 and P12: fsync fails with the kernel's EIO, and commits that fail. A full disk is in bad-input.test.ts;
// the counts are in disk-faults.long.test.ts.
// deadline: 400 s

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createRandom } from '../sim/random.ts'
import { print } from '../support/asking.ts'
import { startCluster } from '../support/cluster.ts'
import { type DiskKind, buildDiskNode, createDisk, playDiskFault, refusalOf } from '../support/disk-faults.ts'
import { startWorkload } from '../support/workload.ts'
import { checkWorkloads } from '../support/workload-checks.ts'

const disks = suite('failing disks')
const PID = 1

for (const kind of ['kernel EIO', 'failing commits'] as const satisfies readonly DiskKind[]) {
  disks(`[COR4] ${kind}: the node stops acknowledging, ends and says so; the others go on; mended, it comes back`, async () => {
    const { options, directory } = await buildDiskNode()
    const cluster = await startCluster({ ...options, idle: true })
    const refusal = refusalOf(kind, cluster.at(PID).dataDir)
    if (refusal !== null) {
      print(`NOT SHOWN HERE: this machine has no such disk (${refusal}); run as root to see it`)
      return cluster.close()
    }
    const disk = createDisk(kind, cluster.at(PID).dataDir, PID, directory)
    try {
      for (const pid of cluster.pids) cluster.start(pid)
      await cluster.waitAllReady()
      const workload = await startWorkload(cluster, { label: 'd', textBytes: 2_000 })
      await workload.untilAcknowledged(15)
      const { findings, endedMs, gapMs, backMs } = await playDiskFault(cluster, workload, disk, PID, createRandom(kind))
      await workload.stop()
      assert.equal([...findings, ...(await checkWorkloads(cluster, [workload]))], [])
      print(`${kind}: ended after ${Math.round(endedMs)} ms, longest gap for the others ${Math.round(gapMs)} ms, ready again ${Math.round(backMs)} ms after it was mended; ${workload.acknowledged().length} acknowledged, all there`)
    } finally {
      for (const pid of cluster.pids) await cluster.kill(pid)
      disk.remove()
      await cluster.close()
    }
  })
}

disks.run()
