// Two people in two tabs of one browser, tabs of one account, and what leaving does to what is on the device.
// deadline: 150 s

import type { Browser } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type BrowserPerson,
  launchBrowser,
  messageRow,
  openBrowserFor,
  sendMessage,
  sentRow,
  sentState,
  signIn,
  signUp,
  waitForMail,
  writeDraft,
} from '../support/browser.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'

const test = suite<{ cluster: Cluster; browser: Browser; ana: BrowserPerson; ben: BrowserPerson }>('accounts')

test.before(async (context) => {
  context.cluster = await startCluster()
  context.browser = await launchBrowser()
  context.ana = await openBrowserFor(context.browser, 'ana')
  await signUp(context.ana, context.cluster.at(0).url)
  context.ben = await openBrowserFor(context.browser, 'ben', { context: context.ana.context })
})

test.after(async ({ browser, cluster }) => {
  await browser.close()
  await cluster.close()
})

test('[18] two accounts in two tabs of one browser never mix', async ({ ana, ben, cluster }) => {
  // A new tab goes on with the account used last; leaving there leaves the first tab alone.
  await ben.page.goto(cluster.at(0).url)
  await waitForMail(ben.page)
  await ben.page.getByText('Hello, ana').waitFor()
  await ben.page.evaluate(() => sessionStorage.setItem('starling.account', 'nobody'))
  await signUp(ben, cluster.at(0).url)

  await writeDraft(ana.page, 'ben', 'only for ana to see')
  await sendMessage(ben.page, 'ana', 'from ben, other tab')
  await messageRow(ana.page, 'from ben, other tab').waitFor()
  assert.is(await ben.page.getByText('only for ana to see').count(), 0)
  assert.is(await ben.page.locator('li.draft').count(), 0)

  await Promise.all([ana.page.reload(), ben.page.reload()])
  await Promise.all([waitForMail(ana.page), waitForMail(ben.page)])
  await ana.page.getByText('Hello, ana').waitFor()
  await ben.page.getByText('Hello, ben').waitFor()
  await ana.page.getByText('only for ana to see').first().waitFor()
  assert.is(await ben.page.getByText('only for ana to see').count(), 0)
  await sentRow(ben.page, 'from ben, other tab').waitFor()
  assert.is(await sentRow(ana.page, 'from ben, other tab').count(), 0)
})

test('two tabs of one account show the same, also without any node', async ({ ana }) => {
  const second = await openBrowserFor(ana.context.browser() as Browser, 'ana', { context: ana.context })
  await second.page.addInitScript(
    (id) => sessionStorage.setItem('starling.account', id),
    (await ana.page.evaluate(() => sessionStorage.getItem('starling.account'))) ?? '',
  )
  await second.page.goto(ana.page.url())
  await waitForMail(second.page)
  await ana.context.setOffline(true)
  await ana.page.getByRole('button', { name: /^Edit draft/ }).click()
  await ana.page.locator('li.draft textarea').fill('typed in the first tab')
  await second.page.getByText('typed in the first tab').waitFor()
  await ana.page.keyboard.press('Control+Enter')
  await sentState(second.page, 'typed in the first tab', 'Waiting. Only on this device.').waitFor()
  // The tab that wrote it is gone before there is a node: the other one brings it out.
  await ana.page.close()
  await ana.context.setOffline(false)
  await sentState(second.page, 'typed in the first tab', /Stored on all 3 nodes|Opened/).waitFor()
  assert.equal(second.complaints.others, [])
  Object.assign(ana, { page: second.page })
})

test('[21] leaving with something unsent asks, and what is kept goes out after signing in again', async ({ ana, ben, cluster }) => {
  const { page } = ana
  await ana.context.setOffline(true)
  await sendMessage(page, 'ben', 'unsent at leaving')
  await sentState(page, 'unsent at leaving', 'Waiting. Only on this device.').waitFor()
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByText('1 message is only on this device').waitFor()
  await page.getByRole('button', { name: 'Log out and keep them here' }).click()
  await page.getByLabel('Your name').waitFor()
  await ana.context.setOffline(false)
  await signIn(ana, cluster.at(0).url)
  await sentState(page, 'unsent at leaving', /Stored|Opened/).waitFor()
  await messageRow(ben.page, 'unsent at leaving')
    .or(ben.page.getByRole('button', { name: /^Open \d/ }))
    .first()
    .waitFor()
})

test('leaving in one tab ends the others of the account', async ({ ana }) => {
  const second = await openBrowserFor(ana.context.browser() as Browser, 'ana', { context: ana.context })
  await second.page.addInitScript(
    (id) => sessionStorage.setItem('starling.account', id),
    (await ana.page.evaluate(() => sessionStorage.getItem('starling.account'))) ?? '',
  )
  await second.page.goto(ana.page.url())
  await waitForMail(second.page)
  await second.page.getByRole('button', { name: 'Log out' }).click()
  await second.page.getByLabel('Your name').waitFor()
  await ana.page.getByRole('heading', { name: 'Welcome back!' }).waitFor()
  await ana.page.getByLabel('Password', { exact: true }).fill(ana.password)
  await ana.page.getByRole('button', { name: 'Log in' }).click()
  await waitForMail(ana.page)
  await second.page.close()
})

test('leaving otherwise asks nothing and leaves nothing of the account on the device', async ({ ana }) => {
  const { page } = ana
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByLabel('Your name').waitFor()
  const id = await page.evaluate(() => sessionStorage.getItem('starling.account'))
  assert.is(id, 'nobody')
  await page.waitForFunction(async () => (await indexedDB.databases()).filter(({ name }) => name?.startsWith('starling/')).length === 3)
})

test('a session that is ended elsewhere goes back to the password, with the name filled in', async ({ ana, browser, cluster }) => {
  const laptop = await openBrowserFor(browser, 'ana')
  await signIn(ana, cluster.at(0).url)
  await signIn(laptop, cluster.at(1).url)
  await laptop.page.getByRole('link', { name: 'Settings' }).click()
  // Also the session that could not be ended while there was no network.
  const others = laptop.page.getByRole('button', { name: /^Sign out/ })
  await others.first().waitFor()
  for (let left = await others.count(); left > 0; left -= 1) {
    await others.first().click()
    await others.nth(left - 1).waitFor({ state: 'detached' })
  }
  await ana.page.getByRole('heading', { name: 'Welcome back!' }).waitFor()
  await ana.page.getByText('ana').first().waitFor()
  await laptop.context.close()
})

test('a page opened as localhost moves to the name its node goes by', async ({ browser, cluster }) => {
  const dan = await openBrowserFor(browser, 'dan')
  await dan.page.goto(cluster.at(0).url.replace('127.0.0.1', 'localhost'))
  await dan.page.waitForURL(`${cluster.at(0).url}/**`)
  await dan.page.getByLabel('Your name').waitFor()
  assert.equal(dan.complaints.others, [])
  await dan.context.close()
})

test('[27] nobody’s page complained about anything of ours', ({ ana, ben }) => {
  assert.equal(ana.complaints.others, [])
  assert.equal(ben.complaints.others, [])
})

test.run()
