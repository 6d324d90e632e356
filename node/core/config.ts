// Timings and choices of one node, with the relations between them that the rules assume, asserted.
// Knows nothing of flags, files or environment: node/cli makes a Config from those.

import { assert } from '../../crdt-schema/prelude.ts'
import type { NodeId, Pid } from '../../crdt-schema/ids.ts'

export interface Config {
  /** null: joining, to be granted one. */
  readonly pid: Pid | null
  /** Of an empty directory that was granted its pid under this id [REP7]; null: made at the first start. */
  readonly nodeId: NodeId | null
  /** Addresses by pid, this node's own included. */
  readonly peers: ReadonlyMap<Pid, string>
  /** What browsers and peers are told. */
  readonly url: string
  /** Hash of the cluster's first secret [RDY1]. */
  readonly clusterId: string
  readonly version: string
  /** Start a cluster without the others after `bootstrapMs` without a peer that has data. */
  readonly bootstrap: boolean
  readonly bootstrapMs: number
  /** Address of any member, for a new node with an empty directory; null otherwise. */
  readonly joinUrl: string | null
  readonly tickMs: number
  readonly heartbeatMs: number
  /** A link is up while its peer was heard within this [LIV1]. */
  readonly deadMs: number
  /** Longest unobserved stretch before a node suspects itself [LIV3]. */
  readonly pauseMs: number
  /** A peer silent for this long is marked behind [REP6]. */
  readonly ackTimeoutMs: number
  /** How long a set of ready members must be unchanged before a claim [COO1]. */
  readonly settleMs: number
  /** The longest that a node which lost the role too often holds back [COO1]. */
  readonly settleMsMax: number
  readonly grantTimeoutMs: number
  /** Alone with stale knowledge: ready after this; null: never [RDY1]. */
  readonly aloneMs: number | null
  /** Frames of clients are held this long when the node leaves ready [RDY1]. */
  readonly holdMs: number
  readonly compareMs: number
  readonly redialMs: readonly number[]
  /** Clients are told where to go over this long when draining. */
  readonly drainMs: number
  readonly sessionsPerAccount: number
  readonly sessionDays: number
  /** How often the coordinator looks for what may be purged [DOC3]. */
  readonly purgeEveryMs: number
  readonly rateLimits: boolean
  readonly registration: 'open' | 'closed'
  /** Budget for loaded documents of mailboxes, bytes as estimated from their stored form [COR5]. */
  readonly documentMemoryBytes: number
  /** Largest first-sync answer sent in one part. */
  readonly diffPartBytesMax: number
}

export const DEFAULTS = {
  nodeId: null,
  bootstrap: false,
  bootstrapMs: 2_000,
  joinUrl: null,
  tickMs: 50,
  heartbeatMs: 250,
  deadMs: 1_500,
  pauseMs: 600,
  ackTimeoutMs: 1_000,
  settleMs: 500,
  settleMsMax: 60_000,
  grantTimeoutMs: 5_000,
  aloneMs: 10_000,
  holdMs: 3_000,
  compareMs: 30_000,
  redialMs: [0, 50, 150, 300, 600, 1_000],
  drainMs: 2_000,
  sessionsPerAccount: 8,
  sessionDays: 30,
  purgeEveryMs: 86_400_000,
  rateLimits: true,
  registration: 'open',
  documentMemoryBytes: 256 * 1024 * 1024,
  diffPartBytesMax: 4 * 1024 * 1024
} as const satisfies Partial<Config>

/** Asserts the relations that the rules rely on; call it on every Config before use. */
export const assertConfig = (config: Config): void => {
  assert(config.tickMs <= config.heartbeatMs && config.heartbeatMs < config.pauseMs, 'heartbeatMs must be below pauseMs')
  assert(config.pauseMs < config.ackTimeoutMs, 'pauseMs must be below ackTimeoutMs: a node must suspect itself before others mark it behind')
  assert(config.ackTimeoutMs < config.deadMs, 'ackTimeoutMs must be below deadMs')
  assert(config.heartbeatMs * 4 <= config.deadMs, 'deadMs must be at least four heartbeats')
  assert(config.settleMs >= config.heartbeatMs, 'settleMs must be at least one heartbeat')
  assert(config.pid === null || config.peers.has(config.pid), 'peers must name this pid')
}
