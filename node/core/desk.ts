// The product's view of the machine: what accounts, sessions, delivery, calls and attached clients may ask and do.
// They see documents, the clock, holders and effects; never links, epochs of others, or the log's insides.
//
// A call's handler is run again from the start whenever something it needed has arrived, and writes only in its last run,
// when nothing is missing any more. So no call needs a continuation, and a half-done one leaves nothing behind.

import type * as Y from 'yjs'
import type { OutboxEntry } from '../../crdt-schema/drafts.ts'
import type { GateLimits } from '../../crdt-schema/gate.ts'
import type { AccountId, DocumentName, Epoch, Hlc, MessageId, Millis, NameKey, NodeId, Pid, RequestId, SessionId } from '../../crdt-schema/ids.ts'
import type { Insertion } from '../../crdt-schema/insertions.ts'
import type { CommitNumber, Effect } from './events.ts'
import type { Config } from './config.ts'
import type { Directory } from './directory.ts'
import type { SessionSeed } from './tokens.ts'

export type Phase = 'starting' | 'recovering' | 'syncing' | 'ready' | 'draining'

export interface Desk {
  readonly config: Config
  readonly pid: Pid
  readonly phase: Phase
  /** Cluster time: the median wall clock of the ready members in view [CLK1]. */
  readonly clusterMs: Millis
  readonly monotonicMs: number
  /** Names, accounts, sessions: indexed from the documents that hold them, kept current by every change. */
  readonly directory: Directory

  /** The loaded document, or null if it is not loaded (say so with `needs-documents`, which loads it). */
  document(name: DocumentName): Y.Doc | null
  /** The same for who looks only at its settings: what it has sent lately may be missing. */
  settings(name: DocumentName): Y.Doc | null
  /** Changes a loaded document in one transaction under this node's clientID; all edits of one step land in one commit. */
  edit<Value>(name: DocumentName, change: (doc: Y.Doc) => Value): Value
  /** Applies an update that the gate has passed to a loaded document, as coming from `client` (it is not echoed there). */
  applyUpdate(name: DocumentName, update: Uint8Array, client: number): void
  /** Applies what was written lately and not needed so far; false while that has to wait for the next tick. */
  applyInTime(name: DocumentName): boolean
  /** Whether `document` would answer with one, at no cost: what was written lately need not be applied for that. */
  isInMemory(name: DocumentName): boolean
  /** Whether an inbox document holds nothing at all about a message; null: not loaded. */
  isUnheard(name: DocumentName, id: MessageId): boolean | null
  /** The entries of a client's update that does nothing but send and needs no look at the document; null: judge it by the gate. */
  readSending(name: DocumentName, update: Uint8Array, limits: GateLimits): readonly OutboxEntry[] | null
  /** As applyUpdate, for what readSending let through. */
  applySending(name: DocumentName, update: Uint8Array, client: number): void
  /** Sets keys about a message that is unheard of in this document, as one edit would. */
  insert(name: DocumentName, id: MessageId, insertions: readonly Insertion[]): void
  /** Keeps a document in memory, or asks for it to be loaded, until `unpin`; counted. */
  pin(name: DocumentName): void
  unpin(name: DocumentName): void
  /** Opaque, equal on every node whose document has equal content. "0" for an empty or unknown document. Null while updates are unapplied. */
  digestOf(name: DocumentName): string | null
  /** Whether the node holds anything under this name, without loading it. */
  isKnown(name: DocumentName): boolean
  /** Stored bytes of a document, 0 if unknown. */
  bytesOf(name: DocumentName): number
  /** All names of documents held that start with `prefix`, sorted; cheap enough for a request, not for a message. */
  documentsUnder(prefix: string): readonly DocumentName[]
  /** Marks documents as gone for good, because of a fact committed in the same step [DOC8]. */
  dropDocuments(names: readonly DocumentName[]): void

  /** The commit that holds, or will hold, the newest change of the document (0: none since it was loaded). */
  latestCommit(name: DocumentName): CommitNumber
  /** The commit now collecting: whatever this step wrote is in it. */
  readonly openCommit: CommitNumber
  /** Commits up to this one are fsynced here, and what this node originated is acknowledged by every node in view [REP6]. */
  readonly acknowledgedThrough: CommitNumber
  /** The same, and what other nodes originated in them is acknowledged to those: clients may see it [STO2]. */
  readonly settledThrough: CommitNumber
  /** Pids on whose disk everything up to `settledThrough` is: this node and the ready nodes in view that are not behind, ascending. */
  readonly holders: readonly Pid[]
  /** The commit that collects is as large as one may be while another is being written: nothing new is taken in until that returns [COR3]. */
  readonly isOverfull: boolean
  /** Every member is in view, and what it held when they met is here: what this node does not know then nobody knows. */
  readonly isWhole: boolean
  /** How many members the cluster has, up or not. */
  readonly memberCount: number
  /** Nodes for clients to attach to, best first [SYN2]. */
  readonly nodes: readonly { readonly pid: Pid; readonly url: string; readonly status: 'ready' | 'syncing' | 'down' }[]

  /** `count` random bytes, unguessable. */
  random(count: number): Uint8Array
  emit(effect: Effect): void
}

// ---- grants [COO4]

/** What only the coordinator may decide, as plain data that travels and is kept tentatively on every disk. */
export type Grant =
  | { readonly kind: 'create-account'; readonly requestId: RequestId; readonly accountId: AccountId; readonly shownName: string; readonly nameKey: NameKey; readonly passwordHash: string; readonly session: SessionSeed; readonly codes?: NewCodes }
  | { readonly kind: 'change-account'; readonly requestId: RequestId; readonly accountId: AccountId; readonly shownName: string | null; readonly nameKey: NameKey | null; readonly passwordHash: string | null; readonly keepSession: SessionId | null; readonly codes?: NewCodes; readonly spends?: string /* the hash of a recovery code that stands for the password */ }
  | { readonly kind: 'grant-session'; readonly requestId: RequestId; readonly accountId: AccountId; readonly takeOver: boolean; readonly session: SessionSeed; readonly provedHash: string /* the hash that the password fitted: must still be in force */; readonly rehash: string | null /* to put in its place */; readonly codes?: NewCodes }
  | { readonly kind: 'remove-account'; readonly requestId: RequestId; readonly accountId: AccountId }
  | { readonly kind: 'admit-member'; readonly requestId: RequestId; readonly pid: Pid | null; readonly nodeId: NodeId; readonly url: string; readonly taken?: readonly Pid[] /* that have an address in --peers of the node that asks */ }
  | { readonly kind: 'remove-member'; readonly requestId: RequestId; readonly nodeId: NodeId }

/**
 * Recovery codes to put in place of those an account has. `over` is the set in force when they were made (null: none): with another one in force
 * by now, somebody was shown codes since, and these come too late. A coordinator of an older version passes them over, so its outcome lacks `codes`.
 */
export interface NewCodes {
  readonly hashes: readonly string[]
  readonly over: string | null
}

/** JSON-able; `code` of a refusal is the HTTP problem's code. */
export type GrantOutcome =
  | { readonly status: 'granted'; readonly value: Readonly<Record<string, string | number | boolean | null>> }
  | { readonly status: 'refused'; readonly code: string }

/** When and by whom a grant is committed. */
export interface GrantStamp {
  readonly hlc: Hlc
  readonly epoch: Epoch
}

// ---- calls

/** What has arrived for a call since it came in. */
export interface Facts {
  /** Cluster time when the call arrived: the same in every run. */
  readonly arrivedMs: Millis
  /** 64 random bytes, the same in every run of this call; after them those of recovery codes, for a call that makes some. */
  readonly random: Uint8Array
  readonly hash: string | null
  /** `hashes` as the run that asked listed them, since `match` is an index into that list and the next run may list others. */
  readonly verified: { readonly hashes: readonly string[]; readonly match: number; readonly rehash: string | null } | null
  readonly grant: GrantOutcome | null
}

/** What a handler says each time it runs. */
export type Answer =
  | { readonly status: 'needs-documents'; readonly documents: readonly DocumentName[] }
  | { readonly status: 'needs-hash'; readonly password: string }
  | { readonly status: 'needs-verify'; readonly password: string; readonly hashes: readonly string[] }
  | { readonly status: 'needs-grant'; readonly grant: Grant }
  | {
      readonly status: 'done'
      readonly httpStatus: number
      /** JSON-able; a function when it tells where the write is stored. Problems: see api.ts. */
      readonly body: unknown | ((storedOn: readonly Pid[]) => unknown)
      /** What must hold before it leaves: nothing, this node's writes acknowledged [REP6], or all it reflects settled [STO2]. */
      readonly wait: 'nothing' | 'acknowledged' | 'settled'
      readonly retryAfterSeconds?: number
    }
  /** An event stream: the call stays open and streams.ts feeds it. */
  | { readonly status: 'stream'; readonly accountId: AccountId; readonly sessionId: SessionId }
