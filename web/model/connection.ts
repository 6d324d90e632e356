// What the page says about its connection: one state for the chip, at most one banner.
// The facts come from the link; how long they have lasted decides what is said, so a short hiccup says nothing.
// Words are the view's; here are only states, numbers and moments.

import { type ReadonlySignal, computed, effect, signal, untracked } from '@preact/signals'
import type { NodesNote } from '../../crdt-schema/wire.ts'
import type { NodeAddress } from '../link/fail-over.ts'
import type { LinkStatus } from '../link/sockets.ts'
import type { Clock } from './ports.ts'

export type ChipState =
  | { readonly status: 'quiet' }
  | { readonly status: 'connecting' }
  | { readonly status: 'live'; readonly node: string }
  | { readonly status: 'saving'; readonly node: string; readonly count: number }
  | { readonly status: 'switching'; readonly from: string | null; readonly to: string | null }
  /** `done` of `total` open rooms have heard the node's side. */
  | { readonly status: 'catching-up'; readonly node: string; readonly done: number; readonly total: number }
  | { readonly status: 'degraded'; readonly node: string; readonly up: number; readonly members: number }
  | { readonly status: 'lone'; readonly node: string }
  | { readonly status: 'offline'; readonly sinceMs: number }

export type BannerState =
  | { readonly kind: 'offline'; readonly lastContactMs: number | null }
  | { readonly kind: 'catching-up' }
  | { readonly kind: 'lone' }
  | { readonly kind: 'back'; readonly stored: number; readonly arrived: number }
  | { readonly kind: 'disk-full' }
  /** The browser refuses to keep anything. */
  | { readonly kind: 'no-storage' }
  /** A node refused what this device had; it was put aside and its texts are drafts again. */
  | { readonly kind: 'set-aside' }

/** One move from node to node, as the cluster page shows it: by name. */
export interface Move {
  readonly atMs: number
  readonly from: string | null
  readonly to: string
  readonly toPid: number | null
  readonly gapMs: number
}

/** The same by address: a page may be at a node before it has heard its number. */
type Visit = Omit<Move, 'toPid'>

export interface ConnectionModel {
  readonly chip: ReadonlySignal<ChipState>
  readonly banner: ReadonlySignal<BannerState | null>
  readonly isOnline: ReadonlySignal<boolean>
  /** The node of the socket, or of the last one. */
  readonly nodePid: ReadonlySignal<number | null>
  readonly lastContactMs: ReadonlySignal<number | null>
  /** Pids of the members, in order, and of those that are ready. */
  readonly members: ReadonlySignal<readonly number[]>
  readonly ready: ReadonlySignal<readonly number[]>
  readonly moves: ReadonlySignal<readonly Move[]>
  dismiss(): void
  onStatus(status: LinkStatus): void
  onSynced(isSynced: boolean): void
  /** So many of the open rooms have heard the node's side. */
  onProgress(progress: { readonly done: number; readonly total: number }): void
  onNodesNote(note: NodesNote): void
  onHeard(): void
  onDiskFull(): void
  onNoStorage(): void
  onSetAside(): void
  close(): void
}

export const QUIET_MS = 400
export const CATCHING_UP_MS = 1000
export const BANNER_MS = 3000
export const OFFLINE_MS = 3000
/** Time for another node to answer, however long the last one was silent. */
export const GRACE_MS = 1000
export const BACK_MS = 4000
const SETTLE_MS = 500
const MOVES_MAX = 100

export interface ConnectionOptions {
  readonly clock: Clock
  readonly remembered: readonly NodeAddress[]
  /** Things written here that no node is known to hold. */
  readonly pendingCount: ReadonlySignal<number>
  /** Messages that arrived, ever; the banner after an absence counts from it. */
  readonly inboxCount: ReadonlySignal<number>
}

export const createConnection = ({ clock, remembered, pendingCount, inboxCount }: ConnectionOptions): ConnectionModel => {
  const link = signal<LinkStatus>({ status: 'waiting' })
  const nodes = signal<readonly NodeAddress[]>(remembered)
  const isSynced = signal(false)
  const node = signal<NodeAddress | null>(null)
  const visits = signal<readonly Visit[]>([])
  const lastContactMs = signal<number | null>(null)
  const dismissed = signal(false)
  const isDiskFull = signal(false)
  const hasNoStorage = signal(false)
  const progress = signal({ done: 0, total: 0 })
  const isSetAside = signal(false)
  const back = signal<{ stored: number; arrived: number } | null>(null)
  let lostMs = clock.nowMs()
  let inboxAtLoss = inboxCount.value
  let isAway = false

  const isOpen = computed(() => link.value.status === 'open')
  const cancels = new Set<() => void>()
  /** True once `condition` has held for `ms()` without a break. */
  const lasting = (condition: ReadonlySignal<boolean>, ms: () => number): ReadonlySignal<boolean> => {
    const holds = signal(false)
    let cancel = (): void => {}
    const stop = effect(() => {
      cancel()
      if (condition.value) {
        cancel = clock.after(untracked(ms), () => {
          holds.value = true
        })
      } else holds.value = false
    })
    cancels.add(() => {
      cancel()
      stop()
    })
    return holds
  }

  const isDown = computed(() => !isOpen.value)
  // A node that fell silent has been silent for a while when it is given up.
  const isOffline = lasting(isDown, () => Math.max(GRACE_MS, OFFLINE_MS - (clock.nowMs() - (lastContactMs.value ?? clock.nowMs()))))
  const isSlowToConnect = lasting(isDown, () => QUIET_MS)
  const isUnsynced = computed(() => isOpen.value && (!isSynced.value || progress.value.done < progress.value.total))
  const isCatchingUp = lasting(isUnsynced, () => CATCHING_UP_MS)
  const isCatchingUpLong = lasting(isUnsynced, () => BANNER_MS)
  const isPending = computed(() => pendingCount.value > 0)
  const isSaving = lasting(isPending, () => QUIET_MS)

  const members = computed(() =>
    nodes.value.flatMap(({ pid, status }) => (pid === null || status === 'removed' ? [] : [pid])).sort((a, b) => a - b),
  )
  const ready = computed(() =>
    nodes.value.flatMap(({ pid, status }) => (pid !== null && status === 'ready' ? [pid] : [])).sort((a, b) => a - b),
  )
  const isLone = computed(() => isOpen.value && members.value.length > 1 && ready.value.length === 1)
  const stopWatching = effect(() => {
    if (!isLone.value) dismissed.value = false
    if (isOffline.value) isAway = true
  })

  const nextNode = computed(() => {
    const status = link.value
    if (status.status !== 'dialling') return null
    const url = status.next
    return url === null || url === node.value?.url ? null : labelOf(nodes.value.find((known) => known.url === url) ?? null)
  })

  const labelOfUrl = (url: string): string =>
    labelOf(nodes.value.find((known) => known.url === url) ?? { pid: null, url, status: 'unknown' })

  const chip = computed((): ChipState => {
    const label = labelOf(node.value)
    if (isOffline.value) return { status: 'offline', sinceMs: lastContactMs.value ?? lostMs }
    if (!isOpen.value) {
      if (node.value !== null) return { status: 'switching', from: label, to: nextNode.value }
      return { status: isSlowToConnect.value ? 'connecting' : 'quiet' }
    }
    if (isCatchingUp.value) return { status: 'catching-up', node: label, ...progress.value }
    if (isLone.value) return { status: 'lone', node: label }
    if (isSaving.value) return { status: 'saving', node: label, count: pendingCount.value }
    if (ready.value.length > 0 && ready.value.length < members.value.length) {
      return { status: 'degraded', node: label, up: ready.value.length, members: members.value.length }
    }
    return { status: 'live', node: label }
  })

  const banner = computed((): BannerState | null => {
    if (hasNoStorage.value) return { kind: 'no-storage' }
    if (isDiskFull.value) return { kind: 'disk-full' }
    if (isSetAside.value) return { kind: 'set-aside' }
    if (isOffline.value) return { kind: 'offline', lastContactMs: lastContactMs.value }
    if (back.value !== null) return { kind: 'back', ...back.value }
    if (isCatchingUpLong.value) return { kind: 'catching-up' }
    if (isLone.value && !dismissed.value) return { kind: 'lone' }
    return null
  })

  const onOpened = (url: string): void => {
    const next = nodes.value.find((known) => known.url === url) ?? { pid: null, url, status: 'unknown' as const }
    const from = node.value
    const atMs = clock.nowMs()
    if (from?.url !== url) {
      const visit = { atMs, from: from?.url ?? null, to: url, gapMs: from === null ? 0 : atMs - lostMs }
      visits.value = [...visits.value, visit].slice(-MOVES_MAX)
    }
    node.value = next
    lastContactMs.value = atMs
  }

  /** Said once what piled up here had a moment to go out, and what waited there to come in. */
  const sayBackSoon = (): void => {
    isAway = false
    const pending = pendingCount.value
    const cancel = clock.after(SETTLE_MS, () => {
      back.value = { stored: Math.max(0, pending - pendingCount.value), arrived: Math.max(0, inboxCount.value - inboxAtLoss) }
      cancels.add(
        clock.after(BACK_MS, () => {
          back.value = null
        }),
      )
    })
    cancels.add(cancel)
  }

  return {
    chip,
    banner,
    isOnline: isOpen,
    nodePid: computed(() => node.value?.pid ?? null),
    lastContactMs,
    members,
    ready,
    moves: computed(() =>
      visits.value.map(({ from, to, ...visit }) => ({
        ...visit,
        from: from === null ? null : labelOfUrl(from),
        to: labelOfUrl(to),
        toPid: nodes.value.find(({ url }) => url === to)?.pid ?? null,
      })),
    ),
    dismiss: () => {
      dismissed.value = true
      hasNoStorage.value = false
      isDiskFull.value = false
      isSetAside.value = false
    },
    onStatus: (status) => {
      const wasOpen = isOpen.value
      if (wasOpen && status.status !== 'open') {
        lostMs = clock.nowMs()
        inboxAtLoss = inboxCount.value
      }
      if (status.status === 'open') onOpened(status.url)
      link.value = status
    },
    onSynced: (synced) => {
      if (synced && isAway) sayBackSoon()
      isSynced.value = synced
    },
    onNodesNote: (note) => {
      nodes.value = note.nodes
      const url = node.value?.url
      const told = note.nodes.find((known) => known.url === url)
      if (told !== undefined) node.value = told
    },
    onHeard: () => {
      // To the second: it is looked at by people.
      const nowMs = Math.floor(clock.nowMs() / 1000) * 1000
      if (nowMs !== lastContactMs.peek()) lastContactMs.value = nowMs
    },
    onProgress: (next) => {
      const { done, total } = progress.peek()
      if (done !== next.done || total !== next.total) progress.value = next
    },
    onNoStorage: () => {
      hasNoStorage.value = true
    },
    onDiskFull: () => {
      isDiskFull.value = true
    },
    onSetAside: () => {
      isSetAside.value = true
    },
    close: () => {
      stopWatching()
      for (const cancel of cancels) cancel()
    },
  }
}

const labelOf = (node: NodeAddress | null): string => {
  if (node === null) return ''
  return node.pid === null ? new URL(node.url).host : `node ${node.pid}`
}
