// The points of acceptance that have no home in another file: password managers, read marks through everything, sending
// some of several drafts, zoom, colours forced by the system, motion switched off, what is searched for and taken away.
// deadline: 200 s

import { readFileSync } from 'node:fs'
import type { Browser, Page } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type BrowserPerson,
  chipOf,
  chooseRecipient,
  launchBrowser,
  messageRow,
  openBrowserFor,
  readNode,
  seeMessage,
  sentState,
  signIn,
  signUp,
  waitForMail,
} from '../support/browser.ts'
import { type Cluster, type Person, call, newMessageId, startCluster } from '../support/cluster.ts'
import { findFaults, overflowOf } from '../support/page-checks.ts'

const test = suite<{ cluster: Cluster; browser: Browser; ana: BrowserPerson; ben: Person }>('acceptance')

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

const PATHS = ['/', '/drafts', '/sent', '/cluster', '/settings', '/help'] as const

const go = (page: Page, path: string): Promise<void> =>
  page.evaluate((to) => {
    history.pushState(null, '', to)
    dispatchEvent(new PopStateEvent('popstate'))
  }, path)

const sendTo = async (cluster: Cluster, from: Person, to: string, text: string): Promise<void> => {
  const { status } = await call(cluster.at(1), 'POST', '/api/messages', { token: from.token, body: { id: newMessageId(), to: [to], text }, timeoutMs: 10_000 })
  assert.is(status, 201)
}

test('[2] password managers find the name and the password, old and new', async ({ ana, cluster }) => {
  const { page } = ana
  await page.goto(cluster.at(0).url)
  const attributes = (selector: string) =>
    page.locator(selector).evaluateAll((fields) => fields.map((field) => `${field.getAttribute('type') ?? 'text'} ${field.getAttribute('autocomplete')}`))
  assert.equal(await attributes('form input'), ['text username'])
  await page.getByLabel('Your name').fill('ana')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Welcome, new user!' }).waitFor()
  assert.equal(await attributes('form input'), ['text username', 'password new-password'])
  assert.is(await page.locator('form input[autocomplete=username]').inputValue(), 'ana')
  await page.getByRole('button', { name: 'Change name' }).or(page.getByRole('button', { name: /Not ana/ })).click()
  await page.getByLabel('Your name').fill('ben')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Welcome back!' }).waitFor()
  assert.equal(await attributes('form input'), ['text username', 'password current-password'])
})

test('[5] a read mark survives leaving, another device and the death of the node it was made at', async ({ ana, ben, browser, cluster }) => {
  const { page } = ana
  await signUp(ana, cluster.at(0).url)
  await sendTo(cluster, ben, 'ana', 'read me once')
  await seeMessage(page, 'read me once')
  const node = await readNode(page)
  await messageRow(page, 'read me once').getByRole('checkbox', { name: 'Read' }).check()
  await waitForMail(page, /all saved/)
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByLabel('Your name').waitFor()
  await cluster.kill(node)
  const other = await openBrowserFor(browser, 'ana')
  await signIn(other, cluster.at((node + 1) % 3).url)
  await messageRow(other.page, 'read me once').and(other.page.locator(':not(.unread)')).waitFor()
  assert.ok(await messageRow(other.page, 'read me once').getByRole('checkbox', { name: 'Read' }).isChecked())
  await other.context.close()
  await cluster.revive(node)
  await signIn(ana, cluster.at(node).url)
  await messageRow(page, 'read me once').and(page.locator(':not(.unread)')).waitFor()
})

test('[10] of three selected drafts two go out, and the one without a recipient stays and says so', async ({ ana }) => {
  const { page } = ana
  for (const text of ['goes out', 'goes out too', 'nobody chosen']) {
    await page.getByRole('button', { name: 'New draft' }).first().click()
    const draft = page.locator('li.draft').first()
    if (text !== 'nobody chosen') await chooseRecipient(draft, 'ben')
    await draft.getByRole('textbox').fill(text)
  }
  await page.getByRole('checkbox', { name: 'Select all' }).check()
  await page.getByRole('button', { name: 'Send 3' }).click()
  await page.getByRole('status').filter({ hasText: '2 sent. 1 draft still needs a recipient.' }).waitFor()
  await page.getByText('Choose who this goes to.').waitFor()
  for (const text of ['goes out too', 'goes out']) await sentState(page, text, /Stored/).first().waitFor()
  assert.is(await page.locator('li.draft').count(), 1)
  await page.getByRole('button', { name: /^Discard draft/ }).click()
})

test('[25] at 200 % zoom nothing scrolls sideways and everything is there', async ({ browser, ana }) => {
  // A window of 1280 at 200 % is one of 640 with twice the pixels.
  const context = await browser.newContext({ viewport: { width: 640, height: 400 }, deviceScaleFactor: 2 })
  const zoomed = await openBrowserFor(browser, 'ana', { context })
  await signIn(zoomed, ana.page.url())
  for (const path of PATHS) {
    await go(zoomed.page, path)
    await zoomed.page.locator('#content').waitFor()
    await zoomed.page.waitForTimeout(200)
    assert.ok((await overflowOf(zoomed.page)) <= 0, `${path} is too wide`)
    assert.equal(await findFaults(zoomed.page), [], path)
  }
  await context.close()
})

test('[26] colours forced by the system and motion switched off: everything is told apart, nothing moves', async ({ ana }) => {
  const { page } = ana
  await page.emulateMedia({ forcedColors: 'active', reducedMotion: 'reduce', colorScheme: 'dark' })
  for (const path of PATHS) {
    await go(page, path)
    await page.locator('#content').waitFor()
    await page.waitForTimeout(200)
    const moving = await page.evaluate(() => document.getAnimations().filter(({ playState }) => playState === 'running').length)
    assert.is(moving, 0, `${path} moves`)
    assert.equal(await findFaults(page), [], path)
  }
  await go(page, '/')
  // State is never told by colour alone: unread rows, copies and the connection have words.
  await page.getByRole('article').first().waitFor()
  await chipOf(page).filter({ hasText: /node \d/ }).waitFor()
  await sentState(page, 'goes out too', /Stored on|Opened/).waitFor()
  await page.emulateMedia({ forcedColors: 'none', reducedMotion: 'no-preference', colorScheme: 'light' })
})

test('what is looked for is found in all months, as one types, also on a narrow screen', async ({ ana, ben, cluster }) => {
  const { page } = ana
  // A message of three months ago: its id names its month.
  const longAgo = Date.now() - 100 * 86_400_000
  const { status } = await call(cluster.at(1), 'POST', '/api/messages', { token: ben.token, body: { id: newMessageId(longAgo), to: ['ana'], text: 'buried in the past' } })
  assert.is(status, 201)
  await seeMessage(page, 'buried in the past')
  await waitForMail(page, /all saved/)
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByLabel('Your name').waitFor()
  await signIn(ana, cluster.at(0).url)
  await page.setViewportSize({ width: 390, height: 844 })
  await page.getByRole('searchbox').fill('buried')
  await messageRow(page, 'buried in the past').waitFor()
  await messageRow(page, 'read me once').waitFor({ state: 'detached' })
  await page.getByRole('searchbox').fill('')
  await page.setViewportSize({ width: 1280, height: 800 })
})

test('Ctrl+K finds what to do and whom to write to', async ({ ana }) => {
  const { page } = ana
  await page.keyboard.press('Control+k')
  await page.getByRole('combobox', { name: 'What to do, or whom to write to' }).waitFor()
  assert.equal(await findFaults(page), [])
  await page.keyboard.type('write to ben')
  await page.getByRole('option', { name: 'Write to ben' }).waitFor()
  await page.keyboard.press('Enter')
  await page.waitForFunction(() => document.activeElement?.matches('textarea'))
  await page.keyboard.type('from the palette')
  await page.keyboard.press('Control+Enter')
  await sentState(page, 'from the palette', /Stored/).waitFor()
})

test('who is blocked is not delivered, and everything of the account is taken away as JSON', async ({ ana, ben, cluster }) => {
  const { page } = ana
  await page.getByRole('link', { name: 'Settings' }).click()
  await page.getByRole('combobox', { name: 'Block somebody' }).selectOption({ label: 'ben' })
  await page.getByRole('button', { name: 'Unblock ben' }).waitFor()
  await waitForChip(page)
  await sendTo(cluster, ben, 'ana', 'you will not see this')
  await page.getByRole('button', { name: 'Unblock ben' }).click()
  await page.getByRole('button', { name: 'Unblock ben' }).waitFor({ state: 'detached' })
  await waitForChip(page)
  await sendTo(cluster, ben, 'ana', 'but this')
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download as JSON' }).click()])
  const data = JSON.parse(readFileSync(await download.path(), 'utf8'))
  const texts = [...data.messages, ...data.inbox].map(({ text }: { text: string }) => text)
  assert.ok(texts.includes('buried in the past') && texts.includes('but this'), texts.join())
  assert.not.ok(texts.includes('you will not see this'))
  assert.is(data.account.name, 'ana')
  assert.ok(data.sent.some(({ text }: { text: string }) => text === 'goes out'))
  await page.getByRole('link', { name: 'Starling' }).click()
})

const waitForChip = (page: Page): Promise<void> => chipOf(page).filter({ hasText: /all saved/ }).waitFor()

test('the tab counts what waits and is unread, in its title and icon', async ({ ana, ben, cluster }) => {
  const { page } = ana
  await page.waitForFunction(() => /^\(\d+\) Starling$/.test(document.title))
  const before = Number(/\d+/.exec(await page.title())?.[0])
  await sendTo(cluster, ben, 'ana', 'one more to count')
  await page.waitForFunction((count) => document.title === `(${count}) Starling`, before + 1)
  assert.is(await page.locator('link[rel=icon]').getAttribute('href'), '/icon-dot.svg')
})

test('a name taken while a node is away is shown as reserved, until that node has it too', async ({ browser, cluster }) => {
  await cluster.kill(2)
  await cluster.waitCluster(0, (state) => state.nodes[2].status === 'down')
  const dora = await openBrowserFor(browser, 'dora')
  await signUp(dora, cluster.at(0).url)
  await dora.page.getByText('(name reserved on 2 of 3 nodes)').waitFor()
  await cluster.revive(2)
  await dora.page.getByText('(name reserved').waitFor({ state: 'detached', timeout: 20_000 })
  await dora.page.reload()
  await waitForMail(dora.page)
  await dora.page.waitForTimeout(3000)
  assert.is(await dora.page.getByText('(name reserved').count(), 0)
  assert.equal(dora.complaints.others, [])
  await dora.context.close()
})

test('[27] nothing of ours was said on the console', ({ ana }) => {
  assert.equal(ana.complaints.others, [])
})

test.run()
