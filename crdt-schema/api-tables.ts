// What a table of HTTP calls is made of, and how a request is held against its row. api.ts has the table of what persons and programs
// may ask, operator-api.ts that of whoever runs the nodes.

import * as v from 'valibot'
import type { ProblemCode } from './api-problems.ts'

type Schema = v.GenericSchema<unknown, object>

export interface CallDefinition {
  readonly method: 'GET' | 'POST' | 'PUT' | 'PATCH' | 'DELETE'
  /** `:name` stands for one segment, decoded. */
  readonly path: string
  readonly summary: string
  readonly token: 'needed' | 'not-needed'
  /** Path and query, as the texts they are; no field of them has the name of another or of one in the body. */
  readonly params: Schema
  readonly query: Schema
  /** null: no body. */
  readonly body: Schema | null
  /** Status of a success to what it answers; null: nothing, 204. */
  readonly success: { readonly status: 200 | 201 | 204; readonly body: v.GenericSchema | null; readonly type: 'json' | 'stream' }
  /** Codes of its own, beside those of every call. */
  readonly codes: readonly ProblemCode[]
}

export const NOTHING = v.strictObject({})
export const json = <Body extends v.GenericSchema>(status: 200 | 201, body: Body) => ({ status, body, type: 'json' }) as const
export const NO_CONTENT = { status: 204, body: null, type: 'json' } as const

type FieldsOf<Part> = Part extends v.GenericSchema ? v.InferOutput<Part> : unknown
/** The fields of path, query and body side by side, ids branded. */
export type FieldsFrom<Definition extends Pick<CallDefinition, 'params' | 'query' | 'body'>> = FieldsOf<Definition['params']> & FieldsOf<Definition['query']> & FieldsOf<Definition['body']>
/** What a success answers. */
export type AnswerFrom<Definition extends Pick<CallDefinition, 'success'>> = Definition['success']['body'] extends v.GenericSchema ? v.InferOutput<Definition['success']['body']> : null

/** A request taken apart but not yet checked; `body` is what JSON.parse gave, undefined if there was none. */
export interface RawCall {
  readonly params: Readonly<Record<string, string>>
  readonly query: Readonly<Record<string, string>>
  readonly body: unknown
}

export type FieldsOutcome = { readonly ok: true; readonly value: object } | { readonly ok: false; readonly field: string; readonly reason: string }

/** Checks a request against its row; on failure says which field is wrong, and how. */
export const parseFields = (definition: CallDefinition, raw: RawCall): FieldsOutcome => {
  const fields: object[] = []
  const parts: [string, Schema, unknown][] = [['path', definition.params, raw.params], ['query', definition.query, raw.query]]
  if (definition.body !== null) parts.push(['body', definition.body, raw.body])
  else if (raw.body !== undefined && !isEmptyObject(raw.body)) return { ok: false, field: 'body', reason: 'this call takes no body' }
  for (const [part, schema, value] of parts) {
    const parsed = v.safeParse(schema, value)
    if (!parsed.success) {
      const [issue] = parsed.issues
      return { ok: false, field: [part, v.getDotPath(issue)].filter(Boolean).join('.'), reason: issue.message }
    }
    fields.push(parsed.output)
  }
  return { ok: true, value: Object.assign({}, ...fields) as object }
}

/** Many clients send `{}` where nothing is asked for. */
const isEmptyObject = (value: unknown): boolean => typeof value === 'object' && value !== null && Object.keys(value).length === 0
