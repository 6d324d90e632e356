// What holds of every node after each step, and between nodes. For the simulator and for tests; the shipped node asserts the cheap half as it goes.
// Each check returns the words of its violation, or null.

import { epochPid, parseDocumentName } from '../../crdt-schema/ids.ts'
import { countSent } from '../../crdt-schema/inbox.ts'
import { ZERO, addDigest, digestOfDocument, isEqualDigest, tableTerm } from './digest.ts'
import type { NodeState } from './state.ts'

/** Checks of one node that cost next to nothing: after every step. */
export const checkNode = (node: NodeState): string | null => {
  if (node.meta === undefined) return null
  const { commits, coordinator, meta, phase } = node
  if (!(commits.settledThrough <= commits.acknowledgedThrough && commits.acknowledgedThrough <= commits.committedThrough)) return 'thresholds out of order [REP6]'
  if (commits.committedThrough >= commits.open.seq) return 'the open commit has already returned [STO1]'
  if (coordinator.role === 'coordinating') {
    if (phase !== 'ready') return `coordinates while ${phase} [RDY1]`
    if (meta.promised !== coordinator.epoch) return 'coordinates another epoch than it promised [COO3]'
    if (epochPid(coordinator.epoch) !== meta.pid) return 'coordinates an epoch of another pid [COO1]'
  }
  if (phase === 'ready' && meta.clusterId === null) return 'ready without data [RDY1]'
  const pendingOutOfOrder = commits.pending.some((pending, i) => i > 0 && pending.seq <= (commits.pending[i - 1]?.seq ?? 0))
  return pendingOutOfOrder ? 'pending commits out of order [REP6]' : null
}

/** Checks of one node that look at everything it holds: now and then. */
export const checkNodeDeeply = (node: NodeState): string | null => {
  const { documents } = node
  let root = ZERO
  for (const [name, head] of documents.heads) {
    if ((head.digest === null) !== documents.unapplied.has(name)) return `${name} is unapplied and digested at once [REP2]`
    if (head.digest !== null) root = addDigest(root, tableTerm(name, head.digest))
    const loaded = documents.loaded.get(name)
    if (documents.resting.has(name) && (loaded !== undefined || head.digest !== null)) return `${name} rests, and counts as loaded or applied [REP4]`
    if (loaded === undefined) continue
    if (head.digest === null || !isEqualDigest(loaded.digest, head.digest)) return `the head of ${name} has another digest than the document [STO3]`
    const ref = parseDocumentName(name)
    if (ref?.kind === 'inbox' && (loaded.messages !== countSent(loaded.doc, ref.account) || head.messages !== loaded.messages)) return `the messages of ${name} are miscounted`
    if (!isEqualDigest(loaded.digest, digestOfDocument(loaded.doc))) return `the digest of ${name} is not that of its content [STO3]`
  }
  return isEqualDigest(root, documents.root) ? null : 'the root digest is not the sum of its documents [REP2]'
}

/** Checks between running nodes: after every step. */
export const checkCluster = (nodes: readonly NodeState[]): string | null => {
  const epochs = new Set<number>()
  for (const node of nodes) {
    if (node.meta === undefined || node.coordinator.role !== 'coordinating') continue
    if (epochs.has(node.coordinator.epoch)) return `epoch ${node.coordinator.epoch} is coordinated twice [COO1]`
    epochs.add(node.coordinator.epoch)
  }
  return null
}

/**
 * Checks of a component that has been stable for a while (no fault, every view equal): one coordinator, its lowest ready pid that does
 * not hold back [COO1].
 */
export const checkStableComponent = (nodes: readonly NodeState[]): string | null => {
  const ready = nodes.filter((node) => node.phase === 'ready').sort((a, b) => a.meta.pid - b.meta.pid)
  const coordinating = ready.filter((node) => node.coordinator.role === 'coordinating')
  if (ready.length === 0) return null
  if (coordinating.length !== 1) return `${coordinating.length} coordinators in a stable component [COO1]`
  const willing = ready.filter((node) => node.now.monotonicMs >= node.coordinator.holdUntilMs)
  const expected = (willing[0] ?? ready[0])?.meta.pid
  return coordinating[0]?.meta.pid === expected ? null : `node ${coordinating[0]?.meta.pid} coordinates instead of ${expected} [COO1]`
}
