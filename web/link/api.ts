// The HTTP half of the link: a call goes to the node that answered last, and on to the next when that one is dead,
// silent or not ready. Every call that changes something carries one Idempotency-Key through all its tries, so it
// happens once [COO5]. Knows the shapes of requests and answers, not what they are for.

import type { ClusterJson, MeJson, SessionJson, SignedInJson, AccountJson } from '../../crdt-schema/api-shapes.ts'
import type { ProblemCode } from '../../crdt-schema/api-problems.ts'
import { mintRequestId } from '../../crdt-schema/ids.ts'
import { type Result, fail, ok } from '../../crdt-schema/prelude.ts'
import { createFailOver, dialOrder } from './fail-over.ts'
import type { NodeBook } from './node-book.ts'

/** `no-server`: no node answered in time. */
export type ApiCode = ProblemCode | 'no-server'
export type ApiResult<Value> = Result<Value, ApiCode> & { readonly retryAfterSeconds?: number }

export interface Credentials {
  readonly name: string
  readonly password: string
}

export interface Api {
  lookUpName(name: string): Promise<ApiResult<{ name: string; exists: boolean }>>
  createAccount(credentials: Credentials): Promise<ApiResult<SignedInJson>>
  signIn(credentials: Credentials, how: { takeOver: boolean }): Promise<ApiResult<SignedInJson>>
  readMe(token: string): Promise<ApiResult<MeJson>>
  rename(token: string, change: { password: string; name: string }): Promise<ApiResult<{ account: AccountJson }>>
  changePassword(token: string, change: { password: string; newPassword: string }): Promise<ApiResult<{ account: AccountJson }>>
  /** A recovery code in place of the password: sets a new one. Signing in comes after it. */
  recover(how: { name: string; code: string; newPassword: string }): Promise<ApiResult<{ account: AccountJson; recoveryCodesLeft: number }>>
  makeRecoveryCodes(token: string, password: string): Promise<ApiResult<{ recoveryCodes: string[] }>>
  removeMe(token: string, password: string): Promise<ApiResult<null>>
  listAccounts(
    token: string,
    query: { prefix: string; after: string | null },
  ): Promise<ApiResult<{ accounts: AccountJson[]; next?: string }>>
  listSessions(token: string): Promise<ApiResult<{ sessions: SessionJson[] }>>
  endSession(token: string, id: string): Promise<ApiResult<null>>
  readCluster(): Promise<ApiResult<ClusterJson>>
  /** What this very node sees; no other is asked when it does not answer. */
  readClusterAt(url: string): Promise<ApiResult<ClusterJson>>
}

interface Request {
  readonly method: 'GET' | 'POST' | 'PATCH' | 'DELETE'
  readonly path: string
  readonly token?: string
  readonly body?: unknown
}

/** A node that has not answered a plain question by then is passed over. */
const READ_GIVE_UP_MS = 1500
/** A change may wait for a coordinator to be chosen (5 s) and for its turn at the password worker. */
const CHANGE_GIVE_UP_MS = 8000
/** How often all nodes are tried, and the pause between two rounds. */
const ROUNDS = 3
const ROUND_PAUSE_MS = 700

export interface ApiOptions {
  readonly book: NodeBook
  readonly fetch: typeof globalThis.fetch
  /** What this device is called in the list of sessions. */
  readonly device: string
}

export const createApi = ({ book, fetch, device }: ApiOptions): Api => {
  const call = async <Value>(request: Request): Promise<ApiResult<Value>> => {
    const idempotencyKey = request.method === 'GET' ? null : mintRequestId(crypto.getRandomValues(new Uint8Array(16)))
    let last: ApiResult<Value> = fail('no-server')
    for (let round = 0; round < ROUNDS; round += 1) {
      if (round > 0) await pause(ROUND_PAUSE_MS)
      for (const url of dialOrder(createFailOver(book.nodes(), book.lastGood()), 0)) {
        const answer = await ask<Value>(fetch, url, request, idempotencyKey)
        if (answer === null) continue
        if (answer.ok || !isWorthAnotherNode(answer.code)) {
          book.praise(url)
          return answer
        }
        last = answer
      }
    }
    return last
  }

  return {
    lookUpName: (name) => call({ method: 'GET', path: `/api/accounts/${encodeURIComponent(name)}` }),
    createAccount: (credentials) => call({ method: 'POST', path: '/api/accounts', body: { ...credentials, device } }),
    signIn: (credentials, { takeOver }) =>
      call({ method: 'POST', path: '/api/sessions', body: { ...credentials, device, ...(takeOver ? { takeOver } : {}) } }),
    readMe: (token) => call({ method: 'GET', path: '/api/me', token }),
    rename: (token, body) => call({ method: 'PATCH', path: '/api/me', token, body }),
    changePassword: (token, body) => call({ method: 'PATCH', path: '/api/me', token, body }),
    recover: (body) => call({ method: 'POST', path: '/api/recover', body }),
    makeRecoveryCodes: (token, password) => call({ method: 'POST', path: '/api/me/recovery-codes', token, body: { password } }),
    removeMe: (token, password) => call({ method: 'DELETE', path: '/api/me', token, body: { password } }),
    listAccounts: (token, { prefix, after }) => {
      const query = new URLSearchParams({ limit: '200', ...(prefix === '' ? {} : { prefix }), ...(after === null ? {} : { after }) })
      return call({ method: 'GET', path: `/api/accounts?${query}`, token })
    },
    listSessions: (token) => call({ method: 'GET', path: '/api/sessions', token }),
    endSession: (token, id) => call({ method: 'DELETE', path: `/api/sessions/${encodeURIComponent(id)}`, token }),
    readCluster: () => call({ method: 'GET', path: '/api/cluster' }),
    readClusterAt: async (url) => (book.isShunned(url) ? null : await ask<ClusterJson>(fetch, url, { method: 'GET', path: '/api/cluster' }, null)) ?? fail('no-server'),
  }
}

/** One try at one node; null if it did not answer. */
const ask = async <Value>(
  fetch: typeof globalThis.fetch,
  url: string,
  { method, path, token, body }: Request,
  idempotencyKey: string | null,
): Promise<ApiResult<Value> | null> => {
  const headers: Record<string, string> = {}
  if (token !== undefined) headers.Authorization = `Bearer ${token}`
  if (body !== undefined) headers['Content-Type'] = 'application/json'
  if (idempotencyKey !== null) headers['Idempotency-Key'] = idempotencyKey
  try {
    const response = await fetch(url + path, {
      method,
      headers,
      body: body === undefined ? null : JSON.stringify(body),
      cache: 'no-store',
      credentials: 'omit',
      signal: AbortSignal.timeout(method === 'GET' ? READ_GIVE_UP_MS : CHANGE_GIVE_UP_MS),
    })
    if (response.ok) return ok(response.status === 204 ? (null as Value) : ((await response.json()) as Value))
    const retryAfterSeconds = Number(response.headers.get('Retry-After') ?? Number.NaN)
    const problem = (await response.json()) as { code: ProblemCode }
    return { ...fail(problem.code), ...(Number.isFinite(retryAfterSeconds) ? { retryAfterSeconds } : {}) }
  } catch {
    return null // refused, timed out, or cut off in the middle: the next node may do better
  }
}

const ELSEWHERE: readonly ApiCode[] = ['internal', 'no-coordinator', 'unknown', 'not-ready', 'incomplete', 'busy']
const isWorthAnotherNode = (code: ApiCode): boolean => ELSEWHERE.includes(code)

const pause = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))
