// The whole state of one node, declared in one place with what must stay true of it. Changed only by the machines beside this file.
// Membership and coordinator state is plain data, cheap to copy and hash [COR1]; documents and sockets are kept apart from it.

import type { Call } from '../../crdt-schema/api.ts'
import type { DocumentName, Epoch, Hlc, NodeId, Pid } from '../../crdt-schema/ids.ts'
import type { OperatorCall } from '../../crdt-schema/operator-api.ts'
import type { PeerMessage, WireGrant, WireUpdate } from '../../crdt-schema/peer-wire.ts'
import type { Clients } from './clients.ts'
import type { Config } from './config.ts'
import type { Answer, Desk, Facts, GrantOutcome, Phase } from './desk.ts'
import type { Digest } from './digest.ts'
import type { Directory, DirectoryNews } from './directory.ts'
import type { CallId, CommitNumber, Effect, JobId, LinkId, LoggedUpdate, Now, Refusal } from './events.ts'
import type { Groups } from './groups.ts'
import type { Change, LoadedDocument, RestingDocument } from './loaded.ts'
import type { Members } from './members-state.ts'
import type { Streams } from './streams.ts'

/** What survives a crash besides documents; one JSON text in the commit log. Kept on disk before it is used. */
export interface Meta {
  pid: Pid
  nodeId: NodeId
  boot: number
  /** The cluster this directory belongs to; null while it is empty. */
  clusterId: string | null
  promised: Epoch
  hlc: Hlc
  /** The ready nodes last seen together [RDY1]. */
  lastView: Pid[]
  tentative: WireGrant[]
  /** By nodeId: how far this node holds that node's feed, and the highest boot it saw of it [REP1]. */
  held: Record<string, { pid: Pid; through: number; boot: number }>
  /** Wall times, ms, at which this node lost the coordinator's role by what happened to itself, of the last ten minutes [COO1]. */
  roleLostMs: number[]
  /** Cluster time, ms, when two clocks last agreed on it; up to an hour old [CLK1]. */
  agreedMs: number
  /** It coordinated when this was written: found true at a start, the role was lost by a crash. */
  coordinated: boolean
}

// ---- documents

export interface Head {
  seq: CommitNumber
  /** Null while updates in the log were never applied. */
  digest: Digest | null
  bytes: number
  /** Messages its owner sent, as last counted. */
  messages: number
}

export interface Documents {
  readonly heads: Map<DocumentName, Head>
  /** Every touch in order of commits; entries whose head has moved on are stale. */
  touches: { seq: CommitNumber; name: DocumentName }[]
  readonly loaded: Map<DocumentName, LoadedDocument>
  readonly resting: Map<DocumentName, RestingDocument>
  /** Asked for, with the pins taken meanwhile and the updates that came after the request. */
  readonly loading: Map<DocumentName, { pins: number; updates: Uint8Array[] }>
  /** Names whose head has no digest: to be loaded before any comparison [REP2]. */
  readonly unapplied: Set<DocumentName>
  /** Could not be read and not yet fetched whole from a peer [COR4]. */
  readonly quarantined: Set<DocumentName>
  readonly byAccount: Groups<string, DocumentName>
  /** Sums of table terms: 4,096 buckets as pairs (high, low), and over all. */
  readonly buckets: Uint32Array
  root: Digest
  /** Stored bytes of all documents, and messages, each counted once. */
  bytes: number
  messages: number
  unloadedMs: number
  /** How many more updates this tick may apply, or rewrite, for those who can wait. */
  roomInTick: number
}

// ---- commits

/** One commit from collecting to settled. `own`: what this node originated; `foreign`: what peers pushed, by origin. */
export interface PendingCommit {
  readonly seq: CommitNumber
  readonly own: WireUpdate[]
  /** The push sequence before this one (0: none), set when it is pushed. */
  previous: number
  readonly ackedBy: Set<Pid>
  /** Pushes of others contained here that their origin has not called settled. */
  readonly foreign: Map<Pid, { boot: number; seq: number; updates: WireUpdate[] }[]>
  /** A later commit that logged the foreign updates again as this node's own; this one settles with it. */
  adoptedBy: CommitNumber
}

export interface OpenCommit {
  seq: CommitNumber
  updates: LoggedUpdate[]
  own: WireUpdate[]
  foreign: Map<Pid, { boot: number; seq: number; updates: WireUpdate[] }[]>
  touched: Set<DocumentName>
  removed: DocumentName[]
  adoptedBy: CommitNumber
  bytes: number
}

export interface Commits {
  open: OpenCommit
  /** `lastView`: the one in its meta, null if the record holds none. */
  writing: { record: OpenCommit; sinceMs: number; lastView: readonly Pid[] | null } | null
  committedThrough: CommitNumber
  acknowledgedThrough: CommitNumber
  settledThrough: CommitNumber
  /** Committed and not settled, ascending. */
  pending: PendingCommit[]
  lastPushed: number
  /** Quick commits since the last slow one. */
  fastInRow: number
}

// ---- peers

/** One pull of what a peer holds: by feed since a checkpoint, or by comparing tables [REP1, REP2]. */
export interface Pull {
  readonly id: number
  /** 'documents': just those wanted, to complete a promise [COO1]. */
  readonly mode: 'feed' | 'table' | 'documents'
  status: 'opening' | 'rows' | 'fetching' | 'ending' | 'storing' | 'done'
  /** The peer's feed position that this pull will have covered. */
  through: number
  /** What to ask for, with the digest that the peer said; of those, what is being loaded for it; what is asked for, and the parts that came so far. */
  readonly wanted: Map<DocumentName, string>
  readonly loading: Map<DocumentName, string>
  readonly asked: Set<DocumentName>
  readonly parts: Map<DocumentName, Uint8Array[]>
  rowsEnded: boolean
  /** Commit that must return before the pull counts. */
  storedBy: CommitNumber
  fetched: number
  startedMs: number
  progressMs: number
}

export interface Peer {
  readonly pid: Pid
  url: string
  nodeId: NodeId | null
  boot: number
  link: LinkId | null
  /** This node dialed the present link. */
  dialed: boolean
  linkSinceMs: number
  helloSeen: boolean
  /** A hello of it came at some time in this run. */
  isMet: boolean
  /** The link has more than 1 MiB unsent [COR3]. */
  full: boolean
  dialing: boolean
  nextDialMs: number
  dialAttempt: number
  refusals: number
  /** Why it last refused this node, to say it once. */
  refusal: Refusal | null
  lastHeardMs: number
  roundTripMs: number
  left: boolean
  /** Pieces that came of a message too large for one frame. */
  fragments: Uint8Array[]
  queue: Uint8Array[]
  queuedBytes: number
  queueAfter: CommitNumber
  /** Its pushes of its present boot that came here: all up to `heldPush`, and some above a hole, each with the push before it. */
  heldPush: number
  readonly heldAbove: Map<CommitNumber, CommitNumber>
  /** Its own word on what its view acknowledged, of its present boot. */
  settledThrough: number
  /** It need not be waited for [REP6]. */
  excluded: boolean
  /** Pushes sent to it and not acknowledged, with the time; bounded. */
  readonly unacknowledged: Map<CommitNumber, number>
  /** Commits settled without it that it has not acknowledged: it is behind until this is empty. */
  readonly missing: Set<CommitNumber>
  /** When `missing` overflowed: it must hold this node's feed up to here. */
  missingThrough: CommitNumber
  /** It holds this node's feed up to here, by its own word. */
  holdsThrough: CommitNumber
  /** It must have said that it holds this much before it counts as a holder: the head when it came into view. */
  mustHold: CommitNumber
  pull: Pull | null
  claimPull: Pull | null
  /** A pull has ended since this node last left ready or the peer last came into view [RDY1]. */
  synced: boolean
  comparedMs: number
  /** When a pull from it last ended. */
  pulledMs: number
  /** When a fact it sent was last reported as far ahead of cluster time [CLK1]. */
  aheadReportedMs: number
}

// ---- coordinator

export interface GrantJob {
  readonly key: string
  readonly from: Pid
  readonly grant: string
  readonly keys: readonly string[]
  status: 'waiting' | 'storing' | 'preparing' | 'committing'
  order: number
  readonly preparedBy: Set<Pid>
  /** When each was last asked to prepare, ms: a question can be lost with its link, so it is asked again. */
  readonly askedOf: Map<Pid, number>
  storedBy: CommitNumber
  outcome: GrantOutcome | null
}

export interface Coordinator {
  role: 'follower' | 'claiming' | 'coordinating'
  epoch: Epoch
  /** The ready members as text, and since when it has been so. */
  readySet: string
  readySetSinceMs: number
  /** Who promised the epoch, in which run of its own; while claiming, also whom it was asked of. */
  readonly answered: Map<Pid, string>
  readonly asked: Set<Pid>
  collected: WireGrant[]
  nextOrder: number
  jobs: GrantJob[]
  holdUntilMs: number
  highestCounter: number
  /** It became ready with nobody to ask which epochs it has coordinated: a claim that it makes alone leaps. */
  leapDue: boolean
  /** The commit that the present step of the role waits for: the own promise, then what was settled. */
  settledBy: CommitNumber
  /** Members do not know yet that earlier grants are settled. */
  tellsSettled: boolean
  upkeepMs: number
  /** Since when it has, as coordinator, what another one granted, and has not looked at it; null: nothing. */
  mergedMs: number | null
  /** When it last asked what became of the grants it holds. */
  confirmedMs: number
}

/** The coordinator's walk through what was deleted or finished long ago [DOC3]. */
export interface Purging {
  /** When the next walk begins; null while this node does not coordinate. */
  nextMs: number | null
  /** Marks and drafts documents that the present walk has still to look at, the next one last. */
  queue: DocumentName[]
}

/** A grant this node asked for on behalf of a call. */
export interface Asking {
  readonly key: string
  readonly grant: string
  readonly deadlineMs: number
  askedEpoch: Epoch
  askedMs: number
  readonly onOutcome: (outcome: GrantOutcome) => void
}

// ---- calls

/** A call on its way to its answer. */
export interface PendingCall {
  readonly id: CallId
  readonly body: Call | OperatorCall
  readonly token: string | null
  readonly idempotencyKey: string | null
  readonly sinceMs: number
  facts: Facts
  /** What it waits for; 'running' between. */
  waits: 'ready' | 'documents' | 'password' | 'grant' | 'store' | 'running'
  job: JobId
  /** What the password is being compared with. */
  hashes: readonly string[]
  answer: { readonly done: Extract<Answer, { status: 'done' }>; readonly seq: CommitNumber } | null
}

export interface Calls {
  readonly byId: Map<CallId, PendingCall>
  readonly byJob: Map<JobId, PendingCall>
}

export interface NodeState {
  now: Now
  config: Config
  effects: Effect[]
  stopped: boolean
  phase: Phase
  phaseSinceMs: number
  /** It has all that makes it ready, and waits for the others to have noted so. */
  isSynced: boolean
  /** `meta.lastView` as the disk has it. */
  storedLastView: readonly Pid[]
  /** It has been ready in this run: a refusal by a peer no longer ends it. */
  wasReady: boolean
  /** The commit that holds this run's boot: nothing leaves the node before it has returned. */
  bootCommit: CommitNumber
  /** Directory documents pinned so far. */
  readonly pinned: Set<DocumentName>
  startedMs: number
  startedWallMs: number
  /** Since when it has been looking for others: its start, or the end of its last pause. */
  lookingSinceMs: number
  /** When an event was last taken in: the measure of self-suspicion [LIV3]. */
  observedMs: number
  tickedMs: number
  /** Since when it could be ready but for missing members of lastView. */
  alone: { sinceMs: number; view: string } | null
  drainSinceMs: number | null
  random: { readonly seed: Uint8Array; counter: number }
  clientIds: { readonly node: number; readonly owner: number }
  /** Compare tables with every peer before ready: the last stop was unclean. */
  unclean: boolean
  meta: Meta
  metaChanged: boolean
  documents: Documents
  changes: Change[]
  news: DirectoryNews[]
  /** Drafts documents with outbox entries that wait for other documents. */
  readonly undelivered: Set<DocumentName>
  loadedNow: DocumentName[]
  commits: Commits
  /** The thresholds as clients may know them: they stand still while this node may not acknowledge. */
  shown: { readonly acknowledged: CommitNumber; readonly settled: CommitNumber }
  readonly peers: Map<Pid, Peer>
  readonly pidByLink: Map<LinkId, Pid>
  members: Members
  coordinator: Coordinator
  readonly purging: Purging
  readonly asking: Map<string, Asking>
  /** Questions of peers that wait for documents to be loaded or applied, or for room on their link; bounded. */
  questions: { readonly from: Pid; readonly message: PeerMessage }[]
  /** Messages that reflect a commit that has not returned. */
  heldBack: { readonly after: CommitNumber; readonly to: Pid; readonly message: PeerMessage }[]
  nextId: number
  directory: Directory
  desk: Desk
  calls: Calls
  /** Calls whose answers wait for a threshold, in order. */
  waitingAnswers: CallId[]
  clients: Clients
  streams: Streams
  /** What the shell was last told to prove in handshakes. */
  identity: { readonly boot: number; readonly clusterId: string | null } | null
  /** Last ten minutes of what happened, for the cluster view. */
  readonly history: { readonly at: number; readonly kind: string; readonly pid: Pid }[]
  readonly recent: { readonly seq: CommitNumber; pids: readonly Pid[] }[]
}

/** Logs one event of the fixed list in docs/logs.md. */
export const log = (node: NodeState, level: 'debug' | 'info' | 'warn' | 'error', event: string, fields: Record<string, string | number | boolean | null> = {}): void => {
  node.effects.push({ type: 'log', level, event, fields })
}

/** Remembers an event for the timeline of the cluster view; bounded. */
export const remember = (node: NodeState, kind: string, pid: Pid): void => {
  node.history.push({ at: node.now.wallMs, kind, pid })
  if (node.history.length > 200) node.history.splice(0, node.history.length - 200)
}

/** Ends the node with these closing words: the shell stores what is committing, closes the store and exits. */
export const stopNode = (node: NodeState, exitCode: number, text: string): void => {
  if (node.stopped) return
  node.stopped = true
  node.effects.push({ type: 'stop', exitCode, text })
}
