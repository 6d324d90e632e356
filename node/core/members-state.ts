// The part of a node's state that says who is there; members.ts computes it. Plain data [COR1].

import type { Pid } from '../../crdt-schema/ids.ts'
import type { StateRow } from '../../crdt-schema/peer-wire.ts'

export interface RowSeen {
  row: StateRow
  seenMs: number
  /** Its wall clock minus this node's monotonic clock at the time. */
  wallOffsetMs: number
}

export interface Members {
  readonly rows: Map<Pid, RowSeen>
  /** Pids connected to this one by links up both ways, this one included, ascending [LIV2]. */
  view: readonly Pid[]
  /** Next hop towards each pid in view. */
  routes: ReadonlyMap<Pid, Pid>
  /** Peers that this node itself heard lately, as of then. */
  heard: readonly Pid[]
  counter: number
  heartbeatMs: number
  heartbeatDue: boolean
  /** A node that holds data and was heard from in this run. */
  heardData: boolean
}
