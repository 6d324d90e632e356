// A machine's two clocks: a monotonic one that starts somewhere else in every run of a process and keeps running while
// the process is frozen, and a wall clock that is off by a skew and may be set to any other time.

import type { Now } from '../../node/core/events.ts'
import type { Schedule } from './schedule.ts'

/** When the fake world begins: 2026-03-31T23:59:30Z, so that months and days turn within every run. */
export const WORLD_BEGINS_MS = 1_775_001_570_000

export interface Clock {
  now(): Now
  /** Sets the wall clock forward or back. */
  jump(byMs: number): void
  /** Starts the monotonic clock anew, as a new process sees it. */
  restart(originMs: number): void
}

export const createClock = (schedule: Schedule, skewMs: number): Clock => {
  let wallOffsetMs = WORLD_BEGINS_MS + skewMs
  let originMs = 0
  return {
    now: () => ({ monotonicMs: schedule.nowMs + originMs, wallMs: Math.floor(schedule.nowMs + wallOffsetMs) }),
    jump: byMs => {
      wallOffsetMs += byMs
    },
    restart: newOriginMs => {
      originMs = newOriginMs - schedule.nowMs
    }
  }
}
