// What this node has promised, and the grants it holds for coordinators to settle. On disk before it counts.
// Keeps the durable half of [COO1] and [RDY2]: a promise only rises, a tentative grant stays until it is known to be settled.

import { type Epoch, type Pid, createEpoch, epochCounter } from '../../crdt-schema/ids.ts'
import type { WireGrant } from '../../crdt-schema/peer-wire.ts'
import type { NodeState } from './state.ts'

/** Takes over a promise and tentative grants that a peer holds. They are on disk when the open commit has returned. */
export const acceptPromise = (node: NodeState, promised: Epoch, tentative: readonly WireGrant[]): void => {
  raisePromise(node, promised)
  for (const grant of tentative) holdTentative(node, grant)
}

/** Promises to refuse every epoch below; lower ones change nothing. */
export const raisePromise = (node: NodeState, epoch: Epoch): void => {
  noteEpoch(node, epoch)
  if (epoch <= node.meta.promised) return
  node.meta.promised = epoch
  node.metaChanged = true
  node.members.heartbeatDue = true
}

/** Remembers the highest counter seen, so that the next claim is above it. */
export const noteEpoch = (node: NodeState, epoch: Epoch): void => {
  node.coordinator.highestCounter = Math.max(node.coordinator.highestCounter, epochCounter(epoch))
}

/**
 * What whoever asks this node must stay above [RDY2]: its promise, and every counter it has heard of. A coordinator may lose its disk
 * before anybody promised its epoch; then this is all that is left to keep it from coordinating that epoch once more.
 */
export const epochToPassOn = ({ meta, coordinator }: NodeState): Epoch => Math.max(meta.promised, createEpoch(coordinator.highestCounter, 0 as Pid)) as Epoch

const isSame = (a: WireGrant, b: { readonly epoch: Epoch; readonly order: number }): boolean => a.epoch === b.epoch && a.order === b.order

export const holdTentative = (node: NodeState, grant: WireGrant): void => {
  if (node.meta.tentative.some((held) => isSame(held, grant))) return
  node.meta.tentative.push(grant)
  node.metaChanged = true
}

/** These grants of an epoch are committed or dropped, and everything of earlier epochs with them. */
export const dropTentative = (node: NodeState, epoch: Epoch, orders: readonly number[]): void => {
  const kept = node.meta.tentative.filter((held) => held.epoch >= epoch && !(held.epoch === epoch && orders.includes(held.order)))
  if (kept.length === node.meta.tentative.length) return
  node.meta.tentative = kept
  node.metaChanged = true
}
