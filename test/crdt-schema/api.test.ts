// The table of calls: what it lets through is typed and complete, everything else is told which field is wrong.

import { toJsonSchema } from '@valibot/to-json-schema'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { CALLS, type CallDefinition, type CallType, type RawCall, parseCall } from '../../crdt-schema/api.ts'
import { PROBLEMS, isProblemCode, problem, retryAfterSecondsOf } from '../../crdt-schema/api-problems.ts'

const ID = '0198a000-0000-7000-8000-000000000001'
const ACCOUNT = 'ab'.repeat(16)

/** A request that each call takes. */
const GOOD: Record<CallType, Partial<RawCall>> = {
  'look-up-name': { params: { name: 'alice' } },
  'create-account': { body: { name: 'alice', password: 'correct horse', device: 'curl' } },
  'list-accounts': { query: { prefix: 'al', limit: '10' } },
  'read-me': {},
  'change-me': { body: { password: 'correct horse', name: 'bella' } },
  'remove-me': { body: { password: 'correct horse' } },
  'create-session': { body: { name: 'alice', password: 'correct horse', takeOver: true } },
  'recover-account': { body: { name: 'alice', code: '7k3m-9qzt w1ha r5cd', newPassword: 'correct horse' } },
  'make-recovery-codes': { body: { password: 'correct horse' } },
  'list-sessions': {},
  'end-session': { params: { id: 'current' } },
  'count-inbox': {},
  'open-inbox': { body: { count: 3 } },
  'list-messages': { query: { before: 'x' } },
  'send-message': { body: { to: ['bob', { id: ACCOUNT }, { id: ACCOUNT, name: 'bob' }], text: 'hello', id: ID } },
  'change-message': { params: { id: ID }, body: { checked: true } },
  'delete-message': { params: { id: ID } },
  'recall-message': { params: { id: ID } },
  'list-drafts': {},
  'put-draft': { params: { id: ID }, body: { to: [{ id: '', name: 'bob' }], text: '', selected: false } },
  'delete-draft': { params: { id: ID } },
  'send-drafts': { body: { selected: true } },
  'follow-events': {},
  'read-cluster': {},
}

const TYPES = Object.keys(CALLS) as CallType[]
const raw = (part: Partial<RawCall>): RawCall => ({ params: {}, query: {}, body: undefined, ...part })
const definitionOf = (type: CallType): CallDefinition => CALLS[type]

const api = suite('the table of calls')

api('every call takes what it should, with the fields side by side', () => {
  for (const type of TYPES) {
    const outcome = parseCall(type, raw(GOOD[type]))
    assert.ok(outcome.ok, `${type}: ${JSON.stringify(outcome)}`)
  }
  assert.equal(parseCall('put-draft', raw(GOOD['put-draft'])), { ok: true, value: { type: 'put-draft', id: ID, to: [{ id: '', name: 'bob' }], text: '', selected: false } })
  assert.equal(parseCall('list-accounts', raw({})), { ok: true, value: { type: 'list-accounts', limit: 50 } })
})

api('an unknown field anywhere is refused by name', () => {
  for (const type of TYPES) {
    const good = raw(GOOD[type])
    assert.equal(parseCall(type, { ...good, query: { ...good.query, extra: '1' } }).ok, false, type)
    const outcome = parseCall(type, { ...good, body: { ...(good.body ?? {}), extra: 1 } })
    assert.equal(outcome.ok, false, type)
  }
  const outcome = parseCall('remove-me', raw({ body: { password: 'x', extra: 1 } }))
  assert.is(outcome.ok || outcome.field, 'body.extra')
})

api('bodies that are not what they should be are refused', () => {
  for (const type of TYPES) {
    if (definitionOf(type).body === null) continue
    for (const body of [undefined, null, 1, 'text', [], true, {}]) assert.equal(parseCall(type, raw({ ...GOOD[type], body })).ok, false, `${type} took ${JSON.stringify(body)}`)
  }
})

api('ids, counts and limits are checked', () => {
  const bad: [CallType, Partial<RawCall>][] = [
    ['delete-message', { params: { id: 'x' } }],
    ['delete-message', { params: { id: ID.toUpperCase().replace('1', 'G') } }],
    ['end-session', { params: { id: 'mine' } }],
    ['open-inbox', { body: { count: 0 } }],
    ['open-inbox', { body: { count: 1.5 } }],
    ['open-inbox', { body: { count: 1, ids: [ID] } }],
    ['change-message', { params: { id: ID }, body: { deleted: true } }],
    ['send-message', { body: { to: [], text: 'hello' } }],
    ['send-message', { body: { to: Array.from({ length: 65 }, () => 'bob'), text: 'hello' } }],
    ['send-message', { body: { to: [{ id: 'x' }], text: 'hello' } }],
    ['list-accounts', { query: { limit: '0' } }],
    ['list-accounts', { query: { limit: '201' } }],
    ['list-accounts', { query: { limit: '1e1' } }],
    ['create-account', { body: { name: 'x'.repeat(257), password: 'correct horse' } }],
  ]
  for (const [type, part] of bad) assert.is(parseCall(type, raw(part)).ok, false, `${type} took ${JSON.stringify(part)}`)
})

api('no two calls share a route, and path templates name their fields', () => {
  const routes = TYPES.map(type => `${definitionOf(type).method} ${definitionOf(type).path}`)
  assert.is(new Set(routes).size, routes.length)
  for (const type of TYPES) {
    const named = [...definitionOf(type).path.matchAll(/:(\w+)/g)].map(match => match[1])
    const { properties } = toJsonSchema(definitionOf(type).params as never, { typeMode: 'input' })
    assert.equal(named, Object.keys(properties ?? {}), type)
  }
})

api('every shape turns into JSON Schema', () => {
  for (const type of TYPES) {
    const { params, query, body, success } = definitionOf(type)
    for (const shape of [params, query, body, success.body]) if (shape !== null) toJsonSchema(shape as never, { typeMode: 'input', ignoreActions: ['check'] })
  }
})

api('no token is needed only where there can be none', () => {
  assert.equal(TYPES.filter(type => definitionOf(type).token === 'not-needed'), ['look-up-name', 'create-account', 'create-session', 'recover-account', 'read-cluster'])
})

api.run()

const problems = suite('problems')

problems('every code of every call is listed, with status, title and detail', () => {
  for (const type of TYPES) for (const code of definitionOf(type).codes) assert.ok(isProblemCode(code), code)
  for (const [code, row] of Object.entries(PROBLEMS)) assert.ok(row.status >= 400 && row.title.length > 5 && row.detail.length > 20, code)
  assert.is(isProblemCode('toString'), false)
})

problems('what may be repeated says when', () => {
  for (const [code, row] of Object.entries(PROBLEMS)) {
    if (row.status === 503 || row.status === 429) assert.ok(isProblemCode(code) && retryAfterSecondsOf(code) !== null, code)
  }
})

problems('extra members are added, but never in place of the code', () => {
  assert.equal(problem('bad-request', { field: 'body.to', code: 'mine' }), { type: 'urn:starling:problem:bad-request', title: PROBLEMS['bad-request'].title, status: 400, detail: PROBLEMS['bad-request'].detail, field: 'body.to', code: 'bad-request' })
})

problems.run()
