// A port of a node: listens, sets the limits and headers every answer has, and gives each request to who serves its path.
// Refuses to know what a call, a room or a page is.
// Keeps [COR3] (time, header bytes and connections are bounded), [COR4] (every socket has an error handler), and DESIGN 10's rules on
// origins: browsers reach calls and rooms only from the cluster's own pages, and /peer not at all.

import { type IncomingMessage, type Server, type ServerResponse, createServer } from 'node:http'
import { Server as TlsServer, createServer as createTlsServer } from 'node:https'
import type { AddressInfo, Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { problem } from '../../crdt-schema/api-problems.ts'
import { createCrowd } from '../core/crowd.ts'

const HEADERS_MS = 5_000
const REQUEST_MS = 30_000
const KEEP_ALIVE_MS = 65_000
const HEADER_BYTES_MAX = 8 * 1024
const CONNECTIONS_MAX = 10_000
/** Sockets on their way out still count for node:http. */
const CONNECTIONS_SPARE = 100
const CLOSE_MS = 1_000

/** Answers a request and says so, or leaves it to the next. */
export type RequestHandler = (request: IncomingMessage, response: ServerResponse, path: string) => boolean
export type UpgradeHandler = (request: IncomingMessage, socket: Duplex, head: Buffer) => 'taken' | 400 | 503

export interface HttpServerOptions {
  readonly tls: { readonly cert: string; readonly key: string } | null
  /** URLs of the cluster's nodes, this one's included, as known now. */
  readonly nodeUrls: () => readonly string[]
  /** Asked in this order. */
  readonly handlers: readonly RequestHandler[]
  /** Links between nodes; null: they have a port of their own. */
  readonly onPeer: UpgradeHandler | null
  /** Clients' sockets; null: this port is for links alone. */
  readonly onSync: UpgradeHandler | null
  readonly log: (level: 'warn', event: string, fields: Readonly<Record<string, string>>) => void
  /** Left out: ten thousand. */
  readonly connectionsMax?: number
}

export interface HttpServer {
  /** Resolves to the port it listens on; rejects with the system's error, EADDRINUSE among them. */
  listen(port: number, host: string): Promise<number>
  /** Takes no new connection, lets answers under way end for a second, and cuts the rest. */
  shutDown(): Promise<void>
  /** New connections get this certificate; throws on one that cannot be used, and keeps the one it has. */
  renewCertificate(tls: { readonly cert: string; readonly key: string }): void
}

const HEADERS: readonly (readonly [string, string])[] = [
  ['X-Content-Type-Options', 'nosniff'],
  ['Referrer-Policy', 'no-referrer'],
  ['Cross-Origin-Opener-Policy', 'same-origin'],
  ['Cross-Origin-Resource-Policy', 'same-origin'],
  ['Permissions-Policy', 'camera=(), geolocation=(), microphone=()'],
  // What shows pages sets its own; nothing else this node answers is ever a page.
  ['Content-Security-Policy', "default-src 'none'; frame-ancestors 'none'"]
]

export const createHttpServer = (options: HttpServerOptions): HttpServer => {
  const { tls, nodeUrls, handlers, onPeer, onSync, log, connectionsMax = CONNECTIONS_MAX } = options
  const connections = createCrowd<Socket>(connectionsMax)

  const onRequest = (request: IncomingMessage, response: ServerResponse): void => {
    response.on('error', () => request.socket.destroy())
    for (const [name, value] of HEADERS) response.setHeader(name, value)
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
    const { origin, host } = request.headers
    if (origin !== undefined && path.startsWith('/api/')) {
      if (!isOwnOrigin(origin, host, nodeUrls())) return writeProblem(response, 'foreign-origin')
      allowOrigin(response, origin)
      if (isPreflight(request)) return answerPreflight(response)
    }
    try {
      if (handlers.some(handle => handle(request, response, path))) return
    } catch (error) {
      log('warn', 'http-error', { err: String(error) })
      if (response.headersSent) return void response.destroy()
      return writeProblem(response, 'internal')
    }
    writeProblem(response, 'not-found')
  }

  const onUpgrade = (request: IncomingMessage, socket: Duplex, head: Buffer): void => {
    socket.on('error', () => socket.destroy())
    const path = (request.url ?? '/').split('?', 1)[0] ?? '/'
    const { origin, host } = request.headers
    if (path === '/peer' && onPeer !== null) return origin === undefined ? refuseUnless(onPeer(request, socket, head), socket) : refuseUpgrade(socket, 403)
    if (!path.startsWith('/sync/') || onSync === null) return refuseUpgrade(socket, 404)
    if (origin !== undefined && !isOwnOrigin(origin, host, nodeUrls())) return refuseUpgrade(socket, 403)
    refuseUnless(onSync(request, socket, head), socket)
  }

  const limits = { maxHeaderSize: HEADER_BYTES_MAX, headersTimeout: HEADERS_MS, requestTimeout: REQUEST_MS, keepAliveTimeout: KEEP_ALIVE_MS, connectionsCheckingInterval: 1_000 }
  const server: Server = tls === null ? createServer(limits, onRequest) : createTlsServer({ ...limits, ...tls }, onRequest)
  server.maxConnections = connectionsMax + CONNECTIONS_SPARE
  server.on('connection', (socket: Socket) => {
    connections.add(socket, socket.remoteAddress ?? '')?.destroy()
    socket.on('close', () => connections.remove(socket))
  })
  server.on('upgrade', onUpgrade)
  server.on('clientError', (_error, socket) => refuseUpgrade(socket, 400))

  return {
    listen: (port, host) =>
      new Promise((resolve, reject) => {
        server.once('error', reject)
        server.listen(port, host, () => {
          server.off('error', reject)
          server.on('error', error => log('warn', 'http-error', { err: error.message }))
          resolve((server.address() as AddressInfo).port)
        })
      }),
    shutDown: () =>
      new Promise(resolve => {
        server.close(() => resolve())
        server.closeIdleConnections()
        setTimeout(() => server.closeAllConnections(), CLOSE_MS).unref()
      }),
    renewCertificate: fresh => {
      if (server instanceof TlsServer) server.setSecureContext(fresh)
    }
  }
}

/** Whether a page of this origin is one of ours: served by the host it calls, or by another node of the cluster. */
export const isOwnOrigin = (origin: string, host: string | undefined, nodeUrls: readonly string[]): boolean => {
  if (!URL.canParse(origin)) return false
  const page = new URL(origin)
  return page.host === host || nodeUrls.some(url => URL.canParse(url) && new URL(url).origin === page.origin)
}

const allowOrigin = (response: ServerResponse, origin: string): void => {
  response.setHeader('Access-Control-Allow-Origin', origin)
  response.setHeader('Access-Control-Expose-Headers', 'Retry-After')
  response.appendHeader('Vary', 'Origin')
}

const isPreflight = ({ method, headers }: IncomingMessage): boolean => method === 'OPTIONS' && headers['access-control-request-method'] !== undefined

const answerPreflight = (response: ServerResponse): void => {
  response.writeHead(204, {
    'Access-Control-Allow-Methods': 'GET, POST, PUT, PATCH, DELETE',
    'Access-Control-Allow-Headers': 'Authorization, Content-Type, Idempotency-Key',
    'Access-Control-Max-Age': '600'
  })
  response.end()
}

const writeProblem = (response: ServerResponse, code: 'foreign-origin' | 'not-found' | 'internal'): void => {
  const body = problem(code)
  response.writeHead(body.status, { 'Content-Type': 'application/problem+json', 'Cache-Control': 'no-store' })
  response.end(JSON.stringify(body))
}

const STATUS_TEXTS = { 400: 'Bad Request', 403: 'Forbidden', 404: 'Not Found', 503: 'Service Unavailable' } as const

const refuseUnless = (outcome: 'taken' | 400 | 503, socket: Duplex): void => {
  if (outcome !== 'taken') refuseUpgrade(socket, outcome)
}

const refuseUpgrade = (socket: Duplex, status: keyof typeof STATUS_TEXTS): void => {
  if (!socket.writable) return void socket.destroy()
  socket.end(`HTTP/1.1 ${status} ${STATUS_TEXTS[status]}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
}
