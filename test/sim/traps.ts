// Traps: the exact moments at which a node can be made to die, for scenarios that kill a coordinator at each step of a
// grant, and for the machine that burns down just after it called a write stored.

import type { Effect } from '../../node/core/events.ts'
import type { NodeState } from '../../node/core/state.ts'

export type Moment = 'before-send' | 'after-send' | 'before-commit' | 'after-commit' | 'before-answer' | 'after-answer' | 'after-stored-answer'

/** A moment in a node's life at which it can be made to die; `count` such moments are let pass first. */
export interface Trap {
  readonly moment: Moment
  /** For sends: the type of a peer message that must be in the frame; empty for any. */
  readonly messageType: string
  readonly count: number
}

export interface TrapHolder {
  readonly isSet: boolean
  set(trap: Trap | null): void
  /** Whether this is the moment; then the trap is gone. */
  springs(moment: Moment, messageTypes: readonly string[]): boolean
}

export const createTrapHolder = (): TrapHolder => {
  let trap: Trap | null = null
  let left = 0
  return {
    get isSet() {
      return trap !== null
    },
    set(next) {
      trap = next
      left = next?.count ?? 0
    },
    springs(moment, messageTypes) {
      if (trap === null || trap.moment !== moment) return false
      if (trap.messageType !== '' && !messageTypes.includes(trap.messageType)) return false
      left -= 1
      if (left >= 0) return false
      trap = null
      return true
    }
  }
}

/**
 * Whether [REP6] says that another disk holds what this answer calls stored: some node in view is ready, not behind, and lacks
 * nothing that was acknowledged before. What it may lack of this very commit is what the fault is there to find.
 */
export const isStoredElsewhere = (state: NodeState, { body, after }: Effect & { type: 'respond' }): boolean => {
  if (typeof body !== 'object' || body === null || !('storedOn' in body)) return false
  return state.members.view.some(pid => {
    const peer = state.peers.get(pid)
    if (peer === undefined || peer.excluded || peer.holdsThrough < peer.mustHold) return false
    return state.members.rows.get(pid)?.row.phase === 'ready' && [...peer.missing].every(seq => seq >= after)
  })
}
