// The runner over uvu must see what uvu does not: a file that never runs its tests, one that hangs, one whose hook throws.

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const ROOT = process.env['STARLING_ROOT'] ?? process.cwd()
const HEAD = "import { suite } from 'uvu'\nimport * as assert from 'uvu/assert'\nconst t = suite('t')\n"

/** What the runner says about a tree with these test files. */
const runTree = (files: Record<string, string>, ...options: string[]) => {
  const root = mkdtempSync(join(tmpdir(), 'starling-runner-'))
  try {
    for (const [name, text] of Object.entries(files)) {
      mkdirSync(join(root, 'test', name, '..'), { recursive: true })
      writeFileSync(join(root, 'test', name), text)
    }
    const result = spawnSync(process.execPath, [join(ROOT, 'scripts/test.mjs'), '--root', root, ...options], { encoding: 'utf8' })
    return { status: result.status, output: result.stdout, lastLine: result.stdout.trimEnd().split('\n').at(-1) }
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

const runner = suite('the test runner')

runner('counts what passed and ends with one line', () => {
  const { status, lastLine, output } = runTree({
    'a.test.ts': `${HEAD}t('one', () => assert.ok(true))\nt('two', () => assert.ok(true))\nt.run()\n`,
    'sim/b.test.ts': `${HEAD}t('three', () => assert.ok(true))\nt.run()\n`,
  })
  assert.is(lastLine, '3 passed, 0 failed', output)
  assert.is(status, 0)
})

runner('a failing test is printed in full and counted', () => {
  const { status, lastLine, output } = runTree({ 'a.test.ts': `${HEAD}t('good', () => {})\nt('bad', () => assert.is(1, 2))\nt.run()\n` })
  assert.is(lastLine, '1 passed, 1 failed', output)
  assert.match(output, /"bad"/)
  assert.match(output, /a\.test\.ts:5/, 'the stack names the source')
  assert.is(status, 1)
})

const silent: [name: string, source: string, expected: RegExp][] = [
  ['never calls .run()', `${HEAD}t('one', () => assert.ok(true))\n`, /never calls \.run\(\)/],
  ['has .run() only where it is not reached', `${HEAD}t('one', () => {})\nif (process.argv.length > 9) t.run()\n`, /no test ran/],
  ['runs one suite of two', `${HEAD}const u = suite('u')\nu('one', () => {})\nt('two', () => {})\nt.run()\n`, /makes 2 suites/],
  ['hangs', `${HEAD}t('one', () => new Promise((resolve) => setTimeout(resolve, 60_000)))\nt.run()\n`, /killed at its deadline of 1\.5 s/],
  ['spins', `${HEAD}t('one', () => { for (;;); })\nt.run()\n`, /killed at its deadline/],
  ['leaves something open', `${HEAD}setInterval(() => {}, 1000)\nt('one', () => {})\nt.run()\n`, /something kept the process alive/],
  ['waits for what never comes', `${HEAD}t('one', () => new Promise(() => {}))\nt.run()\n`, /no test ran/],
  ['has a hook that throws', `${HEAD}t.before(() => { throw new Error('x') })\nt('one', () => {})\nt.run()\n`, /1 of 1 tests failed; not all were run/],
  ['skips a test', `${HEAD}t('one', () => {})\nt.skip('two', () => {})\nt.run()\n`, /narrows or skips/],
  ['throws while loading', `${HEAD}throw new Error('x')\nt.run()\n`, /no test ran/],
  ['does not build', `${HEAD}import { x } from './nowhere.ts'\nt('one', () => x)\nt.run()\n`, /does not build/],
]

runner('files that pass in silence under uvu alone fail here', () => {
  const files = Object.fromEntries(silent.map(([, source], index) => [`case-${String(index).padStart(2, '0')}.test.ts`, source]))
  const { status, output, lastLine } = runTree(files, '--deadline', '1.5')
  for (const [index, [name, , expected]] of silent.entries()) {
    const line = output.split('\n').find((text) => text.startsWith(`  test/case-${String(index).padStart(2, '0')}.test.ts:`))
    assert.match(line ?? '', expected, `a file that ${name}\n${output}`)
  }
  assert.is(lastLine?.endsWith(`${silent.length} failed`), true, lastLine)
  assert.is(status, 1)
})

runner('long files run with --long only; a file may set its own deadline', () => {
  const files = {
    'a.test.ts': `// deadline: 1 s\n${HEAD}t('slow', () => new Promise((resolve) => setTimeout(resolve, 30_000)))\nt.run()\n`,
    'b.long.test.ts': `${HEAD}t('one', () => assert.ok(true))\nt.run()\n`,
  }
  const short = runTree(files)
  assert.match(short.output, /deadline of 1 s/)
  assert.is(short.lastLine, '0 passed, 1 failed')
  assert.is(runTree(files, '--long', '--only', 'b.long').lastLine, '1 passed, 0 failed')
})

runner('--no-browser leaves the browser out and says so', () => {
  const files = { 'a.test.ts': `${HEAD}t('one', () => {})\nt.run()\n`, 'browser/b.test.ts': `${HEAD}t('one', () => {})\nt.run()\n` }
  const { lastLine, output, status } = runTree(files, '--no-browser')
  assert.is(lastLine, '1 passed, 0 failed, 1 skipped')
  assert.match(output, /NOT A FULL RUN/)
  assert.is(status, 0)
})

runner.run()
