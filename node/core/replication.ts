// Live replication: pushing commits, acknowledging those of others, and deciding what is acknowledged and settled.
// Keeps [REP3] (push, cumulative acknowledgement, relay of what somebody in view lacks), [REP4], [REP6] (behind is neither waited for nor counted).
// When an origin is gone before it said what its view holds, every survivor logs its unsettled pushes again as its own: adoption.

import type { Pid } from '../../crdt-schema/ids.ts'
import { isBroken } from '../../crdt-schema/mutation.ts'
import { type PeerMessage, encodePeerMessage } from '../../crdt-schema/peer-wire.ts'
import { latestCommit, logOwn, noteForeign, raiseThresholds } from './commits.ts'
import { isGone, receiveUpdate, requireDocument } from './documents.ts'
import { closeHoles, directPeers, sendBytes, sendTo } from './links.ts'
import { holders, readyInView, requiredPeers } from './members.ts'
import { type NodeState, type Peer, type PendingCommit, log } from './state.ts'

type Push = Extract<PeerMessage, { type: 'push' }>

/** Unacknowledged pushes remembered for one peer; past this it must prove by a pull that it holds them. */
const UNACKNOWLEDGED_MAX = 10_000

/** Pushes a commit that has returned to every node in view, and acknowledges the pushes of others that it holds. */
export const pushCommit = (node: NodeState, pending: PendingCommit): void => {
  for (const [origin, pushes] of pending.foreign) acknowledge(node, origin, pushes)
  if (pending.own.length === 0) return
  pending.previous = node.commits.lastPushed
  node.commits.lastPushed = pending.seq
  const direct = directPeers(node)
  if (direct.length > 0) sendBytes(direct, encodePeerMessage(toPush(node, pending, direct.map((peer) => peer.pid))), pending.seq)
  for (const pid of node.members.view) if (pid !== node.meta.pid) noteUnacknowledged(node, pid, pending.seq)
  for (const peer of direct) noteUnacknowledged(node, peer.pid, pending.seq)
}

const toPush = (node: NodeState, pending: PendingCommit, sentTo: readonly Pid[]): Push => ({
  type: 'push', origin: node.meta.pid, boot: node.meta.boot, seq: pending.seq, previous: pending.previous,
  sentTo: [node.meta.pid, ...sentTo], updates: pending.own
})

const noteUnacknowledged = (node: NodeState, pid: Pid, seq: number): void => {
  const peer = node.peers.get(pid)
  if (peer === undefined || peer.unacknowledged.has(seq)) return
  peer.unacknowledged.set(seq, node.now.monotonicMs)
  if (peer.unacknowledged.size <= UNACKNOWLEDGED_MAX) return
  peer.missingThrough = seq
  peer.unacknowledged.clear()
  peer.missing.clear()
  peer.missing.add(seq)
  peer.excluded = true
}

/** A neighbour is there (again): all that is not acknowledged by it goes to it, now [REP3]. */
export const pushUnacknowledged = (node: NodeState, to: Pid): void => {
  for (const pending of node.commits.pending) {
    if (pending.own.length === 0 || pending.ackedBy.has(to)) continue
    noteUnacknowledged(node, to, pending.seq)
    sendTo(node, to, toPush(node, pending, node.members.view))
  }
}

/** Takes in another node's commit: logged with this turn's commit, acknowledged when that returns, passed on to those who lack it. */
export const onPush = (node: NodeState, from: Pid, push: Push): 'gap' | 'complete' | 'bad' => {
  const origin = node.peers.get(push.origin)
  relayPush(node, push)
  if (origin === undefined || push.origin === node.meta.pid) return 'complete'
  const isKnownRun = origin.boot === push.boot
  // An origin out of view, or of a run not met yet, answers for nothing here: what it pushed and is new here is this node's own from the start.
  const isAnsweredFor = isKnownRun && node.members.view.includes(push.origin)
  const isInSnapshot = isBroken('snapshot-before-subscribe') && origin.pull !== null && origin.pull.status !== 'done'
  if (isKnownRun && (isInSnapshot || push.seq <= origin.heldPush || origin.heldAbove.has(push.seq))) {
    acknowledgeAgain(node, push)
    return 'complete'
  }
  let outcome: 'gap' | 'complete' = 'complete'
  const updates = push.updates.filter(({ document }) => !isGone(node, document))
  for (const { document, update } of updates) {
    if (!isAnsweredFor) requireDocument(node, document) // only there can be seen what is new, when this goes round
    const received = receiveUpdate(node, push.origin, document, update, isAnsweredFor ? 'as-received' : 'as-done')
    if (received === 'bad') return 'bad'
    if (received === 'gap') outcome = 'gap'
  }
  noteForeign(node, push.origin, push.boot, push.seq, updates)
  if (!isKnownRun) return outcome
  if (push.previous <= origin.heldPush || isBroken('snapshot-before-subscribe')) {
    origin.heldPush = push.seq
    closeHoles(origin)
  } else {
    origin.heldAbove.set(push.seq, push.previous)
    if (from === push.origin) outcome = 'gap'
  }
  return outcome
}

const relayPush = (node: NodeState, push: Push): void => {
  const missing = node.members.view.filter((pid) => pid !== node.meta.pid && pid !== push.origin && !push.sentTo.includes(pid))
  const direct = directPeers(node).filter((peer) => missing.includes(peer.pid))
  if (direct.length === 0 || isBroken('no-relay')) return
  const relayed: Push = { ...push, sentTo: [...new Set([...push.sentTo, node.meta.pid, ...direct.map((peer) => peer.pid)])] }
  sendBytes(direct, encodePeerMessage(relayed), 0)
}

const acknowledge = (node: NodeState, origin: Pid, pushes: readonly { readonly boot: number; readonly seq: number }[]): void => {
  for (const boot of new Set(pushes.map((push) => push.boot))) {
    sendTo(node, origin, { type: 'ack', boot, seqs: pushes.filter((push) => push.boot === boot).map((push) => push.seq) })
  }
}

/** A push that came twice is acknowledged again, but not before the commit that holds it has returned. */
const acknowledgeAgain = (node: NodeState, push: Push): void => {
  const holds = (foreign: PendingCommit['foreign']): boolean => foreign.get(push.origin)?.some(({ boot, seq }) => boot === push.boot && seq === push.seq) ?? false
  if (holds(node.commits.open.foreign) || (node.commits.writing !== null && holds(node.commits.writing.record.foreign))) return
  acknowledge(node, push.origin, [push])
}

/** A peer has these pushes in a commit of its own. */
export const onAck = (node: NodeState, from: Pid, boot: number, seqs: readonly number[]): void => {
  const peer = node.peers.get(from)
  if (peer === undefined || boot !== node.meta.boot) return
  const acked = new Set(seqs)
  for (const seq of seqs) {
    const sentMs = peer.unacknowledged.get(seq)
    if (sentMs !== undefined) peer.roundTripMs = node.now.monotonicMs - sentMs
    peer.unacknowledged.delete(seq)
    peer.missing.delete(seq)
  }
  for (const pending of node.commits.pending) if (acked.has(pending.seq)) pending.ackedBy.add(from)
}

/** A peer holds everything that this node's feed held up to `through`: as good as acknowledging each [REP1]. */
export const onHolds = (node: NodeState, from: Pid, through: number): void => {
  const peer = node.peers.get(from)
  if (peer === undefined) return
  peer.holdsThrough = Math.max(peer.holdsThrough, through)
  for (const seq of peer.unacknowledged.keys()) if (seq <= through) peer.unacknowledged.delete(seq)
  for (const seq of peer.missing) if (seq <= through) peer.missing.delete(seq)
  for (const pending of node.commits.pending) if (pending.seq <= through) pending.ackedBy.add(from)
  readmit(node, peer)
}

/** A peer that holds everything it had missed is waited for again, unless it says that its disk is still slow. */
const readmit = (node: NodeState, peer: Peer): void => {
  if (!peer.excluded || peer.holdsThrough < peer.missingThrough || node.members.rows.get(peer.pid)?.row.isSlow === true) return
  peer.excluded = false
  node.members.heartbeatDue = true
  log(node, 'info', 'peer-caught-up', { peer: peer.pid })
}

/** An origin's own word on how far its view acknowledged its pushes. */
export const onSettled = (node: NodeState, from: Pid, boot: number, through: number): void => {
  const peer = node.peers.get(from)
  if (peer !== undefined && peer.boot === boot) peer.settledThrough = Math.max(peer.settledThrough, through)
}

/** Marks peers in view that leave pushes unacknowledged too long: they cost others this wait once [REP6]. */
export const markBehind = (node: NodeState): void => {
  for (const pid of node.members.view) {
    const peer = node.peers.get(pid)
    if (peer === undefined) continue
    readmit(node, peer)
    if (!isOverdue(node, peer) || isDoubtful(node, peer)) continue
    exclude(node, peer)
    log(node, 'warn', 'peer-behind', { peer: pid })
  }
}

/** How long a peer has owed this node a word: since the oldest push it has not acknowledged, or since it fell silent with something pending. */
const owedMs = (node: NodeState, peer: Peer): number => {
  const [oldest = Infinity] = peer.unacknowledged.values()
  const { monotonicMs } = node.now
  const isSilent = peer.link !== null && monotonicMs - peer.lastHeardMs > node.config.ackTimeoutMs && hasPendingFor(node, peer.pid)
  return Math.max(0, monotonicMs - oldest, isSilent ? monotonicMs - peer.lastHeardMs : 0)
}

const isOverdue = (node: NodeState, peer: Peer): boolean => !peer.excluded && owedMs(node, peer) > node.config.ackTimeoutMs

/** What a peer took or has taken so far. The last round trip counts until the next: who answers late is late between two answers, too. */
const delayMs = (node: NodeState, peer: Peer): number => (peer.excluded ? Infinity : Math.max(owedMs(node, peer), peer.roundTripMs))

const otherReady = (node: NodeState): readonly Peer[] => readyInView(node).flatMap((pid) => node.peers.get(pid) ?? [])

const isHeardOf = (node: NodeState, { pid }: Peer): boolean => node.now.monotonicMs - (node.members.rows.get(pid)?.seenMs ?? -Infinity) <= node.config.heartbeatMs * 2

/**
 * Whether this node is the slow one: there are two other ready nodes or more, all are heard of, and each would have to be called behind.
 * Then it calls none of them so: it would acknowledge alone, they would have to believe it, and nobody would serve. It leaves ready
 * instead, which lets nothing settle, and waits for their acknowledgements. Who is not heard of may be gone, and is no reason to leave.
 */
export const isSlowOne = (node: NodeState): boolean => {
  const isAnyOverdue = [...node.peers.values()].some((peer) => isOverdue(node, peer))
  if (!isAnyOverdue) return false
  const others = otherReady(node)
  return others.length >= 2 && others.some((peer) => isOverdue(node, peer)) && others.every((peer) => delayMs(node, peer) > node.config.ackTimeoutMs && isHeardOf(node, peer))
}

/**
 * While every other ready node is late or not heard of, it is not known yet who is slow: one of them, this node, or nobody, they being
 * gone. Whoever is gone has left the view by deadMs. To wait for it is safe; to have given up too early cannot be taken back.
 */
const isDoubtful = (node: NodeState, peer: Peer): boolean => {
  const { ackTimeoutMs, deadMs } = node.config
  const others = otherReady(node)
  if (others.length < 2 || !others.includes(peer) || !others.every((other) => delayMs(node, other) > ackTimeoutMs / 2 || !isHeardOf(node, other))) return false
  return isSlowOne(node) || owedMs(node, peer) <= (others.every((other) => isHeardOf(node, other)) ? deadMs : deadMs * 2)
}

const hasPendingFor = (node: NodeState, pid: Pid): boolean =>
  node.commits.pending.some((pending) => (pending.own.length > 0 && !pending.ackedBy.has(pid)) || pending.foreign.has(pid))

const exclude = (node: NodeState, peer: Peer): void => {
  peer.excluded = true
  for (const seq of peer.unacknowledged.keys()) peer.missing.add(seq)
  peer.missingThrough = Math.max(peer.missingThrough, node.commits.committedThrough)
  peer.synced = false
  adoptFrom(node, peer.pid)
  // In the same frame as what it lets settle: nobody may count a copy that this node has given up waiting for.
  node.members.heartbeatMs = -Infinity
}

/** A peer left the view: nobody waits for it, and what it pushed without settling is adopted. */
export const onViewLost = (node: NodeState, pid: Pid): void => {
  const peer = node.peers.get(pid)
  if (peer === undefined) return
  peer.synced = false
  peer.unacknowledged.clear()
  peer.missing.clear()
  peer.excluded = false
  peer.missingThrough = 0
  adoptFrom(node, pid)
}

/** Logs an origin's unsettled pushes again as this node's own, so that this node finds out who in view holds them. */
const adoptFrom = (node: NodeState, origin: Pid): void => {
  if (isBroken('no-flush')) return
  const peer = node.peers.get(origin)
  const groups = [...node.commits.pending, node.commits.writing?.record, node.commits.open].flatMap((commit) => commit?.foreign.get(origin) ?? [])
  const unsettled = groups.filter(({ boot, seq }) => peer === undefined || peer.boot !== boot || seq > peer.settledThrough)
  for (const { updates } of unsettled) for (const { document, update } of updates) if (!isGone(node, document)) logOwn(node, document, update)
  if (unsettled.length === 0) return
  for (const commit of [...node.commits.pending, node.commits.writing?.record, node.commits.open]) {
    if (commit?.foreign.delete(origin)) commit.adoptedBy = latestCommit(node)
  }
  log(node, 'info', 'pushes-adopted', { peer: origin, count: unsettled.length })
}

/**
 * Raises the thresholds as far as the acknowledgements allow and tells the view how far this node's own commits are acknowledged.
 * Returns whether anything rose.
 */
export const settle = (node: NodeState): boolean => {
  if (node.commits.pending.length === 0) return false
  const before = node.commits.acknowledgedThrough
  const settled = raiseThresholds(node, requiredPeers(node))
  if (settled === null) return false
  const pids = holders(node)
  for (const commit of settled) {
    if (commit.own.length === 0) continue
    node.recent.push({ seq: commit.seq, pids })
    if (node.recent.length > 60) node.recent.shift()
    noteMissing(node, commit)
  }
  const { acknowledgedThrough, pending } = node.commits
  // Nobody waits to hear of a commit that holds nothing of this node's own.
  if ([...settled, ...pending].some((commit) => commit.own.length > 0 && commit.seq > before && commit.seq <= acknowledgedThrough)) {
    for (const pid of node.members.view) if (pid !== node.meta.pid) sendTo(node, pid, { type: 'settled', boot: node.meta.boot, through: acknowledgedThrough })
  }
  return true
}

const noteMissing = (node: NodeState, commit: PendingCommit): void => {
  for (const pid of node.members.view) {
    const peer = node.peers.get(pid)
    if (peer === undefined || commit.ackedBy.has(pid) || commit.seq <= peer.holdsThrough) continue
    peer.missing.add(commit.seq)
  }
}
