// The fake network: connections that keep order, between places, with named faults on each directed path.
// A node and a person are places alike. Who is on the other side of a link is proved by construction.
//
//   fault       what a connection feels                                   what a dial feels
//   latency     each frame takes a random short time                      the same, a few times over
//   delay       so much more for each frame on this path                  the same
//   stall       nothing arrives on this path until it opens again         times out unless it opens before
//   cut         open connections are reset, once                          refused at once, while it lasts
//   dead        a reset, and some frames under way are lost               refused
//   no power    nothing, until the place is back: then a reset            times out
//   frozen      nothing arrives until it wakes; the sender fills up       times out unless it wakes before

import type { Random } from './random.ts'
import type { Schedule } from './schedule.ts'

export type Place = string

/** What lies on one directed path. */
export type PathFault = 'open' | 'stall' | 'cut'

/** Whether a place takes part: frozen ones hold their frames, dead ones reset, powerless ones say nothing. */
export type PlaceState = 'up' | 'frozen' | 'dead' | 'no-power'

/** What the owner of one end of a connection wants to hear. */
export interface EndHandler {
  onFrame(frame: Uint8Array): void
  /** `code` is what the other side closed with; 1006 when the connection broke. */
  onDown(code: number): void
  onFull(): void
  onWritable(): void
}

export interface End {
  readonly isOpen: boolean
  send(frame: Uint8Array): void
  /** Closes in order: the other side gets what was sent before. This side hears no more. */
  close(code?: number): void
}

export interface DialRequest {
  readonly from: Place
  readonly to: Place
  readonly timeoutMs: number
  /** Round trips before the dialer knows that it is connected. */
  readonly roundTrips: number
  /** Called at the accepting side; null refuses. */
  accept(end: End): EndHandler | null
  /** Called at the dialing side. */
  connected(end: End): EndHandler
  failed(reason: 'refused' | 'timeout' | 'error'): void
}

export interface Network {
  dial(request: DialRequest): void
  setPath(from: Place, to: Place, fault: PathFault): void
  setDelay(from: Place, to: Place, delayMs: number): void
  setPlace(place: Place, state: PlaceState): void
  /** Opens every path and takes away every delay. */
  heal(): void
  pathFault(from: Place, to: Place): PathFault
}

export interface NetworkTimings {
  readonly latencyMsMin: number
  readonly latencyMsMax: number
}

const FULL_BYTES = 1024 * 1024
const WRITABLE_BYTES = 256 * 1024
const BYTES_PER_MS = 100_000
const BROKEN = 1006
const NORMAL = 1000

interface Packet {
  readonly atMs: number
  /** A frame, or the code of a close. */
  readonly content: Uint8Array | number
}

/** One direction of a connection. */
interface Stream {
  readonly from: Place
  readonly to: Place
  readonly packets: Packet[]
  queuedBytes: number
  isFull: boolean
  lastAtMs: number
  isPumping: boolean
  sender: Side
  receiver: Side
}

interface Side {
  handler: EndHandler | null
  isOpen: boolean
}

interface Dial {
  readonly request: DialRequest
  isOver: boolean
  isWaiting: boolean
}

export const createNetwork = (schedule: Schedule, random: Random, timings: NetworkTimings): Network => {
  const faults = new Map<string, PathFault>()
  const delaysMs = new Map<string, number>()
  const states = new Map<Place, PlaceState>()
  let streams: Stream[] = []
  let dials: Dial[] = []

  const keyOf = (from: Place, to: Place): string => `${from}>${to}`
  const pathFault = (from: Place, to: Place): PathFault => faults.get(keyOf(from, to)) ?? 'open'
  const stateOf = (place: Place): PlaceState => states.get(place) ?? 'up'
  const travelMs = (from: Place, to: Place): number =>
    timings.latencyMsMin + random.next() * (timings.latencyMsMax - timings.latencyMsMin) + (delaysMs.get(keyOf(from, to)) ?? 0)

  // ---- streams

  const enqueue = (stream: Stream, content: Packet['content']): void => {
    const bytes = typeof content === 'number' ? 0 : content.length
    // Each frame waits for the one before: order is kept, and a large frame takes its time.
    const atMs = Math.max(stream.lastAtMs, schedule.nowMs + travelMs(stream.from, stream.to)) + bytes / BYTES_PER_MS
    stream.lastAtMs = atMs
    stream.packets.push({ atMs, content })
    stream.queuedBytes += bytes
    if (!stream.isFull && stream.queuedBytes > FULL_BYTES) {
      stream.isFull = true
      schedule.after(0, () => {
        if (stream.sender.isOpen && stream.isFull) stream.sender.handler?.onFull()
      })
    }
    wake(stream)
  }

  const wake = (stream: Stream): void => {
    const first = stream.packets[0]
    if (stream.isPumping || first === undefined || !isPassable(stream)) return
    stream.isPumping = true
    schedule.at(first.atMs, () => pump(stream))
  }

  const isPassable = (stream: Stream): boolean => pathFault(stream.from, stream.to) !== 'stall' && stateOf(stream.to) !== 'frozen' && stateOf(stream.to) !== 'no-power'

  const pump = (stream: Stream): void => {
    stream.isPumping = false
    while (isPassable(stream)) {
      const first = stream.packets[0]
      if (first === undefined || first.atMs > schedule.nowMs) break
      stream.packets.shift()
      if (typeof first.content === 'number') end(stream, first.content)
      else arrive(stream, first.content)
    }
    wake(stream)
  }

  const arrive = (stream: Stream, frame: Uint8Array): void => {
    stream.queuedBytes -= frame.length
    if (stream.receiver.isOpen) stream.receiver.handler?.onFrame(frame)
    if (!stream.isFull || stream.queuedBytes > WRITABLE_BYTES) return
    stream.isFull = false
    if (stream.sender.isOpen) stream.sender.handler?.onWritable()
  }

  const end = (stream: Stream, code: number): void => {
    streams = streams.filter(other => other !== stream)
    stream.packets.length = 0
    if (!stream.receiver.isOpen) return
    stream.receiver.isOpen = false
    stream.receiver.handler?.onDown(code)
    // What the receiver had under way goes to nobody; its stream ends with it.
    streams = streams.filter(other => other.sender !== stream.receiver)
  }

  const connect = (request: DialRequest): void => {
    const dialer: Side = { handler: null, isOpen: true }
    const accepter: Side = { handler: null, isOpen: true }
    const base = { queuedBytes: 0, isFull: false, lastAtMs: 0, isPumping: false }
    const out: Stream = { ...base, from: request.from, to: request.to, packets: [], sender: dialer, receiver: accepter }
    const back: Stream = { ...base, from: request.to, to: request.from, packets: [], sender: accepter, receiver: dialer }
    streams.push(out, back)
    const handler = request.accept(endOf(accepter, back))
    if (handler === null) {
      streams = streams.filter(stream => stream !== out && stream !== back)
      request.failed('error')
      return
    }
    accepter.handler = handler
    dialer.handler = request.connected(endOf(dialer, out))
  }

  const endOf = (side: Side, stream: Stream): End => ({
    get isOpen() {
      return side.isOpen
    },
    send: frame => {
      if (side.isOpen) enqueue(stream, frame)
    },
    close: (code = NORMAL) => {
      if (!side.isOpen) return
      side.isOpen = false
      enqueue(stream, code)
    }
  })

  // ---- dials

  const isReachable = (request: DialRequest): boolean =>
    pathFault(request.from, request.to) === 'open' && pathFault(request.to, request.from) === 'open' && stateOf(request.to) === 'up' && stateOf(request.from) === 'up'

  const tryDial = (dial: Dial): void => {
    const { request } = dial
    if (dial.isOver) return
    if (stateOf(request.from) === 'dead' || stateOf(request.from) === 'no-power') {
      dial.isOver = true
      return
    }
    const isCut = pathFault(request.from, request.to) === 'cut' || pathFault(request.to, request.from) === 'cut'
    if (isCut || stateOf(request.to) === 'dead') return finish(dial, () => request.failed('refused'))
    if (isReachable(request)) return finish(dial, () => connect(request))
    dial.isWaiting = true
  }

  const finish = (dial: Dial, act: () => void): void => {
    dial.isOver = true
    dials = dials.filter(other => other !== dial)
    act()
  }

  const retryDials = (): void => {
    for (const dial of dials) {
      if (!dial.isWaiting) continue
      dial.isWaiting = false
      schedule.after(travelMs(dial.request.from, dial.request.to), () => tryDial(dial))
    }
  }

  const reset = (stream: Stream): void => {
    // Frames under way behind a reset are lost, the first of them perhaps not.
    const kept = random.integer(0, stream.packets.length)
    for (const packet of stream.packets.splice(kept)) if (typeof packet.content !== 'number') stream.queuedBytes -= packet.content.length
    stream.sender.isOpen = false
    stream.lastAtMs = Math.max(schedule.nowMs, stream.packets.at(-1)?.atMs ?? 0)
    enqueue(stream, BROKEN)
  }

  const wakeAll = (): void => {
    // Whoever wakes reads its sockets in any order.
    for (const stream of random.shuffle(streams)) wake(stream)
    retryDials()
  }

  return {
    dial(request) {
      const dial: Dial = { request, isOver: false, isWaiting: false }
      dials.push(dial)
      let delayMs = 0
      for (let i = 0; i < request.roundTrips; i++) delayMs += travelMs(request.from, request.to) + travelMs(request.to, request.from)
      schedule.after(delayMs, () => tryDial(dial))
      schedule.after(request.timeoutMs, () => {
        if (!dial.isOver) finish(dial, () => request.failed('timeout'))
      })
    },
    setPath(from, to, fault) {
      if (fault === 'open') faults.delete(keyOf(from, to))
      else faults.set(keyOf(from, to), fault)
      if (fault === 'cut') {
        const hit = streams.filter(stream => (stream.from === from && stream.to === to) || (stream.from === to && stream.to === from))
        for (const stream of hit) if (stream.receiver.isOpen) reset(stream)
      }
      wakeAll()
    },
    setDelay(from, to, delayMs) {
      if (delayMs === 0) delaysMs.delete(keyOf(from, to))
      else delaysMs.set(keyOf(from, to), delayMs)
    },
    setPlace(place, state) {
      const before = stateOf(place)
      states.set(place, state)
      if (state === 'dead') for (const stream of streams.filter(({ from }) => from === place)) reset(stream)
      if (state === 'dead' || state === 'no-power') forget(place)
      if (before === 'no-power' && state === 'up') for (const stream of streams.filter(({ from, sender }) => from === place && !sender.isOpen)) reset(stream)
      wakeAll()
    },
    heal() {
      faults.clear()
      delaysMs.clear()
      wakeAll()
    },
    pathFault
  }

  /** A process that ended hears nothing any more, and what was on its way to it is lost. */
  function forget(place: Place): void {
    for (const stream of streams) {
      if (stream.to === place) {
        stream.receiver.isOpen = false
        stream.packets.length = 0
        stream.queuedBytes = 0
      }
      if (stream.from === place) stream.sender.isOpen = false
    }
    streams = streams.filter(({ to }) => to !== place)
    for (const dial of dials) if (dial.request.from === place) dial.isOver = true
    dials = dials.filter(dial => !dial.isOver)
  }
}
