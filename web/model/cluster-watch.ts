// The cluster as all its nodes see it, for the page that shows it: every node that answers is asked for its own view,
// since only it knows its links, what it took in, and, in a split, that it is there at all. What they say becomes one
// picture. Knows nothing of drawing; the state changes at most as often as nodes are asked.

import { type ReadonlySignal, computed, signal } from '@preact/signals'
import type { ClusterJson } from '../../crdt-schema/api-shapes.ts'
import type { Api } from '../link/api.ts'
import type { ClusterModel, ClusterNode } from './cluster.ts'
import type { Clock } from './ports.ts'

export type LinkJson = ClusterJson['links'][number]

export interface ClusterEvent {
  readonly atMs: number
  readonly kind: string
  readonly pid: number | null
}

/** What a node told the others of itself lately. */
export interface Traffic {
  /** Changes a second that began at this node, over the last seconds. */
  readonly perSecond: number
  /** Numbers of its latest batches, for one pulse each. */
  readonly batches: readonly number[]
}

export interface ClusterWatch {
  /** Nodes by what they say of themselves; links by what their ends say. Null until a node has answered. */
  readonly state: ReadonlySignal<ClusterJson | null>
  /** Pids that reach each other, directly or through others, with who coordinates there; one group when all is well. */
  readonly groups: ReadonlySignal<readonly { readonly pids: readonly number[]; readonly coordinator: number | null }[]>
  /** By pid. */
  readonly traffic: ReadonlySignal<ReadonlyMap<number, Traffic>>
  /** What any node has seen, each once, oldest first. */
  readonly events: ReadonlySignal<readonly ClusterEvent[]>
  /** Asks until stopped. */
  start(): () => void
}

/** Four times a second: it is looked at, not read. */
const ASK_EVERY_MS = 250
/** A node that is said to be down may only be cut off; it is asked now and then. */
const ASK_DOWN_EVERY_MS = 4000
/** What a node said counts this long. */
const VIEW_KEPT_MS = 1200
const RATE_OVER_MS = 3000
const BATCHES_MAX = 6
/** Two nodes tell of one event within this time of each other. */
const SAME_EVENT_MS = 4000
const EVENTS_MAX = 400

interface View {
  readonly atMs: number
  readonly state: ClusterJson
}

interface Heads {
  readonly seen: readonly { readonly atMs: number; readonly seq: number; readonly count: number }[]
}

export const createClusterWatch = ({ cluster, api, clock }: { cluster: ClusterModel; api: Api; clock: Clock }): ClusterWatch => {
  const views = signal<ReadonlyMap<number, View>>(new Map())
  const heads = signal<ReadonlyMap<number, Heads>>(new Map())
  const events = signal<readonly ClusterEvent[]>([])

  const state = computed(() => (cluster.state.value === null ? null : merge(cluster.state.value, views.value)))
  const groups = computed(() => (state.value === null ? [] : findGroups(state.value, views.value)))

  const take = (pid: number, told: ClusterJson): void => {
    const atMs = clock.nowMs()
    views.value = new Map(views.value).set(pid, { atMs, state: told })
    heads.value = new Map(heads.value).set(pid, note(heads.value.get(pid), told, atMs))
    events.value = addEvents(events.value, told)
  }

  const drop = (pid: number): void => {
    if (!views.value.has(pid)) return
    const next = new Map(views.value)
    next.delete(pid)
    views.value = next
  }

  const start = (): (() => void) => {
    const asked = new Map<number, number>()
    const busy = new Set<number>()
    let isShown = true
    let cancel = (): void => {}

    const ask = async ({ pid, url, status }: ClusterNode, nowMs: number): Promise<void> => {
      if (busy.has(pid) || (status === 'down' && !views.value.has(pid) && nowMs - (asked.get(pid) ?? 0) < ASK_DOWN_EVERY_MS)) return
      asked.set(pid, nowMs)
      busy.add(pid)
      const answer = await api.readClusterAt(url)
      busy.delete(pid)
      if (!isShown) return
      if (answer.ok && answer.value.self === pid) take(pid, answer.value)
      else drop(pid)
    }

    const turn = (): void => {
      const nowMs = clock.nowMs()
      for (const [pid, { atMs }] of views.value) if (nowMs - atMs > VIEW_KEPT_MS) drop(pid)
      for (const node of cluster.state.peek()?.nodes ?? []) if (node.status !== 'removed') void ask(node, nowMs)
      cancel = clock.after(ASK_EVERY_MS, turn)
    }
    const stopMain = cluster.show(ASK_EVERY_MS)
    turn()
    return () => {
      isShown = false
      cancel()
      stopMain()
    }
  }

  return { state, groups, traffic: computed(() => new Map([...heads.value].map(([pid, seen]) => [pid, toTraffic(seen, views.value.get(pid)?.atMs)]))), events, start }
}

/** Each node as the one that was asked says, or as it says of itself where that one does not hear it; each link as its ends say. */
const merge = (told: ClusterJson, views: ReadonlyMap<number, View>): ClusterJson => ({
  ...told,
  nodes: told.nodes.map((node) => {
    // Counts of one moment stand beside each other; its own word counts where the node that was asked does not hear it.
    const own = node.status === 'ready' ? undefined : views.get(node.pid)?.state.nodes.find(({ pid }) => pid === node.pid)
    // Whether it keeps up is for the others to say.
    return own === undefined ? node : { ...own, behind: own.behind || node.behind, behindBecause: own.behindBecause ?? node.behindBecause }
  }),
  links: told.links.map((link) => mergeLink(link, views)),
})

const mergeLink = (link: LinkJson, views: ReadonlyMap<number, View>): LinkJson => {
  const said = [link.a, link.b].flatMap((pid) => views.get(pid)?.state.links.filter(({ a, b }) => a === link.a && b === link.b) ?? [])
  if (said.length === 0) return link
  const states = new Set(said.map(({ state }) => state))
  const state = states.size === 1 ? (said[0]?.state ?? link.state) : 'half'
  return { ...link, state, rttMs: said.find(({ rttMs }) => rttMs !== null && rttMs > 0)?.rttMs ?? said.find(({ rttMs }) => rttMs !== null)?.rttMs ?? link.rttMs }
}

const findGroups = ({ nodes, links, coordinator }: ClusterJson, views: ReadonlyMap<number, View>) => {
  const groups = nodes.filter(({ status }) => status === 'ready' || status === 'syncing').map(({ pid }) => [pid])
  const join = (a: number, b: number): void => {
    const first = groups.find((group) => group.includes(a))
    const second = groups.find((group) => group.includes(b))
    if (first === undefined || second === undefined || first === second) return
    first.push(...second)
    groups.splice(groups.indexOf(second), 1)
  }
  for (const { a, b, state } of links) if (state === 'up') join(a, b)
  return groups.map((group) => {
    const pids = group.sort((a, b) => a - b)
    const told = pids.flatMap((pid) => views.get(pid)?.state.coordinator ?? [])
    return { pids, coordinator: told[0] ?? (coordinator !== null && pids.includes(coordinator) ? coordinator : null) }
  })
}

/** The numbers of its own batches are in `recent`, the newest last; a node that was started anew counts from where it was. */
const note = (before: Heads | undefined, { recent }: ClusterJson, atMs: number): Heads => {
  const kept = before?.seen ?? []
  const lastSeq = kept.at(-1)?.seq ?? recent.at(-1)?.seq ?? 0
  const fresh = recent.filter(({ seq }) => seq > lastSeq)
  const seq = fresh.at(-1)?.seq ?? lastSeq
  return { seen: [...kept.filter((entry) => atMs - entry.atMs <= RATE_OVER_MS), { atMs, seq, count: fresh.length }] }
}

const toTraffic = ({ seen }: Heads, atMs: number | undefined): Traffic => {
  if (atMs === undefined) return { perSecond: 0, batches: [] }
  const total = seen.reduce((sum, { count }) => sum + count, 0)
  const latest = seen.filter((entry) => atMs - entry.atMs < 1000 && entry.count > 0)
  return {
    perSecond: total / (RATE_OVER_MS / 1000),
    batches: latest.flatMap(({ seq, count }) => Array.from({ length: Math.min(count, BATCHES_MAX) }, (_, place) => seq - place)).slice(-BATCHES_MAX),
  }
}

const addEvents = (known: readonly ClusterEvent[], { events }: ClusterJson): readonly ClusterEvent[] => {
  const added: ClusterEvent[] = []
  for (const { at, kind, pid } of events) {
    const atMs = Date.parse(at)
    const isSame = (other: ClusterEvent): boolean => other.kind === kind && other.pid === pid && Math.abs(other.atMs - atMs) < SAME_EVENT_MS
    if (!known.some(isSame) && !added.some(isSame)) added.push({ atMs, kind, pid })
  }
  return added.length === 0 ? known : [...known, ...added].sort((a, b) => a.atMs - b.atMs).slice(-EVENTS_MAX)
}
