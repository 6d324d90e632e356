// deadline: 240 s
// Real nodes over bad links: every directed link runs through a proxy that is cut, silenced or slowed, and whole nodes
// are frozen. What was acknowledged must be on every node after healing, and nobody may wait for ever meanwhile.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Cluster, type Person, call, newMessageId, newRequestId, startCluster, wait } from '../support/cluster.ts'

const SILENCE_MS_MAX = 2500
const GRANT_MS_MAX = 5000

/** Sends one message through a node, repeating its id there until it is stored; resolves to its id and how long it took. */
const send = async (cluster: Cluster, pid: number, from: Person, to: Person, text: string): Promise<{ id: string; ms: number; storedOn: number[] }> => {
  const id = newMessageId()
  const started = performance.now()
  for (;;) {
    const answer = await call(cluster.at(pid), 'POST', '/api/messages', { token: from.token, body: { to: [{ id: to.id }], text, id } })
    if (answer.status === 201) return { id, ms: performance.now() - started, storedOn: answer.body.storedOn }
    if (performance.now() - started > 20_000) throw new Error(`not stored within 20 s: ${answer.status} ${answer.code}\n${cluster.logTail(pid)}`)
    await wait(20)
  }
}

/** Ids in a mailbox as a node shows it, opened first. */
const readIds = async (cluster: Cluster, pid: number, person: Person): Promise<string[]> => {
  const { body: inbox } = await call(cluster.at(pid), 'GET', '/api/inbox', { token: person.token })
  if (inbox.unopened > 0) await call(cluster.at(pid), 'POST', '/api/inbox/open', { token: person.token, body: { count: inbox.unopened }, idempotencyKey: newRequestId() })
  const { status, body } = await call(cluster.at(pid), 'GET', '/api/messages?limit=200', { token: person.token })
  assert.is(status, 200, JSON.stringify(body))
  return body.messages.map(({ id }: { id: string }) => id)
}

/** Every node shows exactly these messages, each once. */
const assertEverywhere = async (cluster: Cluster, person: Person, ids: readonly string[]): Promise<void> => {
  await cluster.waitEqual()
  for (const pid of cluster.livePids()) assert.equal((await readIds(cluster, pid, person)).sort(), [...ids].sort(), `on node ${pid}`)
}

const links = suite<{ cluster: Cluster; ana: Person; ben: Person; ids: string[] }>('bad links')

links.before(async (context) => {
  context.cluster = await startCluster({ proxied: true })
  context.ana = await context.cluster.createPerson(0, 'ana')
  context.ben = await context.cluster.createPerson(1, 'ben')
  context.ids = []
})
links.after(async ({ cluster }) => {
  await cluster?.close()
})

links('[REP3] with one link cut, writes are stored on all three through the third node', async ({ cluster, ana, ben, ids }) => {
  cluster.cutLink(0, 1)
  const first = await send(cluster, 0, ana, ben, 'while the link breaks')
  await wait(2000)
  const second = await send(cluster, 0, ana, ben, 'while the link is broken')
  assert.equal(second.storedOn, [0, 1, 2])
  assert.ok(second.ms < 1000, `${second.ms} ms`)
  cluster.healLink(0, 1)
  ids.push(first.id, second.id)
  await assertEverywhere(cluster, ben, ids)
})

links('[LIV1] a connection cut in the middle of a frame changes nothing', async ({ cluster, ana, ben, ids }) => {
  for (const link of cluster.linksBetween(0, 2)) {
    link.cutAfter('up', 100)
    link.cutAfter('down', 100)
  }
  for (let count = 0; count < 10; count++) ids.push((await send(cluster, count % 3, ana, ben, `cut ${count}`)).id)
  await assertEverywhere(cluster, ben, ids)
})

links('[REP6] a silent node costs one wait, then writes run at full speed; it catches up before it serves', async ({ cluster, ana, ben, ids }) => {
  cluster.partition(0, 2)
  cluster.partition(1, 2)
  const waited = await send(cluster, 0, ana, ben, 'the one that waits')
  const free = await send(cluster, 1, ana, ben, 'the one that does not')
  assert.ok(waited.ms <= SILENCE_MS_MAX, `waited ${waited.ms} ms`)
  assert.ok(free.ms < 1000, `then ${free.ms} ms`)
  assert.equal(free.storedOn, [0, 1])
  await wait(2000)
  cluster.healLink(0, 2)
  cluster.healLink(1, 2)
  ids.push(waited.id, free.id)
  await assertEverywhere(cluster, ben, ids)
})

links('[LIV3] a frozen coordinator: others write and make accounts within the promise, and it syncs before it serves', async ({ cluster, ana, ben, ids }) => {
  await cluster.waitCluster(1, (state) => state.coordinator === 0)
  cluster.freeze(0)
  const account = (async () => {
    const started = performance.now()
    await cluster.createPerson(1, 'cleo')
    return performance.now() - started
  })()
  const waited = await send(cluster, 2, ana, ben, 'past the frozen one')
  const accountMs = await account
  assert.ok(waited.ms <= SILENCE_MS_MAX, `write waited ${waited.ms} ms`)
  assert.ok(accountMs <= GRANT_MS_MAX, `account waited ${accountMs} ms`)
  await cluster.waitCluster(1, (state) => state.coordinator === 1)
  cluster.thaw(0)
  const answer = await call(cluster.at(0), 'GET', '/api/accounts/cleo', { timeoutMs: 5000 })
  assert.is(answer.body?.exists, true, 'the woken node never answers from before its sleep')
  await cluster.waitCluster(2, (state) => state.coordinator === 0)
  ids.push(waited.id)
  await assertEverywhere(cluster, ben, ids)
})

links('[DEL8] one id sent ten times through all nodes is one message; with another text it is refused', async ({ cluster, ana, ben, ids }) => {
  const id = newMessageId()
  const post = (pid: number, text: string) => call(cluster.at(pid), 'POST', '/api/messages', { token: ana.token, body: { to: [{ id: ben.id }], text, id } })
  const answers = await Promise.all(Array.from({ length: 10 }, (_, index) => post(index % 3, 'only once')))
  for (const answer of answers) assert.is(answer.status, 201, JSON.stringify(answer.body ?? answer.code))
  assert.is((await post(1, 'another text')).code, 'id-taken')
  ids.push(id)
  await assertEverywhere(cluster, ben, ids)
})

links('SIGTERM drains: exit 0, the coordinator moves at once, and what follows is complete after the return', async ({ cluster, ana, ben, ids }) => {
  await cluster.waitCluster(1, (state) => state.coordinator === 0)
  const started = performance.now()
  assert.equal(await cluster.stop(0), { code: 0, signal: null })
  assert.ok(performance.now() - started < 10_000)
  const sent = await send(cluster, 1, ana, ben, 'after the goodbye')
  assert.ok(sent.ms < 1000, `${sent.ms} ms`)
  await cluster.revive(0)
  ids.push(sent.id)
  await assertEverywhere(cluster, ben, ids)
})

links.run()
