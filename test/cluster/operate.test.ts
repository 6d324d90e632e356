// What an operator does to a running cluster by the commands of dist/node.js: accounts and members.

import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type ProcessEnd, TEST_ENV, ask, mustAsk, runNode } from '../support/asking.ts'
import { type Cluster, call, startCluster } from '../support/cluster.ts'

const test = suite('operate')
let cluster: Cluster

/** Where the node is and what its secret is, as flags. */
const place = (pid: number): string[] => ['--url', cluster.at(pid).url, '--secret-file', join(cluster.directory, 'cluster.secret')]
const run = (...args: string[]): Promise<ProcessEnd> => runNode(args)
const mustRun = async (...args: string[]): Promise<string> => {
  const { code, stdout, stderr } = await run(...args)
  assert.is(code, 0, `${args.join(' ')}: ${stdout}${stderr}`)
  return stdout
}

/** Runs a command with one line on its stdin. */
const pipe = (line: string, args: readonly string[]): Promise<{ code: number | null; text: string }> =>
  new Promise((resolve, reject) => {
    const child = spawn(process.execPath, [join(process.env['STARLING_ROOT'] ?? process.cwd(), 'dist/node.js'), ...args], { stdio: ['pipe', 'pipe', 'pipe'] })
    let text = ''
    child.stdout.on('data', bytes => (text += bytes))
    child.stderr.on('data', bytes => (text += bytes))
    child.on('error', reject)
    child.on('close', code => resolve({ code, text }))
    child.stdin.end(`${line}\n`)
  })

const signIn = (pid: number, name: string, password: string) => ask(cluster.at(pid), 'POST', '/api/sessions', { body: { name, password } })

test.before(async () => {
  cluster = await startCluster({ env: TEST_ENV, flags: ['--registration', 'closed', '--rate-limits', 'on'] })
})
test.after(() => cluster.close())

test('an account is made under closed registration, gets a new password, and goes', async () => {
  assert.is((await ask(cluster.at(0), 'POST', '/api/accounts', { body: { name: 'eve', password: 'her password' } })).code, 'registration-closed')
  const made = await pipe('the first password', ['account', 'create', 'Ada', ...place(0)])
  assert.equal([made.code, /^Made the account Ada \([0-9a-f]{32}\)\.\n$/.test(made.text)], [0, true], made.text)
  const { status, body } = await signIn(1, 'ada', 'the first password')
  assert.is(status, 201)
  assert.is((await mustAsk(200, cluster.at(1), 'GET', '/api/sessions', { token: body.session.token })).body.sessions.length, 1, 'the making left no session')

  const reset = JSON.parse(await mustRun('account', 'reset-password', 'ada', '--generate', '-o', 'json', ...place(2)))
  assert.is(reset.account.name, 'Ada')
  await cluster.waitEqual()
  assert.is((await call(cluster.at(1), 'GET', '/api/me', { token: body.session.token })).status, 401, 'the old session has ended')
  assert.is((await signIn(0, 'ada', 'the first password')).code, 'wrong-credentials')
  assert.is((await signIn(0, 'ada', reset.password)).status, 201)

  assert.match(await mustRun('account', 'list', ...place(0)), /^NAME +ID +SESSIONS +CODES +SIZE\nAda +[0-9a-f]{32} +1 +0 +/)
  const refused = await run('account', 'remove', 'ada', ...place(0))
  assert.equal([refused.code, refused.stderr], [2, 'The account ada goes with its mailbox and drafts, on every node. This cannot be undone; say so with --yes.\n'])
  assert.is(await mustRun('account', 'remove', 'ada', '--yes', ...place(1)), 'Removed ada.\n')
  await cluster.waitEqual()
  assert.is((await signIn(2, 'ada', reset.password)).code, 'wrong-credentials')
  assert.is(await mustRun('account', 'list', '-o', 'json', ...place(2)), '{\n  "accounts": []\n}\n')
})

test('failures say what, why and what to do, with their exit codes', async () => {
  const taken = await pipe('a good password', ['account', 'create', 'bob', ...place(0)])
  assert.is(taken.code, 0, taken.text)
  assert.match((await pipe('a good password', ['account', 'create', 'BOB', ...place(0)])).text, /^This name is taken \(name-taken\)\. Another account has this name\./)
  assert.equal(await pipe('short', ['account', 'reset-password', 'bob', ...place(0)]), { code: 1, text: 'Not a possible password (weak-password). A password has 8 to 256 characters.\n' })
  assert.match((await run('account', 'remove', 'nobody', '--yes', ...place(0))).stderr, /^No such account \(no-such-account\)\./)
  const path = join(cluster.directory, 'wrong.secret')
  writeFileSync(path, 'some other secret of 32 characters\n')
  const wrong = await run('account', 'list', '--url', cluster.at(0).url, '--secret-file', path)
  assert.equal([wrong.code, /The proof was made with another secret/.test(wrong.stderr)], [6, true], wrong.stderr)
  assert.is((await run('account', 'list', '--url', 'http://127.0.0.1:1', '--secret-file', path)).code, 1)
  assert.match((await run('account', 'lsit', ...place(0))).stderr, /"lsit" is not something it does\. Did you mean list\?/)
  assert.is((await run('account', 'list', '--secret', 'x')).code, 2)
  for (const name of ['account', 'members', 'doctor', 'status']) assert.match(await mustRun(name, '--help'), new RegExp(`^Usage: node dist/node.js ${name}`))
  assert.not.match(readFileSync(cluster.at(0).logFile, 'utf8'), /a good password/)
})

test('the limits hold on a real node: guesses wait, with Retry-After', async () => {
  const statuses: number[] = []
  for (let i = 0; i < 7; i++) statuses.push((await call(cluster.at(0), 'POST', '/api/sessions', { body: { name: 'bob', password: `guess number ${i}` } })).status)
  assert.equal(statuses, [401, 401, 401, 401, 401, 429, 429])
})

test('doctor finds three nodes sound, and one that was killed', async () => {
  const flags = ['--pid', '0', '--data-dir', cluster.at(0).dataDir, ...place(0)]
  const sound = await run('doctor', ...flags)
  assert.equal([sound.code, /^ok +fsync +20 writes/m.test(sound.stdout), /^ok +reach +all 3 members hear each other/m.test(sound.stdout)], [0, true, true], sound.stdout + sound.stderr)
  await cluster.kill(1)
  await cluster.waitCluster(0, state => state.nodes[1].status === 'down')
  const { checks } = JSON.parse(await mustRun('doctor', '-o', 'json', ...flags))
  assert.ok(checks.some((row: any) => row.status === 'warn' && row.check === 'reach' && row.text === 'node 1 is down or out of reach' && row.remedy.startsWith('Start it')), JSON.stringify(checks))
  await cluster.revive(1)
  const nobody = await run('doctor', '--url', 'http://127.0.0.1:1', '--secret-file', join(cluster.directory, 'cluster.secret'))
  assert.equal([nobody.code, /^fail +node +No node answers/m.test(nobody.stdout)], [1, true], nobody.stdout)
})

test('a member that is up stays; one that is down is removed, and comes back only with an empty directory', async () => {
  const { members } = JSON.parse(await mustRun('members', 'list', '-o', 'json', ...place(0)))
  assert.equal(members.map((row: any) => [row.pid, row.status]), [[0, 'ready'], [1, 'ready'], [2, 'ready']])
  assert.match((await run('members', 'remove', '2', '--yes', ...place(0))).stderr, /^This node is up \(member-up\)/)
  await cluster.kill(2)
  await cluster.waitCluster(0, state => state.nodes[2].status === 'down')
  assert.match(await mustRun('members', 'remove', '2', '--yes', ...place(1)), /^Removed node 2/)
  assert.match(await mustRun('members', 'list', ...place(0)), /2 +removed/)
  const back = await runNode(['--pid', '2', '--peers', cluster.places.map(({ pid, url }) => `${pid}=${url}`).join(','), '--data-dir', cluster.at(2).dataDir, '--secret-file', join(cluster.directory, 'cluster.secret')], { env: TEST_ENV })
  assert.equal([back.code, /was removed from the cluster/.test(back.stderr)], [6, true], back.stderr)
})

test.run()
