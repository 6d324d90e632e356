// Splits of a cluster whose links run through proxies: which bytes between which nodes are stopped, and how. Also the play
// of one split under load with a name claimed on both sides, and what must hold when it has healed [COO6, RDY1].

import type { Random } from '../sim/random.ts'
import { type Answer, askAny, mustAsk, show } from './asking.ts'
import { type Cluster, newRequestId, wait } from './cluster.ts'
import { waitSteady } from './steady.ts'
import type { Direction, TcpProxy } from './tcp-proxy.ts'
import { type Workload, startWorkload } from './workload.ts'

/** How bytes are stopped: kept until healed, lost, or every connection reset. */
export type Means = 'stall' | 'drop' | 'refuse'

export type Split = {
  readonly text: string
  readonly means: Means
  /** What is said from the first to the second does not arrive. Both ways for a link that is cut. */
  readonly silent: readonly (readonly [from: number, to: number])[]
  /** Two nodes between which no way is left; null if all still reach each other by way of others. */
  readonly parted: readonly [number, number] | null
}

const bothWays = (a: number, b: number): [number, number][] => [[a, b], [b, a]]
const pairsOf = (pids: readonly number[]): [number, number][] => pids.flatMap((a, index) => pids.slice(index + 1).map((b): [number, number] => [a, b]))

/** One node without links to the others. */
export const isolate = (pids: readonly number[], pid: number, means: Means): Split => {
  const others = pids.filter((other) => other !== pid)
  return { text: `node ${pid} alone, ${means}`, means, silent: others.flatMap((other) => bothWays(pid, other)), parted: [pid, others[0] ?? 0] }
}

/** Two sides without links between them. */
export const halve = (pids: readonly number[], side: readonly number[], means: Means): Split => {
  const others = pids.filter((pid) => !side.includes(pid))
  return { text: `${side.join('')} | ${others.join('')}, ${means}`, means, silent: side.flatMap((a) => others.flatMap((b) => bothWays(a, b))), parted: [side[0] ?? 0, others[0] ?? 0] }
}

/** One link gone; the others carry what it carried. */
export const cutLink = (a: number, b: number, means: Means): Split => ({ text: `link ${a}-${b}, ${means}`, means, silent: bothWays(a, b), parted: null })

/** One node hears another and is not heard. */
export const silenceOneWay = (from: number, to: number, means: 'stall' | 'drop'): Split => ({ text: `${from} to ${to} one way, ${means}`, means, silent: [[from, to]], parted: null })

/** One node hears all others and is heard by none. */
export const muffle = (pids: readonly number[], pid: number, means: 'stall' | 'drop'): Split => {
  const others = pids.filter((other) => other !== pid)
  return { text: `node ${pid} unheard, ${means}`, means, silent: others.map((other) => [pid, other] as const), parted: [pid, others[0] ?? 0] }
}

/** Each node has only the links to its two neighbours in a circle. */
export const makeRing = (pids: readonly number[], order: readonly number[], means: Means): Split => {
  const areNeighbours = (a: number, b: number): boolean => [1, order.length - 1].includes(Math.abs(order.indexOf(a) - order.indexOf(b)))
  return { text: `ring ${order.join('')}, ${means}`, means, silent: pairsOf(pids).filter(([a, b]) => !areNeighbours(a, b)).flatMap(([a, b]) => bothWays(a, b)), parted: null }
}

export const applySplit = (cluster: Cluster, { silent, means }: Split): void => {
  for (const [from, to] of silent) {
    // A pair has one connection, dialled by either of them.
    for (const [proxy, direction] of [[cluster.proxies.get(`${from}>${to}`), 'up'], [cluster.proxies.get(`${to}>${from}`), 'down']] as const) {
      if (proxy === undefined) throw new Error(`no proxy between ${from} and ${to}; start the cluster with proxied: true`)
      stop(proxy, direction, means)
    }
  }
}

const stop = (proxy: TcpProxy, direction: Direction, means: Means): void => {
  if (means === 'stall') proxy.stall(direction)
  else if (means === 'drop') proxy.drop(direction)
  else proxy.refuse()
}

export const healAll = (cluster: Cluster): void => {
  for (const proxy of cluster.proxies.values()) proxy.heal()
}

export type SplitPlay = {
  readonly split: Split
  readonly workload: Workload
  readonly findings: readonly string[]
  /** From healing until all nodes said that all hold the same and who coordinates. */
  readonly equalMs: number
  readonly acknowledged: number
  readonly isGrantedTwice: boolean
}

const PEOPLE = 3
const PER_SECOND = 15
/** Nothing that needs to find on one side what was done on the other. */
const DEEDS = { send: 80, 'sign-up': 6, open: 6, read: 8 }

/**
 * Parts a cluster at rest for `splitMs`, under load, while two people claim one name on its two sides, heals it and waits
 * until it is at rest again. What the load saw is to be checked with checkWorkloads when the plays are over.
 */
export const playSplit = async (cluster: Cluster, split: Split, label: string, splitMs: number, random: Random): Promise<SplitPlay> => {
  await waitSteady(cluster)
  let isSplit = false
  const workload = await startWorkload(cluster, { label, people: PEOPLE, perSecond: PER_SECOND, deeds: DEEDS, judgesReads: () => !isSplit })
  isSplit = true
  applySplit(cluster, split)
  const name = `twice-${label}`
  const [near, far] = split.parted ?? (random.shuffle(cluster.pids) as [number, number])
  const claims = [near, far].map(async (pid, index) => {
    await wait(random.next() * 200)
    return askAny([cluster.at(pid)], 'POST', '/api/accounts', { body: { name, password: `the password of ${index}` }, idempotencyKey: newRequestId(), timeoutMs: 10_000 })
  })
  await wait(splitMs)
  healAll(cluster)
  const healedMs = performance.now()
  const [answers] = await Promise.all([Promise.all(claims), workload.stop()])
  await waitSteady(cluster)
  const equalMs = performance.now() - healedMs
  const { findings, isGrantedTwice } = await inspectClaims(cluster, split, name, answers)
  return { split, workload, findings: findings.map((text) => `${label}, ${split.text}: ${text}`), equalMs, acknowledged: workload.acknowledged().length, isGrantedTwice }
}

/** One of two claims of a name may be granted, or both where the claimants were parted; every node tells the same then. */
const inspectClaims = async (cluster: Cluster, { parted }: Split, name: string, answers: readonly Answer[]): Promise<{ readonly findings: string[]; readonly isGrantedTwice: boolean }> => {
  const findings: string[] = []
  const granted = answers.filter(({ status }) => status === 201)
  const isRefused = ({ status, code }: Answer): boolean => status === 409 && code === 'name-taken'
  for (const answer of answers) if (answer.status !== 201 && !isRefused(answer)) findings.push(`a claim ended with ${show(answer)}`)
  if (granted.length === 0) findings.push(`${name} was granted to nobody`)
  if (granted.length > 1 && parted === null) findings.push(`${name} was granted twice although nobody was parted`)
  const stories = new Map<string, number>()
  for (const place of cluster.places) {
    const shown: string[] = []
    for (const { body } of granted) shown.push((await mustAsk(200, place, 'GET', '/api/me', { token: body.session.token })).body.account.name)
    if (shown.filter((one) => one === name).length !== 1 || shown.some((one) => one !== name && !one.startsWith(`${name}~`))) findings.push(`node ${place.pid} calls them ${shown.join(' and ')}`)
    stories.set(shown.join(), place.pid)
  }
  if (stories.size > 1) findings.push(`nodes disagree: ${JSON.stringify([...stories])}`)
  return { findings, isGrantedTwice: granted.length > 1 }
}
