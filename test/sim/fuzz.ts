// Random plans: from a seed, a scenario of people at work and faults among them; then healing, and every checker.
// The plan is a text in the language of scenario.ts, so a failing seed can be read, shortened and kept as a file.

import type { World } from './cluster.ts'
import { type Random, createRandom } from './random.ts'
import { runScenario } from './scenario.ts'

/** What may go wrong in a plan. */
export type FaultFamily = 'crash' | 'pause' | 'network' | 'disk' | 'old-copy'

export interface PlanOptions {
  readonly seed: string
  readonly simulatedMs: number
}

export interface Plan {
  readonly seed: string
  readonly families: readonly FaultFamily[]
  readonly text: string
}

export interface FuzzResult {
  readonly plan: Plan
  readonly findings: readonly string[]
  readonly transcript: readonly string[]
  readonly world: World
  readonly realMs: number
}

const PEOPLE = ['ana', 'ben', 'eve']
const PAGES = ['cleo.phone', 'cleo.laptop', 'dan.phone']
const EVERYBODY = ['ana', 'ben', 'eve', 'cleo', 'dan']
const NAMES = ['Zoe', 'Yan', 'Xia', 'Wim']
const START_MS = 4_000

// ---- plans

export const createPlan = ({ seed, simulatedMs }: PlanOptions): Plan => {
  const random = createRandom(`plan ${seed}`)
  const nodes = random.chance(0.2) ? 5 : 3
  const families = chooseFamilies(random)
  // Without partitions and without a lone node that serves from old knowledge, nobody gets a name twice.
  const alone = families.includes('old-copy') ? '3s' : families.includes('network') ? random.pick(['10s', '3s']) : 'never'
  const entries = [...planPeople(random.fork('people'), simulatedMs), ...planFaults(random.fork('faults'), { nodes, families, simulatedMs })]
  const header = [`nodes ${nodes} skew ${random.pick(['0s', '2s'])} aloneMs ${alone}`, ...(families.includes('network') ? ['parted'] : []), 'start all', 'run 3s']
  return { seed, families, text: [...header, ...withRuns(entries), ...ENDING(nodes)].join('\n') }
}

const chooseFamilies = (random: Random): FaultFamily[] => random.pick<FaultFamily[]>([['crash'], ['pause'], ['crash', 'pause'], ['crash', 'disk'], ['network'], ['crash', 'pause', 'network'], ['crash', 'pause', 'disk'], ['network', 'old-copy']])

interface Entry {
  readonly atMs: number
  readonly line: string
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

/** Heals, waits, and asks every node for a new account and a message [S6]. */
const ENDING = (nodes: number): string[] => [
  'heal',
  'expect answered within 60s',
  'expect stored within 30s',
  ...Array.from({ length: nodes }, (_, pid) => `probe${pid} signs-up via ${pid}`),
  'expect answered within 10s',
  ...Array.from({ length: nodes }, (_, pid) => `probe${pid} sends "from ${pid}" to probe${(pid + 1) % nodes} via ${pid}`),
  'expect answered within 10s',
  ...Array.from({ length: nodes }, (_, pid) => `expect last probe${pid} acknowledged`),
  'expect stored within 20s'
]

const planPeople = (random: Random, simulatedMs: number): Entry[] => {
  const entries: Entry[] = [...PEOPLE, 'cleo.phone', 'dan.phone'].map((label, index) => ({ atMs: START_MS + index * 200, line: `${label} signs-up` }))
  for (const page of PAGES) entries.push({ atMs: START_MS + 1_500, line: `${page} attaches via ${random.integer(0, 2)}` })
  const texts: string[] = []
  const senders = new Map<string, string>()
  let drafts = 0
  for (let atMs = START_MS + 2_000; atMs < simulatedMs; atMs += random.integer(10, 400)) {
    const others = (count: number): string => random.shuffle(EVERYBODY).slice(0, count).join(' ')
    const via = random.integer(0, 2)
    const person = random.pick(PEOPLE)
    const page = random.pick(PAGES)
    const lines: (() => string)[] = [
      ...Array.from({ length: 9 }, () => () => {
        texts.push(`m${texts.length}`)
        senders.set(`m${texts.length - 1}`, person)
        return `${person} sends "${texts.at(-1)}" to ${others(random.integer(1, 3))} via ${via}`
      }),
      () => {
        const text = texts.length === 0 ? '' : random.pick(texts)
        return `${senders.get(text) ?? person} repeats "${text}" via ${via}`
      },
      () => `${person} reads via ${via}`,
      () => `${person} reads via ${via}`,
      () => `${person} opens ${random.integer(1, 4)} via ${via}`,
      () => (texts.length === 0 ? `${person} reads` : `${person} ${random.pick(['deletes', 'checks', 'recalls'])} "${random.pick(texts)}" via ${via}`),
      () => `${page} drafts d${drafts++} "d${drafts}." to ${others(random.integer(1, 2))}`,
      () => `${page} drafts d${drafts++} "d${drafts}." to ${others(1)}`,
      () => `${page} edits d${random.integer(0, drafts)} "w${Math.round(atMs)}."`,
      () => `${page} edits d${random.integer(0, drafts)} "w${Math.round(atMs)}."`,
      () => `${page} sends-draft d${random.integer(0, drafts)}`,
      () => `${page} sends-draft d${random.integer(0, drafts)}`,
      () => `${page} opens-all`,
      () => `${page} ${random.pick(['goes-offline', 'goes-online', 'goes-online', 'reloads'])}`,
      () => `new${Math.round(atMs)} signs-up as ${random.pick(NAMES)}${random.integer(0, 8)} via ${via}`
    ]
    entries.push({ atMs, line: random.pick(lines)() })
  }
  if (random.chance(0.3)) entries.push({ atMs: simulatedMs * random.next() * 0.9, line: `${random.pick(['eve', 'dan.phone'])} leaves` })
  if (random.chance(0.3)) entries.push({ atMs: simulatedMs * random.next() * 0.9, line: 'ben signs-out' }, { atMs: simulatedMs * 0.9 + 500, line: 'ben signs-in' })
  return entries.filter(({ atMs }) => atMs >= START_MS)
}

interface FaultPlan {
  readonly nodes: number
  readonly families: readonly FaultFamily[]
  readonly simulatedMs: number
}

const planFaults = (random: Random, { nodes, families, simulatedMs }: FaultPlan): Entry[] => {
  const entries: Entry[] = []
  for (let atMs = START_MS + 500; atMs < simulatedMs - 2_000; atMs += random.integer(500, 5_000)) {
    const pid = random.integer(0, nodes - 1)
    const endMs = atMs + random.integer(50, 9_000)
    for (const [line, undo] of planFault(random, random.pick(families), pid, nodes)) entries.push({ atMs, line }, ...(undo === null ? [] : [{ atMs: endMs, line: undo }]))
    if (entries.some(entry => entry.atMs === atMs && entry.line === `pause ${pid}`)) entries.push(...planWaking(random, { atMs, endMs, pid, nodes }))
  }
  return entries
}

/**
 * Somebody sends through another node while one is frozen, and asks the frozen one for it just before it wakes: what it
 * answers before it has synced is what a node must not say that does not suspect itself [LIV3].
 */
const planWaking = (random: Random, { atMs, endMs, pid, nodes }: { readonly atMs: number; readonly endMs: number; readonly pid: number; readonly nodes: number }): Entry[] => {
  if (endMs - atMs < 2_000) return []
  const person = random.pick(PEOPLE)
  const other = (pid + random.integer(1, nodes - 1)) % nodes
  const send = { atMs: random.integer(atMs, endMs - 1_500), line: `${person} sends "w${atMs}" to ${random.pick(EVERYBODY.filter(name => name !== person))} via ${other}` }
  // Its connections may have died meanwhile; then nothing that waits in them tells it how long it was away.
  const others = random.chance(0.5) ? Array.from({ length: nodes }, (_, index) => index).filter(index => index !== pid) : []
  const blips = others.map(index => ({ atMs: endMs - random.integer(50, 400), line: `blip ${pid}-${index} 10ms` }))
  return [send, ...blips, ...Array.from({ length: 4 }, () => ({ atMs: endMs - random.integer(0, 1_300), line: `${person} reads via ${pid}` }))]
}

/** One fault and what takes it away again. */
const planFault = (random: Random, family: FaultFamily, pid: number, nodes: number): [string, string | null][] => {
  const other = (pid + random.integer(1, nodes - 1)) % nodes
  switch (family) {
    case 'crash':
      return random.pick<[string, string | null][]>([
        [[`kill ${pid}`, `start ${pid}`]],
        [[`kill ${pid}`, `start ${pid}`]],
        [[`kill ${pid}`, `start ${pid}`], [`kill ${other}`, `start ${other}`]],
        [[`power-off ${pid}`, `start ${pid}`]],
        [[`restart ${pid}`, null]],
        [[`lose-disk ${pid}`, `start ${pid}`]],
        [[`drain ${pid}`, `start ${pid}`]],
        [['kill all', 'start all']],
        [[`jump ${pid} ${random.pick(['+3600s', '-3600s', '+5s', '-5s'])}`, null]]
      ])
    case 'pause':
      return [[`pause ${pid}`, `resume ${pid}`]]
    case 'network':
      return random.pick<[string, string | null][]>([
        [[`stall ${pid}-${other}`, `open ${pid}-${other}`]],
        [[`cut ${pid}-${other}`, `open ${pid}-${other}`]],
        [[`stall ${pid}>${other}`, `open ${pid}>${other}`]],
        [[`blip ${pid}-${other} ${random.integer(5, 50)}ms`, null]],
        [[`delay ${pid}>${other} ${random.integer(20, 2000)}ms`, `delay ${pid}>${other} 0ms`]],
        [[`isolate ${pid}`, `unite ${pid}`]],
        [[`isolate ${pid}`, `unite ${pid}`]]
      ])
    case 'disk':
      return random.pick<[string, string | null][]>([
        [[`disk ${pid} slow ${random.integer(50, 2500)}ms`, `disk ${pid} ok`]],
        [[`lose-disk ${pid}`, `start ${pid}`]],
        [[`lose-disk ${pid}`, `start ${pid}`]],
        [[`disk ${pid} ${random.pick(['full', 'broken'])}`, `disk ${pid} ok`], [`run 0ms`, `start ${pid}`]]
      ])
    case 'old-copy':
      return random.pick<[string, string | null][]>([[[`snapshot ${pid}`, null]], [[`roll-back ${pid}`, `unite ${pid}`]], [[`roll-back ${pid}`, `unite ${pid}`]]])
  }
}

// ---- runs

/** Plans, runs, heals and checks one seed. */
export const fuzzSeed = (options: PlanOptions): FuzzResult => runPlan(createPlan(options))

export const runPlan = (plan: Plan): FuzzResult => {
  const beganMs = performance.now()
  const { world, findings, transcript } = runScenario(plan.text, { seed: plan.seed })
  return { plan, findings, transcript, world, realMs: performance.now() - beganMs }
}

/**
 * A shorter plan that still fails: leaves out halves, quarters … and single lines of people and faults while some finding stays.
 * Bounded by `runsMax`.
 */
export const shrinkPlan = (plan: Plan, runsMax: number): Plan => {
  let lines = plan.text.split('\n')
  let runs = 0
  const isOptional = (line: string): boolean => !/^(nodes|parted|start all|run|heal|expect|probe)/.test(line)
  for (let size = Math.ceil(lines.length / 2); size >= 1 && runs < runsMax; size = size === 1 ? 0 : Math.ceil(size / 2)) {
    for (let from = 0; from < lines.length && runs < runsMax; from += size) {
      const shorter = lines.filter((line, index) => index < from || index >= from + size || !isOptional(line))
      if (shorter.length === lines.length) continue
      runs += 1
      if (runPlan({ ...plan, text: shorter.join('\n') }).findings.length === 0) continue
      lines = shorter
      from -= size
    }
  }
  return { ...plan, text: mergeRuns(lines).join('\n') }
}

/** Waits that follow each other become one. */
const mergeRuns = (lines: readonly string[]): string[] => {
  const merged: string[] = []
  for (const line of lines) {
    const wait = /^run (\d+)ms$/.exec(line)
    const before = /^run (\d+)ms$/.exec(merged.at(-1) ?? '')
    if (wait !== null && before !== null) merged[merged.length - 1] = `run ${Number(before[1]) + Number(wait[1])}ms`
    else merged.push(line)
  }
  return merged
}

/** What a person needs to find out why a seed failed. */
export const describeFailure = ({ plan, findings, world }: FuzzResult): string =>
  [
    `seed ${plan.seed} (${plan.families.join(', ')}) failed:`,
    ...findings.map(finding => `  ${finding}`),
    'the end of its trace:',
    ...world.trace.lines(60),
    `replay it: STARLING_SEED=${plan.seed} node scripts/test.mjs --only sim/fuzz.test`
  ].join('\n')

// ---- figures

export interface Figures {
  seeds: number
  failed: number
  acknowledged: number
  refused: number
  unknown: number
  kills: number
  pauses: number
  faults: number
  simulatedMs: number
  realMs: number
}

export const noFigures = (): Figures => ({ seeds: 0, failed: 0, acknowledged: 0, refused: 0, unknown: 0, kills: 0, pauses: 0, faults: 0, simulatedMs: 0, realMs: 0 })

export const addFigures = (figures: Figures, { world, findings, realMs }: FuzzResult): void => {
  const count = (outcome: string): number => world.history.operations.filter(operation => operation.outcome === outcome).length
  figures.seeds += 1
  figures.failed += findings.length > 0 ? 1 : 0
  figures.acknowledged += count('acknowledged')
  figures.refused += count('refused')
  figures.unknown += count('unknown')
  figures.kills += world.counts.kills
  figures.pauses += world.counts.pauses
  figures.faults += world.counts.faults
  figures.simulatedMs += world.schedule.nowMs
  figures.realMs += realMs
}

export const describeFigures = (figures: Figures): string =>
  `${figures.seeds} seeds, ${figures.failed} failed; ${figures.acknowledged} operations acknowledged, ${figures.refused} refused, ${figures.unknown} unknown; ` +
  `${figures.kills} crashes, ${figures.pauses} pauses, ${figures.faults} other faults; ${Math.round(figures.simulatedMs / figures.realMs)} simulated seconds per second`
