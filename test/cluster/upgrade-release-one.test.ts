// What the first release left on disks and put on links is read for ever [FAULTS P18]: test/cluster/release-1 holds the data
// directory of a node of it and one frame of each message. Made once (STARLING_RECORD=1 makes them anew from the history
// of the repository, for a release that breaks with the first; there is no other reason to).

import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { decodePeerFrame, decodePeerMessage, encodePeerFrame, encodePeerMessage } from '../../crdt-schema/peer-wire.ts'
import { createNodes } from '../../scripts/lib/nodes.mjs'
import { TEST_ENV, mustAsk, print } from '../support/asking.ts'
import { call, findFreePorts, newMessageId } from '../support/cluster.ts'
import { createTrio } from '../support/cores.ts'
import { buildOldNode } from '../support/old-release.ts'

const ROOT = process.env['STARLING_ROOT'] ?? process.cwd()
const KEPT = join(ROOT, 'test/cluster/release-1')
const PASSWORD = 'a password of the first release'

type Said = { readonly messages: readonly string[]; readonly unopened: number; readonly drafts: readonly string[]; readonly names: readonly string[] }

const release = suite('release 1')

/** One node on a directory, ready. */
const startOn = async (program: string, directory: string) => {
  const ports = await findFreePorts(1)
  const nodes = createNodes({ program, directory, ports, env: TEST_ENV, flags: ['--bootstrap', '--alone-ms', '0', '--rate-limits', 'off'] })
  nodes.start(0)
  await nodes.waitReady(0)
  const [place] = nodes.places
  if (place === undefined) throw new Error('no node')
  return { nodes, place }
}

/** All that ann sees. */
const readAll = async (place: { url: string }): Promise<Said> => {
  const { body } = await mustAsk(201, place, 'POST', '/api/sessions', { body: { name: 'ann', password: PASSWORD } })
  const { token } = body.session
  const get = async (path: string) => (await mustAsk(200, place, 'GET', path, { token })).body
  return {
    messages: (await get('/api/messages')).messages.map(({ text, kind, checked }: { text: string; kind: string; checked: boolean }) => `${kind} ${checked ? 'read' : 'unread'}: ${text}`).sort(),
    unopened: (await get('/api/inbox')).unopened,
    drafts: (await get('/api/drafts')).drafts.map(({ text, selected }: { text: string; selected: boolean }) => `${selected}: ${text}`).sort(),
    names: (await get('/api/accounts')).accounts.map(({ name }: { name: string }) => name),
  }
}

const record = async (): Promise<void> => {
  const old = buildOldNode()
  if ('refusal' in old) throw new Error(old.refusal)
  const directory = mkdtempSync(join(tmpdir(), 'starling-release-1-'))
  const { nodes, place } = await startOn(old.program, directory)
  for (const name of ['ann', 'ben', 'gone']) await mustAsk(201, place, 'POST', '/api/accounts', { body: { name, password: PASSWORD } })
  const token = async (name: string): Promise<string> => (await mustAsk(201, place, 'POST', '/api/sessions', { body: { name, password: PASSWORD } })).body.session.token
  const [ann, ben, gone] = [await token('ann'), await token('ben'), await token('gone')]
  for (const text of ['one', 'two', 'three']) await mustAsk(201, place, 'POST', '/api/messages', { token: ben, body: { to: ['ann'], text } })
  const opened = (await mustAsk(200, place, 'POST', '/api/inbox/open', { token: ann, body: { count: 2 } })).body.opened
  await mustAsk(200, place, 'PATCH', `/api/messages/${opened[0].id}`, { token: ann, body: { checked: true } })
  await mustAsk(204, place, 'DELETE', `/api/messages/${opened[1].id}`, { token: ann })
  await mustAsk(201, place, 'POST', '/api/messages', { token: ann, body: { to: ['ben'], text: 'an answer, ümläut and 🐦' } })
  await mustAsk(200, place, 'PUT', `/api/drafts/${newMessageId()}`, { token: ann, body: { to: ['ben'], text: 'not sent yet', selected: true } })
  await mustAsk(204, place, 'DELETE', '/api/me', { token: gone, body: { password: PASSWORD } })
  const said = await readAll(place)
  const { code } = await nodes.stop(0)
  assert.is(code, 0)
  const cores = createTrio()
  cores.kill(1)
  cores.call(0, { type: 'create-account', name: 'ann', password: PASSWORD } as never, { key: '00000000-0000-4000-8000-000000000001' })
  cores.start(1)
  cores.run(3_000)
  const kinds = new Map(cores.spoken.map(({ message }) => [message.type, message]))
  rmSync(KEPT, { recursive: true, force: true })
  mkdirSync(KEPT, { recursive: true })
  cpSync(join(directory, 'node-0'), join(KEPT, 'data'), { recursive: true, filter: (from) => !/\/(LOCK|LOG|LOG\.old)$/.test(from) })
  writeFileSync(join(KEPT, 'said.json'), `${JSON.stringify(said, null, 2)}\n`)
  writeFileSync(join(KEPT, 'frames.json'), `${JSON.stringify([...kinds].sort().map(([type, message]) => ({ type, hex: Buffer.from(encodePeerFrame([encodePeerMessage(message)])).toString('hex') })), null, 2)}\n`)
  rmSync(directory, { recursive: true, force: true })
}

release('[DOC5] its data directory opens, and everything in it is as it was', async () => {
  if (process.env['STARLING_RECORD'] === '1') await record()
  const directory = mkdtempSync(join(tmpdir(), 'starling-release-1-'))
  cpSync(join(KEPT, 'data'), join(directory, 'node-0'), { recursive: true })
  const { nodes, place } = await startOn(join(ROOT, 'dist/node.js'), directory)
  try {
    const said: Said = JSON.parse(readFileSync(join(KEPT, 'said.json'), 'utf8'))
    assert.ok(said.messages.length >= 2 && said.unopened === 1 && said.drafts.length === 1)
    assert.equal(await readAll(place), said)
    assert.is((await call(place, 'POST', '/api/sessions', { body: { name: 'gone', password: PASSWORD } })).code, 'wrong-credentials', 'the removed account stays removed')
    assert.not.ok(nodes.logTail(0, 1_000).includes('quarantined'))
    const size = readdirSync(join(KEPT, 'data')).length
    print(`${size} files of release 1: ${said.messages.length} messages, ${said.drafts.length} draft, as they were`)
  } finally {
    await nodes.close()
    rmSync(directory, { recursive: true, force: true })
  }
})

release('[REP4] each of its frames is read, and written by the same bytes', () => {
  assert.ok(existsSync(join(KEPT, 'frames.json')))
  const frames: { type: string; hex: string }[] = JSON.parse(readFileSync(join(KEPT, 'frames.json'), 'utf8'))
  assert.ok(frames.length >= 12, `${frames.length}`)
  for (const { type, hex } of frames) {
    const messages = decodePeerFrame(Uint8Array.from(Buffer.from(hex, 'hex')))
    assert.ok(messages.ok, type)
    const [bytes = new Uint8Array()] = messages.ok ? messages.value : []
    const message = decodePeerMessage(bytes)
    assert.ok(message.ok && message.value.type === type, type)
    if (message.ok) assert.is(Buffer.from(encodePeerFrame([encodePeerMessage(message.value)])).toString('hex'), hex, type)
  }
})

release.run()
