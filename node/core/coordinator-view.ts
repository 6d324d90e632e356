// What this node can see of the coordinator's role: who may hold it, who does. Pure functions of the rows.

import type { Epoch, Pid } from '../../crdt-schema/ids.ts'
import { readyInView } from './members.ts'
import type { NodeState } from './state.ts'

/** Ready members that may coordinate: all but those holding back, unless all do. */
export const eligible = (node: NodeState): readonly Pid[] => {
  const ready = readyInView(node)
  const willing = ready.filter((pid) => (pid === node.meta.pid ? node.now.monotonicMs >= node.coordinator.holdUntilMs : node.members.rows.get(pid)?.row.holdsBack === false))
  return willing.length > 0 ? willing : ready
}

/** The epoch and pid that coordinate as far as this node can see, or null. */
export const currentCoordinator = (node: NodeState): { readonly pid: Pid; readonly epoch: Epoch } | null => {
  let best: { pid: Pid; epoch: Epoch } | null = node.coordinator.role === 'coordinating' ? { pid: node.meta.pid, epoch: node.coordinator.epoch } : null
  for (const pid of node.members.view) {
    const epoch = node.members.rows.get(pid)?.row.coordinates ?? 0
    if (epoch > (best?.epoch ?? 0)) best = { pid, epoch: epoch as Epoch }
  }
  return best
}
