// What goes wrong in a plan: families of faults as lines of the language of scenario.ts, each with the line that takes it
// away again. A new fault is a word in commands.ts, a line here, and a line in docs/simulation.md.

import { CRASH_PLOTS, NETWORK_PLOTS, type Plot } from './plots.ts'
import type { Random } from './random.ts'
import { type Entry, PEOPLE, START_MS } from './workloads.ts'

export type FaultFamily = 'crash' | 'pause' | 'clock' | 'network' | 'disk' | 'old-copy' | 'link'

export interface FaultOptions {
  readonly nodes: number
  readonly families: readonly FaultFamily[]
  readonly simulatedMs: number
  /** An old copy may come back on its own side of a split, and serve alone. */
  readonly isRollBackAlone: boolean
}

/** A fault and what ends it; null: it ends by itself. */
type Fault = readonly (readonly [line: string, undo: string | null])[]

const GAP_MS = { min: 500, max: 4_000 }
const LASTS_MS = { min: 20, max: 10_000 }
const PLOTS: Readonly<Partial<Record<FaultFamily, readonly Plot[]>>> = { crash: CRASH_PLOTS, network: NETWORK_PLOTS }
/** The messages at which a connection is cut, or a node dies. */
const CUT_AT = ['push', 'ack', 'diff', 'rows', 'want', 'table', 'pull-end', 'prepare', 'prepared', 'claim', 'promise', 'resolved', 'ask', 'reply', 'fragment']

export const planFaults = (random: Random, options: FaultOptions): Entry[] => {
  const { nodes, families, simulatedMs } = options
  const entries: Entry[] = []
  for (let atMs = START_MS + 500; atMs < simulatedMs - 2_000; atMs += random.integer(GAP_MS.min, GAP_MS.max)) {
    const pid = random.integer(0, nodes - 1)
    const endMs = atMs + random.integer(LASTS_MS.min, LASTS_MS.max)
    const family = random.pick(families)
    const plots = PLOTS[family]
    if (plots !== undefined && random.chance(0.2)) {
      entries.push(...random.pick(plots)(random, { atMs, pid, nodes }))
      continue
    }
    for (const [line, undo] of planFault(random, family, pid, options)) {
      entries.push({ atMs, line }, ...(undo === null ? [] : [{ atMs: endMs, line: undo }]))
      if (line === `pause ${pid}`) entries.push(...planWaking(random, { atMs, endMs, pid, nodes }))
    }
  }
  return entries
}

interface Waking {
  readonly atMs: number
  readonly endMs: number
  readonly pid: number
  readonly nodes: number
}

/**
 * Somebody sends through another node while one is frozen, and asks the frozen one for it just before it wakes: what it
 * answers before it has synced is what a node must not say that does not suspect itself [LIV3].
 */
const planWaking = (random: Random, { atMs, endMs, pid, nodes }: Waking): Entry[] => {
  if (endMs - atMs < 2_000) return []
  const person = random.pick(PEOPLE)
  const other = (pid + random.integer(1, nodes - 1)) % nodes
  const send = { atMs: random.integer(atMs, endMs - 1_500), line: `${person} sends "w${atMs}" to ${random.pick(PEOPLE.filter(name => name !== person))} via ${other}` }
  // Its connections may have died meanwhile; then nothing that waits in them tells it how long it was away.
  const others = random.chance(0.5) ? Array.from({ length: nodes }, (_, index) => index).filter(index => index !== pid) : []
  const blips = others.map(index => ({ atMs: endMs - random.integer(50, 400), line: `blip ${pid}-${index} 10ms` }))
  return [send, ...blips, ...Array.from({ length: 4 }, () => ({ atMs: endMs - random.integer(0, 1_300), line: `${person} reads via ${pid}` }))]
}

const planFault = (random: Random, family: FaultFamily, pid: number, { nodes, isRollBackAlone }: FaultOptions): Fault => {
  const other = (pid + random.integer(1, nodes - 1)) % nodes
  const start = `start ${pid}`
  switch (family) {
    case 'crash':
      return random.pick<Fault>([
        [[`kill ${pid}`, start]],
        [[`kill ${pid}`, start]],
        [[`kill ${pid}`, start], [`kill ${other}`, `start ${other}`]],
        [[`power-off ${pid}`, start]],
        [[`power-off ${pid}`, start]],
        [[`restart ${pid}`, null]],
        [[`drain ${pid}`, start]],
        [[`trap ${pid} ${random.pick(['before-send', 'after-send'])} ${random.pick(CUT_AT)} ${random.integer(0, 3)}`, start]],
        [[`trap ${pid} ${random.pick(['before-commit', 'after-commit', 'before-answer', 'after-answer'])} ${random.integer(0, 5)}`, start]],
        [['kill all', 'start all']],
        [['power-off all', 'start all']]
      ])
    case 'pause':
      return [[`pause ${pid}`, `resume ${pid}`]]
    case 'clock':
      // Clocks are often set while a machine starts.
      return [[`jump ${pid} ${random.pick(['+3600s', '-3600s', '+5s', '-5s'])}`, null], ...(random.chance(0.4) ? [[`restart ${pid}`, null] as const] : [])]
    case 'network':
      return planPartition(random, pid, other, nodes)
    case 'disk':
      return random.pick<Fault>([
        [[`disk ${pid} slow ${random.integer(50, 2500)}ms`, `disk ${pid} ok`]],
        [[`lose-disk ${pid}`, start]],
        [[`lose-disk ${pid}`, start]],
        [[`disk ${pid} ${random.pick(['full', 'broken'])}`, `disk ${pid} ok`], ['run 0ms', start]],
        [[`power-off ${pid}`, start]],
        [[`wipe-out ${pid}`, start]],
        [[`flip ${pid}`, `restart ${pid}`]],
        [[`flip ${pid}`, null], [`power-off ${pid}`, start]]
      ])
    case 'old-copy':
      return random.pick<Fault>([
        [[`snapshot ${pid}`, null]],
        isRollBackAlone ? [[`roll-back ${pid}`, `unite ${pid}`]] : [[`set-back ${pid}`, start]],
        [[`set-back ${pid}`, start]]
      ])
    case 'link':
      return random.pick<Fault>([
        [[`delay ${pid}>${other} ${random.integer(20, 5000)}ms`, `delay ${pid}>${other} 0ms`]],
        [[`delay ${pid}-${other} ${random.integer(20, 5000)}ms`, `delay ${pid}-${other} 0ms`]],
        [[`snip ${pid} ${random.pick(CUT_AT)} ${random.integer(0, 4)}`, null]],
        [[`snip ${pid} ${random.pick(CUT_AT)} ${random.integer(0, 4)}`, null]],
        [[`echo ${pid} on`, `echo ${pid} off`]],
        [[`shake ${pid}`, null]],
        [[`cut ${pid}-${other}`, `open ${pid}-${other}`]],
        [[`blip ${pid}-${other} ${random.integer(5, 50)}ms`, null]]
      ])
  }
}

/** Every shape in which a network comes apart. */
const planPartition = (random: Random, pid: number, other: number, nodes: number): Fault => {
  const order = random.shuffle(Array.from({ length: nodes }, (_, index) => index))
  const middle = Math.ceil(nodes / 2)
  return random.pick<Fault>([
    [[`isolate ${pid}`, `unite ${pid}`]],
    [[`isolate ${pid}`, `unite ${pid}`]],
    [[`split ${order.slice(0, middle).join(' ')} | ${order.slice(middle).join(' ')}`, 'rejoin']],
    // A bridge: the first node hears both sides, which do not hear each other.
    [[`split ${order.slice(1, middle).join(' ')} | ${order.slice(middle).join(' ')}`, 'rejoin']],
    [[`ring ${order.join(' ')}`, 'rejoin']],
    [[`stall ${pid}-${other}`, `open ${pid}-${other}`]],
    [[`cut ${pid}-${other}`, `open ${pid}-${other}`]],
    [[`stall ${pid}>${other}`, `open ${pid}>${other}`]],
    [[`blip ${pid}-${other} ${random.integer(5, 50)}ms`, null]],
    [[`flap ${pid}-${other} ${random.integer(100, 3000)}ms ${random.integer(2, 10)}s`, null]],
    [[`delay ${pid}>${other} ${random.integer(20, 2000)}ms`, `delay ${pid}>${other} 0ms`]]
  ])
}
