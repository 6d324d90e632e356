// S9: every way through a small scope, step by step, with the shipped core: breadth first, worlds that come to the same taken once.
// After every step the invariants of DESIGN.md 6 are checked; where a way ends, faults are taken back, time passes, and
// the cluster must be whole, hold what was granted, have one owner of the name, and give away new names through every node.
//
//   moments   frame by frame: all that can happen while no timer is due, in every order. Where two faults and two people meet
//             inside one grant, one restart, one fail-over of links. Time passes as often as the unit says
//   lives     all that can arrive does after each step, or a node dies in the midst of it, and time passes as often as one likes:
//             fail-over, return, waking

import { createHash } from 'node:crypto'
import { mintRequestId } from '../../crdt-schema/ids.ts'
import { type Mutant, plantMutant } from '../../crdt-schema/mutation.ts'
import { DEFAULTS } from '../../node/core/config.ts'
import { OTHER_NAMES, TICK_MS, createNodes } from './scope-nodes.ts'
import { PEOPLE, type Scope, type ScopeOptions, type ScopeWorld, createScope, faultKinds } from './scope-world.ts'

export interface Exploration extends ScopeOptions {
  readonly depth: number
  readonly mutant?: Mutant
  /** Plants disks that lose what was promised. */
  readonly forgetsPromise?: boolean
}

export interface Explored {
  /** What broke first, with the way there; empty: nothing on any way. */
  readonly findings: readonly string[]
  readonly figures: { readonly states: number; readonly transitions: number; readonly turns: number; readonly ends: number }
  /** The depth at which nothing new was left, or the bound. */
  readonly depth: number
}

const FINDINGS_MAX = 3

/** A way to a world: its last step, and the way before. */
interface Way {
  readonly step: string
  readonly before: Way | null
}

const wayToText = (way: Way | null): string => (way === null ? '' : `${wayToText(way.before)}${way.before === null ? '' : '; '}${way.step}`)

/** `keeps`: without it one way can be gone, on nodes that are never copied. */
export const createScopeOf = (options: ScopeOptions & { readonly forgetsPromise?: boolean }, keeps: 'copies' | 'none' = 'copies') => {
  const urlOf = (pid: number): string => `http://node-${pid}.test`
  const peers = new Map(Array.from({ length: options.nodes }, (_, pid) => [pid as never, urlOf(pid)]))
  const nodes = createNodes(pid => ({ ...DEFAULTS, tickMs: TICK_MS, aloneMs: null, rateLimits: false, pid, peers, url: urlOf(pid), clusterId: 'c'.repeat(32), version: '1.0.0' }), options)
  return { nodes, scope: createScope(keeps === 'copies' ? nodes : { ...nodes, rest: () => {} }, options) }
}

/** 96 bits of it stand for a world that was seen. */
const shorten = (key: string): string => createHash('sha256').update(key).digest('base64').slice(0, 16)

export const explore = (exploration: Exploration): Explored => {
  plantMutant(exploration.mutant ?? null)
  try {
    return exploreAll(exploration)
  } finally {
    plantMutant(null)
  }
}

const exploreAll = (exploration: Exploration): Explored => {
  const { nodes, scope } = createScopeOf(exploration)
  const findings: string[] = []
  const begin = scope.begin()
  if (begin.broken !== null) findings.push(`at the beginning: ${begin.broken}`)
  const seen = new Set([shorten(scope.keyOf(begin))])
  const ended = new Set<string>()
  let frontier: { readonly world: ScopeWorld; readonly way: Way | null }[] = [{ world: begin, way: null }]
  let transitions = 0
  let depth = 0

  const end = (world: ScopeWorld, way: Way | null): void => {
    const still = scope.settle(world)
    const key = shorten(scope.keyOf(still))
    if (ended.has(key)) return
    ended.add(key)
    const broken = still.broken ?? judgeSurvivors(scope, still) ?? judgeEnd(scope, still)
    if (broken !== null) findings.push(`${wayToText(way)}; in the end: ${broken}`)
  }

  for (; depth < exploration.depth && frontier.length > 0 && findings.length < FINDINGS_MAX; depth++) {
    const next: typeof frontier = []
    for (const { world, way } of frontier) {
      const actions = scope.actions(world)
      if (actions.length === 0) end(world, way)
      for (const action of actions.flatMap(each => [each, ...scope.deaths(world, each)])) {
        if (findings.length >= FINDINGS_MAX) break
        transitions += 1
        const to = action.at(world)
        const there: Way = { step: action.name, before: way }
        const broken = to.broken ?? scope.findStaleAnswer(to)
        if (broken !== null) {
          findings.push(`${wayToText(there)}: ${broken}`)
          continue
        }
        const key = shorten(scope.keyOf(to))
        if (seen.has(key)) continue
        seen.add(key)
        next.push({ world: to, way: there })
      }
    }
    frontier = next
    nodes.forgetPast(frontier.flatMap(({ world }) => world.nodes.flatMap(({ local }) => local ?? [])))
  }
  for (const { world, way } of frontier) if (findings.length < FINDINGS_MAX) end(world, way)
  return { findings, figures: { states: seen.size, transitions, turns: nodes.turns, ends: ended.size }, depth }
}

/** Six seconds: more than a restarted node needs to find its peers, sync and be given the role. */
const HEAL_TICKS_MAX = 24
const PROBE_TICKS_MAX = 12
/** Two and a half seconds: whoever is gone is known to be. */
const NOTICE_TICKS = 10

/**
 * While nodes are down for good, or one link of three is cut, those that never stopped go on by themselves: ready, equal, with one
 * coordinator and all that was granted [LIV2, REP3]. What a part owes that was frozen, or came back, depends on whom it last saw.
 */
const judgeSurvivors = (scope: Scope, world: ScopeWorld): string | null => {
  const kinds = new Set(world.faults.map(index => scope.options.faults[index]?.split(' ')[0]))
  const isBridged = world.cuts.length === 0 || (new Set(world.cuts).size === 1 && world.nodes.length === 3 && world.nodes.every(({ status }) => status === 'running'))
  const isWhole = world.faults.length === 0 || world.nodes.every(({ status }) => status === 'down')
  if (isWhole || kinds.has('pause') || kinds.has('isolate') || !isBridged || world.nodes.some(({ status, runs }) => status === 'running' && runs > 1)) return null
  const noticed = scope.passUntil(world, () => false, NOTICE_TICKS)
  const passed = scope.passUntil(noticed, each => findUnwell(each) === null, HEAL_TICKS_MAX)
  const unwell = passed.broken ?? findUnwell(passed) ?? judgeServing(scope, passed)
  return unwell === null ? null : `not healed, those that run: ${unwell}`
}

/** Every node that runs gives away a new name. */
const judgeServing = (scope: Scope, world: ScopeWorld): string | null => {
  const pids = world.nodes.flatMap(({ status }, pid) => (status === 'running' ? [pid] : []))
  const asked = pids.reduce((each, pid) => scope.ask(each, pid, PEOPLE.length + pid, OTHER_NAMES[pid] as string, mintRequestId(new Uint8Array(16).fill(100 + pid))), world)
  const missing = ({ nodes }: ScopeWorld): number[] => pids.filter(pid => nodes.some(({ status, local }) => status === 'running' && local?.seen.others[pid] === null))
  const after = scope.passUntil(asked, each => missing(each).length === 0, PROBE_TICKS_MAX)
  if (after.broken !== null) return after.broken
  return missing(after).length === 0 ? null : `no new account through node ${missing(after).join(', ')}`
}

/** Takes every fault back and lets time pass: then all must be well. Returns what is not. */
const judgeEnd = (scope: Scope, world: ScopeWorld): string | null => {
  const healed = scope.passUntil(scope.heal(world), each => findUnwell(each) === null, HEAL_TICKS_MAX)
  return healed.broken ?? findUnwell(healed) ?? judgeServing(scope, healed)
}

const findUnwell = ({ nodes, wishes, wasParted }: ScopeWorld): string | null => {
  const seen = nodes.flatMap(({ status, local }) => (status === 'running' ? (local?.seen ?? []) : []))
  if (seen.some(({ phase }) => phase !== 'ready')) return `not all are ready: ${seen.map(({ phase }) => phase).join(', ')}`
  if (seen.filter(({ role }) => role === 'coordinating').length !== 1) return `not one coordinator: ${seen.map(({ role }) => role).join(', ')}`
  if (new Set(seen.map(({ root }) => root)).size !== 1) return `different contents: ${seen.map(({ root }) => root).join(', ')}`
  if (new Set(seen.map(({ owner }) => owner)).size !== 1) return `different owners: ${seen.map(({ owner }) => owner).join(', ')}`
  for (const [call, { status }] of wishes.entries()) {
    if (status === 'granted' && !seen.every(({ claimants }) => claimants.includes(PEOPLE[call]?.account as never))) return `what person ${call} was granted is not everywhere`
  }
  const claimants = new Set(seen.flatMap(each => each.claimants))
  return !wasParted && claimants.size > 1 ? `${claimants.size} people have a claim of the name, although nobody was parted` : null
}

// ---- units

export interface Unit {
  readonly name: string
  readonly exploration: Exploration
}

/** Pairs of faults, one kind twice among them; any way with fewer faults is in each. */
const pairsOf = (kinds: readonly string[]): string[][] => kinds.flatMap((first, index) => kinds.slice(index).map(second => [first, second]))

const unit = (exploration: Exploration): Unit => ({ name: `${exploration.steps} ${exploration.nodes} ${exploration.depth} ${exploration.asksMax} ${exploration.timesMax === Infinity ? 'any' : exploration.timesMax} ${exploration.faults.join(' + ')}`, exploration })

/** `moments 3 12 2 0 crash 0 + pause 1`: steps, nodes, depth, how often the name is asked for, how often time passes, faults. */
export const parseUnit = (name: string): Exploration => {
  const [steps, nodes, depth, asksMax, timesMax, ...faults] = name.split(' ')
  return { steps: steps === 'lives' ? 'lives' : 'moments', nodes: Number(nodes), depth: Number(depth), asksMax: Number(asksMax), timesMax: timesMax === 'any' ? Infinity : Number(timesMax), faults: faults.length === 0 ? [] : faults.join(' ').split(' + ') }
}

/** Deaths inside of steps make many worlds, so units with them end earlier: each takes a minute or less. */
const livesOf = (nodes: number, faults: readonly string[]): Unit => {
  const crashes = faults.filter(fault => fault.startsWith('crash')).length
  const deepest = nodes === 2 || faults.length === 1 ? 5 : 4
  return unit({ steps: 'lives', nodes, depth: faults.length > 1 && crashes >= 4 - nodes ? deepest - 1 : deepest, asksMax: 2, timesMax: Infinity, faults })
}

/** The whole programme: what is explored how far, and nothing between. */
export const unitsOfScope = (): Unit[] => [
  ...[2, 3].flatMap(nodes => pairsOf(faultKinds(nodes)).map(faults => unit({ steps: 'moments', nodes, depth: 12, asksMax: 2, timesMax: 0, faults }))),
  ...pairsOf(faultKinds(2)).map(faults => unit({ steps: 'moments', nodes: 2, depth: 12, asksMax: 2, timesMax: 1, faults })),
  ...[2, 3].flatMap(nodes => pairsOf(faultKinds(nodes)).map(faults => livesOf(nodes, faults))),
  ...faultKinds(3).map(fault => livesOf(3, [fault]))
]
