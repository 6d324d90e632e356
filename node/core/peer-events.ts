// What peers do and say: links come and go, frames are parsed and handed to the machine they are for, and the view follows.
// Keeps [COR4] (a bad frame costs its link), [LIV1], [LIV2], [REP1] (boots), [REP5] (gaps are asked for at once), [REP7] (who may hold a pid).

import type { Pid } from '../../crdt-schema/ids.ts'
import { type PeerMessage, decodePeerFrame, decodePeerMessage, encodePeerMessage } from '../../crdt-schema/peer-wire.ts'
import { unreachable } from '../../crdt-schema/prelude.ts'
import * as catchUp from './catch-up.ts'
import { onClaim, onPromise, stepDown, tendCoordinator } from './coordinator.ts'
import type { Event, PeerIdentity } from './events.ts'
import * as granting from './granting.ts'
import * as links from './links.ts'
import { computeView, isRemoved, mergeRows, ownRow } from './members.ts'
import { dropTentative, noteEpoch } from './promises.ts'
import { tendReadiness } from './readiness.ts'
import * as replication from './replication.ts'
import { type NodeState, type Peer, log, remember, stopNode } from './state.ts'

/** The largest message that pieces may make: a first sync that delivers to many, with room to spare. */
const FRAGMENTED_BYTES_MAX = 64 * 1024 * 1024
/** Every piece but the last is of one size, so more of them are no message: a million of one byte would be counted a million times. */
const FRAGMENTS_MAX = FRAGMENTED_BYTES_MAX / links.FRAGMENT_BYTES

/** Says what this node is, and passes on what the others said of themselves [LIV1]. */
export const sendHeartbeat = (node: NodeState): void => {
  node.members.heartbeatMs = node.now.monotonicMs
  node.members.heartbeatDue = false
  node.members.counter++
  const rows = [ownRow(node), ...[...node.members.rows.values()].map(({ row }) => row)]
  links.sendBytes([...node.peers.values()], encodePeerMessage({ type: 'heartbeat', rows }), node.commits.committedThrough)
}

/** Computes the view anew and lets follow what its changes mean; called whenever a row, a link or the time may have changed it [LIV2]. */
export const updateView = (node: NodeState): void => {
  const { view, routes, heard } = computeView(node)
  // Who hears a node no more says so in the same turn: until all neighbours have said it, the dead one stays in every view, and all wait for it.
  if (node.members.heard.some((pid) => !heard.includes(pid))) node.members.heartbeatMs = -Infinity
  node.members.heard = heard
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
  peer.comparedMs = -Infinity
  replication.pushUnacknowledged(node, pid)
  if (peer.pull === null) catchUp.startPull(node, peer, 'feed')
}

/** A handshake succeeded. Who may hold a pid is decided here; which of two links stays, in links.ts. */
export const onLinkUp = (node: NodeState, event: Extract<Event, { type: 'link-up' }>): void => {
  const { peer: identity } = event
  const known = node.peers.get(identity.pid)
  if (identity.pid === node.meta.pid || isImpostor(node, known, identity.nodeId)) {
    node.effects.push({ type: 'close-link', link: event.link, reason: 'pid-taken' })
    if (event.dialed && known !== undefined) links.onDialFailed(node, identity.pid, 'other')
    return
  }
  if (isSucceeded(node, identity)) {
    node.effects.push({ type: 'close-link', link: event.link, reason: 'removed' })
    if (event.dialed && known !== undefined) links.onDialFailed(node, identity.pid, 'other')
    return
  }
  const isNewRun = known !== undefined && known.nodeId !== null && links.isNewRun(known, identity.nodeId, identity.boot)
  if (isNewRun) forgetRun(node, known)
  links.onLinkUp(node, event.link, identity, event.dialed)
  // Nobody stays in view of whom nothing is known any more: a commit may return before the next tick, and ask who is there.
  if (isNewRun) updateView(node)
}

/** The run that was known under this pid is over: its row, its synced state and its unsettled pushes with it. */
const forgetRun = (node: NodeState, peer: Peer): void => {
  replication.onViewLost(node, peer.pid)
  node.members.rows.delete(peer.pid)
  peer.mustHold = node.commits.committedThrough
}

/** A removed node is let in so that members can fetch what it holds, unless another has its place: there is one link for a pid [REP7]. */
const isSucceeded = (node: NodeState, { pid, nodeId }: PeerIdentity): boolean =>
  isRemoved(node, nodeId) && (pid === node.meta.pid || node.directory.members().some((member) => member.pid === pid && !member.removed))

/** Another directory under a pid whose node is here, or is a member: refused while that one lives [REP7]. */
const isImpostor = (node: NodeState, known: Peer | undefined, nodeId: string): boolean =>
  known !== undefined && known.nodeId !== null && known.nodeId !== nodeId && links.isHeard(node, known)

/** A link is gone. */
export const onLinkDown = (node: NodeState, link: number): void => {
  const peer = links.onLinkDown(node, link)
  if (peer === null) return
  updateView(node)
}

/** A link has more unsent than it should, or has drained again [COR3]. */
export const onLinkPressure = (node: NodeState, { type, link }: { readonly type: 'link-full' | 'link-writable'; readonly link: number }): void => {
  const pid = node.pidByLink.get(link)
  const peer = pid === undefined ? undefined : node.peers.get(pid)
  if (peer === undefined || peer.link !== link) return
  peer.full = type === 'link-full'
  if (!peer.full) replication.pushUnacknowledged(node, peer.pid)
}

/** A dial came to nothing, or was answered with a refusal. */
export const onDialFailed = (node: NodeState, { pid, reason }: Extract<Event, { type: 'dial-failed' }>): void => {
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

/**
 * A node that was never ready in this run takes a refusal for an answer. One that was is right until shown otherwise: that is when it
 * has nobody on its side and is told that its pid, its cluster or its membership is another's [REP7].
 */
const onRefused = (node: NodeState, pid: Pid, reason: keyof typeof REFUSED_TEXTS): void => {
  const peer = node.peers.get(pid)
  if (peer !== undefined && peer.refusal !== reason) log(node, 'error', 'refused', { peer: pid, reason })
  if (peer !== undefined) peer.refusal = reason
  const isDisowned = reason !== 'wrong-secret' && reason !== 'protocol' && node.members.view.length === 1
  if (!node.wasReady || isDisowned) stopNode(node, 6, `Refused by node ${pid} at ${node.peers.get(pid)?.url ?? 'an unknown address'}: ${REFUSED_TEXTS[reason]}`)
}

/** A frame of a peer: parsed here, and nowhere behind. */
export const onLinkFrame = (node: NodeState, { link, frame }: Extract<Event, { type: 'link-frame' }>): void => {
  const pid = node.pidByLink.get(link)
  const peer = pid === undefined ? undefined : node.peers.get(pid)
  if (peer === undefined || peer.link !== link) return
  const messages = decodePeerFrame(frame)
  if (!messages.ok) return links.rejectLink(node, peer, messages.code)
  peer.lastHeardMs = node.now.monotonicMs
  for (const bytes of messages.value) {
    const message = decodePeerMessage(bytes)
    if (!message.ok) return links.rejectLink(node, peer, message.code)
    if (message.value.type === 'fragment') onFragment(node, peer, message.value)
    else takeMessage(node, peer, message.value)
    if (peer.link !== link) return
  }
}

const takeMessage = (node: NodeState, peer: Peer, message: Exclude<PeerMessage, { type: 'fragment' }>): void =>
  message.type === 'relay' ? onRelay(node, peer, message) : onMessage(node, peer, peer.pid, message)

/** Puts together what was too large for a frame; bounded, and gone with the link. */
const onFragment = (node: NodeState, peer: Peer, { bytes, last }: Extract<PeerMessage, { type: 'fragment' }>): void => {
  peer.fragments.push(bytes)
  if (peer.fragments.length > FRAGMENTS_MAX || peer.fragments.reduce((sum, piece) => sum + piece.byteLength, 0) > FRAGMENTED_BYTES_MAX) return links.rejectLink(node, peer, 'fragments-too-large')
  if (!last) return
  const message = decodePeerMessage(catchUp.concat(peer.fragments))
  peer.fragments = []
  if (!message.ok || message.value.type === 'fragment') return links.rejectLink(node, peer, 'bad-fragments')
  takeMessage(node, peer, message.value)
}

const onRelay = (node: NodeState, peer: Peer, relay: Extract<PeerMessage, { type: 'relay' }>): void => {
  if (relay.to !== node.meta.pid) return links.passRelay(node, relay)
  const inner = decodePeerMessage(relay.message)
  if (!inner.ok || inner.value.type === 'relay' || inner.value.type === 'fragment') return links.rejectLink(node, peer, 'bad-relay')
  onMessage(node, node.peers.get(relay.from) ?? null, relay.from, inner.value)
}

const onMessage = (node: NodeState, peer: Peer | null, from: Pid, message: Exclude<PeerMessage, { type: 'relay' | 'fragment' }>): void => {
  if (catchUp.isQuestion(message)) return catchUp.onQuestion(node, from, message)
  switch (message.type) {
    case 'hello': return peer === null ? undefined : onHello(node, peer, message)
    case 'heartbeat': return onHeartbeat(node, message.rows)
    case 'push': return onPush(node, peer, from, message)
    case 'ack': return replication.onAck(node, from, message.boot, message.seqs)
    case 'settled': return replication.onSettled(node, from, message.boot, message.through)
    case 'holds': return message.nodeId === node.meta.nodeId ? replication.onHolds(node, from, message.through) : undefined
    case 'table': return peer === null ? undefined : catchUp.onTable(node, peer, message)
    case 'rows': return peer === null ? undefined : catchUp.onRows(node, peer, message)
    case 'diff': return peer === null ? undefined : catchUp.onDiff(node, peer, message)
    case 'pull-end':
      if (peer !== null) catchUp.onPullEnd(node, peer, message)
      return tendCoordinator(node)
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

const onPush = (node: NodeState, peer: Peer | null, from: Pid, push: Extract<PeerMessage, { type: 'push' }>): void => {
  const outcome = replication.onPush(node, from, push)
  if (outcome === 'gap') onGap(node, push.origin)
  if (outcome === 'bad' && peer !== null) links.rejectLink(node, peer, 'bad-update')
}

const onHello = (node: NodeState, peer: Peer, hello: Extract<PeerMessage, { type: 'hello' }>): void => {
  // Whom this run has met before has seen this run's boot; from anyone else the same boot means another run of a copied directory.
  if (hello.bootSeen > node.meta.boot || (hello.bootSeen === node.meta.boot && !peer.isMet)) raiseBoot(node, hello.bootSeen)
  if (isForeign(node, hello.clusterId)) return refuseForeign(node, peer)
  peer.helloSeen = true
  peer.refusal = null
  peer.isMet = true
  node.members.counter++
  links.sendOnLink(node, peer, { type: 'heartbeat', rows: [ownRow(node), ...[...node.members.rows.values()].map(({ row }) => row)] })
  // What it held of an earlier run is not what this one wrote since: an old copy of the directory may have been put back.
  if (hello.bootSeen === node.meta.boot) replication.onHolds(node, peer.pid, Math.min(hello.held, node.commits.committedThrough))
  replication.pushUnacknowledged(node, peer.pid)
  peer.synced = false
  catchUp.startPull(node, peer, 'feed')
  updateView(node)
}

/** Two clusters never merge, whatever secret their operator gave them; one that is empty belongs to none yet [RDY1]. */
const isForeign = (node: NodeState, clusterId: string): boolean => clusterId !== '' && node.meta.clusterId !== null && clusterId !== node.meta.clusterId

const refuseForeign = (node: NodeState, peer: Peer): void => {
  if (peer.link !== null) node.effects.push({ type: 'close-link', link: peer.link, reason: 'foreign-cluster' })
  onRefused(node, peer.pid, 'foreign-cluster')
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
