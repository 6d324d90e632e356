// Total outages and returns, exhaustively [S5]: every node is killed, at once or one after the other, and they return in every
// order, with or without one whose disk is an old copy. Accounts are asked for before, meanwhile and after (workload W2).
// Each case is a text in the language of scenario.ts, so one that fails can be read and kept as a file.
//
//   kills     at-once      nobody went on alone: nobody may go on before all are back [RDY1]
//             in an order  the last one killed knows all: with it, and not before, whoever is back goes on at once
//   pace      quick        the next one starts while the one before is still looking around
//             slow         every part of the cluster that is back meanwhile is judged: may it be ready, and is it
//             alone        slow, with aloneMs: a part that may be behind goes on all the same, as its operator chose

import { type Random, createRandom } from './random.ts'
import { type ScenarioResult, runScenario } from './scenario.ts'

export interface RestartCase {
  readonly nodes: number
  readonly starts: readonly number[]
  /** Null: all at once. */
  readonly kills: readonly number[] | null
  /** Whose disk is an old copy when it returns. Never the last one killed: what it did alone is on no other disk. */
  readonly stale: number | null
  readonly pace: 'quick' | 'slow' | 'alone'
}

const NAMES = 50
const SIGN_UP_EVERY_MS = 200
const ALONE_MS = 3_000

// ---- cases

/** Every order of these, in the order of the alphabet. */
export const permute = (items: readonly number[]): number[][] => (items.length === 0 ? [[]] : items.flatMap(first => permute(items.filter(item => item !== first)).map(rest => [first, ...rest])))

const pidsOf = (nodes: number): number[] => Array.from({ length: nodes }, (_, pid) => pid)

/**
 * All cases in which the nodes return in this order. Three nodes are killed in every order, five in the order of their return
 * and against it: who was killed when matters only by who is back with whom.
 */
export const casesOf = (nodes: number, starts: readonly number[]): RestartCase[] => {
  const stales = [null, ...pidsOf(nodes)]
  const atOnce = stales.flatMap(stale => (['quick', 'slow', 'alone'] as const).map(pace => ({ nodes, starts, kills: null, stale, pace })))
  const orders = nodes <= 3 ? permute(pidsOf(nodes)) : [starts, [...starts].reverse()]
  const inOrder = orders.flatMap(kills =>
    stales.filter(stale => stale !== kills.at(-1)).flatMap(stale => (['quick', 'slow'] as const).map(pace => ({ nodes, starts, kills, stale, pace }))))
  return [...atOnce, ...inOrder]
}

/** `3 201`: the cases of three nodes that return in the order 2, 0, 1. */
export const unitToCases = (unit: string): RestartCase[] => {
  const [nodes, starts = ''] = unit.split(' ')
  return casesOf(Number(nodes), [...starts].map(Number))
}

export const unitsOf = (nodes: number): string[] => permute(pidsOf(nodes)).map(order => `${nodes} ${order.join('')}`)

export const describeCase = ({ nodes, starts, kills, stale, pace }: RestartCase): string =>
  `${nodes} nodes killed ${kills === null ? 'at once' : kills.join(' ')}, back ${starts.join(' ')} ${pace}${stale === null ? '' : `, ${stale} stale`}`

// ---- plans

/** The case as a scenario. */
export const planCase = (restart: RestartCase): string => {
  const { nodes, starts, stale, pace } = restart
  const random = createRandom(describeCase(restart))
  const work = createWork(random, nodes)
  return [
    `nodes ${nodes} aloneMs ${pace === 'alone' ? `${ALONE_MS}ms` : 'never'}`,
    // Alone with old knowledge a node may give away a name twice; that is what aloneMs means.
    ...(pace === 'alone' ? ['parted'] : []),
    'start all',
    'expect coordinator 0 within 10s',
    `expect ready ${starts.join(' ')} within 10s`,
    ...work(1_000),
    ...(stale === null ? [] : ['run 500ms', `snapshot ${stale}`]),
    ...work(1_000),
    ...planKills(restart, work),
    ...(stale === null ? [] : [`restore ${stale}`]),
    ...planStarts(restart, random, work),
    ...work(1_000),
    'heal',
    'expect answered within 60s',
    'expect stored within 30s',
    'expect coordinator 0 within 5s',
    ...pidsOf(nodes).map(pid => `probe${pid} signs-up via ${pid}`),
    'expect answered within 5s',
    ...pidsOf(nodes).map(pid => `expect last probe${pid} acknowledged`),
    'expect stored within 10s'
  ].join('\n')
}

type Work = (forMs: number) => string[]

/** People who ask for accounts under names from a small pool, through any node. */
const createWork = (random: Random, nodes: number): Work => {
  let people = 0
  return forMs => Array.from({ length: Math.round(forMs / SIGN_UP_EVERY_MS) }, () => [
    `p${people++} signs-up as Name${random.integer(1, NAMES)} via ${random.integer(0, nodes - 1)}`,
    `run ${random.integer(1, SIGN_UP_EVERY_MS * 2 - 1)}ms`
  ]).flat()
}

const planKills = ({ kills }: RestartCase, work: Work): string[] => {
  if (kills === null) return ['kill all', ...work(400)]
  // Long enough for those left to see that they are fewer; the last one goes on alone for a while.
  return [...kills.flatMap(pid => [`kill ${pid}`, 'run 900ms', ...work(600)]), ...work(200)]
}

const planStarts = ({ starts, kills, pace }: RestartCase, random: Random, work: Work): string[] =>
  starts.flatMap((pid, index) => {
    if (pace === 'quick') return [`start ${pid}`, `run ${random.pick([0, 1, 30, 200, 700])}ms`]
    const back = starts.slice(0, index + 1)
    const isWhole = back.length === starts.length
    const lastKilled = kills?.at(-1)
    const goesOn = pace === 'alone' || isWhole || (lastKilled !== undefined && back.includes(lastKilled))
    return [
      `start ${pid}`,
      'run 500ms',
      ...(goesOn ? [`expect ready ${back.join(' ')} within ${pace === 'alone' ? '8s' : '4s'}`, ...work(400)] : ['run 2s', ...work(200), `expect not-ready ${back.join(' ')}`])
    ]
  })

/** Runs one case to its end and judges it by every checker, and its role log by K7. */
export const runCase = (restart: RestartCase): ScenarioResult => {
  const result = runScenario(planCase(restart), { seed: describeCase(restart) })
  // Parts that went on alone know nothing of each other's epochs.
  return restart.pace === 'alone' ? result : { ...result, findings: [...result.findings, ...checkRoleLog(result.transcript)] }
}

/** K7: where no two parts ever went on side by side, each epoch is above all before it, also across restarts, and is coordinated once. */
export const checkRoleLog = (transcript: readonly string[]): string[] => {
  const found: string[] = []
  let highest = 0
  /** The node that took the highest epoch, while it keeps it. */
  let holder = ''
  for (const line of transcript) {
    const [, pid = '', said = ''] = / node (\d+) (.*)$/.exec(line) ?? []
    if (!/^ +\d+\.\d  /.test(line) || pid === '') continue
    const [, phase, counter] = /^(\w+), coordinates epoch (\d+)\./.exec(said) ?? []
    if (counter === undefined) {
      if (pid === holder) holder = ''
      continue
    }
    if (phase !== 'ready') found.push(`K7 a node that is ${phase} coordinates: ${line.trim()}`)
    if (pid === holder && Number(counter) === highest) continue
    if (Number(counter) <= highest) found.push(`K7 epoch ${counter} after epoch ${highest}: ${line.trim()}`)
    highest = Math.max(highest, Number(counter))
    holder = pid
  }
  return found
}

// ---- units

export interface UnitOutcome {
  readonly findings: readonly string[]
  readonly figures: { readonly cases: number; readonly acknowledged: number; readonly faults: number; readonly simulatedMs: number }
}

/** Runs all `cases`, to the end even when some fail. */
export const runCases = (cases: readonly RestartCase[]): UnitOutcome => {
  const findings: string[] = []
  const figures = { cases: 0, acknowledged: 0, faults: 0, simulatedMs: 0 }
  for (const restart of cases) {
    const { world, findings: found } = runCase(restart)
    findings.push(...found.map(finding => `${describeCase(restart)}: ${finding}`))
    figures.cases += 1
    figures.acknowledged += world.history.operations.filter(({ outcome }) => outcome === 'acknowledged').length
    figures.faults += world.counts.kills + (restart.stale === null ? 0 : 1)
    figures.simulatedMs += Math.round(world.schedule.nowMs)
  }
  return { findings, figures }
}
