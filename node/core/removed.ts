// What a node does that finds itself removed from its cluster: it serves nobody, lets the members fetch what it alone may hold, and ends
// [REP7]. It may have been apart when it was removed, and have acknowledged meanwhile what nobody else has.

import type { Pid } from '../../crdt-schema/ids.ts'
import { flushLinks, sendTo } from './links.ts'
import { isRemoved, readyInView } from './members.ts'
import { becomeSyncing } from './readiness.ts'
import type { NodeState } from './state.ts'

/** Each tick. Returns the closing words when every ready member in view holds what this node had when they met, else null. */
export const tendRemoved = (node: NodeState): string | null => {
  if (!isRemoved(node, node.meta.nodeId)) return null
  becomeSyncing(node, 'removed from the cluster')
  const members = readyInView(node)
  const isFetched = members.length > 0 && members.every((pid) => hasFetched(node, pid))
  if (!isFetched) return null
  for (const pid of node.peers.keys()) sendTo(node, pid, { type: 'goodbye' })
  flushLinks(node)
  return 'Stopped: this node was removed from the cluster. What it held is on the members. Use an empty data directory to join again.'
}

const hasFetched = (node: NodeState, pid: Pid): boolean => {
  const peer = node.peers.get(pid)
  return peer !== undefined && peer.synced && !peer.excluded && peer.holdsThrough >= peer.mustHold
}
