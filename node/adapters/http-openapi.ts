// The API as an OpenAPI 3.1 document, made from the table of calls: what is checked and what is described cannot differ.
// Refuses to know how calls are served.

import { toJsonSchema } from '@valibot/to-json-schema'
import type { GenericSchema } from 'valibot'
import { CALLS, COMMON_CODES, type CallDefinition } from '../../crdt-schema/api.ts'
import { PROBLEMS, type ProblemCode } from '../../crdt-schema/api-problems.ts'
import { STREAM_EVENTS, problemShape } from '../../crdt-schema/api-shapes.ts'

type Json = Readonly<Record<string, unknown>>

/** The whole document, JSON-able. */
export const createOpenApi = (version: string): Json => {
  const paths: Record<string, Record<string, Json>> = {}
  for (const [type, definition] of Object.entries<CallDefinition>(CALLS)) {
    const path = definition.path.replace(/:(\w+)/g, '{$1}')
    paths[path] = { ...paths[path], [definition.method.toLowerCase()]: describeCall(type, definition) }
  }
  return {
    openapi: '3.1.0',
    info: {
      title: 'Starling',
      version,
      description: 'Messaging that keeps working while its servers die. Every node answers every call alike; failures are problems (RFC 9457) with a stable `code`.',
      license: { name: 'MIT', identifier: 'MIT' }
    },
    servers: [{ url: '/', description: 'Any node' }],
    paths,
    components: {
      schemas: { problem: describe(problemShape), ...Object.fromEntries(Object.entries(STREAM_EVENTS).map(([name, schema]) => [`event-${name}`, describe(schema)])) },
      securitySchemes: { token: { type: 'http', scheme: 'bearer' } }
    }
  }
}

const describeCall = (type: string, definition: CallDefinition): Json => {
  const { method, summary, token, params, query, body } = definition
  const parameters = [...describeFields('path', params), ...describeFields('query', query), ...(method === 'GET' ? [] : [IDEMPOTENCY_KEY])]
  return {
    operationId: type,
    summary,
    security: token === 'needed' ? [{ token: [] }] : [],
    ...(parameters.length > 0 && { parameters }),
    ...(body !== null && { requestBody: { required: true, content: { 'application/json': { schema: describe(body) } } } }),
    responses: { ...describeSuccess(definition), ...describeFailures(definition) }
  }
}

const IDEMPOTENCY_KEY: Json = {
  name: 'Idempotency-Key',
  in: 'header',
  description: 'Makes the request safe to repeat through any node: the same key gets the same outcome.',
  schema: { type: 'string', format: 'uuid' }
}

const describeSuccess = ({ success }: CallDefinition): Json => {
  if (success.type === 'stream') {
    return { 200: { description: `Events: ${Object.keys(STREAM_EVENTS).join(', ')}`, content: { 'text/event-stream': { schema: { type: 'string' } } } } }
  }
  const content = success.body === null ? {} : { content: { 'application/json': { schema: describe(success.body) } } }
  return { [success.status]: { description: success.body === null ? 'Done' : 'Success', ...content } }
}

/** One response for each status, with the codes that it may carry. */
const describeFailures = ({ codes, token }: CallDefinition): Json => {
  const all: readonly ProblemCode[] = [...COMMON_CODES.filter(code => token === 'needed' || code !== 'unauthorized'), 'unsupported-media-type', 'foreign-origin', ...codes]
  const responses: Record<string, Json> = {}
  for (const status of [...new Set(all.map(code => PROBLEMS[code].status))].sort()) {
    const told = all.filter(code => PROBLEMS[code].status === status)
    responses[status] = {
      description: told.map(code => `\`${code}\`: ${PROBLEMS[code].title}`).join('; '),
      content: { 'application/problem+json': { schema: { $ref: '#/components/schemas/problem' } } }
    }
  }
  return responses
}

/** The fields of a strict object as parameters. */
const describeFields = (place: 'path' | 'query', schema: GenericSchema): readonly Json[] => {
  const { properties = {}, required = [] } = describe(schema) as { properties?: Record<string, Json>; required?: readonly string[] }
  return Object.entries(properties).map(([name, fieldSchema]) => ({ name, in: place, required: place === 'path' || required.includes(name), schema: fieldSchema }))
}

/** JSON Schema of what travels. Checks that JSON Schema cannot say are left out of it. */
const describe = (schema: GenericSchema): Json => {
  const { $schema: _dialect, ...described } = toJsonSchema(schema, { typeMode: 'input', errorMode: 'ignore' })
  return described as Json
}
