// The machine the node runs on: its clocks, its randomness and its log.
// Refuses to know what is timed, drawn or logged; docs/logs.md lists the events. pino is imported here and nowhere else.
// Keeps [COR3]: a log reader that hangs costs log lines, never the node.

import { randomFillSync } from 'node:crypto'
import pino from 'pino'
import pretty from 'pino-pretty'
import type { Now } from '../core/events.ts'

export type LogLevel = 'debug' | 'info' | 'warn' | 'error'
export type LogFields = Readonly<Record<string, string | number | boolean | null>>
export type Log = (level: LogLevel, event: string, fields: LogFields) => void

/** Lines kept for a slow reader of the log, in bytes; more are dropped. */
const LOG_BYTES_MAX = 1024 * 1024

/** Both clocks. `wallOffsetMs` shifts the wall clock alone: tests show with it that nothing hangs on the wall clock [CLK1]. */
export const createClock = (wallOffsetMs: number): (() => Now) => {
  return () => ({ monotonicMs: performance.now(), wallMs: Date.now() + wallOffsetMs })
}

/** `count` unguessable bytes. */
export const randomBytes = (count: number): Uint8Array => randomFillSync(new Uint8Array(count))

export interface LogOptions {
  readonly level: LogLevel | 'silent'
  /** `auto`: for people on a terminal, JSON lines elsewhere. */
  readonly format: 'auto' | 'json' | 'pretty'
  readonly node: string
}

/** A log to stderr, and what writes out its last lines before the process ends. */
export const createLog = ({ level, format, node }: LogOptions): { readonly log: Log; readonly flush: () => void } => {
  const isPretty = format === 'pretty' || (format === 'auto' && process.stderr.isTTY === true)
  const lines = pino.destination({ dest: 2, sync: false, maxLength: LOG_BYTES_MAX })
  const colorize = process.stderr.isTTY === true && !process.env['NO_COLOR']
  const settings: pino.LoggerOptions = {
    level,
    base: { node },
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: label => ({ level: label }) }
  }
  const logger = isPretty ? pino(settings, pretty({ destination: 2, sync: true, colorize, ignore: 'node' })) : pino(settings, lines)
  return {
    log: (lineLevel, event, fields) => logger[lineLevel]({ event, ...fields }, event.replaceAll('-', ' ')),
    flush: () => {
      if (!isPretty) lines.flushSync()
    }
  }
}
