// Everything by keyboard alone, from signing up to deleting the account; and what axe finds on the screens.
// deadline: 150 s

import type { Browser, Page } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type BrowserPerson, launchBrowser, messageRow, openBrowserFor, seeMessage, sendMessage, sentState, signUp } from '../support/browser.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { findFaults, overflowOf } from '../support/page-checks.ts'

const test = suite<{ cluster: Cluster; browser: Browser; ana: BrowserPerson; ben: BrowserPerson }>('keyboard')

test.before(async (context) => {
  context.cluster = await startCluster()
  context.browser = await launchBrowser()
  context.ana = await openBrowserFor(context.browser, 'ana')
  context.ben = await openBrowserFor(context.browser, 'ben')
})

test.after(async ({ browser, cluster }) => {
  await browser.close()
  await cluster.close()
})

const focused = (page: Page): Promise<string> =>
  page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? document.activeElement?.textContent ?? '')

test('axe finds nothing on sign-in, light and dark, wide and narrow', async ({ ana, cluster }) => {
  const { page } = ana
  await page.goto(cluster.at(0).url)
  await page.getByLabel('Your name').waitFor()
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme })
    for (const width of [1280, 390]) {
      await page.setViewportSize({ width, height: 800 })
      assert.equal(await findFaults(page), [], `${colorScheme} ${width}`)
    }
  }
  await page.setViewportSize({ width: 1280, height: 800 })
})

test('the cluster can be looked at without an account', async ({ browser, cluster }) => {
  const stranger = await openBrowserFor(browser, 'nobody')
  await stranger.page.goto(`${cluster.at(1).url}/cluster`)
  await stranger.page.getByRole('heading', { name: 'node 2' }).waitFor()
  assert.equal(await findFaults(stranger.page), [])
  await stranger.page.getByRole('link', { name: 'Log in' }).click()
  await stranger.page.getByLabel('Your name').waitFor()
  await stranger.context.close()
})

test('[24] signing up, writing, sending, opening, reading, deleting, undoing, searching and leaving need no mouse', async ({
  ana,
  ben,
  cluster,
}) => {
  await signUp(ben, cluster.at(1).url)
  const { page } = ana
  await page.goto(cluster.at(0).url)
  await page.getByLabel('Your name').waitFor()
  await page.keyboard.type('ana')
  await page.keyboard.press('Enter')
  await page.getByLabel('Choose a password').waitFor()
  await page.waitForFunction(() => document.activeElement?.id === 'password')
  await page.keyboard.type(ana.password)
  await page.keyboard.press('Enter')
  await page.waitForFunction(() => document.activeElement?.textContent === 'Keep your recovery codes')
  for (const control of ['Copy', 'Download', 'I have kept them']) {
    await page.keyboard.press('Tab')
    await page.waitForFunction((name) => document.activeElement?.textContent === name, control)
  }
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Messages (0)' }).waitFor()

  await page.keyboard.press('c')
  await page.waitForFunction(() => document.activeElement?.matches('select'))
  await page.getByRole('option', { name: 'ben' }).waitFor({ state: 'attached' })
  await page.keyboard.type('ben')
  await page.waitForFunction(() => (document.activeElement as HTMLSelectElement).selectedOptions[0]?.label === 'ben')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Tab')
  await page.keyboard.press('Tab')
  await page.keyboard.type('by keyboard')
  await page.keyboard.press('Control+s')
  await page.locator('li.draft').getByText('by keyboard').waitFor()
  await page.waitForFunction(() => document.activeElement?.matches('li.draft'))
  await page.keyboard.press('x')
  await page.getByRole('button', { name: 'Send 1' }).waitFor()
  await page.keyboard.press('Control+Enter')
  await seeMessage(ben.page, 'by keyboard')
  await sentState(page, 'by keyboard', /Opened/).waitFor()

  await page.goto('about:blank')
  for (const text of ['letter one', 'letter two']) await sendMessage(ben.page, 'ana', text)
  await sentState(ben.page, 'letter two', /Stored on all/).waitFor()
  await page.goto(cluster.at(0).url)
  await page.getByRole('heading', { name: 'Inbox (2)' }).waitFor()
  await page.keyboard.press('o')
  await page.waitForFunction(() => document.activeElement?.matches('article'))
  assert.match(await focused(page), /From ben, unread/)
  await page.keyboard.press('r')
  await sentState(ben.page, 'letter two', /Read/).waitFor()
  await page.keyboard.press('j')
  await page.waitForFunction(() => document.activeElement?.textContent?.includes('letter one'))
  await page.keyboard.press('#')
  await page.waitForFunction(() => document.activeElement?.textContent === 'Undo')
  await page.keyboard.press('z')
  await messageRow(page, 'letter one').waitFor()

  await page.waitForTimeout(300) // the row that came back takes the focus in its own time
  await page.keyboard.press('/')
  await page.waitForFunction(() => document.activeElement?.matches('input[type=search]'))
  await page.keyboard.type('two')
  await messageRow(page, 'letter one').waitFor({ state: 'detached' })
  await page.keyboard.press('Escape')
  for (const [key, heading] of [
    ['c', 'Cluster'],
    ['m', 'Messages'],
  ] as const) {
    await page.keyboard.press('g')
    await page.keyboard.press(key)
    await page
      .getByRole('heading', { name: new RegExp(`^${heading}`) })
      .first()
      .waitFor()
  }
  await page.keyboard.press('?')
  await page.getByRole('heading', { name: 'Help' }).waitFor()
  await page.keyboard.press(',')
  await page.getByRole('heading', { name: 'Settings' }).waitFor()
  await page.keyboard.press('g')
  await page.keyboard.press('i')
  await page.getByRole('heading', { name: /^Inbox/ }).waitFor()
})

test('axe finds nothing on the mail, cluster, settings and help pages, light and dark, wide and narrow', async ({ ana }) => {
  const { page } = ana
  await page.keyboard.press('c')
  for (const path of ['/', '/drafts', '/sent', '/cluster', '/settings', '/help']) {
    await page.evaluate((to) => {
      history.pushState(null, '', to)
      dispatchEvent(new PopStateEvent('popstate'))
    }, path)
    await page.locator('#content').waitFor()
    await page.waitForTimeout(300)
    for (const colorScheme of ['light', 'dark'] as const) {
      await page.emulateMedia({ colorScheme })
      for (const width of [1280, 390]) {
        await page.setViewportSize({ width, height: 800 })
        // What only shows under the pointer fades in on a narrow page: colours count when they have stopped changing.
        await page.evaluate(() => Promise.all(document.getAnimations().map(async ({ finished }) => finished.catch(() => null))))
        assert.equal(await findFaults(page), [], `${path} ${colorScheme} ${width}`)
        const overflow = await overflowOf(page)
        assert.ok(overflow <= 0, `${path} at ${width} is ${overflow} px too wide`)
      }
    }
  }
})

test('[25] nothing scrolls sideways at 320 px', async ({ ana }) => {
  const { page } = ana
  await page.setViewportSize({ width: 320, height: 640 })
  for (const path of ['/', '/drafts', '/sent', '/cluster', '/settings', '/help']) {
    await page.evaluate((to) => {
      history.pushState(null, '', to)
      dispatchEvent(new PopStateEvent('popstate'))
    }, path)
    await page.waitForTimeout(200)
    const overflow = await overflowOf(page)
    assert.ok(overflow <= 0, `${path} is ${overflow} px too wide`)
  }
})

test('[27] nobody’s page complained about anything', ({ ana, ben }) => {
  assert.equal(ana.complaints.others, [])
  assert.equal(ben.complaints.others, [])
})

test.run()
