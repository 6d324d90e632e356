// Blips: faults of the network too short to mean anything. Links stall, lose bytes, are slow, are reset in the middle of a
// frame, or refuse for 5 to 500 ms; no role may change and no split may last [LIV1].

import type { Random } from '../sim/random.ts'
import { type Cluster, wait } from './cluster.ts'
import { readRoles } from './roles.ts'
import { type Means, type Split, applySplit, cutLink, healAll, isolate, silenceOneWay } from './splits.ts'

const BLIP_MS_MIN = 5
const BLIP_MS_MAX = 500
/** Longer than a peer is waited for [REP6]: blips that follow one another closely are no blips, and a peer that they keep busy is behind. */
const GAP_MS = [1_100, 1_500] as const
const CUT_BYTES_MAX = 400

export type Blip = { readonly text: string; readonly fromMs: number; readonly toMs: number }

/** One blip of a random kind on one link, one way, all links of one node, or all links. */
export const playBlip = async (cluster: Cluster, random: Random): Promise<Blip> => {
  const ms = BLIP_MS_MIN * (BLIP_MS_MAX / BLIP_MS_MIN) ** random.next()
  const [a = 0, b = 1] = random.shuffle(cluster.pids)
  const means = random.pick<Means>(['stall', 'drop', 'refuse'])
  const all: Split = { text: `all links, ${means}`, means, silent: cluster.pids.flatMap((from) => cluster.pids.filter((to) => to !== from).map((to) => [from, to] as const)), parted: null }
  const kind = random.integer(0, 5)
  const fromMs = Date.now()
  let text = `delay of ${a}-${b}`
  if (kind === 0) for (const proxy of cluster.linksBetween(a, b)) proxy.delay(random.integer(5, 300))
  else if (kind === 1) {
    text = `link ${a}-${b} cut inside a frame`
    for (const proxy of cluster.linksBetween(a, b)) proxy.cutAfter(random.pick(['up', 'down']), random.integer(1, CUT_BYTES_MAX))
  } else {
    const split = [cutLink(a, b, means), silenceOneWay(a, b, random.pick(['stall', 'drop'])), isolate(cluster.pids, a, means), all][kind - 2] as Split
    text = split.text
    applySplit(cluster, split)
  }
  await wait(ms)
  healAll(cluster)
  const toMs = Date.now()
  await wait(random.integer(...GAP_MS))
  return { text: `${text} for ${Math.round(ms)} ms`, fromMs, toMs }
}

const ROLE_EVENTS = ['claim', 'coordinating', 'left-ready', 'view']
/** What a blip does shows within the time after which a silent link is down, and a claim. */
const AFTERMATH_MS = 3_000

export type Aftermath = { readonly findings: readonly string[]; readonly views: number; readonly pauses: number }

/**
 * What the nodes' logs tell of the time of the blips. A node that noticed that it was starved of the processor leaves its
 * role by its own rule [LIV3], which is no doing of the blips: what follows such a pause is counted apart.
 */
export const inspectBlips = (cluster: Cluster, blips: readonly Blip[]): Aftermath => {
  const sinceMs = blips[0]?.fromMs ?? 0
  const lines = cluster.pids.flatMap((pid) => readRoles(cluster, pid)).filter(({ atMs }) => atMs >= sinceMs).sort((one, other) => one.atMs - other.atMs)
  const pauses = lines.filter(({ event }) => event === 'paused')
  const isOfPause = (atMs: number): boolean => pauses.some((pause) => atMs >= pause.atMs - 10 && atMs <= pause.atMs + AFTERMATH_MS)
  const moved = lines.filter(({ event, atMs }) => ROLE_EVENTS.includes(event) && !isOfPause(atMs))
  const blipOf = (atMs: number): string => blips.filter(({ fromMs }) => fromMs <= atMs).at(-1)?.text ?? 'before any blip'
  return {
    findings: moved.filter(({ event }) => event !== 'view').map(({ pid, event, atMs, line }) => `node ${pid}: ${event} after ${blipOf(atMs)}: ${line}`),
    views: moved.filter(({ event }) => event === 'view').length,
    pauses: pauses.length,
  }
}

const LINKS_LIMIT_MS = 20_000

/** Resolves to what is wrong when not all links are up again, as every node says, long after the last blip. */
export const findLastingSplit = async (cluster: Cluster): Promise<readonly string[]> => {
  try {
    for (const pid of cluster.pids) await cluster.waitCluster(pid, ({ links, nodes }) => links.every(({ state }: { state: string }) => state === 'up') && nodes.every(({ status, behind }: { status: string; behind: boolean }) => status === 'ready' && !behind), LINKS_LIMIT_MS)
    return []
  } catch (error) {
    return [(error as Error).message]
  }
}
