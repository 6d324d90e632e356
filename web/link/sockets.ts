// The page's sockets: one WebsocketProvider per open room, all at one node. The room `drafts` leads: its socket races
// for a node and watches that it speaks; the others follow to where it is. Carries out what fail-over.ts decides.
// Refuses to know what the documents mean.
// Two tabs are kept in step by replicas.ts and not by y-websocket's channel: an update that a provider hears from
// another tab it does not pass on to its node, and would be stranded if that tab closed before it had a node itself.

import type * as decoding from 'lib0/decoding'
import type * as encoding from 'lib0/encoding'
import { Awareness } from 'y-protocols/awareness'
import { WebsocketProvider, messageAuth, messageSync } from 'y-websocket'
import { CLIENT_PROTOCOL, CLOSE_CODES, type NodesNote, type RoomNote, type ServerNote, TOKEN_PROTOCOL_PREFIX, isFinalClose, readNote } from '../../crdt-schema/wire.ts'
import { type FailOver, type FailOverInput, SILENCE_MS, createFailOver, stepFailOver } from './fail-over.ts'
import type { NodeBook } from './node-book.ts'
import { createRacingSocketClass } from './racing-socket.ts'
import { type StoredChanges, createChangeReceipts } from './receipts.ts'
import { type Replica, openReplica } from './replicas.ts'

export interface Room {
  readonly name: string
  readonly doc: Replica['doc']
  readonly loaded: Replica['loaded']
  /** The node's side has been heard since the socket opened: what comes from now on is live. */
  isSynced(): boolean
  /** The number of the latest local change, to compare with what `onStored` tells. */
  latestChange(): number
  /** The highest local change that some node has stored. */
  storedChange(): number
  /** Whether an update with this origin came from a node. */
  isFromNode(origin: unknown): boolean
  flush(): Promise<void>
}

export type LinkStatus =
  | { readonly status: 'dialling'; readonly next: string | null }
  | { readonly status: 'waiting' }
  | { readonly status: 'open'; readonly url: string }
  | { readonly status: 'ended'; readonly code: number }

/** What the link tells. None of it is told before the function that made it has returned. */
export interface LinkEvents {
  onStatus(status: LinkStatus): void
  /** The room has heard the node's side, or lost it. */
  onSynced(room: Room): void
  onStored(room: Room, stored: StoredChanges): void
  onNodesNote(note: NodesNote): void
  /** The node has spoken; told with each frame of the room that leads. */
  onHeard(): void
  onRoomNote(note: RoomNote): void
  /** This room cannot go on as it is, though the session can. */
  onRoomClosed(room: Room, code: number): void
}

export interface Link {
  /** Opens a room, or gives the open one. It connects when its replica has loaded. */
  open(name: string): Room
  /** Forget the back-off: the browser is online, the page is visible, the person asked. */
  wake(): void
  /** After a final code: go on with a new token. */
  resume(token: string): void
  close(): Promise<void>
}

export interface LinkOptions {
  readonly accountId: string
  readonly token: string
  readonly book: NodeBook
  readonly events: LinkEvents
}

const WATCH_MS = 500
/** A timer this late means that the page was suspended: the silence was ours. */
const SUSPENDED_MS = 2000
const FOLLOWER_RETRY_MS = 1000
/** Said in every room at once; the leader's is the one that counts. */
const ENDS_SESSION: readonly number[] = [CLOSE_CODES.sessionEnded, CLOSE_CODES.signedInElsewhere]

const step1 = 0
const step2 = 1

interface OpenRoom {
  readonly room: Room
  readonly provider: WebsocketProvider
  readonly close: () => Promise<void>
}

export const createLink = ({ accountId, token, book, events }: LinkOptions): Link => {
  const leaderName = `${accountId}/drafts`
  const rooms = new Map<string, OpenRoom>()
  let state: FailOver = createFailOver(book.nodes(), book.lastGood())
  let addresses: readonly string[] = []
  let protocols = protocolsFor(token)
  let heardMs = performance.now()
  let watchedMs = performance.now()
  let waitTimer: ReturnType<typeof setTimeout> | null = null
  let isClosed = false

  const decide = (input: FailOverInput): void => {
    if (isClosed) return
    const before = state
    const { state: next, effects } = stepFailOver(state, input, { nowMs: performance.now(), random: Math.random() })
    state = next
    for (const effect of effects) {
      switch (effect.type) {
        case 'dial':
          stopWaiting()
          addresses = effect.urls
          // A provider takes a new socket only after it has let go of the one that is closing.
          queueMicrotask(dialLeader)
          break
        case 'wait':
          stopWaiting()
          waitTimer = setTimeout(() => decide({ type: 'waited' }), effect.ms)
          break
        case 'drop':
          for (const { provider } of rooms.values()) provider.disconnect()
          break
        case 'end':
          break // the status says so
      }
    }
    if (state.status !== before.status || state.current !== before.current) onMoved(before)
  }

  const stopWaiting = (): void => {
    if (waitTimer !== null) clearTimeout(waitTimer)
    waitTimer = null
  }

  const dialLeader = (): void => {
    if (state.status === 'dialling') rooms.get(leaderName)?.provider.connect()
  }

  const onMoved = (before: FailOver): void => {
    if (state.isAnswered && state.current !== null) book.praise(state.current)
    if (state.status === 'open' && state.current !== null) {
      events.onStatus({ status: 'open', url: state.current })
      followLeader()
    } else if (state.status === 'ended' && state.endedBy !== null) {
      for (const { provider } of rooms.values()) provider.disconnect()
      events.onStatus({ status: 'ended', code: state.endedBy })
    } else if (state.status === 'dialling') {
      events.onStatus({ status: 'dialling', next: addresses[0] ?? null })
    } else if (state.status === 'waiting') {
      events.onStatus({ status: 'waiting' })
    }
  }

  /** Followers at another node than the leader's are brought along. */
  const followLeader = (): void => {
    for (const [name, { provider }] of rooms) {
      if (name === leaderName) continue
      const isThere = provider.ws !== null && provider.serverUrl === syncUrl(state.current ?? '')
      if (!isThere) connectFollower(provider)
    }
  }

  const connectFollower = (provider: WebsocketProvider): void => {
    if (state.status !== 'open' || state.current === null) return
    provider.disconnect()
    provider.serverUrl = syncUrl(state.current)
    provider.protocols = protocols
    provider.connect()
  }

  const open = (name: string): Room => {
    const known = rooms.get(name)
    if (known !== undefined) return known.room
    const isLeader = name === leaderName
    const receipts = createChangeReceipts()
    const isFromNode = (origin: unknown): boolean => origin instanceof WebsocketProvider
    const replica = openReplica({ room: name, isFromNode, onChange: receipts.onChange })

    const racing = createRacingSocketClass({
      addresses: () => (isLeader ? addresses : [state.current ?? '']).filter((url) => url !== '').map((url) => `${syncUrl(url)}/${name}`),
      onOpened: (address) => {
        receipts.onSocketOpened()
        if (!isLeader) return
        heardMs = performance.now()
        const url = addresses.find((known) => address.startsWith(syncUrl(known)))
        if (url === undefined) return
        provider.serverUrl = syncUrl(url)
        decide({ type: 'opened', url })
      },
      onLost: () => {
        if (isLeader) decide({ type: 'round-failed' })
      },
      onSent: (frame) => countSent(receipts, frame),
      onReceived: (frame) => {
        if (isLeader) {
          heardMs = performance.now()
          decide({ type: 'answered' })
          events.onHeard()
        }
        if (isSyncFrame(frame, step1)) receipts.onStep1Received()
      },
    })

    const awareness = new Awareness(replica.doc)
    awareness.setLocalState(null) // nobody's cursor is shown to anybody, and an empty state would be sent every 15 s
    const provider: WebsocketProvider = new WebsocketProvider(syncUrl(book.nodes()[0]?.url ?? ''), name, replica.doc, {
      connect: false,
      awareness,
      disableBc: true,
      protocols,
      WebSocketPolyfill: racing,
    })
    const room: Room = {
      name,
      doc: replica.doc,
      loaded: replica.loaded,
      isSynced: () => provider.synced,
      latestChange: () => receipts.latest,
      storedChange: () => receipts.stored,
      isFromNode,
      flush: replica.flush,
    }
    let isGone = false
    rooms.set(name, {
      room,
      provider,
      close: async () => {
        isGone = true
        provider.destroy()
        awareness.destroy()
        await replica.close()
      },
    })
    provider.messageHandlers[messageAuth] = (_encoder: encoding.Encoder, decoder: decoding.Decoder) => {
      const note = readNoteSafely(decoder)
      if (note === null) return
      switch (note.type) {
        case 'stored': {
          const stored = receipts.onNote(note)
          if (stored !== null) events.onStored(room, stored)
          return
        }
        case 'nodes':
          book.learn(note.nodes)
          return events.onNodesNote(note)
        case 'room':
          return events.onRoomNote(note)
      }
    }
    provider.on('sync', () => events.onSynced(room))
    provider.on('connection-close', (event) => {
      const code = event?.code ?? 0
      if (isLeader) {
        provider.shouldConnect = false // fail-over.ts says when to dial again
        if (event !== null) decide({ type: 'closed', code })
      } else if (event !== null && isFinalClose(code) && !ENDS_SESSION.includes(code)) {
        events.onRoomClosed(room, code) // the end of a session is the leader's to hear
      } else if (!isGone) {
        provider.shouldConnect = false
        const retry = (): void => {
          if (!isGone && provider.ws === null) connectFollower(provider)
        }
        if (provider.synced) queueMicrotask(retry)
        else setTimeout(retry, FOLLOWER_RETRY_MS)
      }
    })
    void replica.loaded.then(() => {
      if (isGone) return
      if (isLeader) decide({ type: 'start' })
      else connectFollower(provider)
    })
    return room
  }

  const watch = setInterval(() => {
    const nowMs = performance.now()
    if (nowMs - watchedMs > SUSPENDED_MS) heardMs = nowMs
    watchedMs = nowMs
    if (nowMs - heardMs > SILENCE_MS) decide({ type: 'silent' })
  }, WATCH_MS)
  const stopLearning = book.watch((nodes) => decide({ type: 'nodes', nodes }))

  return {
    open,
    wake: () => decide({ type: 'wake' }),
    resume: (fresh) => {
      protocols = protocolsFor(fresh)
      for (const { provider } of rooms.values()) provider.protocols = protocols
      decide({ type: 'resume' })
    },
    close: async () => {
      isClosed = true
      clearInterval(watch)
      stopWaiting()
      stopLearning()
      await Promise.all([...rooms.values()].map((room) => room.close()))
      rooms.clear()
    },
  }
}

const protocolsFor = (token: string): string[] => [CLIENT_PROTOCOL, `${TOKEN_PROTOCOL_PREFIX}${token}`]

/** http://host → ws://host/sync */
const syncUrl = (url: string): string => `${url.replace(/^http/, 'ws').replace(/\/+$/, '')}/sync`

/** A message of this type that is no note of ours, a stock server's refusal for instance, is passed over. */
const readNoteSafely = (decoder: decoding.Decoder): ServerNote | null => {
  try {
    return readNote(decoder)
  } catch {
    return null
  }
}

const isSyncFrame = (frame: Uint8Array, type: number): boolean => frame[0] === messageSync && frame[1] === type

const countSent = (receipts: { onStep2Sent(): void; onUpdateSent(): void }, frame: Uint8Array): void => {
  if (frame[0] !== messageSync || frame[1] === step1) return
  if (frame[1] === step2) receipts.onStep2Sent()
  else receipts.onUpdateSent()
}
