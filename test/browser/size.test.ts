// The budget: what a mail page loads before it shows anything.

import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'

const SCRIPT_BYTES_MAX = 80 * 1024
const STYLE_BYTES_MAX = 12 * 1024

const directory = join(process.env['STARLING_ROOT'] ?? process.cwd(), 'dist/web')
const read = (name: string): string => readFileSync(join(directory, name), 'utf8')
const gzippedBytes = (text: string): number => gzipSync(text, { level: 9 }).length

/** A script and all that it imports before it runs; what it imports later, by a call, is not counted. */
const closureOf = (name: string, seen = new Set<string>()): Set<string> => {
  if (seen.has(name)) return seen
  seen.add(name)
  for (const [, imported] of read(name).matchAll(/(?:from|import)\s*"\.\/([\w-]+\.js)"/g))
    if (imported !== undefined) closureOf(imported, seen)
  return seen
}

const test = suite('size')

test('[28] the script of a mail page is at most 80 KiB gzipped, its styles 12', () => {
  const html = read('index.html')
  const script = /src="\/(main-\w+\.js)"/.exec(html)?.[1] ?? ''
  const style = /href="\/(main-\w+\.css)"/.exec(html)?.[1] ?? ''
  const scriptBytes = [...closureOf(script)].reduce((sum, name) => sum + gzippedBytes(read(name)), 0)
  const styleBytes = gzippedBytes(read(style))
  console.log(`mail page: ${(scriptBytes / 1024).toFixed(1)} KiB of script, ${(styleBytes / 1024).toFixed(1)} KiB of styles, gzipped`)
  assert.ok(scriptBytes <= SCRIPT_BYTES_MAX, `${scriptBytes} bytes of script`)
  assert.ok(styleBytes <= STYLE_BYTES_MAX, `${styleBytes} bytes of styles`)
})

test('there is one copy of Yjs in it', () => {
  const html = read('index.html')
  const script = /src="\/(main-\w+\.js)"/.exec(html)?.[1] ?? ''
  const copies = [...closureOf(script)].reduce((sum, name) => sum + read(name).split('__ $YJS$ __').length - 1, 0)
  assert.is(copies, 1)
})

test.run()
