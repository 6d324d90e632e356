// The HTTP calls of DESIGN 8: finds the call of a request in the one table of api.ts, checks it, hands it to the core, and writes what comes back.
// Refuses to know what a call does and who may make it. Parts: http-body.ts reads bodies, http-events.ts writes event streams,
// http-limits.ts holds back who asks too often.
// Keeps [COR3]: open calls are bounded, bodies are capped before they are parsed; and [COR4]: every failure is a problem with a stable code.

import type { IncomingMessage, ServerResponse } from 'node:http'
import * as v from 'valibot'
import { CALLS, type CallDefinition, type CallType, parseCall } from '../../crdt-schema/api.ts'
import { type ProblemCode, problem, retryAfterSecondsOf } from '../../crdt-schema/api-problems.ts'
import { STREAM_EVENTS } from '../../crdt-schema/api-shapes.ts'
import { parseRequestId } from '../../crdt-schema/ids.ts'
import type { CallId, Effect, Event } from '../core/events.ts'
import { createAddressReader } from './http-address.ts'
import { readBody } from './http-body.ts'
import { type EventStream, openEventStream } from './http-events.ts'
import { createOpenApi } from './http-openapi.ts'
import type { RequestHandler } from './http-server.ts'
import { type HttpLimits, LIMITS_OFF } from './http-limits.ts'
import { findRoute } from './http-routes.ts'

const OPEN_CALLS_MAX = 4_096
const TOKEN_CHARACTERS_MAX = 256

export interface HttpApiOptions {
  readonly version: string
  readonly emit: (event: Event) => void
  readonly log: (level: 'error', event: string, fields: Readonly<Record<string, string>>) => void
  /** Whether answers are held against their schemas too: a difference is a bug, and answers 500. */
  readonly checksResponses: boolean
  readonly onAnswered: (answered: { readonly isWrite: boolean; readonly code: string | null; readonly ms: number }) => void
  /** Left out: nobody is held back. */
  readonly limits?: HttpLimits
  /** Whose request it is; left out: whoever holds the other end of the socket. */
  readonly readAddress?: (request: IncomingMessage) => string
}

export interface HttpApi {
  readonly handle: RequestHandler
  respond(effect: Effect & { readonly type: 'respond' }): void
  stream(effect: Effect & { readonly type: 'stream' }): void
  endStream(call: CallId): void
}

interface OpenCall {
  readonly type: CallType
  readonly response: ServerResponse
  readonly startedMs: number
  /** Tells the limits how the call ended. */
  readonly settle: (code: string | null) => void
  stream: EventStream | null
}

export const createHttpApi = (options: HttpApiOptions): HttpApi => {
  const { version, emit, log, checksResponses, onAnswered, limits = LIMITS_OFF, readAddress = createAddressReader([]) } = options
  const calls = new Map<CallId, OpenCall>()
  const openApi = JSON.stringify(createOpenApi(version))
  let lastCall: CallId = 0

  const open = (type: CallType, response: ServerResponse, settle: OpenCall['settle']): CallId => {
    const call = ++lastCall
    calls.set(call, { type, response, startedMs: performance.now(), settle, stream: null })
    // Also when all went well, and then the call is no longer here.
    response.on('close', () => {
      calls.get(call)?.stream?.end()
      if (calls.delete(call)) emit({ type: 'request-aborted', call })
    })
    return call
  }

  const receive = async (type: CallType, params: Readonly<Record<string, string>>, request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const token = readToken(request.headers.authorization)
    if (CALLS[type].token === 'needed' && token === null) return writeProblem(response, 'unauthorized')
    const key = request.headers['idempotency-key']
    const idempotencyKey = parseRequestId(key)
    if (key !== undefined && idempotencyKey === null) return writeProblem(response, 'bad-request', { field: 'Idempotency-Key', detail: 'Idempotency-Key must be a UUID.' })
    const query = readQuery(request.url ?? '')
    if (query === null) return writeProblem(response, 'bad-request', { field: 'query', detail: 'The query is not well formed, or names a field twice.' })
    const body = await readBody(request)
    if (response.destroyed) return
    if (!body.ok) return writeProblem(response, body.code, body.code === 'bad-request' ? { field: 'body', detail: 'The body is not JSON in UTF-8.' } : {})
    const parsed = parseCall(type, { params, query, body: body.value })
    if (!parsed.ok) return writeProblem(response, 'bad-request', { field: parsed.field, detail: `${parsed.field}: ${parsed.reason}` })
    if (calls.size >= OPEN_CALLS_MAX) return writeProblem(response, 'busy')
    const address = readAddress(request)
    const admission = await limits.admit(parsed.value, { address, token })
    if (response.destroyed) return
    if (admission.status === 'wait') return holdBack(type, response, admission.seconds)
    emit({ type: 'request', call: open(type, response, admission.settle), body: parsed.value, token, idempotencyKey, address })
  }

  const holdBack = (type: CallType, response: ServerResponse, seconds: number): void => {
    onAnswered({ isWrite: CALLS[type].method !== 'GET', code: 'too-many-requests', ms: 0 })
    writeProblem(response, 'too-many-requests', { detail: `Wait ${seconds} ${seconds === 1 ? 'second' : 'seconds'} before trying again.` }, seconds)
  }

  const handle: RequestHandler = (request, response, path) => {
    if (path !== '/api' && !path.startsWith('/api/')) return false
    response.setHeader('Cache-Control', 'no-store')
    const method = request.method ?? 'GET'
    if (path === '/api/openapi.json') return answerOpenApi(method, response, openApi)
    const route = findRoute(method, path)
    if (route.status === 'no-path') writeProblem(response, 'not-found')
    else if (route.status === 'no-method') refuseMethod(method, route.allowed, response)
    else void receive(route.type, route.params, request, response).catch((error: unknown) => breakOff(response, error))
    return true
  }

  const breakOff = (response: ServerResponse, error: unknown): void => {
    log('error', 'bad-response', { err: String(error) })
    if (response.headersSent) response.destroy()
    else writeProblem(response, 'internal')
  }

  const faultOfSuccess = (type: CallType, status: number, body: unknown): string | null => {
    const { success }: CallDefinition = CALLS[type]
    if (status !== success.status) return `status ${status} instead of ${success.status}`
    if (success.body === null) return body === null ? null : 'a body where none belongs'
    return faultOf(success.body, body)
  }

  return {
    handle,
    respond: ({ call, status, body, retryAfterSeconds }) => {
      const entry = calls.get(call)
      if (entry === undefined) return
      calls.delete(call)
      const { type, response } = entry
      const code = status < 400 ? null : readCode(body)
      entry.settle(code)
      onAnswered({ isWrite: CALLS[type].method !== 'GET', code, ms: performance.now() - entry.startedMs })
      const fault = checksResponses && status < 400 ? faultOfSuccess(type, status, body) : null
      if (fault !== null) return breakOff(response, `${type}: ${fault}`)
      if (retryAfterSeconds !== null) response.setHeader('Retry-After', retryAfterSeconds)
      writeJson(response, status, body)
    },
    stream: ({ call, event, data }) => {
      const entry = calls.get(call)
      if (entry === undefined) return
      entry.stream ??= openEventStream(entry.response)
      const schema = Object.entries(STREAM_EVENTS).find(([name]) => name === event)?.[1]
      const fault = checksResponses && schema !== undefined ? faultOf(schema, data) : null
      if (fault !== null) return breakOff(entry.response, `event ${event}: ${fault}`)
      entry.stream.send(event, data)
    },
    endStream: call => {
      const entry = calls.get(call)
      calls.delete(call)
      entry?.stream?.end()
      entry?.response.end()
    }
  }
}

/** The bearer token of a request, or null; who it belongs to, the core says. */
const readToken = (authorization: string | undefined): string | null => {
  const token = /^Bearer +([\w.~+/-]+=*) *$/i.exec(authorization ?? '')?.[1]
  return token === undefined || token.length > TOKEN_CHARACTERS_MAX ? null : token
}

/** The query's fields, or null if one is there twice or is not UTF-8. */
export const readQuery = (url: string): Readonly<Record<string, string>> | null => {
  const start = url.indexOf('?')
  const fields = [...new URLSearchParams(start < 0 ? '' : url.slice(start)).entries()]
  const query = Object.fromEntries(fields)
  return Object.keys(query).length === fields.length ? query : null
}

export const faultOf = (schema: v.GenericSchema, value: unknown): string | null => {
  const parsed = v.safeParse(schema, value)
  if (parsed.success) return null
  const [issue] = parsed.issues
  return `${v.getDotPath(issue) ?? 'answer'}: ${issue.message}`
}

const readCode = (body: unknown): string | null =>
  typeof body === 'object' && body !== null && 'code' in body && typeof body.code === 'string' ? body.code : null

const answerOpenApi = (method: string, response: ServerResponse, text: string): true => {
  if (method !== 'GET' && method !== 'HEAD') refuseMethod(method, ['GET'], response)
  else response.writeHead(200, { 'Content-Type': 'application/json' }).end(text)
  return true
}

export const refuseMethod = (method: string, allowed: readonly string[], response: ServerResponse): void => {
  response.setHeader('Allow', [...allowed, 'OPTIONS'].join(', '))
  if (method === 'OPTIONS') response.writeHead(204).end()
  else writeProblem(response, 'method-not-allowed')
}

export const writeProblem = (response: ServerResponse, code: ProblemCode, extra: Readonly<Record<string, unknown>> = {}, seconds = retryAfterSecondsOf(code)): void => {
  const body = problem(code, extra)
  if (seconds !== null) response.setHeader('Retry-After', seconds)
  writeJson(response, body.status, body)
}

export const writeJson = (response: ServerResponse, status: number, body: unknown): void => {
  if (status === 401) response.setHeader('WWW-Authenticate', 'Bearer')
  // The rest of a body that is too large is not read: the connection ends with the answer.
  if (status === 413 && !response.req.complete) response.setHeader('Connection', 'close')
  if (body === null) return void response.writeHead(status).end()
  const bytes = Buffer.from(JSON.stringify(body))
  response.writeHead(status, { 'Content-Type': status < 400 ? 'application/json' : 'application/problem+json', 'Content-Length': bytes.length })
  response.end(bytes)
}
