// How the tests of real processes ask a node: patiently, since on a busy machine a node may suspect itself and answer 503
// for a moment, which is its right [LIV3]. Every repeat is counted, so a test can say how often that happened. Also: a
// process that is expected to end, an event stream, and figures as text.

import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { type CallOptions, call, newRequestId, wait } from './cluster.ts'

export type Answer = Awaited<ReturnType<typeof call>>
type Place = { readonly url: string }

/** Cheap password hashes, and every answer held against its schema by the node itself. */
export const TEST_ENV = { STARLING_TEST: '1', STARLING_ARGON2: '64,1,1', STARLING_CHECK_RESPONSES: '1' }

/** A kill, a freeze and a heal all end far below this; only a node that never comes back passes it. */
const PATIENCE_MS = 30_000
const PAUSE_MS = 20

/** How many answers were not final and asked again. */
export const repeats = { count: 0 }

/** No answer, or one that says to ask again: all of these are safe to repeat with the same ids. */
export const isRepeatable = ({ status }: Answer): boolean => status === 0 || status === 503 || status === 429

/** Asks the places in turn until an answer is final, with one Idempotency-Key for all tries. Resolves to the last answer. */
export const askAny = async (places: readonly Place[], method: string, path: string, options: CallOptions = {}): Promise<Answer> => {
  const idempotencyKey = method === 'GET' ? undefined : (options.idempotencyKey ?? newRequestId())
  const deadline = performance.now() + PATIENCE_MS
  for (let tries = 0; ; tries++) {
    const place = places[tries % places.length]
    if (place === undefined) throw new Error('nobody to ask')
    const answer = await call(place, method, path, { timeoutMs: 7000, ...options, ...(idempotencyKey === undefined ? {} : { idempotencyKey }) })
    if (!isRepeatable(answer) || performance.now() > deadline) return answer
    repeats.count += 1
    await wait(PAUSE_MS)
  }
}

/** Asks one node until its answer is final. */
export const ask = (place: Place, method: string, path: string, options: CallOptions = {}): Promise<Answer> => askAny([place], method, path, options)

/** Asks one node; throws with what it said if the answer has another status. */
export const mustAsk = async (status: number, place: Place, method: string, path: string, options: CallOptions = {}): Promise<Answer> => {
  const answer = await ask(place, method, path, options)
  if (answer.status !== status) throw new Error(`${method} ${path} at ${place.url}: ${show(answer)} instead of ${status}`)
  return answer
}

/** An answer as text for a failure. */
export const show = ({ status, code, body }: Answer): string => `${status} ${JSON.stringify(body ?? code)}`

/** Waits until something holds; throws what it was after a time that only a fault takes. */
export const until = async (what: string, isTrue: () => boolean | Promise<boolean>, limitMs = PATIENCE_MS): Promise<void> => {
  const deadline = performance.now() + limitMs
  while (!(await isTrue())) {
    if (performance.now() > deadline) throw new Error(`never came true: ${what}`)
    await wait(25)
  }
}

export type ProcessEnd = { readonly code: number | null; readonly signal: string | null; readonly stdout: string; readonly stderr: string }

/** Runs a program of node's with these arguments until it ends by itself; one that has not ended after `limitMs` is killed. */
export const runNode = (args: readonly string[], { env = {}, limitMs = 60_000 }: { env?: Readonly<Record<string, string>>; limitMs?: number } = {}): Promise<ProcessEnd> =>
  new Promise((resolve, reject) => {
    const program = join(process.env['STARLING_ROOT'] ?? process.cwd(), 'dist/node.js')
    const child = spawn(process.execPath, [program, ...args], { env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    const kill = (): void => void child.kill('SIGKILL')
    process.once('exit', kill)
    const timer = setTimeout(kill, limitMs)
    let stdout = ''
    let stderr = ''
    child.stdout.on('data', (bytes) => (stdout += bytes))
    child.stderr.on('data', (bytes) => (stderr += bytes))
    child.on('error', reject)
    child.on('close', (code, signal) => {
      clearTimeout(timer)
      process.off('exit', kill)
      resolve({ code, signal, stdout, stderr })
    })
  })

export type StreamEvent = { readonly event: string; readonly data: any }

/** Opens GET /api/events and collects what comes. */
export const openEvents = async (place: Place, token: string): Promise<{ readonly events: readonly StreamEvent[]; readonly contentType: string | null; readonly status: number; readonly isEnded: () => boolean; readonly close: () => void }> => {
  const stop = new AbortController()
  const response = await fetch(`${place.url}/api/events`, { headers: { authorization: `Bearer ${token}` }, signal: stop.signal })
  const events: StreamEvent[] = []
  let ended = false
  const read = async (): Promise<void> => {
    let text = ''
    for await (const chunk of response.body ?? []) {
      text += Buffer.from(chunk).toString('utf8')
      const blocks = text.split('\n\n')
      text = blocks.pop() ?? ''
      for (const block of blocks) {
        const event = /^event: (.*)$/m.exec(block)?.[1]
        const data = /^data: (.*)$/m.exec(block)?.[1]
        if (event !== undefined) events.push({ event, data: data === undefined ? null : JSON.parse(data) })
      }
    }
  }
  void read().catch(() => {}).finally(() => (ended = true)) // a reset of a killed node ends it as well
  return { events, contentType: response.headers.get('content-type'), status: response.status, isEnded: () => ended, close: () => stop.abort() }
}

export const median = (values: readonly number[]): number => [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? Number.NaN
export const showMs = (ms: number): string => `${Math.round(ms)} ms`
/** `median 12 ms, longest 40 ms of 20`. */
export const showTimes = (values: readonly number[]): string => `median ${showMs(median(values))}, longest ${showMs(Math.max(...values))} of ${values.length}`

/** A figure for the reader of the run; the load beside it, as no time means anything without. */
export const print = (text: string): void => console.log(`    ${text}`)
