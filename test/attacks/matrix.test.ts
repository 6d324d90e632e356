// FAULTS X4 and X5: who may do what, tried at a real node: every call, room and operator's call by everybody it is not
// meant for, and every way in from pages of every origin. What came out is docs/authorisation.md, held against it here;
// STARLING_RECORD=1 writes it anew.
// deadline: 150 s

import { readFileSync, writeFileSync } from 'node:fs'
import { request } from 'node:http'
import { join } from 'node:path'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket } from 'ws'
import { CALLS, type CallType } from '../../crdt-schema/api.ts'
import { OPERATOR_CALLS, type OperatorCallType } from '../../crdt-schema/operator-api.ts'
import { TEST_ENV, mustAsk, print } from '../support/asking.ts'
import { type Cluster, type Person, call, newMessageId, startCluster } from '../support/cluster.ts'

const PAGE = join(process.env['STARLING_ROOT'] ?? process.cwd(), 'docs/authorisation.md')
const SECRET_TEXT = 'the text that nobody else may read'
const SOCKET_LIMIT_MS = 10_000
/** A node waits five seconds for a stranger at /peer to say something. */
const SILENT_MS = 2_000

type Owned = { readonly owner: Person; readonly message: string; readonly sent: string; readonly draft: string; readonly session: string }
type Tried = { readonly path?: string; readonly body?: unknown }

/** Each call as aimed at what the owner has. Those that have no other target than the caller's own account are aimed at that. */
const AIMS: { readonly [Type in CallType]: (owned: Owned) => Tried } = {
  'look-up-name': ({ owner }) => ({ path: `/api/accounts/${owner.name}` }),
  'create-account': () => ({ body: { name: `made-${newMessageId().slice(-8)}`, password: 'long enough' } }),
  'list-accounts': () => ({}),
  'read-me': () => ({}),
  'change-me': ({ owner }) => ({ body: { password: owner.password, newPassword: owner.password } }),
  'remove-me': () => ({ body: { password: 'not the password' } }),
  'create-session': ({ owner }) => ({ body: { name: owner.name, password: 'not the password' } }),
  'recover-account': ({ owner }) => ({ body: { name: owner.name, code: '0000-0000-0000-0000', newPassword: 'long enough' } }),
  'make-recovery-codes': ({ owner }) => ({ body: { password: owner.password } }),
  'list-sessions': () => ({}),
  'end-session': ({ session }) => ({ path: `/api/sessions/${session}` }),
  'count-inbox': () => ({}),
  'open-inbox': ({ message }) => ({ body: { ids: [message] } }),
  'list-messages': () => ({}),
  'send-message': ({ sent }) => ({ body: { id: sent, to: ['owner'], text: SECRET_TEXT } }),
  'change-message': ({ message }) => ({ path: `/api/messages/${message}`, body: { checked: true } }),
  'delete-message': ({ message }) => ({ path: `/api/messages/${message}` }),
  'recall-message': ({ sent }) => ({ path: `/api/messages/${sent}/recall` }),
  'list-drafts': () => ({}),
  'put-draft': ({ draft }) => ({ path: `/api/drafts/${draft}`, body: { to: [], text: 'written over' } }),
  'delete-draft': ({ draft }) => ({ path: `/api/drafts/${draft}` }),
  'send-drafts': ({ draft }) => ({ body: { ids: [draft] } }),
  'follow-events': () => ({}),
  'read-cluster': () => ({}),
}

const OPERATOR_AIMS: { readonly [Type in OperatorCallType]: (owned: Owned, nodeId: string) => Tried } = {
  'operator-list-accounts': () => ({}),
  'operator-create-account': () => ({ body: { name: 'sneaked', password: 'long enough' } }),
  'operator-reset-password': ({ owner }) => ({ path: `/operator/accounts/${owner.name}/password`, body: { password: 'long enough' } }),
  'operator-remove-account': ({ owner }) => ({ path: `/operator/accounts/${owner.name}` }),
  'operator-list-members': () => ({}),
  'operator-remove-member': (_owned, nodeId) => ({ path: `/operator/members/${nodeId}` }),
  'operator-admit-member': (_owned, nodeId) => ({ body: { nodeId, url: 'http://sneaked.example' } }),
  'operator-list-documents': () => ({ path: '/operator/documents?prefix=accounts' }),
  'operator-read-documents': ({ owner }) => ({ body: { names: [`drafts/${owner.id}`] } }),
  'operator-check': () => ({}),
}

const COLUMNS = ['nobody', 'a made-up token', 'another user', 'an ended session', 'a removed account'] as const
type Column = (typeof COLUMNS)[number]

const matrix = suite<{ cluster: Cluster; owned: Owned; tokens: Readonly<Record<Column, string | undefined>>; other: Person }>('X5')

matrix.before(async (context) => {
  const cluster = await startCluster({ size: 1, env: TEST_ENV, flags: ['--bootstrap'] })
  context.cluster = cluster
  const node = cluster.at(0)
  const owner = await cluster.createPerson(0, 'owner')
  const other = await cluster.createPerson(0, 'other')
  const gone = await cluster.createPerson(0, 'gone')
  const ended = (await mustAsk(201, node, 'POST', '/api/sessions', { body: { name: 'owner', password: owner.password } })).body.session
  const kept = (await mustAsk(201, node, 'POST', '/api/sessions', { body: { name: 'owner', password: owner.password } })).body.session
  const sent = (await mustAsk(201, node, 'POST', '/api/messages', { token: owner.token, body: { to: ['owner'], text: SECRET_TEXT } })).body.id
  const draft = newMessageId()
  await mustAsk(200, node, 'PUT', `/api/drafts/${draft}`, { token: owner.token, body: { to: ['owner'], text: SECRET_TEXT } })
  await mustAsk(204, node, 'DELETE', `/api/sessions/${ended.id}`, { token: ended.token })
  await mustAsk(204, node, 'DELETE', '/api/me', { token: gone.token, body: { password: gone.password } })
  context.other = other
  context.owned = { owner, message: sent, sent, draft, session: kept.id }
  context.tokens = { nobody: undefined, 'a made-up token': 'A'.repeat(43), 'another user': other.token, 'an ended session': ended.token, 'a removed account': gone.token }
})
matrix.after(({ cluster }) => cluster.close())

/** What came of a call, for a cell: its status, and the code of a problem. An event stream is cut off once it opened. */
const tryCall = async (cluster: Cluster, method: string, path: string, token: string | undefined, body: unknown): Promise<{ readonly cell: string; readonly text: string }> => {
  if (path === '/api/events' && token !== undefined) {
    const stop = new AbortController()
    const response = await fetch(`${cluster.at(0).url}${path}`, { headers: { authorization: `Bearer ${token}` }, signal: stop.signal })
    stop.abort()
    return { cell: response.status === 200 ? '200' : `${response.status} unauthorized`, text: '' }
  }
  const answer = await call(cluster.at(0), method, path, { timeoutMs: 8_000, ...(token === undefined ? {} : { token }), ...(body === undefined ? {} : { body }) })
  return { cell: answer.code === null ? String(answer.status) : `${answer.status} ${answer.code}`, text: JSON.stringify(answer.body) }
}

/** The code a socket is closed with, or that it was let in. */
const tryRoom = (cluster: Cluster, path: string, token: string | undefined, headers: Record<string, string> = {}, limitMs = SOCKET_LIMIT_MS): Promise<string> =>
  new Promise((resolve) => {
    const socket = new WebSocket(`${cluster.at(0).url.replace('http', 'ws')}${path}`, token === undefined ? ['starling.v1'] : ['starling.v1', `starling.token.${token}`], { headers })
    const timer = setTimeout(() => end('silent'), limitMs)
    const end = (cell: string): void => {
      clearTimeout(timer)
      resolve(cell)
      socket.terminate()
    }
    socket.on('message', () => end('let in'))
    socket.on('close', (code) => end(`closed ${code}`))
    socket.on('unexpected-response', (_request, response) => end(`refused ${response.statusCode}`))
    socket.on('error', () => {}) // a refusal of the upgrade says so above
  })

const toTable = (head: readonly string[], rows: readonly (readonly string[])[]): string =>
  [`| ${head.join(' | ')} |`, `| ${head.map(() => '---').join(' | ')} |`, ...rows.map((row) => `| ${row.join(' | ')} |`)].join('\n')

const tables: string[] = []

/** All that the owner has, as he sees it. */
const holdings = async ({ cluster, owned: { owner } }: { cluster: Cluster; owned: Owned }): Promise<string> => {
  const seen: unknown[] = []
  for (const path of ['/api/me', '/api/inbox', '/api/messages', '/api/drafts', '/api/sessions']) seen.push((await mustAsk(200, cluster.at(0), 'GET', path, { token: owner.token })).body)
  return JSON.stringify(seen)
}

matrix('[COO7] every call by everybody it is not for: as the table says, nothing leaks, and the owner has what he had', async (context) => {
  const { cluster, owned, tokens } = context
  const before = await holdings(context)
  const rows: string[][] = []
  for (const [type, definition] of Object.entries(CALLS) as [CallType, (typeof CALLS)[CallType]][]) {
    const cells: string[] = []
    for (const column of COLUMNS) {
      const { path = definition.path, body } = AIMS[type](owned)
      const { cell, text } = await tryCall(cluster, definition.method, path, tokens[column], body)
      assert.not.ok(text.includes(SECRET_TEXT) || text.includes(owned.owner.token), `${type} tells ${column} what is the owner's: ${text}`)
      if (definition.token === 'needed' && column !== 'another user') assert.is(cell, '401 unauthorized', `${type} by ${column}`)
      cells.push(cell)
    }
    rows.push([`${definition.method} ${definition.path}`, ...cells])
  }
  const [, nodeId = ''] = /"nodeId":"([0-9a-f]{32})"/.exec(readFileSync(cluster.at(0).logFile, 'utf8')) ?? ['', '0'.repeat(32)]
  for (const [type, definition] of Object.entries(OPERATOR_CALLS) as [OperatorCallType, (typeof OPERATOR_CALLS)[OperatorCallType]][]) {
    const cells: string[] = []
    for (const column of COLUMNS) {
      const { path = definition.path, body } = OPERATOR_AIMS[type](owned, nodeId)
      const { cell } = await tryCall(cluster, definition.method, path, tokens[column], body)
      assert.match(cell, /^(401|403|404) /, `${type} by ${column}`)
      cells.push(cell)
    }
    rows.push([`${definition.method} ${definition.path}`, ...cells])
  }
  const month = new Date().toISOString().slice(0, 7)
  for (const room of ['drafts', `marks/${month}`, `inbox/${month}`]) {
    const cells: string[] = []
    for (const column of COLUMNS) cells.push(await tryRoom(cluster, `/sync/${owned.owner.id}/${room}`, tokens[column]))
    assert.not.ok(cells.includes('let in') || cells.includes('silent'), `${room}: ${cells.join(', ')}`)
    rows.push([`/sync/ID/${room.replace(month, 'MONTH')}`, ...cells])
  }
  assert.is(await holdings(context), before, 'the owner has what he had')
  const names = (await mustAsk(200, cluster.at(0), 'GET', '/api/accounts', { token: owned.owner.token })).body.accounts.map(({ name }: { name: string }) => name)
  assert.not.ok(names.includes('sneaked'))
  tables.push(toTable(['what', ...COLUMNS], rows))
  print(`${rows.length} ways in x ${COLUMNS.length}: as docs/authorisation.md says`)
})

// ---- X4: origins

/** fetch() names no foreign origin, and a browser's would ask first: here the header is what we say. */
const askFrom = (url: string, method: string, origin: string | null, headers: Record<string, string> = {}): Promise<string> =>
  new Promise((resolve, reject) => {
    const sent = request(url, { method, headers: { ...headers, ...(origin === null ? {} : { origin }) } }, (response) => {
      response.resume()
      const allowed = response.headers['access-control-allow-origin']
      resolve(`${response.statusCode}${allowed === undefined ? '' : allowed === origin ? ', readable' : `, allows ${allowed}`}`)
    })
    sent.on('error', reject)
    sent.end(method === 'POST' ? '{}' : undefined)
  })

matrix('[COR4] pages of other origins read nothing, write nothing and attach nowhere', async ({ cluster, owned }) => {
  const { url, port } = cluster.at(0)
  const origins: readonly (readonly [string, string | null, boolean])[] = [
    ['no Origin (a program)', null, true],
    ['its own', url, true],
    ['another port of its host', `http://127.0.0.1:${port + 1}`, false],
    ['its name, other scheme', `https://127.0.0.1:${port}`, true],
    ['another site', 'https://evil.example', false],
    ['a name that begins like it', `http://127.0.0.1.evil.example:${port}`, false],
    ['its address as user', `http://127.0.0.1:${port}@evil.example`, false],
    ['null (a sandbox, a file)', 'null', false],
    ['nonsense', 'x', false],
  ]
  const json = { 'content-type': 'application/json' }
  const rows: string[][] = []
  for (const [name, origin, isOwn] of origins) {
    const cells = [
      await askFrom(`${url}/api/cluster`, 'GET', origin),
      await askFrom(`${url}/api/sessions`, 'POST', origin, json),
      await askFrom(`${url}/api/me`, 'OPTIONS', origin, { 'access-control-request-method': 'DELETE' }),
      await askFrom(`${url}/operator/accounts`, 'GET', origin),
      await tryRoom(cluster, `/sync/${owned.owner.id}/drafts`, owned.owner.token, origin === null ? {} : { origin }),
      await tryRoom(cluster, '/peer', undefined, origin === null ? {} : { origin }, SILENT_MS),
    ]
    if (!isOwn) {
      assert.equal(cells.slice(0, 3), ['403', '403', '403'], name)
      assert.equal(cells.slice(4), ['refused 403', 'refused 403'], name)
    }
    if (origin !== null) assert.is(cells[5], 'refused 403', `${name}: /peer is for no page`)
    rows.push([name, ...cells])
  }
  tables.push(toTable(['Origin', 'GET /api/cluster', 'POST /api/sessions', 'preflight of DELETE /api/me', 'GET /operator/accounts', '/sync/ID/drafts', '/peer'], rows))
})

matrix('docs/authorisation.md says what was found', () => {
  const page = `# Who may do what

Tried at a real node by \`test/attacks/matrix.test.ts\`, which holds this page against what it finds. Each call is aimed at what another
account owns; where a call knows no other target than the caller's own account, 200 means that the caller sees and changes
only that; PUT with the id of his draft makes one of the caller's own, which DELETE then discards. Operators' calls need a proof of the cluster's secret, which no token replaces; \`not-found\` is told to browsers.

${tables[0]}

## From where

Which pages may call, by the \`Origin\` that their browser sends. *Readable*: its script may read the answer. A program sends what it likes, and needs a token or the
secret all the same; \`silent\` under \`/peer\` means that the node waits for the first text of a handshake, five seconds long.

${tables[1]}
`
  if (process.env['STARLING_RECORD'] === '1') writeFileSync(PAGE, page)
  assert.is(readFileSync(PAGE, 'utf8'), page)
})

matrix.run()
