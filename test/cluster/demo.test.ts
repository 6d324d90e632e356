// deadline: 400 s
// The demo as its user runs it: a first start, kills through the control server, Ctrl-C, a second start with the same
// data; and the script of six orders with its verdict.

import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { call, newRequestId, wait } from '../support/cluster.ts'
import { DEMO, PATIENT, startDemo } from '../support/demo.ts'

const until = async (isTrue: () => Promise<boolean>, what: string, limitMs = 30_000): Promise<void> => {
  const deadline = Date.now() + limitMs
  while (!(await isTrue())) {
    if (Date.now() > deadline) throw new Error(`never happened: ${what}`)
    await wait(50)
  }
}

const demo = suite('the demo')

demo('starts three nodes, kills and restarts them on request, stops on Ctrl-C and goes on with its data', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'starling-demo-'))
  try {
    const first = await startDemo(directory)
    assert.is(first.urls.length, 3)
    const [a = '', b = '', c = ''] = first.urls
    const ana = await call(a, 'POST', '/api/accounts', { body: { name: 'ana', password: 'ana has a password' }, idempotencyKey: newRequestId(), timeoutMs: 10_000 })
    assert.is(ana.status, 201, JSON.stringify(ana.body ?? ana.code))

    const refused = await call(first.control, 'POST', '/kill/0')
    assert.is(refused.status, 401, 'no token, no kill')
    const killed = await call(first.control, 'POST', '/kill/0', { token: first.token })
    assert.equal(
      killed.body.nodes.map(({ state }: { state: string }) => state),
      ['stopped', 'running', 'running'],
    )
    assert.is((await call(a, 'GET', '/readyz')).status, 0)
    const name = await call(c, 'GET', '/api/accounts/ana')
    assert.is(name.body?.exists, true, JSON.stringify(name.body ?? name.code))
    await call(first.control, 'POST', '/restart/0', { token: first.token })
    await until(async () => (await call(a, 'GET', '/readyz')).status === 200, 'node 0 is ready again')
    assert.is(await first.interrupt(), 0)
    assert.is((await call(b, 'GET', '/livez')).status, 0, 'no node is left behind')

    const second = await startDemo(directory)
    const known = await call(second.urls[1] ?? '', 'GET', '/api/accounts/ana')
    assert.is(known.body?.exists, true, 'data stays between runs')
    assert.is(await second.interrupt(), 0)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

demo('cuts and mends links, and adds a node that is a member for good', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'starling-demo-'))
  try {
    const first = await startDemo(directory)
    const [a = ''] = first.urls
    const post = async (path: string) => await call(first.control, 'POST', path, { token: first.token })
    const cluster = async () => (await call(a, 'GET', '/api/cluster')).body
    const statesOfLinks = async (): Promise<string[]> => (await cluster()).links.map(({ state }: { state: string }) => state)

    assert.is((await post('/cut/0/0')).status, 404)
    assert.equal((await post('/cut/0/2')).body.links, [{ a: 0, b: 1, isCut: false }, { a: 0, b: 2, isCut: true }, { a: 1, b: 2, isCut: false }])
    await until(async () => (await statesOfLinks()).join() === 'up,down,up', 'the link is down')
    // A page of a node that the others reach by another address is no stranger to them.
    assert.equal((await cluster()).nodes.map(({ url }: { url: string }) => url), first.urls)
    await post('/mend/0/2')
    await until(async () => (await statesOfLinks()).join() === 'up,up,up', 'the link is up')

    await post('/add')
    await until(async () => (await cluster()).nodes.filter(({ status }: { status: string }) => status === 'ready').length === 4, 'four nodes are ready', 60_000)
    assert.is((await post('/six')).status, 404, 'the orders are those of three nodes')
    assert.is(await first.interrupt(), 0)
    const second = await startDemo(directory)
    await until(async () => (await call(second.urls[0] ?? '', 'GET', '/api/cluster')).body.nodes.filter(({ status }: { status: string }) => status === 'ready').length === 4, 'four again', 60_000)
    assert.is(second.urls.length, 4)
    assert.is(await second.interrupt(), 0)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

demo('--script six: two of three killed in all six orders, nothing acknowledged lost, doubled or invented', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [DEMO, '--script', 'six'], { encoding: 'utf8', timeout: 180_000, env: PATIENT })
  assert.is(status, 0, `${stdout}\n${stderr}`)
  assert.is(stdout.match(/ yes \d+\/\d+/g)?.length, 6, stdout)
})

demo('refuses what it does not know', () => {
  const { status, stderr } = spawnSync(process.execPath, [DEMO, '--scrpt', 'six'], { encoding: 'utf8' })
  assert.is(status, 2)
  assert.match(stderr, /Usage: npm run demo/)
})

demo.run()
