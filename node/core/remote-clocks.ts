// Clocks of other nodes, as the facts they wrote show them: a fact from far ahead is stored like any other, since it orders what competes,
// and reported, since its node will win or lose by its clock until somebody sets that right [CLK1]. Changes nothing itself.

import { type DocumentName, type Hlc, type Pid, hlcToMillis } from '../../crdt-schema/ids.ts'
import { clusterMs } from './cluster-time.ts'
import { type NodeState, log, remember } from './state.ts'

/** How far ahead of cluster time a fact of another node may be, ms. */
export const AHEAD_MAX_MS = 5 * 60_000
/** How often one peer is reported at most, ms: what such a node wrote may come in hundreds of facts. */
export const REPORT_EVERY_MS = 10 * 60_000

/** Takes in the latest hlc of what `from` sent of a document, and says so if it is too far ahead. */
export const noteRemoteHlc = (node: NodeState, from: Pid, document: DocumentName, hlc: Hlc): void => {
  const aheadMs = hlcToMillis(hlc) - clusterMs(node)
  const peer = node.peers.get(from)
  if (aheadMs <= AHEAD_MAX_MS || peer === undefined || node.now.monotonicMs - peer.aheadReportedMs < REPORT_EVERY_MS) return
  peer.aheadReportedMs = node.now.monotonicMs
  log(node, 'warn', 'clock-ahead', { peer: from, document, ms: aheadMs })
  remember(node, 'clock-ahead', from)
}
