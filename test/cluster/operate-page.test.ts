// What docs/operate.md and docs/deploy say must be so: commands and options that exist, every metric, every log event, every check of readyz.

import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TEST_ENV, runNode } from '../support/asking.ts'
import { startCluster } from '../support/cluster.ts'

const ROOT = process.env['STARLING_ROOT'] ?? process.cwd()
const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
const page = read('docs/operate.md')
const COMMANDS = ['status', 'members', 'account', 'doctor', 'backup', 'verify', 'restore']
const all = (text: string, pattern: RegExp): Set<string> => new Set([...text.matchAll(pattern)].map(found => found[1] ?? ''))

const test = suite('operate.md')

test('every command and flag in it exists', async () => {
  const helps = (await Promise.all([['--help'], ...COMMANDS.map(name => [name, '--help'])].map(args => runNode(args)))).map(({ code, stdout }) => {
    assert.is(code, 0)
    return stdout
  }).join('\n')
  const commands = all(page, /node dist\/node\.js ([a-z]+)/g)
  assert.equal([...commands].filter(name => !COMMANDS.includes(name)), [])
  const ours = page.split('\n').filter(line => !/useradd|docker|systemctl/.test(line)).join('\n')
  for (const flag of all(ours, /(?<![\w-])(--[a-z][a-z-]+)/g)) if (flag !== '--help') assert.ok(helps.includes(flag), `${flag} is in no --help`)
  for (const variable of all(read('docs/deploy/compose.yaml') + read('docs/deploy/Dockerfile'), /(STARLING_[A-Z_]+)/g)) {
    assert.ok(helps.includes(`--${variable.slice(9).toLowerCase().replaceAll('_', '-')} `), `${variable} is no option`)
  }
  for (const link of all(page, /\]\(([^)#:]+)\)/g)) assert.ok(existsSync(join(ROOT, 'docs', link)), link)
})

/** tcpmux: reserved, and in use nowhere. */
const NOBODYS_PORT = 1

test('its file of options is one that a node starts with, and that the commands understand', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'starling-page-'))
  try {
    const json = /```json\n([\s\S]*?)```/.exec(page)?.[1] ?? ''
    const path = join(directory, 'node-0.json')
    writeFileSync(join(directory, 'cluster.secret'), `${'0123456789abcdef'.repeat(4)}\n`)
    // Its own port may be taken here, by a demo for one: on this one nobody listens.
    writeFileSync(path, JSON.stringify({ ...JSON.parse(json), port: NOBODYS_PORT, dataDir: join(directory, 'node-0'), secretFile: join(directory, 'cluster.secret') }))
    const { code, stdout } = await runNode(['doctor', '--config', path, '-o', 'json'])
    const { checks } = JSON.parse(stdout)
    assert.equal([code, checks.map((row: any) => row.check), checks[2]?.status], [1, ['space', 'fsync', 'node'], 'fail'], stdout)
    assert.ok(checks[2].text.startsWith(`No node answers at http://127.0.0.1:${NOBODYS_PORT} `), checks[2].text)
  } finally {
    rmSync(directory, { recursive: true, force: true })
  }
})

test('every log event has its kind', () => {
  const section = page.slice(page.indexOf('### Log events'), page.indexOf('## Limits'))
  const known = all(read('docs/logs.md'), /^\| `([a-z-]+)` \|/gm)
  assert.ok(known.size > 30)
  const sorted = [...section.matchAll(/`([a-z]+(?:-[a-z]+)*)`/g)].map(found => found[1] ?? '')
  for (const event of known) assert.ok(sorted.includes(event), `${event} is in logs.md but has no kind`)
})

test('every metric and every check of readyz is in its table, and no other', async () => {
  const cluster = await startCluster({ size: 1, env: TEST_ENV, flags: ['--bootstrap'] })
  try {
    const text = async (path: string): Promise<string> => (await fetch(`${cluster.at(0).url}${path}`)).text()
    assert.equal([...all(page, /^\| `(starling_[a-z_]+)[{`]/gm)].sort(), [...all(await text('/metrics'), /^# TYPE (starling_[a-z_]+) /gm)].sort())
    const checks = all(await text('/readyz?verbose'), /^ok +([a-z-]+):/gm)
    const table = page.slice(page.indexOf('| check |'), page.indexOf('A lone survivor'))
    assert.equal([...all(table, /^\| `([a-z-]+)`/gm)], [...checks])
  } finally {
    await cluster.close()
  }
})

test.run()
