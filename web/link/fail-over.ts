// Which node the page talks to: a machine fed with what happened to its dials and its socket, answering with what to
// do next. It has no clock, no timer and no socket of its own; sockets.ts carries out what it says.
//
//                  opened             closed, silent, going away
//   dialling ─────────────────▶ open ──────────────────────────▶ dialling, another node first
//    │    ▲                      │
//    │    └─ waited, wake ──┐    └─ closed with a final code ──▶ ended
//    └── round-failed ──▶ waiting
//
// The dial rule: the last good node first, the next ones staggered, back-off with jitter, back to the
// start on `wake` (the browser is online again, the page is visible again, the person pressed "Try now").

import { CLOSE_CODES, isFinalClose } from '../../crdt-schema/wire.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'

/** How long after one dial the next node is tried as well; at once when the one before has failed. */
export const STAGGER_MS = 300
/** A frozen node accepts a connection and then says nothing. */
export const DIAL_GIVE_UP_MS = 1500
/** A node speaks every second; this long without a word means it hangs. */
export const SILENCE_MS = 3000
/** A node that hung, left or was not ready is tried last for this long. */
export const AVOID_MS = 10_000
/** Pauses between rounds in which no node answered; the last one repeats. */
export const BACK_OFF_MS = [300, 600, 1000, 2000, 5000] as const

/** Close codes of a node that asks its clients to go elsewhere [SYN4]. */
const MOVE_CODES: readonly number[] = [CLOSE_CODES.goingAway, CLOSE_CODES.tryLater, CLOSE_CODES.notReady]

/** A node as the cluster told of it, or as the page remembers it (then its status is `unknown`). */
export interface NodeAddress {
  readonly pid: number | null
  readonly url: string
  readonly status: 'ready' | 'syncing' | 'down' | 'removed' | 'unknown'
}

export interface FailOver {
  readonly status: 'dialling' | 'open' | 'waiting' | 'ended'
  /** Best first, at most nine. */
  readonly nodes: readonly NodeAddress[]
  /** The node of the open socket. */
  readonly current: string | null
  readonly lastGood: string | null
  /** Whether the open socket has said anything yet; only then does it count as good. */
  readonly isAnswered: boolean
  /** Rounds without an answer since the last good socket. */
  readonly failedRounds: number
  readonly avoidedUntilMs: Readonly<Record<string, number>>
  readonly endedBy: number | null
}

export type FailOverInput =
  | { readonly type: 'start' }
  | { readonly type: 'opened'; readonly url: string }
  | { readonly type: 'answered' }
  | { readonly type: 'round-failed' }
  | { readonly type: 'waited' }
  | { readonly type: 'closed'; readonly code: number }
  | { readonly type: 'silent' }
  | { readonly type: 'nodes'; readonly nodes: readonly NodeAddress[] }
  | { readonly type: 'wake' }

export type FailOverEffect =
  /** Dial these in this order, staggered; the first to open wins. */
  | { readonly type: 'dial'; readonly urls: readonly string[] }
  | { readonly type: 'wait'; readonly ms: number }
  /** Drop the open socket, without waiting for the other side. A dial follows. */
  | { readonly type: 'drop' }
  | { readonly type: 'end'; readonly code: number }

export interface Moment {
  readonly nowMs: number
  /** From 0 to 1: spreads the pages of a dead node over time. */
  readonly random: number
}

export interface FailOverStep {
  readonly state: FailOver
  readonly effects: readonly FailOverEffect[]
}

export const createFailOver = (nodes: readonly NodeAddress[], lastGood: string | null): FailOver => ({
  status: 'waiting',
  nodes: nodes.slice(0, LIMITS.nodesMax),
  current: null,
  lastGood,
  isAnswered: false,
  failedRounds: 0,
  avoidedUntilMs: {},
  endedBy: null,
})

/** The nodes in the order in which to try them. */
export const dialOrder = (state: FailOver, nowMs: number): string[] => {
  const weight = (node: NodeAddress): number => {
    const isAvoided = (state.avoidedUntilMs[node.url] ?? 0) > nowMs
    const isUsable = node.status === 'ready' || node.status === 'unknown'
    return (isAvoided ? 4 : 0) + (isUsable ? 0 : 2) + (node.url === state.lastGood ? 0 : 1)
  }
  return state.nodes
    .filter((node) => node.status !== 'removed')
    .map((node, place) => ({ url: node.url, weight: weight(node), place }))
    .sort((a, b) => a.weight - b.weight || a.place - b.place)
    .map(({ url }) => url)
}

export const stepFailOver = (state: FailOver, input: FailOverInput, moment: Moment): FailOverStep => {
  switch (input.type) {
    case 'start':
    case 'waited':
      return state.status === 'waiting' ? becomeDialling(state, moment) : stay(state)
    case 'wake':
      return state.status === 'waiting' ? becomeDialling({ ...state, failedRounds: 0, avoidedUntilMs: {} }, moment) : stay(state)
    case 'opened':
      return state.status === 'dialling' ? stay({ ...state, status: 'open', current: input.url, isAnswered: false }) : stay(state)
    case 'answered':
      return state.status === 'open' && !state.isAnswered
        ? stay({ ...state, isAnswered: true, failedRounds: 0, lastGood: state.current })
        : stay(state)
    case 'round-failed':
      return state.status === 'dialling' ? becomeWaiting(state, moment) : stay(state)
    case 'closed':
      return onClosed(state, input.code, moment)
    case 'silent':
      return state.status === 'open' ? dropCurrent(state, moment) : stay(state)
    case 'nodes':
      return onNodes(state, input.nodes, moment)
  }
}

const stay = (state: FailOver): FailOverStep => ({ state, effects: [] })

const becomeDialling = (state: FailOver, { nowMs }: Moment): FailOverStep => ({
  state: { ...state, status: 'dialling', current: null, isAnswered: false },
  effects: [{ type: 'dial', urls: dialOrder(state, nowMs) }],
})

const becomeWaiting = (state: FailOver, { random }: Moment): FailOverStep => {
  const step = BACK_OFF_MS[Math.min(state.failedRounds, BACK_OFF_MS.length - 1)] ?? 5000
  return {
    state: { ...state, status: 'waiting', current: null, isAnswered: false, failedRounds: state.failedRounds + 1 },
    effects: [{ type: 'wait', ms: Math.round(step * (0.75 + random / 2)) }],
  }
}

/** A socket that had answered is replaced at once; one that never did counts as a failed round once no other node is left. */
const onClosed = (state: FailOver, code: number, moment: Moment): FailOverStep => {
  if (state.status !== 'open') return stay(state)
  if (isFinalClose(code)) {
    return { state: { ...state, status: 'ended', current: null, isAnswered: false, endedBy: code }, effects: [{ type: 'end', code }] }
  }
  if (state.isAnswered && !MOVE_CODES.includes(code)) return becomeDialling(state, moment)
  const avoiding = avoid(state, state.current, moment)
  if (state.isAnswered || hasOtherNode(avoiding, moment)) return becomeDialling(avoiding, moment)
  return becomeWaiting(avoiding, moment)
}

const dropCurrent = (state: FailOver, moment: Moment): FailOverStep => {
  const { state: next, effects } = becomeDialling(avoid(state, state.current, moment), moment)
  return { state: next, effects: [{ type: 'drop' }, ...effects] }
}

/** Takes the cluster's word for who is there. A node that says it is leaving while another is ready is left at once. */
const onNodes = (state: FailOver, nodes: readonly NodeAddress[], moment: Moment): FailOverStep => {
  const next = { ...state, nodes: mergeNodes(state.nodes, nodes) }
  const own = nodes.find((node) => node.url === state.current)
  const isLeaving = own !== undefined && own.status !== 'ready' && nodes.some((node) => node.status === 'ready')
  return state.status === 'open' && isLeaving ? dropCurrent(next, moment) : stay(next)
}

/** What was told, then what is only remembered: an address nobody names any more may still be the one that answers. */
const mergeNodes = (known: readonly NodeAddress[], told: readonly NodeAddress[]): NodeAddress[] => {
  const remembered = known
    .filter((node) => !told.some(({ url, pid }) => url === node.url || (pid !== null && pid === node.pid)))
    .map((node) => ({ ...node, status: 'unknown' as const }))
  return [...told, ...remembered].slice(0, LIMITS.nodesMax)
}

const avoid = (state: FailOver, url: string | null, { nowMs }: Moment): FailOver =>
  url === null ? state : { ...state, avoidedUntilMs: { ...state.avoidedUntilMs, [url]: nowMs + AVOID_MS } }

const hasOtherNode = (state: FailOver, { nowMs }: Moment): boolean =>
  state.nodes.some((node) => node.status !== 'removed' && node.status !== 'down' && (state.avoidedUntilMs[node.url] ?? 0) <= nowMs)
