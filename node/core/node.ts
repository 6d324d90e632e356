// The machine: one event in, effects out, and nothing else [COR1]. Alone knows all the machines beside it and the order in which they act.
// Keeps [LIV3] (suspicion at the entry of every event), [STO1] and [REP4] (one record, one frame per peer and turn), [COR4] (a failed write ends the node).

import { type Hlc, NO_EPOCH, type Pid, mintNodeId } from '../../crdt-schema/ids.ts'
import { isBroken } from '../../crdt-schema/mutation.ts'
import { assert, unreachable } from '../../crdt-schema/prelude.ts'
import * as catchUp from './catch-up.ts'
import { deliverWaiting, notifyProduct, reactToChanges } from './changes.ts'
import * as clients from './clients.ts'
import { tendAgreedTime } from './cluster-time.ts'
import { FAST_IN_ROW, becomeCommitted, createOpenCommit, isOverfull, takeRecord } from './commits.ts'
import { assertConfig } from './config.ts'
import { createCoordinator, noteEndOfLastRun, tendCoordinator } from './coordinator.ts'
import { createDirectory } from './directory.ts'
import { onLoaded, onLoadFailed, tendDocuments } from './documents.ts'
import { tendDraining } from './draining.ts'
import type { Effect, Event, Now } from './events.ts'
import * as granting from './granting.ts'
import { createDocuments, restoreHeads } from './heads.ts'
import * as links from './links.ts'
import { createMembers, expireRows, mayAcknowledge } from './members.ts'
import { createDesk, randomBytes } from './node-desk.ts'
import * as peers from './peer-events.ts'
import { createPurging, tendPurging } from './purging.ts'
import { announce, pinDirectory, suspectSelf, tendReadiness } from './readiness.ts'
import { tendRemoved } from './removed.ts'
import * as replication from './replication.ts'
import * as requests from './requests.ts'
import { type Meta, type NodeState, stopNode } from './state.ts'
import * as streams from './streams.ts'

/** A node before its start event. */
export const createNode = (): NodeState => {
  const node: Partial<NodeState> = {
    effects: [], stopped: false, phase: 'starting', phaseSinceMs: 0, isSynced: false, storedLastView: [], wasReady: false, bootCommit: 0, pinned: new Set(), tickedMs: -Infinity, alone: null, drainSinceMs: null,
    metaChanged: false, documents: createDocuments(), changes: [], news: [], loadedNow: [], peers: new Map(), pidByLink: new Map(), members: createMembers(),
    coordinator: createCoordinator(), purging: createPurging(), asking: new Map(), questions: [], heldBack: [], nextId: 0, directory: createDirectory(), calls: requests.createCalls(), waitingAnswers: [],
    clients: clients.createClients(), streams: streams.createStreams(), history: [], recent: [], undelivered: new Set(), identity: null
  }
  // The rest is set by the start event, without which step() refuses every other.
  return node as NodeState
}

/**
 * Takes in one event and returns what is to be done, in order. `now` is read afresh for each event.
 * Throws InvariantError on a broken invariant: the shell must end the node.
 */
export const step = (node: NodeState, event: Event, now: Now): readonly Effect[] => {
  node.now = now
  node.effects = []
  if (event.type === 'start') {
    start(node, event)
    if (node.stopped) return node.effects
  } else {
    assert(node.meta !== undefined, 'an event before start')
    if (node.stopped) return []
    const unobservedMs = now.monotonicMs - node.observedMs
    node.observedMs = now.monotonicMs
    if (unobservedMs > node.config.pauseMs && node.phase !== 'starting' && !isBroken('no-fence-no-self-suspicion')) becomeSuspicious(node, unobservedMs)
    handle(node, event)
  }
  afterEvent(node)
  return node.effects
}

const start = (node: NodeState, { config, stored, seed }: Extract<Event, { type: 'start' }>): void => {
  assertConfig(config)
  node.config = config
  node.random = { seed, counter: 0 }
  node.desk = createDesk(node)
  node.startedMs = node.lookingSinceMs = node.observedMs = node.phaseSinceMs = node.now.monotonicMs
  node.startedWallMs = node.now.wallMs
  node.unclean = stored.unclean
  const seq = stored.lastCommit
  node.commits = { open: createOpenCommit(seq + 1), writing: null, committedThrough: seq, acknowledgedThrough: seq, settledThrough: seq, pending: [], lastPushed: 0, fastInRow: FAST_IN_ROW }
  node.shown = { acknowledged: seq, settled: seq }
  restoreHeads(node.documents, stored.heads)
  node.meta = restoreMeta(node, stored.meta)
  if (config.pid !== null && node.meta.pid !== config.pid) {
    return stopNode(node, 4, `The data directory belongs to node ${node.meta.pid}; nothing was changed. Start it with --pid ${node.meta.pid}, or give node ${config.pid} a directory of its own.`)
  }
  node.storedLastView = node.meta.lastView
  noteEndOfLastRun(node)
  node.metaChanged = true
  node.bootCommit = seq + 1
  const ids = new DataView(randomBytes(node, 8).buffer)
  node.clientIds = isBroken('reused-client-id') ? { node: 1_000 + node.meta.pid, owner: 2_000 + node.meta.pid } : { node: ids.getUint32(0), owner: ids.getUint32(4) }
  links.refreshPeers(node)
  pinDirectory(node)
}

/** Whose directory this state is from; null: nobody's yet. */
export const readStoredPid = (meta: string | null): Pid | null => (meta === null ? null : (JSON.parse(meta) as Meta).pid)

/** The state of the run before, or that of an empty directory; the boot is raised before any network [DOC6]. */
const restoreMeta = (node: NodeState, text: string | null): Meta => {
  const { config } = node
  if (text === null) {
    assert(config.pid !== null, 'a node without a pid must be granted one first')
    return { pid: config.pid, nodeId: config.nodeId ?? mintNodeId(randomBytes(node, 16)), boot: 1, clusterId: null, promised: NO_EPOCH, hlc: 0 as Hlc, lastView: [], tentative: [], held: {}, roleLostMs: [], agreedMs: 0, coordinated: false }
  }
  const meta: Meta = { agreedMs: 0, ...(JSON.parse(text) as Omit<Meta, 'agreedMs'>) }
  return { ...meta, boot: meta.boot + 1, hlc: isBroken('hlc-not-stored') ? (0 as Hlc) : meta.hlc }
}

const becomeSuspicious = (node: NodeState, unobservedMs: number): void => {
  suspectSelf(node, unobservedMs)
  requests.discardAnswers(node)
}

const handle = (node: NodeState, event: Exclude<Event, { type: 'start' }>): void => {
  switch (event.type) {
    case 'tick': return tick(node)
    case 'turn-end': return endTurn(node)
    case 'drain':
      node.drainSinceMs ??= node.now.monotonicMs
      return
    case 'link-up': return peers.onLinkUp(node, event)
    case 'link-frame': return peers.onLinkFrame(node, event)
    case 'link-down': return peers.onLinkDown(node, event.link)
    case 'link-full':
    case 'link-writable': return peers.onLinkPressure(node, event)
    case 'dial-failed': return peers.onDialFailed(node, event)
    case 'client-up': return clients.onClientUp(node.desk, node.clients, event)
    case 'client-frame': return clients.onClientFrame(node.desk, node.clients, event)
    case 'client-down': return clients.onClientDown(node.desk, node.clients, event)
    case 'client-full': return clients.onClientFull(node.desk, node.clients, event)
    case 'client-writable': return clients.onClientWritable(node.desk, node.clients, event)
    case 'request': return requests.onRequest(node, event)
    case 'request-aborted': return requests.onRequestAborted(node, event.call)
    case 'loaded': return onLoaded(node, event.document, event.updates)
    case 'load-failed': return onLoadFailed(node, event.document, event.reason)
    case 'committed': return onCommitted(node, event.seq)
    case 'commit-failed': return stopNode(node, 1, `Stopped: a write to the data directory failed (${event.reason}). Nothing acknowledged was lost. Check the disk and start again.`)
    case 'password-hashed': return requests.onPasswordHashed(node, event.job, event.hash)
    case 'password-verified': return requests.onPasswordVerified(node, event.job, event)
    case 'password-busy': return requests.onPasswordBusy(node, event.job)
    default: return unreachable(event)
  }
}

/** What follows from whatever the event did: product rules, thresholds, answers. */
const afterEvent = (node: NodeState): void => {
  reactToChanges(node)
  if (replication.settle(node)) {
    granting.tendJobs(node)
    reactToChanges(node)
    replication.settle(node)
  }
  show(node)
}

/** Lets clients know of thresholds that rose, as soon as this node may acknowledge. */
const show = (node: NodeState): void => {
  const { acknowledgedThrough: acknowledged, settledThrough: settled } = node.commits
  if (!mayAcknowledge(node)) return
  const hasRisen = node.shown.acknowledged !== acknowledged || node.shown.settled !== settled
  if (hasRisen) node.shown = { acknowledged, settled }
  if (hasRisen || node.waitingAnswers.length > 0) requests.releaseAnswers(node)
  if (hasRisen) notifyProduct(node)
}

// ---- time

const tick = (node: NodeState): void => {
  expireRows(node)
  links.closeSilentLinks(node)
  peers.updateView(node)
  replication.markBehind(node)
  if (node.phase !== 'starting') links.dialPeers(node)
  catchUp.answerQuestions(node)
  catchUp.continuePulls(node)
  catchUp.compareWithPeers(node)
  tendDocuments(node)
  tendReadiness(node)
  tendAgreedTime(node)
  updatePhase(node)
  tendCoordinator(node)
  granting.tendUpkeep(node)
  tendPurging(node)
  granting.tendJobs(node)
  granting.tendAsking(node)
  granting.tendTentative(node)
  deliverWaiting(node)
  requests.resumeCalls(node)
  clients.onTick(node.desk, node.clients)
  streams.onTick(node.desk, node.streams)
  const drained = tendDraining(node)
  if (drained !== null) return stopNode(node, 0, drained)
  const removed = tendRemoved(node)
  if (removed !== null) stopNode(node, 6, removed)
}

/** What must happen at once when this node becomes or leaves ready, whichever machine decided it. */
const updatePhase = (node: NodeState): void => {
  clients.onPhase(node.desk, node.clients, node.phase)
  if (node.phase === 'ready') announce(node)
}

const endTurn = (node: NodeState): void => {
  const { heartbeatMs, heartbeatDue } = node.members
  const isDue = node.now.monotonicMs - heartbeatMs >= node.config.heartbeatMs || (heartbeatDue && node.now.monotonicMs - heartbeatMs >= node.config.tickMs)
  if (isDue && node.phase !== 'starting') peers.sendHeartbeat(node)
  const record = takeRecord(node)
  if (record !== null) node.effects.push({ type: 'commit', record })
  links.releaseHeldBack(node)
  links.flushLinks(node)
}

// ---- storage

/** Tells the shell whom handshakes prove from now on: the boot and the cluster as they are on disk, whenever either has changed. */
const identify = (node: NodeState): void => {
  const { pid, nodeId, boot, clusterId } = node.meta
  const before = node.identity
  if (before?.boot === boot && before.clusterId === clusterId) return
  node.identity = { boot, clusterId }
  node.effects.push({ type: 'identify', pid, nodeId, boot, clusterId })
  // Live links were greeted under another boot: their pushes and acknowledgements would be taken for those of a run that is over.
  if (before !== null && before.boot !== boot) links.closeLinks(node)
}

const onCommitted = (node: NodeState, seq: number): void => {
  const wasOverfull = isOverfull(node)
  const pending = becomeCommitted(node, seq)
  if (seq >= node.bootCommit && !node.metaChanged) identify(node)
  replication.pushCommit(node, pending)
  links.releaseHeldBack(node)
  catchUp.continuePulls(node)
  granting.tendJobs(node)
  tendReadiness(node)
  if (wasOverfull) requests.resumeCalls(node)
}
