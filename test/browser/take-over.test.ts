// Where an account may be signed in once only: the second device takes over, the first one says so and keeps its texts.
// deadline: 90 s

import type { Browser } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { launchBrowser, openBrowserFor, sentState, signUp, waitForMail, writeDraft } from '../support/browser.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'

const test = suite<{ cluster: Cluster; browser: Browser }>('take-over')

test.before(async (context) => {
  context.cluster = await startCluster({ flags: ['--sessions-per-account', '1'] })
  context.browser = await launchBrowser()
})

test.after(async ({ browser, cluster }) => {
  await browser.close()
  await cluster.close()
})

test('[17] the second device is asked, takes over, and “Use here” takes it back', async ({ browser, cluster }) => {
  const desk = await openBrowserFor(browser, 'ana')
  await signUp(desk, cluster.at(0).url)
  await writeDraft(desk.page, 'ana', 'written at the desk')

  const phone = await openBrowserFor(browser, 'ana', { viewport: { width: 390, height: 844 } })
  await phone.page.goto(cluster.at(1).url)
  await phone.page.getByLabel('Your name').fill('ana')
  await phone.page.keyboard.press('Enter')
  await phone.page.getByLabel('Password', { exact: true }).fill(phone.password)
  await phone.page.getByRole('button', { name: 'Log in' }).click()
  await phone.page.getByText('This account is signed in on another device.').waitFor()
  await phone.page.getByRole('button', { name: 'Sign out there and log in' }).click()
  await waitForMail(phone.page)

  await desk.page.getByRole('heading', { name: 'You are using Starling somewhere else' }).waitFor()
  assert.ok(await desk.page.locator('.behind').evaluate((behind: HTMLElement) => behind.inert))
  await desk.page.getByRole('button', { name: 'Use here' }).click()
  await desk.page.getByRole('heading', { name: 'Welcome back!' }).waitFor()
  await desk.page.getByLabel('Password', { exact: true }).fill(desk.password)
  await desk.page.getByRole('button', { name: 'Log in' }).click()
  await desk.page.getByRole('button', { name: 'Sign out there and log in' }).click()
  await waitForMail(desk.page)
  await desk.page.getByText('written at the desk').first().waitFor()
  await phone.page.getByRole('heading', { name: 'You are using Starling somewhere else' }).waitFor()

  await desk.page.getByRole('button', { name: /^Edit draft/ }).click()
  await desk.page.locator('li.draft textarea').focus()
  await desk.page.keyboard.press('Control+Enter')
  await sentState(desk.page, 'written at the desk', /Stored|Opened/).waitFor()
  for (const { complaints } of [desk, phone]) assert.equal(complaints.others, [])
})

test.run()
