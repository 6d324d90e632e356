// What the models ask of the world: a clock, places to remember things, and the link to the nodes.
// The browser gives the real ones in main.tsx, tests give fakes.

import type { Api } from '../link/api.ts'
import type { AsideReplica } from '../link/replicas.ts'
import type { Link, LinkEvents } from '../link/sockets.ts'

export interface Clock {
  /** Wall clock of this device, ms. */
  nowMs(): number
  /** Calls `work` once after `ms`; returns how to cancel. */
  after(ms: number, work: () => void): () => void
}

export type Store = Pick<Storage, 'getItem' | 'setItem' | 'removeItem'>

export interface Ports {
  readonly clock: Clock
  readonly api: Api
  /** Kept between visits, shared by all tabs. */
  readonly deviceStore: Store
  /** Kept as long as this tab. */
  readonly tabStore: Store
  readonly connect: (account: { readonly accountId: string; readonly token: string }, events: LinkEvents) => Link
  readonly listKeptRooms: (accountId: string) => Promise<string[]>
  readonly forgetReplicas: (rooms: readonly string[]) => Promise<void>
  readonly setReplicaAside: (replica: AsideReplica) => Promise<void>
  readonly listReplicasAside: (accountId: string) => Promise<AsideReplica[]>
  /** Asks the browser not to clear what is kept here; whether it agreed, null where it cannot be asked. */
  readonly keepStorage: () => Promise<boolean | null>
  /** Tells of a message while no tab is looked at, if the person allowed it. */
  readonly notify: (note: { readonly id: string; readonly text: string }) => void
  readonly random: (bytes: number) => Uint8Array
}

/** Random bytes of an id of ours. */
export const ID_RANDOM_BYTES = 10
