// Fakes for the page's models: a clock that is moved by hand, stores in memory, nodes that answer calls, and a link
// whose rooms are documents in memory. What the other side says comes in by the functions of `FakeLink`.

import * as Y from 'yjs'
import type { AccountId } from '../../crdt-schema/ids.ts'
import type { Api, ApiResult } from '../../web/link/api.ts'
import type { AsideReplica } from '../../web/link/replicas.ts'
import type { Room } from '../../web/link/room-socket.ts'
import type { Link, LinkEvents } from '../../web/link/sockets.ts'
import type { Clock, Ports, Store } from '../../web/model/ports.ts'

export const NOW_MS = Date.UTC(2026, 10, 22, 12, 0, 0)

export interface FakeClock extends Clock {
  /** Moves time on and does what falls due. */
  advance(ms: number): void
}

export const createFakeClock = (): FakeClock => {
  let nowMs = NOW_MS
  let timers: { atMs: number; work: () => void }[] = []
  return {
    nowMs: () => nowMs,
    after: (ms, work) => {
      const timer = { atMs: nowMs + ms, work }
      timers.push(timer)
      return () => {
        timers = timers.filter((other) => other !== timer)
      }
    },
    advance: (ms) => {
      const endMs = nowMs + ms
      for (;;) {
        const [due] = timers.filter(({ atMs }) => atMs <= endMs).sort((a, b) => a.atMs - b.atMs)
        if (due === undefined) break
        timers = timers.filter((other) => other !== due)
        nowMs = due.atMs
        due.work()
      }
      nowMs = endMs
    },
  }
}

export const createFakeStore = (): Store => {
  const items = new Map<string, string>()
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
  }
}

const FROM_NODE = { from: 'node' }

export interface FakeLink extends Link {
  readonly rooms: ReadonlyMap<string, FakeRoom>
  readonly events: LinkEvents
  /** The node's side of a room writes: told to the page as it would come over a socket. */
  write(room: string, change: (doc: Y.Doc) => void): void
  /** The node has been heard in every room. */
  sync(): void
  isClosed: boolean
  wakes: number
}

export interface FakeRoom extends Room {
  changes: number
  /** Resolves the flushes that wait; `null` lets them pass at once. */
  flushes: (() => void)[] | null
}

export const createFakeLink = (events: LinkEvents): FakeLink => {
  const rooms = new Map<string, FakeRoom>()
  let isSynced = false
  const link: FakeLink = {
    rooms,
    events,
    isClosed: false,
    wakes: 0,
    open: (name) => {
      const known = rooms.get(name)
      if (known !== undefined) return known
      const doc = new Y.Doc()
      const room: FakeRoom = {
        name,
        doc,
        loaded: Promise.resolve('disk'),
        changes: 0,
        flushes: null,
        isSynced: () => isSynced,
        latestChange: () => room.changes,
        isFromNode: (origin) => origin === FROM_NODE,
        flush: () => (room.flushes === null ? Promise.resolve() : new Promise((resolve) => room.flushes?.push(resolve))),
      }
      doc.on('update', (_update: Uint8Array, origin: unknown) => {
        if (origin !== FROM_NODE) room.changes += 1
      })
      rooms.set(name, room)
      return room
    },
    write: (name, change) => {
      const room = rooms.get(name)
      if (room === undefined) throw new Error(`${name} is not open`)
      const remote = new Y.Doc()
      Y.applyUpdate(remote, Y.encodeStateAsUpdate(room.doc))
      change(remote)
      Y.applyUpdate(room.doc, Y.encodeStateAsUpdate(remote, Y.encodeStateVector(room.doc)), FROM_NODE)
    },
    sync: () => {
      isSynced = true
      for (const room of rooms.values()) events.onSynced(room)
    },
    wake: () => {
      link.wakes += 1
    },
    close: async () => {
      link.isClosed = true
    },
  }
  return link
}

const notAsked = async (): Promise<ApiResult<never>> => ({ ok: false, code: 'no-server' })

/** An API where everything fails but what a test gives. */
export const createFakeApi = (given: Partial<Api> = {}): Api => ({
  lookUpName: notAsked,
  createAccount: notAsked,
  signIn: notAsked,
  recover: notAsked,
  makeRecoveryCodes: notAsked,
  readMe: notAsked,
  rename: notAsked,
  changePassword: notAsked,
  removeMe: notAsked,
  listAccounts: notAsked,
  listSessions: notAsked,
  endSession: notAsked,
  readCluster: notAsked,
  readClusterAt: notAsked,
  ...given,
})

export interface FakePorts extends Ports {
  readonly clock: FakeClock
  /** The links that were opened, latest last. */
  readonly links: FakeLink[]
  readonly forgotten: string[][]
  readonly aside: AsideReplica[]
}

export const createFakePorts = (api: Partial<Api> = {}): FakePorts => {
  const links: FakeLink[] = []
  const forgotten: string[][] = []
  const aside: AsideReplica[] = []
  let counter = 0
  return {
    clock: createFakeClock(),
    api: createFakeApi(api),
    deviceStore: createFakeStore(),
    tabStore: createFakeStore(),
    links,
    forgotten,
    aside,
    setReplicaAside: async (replica) => void aside.push(replica),
    listReplicasAside: async () => aside,
    keepStorage: async () => null,
    notify: () => {},
    connect: (_account, events) => {
      const link = createFakeLink(events)
      links.push(link)
      return link
    },
    listKeptRooms: async () => [],
    forgetReplicas: async (rooms) => void forgotten.push([...rooms]),
    // Ids must differ and be the same in every run.
    random: (bytes) => Uint8Array.from({ length: bytes }, (_, place) => (place === 0 ? (counter += 1) : place)),
  }
}

export const ANA = 'a'.repeat(32) as AccountId
export const BEN = 'b'.repeat(32) as AccountId

/** What a test knows to be there. */
export const present = <Value>(value: Value | null | undefined): Value => {
  if (value === null || value === undefined) throw new Error('nothing here')
  return value
}

/** Lets promises and microtasks that are due run. */
export const settle = async (): Promise<void> => {
  for (let turn = 0; turn < 20; turn += 1) await Promise.resolve()
}
