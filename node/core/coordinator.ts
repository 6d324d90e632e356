// Who coordinates: claims, promises, and when to step down. The grants themselves are in granting.ts.
// Keeps [COO1] (the lowest ready pid of a quiet set claims), [COO2] (settle what was collected first), [COO3] (only while all promise this epoch).
//
//   follower ──lowest ready, set quiet──▶ claiming ──all promised──▶ coordinating
//      ▲──────── lower ready pid, another promise, not ready, suspicion ────────│

import { type Epoch, type Pid, createEpoch, epochCounter, epochPid } from '../../crdt-schema/ids.ts'
import { isBroken } from '../../crdt-schema/mutation.ts'
import type { PeerMessage } from '../../crdt-schema/peer-wire.ts'
import { startClaimPull } from './catch-up.ts'
import { latestCommit } from './commits.ts'
import { eligible } from './coordinator-view.ts'
import { digestToHex } from './digest.ts'
import { isDirectoryDocument } from './documents.ts'
import { settleCollected } from './granting.ts'
import { sendAfter, sendTo } from './links.ts'
import { readyInView } from './members.ts'
import { randomBytes } from './node-desk.ts'
import { noteEpoch, raisePromise } from './promises.ts'
import { type Coordinator, type NodeState, log, remember } from './state.ts'

/** A claim that is not answered by all within this is made anew. */
const CLAIM_TIMEOUT_MS = 1_500
const LOSSES_WINDOW_MS = 600_000
const LOSSES_FREE = 2
/** The first wait of a node that lost the role too often: longer than a node that flaps in seconds stays up. */
const HOLD_BACK_MS = 15_000
/** Far more epochs than one node coordinates while another is away, and few enough that an epoch stays an exact number for ever. */
const LEAP_MAX = 2 ** 24

export const createCoordinator = (): Coordinator => ({
  role: 'follower', epoch: 0 as Epoch, readySet: '', readySetSinceMs: 0, answered: new Map(), asked: new Set(), collected: [], nextOrder: 1,
  jobs: [], holdUntilMs: -Infinity, highestCounter: 0, leapDue: false, settledBy: 0, tellsSettled: false, upkeepMs: 0, mergedMs: null, confirmedMs: 0
})

/** Each tick, and whenever a row, a promise or the phase has changed. */
export const tendCoordinator = (node: NodeState): void => {
  const { coordinator } = node
  const ready = readyInView(node)
  const readySet = ready.join()
  if (readySet !== coordinator.readySet) {
    coordinator.readySet = readySet
    coordinator.readySetSinceMs = node.now.monotonicMs
    holdBackIfUnsteady(node)
  }
  for (const pid of ready) noteEpoch(node, (node.members.rows.get(pid)?.row.promised ?? 0) as Epoch)
  const isLowest = node.phase === 'ready' && eligible(node)[0] === node.meta.pid
  if (coordinator.role !== 'follower' && node.phase !== 'ready') stepDown(node, 'this node is not ready')
  if (coordinator.role !== 'follower' && !isLowest) handOver(node)
  if (coordinator.role === 'coordinating' && ready.some((pid) => pid !== node.meta.pid && (node.members.rows.get(pid)?.row.promised ?? 0) > coordinator.epoch)) stepDown(node, 'a member promised another epoch')
  if (coordinator.role !== 'follower' && node.meta.promised > coordinator.epoch) stepDown(node, 'this node took over a higher promise')
  if (coordinator.role === 'coordinating' && ready.some((pid) => pid !== node.meta.pid && hasPromisedLess(node, pid))) reclaim(node)
  if (coordinator.role === 'follower' && isLowest && node.now.monotonicMs - coordinator.readySetSinceMs >= node.config.settleMs) claim(node)
  if (coordinator.role === 'claiming') tendClaim(node, ready)
}

/** A member became ready without this epoch's promise, as after a split: its promise must be asked for [COO3]. */
const hasPromisedLess = (node: NodeState, pid: Pid): boolean =>
  (node.members.rows.get(pid)?.row.promised ?? 0) < node.coordinator.epoch && node.coordinator.answered.get(pid) !== runOf(node, pid)

/** Which run of a member this is: what it promised in it stands, whatever the row says that is still on its way through others. */
const runOf = (node: NodeState, pid: Pid): string => {
  const row = node.members.rows.get(pid)?.row
  return row === undefined ? 'unknown' : `${row.nodeId} ${row.boot}`
}

const reclaim = (node: NodeState): void => {
  if (node.now.monotonicMs - node.coordinator.readySetSinceMs < node.config.settleMs) return
  stepDown(node, 'a ready member has not promised this epoch')
}

const isRecent = (node: NodeState, atMs: number): boolean => Math.abs(node.now.wallMs - atMs) < LOSSES_WINDOW_MS

/** How often this node lost the role by what happened to itself, of late. */
const recentLosses = (node: NodeState): number => node.meta.roleLostMs.filter((at) => isRecent(node, at)).length

const noteLoss = (node: NodeState): void => {
  node.meta.roleLostMs = [...node.meta.roleLostMs.filter((at) => isRecent(node, at)), node.now.wallMs].slice(-16)
  node.metaChanged = true
}

/**
 * At a start: a run that ended while it coordinated has lost the role, and one that would have had to wait has shown that it was right to
 * [COO1]. Without the second a node that goes on flapping would be trusted again as soon as its losses are old.
 */
export const noteEndOfLastRun = (node: NodeState): void => {
  if (node.meta.coordinated || recentLosses(node) > LOSSES_FREE) noteLoss(node)
  node.meta.coordinated = false
}

/**
 * A node that lost the role too often leaves it to others, if there are any who may take it, until the ready members have been the same
 * for a while, the longer the more it lost [COO1]. As routers damp routes that flap (RFC 2439): what comes and goes is believed again
 * when it has been steady, and a fault during the wait begins a longer one.
 */
const holdBackIfUnsteady = (node: NodeState): void => {
  const excess = recentLosses(node) - LOSSES_FREE
  if (excess <= 0 || node.coordinator.role !== 'follower') return
  node.coordinator.holdUntilMs = node.now.monotonicMs + Math.min(node.config.settleMsMax, HOLD_BACK_MS * 2 ** (excess - 1))
}

/**
 * How far above all that it remembers a node claims. Its disk may be an old copy that somebody put back: if nobody could tell it so, it
 * has coordinated epochs that it does not remember, and must not coordinate them once more, with other grants under the same numbers.
 */
const stepOf = (node: NodeState): number => {
  const isLeap = node.coordinator.leapDue && readyInView(node).length === 1
  node.coordinator.leapDue = false
  return isLeap ? (new DataView(randomBytes(node, 4).buffer).getUint32(0) % LEAP_MAX) + 1 : 1
}

const claim = (node: NodeState): void => {
  const { coordinator } = node
  coordinator.role = 'claiming'
  coordinator.epoch = createEpoch(Math.max(coordinator.highestCounter, epochCounter(node.meta.promised)) + stepOf(node), node.meta.pid)
  coordinator.readySetSinceMs = node.now.monotonicMs
  coordinator.answered.clear()
  coordinator.asked.clear()
  coordinator.collected = []
  // What was pulled to complete an earlier claim says nothing of this one.
  for (const peer of node.peers.values()) peer.claimPull = null
  raisePromise(node, coordinator.epoch)
  coordinator.settledBy = latestCommit(node)
  log(node, 'info', 'claim', { epoch: epochCounter(coordinator.epoch) })
}

const tendClaim = (node: NodeState, ready: readonly Pid[]): void => {
  const { coordinator } = node
  if (node.now.monotonicMs - coordinator.readySetSinceMs > CLAIM_TIMEOUT_MS) {
    coordinator.role = 'follower'
    coordinator.readySetSinceMs = node.now.monotonicMs
    return
  }
  if (node.commits.committedThrough < coordinator.settledBy) return
  const others = ready.filter((pid) => pid !== node.meta.pid)
  for (const pid of others) {
    if (!coordinator.asked.has(pid)) {
      coordinator.asked.add(pid)
      sendTo(node, pid, { type: 'claim', epoch: coordinator.epoch })
    }
    if (node.peers.get(pid)?.claimPull?.status === 'done' && coordinator.asked.has(pid)) coordinator.answered.set(pid, runOf(node, pid))
  }
  if (others.every((pid) => coordinator.answered.has(pid))) becomeCoordinating(node)
}

const becomeCoordinating = (node: NodeState): void => {
  const { coordinator } = node
  coordinator.role = 'coordinating'
  coordinator.nextOrder = 1
  coordinator.jobs = []
  node.meta.coordinated = true
  node.metaChanged = true
  node.members.heartbeatDue = true
  settleCollected(node)
  remember(node, 'coordinates', node.meta.pid)
  log(node, 'info', 'coordinating', { epoch: epochCounter(coordinator.epoch) })
}

/**
 * Gives up the role for something that happened to this node, which is remembered [COO1]; so is a pause while it holds back. Grants
 * under way stay tentative on disk: whoever coordinates next settles them.
 */
export const stepDown = (node: NodeState, reason: string): void => {
  if (node.coordinator.role === 'coordinating' || (reason === 'paused' && node.now.monotonicMs < node.coordinator.holdUntilMs)) noteLoss(node)
  giveUp(node, reason)
}

/** Gives up the role to a node that comes before this one: no fault of its own. */
const handOver = (node: NodeState): void => giveUp(node, 'another is lower')

const giveUp = (node: NodeState, reason: string): void => {
  const { coordinator } = node
  if (coordinator.role === 'coordinating') {
    log(node, 'info', 'stepped-down', { reason })
    node.meta.coordinated = false
    node.metaChanged = true
    node.members.heartbeatDue = true
  }
  coordinator.role = 'follower'
  coordinator.jobs = []
  coordinator.readySetSinceMs = node.now.monotonicMs
}

/** Somebody claims an epoch: promised only if no lower ready pid is seen and nothing higher was promised [COO1]. */
export const onClaim = (node: NodeState, from: Pid, { epoch }: Extract<PeerMessage, { type: 'claim' }>): void => {
  noteEpoch(node, epoch)
  const lowest = eligible(node)[0]
  const hasLower = lowest !== undefined && lowest < epochPid(epoch)
  if (epoch < node.meta.promised || hasLower || epochPid(epoch) !== from) {
    sendAfter(node, from, latestCommit(node), { type: 'promise', epoch, accepted: false, promised: node.meta.promised, digests: [], tentative: [] })
    return
  }
  if (node.coordinator.role !== 'follower') handOver(node)
  raisePromise(node, epoch)
  const digests = [...node.documents.heads].filter(([name]) => isDirectoryDocument(name)).map(([document, head]) => ({ document, digest: head.digest === null ? '' : digestToHex(head.digest) }))
  sendAfter(node, from, latestCommit(node), { type: 'promise', epoch, accepted: true, promised: epoch, digests, tentative: node.meta.tentative })
}

export const onPromise = (node: NodeState, from: Pid, promise: Extract<PeerMessage, { type: 'promise' }>): void => {
  const { coordinator } = node
  noteEpoch(node, promise.promised)
  const peer = node.peers.get(from)
  if (coordinator.role !== 'claiming' || promise.epoch !== coordinator.epoch || peer === undefined) return
  if (!promise.accepted) {
    coordinator.role = 'follower'
    coordinator.readySetSinceMs = node.now.monotonicMs
    return
  }
  if (isBroken('no-flush')) return void coordinator.answered.set(from, runOf(node, from))
  coordinator.collected.push(...promise.tentative)
  startClaimPull(node, peer, promise.digests)
}
