// One open room: its replica, its WebsocketProvider over a racing socket, and the count of what is stored. It dials
// when it is told to and reports what happens; where and when to dial is decided in sockets.ts.
// Two tabs are kept in step by replicas.ts and not by y-websocket's channel: an update that a provider hears from
// another tab it does not pass on to its node, and would be stranded if that tab closed before it had a node itself.

import type * as decoding from 'lib0/decoding'
import type * as encoding from 'lib0/encoding'
import { Awareness } from 'y-protocols/awareness'
import { WebsocketProvider, messageAuth, messageSync } from 'y-websocket'
import { type ServerNote, readNote } from '../../crdt-schema/wire.ts'
import { createRacingSocketClass } from './racing-socket.ts'
import { type ChangeReceipts, type StoredChanges, createChangeReceipts } from './receipts.ts'
import { type Replica, openReplica } from './replicas.ts'

export interface Room {
  readonly name: string
  readonly doc: Replica['doc']
  readonly loaded: Replica['loaded']
  /** The node's side has been heard since the socket opened: what comes from now on is live. */
  isSynced(): boolean
  /** The number of the latest local change, to compare with what is told of stored ones. */
  latestChange(): number
  /** Whether an update with this origin came from a node. */
  isFromNode(origin: unknown): boolean
  flush(): Promise<void>
}

export interface RoomSocketEvents {
  /** The first of the addresses to open. */
  onOpened(url: string): void
  /** None of them opened. */
  onLost(): void
  onHeard(): void
  /** An open or opening socket has ended; null if it was dropped on this side. */
  onClosed(code: number | null): void
  onSynced(room: Room): void
  onStored(room: Room, stored: StoredChanges): void
  onNote(note: Exclude<ServerNote, { type: 'stored' }>): void
}

export interface RoomSocket {
  readonly room: Room
  /** Dials these nodes, the first at once and the others staggered, unless a socket is open or opening. */
  dial(urls: readonly string[], protocols: readonly string[]): void
  /** Lets go of the socket without waiting for the other side. */
  drop(): void
  /** The node of the socket, open or opening; null without one. */
  url(): string | null
  close(): Promise<void>
}

const STEP_1 = 0
const STEP_2 = 1

export const openRoomSocket = (name: string, events: RoomSocketEvents): RoomSocket => {
  const receipts = createChangeReceipts()
  const replica = openReplica({ room: name, isFromNode, onChange: receipts.onChange })
  let urls: readonly string[] = []
  let current: string | null = null

  const racing = createRacingSocketClass({
    addresses: () => urls.map((url) => `${toSyncUrl(url)}/${name}`),
    onOpened: (address) => {
      receipts.onSocketOpened()
      current = urls.find((url) => address.startsWith(`${toSyncUrl(url)}/`)) ?? null
      if (current !== null) events.onOpened(current)
    },
    onLost: events.onLost,
    onSent: (frame) => countSent(receipts, frame),
    onReceived: (frame) => {
      events.onHeard()
      if (isSyncFrame(frame, STEP_1)) receipts.onStep1Received()
    },
  })

  const awareness = new Awareness(replica.doc)
  awareness.setLocalState(null) // nobody's cursor is shown to anybody, and an empty state would be sent every 15 s
  const provider = new WebsocketProvider('', name, replica.doc, {
    connect: false,
    awareness,
    disableBc: true,
    WebSocketPolyfill: racing,
  })
  const room: Room = {
    name,
    doc: replica.doc,
    loaded: replica.loaded,
    isSynced: () => provider.synced,
    latestChange: () => receipts.latest,
    isFromNode,
    flush: replica.flush,
  }

  provider.messageHandlers[messageAuth] = (_encoder: encoding.Encoder, decoder: decoding.Decoder) => {
    const note = readNoteSafely(decoder)
    if (note?.type === 'stored') {
      const stored = receipts.onNote(note)
      if (stored !== null) events.onStored(room, stored)
    } else if (note !== null) events.onNote(note)
  }
  provider.on('sync', () => events.onSynced(room))
  provider.on('connection-close', (event) => {
    provider.shouldConnect = false // the provider's own back-off must not dial
    current = null
    events.onClosed(event?.code ?? null)
  })

  return {
    room,
    dial: (next, protocols) => {
      if (provider.ws !== null) return
      urls = next
      current = next[0] ?? null
      provider.protocols = [...protocols]
      provider.connect()
    },
    drop: () => provider.disconnect(),
    url: () => (provider.ws === null ? null : current),
    close: async () => {
      provider.destroy()
      awareness.destroy()
      await replica.close()
    },
  }
}

const isFromNode = (origin: unknown): boolean => origin instanceof WebsocketProvider

/** http://host → ws://host/sync */
const toSyncUrl = (url: string): string => `${url.replace(/^http/, 'ws').replace(/\/+$/, '')}/sync`

const isSyncFrame = (frame: Uint8Array, type: number): boolean => frame[0] === messageSync && frame[1] === type

const countSent = (receipts: ChangeReceipts, frame: Uint8Array): void => {
  if (frame[0] !== messageSync || frame[1] === STEP_1) return
  if (frame[1] === STEP_2) receipts.onStep2Sent()
  else receipts.onUpdateSent()
}

/** A message of this type that is no note of ours, a stock server's refusal for instance, is passed over. */
const readNoteSafely = (decoder: decoding.Decoder): ServerNote | null => {
  try {
    return readNote(decoder)
  } catch {
    return null
  }
}
