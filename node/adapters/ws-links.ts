// Links between nodes over WebSockets at /peer: dials, accepts, has each end prove itself (ws-handshake.ts), then passes whole frames.
// Refuses to know what a frame says and who may be a member: a pid is proven by the secret alone, the core decides who keeps it.
// On the wire frames refer back to those before them on the same link (crdt-schema/link-stream.ts); the core knows nothing of that.
// Keeps [COR3]: bytes before the proof, time to prove, open handshakes and frames are bounded; more than 1 MiB unsent is told to the core.
// TCP_NODELAY is on: ws sets it on every socket of both kinds.
// Keeps [COR4]: every socket has an error handler, and whatever arrives costs at most its own link.

import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { TLSSocket } from 'node:tls'
import { type RawData, WebSocket, WebSocketServer } from 'ws'
import type { Pid } from '../../crdt-schema/ids.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import { FRAMES_PLAIN, createLinkDecoder, createLinkEncoder } from '../../crdt-schema/link-stream.ts'
import { assert, ok } from '../../crdt-schema/prelude.ts'
import type { Effect, Event, LinkId, PeerIdentity, Refusal } from '../core/events.ts'
import { type Claim, HANDSHAKE_TEXT_BYTES_MAX, type Handshake, NONCE_BYTES, type Role, createHandshake } from './ws-handshake.ts'

const DIAL_MS = 1_500
const PROOF_MS = 5_000
/** What may arrive before the proof: three texts with their frame headers. */
const UNPROVEN_BYTES_MAX = HANDSHAKE_TEXT_BYTES_MAX
const UNPROVEN_SOCKETS_MAX = 64
const UNSENT_BYTES_MAX = 1024 * 1024
const UNSENT_BYTES_LOW = 256 * 1024
/** A peer that does not answer a close within this is cut off. */
const CLOSE_MS = 1_000

type CloseReason = (Effect & { readonly type: 'close-link' })['reason']

/** How an end says why it hangs up; the reason travels as text too. */
export const LINK_CLOSE_CODES: Readonly<Record<CloseReason, number>> = {
  leaving: 1001,
  protocol: 4510,
  'wrong-secret': 4511,
  'foreign-cluster': 4512,
  'pid-taken': 4513,
  removed: 4514,
  replaced: 4515,
  'bad-frame': 4516,
  dead: 4517
}
const REFUSALS: readonly Refusal[] = ['protocol', 'wrong-secret', 'foreign-cluster', 'pid-taken', 'removed']

export interface LinksOptions {
  /** The cluster's that hold now, the preferred one first. */
  readonly readSecrets: () => readonly Uint8Array[]
  readonly protocol: number
  /** The newest way of writing frames that is offered. */
  readonly frames: number
  /** What browsers and peers are told. */
  readonly url: string
  /** The port of every node that takes links; null: that of its URL. */
  readonly peerPort: number | null
  readonly version: string
  readonly random: (count: number) => Uint8Array
  readonly emit: (event: Event) => void
  readonly log: (level: 'debug' | 'info' | 'warn', event: string, fields: Readonly<Record<string, string | number | null>>) => void
}

export interface Links {
  /** From now on this is what handshakes prove; before it, nothing is accepted. */
  identify(identity: Effect & { readonly type: 'identify' }): void
  dial(pid: Pid, url: string): void
  send(link: LinkId, frame: Uint8Array): void
  close(link: LinkId, reason: CloseReason): void
  /** Takes over an upgrade request to /peer, or names the HTTP status that refuses it. */
  upgrade(request: IncomingMessage, socket: Duplex, head: Buffer): 'taken' | 503
  /** Cuts every link and refuses new ones. */
  shutDown(): void
}

/** One socket from its first byte on. `proving` becomes `up` once and `closing` at most once. */
interface Line {
  readonly socket: WebSocket
  readonly role: Role
  /** Whom this node meant to reach; null: it was called. */
  readonly dialed: Pid | null
  state:
    | { readonly status: 'proving'; readonly timer: NodeJS.Timeout }
    | { readonly status: 'up'; readonly link: LinkId; readonly peer: PeerIdentity; readonly encode: ReturnType<typeof createLinkEncoder>; readonly decode: ReturnType<typeof createLinkDecoder> }
    | { readonly status: 'over' }
  isFull: boolean
}

export const createLinks = (options: LinksOptions): Links => {
  const { emit, log, peerPort } = options
  const linesById = new Map<LinkId, Line>()
  const sockets = new Set<WebSocket>()
  /** Callers that have proven nothing yet and their addresses, oldest first; at most UNPROVEN_SOCKETS_MAX. */
  const callers = new Map<Line, string>()
  const server = new WebSocketServer({ noServer: true, maxPayload: LIMITS.peerFrameBytesMax, perMessageDeflate: false, clientTracking: false })
  let identity: (Effect & { readonly type: 'identify' }) | null = null
  let lastLink: LinkId = 0
  let isShutDown = false

  const claimOn = (transport: Duplex): Claim => {
    assert(identity !== null, 'a link before the core said who this node is')
    const { pid, nodeId, boot, clusterId } = identity
    return { protocol: options.protocol, frames: options.frames, clusterId, pid, nodeId, boot, url: options.url, version: options.version, channel: channelOf(transport) }
  }

  const failDial = (line: Line, reason: 'refused' | 'timeout' | 'error' | Refusal): void => {
    if (line.dialed !== null) emit({ type: 'dial-failed', pid: line.dialed, reason })
  }

  /** Ends a line that proved nothing; tells the peer why if there is a why to tell. */
  const giveUp = (line: Line, reason: 'refused' | 'timeout' | 'error' | Refusal, note: string): void => {
    if (line.state.status !== 'proving') return
    clearTimeout(line.state.timer)
    line.state = { status: 'over' }
    callers.delete(line)
    log('debug', 'handshake-failed', { peer: line.dialed, reason, note })
    const code = isRefusal(reason) ? LINK_CLOSE_CODES[reason] : null
    if (code === null || line.socket.readyState !== WebSocket.OPEN) line.socket.terminate()
    else hangUp(line.socket, code, reason)
    failDial(line, reason)
  }

  const becomeUp = (line: Line, peer: PeerIdentity, frames: number): void => {
    if (line.state.status === 'proving') clearTimeout(line.state.timer)
    callers.delete(line)
    const link = ++lastLink
    const isPlain = frames === FRAMES_PLAIN
    line.state = { status: 'up', link, peer, encode: isPlain ? frame => frame : createLinkEncoder(), decode: isPlain ? ok : createLinkDecoder() }
    linesById.set(link, line)
    emit({ type: 'link-up', link, peer, dialed: line.role === 'dialer' })
  }

  const onHandshakeText = (line: Line, handshake: Handshake, data: RawData, isBinary: boolean): void => {
    if (isBinary) return giveUp(line, 'protocol', 'a frame before the proof')
    const step = handshake.receive(String(data))
    if (step.status === 'refused') return giveUp(line, step.reason === 'stranger' ? 'error' : step.reason, `refused here: ${step.reason}`)
    for (const text of step.send) line.socket.send(text)
    if (step.status === 'proven') becomeUp(line, step.peer, step.frames)
  }

  /** Ends a link that is up: the core hears of it at once and of nothing after it. */
  const cut = (line: Line, reason: CloseReason): void => {
    if (line.state.status !== 'up') return
    const { link } = line.state
    line.state = { status: 'over' }
    linesById.delete(link)
    hangUp(line.socket, LINK_CLOSE_CODES[reason], reason)
    emit({ type: 'link-down', link })
  }

  const onFrame = (line: Line, data: RawData, isBinary: boolean): void => {
    if (line.state.status !== 'up') return
    const frame = isBinary ? line.state.decode(toBytes(data)) : null
    if (frame?.ok !== true) return cut(line, 'bad-frame')
    emit({ type: 'link-frame', link: line.state.link, frame: frame.value })
  }

  const onClosed = (line: Line, code: number): void => {
    sockets.delete(line.socket)
    const told = REFUSALS.find(refusal => LINK_CLOSE_CODES[refusal] === code)
    if (line.state.status === 'proving') return giveUp(line, told ?? 'error', `closed with ${code}`)
    if (line.state.status !== 'up') return
    const { link, peer } = line.state
    line.state = { status: 'over' }
    linesById.delete(link)
    emit({ type: 'link-down', link })
    // The peer proved itself, so its refusal counts whoever dialed.
    if (told !== undefined) emit({ type: 'dial-failed', pid: peer.pid, reason: told })
  }

  /** Runs the handshake on an open socket. */
  const prove = (line: Line, transport: Duplex): void => {
    const handshake = createHandshake({
      role: line.role,
      claim: claimOn(transport),
      secrets: options.readSecrets(),
      nonce: options.random(NONCE_BYTES),
      expectedPid: line.dialed,
      mustShareChannel: line.role === 'dialer' && isUnvouched(transport)
    })
    const stopCounting = capBytes(transport, UNPROVEN_BYTES_MAX, () => giveUp(line, 'protocol', 'too much before the proof'))
    line.socket.on('message', (data, isBinary) => {
      if (line.state.status === 'up') return onFrame(line, data, isBinary)
      if (line.state.status !== 'proving') return
      onHandshakeText(line, handshake, data, isBinary)
      if (line.state.status !== 'proving') stopCounting()
    })
    for (const text of handshake.opening) line.socket.send(text)
  }

  /** The oldest caller of the address that has most of them makes room: whoever fills all places keeps nobody else out. */
  const makeRoom = (): void => {
    if (callers.size < UNPROVEN_SOCKETS_MAX) return
    const counts = new Map<string, number>()
    for (const address of callers.values()) counts.set(address, (counts.get(address) ?? 0) + 1)
    const most = Math.max(...counts.values())
    const oldest = [...callers].find(([, address]) => counts.get(address) === most)
    if (oldest !== undefined) giveUp(oldest[0], 'timeout', 'too many callers')
  }

  const createLine = (socket: WebSocket, role: Role, dialed: Pid | null): Line => {
    const timer = setTimeout(() => giveUp(line, 'timeout', 'no proof in time'), role === 'dialer' ? DIAL_MS : PROOF_MS)
    const line: Line = { socket, role, dialed, state: { status: 'proving', timer }, isFull: false }
    sockets.add(socket)
    socket.on('error', error => {
      if (line.state.status === 'up') log('warn', 'link-error', { peer: line.state.peer.pid, err: error.message })
      giveUp(line, hasCode(error, 'ECONNREFUSED') ? 'refused' : 'error', error.message)
    })
    socket.on('close', code => onClosed(line, code))
    return line
  }

  return {
    identify: claimed => {
      identity = claimed
    },
    dial: (pid, url) => {
      if (isShutDown) return
      let socket: WebSocket
      try {
        // The secret, not a certificate, says who the peer is; see isUnvouched. Masks of zeros cost neither end a pass over
        // every byte; what masks are for is a browser whose script chooses the bytes (RFC 6455, 10.3), and peers are none.
        socket = new WebSocket(peerUrl(url, peerPort), { maxPayload: LIMITS.peerFrameBytesMax, perMessageDeflate: false, rejectUnauthorized: false, generateMask: mask => void mask.fill(0) })
      } catch (error) {
        log('warn', 'bad-peer-url', { peer: pid, err: String(error) })
        return emit({ type: 'dial-failed', pid, reason: 'error' })
      }
      const line = createLine(socket, 'dialer', pid)
      let transport: Duplex | null = null
      socket.on('upgrade', response => (transport = response.socket))
      socket.on('open', () => transport !== null && line.state.status === 'proving' && prove(line, transport))
    },
    send: (link, frame) => {
      const line = linesById.get(link)
      if (line?.state.status !== 'up' || line.socket.readyState !== WebSocket.OPEN) return
      line.socket.send(line.state.encode(frame), () => {
        if (!line.isFull || line.socket.bufferedAmount > UNSENT_BYTES_LOW) return
        line.isFull = false
        if (linesById.has(link)) emit({ type: 'link-writable', link })
      })
      if (line.isFull || line.socket.bufferedAmount <= UNSENT_BYTES_MAX) return
      line.isFull = true
      emit({ type: 'link-full', link })
    },
    close: (link, reason) => {
      const line = linesById.get(link)
      if (line !== undefined) cut(line, reason)
    },
    upgrade: (request, socket, head) => {
      if (isShutDown || identity === null) return 503
      makeRoom()
      server.handleUpgrade(request, socket, head, accepted => {
        const line = createLine(accepted, 'acceptor', null)
        callers.set(line, request.socket.remoteAddress ?? '')
        prove(line, socket)
      })
      return 'taken'
    },
    shutDown: () => {
      isShutDown = true
      for (const socket of sockets) hangUp(socket, LINK_CLOSE_CODES.leaving, 'leaving')
    }
  }
}

const isRefusal = (reason: string): reason is Refusal => REFUSALS.some(refusal => refusal === reason)

const hasCode = (error: Error, code: string): boolean => 'code' in error && error.code === code

const peerUrl = (url: string, port: number | null): URL => {
  const address = new URL('/peer', url)
  if (port !== null) address.port = String(port)
  address.protocol = address.protocol === 'https:' ? 'wss:' : 'ws:'
  return address
}

/** No Buffer: its `slice` does not copy as a Uint8Array's does. */
const toBytes = (data: RawData): Uint8Array => {
  const bytes = Array.isArray(data) ? Buffer.concat(data) : data
  return bytes instanceof ArrayBuffer ? new Uint8Array(bytes) : new Uint8Array(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Closes politely and cuts the socket off if the peer does not answer: a frozen one never would. */
const hangUp = (socket: WebSocket, code: number, reason: string): void => {
  socket.close(code, reason)
  setTimeout(() => socket.terminate(), CLOSE_MS).unref()
}

/** ws hands over whole messages only, so what an unproven end may send is counted below it. Returns the end of counting. */
const capBytes = (transport: Duplex, bytesMax: number, onExceeded: () => void): (() => void) => {
  let bytes = 0
  const count = (chunk: Buffer): void => {
    bytes += chunk.length
    if (bytes > bytesMax) onExceeded()
  }
  transport.on('data', count)
  return () => void transport.off('data', count)
}

const isTls = (transport: Duplex): transport is TLSSocket => 'encrypted' in transport && transport.encrypted === true

const isUnvouched = (transport: Duplex): boolean => isTls(transport) && !transport.authorized

/** Names the TLS session (RFC 9266's exporter with our label), the same at both ends and nowhere else; empty without TLS. */
const channelOf = (transport: Duplex): string =>
  isTls(transport) ? transport.exportKeyingMaterial(32, 'EXPORTER-Starling-Link', Buffer.alloc(0)).toString('hex') : ''
