// Which call a method and path name, by the table of api.ts.
// Refuses to know bodies, tokens and answers.

import { CALLS, type CallDefinition, type CallType } from '../../crdt-schema/api.ts'

export type Route =
  | { readonly status: 'found'; readonly type: CallType; readonly params: Readonly<Record<string, string>> }
  | { readonly status: 'no-path' }
  | { readonly status: 'no-method'; readonly allowed: readonly string[] }

interface RouteRow {
  readonly type: CallType
  readonly method: string
  /** A segment that starts with a colon stands for any. */
  readonly segments: readonly string[]
}

const ROWS: readonly RouteRow[] = Object.entries<CallDefinition>(CALLS).map(([type, { method, path }]) => ({
  type: type as CallType,
  method,
  segments: path.split('/')
}))

/** Finds the call; a HEAD is its GET without the body, which node:http leaves out by itself. */
export const findRoute = (method: string, path: string): Route => {
  const segments = decodeSegments(path)
  if (segments === null) return { status: 'no-path' }
  const rows = ROWS.filter(row => isMatch(row, segments))
  const wanted = method === 'HEAD' ? 'GET' : method
  const row = rows.find(candidate => candidate.method === wanted)
  if (row !== undefined && !(method === 'HEAD' && isStream(row.type))) return { status: 'found', type: row.type, params: paramsOf(row, segments) }
  return rows.length === 0 ? { status: 'no-path' } : { status: 'no-method', allowed: [...new Set(rows.map(candidate => candidate.method))].sort() }
}

const isStream = (type: CallType): boolean => CALLS[type].success.type === 'stream'

const decodeSegments = (path: string): readonly string[] | null => {
  try {
    return path.split('/').map(decodeURIComponent)
  } catch {
    return null // a stray % names nothing
  }
}

const isMatch = (row: RouteRow, segments: readonly string[]): boolean =>
  row.segments.length === segments.length && row.segments.every((segment, index) => (segment.startsWith(':') ? segments[index] !== '' : segment === segments[index]))

const paramsOf = (row: RouteRow, segments: readonly string[]): Readonly<Record<string, string>> =>
  Object.fromEntries(row.segments.flatMap((segment, index) => (segment.startsWith(':') ? [[segment.slice(1), segments[index] ?? '']] : [])))
