// A fake desk with attached clients: documents load when told to, commits settle when told to, and changes reach the
// sockets and streams after the event that made them, as the real machine does. And a page: a stock y-websocket client
// in a few lines, with its own replica, that notes what it was told.

import { createDecoder, readVarUint, readVarUint8Array } from 'lib0/decoding'
import * as Y from 'yjs'
import { type DocumentName, type MessageId, type Pid, parsePid } from '../../crdt-schema/ids.ts'
import type { Insertion } from '../../crdt-schema/insertions.ts'
import { type ServerNote, decodeServerNote, encodeSyncStep1, encodeSyncStep2, encodeUpdate } from '../../crdt-schema/wire.ts'
import * as clients from '../../node/core/clients.ts'
import type { Desk, Phase } from '../../node/core/desk.ts'
import type { Effect } from '../../node/core/events.ts'
import * as streams from '../../node/core/streams.ts'
import { type FakeDesk, type FakeDeskOptions, createFakeDesk } from './desk.ts'

export const pid = (n: number): Pid => parsePid(n) as Pid

export interface SocketDesk {
  readonly base: FakeDesk
  readonly desk: Desk
  readonly clients: clients.Clients
  readonly streams: streams.Streams
  readonly pins: Map<DocumentName, number>
  /** Commits settle by themselves after each event; switch off to hold them. */
  autoSettle: boolean
  /** Documents load by themselves after each event; switch off to hold them. */
  autoLoad: boolean
  holders: readonly Pid[]
  nodes: Desk['nodes']
  unload(...names: DocumentName[]): void
  setPhase(phase: Phase): void
  /** Runs one event of the machine and what follows from it. */
  run(event: () => void): void
  settle(): void
  loadAll(): void
  /** Time passes in ticks of 50 ms. */
  pass(ms: number): void
  connect(room: string, token: string | null, doc?: Y.Doc): Page
  /** Events told on a stream. */
  told(call: number): { event: string; data: unknown }[]
}

export interface Page {
  readonly id: number
  readonly doc: Y.Doc
  readonly notes: ServerNote[]
  /** Frames received that were neither notes nor empty. */
  frames: number
  keepAlives: number
  closed: number | null
  /** The node reads no more of it for now. */
  isPaused: boolean
  /** Sends raw bytes. */
  send(frame: Uint8Array): void
  close(): void
}

const MESSAGE_SYNC = 0
let nextId = 0

export const createSocketDesk = (options: FakeDeskOptions = {}): SocketDesk => {
  const base = createFakeDesk(options)
  const unloaded = new Set<DocumentName>()
  const wanted = new Set<DocumentName>()
  const pins = new Map<DocumentName, number>()
  const latest = new Map<DocumentName, number>()
  const watched = new Set<Y.Doc>()
  const pages = new Map<number, Page & { receive(effect: Effect): void }>()
  const toldTo = new Map<number, { event: string; data: unknown }[]>()
  let changes: { name: DocumentName; update: Uint8Array; client: number | null }[] = []
  let open = 1
  let settled = 0
  let phase: Phase = 'ready'
  let nowMs = 0
  let isDirty = false

  const watch = (name: DocumentName): Y.Doc | null => {
    const doc = base.document(name)
    if (doc === null || watched.has(doc)) return doc
    watched.add(doc)
    doc.on('update', (update: Uint8Array, origin: unknown) => {
      latest.set(name, open)
      isDirty = true
      changes.push({ name, update, client: typeof origin === 'number' ? origin : null })
    })
    return doc
  }

  const desk: Desk = Object.create(base, Object.getOwnPropertyDescriptors({
    get phase() { return phase },
    get monotonicMs() { return nowMs },
    get clusterMs() { return base.clusterMs },
    get openCommit() { return open },
    get acknowledgedThrough() { return settled },
    get settledThrough() { return settled },
    get holders() { return world.holders },
    get nodes() { return world.nodes },
    isOverfull: false,
    memberCount: 3,
    document: (name: DocumentName) => (unloaded.has(name) ? null : watch(name)),
    settings: (name: DocumentName) => (unloaded.has(name) ? null : watch(name)),
    edit: <Value>(name: DocumentName, change: (doc: Y.Doc) => Value): Value => {
      const doc = watch(name)
      if (doc === null || unloaded.has(name)) throw new Error(`edited ${name} is not loaded`)
      return doc.transact(() => change(doc))
    },
    applyUpdate: (name: DocumentName, update: Uint8Array, client: number) => {
      const doc = watch(name)
      if (doc !== null) Y.applyUpdate(doc, update, client)
    },
    applyInTime: () => true,
    isInMemory: (name: DocumentName) => !unloaded.has(name),
    isUnheard: (name: DocumentName, id: MessageId) => (unloaded.has(name) ? null : base.isUnheard(name, id)),
    insert: (name: DocumentName, _id: MessageId, insertions: readonly Insertion[]) =>
      desk.edit(name, doc => insertions.forEach(({ root, key, value }) => doc.getMap(root).set(key, value))),
    pin: (name: DocumentName) => {
      pins.set(name, (pins.get(name) ?? 0) + 1)
      if (unloaded.has(name)) wanted.add(name)
    },
    unpin: (name: DocumentName) => void ((pins.get(name) ?? 0) > 1 ? pins.set(name, (pins.get(name) ?? 0) - 1) : pins.delete(name)),
    latestCommit: (name: DocumentName) => latest.get(name) ?? 0,
    emit: (effect: Effect) => void base.effects.push(effect),
  })) as Desk

  const react = (): void => {
    for (let round = 0; round < 50 && (changes.length > 0 || (world.autoLoad && wanted.size > 0)); round++) {
      const now = changes
      changes = []
      for (const { name, update, client } of now) {
        clients.onDocumentUpdate(desk, world.clients, { name, update, client, ids: null })
        streams.onDocumentUpdate(desk, world.streams, name, update)
      }
      if (world.autoLoad) world.loadAll()
    }
    for (const effect of base.effects.splice(0)) {
      if ('client' in effect) pages.get(effect.client)?.receive(effect)
      if (effect.type === 'stream') toldTo.set(effect.call, [...(toldTo.get(effect.call) ?? []), { event: effect.event, data: effect.data }])
      if (effect.type === 'stream-end') toldTo.set(effect.call, [...(toldTo.get(effect.call) ?? []), { event: 'end', data: null }])
      if (effect.type === 'respond') toldTo.set(effect.call, [{ event: String(effect.status), data: effect.body }])
    }
  }

  const world: SocketDesk = {
    base, desk, clients: clients.createClients(), streams: streams.createStreams(), pins,
    autoSettle: true, autoLoad: true, holders: [pid(0), pid(1)], nodes: [{ pid: pid(0), url: 'http://node-0', status: 'ready' }],
    unload: (...names) => names.forEach(name => unloaded.add(name)),
    setPhase: next => {
      phase = next
      world.run(() => clients.onPhase(desk, world.clients, next))
    },
    run: event => {
      event()
      react()
      for (let round = 0; world.autoSettle && isDirty && round < 50; round++) world.settle()
    },
    settle: () => {
      isDirty = false
      settled = open
      open += 1
      clients.onSettled(desk, world.clients)
      streams.onSettled(desk, world.streams)
      react()
    },
    loadAll: () => {
      for (const name of [...wanted]) {
        wanted.delete(name)
        unloaded.delete(name)
        clients.onLoaded(desk, world.clients, name)
        streams.onLoaded(desk, world.streams, name)
      }
    },
    pass: ms => {
      for (const end = nowMs + ms; nowMs < end;) {
        nowMs += 50
        base.clusterMs = (base.clusterMs + 50) as Desk['clusterMs']
        world.run(() => {
          clients.onTick(desk, world.clients)
          streams.onTick(desk, world.streams)
        })
      }
    },
    connect: (room, token, doc = new Y.Doc()) => {
      const page = createPage(world, doc, id => pages.delete(id))
      pages.set(page.id, page)
      world.run(() => clients.onClientUp(desk, world.clients, { type: 'client-up', client: page.id, room, token, address: '127.0.0.1' }))
      page.send(encodeSyncStep1(Y.encodeStateVector(doc)))
      return page
    },
    told: call => (toldTo.get(call) ?? []).filter(({ event }) => event !== ''),
  }
  clients.onPhase(desk, world.clients, 'ready')
  return world
}

const createPage = (world: SocketDesk, doc: Y.Doc, forget: (id: number) => void): Page & { receive(effect: Effect): void } => {
  const id = ++nextId
  const onUpdate = (update: Uint8Array, origin: unknown): void => {
    if (origin !== 'node') page.send(encodeUpdate(update))
  }
  const page: Page & { receive(effect: Effect): void } = {
    id, doc, notes: [], frames: 0, keepAlives: 0, closed: null, isPaused: false,
    send: frame => {
      if (page.closed === null) world.run(() => clients.onClientFrame(world.desk, world.clients, { type: 'client-frame', client: id, frame }))
    },
    close: () => {
      doc.off('update', onUpdate)
      forget(id)
      world.run(() => clients.onClientDown(world.desk, world.clients, { type: 'client-down', client: id }))
    },
    receive: effect => {
      if (effect.type === 'client-close') {
        page.closed = effect.code
        doc.off('update', onUpdate)
      }
      if (effect.type === 'client-pause' || effect.type === 'client-resume') page.isPaused = effect.type === 'client-pause'
      if (effect.type !== 'client-send') return
      const note = decodeServerNote(effect.frame)
      if (note !== null) return void page.notes.push(note)
      const decoder = createDecoder(effect.frame)
      if (readVarUint(decoder) !== MESSAGE_SYNC) return
      const step = readVarUint(decoder)
      const payload = readVarUint8Array(decoder)
      if (step === 2 && payload.length === 2) return void (page.keepAlives += 1)
      page.frames += 1
      if (step === 0) page.send(encodeSyncStep2(Y.encodeStateAsUpdate(doc, payload)))
      else Y.applyUpdate(doc, payload, 'node')
    },
  }
  doc.on('update', onUpdate)
  return page
}
