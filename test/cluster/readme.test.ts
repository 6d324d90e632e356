// deadline: 240 s
// What the README shows is done here: its commands run, on ports that are free; its flags, metrics, links and table are true.
// Lines of its `sh` blocks may be npm, node, curl (-X, -H and -d) and NAME=…; anything else fails, so that nothing is shown untried.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { findFreePorts, wait } from '../support/cluster.ts'

const ROOT = process.env['STARLING_ROOT'] ?? process.cwd()
const PROGRAM = join(ROOT, 'dist/node.js')
const READY_MS = 30_000
const readme = readFileSync(join(ROOT, 'README.md'), 'utf8')
const scripts: Record<string, string> = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8')).scripts

/** Words of one command line as a shell would part them: quotes, and no more of its tricks. */
const toWords = (line: string): readonly string[] =>
  [...line.matchAll(/(?:"[^"]*"|'[^']*'|[^\s"'#]|(?<=\S)#)+|#.*$/g)].map(([word]) => word).filter(word => !word.startsWith('#')).map(word => word.replace(/"([^"]*)"|'([^']*)'/g, '$1$2'))

/** The command lines of all `sh` blocks, in order, with continued lines joined. */
const commands: readonly string[] = [...readme.matchAll(/^```sh\n([\s\S]*?)^```$/gm)]
  .flatMap(([, block = '']) => block.replaceAll(/\\\n\s*/g, '').split('\n'))
  .filter(line => line.trim() !== '')

const isStart = (line: string): boolean => line.startsWith('node dist/node.js --pid')
const isElsewhere = (line: string): boolean => line.includes('.example')

interface Context {
  directory: string
  readonly children: ChildProcess[]
}

const page = suite<Context>('README', { directory: '', children: [] })

page.before(context => {
  context.directory = mkdtempSync(join(tmpdir(), 'starling-readme-'))
})
page.after(async context => {
  for (const child of context.children) child.kill('SIGKILL')
  await wait(50)
  rmSync(context.directory, { recursive: true, force: true })
})

// ---- nodes

/** Starts the nodes of these lines in the test's folder and waits until each is ready. */
const startNodes = async (context: Context, lines: readonly string[], ports: readonly number[], env: Record<string, string>): Promise<void> => {
  for (const line of lines) {
    const [, , ...args] = toWords(line)
    const child = spawn(process.execPath, [PROGRAM, ...args], { cwd: context.directory, env: { ...process.env, ...env }, stdio: ['ignore', 'pipe', 'pipe'] })
    child.stdout.resume()
    child.stderr.resume()
    context.children.push(child)
  }
  const untilMs = Date.now() + READY_MS
  for (const port of ports) {
    while ((await fetch(`http://127.0.0.1:${port}/readyz`).catch(() => null))?.status !== 200) {
      assert.ok(Date.now() < untilMs, `the node on port ${port} was not ready in ${READY_MS} ms`)
      await wait(50)
    }
  }
}

/** SIGTERM to all; each drains and exits 0. */
const stopNodes = async (context: Context): Promise<void> => {
  const codes = await Promise.all(
    context.children.splice(0).map(child => new Promise<number | null>(resolve => {
      child.once('exit', resolve)
      child.kill('SIGTERM')
    }))
  )
  assert.ok(codes.every(code => code === 0), `exit codes ${codes.join(' ')}`)
}

// ---- other commands

/** Carries out a curl command; returns status and body. */
const runCurl = async (words: readonly string[]): Promise<{ readonly status: number; readonly text: string }> => {
  let url = ''
  let method: string | null = null
  let body: string | null = null
  const headers: Record<string, string> = {}
  for (let at = 1; at < words.length; at++) {
    const word = words[at] ?? ''
    const value = words[at + 1] ?? ''
    if (word === '-X') method = value
    else if (word === '-d') body = value
    else if (word === '-H') headers[value.split(': ')[0] ?? ''] = value.split(': ')[1] ?? ''
    else if (word.startsWith('-')) assert.unreachable(`curl ${word} is not known to this test`)
    else url = word
    if (/^-[XdH]$/.test(word)) at++
  }
  const response = await fetch(url, { method: method ?? (body === null ? 'GET' : 'POST'), headers, body })
  return { status: response.status, text: await response.text() }
}

page('every npm command in it exists, and so does the file it runs', () => {
  const names = new Set([...readme.matchAll(/\bnpm (?:run )?(test:long|test|demo|build|bench|check)\b/g)].map(found => found[1] ?? ''))
  assert.ok(names.size >= 6, [...names].join(' '))
  for (const name of names) {
    const file = scripts[name]?.split(' ')[1]
    assert.ok(file !== undefined && existsSync(join(ROOT, file)), `npm run ${name}`)
  }
})

page('the default cluster starts as shown, with its data and secret where it says; every curl and node command works', async context => {
  const ports = await findFreePorts(3)
  const urls = ports.map(port => `http://127.0.0.1:${port}`)
  const here = (line: string): string => line.replaceAll(/http:\/\/127\.0\.0\.1:400([0-2])/g, (_, pid: string) => urls[Number(pid)] ?? '')
  const starts = commands.filter(line => isStart(line) && !isElsewhere(line))
  assert.is(starts.length, 3)
  await startNodes(context, starts, ports, { STARLING_PEERS: urls.map((url, pid) => `${pid}=${url}`).join() })
  for (const path of ['data/node-0', 'data/node-1', 'data/node-2', 'data/cluster.secret']) assert.ok(existsSync(join(context.directory, path)), path)

  let token = ''
  const answers: string[] = []
  for (const line of commands.filter(command => !isStart(command))) {
    if (line.startsWith('npm ')) continue // the npm commands have tests of their own
    if (line.startsWith('TOKEN=…')) {
      token = JSON.parse(answers[answers.length - 1] ?? '{}').session?.token ?? ''
      assert.is.not(token, '', 'the last answer has a token')
    } else if (line.startsWith('curl ')) {
      const { status, text } = await runCurl(toWords(here(line).replaceAll('$TOKEN', token)))
      assert.ok(status >= 200 && status < 300, `${line}: ${status} ${text}`)
      answers.push(text)
    } else if (line.startsWith('node ')) {
      const [command = '', file] = here(line).split(' > ')
      const [, ...words] = toWords(command.replace('dist/node.js', PROGRAM))
      const asksNode = words[0] === PROGRAM && words[1] !== 'verify' && words[1] !== 'restore'
      const args = asksNode ? [...words, '--url', urls[0] ?? ''] : words // as shown, but for the ports of the default cluster
      const { status, stdout, stderr } = spawnSync(process.execPath, args, { cwd: context.directory, encoding: 'utf8' })
      assert.is(status, 0, `${line}: ${stderr}`)
      if (file !== undefined) assert.match(stdout, /^[0-9a-f]{64}\n$/)
      answers.push(stdout)
    } else assert.unreachable(`nobody tries this line of the README: ${line}`)
  }
  assert.ok(answers.some(text => text.includes('"storedOn":[0,1,2]')), 'the message is on three nodes, as it says')
  assert.ok(answers.some(text => text.includes('Hello from ben')))
  assert.ok(answers.some(text => text.includes('Safe to stop')), 'status says what may be stopped')

  const metrics = answers.find(text => text.includes('# HELP')) ?? ''
  for (const [name] of readme.matchAll(/\bstarling_[a-z_]+/g)) assert.ok(metrics.includes(name), `${name} is in the README but not in /metrics`)
  await stopNodes(context)
})

page('three machines start as shown, with one secret, and make one cluster', async context => {
  const ports = await findFreePorts(3)
  const hosts = ['a', 'b', 'c']
  const starts = commands.filter(line => isStart(line) && isElsewhere(line)).map(line => line.replaceAll(/([abc])\.example:4000/g, (_, host: string) => `127.0.0.1:${ports[hosts.indexOf(host)]}`).replace('cluster.secret', 'shared.secret'))
  assert.is(starts.length, 3)
  writeFileSync(join(context.directory, 'shared.secret'), `${'5ec2e7'.repeat(8)}\n`)
  await startNodes(context, starts.map((line, pid) => `${line} --data-dir machine-${pid}`), ports, {})
  const cluster = await (await fetch(`http://127.0.0.1:${ports[1]}/api/cluster`)).json() as { readonly nodes: readonly { readonly status: string }[] }
  assert.equal(cluster.nodes.map(({ status }) => status), ['ready', 'ready', 'ready'])
  await stopNodes(context)
})

page('the table of options is the one of the program', () => {
  const { status, stderr } = spawnSync(process.execPath, [join(ROOT, 'scripts/options-table.mjs'), '--check'], { encoding: 'utf8' })
  assert.is(status, 0, stderr)
})

page('every command of the program is in it', () => {
  const { stdout } = spawnSync(process.execPath, [PROGRAM, '--help'], { encoding: 'utf8' })
  const usage = stdout.split('\n\n')[0] ?? ''
  const names = [...usage.matchAll(/(?:node dist\/node\.js|\|) ([a-z]+) (?=[A-Z|[])|node dist\/node\.js ([a-z]+)\b/g)].map(([, one, other]) => one ?? other ?? '')
  for (const name of ['status', 'verify']) assert.ok(names.includes(name), `${name} in ${names.join(' ')}`)
  for (const name of names) assert.match(readme, new RegExp(`node dist/node\\.js ${name}\\b`), `the command ${name} is in --help but not in the README`)
})

page('every flag of a node in it is in --help', () => {
  const { status, stdout } = spawnSync(process.execPath, [PROGRAM, '--help'], { encoding: 'utf8' })
  assert.is(status, 0)
  const shown = readme.slice(readme.indexOf('## What is promised'), readme.indexOf('## Operate'))
  const flags = new Set([...shown.matchAll(/(?<![\w-])--[a-z][a-z-]+/g)].map(([flag]) => flag))
  assert.ok(flags.size >= 20, [...flags].join(' '))
  for (const flag of flags) assert.ok(stdout.includes(flag), `${flag} is in the README but not in --help`)
})

page('every link to a file leads to one', () => {
  const links = [...readme.matchAll(/\]\((?!https?:)([^)#]+)\)/g)].map(found => found[1] ?? '')
  assert.ok(links.length >= 6)
  for (const link of links) assert.ok(existsSync(join(ROOT, link)), link)
})

page.run()
