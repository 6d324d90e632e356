// Every screen and state of the page as a person meets it: axe finds nothing in light and dark, wide and narrow, and
// nothing scrolls sideways. STARLING_SHOTS=DIR keeps pictures of them all.
// deadline: 280 s

import type { Browser, Page } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type BrowserPerson,
  chipOf,
  inboxCount,
  launchBrowser,
  messageRow,
  openBrowserFor,
  seeMessage,
  sendMessage,
  sentState,
  signUp,
  waitForMail,
  writeDraft,
} from '../support/browser.ts'
import { type Cluster, type Person, call, newMessageId, startCluster } from '../support/cluster.ts'
import { checkLook } from '../support/page-checks.ts'

const test = suite<{ cluster: Cluster; browser: Browser; ana: BrowserPerson; ben: Person; cleo: Person }>('screens')

test.before(async (context) => {
  context.cluster = await startCluster()
  context.browser = await launchBrowser()
  context.ana = await openBrowserFor(context.browser, 'ana')
})

test.after(async ({ browser, cluster }) => {
  await browser.close()
  await cluster.close()
})

const TEXTS = [
  'The invoice is attached to the wiki page. Have a look at the third line, I think they charged us twice for the same delivery, and the first one came back.',
  'The key is under the blue pot.',
  'Found a better room for the talk: 40 seats, a working projector, and it is free on the 3rd.',
  'Are we still on for Friday? I can get off at four if you would rather take the earlier train. https://meet.example/starling',
  'I moved the meeting to Thursday.',
  'Thanks!',
  'Got home fine. Whoever packed the sandwiches: you are my favourite person this week.',
]

const sendTo = async (cluster: Cluster, from: Person, to: string, text: string): Promise<void> => {
  const { status } = await call(cluster.at(1), 'POST', '/api/messages', { token: from.token, body: { id: newMessageId(), to: [to], text } })
  assert.is(status, 201)
}

const go = (page: Page, path: string): Promise<void> =>
  page.evaluate((to) => {
    history.pushState(null, '', to)
    dispatchEvent(new PopStateEvent('popstate'))
  }, path)

test('[23] signing in: the name, what is wrong with it, both greetings', async ({ ana, cluster }) => {
  const { page } = ana
  await page.goto(cluster.at(0).url)
  await page.getByText('3 nodes, and each keeps a full copy.').waitFor()
  await checkLook(page, 'login-1')
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByText('Enter a name.').waitFor()
  await checkLook(page, 'login-1-error')
  await page.getByLabel('Your name').fill('ana')
  await page.keyboard.press('Enter')
  await page.getByRole('heading', { name: 'Welcome, new user!' }).waitFor()
  await checkLook(page, 'login-2-new')
})

test('[23] the mail of somebody new', async (context) => {
  const { ana, cluster } = context
  const { page } = ana
  await signUp(ana, cluster.at(0).url)
  await page.getByText('You are the first one here.').waitFor()
  await checkLook(page, 'main-empty')
  context.ben = await cluster.createPerson(1, 'ben')
  context.cleo = await cluster.createPerson(2, 'cleo')
})

test('[23] a full day: inbox, messages, a deleted one, drafts, what is missing in one, everything that can be sent', async ({ ana, ben, cleo, cluster }) => {
  const { page } = ana
  for (const [place, text] of TEXTS.entries()) await sendTo(cluster, place % 2 === 0 ? cleo : ben, 'ana', text)
  for (const text of TEXTS) await seeMessage(page, text.slice(0, 20))
  for (const text of ['Thanks!', 'I moved the meeting']) await messageRow(page, text).getByRole('checkbox').check()
  await sendMessage(page, 'ana', 'Note to self: renew the passport')
  await seeMessage(page, 'Note to self')
  await sendMessage(page, 'ben', 'Friday works')
  await sendMessage(page, 'cleo', 'I’ll look at it tonight and write to them if it is really the same delivery twice.')
  await sentState(page, 'Friday works', 'Stored on all 3 nodes').waitFor()
  await call(cluster.at(1), 'POST', '/api/inbox/open', { token: ben.token, body: { count: 1 }, idempotencyKey: newMessageId() })
  await sentState(page, 'Friday works', /Opened/).waitFor()
  await page.goto('about:blank')
  for (const text of ['Lunch?', 'The concert starts at eight.', 'Bring a coat.', 'One more thing.']) await sendTo(cluster, cleo, 'ana', text)
  await page.goto(cluster.at(0).url)
  await inboxCount(page, 4).waitFor()
  await waitForMail(page)
  await writeDraft(page, 'ben', 'See you at the station at nine, I’ll bring the tickets. Platform two, the end near the bakery.')
  await page.locator('li.draft').first().getByRole('checkbox').check()
  await page.getByRole('button', { name: 'New draft' }).first().click()
  await page.locator('li.draft').first().getByRole('textbox').fill('Dear all, the spring concert needs four people for the door and two for the coats.')
  await page.keyboard.press('Control+Enter')
  await page.getByText('Choose who this goes to.').waitFor()
  await page.locator('li.draft').first().getByRole('button', { name: 'Save' }).click()
  await messageRow(page, 'The key is under').focus()
  await page.keyboard.press('#')
  await page.getByText('Deleted.', { exact: true }).waitFor()
  await checkLook(page, 'main')
  for (const region of ['drafts', 'sent']) {
    await go(page, `/${region}`)
    await checkLook(page, `main-${region}`)
  }
  await go(page, '/')
})

test('[23] the connection’s list, the account’s sheet, deleting the account', async ({ ana }) => {
  const { page } = ana
  await chipOf(page).click()
  await page.getByText('Last confirmed').waitFor()
  await checkLook(page, 'connection')
  await page.keyboard.press('Escape')
  await page.setViewportSize({ width: 390, height: 844 })
  await page.getByRole('button', { name: 'Account and settings' }).click()
  await checkLook(page, 'account-sheet')
  await page.keyboard.press('Escape')
  await page.getByRole('button', { name: 'Delete account…' }).click()
  await page.getByRole('dialog').getByText('Type your password').waitFor()
  await checkLook(page, 'delete-account')
  await page.getByRole('button', { name: 'Keep it' }).click()
})

test('[23] cluster, settings, help', async ({ ana }) => {
  const { page } = ana
  for (const path of ['cluster', 'settings', 'help']) {
    await go(page, `/${path}`)
    await page.locator('#content').waitFor()
    await page.waitForTimeout(500)
    await checkLook(page, path)
  }
  await go(page, '/cluster')
  await page.getByLabel('Table').check()
  await checkLook(page, 'cluster-table')
  await go(page, '/')
})

test('[23] nodes down: two of three, one of three, none; what is only here, leaving with it', async ({ ana, cluster }) => {
  const { page } = ana
  await cluster.kill(2)
  await chipOf(page).filter({ hasText: '2 of 3 up' }).waitFor()
  await go(page, '/cluster')
  await page.getByText(/2 of 3 up/).first().waitFor()
  await page.waitForTimeout(500)
  await checkLook(page, 'cluster-one-down')
  await go(page, '/')
  await cluster.kill(1)
  await page.getByText('Only one server is up.').waitFor()
  await checkLook(page, 'main-lone')
  await cluster.kill(0)
  await page.getByText('You are offline.').waitFor()
  await sendMessage(page, 'cleo', 'Dinner at seven?')
  await sentState(page, 'Dinner at seven?', 'Waiting.').waitFor()
  await checkLook(page, 'main-offline')
  await page.getByRole('button', { name: 'Log out' }).click()
  await page.getByRole('button', { name: 'Wait and log out' }).waitFor()
  await checkLook(page, 'log-out-unsent')
  await page.getByRole('button', { name: 'Stay' }).click()
  for (const pid of cluster.pids) cluster.start(pid)
  await cluster.waitAllReady()
})

test('[27] nothing of ours was said on the console, no exception, no policy report', ({ ana }) => {
  assert.equal(ana.complaints.others, [])
})

test.run()
