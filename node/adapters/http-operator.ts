// The calls of whoever runs the nodes, at /operator/…: only from the same machine, and only with a proof of the cluster's secret.
// One is asked from other machines, by a node that joins: its answer is proven back.
// Refuses to know what the calls do. To everybody else these addresses do not exist.
// Keeps [COR3] (open calls are bounded) and [COR4] (every failure is a problem with a stable code).

import type { IncomingMessage, ServerResponse } from 'node:http'
import { type CallDefinition, parseFields } from '../../crdt-schema/api-tables.ts'
import { parseRequestId } from '../../crdt-schema/ids.ts'
import { OPERATOR_CALLS, type OperatorCall, type OperatorCallType } from '../../crdt-schema/operator-api.ts'
import type { CallId, Effect, Event } from '../core/events.ts'
import { faultOf, readQuery, refuseMethod, writeJson, writeProblem } from './http-api.ts'
import { parseBody, readBytes } from './http-body.ts'
import { type ProofOutcome, createOperatorGate, proveAnswer } from './http-operator-token.ts'
import { createRoutes } from './http-routes.ts'
import type { RequestHandler } from './http-server.ts'

const OPEN_CALLS_MAX = 64
const PREFIX = '/operator/'
/** Asked by a node that is no member yet. Made again it gives the same, so nothing is won by repeating what was overheard. */
const ASKED_FROM_AFAR: OperatorCallType = 'operator-admit-member'

const WHY = {
  missing: 'Give a proof of the cluster secret: the commands of node.js do.',
  wrong: 'The proof was made with another secret. Give the secret file of this cluster.',
  stale: 'The proof is older than a minute. Check the clock.',
  repeated: 'This proof was used before.'
} as const satisfies Record<Exclude<ProofOutcome, 'proven'>, string>

export interface HttpOperatorOptions {
  /** The cluster's that hold now, the preferred one first. */
  readonly readSecrets: () => readonly Uint8Array[]
  readonly emit: (event: Event) => void
  readonly log: (level: 'debug' | 'info' | 'warn' | 'error', event: string, fields: Readonly<Record<string, string>>) => void
  readonly checksResponses: boolean
}

export interface HttpOperator {
  readonly handle: RequestHandler
  /** Writes the answer of an operator's call; false if it is none. */
  respond(effect: Effect & { readonly type: 'respond' }): boolean
}

interface OpenCall {
  readonly type: OperatorCallType
  readonly authorization: string
  readonly response: ServerResponse
}

const findRoute = createRoutes<OperatorCallType>(OPERATOR_CALLS)

export const createHttpOperator = ({ readSecrets, emit, log, checksResponses }: HttpOperatorOptions): HttpOperator => {
  const checkProof = createOperatorGate(readSecrets)
  const calls = new Map<CallId, OpenCall>()
  /** Below zero: the API's calls count upwards. */
  let lastCall: CallId = 0

  const receive = async (type: OperatorCallType, params: Readonly<Record<string, string>>, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const bytes = await readBytes(request)
    if (response.destroyed) return
    if (!bytes.ok) return writeProblem(response, bytes.code)
    const { method = 'GET', url = '', headers } = request
    const proof = checkProof(headers.authorization, { method, host: headers.host ?? '', url, body: bytes.value }, Date.now())
    if (proof !== 'proven') {
      // From afar anybody may try, as often as he likes: that is no reason to fill a disk.
      if (isSameMachine(request)) log('warn', 'operator-refused', { call: type, reason: proof })
      else log('debug', 'operator-refused', { call: type, reason: proof })
      return writeProblem(response, 'unauthorized', { detail: WHY[proof] })
    }
    const query = readQuery(url)
    const body = parseBody(request, bytes.value)
    if (query === null || !body.ok) return writeProblem(response, 'bad-request')
    const parsed = parseFields(OPERATOR_CALLS[type], { params, query, body: body.value })
    if (!parsed.ok) return writeProblem(response, 'bad-request', { field: parsed.field, detail: `${parsed.field}: ${parsed.reason}` })
    if (calls.size >= OPEN_CALLS_MAX) return writeProblem(response, 'busy')
    if (method !== 'GET' && type !== 'operator-read-documents') log('info', 'operator', { call: type })
    const call = --lastCall
    calls.set(call, { type, authorization: headers.authorization ?? '', response })
    response.on('close', () => {
      if (calls.delete(call)) emit({ type: 'request-aborted', call })
    })
    emit({ type: 'request', call, body: Object.assign({ type }, parsed.value) as OperatorCall, token: null, idempotencyKey: parseRequestId(headers['idempotency-key']), address: request.socket.remoteAddress ?? '' })
  }

  return {
    handle: (request, response, path) => {
      if (!path.startsWith(PREFIX)) return false
      response.setHeader('Cache-Control', 'no-store')
      const method = request.method ?? 'GET'
      // Not left to whoever shows pages: an unknown path is the page to them, with status 200.
      const found = findRoute(method, path)
      const route = isSameMachine(request) || (found.status === 'found' && found.type === ASKED_FROM_AFAR && request.headers.origin === undefined) ? found : ({ status: 'no-path' } as const)
      if (route.status === 'no-path') writeProblem(response, 'not-found')
      else if (route.status === 'no-method') refuseMethod(method, route.allowed, response)
      else {
        void receive(route.type, route.params, request, response).catch((error: unknown) => {
          log('error', 'bad-response', { err: String(error) })
          response.destroy()
        })
      }
      return true
    },
    respond: ({ call, status, body, retryAfterSeconds }) => {
      if (call >= 0) return false
      const entry = calls.get(call)
      if (entry === undefined) return true
      calls.delete(call)
      const { success }: CallDefinition = OPERATOR_CALLS[entry.type]
      const fault = checksResponses && status < 400 && success.body !== null ? faultOf(success.body, body) : null
      if (fault !== null) {
        log('error', 'bad-response', { err: `${entry.type}: ${fault}` })
        writeProblem(entry.response, 'internal')
        return true
      }
      if (retryAfterSeconds !== null) entry.response.setHeader('Retry-After', retryAfterSeconds)
      if (entry.type === ASKED_FROM_AFAR) entry.response.setHeader('Starling-Proof', proveAnswer(readSecrets(), { authorization: entry.authorization, status, body: Buffer.from(JSON.stringify(body)) }))
      writeJson(entry.response, status, body)
      return true
    }
  }
}

/** Over loopback, or by an address of this machine's own; never what a proxy passes on or a browser's page asks. */
const isSameMachine = ({ socket, headers }: IncomingMessage): boolean => {
  if (headers.origin !== undefined || headers['x-forwarded-for'] !== undefined || headers['forwarded'] !== undefined) return false
  const remote = socket.remoteAddress ?? ''
  return /^(::1|(::ffff:)?127(\.\d{1,3}){3})$/.test(remote) || (remote !== '' && remote === socket.localAddress)
}
