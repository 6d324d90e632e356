// A mailbox of 5,000 messages: how soon the list is painted from disk, how soon a key shows, what typing costs while
// another device types into the same draft. The figures are printed; only what is far beyond the promise fails, since
// the machine may be busy.
// deadline: 600 s

import type { Browser, Page } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type BrowserPerson, launchBrowser, openBrowserFor, signIn, signUp, waitForMail, writeDraft } from '../support/browser.ts'
import { type Cluster, type Person, call, newMessageId, startCluster } from '../support/cluster.ts'

const MESSAGES = 5000
const AT_ONCE = 32
const PROMISED_KEY_MS = 50
const PROMISED_LIST_MS = 150
/** A machine with other work is slower by this much at most, or something is wrong with the page. */
const BUSY = 10
const TYPING_MS = 60_000

const test = suite<{ cluster: Cluster; browser: Browser; ana: BrowserPerson; ben: Person }>('large')

test.before(async (context) => {
  context.cluster = await startCluster()
  context.browser = await launchBrowser()
  context.ana = await openBrowserFor(context.browser, 'ana')
  context.ben = await context.cluster.createPerson(1, 'ben')
})

test.after(async ({ browser, cluster }) => {
  await browser.close()
  await cluster.close()
})

const medianOf = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length / 2)] ?? 0
const highOf = (numbers: readonly number[]): number => [...numbers].sort((a, b) => a - b)[Math.floor(numbers.length * 0.95)] ?? 0

const fill = async (cluster: Cluster, ben: Person): Promise<void> => {
  let next = 0
  const worker = async (): Promise<void> => {
    for (let place = next++; place < MESSAGES; place = next++) {
      const body = { id: newMessageId(), to: ['ana'], text: `Message number ${place}: are we still on for Friday? I can get off at four.` }
      const { status } = await call(cluster.at(1), 'POST', '/api/messages', { token: ben.token, body, timeoutMs: 30_000 })
      if (status !== 201) throw new Error(`message ${place}: ${status}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, worker))
}

/** From a key press to the end of the frame that shows what it did, by the page's own clock. */
const timeKeys = async (page: Page, keys: readonly string[]): Promise<number[]> => {
  await page.evaluate(() => {
    const times: number[] = []
    Object.assign(globalThis, { keyTimes: times })
    addEventListener('keydown', ({ timeStamp }) => requestAnimationFrame(() => setTimeout(() => times.push(performance.now() - timeStamp))), true)
  })
  for (const key of keys) {
    await page.keyboard.press(key)
    await page.waitForTimeout(120)
  }
  return page.evaluate(() => (globalThis as unknown as { keyTimes: number[] }).keyTimes)
}

test('[29] with 5,000 messages in view a key shows within 50 ms, and the list is there from disk within 150 ms', async ({ ana, ben, cluster }) => {
  const { page } = ana
  await signUp(ana, cluster.at(0).url)
  await page.goto('about:blank')
  await fill(cluster, ben)
  await page.goto(cluster.at(0).url)
  await page.getByRole('button', { name: /^Open/ }).waitFor({ timeout: 30_000 })
  await page.getByRole('combobox', { name: 'How many' }).selectOption('all')
  await page.getByRole('button', { name: `Open ${MESSAGES}` }).click()
  await page.getByRole('heading', { name: `Messages (${MESSAGES})` }).waitFor({ timeout: 60_000 })
  await waitForMail(page, /all saved/).catch(() => waitForMail(page, /all saved/))

  // Everything is opened, so that the most is drawn.
  const more = page.getByRole('button', { name: /^Show \d+ more$/ })
  await page.locator('article.row').first().focus()
  const few = await timeKeys(page, ['r', 'j', 'r', 'j', 'r', 'j', 'r', 'j', 'k', 'k', 'r', 'j', 'j', 'j', 'r', 'j', 'r'])
  while ((await more.count()) > 0) await more.click()
  const rows = await page.locator('article.row').count()
  await page.locator('article.row').first().focus()
  const many = await timeKeys(page, ['r', 'j', 'r', 'j', 'r', 'j', 'r', 'j', 'k', 'k', 'r', 'j', 'j', 'j', 'r', 'j', 'r'])
  console.log(`    5,000 messages, the first 200 drawn: key to paint median ${medianOf(few).toFixed(0)}, 95 % ${highOf(few).toFixed(0)} ms`)
  console.log(`    5,000 messages, all ${rows} drawn: key to paint median ${medianOf(many).toFixed(0)}, 95 % ${highOf(many).toFixed(0)} ms; promised ${PROMISED_KEY_MS}`)
  assert.ok(medianOf(few) < PROMISED_KEY_MS * BUSY)

  const times: number[] = []
  const loaded: number[] = []
  for (let round = 0; round < 5; round += 1) {
    await page.reload()
    await page.locator('article.row').first().waitFor()
    await page.waitForFunction(() => performance.getEntriesByName('starling-loaded').length > 0)
    const [list, all] = await page.evaluate(() => ['starling-list', 'starling-loaded'].map((name) => performance.getEntriesByName(name)[0]?.startTime ?? Number.NaN))
    times.push(list ?? Number.NaN)
    loaded.push(all ?? Number.NaN)
  }
  const script = await page.evaluate(() => performance.getEntriesByName('starling-start')[0]?.startTime ?? Number.NaN)
  console.log(`    5,000 messages: list painted from disk ${medianOf(times).toFixed(0)} ms after navigation, from the documents ${medianOf(loaded).toFixed(0)}, the script began at ${script.toFixed(0)}; promised ${PROMISED_LIST_MS}`)
  assert.ok(medianOf(times) < PROMISED_LIST_MS * BUSY * 2)
})

test('typing while another device types into the same draft: no key is dropped', async ({ ana, browser, cluster }) => {
  await writeDraft(ana.page, 'ben', '')
  const other = await openBrowserFor(browser, 'ana')
  await signIn(other, cluster.at(2).url)
  await other.page.locator('li.draft').first().getByRole('button', { name: /^Edit/ }).click()
  const fields = [ana.page, other.page].map((page) => page.locator('li.draft textarea').first())
  await fields[0]?.focus()
  await fields[1]?.focus()
  const untilMs = Date.now() + TYPING_MS
  const typed = [0, 0]
  const type = async (page: Page, place: 0 | 1, letter: string): Promise<void> => {
    while (Date.now() < untilMs) {
      await page.keyboard.type(letter)
      typed[place] = (typed[place] ?? 0) + 1
      await page.waitForTimeout(40)
    }
  }
  await Promise.all([type(ana.page, 0, 'a'), type(other.page, 1, 'b')])
  const total = (typed[0] ?? 0) + (typed[1] ?? 0)
  for (const page of [ana.page, other.page]) await page.waitForFunction((count) => document.querySelector('textarea')?.value.length === count, total)
  const texts = await Promise.all(fields.map((field) => field.inputValue()))
  assert.is(texts[0], texts[1])
  assert.equal([texts[0]?.replaceAll('b', '').length, texts[0]?.replaceAll('a', '').length], typed)
  console.log(`    ${TYPING_MS / 1000} s of typing on two devices into one draft: ${typed.join(' and ')} keys, none dropped`)
  await other.context.close()
})

test('[27] nothing of ours was said on the console', ({ ana }) => {
  assert.equal(ana.complaints.others, [])
})

test.run()
