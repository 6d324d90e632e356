// What the README shows must run: its npm commands exist, its node commands use flags the program knows.

import { spawnSync } from 'node:child_process'
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const ROOT = process.env['STARLING_ROOT'] ?? process.cwd()
const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
const scripts: Record<string, string> = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).scripts

const page = suite('README')

page('every npm command in it exists, and so does the file it runs', () => {
  const names = new Set([...readme.matchAll(/\bnpm (?:run )?(test|demo|build|bench|check|test:long)\b(?!:)/g)].map((found) => found[1] ?? ''))
  assert.ok(names.size >= 5, [...names].join(' '))
  for (const name of names) {
    const file = scripts[name]?.split(' ')[1]
    assert.ok(file !== undefined && existsSync(join(ROOT, file)), `npm run ${name}`)
  }
})

page('every flag of a node in it is in --help', () => {
  const { status, stdout } = spawnSync(process.execPath, [join(ROOT, 'dist/node.js'), '--help'], { encoding: 'utf8' })
  assert.is(status, 0)
  const shown = readme.split('npm run demo')[0] + readme.slice(readme.indexOf('## Three machines'), readme.indexOf('## Develop'))
  const flags = new Set([...shown.matchAll(/(?<![\w-])--[a-z][a-z-]+/g)].map(([flag]) => flag).filter((flag) => flag !== '--help'))
  assert.ok(flags.size >= 6, [...flags].join(' '))
  for (const flag of flags) assert.ok(stdout.includes(flag), `${flag} is in the README but not in --help`)
})

page('every link to a file leads to one', () => {
  const links = [...readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map((found) => found[1] ?? '')
  for (const link of links) assert.ok(existsSync(join(ROOT, link)), link)
})

page.run()
