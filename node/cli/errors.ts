// Why a command ends with another code than 0, and the text a person reads then: what happened, why, and what to do.
// Refuses to know how the failures come about. The codes are CONVENTIONS' table and part of the interface.

import { createServer } from 'node:net'
import type { StoreRefusal } from '../core/ports.ts'

export const EXIT = { done: 0, failed: 1, usage: 2, addressInUse: 3, dataDirectory: 4, dataNewer: 5, refused: 6, interrupted: 130 } as const

/** An expected end of the program. */
export class Exit extends Error {
  override readonly name = 'Exit'
  readonly code: number
  constructor(code: number, text: string) {
    super(text)
    this.code = code
  }
}

export const usageError = (text: string): Exit => new Exit(EXIT.usage, text)

/** A data directory that would not open; the store's own sentence says what, why and what to do. */
export const storeRefused = (refusal: StoreRefusal, text: string): Exit => new Exit(refusal === 'newer' ? EXIT.dataNewer : EXIT.dataDirectory, text)

/** The text for a write that failed while running. */
export const diskFailed = (dataDir: string, error: Error): Exit => {
  const isFull = /ENOSPC|no space left|EDQUOT/i.test(error.message)
  const what = isFull ? `the disk under ${dataDir} is full` : `writing to ${dataDir} failed (${error.message})`
  return new Exit(EXIT.failed, `Stopped: ${what}. Nothing acknowledged was lost. ${isFull ? 'Free space' : 'Check the disk'} and start again.`)
}

export const bugFound = (error: Error): Exit =>
  new Exit(EXIT.failed, `Stopped: a bug (${error.message}). Nothing acknowledged was lost. Start again, and report the stack in the log.`)

export const isPortFree = (port: number, host: string): Promise<boolean> =>
  new Promise(resolve => {
    const probe = createServer()
    probe.once('error', () => resolve(false))
    probe.listen(port, host, () => probe.close(() => resolve(true)))
  })

/** Who answers at an address, as far as it says so itself. */
const askWho = async (url: string): Promise<string> => {
  try {
    const response = await fetch(new URL('/api/cluster', url), { signal: AbortSignal.timeout(700) })
    const cluster: unknown = await response.json()
    return typeof cluster === 'object' && cluster !== null && 'self' in cluster ? `Starling's node ${String(cluster.self)}` : 'another program'
  } catch {
    return 'another program' // it does not speak HTTP, or not ours
  }
}

/** The text for a port that is taken: by whom, if that can be told, and a free one. */
export const addressInUse = async (host: string, port: number, url: string): Promise<Exit> => {
  let free = port + 1
  while (free < Math.min(port + 100, 65_536) && !(await isPortFree(free, host))) free++
  const held = new URL(url) // for its protocol: the port that is held need not be the one others are told
  held.host = `${host === '0.0.0.0' || host === '::' ? 'localhost' : host.includes(':') ? `[${host}]` : host}:${port}`
  const who = await askWho(held.href)
  return new Exit(EXIT.addressInUse, `Port ${port} on ${host} is in use by ${who}. Stop it, or try --port ${free}.`)
}
