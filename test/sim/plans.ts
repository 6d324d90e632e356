// Random plans: from a row and a seed, a scenario of people at work and faults among them; then healing, and every checker.
// The plan is a text in the language of scenario.ts, so a failing seed can be read, shortened and kept as a file.

import { type FaultFamily, planFaults } from './faults.ts'
import { type Random, createRandom } from './random.ts'
import { type Entry, FEW_SESSIONS, START_MS, type Workload, planPeople } from './workloads.ts'

export type RowId = 'S1' | 'S2' | 'S3' | 'S4'

/** A row of docs/simulation.md: which faults meet which work. */
export interface Row {
  readonly id: RowId
  readonly title: string
  /** In every plan of the row. */
  readonly always: readonly FaultFamily[]
  /** Each in half of them: a plan of few kinds reaches states that a plan of all kinds does not. */
  readonly sometimes: readonly FaultFamily[]
  readonly workload: Workload
  /** Nodes part from each other and may serve alone, so reads may be behind and a name may be granted twice. */
  readonly isParted: boolean
}

export const ROWS: readonly Row[] = [
  { id: 'S1', title: 'crash, restart, power-off, pause 0 to 10 s, clock skew ± 2 s, jump ± 1 h; W6', always: [], sometimes: ['crash', 'pause', 'clock'], workload: 'whole', isParted: false },
  { id: 'S2', title: 'those of S1 and halves, one node, bridge, ring, one-way, blips 5 to 50 ms, flapping links; W6', always: ['network'], sometimes: ['crash', 'pause', 'clock'], workload: 'whole', isParted: true },
  { id: 'S3', title: 'disk: unsynced data lost, torn tail, bit flip, full, EIO on fsync, slow, wiped, old copy restored; W1 W2', always: ['disk'], sometimes: ['old-copy', 'crash'], workload: 'small', isParted: false },
  { id: 'S4', title: 'frames delayed to 5 s, repeated, connections cut mid-sync and mid-frame; W6', always: ['link'], sometimes: ['crash', 'pause'], workload: 'whole', isParted: true }
]

export const rowOf = (id: string): Row => {
  const row = ROWS.find(each => each.id === id)
  if (row === undefined) throw new Error(`there is no row ${id}: ${ROWS.map(each => each.id).join(', ')}`)
  return row
}

/** For programmes that take their seeds from every row. */
export const rowInTurn = (number: number): RowId => ROWS[number % ROWS.length]?.id ?? 'S1'

export interface PlanOptions {
  readonly seed: string
  readonly simulatedMs: number
  /** S1 unless said. */
  readonly row?: RowId
}

export interface Plan {
  readonly row: RowId
  readonly seed: string
  readonly simulatedMs: number
  readonly families: readonly FaultFamily[]
  readonly text: string
}

export const createPlan = ({ seed, simulatedMs, row: id = 'S1' }: PlanOptions): Plan => {
  const row = rowOf(id)
  const random = createRandom(`plan ${id} ${seed}`)
  const nodes = random.pick([3, 3, 3, 4, 5])
  const families = chooseFamilies(random, row)
  const isRollBackAlone = families.includes('old-copy') && random.chance(0.5)
  const isParted = row.isParted || isRollBackAlone
  // Without partitions and without a lone node that serves from old knowledge, nobody gets a name twice.
  const alone = isRollBackAlone ? '3s' : isParted ? random.pick(['10s', '3s']) : 'never'
  const sessionsPerAccount = random.pick([8, FEW_SESSIONS, 1])
  const people = planPeople(random.fork('people'), { workload: row.workload, nodes, simulatedMs, sessionsPerAccount })
  const faults = planFaults(random.fork('faults'), { nodes, families, simulatedMs, isRollBackAlone })
  const header = [`nodes ${nodes} skew ${random.pick(['0s', '2s'])} aloneMs ${alone} sessionsPerAccount ${sessionsPerAccount}`, ...(isParted ? ['parted'] : []), 'operated', 'start all', 'run 3s']
  return { row: id, seed, simulatedMs, families, text: [...header, ...withRuns([...people, ...faults]), ...endingOf(nodes), ...(families.includes('network') ? bridgeOf(nodes) : [])].join('\n') }
}

const chooseFamilies = (random: Random, { always, sometimes }: Row): FaultFamily[] => {
  const chosen = [...always, ...sometimes.filter(() => random.chance(0.5))]
  return chosen.length > 0 ? chosen : [random.pick(sometimes)]
}

const withRuns = (entries: readonly Entry[]): string[] => {
  const lines: string[] = []
  let nowMs = START_MS
  for (const { atMs, line } of [...entries].sort((a, b) => a.atMs - b.atMs)) {
    const waitMs = Math.round(atMs - nowMs)
    if (waitMs > 0) lines.push(`run ${waitMs}ms`)
    if (waitMs > 0) nowMs += waitMs
    lines.push(line)
  }
  return lines
}

/** Heals; within 20 s every node itself gives a new account and a message [S6]; then all is stored everywhere, once. */
const endingOf = (nodes: number): string[] => {
  const pids = Array.from({ length: nodes }, (_, pid) => pid)
  return [
    'heal',
    // Who wakes only now is for a moment what it was when it fell asleep.
    'run 1s',
    `expect ready ${pids.join(' ')} within 12s`,
    ...pids.map(pid => `probe${pid} signs-up via ${pid}`),
    `expect answered-by ${pids.map(pid => `probe${pid}`).join(' ')} within 4s`,
    ...pids.map(pid => `probe${pid} sends "from ${pid}" to probe${(pid + 1) % nodes} via ${pid}`),
    `expect answered-by ${pids.map(pid => `probe${pid}`).join(' ')} within 4s`,
    'expect answered within 60s',
    'expect stored within 30s',
    'expect drained within 10s'
  ]
}

/** One link stays cut: the others pass on what cannot go directly, and every node serves as before [LIV2]. */
const bridgeOf = (nodes: number): string[] => [
  'stall 0-1',
  'run 3s',
  `expect ready ${Array.from({ length: nodes }, (_, pid) => pid).join(' ')} within 5s`,
  'bridge0 signs-up via 0',
  'bridge1 signs-up via 1',
  'expect answered-by bridge0 bridge1 within 4s',
  'bridge0 sends "there" to bridge1 via 0',
  'bridge1 sends "and back" to bridge0 via 1',
  'expect answered-by bridge0 bridge1 within 4s',
  'rejoin',
  'expect stored within 30s'
]
