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
import { noteEpoch, raisePromise } from './promises.ts'
import { type Coordinator, type NodeState, log, remember } from './state.ts'

/** A claim that is not answered by all within this is made anew. */
const CLAIM_TIMEOUT_MS = 1_500
const LOSSES_WINDOW_MS = 600_000
const LOSSES_FREE = 2

export const createCoordinator = (): Coordinator => ({
  role: 'follower', epoch: 0 as Epoch, readySet: '', readySetSinceMs: 0, answered: new Set(), asked: new Set(), collected: [], nextOrder: 1,
  jobs: [], holdUntilMs: -Infinity, highestCounter: 0, settledBy: 0, tellsSettled: false, upkeepMs: 0, mergedMs: null, confirmedMs: 0
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
  if (coordinator.role !== 'follower' && !isLowest) stepDown(node, 'another is lower or this node is not ready')
  if (coordinator.role === 'coordinating' && ready.some((pid) => pid !== node.meta.pid && (node.members.rows.get(pid)?.row.promised ?? 0) > coordinator.epoch)) stepDown(node, 'a member promised another epoch')
  if (coordinator.role !== 'follower' && node.meta.promised > coordinator.epoch) stepDown(node, 'this node took over a higher promise')
  if (coordinator.role === 'coordinating' && ready.some((pid) => pid !== node.meta.pid && hasPromisedLess(node, pid))) reclaim(node)
  if (coordinator.role === 'follower' && isLowest && node.now.monotonicMs - coordinator.readySetSinceMs >= node.config.settleMs) claim(node)
  if (coordinator.role === 'claiming') tendClaim(node, ready)
}

/** A member became ready without this epoch's promise, as after a split: its promise must be asked for [COO3]. */
const hasPromisedLess = (node: NodeState, pid: Pid): boolean => (node.members.rows.get(pid)?.row.promised ?? 0) < node.coordinator.epoch

const reclaim = (node: NodeState): void => {
  if (node.now.monotonicMs - node.coordinator.readySetSinceMs < node.config.settleMs) return
  stepDown(node, 'a ready member has not promised this epoch')
}

const recentLosses = (node: NodeState): number => node.meta.roleLostMs.filter((at) => Math.abs(node.now.wallMs - at) < LOSSES_WINDOW_MS).length

/** How long a node that lost the role too often leaves it to others, if there are any who may take it [COO1]. */
const holdMs = (node: NodeState): number =>
  Math.min(node.config.settleMsMax, node.config.settleMs * 2 ** Math.max(0, recentLosses(node) - LOSSES_FREE))

const holdBackIfUnsteady = (node: NodeState): void => {
  if (recentLosses(node) > LOSSES_FREE && node.coordinator.role === 'follower') node.coordinator.holdUntilMs = node.now.monotonicMs + holdMs(node)
}

const claim = (node: NodeState): void => {
  const { coordinator } = node
  coordinator.role = 'claiming'
  coordinator.epoch = createEpoch(Math.max(coordinator.highestCounter, epochCounter(node.meta.promised)) + 1, node.meta.pid)
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
    if (node.peers.get(pid)?.claimPull?.status === 'done' && coordinator.asked.has(pid)) coordinator.answered.add(pid)
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

/** Gives up the role. Grants under way stay tentative on disk: whoever coordinates next settles them. */
export const stepDown = (node: NodeState, reason: string): void => {
  const { coordinator } = node
  if (coordinator.role === 'coordinating') {
    log(node, 'info', 'stepped-down', { reason })
    node.meta.roleLostMs = [...node.meta.roleLostMs.filter((at) => Math.abs(node.now.wallMs - at) < LOSSES_WINDOW_MS), node.now.wallMs].slice(-16)
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
  if (node.coordinator.role !== 'follower') stepDown(node, 'promised another')
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
  if (isBroken('no-flush')) return void coordinator.answered.add(from)
  coordinator.collected.push(...promise.tentative)
  startClaimPull(node, peer, promise.digests)
}
