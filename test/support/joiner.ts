// A node that joins a running cluster of test/support/cluster.ts, mostly without a pid of its own: lib/nodes.mjs gives each node one.

import { spawn } from 'node:child_process'
import { closeSync, fstatSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import type { Cluster } from './cluster.ts'
import { TEST_ENV, until } from './asking.ts'

const READY_LIMIT_MS = 60_000

export interface Joiner {
  /** kill -9: returns when the process is gone. */
  kill(): Promise<void>
  /** SIGTERM: returns with the exit code when the process is gone. */
  stop(): Promise<number | null>
  /** Returns when it has said that it is ready, in this run. */
  untilReady(): Promise<void>
}

/** Starts one on a directory of this name; the same name again is the same node, started anew. Kill it before the test ends. */
export const startJoiner = (cluster: Cluster, name: string, port: number, through: string, flags: readonly string[] = []): Joiner => {
  const logFile = join(cluster.directory, `${name}.log`)
  const log = openSync(logFile, 'a')
  const logStart = fstatSync(log).size
  const program = join(process.env['STARLING_ROOT'] ?? process.cwd(), 'dist/node.js')
  const child = spawn(
    process.execPath,
    [
      program, '--host', '127.0.0.1', '--port', String(port), '--join', through, '--rate-limits', 'off', '--log-format', 'json',
      '--data-dir', join(cluster.directory, name), '--secret-file', join(cluster.directory, 'cluster.secret'), ...flags
    ],
    { env: { ...process.env, ...TEST_ENV }, stdio: ['ignore', log, log] }
  )
  closeSync(log)
  const ended = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const killAtExit = (): void => void child.kill('SIGKILL')
  process.on('exit', killAtExit)
  void ended.then(() => process.off('exit', killAtExit))
  return {
    kill: async () => {
      child.kill('SIGKILL')
      await ended
    },
    stop: () => {
      child.kill('SIGTERM')
      return ended
    },
    untilReady: () => until(`${name} is ready`, () => readFileSync(logFile).subarray(logStart).includes('Ready in '), READY_LIMIT_MS)
  }
}
