// Defects planted in real nodes, so that the programmes of test/cluster are seen to fail: those of crdt-schema/mutation.ts, and
// a few of the shell and its settings that the fake world does not have. Only a node built with test/support/defect-runtime.ts
// in place of node/runtime.ts has them; what ships holds no trace of them, which test/cluster/bundles.test.ts looks for.

import { MUTANTS, type Mutant } from '../../crdt-schema/mutation.ts'

export const SHELL_DEFECTS = [
  'close-is-death', // [LIV1] a closed connection means that its node is gone
  'no-hold-back', // [COO1] a node that lost the role ever again claims it as fast as any
  'late-claim', // [COO1] once a link was lost, whoever is the lowest waits for half a minute before it claims
  'monotonic-by-wall', // [CLK1] the clock of silence and pauses is the one on the wall
] as const

export type Defect = Mutant | (typeof SHELL_DEFECTS)[number]

/** Names the defect to the nodes of such a build, and to `runOnCluster`. */
export const DEFECT_VARIABLE = 'STARLING_DEFECT'

export const isMutant = (name: string): name is Mutant => MUTANTS.some((mutant) => mutant === name)

export const isDefect = (name: string): name is Defect => isMutant(name) || SHELL_DEFECTS.some((defect) => defect === name)
