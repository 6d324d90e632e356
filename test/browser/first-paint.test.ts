// What a reload shows before the documents are read from disk: what was last seen, out of reach, and the same rows
// afterwards.
// deadline: 120 s

import type { Browser } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type BrowserPerson, launchBrowser, messageRow, openBrowserFor, seeMessage, sendMessage, sentRow, signUp, waitForMail, writeDraft } from '../support/browser.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { checkLook } from '../support/page-checks.ts'

const test = suite<{ cluster: Cluster; browser: Browser; ana: BrowserPerson }>('first-paint')

test.before(async (context) => {
  context.cluster = await startCluster()
  context.browser = await launchBrowser()
  context.ana = await openBrowserFor(context.browser, 'ana')
  await signUp(context.ana, context.cluster.at(0).url)
})

test.after(async ({ browser, cluster }) => {
  await browser.close()
  await cluster.close()
})

test('a reload shows the rows before the documents are read, lets nobody act on them, and keeps their elements', async ({ ana }) => {
  const { page, context } = ana
  await sendMessage(page, 'ana', 'note to myself')
  await seeMessage(page, 'note to myself')
  await writeDraft(page, 'ana', 'half written')
  await waitForMail(page)
  await page.waitForFunction(() => Object.values({ ...localStorage }).some((text) => String(text).includes('half written')))
  // From now on the device's disk is slow, until it is told to go on.
  const slow = await context.newPage()
  await slow.addInitScript(() => {
    const { getAll } = IDBObjectStore.prototype
    const held: (() => void)[] = []
    Object.assign(globalThis, {
      goOn: () => {
        for (const answer of held.splice(0)) answer()
      },
    })
    IDBObjectStore.prototype.getAll = function (...args) {
      const request = getAll.apply(this, args)
      let onsuccess: ((event: Event) => void) | null = null
      let event: Event | null = null
      request.addEventListener('success', (succeeded) => {
        event = succeeded
      })
      Object.defineProperty(request, 'onsuccess', {
        set: (listener) => {
          onsuccess = listener
          held.push(() => event !== null && onsuccess?.(event))
        },
      })
      return request
    }
  })
  await slow.goto(page.url())
  const row = slow.locator('article.row').filter({ hasText: 'note to myself' })
  await row.waitFor()
  await slow.getByText(/^As last seen, \d/).waitFor()
  assert.is(await slow.locator('.behind').evaluate((behind: HTMLElement) => behind.inert), true)
  assert.match(await slow.locator('li.draft').innerText(), /half written/)
  await checkLook(slow, 'as-last-seen')
  // Neither a key nor a click does anything.
  await slow.keyboard.press('j')
  await slow.keyboard.press('#')
  await slow.keyboard.press('c')
  await slow.keyboard.press('Control+k')
  await row.getByRole('checkbox', { includeHidden: true }).click({ force: true })
  assert.is(await slow.locator('li.draft').count(), 1)
  assert.is(await slow.locator('.gone, [role=dialog], dialog[open]').count(), 0)
  assert.is(await row.getByRole('checkbox', { includeHidden: true }).isChecked(), false)

  await row.evaluate((element) => Object.assign(element, { isTheSame: true }))
  await slow.evaluate(() => (globalThis as unknown as { goOn: () => void }).goOn())
  await slow.waitForFunction(() => document.querySelector<HTMLElement>('.behind')?.inert === false)
  await waitForMail(slow)
  assert.is(await slow.getByText(/^As last seen/).count(), 0)
  assert.is(await row.evaluate((element) => (element as unknown as { isTheSame?: boolean }).isTheSame), true)
  await slow.keyboard.press('j')
  await slow.keyboard.press('r')
  await messageRow(slow, 'note to myself').getByRole('checkbox', { checked: true }).waitFor()
  await slow.close()
})

test('what was deleted just before a reload does not come back for a moment', async ({ ana }) => {
  const { page } = ana
  await messageRow(page, 'note to myself').waitFor()
  await messageRow(page, 'note to myself').focus()
  await page.keyboard.press('#')
  await page.getByText('Deleted.', { exact: true }).waitFor()
  await page.reload({ waitUntil: 'commit' })
  await page.locator('.behind').waitFor()
  assert.is(await page.locator('article.row').count(), 0)
  await waitForMail(page)
  assert.is(await page.locator('article.row').count(), 0)
  assert.is(await sentRow(page, 'note to myself').count(), 0)
})

test('[27] who signs out leaves nothing in the page’s stores that names the account, and nothing was said on the console', async ({ ana }) => {
  const { page } = ana
  const id = await page.evaluate(() => (JSON.parse(localStorage.getItem('starling.accounts') ?? '[]') as { id: string }[])[0]?.id ?? '')
  assert.is(id.length, 32)
  await page.waitForFunction(() => localStorage.getItem('starling.reserving') === null) // until every node has the new name
  await page.getByRole('button', { name: 'Log out' }).first().click()
  await page.getByLabel('Your name').waitFor()
  await page.waitForFunction(async (name) => (await indexedDB.databases()).every((database) => !database.name?.includes(name)), id)
  const kept = await page.evaluate(() => Object.entries({ ...localStorage, ...sessionStorage }) as [string, string][])
  assert.equal(
    kept.filter((entry) => new RegExp(`${id}|half written|note to myself`).test(entry.join())),
    [],
  )
  assert.equal(ana.complaints.others, [])
})

test.run()
