// WebSockets of clients at /sync/<room>: bytes of y-websocket's protocol pass through to the core and back.
// Refuses to know what a frame says, whose a room is and whether a token holds: the upgrade is always accepted, since a refused one
// would be retried for ever, and the core closes with the codes of [SYN4].
// Keeps [COR3]: frames, sockets, bytes before the core's first answer and unsent bytes are bounded. Keeps [COR4]: every socket has an error handler.

import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { type RawData, WebSocket, WebSocketServer } from 'ws'
import { LIMITS } from '../../crdt-schema/limits.ts'
import { createCrowd } from '../core/crowd.ts'
import type { ClientId, Event } from '../core/events.ts'

export const SYNC_PATH = '/sync/'
const SUBPROTOCOL = 'starling.v1'
const TOKEN_PREFIX = 'starling.token.'
const ROOM_CHARACTERS_MAX = 256
const SOCKETS_MAX = 8_192
/** Frames over clientFrameBytesMax that one socket may send: a page's offline work, and again when the node asks anew. */
const LARGE_FRAMES_MAX = 4
/** What may arrive before the core has answered anything: a state vector and what was typed meanwhile. */
const UNANSWERED_BYTES_MAX = LIMITS.clientFrameBytesMax
const UNSENT_BYTES_MAX = 1024 * 1024
const UNSENT_BYTES_LOW = 256 * 1024
/** A client that answers no ping from one to the next is gone. */
const PING_MS = 30_000
const CLOSE_MS = 2_000
const TOO_LARGE = 4413
const WS_TOO_LARGE = 1009
const TRY_AGAIN_LATER = 1013
const NOT_BINARY = 1003

export interface SyncSocketsOptions {
  readonly emit: (event: Event) => void
  readonly log: (level: 'debug' | 'warn', event: string, fields: Readonly<Record<string, string | number>>) => void
  readonly onBytes: (direction: 'in' | 'out', bytes: number) => void
  /** Whose request it is; left out: whoever holds the other end of the socket. */
  readonly readAddress?: (request: IncomingMessage) => string
  /** Left out: 8,192. */
  readonly socketsMax?: number
}

export interface SyncSockets {
  /** Takes over an upgrade request below /sync/, or names the HTTP status that refuses it. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): 'taken' | 400
  send(client: ClientId, frame: Uint8Array): void
  /** Reads nothing more of this client until `resume`. */
  pause(client: ClientId): void
  resume(client: ClientId): void
  /** Closes with a code of [SYN4]; the core hears nothing of this client any more. */
  close(client: ClientId, code: number, reason: string): void
  /** Closes what is left with 1012 and stops the pings. */
  shutDown(): void
}

interface Client {
  readonly id: ClientId
  readonly socket: WebSocket
  /** What carries it: frames to a client are written here, those of a turn in one piece. */
  readonly transport: Duplex
  /** Frames of this turn, and their lengths added up. */
  unwritten: Uint8Array[]
  unwrittenBytes: number
  isAnswered: boolean
  isAlive: boolean
  isFull: boolean
  largeFrames: number
}

/** Tells a client of its too large frame by the code that it takes as final: it would send the same again after 1009. */
class SyncSocket extends WebSocket {
  override close(code?: number, reason?: string | Buffer): void {
    super.close(code === WS_TOO_LARGE ? TOO_LARGE : code, code === WS_TOO_LARGE ? 'too large' : reason)
  }
}

export const createSyncSockets = ({ emit, log, onBytes, readAddress = request => request.socket.remoteAddress ?? '', socketsMax = SOCKETS_MAX }: SyncSocketsOptions): SyncSockets => {
  const clients = new Map<ClientId, Client>()
  const crowd = createCrowd<Client>(socketsMax)
  let lastClient: ClientId = 0
  const server = new WebSocketServer({
    noServer: true,
    maxPayload: LIMITS.firstSyncFrameBytesMax,
    perMessageDeflate: false,
    clientTracking: false,
    WebSocket: SyncSocket,
    handleProtocols: offered => (offered.has(SUBPROTOCOL) ? SUBPROTOCOL : false)
  })

  /** With frames of this turn. */
  const written = new Set<Client>()

  const writeAll = (): void => {
    for (const client of written) write(client)
  }

  /** All frames of a turn in one write: ws makes two buffers of each and passes them on one by one. Its own, pings and closes, go the same way. */
  const write = (client: Client): void => {
    written.delete(client)
    const { socket, transport, unwritten } = client
    client.unwritten = []
    client.unwrittenBytes = 0
    if (unwritten.length === 0 || socket.readyState !== WebSocket.OPEN) return
    transport.write(encodeFrames(unwritten), () => {
      if (!client.isFull || transport.writableLength > UNSENT_BYTES_LOW) return
      client.isFull = false
      if (clients.has(client.id)) emit({ type: 'client-writable', client: client.id })
    })
  }

  /** Forgets a client, so that nothing of it reaches the core any more, and hangs up. */
  const hangUp = (client: Client, code: number, reason: string): void => {
    clients.delete(client.id)
    crowd.remove(client)
    write(client)
    client.socket.resume() // or the answer to this close would never be read
    client.socket.close(code, reason)
    setTimeout(() => client.socket.terminate(), CLOSE_MS).unref()
  }

  /** Closes for a reason the core does not know of yet. */
  const reject = (client: Client, code: number, reason: string): void => {
    log('debug', 'client-rejected', { code, reason })
    hangUp(client, code, reason)
    emit({ type: 'client-down', client: client.id })
  }

  const onMessage = (client: Client, data: RawData, isBinary: boolean): void => {
    if (!clients.has(client.id)) return
    if (!isBinary) return reject(client, NOT_BINARY, 'binary frames only')
    const frame = toBytes(data)
    onBytes('in', frame.length)
    if (frame.length > LIMITS.clientFrameBytesMax && !(isSyncAnswer(frame) && ++client.largeFrames <= LARGE_FRAMES_MAX)) return reject(client, TOO_LARGE, 'too large')
    emit({ type: 'client-frame', client: client.id, frame })
  }

  const attach = (socket: WebSocket, transport: Duplex, room: string, token: string | null, address: string): void => {
    const client: Client = { id: ++lastClient, socket, transport, unwritten: [], unwrittenBytes: 0, isAnswered: false, isAlive: true, isFull: false, largeFrames: 0 }
    socket.on('error', error => log('debug', 'client-error', { client: client.id, err: error.message }))
    const victim = crowd.add(client, address)
    if (victim === client) return hangUp(client, TRY_AGAIN_LATER, 'too many clients')
    if (victim !== null) reject(victim, TRY_AGAIN_LATER, 'too many clients')
    clients.set(client.id, client)
    let unanswered = 0
    const count = (chunk: Buffer): void => {
      unanswered += chunk.length
      if (client.isAnswered) transport.off('data', count)
      else if (unanswered > UNANSWERED_BYTES_MAX && clients.has(client.id)) reject(client, TOO_LARGE, 'too large')
    }
    transport.on('data', count)
    socket.on('message', (data, isBinary) => onMessage(client, data, isBinary))
    socket.on('pong', () => (client.isAlive = true))
    socket.on('close', () => {
      crowd.remove(client)
      if (clients.delete(client.id)) emit({ type: 'client-down', client: client.id })
    })
    emit({ type: 'client-up', client: client.id, room, token, address })
  }

  const pings = setInterval(() => {
    for (const client of clients.values()) {
      if (!client.isAlive && !client.socket.isPaused) client.socket.terminate() // whose pongs nobody reads is not dead
      client.isAlive = false
      client.socket.ping()
    }
  }, PING_MS)
  pings.unref()

  return {
    upgrade: (request, socket, head) => {
      const room = readRoom(request.url ?? '')
      if (room === null) return 400
      const token = readToken(request.headers['sec-websocket-protocol'])
      server.handleUpgrade(request, socket, head, accepted => attach(accepted, socket, room, token, readAddress(request)))
      return 'taken'
    },
    send: (id, frame) => {
      const client = clients.get(id)
      if (client === undefined || client.socket.readyState !== WebSocket.OPEN) return
      client.isAnswered = true
      onBytes('out', frame.length)
      if (written.size === 0) queueMicrotask(writeAll)
      written.add(client)
      client.unwritten.push(frame)
      client.unwrittenBytes += frame.length
      if (client.isFull || client.transport.writableLength + client.unwrittenBytes <= UNSENT_BYTES_MAX) return
      client.isFull = true
      emit({ type: 'client-full', client: id })
    },
    pause: id => clients.get(id)?.socket.pause(),
    resume: id => clients.get(id)?.socket.resume(),
    close: (id, code, reason) => {
      const client = clients.get(id)
      if (client !== undefined) hangUp(client, code, reason)
    },
    shutDown: () => {
      clearInterval(pings)
      for (const client of [...clients.values()]) hangUp(client, 1012, 'the node stops')
    }
  }
}

/** Binary frames of a server, unmasked and each of one piece, one behind the other (RFC 6455, 5.2). */
const encodeFrames = (payloads: readonly Uint8Array[]): Buffer => {
  const bytes = Buffer.allocUnsafe(payloads.reduce((sum, { length }) => sum + headerBytesOf(length) + length, 0))
  let at = 0
  for (const payload of payloads) {
    const headerBytes = headerBytesOf(payload.length)
    bytes[at] = FINAL_BINARY
    bytes[at + 1] = headerBytes === 2 ? payload.length : headerBytes === 4 ? LENGTH_16 : LENGTH_64
    if (headerBytes === 4) bytes.writeUInt16BE(payload.length, at + 2)
    if (headerBytes === 10) bytes.writeBigUInt64BE(BigInt(payload.length), at + 2)
    bytes.set(payload, at + headerBytes)
    at += headerBytes + payload.length
  }
  return bytes
}
const FINAL_BINARY = 0x82
const LENGTH_16 = 126
const LENGTH_64 = 127
const headerBytesOf = (length: number): number => (length < LENGTH_16 ? 2 : length < 65_536 ? 4 : 10)

/** The room in a path like `/sync/<room>?…`, or null if it cannot be one. Whether it exists, the core says. */
export const readRoom = (url: string): string | null => {
  const [path = ''] = url.split('?', 1)
  if (!path.startsWith(SYNC_PATH) || path.length > ROOM_CHARACTERS_MAX) return null
  try {
    return decodeURIComponent(path.slice(SYNC_PATH.length))
  } catch {
    return null // a stray % makes no room
  }
}

/** The token among the offered subprotocols; it never travels in a URL, which logs and histories keep. */
export const readToken = (offered: string | undefined): string | null => {
  const token = (offered ?? '').split(',').map(name => name.trim()).find(name => name.startsWith(TOKEN_PREFIX))
  return token === undefined ? null : token.slice(TOKEN_PREFIX.length)
}

/** A sync step 2: the first bytes of y-protocols' message type `sync` and sub-type `step 2`. */
const isSyncAnswer = (frame: Uint8Array): boolean => frame[0] === 0 && frame[1] === 1

/** A copy: a Buffer may be a view of a much larger chunk, and its `slice` does not copy as a Uint8Array's does. */
const toBytes = (data: RawData): Uint8Array => {
  const bytes = Array.isArray(data) ? Buffer.concat(data) : data
  return bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : Uint8Array.from(bytes)
}
