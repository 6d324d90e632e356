// How far a new name has got: until every member has the claim of an account made here, another side of a split could
// still give the name away, and the page says so [COO6]. Asks the node of the page and believes only that one, since
// whoever is equal to it holds what it holds.

import { type ReadonlySignal, signal } from '@preact/signals'
import type { AccountId } from '../../crdt-schema/ids.ts'
import type { Api } from '../link/api.ts'
import type { Clock, Store } from './ports.ts'

export interface Reserved {
  readonly on: number
  readonly of: number
}

export interface Reserving {
  /** Null when every member has the name, or when it was not taken on this device. */
  readonly reserved: ReadonlySignal<Reserved | null>
  /** An account was made here just now. */
  begin(id: AccountId): void
  /** Asks until all have it, or until stopped. `ownPid` is the node of the page. */
  watch(id: AccountId, ownPid: () => number | null): () => void
}

const KEY = 'starling.reserving'
const ASK_EVERY_MS = 2000

export const createReserving = ({ api, clock, store }: { api: Api; clock: Clock; store: Store }): Reserving => {
  const reserved = signal<Reserved | null>(null)
  return {
    reserved,
    begin: (id) => store.setItem(KEY, id),
    watch: (id, ownPid) => {
      if (store.getItem(KEY) !== id) return () => {}
      const holders = new Set<number>()
      let isWatching = true
      let cancel = (): void => {}
      const ask = async (): Promise<void> => {
        const answer = await api.readCluster()
        if (!isWatching) return
        if (answer.ok && answer.value.self === ownPid()) {
          const members = answer.value.nodes.filter(({ status }) => status !== 'removed')
          const own = members.find(({ pid }) => pid === answer.value.self)
          for (const { pid, digest } of members) if (digest !== null && digest === own?.digest) holders.add(pid)
          if (members.every(({ pid }) => holders.has(pid))) {
            store.removeItem(KEY)
            reserved.value = null
            return
          }
          reserved.value = { on: members.filter(({ pid }) => holders.has(pid)).length, of: members.length }
        }
        cancel = clock.after(ASK_EVERY_MS, () => void ask())
      }
      cancel = clock.after(ASK_EVERY_MS / 2, () => void ask())
      return () => {
        isWatching = false
        cancel()
        reserved.value = null
      }
    },
  }
}
