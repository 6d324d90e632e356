// Holds node/core/RULES.md against the tree: every rule that code or tests name is there, with files that exist and tests that exist.

import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const ROOT = process.env['STARLING_ROOT'] ?? process.cwd()
const PAGE = 'node/core/RULES.md'
const FAMILIES = 'DOC|COR|STO|REP|LIV|RDY|COO|CLK|DEL|SYN'
/** How many rules of each family there are; a rule that is taken off the page is missed here. */
const COUNTS = { DOC: 8, COR: 5, STO: 6, REP: 7, LIV: 3, RDY: 2, CLK: 1, COO: 8, DEL: 8, SYN: 6 } as const

interface Rule {
  readonly id: string
  readonly says: string
  readonly files: readonly string[]
  readonly tests: readonly { readonly file: string; readonly name: string }[]
}

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')

const parseRules = (page: string): readonly Rule[] =>
  page.split(/^(?=\*\*[A-Z]{3}\d+\*\*)/m).slice(1).map(block => {
    const [, id = '', says = ''] = /^\*\*([A-Z]{3}\d+)\*\* (.*)$/m.exec(block) ?? []
    const kept = /^- kept: (.*)$/m.exec(block)?.[1] ?? ''
    return {
      id,
      says,
      files: [...kept.matchAll(/`([^`]+)`/g)].map(([, file = '']) => file),
      tests: [...block.matchAll(/^- shown: `([^`]+)` (.+)$/gm)].map(([, file = '', name = '']) => ({ file, name }))
    }
  })

const parseGaps = (page: string): readonly { readonly id: string; readonly text: string }[] =>
  [...(page.split(/^## Not yet shown$/m)[1] ?? '').matchAll(/^- (\S+): (.+)$/gm)].map(([, id = '', text = '']) => ({ id, text }))

/** What a test is called where it is written: in quotes that open on the same line; a scenario is known by its first lines. */
const hasTest = (file: string, name: string): boolean => {
  const source = read(file)
  if (file.endsWith('.txt')) return source.split('\n').some(line => line.startsWith('#') && line.includes(name))
  return source.split('\n').some(line => {
    const at = line.indexOf(name)
    return at > 0 && /['"`]/.test(line.slice(0, at)) && !/^\s*(\/\/|\*)/.test(line)
  })
}

const filesUnder = (folder: string): readonly string[] =>
  readdirSync(join(ROOT, folder), { recursive: true, encoding: 'utf8' }).map(path => join(folder, path)).filter(path => /\.(ts|tsx|mjs|txt|md)$/.test(path))

const page = read(PAGE)
const rules = parseRules(page)
const gaps = parseGaps(page)
const ids = new Set(rules.map(({ id }) => id))

const book = suite('rules')

book('each rule stands there once, with a line of what it demands', () => {
  const counted = Object.fromEntries(Object.keys(COUNTS).map(family => [family, rules.filter(({ id }) => id.startsWith(family)).length]))
  assert.equal(counted, { ...COUNTS })
  assert.is(ids.size, rules.length)
  for (const { id, says } of rules) assert.ok(says.length > 20, id)
})

book('every rule that code, tests or pages name is there', () => {
  const unknown = new Set<string>()
  const named = new RegExp(`\\b(?:${FAMILIES})\\d+\\b`, 'g')
  for (const path of [...['crdt-schema', 'node', 'web', 'scripts', 'test', 'docs'].flatMap(filesUnder), 'README.md']) {
    for (const [id] of read(path).matchAll(named)) if (!ids.has(id)) unknown.add(`${id} in ${path}`)
  }
  assert.equal([...unknown], [])
})

book('the files that keep a rule exist', () => {
  for (const { id, files } of rules) {
    assert.ok(files.length > 0, id)
    for (const file of files) assert.ok(existsSync(join(ROOT, file)), `${id} is kept in ${file}, which does not exist`)
  }
})

book('the tests that show a rule exist, and each rule has one or is listed as not yet shown', () => {
  for (const { id, tests } of rules) {
    assert.ok(tests.length > 0 || gaps.some(gap => gap.id === id), `${id} is shown by no test and not listed as a gap`)
    for (const { file, name } of tests) {
      assert.ok(file.startsWith('test/') && existsSync(join(ROOT, file)), `${id} is shown in ${file}, which does not exist`)
      assert.ok(hasTest(file, name), `${id}: ${file} has no test "${name}"`)
    }
  }
})

book('what is not yet shown is a part of a rule, and says whether it is built', () => {
  for (const { id, text } of gaps) {
    assert.ok(ids.has(id), id)
    assert.match(text, /^not (built|shown): /)
  }
  console.log(`${rules.length} rules, ${rules.reduce((sum, { tests }) => sum + tests.length, 0)} tests named, ${gaps.length} parts not yet shown`)
})

book('a test that is only mentioned in a comment is none', () => {
  assert.ok(hasTest('test/rules.test.ts', 'each rule stands there once'))
  assert.not.ok(hasTest('test/core/config.test.ts', 'The relations between timings'))
  assert.not.ok(hasTest('test/sim/scenarios/link-cut.txt', 'nodes 3'))
})

book.run()
