// The life of a run: starting → recovering → syncing → ready → draining; when a node may serve, and when it must stop.
// Keeps [RDY1] (what ready means, empty nodes, bootstrap, alone), [LIV3] (self-suspicion), and the part of [REP6] that a node applies to itself.
//
//   starting ──boot on disk, directory loaded──▶ recovering ──a peer in view, or nobody to wait for──▶ syncing ──synced──▶ ready
//                                                    ▲────────── paused, behind, own commit slow ─────────────────────────│

import { type DocumentName, MEMBERS_DOCUMENT, type Pid } from '../../crdt-schema/ids.ts'
import { isBroken } from '../../crdt-schema/mutation.ts'
import { addMember, removeMember, setClusterId } from '../../crdt-schema/members.ts'
import { FAST_IN_ROW, commitAgeMs } from './commits.ts'
import { stepDown } from './coordinator.ts'
import type { Phase } from './desk.ts'
import { dropDocuments, editDocument, isDirectoryDocument, isGone, pinDocument } from './documents.ts'
import { failAsking } from './granting.ts'
import { memberUrls, refreshPeers } from './links.ts'
import { isRemoved, readyInView } from './members.ts'
import { isSlowOne } from './replication.ts'
import { type NodeState, log, remember } from './state.ts'

export const setPhase = (node: NodeState, phase: Phase): void => {
  if (node.phase === phase) return
  log(node, 'info', phase === 'ready' ? 'ready' : 'phase', { phase, after: node.phase, ms: Math.round(node.now.monotonicMs - node.startedMs) })
  node.phase = phase
  if (phase !== 'ready') node.isSynced = false
  node.phaseSinceMs = node.now.monotonicMs
  node.members.heartbeatDue = true
  if (phase === 'ready') {
    node.wasReady = true
    node.unclean = false
    remember(node, 'ready', node.meta.pid)
  }
}

/** Loads and keeps every directory document that this node holds. */
export const pinDirectory = (node: NodeState): void => {
  for (const name of node.documents.heads.keys()) {
    if (isDirectoryDocument(name) && !node.pinned.has(name)) {
      node.pinned.add(name)
      pinDocument(node, name)
    }
  }
}

const isDirectoryLoaded = (node: NodeState): boolean => [...node.pinned].every((name: DocumentName) => node.documents.loaded.has(name))

/** The node did not run for longer than others tolerate: it trusts nothing of what it knew about now [LIV3]. */
export const suspectSelf = (node: NodeState, unobservedMs: number): void => {
  log(node, 'warn', 'paused', { ms: Math.round(unobservedMs) })
  for (const peer of node.peers.values()) {
    if (peer.lastHeardMs > -Infinity) peer.lastHeardMs = node.now.monotonicMs
    if (peer.pull !== null) peer.pull.progressMs = node.now.monotonicMs
    for (const seq of peer.unacknowledged.keys()) peer.unacknowledged.set(seq, node.now.monotonicMs)
  }
  for (const seen of node.members.rows.values()) seen.seenMs = node.now.monotonicMs
  // No wait runs on across a pause: others may have gone on meanwhile, and what was pulled before it is old.
  node.alone = null
  node.lookingSinceMs = node.now.monotonicMs
  for (const peer of node.peers.values()) peer.synced = false
  stepDown(node, 'paused')
  failAsking(node)
  if (node.phase === 'ready') becomeSyncing(node, 'paused')
}

/** Stops serving until everything that ready peers hold has been pulled again. Alone in view there is nobody to pull from. */
export const becomeSyncing = (node: NodeState, reason: string): void => {
  if (node.phase !== 'ready') return
  log(node, 'warn', 'left-ready', { reason })
  stepDown(node, 'this node is not ready')
  for (const peer of node.peers.values()) {
    peer.synced = false
    peer.pull = null
  }
  setPhase(node, 'syncing')
}

/** Each tick: moves the phase on, or back. */
export const tendReadiness = (node: NodeState): void => {
  if (node.phase === 'starting' && node.commits.committedThrough >= node.bootCommit && isDirectoryLoaded(node)) {
    // A crash between a fact and the rows it removes leaves rows that count no more [DOC8].
    dropDocuments(node, [...node.documents.heads.keys()].filter((name) => isGone(node, name)))
    refreshPeers(node) // whoever joined stands in the members document, which is loaded only now
    setPhase(node, 'recovering')
  }
  if (node.phase === 'recovering' || node.phase === 'syncing') {
    if (node.meta.clusterId === null) tendEmpty(node)
    else if (noteSynced(node, isSynced(node)) && isRelied(node)) {
      node.coordinator.leapDue = isUnwitnessed(node)
      setPhase(node, 'ready')
      noteLastView(node)
    } else if (node.phase === 'recovering' && node.members.view.length > 1) setPhase(node, 'syncing')
  }
  if (node.phase !== 'ready') return
  noteLastView(node)
  if (commitAgeMs(node) > node.config.ackTimeoutMs) becomeSyncing(node, 'own commit is slow')
  if (isSlowOne(node)) becomeSyncing(node, 'every other ready node acknowledges late')
  const accuser = node.members.view.find((pid) => isAccusedBy(node, pid) && isHeardSinceReady(node, pid))
  if (accuser !== undefined) becomeSyncing(node, `node ${accuser} found this node behind`)
}

/** An accusation older than this node's last sync is answered already; a row must be newer than that to count. */
const isHeardSinceReady = (node: NodeState, pid: Pid): boolean => (node.members.rows.get(pid)?.seenMs ?? 0) > node.phaseSinceMs

const isSynced = (node: NodeState): boolean => {
  if (isRemoved(node, node.meta.nodeId)) return false
  if (isBroken('no-ready-gate')) return true
  const others = node.members.view.filter((pid) => pid !== node.meta.pid)
  const accusers = others.filter((pid) => isAccusedBy(node, pid))
  for (const pid of accusers) pullAgain(node, pid)
  if (accusers.length > 0 || isDiskSlow(node) || isSlowOne(node)) return false
  const ready = readyInView(node).filter((pid) => pid !== node.meta.pid)
  const isSyncedWith = (pid: Pid): boolean => node.peers.get(pid)?.synced === true
  if (ready.length > 0) {
    node.alone = null
    return ready.every((pid) => isSyncedWith(pid) && isHeldBy(node, pid))
  }
  const withData = others.filter((pid) => node.members.rows.get(pid)?.row.hasData === true)
  if (!withData.every(isSyncedWith)) return false
  return (isLastViewThere(node) && hasLookedAround(node)) || isAloneLongEnough(node)
}

/** Nobody who serves can tell it which epochs it has coordinated, and not everybody is here who might know. */
const isUnwitnessed = (node: NodeState): boolean =>
  readyInView(node).every((pid) => pid === node.meta.pid) && [...memberUrls(node).keys()].some((pid) => !node.members.view.includes(pid))

/** Whether every peer was tried and those that answered are in view: a node is not alone before it has looked. */
const hasLookedAround = (node: NodeState): boolean =>
  node.now.monotonicMs - node.lookingSinceMs > node.config.deadMs ||
  [...node.peers.values()].every((peer) => node.members.view.includes(peer.pid) || (peer.link === null && peer.dialAttempt > 0))

/**
 * Whether everybody is in view whom this node last saw ready, and whom those last saw, and so on: only then can no other node know
 * more. (After D. Skeen, "Determining the last process to fail", 1985. Without the closure a node that was left behind early would
 * find its own old company complete, while one of them had gone on with a third.)
 */
const isLastViewThere = (node: NodeState): boolean => {
  const members = memberUrls(node)
  const awaited = new Set<Pid>(node.meta.lastView)
  for (const pid of awaited) {
    if (!members.has(pid) || pid === node.meta.pid) continue
    if (!node.members.view.includes(pid)) return false
    for (const next of node.members.rows.get(pid)?.row.lastView ?? []) awaited.add(next)
  }
  return awaited.size > 0
}

/**
 * Also by a node that is not ready, or no more: what it settled without this one others may have shown, and two nodes that give each
 * other up at once would else never see each other ready and accusing. Both fetch from each other, ready or not, and take it back.
 */
const isAccusedBy = (node: NodeState, pid: Pid): boolean => {
  const row = node.members.rows.get(pid)?.row
  return row !== undefined && row.behind.includes(node.meta.pid) && !isRemoved(node, row.nodeId)
}

/** It still calls this node behind after the last pull from it had ended: only another pull can show that it is not [REP6]. */
const pullAgain = (node: NodeState, pid: Pid): void => {
  const peer = node.peers.get(pid)
  if (peer?.synced === true && node.now.monotonicMs - peer.pulledMs > node.config.heartbeatMs * 2) peer.synced = false
}

/** A slow disk is tried out until it has been quick a few times in a row: a node that came back too early would delay all again [REP6]. */
const isDiskSlow = (node: NodeState): boolean => {
  if (commitAgeMs(node) > node.config.ackTimeoutMs) return true
  if (node.commits.fastInRow >= FAST_IN_ROW) return false
  node.metaChanged = true
  return true
}

/**
 * Whether a ready peer holds what this node had when they met. Synced goes both ways: what this node logged just before it died may be
 * on no other disk, and whoever reads it here must find it there as well [STO2].
 */
const isHeldBy = (node: NodeState, pid: Pid): boolean => {
  const peer = node.peers.get(pid)
  return peer !== undefined && (peer.excluded || peer.holdsThrough >= peer.mustHold)
}

const noteSynced = (node: NodeState, synced: boolean): boolean => {
  if (node.isSynced !== synced) node.members.heartbeatDue = true
  node.isSynced = synced
  return synced
}

/**
 * Whether every ready node has this one in its lastView on disk. What they rely on after its death is their disk: if it served before
 * that, one of them might come back alone and not know that it must wait. A ready node that cannot write soon leaves ready itself.
 */
const isRelied = (node: NodeState): boolean =>
  readyInView(node).every((pid) => pid === node.meta.pid || node.members.rows.get(pid)?.row.lastView.includes(node.meta.pid) === true)

/** Some of the nodes last seen together are missing: what they had acknowledged may be missing here. Given up after aloneMs. */
const isAloneLongEnough = (node: NodeState): boolean => {
  if (node.config.aloneMs === null) return false
  const view = node.members.view.join()
  if (node.alone === null || node.alone.view !== view) node.alone = { sinceMs: node.now.monotonicMs, view }
  if (node.now.monotonicMs - node.alone.sinceMs < node.config.aloneMs) return false
  log(node, 'warn', 'alone', { view, lastView: node.meta.lastView.join() })
  return true
}

/**
 * The ready nodes seen together, this one among them, and those that wait only for standing here. Whoever stands here and is still in
 * view stays: it may have become ready at the same moment, and go on alone if this node freezes before it hears so.
 */
const noteLastView = (node: NodeState): void => {
  const ready = readyInView(node)
  const { lastView } = node.meta
  const company = node.members.view.filter((pid) => ready.includes(pid) || lastView.includes(pid) || node.members.rows.get(pid)?.row.isSynced === true)
  if (company.join() === lastView.join()) return
  node.meta.lastView = company
  node.metaChanged = true
}

// ---- empty nodes

/** A node without data waits for one with data, or is among those that begin a cluster [RDY1]. */
const tendEmpty = (node: NodeState): void => {
  const others = node.members.view.filter((pid) => pid !== node.meta.pid)
  const withData = others.filter((pid) => node.members.rows.get(pid)?.row.hasData === true)
  if (withData.length > 0) {
    if (withData.some((pid) => node.peers.get(pid)?.synced === true)) joinCluster(node)
    else if (node.phase === 'recovering') setPhase(node, 'syncing')
    return
  }
  if (node.members.heardData || node.config.joinUrl !== null || node.members.view[0] !== node.meta.pid) return
  const everyoneIsEmpty = [...node.config.peers.keys()].every((pid) => node.members.view.includes(pid))
  const waitedMs = node.now.monotonicMs - node.lookingSinceMs
  if (everyoneIsEmpty || (node.config.bootstrap && waitedMs >= node.config.bootstrapMs)) bootstrap(node)
}

/** Everything of a node with data is here now: this directory belongs to that cluster. */
const joinCluster = (node: NodeState): void => {
  node.meta.clusterId = node.config.clusterId
  node.metaChanged = true
  announce(node)
}

const bootstrap = (node: NodeState): void => {
  editDocument(node, MEMBERS_DOCUMENT, (doc) => setClusterId(doc, node.config.clusterId))
  joinCluster(node)
  node.meta.lastView = [node.meta.pid]
  log(node, 'info', 'bootstrapped', { clusterId: node.config.clusterId })
}

/**
 * Writes this node into the members document, unless it stands there already. Whoever stood there under its pid is removed: there is one
 * directory for a pid, and this one is up, which the old one would have kept it from [REP7].
 */
export const announce = (node: NodeState): void => {
  const known = node.directory.memberOf(node.meta.nodeId)
  if (known !== null && (known.url === node.config.url || known.removed)) return
  const { pid, nodeId, hlc } = node.meta
  const replaced = known === null ? node.directory.members().filter((member) => member.pid === pid && member.nodeId !== nodeId && !member.removed) : []
  editDocument(node, MEMBERS_DOCUMENT, (doc) => {
    addMember(doc, { pid, nodeId, url: node.config.url, hlc })
    for (const old of replaced) removeMember(doc, old.nodeId, hlc)
  })
}
