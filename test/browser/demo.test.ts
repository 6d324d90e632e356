// The cluster page of the demo: its buttons act on the supervisor's nodes and links, the picture follows, and all six
// orders in which two of three nodes can fail are played from the page.
// deadline: 280 s

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Browser, Page } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type BrowserPerson, launchBrowser, openBrowserFor, readNode, seeMessage, sendMessage, sentState, signUp } from '../support/browser.ts'
import { call } from '../support/cluster.ts'
import { type Demo, startDemo } from '../support/demo.ts'
import { checkLook } from '../support/page-checks.ts'

const test = suite<{ demo: Demo; directory: string; browser: Browser; ana: BrowserPerson }>('demo')

test.before(async (context) => {
  context.directory = mkdtempSync(join(tmpdir(), 'starling-demo-page-'))
  context.demo = await startDemo(context.directory)
  context.browser = await launchBrowser()
  context.ana = await openBrowserFor(context.browser, 'ana')
})

test.after(async ({ browser, demo, directory }) => {
  await browser.close()
  await demo.interrupt()
  rmSync(directory, { recursive: true, force: true })
})

const summary = (page: Page, text: RegExp) => page.locator('.cl .head p').filter({ hasText: text })
/** A killed process and a split are noticed within seconds, also on a busy machine. */
const patiently = { timeout: 30_000 }

test('the page that the demo prints has its buttons, and its address keeps no token', async ({ ana, demo }) => {
  const { page } = ana
  await signUp(ana, demo.page)
  assert.not.match(page.url(), /demo=/)
  await page.getByRole('link', { name: 'Cluster' }).click()
  await page.getByRole('group', { name: 'Demo, node 2' }).getByRole('button', { name: 'Kill' }).waitFor()
  await summary(page, /3 of 3 up · everything stored 3 times · node 0 coordinates/).waitFor(patiently)
  await checkLook(page, 'demo-cluster')
})

test('the own node is killed from the page: the tie swings to another, the lane ends, Restart brings it back', async ({ ana }) => {
  const { page } = ana
  const pid = await readNode(page)
  await page.keyboard.press(String(pid))
  await page.getByText(`node ${pid} was killed from this page`).waitFor()
  await page.getByRole('group', { name: `Demo, node ${pid}` }).getByRole('button', { name: 'Restart' }).waitFor()
  await page.getByText(new RegExp(`you moved from node ${pid} to node \\d, gap \\d+ ms`)).waitFor(patiently)
  await summary(page, /2 of 3 up/).waitFor(patiently)
  await page.getByRole('button', { name: new RegExp(`node ${pid} is down$`) }).first().click()
  await page.getByRole('status').filter({ hasText: new RegExp(`node ${pid} is down$`) }).waitFor()
  await checkLook(page, 'demo-cluster-killed')
  await page.getByRole('group', { name: `Demo, node ${pid}` }).getByRole('button', { name: 'Restart' }).click()
  await summary(page, /3 of 3 up · everything stored 3 times/).waitFor(patiently)
})

test('links are cut and mended: one carries on over the others, two split the cluster and the page shows both sides', async ({ ana }) => {
  const { page } = ana
  await page.getByRole('button', { name: 'Cut link between node 0 and node 2' }).click()
  await page.getByRole('listitem').filter({ hasText: '0–2' }).getByText('cut', { exact: true }).waitFor(patiently)
  await summary(page, /3 of 3 up/).waitFor(patiently)
  await page.getByRole('button', { name: 'Cut link between node 1 and node 2' }).click()
  await summary(page, /2 groups: 0\+1 and 2/).waitFor(patiently)
  await page.getByRole('img', { name: /2 groups: 0\+1 and 2/ }).waitFor(patiently)
  await checkLook(page, 'demo-cluster-split')
  for (const other of [0, 1]) await page.getByRole('button', { name: `Mend link between node ${other} and node 2` }).click()
  await summary(page, /3 of 3 up · everything stored 3 times/).waitFor(patiently)
})

test('[16] all six orders of two failures, played from the page: nothing acknowledged is lost, and the page moves with them', async ({ ana, demo }) => {
  const { page } = ana
  await page.getByRole('button', { name: 'Run all 6 failure orders' }).click()
  await page.getByText('Playing order 1 of 6').waitFor()
  assert.is((await call(demo.control, 'POST', '/kill/0', { token: demo.token })).status, 409, 'nobody interferes with the count')
  const verdict = page.getByText(/^(All orders held|It did not hold)/)
  await verdict.waitFor({ timeout: 180_000 })
  assert.is(await verdict.innerText(), 'All orders held: nothing acknowledged was lost, doubled or invented.')
  const rows = await page.locator('.tbl tbody tr').allInnerTexts()
  console.log(rows.map((row) => `    ${row.replaceAll(/\s+/g, ' ')}`).join('\n'))
  assert.is(rows.length, 6)
  await checkLook(page, 'demo-cluster-six')
  await page.getByRole('link', { name: 'Starling' }).click()
  await sendMessage(page, 'ana', 'after all six')
  await sentState(page, 'after all six', /Stored|Opened/).waitFor()
  await seeMessage(page, 'after all six')
})

test('a node is added: it slides in, copies everything and counts as one of four', async ({ ana }) => {
  const { page } = ana
  await page.getByRole('link', { name: 'Cluster' }).click()
  await page.getByRole('button', { name: 'Add node' }).click()
  await summary(page, /4 of 4 up · everything stored 4 times/).waitFor(patiently)
  await checkLook(page, 'demo-cluster-four')
})

test('[27] nothing of ours was said on the console, but once that the page’s policy is older than the fourth node', ({ ana, demo }) => {
  const known = demo.urls.map((url) => new URL(url).host)
  const isOfFourth = (line: string): boolean => /connect|Fetch API cannot load/i.test(line) && !known.some((host) => new RegExp(`(to '|load |connect-src )http://${host}/`).test(line))
  assert.equal(ana.complaints.others.filter((line) => !isOfFourth(line)), [])
  assert.ok(ana.complaints.others.length <= 3, 'it is asked once')
})

test.run()
