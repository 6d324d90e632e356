// Plots: faults and deeds that must meet at one moment to reach what neither reaches by chance: a push that one of two peers got, a
// claimant that dies in its claim, a rival who wins the name that a dead coordinator had promised to another. faults.ts
// strews them into every plan; what they reach is marked in marks.ts, and what only they find is told in docs/simulation.md.

import type { Random } from './random.ts'
import { type Entry, PEOPLE } from './workloads.ts'

export interface PlotOptions {
  readonly atMs: number
  readonly pid: number
  readonly nodes: number
}

export type Plot = (random: Random, options: PlotOptions) => Entry[]

const othersOf = ({ pid, nodes }: PlotOptions): number[] => Array.from({ length: nodes }, (_, other) => other).filter(other => other !== pid)

const listOf = <Item>(length: number, make: (index: number) => Item): Item[] => Array.from({ length }, (_, index) => make(index))

/** Two people who ask for one name at once, through two nodes. */
const planRivals = (random: Random, atMs: number, name: string, nodes: readonly number[]): Entry[] =>
  random.shuffle(nodes).slice(0, 2).map((via, index) => ({ atMs: atMs + random.integer(0, 3), line: `r${index}${name} signs-up as ${name} via ${via}` }))

/**
 * A node dies when it has pushed to some and not yet to others. Its sender asks the next node again, which may have it or not, and then
 * reads through each: whoever has it must have passed it on before it says so [REP3].
 */
const halfPushed: Plot = (random, options) => {
  const { atMs, pid } = options
  const person = random.pick(PEOPLE)
  const backMs = atMs + random.integer(3_000, 9_000)
  return [
    { atMs, line: `trap ${pid} after-send push ${random.pick([0, 0, 0, 1, 2])}` },
    ...listOf(4, index => ({ atMs: atMs + 1 + index * random.integer(1, 10), line: `${person} sends "h${atMs}-${index}" to ${random.pick(PEOPLE.filter(name => name !== person))} via ${pid}` })),
    ...othersOf(options).flatMap(via => listOf(3, () => ({ atMs: random.integer(atMs + 1_700, backMs), line: `${person} reads via ${via}` }))),
    { atMs: backMs, line: `start ${pid}` }
  ]
}

/** The coordinator dies, and the next lowest in the claim that follows. */
const fallenClaimant: Plot = (random, { atMs, nodes }) => {
  const claimant = nodes === 3 ? 1 : random.pick([1, 1, 2])
  const lower = listOf(claimant, pid => pid)
  const backMs = atMs + random.integer(3_500, 9_000)
  return [
    { atMs, line: `trap ${claimant} ${random.pick(['before-send', 'after-send'])} claim ${random.pick([0, 0, 1])}` },
    { atMs, line: `kill ${lower.join(' ')}` },
    ...[...lower, claimant].map(pid => ({ atMs: backMs + random.integer(0, 1_500), line: `start ${pid}` }))
  ]
}

/**
 * The coordinator, most often node 0, dies with a grant that only its own disk knows, and comes back to settle it; meanwhile the
 * rival may have got the name [COO2].
 */
const fallenGrant: Plot = (random, options) => {
  const { atMs } = options
  const pid = random.chance(0.75) ? 0 : options.pid
  const others = othersOf({ ...options, pid })
  return [
    { atMs, line: `trap ${pid} ${random.pick(['before-send', 'before-send', 'after-send'])} prepare ${random.pick([0, 0, 1, 2])}` },
    ...listOf(3, index => planRivals(random, atMs + 1 + index * random.integer(0, 20), `Rival${atMs}x${index}`, others)).flat(),
    { atMs: atMs + random.integer(2_500, 7_000), line: `start ${pid}` }
  ]
}

/** A node is told to end while people wait for its answers; now and then one of its peers is frozen, so that they wait for long. */
const loadedDrain: Plot = (random, options) => {
  const { atMs, pid } = options
  const frozen = random.chance(0.5) ? [random.pick(othersOf(options))] : []
  return [
    ...frozen.flatMap(other => [{ atMs: atMs - random.integer(0, 300), line: `pause ${other}` }, { atMs: atMs + random.integer(800, 2_500), line: `resume ${other}` }]),
    ...listOf(6, index => ({ atMs: atMs + random.integer(-200, 250), line: `${random.pick(PEOPLE)} sends "q${atMs}-${index}" to ${random.pick(PEOPLE)} via ${pid}` })),
    ...planRivals(random, atMs + random.integer(-50, 100), `Drain${atMs}`, [pid, random.pick(othersOf(options))]),
    { atMs, line: `drain ${pid}` },
    { atMs: atMs + random.integer(3_000, 9_000), line: `start ${pid}` }
  ]
}

/**
 * A node that served alone, and promised its own epoch, comes back unready among others whose grants are under way, since one
 * of them is frozen. What it says is late, so it is asked to prepare them before its promise is known, and refuses [COO4].
 */
const outsider: Plot = (random, options) => {
  const { atMs, nodes } = options
  const pid = nodes - 1
  const others = othersOf({ ...options, pid })
  const backMs = atMs + random.integer(4_500, 10_000)
  const frozen = random.pick(others.slice(1))
  return [
    { atMs, line: `isolate ${pid}` },
    { atMs: backMs - 700, line: `pause ${frozen}` },
    ...listOf(4, index => planRivals(random, backMs - random.integer(150, 700), `Outer${atMs}x${index}`, others.filter(other => other !== frozen))).flat(),
    { atMs: backMs - random.integer(20, 150), line: `restart ${pid}` },
    { atMs: backMs - 1, line: `delay ${pid}>0 ${random.integer(50, 400)}ms` },
    { atMs: backMs, line: `unite ${pid}` },
    { atMs: backMs + 2_000, line: `delay ${pid}>0 0ms` },
    { atMs: backMs + random.integer(300, 900), line: `resume ${frozen}` }
  ]
}

/** Those that need nodes to die, and those that need the network to part them. */
export const CRASH_PLOTS: readonly Plot[] = [halfPushed, halfPushed, fallenClaimant, fallenGrant, fallenGrant, loadedDrain]
export const NETWORK_PLOTS: readonly Plot[] = [outsider]
