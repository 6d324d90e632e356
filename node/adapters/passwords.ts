// The queue before the password worker: one job runs, 32 wait, the next is told the node is busy (DESIGN 10). The worker, some ten MiB, ends
// when no job came for a minute, and the next starts another.
// Refuses to know argon2 itself, which is in password-worker.ts, and accounts.
// Keeps [COO7] in that no password is hashed on the event loop or in its thread pool.

import { Worker } from 'node:worker_threads'
import type { Event, JobId } from '../core/events.ts'
import type { PasswordAnswer, PasswordJob, PasswordParameters } from './password-worker.ts'

const QUEUE_MAX = 32
const IDLE_MS = 60_000
const START_MS = 2_000
/** Never below this, OWASP's second choice for argon2id. */
const FLOOR: PasswordParameters = { memoryKib: 19_456, passes: 2, lanes: 1 }
export const DEFAULT_PARAMETERS: PasswordParameters = { memoryKib: 65_536, passes: 3, lanes: 1 }

export interface PasswordsOptions {
  readonly parameters: PasswordParameters
  /** Where the built password-worker.js lies. */
  readonly workerUrl: URL
  readonly emit: (event: Event) => void
  /** How long an idle worker is kept. */
  readonly idleMs?: number
  /** The worker broke: a bug or no memory left; the node ends. */
  readonly onBroken: (error: Error) => void
}

export interface Passwords {
  hash(job: JobId, password: string): void
  /** Which of `hashes` fits, if any; each costs its work. */
  verify(job: JobId, password: string, hashes: readonly string[]): void
  shutDown(): Promise<void>
}

export const createPasswords = ({ parameters, workerUrl, emit, onBroken, idleMs = IDLE_MS }: PasswordsOptions): Passwords => {
  const queue: PasswordJob[] = []
  let worker: Worker | null = null
  let isWorking = false
  let isShutDown = false
  let idle: NodeJS.Timeout | null = null

  const start = (): Worker => {
    const started = new Worker(workerUrl, { workerData: parameters })
    started.unref()
    started.on('message', onAnswer)
    started.on('error', onBroken)
    started.on('exit', code => {
      if (worker === started) onBroken(new Error(`the password worker ended with code ${code}`))
    })
    return started
  }

  const end = async (): Promise<void> => {
    const ended = worker
    worker = null
    await ended?.terminate()
  }

  const workOn = (job: PasswordJob): void => {
    isWorking = true
    if (idle !== null) clearTimeout(idle)
    worker ??= start()
    worker.postMessage(job)
  }

  const onAnswer = (answer: PasswordAnswer): void => {
    isWorking = false
    const next = queue.shift()
    if (next !== undefined && !isShutDown) workOn(next)
    else idle = setTimeout(end, idleMs).unref()
    const { job } = answer
    if (answer.type === 'hashed') emit({ type: 'password-hashed', job, hash: answer.hash })
    else emit({ type: 'password-verified', job, match: answer.match, rehash: answer.rehash })
  }

  const take = (job: PasswordJob): void => {
    if (isShutDown) return
    if (!isWorking) workOn(job)
    else if (queue.length < QUEUE_MAX) queue.push(job)
    else emit({ type: 'password-busy', job: job.job })
  }

  // Once at the start, so that a worker that cannot run is told then and not to the first person who signs in.
  worker = start()
  idle = setTimeout(end, Math.min(idleMs, START_MS)).unref()

  return {
    hash: (job, password) => take({ type: 'hash', job, password }),
    verify: (job, password, hashes) => take({ type: 'verify', job, password, hashes }),
    shutDown: async () => {
      isShutDown = true
      if (idle !== null) clearTimeout(idle)
      await end()
    }
  }
}

/** Reads `m,t,p` (KiB, passes, lanes). Below the floor is an error, unless `isTest`: tests would wait for hashes all day. */
export const parseParameters = (text: string, isTest: boolean): PasswordParameters | null => {
  const numbers = text.split(',').map(Number)
  const [memoryKib = 0, passes = 0, lanes = 0] = numbers
  const floor = isTest ? { memoryKib: 8, passes: 1, lanes: 1 } : FLOOR
  const isPossible = numbers.length === 3 && numbers.every(Number.isInteger) && lanes <= 16 && passes <= 64 && memoryKib <= 4 * 1024 * 1024
  return isPossible && memoryKib >= floor.memoryKib && passes >= floor.passes && lanes >= floor.lanes ? { memoryKib, passes, lanes } : null
}
