// What dist/ holds: one copy of Yjs per process and per page (two would silently not recognise each other's types), a
// page within its size, and a list of its files for the service worker that is true.

import { existsSync, readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { FAILPOINTS_VARIABLE } from '../support/failpoints.ts'

const ROOT = process.env['STARLING_ROOT'] ?? process.cwd()
const WEB = join(ROOT, 'dist/web')
/** Yjs puts this text into every copy of itself, to notice a second one. */
const MARK_OF_YJS = '__ $YJS$ __'
const PAGE_GZIP_BYTES_MAX = 80 * 1024

const scriptsOf = (directory: string): string[] => readdirSync(directory).filter((name) => name.endsWith('.js'))
const countIn = (text: string, part: string): number => text.split(part).length - 1

const bundles = suite('bundles')

bundles('the lock file names one yjs, and no download host', () => {
  const lock = JSON.parse(readFileSync(join(ROOT, 'package-lock.json'), 'utf8'))
  const copies = Object.keys(lock.packages).filter((path) => /(^|\/)node_modules\/yjs$/.test(path))
  assert.equal(copies, ['node_modules/yjs'])
  assert.is(readFileSync(join(ROOT, 'package-lock.json'), 'utf8').includes('"resolved": "http'), false)
})

bundles('the node bundles no yjs of its own', () => {
  const program = readFileSync(join(ROOT, 'dist/node.js'), 'utf8')
  assert.is(countIn(program, MARK_OF_YJS), 0)
  assert.match(program, /from "yjs"/)
})

bundles('the node that ships has no failpoints', () => {
  const program = readFileSync(join(ROOT, 'dist/node.js'), 'utf8')
  assert.is(countIn(program, FAILPOINTS_VARIABLE) + countIn(program, 'prepare-sent-first'), 0)
})

bundles('the page holds exactly one yjs', () => {
  const copies = scriptsOf(WEB).map((name) => countIn(readFileSync(join(WEB, name), 'utf8'), MARK_OF_YJS))
  assert.is(
    copies.reduce((sum, count) => sum + count, 0),
    1,
  )
})

bundles('what the page loads at first is at most 80 KB of JavaScript, gzipped', () => {
  const first = readFileSync(join(WEB, 'index.html'), 'utf8').match(/main-\w+\.js/)?.[0]
  assert.ok(first !== undefined)
  const seen = new Set<string>()
  const load = (name: string): number => {
    if (seen.has(name)) return 0
    seen.add(name)
    const text = readFileSync(join(WEB, name), 'utf8')
    const imported = [...text.matchAll(/(?:from|import)\s*"\.\/(chunk-\w+\.js)"/g)].map((found) => found[1] ?? '')
    return gzipSync(text).length + imported.reduce((sum, next) => sum + load(next), 0)
  }
  const bytes = load(first)
  assert.ok(bytes <= PAGE_GZIP_BYTES_MAX, `${bytes} bytes`)
})

bundles('the shell list names files that exist, and the service worker carries it', () => {
  const shell: { version: string; files: string[] } = JSON.parse(readFileSync(join(WEB, 'shell.json'), 'utf8'))
  for (const file of shell.files) assert.ok(file === '/' || existsSync(join(WEB, file)), file)
  assert.ok(readFileSync(join(WEB, 'service-worker.js'), 'utf8').includes(shell.version))
})

bundles('no seeded defect can be planted in what ships', () => {
  const programs = [readFileSync(join(ROOT, 'dist/node.js'), 'utf8'), ...scriptsOf(WEB).map((name) => readFileSync(join(WEB, name), 'utf8'))]
  assert.match(programs[0] ?? '', /\bisBroken = \(\w+\) => !1;/)
  for (const program of programs) assert.not.match(program, /plantMutant|planted|STARLING_DEFECT/)
})

bundles.run()
