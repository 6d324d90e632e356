// How a command reaches the running node and asks it: which address, which secret, a proof with each request.
// Refuses to know what is asked. The secret comes from the node's own file or environment, never from a flag, and is never sent.

import { randomUUID } from 'node:crypto'
import { existsSync } from 'node:fs'
import * as v from 'valibot'
import type { CallDefinition } from '../../crdt-schema/api-tables.ts'
import { OPERATOR_CALLS, type OperatorAnswerOf, type OperatorCallType } from '../../crdt-schema/operator-api.ts'
import { signOperatorRequest } from '../adapters/http-operator-token.ts'
import type { Arguments } from './arguments.ts'
import { type Answer, type Environment, askFirst, findTarget } from './asking.ts'
import { Exit, EXIT } from './errors.ts'
import { readSecretsOf } from './settings.ts'

const DEFAULT_SECRET = 'data/cluster.secret'
const ASK_MS = 20_000
/** How long a call that says "not now, repeat it" is repeated. */
const PATIENCE_MS = 20_000
const PAUSE_MS = 250

/** Where a command's node is, and the secret to prove. */
export interface Place {
  readonly urls: readonly string[]
  readonly secrets: readonly Uint8Array[]
  /** Null if nothing says which node is meant. */
  readonly dataDir: string | null
}

export const findPlace = (parsed: Arguments, env: Environment): Place => {
  const { urls, options, addresses } = findTarget(parsed, env)
  const defaultPath = addresses === null ? DEFAULT_SECRET : addresses.defaultSecretPath
  const secrets = readSecretsOf(options, env, defaultPath !== null && existsSync(defaultPath) ? defaultPath : null)
  return { urls, secrets, dataDir: addresses?.dataDir ?? null }
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
    const bytes = Buffer.from(body === undefined ? '' : JSON.stringify(body))
    const idempotencyKey = randomUUID()
    const deadline = performance.now() + PATIENCE_MS
    for (;;) {
      const { url, answer } = await askFirst(places, host => ({
        method: definition.method, path, body: bytes, timeoutMs: ASK_MS,
        headers: {
          'idempotency-key': idempotencyKey,
          ...(bytes.length === 0 ? {} : { 'content-type': 'application/json' }),
          authorization: signOperatorRequest(secrets[0] ?? new Uint8Array(), { method: definition.method, host, url: path, body: bytes }, Date.now())
        }
      }))
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

const toExit = ({ status, body }: Answer, url: string): Exit => {
  const fields = typeof body === 'object' && body !== null ? (body as Readonly<Record<string, unknown>>) : {}
  const code = typeof fields['code'] === 'string' ? fields['code'] : `status ${status}`
  const detail = typeof fields['detail'] === 'string' ? fields['detail'] : ''
  if (code === 'unauthorized') return new Exit(EXIT.refused, `Refused by the node at ${url}: ${detail}`)
  if (code === 'not-found' || code.startsWith('status ')) return new Exit(EXIT.refused, `Refused by ${url}: it takes no commands from here. Run this on the node's own machine, not through a proxy.`)
  return new Exit(EXIT.failed, `${typeof fields['title'] === 'string' ? fields['title'] : 'It failed'} (${code}). ${detail}`)
}
