// How a command reaches the running node and asks it: which address, which secret, a proof with each request.
// Refuses to know what is asked. The secret comes from the node's own file or environment, never from a flag, and is never sent.

import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import { type RequestOptions, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import * as v from 'valibot'
import { type CallDefinition } from '../../crdt-schema/api-tables.ts'
import { OPERATOR_CALLS, type OperatorAnswerOf, type OperatorCallType } from '../../crdt-schema/operator-api.ts'
import { signOperatorRequest } from '../adapters/http-operator-token.ts'
import type { Arguments } from './arguments.ts'
import { Exit, EXIT, usageError } from './errors.ts'
import { readOptions } from './options.ts'
import { type Settings, createSettings, readSecretsOf } from './settings.ts'

const DEFAULT_URLS = ['http://127.0.0.1:4000', 'http://127.0.0.1:4001', 'http://127.0.0.1:4002']
const DEFAULT_SECRET = 'data/cluster.secret'
const ASK_MS = 20_000
/** How long a call that says "not now, repeat it" is repeated. */
const PATIENCE_MS = 20_000
const PAUSE_MS = 250
const ANSWER_BYTES_MAX = 256 * 1024 * 1024

export type Environment = Readonly<Record<string, string | undefined>>

/** Where a command's node is. */
export interface Place {
  /** Addresses to try, one after the other. */
  readonly urls: readonly string[]
  readonly secrets: readonly Uint8Array[]
  /** What the node was started with, as far as the command line tells; null: nothing was said. */
  readonly settings: Settings | null
}

/** Finds the node from flags, environment and file, as the node itself reads them. */
export const findPlace = ({ flags }: Arguments, env: Environment): Place => {
  const said = ['config', 'pid', 'data-dir', 'secret-file'].flatMap(name => (flags[name] === undefined ? [] : [`--${name}`, flags[name]]))
  const { url } = flags
  if (url !== undefined && !(URL.canParse(url) && /^https?:/.test(url))) throw usageError(`url: ${url} must start with http:// or https://.`)
  const options = readOptions(said, env)
  if (options.pid !== null || options.join !== null) {
    const settings = createSettings(options, env, '')
    return { urls: [url ?? localUrlOf(settings)], secrets: settings.secrets, settings }
  }
  const defaultPath = existsSync(DEFAULT_SECRET) ? DEFAULT_SECRET : null
  return { urls: url !== undefined ? [url] : env['STARLING_URL'] !== undefined ? [env['STARLING_URL']] : DEFAULT_URLS, secrets: readSecretsOf(options, env, defaultPath), settings: null }
}

/** Where the node listens, seen from its own machine. */
const localUrlOf = ({ host, port, tls }: Settings): string => {
  const near = host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : host.includes(':') ? `[${host}]` : host
  return `${tls === 'off' ? 'http' : 'https'}://${near}:${port}`
}

export interface Question {
  /** What stands for the `:word` in the path. */
  readonly word?: string
  readonly query?: Readonly<Record<string, string>>
  readonly body?: unknown
}

/** Asks a node; resolves to the answer of a success. Throws an Exit that says why not. */
export type AskNode = <Type extends OperatorCallType>(type: Type, question?: Question) => Promise<OperatorAnswerOf<Type>>

/** What asks the node of a place. Once one has answered, the others are not tried any more. */
export const createAskNode = ({ urls, secrets }: Place): AskNode => {
  let places = urls
  return async (type, { word = '', query = {}, body } = {}) => {
    const definition: CallDefinition = OPERATOR_CALLS[type]
    const search = new URLSearchParams(query).toString()
    const path = definition.path.replace(/:\w+/, encodeURIComponent(word)) + (search === '' ? '' : `?${search}`)
    const idempotencyKey = randomUUID()
    const deadline = performance.now() + PATIENCE_MS
    for (;;) {
      const { url, answer } = await askFirst(places, { method: definition.method, path, body: Buffer.from(body === undefined ? '' : JSON.stringify(body)), idempotencyKey, secret: secrets[0] ?? new Uint8Array() })
      places = [url]
      if (answer.status === 503 && performance.now() < deadline) await new Promise(resolve => setTimeout(resolve, PAUSE_MS))
      else if (answer.status === definition.success.status) return readAnswer(definition, answer.body, url) as never
      else throw toExit(answer, url)
    }
  }
}

const readAnswer = (definition: CallDefinition, body: unknown, url: string): unknown => {
  if (definition.success.body === null) return null
  const parsed = v.safeParse(definition.success.body, body)
  if (parsed.success) return parsed.output
  throw new Exit(EXIT.failed, `The node at ${url} answers in a way this program does not know (${parsed.issues[0].message}). Use the program of the node's own version.`)
}

interface RawAnswer {
  readonly status: number
  readonly body: unknown
}

interface SignedRequest {
  readonly method: string
  readonly path: string
  readonly body: Buffer
  readonly idempotencyKey: string
  readonly secret: Uint8Array
}

const askFirst = async (urls: readonly string[], request: SignedRequest): Promise<{ readonly url: string; readonly answer: RawAnswer }> => {
  let reason = ''
  for (const url of urls) {
    try {
      return { url, answer: await send(url, request) }
    } catch (error) {
      reason = (error as NodeJS.ErrnoException).code ?? (error as Error).message
    }
  }
  throw new Exit(EXIT.failed, `No node answers at ${urls.join(', ')} (${reason}). Start it, or say where it is with --url or --config.`)
}

const send = (url: string, { method, path, body, idempotencyKey, secret }: SignedRequest): Promise<RawAnswer> =>
  new Promise((resolve, reject) => {
    const { protocol, hostname, host, port } = new URL(url)
    const options: RequestOptions & { rejectUnauthorized?: boolean } = {
      method, path, hostname: hostname.replace(/^\[|\]$/g, ''), port,
      timeout: ASK_MS,
      headers: {
        host, 'idempotency-key': idempotencyKey, 'content-length': body.length,
        ...(body.length === 0 ? {} : { 'content-type': 'application/json' }),
        authorization: signOperatorRequest(secret, { method, host, url: path, body }, Date.now())
      }
    }
    // Nobody sits between two ends of a loopback, and a certificate made by the node itself is vouched for by nobody.
    if (protocol === 'https:' && /^(localhost|127\.|\[::1\])/.test(hostname)) options.rejectUnauthorized = false
    const request = (protocol === 'https:' ? httpsRequest : httpRequest)(options, response => {
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > ANSWER_BYTES_MAX) response.destroy(new Error('too large an answer'))
        else chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () => resolve({ status: response.statusCode ?? 0, body: parseJson(Buffer.concat(chunks)) }))
    })
    request.on('timeout', () => request.destroy(new Error('no answer in time')))
    request.on('error', reject)
    request.end(body)
  })

const parseJson = (bytes: Buffer): unknown => {
  if (bytes.length === 0) return null
  try {
    return JSON.parse(bytes.toString())
  } catch {
    return null // not ours; the status tells
  }
}

const toExit = ({ status, body }: RawAnswer, url: string): Exit => {
  const fields = typeof body === 'object' && body !== null ? (body as Readonly<Record<string, unknown>>) : {}
  const code = typeof fields['code'] === 'string' ? fields['code'] : `status ${status}`
  const detail = typeof fields['detail'] === 'string' ? fields['detail'] : ''
  if (code === 'unauthorized') return new Exit(EXIT.refused, `Refused by the node at ${url}: ${detail}`)
  if (code === 'not-found' || code.startsWith('status ')) return new Exit(EXIT.refused, `Refused by ${url}: it takes no commands from here. Run this on the node's own machine, not through a proxy.`)
  return new Exit(EXIT.failed, `${typeof fields['title'] === 'string' ? fields['title'] : 'It failed'} (${code}). ${detail}`)
}
