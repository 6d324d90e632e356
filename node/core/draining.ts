// Going down on purpose: hand over, tell clients where to go, let the last commit be acknowledged, say goodbye.
// Keeps the drain of DESIGN's commands and [COO3]: a draining node hands over before it says goodbye.

import { clientCount } from './clients.ts'
import { isOpenEmpty } from './commits.ts'
import { stepDown } from './coordinator.ts'
import { currentCoordinator } from './coordinator-view.ts'
import { flushLinks, sendTo } from './links.ts'
import { readyInView } from './members.ts'
import { setPhase } from './readiness.ts'
import type { NodeState } from './state.ts'

/** Whatever is not done by then is left: it is on disk, and the others have what was acknowledged. */
const DRAIN_MS_MAX = 8_000
const HANDOVER_MS_MAX = 3_000

/** Each tick. Returns the closing words when the node may end, else null. */
export const tendDraining = (node: NodeState): string | null => {
  if (node.drainSinceMs === null) return null
  const drainingMs = node.now.monotonicMs - node.drainSinceMs
  if (node.phase !== 'draining') {
    stepDown(node, 'stopping')
    setPhase(node, 'draining')
  }
  const others = readyInView(node).length > 0
  const isHandedOver = !others || currentCoordinator(node) !== null || drainingMs >= HANDOVER_MS_MAX
  const isStored = isOpenEmpty(node) && node.commits.writing === null && node.commits.settledThrough === node.commits.committedThrough && node.waitingAnswers.length === 0
  const areClientsMoved = clientCount(node.clients) === 0 || drainingMs >= node.config.drainMs + 500
  if (!(isHandedOver && isStored && areClientsMoved) && drainingMs < DRAIN_MS_MAX) return null
  for (const pid of node.peers.keys()) sendTo(node, pid, { type: 'goodbye' })
  flushLinks(node)
  return 'Stopped. Everything acknowledged is stored.'
}
