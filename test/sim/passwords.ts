// The fake password worker: one job at a time, a bounded queue, hashes that are cheap and salted but take their time.

import { hashText } from '../../crdt-schema/ids.ts'
import type { Effect, Event } from '../../node/core/events.ts'
import type { Random } from './random.ts'
import type { Schedule } from './schedule.ts'

type Job = Extract<Effect, { type: 'hash-password' | 'verify-password' }>

export interface PasswordWorker {
  /** Does the job when those before it are done; `done` gets what the core is told. */
  work(job: Job, done: (event: Event) => void): void
}

const HASH_MS = 90
const JOBS_MAX = 32

export const createPasswordWorker = (schedule: Schedule, random: Random): PasswordWorker => {
  let jobs = 0
  let freeAtMs = 0

  const hashPassword = (password: string): string => {
    const salt = random.integer(0, 0xffff).toString(16)
    return `fake:${salt}:${digestOf(salt, password)}`
  }
  const finish = (job: Job): Event =>
    job.type === 'hash-password'
      ? { type: 'password-hashed', job: job.job, hash: hashPassword(job.password) }
      : { type: 'password-verified', job: job.job, match: job.hashes.findIndex(hash => isHashOf(hash, job.password)), rehash: null }

  return {
    work(job, done) {
      if (jobs >= JOBS_MAX) return done({ type: 'password-busy', job: job.job })
      jobs += 1
      freeAtMs = Math.max(freeAtMs, schedule.nowMs) + HASH_MS * (0.5 + random.next())
      schedule.at(freeAtMs, () => {
        jobs -= 1
        done(finish(job))
      })
    }
  }
}

const digestOf = (salt: string, password: string): string => hashText(salt + password).slice(0, 16)

const isHashOf = (hash: string, password: string): boolean => {
  const [, salt = '', digest] = hash.split(':')
  return digest === digestOf(salt, password)
}
