// deadline: 240 s
// The demo as its user runs it: a first start, kills through the control server, Ctrl-C, a second start with the same
// data; and the script of six orders with its verdict.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { call, newRequestId, wait } from '../support/cluster.ts'

const ROOT = process.env['STARLING_ROOT'] ?? process.cwd()
const DEMO = join(ROOT, 'scripts/demo.mjs')

type Demo = { readonly urls: readonly string[]; readonly control: string; readonly token: string; readonly interrupt: () => Promise<number | null> }

/** Starts the demo and waits until it has printed its URLs. */
const startDemo = async (directory: string): Promise<Demo> => {
  const child: ChildProcess = spawn(process.execPath, [DEMO, '--no-open', '--data-dir', directory], { stdio: ['ignore', 'pipe', 'pipe'] })
  let output = ''
  child.stdout?.on('data', (bytes) => {
    output += bytes
  })
  child.stderr?.on('data', (bytes) => {
    output += bytes
  })
  for (let tries = 0; !output.includes('Ctrl-C stops all'); tries++) {
    if (tries > 600 || child.exitCode !== null) throw new Error(`the demo did not start:\n${output}`)
    await wait(100)
  }
  const [, port, token] = /demo=(\d+)\.([0-9a-f]+)/.exec(output) ?? []
  assert.ok(port !== undefined && token !== undefined, output)
  return {
    urls: [...output.matchAll(/^ {2}node \d +(http:\S+)/gm)].map((found) => found[1] ?? ''),
    control: `http://127.0.0.1:${port}`,
    token,
    interrupt: () =>
      new Promise((resolve) => {
        child.once('exit', (code) => resolve(code))
        child.kill('SIGINT')
      }),
  }
}

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

demo('--script six: two of three killed in all six orders, nothing acknowledged lost, doubled or invented', () => {
  const { status, stdout, stderr } = spawnSync(process.execPath, [DEMO, '--script', 'six'], { encoding: 'utf8', timeout: 180_000 })
  assert.is(status, 0, `${stdout}\n${stderr}`)
  assert.is(stdout.match(/ yes \d+\/\d+/g)?.length, 6, stdout)
})

demo('refuses what it does not know', () => {
  const { status, stderr } = spawnSync(process.execPath, [DEMO, '--scrpt', 'six'], { encoding: 'utf8' })
  assert.is(status, 2)
  assert.match(stderr, /Usage: npm run demo/)
})

demo.run()
