// The machine that chooses the page's node: order, stagger and back-off, what each close code means, waking up.

import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import {
  AVOID_MS,
  BACK_OFF_MS,
  type FailOver,
  type FailOverInput,
  type NodeAddress,
  createFailOver,
  dialOrder,
  stepFailOver,
} from '../../web/link/fail-over.ts'

const [A, B, C] = ['http://a', 'http://b', 'http://c'] as const
const nodes = (...statuses: NodeAddress['status'][]): NodeAddress[] =>
  [A, B, C].map((url, pid) => ({ pid, url, status: statuses[pid] ?? 'ready' }))

/** Feeds inputs one by one at `nowMs` and answers with the last step. */
const feed = (state: FailOver, inputs: readonly FailOverInput[], nowMs = 1000, random = 0.5) => {
  let step: ReturnType<typeof stepFailOver> = { state, effects: [] }
  for (const input of inputs) step = stepFailOver(step.state, input, { nowMs, random })
  return step
}

const start = (lastGood: string | null = null) => createFailOver(nodes(), lastGood)
const open = (url: string = A) => feed(start(), [{ type: 'start' }, { type: 'opened', url }, { type: 'answered' }]).state

const test = suite('fail-over')

test('the last good node is dialled first, then the others in the order told', () => {
  assert.equal(feed(start(C), [{ type: 'start' }]).effects, [{ type: 'dial', urls: [C, A, B] }])
})

test('nodes that are not ready come after those that are, removed ones never', () => {
  const state = createFailOver(nodes('syncing', 'ready', 'removed'), null)
  assert.equal(dialOrder(state, 0), [B, A])
})

test('rounds without an answer wait 0.3, 0.6, 1, 2, 5, 5 s, within a quarter either way', () => {
  for (const [random, factor] of [
    [0, 0.75],
    [0.5, 1],
    [1, 1.25],
  ] as const) {
    let state = feed(start(), [{ type: 'start' }]).state
    for (const expected of [...BACK_OFF_MS, 5000]) {
      const failed = stepFailOver(state, { type: 'round-failed' }, { nowMs: 0, random })
      assert.equal(failed.effects, [{ type: 'wait', ms: Math.round(expected * factor) }])
      state = stepFailOver(failed.state, { type: 'waited' }, { nowMs: 0, random }).state
      assert.is(state.status, 'dialling')
    }
  }
})

test('waking up ends the wait at once and forgets the back-off', () => {
  const failed: FailOverInput[] = [{ type: 'start' }, { type: 'round-failed' }, { type: 'waited' }, { type: 'round-failed' }]
  const woken = feed(start(), [...failed, { type: 'wake' }])
  assert.is(woken.effects[0]?.type, 'dial')
  assert.equal(feed(woken.state, [{ type: 'round-failed' }]).effects, [{ type: 'wait', ms: BACK_OFF_MS[0] }])
})

test('a socket that answered and dies is replaced at once, its own node first: it may only have blinked', () => {
  assert.equal(feed(open(B), [{ type: 'closed', code: 1006 }]).effects, [{ type: 'dial', urls: [B, A, C] }])
})

test('a node that leaves, is not ready or falls silent is tried last for ten seconds', () => {
  for (const input of [{ type: 'closed', code: 1012 }, { type: 'closed', code: 4503 }, { type: 'silent' }] as const) {
    const { state, effects } = feed(open(A), [input])
    assert.equal(effects.at(-1), { type: 'dial', urls: [B, C, A] })
    assert.is(effects[0]?.type === 'drop', input.type === 'silent')
    assert.equal(dialOrder(state, 1000 + AVOID_MS), [A, B, C])
  }
})

test('nodes that take the socket and close it again are tried once each, then the page waits', () => {
  let state = feed(start(), [{ type: 'start' }]).state
  const dialled: string[] = []
  for (;;) {
    const [url] = dialOrder(state, 1000)
    dialled.push(url ?? '')
    const { state: next, effects } = feed(state, [
      { type: 'opened', url: url ?? '' },
      { type: 'closed', code: 4503 },
    ])
    state = next
    if (effects[0]?.type === 'wait') break
    assert.ok(dialled.length < 10)
  }
  assert.equal(dialled, [A, B, C])
})

test('[SYN4] a final code ends it: nothing dials again', () => {
  for (const code of [4401, 4403, 4409, 4413, 4422]) {
    const { state, effects } = feed(open(A), [{ type: 'closed', code }])
    assert.equal(effects, [{ type: 'end', code }])
    for (const input of [{ type: 'wake' }, { type: 'waited' }, { type: 'silent' }, { type: 'nodes', nodes: nodes() }] as const)
      assert.equal(feed(state, [input]).effects, [])
  }
})

test('[SYN2] a node that says it is going away is left while another is ready, and kept if none is', () => {
  assert.equal(feed(open(A), [{ type: 'nodes', nodes: nodes('syncing', 'ready', 'ready') }]).effects, [
    { type: 'drop' },
    { type: 'dial', urls: [B, C, A] },
  ])
  assert.equal(feed(open(A), [{ type: 'nodes', nodes: nodes('syncing', 'down', 'down') }]).effects, [])
})

test('an address that nobody names any more is still tried, last', () => {
  const { state } = feed(open(A), [{ type: 'nodes', nodes: [{ pid: 7, url: 'http://new', status: 'ready' }] }])
  assert.equal(dialOrder({ ...state, lastGood: null }, 1000), ['http://new', A, B, C])
})

test('whatever happens, it is either dialling, open, waiting for a timer it asked for, or ended', () => {
  const input: fc.Arbitrary<FailOverInput> = fc.oneof(
    fc.constantFrom<FailOverInput>(
      { type: 'start' },
      { type: 'answered' },
      { type: 'round-failed' },
      { type: 'waited' },
      { type: 'silent' },
      { type: 'wake' },
    ),
    fc.constantFrom(A, B, C).map((url) => ({ type: 'opened', url }) as const),
    fc.constantFrom(1000, 1006, 1012, 1013, 4401, 4422, 4503).map((code) => ({ type: 'closed', code }) as const),
    fc
      .array(fc.constantFrom('ready', 'syncing', 'down', 'removed'), { minLength: 3, maxLength: 3 })
      .map((told) => ({ type: 'nodes', nodes: nodes(...(told as NodeAddress['status'][])) }) as const),
  )
  fc.assert(
    fc.property(fc.array(input, { maxLength: 60 }), (inputs) => {
      let state = start()
      for (const [place, next] of inputs.entries()) {
        const before = state
        const step = stepFailOver(state, next, { nowMs: place * 500, random: 0.3 })
        state = step.state
        const types = step.effects.map(({ type }) => type)
        if (state.status === 'waiting' && before.status !== 'waiting') assert.ok(types.includes('wait'))
        if (state.status === 'dialling' && before.status !== 'dialling') assert.ok(types.includes('dial'))
        if (state.status === 'ended' && before.status !== 'ended') assert.ok(types.includes('end'))
        assert.is(state.current !== null, state.status === 'open')
      }
    }),
  )
})

test.run()
