// The HTTP API against three real nodes: its own document is valid by a public validator, every call in it is made, in
// each way it may end that a program can bring about, and every node gives the same answer.

import { Validator } from '@seriousme/openapi-schema-validator'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Answer, TEST_ENV, ask, askAny, mustAsk, openEvents, print, repeats, show, until } from '../support/asking.ts'
import { type CallOptions, type Cluster, type Person, call, newMessageId, newRequestId, startCluster } from '../support/cluster.ts'

let cluster: Cluster
let document: any

type Operation = { readonly id: string; readonly method: string; readonly path: string; readonly responses: any; readonly needsToken: boolean }
const operations = new Map<string, Operation>()
/** What was answered so far: operation → status → codes. */
const seen = new Map<string, Map<number, Set<string>>>()

const api = suite('the API on three nodes')

api.before(async () => {
  cluster = await startCluster({ env: TEST_ENV })
  document = (await mustAsk(200, cluster.at(0), 'GET', '/api/openapi.json')).body
  for (const [path, methods] of Object.entries<any>(document.paths)) {
    for (const [method, { operationId, responses, security }] of Object.entries<any>(methods)) {
      operations.set(operationId, { id: operationId, method: method.toUpperCase(), path, responses, needsToken: security.length > 0 })
    }
  }
})
api.after(() => cluster.close())

type Asked = CallOptions & { readonly params?: Readonly<Record<string, string>>; readonly query?: string }

/** Makes a call by its operation id and checks that the document foretells the answer: status, type of content, code. */
const make = async (pid: number, id: string, { params = {}, query = '', ...options }: Asked = {}): Promise<Answer> => {
  const operation = operations.get(id)
  if (operation === undefined) throw new Error(`${id} is not in the document`)
  const path = operation.path.replace(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(params[name] ?? `no ${name}`))
  const answer = await ask(cluster.at(pid), operation.method, path + query, options)
  const told = operation.responses[answer.status]
  assert.ok(told !== undefined, `${id} at node ${pid} answered ${show(answer)}, which the document does not foretell`)
  const type = answer.headers.get('content-type')?.split(';')[0]
  assert.is(type, Object.keys(told.content ?? {})[0], `${id}: content type of ${show(answer)}`)
  if (answer.status >= 400) assert.ok(told.description.includes(`\`${answer.code}\``), `${id}: the document does not name the code of ${show(answer)}`)
  const statuses = seen.get(id) ?? new Map<number, Set<string>>()
  seen.set(id, statuses)
  statuses.set(answer.status, (statuses.get(answer.status) ?? new Set()).add(answer.code ?? ''))
  return answer
}

const personOf = ({ body }: Answer, password: string): Person => ({ id: body.account.id, name: body.account.name, password, token: body.session.token })

type Step = (id: string, asked?: Asked, label?: string) => Promise<[string, Answer]>

/** Somebody forgets the password, twice. The account is a third one, since recovery ends every session. */
async function* recover(step: Step, name: (who: string) => string): AsyncGenerator<[string, Answer]> {
  const password = 'a password soon forgotten'
  const [, made] = await step('create-account', { body: { name: name('cat'), password } })
  yield ['create-account cat', made]
  const [first = '', second = ''] = made.body.recoveryCodes
  const recovery = { body: { name: name('cat'), code: first.toLowerCase().replaceAll('-', ' '), newPassword: 'a second password' }, idempotencyKey: newRequestId() }
  yield step('recover-account', { body: { ...recovery.body, code: '0000-0000-0000-0000' } }, 'wrong code')
  yield step('recover-account', { body: { ...recovery.body, name: name('nobody') } }, 'unknown name')
  yield step('recover-account', { body: { ...recovery.body, newPassword: 'short' } }, 'weak password')
  const [, recovered] = await step('recover-account', recovery)
  yield ['recover-account', recovered]
  assert.is(recovered.body.recoveryCodesLeft, made.body.recoveryCodes.length - 1)
  const [, repeated] = await step('recover-account', recovery)
  yield ['recover-account repeated', repeated]
  assert.equal([repeated.status, repeated.body], [200, recovered.body], '[COO5] the same again')
  yield step('recover-account', { ...recovery, body: { ...recovery.body, code: second } }, 'key used again')
  yield step('recover-account', { body: { ...recovery.body, newPassword: 'a third password' } }, 'code used again')
  yield step('read-me', { token: made.body.session.token }, 'whose session ended')
  yield step('create-session', { body: { name: name('cat'), password } }, 'old password')
  const [, again] = await step('create-session', { body: { name: name('cat'), password: 'a second password', device: 'curl' } })
  yield ['create-session after a recovery', again]
  assert.is(again.body.recoveryCodes, undefined, 'codes are told once')
  const { token } = again.body.session
  yield step('make-recovery-codes', { token, body: { password } }, 'old password')
  const renewal = { token, body: { password: 'a second password' }, idempotencyKey: newRequestId() }
  yield step('make-recovery-codes', renewal)
  yield step('make-recovery-codes', renewal, 'repeated')
  yield step('make-recovery-codes', { ...renewal, idempotencyKey: recovery.idempotencyKey }, 'key used again')
  yield step('recover-account', { body: { ...recovery.body, code: second } }, 'replaced code')
  yield step('read-me', { token })
}

/** Everything a program may do, as two people, through one node. Yields each answer; ids are the caller's, so runs can be compared. */
async function* live(pid: number): AsyncGenerator<[string, Answer]> {
  const step = async (id: string, asked: Asked = {}, label = ''): Promise<[string, Answer]> => [`${id} ${label}`, await make(pid, id, asked)]
  const name = (who: string): string => `${who}-at${pid}`
  const password = 'a password that nobody guesses'

  yield step('look-up-name', { params: { name: name('amy') } }, 'free')
  yield step('look-up-name', { params: { name: 'not a name' } }, 'impossible')
  yield step('create-account', { body: { name: 'so long a name that no account can have it at all', password } }, 'impossible name')
  yield step('create-account', { body: { name: name('amy'), password: 'short' } }, 'weak password')
  yield step('create-account', { body: { name: name('amy') } }, 'no password')
  yield step('create-account', { body: { name: name('amy'), password, shoeSize: 43 } }, 'unknown field')
  const signUp = { body: { name: name('Amy'), password, device: 'curl' }, idempotencyKey: newRequestId() }
  const [, first] = await step('create-account', signUp)
  yield ['create-account', first]
  const [, second] = await step('create-account', signUp)
  yield ['create-account repeated', second]
  assert.is(second.body.account.id, first.body.account.id, '[COO5] the same account')
  assert.is.not(second.body.session.token, first.body.session.token, '[COO5] a fresh session')
  assert.is((await make(pid, 'read-me', { token: first.body.session.token })).status, 401, '[COO5] which ends the first')
  yield step('create-account', { ...signUp, body: { name: name('other'), password } }, 'key used again')
  yield step('create-account', { body: { name: name('aMY'), password } }, 'taken')
  const amy = personOf(second, password)
  const [, signUpBob] = await step('create-account', { body: { name: name('bob'), password } })
  yield ['create-account bob', signUpBob]
  const bob = personOf(signUpBob, password)
  yield* recover(step, name)
  yield step('look-up-name', { params: { name: name('AMY') } }, 'taken')
  yield step('list-accounts', { token: amy.token, query: `?prefix=${name('amy')}` })
  yield step('list-accounts', { token: amy.token, query: `?prefix=${name('')}&limit=0` }, 'limit 0')
  yield step('list-accounts', { query: '' }, 'nobody')
  yield step('read-me', { token: amy.token })
  yield step('read-me', { token: 'wrong' }, 'wrong token')

  yield step('create-session', { body: { name: name('amy'), password: 'not the right one' } }, 'wrong password')
  yield step('create-session', { body: { name: name('nobody'), password } }, 'unknown name')
  const signIn = { body: { name: name('amy'), password, device: 'phone' }, idempotencyKey: newRequestId() }
  const [, phone] = await step('create-session', signIn)
  yield ['create-session', phone]
  yield step('create-session', { ...signIn, body: { ...signIn.body, name: name('bob') } }, 'key used again')
  yield step('list-sessions', { token: amy.token })
  yield step('end-session', { token: bob.token, params: { id: phone.body.session.id } }, "somebody else's")
  yield step('end-session', { token: amy.token, params: { id: phone.body.session.id } })
  yield step('read-me', { token: phone.body.session.token }, 'ended session')
  yield step('end-session', { token: amy.token, params: { id: 'not-an-id' } }, 'no id')

  const to = (person: Person): { id: string }[] => [{ id: person.id }]
  const base = Date.now()
  const ids = [0, 1, 2, 3].map((index) => newMessageId(base + index))
  const [id0 = '', id1 = '', id2 = '', id3 = ''] = ids
  const first0 = { token: amy.token, body: { id: id0, to: [name('bob')], text: 'first' } }
  yield step('send-message', first0)
  yield step('send-message', first0, 'again')
  yield step('send-message', { ...first0, body: { ...first0.body, text: 'another' } }, 'id taken')
  yield step('send-message', { token: bob.token, body: { id: id0, to: to(amy), text: 'first' } }, "somebody else's id")
  yield step('send-message', { token: amy.token, body: { id: id1, to: [...to(bob), name('nobody')], text: 'second' } }, 'one unknown')
  yield step('send-message', { token: amy.token, body: { id: id2, to: [...to(bob), ...to(amy)], text: 'third, 🎈' } }, 'to oneself too')
  const keyed = { token: amy.token, body: { to: to(bob), text: 'without an id' }, idempotencyKey: newMessageId(base + 3) }
  const [, sent] = await step('send-message', keyed)
  yield ['send-message without an id', sent]
  const [, again] = await step('send-message', keyed)
  yield ['send-message without an id, again', again]
  assert.is(again.body.id, sent.body.id)
  yield step('send-message', { ...keyed, body: { to: to(bob), text: 'other' } }, 'key used again')
  yield step('send-message', { token: amy.token, body: { to: to(bob), text: 'x'.repeat(16 * 1024 + 1) } }, 'too long')
  yield step('send-message', { token: amy.token, body: { id: newMessageId(Date.now() + 3 * 86_400_000), to: to(bob), text: 'from the future' } }, 'ahead')
  yield step('send-message', { token: amy.token, body: { to: [], text: 'to nobody' } }, 'nobody')

  yield step('count-inbox', { token: bob.token })
  yield step('open-inbox', { token: bob.token, body: { count: 0 } }, 'none')
  const opening = { token: bob.token, body: { count: 1 }, idempotencyKey: newRequestId() }
  yield step('open-inbox', opening)
  yield step('open-inbox', opening, 'repeated')
  yield step('open-inbox', { ...opening, body: { count: 2 } }, 'key used again')
  yield step('recall-message', { token: amy.token, params: { id: id1 } })
  yield step('recall-message', { token: amy.token, params: { id: id0 } }, 'opened before')
  yield step('recall-message', { token: bob.token, params: { id: id2 } }, "somebody else's")
  yield step('open-inbox', { token: bob.token, body: { ids: [id2] } })
  yield step('count-inbox', { token: bob.token })
  yield step('list-messages', { token: bob.token })
  const [, page] = await step('list-messages', { token: bob.token, query: '?limit=1' })
  yield ['list-messages a page', page]
  yield step('list-messages', { token: bob.token, query: `?limit=1&before=${encodeURIComponent(page.body.next)}` }, 'next page')
  yield step('list-messages', { token: bob.token, query: '?before=nonsense' }, 'nonsense')
  yield step('change-message', { token: bob.token, params: { id: id0 }, body: { checked: true } })
  yield step('change-message', { token: bob.token, params: { id: id0 }, body: { checked: 'yes' } }, 'no boolean')
  yield step('delete-message', { token: bob.token, params: { id: id0 } })
  yield step('list-messages', { token: bob.token })
  yield step('change-message', { token: bob.token, params: { id: id0 }, body: { deleted: false } }, 'undo')
  yield step('change-message', { token: bob.token, params: { id: id3 }, body: { checked: true } }, 'unknown')
  yield step('delete-message', { token: bob.token, params: { id: id3 } }, 'unknown')
  yield step('recall-message', { token: bob.token, params: { id: id3 } }, 'unknown')
  yield step('list-messages', { token: amy.token })

  const drafts = [4, 5, 6].map((index) => newMessageId(base + index))
  const [draft0 = '', draft1 = '', draft2 = ''] = drafts
  yield step('put-draft', { token: amy.token, params: { id: draft0 }, body: { to: [name('bob')], text: 'hello', selected: true } })
  yield step('put-draft', { token: amy.token, params: { id: draft0 }, body: { to: to(bob), text: 'hello again' } }, 'edited')
  yield step('put-draft', { token: amy.token, params: { id: draft1 }, body: { to: [], text: 'for nobody' } })
  yield step('put-draft', { token: amy.token, params: { id: draft1 }, body: { to: [], text: 'x'.repeat(64 * 1024 + 1) } }, 'too long')
  yield step('put-draft', { token: amy.token, params: { id: draft2 }, body: { to: [], text: 'never mind' } })
  yield step('list-drafts', { token: amy.token })
  yield step('put-draft', { token: amy.token, params: { id: newMessageId(Date.now() + 3 * 86_400_000) }, body: { to: [], text: 'from the future' } }, 'ahead')
  yield step('delete-draft', { token: amy.token, params: { id: draft2 } })
  yield step('delete-draft', { token: amy.token, params: { id: newMessageId() } }, 'unknown')
  const sending = { token: amy.token, body: { ids: [draft0, draft1] }, idempotencyKey: newRequestId() }
  yield step('send-drafts', sending)
  yield step('send-drafts', sending, 'repeated')
  yield step('send-drafts', { ...sending, body: { selected: true } }, 'key used again')
  yield step('send-drafts', { token: amy.token, body: { selected: true } }, 'none selected')
  yield step('list-drafts', { token: amy.token })
  yield step('count-inbox', { token: bob.token })
  yield step('read-me', { token: bob.token })

  yield step('change-me', { token: bob.token, body: { password: 'wrong one', name: name('bert') } }, 'wrong password')
  yield step('change-me', { token: bob.token, body: { password, name: name('amy') } }, 'taken')
  yield step('change-me', { token: bob.token, body: { password, name: 'no name' } }, 'impossible')
  const renaming = { token: bob.token, body: { password, name: name('bert') }, idempotencyKey: newRequestId() }
  yield step('change-me', renaming)
  yield step('change-me', renaming, 'repeated')
  yield step('change-me', { ...renaming, body: { password, name: name('ben') } }, 'key used again')
  yield step('change-me', { token: bob.token, body: { password, newPassword: 'short' } }, 'weak password')
  yield step('change-me', { token: bob.token, body: { password, newPassword: 'a password after the first' } }, 'new password')
  yield step('list-sessions', { token: bob.token })
  yield step('remove-me', { token: bob.token, body: { password } }, 'old password')
  yield step('remove-me', { ...renaming, body: { password: 'a password after the first' } }, 'key used again')
  yield step('end-session', { token: amy.token, params: { id: 'current' } }, 'current')
  yield step('read-me', { token: amy.token }, 'signed out')
  yield step('remove-me', { token: bob.token, body: { password: 'a password after the first' } })
  yield step('read-me', { token: bob.token }, 'removed')
  yield step('look-up-name', { params: { name: name('bert') } }, 'removed')
}

/** What differs between runs by its nature, by place of first appearance: ids, tokens, times, digests, who stored. */
const createMask = (pid: number): ((text: string) => string) => {
  const numbers = new Map<string, number>()
  const number = (found: string): string => `<${numbers.get(found) ?? (numbers.set(found, numbers.size), numbers.size - 1)}>`
  return (text) =>
    text
      .replaceAll(new RegExp(`-at${pid}`, 'gi'), '-at')
      .replace(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, '<time>')
      .replace(/"storedOn":\[[\d,]*\]/g, '"storedOn":<pids>')
      .replace(/"(digest|next|token)":"[^"]*"/g, '"$1":"…"')
      .replace(/"[0-9A-HJKMNP-TV-Z]{4}(-[0-9A-HJKMNP-TV-Z]{4}){3}"/g, '"<code>"')
      .replace(/[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}|\b[0-9a-f]{32}\b/g, number)
}

api('[COR4] the OpenAPI document is valid by a public validator and the same on every node', async () => {
  const validator = new Validator()
  const result = await validator.validate(structuredClone(document))
  assert.ok(result.valid, JSON.stringify(result.errors))
  assert.is(validator.version, '3.1')
  const broken = structuredClone(document)
  delete broken.paths['/api/me'].get.responses
  broken.paths['/api/me'].get.answers = {}
  assert.not((await new Validator().validate(broken)).valid, 'a document without answers does not pass')
  for (const pid of cluster.pids) assert.equal((await mustAsk(200, cluster.at(pid), 'GET', '/api/openapi.json')).body, document)
  print(`valid OpenAPI ${validator.version}, ${operations.size} calls`)
})

api('[COR4] every call ends on every node as the document says, and alike', async () => {
  const run = async (pid: number): Promise<string[]> => {
    const mask = createMask(pid)
    const lines: string[] = []
    for await (const [label, answer] of live(pid)) lines.push(mask(`${label}: ${show(answer)}`))
    return lines
  }
  const [first = [], ...others] = await Promise.all(cluster.pids.map(run))
  for (const [index, lines] of others.entries()) {
    for (const [line, text] of lines.entries()) assert.is(text, first[line], `node ${index + 1} differs from node 0`)
    assert.is(lines.length, first.length)
  }
  print(`${first.length} answers on each of three nodes, equal but for ids, times and digests; ${repeats.count} asked again`)
})

const STREAM_LIMIT_MS = 20_000

api('[COR4] follow-events tells of a message on every node, whichever took it', async () => {
  const ida = await cluster.createPerson(0, 'ida')
  const jon = await cluster.createPerson(1, 'jon')
  const streams = await Promise.all(cluster.pids.map((pid) => openEvents(cluster.at(pid), jon.token)))
  seen.set('follow-events', new Map([[200, new Set([''])]]))
  for (const { status, contentType } of streams) {
    assert.is(status, 200)
    assert.match(contentType ?? '', /^text\/event-stream/)
  }
  await make(2, 'follow-events', { token: 'wrong' })
  const id = newMessageId()
  await mustAsk(201, cluster.at(2), 'POST', '/api/messages', { token: ida.token, body: { id, to: [{ id: jon.id }], text: 'live' } })
  const tells = (event: string) => (): boolean => streams.every(({ events }) => events.some((one) => one.event === event && (one.data.id ?? id) === id))
  await until('every stream tells of the message', tells('message'), STREAM_LIMIT_MS)
  await mustAsk(200, cluster.at(0), 'PATCH', `/api/messages/${id}`, { token: jon.token, body: { checked: true } })
  await until('every stream tells of the mark', tells('message-changed'), STREAM_LIMIT_MS)
  await mustAsk(204, cluster.at(1), 'DELETE', '/api/sessions/current', { token: jon.token })
  await until('every stream tells of the end of the session', tells('session-ended'), STREAM_LIMIT_MS)
  await until('every stream ends', () => streams.every(({ isEnded }) => isEnded()), STREAM_LIMIT_MS)
})

api('[COR4] the same question gets the same answer on every node, but for self, uptime and lag', async () => {
  const uma = await cluster.createPerson(0, 'uma')
  const vic = await cluster.createPerson(2, 'vic')
  for (const text of ['one', 'two', 'three']) await mustAsk(201, cluster.at(1), 'POST', '/api/messages', { token: vic.token, body: { to: [{ id: uma.id }], text } })
  await mustAsk(200, cluster.at(2), 'POST', '/api/inbox/open', { token: uma.token, body: { count: 2 } })
  await mustAsk(200, cluster.at(0), 'PUT', `/api/drafts/${newMessageId()}`, { token: uma.token, body: { to: ['vic'], text: 'soon' } })
  await cluster.waitEqual()
  const paths = ['/api/accounts/uma', '/api/accounts', '/api/me', '/api/sessions', '/api/inbox', '/api/messages', '/api/drafts', '/api/openapi.json', '/livez', '/readyz', '/healthz?verbose', '/api/nothing']
  for (const path of paths) {
    const answers = await Promise.all(cluster.pids.map((pid) => ask(cluster.at(pid), 'GET', path, { token: uma.token })))
    for (const answer of answers) assert.equal([answer.status, answer.body], [answers[0]?.status, answers[0]?.body], path)
  }
  const comparable = ({ coordinator, epoch, version, nodes, links }: any): unknown => ({
    coordinator,
    epoch,
    version,
    nodes: nodes.map(({ pid, url, status, digest, messages, sessions, version: of }: any) => ({ pid, url, status, digest, messages, sessions, version: of })),
    links: links.map(({ a, b, state }: any) => ({ a, b, state })),
  })
  let states: unknown[] = []
  await until('the nodes tell the same of the cluster', async () => {
    states = (await Promise.all(cluster.pids.map((pid) => make(pid, 'read-cluster')))).map(({ body }) => comparable(body))
    return states.every((state) => JSON.stringify(state) === JSON.stringify(states[0]))
  }).catch((error) => assert.unreachable(`${error.message}: ${JSON.stringify(states)}`))
  for (const pid of cluster.pids) {
    const { status, body } = await call(cluster.at(pid), 'GET', '/metrics')
    assert.is(status, 200)
    assert.match(body, /^starling_peer_up\{/m)
  }
})

api('[REP6] a write is readable on every node that stored it at the moment it is acknowledged', async () => {
  const [kim, lee] = [await cluster.createPerson(0, 'kim'), await cluster.createPerson(1, 'lee')]
  let reads = 0
  let onAll = 0
  for (let index = 0; index < 30; index++) {
    const origin = cluster.at(index % 3)
    const { body } = await mustAsk(201, origin, 'POST', '/api/messages', { token: kim.token, body: { to: [{ id: lee.id }], text: `message ${index}` } })
    onAll += body.storedOn.length === 3 ? 1 : 0
    const counts = await Promise.all(body.storedOn.map((pid: number) => ask(cluster.at(pid), 'GET', '/api/inbox', { token: lee.token })))
    for (const count of counts) assert.is(count.body?.unopened, index + 1, `after message ${index}: ${show(count)}`)
    reads += counts.length
  }
  const draftId = newMessageId()
  for (let index = 0; index < 9; index++) {
    await mustAsk(200, cluster.at(index % 3), 'PUT', `/api/drafts/${draftId}`, { token: kim.token, body: { to: [], text: `version ${index}` } })
    const { body } = await mustAsk(200, cluster.at((index + 1) % 3), 'GET', '/api/drafts', { token: kim.token })
    assert.is(body.drafts[0]?.text, `version ${index}`)
    const newcomer = await cluster.createPerson(index % 3, `newcomer-${index}`)
    for (const pid of cluster.pids) assert.is((await ask(cluster.at(pid), 'GET', '/api/me', { token: newcomer.token })).status, 200, `newcomer ${index} at node ${pid}`)
  }
  assert.ok(onAll > 0, 'some write was stored on all three')
  print(`${onAll} of 30 messages stored on 3 of 3 when acknowledged; ${reads} reads right after, all current`)
})

api('[DEL8] the same message id sent ten times through all nodes at once is one message', async () => {
  const [mia, ned] = [await cluster.createPerson(0, 'mia'), await cluster.createPerson(1, 'ned')]
  const body = { id: newMessageId(), to: [{ id: ned.id }], text: 'only once' }
  const answers = await Promise.all(Array.from({ length: 10 }, (_, index) => ask(cluster.at(index % 3), 'POST', '/api/messages', { token: mia.token, body })))
  for (const answer of answers) {
    assert.is(answer.status, 201, show(answer))
    assert.equal(answer.body.recipients, [{ id: ned.id, name: 'ned', status: 'delivered' }])
  }
  for (const pid of cluster.pids) {
    const { body: inbox } = await mustAsk(200, cluster.at(pid), 'GET', '/api/inbox', { token: ned.token })
    assert.is(inbox.unopened, 1, `at node ${pid}`)
  }
  const { body: opened } = await mustAsk(200, cluster.at(2), 'POST', '/api/inbox/open', { token: ned.token, body: { count: 100 } })
  assert.equal(opened.opened.map(({ id }: any) => id), [body.id])
  const other = await ask(cluster.at(1), 'POST', '/api/messages', { token: mia.token, body: { ...body, text: 'another text' } })
  assert.is(other.code, 'id-taken', show(other))
})

api('[COO5] a request repeated with its key through the other nodes gets the same outcome and does nothing more', async () => {
  const idempotencyKey = newRequestId()
  const body = { name: 'olga', password: 'the password of olga' }
  const signUps = []
  for (const pid of [1, 2, 0]) signUps.push(await mustAsk(201, cluster.at(pid), 'POST', '/api/accounts', { body, idempotencyKey }))
  assert.is(new Set(signUps.map((answer) => answer.body.account.id)).size, 1, 'one account')
  const token: string = signUps[2]?.body.session.token
  const { body: me } = await mustAsk(200, cluster.at(1), 'GET', '/api/sessions', { token })
  assert.is(me.sessions.length, 1, 'each repeat ends the session before')
  assert.is((await ask(cluster.at(0), 'POST', '/api/accounts', { body: { ...body, password: 'another password' }, idempotencyKey })).status >= 400, true)

  const pat = await cluster.createPerson(0, 'pat')
  const idempotencyKeyOfSend = newMessageId() // its time names its home, as with the keys that programs make
  const sends = await Promise.all(
    Array.from({ length: 9 }, (_, index) => ask(cluster.at(index % 3), 'POST', '/api/messages', { token, body: { to: [{ id: pat.id }], text: 'by key' }, idempotencyKey: idempotencyKeyOfSend })),
  )
  assert.equal([...new Set(sends.map((answer) => `${answer.status} ${answer.body?.id}`))].length, 1, sends.map(show).join('\n'))
  await mustAsk(201, cluster.at(1), 'POST', '/api/messages', { token, body: { to: [{ id: pat.id }], text: 'a second one' } })
  await mustAsk(201, cluster.at(1), 'POST', '/api/messages', { token, body: { to: [{ id: pat.id }], text: 'a third one' } })
  const opening = { token: pat.token, body: { count: 1 }, idempotencyKey: newRequestId() }
  const opened = []
  for (const pid of [2, 0, 1]) opened.push(await mustAsk(200, cluster.at(pid), 'POST', '/api/inbox/open', opening))
  assert.equal(opened.map((answer) => answer.body.opened.map((message: any) => message.text)), [['by key'], ['by key'], ['by key']])
  assert.is((await mustAsk(200, cluster.at(0), 'GET', '/api/inbox', { token: pat.token })).body.unopened, 2)
  assert.is((await ask(cluster.at(1), 'POST', '/api/inbox/open', { ...opening, body: { count: 2 } })).code, 'id-reused')
})

api('[COO5] ten people ask for one name through all nodes at once: one gets it', async () => {
  const answers = await Promise.all(
    Array.from({ length: 10 }, (_, index) => askAny([cluster.at(index % 3)], 'POST', '/api/accounts', { body: { name: 'zoe', password: `password number ${index}` } })),
  )
  const winners = answers.filter(({ status }) => status === 201)
  assert.is(winners.length, 1, answers.map(show).join('\n'))
  for (const answer of answers) if (answer.status !== 201) assert.is(answer.code, 'name-taken', show(answer))
})

api('[COR4] every call of the document was made, and ended well at least once', async () => {
  const missing = [...operations.values()].filter(({ id, responses }) => !Object.keys(responses).some((status) => Number(status) < 300 && seen.get(id)?.has(Number(status))))
  assert.equal(missing.map(({ id }) => id), [])
  // Codes that this test cannot bring about, each shown elsewhere: limits, overload, a closed door, a cluster without a coordinator.
  const elsewhere = new Set(['too-many-requests', 'internal', 'not-ready', 'incomplete', 'busy', 'unknown', 'no-coordinator', 'registration-closed', 'foreign-origin', 'unsupported-media-type', 'already-signed-in', 'too-large', 'bad-request', 'unauthorized'])
  const unseen: string[] = []
  for (const { id, responses } of operations.values()) {
    const told = Object.values<any>(responses).flatMap(({ description }) => [...description.matchAll(/`([a-z-]+)`/g)].map(([, code]) => code as string))
    const met = [...(seen.get(id)?.values() ?? [])].flatMap((codes) => [...codes])
    for (const code of told) if (!met.includes(code) && !elsewhere.has(code)) unseen.push(`${id} ${code}`)
  }
  print(`${seen.size} of ${operations.size} calls made; promised codes not met: ${unseen.length === 0 ? 'none' : unseen.join(', ')}`)
  // Only when the password changes between the two steps of a repeated sign-up.
  assert.equal(unseen, ['create-account wrong-credentials'])
})

api.run()
