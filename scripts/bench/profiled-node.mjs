// A node that writes a CPU profile of its whole run into STARLING_BENCH_PROFILES when it ends, as `node --cpu-prof` would.

import { writeFileSync } from 'node:fs'
import { Session } from 'node:inspector'
import { join } from 'node:path'

const session = new Session()
session.connect()
session.post('Profiler.enable')
session.post('Profiler.setSamplingInterval', { interval: 500 })
session.post('Profiler.start')
process.on('exit', () => {
  session.post('Profiler.stop', (error, stopped) => {
    if (error === null) writeFileSync(join(process.env.STARLING_BENCH_PROFILES, `node-${process.pid}.cpuprofile`), JSON.stringify(stopped.profile))
  })
})
await import('../../dist/node.js')
