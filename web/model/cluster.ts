// The state of all nodes as one of them tells it, asked again and again while somebody looks. What each of them sees for
// itself is cluster-watch.ts.

import { type ReadonlySignal, signal } from '@preact/signals'
import type { ClusterJson } from '../../crdt-schema/api-shapes.ts'
import type { Api } from '../link/api.ts'
import type { NodeAddress } from '../link/fail-over.ts'
import type { Clock } from './ports.ts'

export type ClusterState = ClusterJson
export type ClusterNode = ClusterJson['nodes'][number]

export interface ClusterModel {
  readonly state: ReadonlySignal<ClusterJson | null>
  /** No node has answered since then. */
  readonly silentSinceMs: ReadonlySignal<number | null>
  /** Asks every `everyMs` until stopped. */
  show(everyMs: number): () => void
}

export interface ClusterOptions {
  readonly api: Api
  readonly clock: Clock
  /** Where the nodes are, for whoever dials them, and which of them has answered. */
  readonly onNodes: (nodes: readonly NodeAddress[], selfUrl: string | null) => void
}

export const createCluster = ({ api, clock, onNodes }: ClusterOptions): ClusterModel => {
  const state = signal<ClusterJson | null>(null)
  const silentSinceMs = signal<number | null>(null)
  return {
    state,
    silentSinceMs,
    show: (everyMs) => {
      let isShown = true
      let cancel = (): void => {}
      const ask = async (): Promise<void> => {
        const askedMs = clock.nowMs()
        const answer = await api.readCluster()
        if (!isShown) return
        if (answer.ok) {
          state.value = answer.value
          const { nodes, self } = answer.value
          onNodes(
            nodes.map(({ pid, url, status }) => ({ pid, url, status })),
            nodes.find(({ pid }) => pid === self)?.url ?? null,
          )
        }
        silentSinceMs.value = answer.ok ? null : (silentSinceMs.value ?? askedMs)
        cancel = clock.after(everyMs, () => void ask())
      }
      void ask()
      return () => {
        isShown = false
        cancel()
      }
    },
  }
}

/** Everyone who belongs to the cluster, up or down, by pid. */
export const membersOf = (state: ClusterState): ClusterNode[] =>
  state.nodes.filter(({ status }) => status !== 'removed').sort((a, b) => a.pid - b.pid)
