// The seeded defects: places where a test build may break one rule on purpose, to see that the programme of tests finds it.
// The builds that ship define STARLING_MUTANTS as false, which leaves isBroken nothing but `false`; a test looks for that.

declare const STARLING_MUTANTS: boolean

/** Each named defect, by the rule it breaks. */
export type Mutant =
  | 'acknowledge-early' // [REP6] before peers have stored
  | 'no-ready-gate' // [RDY1] a node serves before it is synced
  | 'no-self-suspicion' // [LIV3] a frozen node goes on as if nothing had been
  | 'delete-by-key' // [DOC3] removal by deleting keys instead of a grow-only mark
  | 'reused-client-id' // [DOC6] Yjs clientIDs derived from the pid

let planted: Mutant | null = null

/** Whether this build has the defect planted now. Constant false in what ships. */
export const isBroken = (mutant: Mutant): boolean => STARLING_MUTANTS && planted === mutant

/** Plants one defect, or none. Only a test build has any effect of it. */
export const plantMutant = (mutant: Mutant | null): void => {
  planted = mutant
}
