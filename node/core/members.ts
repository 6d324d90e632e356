// Who is there: link-state rows and the view they span. Plain data and pure functions of it.
// Keeps [LIV1] (rows, relayed), [LIV2] (the view is the component of links up both ways).

import { NO_EPOCH, type NodeId, type Pid } from '../../crdt-schema/ids.ts'
import { isBroken } from '../../crdt-schema/mutation.ts'
import type { StateRow } from '../../crdt-schema/peer-wire.ts'
import { digestToHex } from './digest.ts'
import { FAST_IN_ROW } from './commits.ts'
import { isHeard, memberUrls } from './links.ts'
import type { Members } from './members-state.ts'
import type { NodeState } from './state.ts'

export const createMembers = (): Members => ({ rows: new Map(), view: [], routes: new Map(), heard: [], counter: 0, heartbeatMs: -Infinity, heartbeatDue: true, heardData: false })

/** What this node says of itself now. */
export const ownRow = (node: NodeState): StateRow => {
  const { meta, documents, commits } = node
  return {
    pid: meta.pid, nodeId: meta.nodeId, boot: meta.boot, counter: node.members.counter, url: node.config.url, version: node.config.version,
    hears: [...node.peers.values()].filter((peer) => isHeard(node, peer)).map((peer) => peer.pid),
    phase: node.phase, hasData: meta.clusterId !== null, isSynced: node.isSynced, lastView: node.storedLastView, promised: meta.promised, coordinates: node.coordinator.role === 'coordinating' ? node.coordinator.epoch : NO_EPOCH,
    isSlow: node.commits.fastInRow < FAST_IN_ROW, holdsBack: node.now.monotonicMs < node.coordinator.holdUntilMs,
    behind: [...node.peers.values()].filter((peer) => peer.excluded || peer.missing.size > 0).map((peer) => peer.pid),
    root: documents.unapplied.size > 0 ? '' : digestToHex(documents.root), head: commits.committedThrough, acknowledged: commits.acknowledgedThrough,
    wallMs: node.now.wallMs, upSinceMs: node.startedWallMs, messages: documents.messages, sessions: node.directory.sessionCount(), bytes: documents.bytes
  }
}

/** Takes in rows from a peer, newest wins; returns whether any was news. */
export const mergeRows = (node: NodeState, rows: readonly StateRow[]): boolean => {
  let news = false
  for (const row of rows) {
    if (row.pid === node.meta.pid) continue
    const seen = node.members.rows.get(row.pid)
    if (seen !== undefined && !isNewer(row, seen.row)) continue
    node.members.rows.set(row.pid, { row, seenMs: node.now.monotonicMs, wallOffsetMs: row.wallMs - node.now.monotonicMs })
    if (row.hasData) node.members.heardData = true
    news = true
  }
  return news
}

const isNewer = (row: StateRow, known: StateRow): boolean => row.boot > known.boot || (row.boot === known.boot && row.counter > known.counter) || (row.nodeId !== known.nodeId && row.counter !== known.counter)

/** Forgets rows that were not renewed within deadMs of this node's own running clock. */
export const expireRows = (node: NodeState): void => {
  for (const [pid, { seenMs }] of node.members.rows) if (node.now.monotonicMs - seenMs > node.config.deadMs) node.members.rows.delete(pid)
}

/** The view: the component of links that both ends hear; and the first hop towards each member of it, over links that are open now. */
export const computeView = (node: NodeState): Pick<Members, 'view' | 'routes' | 'heard'> => {
  const heard: Pid[] = []
  const linked: Pid[] = []
  for (const peer of node.peers.values()) {
    if (!isHeard(node, peer)) continue
    heard.push(peer.pid)
    if (peer.link !== null) linked.push(peer.pid)
  }
  const found = walk(node, heard)
  const view = [...(isBroken('fixed-view') ? memberUrls(node) : found).keys()].sort((a, b) => a - b)
  return { view, heard, routes: linked.length === heard.length ? found : walk(node, linked) }
}

/**
 * Breadth first over edges that both ends hear, where this node hears `own`: each pid found, with the first step towards it (this
 * node's own for itself).
 */
const walk = (node: NodeState, own: readonly Pid[]): Map<Pid, Pid> => {
  const self = node.meta.pid
  const hearsOf = (pid: Pid): readonly Pid[] => (pid === self ? own : (node.members.rows.get(pid)?.row.hears ?? []))
  const firstStep = new Map<Pid, Pid>([[self, self]])
  const queue: Pid[] = [self]
  for (const at of queue) {
    for (const next of [...hearsOf(at)].sort((a, b) => a - b)) {
      if (firstStep.has(next) || !hearsOf(next).includes(at)) continue
      firstStep.set(next, at === self ? next : (firstStep.get(at) ?? next))
      queue.push(next)
    }
  }
  return firstStep
}

/** The row of a member of the view; this node's own is made afresh. */
export const rowOf = (node: NodeState, pid: Pid): StateRow | null => (pid === node.meta.pid ? ownRow(node) : (node.members.rows.get(pid)?.row ?? null))

/** Whether the node with this directory is a member no more: it may be in view, to let others fetch what it holds, and counts for nothing [REP7]. */
export const isRemoved = (node: NodeState, nodeId: NodeId): boolean => node.directory.memberOf(nodeId)?.removed === true

/** Ready members in view, ascending; this node among them if it is ready. */
export const readyInView = (node: NodeState): readonly Pid[] =>
  node.members.view.filter((pid) => {
    if (pid === node.meta.pid) return node.phase === 'ready'
    const row = node.members.rows.get(pid)?.row
    return row?.phase === 'ready' && !isRemoved(node, row.nodeId)
  })

/**
 * Whether this node may tell a client that something is safe. Only while it is ready: the others rely on whoever was ready with them, and
 * would start without a node that was not, and without what it acknowledged [RDY1, REP6]. While it drains, a ready node in view or a
 * lastView of itself alone answers for that.
 */
export const mayAcknowledge = (node: NodeState): boolean =>
  node.phase === 'ready' || (node.phase === 'draining' && (readyInView(node).length > 0 || node.storedLastView.join() === String(node.meta.pid)))

/** Peers in view that must hold everything before it is acknowledged [REP6]. */
export const requiredPeers = (node: NodeState): readonly Pid[] => node.members.view.filter((pid) => pid !== node.meta.pid && node.peers.get(pid)?.excluded === false)

/** On whose disks everything acknowledged is: this node and the ready peers in view that lack nothing, here or at another ready node. */
export const holders = (node: NodeState): readonly Pid[] => {
  const ready = readyInView(node)
  // Also by one that has left ready since: what it acknowledged without the accused it acknowledged before.
  const accused = new Set(node.members.view.flatMap((pid) => node.members.rows.get(pid)?.row.behind ?? []))
  return node.members.view.filter((pid) => {
    if (pid === node.meta.pid) return true
    const peer = node.peers.get(pid)
    return peer !== undefined && !accused.has(pid) && !peer.excluded && peer.missing.size === 0 && peer.holdsThrough >= peer.mustHold && ready.includes(pid)
  })
}

/** The size of the cluster: its members, up or not. */
export const memberCount = (node: NodeState): number => memberUrls(node).size
