// Cluster time: what the clocks of the ready members say together. Ids and the ends of sessions go by it, and nothing else does.
// Keeps [CLK1]: the median of the clocks; of two that disagree, what was agreed on before tells which is wrong.

import type { Millis } from '../../crdt-schema/ids.ts'
import { readyInView } from './members.ts'
import type { NodeState } from './state.ts'

/** Clocks this close agree, ms. */
const AGREEMENT_MS = 5 * 60_000
/** How old the time on disk may be, ms: little beside the day that ids may be ahead, and no write that a cluster at rest would notice. */
const AGREED_EVERY_MS = 3_600_000

/** The clocks of the ready members in view, ascending; while this node is not ready, its own as well. */
const readClocks = (node: NodeState): readonly number[] => {
  const clocks = readyInView(node).map((pid) => (pid === node.meta.pid ? node.now.wallMs : node.now.monotonicMs + (node.members.rows.get(pid)?.wallOffsetMs ?? 0)))
  if (node.phase !== 'ready') clocks.push(node.now.wallMs)
  return clocks.sort((a, b) => a - b)
}

const isAgreed = (clocks: readonly number[], ms: number): boolean => clocks.filter((clock) => Math.abs(clock - ms) <= AGREEMENT_MS).length > 1

/**
 * The median wall clock, ms; the lower of the two middle ones. But a moment that two clocks once agreed on has passed: of two middle ones
 * the one before it is wrong if the other is not, and no clock that is alone with what it says goes behind it. A machine that has lost
 * its time begins in 1970 or when it was made: it must not make all ids of the others come from the future.
 */
export const clusterMs = (node: NodeState): Millis => {
  const clocks = readClocks(node)
  const lower = clocks[(clocks.length - 1) >> 1] ?? node.now.wallMs
  const upper = clocks[clocks.length >> 1] ?? lower
  const earliest = node.meta.agreedMs - AGREEMENT_MS
  const median = upper - lower > AGREEMENT_MS && lower < earliest && upper >= earliest ? upper : lower
  return Math.max(0, Math.round(isAgreed(clocks, median) ? median : Math.max(median, earliest))) as Millis
}

/** Each tick: keeps on disk, to the hour, what two clocks agree on, be it before what they agreed on last. */
export const tendAgreedTime = (node: NodeState): void => {
  const ms = clusterMs(node)
  if (node.phase !== 'ready' || Math.abs(ms - node.meta.agreedMs) < AGREED_EVERY_MS || !isAgreed(readClocks(node), ms)) return
  node.meta.agreedMs = ms
  node.metaChanged = true
}
