// The machine's clocks and its log, and the page that lists what is logged.

import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createClock, randomBytes } from '../../node/adapters/system.ts'

const test = suite('system')
const root = process.env['STARLING_ROOT'] ?? process.cwd()

test('[CLK1] an offset moves the wall clock and leaves the running one alone', () => {
  const plain = createClock(0)()
  const shifted = createClock(3_600_000)()
  assert.ok(Math.abs(shifted.wallMs - plain.wallMs - 3_600_000) < 1_000)
  assert.ok(shifted.monotonicMs - plain.monotonicMs < 1_000)
  assert.ok(createClock(0)().monotonicMs >= plain.monotonicMs)
})

test('random bytes are as many as asked for, and others each time', () => {
  assert.is(randomBytes(32).length, 32)
  assert.not.equal(randomBytes(32), randomBytes(32))
})

/** The names in every call of `log(…, 'level', 'event', …)` below node/. */
const readLoggedEvents = (): Set<string> => {
  const found = new Set<string>()
  const paths = readdirSync(join(root, 'node'), { recursive: true }).map(String)
  for (const path of paths.filter(name => name.endsWith('.ts'))) {
    const source = readFileSync(join(root, 'node', path), 'utf8')
    for (const [, expression = ''] of source.matchAll(/\blog\((?:node, )?'(?:debug|info|warn|error)', ([^{]*?), \{/g)) {
      // Of `a === 'x' ? 'b' : 'c'` the names are b and c.
      const names = expression.replace(/=== '[^']*'/g, '')
      for (const [, name = ''] of names.matchAll(/'([a-z-]+)'/g)) found.add(name)
    }
  }
  return found
}

test('docs/logs.md lists exactly the events that the node logs', () => {
  const page = readFileSync(join(root, 'docs/logs.md'), 'utf8')
  const listed = [...page.matchAll(/^\| `([a-z-]+)` \|/gm)].map(([, name = '']) => name)
  assert.equal(listed.toSorted(), [...readLoggedEvents()].toSorted())
})

test.run()
