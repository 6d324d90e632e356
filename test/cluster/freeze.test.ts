// SIGSTOP: a frozen node accepts connections and says nothing. The others wait for it once and then go on without it; the
// woken node knows that it slept and syncs before it serves or takes a role [LIV3]. The large count is in freezes.long.test.ts.
// The promises are 2.5 s for a write and 5 s for a new account; times are printed, and fail only far beyond, since the
// machine that runs this may be busy.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TEST_ENV, median, print, showMs, showTimes } from '../support/asking.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'
import { type FreezeFigures, playFreeze } from '../support/freezes.ts'
import { checkRoles } from '../support/roles.ts'
import { type Workload, startWorkload } from '../support/workload.ts'
import { checkWorkloads } from '../support/workload-checks.ts'

const WRITE_PROMISE_MS = 2500
const ACCOUNT_PROMISE_MS = 5000
const TAKE_OVER_PROMISE_MS = 4000
const FAR_BEYOND = 4

type Context = { cluster: Cluster; load: Workload; usualMs: number }

const freeze = suite<Context>('a frozen node')

freeze.before(async (context) => {
  context.cluster = await startCluster({ env: TEST_ENV })
  context.load = await startWorkload(context.cluster, { label: 'freeze', people: 6, perSecond: 40, textBytes: 1000 })
  await context.load.untilAcknowledged(20)
  context.usualMs = median(context.load.attempts.filter(({ deed }) => deed === 'send').map(({ startedMs, endedMs }) => endedMs - startedMs))
})
freeze.after(({ cluster }) => cluster.close())

const judge = ({ usualMs }: Context, what: string, { findings, writeMs, accountMs, takeOverMs, servesMs }: FreezeFigures): void => {
  assert.equal(findings, [])
  assert.ok(writeMs.length > 20, `${writeMs.length} writes through the others`)
  print(`${what} frozen: writes through the others ${showTimes(writeMs)} (promised ${WRITE_PROMISE_MS}), accounts ${accountMs.map(showMs).join(', ')} (promised ${ACCOUNT_PROMISE_MS})`)
  print(`  ${takeOverMs === null ? '' : `taken over after ${showMs(takeOverMs)} (promised ${TAKE_OVER_PROMISE_MS}); `}woken, it served everybody after ${showMs(servesMs)}`)
  assert.ok(Math.max(...writeMs) < WRITE_PROMISE_MS * FAR_BEYOND, `a write waited ${showMs(Math.max(...writeMs))}`)
  for (const ms of accountMs) assert.ok(ms < ACCOUNT_PROMISE_MS * FAR_BEYOND, `an account waited ${showMs(ms)}`)
  // Had each write waited for the frozen node, their median would be a second: on a machine where a usual write takes that long nothing can be said.
  if (usualMs < 250) assert.ok(median(writeMs) < 900, `writes did not return to full speed: ${showTimes(writeMs)}`)
}

freeze('[REP6] a frozen coordinator delays writes and accounts through the others once, and never coordinates beside its successor', async (context) => {
  const figures = await playFreeze(context.cluster, context.load, { pid: 0, forMs: 6000 })
  judge(context, 'the coordinator', figures)
  if (context.usualMs < 250) assert.ok(figures.takeOverMs !== null, 'another node took over')
})

freeze('[REP6] another frozen node delays writes once, and serves again only after it has synced', async (context) => {
  judge(context, 'node 2', await playFreeze(context.cluster, context.load, { pid: 2, forMs: 5000 }))
})

freeze('[LIV3] a node frozen for a blink changes no role and loses nothing', async ({ cluster, load }) => {
  const before = checkRoles(cluster)
  for (const pid of [1, 2, 0, 1]) assert.equal((await playFreeze(cluster, load, { pid, forMs: 300 })).findings, [])
  print(`four freezes of 300 ms: the role was taken ${checkRoles(cluster) - before} times (0 on a quiet machine)`)
})

freeze('[REP6] all that was acknowledged meanwhile is there, once, on every node', async ({ cluster, load }) => {
  await load.stop()
  assert.equal(await checkWorkloads(cluster, [load]), [])
  print(`${load.acknowledged().length} acknowledged, all there; nobody saw anything and then did not`)
})

freeze.run()
