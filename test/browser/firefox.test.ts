// A smoke run in Firefox, by its own driver: signing up, sending, a node that dies, and all of them away. It is left out,
// and says so, where no Firefox is installed (`apt-get install firefox-esr`); the other tests here are in Chromium.
// deadline: 180 s

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Cluster, type Person, call, newMessageId, startCluster, wait } from '../support/cluster.ts'
import { type FirefoxPage, findFirefox, launchFirefox } from '../support/firefox.ts'

const program = findFirefox()
const test = suite<{ cluster: Cluster; ben: Person; page: FirefoxPage }>('firefox')

const READ_LIMIT_MS = 20_000

/** How many messages with this text ben has, once there is one. */
const countCopies = async (cluster: Cluster, ben: Person, text: string): Promise<number> => {
  const deadline = Date.now() + READ_LIMIT_MS
  for (;;) {
    await call(cluster.at(1), 'POST', '/api/inbox/open', { token: ben.token, body: { count: 100 } })
    const { body } = await call(cluster.at(1), 'GET', '/api/messages', { token: ben.token })
    const count = body?.messages?.filter((message: { text: string }) => message.text === text).length ?? 0
    if (count > 0 || Date.now() > deadline) return count
    await wait(200)
  }
}

const readNode = (page: FirefoxPage): Promise<number> =>
  page.evaluate(() => Number(/node (\d)/.exec(document.querySelector('.chip')?.textContent ?? '')?.[1]))

/** Writes a message to ben; the field keeps the focus. */
const write = async (page: FirefoxPage, text: string): Promise<void> => {
  await page.click('button', 'New draft')
  await page.see('li.draft option', /^ben$/)
  await page.evaluate(() => {
    const select = document.querySelector<HTMLSelectElement>('li.draft select')
    if (select === null) throw new Error('no draft')
    select.value = [...select.options].find(({ text }) => text === 'ben')?.value ?? ''
    select.dispatchEvent(new Event('change', { bubbles: true }))
  })
  await page.evaluate(() => document.querySelector<HTMLElement>('li.draft textarea')?.focus())
  await page.type(text)
}

if (program === null) {
  console.log('    no Firefox in PATH, and STARLING_FIREFOX is not set: the smoke run in it is left out')
  test('a program that STARLING_FIREFOX names must be there', () => {
    process.env['STARLING_FIREFOX'] = '/nowhere/firefox'
    assert.throws(findFirefox, /ENOENT/)
  })
} else {
  test.before(async (context) => {
    context.cluster = await startCluster()
    context.ben = await context.cluster.createPerson(1, 'ben')
    context.page = await launchFirefox(program)
  })

  test.after(async ({ page, cluster }) => {
    await page.close()
    await cluster.close()
  })

  test('signing up, in two steps', async ({ page, cluster }) => {
    await page.goto(cluster.at(0).url)
    await page.find('textbox', 'Your name')
    await page.click('textbox', 'Your name')
    await page.type('ana')
    await page.click('button', 'Continue')
    await page.see('h1', /Welcome, new user!/)
    await page.evaluate(() => document.querySelector<HTMLElement>('input[type=password]')?.focus())
    await page.type('ana-password')
    await page.click('button', 'Create account')
    await page.click('button', 'I have kept them') // the recovery codes
    await page.see('h2', /^Messages/)
    await page.see('.chip', /node \d · all saved/)
  })

  test('sending and receiving, live', async ({ page, cluster, ben }) => {
    await write(page, 'from Firefox')
    await page.pressControlEnter()
    await page.see('li.sent .state', /^Stored on/)
    assert.is(await countCopies(cluster, ben, 'from Firefox'), 1)
    await call(cluster.at(1), 'POST', '/api/messages', { token: ben.token, body: { id: newMessageId(), to: ['ana'], text: 'to Firefox' } })
    await page.see('article.row', /to Firefox/)
  })

  test('its node dies while one types: the focus stays, the next message is stored, and a reload still works', async ({ page, cluster, ben }) => {
    await write(page, 'typed before ')
    const pid = await readNode(page)
    await cluster.kill(pid)
    await page.type('and after the kill')
    await page.see('.chip', new RegExp(`node [^${pid}] · (2 of 3 up|all saved)`))
    assert.is(await page.evaluate(() => document.activeElement?.matches('li.draft textarea')), true)
    await page.pressControlEnter()
    await page.see('li.sent .state', /^Stored on/)
    // Its node is the one of the page's address, too: the shell comes from this device.
    await page.reload()
    await page.see('article.row', /to Firefox/)
    await page.see('.chip', /node \d · (2 of 3 up|all saved)/)
    await cluster.revive(pid)
    assert.is(await countCopies(cluster, ben, 'typed before and after the kill'), 1)
  })

  test('no node answers: what is sent waits on this device, also through a reload, and goes out once', async ({ page, cluster, ben }) => {
    await Promise.all(cluster.livePids().map((pid) => cluster.kill(pid)))
    await page.see('.banner', /You are offline/)
    await write(page, 'written offline')
    await page.pressControlEnter()
    await page.see('li.sent .state', /Waiting\. Only on this device/)
    await page.reload()
    await page.see('li.sent', /written offline/)
    await page.see('li.sent .state', /Waiting\. Only on this device/)
    await Promise.all(cluster.pids.map((pid) => cluster.revive(pid)))
    await page.see('li.sent .state', /^(Stored on|Opened)/)
    assert.is(await countCopies(cluster, ben, 'written offline'), 1)
    await page.see('.chip', /node \d · all saved/)
    assert.is(await countCopies(cluster, ben, 'written offline'), 1)
  })

  test('[27] nothing of ours was said on the console', ({ page }) => {
    assert.equal(page.complaints, [])
  })
}

test.run()
