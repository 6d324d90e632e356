// How a test tells a node of the build with disk-runtime.ts what its disk is like: a file for each node, read at each commit.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

/** Holds the files; given to the nodes as this environment variable. */
export const DISK_FAULTS_VARIABLE = 'STARLING_DISK_FAULTS'

export type DiskFault = {
  /** Each commit takes so much longer. */
  readonly delayMs: number
  /** Each commit fails with this. */
  readonly error: string | null
}
export const SOUND: DiskFault = { delayMs: 0, error: null }

const fileOf = (directory: string, pid: number): string => join(directory, `disk-${pid}.json`)

export const writeDiskFault = (directory: string, pid: number, fault: DiskFault): void => writeFileSync(fileOf(directory, pid), JSON.stringify(fault))

export const readDiskFault = (directory: string, pid: number): DiskFault => {
  const file = fileOf(directory, pid)
  if (!existsSync(file)) return SOUND
  try {
    return JSON.parse(readFileSync(file, 'utf8')) as DiskFault
  } catch {
    return SOUND // it is being written just now
  }
}
