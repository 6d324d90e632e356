// A real Firefox for a short smoke run: its own driver speaks WebDriver BiDi over a socket (the browser is started with
// a port for it), and the few calls of it that the run needs are made here. Nothing is installed for it: where there is
// no Firefox, the run says so and is left out. STARLING_FIREFOX names one that is not in PATH.

import { type ChildProcess, spawn } from 'node:child_process'
import { accessSync, constants, existsSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { setTimeout as wait } from 'node:timers/promises'
import { WebSocket } from 'ws'

const NAMES = ['firefox-esr', 'firefox']
const START_LIMIT_MS = 30_000
const STEP_LIMIT_MS = 15_000
const POLL_MS = 50

/** The path of a Firefox, or null. Throws if STARLING_FIREFOX names none. */
export const findFirefox = (): string | null => {
  const chosen = process.env['STARLING_FIREFOX']
  if (chosen !== undefined) {
    accessSync(chosen, constants.X_OK)
    return chosen
  }
  const folders = (process.env['PATH'] ?? '').split(delimiter)
  return folders.flatMap((folder) => NAMES.map((name) => join(folder, name))).find((path) => existsSync(path)) ?? null
}

/** The browser's own lines about addresses that did not answer. */
const REFUSED = /can’t establish a connection to the server|connection to the server at .* was (refused|interrupted)|was interrupted while the page was loading|NetworkError|Cross-Origin Request Blocked|service worker/i

interface Answer {
  readonly id?: number
  readonly method?: string
  readonly params?: { readonly type?: string; readonly level?: string; readonly text?: string | null }
  readonly result?: unknown
  readonly message?: string
}

export type FirefoxPage = Awaited<ReturnType<typeof launchFirefox>>

/** Starts a Firefox with a profile of its own; its only page is driven by what this resolves to. */
export const launchFirefox = async (program: string) => {
  const profile = mkdtempSync(join(tmpdir(), 'starling-firefox-'))
  const child = spawn(program, ['--headless', '--no-remote', '--profile', profile, '--remote-debugging-port=0', 'about:blank'], {
    env: { ...process.env, HOME: profile },
    stdio: ['ignore', 'ignore', 'pipe'],
  })
  const socket = new WebSocket(`${await readAddress(child)}/session`)
  await new Promise((resolve, reject) => socket.on('open', resolve).on('error', reject))
  const waiting = new Map<number, (answer: Answer) => void>()
  /** Uncaught exceptions and lines on the console, but for those about addresses that did not answer. */
  const complaints: string[] = []
  socket.on('message', (data) => {
    const answer = JSON.parse(String(data)) as Answer
    if (answer.id !== undefined) waiting.get(answer.id)?.(answer)
    const { type, level, text } = answer.params ?? {}
    if (answer.method === 'log.entryAdded' && !REFUSED.test(text ?? '')) complaints.push(`${type} ${level}: ${text}`)
  })

  let lastId = 0
  const ask = async <Result>(method: string, params: object = {}): Promise<Result> => {
    const id = (lastId += 1)
    const answer = await new Promise<Answer>((resolve) => {
      waiting.set(id, resolve)
      socket.send(JSON.stringify({ id, method, params }))
    })
    waiting.delete(id)
    if (answer.result === undefined) throw new Error(`${method}: ${answer.message}`)
    return answer.result as Result
  }

  await ask('session.new', { capabilities: {} })
  await ask('session.subscribe', { events: ['log.entryAdded'] })
  const { contexts } = await ask<{ contexts: { context: string }[] }>('browsingContext.getTree')
  const context = contexts[0]?.context ?? ''

  /** Runs a function in the page; its arguments and its value go as JSON. */
  const evaluate = async <Value, Arguments extends readonly unknown[]>(run: (...given: Arguments) => Value, ...given: Arguments): Promise<Value> => {
    const { result, exceptionDetails } = await ask<{ result?: { value?: string }; exceptionDetails?: { text: string } }>('script.callFunction', {
      functionDeclaration: `async () => JSON.stringify((await (${run})(...${JSON.stringify(given)})) ?? null)`,
      awaitPromise: true,
      target: { context },
    })
    if (exceptionDetails !== undefined) throw new Error(exceptionDetails.text)
    return JSON.parse(result?.value ?? 'null')
  }

  const until = async <Value>(what: string, look: () => Promise<Value | null | false>): Promise<Value> => {
    const deadline = Date.now() + STEP_LIMIT_MS
    for (;;) {
      const found = await look()
      if (found !== null && found !== false) return found
      if (Date.now() > deadline) throw new Error(`Firefox does not show ${what}; it shows:\n${await evaluate(() => document.body.innerText)}`)
      await wait(POLL_MS)
    }
  }

  /** The first element that readers find by this role and name. */
  const find = (role: string, name: string): Promise<{ sharedId: string }> =>
    until(`${role} “${name}”`, async () => {
      const { nodes } = await ask<{ nodes: { sharedId: string }[] }>('browsingContext.locateNodes', { context, locator: { type: 'accessibility', value: { role, name } } })
      return nodes[0] ?? null
    })

  const press = (keys: readonly { readonly type: 'keyDown' | 'keyUp'; readonly value: string }[]): Promise<object> =>
    ask('input.performActions', { context, actions: [{ type: 'key', id: 'keyboard', actions: keys }] })

  return {
    complaints,
    evaluate,
    goto: (url: string) => ask('browsingContext.navigate', { context, url, wait: 'complete' }),
    reload: () => ask('browsingContext.reload', { context, wait: 'complete' }),
    find,
    click: async (role: string, name: string): Promise<void> => {
      const element = await find(role, name)
      const origin = { type: 'element', element }
      const actions = [{ type: 'pointerMove', x: 0, y: 0, origin }, { type: 'pointerDown', button: 0 }, { type: 'pointerUp', button: 0 }]
      await ask('input.performActions', { context, actions: [{ type: 'pointer', id: 'mouse', actions }] })
    },
    /** Types into what has the focus, a key at a time. */
    type: (text: string) => press([...text].flatMap((value) => [{ type: 'keyDown' as const, value }, { type: 'keyUp' as const, value }])),
    pressControlEnter: () =>
      press([
        { type: 'keyDown', value: '\uE009' },
        { type: 'keyDown', value: '\uE007' },
        { type: 'keyUp', value: '\uE007' },
        { type: 'keyUp', value: '\uE009' },
      ]),
    /** Waits until some element that `selector` names reads like this. */
    see: (selector: string, words: RegExp): Promise<boolean> =>
      until(`“${words.source}” in ${selector}`, () =>
        evaluate((where, source, flags) => [...document.querySelectorAll(where)].some((element) => new RegExp(source, flags).test(element.textContent ?? '')), selector, words.source, words.flags),
      ),
    close: async (): Promise<void> => {
      const ended = new Promise((resolve) => child.once('exit', resolve))
      const timer = setTimeout(() => child.kill('SIGKILL'), STEP_LIMIT_MS)
      await ask('browser.close').catch(() => child.kill('SIGKILL'))
      await ended
      clearTimeout(timer)
      socket.terminate()
      rmSync(profile, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

/** Where the driver listens, as the browser tells when it has started. */
const readAddress = (child: ChildProcess): Promise<string> =>
  new Promise((resolve, reject) => {
    let said = ''
    const timer = setTimeout(() => {
      child.kill('SIGKILL')
      reject(new Error(`Firefox did not start within ${START_LIMIT_MS / 1000} s:\n${said}`))
    }, START_LIMIT_MS)
    child.on('error', reject)
    child.on('exit', (code) => reject(new Error(`Firefox ended with code ${code}:\n${said}`)))
    child.stderr?.on('data', (data) => {
      said += String(data)
      const address = /WebDriver BiDi listening on (ws:\/\/\S+)/.exec(said)?.[1]
      if (address === undefined) return
      clearTimeout(timer)
      resolve(address)
    })
  })
