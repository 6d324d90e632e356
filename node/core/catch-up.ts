// Pulling what a peer has and this node lacks: by its feed since a checkpoint, by comparing digest tables, or document by document.
// Keeps [REP1] (cost is what changed), [REP2] (the backstop), [RDY1] (what synced means), [RDY2] (subscribed first, promise and tentative grants last), [COR5].
//
//   opening ──rows──▶ rows ──last page──▶ fetching ──all diffs in──▶ ending ──pull-end──▶ storing ──committed──▶ done
//
// The link itself is the subscription: live pushes come from hello on, so rows taken later miss nothing.

import * as Y from 'yjs'
import type { DocumentName, Pid } from '../../crdt-schema/ids.ts'
import { isBroken } from '../../crdt-schema/mutation.ts'
import type { PeerMessage, WireDigest } from '../../crdt-schema/peer-wire.ts'
import { latestCommit } from './commits.ts'
import { digestToHex } from './digest.ts'
import { applyInBackground, isGone, receiveUpdate, requireDocument } from './documents.ts'
import { type FeedRow, differingBuckets, encodeTable, readBuckets, readFeed } from './heads.ts'
import { closeHoles, hasRoom, isReachable, rejectLink, sendAfter, sendTo } from './links.ts'
import { acceptPromise, epochToPassOn } from './promises.ts'
import { type NodeState, type Peer, type Pull, log } from './state.ts'

type Message<Type extends PeerMessage['type']> = Extract<PeerMessage, { type: Type }>

const ROWS_PER_PAGE = 1_000
const ASKED_MAX = 64
/** Documents that are loaded one by one are asked for, and answered, so many at a time: a message for each cost more than its document. */
const AT_ONCE = 16
const QUESTIONS_MAX = 1_024
/** A pull that brings nothing for this long is given up and tried again. */
const PULL_STUCK_MS = 10_000
/** What is answered with a few bytes is asked again sooner: on the way through a neighbour a question is lost with that one's link. */
const ANSWER_LATE_MS = 2_000

const isStuck = ({ now }: NodeState, { status, progressMs }: Pull): boolean =>
  now.monotonicMs - progressMs > (status === 'rows' || status === 'ending' ? ANSWER_LATE_MS : PULL_STUCK_MS)

const createPull = (node: NodeState, mode: Pull['mode'], wanted: readonly WireDigest[]): Pull => ({
  id: ++node.nextId, mode, status: mode === 'documents' ? 'fetching' : 'opening', through: 0, wanted: new Map(wanted.map((row) => [row.document, row.digest])), loading: new Map(), asked: new Set(), parts: new Map(),
  rowsEnded: mode === 'documents', storedBy: 0, fetched: 0, startedMs: node.now.monotonicMs, progressMs: node.now.monotonicMs
})

/** Starts pulling from a peer. The feed serves while a checkpoint of this very directory is known; else tables are compared. */
export const startPull = (node: NodeState, peer: Peer, mode: 'feed' | 'table'): void => {
  if (!isReachable(node, peer.pid) || peer.nodeId === null) return
  const checkpoint = node.meta.held[peer.nodeId]
  // A feed position says nothing about another run: its directory may have been put back and gone on differently.
  const isOfThisRun = checkpoint !== undefined && checkpoint.through > 0 && checkpoint.boot === peer.boot
  peer.pull = createPull(node, isOfThisRun && !node.unclean ? mode : 'table', [])
  continuePull(node, peer, peer.pull)
}

/** Fetches just these documents from a peer, if its digests differ from ours. */
export const startClaimPull = (node: NodeState, peer: Peer, digests: readonly WireDigest[]): void => {
  peer.claimPull = createPull(node, 'documents', digests.filter((row) => differs(node, row)))
  continuePull(node, peer, peer.claimPull)
}

const differs = (node: NodeState, row: WireDigest): boolean => {
  if (isGone(node, row.document)) return false
  const { heads, quarantined } = node.documents
  const digest = heads.get(row.document)?.digest
  return quarantined.has(row.document) || digest === null || (digest === undefined ? row.digest !== '0' : digestToHex(digest) !== row.digest)
}

/** Moves every pull on as far as it goes: called when documents were loaded, commits returned, and on each tick. */
export const continuePulls = (node: NodeState): void => {
  for (const peer of node.peers.values()) {
    for (const pull of [peer.pull, peer.claimPull]) {
      if (pull === null || pull.status === 'done') continue
      if (isStuck(node, pull)) {
        log(node, 'warn', 'pull-stuck', { peer: peer.pid, status: pull.status })
        if (peer.pull === pull) peer.pull = null
        else peer.claimPull = null
      } else continuePull(node, peer, pull)
    }
  }
}

const continuePull = (node: NodeState, peer: Peer, pull: Pull): void => {
  if (pull.status === 'opening') open(node, peer, pull)
  if (pull.status === 'rows' || pull.status === 'fetching') askForWanted(node, peer, pull)
  if (pull.status === 'fetching' && pull.rowsEnded && pull.wanted.size === 0 && inFlight(pull) === 0) {
    if (pull.mode === 'documents') becomeStoring(node, pull)
    else {
      pull.status = 'ending'
      pull.progressMs = node.now.monotonicMs
      sendTo(node, peer.pid, { type: 'pull-end-request', pull: pull.id })
    }
  }
  if (pull.status === 'storing' && node.commits.committedThrough >= pull.storedBy) becomeDone(node, peer, pull)
}

const open = (node: NodeState, peer: Peer, pull: Pull): void => {
  if (node.documents.unapplied.size > 0 && !applyInBackground(node)) {
    pull.progressMs = node.now.monotonicMs
    return
  }
  pull.status = 'rows'
  if (pull.mode === 'feed') sendTo(node, peer.pid, { type: 'feed-request', pull: pull.id, after: node.meta.held[peer.nodeId ?? '']?.through ?? 0 })
  else sendTo(node, peer.pid, { type: 'table-request', pull: pull.id })
}

/** Loads are bounded like questions: else all that differs would be in memory at once. */
const inFlight = (pull: Pull): number => pull.asked.size + pull.loading.size

/**
 * Asks for what is wanted and in memory, many documents in one message, and has more loaded. What another peer is asked for right now
 * is left until its answer is here: then there is most often nothing left to ask for.
 */
const askForWanted = (node: NodeState, peer: Peer, pull: Pull): void => {
  const { documents } = node
  const loaded = [...pull.loading].filter(([document]) => !documents.loading.has(document))
  if (loaded.length < AT_ONCE && loaded.length < pull.loading.size) return
  const items: { document: DocumentName; stateVector: Uint8Array }[] = []
  const take = (document: DocumentName, digest: string): void => {
    pull.wanted.delete(document)
    pull.loading.delete(document)
    if (isGone(node, document)) return
    const isKnown = documents.heads.has(document)
    if (isKnown) requireDocument(node, document)
    const known = documents.loaded.get(document)
    if (isKnown && known === undefined) pull.loading.set(document, digest)
    else if (differs(node, { document, digest })) {
      pull.asked.add(document)
      items.push({ document, stateVector: known === undefined ? EMPTY_STATE_VECTOR : Y.encodeStateVector(known.doc) })
    }
  }
  for (const [document, digest] of loaded) take(document, digest)
  if (inFlight(pull) <= ASKED_MAX - AT_ONCE) {
    for (const [document, digest] of pull.wanted) {
      if (inFlight(pull) >= ASKED_MAX) break
      if (!isAskedElsewhere(node, pull, document)) take(document, digest)
    }
  }
  // It waits for the answers to another pull, which is given up by itself if they do not come.
  if (inFlight(pull) === 0 && pull.wanted.size > 0) pull.progressMs = node.now.monotonicMs
  if (items.length > 0) sendTo(node, peer.pid, { type: 'want', pull: pull.id, items })
}

/** Whether the document is about to come by another pull. One for a claim waits for nobody: the cluster waits for it. */
const isAskedElsewhere = (node: NodeState, pull: Pull, document: DocumentName): boolean => {
  if (pull.mode === 'documents') return false
  for (const { pull: other } of node.peers.values()) if (other !== null && other !== pull && other.status !== 'done' && (other.asked.has(document) || other.loading.has(document))) return true
  return false
}

const EMPTY_STATE_VECTOR = new Uint8Array([0])

const becomeStoring = (node: NodeState, pull: Pull): void => {
  pull.status = 'storing'
  pull.storedBy = latestCommit(node)
}

const becomeDone = (node: NodeState, peer: Peer, pull: Pull): void => {
  pull.status = 'done'
  if (pull.mode === 'documents' || peer.nodeId === null) return
  peer.synced = true
  peer.comparedMs = peer.pulledMs = node.now.monotonicMs
  node.metaChanged = true
  peer.heldPush = Math.max(peer.heldPush, pull.through)
  closeHoles(peer)
  noteHeld(node, peer, pull.through)
  sendTo(node, peer.pid, { type: 'holds', nodeId: peer.nodeId, through: pull.through })
  if (pull.fetched > 0) log(node, 'info', 'pulled', { peer: peer.pid, documents: pull.fetched, ms: node.now.monotonicMs - pull.startedMs, mode: pull.mode })
}

/** Remembers how far this node holds a peer's feed; written with the next commit that writes its own state anyway. */
export const noteHeld = (node: NodeState, peer: Peer, through: number): void => {
  if (peer.nodeId === null) return
  const known = node.meta.held[peer.nodeId]
  if (known !== undefined && known.boot > peer.boot) return // an old copy of its directory, about to raise its boot
  const before = known?.boot === peer.boot ? known.through : 0
  node.meta.held[peer.nodeId] = { pid: peer.pid, through: Math.max(through, before), boot: peer.boot }
}

const findPull = (peer: Peer, id: number): Pull | null => [peer.pull, peer.claimPull].find((pull) => pull?.id === id) ?? null

// ---- answers to this node's pulls

export const onTable = (node: NodeState, peer: Peer, { pull: id, head, buckets }: Message<'table'>): void => {
  const pull = findPull(peer, id)
  if (pull === null || pull.status !== 'rows') return
  pull.progressMs = node.now.monotonicMs
  pull.through = head
  const differing = differingBuckets(node.documents, buckets)
  if (differing.length > 0) sendTo(node, peer.pid, { type: 'bucket-request', pull: id, buckets: differing })
  else becomeFetching(node, peer, pull)
}

const becomeFetching = (node: NodeState, peer: Peer, pull: Pull): void => {
  pull.rowsEnded = true
  pull.status = 'fetching'
  continuePull(node, peer, pull)
}

export const onRows = (node: NodeState, peer: Peer, { pull: id, rows, through, last }: Message<'rows'>): void => {
  const pull = findPull(peer, id)
  if (pull === null || pull.status !== 'rows') return
  pull.progressMs = node.now.monotonicMs
  for (const row of rows) if (differs(node, row)) pull.wanted.set(row.document, row.digest)
  if (pull.mode === 'feed') pull.through = Math.max(pull.through, through)
  if (last) becomeFetching(node, peer, pull)
  else if (pull.mode === 'feed') sendTo(node, peer.pid, { type: 'feed-request', pull: id, after: through })
}

export const onDiff = (node: NodeState, peer: Peer, diff: Message<'diff'>): void => {
  const pull = findPull(peer, diff.pull)
  if (pull === null || !pull.asked.has(diff.document)) return
  pull.progressMs = node.now.monotonicMs
  const parts = pull.parts.get(diff.document) ?? []
  parts.push(diff.bytes)
  pull.parts.set(diff.document, parts)
  if (parts.length < diff.parts) return
  pull.parts.delete(diff.document)
  pull.asked.delete(diff.document)
  if (!diff.missing) {
    const update = concat(parts)
    if (!isEmptyUpdate(update)) {
      if (receiveUpdate(node, peer.pid, diff.document, update, isForAll(node, peer) ? 'as-done' : 'as-received') === 'bad') return rejectLink(node, peer, 'bad-update')
      pull.fetched++
    }
    if (node.documents.quarantined.delete(diff.document)) log(node, 'info', 'document-restored', { document: diff.document, peer: peer.pid })
  }
  continuePull(node, peer, pull)
}

/**
 * Whether others need what this peer gave. A node that serves must not show what other ready nodes may lack: what it pulls, it pushes on, and
 * waits for them [STO2, REP6]. One that does not serve yet has nothing to add to what a ready peer gave, which all ready nodes hold; but
 * what a peer gave that is not ready either, a third may lack that has pulled from both already, or from this node alone.
 */
const isForAll = (node: NodeState, { pid }: Peer): boolean =>
  node.phase === 'ready' || (node.members.rows.get(pid)?.row.phase !== 'ready' && node.members.view.some((other) => other !== pid && other !== node.meta.pid))

/** An update without structs and deletions: two zero bytes in V1. */
const isEmptyUpdate = (update: Uint8Array): boolean => update.byteLength === 2 && update[0] === 0 && update[1] === 0

/** Parts of one message or update, as one. */
export const concat = (parts: readonly Uint8Array[]): Uint8Array => {
  const [only] = parts
  if (parts.length === 1 && only !== undefined) return only
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.byteLength, 0))
  let at = 0
  for (const part of parts) {
    whole.set(part, at)
    at += part.byteLength
  }
  return whole
}

export const onPullEnd = (node: NodeState, peer: Peer, { pull: id, promised, tentative }: Message<'pull-end'>): void => {
  const pull = findPull(peer, id)
  if (pull === null || pull.status !== 'ending') return
  acceptPromise(node, promised, tentative)
  becomeStoring(node, pull)
  continuePull(node, peer, pull)
}

// ---- questions of peers: answered when everything they need is in memory and their link has room

const QUESTIONS = new Set<PeerMessage['type']>(['feed-request', 'table-request', 'bucket-request', 'want', 'pull-end-request'])

export const isQuestion = (message: PeerMessage): boolean => QUESTIONS.has(message.type)

export const onQuestion = (node: NodeState, from: Pid, message: PeerMessage): void => {
  if (tryAnswer(node, from, message)) return
  if (node.questions.length < QUESTIONS_MAX) node.questions.push({ from, message })
}

/** Answers what had to wait; called when documents were loaded and on each tick. */
export const answerQuestions = (node: NodeState): void => {
  const waiting = node.questions
  node.questions = []
  for (const { from, message } of waiting) {
    if (!isReachable(node, from)) continue
    if (!tryAnswer(node, from, message)) node.questions.push({ from, message })
  }
}

const tryAnswer = (node: NodeState, from: Pid, message: PeerMessage): boolean => {
  if (!hasRoom(node, from)) return false
  if (message.type === 'want') return answerWant(node, from, message)
  if (message.type === 'pull-end-request') {
    sendAfter(node, from, latestCommit(node), { type: 'pull-end', pull: message.pull, promised: epochToPassOn(node), tentative: node.meta.tentative })
    return true
  }
  if (node.documents.unapplied.size > 0 && !applyInBackground(node)) return false
  if (message.type === 'table-request') {
    sendAfter(node, from, latestCommit(node), { type: 'table', pull: message.pull, head: latestCommit(node), buckets: encodeTable(node.documents) })
  } else if (message.type === 'feed-request') answerFeed(node, from, message)
  else if (message.type === 'bucket-request') answerBuckets(node, from, message)
  return true
}

const toWire = (rows: readonly FeedRow[]): WireDigest[] => rows.map(({ document, digest }) => ({ document, digest: digest ?? '' }))

const answerFeed = (node: NodeState, from: Pid, { pull, after }: Message<'feed-request'>): void => {
  const rows = readFeed(node.documents, after, ROWS_PER_PAGE)
  const last = rows.length < ROWS_PER_PAGE
  const through = last ? latestCommit(node) : (rows[rows.length - 1]?.seq ?? after)
  sendAfter(node, from, latestCommit(node), { type: 'rows', pull, rows: toWire(rows), through, last })
}

const answerBuckets = (node: NodeState, from: Pid, { pull, buckets }: Message<'bucket-request'>): void => {
  const rows = readBuckets(node.documents, new Set(buckets))
  for (let at = 0; at === 0 || at < rows.length; at += ROWS_PER_PAGE) {
    const page = rows.slice(at, at + ROWS_PER_PAGE)
    sendAfter(node, from, latestCommit(node), { type: 'rows', pull, rows: toWire(page), through: latestCommit(node), last: at + ROWS_PER_PAGE >= rows.length })
  }
}

/** Answers the items whose documents are in memory, a number of them at once; the rest waits. */
const answerWant = (node: NodeState, from: Pid, want: Message<'want'>): boolean => {
  for (const { document } of want.items) if (node.documents.heads.has(document)) requireDocument(node, document)
  const isLoading = ({ document }: Message<'want'>['items'][number]): boolean => node.documents.loading.has(document)
  const later = want.items.filter(isLoading)
  if (later.length > 0 && want.items.length - later.length < AT_ONCE) return false
  for (const item of want.items) {
    if (isLoading(item)) continue
    if (hasRoom(node, from)) answerItem(node, from, want.pull, item)
    else later.push(item)
  }
  if (later.length > 0 && node.questions.length < QUESTIONS_MAX) node.questions.push({ from, message: { ...want, items: later } })
  return true
}

const answerItem = (node: NodeState, from: Pid, pull: number, { document, stateVector }: Message<'want'>['items'][number]): void => {
  const loaded = node.documents.loaded.get(document)
  const missing = loaded === undefined || node.documents.quarantined.has(document)
  const update = missing ? new Uint8Array(0) : Y.encodeStateAsUpdate(loaded.doc, stateVector)
  const partBytes = node.config.diffPartBytesMax
  const parts = Math.max(1, Math.ceil(update.byteLength / partBytes))
  for (let part = 0; part < parts; part++) {
    sendAfter(node, from, latestCommit(node), { type: 'diff', pull, document, part, parts, bytes: update.subarray(part * partBytes, (part + 1) * partBytes), missing })
  }
}

// ---- the backstop

/**
 * Each tick: whoever is not in step pulls at once. Equal roots need no table and move the checkpoint as soon as the peer's head has
 * moved; where they differ, as they do under load, tables are compared every compareMs [REP2].
 */
export const compareWithPeers = (node: NodeState): void => {
  for (const peer of node.peers.values()) {
    const isThere = (peer.link !== null && peer.helloSeen) || node.members.view.includes(peer.pid)
    if (!isThere || (peer.pull !== null && peer.pull.status !== 'done')) continue
    if (!peer.synced) startPull(node, peer, 'feed')
    else if (isEqualNow(node, peer) || isBroken('no-digest')) noteEqual(node, peer)
    else if (node.now.monotonicMs - peer.comparedMs >= node.config.compareMs) startPull(node, peer, 'table')
  }
}

/** Whether both hold the same, on disk: memory may be ahead of it, and what is not committed yet does not count. */
const isEqualNow = (node: NodeState, peer: Peer): boolean => {
  const root = node.members.rows.get(peer.pid)?.row.root ?? ''
  return root !== '' && latestCommit(node) === node.commits.committedThrough && node.documents.unapplied.size === 0 && root === digestToHex(node.documents.root)
}

const noteEqual = (node: NodeState, peer: Peer): void => {
  peer.comparedMs = node.now.monotonicMs
  const head = node.members.rows.get(peer.pid)?.row.head ?? 0
  if (peer.nodeId === null || head <= (node.meta.held[peer.nodeId]?.through ?? 0)) return
  noteHeld(node, peer, head)
  sendTo(node, peer.pid, { type: 'holds', nodeId: peer.nodeId, through: head })
}
