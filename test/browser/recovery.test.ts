// Recovery codes as a person meets them: shown once after signing up, used when the password is forgotten, made anew in the settings.
// deadline: 150 s

import { readFileSync } from 'node:fs'
import type { Browser, Page } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type BrowserPerson, launchBrowser, openBrowserFor, signIn, waitForMail } from '../support/browser.ts'
import { type Cluster, call, startCluster } from '../support/cluster.ts'
import { checkLook } from '../support/page-checks.ts'

const NEW_PASSWORD = 'chosen after forgetting'

const test = suite<{ cluster: Cluster; browser: Browser; ana: BrowserPerson; codes: string[] }>('recovery')

test.before(async (context) => {
  context.cluster = await startCluster({ size: 1, flags: ['--bootstrap'] })
  context.browser = await launchBrowser()
  context.ana = await openBrowserFor(context.browser, 'ana')
})

test.after(async ({ browser, cluster }) => {
  await browser.close()
  await cluster.close()
})

const readCodes = (page: Page): Promise<string[]> => page.getByRole('list', { name: 'Recovery codes' }).getByRole('listitem').allInnerTexts()

/** What Download gives. */
const saveCodes = async (page: Page): Promise<string> => {
  const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download', exact: true }).click()])
  assert.is(download.suggestedFilename(), 'starling-codes-ana.txt')
  return readFileSync(await download.path(), 'utf8')
}

test('who signs up is shown eight codes, to copy or download, once', async (context) => {
  const { ana, cluster } = context
  const { page } = ana
  await ana.context.grantPermissions(['clipboard-read', 'clipboard-write'])
  await page.goto(cluster.at(0).url)
  await page.getByLabel('Your name').fill('ana')
  await page.keyboard.press('Enter')
  await page.getByLabel('Choose a password').fill(ana.password)
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Keep your recovery codes' }).waitFor()
  context.codes = await readCodes(page)
  assert.is(new Set(context.codes).size, 8)
  for (const code of context.codes) assert.match(code, /^([0-9A-Z]{4}-){3}[0-9A-Z]{4}$/)
  await checkLook(page, 'login-codes')
  await page.getByRole('button', { name: 'Copy' }).click()
  await page.getByText('Copied').waitFor()
  assert.is(await page.evaluate(() => navigator.clipboard.readText()), `${context.codes.join('\n')}\n`)
  assert.ok((await saveCodes(page)).endsWith(`\n${context.codes.join('\n')}\n`))
  await page.getByRole('button', { name: 'I have kept them' }).click()
  await waitForMail(page)
  await page.reload()
  await waitForMail(page)
  assert.is((await readCodes(page)).length, 0)
})

test('who forgot the password gets back in by a code, and every other device is signed out', async ({ ana, browser, cluster, codes }) => {
  const { page } = ana
  const laptop = await openBrowserFor(browser, 'ana')
  await signIn(laptop, cluster.at(0).url)
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByLabel('Your name').fill('ana')
  await page.keyboard.press('Enter')
  await page.getByRole('button', { name: 'Forgot your password?' }).click()
  await page.getByRole('heading', { name: 'Use a recovery code' }).waitFor()
  assert.is(await page.getByRole('textbox', { name: 'Recovery code' }).evaluate((field) => field === document.activeElement), true)
  await checkLook(page, 'login-recover')
  await page.keyboard.press('Enter')
  await page.getByText('Enter a recovery code.').waitFor()
  await page.getByRole('textbox', { name: 'Recovery code' }).fill('0000-0000-0000-0000')
  await page.getByLabel('New password').fill('short')
  await page.keyboard.press('Enter')
  await page.getByText('Use 8 characters or more.').waitFor()
  await page.getByLabel('New password').fill(NEW_PASSWORD)
  await page.keyboard.press('Enter')
  await page.getByText('That code is not right, or was used.').waitFor()
  await checkLook(page, 'login-recover-error')
  await page.getByRole('textbox', { name: 'Recovery code' }).fill(` ${codes[2]?.toLowerCase().replaceAll('-', ' ')}`)
  await page.getByRole('button', { name: 'Set password and log in' }).click()
  await waitForMail(page)
  await laptop.page.getByRole('heading', { name: 'Welcome back!' }).waitFor()
  await laptop.page.getByLabel('Password', { exact: true }).fill(NEW_PASSWORD)
  await laptop.page.keyboard.press('Enter')
  await waitForMail(laptop.page)
  await laptop.context.close()
})

test('the settings tell how many codes are left and make new ones, which replace the old', async ({ ana, cluster, codes }) => {
  const { page } = ana
  await page.getByRole('link', { name: 'Settings' }).click()
  await page.getByText('7 codes left.').waitFor()
  const form = page.locator('section.block', { hasText: 'New codes replace all old ones.' })
  await form.getByLabel('Password', { exact: true }).fill('not the password')
  await form.getByRole('button', { name: 'New recovery codes' }).click()
  await form.getByText('That password is not right. Try again.').waitFor()
  await form.getByLabel('Password', { exact: true }).fill(NEW_PASSWORD)
  await form.getByRole('button', { name: 'New recovery codes' }).click()
  await page.getByText('These replace all codes of before.').waitFor()
  const fresh = await readCodes(page)
  assert.is(new Set([...fresh, ...codes]).size, 16)
  await checkLook(page, 'settings-codes')
  assert.ok((await saveCodes(page)).includes(fresh[7] ?? 'none'))
  const recover = async (code: string | undefined) => (await call(cluster.at(0), 'POST', '/api/recover', { body: { name: 'ana', code, newPassword: NEW_PASSWORD } })).status
  assert.equal([await recover(codes[0]), await recover(fresh[0])], [401, 200])
})

test('[27] the page complained about nothing of ours', ({ ana }) => {
  assert.equal(ana.complaints.others, [])
})

test.run()
