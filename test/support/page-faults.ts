// Faults of the browser (FAULTS C1 to C11), played with real Chromiums against real nodes: what is killed, taken away, copied
// or set wrong here is the browser, its tabs, its disk and its clock. Each play resolves to what broke, as findings; people at
// the other end are read by calls to a node.

import type { Browser, BrowserContext, Page } from 'playwright-core'
import { until } from './asking.ts'
import { type BrowserPerson, openBrowserFor, sendMessage, sentRow, sentState, signIn, signUp, waitForMail, writeDraft } from './browser.ts'
import { type Cluster, type Person, call, newMessageId, wait } from './cluster.ts'
import { copyProfile, makeProfile, openOwnBrowser, removeProfile } from './own-browser.ts'

const COME_LIMIT_MS = 30_000
/** A second copy, if there is one to come, comes with what the page sends when it is connected. */
const SECOND_COPY_MS = 300

export interface Mail {
  readonly id: string
  readonly text: string
  readonly sentAt: string
}

/** Everything that a person has got so far, in the order of the Inbox, opened at any node that answers. */
export const readMail = async (cluster: Cluster, person: Person): Promise<Mail[]> => {
  for (const pid of cluster.livePids()) {
    const { status } = await call(cluster.at(pid), 'POST', '/api/inbox/open', { token: person.token, body: { count: 1000 }, timeoutMs: 5000 })
    if (status !== 200) continue
    const all: Mail[] = []
    for (let before = ''; ; ) {
      const { body } = await call(cluster.at(pid), 'GET', `/api/messages?limit=200${before}`, { token: person.token, timeoutMs: 5000 })
      all.push(...(body?.messages ?? []))
      if (body?.next === null || body?.next === undefined) return all.sort(byAge)
      before = `&before=${encodeURIComponent(body.next)}`
    }
  }
  return []
}

const byAge = (a: Mail, b: Mail): number => Date.parse(a.sentAt) - Date.parse(b.sentAt) || (a.id < b.id ? -1 : 1)

/** What is wrong with how often each of these texts came to `person`; waits for those that are not there yet. */
const judgeCopies = async (cluster: Cluster, person: Person, texts: readonly string[]): Promise<string[]> => {
  const countsOf = async (): Promise<Map<string, number>> => {
    const counts = new Map<string, number>()
    for (const { text } of await readMail(cluster, person)) counts.set(text, (counts.get(text) ?? 0) + 1)
    return counts
  }
  const deadline = Date.now() + COME_LIMIT_MS
  while (Date.now() < deadline) {
    const counts = await countsOf()
    if (texts.every((text) => counts.has(text))) break
    await wait(100)
  }
  await wait(SECOND_COPY_MS)
  const counts = await countsOf()
  return texts.flatMap((text) => (counts.get(text) === 1 ? [] : [`“${text}” is there ${counts.get(text) ?? 0} times`]))
}

/** What is looked at here is what happens, not how soon: the machine may have other work. */
const openPatiently = async (browser: Browser, name: string): Promise<BrowserPerson> => {
  const person = await openBrowserFor(browser, name)
  person.context.setDefaultTimeout(COME_LIMIT_MS)
  return person
}

const personOf = (page: Page, name: string): BrowserPerson => ({ name, password: `${name}-password`, page, context: page.context(), complaints: { refused: [], answers: [], others: [] } })

/** Looks whether a text became a message of this page; opens and sends it if it is a draft still. */
const sendIfDraft = async (page: Page, text: string): Promise<'sent' | 'draft' | 'lost'> => {
  const draft = page.locator('li.draft').filter({ hasText: text })
  for (let tries = 0; tries < 40; tries += 1) {
    if ((await sentRow(page, text).count()) > 0) return 'sent'
    if ((await draft.count()) > 0) {
      await draft.getByRole('button', { name: /^Edit/ }).click()
      await page.locator('li.draft textarea').first().press('Control+Enter')
      await sentRow(page, text).waitFor()
      return 'draft'
    }
    await wait(50)
  }
  return 'lost'
}

// ---- C1

/** Where in sending the browser dies. */
export const SENDING_STEPS = ['key pressed', 'on disk', 'node frozen', 'about to be answered', 'stored'] as const
export type SendingStep = (typeof SENDING_STEPS)[number]

const UNSTEADY_MS = 40
const FROZEN_MS = 150

/** Kills the browser at each of these steps of sending, each time on the profile that the last one left. */
export const playBrowserKills = async (cluster: Cluster, steps: readonly SendingStep[]): Promise<{ readonly findings: string[]; readonly wereDrafts: number }> => {
  const ben = await cluster.createPerson(1, 'ben')
  const profile = makeProfile()
  const findings: string[] = []
  let wereDrafts = 0
  let browser = await openOwnBrowser(profile)
  try {
    await signUp(personOf(browser.page, 'ana'), cluster.at(0).url)
    for (const [place, step] of steps.entries()) {
      const text = `${step} ${place}`
      const partMs = (place * UNSTEADY_MS) / steps.length
      const { page } = browser
      await writeDraft(page, 'ben', text)
      await wait(KEPT_MS) // the draft is on this device's disk before anything is pressed
      if (step === 'on disk') await page.evaluate(() => Object.assign(WebSocket.prototype, { send: () => {} }))
      if (step === 'node frozen') for (const pid of cluster.pids) cluster.freeze(pid)
      const pressed = page.keyboard.press('Control+Enter').catch(() => {}) // the browser may be gone before it answers
      if (step === 'key pressed') await wait(partMs / 4)
      else {
        await pressed
        if (step === 'about to be answered') await wait(partMs)
        if (step === 'on disk') await sentState(page, text, /^Waiting/).waitFor()
        if (step === 'node frozen') await wait(FROZEN_MS)
        if (step === 'stored') await sentState(page, text, /^Stored/).waitFor()
      }
      await browser.kill()
      await pressed
      if (step === 'node frozen') for (const pid of cluster.pids) cluster.thaw(pid)
      browser = await openOwnBrowser(profile)
      await comeBack(browser.page, cluster)
      const became = await sendIfDraft(browser.page, text)
      if (became === 'lost') findings.push(`“${text}” is neither a draft nor sent`)
      if (became === 'draft') wereDrafts += 1
      findings.push(...(await judgeCopies(cluster, ben, [text])))
      const rows = await sentRow(browser.page, text).count()
      if (rows !== 1) findings.push(`“${text}” is in Sent ${rows} times`)
    }
  } finally {
    await browser.kill()
    removeProfile(profile)
  }
  return { findings, wereDrafts }
}

const KEPT_MS = 300

/** Chromium writes localStorage seconds later: whoever is killed just after signing in has to do it again. */
const comeBack = async (page: Page, cluster: Cluster): Promise<void> => {
  page.context().setDefaultTimeout(COME_LIMIT_MS)
  await page.goto(cluster.at(0).url)
  await page.locator('#messages-heading').or(page.getByLabel('Your name')).first().waitFor()
  if ((await page.getByLabel('Your name').count()) > 0) await signIn(personOf(page, 'ana'), cluster.at(0).url)
  else await waitForMail(page, /node \d/)
}

// ---- C2

/**
 * Makes the open sockets of a page deaf for good when told, so that a node stores what it sent and the page never hears so.
 * Those opened later hear: a stream that lost something in its middle and goes on is nothing that TCP does.
 */
const makeDeafable = async (page: Page): Promise<void> => {
  await page.addInitScript(() => {
    const Native = WebSocket
    const deaf = new Set<WebSocket>()
    const open = new Set<WebSocket>()
    Object.assign(globalThis, {
      goDeaf: () => {
        for (const socket of open) deaf.add(socket)
      },
    })
    globalThis.WebSocket = class extends Native {
      constructor(...address: ConstructorParameters<typeof WebSocket>) {
        super(...address)
        open.add(this)
        this.addEventListener('message', (event) => deaf.has(this) && event.stopImmediatePropagation())
      }
    }
  })
}

/** The node of the page stores a message and dies before the page hears so, `count` times. */
export const playLostAnswers = async (cluster: Cluster, browser: Browser, count: number): Promise<{ readonly findings: string[] }> => {
  const ben = await cluster.createPerson(1, 'ben')
  const ana = await openPatiently(browser, 'ana')
  const { page } = ana
  await makeDeafable(page)
  await signUp(ana, cluster.at(0).url)
  const findings: string[] = []
  for (let place = 0; place < count; place += 1) {
    const text = `unheard ${place}`
    await writeDraft(page, 'ben', text)
    await waitForMail(page, /node \d/)
    const pid = Number(/node (\d)/.exec((await page.locator('.chip').textContent()) ?? '')?.[1])
    await page.evaluate(() => (globalThis as unknown as { goDeaf: () => void }).goDeaf())
    await page.keyboard.press('Control+Enter')
    await until('it is stored', async () => (await readMail(cluster, ben)).some((message) => message.text === text))
    if (!/Waiting/.test((await sentRow(page, text).locator('.state').textContent()) ?? '')) findings.push(`“${text}”: the page knew of its copy already`)
    await cluster.kill(pid)
    await sentState(page, text, /^(Stored|Opened)/).waitFor()
    findings.push(...(await judgeCopies(cluster, ben, [text])))
    await cluster.revive(pid)
  }
  if (ana.complaints.others.length > 0) findings.push(...ana.complaints.others)
  await ana.context.close()
  return { findings }
}

// ---- C3, C7: time

const shiftClock = async (context: BrowserContext, byMs: number): Promise<void> => {
  await context.addInitScript((ms) => {
    const RealDate = Date
    const { now } = Date
    globalThis.Date = new Proxy(RealDate, {
      construct: (target, parts: unknown[]) => Reflect.construct(target, parts.length === 0 ? [now() + ms] : parts),
      get: (target, name) => (name === 'now' ? () => now() + ms : Reflect.get(target, name)),
    })
  }, byMs)
}

/** `count` drafts are edited and sent while no node answers; the page and the nodes meet again after `awayMs` by all clocks. */
export const playAbsence = async (cluster: Cluster, browser: Browser, count: number, awayMs: number, setNodeClocks: (byMs: number) => void): Promise<{ readonly findings: string[] }> => {
  const ben = await cluster.createPerson(1, 'ben')
  const ana = await openPatiently(browser, 'ana')
  const { page, context } = ana
  await signUp(ana, cluster.at(0).url)
  const token = await tokenOf(page)
  for (let place = 0; place < count; place += 1) {
    const id = newMessageId()
    const { status, body } = await call(cluster.at(0), 'PUT', `/api/drafts/${id}`, { token, body: { to: ['ben'], text: `draft ${place}` } })
    if (status >= 300) throw new Error(`draft ${place}: ${status} ${JSON.stringify(body)}`)
  }
  await page.getByRole('heading', { name: `Drafts (${count})` }).waitFor()
  await waitForMail(page, /all saved/)
  await Promise.all(cluster.livePids().map((pid) => cluster.kill(pid)))
  await page.getByText('You are offline').waitFor()
  // Some are edited, all are sent.
  for (const place of [0, Math.floor(count / 2), count - 1]) {
    const draft = page.locator('li.draft').nth(place)
    await draft.getByRole('button', { name: /^Edit/ }).click()
    await draft.getByRole('textbox').press('End')
    await page.keyboard.type(', edited')
    await draft.getByRole('button', { name: 'Save' }).click()
  }
  await page.getByRole('checkbox', { name: 'Select all' }).check()
  await page.getByRole('button', { name: `Send ${count}` }).click()
  await page.getByRole('heading', { name: `Sent & outbox (${count})` }).waitFor()
  const rowsOf = (where: Page): Promise<string[]> => where.locator('li.sent').evaluateAll((rows) => rows.map((row) => row.querySelector('[title]')?.getAttribute('title') ?? ''))
  const queued = await rowsOf(page)
  await page.locator('li.sent .state').first().filter({ hasText: /^Waiting/ }).waitFor() // all of it is on this device's disk
  await page.close()

  await shiftClock(context, awayMs)
  setNodeClocks(awayMs)
  const later = { ...ana, page: await context.newPage() }
  await Promise.all(cluster.pids.map((pid) => cluster.revive(pid)))
  await later.page.goto(cluster.at(0).url)
  // After a month the session may be over; what was written is kept for whoever signs in again.
  const field = later.page.locator('input[type=password]')
  const chip = later.page.locator('.chip').filter({ hasText: /node \d · / })
  await until('the node has said whom it takes this for', async () => (await field.count()) + (await chip.count()) > 0)
  const isAsked = (await field.count()) > 0
  if (isAsked) {
    await later.page.getByLabel('Password', { exact: true }).fill(ana.password)
    await later.page.getByRole('button', { name: 'Log in' }).click()
  }
  await waitForMail(later.page, /node \d/)
  const findings: string[] = []
  const benNow = isAsked ? await signInByCall(cluster, ben) : ben
  const deadline = Date.now() + ALL_LIMIT_MS
  while (Date.now() < deadline && (await readMail(cluster, benNow)).length < count) await wait(LOOK_MS)
  await wait(SECOND_COPY_MS)
  const came = await readMail(cluster, benNow)
  const texts = came.map(({ text }) => text)
  if (texts.length !== count || new Set(texts).size !== count) findings.push(`${texts.length} messages came, ${new Set(texts).size} different ones, of ${count}`)
  if (texts.filter((text) => text.endsWith(', edited')).length !== 3) findings.push('what was edited offline is not among what came')
  const shown = await rowsOf(later.page)
  if (shown.join() !== queued.join()) findings.push('Sent has another order than the outbox had')
  if (texts.slice(-queued.length).reverse().join() !== queued.join()) findings.push('ben has them in another order than the outbox had')
  await context.close()
  return { findings }
}

const ALL_LIMIT_MS = 90_000
/** To look at hundreds of messages is work for the node that takes them in. */
const LOOK_MS = 1000

const tokenOf = (page: Page): Promise<string> => page.evaluate(() => (JSON.parse(localStorage.getItem('starling.accounts') ?? '[]') as { token: string }[])[0]?.token ?? '')

const signInByCall = async (cluster: Cluster, person: Person): Promise<Person> => {
  const { status, body } = await call(cluster.at(0), 'POST', '/api/sessions', { body: { name: person.name, password: person.password }, timeoutMs: 10_000 })
  if (status !== 201) throw new Error(`signing in ${person.name}: ${status} ${JSON.stringify(body)}`)
  return { ...person, token: body.session.token }
}

/** A device whose clock is wrong by `byMs` sends between messages that others send. */
export const playWrongClock = async (cluster: Cluster, browser: Browser, count: number, byMs: number): Promise<{ readonly findings: string[] }> => {
  const ben = await cluster.createPerson(1, 'ben')
  const ana = await openPatiently(browser, 'ana')
  await shiftClock(ana.context, byMs)
  await signUp(ana, cluster.at(0).url)
  const { page } = ana
  const expected: string[] = []
  for (let place = 0; place < count; place += 1) {
    await sendMessage(page, 'ana', `by the page ${place}`)
    await sentState(page, `by the page ${place}`, /^(Stored|Opened)/).waitFor()
    await call(cluster.at(1), 'POST', '/api/messages', { token: ben.token, body: { id: newMessageId(), to: ['ana'], text: `by ben ${place}` } })
    await page.locator('article.row').filter({ hasText: `by ben ${place}` }).waitFor()
    expected.push(`by the page ${place}`, `by ben ${place}`)
  }
  const findings: string[] = []
  await page.reload()
  await waitForMail(page)
  const shown = await page.locator('article.row .text').allInnerTexts()
  if (shown.join() !== [...expected].reverse().join()) findings.push(`shown in the order ${shown.join(', ')}`)
  const own = await readMail(cluster, { ...ben, token: await tokenOf(page) })
  if (own.map(({ text }) => text).join() !== expected.join()) findings.push(`the nodes have the order ${own.map(({ text }) => text).join(', ')}`)
  const offMs = Math.max(...own.map(({ sentAt }) => Math.abs(Date.parse(sentAt) - Date.now())))
  if (!(offMs < SANE_MS)) findings.push(`a message says that it was sent ${Math.round(offMs / 1000)} s off`)
  await ana.context.close()
  return { findings }
}

const SANE_MS = 5 * 60_000

// ---- C6, C8, C9: several tabs, an ended session, a copied profile

const killAll = async (cluster: Cluster): Promise<void> => void (await Promise.all(cluster.livePids().map((pid) => cluster.kill(pid))))
const reviveAll = async (cluster: Cluster): Promise<void> => void (await Promise.all(cluster.pids.map((pid) => cluster.revive(pid))))

/** `tabs` tabs of one account with one outbox, without a node; the one that wrote into it goes, then the nodes come. */
export const playTabs = async (cluster: Cluster, browser: Browser, tabs: number, label: string): Promise<{ readonly findings: string[] }> => {
  const ben = await cluster.createPerson(1, `ben-${label}`)
  const ana = await openPatiently(browser, `ana-${label}`)
  await signUp(ana, cluster.at(0).url)
  const others = await Promise.all(
    Array.from({ length: tabs - 1 }, async () => {
      const page = await ana.context.newPage()
      await page.goto(cluster.at(0).url)
      await waitForMail(page)
      return page
    }),
  )
  // One draft, sent from two tabs at once.
  await writeDraft(ana.page, ben.name, 'pressed twice')
  const [second] = others
  if (second === undefined) throw new Error('two tabs at least')
  await second.locator('li.draft').filter({ hasText: 'pressed twice' }).getByRole('button', { name: /^Edit/ }).click()
  await second.locator('li.draft textarea').focus()
  await Promise.all([ana.page.keyboard.press('Control+Enter'), second.keyboard.press('Control+Enter')])
  const findings = await judgeCopies(cluster, ben, ['pressed twice'])
  await killAll(cluster)
  await ana.page.getByText('You are offline').waitFor()
  await sendMessage(ana.page, ben.name, 'from the tab that dies')
  await Promise.all(others.map((page) => sentRow(page, 'from the tab that dies').waitFor()))
  await ana.page.close()
  await reviveAll(cluster)
  findings.push(...(await judgeCopies(cluster, ben, ['from the tab that dies'])))
  await ana.context.close()
  return { findings }
}

/** The session of a page with `count` messages in its outbox ends while it is away. */
export const playEndedSession = async (cluster: Cluster, browser: Browser, count: number): Promise<{ readonly findings: string[] }> => {
  const ben = await cluster.createPerson(1, 'ben')
  const ana = await openPatiently(browser, 'ana')
  await signUp(ana, cluster.at(0).url)
  const token = await tokenOf(ana.page)
  await killAll(cluster)
  await ana.page.getByText('You are offline').waitFor()
  const texts = Array.from({ length: count }, (_, place) => `queued ${place}`)
  for (const text of texts) await sendMessage(ana.page, 'ben', text)
  await wait(KEPT_MS)
  await ana.page.close()
  await reviveAll(cluster)
  const { status } = await call(cluster.at(0), 'DELETE', '/api/sessions/current', { token, timeoutMs: 10_000 })
  const page = await ana.context.newPage()
  await page.goto(cluster.at(0).url)
  await page.getByLabel('Password', { exact: true }).fill(ana.password)
  await page.getByRole('button', { name: 'Log in' }).click()
  await waitForMail(page)
  const findings = status >= 300 ? [`the session could not be ended: ${status}`] : []
  findings.push(...(await judgeCopies(cluster, ben, texts)))
  const order = (await readMail(cluster, ben)).map(({ text }) => text)
  if (order.join() !== texts.join()) findings.push(`they came in the order ${order.join(', ')}`)
  await ana.context.close()
  return { findings }
}

/** A profile with `count` messages in its outbox is copied, and both go on. */
export const playClonedProfile = async (cluster: Cluster, count: number): Promise<{ readonly findings: string[] }> => {
  const ben = await cluster.createPerson(1, 'ben')
  const profile = makeProfile()
  let copy: string | null = null
  const first = await openOwnBrowser(profile)
  try {
    await signUp(personOf(first.page, 'ana'), cluster.at(0).url)
    await killAll(cluster)
    await first.page.getByText('You are offline').waitFor()
    const texts = Array.from({ length: count }, (_, place) => `cloned ${place}`)
    for (const text of texts) await sendMessage(first.page, 'ben', text)
    await wait(KEPT_MS)
    await first.kill()
    copy = copyProfile(profile)
    const both = await Promise.all([openOwnBrowser(profile), openOwnBrowser(copy)])
    await reviveAll(cluster)
    try {
      await Promise.all(both.map(({ page }) => comeBack(page, cluster)))
      // Both write on: nothing of one may hide what the other wrote.
      await sendMessage(both[0].page, 'ben', 'by the first')
      await sendMessage(both[1].page, 'ben', 'by the copy')
      return { findings: await judgeCopies(cluster, ben, [...texts, 'by the first', 'by the copy']) }
    } finally {
      await Promise.all(both.map((browser) => browser.kill()))
    }
  } finally {
    await first.kill()
    removeProfile(profile)
    if (copy !== null) removeProfile(copy)
  }
}

// ---- C11

/** Messages come while one node hears nothing of the others; then only that one is left. The page never counts back. */
export const playLaggingNode = async (cluster: Cluster, browser: Browser, count: number): Promise<{ readonly findings: string[] }> => {
  const ben = await cluster.createPerson(1, 'ben')
  const ana = await openPatiently(browser, 'ana')
  await signUp(ana, cluster.at(0).url)
  await waitForMail(ana.page, /all saved/)
  for (const pid of [0, 1]) cluster.partition(pid, 2)
  for (let place = 0; place < count; place += 1) {
    await call(cluster.at(0), 'POST', '/api/messages', { token: ben.token, body: { id: newMessageId(), to: ['ana'], text: `news ${place}` }, timeoutMs: 15_000 })
  }
  const countOf = (page: Page): Promise<number> =>
    page.evaluate(() => ['inbox-heading', 'messages-heading'].reduce((sum, id) => sum + Number(/\((\d+)\)/.exec(document.getElementById(id)?.textContent ?? '')?.[1] ?? Number.NaN), 0))
  await until('all of it is shown', async () => (await countOf(ana.page)) === count)
  const counts = ana.page.evaluate(
    (ms) =>
      new Promise<number[]>((resolve) => {
        const seen: number[] = []
        const look = (): void => void seen.push(['inbox-heading', 'messages-heading'].reduce((sum, id) => sum + Number(/\((\d+)\)/.exec(document.getElementById(id)?.textContent ?? '')?.[1] ?? 0), 0))
        const observer = new MutationObserver(look)
        observer.observe(document.body, { subtree: true, childList: true, characterData: true })
        setTimeout(() => {
          look()
          observer.disconnect()
          resolve(seen)
        }, ms)
      }),
    LAG_MS,
  )
  await Promise.all([cluster.kill(0), cluster.kill(1)])
  await ana.page.locator('.chip').filter({ hasText: /node 2/ }).waitFor()
  const least = Math.min(...(await counts))
  const findings = least < count ? [`the page showed ${least} of ${count} for a moment`] : []
  for (const pid of [0, 1]) cluster.healLink(pid, 2)
  await Promise.all([cluster.revive(0), cluster.revive(1)])
  await ana.page.reload()
  await waitForMail(ana.page)
  await until('all of it is shown again', async () => (await countOf(ana.page)) === count).catch((error: Error) => findings.push(error.message))
  await ana.context.close()
  return { findings }
}

const LAG_MS = 8000
