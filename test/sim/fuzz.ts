// Runs plans: one seed of one row, from the first start to the last checker, and what a person needs when it fails.

import { type Marks, type Observations, createObserver } from './observer.ts'
import { type Plan, type PlanOptions, createPlan } from './plans.ts'
import { runScenario } from './scenario.ts'
import { cutUnrun, shrinkPlan } from './shrink.ts'
import type { World } from './cluster.ts'

export interface FuzzResult {
  readonly plan: Plan
  readonly findings: readonly string[]
  readonly transcript: readonly string[]
  readonly ran: readonly string[]
  readonly world: World
  readonly realMs: number
  readonly observations: Observations
  readonly marks: Marks
}

const TRACE_LINES = 60
const SHRINK_RUNS_MAX = 400
const SHRINK_MS_MAX = 300_000

/** Plans, runs, heals and checks one seed. */
export const fuzzSeed = (options: PlanOptions): FuzzResult => runPlan(createPlan(options))

export const runPlan = (plan: Plan): FuzzResult => {
  const beganMs = performance.now()
  const observer = createObserver({ isParted: plan.text.includes('\nparted\n') })
  const { world, findings, transcript, ran } = runScenario(plan.text, { seed: plan.seed, watch: observer, onLine: (_, line) => observer.onLine(line) })
  return { plan, findings, transcript, ran, world, realMs: performance.now() - beganMs, observations: observer.observations(), marks: observer.marks }
}

/** The command that runs this seed again and shrinks it. */
export const replayOf = ({ row, seed, simulatedMs }: Pick<Plan, 'row' | 'seed' | 'simulatedMs'>): string =>
  `STARLING_SEED=${seed} STARLING_ROW=${row} STARLING_MS=${simulatedMs} node scripts/test.mjs --only sim/fuzz.test`

/** What a person needs to find out why a seed failed. */
export const describeFailure = ({ plan, findings, world }: FuzzResult): string =>
  [
    `${plan.row} seed ${plan.seed} (${plan.families.join(', ')}) failed:`,
    ...findings.map(finding => `  ${finding}`),
    'the end of its trace:',
    ...world.trace.lines(TRACE_LINES),
    `replay it: ${replayOf(plan)}`
  ].join('\n')

/** The shortest plan found that fails with the same checker or rule, and what happened in it. */
export const describeShrunk = ({ plan, findings, ran }: FuzzResult): string => {
  const kind = kindOf(findings[0] ?? '')
  const untilMs = performance.now() + SHRINK_MS_MAX
  const fails = (shorter: Plan): boolean => performance.now() < untilMs && runPlan(shorter).findings.some(finding => kindOf(finding) === kind)
  return `the shortest plan that fails like this:\n${runPlan(shrinkPlan(cutUnrun(plan, ran), SHRINK_RUNS_MAX, fails)).transcript.join('\n')}`
}

/** `K1` or `[REP6]` of a finding: a plan that fails for another reason is another failure. */
const kindOf = (finding: string): string => /\bK\d\b|\[[A-Z]{3}\d+\]/.exec(finding)?.[0] ?? finding.replace(/[\d.]+/g, '').slice(0, 30)
