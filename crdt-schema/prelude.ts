// The few words every room shares: results for expected failures, assertions for bugs, brands for ids.
// Knows nothing of documents, nodes or browsers.

/** The outcome of an operation that may fail in an expected way. Codes are stable; messages are for people. */
export type Result<Value, Code extends string> =
  | { readonly ok: true; readonly value: Value }
  | { readonly ok: false; readonly code: Code }

export const ok = <Value>(value: Value): { readonly ok: true; readonly value: Value } => ({ ok: true, value })
export const fail = <Code extends string>(code: Code): { readonly ok: false; readonly code: Code } => ({ ok: false, code })

/** What a tolerant reader returns: the value, and how many entries it skipped as junk [DOC5]. */
export interface Read<Value> {
  readonly value: Value
  readonly skipped: number
}

/** A type that only its parser can make. */
export type Brand<Base, Name extends string> = Base & { readonly __brand: Name }

/** A broken invariant: a bug, never an expected failure. It ends the node [COR4]. */
export class InvariantError extends Error {
  override readonly name = 'InvariantError'
}

/** Throws an InvariantError unless `condition` holds. */
export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new InvariantError(message)
}

/** Ends a switch that must have handled every case. */
export const unreachable = (value: never): never => {
  throw new InvariantError(`unreachable: ${JSON.stringify(value)}`)
}
