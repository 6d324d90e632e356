// Failpoints: named steps of a grant at which a real node can be made to kill itself [COO4]. Only a node built with
// test/support/failpoint-runtime.ts in place of node/runtime.ts has them; what ships holds no trace of them, which
// test/cluster/bundles.test.ts looks for. A node is armed by a file of its own, read at each such step, so that a
// cluster need not be started anew for each kill.

import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** In the order in which the coordinator of a cluster of three comes by them. */
export const FAILPOINTS = [
  'asked', // it got the request, nothing is done
  'before-tentative', // judged, not on its own disk
  'tentative-stored',
  'prepare-sent-first',
  'prepare-sent-second',
  'prepared-first', // the first member's answer has arrived and is not read
  'prepared-second',
  'before-commit', // applied in memory
  'committed', // on its own disk, nobody was told
  'push-sent-first',
  'push-sent-second',
  'stored-first', // the first member's acknowledgement has arrived and is not read
  'stored-second',
  'before-resolved',
  'resolved-sent-first',
  'before-answer',
  'after-answer',
] as const

export type Failpoint = (typeof FAILPOINTS)[number]

/** Holds the files that arm the nodes; given to the nodes as this environment variable. */
export const FAILPOINTS_VARIABLE = 'STARLING_FAILPOINTS'

const fileOf = (directory: string, pid: number): string => join(directory, `armed-${pid}`)

/** The node dies when it next comes to this step. */
export const armFailpoint = (directory: string, pid: number, failpoint: Failpoint): void => writeFileSync(fileOf(directory, pid), failpoint)

/** Takes that back; true if it was still to come. */
export const disarmFailpoint = (directory: string, pid: number): boolean => {
  const wasArmed = existsSync(fileOf(directory, pid))
  rmSync(fileOf(directory, pid), { force: true })
  return wasArmed
}

/** The step at which this node is to die, or null. */
export const readFailpoint = (directory: string, pid: number): string | null => {
  const file = fileOf(directory, pid)
  return existsSync(file) ? readFileSync(file, 'utf8') : null
}
