// Claims, promises, stepping down, and grants from the asking to the answer, on real cores [COO1 to COO5, COO8].

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createEpoch, epochCounter, mintDraftId, mintRequestId } from '../../crdt-schema/ids.ts'
import { encodePeerFrame, encodePeerMessage } from '../../crdt-schema/peer-wire.ts'
import { eligible } from '../../node/core/coordinator-view.ts'
import { START_MS } from '../support/desk.ts'
import { type Cores, createCores, createTrio, pidOf } from '../support/cores.ts'

const coordinator = suite('coordinator')

const roles = (cores: Cores): readonly string[] => cores.all.map(({ state }) => state.coordinator.role)
const epochOf = (cores: Cores, pid: number): number => epochCounter(cores.core(pid).state.coordinator.epoch)
const said = (cores: Cores, pid: number, event: string): readonly unknown[] =>
  cores.core(pid).effects.flatMap((effect) => (effect.type === 'log' && effect.event === event ? [effect.fields] : []))
const keyOf = (seed: number): string => mintRequestId(new Uint8Array(16).fill(seed))

/** Asks for an account; the answer comes when it comes. */
const signUp = (cores: Cores, pid: number, name: string, seed: number): (() => { readonly status: number; readonly body: unknown } | undefined) => {
  const call = cores.call(pid, { type: 'create-account', name, password: `password of ${name}` }, { key: keyOf(seed) })
  return () => cores.core(pid).answers.get(call)
}
const idIn = (answer: { readonly body: unknown } | undefined): unknown => (answer?.body as { readonly account?: { readonly id: string } } | undefined)?.account?.id

coordinator('[COO1] the lowest ready node claims, once, when the set of ready members has been quiet for settleMs', () => {
  const cores = createCores(3)
  cores.start(0, 1, 2)
  cores.run(400)
  assert.equal(roles(cores), ['follower', 'follower', 'follower'])
  cores.run(600)
  assert.equal(roles(cores), ['coordinating', 'follower', 'follower'])
  assert.is(cores.all.reduce((sum, _, pid) => sum + said(cores, pid, 'claim').length, 0), 1)
})

coordinator('[COO1] a claim is above every epoch that any ready member has seen, and its promise is on disk before it is asked of others', () => {
  const cores = createTrio()
  const first = epochOf(cores, 0)
  cores.core(1).isDiskStuck = true
  cores.kill(0)
  cores.run(900)
  assert.not.ok(cores.spoken.some(({ from, message }) => from === 1 && message.type === 'claim'), 'its own promise is not stored')
  cores.core(1).isDiskStuck = false
  cores.run(4_000)
  assert.equal(roles(cores).slice(1), ['coordinating', 'follower'])
  assert.ok(epochOf(cores, 1) > first)
  assert.is(cores.core(2).state.meta.promised, cores.core(1).state.coordinator.epoch)
})

coordinator('[COO1] a member refuses an epoch below its promise, one of another pid, and one while it sees a lower ready node', () => {
  const cores = createTrio()
  const { promised } = cores.core(1).state.meta
  const answerTo = (from: number, counter: number, pid: number): boolean | undefined => {
    cores.spoken.length = 0
    cores.inject(from, 1, encodePeerFrame([encodePeerMessage({ type: 'claim', epoch: createEpoch(counter, pidOf(pid)) })]))
    const answer = cores.spoken.find((spoken) => spoken.from === 1 && spoken.message.type === 'promise')?.message
    return answer?.type === 'promise' ? answer.accepted : undefined
  }
  assert.is(answerTo(0, epochCounter(promised) - 1, 0), false, 'below its promise')
  assert.is(answerTo(2, 50, 0), false, 'in the name of another')
  assert.is(answerTo(2, 50, 2), false, 'node 0 is there')
  assert.is(cores.core(1).state.meta.promised, promised)
  assert.is(answerTo(0, 50, 0), true)
  assert.is(cores.core(1).state.meta.promised, createEpoch(50, pidOf(0)))
})

coordinator('[COO1] a node that lost the role too often holds back, says so, and is lower for nobody meanwhile', () => {
  const cores = createTrio()
  const { state } = cores.core(0)
  state.coordinator.holdUntilMs = cores.nowMs + 5_000
  cores.run(400)
  assert.equal(eligible(cores.core(1).state), [1, 2])
  cores.run(3_000)
  assert.equal(roles(cores), ['follower', 'coordinating', 'follower'])
  cores.run(5_000)
  assert.equal(roles(cores), ['coordinating', 'follower', 'follower'])
})

coordinator('[COO3] a coordinator that meets a higher promise, or a lower ready node, steps down and starts over', () => {
  const cores = createTrio()
  const before = epochOf(cores, 0)
  const { meta } = cores.core(2).state
  meta.promised = (cores.core(0).state.coordinator.epoch + 640) as typeof meta.promised
  cores.core(2).state.members.heartbeatDue = true
  cores.run(300)
  assert.is(said(cores, 0, 'stepped-down').length, 1)
  cores.run(2_000)
  assert.equal(roles(cores), ['coordinating', 'follower', 'follower'])
  assert.ok(epochOf(cores, 0) > before + 10)
})

coordinator('[COO3] a node that drains hands over before it says goodbye', () => {
  const cores = createTrio()
  cores.feed(0, { type: 'drain' })
  cores.run(4_000)
  const stop = cores.core(0).effects.find((effect) => effect.type === 'stop')
  assert.is(stop?.type === 'stop' ? stop.exitCode : null, 0)
  assert.is(cores.core(1).state.coordinator.role, 'coordinating')
  const events = cores.spoken.filter(({ from, message }) => (from === 1 && message.type === 'heartbeat' && message.rows.some((row) => row.pid === 1 && row.coordinates > 0)) || (from === 0 && message.type === 'goodbye'))
  assert.is(events[0]?.message.type, 'heartbeat', 'node 1 coordinated by then')
})

coordinator('[COO4] a grant is on every disk in view, as a promise to settle it, before it is made', () => {
  const cores = createTrio()
  cores.core(2).isDiskStuck = true
  const answer = signUp(cores, 1, 'ann', 1)
  cores.run(300)
  assert.is(cores.core(1).state.meta.tentative.length, 1, 'prepared where the disk is quick')
  assert.is(cores.core(0).state.directory.accountShownAs('ann'), null, 'and not made while one disk lacks it')
  assert.is(answer(), undefined)
  cores.core(2).isDiskStuck = false
  cores.run(300)
  assert.is(answer()?.status, 201)
  assert.equal(cores.all.map(({ state }) => [state.directory.accountShownAs('ann') !== null, state.meta.tentative.length]), [[true, 0], [true, 0], [true, 0]])
})

coordinator('[COO4] grants about one name go one at a time, others side by side', () => {
  const cores = createTrio()
  cores.core(2).isDiskStuck = true
  const answers = [signUp(cores, 0, 'ann', 1), signUp(cores, 1, 'ann', 2), signUp(cores, 1, 'ben', 3)]
  cores.run(200)
  const jobs = cores.core(0).state.coordinator.jobs.map(({ status }) => status)
  assert.equal(jobs, ['preparing', 'waiting', 'preparing'])
  cores.core(2).isDiskStuck = false
  cores.run(300)
  assert.equal(answers.map((answer) => answer()?.status), [201, 409, 201])
})

coordinator('[COO4] whoever comes into view while a grant is under way is asked too', () => {
  const cores = createTrio()
  cores.kill(2)
  cores.run(3_000)
  cores.core(1).isDiskStuck = true
  const answer = signUp(cores, 0, 'ann', 1)
  cores.run(100)
  cores.start(2)
  cores.run(300)
  assert.ok(cores.spoken.some(({ from, to, message }) => from === 0 && to === 2 && message.type === 'prepare'))
  cores.core(1).isDiskStuck = false
  cores.run(2_000)
  assert.is(answer()?.status, 201)
})

coordinator('[COO2] a grant that its coordinator left half done is settled by the next one, and asking again gives the same account', () => {
  const cores = createTrio()
  cores.core(2).isDiskStuck = true
  signUp(cores, 0, 'ann', 1)
  cores.run(100)
  assert.is(cores.core(1).state.meta.tentative.length, 1)
  cores.kill(0)
  cores.core(2).isDiskStuck = false
  cores.run(5_500)
  assert.is(cores.core(1).state.coordinator.role, 'coordinating')
  assert.is(said(cores, 1, 'grant-settled').length, 1)
  const made = cores.core(2).state.directory.accountShownAs('ann')
  assert.is.not(made, null, 'nobody asked again, and it was made')
  const again = signUp(cores, 2, 'ann', 1)
  const other = signUp(cores, 2, 'ann', 9)
  cores.run(300)
  assert.equal([again()?.status, other()?.status], [201, 409])
  assert.is(idIn(again()), made)
})

coordinator('[COO5] any node takes a request and forwards it to whoever coordinates', () => {
  const cores = createTrio()
  const answer = signUp(cores, 2, 'ann', 1)
  cores.run(50)
  assert.ok(cores.spoken.some(({ from, to, message }) => from === 2 && to === 0 && message.type === 'ask'))
  assert.is(answer()?.status, 201)
})

coordinator('[COO5] without a coordinator the answer comes at grantTimeoutMs, may be repeated, and the repeat succeeds', () => {
  const cores = createCores(3, { settleMs: 10_000 })
  cores.start(0, 1, 2)
  cores.run(1_000)
  assert.equal(cores.all.map(({ state }) => state.phase), ['ready', 'ready', 'ready'])
  const answer = signUp(cores, 2, 'ann', 1)
  cores.run(4_900)
  assert.is(answer(), undefined)
  cores.run(200)
  assert.equal([answer()?.status, (answer()?.body as { readonly code: string }).code], [503, 'no-coordinator'])
  cores.run(6_000)
  const again = signUp(cores, 2, 'ann', 1)
  cores.run(200)
  assert.is(again()?.status, 201)
})

coordinator('[COO8] who was removed while a node was away is removed there before it serves', () => {
  const cores = createTrio()
  const answer = signUp(cores, 0, 'ann', 1)
  cores.run(300)
  const { account, session } = answer()?.body as { readonly account: { readonly id: string }; readonly session: { readonly token: string } }
  const draft = cores.call(2, { type: 'put-draft', id: mintDraftId(START_MS, new Uint8Array(16).fill(4)), to: [], text: 'soon gone', selected: false }, { token: session.token })
  cores.run(300)
  assert.is(cores.core(2).answers.get(draft)?.status, 200)
  assert.ok(cores.core(2).state.documents.byAccount.has(account.id))
  cores.kill(2)
  cores.run(2_000)
  const call = cores.call(0, { type: 'remove-me', password: 'password of ann' }, { token: session.token, key: keyOf(2) })
  cores.run(3_000)
  assert.is(cores.core(0).answers.get(call)?.status, 204)
  cores.start(2)
  assert.is.not(cores.core(2).state.phase, 'ready')
  for (let i = 0; i < 100 && cores.core(2).state.phase !== 'ready'; i++) cores.run(50)
  assert.is(cores.core(2).state.phase, 'ready')
  assert.is(cores.core(2).state.directory.accountShownAs('ann'), null)
  assert.not.ok(cores.core(2).state.documents.byAccount.has(account.id), 'its documents are gone too')
})

coordinator.run()
