// Figures and how sure they are: percentiles, medians with their spread, CPU seconds and memory of processes, a quiet machine.
// Reads /proc, so what it says of processes it says on Linux only; elsewhere those figures are left out.

import { existsSync, readFileSync } from 'node:fs'
import { wait } from '../lib/nodes.mjs'

export const percentile = (sorted, share) => (sorted.length === 0 ? Number.NaN : sorted[Math.min(sorted.length - 1, Math.floor(share * sorted.length))])

export const round = (value, digits = 2) => Math.round(value * 10 ** digits) / 10 ** digits

/** Several runs of one figure: the one in the middle, and the span of all. */
export const spread = (values) => {
  const sorted = values.filter(Number.isFinite).sort((a, b) => a - b)
  return { median: percentile(sorted, 0.5), min: sorted[0] ?? Number.NaN, max: sorted.at(-1) ?? Number.NaN, runs: sorted.length }
}

/** Latencies in ms → {count, p50, p99, max}. */
export const summarise = (times) => {
  const sorted = Float64Array.from(times).sort()
  return { count: sorted.length, p50: round(percentile(sorted, 0.5), 3), p99: round(percentile(sorted, 0.99), 3), max: round(sorted.at(-1) ?? Number.NaN, 3) }
}

const HAS_PROC = existsSync('/proc/self/stat')
const TICKS_PER_SECOND = 100

/** CPU seconds, user and system, that a process has used so far; NaN where that cannot be read. */
export const cpuSeconds = (processId) => {
  if (!HAS_PROC) return Number.NaN
  try {
    const stat = readFileSync(`/proc/${processId}/stat`, 'utf8')
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return (Number(fields[11]) + Number(fields[12])) / TICKS_PER_SECOND
  } catch {
    return Number.NaN // it has ended
  }
}

/** CPU seconds of named processes from now until the returned function is called. */
export const startCpuMeter = (processIds) => {
  const before = Object.entries(processIds).map(([name, id]) => [name, id, cpuSeconds(id)])
  return () => Object.fromEntries(before.map(([name, id, seconds]) => [name, round(cpuSeconds(id) - seconds, 2)]))
}

/** Resident memory of a process in MiB. */
export const residentMiB = (processId) => {
  if (!HAS_PROC) return Number.NaN
  const found = /VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${processId}/status`, 'utf8'))
  return found === null ? Number.NaN : round(Number(found[1]) / 1024, 1)
}

const readCpuTotals = () => readFileSync('/proc/stat', 'utf8').split('\n')[0].split(/\s+/).slice(1).map(Number)

/** Share of all cores that was busy between two readings, percent. */
const busyBetween = (before, after) => {
  const spent = after.map((value, i) => value - before[i])
  const all = spent.slice(0, 8).reduce((sum, value) => sum + value, 0)
  return Math.round((100 * (all - spent[3] - spent[4])) / Math.max(1, all))
}

/** Waits, at most `waitMs`, until others leave the machine alone; resolves to how busy it was at last, in percent. */
export const waitForQuiet = async (waitMs, busyMax = 12) => {
  if (!HAS_PROC) return Number.NaN
  const deadline = performance.now() + waitMs
  for (;;) {
    const before = readCpuTotals()
    await wait(700)
    const busy = busyBetween(before, readCpuTotals())
    if (busy <= busyMax || performance.now() > deadline) return busy
  }
}

/** Cores used by processes that are not `ours` (a function to their ids), from now until the returned function is called. */
export const startForeignMeter = (ours) => {
  if (!HAS_PROC) return () => Number.NaN
  const sumOf = () => ours().map(cpuSeconds).filter(Number.isFinite).reduce((sum, seconds) => sum + seconds, 0)
  const startedMs = performance.now()
  const before = readCpuTotals()
  const used = sumOf()
  return () => {
    const spent = readCpuTotals().map((value, i) => value - before[i])
    const busy = (spent.slice(0, 8).reduce((sum, value) => sum + value, 0) - spent[3] - spent[4]) / TICKS_PER_SECOND
    return Math.max(0, round((busy - (sumOf() - used)) / ((performance.now() - startedMs) / 1000)))
  }
}
