// Peers and the one link to each: dialing, hellos, silence, what waits to be sent, and relays for those out of reach.
// Keeps [LIV1] (suspect, redial, dead early), [LIV2] (relays), [REP4] (one frame per peer and turn), [COR3] (a full link gets no more).
// Knows nothing of what the messages mean.

import type { NodeId, Pid } from '../../crdt-schema/ids.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import { isBroken } from '../../crdt-schema/mutation.ts'
import { type PeerMessage, encodePeerFrame, encodePeerMessage } from '../../crdt-schema/peer-wire.ts'
import type { CommitNumber, LinkId, PeerIdentity } from './events.ts'
import { type NodeState, type Peer, log, remember } from './state.ts'

const RELAY_HOPS_MAX = 8
/** Headroom for the frame's own bytes. */
const FRAME_BYTES_MAX = LIMITS.peerFrameBytesMax - 1_024
/** A message that no frame holds travels in pieces of this size. */
export const FRAGMENT_BYTES = 4 * 1024 * 1024
const REFUSALS_UNTIL_DEAD = 2
/** What may wait for one turn's frame before questions of that peer are put off. */
const QUEUED_BYTES_MAX = 2 * 1024 * 1024

export const createPeer = (pid: Pid, url: string): Peer => ({
  pid, url, nodeId: null, boot: 0, link: null, dialed: false, linkSinceMs: 0, helloSeen: false, isMet: false, full: false,
  dialing: false, nextDialMs: 0, dialAttempt: 0, refusals: 0, refusal: null, lastHeardMs: -Infinity, roundTripMs: 0, left: false,
  fragments: [], queue: [], queuedBytes: 0, queueAfter: 0, heldPush: 0, heldAbove: new Map(), settledThrough: 0,
  excluded: false, unacknowledged: new Map(), missing: new Set(), missingThrough: 0, holdsThrough: 0, mustHold: 0,
  pull: null, claimPull: null, synced: false, comparedMs: -Infinity, pulledMs: -Infinity, aheadReportedMs: -Infinity
})

/**
 * Whether the peer was heard lately enough to count as there on this side. A link that just closed does not change that:
 * it is redialed at once, and only refusals or silence tell that its node is gone [LIV1].
 */
export const isHeard = (node: NodeState, peer: Peer): boolean => node.now.monotonicMs - peer.lastHeardMs <= node.config.deadMs

/** Keeps the table of peers in step with the members known: configured, joined, less the removed. */
export const refreshPeers = (node: NodeState): void => {
  for (const [pid, url] of memberUrls(node)) {
    if (pid === node.meta.pid) continue
    const peer = node.peers.get(pid)
    if (peer === undefined) node.peers.set(pid, createPeer(pid, url))
    else if (peer.link === null) peer.url = url
  }
}

/** Every member's address by pid: `--peers` and the members document, less the pids whose every node was removed [REP7]. */
export const memberUrls = (node: NodeState): ReadonlyMap<Pid, string> => {
  const urls = new Map(node.config.peers)
  const members = node.directory.members()
  const living = members.filter((member) => !member.removed)
  for (const { pid } of members) if (pid !== node.meta.pid && !living.some((member) => member.pid === pid)) urls.delete(pid)
  for (const { pid, url } of living) if (!urls.has(pid)) urls.set(pid, url)
  return urls
}

/** Dials every peer without a link whose time has come; a closed link is redialed at once, then at growing intervals, each at the tick nearest to it. */
export const dialPeers = (node: NodeState): void => {
  const members = memberUrls(node)
  const dueMs = node.now.monotonicMs + node.config.tickMs / 2
  for (const peer of node.peers.values()) {
    if (!members.has(peer.pid) || peer.link !== null || peer.dialing || dueMs < peer.nextDialMs) continue
    peer.dialing = true
    node.effects.push({ type: 'dial', pid: peer.pid, url: peer.url })
  }
}

const scheduleDial = (node: NodeState, peer: Peer): void => {
  const waits = node.config.redialMs
  const waitMs = waits[Math.min(peer.dialAttempt, waits.length - 1)] ?? 1_000
  peer.dialAttempt++
  peer.nextDialMs = node.now.monotonicMs + waitMs
}

/** A dial came to nothing. Two refusals in a row: its process is gone, no need to wait for silence [LIV1]. */
export const onDialFailed = (node: NodeState, pid: Pid, wasRefused: 'refused' | 'other'): void => {
  const peer = node.peers.get(pid)
  if (peer === undefined) return
  peer.dialing = false
  if (wasRefused === 'refused' && ++peer.refusals >= REFUSALS_UNTIL_DEAD) peer.lastHeardMs = -Infinity
  scheduleDial(node, peer)
}

/**
 * A link came up. One link per pair: of two, the one that the lower pid dialed stays, unless it has gone silent.
 * Returns the peer if this is its link now, null if it was closed again.
 */
export const onLinkUp = (node: NodeState, link: LinkId, identity: PeerIdentity, dialed: boolean): Peer | null => {
  const peer = node.peers.get(identity.pid) ?? createPeer(identity.pid, identity.url)
  node.peers.set(identity.pid, peer)
  if (dialed) peer.dialing = false
  if (peer.link !== null) {
    const keepsOld = peer.nodeId === identity.nodeId && peer.boot === identity.boot && peer.dialed === (node.meta.pid < peer.pid) &&
      node.now.monotonicMs - Math.max(peer.lastHeardMs, peer.linkSinceMs) < node.config.heartbeatMs * 2
    if (keepsOld) {
      node.effects.push({ type: 'close-link', link, reason: 'replaced' })
      return null
    }
    node.effects.push({ type: 'close-link', link: peer.link, reason: 'replaced' })
    dropLink(node, peer)
  }
  if (isNewRun(peer, identity.nodeId, identity.boot)) becomeNewRun(peer, identity.nodeId, identity.boot)
  // The operator's --peers says how nodes reach each other; what a node tells browsers may be another address.
  if (!node.config.peers.has(peer.pid)) peer.url = identity.url
  peer.link = link
  peer.dialed = dialed
  peer.linkSinceMs = node.now.monotonicMs
  peer.helloSeen = false
  peer.left = false
  peer.refusals = 0
  node.pidByLink.set(link, peer.pid)
  const seen = peer.nodeId === null ? undefined : node.meta.held[peer.nodeId]
  sendOnLink(node, peer, { type: 'hello', head: node.commits.committedThrough, held: seen?.through ?? 0, bootSeen: seen?.boot ?? 0, clusterId: node.meta.clusterId ?? '' })
  return peer
}

export const isNewRun = (peer: Peer, nodeId: NodeId, boot: number): boolean => peer.nodeId !== nodeId || peer.boot !== boot

/** Another run, or another directory, under this pid: what was known of the old one's live pushes is void. */
export const becomeNewRun = (peer: Peer, nodeId: NodeId, boot: number): void => {
  peer.nodeId = nodeId
  peer.boot = boot
  peer.heldPush = 0
  peer.heldAbove.clear()
  peer.settledThrough = 0
  peer.holdsThrough = 0
}

const dropLink = (node: NodeState, peer: Peer): void => {
  if (peer.link !== null) node.pidByLink.delete(peer.link)
  peer.link = null
  peer.helloSeen = false
  peer.full = false
  peer.fragments = []
  peer.queue = []
  peer.queuedBytes = 0
  peer.pull = null
  peer.claimPull = null
}

/** A link is gone: suspect, redial at once. A close alone is not death [LIV1]. Returns the peer if it was its link. */
export const onLinkDown = (node: NodeState, link: LinkId): Peer | null => {
  const pid = node.pidByLink.get(link)
  const peer = pid === undefined ? undefined : node.peers.get(pid)
  if (peer === undefined || peer.link !== link) return null
  // A link that lasted is redialed at once; one that the other side closed again is not worth hammering.
  if (peer.helloSeen && node.now.monotonicMs - peer.linkSinceMs >= node.config.heartbeatMs) peer.dialAttempt = 0
  dropLink(node, peer)
  scheduleDial(node, peer)
  dialPeers(node)
  return peer
}

/** A link that has been silent for deadMs is closed and dialed anew: its other end may be long gone without a word [LIV1]. */
export const closeSilentLinks = (node: NodeState): void => {
  for (const peer of node.peers.values()) {
    if (peer.link === null || node.now.monotonicMs - Math.max(peer.lastHeardMs, peer.linkSinceMs) <= node.config.deadMs) continue
    node.effects.push({ type: 'close-link', link: peer.link, reason: 'dead' })
    dropLink(node, peer)
    scheduleDial(node, peer)
  }
}

/** Closes every link, to be dialed again at once. */
export const closeLinks = (node: NodeState): void => {
  for (const peer of node.peers.values()) {
    if (peer.link === null) continue
    node.effects.push({ type: 'close-link', link: peer.link, reason: 'replaced' })
    dropLink(node, peer)
    peer.nextDialMs = node.now.monotonicMs
  }
}

/** The peer said goodbye: it is gone as of now. */
export const onGoodbye = (node: NodeState, peer: Peer): void => {
  peer.left = true
  peer.lastHeardMs = -Infinity
  remember(node, 'left', peer.pid)
  log(node, 'info', 'peer-left', { peer: peer.pid })
}

/** Closes the link to a peer that broke the protocol: a bad frame costs its link [COR4]. */
export const rejectLink = (node: NodeState, peer: Peer, reason: string): void => {
  if (peer.link === null) return
  log(node, 'warn', 'peer-frame-rejected', { peer: peer.pid, reason })
  node.effects.push({ type: 'close-link', link: peer.link, reason: 'bad-frame' })
  dropLink(node, peer)
  scheduleDial(node, peer)
}

const queueBytes = (peer: Peer, bytes: Uint8Array, after: CommitNumber): void => {
  peer.queueAfter = Math.max(peer.queueAfter, after)
  peer.queuedBytes += bytes.byteLength
  if (bytes.byteLength <= FRAME_BYTES_MAX) {
    peer.queue.push(bytes)
    return
  }
  for (let at = 0; at < bytes.byteLength; at += FRAGMENT_BYTES) {
    peer.queue.push(encodePeerMessage({ type: 'fragment', bytes: bytes.subarray(at, at + FRAGMENT_BYTES), last: at + FRAGMENT_BYTES >= bytes.byteLength }))
  }
}

/** The link to use towards a member: its own while that works both ways, else that of the neighbour on the way [LIV2]. */
const nextHop = (node: NodeState, to: Pid): Peer | null => {
  const hop = node.peers.get(node.members.routes.get(to) ?? to)
  return hop !== undefined && hop.link !== null ? hop : null
}

/** Whether there is any way to a member now. */
export const isReachable = (node: NodeState, to: Pid): boolean => nextHop(node, to) !== null

/** Whether bulk for a member may be sent now: a full link gets only what is small and urgent [COR3]. */
export const hasRoom = (node: NodeState, to: Pid): boolean => {
  const hop = nextHop(node, to)
  return hop !== null && !hop.full && hop.queuedBytes < QUEUED_BYTES_MAX
}

/**
 * Peers that live pushes go to directly, in view or not yet: linked, greeted, not full, and not known to be deaf on that link. From
 * hello on they are subscribed, so what they pull later misses nothing [RDY2].
 */
export const directPeers = (node: NodeState): readonly Peer[] =>
  [...node.peers.values()].filter((peer) => peer.link !== null && peer.helloSeen && !peer.full && (node.members.routes.get(peer.pid) ?? peer.pid) === peer.pid)

/** Takes in pushes of a peer that were above a hole and are not any more, after `heldPush` rose. */
export const closeHoles = (peer: Peer): void => {
  for (const [seq, previous] of [...peer.heldAbove].sort(([a], [b]) => a - b)) {
    if (seq > peer.heldPush && previous > peer.heldPush) return
    peer.heldAbove.delete(seq)
    peer.heldPush = Math.max(peer.heldPush, seq)
  }
}

/** Queues a message for a member: on its link, or through a neighbour [LIV2]. Returns false if there is no way now. */
export const sendTo = (node: NodeState, to: Pid, message: PeerMessage): boolean => {
  const hop = nextHop(node, to)
  if (hop === null) return false
  const bytes = encodePeerMessage(message)
  queueBytes(hop, hop.pid === to ? bytes : encodePeerMessage({ type: 'relay', from: node.meta.pid, to, hops: RELAY_HOPS_MAX, message: bytes }), node.commits.committedThrough)
  return true
}

/** Queues a message on the peer's own link, whatever way others would take: what greets it and keeps it alive [LIV1]. */
export const sendOnLink = (node: NodeState, peer: Peer, message: PeerMessage): void => {
  if (peer.link !== null) queueBytes(peer, encodePeerMessage(message), node.commits.committedThrough)
}

/** Queues one encoded message on several direct links. */
export const sendBytes = (peers: readonly Peer[], bytes: Uint8Array, after: CommitNumber): void => {
  for (const peer of peers) if (peer.link !== null) queueBytes(peer, bytes, after)
}

/** Queues a message that reflects `after`: it leaves when that commit has returned [STO2]. */
export const sendAfter = (node: NodeState, to: Pid, after: CommitNumber, message: PeerMessage): void => {
  if (after <= node.commits.committedThrough) sendTo(node, to, message)
  else node.heldBack.push({ after, to, message })
}

/** Sends what waited for the commits that have returned. */
export const releaseHeldBack = (node: NodeState): void => {
  if (node.heldBack.length === 0) return
  const ready = node.heldBack.filter(({ after }) => after <= node.commits.committedThrough)
  if (ready.length === 0) return
  node.heldBack = node.heldBack.filter(({ after }) => after > node.commits.committedThrough)
  for (const { to, message } of ready) sendTo(node, to, message)
}

/** Passes a relay on. The message inside is for somebody else. */
export const passRelay = (node: NodeState, relay: Extract<PeerMessage, { type: 'relay' }>): void => {
  if (relay.hops <= 0 || isBroken('no-relay')) return
  const hop = nextHop(node, relay.to)
  if (hop === null) return
  queueBytes(hop, encodePeerMessage({ ...relay, hops: relay.hops - 1 }), 0)
}

/** One frame for each peer that this turn had something for. */
export const flushLinks = (node: NodeState): void => {
  for (const peer of node.peers.values()) {
    if (peer.link === null || peer.queue.length === 0) continue
    let batch: Uint8Array[] = []
    let bytes = 0
    const flush = (): void => {
      if (batch.length === 0 || peer.link === null) return
      node.effects.push({ type: 'send', link: peer.link, frame: encodePeerFrame(batch), after: peer.queueAfter })
      batch = []
      bytes = 0
    }
    for (const message of peer.queue) {
      if (bytes + message.byteLength > FRAME_BYTES_MAX || batch.length >= LIMITS.peerFrameMessagesMax) flush()
      batch.push(message)
      bytes += message.byteLength + 5
    }
    flush()
    peer.queue = []
    peer.queuedBytes = 0
    peer.queueAfter = 0
  }
}
