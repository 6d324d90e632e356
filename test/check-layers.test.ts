// The guard of the arrows: it passes on the real tree and fails on planted violations, each named.

import { spawnSync } from 'node:child_process'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const ROOT = process.env['STARLING_ROOT'] ?? process.cwd()

const check = (root: string): { status: number | null; output: string } => {
  const result = spawnSync(process.execPath, [join(ROOT, 'scripts/check-layers.mjs'), root], { encoding: 'utf8' })
  return { status: result.status, output: result.stdout + result.stderr }
}

/** What the guard says about a tree of these files. */
const checkTree = (files: Record<string, string>): { status: number | null; output: string } => {
  const root = mkdtempSync(join(tmpdir(), 'starling-layers-'))
  try {
    for (const [path, text] of Object.entries(files)) {
      mkdirSync(dirname(join(root, path)), { recursive: true })
      writeFileSync(join(root, path), text)
    }
    return check(root)
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

const clean = {
  'crdt-schema/ids.ts': "// Ids.\nimport * as Y from 'yjs'\nexport const a = Y\n",
  'node/core/node.ts': "// The core. It never calls Math.random().\nimport { a } from '../../crdt-schema/ids.ts'\nexport const say = () => `console.log(${a})`\n",
  'node/adapters/system.ts': "// Clocks.\nimport type { say } from '../core/node.ts'\nexport const now = (): number => Date.now()\nexport type Say = typeof say\n",
}

const layers = suite('check-layers')

layers('the real tree keeps its arrows', () => {
  const { status, output } = check(ROOT)
  assert.is(status, 0, output)
})

layers('a small clean tree passes; words in comments and strings are not code', () => {
  const { status, output } = checkTree(clean)
  assert.is(status, 0, output)
})

const planted: [name: string, files: Record<string, string>, expected: RegExp][] = [
  ['an import from core to an adapter', { 'node/core/bad.ts': "// Bad.\nimport { now } from '../adapters/system.ts'\nexport const x = now\n" }, /node\/core\/bad\.ts:2: node\/core must not import node\/adapters/],
  ['a type import over several lines from core to an adapter', { 'node/core/bad.ts': "// Bad.\nimport type {\n  Say,\n} from '../adapters/system.ts'\nexport type X = Say\n" }, /node\/core must not import node\/adapters/],
  ['a cycle', { 'crdt-schema/b.ts': "// B.\nexport { c } from './c.ts'\n", 'crdt-schema/c.ts': "// C.\nimport './b.ts'\nexport const c = 1\n" }, /cycle: crdt-schema\/b\.ts → crdt-schema\/c\.ts → crdt-schema\/b\.ts/],
  ['one adapter that imports another', { 'node/adapters/http-api.ts': "// Http.\nexport { now } from './system.ts'\n" }, /an adapter imports another adapter/],
  ['a page that imports the node', { 'web/link/sockets.ts': "// Sockets.\nexport { say } from '../../node/core/node.ts'\n" }, /web\/link must not import node\/core/],
  ['a dynamic import of a builtin in the core', { 'node/core/bad.ts': "// Bad.\nexport const x = () => import('node:fs')\n" }, /node\/core must not import Node's own 'node:fs'/],
  ['a package the core may not know', { 'node/core/bad.ts': "// Bad.\nimport { WebSocket } from 'ws'\nexport const x = WebSocket\n" }, /must not import the package 'ws'/],
  ['chance in the core', { 'node/core/bad.ts': '// Bad.\nexport const x = () => `${Math.random()}`\n' }, /bad\.ts:2: Math\.random/],
  ['a timer in the core', { 'node/core/bad.ts': '// Bad.\nexport const x = () => setTimeout(() => {}, 1)\n' }, /bad\.ts:2: a timer/],
  ['a core file of more than 400 lines', { 'node/core/bad.ts': `// Bad.\n${'export {}\n'.repeat(400)}` }, /has 401 lines/],
  ['a barrel', { 'node/core/index.ts': "// All.\nexport { say } from './node.ts'\n" }, /is a barrel/],
  ['a file that does not say what lives there', { 'node/core/bad.ts': 'export const x = 1\n' }, /does not open with a comment/],
  ['an import without its ending', { 'node/core/bad.ts': "// Bad.\nexport { say } from './node'\n" }, /without its \.ts/],
]

for (const [name, files, expected] of planted) {
  layers(`${name} fails`, () => {
    const { status, output } = checkTree({ ...clean, ...files })
    assert.is(status, 1)
    assert.match(output, expected)
  })
}

layers.run()
