// The page's sockets: one per open room, all at one node. The room `drafts` leads: its socket races for a node, and its
// silence is the node's; the others follow to where it is. Carries out what fail-over.ts decides.
// Refuses to know what the documents mean.

import { CLIENT_PROTOCOL, CLOSE_CODES, type NodesNote, type RoomNote, TOKEN_PROTOCOL_PREFIX, isFinalClose } from '../../crdt-schema/wire.ts'
import { type FailOver, type FailOverEffect, type FailOverInput, SILENCE_MS, createFailOver, stepFailOver } from './fail-over.ts'
import type { NodeBook } from './node-book.ts'
import type { StoredChanges } from './receipts.ts'
import { type Room, type RoomSocket, type RoomSocketEvents, openRoomSocket } from './room-socket.ts'

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

export const createLink = ({ accountId, token, book, events }: LinkOptions): Link => {
  const leaderName = `${accountId}/drafts`
  const protocols = [CLIENT_PROTOCOL, `${TOKEN_PROTOCOL_PREFIX}${token}`]
  const sockets = new Map<string, RoomSocket>()
  let state: FailOver = createFailOver(book.nodes(), book.lastGood())
  let dialled: readonly string[] = []
  let heardMs = performance.now()
  let watchedMs = performance.now()
  let waitTimer: ReturnType<typeof setTimeout> | undefined
  let isClosed = false

  // ---- the node: what fail-over.ts decides is done

  const decide = (input: FailOverInput): void => {
    if (isClosed) return
    const before = state
    const { state: next, effects } = stepFailOver(state, input, { nowMs: performance.now(), random: Math.random() })
    state = next
    for (const effect of effects) carryOut(effect)
    if (state.isAnswered && state.current !== null) book.praise(state.current)
    if (state.status !== before.status || state.current !== before.current) onMoved()
  }

  const carryOut = (effect: FailOverEffect): void => {
    clearTimeout(waitTimer)
    switch (effect.type) {
      case 'dial':
        dialled = effect.urls
        // A provider takes a new socket only after it has let go of the one that is closing.
        queueMicrotask(() => state.status === 'dialling' && sockets.get(leaderName)?.dial(dialled, protocols))
        break
      case 'wait':
        waitTimer = setTimeout(() => decide({ type: 'waited' }), effect.ms)
        break
      case 'drop':
      case 'end':
        for (const socket of sockets.values()) socket.drop()
        break
    }
  }

  const onMoved = (): void => {
    switch (state.status) {
      case 'open':
        events.onStatus({ status: 'open', url: state.current ?? '' })
        for (const [name, socket] of sockets) if (name !== leaderName) follow(socket)
        break
      case 'dialling':
        events.onStatus({ status: 'dialling', next: dialled[0] ?? null })
        break
      case 'waiting':
        events.onStatus({ status: 'waiting' })
        break
      case 'ended':
        events.onStatus({ status: 'ended', code: state.endedBy ?? 0 })
        break
    }
  }

  /** A follower at another node than the leader's is brought along. */
  const follow = (socket: RoomSocket): void => {
    if (state.status !== 'open' || state.current === null || socket.url() === state.current || isClosed) return
    socket.drop()
    socket.dial([state.current], protocols)
  }

  const watch = setInterval(() => {
    const nowMs = performance.now()
    if (nowMs - watchedMs > SUSPENDED_MS) heardMs = nowMs
    watchedMs = nowMs
    if (nowMs - heardMs > SILENCE_MS) decide({ type: 'silent' })
  }, WATCH_MS)
  const stopLearning = book.watch((nodes) => decide({ type: 'nodes', nodes }))

  // ---- the rooms

  const common: Pick<RoomSocketEvents, 'onSynced' | 'onStored' | 'onNote'> = {
    onSynced: events.onSynced,
    onStored: events.onStored,
    onNote: (note) => {
      if (note.type === 'room') return events.onRoomNote(note)
      book.learn(note.nodes)
      events.onNodesNote(note)
    },
  }

  const openLeader = (name: string): RoomSocket =>
    openRoomSocket(name, {
      ...common,
      onOpened: (url) => {
        heardMs = performance.now()
        decide({ type: 'opened', url })
      },
      onLost: () => decide({ type: 'round-failed' }),
      onHeard: () => {
        heardMs = performance.now()
        decide({ type: 'answered' })
        events.onHeard()
      },
      onClosed: (code) => {
        if (code !== null) decide({ type: 'closed', code })
      },
    })

  const openFollower = (name: string): RoomSocket => {
    const socket: RoomSocket = openRoomSocket(name, {
      ...common,
      onOpened: () => {},
      onLost: () => {},
      onHeard: () => {},
      onClosed: (code) => {
        if (code !== null && isFinalClose(code)) {
          if (!ENDS_SESSION.includes(code)) events.onRoomClosed(socket.room, code)
        } else if (socket.room.isSynced()) queueMicrotask(() => follow(socket))
        else setTimeout(() => follow(socket), FOLLOWER_RETRY_MS)
      },
    })
    return socket
  }

  return {
    open: (name) => {
      const known = sockets.get(name)
      if (known !== undefined) return known.room
      const isLeader = name === leaderName
      const socket = isLeader ? openLeader(name) : openFollower(name)
      sockets.set(name, socket)
      void socket.room.loaded.then(() => (isLeader ? decide({ type: 'start' }) : follow(socket)))
      return socket.room
    },
    wake: () => decide({ type: 'wake' }),
    close: async () => {
      isClosed = true
      clearInterval(watch)
      clearTimeout(waitTimer)
      stopLearning()
      await Promise.all([...sockets.values()].map((socket) => socket.close()))
      sockets.clear()
    },
  }
}
