// The documents that this device keeps: one Yjs document per room, its updates in IndexedDB (y-indexeddb), and the
// other tabs of the same account in step with it. Stores are named by account id, so two people in two tabs of one
// browser never share one. Knows no sockets.

import { IndexeddbPersistence, clearDocument } from 'y-indexeddb'
import { createStores, openDB, rtop } from 'lib0/indexeddb'
import * as Y from 'yjs'

/** The origin of updates that another tab made; sockets pass them on, as that tab may be gone before it did. */
export const FROM_TAB = Symbol('from another tab')

export interface Replica {
  readonly doc: Y.Doc
  /** Everything this device had is in the document. Resolves to `memory` when the browser keeps nothing for us. */
  readonly loaded: Promise<'disk' | 'memory'>
  /** Resolves once all changes made so far are on this device's disk; rejects when the disk takes no more. */
  flush(): Promise<void>
  close(): Promise<void>
}

const STORE_PREFIX = 'starling/'
const LOAD_GIVE_UP_MS = 5000
/** What is opened while the browser still clears is closed again. */
const REOPEN_MS = 1000

const storeName = (room: string): string => `${STORE_PREFIX}${room}`

export interface ReplicaOptions {
  readonly room: string
  /** Whether an update with this origin came from a node. */
  readonly isFromNode: (origin: unknown) => boolean
  /** Something that a node may not have: written in this tab or in another one. Told before any socket hears of it. */
  readonly onChange: () => void
}

/** Opens the replica of a room. It counts as one change when loaded from disk with anything in it. */
export const openReplica = ({ room, isFromNode, onChange }: ReplicaOptions): Replica => {
  const doc = new Y.Doc()
  let isClosed = false
  const open = (): IndexeddbPersistence => {
    const opened = new IndexeddbPersistence(storeName(room), doc)
    void opened.whenSynced.then(({ db }) => {
      if (db !== null) db.onclose = reopen
    })
    return opened
  }
  /** The browser's data were cleared under the page: a store that opens takes in all of its document. */
  const reopen = (): void => {
    reopened = store.destroy().then(async () => {
      await pause(REOPEN_MS)
      if (isClosed) return
      store = open()
      await Promise.race([store.whenSynced, pause(LOAD_GIVE_UP_MS)])
    })
  }
  let store = open()
  let reopened = Promise.resolve()
  const loaded = waitForStore(store)
  const closeChannel = shareWithTabs(room, doc, (origin) => origin instanceof IndexeddbPersistence || isFromNode(origin))
  doc.on('update', (_update: Uint8Array, origin: unknown) => {
    if (!isFromNode(origin)) onChange()
  })
  return {
    doc,
    loaded,
    flush: () => reopened.then(() => flushStore(store)),
    close: async () => {
      isClosed = true
      closeChannel()
      doc.destroy()
      await store.destroy()
    },
  }
}

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

const waitForStore = (store: IndexeddbPersistence): Promise<'disk' | 'memory'> =>
  new Promise((resolve) => {
    // A browser that forbids storage fails to open; one that is upgrading another tab's copy may never answer.
    const timer = setTimeout(() => resolve('memory'), LOAD_GIVE_UP_MS)
    const settle = (kept: 'disk' | 'memory'): void => {
      clearTimeout(timer)
      resolve(kept)
    }
    store.get('opened').catch(() => settle('memory'))
    void store.whenSynced.then(() => settle('disk'))
  })

/**
 * A transaction over the store of updates starts after those that y-indexeddb has begun, so when it is complete they are.
 * `strict` asks the browser to wait for the disk, not only for the system's cache.
 */
const flushStore = (store: IndexeddbPersistence): Promise<void> =>
  new Promise((resolve, reject) => {
    if (store.db === null) return reject(new Error('this device keeps nothing'))
    const transaction = store.db.transaction(['updates', 'custom'], 'readwrite', { durability: 'strict' })
    transaction.oncomplete = () => resolve()
    transaction.onabort = () => reject(transaction.error ?? new Error('the write was given up'))
    transaction.objectStore('custom').put(Date.now(), 'flushedMs')
  })

/** What this tab writes reaches the others at once. What a node sends reaches each tab by its own socket. */
const shareWithTabs = (room: string, doc: Y.Doc, isKnownToThem: (origin: unknown) => boolean): (() => void) => {
  const channel = new BroadcastChannel(storeName(room))
  doc.on('update', (update: Uint8Array, origin: unknown) => {
    if (origin !== FROM_TAB && !isKnownToThem(origin)) channel.postMessage(update)
  })
  channel.onmessage = ({ data }) => {
    if (data instanceof Uint8Array) Y.applyUpdate(doc, data, FROM_TAB)
  }
  return () => channel.close()
}

/** Forgets what this device kept of these rooms. */
export const forgetReplicas = async (rooms: readonly string[]): Promise<void> => {
  await Promise.all(rooms.map((room) => clearDocument(storeName(room))))
}

// ---- replicas that nodes refuse

const ASIDE_STORE = 'starling-aside'
const ASIDE_MAX = 20

/** What this device had of a room when a node refused it for good [SYN4]: kept for its owner to download. */
export interface AsideReplica {
  readonly room: string
  readonly atMs: number
  readonly state: Uint8Array
}

/** Puts a replica aside and forgets it in its place, so that the room starts afresh. The replica must be closed. */
export const setReplicaAside = async (replica: AsideReplica): Promise<void> => {
  const database = await openAside()
  await rtop(database.transaction('replicas', 'readwrite').objectStore('replicas').add(replica))
  database.close()
  await clearDocument(storeName(replica.room))
}

/** The replicas of an account that were put aside, newest first. */
export const listReplicasAside = async (accountId: string): Promise<AsideReplica[]> => {
  const database = await openAside().catch(() => null)
  if (database === null) return []
  const all: AsideReplica[] = await rtop(database.transaction('replicas').objectStore('replicas').getAll(null, ASIDE_MAX))
  database.close()
  return all.filter(({ room }) => room.startsWith(`${accountId}/`)).reverse()
}

const openAside = (): Promise<IDBDatabase> =>
  openDB(ASIDE_STORE, (database) => createStores(database, [['replicas', { autoIncrement: true }]]))

// ---- what is on this device

/** The rooms of an account that this device has kept, so that a start without any node shows them. */
export const listKeptRooms = async (accountId: string): Promise<string[]> => {
  // A browser that keeps nothing for us has nothing of ours either.
  const databases = await Promise.resolve()
    .then(() => indexedDB.databases?.() ?? [])
    .catch(() => [])
  const prefix = storeName(`${accountId}/`)
  return databases.flatMap(({ name }) => (name?.startsWith(prefix) ? [name.slice(STORE_PREFIX.length)] : []))
}
