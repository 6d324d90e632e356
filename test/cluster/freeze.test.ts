// deadline: 400 s
// SIGSTOP: a frozen node accepts connections and says nothing. The others wait for it once and then go on without it; the
// woken node knows that it slept and syncs before it serves or takes a role [LIV3].
// The promises are 2.5 s for a write and 5 s for a new account; times are printed, and fail only far beyond, since the
// machine that runs this may be busy.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TEST_ENV, ask, median, mustAsk, print, show, showMs, showTimes, until } from '../support/asking.ts'
import { type Cluster, type Person, call, newMessageId, startCluster } from '../support/cluster.ts'
import { checkRoles, readRoles } from '../support/roles.ts'

const WRITE_PROMISE_MS = 2500
const ACCOUNT_PROMISE_MS = 5000
const FAR_BEYOND = 4
const WRITES_AFTER = 20

const freeze = suite<{ cluster: Cluster; ana: Person; ben: Person; sent: string[]; names: number }>('a frozen node')

freeze.before(async (context) => {
  context.cluster = await startCluster({ env: TEST_ENV })
  context.ana = await context.cluster.createPerson(0, 'ana')
  context.ben = await context.cluster.createPerson(1, 'ben')
  context.sent = []
  context.names = 0
})
freeze.after(({ cluster }) => cluster.close())

type Context = { readonly cluster: Cluster; readonly ana: Person; readonly ben: Person; readonly sent: string[]; names: number }

/** How long until a message was stored through this node, repeated there with its id. */
const write = async ({ cluster, ana, ben, sent }: Context, pid: number): Promise<number> => {
  const id = newMessageId()
  const started = performance.now()
  await mustAsk(201, cluster.at(pid), 'POST', '/api/messages', { token: ana.token, body: { id, to: [{ id: ben.id }], text: `through ${pid}` } })
  sent.push(id)
  return performance.now() - started
}

const newAccount = async (context: Context, pid: number): Promise<number> => {
  const started = performance.now()
  await mustAsk(201, context.cluster.at(pid), 'POST', '/api/accounts', { body: { name: `newcomer-${++context.names}`, password: 'long enough' }, timeoutMs: 10_000 })
  return performance.now() - started
}

/** Freezes one node, measures at the two others, wakes it and watches what it says from its first moment on. */
const play = async (context: Context, frozen: number): Promise<void> => {
  const { cluster, ana, ben, sent } = context
  for (const pid of cluster.pids) await cluster.waitCluster(pid, (state) => state.coordinator === 0, 60_000)
  await cluster.waitEqual()
  const [near = 0, far = 0] = cluster.pids.filter((pid) => pid !== frozen)
  const usual: number[] = []
  for (let count = 0; count < 10; count++) usual.push(await write(context, count % 2 === 0 ? near : far))

  cluster.freeze(frozen)
  const [firstWrites, accountMs] = await Promise.all([Promise.all([write(context, near), write(context, far)]), newAccount(context, far)])
  const following: number[] = []
  for (let count = 0; count < WRITES_AFTER; count++) following.push(await write(context, count % 2 === 0 ? near : far))
  const accountsAfter = [await newAccount(context, near), await newAccount(context, far)]
  const { body: last } = await mustAsk(201, cluster.at(near), 'POST', '/api/messages', { token: ana.token, body: { to: [{ id: ben.id }], text: 'who stores this?' } })
  sent.push(last.id)
  assert.not(last.storedOn.includes(frozen), `a frozen node stores nothing: ${JSON.stringify(last)}`)
  const coordinator = cluster.pids.find((pid) => pid !== frozen) ?? 0
  const { epoch } = await cluster.waitCluster(coordinator, (state) => state.coordinator === coordinator || frozen !== 0)
  const awakeMs = Date.now()

  // From its first moment the woken node either says what happened meanwhile, or says nothing yet.
  cluster.thaw(frozen)
  const latest = `newcomer-${context.names}`
  let refusals = 0
  let answers = 0
  await until('the woken node serves again', async () => {
    const [name, inbox, state] = await Promise.all([
      call(cluster.at(frozen), 'GET', `/api/accounts/${latest}`, { timeoutMs: 10_000 }),
      call(cluster.at(frozen), 'GET', '/api/inbox', { token: ben.token, timeoutMs: 10_000 }),
      call(cluster.at(frozen), 'GET', '/api/cluster', { timeoutMs: 10_000 }),
    ])
    if (name.status === 200) assert.ok(name.body.exists, `node ${frozen} answers from before its sleep: ${show(name)}`)
    if (inbox.status === 200) assert.is(inbox.body.unopened, sent.length, `node ${frozen} answers from before its sleep: ${show(inbox)}`)
    if (state.body?.coordinator === frozen && frozen !== 0) assert.unreachable(`node ${frozen} coordinates: ${show(state)}`)
    if (state.body?.coordinator === frozen) assert.ok(state.body.epoch > epoch, `node ${frozen} still coordinates its old epoch: ${show(state)}, now ${epoch}`)
    if (name.status === 200 && inbox.status === 200) answers += 1
    else refusals += 1
    return answers >= 5
  })
  await cluster.waitEqual(60_000)
  for (const pid of cluster.pids) await cluster.waitCluster(pid, (state) => state.coordinator === 0, 60_000)
  for (const pid of cluster.pids) {
    const inbox = await ask(cluster.at(pid), 'GET', '/api/inbox', { token: ben.token })
    assert.is(inbox.body?.unopened, sent.length, `node ${pid}: ${show(inbox)}`)
  }
  const woke = readRoles(cluster, frozen).filter(({ atMs }) => atMs >= awakeMs - 5).map(({ event }) => event)
  assert.ok(woke.includes('paused'), `the woken node noticed that it slept: ${woke.join(' ')}`)
  checkRoles(cluster)

  const what = frozen === 0 ? 'the coordinator' : `node ${frozen}`
  print(`${what} frozen: first writes ${firstWrites.map(showMs).join(' and ')} (promised ${WRITE_PROMISE_MS}), first account ${showMs(accountMs)} (promised ${ACCOUNT_PROMISE_MS})`)
  print(`  writes before: ${showTimes(usual)}; then: ${showTimes(following)}; accounts then: ${accountsAfter.map(showMs).join(' and ')}; woken, it refused ${refusals} times before it served`)
  for (const ms of firstWrites) assert.ok(ms < WRITE_PROMISE_MS * FAR_BEYOND, `a write waited ${showMs(ms)}`)
  assert.ok(accountMs < ACCOUNT_PROMISE_MS * FAR_BEYOND, `an account waited ${showMs(accountMs)}`)
  // Had each write waited for the frozen node, their median would be a second: on a machine where a usual write takes that long nothing can be said.
  if (median(usual) < 250) assert.ok(median(following) < 900, `writes did not return to full speed: ${showTimes(following)}`)
}

freeze('[REP6] a frozen coordinator delays writes and accounts through the others once, and never coordinates beside its successor', (context) => play(context, 0))
freeze('[REP6] another frozen node delays writes once, and serves again only after it has synced', (context) => play(context, 2))

freeze('[LIV3] a node frozen for a blink changes no role and loses nothing', async (context) => {
  const { cluster } = context
  const before = checkRoles(cluster)
  for (const pid of [1, 2, 0, 1]) {
    const writing = Promise.all(cluster.pids.filter((other) => other !== pid).map((other) => write(context, other)))
    cluster.freeze(pid)
    await new Promise((resolve) => setTimeout(resolve, 300))
    cluster.thaw(pid)
    await writing
  }
  await cluster.waitEqual(60_000)
  for (const pid of cluster.pids) {
    const inbox = await ask(cluster.at(pid), 'GET', '/api/inbox', { token: context.ben.token })
    assert.is(inbox.body?.unopened, context.sent.length, `node ${pid}: ${show(inbox)}`)
  }
  print(`four freezes of 300 ms: the role was taken ${checkRoles(cluster) - before} times (0 on a quiet machine)`)
})

freeze.run()
