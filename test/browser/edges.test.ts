// What happens at the edges: a disk that is full, a browser that keeps nothing, a node that refuses what this device has,
// a new version of the page, an address without https, and a name lost in a split.
// deadline: 280 s

import { randomBytes } from 'node:crypto'
import { cpSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
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
import { type Cluster, call, newMessageId, startCluster } from '../support/cluster.ts'
import { checkLook } from '../support/page-checks.ts'

const ROOT = process.env['STARLING_ROOT'] ?? process.cwd()
const HOST = 'starling.test'

const test = suite<{ cluster: Cluster; browser: Browser }>('edges')

test.before(async (context) => {
  context.cluster = await startCluster({ proxied: true })
  context.browser = await launchBrowser([`--host-resolver-rules=MAP ${HOST} 127.0.0.1`])
})

test.after(async ({ browser, cluster }) => {
  await browser.close()
  await cluster.close()
})

test('the disk of this device is full: it is said, the text stays in its field and still reaches the nodes', async ({ browser, cluster }) => {
  const dan = await openBrowserFor(browser, 'dan')
  await signUp(dan, cluster.at(0).url)
  const { page } = dan
  const session = await dan.context.newCDPSession(page)
  await session.send('Storage.overrideQuotaForOrigin', { origin: cluster.at(0).url, quotaSize: 1 })
  await writeDraft(page, 'dan', 'more than fits')
  await page.keyboard.type(' '.repeat(50).replaceAll(' ', 'all of this is more than the disk takes. '))
  // The browser reckons with a size that it looks up now and then: one goes on typing until it has noticed.
  const said = page.getByText('This device has no space left.')
  for (let keys = 0; keys < 60 && (await said.count()) === 0; keys += 1) {
    await page.keyboard.type('x')
    await page.waitForTimeout(400)
  }
  await said.waitFor()
  assert.match(await page.locator('li.draft textarea').inputValue(), /^more than fits/)
  await checkLook(page, 'disk-full')
  await page.locator('li.draft textarea').focus()
  await page.keyboard.press('Control+Enter')
  await sentState(page, 'more than fits', /Stored|Opened/).waitFor()
  assert.equal(dan.complaints.others, [])
  await dan.context.close()
})

test('the data of the browser are cleared while one types: nothing is lost, and what is open is kept again', async ({ browser, cluster }) => {
  const lea = await openBrowserFor(browser, 'lea')
  await signUp(lea, cluster.at(0).url)
  const { page } = lea
  await writeDraft(page, 'lea', 'before the clearing')
  const session = await lea.context.newCDPSession(page)
  await session.send('Storage.clearDataForOrigin', { origin: cluster.at(0).url, storageTypes: 'indexeddb' })
  await page.waitForTimeout(200)
  await page.keyboard.type(' and after')
  assert.is(await page.locator('li.draft textarea').inputValue(), 'before the clearing and after')
  await page.waitForFunction(async () => (await indexedDB.databases()).some(({ name }) => name?.endsWith('/drafts')))
  await waitForMail(page, /all saved/)
  assert.is(await page.locator('.banner').count(), 0)
  await page.locator('li.draft textarea').press('Control+Enter')
  await sentState(page, 'and after', /Stored|Opened/).waitFor()
  await page.reload()
  await seeMessage(page, 'before the clearing and after')
  assert.equal(lea.complaints.others, [])
  await lea.context.close()
})

test('a browser that keeps nothing: it is said, and everything works as long as a node answers', async ({ browser, cluster }) => {
  const eve = await openBrowserFor(browser, 'eve')
  const { page } = eve
  await page.addInitScript(() => {
    indexedDB.open = () => {
      throw new DOMException('storage is off', 'SecurityError')
    }
    indexedDB.databases = () => Promise.reject(new DOMException('storage is off', 'SecurityError'))
    for (const name of ['localStorage', 'sessionStorage'] as const) {
      Object.defineProperty(window, name, {
        get: () => {
          throw new DOMException('storage is off', 'SecurityError')
        },
      })
    }
  })
  await signUp(eve, cluster.at(0).url)
  await page.getByText('This browser keeps nothing on this device.').waitFor()
  await sendMessage(page, 'eve', 'kept by nodes only')
  await sentState(page, 'kept by nodes only', /Stored|Opened/).waitFor()
  await seeMessage(page, 'kept by nodes only')
  assert.equal(eve.complaints.others, [])
  await eve.context.close()
})

for (const [code, why] of [
  [4422, 'a bad update'],
  [4413, 'too large'],
] as const) {
  test(`a node refuses the drafts of this device (${code}, ${why}): they are put aside for download, and their texts are drafts again`, async ({ browser, cluster }) => {
    const fay = await openBrowserFor(browser, `fay${code}`)
    const { page } = fay
    let isRefusing = false
    await page.routeWebSocket(/\/sync\/\w+\/drafts/, (socket) => {
      const server = socket.connectToServer()
      server.onMessage((message) => socket.send(message))
      socket.onMessage((message) => {
        if (isRefusing) {
          isRefusing = false
          void socket.close({ code, reason: why })
        } else server.send(message)
      })
    })
    await signUp(fay, cluster.at(0).url)
    await writeDraft(page, `fay${code}`, 'refused')
    await page.keyboard.type(' by a nod')
    await waitForMail(page, /all saved/)
    isRefusing = true
    await page.keyboard.type('e')
    await page.getByText('A node refused the copy on this device.').waitFor()
    await page.waitForFunction(() => [...document.querySelectorAll('li.draft textarea')].some((field) => (field as HTMLTextAreaElement).value === 'refused by a node'))
    await page.getByRole('link', { name: 'Settings' }).click()
    const [download] = await Promise.all([page.waitForEvent('download'), page.getByRole('button', { name: 'Download', exact: true }).click()])
    assert.ok(readFileSync(await download.path()).length > 0)
    await page.getByRole('link', { name: 'Starling' }).click()
    await waitForMail(page)
    assert.equal(fay.complaints.others, [])
    await fay.context.close()
  })
}

test('a new version of the page is offered, waits until it is wanted, and costs no text', async ({ browser }) => {
  const dist = join(ROOT, '.cache', `update-${process.pid}`)
  mkdirSync(dist, { recursive: true })
  cpSync(join(ROOT, 'dist'), dist, { recursive: true })
  const single = await startCluster({ size: 1, program: join(dist, 'node.js') })
  try {
    const gil = await openBrowserFor(browser, 'gil')
    const { page } = gil
    await signUp(gil, single.at(0).url)
    await page.evaluate(() => navigator.serviceWorker.ready.then(() => undefined))
    await page.reload()
    await page.waitForFunction(() => navigator.serviceWorker.controller !== null)
    await writeDraft(page, 'gil', 'written before the new version')
    // What an upgrade does: the node comes back with other files.
    const worker = join(dist, 'web/service-worker.js')
    await single.stop(0)
    writeFileSync(worker, `${readFileSync(worker, 'utf8')}\n// another version\n`)
    await single.revive(0)
    await page.evaluate(() => navigator.serviceWorker.getRegistration().then((registration) => registration?.update()).then(() => undefined))
    await page.getByText('There is a new version of this page.').waitFor()
    await checkLook(page, 'update')
    await page.locator('li.draft textarea').focus()
    await page.keyboard.press('End')
    await page.keyboard.type(', to the last key')
    await page.getByRole('button', { name: 'Reload' }).click()
    await page.waitForFunction(() => document.querySelector('.banner') === null)
    await page.getByText('written before the new version, to the last key').first().waitFor()
    assert.equal(gil.complaints.others, [])
    await gil.context.close()
  } finally {
    await single.close()
    rmSync(dist, { recursive: true, force: true })
  }
})

const readAway = async (page: Page, url: string): Promise<void> => {
  await page.goto('about:blank')
  await page.goto(url)
}

test('[30] at an address without https everything but staying after a reload without nodes works', async ({ browser }) => {
  const plain = await startCluster({ idle: true })
  try {
    const urlOf = (pid: number): string => `http://${HOST}:${plain.at(pid).port}`
    // Outside of loopback there must be a secret.
    writeFileSync(join(plain.directory, 'cluster.secret'), randomBytes(32).toString('hex'), { mode: 0o600 })
    for (const pid of plain.pids) plain.start(pid, ['--url', urlOf(pid)])
    await plain.waitAllReady()
    const hal = await openBrowserFor(browser, 'hal')
    const ida = await openBrowserFor(browser, 'ida')
    await signUp(hal, urlOf(0))
    await signUp(ida, urlOf(1))
    assert.is(await hal.page.evaluate(() => isSecureContext), false)
    await sendMessage(hal.page, 'ida', 'in the open')
    await messageRow(ida.page, 'in the open').waitFor()
    await sentState(hal.page, 'in the open', /Opened/).waitFor()
    await ida.page.goto('about:blank')
    for (const text of ['one', 'two']) await sendMessage(hal.page, 'ida', `while away ${text}`)
    await sentState(hal.page, 'while away two', 'Stored on all 3 nodes').waitFor()
    await readAway(ida.page, urlOf(1))
    await inboxCount(ida.page, 2).waitFor()
    await ida.page.getByRole('button', { name: 'Open 2' }).click()
    await messageRow(ida.page, 'while away one').waitFor()
    await messageRow(ida.page, 'while away one').getByRole('checkbox', { name: 'Read' }).check()
    await sentState(hal.page, 'while away one', /Read/).waitFor()
    await messageRow(ida.page, 'while away two').focus()
    await ida.page.keyboard.press('#')
    await ida.page.getByText('Deleted.', { exact: true }).waitFor()
    await ida.page.keyboard.press('z')
    await messageRow(ida.page, 'while away two').waitFor()
    await writeDraft(hal.page, 'ida', 'a draft without https')
    await hal.page.reload()
    await waitForMail(hal.page)
    await hal.page.locator('li.draft').getByText('a draft without https').waitFor()
    await hal.page.getByRole('button', { name: /^Edit/ }).click()
    await hal.page.getByRole('button', { name: 'Save', exact: true }).click()
    await hal.page.getByText('Saved on all 3 nodes').waitFor()
    await hal.page.getByRole('checkbox', { name: 'Select all' }).check()
    await hal.page.getByRole('button', { name: 'Send 1' }).click()
    await messageRow(ida.page, 'a draft without https').waitFor()
    await hal.page.getByRole('link', { name: 'Settings' }).click()
    await hal.page.getByText('need https or localhost').waitFor()
    await plain.kill(0)
    await chipOf(hal.page).filter({ hasText: /node [12] ·/ }).waitFor()
    for (const person of [hal, ida]) {
      assert.equal(person.complaints.others, [])
      await person.context.close()
    }
  } finally {
    await plain.close()
  }
})

const lose = async (cluster: Cluster): Promise<void> => {
  for (const other of [1, 2]) cluster.cutLink(0, other)
  await cluster.waitCluster(0, (state) => state.nodes[1].status === 'down' && state.coordinator === 0, 60_000)
  await cluster.waitCluster(1, (state) => state.nodes[0].status === 'down' && state.coordinator === 1, 60_000)
}

test('[19] a name taken on both sides of a split: the later one is told, takes another, and its mail follows', async ({ browser, cluster }) => {
  const cleo = await cluster.createPerson(2, 'cleo')
  await lose(cluster)
  const [first, second] = [await openBrowserFor(browser, 'kim'), await openBrowserFor(browser, 'kim')]
  const people: readonly [BrowserPerson, number][] = [
    [first, 1],
    [second, 0],
  ]
  for (const [person, pid] of people) await signUp(person, cluster.at(pid).url)
  const own = await call(cluster.at(0), 'POST', '/api/sessions', { body: { name: 'kim', password: second.password }, idempotencyKey: newMessageId(), timeoutMs: 10_000 })
  for (const other of [1, 2]) cluster.healLink(0, other)
  const { page } = second
  await page.getByRole('heading', { name: 'Your name needs to change' }).waitFor({ timeout: 30_000 })
  await checkLook(page, 'name-lost')
  assert.ok(await page.locator('.behind').evaluate((behind: HTMLElement) => behind.inert))
  const field = page.getByLabel('New name')
  assert.is(await field.inputValue(), 'kim-2')
  await page.getByLabel('Password', { exact: true }).fill(second.password)
  await page.getByRole('button', { name: 'Keep going under the new name' }).click()
  await page.getByText('Hello, kim-2').waitFor()
  await page.getByRole('heading', { name: 'Your name needs to change' }).waitFor({ state: 'detached' })
  assert.is(await first.page.getByRole('heading', { name: 'Your name needs to change' }).count(), 0)

  // Mail goes to the account, whatever it was called when it was chosen.
  const sent = await call(cluster.at(2), 'POST', '/api/messages', { token: cleo.token, body: { id: newMessageId(), to: [{ id: own.body.account.id, name: 'kim' }], text: 'for the second kim' } })
  assert.is(sent.status, 201)
  await seeMessage(page, 'for the second kim')
  assert.is(await messageRow(first.page, 'for the second kim').count(), 0)
  for (const [person] of people) {
    assert.equal(person.complaints.others, [])
    await person.context.close()
  }
})

test.run()
