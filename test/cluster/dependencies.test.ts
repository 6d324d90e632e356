// Packages of others: docs/dependencies.md against what a node really asks for, and what ships to run one beside it: the
// container, compose file and systemd unit name options, files and exit codes that there are.

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { builtinModules } from 'node:module'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { EXIT } from '../../node/cli/errors.ts'
import { OPTIONS, type OptionName, nameToVariable, readOptions } from '../../node/cli/options.ts'
import { print } from '../support/asking.ts'

const ROOT = process.env['STARLING_ROOT'] ?? process.cwd()
const RUNTIME_MAX = 20

const read = (path: string): string => readFileSync(join(ROOT, path), 'utf8')
/** Names in the first column of the table below a heading. */
const listed = (heading: string): string[] =>
  [...(read('docs/dependencies.md').split(`## ${heading}\n`)[1]?.split('\n## ')[0] ?? '').matchAll(/^\| (`[^|]*) \|/gm)].flatMap(([, cell = '']) => [...cell.matchAll(/`([^`]+)`/g)].map(([, name = '']) => name)).sort()

const test = suite('dependencies')

test('a node asks for the packages that the page lists, at most twenty, each with its reason', () => {
  const asked = new Set(['dist/node.js', 'dist/password-worker.js'].flatMap((path) => [...read(path).matchAll(/\b(?:from|import\()\s*"([^"./][^"]*)"/g)].map(([, name = '']) => name)).filter((name) => !name.startsWith('node:') && !builtinModules.includes(name)).map((name) => (name.startsWith('@') ? name.split('/').slice(0, 2).join('/') : (name.split('/')[0] ?? ''))))
  assert.equal([...asked].sort(), listed('In a running node'))
  assert.ok(asked.size <= RUNTIME_MAX, `${asked.size}`)
  const { dependencies } = JSON.parse(read('package.json'))
  assert.equal([...new Set([...listed('In a running node'), ...listed('Built into the page')])].sort(), Object.keys(dependencies).sort())
  print(`${asked.size} packages in a running node`)
})

test('the container and the compose file set options that there are, and values that they take', () => {
  const compose = read('docs/deploy/compose.yaml')
  const dockerfile = read('docs/deploy/Dockerfile')
  const known = new Map((Object.keys(OPTIONS) as OptionName[]).map((name) => [nameToVariable(name), name]))
  const set = [...`${compose}\n${dockerfile}`.matchAll(/\b(STARLING_[A-Z_]+)[:=] ?"?([^\s,"}]+)/g)]
  assert.ok(set.length >= 9, `${set.length}`)
  for (const [, variable = '', value = ''] of set) {
    assert.ok(known.has(variable), `${variable} is no option`)
    readOptions([], { [variable]: value })
  }
  for (const [, from = ''] of dockerfile.matchAll(/^COPY --from=build \/opt\/starling\/(\S+)/gm)) assert.ok(existsSync(join(ROOT, from)), from)
  // Each node has a service, a volume and a port of its own, and stands in the list of peers.
  for (const pid of [0, 1, 2]) for (const part of [`node${pid}:`, `data${pid}:`, `"400${pid}:4000"`, `${pid}=http://node${pid}:4000`, `STARLING_PID: "${pid}"`]) assert.ok(compose.includes(part), part)
  const [, seconds = '0'] = /stop_grace_period: (\d+)s/.exec(compose) ?? []
  assert.ok(Number(seconds) > 10, 'a drain may take ten seconds')
})

test('the systemd unit starts what there is, and does not start again what ends for good', () => {
  const unit = read('docs/deploy/starling@.service')
  const [, args = ''] = /^ExecStart=\/usr\/bin\/node \/opt\/starling\/dist\/node\.js (.*)$/m.exec(unit) ?? []
  const path = join(ROOT, '.cache', `unit-${process.pid}.json`)
  mkdirSync(join(ROOT, '.cache'), { recursive: true })
  writeFileSync(path, '{"pid":0}')
  assert.is(readOptions(args.replace('/etc/starling/node-%i.json', path).split(' '), {}).pid, 0)
  rmSync(path)
  const codes = (/^RestartPreventExitStatus=(.*)$/m.exec(unit)?.[1] ?? '').split(' ').map(Number)
  assert.equal(codes, [EXIT.usage, EXIT.dataDirectory, EXIT.dataNewer, EXIT.refused])
  assert.ok(Number(/^TimeoutStopSec=(\d+)$/m.exec(unit)?.[1]) > 10)
  assert.match(unit, /^ExecReload=\/bin\/kill -HUP \$MAINPID$/m)
  const checked = spawnSync('systemd-analyze', ['verify', join(ROOT, 'docs/deploy/starling@.service')], { encoding: 'utf8' })
  if (checked.error !== undefined) return print('systemd-analyze is not here; the unit was read, not verified')
  // What is missing on this machine (the program, the user) is no fault of the unit.
  const faults = (checked.stderr ?? '').split('\n').filter((line) => line.includes('starling@') && !/not executable|No such file|Unknown user|does not exist/i.test(line))
  assert.equal(faults, [])
})

test.run()
