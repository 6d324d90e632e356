// The history of roles as the nodes' own logs tell it [FAULTS K7]: who claimed, coordinated, paused and became ready, when.

import { readFileSync } from 'node:fs'
import * as assert from 'uvu/assert'
import type { Cluster } from './cluster.ts'

export type RoleLine = { readonly pid: number; readonly atMs: number; readonly event: string; readonly epoch: number | null; readonly line: string }

/** All log lines of a node that tell of its role or phase, in order. */
export const readRoles = (cluster: Cluster, pid: number): readonly RoleLine[] =>
  readFileSync(cluster.at(pid).logFile, 'utf8')
    .split('\n')
    .filter((line) => line.startsWith('{'))
    .flatMap((line) => {
      const entry = parse(line)
      return entry === null ? [] : [{ pid, atMs: Date.parse(entry.time), event: String(entry.event), epoch: entry.epoch ?? null, line }]
    })

/** A killed node may leave half a line. */
const parse = (line: string): any => {
  try {
    return JSON.parse(line)
  } catch {
    return null
  }
}

/**
 * No node claims or coordinates before it is ready again after a start or a pause [LIV3, COO1], and the epochs that one
 * node coordinates only rise, over restarts too. Two sides of a split may count to the same number: an epoch is a number
 * and a pid. Returns how often the role was taken.
 */
export const checkRoles = (cluster: Cluster): number => {
  let takeOvers = 0
  for (const pid of cluster.pids) {
    let isReady = false
    let highest = 0
    for (const { event, epoch, line } of readRoles(cluster, pid)) {
      if (event === 'ready') isReady = true
      if (event === 'paused' || event === 'phase' || event === 'left-ready' || event === 'node-started') isReady = false
      if (event === 'claim' || event === 'coordinating') assert.ok(isReady, `node ${pid} took the role before it was ready: ${line}`)
      if (event !== 'coordinating' || epoch === null) continue
      takeOvers += 1
      assert.ok(epoch > highest, `node ${pid} coordinated epoch ${highest} before: ${line}`)
      highest = epoch
    }
  }
  return takeOvers
}
