// FAULTS X6: 300 texts that would run a script if anything took them for HTML, as messages, drafts, device labels, names of
// recipients and addresses, seen in a real browser: no element is made of them, nothing runs, and the policy has nothing to report.
// deadline: 300 s

import type { Browser, Page } from 'playwright-core'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { addToOutbox } from '../support/raw-outbox.ts'
import { TEST_ENV, mustAsk, print } from '../support/asking.ts'
import { type BrowserPerson, launchBrowser, openBrowserFor, signUp } from '../support/browser.ts'
import { type Cluster, type Person, newMessageId, startCluster, wait } from '../support/cluster.ts'
import { detachAll } from '../support/providers.ts'

const test = suite<{ cluster: Cluster; browser: Browser; ana: BrowserPerson }>('X6')

/** Each would set window.x6 or leave an element with data-x6. */
const VECTORS: readonly string[] = [
  '<script data-x6>window.x6=1</script>', '<img src=x onerror="window.x6=1" data-x6>', '<svg onload="window.x6=1" data-x6>', '<svg><script data-x6>window.x6=1</script></svg>', '<iframe srcdoc="<script>parent.x6=1</script>" data-x6></iframe>',
  '<a href="javascript:window.x6=1" data-x6>x</a>', '<body onload="window.x6=1" data-x6>', '<input autofocus onfocus="window.x6=1" data-x6>', '<details open ontoggle="window.x6=1" data-x6>', '<video><source onerror="window.x6=1" data-x6></video>',
  '<math><mtext><img src=x onerror="window.x6=1" data-x6></mtext></math>', '<style data-x6>*{background:url(javascript:window.x6=1)}</style>', '<link rel=stylesheet href="data:text/css,*{}" data-x6>', '<meta http-equiv=refresh content="0;url=javascript:window.x6=1" data-x6>', '<base href="https://evil.example/" data-x6>',
  '<form action="javascript:window.x6=1" data-x6><button data-x6>x</button></form>', '<object data="data:text/html,<script>parent.x6=1</script>" data-x6></object>', '<embed src="data:text/html,x" data-x6>', '<template data-x6><img src=x onerror="window.x6=1"></template>', '<noscript><p title="</noscript><img src=x onerror=window.x6=1 data-x6>">',
  'javascript:window.x6=1', 'JaVaScRiPt:window.x6=1//https://a.example', 'data:text/html,<script data-x6>window.x6=1</script>', 'vbscript:window.x6=1', 'https://a.example/"onmouseover="window.x6=1"data-x6="',
  "https://a.example/'><img src=x onerror=window.x6=1 data-x6>", 'http://javascript:window.x6=1@a.example/', '{{constructor.constructor("window.x6=1")()}}', '${window.x6=1}', '[x](javascript:window.x6=1)',
]
const WRAPPERS: readonly ((vector: string) => string)[] = [
  (vector) => vector, (vector) => `">${vector}`, (vector) => `'>${vector}`, (vector) => `</textarea></title></script>${vector}`, (vector) => `-->${vector}<!--`,
  (vector) => vector.toUpperCase().replaceAll('WINDOW.X6', 'window.x6').replaceAll('DATA-X6', 'data-x6'), (vector) => `\u202e${vector}\u0000`, (vector) => vector.replaceAll('<', '&lt;').replaceAll('>', '&gt;'), (vector) => vector.replaceAll('<', '\\u003c'), (vector) => `see https://a.example/?q=${vector} and ${vector}`,
]
const PAYLOADS = WRAPPERS.flatMap((wrap) => VECTORS.map(wrap))

test.before(async (context) => {
  context.cluster = await startCluster({ env: TEST_ENV })
  context.browser = await launchBrowser()
  context.ana = await openBrowserFor(context.browser, 'ana')
})
test.after(async ({ browser, cluster }) => {
  detachAll()
  await browser.close()
  await cluster.close()
})

/** What a payload made of itself on a page: elements of it, scripts that ran, links that lead to one. */
const traces = (page: Page): Promise<readonly string[]> =>
  page.evaluate(() => [
    ...[...document.querySelectorAll('[data-x6]')].map((element) => `element ${element.outerHTML.slice(0, 120)}`),
    ...[...document.querySelectorAll<HTMLAnchorElement>('a[href]')].filter((link) => !/^(https?|mailto):/.test(link.href)).map((link) => `link ${link.href.slice(0, 120)}`),
    ...[...document.querySelectorAll('*')].filter((element) => [...element.attributes].some(({ name }) => name.startsWith('on'))).map((element) => `handler ${element.outerHTML.slice(0, 120)}`),
    ...(Reflect.get(globalThis, 'x6') === undefined ? [] : ['a script ran']),
  ])

test('300 payloads in messages, drafts, device labels, names and addresses make no element, run nothing, and are shown as text', async ({ cluster, ana }) => {
  assert.is(PAYLOADS.length, 300)
  const { page } = ana
  await signUp(ana, cluster.at(0).url)
  const eve: Person = await cluster.createPerson(1, 'eve')
  const found: string[] = []
  const look = async (where: string): Promise<void> => void found.push(...(await traces(page)).map((trace) => `${where}: ${trace}`))

  for (const [index, text] of PAYLOADS.entries()) await mustAsk(201, cluster.at(index % 3), 'POST', '/api/messages', { token: eve.token, body: { to: ['ana'], text: `${index} ${text}` } })
  await page.getByText(`299 ${PAYLOADS[299]?.slice(0, 20) ?? ''}`, { exact: false }).first().waitFor({ timeout: 30_000 })
  await look('messages')
  // All of them, as far as the list shows at once.
  for (let turn = 0; turn < 12; turn++) {
    await page.mouse.wheel(0, 3_000)
    await wait(100)
    await look('messages')
  }
  const shown = await page.locator('body').innerText()
  assert.ok(PAYLOADS.some((text) => text.startsWith('<') && shown.includes(text)), 'they are shown as text')

  // The names of recipients are the sender's to write: straight into the outbox, past the page.
  for (const text of VECTORS.filter((vector) => vector.length <= 32)) await addToOutbox(cluster.at(1), eve, newMessageId(), [[eve.id, text], ['', text]], text)
  // In her own account: drafts from another program, and devices that call themselves so.
  const own = (await mustAsk(201, cluster.at(1), 'POST', '/api/sessions', { body: { name: 'ana', password: ana.password, device: VECTORS[1]?.slice(0, 128) ?? '' } })).body.session.token
  for (const device of VECTORS.slice(0, 5)) await mustAsk(201, cluster.at(2), 'POST', '/api/sessions', { body: { name: 'ana', password: ana.password, device: device.slice(0, 128) } })
  for (const text of VECTORS) await mustAsk(200, cluster.at(1), 'PUT', `/api/drafts/${newMessageId()}`, { token: own, body: { to: ['eve'], text } })
  await wait(1_500)
  await look('drafts')
  for (const path of ['/settings', '/cluster', '/help', `/?${encodeURIComponent(VECTORS[1] ?? '')}`, `/${encodeURIComponent(VECTORS[1] ?? '')}#${VECTORS[1]}`]) {
    await page.goto(`${cluster.at(0).url}${path}`)
    await wait(1_000)
    await look(path)
  }
  // Names of accounts are letters and digits; everything else is refused before it is anybody's.
  for (const name of VECTORS) await mustAsk(422, cluster.at(0), 'POST', '/api/accounts', { body: { name: name.slice(0, 32), password: 'long enough' } })
  assert.equal(found, [])
  assert.equal(ana.complaints.others, [])
  print(`${PAYLOADS.length} payloads as messages, ${VECTORS.length} as drafts, 6 as device labels, in addresses and names: 0 elements, 0 reports`)
})

test.run()
