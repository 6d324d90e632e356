// What comes into the core and what goes out: the whole language between the machine and its shell [COR1].
// The shell (runtime.ts, or the simulator) feeds events one at a time and carries out the effects in order. Nothing here does anything.

import type { DocumentName, NodeId, Pid } from '../../crdt-schema/ids.ts'
import type { Call } from '../../crdt-schema/api.ts'
import type { OperatorCall } from '../../crdt-schema/operator-api.ts'
import type { Config } from './config.ts'

/** Both clocks, read afresh for every event. `monotonicMs` never goes back; `wallMs` may jump. */
export interface Now {
  readonly monotonicMs: number
  readonly wallMs: number
}

/** Names one connection between two nodes; made by the shell, never used twice in a run. */
export type LinkId = number
/** Names one attached client socket; made by the shell, never used twice in a run. */
export type ClientId = number
/** Names one HTTP request or event stream; made by the shell, never used twice in a run. */
export type CallId = number
/** Names one job of the password worker; made by the core. */
export type JobId = number
/** Number of a commit in this node's log; contiguous from 1 over all runs. */
export type CommitNumber = number

/** One update of one document inside a commit. */
export interface LoggedUpdate {
  readonly document: DocumentName
  /** A Yjs update, V1 encoding. */
  readonly update: Uint8Array
}

/** What a document held when it was last applied: its digest, and how many messages it counts (absent: none). */
export interface StoredDigest {
  readonly high: number
  readonly low: number
  readonly messages?: number
}

/** What is kept in memory of every document, loaded or not. `digest` is null while logged updates were never applied. */
export interface DocumentHead {
  readonly document: DocumentName
  /** The latest commit that touched it: its place in the feed. */
  readonly seq: CommitNumber
  readonly digest: StoredDigest | null
  /** Sum of the lengths of its rows and log entries, in bytes. */
  readonly bytes: number
}

/**
 * One atomic, fsynced write [STO1]. Holds everything that became true since the commit before:
 * updates, the digests of the documents they touched (null: not applied yet), documents that a fact removed [DOC8],
 * and the node's own state whenever that changed.
 */
export interface CommitRecord {
  readonly seq: CommitNumber
  readonly updates: readonly LoggedUpdate[]
  readonly digests: readonly { readonly document: DocumentName; readonly digest: StoredDigest | null }[]
  readonly removed: readonly DocumentName[]
  /** JSON text of the node's own state (boot, promise, tentative grants, checkpoints …); null: unchanged. */
  readonly meta: string | null
}

/** What the store hands over when it has opened. */
export interface StoredState {
  /** JSON text as last committed; null for an empty directory. */
  readonly meta: string | null
  readonly heads: readonly DocumentHead[]
  readonly lastCommit: CommitNumber
  /** The directory was not closed cleanly, was repaired, or a checksum did not match [STO6]. */
  readonly unclean: boolean
}

/** Who is on the other side of a link, as the handshake of the links adapter proved it. */
export interface PeerIdentity {
  readonly pid: Pid
  readonly nodeId: NodeId
  readonly boot: number
  /** What it wants to be called by browsers and peers. */
  readonly url: string
  readonly version: string
}

/** Why a peer does not talk to this node; each ends a node that has never been ready in this run with exit code 6. */
export type Refusal = 'wrong-secret' | 'foreign-cluster' | 'pid-taken' | 'removed' | 'protocol'

export type Event =
  | { readonly type: 'start'; readonly config: Config; readonly stored: StoredState; readonly seed: Uint8Array /* 32 random bytes */ }
  | { readonly type: 'tick' /* every config.tickMs */ }
  /** The shell has no further event at hand: commits and frames collected so far go out. Sent at least once after any other event. */
  | { readonly type: 'turn-end' }
  | { readonly type: 'drain' /* SIGTERM: hand over, then stop */ }
  // links
  | { readonly type: 'link-up'; readonly link: LinkId; readonly peer: PeerIdentity; readonly dialed: boolean /* by this node */ }
  | { readonly type: 'link-frame'; readonly link: LinkId; readonly frame: Uint8Array }
  | { readonly type: 'link-down'; readonly link: LinkId }
  | { readonly type: 'link-full'; readonly link: LinkId /* more than 1 MiB unsent [COR3] */ }
  | { readonly type: 'link-writable'; readonly link: LinkId /* drained again after link-full */ }
  | { readonly type: 'dial-failed'; readonly pid: Pid; readonly reason: 'refused' | 'timeout' | 'error' | Refusal }
  // attached clients (sync sockets)
  | { readonly type: 'client-up'; readonly client: ClientId; readonly room: string; readonly token: string | null; readonly address: string }
  | { readonly type: 'client-frame'; readonly client: ClientId; readonly frame: Uint8Array }
  | { readonly type: 'client-down'; readonly client: ClientId }
  | { readonly type: 'client-full'; readonly client: ClientId }
  | { readonly type: 'client-writable'; readonly client: ClientId }
  // HTTP
  /** An operator's call comes only from the adapter that had the proof of the secret. */
  | { readonly type: 'request'; readonly call: CallId; readonly body: Call | OperatorCall; readonly token: string | null; readonly idempotencyKey: string | null; readonly address: string }
  | { readonly type: 'request-aborted'; readonly call: CallId }
  // storage
  | { readonly type: 'loaded'; readonly document: DocumentName; readonly updates: readonly Uint8Array[] }
  /** Its rows do not decode or match their checksums; the store has moved them aside [COR4]. */
  | { readonly type: 'load-failed'; readonly document: DocumentName; readonly reason: string }
  | { readonly type: 'committed'; readonly seq: CommitNumber }
  | { readonly type: 'commit-failed'; readonly seq: CommitNumber; readonly reason: string }
  // passwords
  | { readonly type: 'password-hashed'; readonly job: JobId; readonly hash: string }
  /** `match`: index of the first hash that fits, or -1; `rehash`: a new hash when parameters rose. */
  | { readonly type: 'password-verified'; readonly job: JobId; readonly match: number; readonly rehash: string | null }
  | { readonly type: 'password-busy'; readonly job: JobId }

/**
 * Every effect that leaves the node names in `after` the commit it reflects; the core emits it only once that commit has returned,
 * and the shell asserts so [STO2].
 */
export type Effect =
  // links
  | { readonly type: 'dial'; readonly pid: Pid; readonly url: string }
  | { readonly type: 'send'; readonly link: LinkId; readonly frame: Uint8Array; readonly after: CommitNumber }
  | { readonly type: 'close-link'; readonly link: LinkId; readonly reason: Refusal | 'replaced' | 'bad-frame' | 'leaving' | 'dead' }
  /** The boot this node proves in handshakes from now on (raised at start, or by a peer that saw a higher one [REP1]). */
  | { readonly type: 'identify'; readonly pid: Pid; readonly nodeId: NodeId; readonly boot: number; readonly clusterId: string | null }
  // clients
  | { readonly type: 'client-send'; readonly client: ClientId; readonly frame: Uint8Array; readonly after: CommitNumber }
  | { readonly type: 'client-close'; readonly client: ClientId; readonly code: number; readonly reason: string }
  /** Read nothing more from it until `client-resume`: TCP then slows it down [COR3] [DEL3]. */
  | { readonly type: 'client-pause'; readonly client: ClientId }
  | { readonly type: 'client-resume'; readonly client: ClientId }
  // HTTP: `problem` is set when status is an error; `body` is JSON-able or null
  | { readonly type: 'respond'; readonly call: CallId; readonly status: number; readonly body: unknown; readonly retryAfterSeconds: number | null; readonly after: CommitNumber }
  /** One server-sent event on a call that asked for the stream; the call stays open until `stream-end`. */
  | { readonly type: 'stream'; readonly call: CallId; readonly event: string; readonly data: unknown; readonly after: CommitNumber }
  | { readonly type: 'stream-end'; readonly call: CallId }
  // storage
  | { readonly type: 'load'; readonly document: DocumentName }
  | { readonly type: 'commit'; readonly record: CommitRecord }
  /** Replace the document's rows up to and including commit `through` by this one state, in the background [STO4]. */
  | { readonly type: 'compact'; readonly document: DocumentName; readonly state: Uint8Array; readonly through: CommitNumber }
  // passwords: one worker, one job at a time, a bounded queue
  | { readonly type: 'hash-password'; readonly job: JobId; readonly password: string }
  | { readonly type: 'verify-password'; readonly job: JobId; readonly password: string; readonly hashes: readonly string[] }
  // the rest
  | { readonly type: 'log'; readonly level: 'debug' | 'info' | 'warn' | 'error'; readonly event: string; readonly fields: Readonly<Record<string, string | number | boolean | null>> }
  /** The node has ended: the shell closes the store and exits with this code, saying this text. */
  | { readonly type: 'stop'; readonly exitCode: number; readonly text: string }
