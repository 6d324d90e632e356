// A new operator's path through docs/operate.md, tried on three machines: three network namespaces, each with an address
// and a name of its own and a cable to one switch. Every line of the page's blocks is carried out or accounted for here; a
// line that nobody knows fails, so that nothing is shown untried. Needs root and iproute2, and says so where they are missing.
// deadline: 300 s

import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { print, until } from '../support/asking.ts'

const ROOT = process.env['STARLING_ROOT'] ?? process.cwd()
const page = readFileSync(join(ROOT, 'docs/operate.md'), 'utf8')
const unit = readFileSync(join(ROOT, 'docs/deploy/starling@.service'), 'utf8')
const MACHINES = ['a', 'b', 'c'] as const
const tag = `st${process.pid}`

const blocks = [...page.matchAll(/^( *)```(\w*)\n([\s\S]*?)^\1```$/gm)].map(([, , language = '', text = '']) => ({ language, lines: text.split('\n').map((line) => line.trim()).filter((line) => line !== '') }))

const ip = (...args: string[]): void => void execFileSync('ip', args, { stdio: 'pipe' })
const nameOf = (machine: string): string => `${tag}${machine}`
const addressOf = (machine: string): string => `10.77.0.${MACHINES.indexOf(machine as 'a') + 1}`

/** Three namespaces on a bridge that lives in a fourth; names stand in a hosts file of each. Throws where that is not allowed. */
const wire = (): void => {
  const hub = nameOf('hub')
  ip('netns', 'add', hub)
  ip('-n', hub, 'link', 'add', 'switch', 'type', 'bridge')
  ip('-n', hub, 'link', 'set', 'switch', 'up')
  for (const machine of MACHINES) {
    const name = nameOf(machine)
    ip('netns', 'add', name)
    ip('-n', hub, 'link', 'add', `to-${machine}`, 'type', 'veth', 'peer', 'name', 'eth0', 'netns', name)
    ip('-n', hub, 'link', 'set', `to-${machine}`, 'master', 'switch', 'up')
    ip('-n', name, 'addr', 'add', `${addressOf(machine)}/24`, 'dev', 'eth0')
    ip('-n', name, 'link', 'set', 'eth0', 'up')
    ip('-n', name, 'link', 'set', 'lo', 'up')
    mkdirSync(`/etc/netns/${name}`, { recursive: true })
    writeFileSync(`/etc/netns/${name}/hosts`, ['127.0.0.1 localhost', ...MACHINES.map((other) => `${addressOf(other)} ${other}.example`)].join('\n'))
  }
}
const unwire = (): void => {
  for (const machine of [...MACHINES, 'hub']) {
    spawnSync('ip', ['netns', 'del', nameOf(machine)])
    rmSync(`/etc/netns/${nameOf(machine)}`, { recursive: true, force: true })
  }
}

type Context = { directory: string; refusal: string | null; readonly running: Map<string, ChildProcess>; readonly tried: string[] }
const machines = suite<Context>('three machines')

machines.before((context) => {
  Object.assign(context, { directory: mkdtempSync(join(tmpdir(), 'starling-machines-')), refusal: null, running: new Map(), tried: [] })
  try {
    wire()
  } catch (error) {
    context.refusal = (error as Error).message.split('\n').join(' ').slice(0, 200)
  }
})
machines.after(({ directory, running }) => {
  for (const child of running.values()) child.kill('SIGKILL')
  unwire()
  rmSync(directory, { recursive: true, force: true })
})

/** Where a path of the page lies on a machine of this test. */
const here = ({ directory }: Context, machine: string, text: string): string =>
  text.replaceAll('/etc/starling', join(directory, machine, 'etc')).replaceAll('/var/', `${join(directory, machine, 'var')}/`).replaceAll('/opt/starling', ROOT)

const run = (context: Context, machine: string, command: string, args: readonly string[], mustBe = 0): string => {
  const { status, stdout, stderr } = spawnSync('ip', ['netns', 'exec', nameOf(machine), command, ...args], { encoding: 'utf8', cwd: ROOT })
  assert.is(status, mustBe, `${machine}: ${command} ${args.join(' ')}: ${stdout}${stderr}`)
  return stdout
}

/** `systemctl start starling@N`: the unit's own command, on the machine whose node that is. */
const start = (context: Context, pid: number): void => {
  const machine = MACHINES[pid] ?? 'a'
  const [command = '', ...args] = here(context, machine, /^ExecStart=(.*)$/m.exec(unit)?.[1] ?? '').replaceAll('%i', String(pid)).split(' ')
  assert.is(command, '/usr/bin/node')
  const child = spawn('ip', ['netns', 'exec', nameOf(machine), process.execPath, ...args], { stdio: 'ignore', env: { ...process.env, STARLING_TEST: '1', STARLING_ARGON2: '64,1,1' } })
  context.running.set(machine, child)
}
/** `systemctl stop starling@N`. */
const stop = (context: Context, pid: number): Promise<number | null> =>
  new Promise((resolve) => {
    const machine = MACHINES[pid] ?? 'a'
    const child = context.running.get(machine)
    context.running.delete(machine)
    child?.once('exit', resolve)
    child?.kill('SIGTERM')
  })
const isReady = (context: Context, machine: string): boolean =>
  spawnSync('ip', ['netns', 'exec', nameOf(machine), process.execPath, '-e', `fetch('http://${machine}.example:4000/readyz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))`]).status === 0

/** Carries out one line of the page on machine a, as node 0. */
const carryOut = async (context: Context, line: string): Promise<void> => {
  const words = here(context, 'a', line).split(/ +/)
  context.tried.push(line)
  const service = /^systemctl (?:enable --now|start|stop) starling@(\d)$/.exec(line)
  if (service !== null) return line.includes(' stop ') ? assert.is(await stop(context, Number(service[1])), 0) : start(context, Number(service[1]))
  if (line.startsWith('openssl rand -hex 32 > ')) return writeFileSync(words.at(-1) ?? '', run(context, 'a', 'openssl', ['rand', '-hex', '32']))
  if (line.startsWith('node dist/node.js ')) return void run(context, 'a', process.execPath, [join(ROOT, 'dist/node.js'), ...words.slice(2)])
  if (line.startsWith('curl -fsS ')) return void run(context, 'a', 'curl', words.slice(1))
  if (line.startsWith('cp docs/deploy/')) return assert.ok(existsSync(join(ROOT, words[1] ?? '')), line)
  // Users, rights and the copy of the program belong to a machine that is not only a name.
  if (/^(git clone URL-OF-THIS-REPOSITORY |cd \/opt\/starling && (git pull && )?npm run build$|useradd --system |install -d -m 0750 |chown root:starling )/.test(line)) return
  assert.unreachable(`nobody tries this line of docs/operate.md: ${line}`)
}

machines('the page leads from three empty machines to a cluster, an upgrade, a backup and back', async (context) => {
  if (context.refusal !== null) return print(`NOT SHOWN HERE: this machine makes no network namespaces (${context.refusal}); run as root to see it`)
  for (const machine of MACHINES) for (const path of ['/etc/starling', '/var/lib/starling', '/var/backups']) mkdirSync(here(context, machine, path), { recursive: true })
  const [install, secret, config, service, look, upgrade, backup, restore] = blocks
  for (const block of [install, secret]) for (const line of block?.lines ?? []) await carryOut(context, line)
  assert.match(readFileSync(here(context, 'a', '/etc/starling/cluster.secret'), 'utf8'), /^[0-9a-f]{64}\n$/)

  assert.is(config?.language, 'json')
  for (const [pid, machine] of MACHINES.entries()) {
    // Only pid and url differ, says the page; and its own files are named by N.
    const text = (config?.lines ?? []).join('\n').replace('"pid": 0', `"pid": ${pid}`).replace('"url": "http://a.', `"url": "http://${machine}.`).replaceAll('node-0', `node-${pid}`)
    writeFileSync(here(context, machine, `/etc/starling/node-${pid}.json`), here(context, machine, text))
    if (machine !== 'a') cpSync(here(context, 'a', '/etc/starling/cluster.secret'), here(context, machine, '/etc/starling/cluster.secret'))
  }
  for (const line of service?.lines ?? []) await carryOut(context, line)
  for (const pid of [1, 2]) start(context, pid)
  await until('all three are ready', () => MACHINES.every((machine) => isReady(context, machine)), 60_000)
  for (const line of look?.lines ?? []) await carryOut(context, line)

  // Somebody signs up on one machine and reads on another.
  const ask = (machine: string, method: string, path: string, token: string, body: unknown): any => {
    const args = ['-sS', '-X', method, `http://${machine}.example:4000${path}`, '-H', 'content-type: application/json', ...(token === '' ? [] : ['-H', `authorization: Bearer ${token}`]), ...(body === null ? [] : ['-d', JSON.stringify(body)])]
    return JSON.parse(run(context, 'b', 'curl', args))
  }
  const { token } = ask('a', 'POST', '/api/accounts', '', { name: 'ann', password: 'a long password' }).session
  assert.equal(ask('b', 'POST', '/api/messages', token, { to: ['ann'], text: 'over three machines' }).storedOn, [0, 1, 2])
  assert.is(ask('c', 'GET', '/api/inbox', token, null).unopened, 1)

  for (const line of upgrade?.lines ?? []) {
    if (line.startsWith('curl ')) await until('node 0 is ready again', () => isReady(context, 'a'), 60_000)
    await carryOut(context, line)
  }
  for (const line of backup?.lines ?? []) await carryOut(context, line)

  // All is lost; the page restores one and starts all.
  for (const pid of [0, 1, 2]) assert.is(await stop(context, pid), 0)
  for (const [pid, machine] of MACHINES.entries()) rmSync(here(context, machine, `/var/lib/starling/node-${pid}`), { recursive: true, force: true })
  for (const line of restore?.lines ?? []) await carryOut(context, line)
  for (const pid of [1, 2]) start(context, pid)
  await until('all three are ready again', () => MACHINES.every((machine) => isReady(context, machine)), 90_000)
  assert.is(ask('c', 'GET', '/api/inbox', token, null).unopened, 1)
  for (const pid of [0, 1, 2]) assert.is(await stop(context, pid), 0)
  const shown = blocks.filter(({ language }) => language === '').flatMap(({ lines }) => lines)
  assert.equal(context.tried.length, shown.length, 'every line of every block was tried')
  print(`${context.tried.length} lines of docs/operate.md on three machines with addresses of their own`)
})

machines('every command line inside the page’s text is one of the program', () => {
  const program = join(ROOT, 'dist/node.js')
  const inline = [...page.matchAll(/`node dist\/node\.js ([a-z]+)([^`]*)`/g)].map(([, name = '']) => name)
  assert.ok(inline.length >= 1)
  for (const name of inline) assert.match(spawnSync(process.execPath, [program, name, '--help'], { encoding: 'utf8' }).stdout, new RegExp(`^Usage: node dist/node.js ${name}`))
  for (const [path] of page.matchAll(/deploy\/[\w@.]+/g)) assert.ok(existsSync(join(ROOT, 'docs', path)), path)
})

machines.run()
