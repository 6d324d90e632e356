// deadline: 400 s
// Stock y-websocket providers on real nodes: two devices edit one draft through two nodes, rooms are closed to whom they
// do not belong, and neither typing during the handshake nor a node that dies under unsent edits loses a letter.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as Y from 'yjs'
import { createDraft, draftText, readDraft } from '../../crdt-schema/drafts.ts'
import type { DraftId, Millis } from '../../crdt-schema/ids.ts'
import { TEST_ENV, mustAsk, print, showMs, showTimes, until } from '../support/asking.ts'
import { type Cluster, type Person, newMessageId, startCluster, wait } from '../support/cluster.ts'
import { type Attached, attach, detachAll } from '../support/providers.ts'

const MONTH = new Date().toISOString().slice(0, 7)

const sync = suite<{ cluster: Cluster; ana: Person; ben: Person }>('stock providers')

sync.before(async (context) => {
  context.cluster = await startCluster({ env: TEST_ENV })
  context.ana = await context.cluster.createPerson(0, 'ana')
  context.ben = await context.cluster.createPerson(1, 'ben')
})
sync.after(async ({ cluster }) => {
  detachAll()
  await cluster.close()
})

const newDraft = (doc: Y.Doc): DraftId => {
  const id = newMessageId() as DraftId
  const made = createDraft(doc, { id, editedMs: Date.now() as Millis, text: '' })
  assert.ok(made.ok)
  return id
}

/** Types one word at the end; a word is one edit, so nothing else can land inside it. */
const type = (doc: Y.Doc, id: DraftId, word: string): void => {
  const text = draftText(doc, id)
  if (text === null) throw new Error('the draft is not here')
  text.insert(text.length, word)
}

const textOf = (doc: Y.Doc, id: DraftId): string => readDraft(doc, id)?.text ?? ''
const textAt = async (cluster: Cluster, pid: number, person: Person, id: DraftId): Promise<string> => {
  const { body } = await mustAsk(200, cluster.at(pid), 'GET', '/api/drafts', { token: person.token })
  return body.drafts.find((draft: any) => draft.id === id)?.text ?? ''
}

/** Every word is once in the draft, on every node and in every replica, and no close was final. */
const mustHold = async (cluster: Cluster, person: Person, id: DraftId, words: readonly string[], replicas: readonly Attached[]): Promise<void> => {
  const missing = (text: string): string[] => words.filter((word) => text.split(word).length !== 2)
  let left: unknown
  await until('every word is everywhere', async () => {
    left = { replicas: replicas.map(({ doc }) => missing(textOf(doc, id))), nodes: [] as string[][] }
    for (const pid of cluster.livePids()) (left as any).nodes.push(missing(await textAt(cluster, pid, person, id)))
    return Object.values(left as Record<string, string[][]>).every((lists) => lists.every((list) => list.length === 0))
  }, 60_000).catch((error) => assert.unreachable(`${error.message}; missing or doubled: ${JSON.stringify(left)}; codes ${JSON.stringify(replicas.map(({ codes }) => codes))}`))
  for (const { finalCodes } of replicas) assert.equal(finalCodes(), [])
  const [first] = replicas
  for (const { doc } of replicas) assert.is(textOf(doc, id), textOf(first?.doc ?? doc, id), 'replicas are equal')
}

sync('[SYN1] two stock providers on two nodes edit one draft live', async ({ cluster, ana }) => {
  const laptop = attach([cluster.at(0)], `${ana.id}/drafts`, ana.token)
  const phone = attach([cluster.at(2)], `${ana.id}/drafts`, ana.token)
  await until('both are in sync', () => laptop.provider.synced && phone.provider.synced)
  const id = newDraft(laptop.doc)
  await until('the phone shows the draft', () => draftText(phone.doc, id) !== null)
  const words: string[] = []
  const times: number[] = []
  for (let index = 0; index < 30; index++) {
    const [here, there] = index % 2 === 0 ? [laptop, phone] : [phone, laptop]
    const word = `<${index}>`
    words.push(word)
    const started = performance.now()
    type(here.doc, id, word)
    await until(`${word} is seen on the other device`, () => textOf(there.doc, id).includes(word))
    times.push(performance.now() - started)
  }
  for (let index = 30; index < 130; index++) {
    words.push(`<${index}>`)
    type((index % 2 === 0 ? laptop : phone).doc, id, `<${index}>`) // both at once, nobody waits
    if (index % 10 === 0) await wait(1)
  }
  await mustHold(cluster, ana, id, words, [laptop, phone])
  laptop.detach()
  phone.detach()
  print(`${words.length} words typed on two devices, all there once; from key to the other screen: ${showTimes(times)} (polled every 25 ms)`)
})

sync('[SYN5] an inbox shows mail live and refuses writes with 4403; nothing of them is kept', async ({ cluster, ana, ben }) => {
  const room = `${ben.id}/inbox/${MONTH}`
  const inbox = attach([cluster.at(1)], room, ben.token)
  await until('it is connected', () => inbox.provider.wsconnected)
  const id = newMessageId()
  await mustAsk(201, cluster.at(0), 'POST', '/api/messages', { token: ana.token, body: { id, to: [{ id: ben.id }], text: 'live' } })
  await until('the message is in the replica', () => inbox.doc.getMap('messages').has(id))
  const forged = newMessageId()
  inbox.doc.getMap('messages').set(forged, [[ana.id, 'ana'], [[ben.id, 'ben']], 'ana never said this', Date.now()])
  await until('it is closed', () => inbox.codes.length > 0)
  assert.is(inbox.codes[0], 4403)
  assert.is(inbox.provider.shouldConnect, false, 'a stock provider takes 4403 for final')
  inbox.detach()
  for (const pid of cluster.pids) {
    const fresh = attach([cluster.at(pid)], room, ben.token)
    await until('the message is in a fresh replica', () => fresh.doc.getMap('messages').has(id))
    assert.not(fresh.doc.getMap('messages').has(forged), `node ${pid}`)
    fresh.detach()
  }
})

const closeOf = async (place: { readonly url: string }, room: string, token: string): Promise<number | undefined> => {
  const one = attach([place], room, token)
  await until(`${room} is closed`, () => one.codes.length > 0)
  one.detach()
  assert.is(one.doc.store.clients.size, 0, 'and gave nothing away')
  return one.codes[0]
}

sync("[SYN4] another's rooms and rooms that are none are closed with 4403, wrong tokens with 4401, on every node", async ({ cluster, ana, ben }) => {
  await mustAsk(200, cluster.at(0), 'PUT', `/api/drafts/${newMessageId()}`, { token: ana.token, body: { to: [], text: 'private' } })
  for (const pid of cluster.pids) {
    const place = cluster.at(pid)
    for (const room of [`${ana.id}/drafts`, `${ana.id}/inbox/${MONTH}`, `${ana.id}/marks/${MONTH}`, 'names/00', `${ben.id}/secrets`, `${'0'.repeat(32)}/drafts`]) {
      assert.is(await closeOf(place, room, ben.token), 4403, `${room} at node ${pid}`)
    }
    for (const token of ['wrong', 'A'.repeat(43), ben.id]) assert.is(await closeOf(place, `${ben.id}/drafts`, token), 4401, `token ${token} at node ${pid}`)
  }
})

sync('[COO7] a session that ends is closed with 4401 on every node', async ({ cluster, ben }) => {
  const { body } = await mustAsk(201, cluster.at(0), 'POST', '/api/sessions', { body: { name: 'ben', password: ben.password } })
  const sockets = cluster.pids.map((pid) => attach([cluster.at(pid)], `${ben.id}/drafts`, body.session.token))
  await until('all are in sync', () => sockets.every(({ provider }) => provider.synced))
  const started = performance.now()
  await mustAsk(204, cluster.at(1), 'DELETE', `/api/sessions/${body.session.id}`, { token: ben.token })
  await until('all are closed', () => sockets.every(({ codes }) => codes.length > 0))
  assert.equal(sockets.map(({ codes }) => codes[0]), [4401, 4401, 4401])
  print(`closed on three nodes ${showMs(performance.now() - started)} after it was asked (promised 1,000)`)
  for (const { detach } of sockets) detach()
})

sync('[SYN5] typing during the handshake loses nothing and is never answered with a final code', async ({ cluster, ana }) => {
  const first = attach([cluster.at(0)], `${ana.id}/drafts`, ana.token)
  await until('it is in sync', () => first.provider.synced)
  const id = newDraft(first.doc)
  type(first.doc, id, '<start>')
  await mustHold(cluster, ana, id, ['<start>'], [first])
  first.detach()
  const words = ['<start>']
  const replicas: Attached[] = []
  // A device that knows some state, connects anywhere, and types from before the socket is open until after it is synced.
  for (let round = 0; round < 12; round++) {
    const doc = new Y.Doc()
    Y.applyUpdate(doc, Y.encodeStateAsUpdate(replicas.at(-1)?.doc ?? first.doc))
    const offline = `<${round}-offline>`
    type(doc, id, offline)
    words.push(offline)
    const one = attach([cluster.at(round % 3)], `${ana.id}/drafts`, ana.token, doc)
    replicas.push(one)
    for (let key = 0; key < 20; key++) {
      const word = `<${round}-${key}>`
      type(doc, id, word)
      words.push(word)
      await wait(round % 4)
    }
  }
  await mustHold(cluster, ana, id, words, replicas)
  for (const { detach } of replicas) detach()
  print(`${words.length} words, 12 handshakes, all there once; no final code`)
})

sync('[SYN5] nodes that are killed, stopped and frozen under unsent edits lose nothing, and no final code comes', async ({ cluster, ana }) => {
  const placesFrom = (home: number) => [0, 1, 2].map((step) => cluster.at((home + step) % 3))
  const devices = cluster.pids.map((home) => attach(placesFrom(home), `${ana.id}/drafts`, ana.token))
  await until('all are in sync', () => devices.every(({ provider }) => provider.synced))
  const [first] = devices
  if (first === undefined) throw new Error('no device')
  const id = newDraft(first.doc)
  await until('all show the draft', () => devices.every(({ doc }) => draftText(doc, id) !== null))
  const words: string[] = []
  let isTyping = true
  const typing = devices.map(async ({ doc }, device) => {
    for (let key = 0; isTyping; key++) {
      const word = `<${device}-${key}>`
      type(doc, id, word)
      words.push(word)
      await wait(15)
    }
  })
  for (const pid of [1, 0, 2]) {
    await wait(300)
    await cluster.kill(pid)
    await wait(500)
    await cluster.revive(pid)
  }
  await cluster.stop(1)
  await cluster.revive(1)
  cluster.freeze(2)
  await wait(2500)
  cluster.thaw(2)
  await wait(500)
  isTyping = false
  await Promise.all(typing)
  await mustHold(cluster, ana, id, words, devices)
  await cluster.waitEqual(60_000)
  assert.is(textOf(first.doc, id).length, words.join('').length, 'nothing but what was typed')
  const closes = devices.flatMap(({ codes }) => codes)
  assert.ok(closes.length >= 4, `the kills were felt: ${closes.join(' ')}`)
  for (const { detach } of devices) detach()
  print(`${words.length} words on three devices over 3 kills, a SIGTERM and a freeze, all there once; close codes: ${[...new Set(closes)].sort().join(', ')}`)
})

sync.run()
