// Two people at two nodes: signing up, live mail, the Inbox of someone who is away, read marks on another device,
// drafts, recall, deleting with Undo, and deleting an account.
// deadline: 240 s

import type { Browser } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  type BrowserPerson,
  inboxCount,
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

const test = suite<{ cluster: Cluster; browser: Browser; ana: BrowserPerson; ben: BrowserPerson }>('two people')

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

test('[1] both greetings; what is wrong with a name or password is said under its field', async ({ browser, ana, ben, cluster }) => {
  const { page } = ana
  await page.goto(cluster.at(0).url)
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByText('Enter a name.').waitFor()
  await page.getByLabel('Your name').fill('not a name')
  await page.getByRole('button', { name: 'Continue' }).click()
  await page.getByText('Use 1 to 32 letters').waitFor()
  await page.getByLabel('Your name').fill('ana')
  await page.keyboard.press('Enter')
  await page.getByLabel('Choose a password').fill('short')
  await page.getByRole('button', { name: 'Create account' }).click()
  await page.getByText('Use 8 characters or more.').waitFor()

  await signUp(ana, cluster.at(0).url)
  await signUp(ben, cluster.at(1).url)
  await page.getByText('Hello, ana').waitFor()

  const other = await openBrowserFor(browser, 'ana')
  await other.page.goto(cluster.at(2).url)
  await other.page.getByLabel('Your name').fill('ana')
  await other.page.getByRole('button', { name: 'Continue' }).click()
  await other.page.getByRole('heading', { name: 'Welcome back!' }).waitFor()
  await other.page.getByLabel('Password', { exact: true }).fill('not-her-password')
  await other.page.getByRole('button', { name: 'Log in' }).click()
  await other.page.getByText('That password is not right. Try again.').waitFor()
  await other.context.close()
})

test('a message to someone who is there arrives opened; its sender sees where it is, then that it was opened', async ({ ana, ben }) => {
  await sendMessage(ana.page, 'ben', 'Are we still on for Friday? https://meet.example/starling')
  await messageRow(ben.page, 'Are we still on for Friday?').waitFor()
  await sentState(ana.page, 'Are we still on', /Opened \d\d:\d\d/).waitFor()
  assert.is(await messageRow(ben.page, 'Friday').getByRole('link').getAttribute('href'), 'https://meet.example/starling')
  assert.is(await inboxCount(ben.page, 0).count(), 1)
})

test('[3] [4] a message to someone who is away waits in the Inbox; Open N opens the oldest and the focus goes there', async ({
  ana,
  ben,
  cluster,
}) => {
  await ben.page.goto('about:blank')
  for (const text of ['first', 'second', 'third', 'fourth']) await sendMessage(ana.page, 'ben', text)
  await sentState(ana.page, 'fourth', 'Stored on all 3 nodes').waitFor()

  await ben.page.goto(cluster.at(1).url)
  await inboxCount(ben.page, 4).waitFor()
  await ben.page.getByRole('button', { name: 'Open 3' }).click()
  await inboxCount(ben.page, 1).waitFor()
  await messageRow(ben.page, 'third').waitFor()
  assert.is(await messageRow(ben.page, 'fourth').count(), 0)
  await ben.page.waitForFunction(() => document.activeElement?.textContent?.includes('third') === true)
  await sentState(ana.page, 'first', /Opened/).waitFor()
  await ben.page.getByRole('button', { name: 'Open 1' }).click()
  await inboxCount(ben.page, 0).waitFor()
})

test('a read mark is seen by the sender and on the reader’s other device, also after leaving', async ({ browser, ana, ben, cluster }) => {
  await messageRow(ben.page, 'second').getByRole('checkbox', { name: 'Read' }).check()
  await sentState(ana.page, 'second', /Read/).waitFor()

  const phone = await openBrowserFor(browser, 'ben', { viewport: { width: 390, height: 844 } })
  await signIn(phone, cluster.at(2).url)
  assert.ok(await messageRow(phone.page, 'second').getByRole('checkbox', { name: 'Read' }).isChecked())
  await messageRow(phone.page, 'second').getByRole('checkbox', { name: 'Read' }).uncheck()
  await messageRow(ben.page, 'second')
    .and(ben.page.getByRole('article', { name: /unread/ }))
    .waitFor()
  await phone.context.close()
})

test('[6] a deleted message leaves Undo in its place, with the focus on it; z takes it back too', async ({ ben }) => {
  const { page } = ben
  await messageRow(page, 'first').hover()
  await messageRow(page, 'first')
    .getByRole('button', { name: /^Delete/ })
    .click()
  await page.getByText('Deleted.', { exact: true }).waitFor()
  await page.waitForFunction(() => document.activeElement?.textContent === 'Undo')
  await page.keyboard.press('Enter')
  await messageRow(page, 'first').waitFor()
  await messageRow(page, 'first').focus()
  await page.keyboard.press('#')
  await page.getByText('Deleted.', { exact: true }).waitFor()
  await page.keyboard.press('z')
  await messageRow(page, 'first').waitFor()
})

test('[7] [8] [9] drafts: text survives a reload before Save, Save shows copies, Select all has three states, Send tells what is missing', async ({
  ana,
  ben,
}) => {
  const { page } = ana
  await writeDraft(page, 'ben', 'a draft with a recipient')
  await page.reload()
  await waitForMail(page)
  const draft = page.locator('li.draft').last()
  await draft.getByText('a draft with a recipient').waitFor()
  await draft.getByRole('button', { name: /^Edit/ }).click()
  await draft.getByRole('textbox').press('End')
  await page.keyboard.type('!')
  await draft.getByRole('button', { name: 'Save' }).click()
  await draft.getByText('Saved on all 3 nodes').waitFor()

  await page.getByRole('button', { name: 'New draft' }).first().click()
  const selectAll = page.getByRole('checkbox', { name: 'Select all' })
  await draft.getByRole('checkbox').check()
  assert.ok(await selectAll.evaluate((box: HTMLInputElement) => box.indeterminate))
  await selectAll.click()
  assert.ok(await selectAll.isChecked())
  await page.getByRole('button', { name: 'Send 2' }).click()
  await page.getByText('Choose who this goes to.').waitFor()
  await messageRow(ben.page, 'a draft with a recipient!').waitFor()
  assert.is(await page.locator('li.draft').count(), 1)
  await page.getByRole('button', { name: /^Discard draft/ }).click()
  await page.getByText('No drafts.').waitFor()
})

test('two devices write into one draft at once, and the caret stays where it was', async ({ browser, ana, cluster }) => {
  await writeDraft(ana.page, 'ben', 'one three')
  const other = await openBrowserFor(browser, 'ana')
  await signIn(other, cluster.at(2).url)
  const theirs = other.page.locator('li.draft').first()
  await theirs.getByText('one three').waitFor()
  await theirs.getByRole('button', { name: /^Edit/ }).click()
  await ana.page.locator('li.draft textarea').press('End')
  await theirs.getByRole('textbox').evaluate((area: HTMLTextAreaElement) => area.setSelectionRange(4, 4))
  await other.page.keyboard.type('two ')
  await ana.page.waitForFunction(() => document.querySelector('textarea')?.value === 'one two three')
  await ana.page.keyboard.type(' four')
  await other.page.waitForFunction(() => document.querySelector('textarea')?.value === 'one two three four')
  assert.equal(await theirs.getByRole('textbox').evaluate((area: HTMLTextAreaElement) => area.selectionStart), 8)
  await other.context.close()
  await ana.page.keyboard.press('Control+Enter')
  await sentState(ana.page, 'one two three four', /Opened/).waitFor()
})

test('[20] a message is taken back while nobody has opened it, and too late after', async ({ ana, ben, cluster }) => {
  await ben.page.goto('about:blank')
  await sendMessage(ana.page, 'ben', 'take this back')
  await sentRow(ana.page, 'take this back')
    .getByRole('button', { name: /^Recall/ })
    .click()
  await sentState(ana.page, 'take this back', 'Recalled before it was opened').waitFor()
  await ben.page.goto(cluster.at(1).url)
  await waitForMail(ben.page)
  await inboxCount(ben.page, 0).waitFor()

  // Opened while the sender is away and takes it back all the same: the open wins.
  await ben.page.goto('about:blank')
  await sendMessage(ana.page, 'ben', 'too late to take back')
  await sentState(ana.page, 'too late to take back', 'Stored on all 3 nodes').waitFor()
  await ana.context.setOffline(true)
  await ben.page.goto(cluster.at(1).url)
  await ben.page.getByRole('button', { name: 'Open 1' }).click()
  await messageRow(ben.page, 'too late to take back').waitFor()
  await waitForMail(ben.page)
  await sentRow(ana.page, 'too late to take back')
    .getByRole('button', { name: /^Recall/ })
    .click()
  await ana.context.setOffline(false)
  await sentState(ana.page, 'too late to take back', 'Too late, ben has opened it.').waitFor()
  ana.complaints.refused.length = 0 // the network was off on purpose
})

test('[22] deleting an account asks for the password, frees the name and tells senders', async ({ ana, ben, browser, cluster }) => {
  const { page } = ben
  await writeDraft(ana.page, 'ben', 'are you still here?')
  await page.getByRole('button', { name: 'Delete account…' }).click()
  const dialog = page.getByRole('dialog')
  await dialog.getByLabel('Type your password to confirm').fill('wrong-password')
  await dialog.getByRole('button', { name: 'Delete account' }).click()
  await dialog.getByText('That password is not right.').waitFor()
  await dialog.getByLabel('Type your password to confirm').fill(ben.password)
  await dialog.getByRole('button', { name: 'Delete account' }).click()
  await page.getByLabel('Your name').waitFor()

  await ana.page.locator('li.draft textarea').focus()
  await ana.page.keyboard.press('Control+Enter')
  await sentState(ana.page, 'are you still here?', 'Not sent: ben deleted the account.').waitFor()
  await sentRow(ana.page, 'are you still here?')
    .getByRole('button', { name: /^Discard/ })
    .click()
  await sentRow(ana.page, 'are you still here?').waitFor({ state: 'detached' })
  const again = await openBrowserFor(browser, 'ben')
  await signUp(again, cluster.at(0).url)
  await inboxCount(again.page, 0).waitFor()
  await again.context.close()
})

test('[27] nobody’s page complained about anything', ({ ana, ben }) => {
  for (const { complaints } of [ana, ben]) {
    assert.equal(complaints.others, [])
    assert.equal(complaints.refused, [])
  }
  assert.equal(ana.complaints.answers, [])
  assert.is(ben.complaints.answers.length, 1) // the wrong password
})

test.run()
