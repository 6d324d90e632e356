// What runs of the fuzz add up to: for the line that a test prints, and for the report of the long programmes.

import type { FuzzResult } from './fuzz.ts'
import { MARKS, type Marks } from './marks.ts'

export interface Figures {
  seeds: number
  failed: number
  acknowledged: number
  refused: number
  unknown: number
  crashes: number
  pauses: number
  /** Crashes, pauses and all others. */
  faults: number
  epochs: number
  simulatedMs: number
  realMs: number
  /** Of each run: the longest time without an acknowledgement while some node had been at peace for three seconds [K8]. */
  readonly longestGapMs: number[]
  /** Of each run: from healing until every node itself had given a new account and a message [S6]. */
  readonly healedMs: number[]
  readonly marks: Record<string, number>
}

export const noFigures = (): Figures => ({
  seeds: 0, failed: 0, acknowledged: 0, refused: 0, unknown: 0, crashes: 0, pauses: 0, faults: 0, epochs: 0, simulatedMs: 0, realMs: 0, longestGapMs: [], healedMs: [],
  marks: Object.fromEntries(MARKS.map(name => [name, 0]))
})

export const addFigures = (figures: Figures, { world, findings, realMs, observations, marks }: FuzzResult): void => {
  const count = (outcome: string): number => world.history.operations.reduce((sum, operation) => sum + (operation.outcome === outcome ? 1 : 0), 0)
  figures.seeds += 1
  figures.failed += findings.length > 0 ? 1 : 0
  figures.acknowledged += count('acknowledged')
  figures.refused += count('refused')
  figures.unknown += count('unknown')
  figures.crashes += world.counts.kills
  figures.pauses += world.counts.pauses
  figures.faults += world.counts.kills + world.counts.pauses + world.counts.faults
  figures.epochs += observations.epochs
  figures.simulatedMs += world.schedule.nowMs
  figures.realMs += realMs
  figures.longestGapMs.push(observations.longestGapMs)
  if (observations.healedMs !== null) figures.healedMs.push(observations.healedMs)
  addMarks(figures.marks, marks)
}

/** Counts runs, not times: a mark that one run hits a hundred times is hit once. */
export const addMarks = (sums: Record<string, number>, marks: Marks): void => {
  for (const name of marks.hit) sums[name] = (sums[name] ?? 0) + 1
}

export const unhitMarks = (sums: Readonly<Record<string, number>>): readonly string[] => MARKS.filter(name => (sums[name] ?? 0) === 0)

const largest = (values: readonly number[]): number => Math.round(Math.max(0, ...values))

export const describeFigures = (figures: Figures): string =>
  `${figures.seeds} seeds, ${figures.failed} failed; ${figures.acknowledged} operations acknowledged, ${figures.refused} refused, ${figures.unknown} unknown; ` +
  `${figures.crashes} crashes, ${figures.pauses} pauses, ${figures.faults} faults in all; healed within ${largest(figures.healedMs)} ms, longest gap ${largest(figures.longestGapMs)} ms; ` +
  `${MARKS.length - unhitMarks(figures.marks).length} of ${MARKS.length} marks; ${Math.round(figures.simulatedMs / figures.realMs)} simulated seconds per second`
