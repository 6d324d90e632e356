// The thread that hashes and checks passwords, one job at a time, with argon2id's synchronous call: two hashes in libuv's pool would cut
// LevelDB's commits to a fifth. Refuses to know accounts: hashes come with the job. passwords.ts starts it and keeps its queue.

import { parentPort, workerData } from 'node:worker_threads'
import { type Options, hashSync, verifySync } from '@node-rs/argon2'

/** argon2id's parameters: KiB of memory, passes over it, lanes. */
export interface PasswordParameters {
  readonly memoryKib: number
  readonly passes: number
  readonly lanes: number
}

export type PasswordJob =
  | { readonly type: 'hash'; readonly job: number; readonly password: string }
  | { readonly type: 'verify'; readonly job: number; readonly password: string; readonly hashes: readonly string[] }

export type PasswordAnswer =
  | { readonly type: 'hashed'; readonly job: number; readonly hash: string }
  | { readonly type: 'verified'; readonly job: number; readonly match: number; readonly rehash: string | null }

const PHC = /^\$argon2id\$v=19\$m=(\d+),t=(\d+),p=(\d+)\$/

/** Does one job. Every hash of a verify costs its work even after one fits, so that time tells nothing about which. */
export const runPasswordJob = (job: PasswordJob, parameters: PasswordParameters): PasswordAnswer => {
  // argon2id is the package's default; its enum is declared const, which isolated modules cannot read.
  const options: Options = { memoryCost: parameters.memoryKib, timeCost: parameters.passes, parallelism: parameters.lanes }
  if (job.type === 'hash') return { type: 'hashed', job: job.job, hash: hashSync(job.password, options) }
  const fits = job.hashes.map(hash => isFitting(hash, job.password, options))
  const match = fits.indexOf(true)
  const matched = job.hashes[match]
  const rehash = matched !== undefined && isWeaker(matched, parameters) ? hashSync(job.password, options) : null
  return { type: 'verified', job: job.job, match, rehash }
}

const isFitting = (hash: string, password: string, options: Options): boolean => {
  try {
    return verifySync(hash, password)
  } catch {
    // A hash that is none fits nothing [DOC5], at the same cost: it stands for a name that nobody has, and time must not tell.
    hashSync(password, options)
    return false
  }
}

const isWeaker = (hash: string, parameters: PasswordParameters): boolean => {
  const found = PHC.exec(hash)
  return found === null || Number(found[1]) < parameters.memoryKib || Number(found[2]) < parameters.passes || Number(found[3]) < parameters.lanes
}

parentPort?.on('message', (job: PasswordJob) => parentPort?.postMessage(runPasswordJob(job, workerData as PasswordParameters)))
