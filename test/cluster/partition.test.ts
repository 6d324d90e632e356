// deadline: 400 s
// Real nodes whose links run through proxies. A cut link is relayed round; an isolated node goes on alone or waits, and
// after healing all hold the same; a name claimed on both sides belongs to one account, and every node says to which.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { TEST_ENV, ask, mustAsk, print, show, showMs, showTimes, until } from '../support/asking.ts'
import { type Cluster, type Person, newMessageId, newRequestId, startCluster, wait } from '../support/cluster.ts'
import { waitWhole } from '../support/kill-orders.ts'
import { checkRoles, readRoles } from '../support/roles.ts'

type Context = { cluster: Cluster; ana: Person; ben: Person; sent: string[] }

const partition = suite<Context>('partitions')

partition.before(async (context) => {
  context.cluster = await startCluster({ env: TEST_ENV, proxied: true })
  context.ana = await context.cluster.createPerson(0, 'ana')
  context.ben = await context.cluster.createPerson(1, 'ben')
  context.sent = []
})
partition.after(({ cluster }) => cluster.close())

/** Stores a message through a node; resolves to what it answered and how long it took. */
const send = async ({ cluster, ana, ben, sent }: Context, pid: number): Promise<{ storedOn: number[]; ms: number }> => {
  const id = newMessageId()
  const started = performance.now()
  const { body } = await mustAsk(201, cluster.at(pid), 'POST', '/api/messages', { token: ana.token, body: { id, to: [{ id: ben.id }], text: `through ${pid}` } })
  sent.push(id)
  return { storedOn: body.storedOn, ms: performance.now() - started }
}

const countAt = async ({ cluster, ben }: Context, pid: number): Promise<number> =>
  (await mustAsk(200, cluster.at(pid), 'GET', '/api/inbox', { token: ben.token })).body.unopened

/** All nodes equal, one coordinator, and every acknowledged message everywhere once. */
const mustBeWhole = async (context: Context, when: string): Promise<void> => {
  const { cluster, sent } = context
  await waitWhole(cluster)
  for (const pid of cluster.pids) assert.is(await countAt(context, pid), sent.length, `${when}, node ${pid}`)
  checkRoles(cluster)
}

const isolate = (cluster: Cluster, pid: number): void => {
  for (const other of cluster.pids) if (other !== pid) cluster.partition(pid, other)
}
const heal = (cluster: Cluster): void => {
  for (const proxy of cluster.proxies.values()) proxy.heal()
}

partition('[REP3] one link cut: writes and accounts go on, acknowledged by all three through the third node', async (context) => {
  const { cluster } = context
  for (const [a, b] of [[0, 1], [1, 2], [0, 2]] as const) {
    cluster.cutLink(a, b)
    for (const pid of cluster.pids) {
      await cluster.waitCluster(pid, ({ nodes, links }) => nodes.every((node: any) => node.status === 'ready' && !node.behind) && links.some((link: any) => link.a === a && link.b === b && link.state === 'down'))
    }
    const before = [...cluster.proxies.values()].reduce((sum, { passed }) => sum + passed.up + passed.down, 0)
    const times: number[] = []
    let onAll = 0
    for (let count = 0; count < 12; count++) {
      const { storedOn, ms } = await send(context, count % 3)
      times.push(ms)
      onAll += storedOn.length === 3 ? 1 : 0
    }
    const bytes = [...cluster.proxies.values()].reduce((sum, { passed }) => sum + passed.up + passed.down, 0) - before
    assert.ok(bytes > 0, 'the links run through the proxies')
    assert.ok(onAll > 0, 'some write was acknowledged by all three')
    await mustAsk(201, cluster.at(b), 'POST', '/api/accounts', { body: { name: `over-${a}-${b}`, password: 'long enough' } })
    const { body: state } = await mustAsk(200, cluster.at(a), 'GET', '/api/cluster')
    assert.is(state.coordinator, 0, 'a cut link moves no role')
    cluster.healLink(a, b)
    print(`link ${a}-${b} cut: ${onAll} of 12 writes stored on 3 of 3, ${showTimes(times)}`)
  }
  await mustBeWhole(context, 'after each link was cut')
})

partition('[REP3] a link cut and healed again and again, in the middle of frames, loses nothing', async (context) => {
  const { cluster } = context
  const writing = (async () => {
    for (let count = 0; count < 60; count++) await send(context, count % 3)
  })()
  for (let round = 0; round < 8; round++) {
    const a = round % 3
    for (const link of cluster.linksBetween(a, (a + 1) % 3)) {
      link.cutAfter('up', 50 + 37 * round)
      link.cutAfter('down', 80 + 53 * round)
    }
    await wait(100)
    cluster.cutLink(a, (a + 1) % 3)
    await wait(150)
    cluster.healLink(a, (a + 1) % 3)
  }
  await writing
  heal(cluster)
  await mustBeWhole(context, 'after the blips')
})

for (const isolated of [2, 0]) {
  partition(`[RDY1] node ${isolated} isolated and healed: both sides went on, digests are equal again, one coordinates`, async (context) => {
    const { cluster } = context
    const others = cluster.pids.filter((pid) => pid !== isolated)
    const [near = 0, far = 0] = others
    isolate(cluster, isolated)
    const first = await send(context, near)
    for (let count = 0; count < 6; count++) await send(context, others[count % 2] ?? 0)
    for (const pid of others) await cluster.waitCluster(pid, ({ nodes, coordinator }) => coordinator === near && nodes.find((node: any) => node.pid === isolated).status === 'down', 60_000)
    const majority = await send(context, far)
    assert.not(majority.storedOn.includes(isolated), JSON.stringify(majority))
    await mustAsk(201, cluster.at(far), 'POST', '/api/accounts', { body: { name: `without-${isolated}`, password: 'long enough' } })
    // Alone it goes on too: nobody can tell it from a last survivor.
    await cluster.waitCluster(isolated, ({ coordinator }) => coordinator === isolated, 60_000)
    const alone = await send(context, isolated)
    assert.equal(alone.storedOn, [isolated])
    const startedMs = performance.now()
    heal(cluster)
    await mustBeWhole(context, `node ${isolated} healed`)
    const healedMs = performance.now() - startedMs
    for (const pid of cluster.pids) assert.is((await ask(cluster.at(pid), 'GET', `/api/accounts/without-${isolated}`)).body?.exists, true)
    print(`node ${isolated} isolated: the first write waited ${showMs(first.ms)} (promised 2500); equal ${showMs(healedMs)} after healing (promised 10,000)`)
  })
}

partition('[COO6] a name claimed on both sides of a split belongs to one of them, and every node says the same', async (context) => {
  const { cluster } = context
  isolate(cluster, 2)
  await cluster.waitCluster(0, ({ coordinator, nodes }) => coordinator === 0 && nodes.find((node: any) => node.pid === 2).status === 'down', 60_000)
  await cluster.waitCluster(2, ({ coordinator }) => coordinator === 2, 60_000)
  const claim = (pid: number, password: string) =>
    mustAsk(201, cluster.at(pid), 'POST', '/api/accounts', { body: { name: 'zoe', password }, idempotencyKey: newRequestId() })
  const here = (await claim(0, 'the first of two')).body
  const there = (await claim(2, 'the second of two')).body
  assert.is.not(here.account.id, there.account.id)
  await mustAsk(201, cluster.at(2), 'POST', '/api/messages', { token: there.session.token, body: { to: [{ id: there.account.id }], text: 'a note to myself' } })
  heal(cluster)
  await mustBeWhole(context, 'after the split')

  const stories: string[] = []
  for (const pid of cluster.pids) {
    const people = []
    for (const { account, session } of [here, there]) {
      const me = (await mustAsk(200, cluster.at(pid), 'GET', '/api/me', { token: session.token })).body
      const inbox = (await mustAsk(200, cluster.at(pid), 'GET', '/api/inbox', { token: session.token })).body
      people.push({ id: account.id, name: me.account.name, notice: me.notice ?? null, unopened: inbox.unopened })
    }
    const { body: listed } = await mustAsk(200, cluster.at(pid), 'GET', '/api/accounts?prefix=zoe', { token: context.ana.token })
    const { body: message } = await mustAsk(201, cluster.at(pid), 'POST', '/api/messages', { token: context.ana.token, body: { to: ['zoe'], text: `to zoe, from node ${pid}` } })
    stories.push(JSON.stringify({ people: people.map(({ unopened: _, ...rest }) => rest), listed, zoe: message.recipients }))
  }
  for (const story of stories) assert.is(story, stories[0])
  const { people, zoe } = JSON.parse(stories[0] ?? '{}')
  const names = people.map(({ name }: any) => name)
  assert.is(names.filter((name: string) => name === 'zoe').length, 1, `one is zoe: ${names.join(', ')}`)
  const loser = people.find(({ name }: any) => name !== 'zoe')
  assert.match(loser.name, /^zoe~[0-9a-f]{4}$/)
  assert.is(loser.notice?.code, 'name-lost')
  const winner = people.find(({ name }: any) => name === 'zoe')
  assert.equal(zoe, [{ id: winner.id, name: 'zoe', status: 'delivered' }])
  // Both sign in as zoe with their own password, through any node, and the loser takes a new name.
  for (const [pid, password, id] of [[1, 'the first of two', here.account.id], [0, 'the second of two', there.account.id]] as const) {
    const { body } = await mustAsk(201, cluster.at(pid), 'POST', '/api/sessions', { body: { name: 'zoe', password } })
    assert.is(body.account.id, id)
  }
  const loserIs = loser.id === here.account.id ? { ...here, password: 'the first of two' } : { ...there, password: 'the second of two' }
  const renamed = await ask(cluster.at(1), 'PATCH', '/api/me', { token: loserIs.session.token, body: { password: loserIs.password, name: 'zora' } })
  assert.equal([renamed.status, renamed.body?.account?.name], [200, 'zora'], show(renamed))
  for (const pid of cluster.pids) {
    const { body } = await mustAsk(200, cluster.at(pid), 'GET', '/api/me', { token: loserIs.session.token })
    assert.equal([body.account.name, body.notice], ['zora', undefined], `node ${pid}`)
  }
  print(`zoe is the account made on ${winner.id === here.account.id ? 'the side of two' : 'the side of one'}; the other was ${loser.name} and is zora`)
})

partition('[COO1] while nothing was cut, one coordinated at a time', async ({ cluster }) => {
  const changes = cluster.pids.flatMap((pid) => readRoles(cluster, pid).filter(({ event }) => event === 'coordinating'))
  await until('node 0 coordinates', async () => (await ask(cluster.at(1), 'GET', '/api/cluster')).body?.coordinator === 0)
  print(`the role was taken ${changes.length} times over all splits; each time by a ready node, in rising epochs`)
})

partition.run()
