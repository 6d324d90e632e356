// A Chromium in a process group and with a profile of its own, which can be killed like a machine that loses power, and
// opened again on what its disk has; and a profile that is copied.

import { type ChildProcess, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type Browser, type Page, chromium } from 'playwright-core'
import { ARGUMENTS, STEP_LIMIT_MS } from './browser.ts'

const START_LIMIT_MS = 30_000

export interface OwnBrowser {
  readonly page: Page
  /** SIGKILL to all of its processes. */
  kill(): Promise<void>
}

export const makeProfile = (): string => mkdtempSync(join(tmpdir(), 'starling-profile-'))

export const copyProfile = (profile: string): string => {
  const copy = makeProfile()
  cpSync(profile, copy, { recursive: true, filter: (path) => !/Singleton|DevToolsActivePort/.test(path) })
  return copy
}

export const removeProfile = (profile: string): void => rmSync(profile, { recursive: true, force: true, maxRetries: 5 })

export const openOwnBrowser = async (profile: string): Promise<OwnBrowser> => {
  const program = process.env['STARLING_BROWSER']
  if (program === undefined) throw new Error('STARLING_BROWSER must name a Chromium; npm test sets it')
  const child = spawn(program, [...ARGUMENTS, '--headless', '--window-size=1280,800', '--remote-debugging-port=0', `--user-data-dir=${profile}`, 'about:blank'], { detached: true, stdio: ['ignore', 'ignore', 'pipe'] })
  const ended = new Promise((resolve) => child.once('exit', resolve))
  const kill = async (): Promise<void> => {
    if (child.exitCode === null && child.signalCode === null && child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
    await ended
    process.off('exit', killAtExit)
  }
  const killAtExit = (): void => void child.kill('SIGKILL')
  process.once('exit', killAtExit)
  const browser: Browser = await chromium.connectOverCDP(await readAddress(child))
  const [context] = browser.contexts()
  if (context === undefined) throw new Error('a browser without a context')
  context.setDefaultTimeout(STEP_LIMIT_MS)
  return { page: context.pages()[0] ?? (await context.newPage()), kill }
}

const readAddress = (child: ChildProcess): Promise<string> =>
  new Promise((resolve, reject) => {
    let said = ''
    const timer = setTimeout(() => reject(new Error(`Chromium did not start within ${START_LIMIT_MS / 1000} s:\n${said}`)), START_LIMIT_MS)
    child.on('error', reject)
    child.on('exit', (code) => reject(new Error(`Chromium ended with code ${code}:\n${said}`)))
    child.stderr?.on('data', (data) => {
      said += String(data)
      const address = /DevTools listening on (ws:\/\/\S+)/.exec(said)?.[1]
      if (address === undefined) return
      clearTimeout(timer)
      resolve(address)
    })
  })
