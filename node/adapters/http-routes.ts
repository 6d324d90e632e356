// Which call a method and path name, by a table of calls.
// Refuses to know bodies, tokens and answers.

import { CALLS, type CallType } from '../../crdt-schema/api.ts'
import type { CallDefinition } from '../../crdt-schema/api-tables.ts'

export type Route<Type extends string = CallType> =
  | { readonly status: 'found'; readonly type: Type; readonly params: Readonly<Record<string, string>> }
  | { readonly status: 'no-path' }
  | { readonly status: 'no-method'; readonly allowed: readonly string[] }

interface RouteRow<Type extends string> {
  readonly type: Type
  readonly method: string
  /** A segment that starts with a colon stands for any. */
  readonly segments: readonly string[]
  readonly isStream: boolean
}

/** What finds the calls of one table; a HEAD is its GET without the body, which node:http leaves out by itself. */
export const createRoutes = <Type extends string>(calls: { readonly [Name in Type]: CallDefinition }): ((method: string, path: string) => Route<Type>) => {
  const all: readonly RouteRow<Type>[] = Object.entries<CallDefinition>(calls).map(([type, { method, path, success }]) => ({
    type: type as Type,
    method,
    segments: path.split('/'),
    isStream: success.type === 'stream'
  }))
  return (method, path) => {
    const segments = decodeSegments(path)
    if (segments === null) return { status: 'no-path' }
    const rows = all.filter(row => isMatch(row, segments))
    const wanted = method === 'HEAD' ? 'GET' : method
    const row = rows.find(candidate => candidate.method === wanted)
    if (row !== undefined && !(method === 'HEAD' && row.isStream)) return { status: 'found', type: row.type, params: paramsOf(row, segments) }
    return rows.length === 0 ? { status: 'no-path' } : { status: 'no-method', allowed: [...new Set(rows.map(candidate => candidate.method))].sort() }
  }
}

/** Finds a call of the HTTP API. */
export const findRoute = createRoutes<CallType>(CALLS)

const decodeSegments = (path: string): readonly string[] | null => {
  try {
    return path.split('/').map(decodeURIComponent)
  } catch {
    return null // a stray % names nothing
  }
}

const isMatch = (row: RouteRow<string>, segments: readonly string[]): boolean =>
  row.segments.length === segments.length && row.segments.every((segment, index) => (segment.startsWith(':') ? segments[index] !== '' : segment === segments[index]))

const paramsOf = (row: RouteRow<string>, segments: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(row.segments.flatMap((segment, index) => (segment.startsWith(':') ? [[segment.slice(1), segments[index] ?? '']] : [])))
