// Makes a failing plan shorter while it still fails: leaves out what comes after the failure, then stretches of lines, large ones first,
// then single lines, and last the waits. What remains is what a person has to understand.

import { type Plan } from './plans.ts'

/** Lines without which a plan is not one. */
const isOptional = (line: string): boolean => !/^(nodes|parted|operated|start all|run|heal|expect|probe)/.test(line)

/**
 * The plan without what comes after the line at which it failed: that never ran, but would run at the end of every shorter plan that
 * fails no more, and cost as much as all the rest.
 */
export const cutUnrun = (plan: Plan, ran: readonly string[]): Plan => ({ ...plan, text: ran.join('\n') })

/**
 * A shorter plan for which `fails` still holds; tries at most `runsMax` plans. The failure may become another one on the way:
 * `fails` decides what counts.
 */
export const shrinkPlan = (plan: Plan, runsMax: number, fails: (plan: Plan) => boolean): Plan => {
  let lines = plan.text.split('\n')
  let runs = 0
  const isWorse = (shorter: readonly string[]): boolean => {
    runs += 1
    return fails({ ...plan, text: shorter.join('\n') })
  }
  // What was there last is most often not what mattered.
  for (let size = Math.ceil(lines.length / 2); size >= 1 && runs < runsMax; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = Math.max(0, lines.length - size); from > -size && runs < runsMax; from -= size) {
      const shorter = lines.filter((line, index) => index < from || index >= from + size || !isOptional(line))
      if (shorter.length < lines.length && isWorse(shorter)) lines = shorter
    }
  }
  const merged = mergeRuns(lines)
  return { ...plan, text: (isWorse(merged) ? merged : lines).join('\n') }
}

/** Waits that follow each other become one. */
const mergeRuns = (lines: readonly string[]): string[] => {
  const merged: string[] = []
  for (const line of lines) {
    const wait = /^run (\d+)ms$/.exec(line)
    const before = /^run (\d+)ms$/.exec(merged.at(-1) ?? '')
    if (wait !== null && before !== null) merged[merged.length - 1] = `run ${Number(before[1]) + Number(wait[1])}ms`
    else merged.push(line)
  }
  return merged
}
