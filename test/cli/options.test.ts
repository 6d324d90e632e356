// The command line without a process: where values come from, what is refused and how it says so, and what a node starts with.

import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readCommand } from '../../node/cli/command.ts'
import { Exit } from '../../node/cli/errors.ts'
import { OPTIONS, nameToFlag, nameToVariable, readOptions } from '../../node/cli/options.ts'
import { describeStart } from '../../node/cli/serve.ts'
import { type Settings, createSettings } from '../../node/cli/settings.ts'
import { parsePid } from '../../crdt-schema/ids.ts'

const test = suite('options')
const directory = mkdtempSync(join(tmpdir(), 'starling-options-'))
test.after(() => rmSync(directory, { recursive: true, force: true }))

/** The text of the Exit that `run` throws, which must have this code. */
const refusal = (run: () => unknown, code = 2): string => {
  try {
    run()
  } catch (error) {
    assert.instance(error, Exit)
    assert.is((error as Exit).code, code)
    return (error as Exit).message
  }
  return assert.unreachable('nothing was refused') as never
}
const writeConfig = (content: unknown): string => {
  const path = join(directory, 'config.json')
  writeFileSync(path, typeof content === 'string' ? content : JSON.stringify(content))
  return path
}
const settings = (args: readonly string[], env: Record<string, string> = {}): Settings =>
  createSettings(readOptions(['--data-dir', join(directory, 'fresh', 'node-0'), ...args], env), env, '1.0.0')

test('a flag wins over the environment, that over the file, that over the default', () => {
  const config = writeConfig({ heartbeatMs: 100, deadMs: 2000, aloneMs: 'never', rateLimits: false, peers: { 0: 'http://127.0.0.1:9000' } })
  const env = { STARLING_CONFIG: config, STARLING_HEARTBEAT_MS: '200', STARLING_DEAD_MS: '3000' }
  const options = readOptions(['--heartbeat-ms=300'], env)
  assert.is(options.heartbeatMs, 300)
  assert.is(options.deadMs, 3000)
  assert.is(options.aloneMs, null)
  assert.is(options.rateLimits, false)
  assert.is(options.sessionsPerAccount, 8)
  assert.is(options.peers?.get(parsePid(0) as never), 'http://127.0.0.1:9000')
  assert.is(options.pid, null)
})

test('every option has its flag, its variable and a line of help', () => {
  const help = readCommand(['--help'], '1.0.0')
  for (const name of Object.keys(OPTIONS)) assert.ok(help.name === 'print' && help.text.includes(`--${nameToFlag(name)} `), name)
  assert.is(nameToVariable('dataDir'), 'STARLING_DATA_DIR')
  assert.ok(help.name === 'print' && /--alone-ms N\|never .*\(10000\)/.test(help.text))
  assert.equal(readCommand(['--version'], '1.2.3'), { name: 'print', text: '1.2.3' })
})

test('an unknown option or command is answered with the one that was meant', () => {
  assert.is(refusal(() => readOptions(['--pord', '4000'], {})), 'Unknown option --pord. Did you mean --port?')
  assert.is(refusal(() => readOptions(['--xyzzyplugh'], {})), 'Unknown option --xyzzyplugh.')
  assert.match(refusal(() => readOptions(['--config', writeConfig({ dataDri: 'x' })], {})), /unknown option "dataDri"\. Did you mean dataDir\?/)
  assert.match(refusal(() => readCommand(['statsu'], '1')), /^Unknown command "statsu"\. Did you mean status\?/)
  assert.match(refusal(() => readCommand(['frobnicate'], '1')), /^Unknown command "frobnicate"\. There are serve/)
  assert.match(refusal(() => readOptions(['stray'], {})), /Unexpected "stray"/)
})

test('a value that does not fit is refused with its name and what it should be', () => {
  assert.is(refusal(() => readOptions(['--peers', '0=http://a:1,1=localhost:4001'], {})), 'peers: 1=localhost:4001 must start with http:// or https://.')
  assert.is(refusal(() => readOptions(['--peers', 'http://a:1'], {})), 'peers: http://a:1 must be written as 0=http://host:port.')
  assert.is(refusal(() => readOptions(['--peers', '0=http://a:1,0=http://b:1'], {})), 'peers: 0=http://b:1 names a pid twice.')
  assert.is(refusal(() => readOptions(['--port', '70000'], {})), 'port: 70000 must be at most 65535.')
  assert.is(refusal(() => readOptions([], { STARLING_PORT: 'x' })), 'port: x must be a whole number from 1 to 65535.')
  assert.is(refusal(() => readOptions(['--tls', 'yes'], {})), 'tls: yes must be auto or off.')
  assert.is(refusal(() => readOptions(['--pid', '--port', '1'], {})), '--pid needs a value; see --help.')
  assert.is(refusal(() => readOptions(['--bootstrap=no'], {})), '--bootstrap takes no value.')
  assert.match(refusal(() => readOptions(['--config', writeConfig('{')], {})), /cannot be read as JSON/)
  assert.match(refusal(() => readOptions(['--config', writeConfig({ port: [1] })], {})), /port must be a text, a number/)
})

test('the default cluster is three nodes on loopback, with one secret made once', () => {
  const first = settings(['--pid', '0'])
  const second = settings(['--pid', '1'])
  assert.is(second.port, 4001)
  assert.is(second.config.url, 'http://127.0.0.1:4001')
  assert.is(second.config.bootstrap, true)
  assert.equal(first.secrets, second.secrets)
  assert.is(first.config.clusterId, second.config.clusterId)
  const path = join(directory, 'fresh', 'cluster.secret')
  assert.ok(existsSync(path))
  assert.is(statSync(path).mode & 0o777, 0o600)
  assert.not.match(readFileSync(path, 'utf8'), new RegExp(first.config.clusterId))
})

test('outside loopback a node refuses to start without a secret of its own', () => {
  const args = ['--pid', '0', '--peers', '0=http://a.example:4000,1=http://b.example:4000']
  assert.match(refusal(() => settings(args)), /^secret-file: a node that others can reach needs a secret/)
  assert.match(refusal(() => settings(['--pid', '0', '--host', '0.0.0.0'])), /^secret-file:/)
  assert.match(refusal(() => settings([...args, '--secret-file', join(directory, 'absent')])), /cannot be read/)
  assert.match(refusal(() => settings(args, { STARLING_SECRET: 'short' })), /at least 16 characters/)
  const given = settings(args, { STARLING_SECRET: 'a secret that is long enough' })
  assert.is(given.config.bootstrap, false)
  assert.is(given.port, 4000)
})

test('what cannot be started with is refused before anything is opened', () => {
  assert.match(refusal(() => settings([])), /^pid: say which node this is/)
  assert.match(refusal(() => settings(['--pid', '7'])), /^pid: 7 is not among the peers 0, 1, 2/)
  assert.match(refusal(() => settings(['--pid', '0', '--dead-ms', '500'])), /^The timings do not fit together: .*deadMs/)
  assert.match(refusal(() => settings(['--pid', '0', '--tls-cert', 'x'])), /belong together/)
})

test('the first lines say where it opens, where the data lies and whom it knows', () => {
  const [url, data, peers] = describeStart(settings(['--pid', '1']))
  assert.is(url, 'Starling 1.0.0, node 1: http://127.0.0.1:4001')
  assert.match(data ?? '', /node-0$/)
  assert.is(peers, 'Peers: 0 = http://127.0.0.1:4000, 2 = http://127.0.0.1:4002')
})

test.run()
