// `npm run demo` as its user runs it, without its browser.

import { type ChildProcess, spawn } from 'node:child_process'
import type { Socket } from 'node:net'
import { join } from 'node:path'
import * as assert from 'uvu/assert'
import { wait } from './cluster.ts'

export const DEMO = join(process.env['STARLING_ROOT'] ?? process.cwd(), 'scripts/demo.mjs')

/** How long a write may take after a failure is for a quiet machine to judge. */
export const PATIENT = { ...process.env, STARLING_PATIENCE: '10' }

export interface Demo {
  readonly urls: readonly string[]
  readonly control: string
  readonly token: string
  /** The address of the page with the buttons. */
  readonly page: string
  /** Ctrl-C; resolves to the exit code. */
  readonly interrupt: () => Promise<number | null>
}

/** Starts the demo and waits until it has printed its URLs. */
export const startDemo = async (directory: string): Promise<Demo> => {
  const child: ChildProcess = spawn(process.execPath, [DEMO, '--no-open', '--data-dir', directory], { stdio: ['ignore', 'pipe', 'pipe'], env: PATIENT })
  // A test that failed before Ctrl-C must not wait for a demo that nobody ends.
  for (const part of [child, child.stdout as Socket, child.stderr as Socket]) part.unref()
  process.once('exit', () => child.kill('SIGINT'))
  let output = ''
  child.stdout?.on('data', (bytes) => {
    output += bytes
  })
  child.stderr?.on('data', (bytes) => {
    output += bytes
  })
  for (let tries = 0; !output.includes('Ctrl-C stops all'); tries++) {
    if (tries > 600 || child.exitCode !== null) throw new Error(`the demo did not start:\n${output}`)
    await wait(100)
  }
  const [, port, token] = /demo=(\d+)\.([0-9a-f]+)/.exec(output) ?? []
  assert.ok(port !== undefined && token !== undefined, output)
  return {
    urls: [...output.matchAll(/^ {2}node \d +(http:\S+)/gm)].map((found) => found[1] ?? ''),
    control: `http://127.0.0.1:${port}`,
    token,
    page: /page +(\S+)/.exec(output)?.[1] ?? '',
    interrupt: () =>
      new Promise((resolve) => {
        child.ref()
        child.once('exit', (code) => resolve(code))
        child.kill('SIGINT')
      }),
  }
}
