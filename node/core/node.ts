// The machine: one event in, effects out, and nothing else [COR1]. Alone knows all the machines beside it and the order in which they act.
// Keeps [LIV3] (suspicion at the entry of every event), [STO1] and [REP4] (one record, one frame per peer and turn), [COR4] (a bad frame costs its link).

import type { Hlc, Pid } from '../../crdt-schema/ids.ts'
import { mintNodeId, NO_EPOCH } from '../../crdt-schema/ids.ts'
import { type PeerMessage, decodePeerFrame, decodePeerMessage } from '../../crdt-schema/peer-wire.ts'
import { assert, unreachable } from '../../crdt-schema/prelude.ts'
import * as catchUp from './catch-up.ts'
import { notifyProduct, reactToChanges } from './changes.ts'
import * as clients from './clients.ts'
import { FAST_IN_ROW, becomeCommitted, createOpenCommit, takeRecord } from './commits.ts'
import { assertConfig } from './config.ts'
import { createCoordinator, onClaim, onPromise, stepDown, tendCoordinator } from './coordinator.ts'
import { createDirectory } from './directory.ts'
import { onLoaded, onLoadFailed, tendDocuments } from './documents.ts'
import { tendDraining } from './draining.ts'
import type { Effect, Event, Now } from './events.ts'
import * as granting from './granting.ts'
import { createDocuments, restoreHeads } from './heads.ts'
import * as links from './links.ts'
import { createMembers, expireRows, mergeRows, ownRow, computeView } from './members.ts'
import { createDesk, randomBytes } from './node-desk.ts'
import { dropTentative, noteEpoch } from './promises.ts'
import { announce, pinDirectory, suspectSelf, tendReadiness } from './readiness.ts'
import * as replication from './replication.ts'
import * as requests from './requests.ts'
import { type Meta, type NodeState, type Peer, log, remember } from './state.ts'
import { createStreams } from './streams.ts'

/** A node before its start event. */
export const createNode = (): NodeState => {
  const node: Partial<NodeState> = {
    effects: [], stopped: false, phase: 'starting', phaseSinceMs: 0, wasReady: false, bootCommit: 0, pinned: new Set(), tickedMs: -Infinity, alone: null, drainSinceMs: null,
    metaChanged: false, documents: createDocuments(), changes: [], news: [], loadedNow: [], peers: new Map(), pidByLink: new Map(), members: createMembers(),
    coordinator: createCoordinator(), asking: new Map(), questions: [], heldBack: [], nextId: 0, directory: createDirectory(), calls: requests.createCalls(), waitingAnswers: [],
    clients: clients.createClients(), streams: createStreams(), history: [], recent: [], undelivered: new Set()
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
  if (event.type === 'start') start(node, event)
  else {
    assert(node.meta !== undefined, 'an event before start')
    if (node.stopped) return []
    const unobservedMs = now.monotonicMs - node.observedMs
    node.observedMs = now.monotonicMs
    if (unobservedMs > node.config.pauseMs && node.phase !== 'starting') becomeSuspicious(node, unobservedMs)
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
  node.startedMs = node.observedMs = node.phaseSinceMs = node.now.monotonicMs
  node.startedWallMs = node.now.wallMs
  node.unclean = stored.unclean
  const seq = stored.lastCommit
  node.commits = { open: createOpenCommit(seq + 1), writing: null, committedThrough: seq, acknowledgedThrough: seq, settledThrough: seq, pending: [], lastPushed: 0, fastInRow: FAST_IN_ROW }
  restoreHeads(node.documents, stored.heads)
  node.meta = restoreMeta(node, stored.meta)
  node.metaChanged = true
  node.bootCommit = seq + 1
  const ids = new DataView(randomBytes(node, 8).buffer)
  node.clientIds = { node: ids.getUint32(0), owner: ids.getUint32(4) }
  links.refreshPeers(node)
  pinDirectory(node)
}

/** The state of the run before, or that of an empty directory; the boot is raised before any network [DOC6]. */
const restoreMeta = (node: NodeState, text: string | null): Meta => {
  const { config } = node
  if (text === null) {
    assert(config.pid !== null, 'a node without a pid must be granted one first')
    return { pid: config.pid, nodeId: mintNodeId(randomBytes(node, 16)), boot: 1, clusterId: null, promised: NO_EPOCH, hlc: 0 as Hlc, lastView: [], tentative: [], held: {}, roleLostMs: [], coordinated: false }
  }
  const meta = JSON.parse(text) as Meta
  const roleLostMs = meta.coordinated ? [...meta.roleLostMs, node.now.wallMs].slice(-16) : meta.roleLostMs
  return { ...meta, boot: meta.boot + 1, roleLostMs, coordinated: false }
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
    case 'link-up': return onLinkUp(node, event)
    case 'link-frame': return onLinkFrame(node, event)
    case 'link-down': return onLinkDown(node, event.link)
    case 'link-full':
    case 'link-writable': return onLinkPressure(node, event)
    case 'dial-failed': return onDialFailed(node, event)
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
    case 'commit-failed': return stop(node, 1, `Stopped: a write to the data directory failed (${event.reason}). Nothing acknowledged was lost. Check the disk and start again.`)
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
    requests.releaseAnswers(node)
    notifyProduct(node)
  }
}

const stop = (node: NodeState, exitCode: number, text: string): void => {
  if (node.stopped) return
  node.stopped = true
  node.effects.push({ type: 'stop', exitCode, text })
}

// ---- time

const tick = (node: NodeState): void => {
  expireRows(node)
  updateView(node)
  replication.markBehind(node)
  if (node.phase !== 'starting') links.dialPeers(node)
  catchUp.answerQuestions(node)
  catchUp.continuePulls(node)
  catchUp.compareWithPeers(node)
  tendDocuments(node)
  tendReadiness(node)
  updatePhase(node)
  tendCoordinator(node)
  granting.tendJobs(node)
  granting.tendAsking(node)
  requests.resumeCalls(node)
  clients.onTick(node.desk, node.clients)
  const drained = tendDraining(node)
  if (drained !== null) stop(node, 0, drained)
}

/** What must happen at once when this node becomes or leaves ready, whichever machine decided it. */
const updatePhase = (node: NodeState): void => {
  const told = clients.onPhase(node.desk, node.clients, node.phase)
  if (node.phase === 'ready') announce(node)
  return told
}

const endTurn = (node: NodeState): void => {
  const { heartbeatMs, heartbeatDue } = node.members
  const isDue = node.now.monotonicMs - heartbeatMs >= node.config.heartbeatMs || (heartbeatDue && node.now.monotonicMs - heartbeatMs >= node.config.tickMs)
  if (isDue && node.phase !== 'starting') sendHeartbeat(node)
  const record = takeRecord(node)
  if (record !== null) node.effects.push({ type: 'commit', record })
  links.releaseHeldBack(node)
  links.flushLinks(node)
}

const sendHeartbeat = (node: NodeState): void => {
  node.members.heartbeatMs = node.now.monotonicMs
  node.members.heartbeatDue = false
  node.members.counter++
  const rows = [ownRow(node), ...[...node.members.rows.values()].map(({ row }) => row)]
  for (const peer of node.peers.values()) if (peer.link !== null) links.sendTo(node, peer.pid, { type: 'heartbeat', rows })
}

const updateView = (node: NodeState): void => {
  const { view, routes } = computeView(node)
  const before = node.members.view
  const rerouted = before.filter((pid) => pid !== node.meta.pid && view.includes(pid) && routes.get(pid) !== node.members.routes.get(pid))
  node.members.routes = routes
  for (const pid of rerouted) replication.pushUnacknowledged(node, pid)
  if (view.join() === before.join()) return
  node.members.view = view
  node.members.heartbeatDue = true
  log(node, 'info', 'view', { view: view.join() })
  for (const pid of before) if (!view.includes(pid)) {
    replication.onViewLost(node, pid)
    remember(node, 'down', pid)
  }
  for (const pid of view) if (!before.includes(pid) && pid !== node.meta.pid) onViewGained(node, pid)
  tendReadiness(node)
  tendCoordinator(node)
}

const onViewGained = (node: NodeState, pid: Pid): void => {
  const peer = node.peers.get(pid)
  remember(node, 'up', pid)
  if (peer === undefined) return
  peer.mustHold = node.commits.committedThrough
  replication.pushUnacknowledged(node, pid)
  if (peer.pull === null) catchUp.startPull(node, peer, 'feed')
}

// ---- storage

const onCommitted = (node: NodeState, seq: number): void => {
  const pending = becomeCommitted(node, seq)
  if (seq === node.bootCommit) node.effects.push({ type: 'identify', pid: node.meta.pid, nodeId: node.meta.nodeId, boot: node.meta.boot, clusterId: node.meta.clusterId })
  replication.pushCommit(node, pending)
  links.releaseHeldBack(node)
  catchUp.continuePulls(node)
  granting.tendJobs(node)
  tendReadiness(node)
}

// ---- links

const onLinkUp = (node: NodeState, event: Extract<Event, { type: 'link-up' }>): void => {
  const { peer: identity } = event
  const known = node.peers.get(identity.pid)
  if (identity.pid === node.meta.pid || isImpostor(node, known, identity.nodeId)) {
    node.effects.push({ type: 'close-link', link: event.link, reason: 'pid-taken' })
    if (event.dialed && known !== undefined) links.onDialFailed(node, identity.pid, 'other')
    return
  }
  if (node.directory.memberOf(identity.nodeId)?.removed === true) {
    node.effects.push({ type: 'close-link', link: event.link, reason: 'removed' })
    return
  }
  if (known !== undefined && known.nodeId !== null && links.isNewRun(known, identity.nodeId, identity.boot)) forgetRun(node, known)
  links.onLinkUp(node, event.link, identity, event.dialed)
}

/** The run that was known under this pid is over: its row, its synced state and its unsettled pushes with it. */
const forgetRun = (node: NodeState, peer: Peer): void => {
  replication.onViewLost(node, peer.pid)
  node.members.rows.delete(peer.pid)
  peer.mustHold = node.commits.committedThrough
}

/** Another directory under a pid whose node is here, or is a member: refused while that one lives [REP7]. */
const isImpostor = (node: NodeState, known: Peer | undefined, nodeId: string): boolean =>
  known !== undefined && known.nodeId !== null && known.nodeId !== nodeId && links.isHeard(node, known)

const onLinkDown = (node: NodeState, link: number): void => {
  const peer = links.onLinkDown(node, link)
  if (peer === null) return
  updateView(node)
}

const onLinkPressure = (node: NodeState, { type, link }: { readonly type: 'link-full' | 'link-writable'; readonly link: number }): void => {
  const pid = node.pidByLink.get(link)
  const peer = pid === undefined ? undefined : node.peers.get(pid)
  if (peer === undefined || peer.link !== link) return
  peer.full = type === 'link-full'
  if (!peer.full) replication.pushUnacknowledged(node, peer.pid)
}

const onDialFailed = (node: NodeState, { pid, reason }: Extract<Event, { type: 'dial-failed' }>): void => {
  links.onDialFailed(node, pid, reason === 'refused' ? 'refused' : 'other')
  if (reason !== 'refused' && reason !== 'timeout' && reason !== 'error') onRefused(node, pid, reason)
  updateView(node)
}

const REFUSED_TEXTS = {
  'wrong-secret': 'its secret is another one. Give this node the same secret file.',
  'foreign-cluster': 'it belongs to another cluster. Check --peers, or use an empty data directory.',
  'pid-taken': 'this pid is held by another node. Start this one under a pid of its own.',
  removed: 'this node was removed from the cluster. Use an empty data directory to join again.',
  protocol: 'it speaks another version of the protocol. Upgrade one node at a time.'
} as const

/** A node that was never ready in this run takes a refusal for an answer; one that was is right until shown otherwise. */
const onRefused = (node: NodeState, pid: Pid, reason: keyof typeof REFUSED_TEXTS): void => {
  log(node, 'error', 'refused', { peer: pid, reason })
  if (!node.wasReady) stop(node, 6, `Refused by node ${pid} at ${node.peers.get(pid)?.url ?? 'an unknown address'}: ${REFUSED_TEXTS[reason]}`)
}

const onLinkFrame = (node: NodeState, { link, frame }: Extract<Event, { type: 'link-frame' }>): void => {
  const pid = node.pidByLink.get(link)
  const peer = pid === undefined ? undefined : node.peers.get(pid)
  if (peer === undefined || peer.link !== link) return
  const messages = decodePeerFrame(frame)
  if (!messages.ok) return links.rejectLink(node, peer, messages.code)
  peer.lastHeardMs = node.now.monotonicMs
  for (const bytes of messages.value) {
    const message = decodePeerMessage(bytes)
    if (!message.ok) return links.rejectLink(node, peer, message.code)
    if (message.value.type === 'relay') onRelay(node, peer, message.value)
    else onMessage(node, peer, peer.pid, message.value)
    if (peer.link !== link) return
  }
}

const onRelay = (node: NodeState, peer: Peer, relay: Extract<PeerMessage, { type: 'relay' }>): void => {
  if (relay.to !== node.meta.pid) return links.passRelay(node, relay)
  const inner = decodePeerMessage(relay.message)
  if (!inner.ok || inner.value.type === 'relay') return links.rejectLink(node, peer, 'bad-relay')
  onMessage(node, node.peers.get(relay.from) ?? null, relay.from, inner.value)
}

const onMessage = (node: NodeState, peer: Peer | null, from: Pid, message: Exclude<PeerMessage, { type: 'relay' }>): void => {
  if (catchUp.isQuestion(message)) return catchUp.onQuestion(node, from, message)
  switch (message.type) {
    case 'hello': return peer === null ? undefined : onHello(node, peer, message)
    case 'heartbeat': return onHeartbeat(node, message.rows)
    case 'push':
      if (replication.onPush(node, from, message) === 'gap') onGap(node, message.origin)
      return
    case 'ack': return replication.onAck(node, from, message.boot, message.seqs)
    case 'settled': return replication.onSettled(node, from, message.boot, message.through)
    case 'holds': return message.nodeId === node.meta.nodeId ? replication.onHolds(node, from, message.through) : undefined
    case 'table': return peer === null ? undefined : catchUp.onTable(node, peer, message)
    case 'rows': return peer === null ? undefined : catchUp.onRows(node, peer, message)
    case 'diff': return peer === null ? undefined : catchUp.onDiff(node, peer, message)
    case 'pull-end': return peer === null ? undefined : catchUp.onPullEnd(node, peer, message)
    case 'claim': return onClaim(node, from, message)
    case 'promise': return onPromise(node, from, message)
    case 'prepare': return granting.onPrepare(node, from, message)
    case 'prepared':
      if (granting.onPrepared(node, from, message) === 'refused') stepDown(node, 'a member refused to prepare')
      return
    case 'resolved': return dropTentative(node, message.epoch, message.orders)
    case 'ask': return granting.onAsk(node, from, message)
    case 'reply': return granting.onReply(node, message)
    case 'goodbye':
      if (peer !== null) links.onGoodbye(node, peer)
      return updateView(node)
    case 'feed-request':
    case 'table-request':
    case 'bucket-request':
    case 'want':
    case 'pull-end-request': return
    default: return unreachable(message)
  }
}

const onHello = (node: NodeState, peer: Peer, hello: Extract<PeerMessage, { type: 'hello' }>): void => {
  peer.helloSeen = true
  if (hello.bootSeen >= node.meta.boot) raiseBoot(node, hello.bootSeen)
  const checkpoint = peer.nodeId === null ? undefined : node.meta.held[peer.nodeId]
  // The peer lost its tail, or an older copy of its directory was put back: its feed no longer says what changed since [REP2].
  if (checkpoint !== undefined && checkpoint.through > hello.head && peer.nodeId !== null) delete node.meta.held[peer.nodeId]
  links.sendTo(node, peer.pid, { type: 'heartbeat', rows: [ownRow(node), ...[...node.members.rows.values()].map(({ row }) => row)] })
  replication.onHolds(node, peer.pid, Math.min(hello.held, node.commits.committedThrough))
  replication.pushUnacknowledged(node, peer.pid)
  peer.synced = false
  catchUp.startPull(node, peer, 'feed')
  updateView(node)
}

/** A peer saw a later run of this very directory: it is an old copy. It takes a boot above, and that is proven from now on [REP1]. */
const raiseBoot = (node: NodeState, seen: number): void => {
  node.meta.boot = seen + 1
  node.metaChanged = true
  node.unclean = true
  log(node, 'warn', 'restored-copy', { boot: node.meta.boot })
  node.bootCommit = node.commits.open.seq
}

const onHeartbeat = (node: NodeState, rows: Extract<PeerMessage, { type: 'heartbeat' }>['rows']): void => {
  if (!mergeRows(node, rows)) return
  for (const row of rows) {
    if (row.pid === node.meta.pid) continue
    noteEpoch(node, row.promised)
    const peer = node.peers.get(row.pid)
    if (peer !== undefined && peer.link === null && links.isNewRun(peer, row.nodeId, row.boot) && node.members.rows.get(row.pid)?.row === row) {
      replication.onViewLost(node, row.pid)
      links.becomeNewRun(peer, row.nodeId, row.boot)
    }
    replication.onSettled(node, row.pid, row.boot, row.acknowledged)
  }
  updateView(node)
  tendReadiness(node)
  tendCoordinator(node)
  granting.tendAsking(node)
}

/** Something that a live push builds on is missing here: asked for at once [REP5]. */
const onGap = (node: NodeState, origin: Pid): void => {
  const peer = node.peers.get(origin)
  if (peer === undefined || (peer.pull !== null && peer.pull.status !== 'done')) return
  catchUp.startPull(node, peer, 'feed')
}

