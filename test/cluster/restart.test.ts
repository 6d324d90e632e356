// deadline: 400 s
// SIGTERM and starts: a drained node exits 0 and loses nothing, data survives, and a rolling restart under load fails no
// write of a client that goes to another node.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TEST_ENV, ask, askAny, mustAsk, openEvents, print, show, showMs, showTimes, until } from '../support/asking.ts'
import { type Cluster, type Person, call, newMessageId, startCluster, wait } from '../support/cluster.ts'
import { waitWhole } from '../support/kill-orders.ts'
import { attach, detachAll } from '../support/providers.ts'
import { checkRoles } from '../support/roles.ts'

type Context = {
  cluster: Cluster
  ana: Person
  ben: Person
  sent: Set<string>
  /** Set at the end, so that no sender of a failed test keeps the process alive. */
  isOver: boolean
}

const restart = suite<Context>('restarts')

restart.before(async (context) => {
  context.cluster = await startCluster({ env: TEST_ENV })
  context.ana = await context.cluster.createPerson(0, 'ana')
  context.ben = await context.cluster.createPerson(1, 'ben')
  context.sent = new Set()
  context.isOver = false
})
restart.after(async (context) => {
  context.isOver = true
  detachAll()
  await context.cluster.close()
})

const countAt = async ({ cluster, ben, sent }: Context, when: string): Promise<void> => {
  for (const pid of cluster.livePids()) {
    const { body } = await mustAsk(200, cluster.at(pid), 'GET', '/api/inbox', { token: ben.token })
    assert.is(body.unopened, sent.size, `${when}, node ${pid}`)
  }
}

/** Sends through the places, from one of them on, until told to stop; every message must be stored in the end. */
const startSending = (context: Context, home: number) => {
  const { cluster, ana, ben, sent } = context
  const figures = { times: [] as number[], elsewhere: 0, failed: [] as string[] }
  let isStopped = false
  const run = async (): Promise<void> => {
    while (!isStopped && !context.isOver) {
      const id = newMessageId()
      const started = performance.now()
      const body = { id, to: [{ id: ben.id }], text: `from ${home}` }
      const first = await call(cluster.at(home), 'POST', '/api/messages', { token: ana.token, body, timeoutMs: 10_000 })
      const places = [1, 2, 0].map((step) => cluster.at((home + step) % 3))
      const answer = first.status === 201 ? first : await askAny(places, 'POST', '/api/messages', { token: ana.token, body })
      figures.elsewhere += first.status === 201 ? 0 : 1
      figures.times.push(performance.now() - started)
      if (answer.status === 201) sent.add(id)
      else figures.failed.push(show(answer))
      await wait(10)
    }
  }
  const done = run()
  return {
    figures,
    stop: () => {
      isStopped = true
      return done
    },
  }
}

restart('[COO3] SIGTERM under load: the coordinator hands over, drains and exits 0; nothing acknowledged is lost', async (context) => {
  const { cluster, ana } = context
  await cluster.waitCluster(1, (state) => state.coordinator === 0, 60_000)
  const stream = await openEvents(cluster.at(0), ana.token)
  const page = attach([cluster.at(0), cluster.at(1)], `${ana.id}/drafts`, ana.token)
  await until('a page is attached', () => page.provider.synced)
  const senders = cluster.pids.map((home) => startSending(context, home))
  await until('messages flow', () => context.sent.size > 20)
  const started = performance.now()
  const end = await cluster.stop(0)
  const drainMs = performance.now() - started
  assert.equal(end, { code: 0, signal: null }, cluster.logTail(0))
  await until('the event stream is ended', stream.isEnded)
  assert.equal(page.codes.slice(0, 1), [1012], 'pages are told to go elsewhere before the node goes')
  await until('the page is attached to another node', () => page.provider.synced)
  page.detach()
  await cluster.waitCluster(1, (state) => state.coordinator === 1)
  const movedMs = performance.now() - started
  await mustAsk(201, cluster.at(2), 'POST', '/api/accounts', { body: { name: 'after-the-goodbye', password: 'long enough' } })
  for (const sender of senders) await sender.stop()
  assert.equal(senders.flatMap(({ figures }) => figures.failed), [])
  await countAt(context, 'without node 0')
  await cluster.revive(0)
  await waitWhole(cluster)
  await countAt(context, 'with node 0 again')
  print(`drained in ${showMs(drainMs)}, the role moved ${showMs(movedMs)} after the signal; ${context.sent.size} messages, all there`)
})

restart('[RDY1] data survives: all stop, all start, everything is as it was', async (context) => {
  const { cluster, ana, ben } = context
  const draftId = newMessageId()
  await mustAsk(200, cluster.at(2), 'PUT', `/api/drafts/${draftId}`, { token: ana.token, body: { to: ['ben'], text: 'kept', selected: true } })
  const { body: opened } = await mustAsk(200, cluster.at(1), 'POST', '/api/inbox/open', { token: ben.token, body: { count: 3 } })
  await mustAsk(200, cluster.at(0), 'PATCH', `/api/messages/${opened.opened[0].id}`, { token: ben.token, body: { checked: true } })
  const paths = ['/api/inbox', '/api/messages?limit=200', '/api/drafts', '/api/me', '/api/sessions', '/api/accounts']
  const read = async (pid: number): Promise<string> => {
    const texts: string[] = []
    for (const { token } of [ana, ben]) for (const path of paths) texts.push(JSON.stringify((await mustAsk(200, cluster.at(pid), 'GET', path, { token })).body))
    return texts.join('\n')
  }
  const digest = await cluster.waitEqual()
  const before = await read(0)
  const ends = await Promise.all(cluster.pids.map((pid) => cluster.stop(pid)))
  for (const end of ends) assert.equal(end, { code: 0, signal: null })
  for (const pid of cluster.pids) cluster.start(pid)
  await cluster.waitAllReady(60_000)
  assert.is(await cluster.waitEqual(60_000), digest, 'one digest, and the one from before')
  for (const pid of cluster.pids) assert.is(await read(pid), before, `node ${pid}`)
  const again = await ask(cluster.at(1), 'POST', '/api/sessions', { body: { name: 'ana', password: ana.password } })
  assert.is(again.status, 201, show(again))
})

restart('[STO2] a node killed and started alone holds what it held, byte for byte by its digest', async (context) => {
  const { cluster } = context
  const digest = await cluster.waitEqual(60_000)
  await cluster.kill(2)
  await cluster.revive(2)
  assert.is(await cluster.waitEqual(60_000), digest)
})

restart('[COO3] a rolling restart under load fails no write of a client that goes to another node', async (context) => {
  const { cluster } = context
  const already = context.sent.size - 3 // three were opened above
  const senders = cluster.pids.map((home) => startSending(context, home))
  for (const pid of cluster.pids) {
    const end = await cluster.stop(pid)
    assert.equal(end, { code: 0, signal: null }, cluster.logTail(pid))
    await cluster.revive(pid)
    await wait(200)
  }
  for (const sender of senders) await sender.stop()
  const failed = senders.flatMap(({ figures }) => figures.failed)
  const times = senders.flatMap(({ figures }) => figures.times)
  assert.equal(failed, [])
  await waitWhole(cluster)
  for (const pid of cluster.pids) assert.is((await mustAsk(200, cluster.at(pid), 'GET', '/api/inbox', { token: context.ben.token })).body.unopened, context.sent.size - 3)
  const elsewhere = senders.reduce((sum, { figures }) => sum + figures.elsewhere, 0)
  assert.ok(elsewhere > 0, 'somebody had to go elsewhere, or nothing was restarted')
  print(`${context.sent.size - 3 - already} writes, 0 failed, ${elsewhere} went to another node; ${showTimes(times)}; the role was taken ${checkRoles(cluster)} times in all`)
})

restart.run()
