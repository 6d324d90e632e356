// A TCP proxy for one directed link, with the faults a network has: refused, cut (also in the middle of a frame),
// silent in one or both directions, slow, or forgotten. A silent direction keeps its bytes and delivers them after healing, as TCP
// does after a partition; ends of streams are held back in the same way. A dropping one loses them, as a middlebox that was
// started anew does: its connections are silent and, once one of them has lost bytes, are reset when the fault is over.

import { type Server, type Socket, connect, createServer } from 'node:net'

/** up: from the one who dialled; down: back to it. */
export type Direction = 'up' | 'down'

export type TcpProxy = {
  readonly port: number
  readonly url: string
  /** Bytes passed on so far. */
  readonly passed: Readonly<Record<Direction, number>>
  /** Connections open now. */
  readonly connectionCount: () => number
  /** Everything passes again; what was held back is delivered. New connections are accepted. */
  readonly heal: () => void
  /** Holds back what goes in these directions; connections stay open and new ones are accepted. */
  readonly stall: (...directions: readonly Direction[]) => void
  /** Loses what goes in these directions; connections stay open and new ones are accepted. Healing resets those with a hole. */
  readonly drop: (...directions: readonly Direction[]) => void
  /** Each chunk arrives this much later, in order. */
  readonly delay: (ms: number) => void
  /** Resets the open connections; new ones are accepted. */
  readonly cut: () => void
  /** Resets the open connections and, until healed, every new one. */
  readonly refuse: () => void
  /** Resets the connection that next passes this many bytes in a direction, having passed exactly so many. */
  readonly cutAfter: (direction: Direction, byteCount: number) => void
  readonly close: () => Promise<void>
}

const HELD_BYTES_MAX = 1024 * 1024
const BOTH: readonly Direction[] = ['up', 'down']

type Chunk = { readonly dueMs: number; readonly bytes: Buffer | null } // null: the end of the stream
type Pump = { readonly flush: () => void }

/** A proxy on a free loopback port to `targetPort`. */
export const startTcpProxy = async (targetPort: number): Promise<TcpProxy> => {
  const connections = new Set<{ readonly ends: readonly Socket[]; readonly pumps: readonly Pump[] }>()
  /** Those that lost bytes: nothing more may pass, or the rest would be read as if nothing were missing. */
  const holed = new WeakSet<Socket>()
  const dropping = new Set<Direction>()
  const passed = { up: 0, down: 0 }
  const stalled = new Set<Direction>()
  const cutsAt: Partial<Record<Direction, number>> = {}
  let delayMs = 0
  let isRefusing = false

  const createPump = (source: Socket, sink: Socket, direction: Direction, reset: () => void): Pump => {
    const queue: Chunk[] = []
    let heldBytes = 0
    let timer: NodeJS.Timeout | undefined
    const write = (bytes: Buffer): void => {
      const limit = cutsAt[direction]
      if (limit !== undefined && bytes.length >= limit) {
        delete cutsAt[direction]
        passed[direction] += limit
        holed.add(sink) // what comes before the reset is out must not pass behind the hole
        sink.write(bytes.subarray(0, limit), () => reset())
        return
      }
      if (limit !== undefined) cutsAt[direction] = limit - bytes.length
      passed[direction] += bytes.length
      sink.write(bytes)
    }
    const flush = (): void => {
      clearTimeout(timer)
      while (!stalled.has(direction)) {
        const first = queue[0]
        if (first === undefined) break
        const waitMs = first.dueMs - performance.now()
        if (waitMs > 0) {
          timer = setTimeout(flush, waitMs)
          return
        }
        queue.shift()
        heldBytes -= first.bytes?.length ?? 0
        if (sink.destroyed || holed.has(sink)) continue
        if (first.bytes === null) sink.end()
        else write(first.bytes)
      }
      if (heldBytes < HELD_BYTES_MAX) source.resume()
    }
    const hold = (bytes: Buffer | null): void => {
      if (dropping.has(direction) || holed.has(sink)) {
        holed.add(sink)
        return
      }
      queue.push({ dueMs: performance.now() + delayMs, bytes })
      heldBytes += bytes?.length ?? 0
      if (heldBytes >= HELD_BYTES_MAX) source.pause()
      flush()
    }
    source.on('data', hold)
    source.on('end', () => hold(null))
    return { flush }
  }

  const isSilent = (direction: Direction): boolean => stalled.has(direction) || dropping.has(direction)

  const onConnection = (near: Socket): void => {
    near.on('error', () => {}) // a reset is an event here, not a failure; 'close' follows
    if (isRefusing) {
      near.resetAndDestroy()
      return
    }
    near.setNoDelay(true)
    const far = connect({ port: targetPort, host: '127.0.0.1', allowHalfOpen: true, noDelay: true })
    const reset = (): void => {
      for (const end of [near, far]) end.destroyed || end.resetAndDestroy()
    }
    const connection = {
      ends: [near, far],
      pumps: [createPump(near, far, 'up', reset), createPump(far, near, 'down', reset)],
    }
    connections.add(connection)
    far.on('error', () => {})
    const onClose = (): void => {
      if (near.destroyed && far.destroyed) connections.delete(connection)
    }
    // A side that vanished takes the other with it, unless the network between them is silent just now.
    near.on('close', () => {
      onClose()
      if (!isSilent('up') && !far.writableEnded) far.destroy()
    })
    far.on('close', () => {
      onClose()
      if (!isSilent('down') && !near.writableEnded) near.destroy()
    })
  }

  const server: Server = createServer({ allowHalfOpen: true }, onConnection)
  await new Promise<void>((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const address = server.address()
  if (address === null || typeof address === 'string') throw new Error('the proxy has no port')

  const cut = (): void => {
    for (const { ends } of connections) for (const end of ends) end.destroyed || end.resetAndDestroy()
    connections.clear()
  }
  const heal = (): void => {
    isRefusing = false
    delayMs = 0
    stalled.clear()
    dropping.clear()
    for (const { ends, pumps } of connections) {
      if (ends.some((end) => holed.has(end))) for (const end of ends) end.destroyed || end.resetAndDestroy()
      for (const pump of pumps) pump.flush()
      if (ends.some((end) => end.destroyed)) for (const end of ends) end.destroy()
    }
  }
  return {
    port: address.port,
    url: `http://127.0.0.1:${address.port}`,
    passed,
    connectionCount: () => connections.size,
    heal,
    stall: (...directions) => {
      for (const direction of directions.length === 0 ? BOTH : directions) stalled.add(direction)
    },
    drop: (...directions) => {
      for (const direction of directions.length === 0 ? BOTH : directions) dropping.add(direction)
    },
    delay: (ms) => {
      delayMs = ms
    },
    cut,
    refuse: () => {
      isRefusing = true
      cut()
    },
    cutAfter: (direction, byteCount) => {
      cutsAt[direction] = byteCount
    },
    close: () => {
      cut()
      return new Promise((resolve) => server.close(() => resolve()))
    },
  }
}
