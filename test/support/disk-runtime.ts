// The shell of a test build whose disk can be made slow or broken while it runs (disk-faults.ts arms it by a file).
// esbuild.config.mjs puts it in place of node/runtime.ts, which it wraps.

import type { CommitRecord } from '../../node/core/events.ts'
import { type Runtime, type RuntimeOptions, createRuntime as createShippedRuntime } from '../../node/runtime.ts'
import { DISK_FAULTS_VARIABLE, readDiskFault } from './disk-fault-files.ts'

export const createRuntime = (options: RuntimeOptions): Runtime => {
  const directory = process.env[DISK_FAULTS_VARIABLE]
  if (directory === undefined) return createShippedRuntime(options)
  const { store } = options
  let pid = -1
  const commit = async (record: CommitRecord): Promise<void> => {
    const { delayMs, error } = readDiskFault(directory, pid)
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs))
    // As when fsync fails: what was written may be there or not.
    if (error !== null && record.seq % 2 === 0) await store.commit(record)
    if (error !== null) throw Object.assign(new Error(`IO error: ${error}`), { code: 'LEVEL_IO_ERROR' })
    await store.commit(record)
  }
  return createShippedRuntime({
    ...options,
    step: (event, now) => {
      if (event.type === 'start') pid = event.config.pid ?? -1
      return options.step(event, now)
    },
    store: { state: store.state, release: store.release.bind(store), commit, load: store.load.bind(store), compact: store.compact.bind(store), close: store.close.bind(store), stats: store.stats.bind(store) },
  })
}
