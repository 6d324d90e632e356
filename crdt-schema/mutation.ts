// The seeded defects: places where a test build may break one rule on purpose, to see that the programme of tests finds it.
// The builds that ship define STARLING_MUTANTS as false, which leaves isBroken nothing but `false`; a test looks for that.

declare const STARLING_MUTANTS: boolean

/** Each named defect, by the rule it breaks. */
export const MUTANTS = [
  'acknowledge-early', // [REP6] before peers have stored
  'no-fsync', // [STO1] a commit returns while it is only in the operating system's memory
  'no-ready-gate', // [RDY1] a node serves before it is synced
  'no-fence-no-self-suspicion', // [COO4, LIV3] prepares of a lower epoch are taken, and a frozen node goes on as if nothing had been
  'no-flush', // [COO2, REP3] what a node left half done when it died is not settled and not passed on by the others
  'delete-by-key', // [DOC3] removal by deleting keys instead of a grow-only mark
  'reused-client-id', // [DOC6] Yjs clientIDs derived from the pid
  'last-writer-wins-names', // [COO6] the latest claim of a name takes it from whoever had it
  'no-checksum', // [STO6] what is read from disk is believed
  'no-digest', // [REP2] replicas are never compared, only taken to be equal
  'snapshot-before-subscribe', // [RDY2] what is pushed during a pull is taken to be in it
  'swallowed-disk-full', // [COR4] a write that failed counts as done
  'sessions-by-clock', // [COO7] the newest session is the one with the latest wall clock
  'expiring-removal-marks', // [COO8] removals are forgotten after a while
  'outbox-cleared-before-receipt', // [DEL2] the page clears what it has sent, not what was delivered
  'retry-with-a-new-id', // [DEL8] every try to send a draft is another message
  'no-relay', // [LIV2] nothing is passed on to those who cannot be reached directly
  'fixed-view', // [LIV2] the view is whoever is configured, not whoever can be reached
  'hlc-not-stored', // [COO6] the hybrid clock starts again from the wall clock in each run
  'message-array', // [DOC1] an inbox is a list to append to, not a map by message id
] as const

export type Mutant = (typeof MUTANTS)[number]

let planted: Mutant | null = null

/** Whether this build has the defect planted now. Constant false in what ships. */
export const isBroken = (mutant: Mutant): boolean => STARLING_MUTANTS && planted === mutant

/** Plants one defect, or none. Only a test build has any effect of it. */
export const plantMutant = (mutant: Mutant | null): void => {
  planted = mutant
}
