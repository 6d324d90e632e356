// The shell of a test build with one defect of defects.ts planted. esbuild.config.mjs puts it in place of node/runtime.ts,
// which it wraps: it breaks what the core is told, or tells the core to break a rule of its own.

import type { Pid } from '../../crdt-schema/ids.ts'
import { plantMutant } from '../../crdt-schema/mutation.ts'
import type { Config } from '../../node/core/config.ts'
import type { Event, LinkId } from '../../node/core/events.ts'
import { type Runtime, type RuntimeOptions, createRuntime as createShippedRuntime } from '../../node/runtime.ts'
import { DEFECT_VARIABLE, isMutant } from './defects.ts'

const LATE_MS = 30_000
/** A cluster that has just started may find its coordinator. */
const START_MS = 6_000
/** Two in a row are what the core takes for the end of a process; after four it dials no more for a while. */
const REFUSALS = 4

type Settings = { -readonly [Key in keyof Config]: Config[Key] }

export const createRuntime = (options: RuntimeOptions): Runtime => {
  const defect = process.env[DEFECT_VARIABLE] ?? ''
  if (isMutant(defect)) plantMutant(defect)
  const { clock } = options
  const broken = defect === 'monotonic-by-wall' ? { ...options, clock: () => ({ ...clock(), monotonicMs: clock().wallMs }) } : options
  const shipped = createShippedRuntime(broken)
  const pids = new Map<LinkId, Pid>()
  const startedMs = performance.now()
  let settings: Settings | null = null

  const declareDead = (pid: Pid): void => {
    for (let refusal = 0; refusal < REFUSALS; refusal++) shipped.feed({ type: 'dial-failed', pid, reason: 'refused' })
  }

  return {
    start(config, seed) {
      settings = { ...config, ...(defect === 'no-hold-back' ? { settleMsMax: config.settleMs } : {}) }
      shipped.start(settings, seed)
    },
    feed(event: Event) {
      if (defect === 'late-claim' && event.type === 'link-down' && settings !== null && performance.now() - startedMs > START_MS) settings.settleMs = LATE_MS
      if (event.type === 'link-up') pids.set(event.link, event.peer.pid)
      shipped.feed(event)
      const pid = event.type === 'link-down' ? pids.get(event.link) : undefined
      if (defect === 'close-is-death' && pid !== undefined) declareDead(pid)
    },
  }
}
