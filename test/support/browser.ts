// A real Chromium for test/browser: people with a browser each, what they do on the page by the names that it has for
// readers, and a record of everything the browser complained about.

import { type Browser, type BrowserContext, type Locator, type Page, chromium } from 'playwright-core'

/** Of every Chromium that tests start. */
export const ARGUMENTS = [
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
]

/** How long a page may take to show what it should. */
export const STEP_LIMIT_MS = 10_000

export const launchBrowser = (more: readonly string[] = []): Promise<Browser> => {
  const executablePath = process.env['STARLING_BROWSER']
  if (executablePath === undefined) throw new Error('STARLING_BROWSER must name a Chromium; npm test sets it')
  return chromium.launch({ executablePath, args: [...ARGUMENTS, ...more] })
}

/** What a page complained about. `refused`: the browser's own lines about addresses that did not answer. */
export interface Complaints {
  readonly refused: string[]
  /** The browser's own lines about answers with an error status. */
  readonly answers: string[]
  /** Everything else: uncaught exceptions, CSP reports, any line on the console. Must stay empty. */
  readonly others: string[]
}

const REFUSED = /net::ERR_|WebSocket connection to|Failed to load resource: net::|FetchEvent|ERR_INTERNET_DISCONNECTED/

/** Also of a header that it passes over at an address without https. */
const ANSWERED = /the server responded with a status of [45]\d\d|Cross-Origin-Opener-Policy header has been ignored/

export const watchComplaints = (page: Page, into: Complaints = { refused: [], answers: [], others: [] }): Complaints => {
  page.on('pageerror', (error) => into.others.push(`uncaught: ${error.stack ?? error.message}`))
  page.on('crash', () => into.others.push('the page crashed'))
  page.on('console', (message) => {
    const line = `${message.type()}: ${message.text()} (${message.location().url})`
    if (REFUSED.test(line)) into.refused.push(line)
    else if (message.type() === 'error' && ANSWERED.test(line)) into.answers.push(line)
    else into.others.push(line)
  })
  return into
}

/** A person at a browser of their own (or at `context`, somebody else's). */
export interface BrowserPerson {
  readonly name: string
  readonly password: string
  readonly context: BrowserContext
  readonly page: Page
  readonly complaints: Complaints
}

export interface OpenOptions {
  readonly context?: BrowserContext
  readonly viewport?: { readonly width: number; readonly height: number }
}

export const openBrowserFor = async (
  browser: Browser,
  name: string,
  { context, viewport = { width: 1280, height: 800 } }: OpenOptions = {},
): Promise<BrowserPerson> => {
  const own = context ?? (await browser.newContext({ viewport }))
  own.setDefaultTimeout(STEP_LIMIT_MS)
  const page = await own.newPage()
  const person = { name, password: `${name}-password`, context: own, page, complaints: watchComplaints(page) }
  await page.addInitScript(() => {
    addEventListener('securitypolicyviolation', (event) => console.error(`CSP: ${event.violatedDirective} ${event.blockedURI}`))
  })
  return person
}

/** Both steps at the node `url`, as somebody new. */
export const signUp = async ({ page, name, password }: BrowserPerson, url: string): Promise<void> => {
  await page.goto(url)
  await page.getByLabel('Your name').fill(name)
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByRole('heading', { name: 'Welcome, new user!' }).waitFor()
  await page.getByLabel('Choose a password').fill(password)
  await page.getByRole('button', { name: 'Create account' }).click()
  await page.getByRole('button', { name: 'I have kept them' }).click()
  await waitForMail(page)
}

/** Both steps at the node `url`, as somebody who is back. */
export const signIn = async ({ page, name, password }: BrowserPerson, url: string): Promise<void> => {
  await page.goto(url)
  await page.getByLabel('Your name').fill(name)
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByRole('heading', { name: 'Welcome back!' }).waitFor()
  await page.getByLabel('Password', { exact: true }).fill(password)
  await page.getByRole('button', { name: 'Log in' }).click()
  await waitForMail(page)
}

/** The mail is shown and its node has been heard. */
export const waitForMail = async (page: Page, chip: RegExp = /node \d · (all saved|\d of \d up|only copy)/): Promise<void> => {
  await page.getByRole('heading', { name: /^Messages/ }).waitFor()
  await chipOf(page).filter({ hasText: chip }).waitFor()
}

export const chipOf = (page: Page): Locator => page.getByRole('button', { name: /^Connection/ })

/** The pid in the chip. */
export const readNode = async (page: Page): Promise<number> => {
  const text = await chipOf(page)
    .filter({ hasText: /node \d ·/ })
    .innerText()
  return Number(/node (\d)/.exec(text)?.[1])
}

/** Writes a draft to `to` and leaves it open. */
export const writeDraft = async (page: Page, to: string, text: string): Promise<void> => {
  await page.getByRole('button', { name: 'New draft' }).first().click()
  const draft = page.locator('li.draft').first()
  await chooseRecipient(draft, to)
  await draft.getByRole('textbox').fill(text)
}

/** The list of people is asked for anew when the field gets the focus. */
export const chooseRecipient = async (draft: Locator, to: string): Promise<void> => {
  const select = draft.getByRole('combobox', { name: 'To' })
  const option = select.getByRole('option', { name: new RegExp(`^${to}( \\(you\\))?$`) })
  const deadline = Date.now() + 10_000
  while ((await option.count()) === 0) {
    if (Date.now() > deadline) throw new Error(`${to} is not among the recipients`)
    await select.blur()
    await select.focus()
    await draft.page().waitForTimeout(250)
  }
  await select.selectOption({ label: (await option.innerText()).trim() })
}

/** Writes a message and sends it by the keyboard from inside the field. */
export const sendMessage = async (page: Page, to: string, text: string): Promise<void> => {
  await writeDraft(page, to, text)
  await page.keyboard.press('Control+Enter')
}

/** The row of a sent message. */
export const sentRow = (page: Page, text: string): Locator => page.locator('li.sent').filter({ hasText: text })

/** The line under a sent message that says where it is, once it says `words`. */
export const sentState = (page: Page, text: string, words: string | RegExp): Locator =>
  sentRow(page, text).locator('.state').filter({ hasText: words })

/** The row of a received and opened message. */
export const messageRow = (page: Page, text: string): Locator => page.getByRole('article').filter({ hasText: text })

/**
 * Waits for a message, wherever it is: what arrives while the page is between two nodes waits in the Inbox,
 * and is opened here.
 */
export const seeMessage = async (page: Page, text: string): Promise<void> => {
  const deadline = Date.now() + STEP_LIMIT_MS
  const open = page.getByRole('button', { name: /^Open \d+$/ })
  while ((await messageRow(page, text).count()) === 0) {
    if (Date.now() > deadline) throw new Error(`“${text}” is neither in Messages nor in the Inbox`)
    if ((await open.count()) > 0) await open.click({ timeout: 1000 }).catch(() => {}) // somebody else may have opened it
    await page.waitForTimeout(50)
  }
}

export const inboxCount = (page: Page, count: number): Locator => page.getByRole('heading', { name: `Inbox (${count})` })
