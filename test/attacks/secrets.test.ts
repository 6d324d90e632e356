// FAULTS X10: after a day's life of a cluster, quick and dirty, no password, token or secret stands in a log, in a data
// directory, in a backup, on a terminal or in an answer to somebody else; no message stands in a log.

import { execFileSync } from 'node:child_process'
import { randomBytes } from 'node:crypto'
import { readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TEST_ENV, mustAsk, print, runNode, until } from '../support/asking.ts'
import { type Cluster, call, newMessageId, startCluster } from '../support/cluster.ts'
import { attach, detachAll } from '../support/providers.ts'

/** Random, so that nothing else holds them by chance. */
const mark = (name: string): string => `${name}-${randomBytes(12).toString('hex')}`
const SECRET = mark('the-secret')
const PASSWORD = mark('the-password')
const NEW_PASSWORD = mark('another-password')
const WRONG_PASSWORD = mark('a-wrong-password')
const TEXT = mark('the-text')
const DRAFT_TEXT = mark('the-draft')

const secrets = suite<{ cluster: Cluster; said: string[]; tokens: string[] }>('X10')

secrets.before(async (context) => {
  const cluster = await startCluster({ env: { ...TEST_ENV, STARLING_LOG_LEVEL: 'debug' }, flags: ['--log-level', 'debug'], idle: true })
  writeFileSync(join(cluster.directory, 'cluster.secret'), `${SECRET}\n`, { mode: 0o600 })
  for (const pid of cluster.pids) cluster.start(pid)
  await cluster.waitAllReady()
  Object.assign(context, { cluster, said: [], tokens: [] })
})
secrets.after(({ cluster }) => {
  detachAll()
  return cluster.close()
})

/** All ways in which a text may stand in bytes: as it is, in hexadecimal, in base64 at any of three offsets. */
const formsOf = (text: string): readonly string[] => {
  const bytes = Buffer.from(text)
  const base64 = [0, 1, 2].map((offset) => Buffer.concat([Buffer.alloc(offset), bytes]).toString('base64').slice(offset === 0 ? 0 : 4, -4))
  return [text, bytes.toString('hex'), ...base64, ...base64.map((form) => form.replaceAll('+', '-').replaceAll('/', '_'))]
}

const filesBelow = (directory: string): string[] =>
  readdirSync(directory, { recursive: true, encoding: 'utf8' }).map((name) => join(directory, name)).filter((path) => statSync(path).isFile())

/** Which of these stand in which of the files. */
const findIn = (files: readonly string[], what: Readonly<Record<string, string>>): string[] =>
  files.flatMap((path) => {
    const bytes = readFileSync(path)
    return Object.entries(what).filter(([, text]) => formsOf(text).some((form) => bytes.includes(form))).map(([name]) => `${name} in ${path}`)
  })

secrets('what goes wrong and right in a day leaves no trace of a secret', async ({ cluster, said, tokens }) => {
  const node = cluster.at(0)
  const made = await mustAsk(201, node, 'POST', '/api/accounts', { body: { name: 'ann', password: PASSWORD, device: 'a laptop' } })
  const { id } = made.body.account
  tokens.push(made.body.session.token)
  const codes: string[] = made.body.recoveryCodes
  assert.ok(codes.length > 0)
  const token = (): string => tokens.at(-1) ?? ''
  const tell = async (answer: Promise<Awaited<ReturnType<typeof call>>>): Promise<void> => void said.push(JSON.stringify((await answer).body))
  await tell(call(node, 'POST', '/api/sessions', { body: { name: 'ann', password: WRONG_PASSWORD } }))
  await tell(call(node, 'POST', '/api/sessions', { body: { name: 'ann', password: WRONG_PASSWORD, extra: PASSWORD } }))
  await tell(call(node, 'POST', '/api/sessions', { rawBody: `{"name":"ann","password":"${PASSWORD}"` }))
  await tell(call(node, 'POST', '/api/messages', { token: token(), rawBody: `{"to":["ann"],"text":"${TEXT}"` }))
  await tell(call(node, 'POST', '/api/messages', { token: token(), body: { to: [{ id: TEXT }], text: { a: TEXT } } }))
  await tell(call(node, 'GET', `/api/accounts/${WRONG_PASSWORD}`))
  await tell(call(node, 'GET', '/api/me', { token: `${token().slice(0, -1)}x` }))
  await mustAsk(201, node, 'POST', '/api/messages', { token: token(), body: { to: ['ann'], text: TEXT } })
  await mustAsk(200, node, 'PUT', `/api/drafts/${newMessageId()}`, { token: token(), body: { to: ['ann'], text: DRAFT_TEXT } })
  const room = attach([cluster.at(1)], `${id}/drafts`, token())
  await until('the drafts are there', () => room.provider.synced)
  const bad = attach([cluster.at(2)], `${id}/drafts`, `${token()}x`)
  await until('a wrong token is refused', () => bad.codes.includes(4401))
  bad.detach()
  // A page that writes junk, with its own text in it.
  room.doc.getMap('junk').set('text', TEXT)
  await until('the junk is refused', () => room.codes.includes(4422))
  room.detach()
  tokens.push((await mustAsk(201, node, 'POST', '/api/sessions', { body: { name: 'ann', password: PASSWORD } })).body.session.token)
  await mustAsk(200, node, 'PATCH', '/api/me', { token: token(), body: { password: PASSWORD, newPassword: NEW_PASSWORD } })
  await tell(call(node, 'POST', '/api/recover', { body: { name: 'nobody', code: codes[0], newPassword: PASSWORD } }))
  await mustAsk(200, node, 'POST', '/api/recover', { body: { name: 'ann', code: codes[1], newPassword: PASSWORD } })
  tokens.push((await mustAsk(201, node, 'POST', '/api/sessions', { body: { name: 'ann', password: PASSWORD } })).body.session.token)
  codes.push(...(await mustAsk(201, node, 'POST', '/api/me/recovery-codes', { token: token(), body: { password: PASSWORD } })).body.recoveryCodes)
  await cluster.kill(2)
  await cluster.revive(2)
  await cluster.waitEqual()

  // The operator's side: commands that work, that fail, that are given a wrong secret.
  const secretFile = join(cluster.directory, 'cluster.secret')
  const place = ['--url', node.url, '--secret-file', secretFile]
  for (const args of [['account', 'list', ...place], ['members', 'list', ...place], ['doctor', '--data-dir', node.dataDir, ...place], ['backup', join(cluster.directory, 'a-backup'), ...place], ['status', '--url', node.url], ['account', 'create', PASSWORD, '--password', PASSWORD]]) {
    const { stdout, stderr } = await runNode(args, { env: TEST_ENV })
    said.push(args.includes('--password') ? stderr.replaceAll(PASSWORD, '') : stdout + stderr) // what was typed may be shown to who typed it
  }
  const second = await runNode(['--pid', '0', '--data-dir', node.dataDir, '--secret-file', secretFile], { env: TEST_ENV })
  assert.is(second.code === 0, false)
  said.push(second.stdout + second.stderr)
  for (const path of ['/metrics', '/readyz?verbose', '/api/cluster', '/api/openapi.json', '/']) said.push(JSON.stringify((await call(node, 'GET', path)).body))

  const passwords = { 'the password': PASSWORD, 'the new password': NEW_PASSWORD, 'a wrong password': WRONG_PASSWORD, 'the secret': SECRET, ...Object.fromEntries(tokens.map((one, index) => [`token ${index}`, one])),
    ...Object.fromEntries(codes.flatMap((code, index) => [[`code ${index}`, code], [`code ${index} without dashes`, code.replaceAll('-', '')]])) }
  const logs = cluster.places.map(({ logFile }) => logFile)
  assert.equal(findIn(logs, { ...passwords, 'the text': TEXT, 'the draft': DRAFT_TEXT }), [])
  const kept = filesBelow(cluster.directory).filter((path) => !path.endsWith('cluster.secret') && !logs.includes(path))
  assert.ok(kept.length > 10)
  assert.equal(findIn(kept, passwords), [])
  const terminal = join(cluster.directory, 'said.txt')
  writeFileSync(terminal, said.join('\n'))
  assert.equal(findIn([terminal], { ...passwords, 'the draft': DRAFT_TEXT }), [])
  // Command lines are open to every user of the machine.
  const commands = execFileSync('ps', ['axww', '-o', 'args'], { encoding: 'utf8' })
  assert.not.ok(commands.includes(SECRET))
  assert.is(statSync(secretFile).mode & 0o077, 0, 'the secret is for its owner alone')
  // The search finds what it looks for: the text is in the data, where it belongs.
  assert.ok(findIn(kept, { 'the text': TEXT }).length > 0)
  print(`${logs.length} logs, ${kept.length} files, ${said.length} answers and terminals searched for ${Object.keys(passwords).length} secrets in all their forms`)
})

secrets.run()
