// Documents at rest: what attached clients send and what is delivered waits beside them, unapplied, and nobody can tell.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as Y from 'yjs'
import { addOutboxEntry, clearOutboxEntry } from '../../crdt-schema/drafts.ts'
import { type AccountId, type DocumentName, type MessageId, type Millis, draftsDocument, inboxDocument, messageToMonth, mintMessageId, mintRequestId, parseAccountId } from '../../crdt-schema/ids.ts'
import { readMessages, readReceiptsOf } from '../../crdt-schema/inbox.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import { type ServerNote, decodeServerNote, encodeSyncStep2, encodeUpdate } from '../../crdt-schema/wire.ts'
import { digestToHex } from '../../node/core/digest.ts'
import * as documents from '../../node/core/documents.ts'
import { type Cores, createTrio } from '../support/cores.ts'

const resting = suite('resting')

interface Someone { readonly id: AccountId; readonly token: string; readonly name: string }

const signUp = (cores: Cores, name: string, seed: number): Someone => {
  const call = cores.call(0, { type: 'create-account', name, password: `password of ${name}` }, { key: mintRequestId(new Uint8Array(16).fill(seed)) })
  const body = cores.core(0).answers.get(call)?.body as { readonly account: { readonly id: string }; readonly session: { readonly token: string } }
  return { id: parseAccountId(body.account.id) as AccountId, token: body.session.token, name }
}

/** A page on someone's drafts at node 0: `send` puts an entry into the outbox, as one update. */
const openDrafts = (cores: Cores, { id, token, name }: Someone, client: number): { readonly doc: Y.Doc; send(to: Someone, text: string, messageId?: MessageId): MessageId; clear(messageId: MessageId): void; notes(): ServerNote[] } => {
  const doc = new Y.Doc()
  let sent = 0
  const push = (update: Uint8Array): void => cores.feed(0, { type: 'client-frame', client, frame: encodeUpdate(update) })
  cores.feed(0, { type: 'client-up', client, room: `${id}/drafts`, token, address: 'test' })
  cores.feed(0, { type: 'client-frame', client, frame: encodeSyncStep2(Y.encodeStateAsUpdate(doc)) })
  doc.on('update', push)
  return {
    doc,
    send: (to, text, messageId = mintMessageId(cores.core(0).state.desk.clusterMs, new Uint8Array(10).fill(client * 16 + ++sent))) => {
      addOutboxEntry(doc, { id: messageId, fromName: name, to: [{ id: to.id, name: to.name }], text, sentMs: Date.UTC(2026, 4, 10, 12) as Millis })
      return messageId
    },
    clear: messageId => clearOutboxEntry(doc, messageId),
    notes: () => cores.core(0).effects.flatMap(effect => (effect.type === 'client-send' && effect.client === client ? [decodeServerNote(effect.frame)] : [])).filter(note => note !== null),
  }
}

const settled = (page: { notes(): ServerNote[] }): number => Math.max(0, ...page.notes().map(note => (note.type === 'stored' ? note.count : 0)))
const read = (cores: Cores, pid: number, name: DocumentName): Y.Doc => documents.findDocument(cores.core(pid).state, name)?.doc ?? assert.unreachable(`${name} is not loaded`) as never
const roots = (cores: Cores): string[] => cores.all.map(({ state }) => digestToHex(state.documents.root))
const homeOf = (someone: Someone, id: MessageId): DocumentName => inboxDocument(someone.id, messageToMonth(id))

resting('[REP4] what is sent and delivered is acknowledged without a transaction, and there for whoever looks', () => {
  const cores = createTrio({ rateLimits: false })
  const [ann, ben] = [signUp(cores, 'ann', 1), signUp(cores, 'ben', 2)]
  const page = openDrafts(cores, ann, 1)
  const first = page.send(ben, 'one')
  cores.run(500)
  const second = page.send(ben, 'two') // the page is told of its rooms, four times a second at most: that looks at them
  const { resting: atRest } = cores.core(0).state.documents
  const names = [draftsDocument(ann.id), homeOf(ann, first), homeOf(ben, first)]
  let transactions = 0
  for (const name of names) read(cores, 0, name).on('afterTransaction', () => void transactions++)
  const before = settled(page)
  const ids = [first, second, ...['three', 'four'].map(text => page.send(ben, text))]
  assert.is(settled(page), before + 2, 'acknowledged')
  assert.is(transactions, 0)
  for (const name of names) assert.ok(atRest.has(name), `${name} rests`)
  page.clear(first)
  const list = cores.call(1, { type: 'open-inbox', count: 9 }, { token: ben.token })
  cores.run(100)
  const opened = (cores.core(1).answers.get(list)?.body as { readonly opened: readonly { readonly text: string }[] }).opened
  assert.equal(opened.map(({ text }) => text), ['one', 'two', 'three', 'four'], 'on another node')
  for (const pid of [0, 1, 2]) {
    assert.equal([...readMessages(read(cores, pid, homeOf(ben, first))).value.keys()].sort(), [...ids].sort())
    for (const id of ids) assert.ok(readReceiptsOf(read(cores, pid, homeOf(ann, id)), id, ben.id).delivered !== undefined)
    assert.equal([...read(cores, pid, draftsDocument(ann.id)).getMap('outbox').keys()].sort(), ids.slice(1).sort())
  }
  cores.run(4_000)
  assert.is(new Set(roots(cores)).size, 1, 'and the same everywhere')
})

resting('[DEL2] an id that is at rest already is not delivered twice, and never with another text', () => {
  const cores = createTrio({ rateLimits: false })
  const [ann, ben] = [signUp(cores, 'ann', 1), signUp(cores, 'ben', 2)]
  const [page, other] = [openDrafts(cores, ann, 1), openDrafts(cores, ben, 2)]
  const id = page.send(ben, 'hello')
  const second = page.send(ben, 'second')
  other.send(ann, 'the same id from somebody else', second)
  other.send(ann, 'an answer')
  page.send(ben, 'third')
  cores.run(4_000)
  const inbox = readMessages(read(cores, 2, homeOf(ben, id))).value
  assert.equal([...inbox.values()].map(({ text }) => text).sort(), ['an answer', 'hello', 'second', 'third'])
  assert.ok(readReceiptsOf(read(cores, 2, homeOf(ben, id)), second, ann.id)['delivered'] === undefined)
  assert.is(new Set(roots(cores)).size, 1)
})

resting('[REP4] who has sent thousands of messages is served no slower than who has sent one', () => {
  const cores = createTrio({ rateLimits: false })
  const [ann, ben] = [signUp(cores, 'ann', 1), signUp(cores, 'ben', 2)]
  const page = openDrafts(cores, ann, 1)
  const old = Array.from({ length: LIMITS.outboxMax * 2 }, (_, i) => mintMessageId((cores.core(0).state.desk.clusterMs + i) as Millis, new Uint8Array(10)))
  for (let at = 0; at < old.length; at += 200) {
    page.doc.transact(() => { for (const id of old.slice(at, at + 200)) page.send(ben, 'old', id) })
    cores.run(100)
    page.doc.transact(() => { for (const id of old.slice(at, at + 200)) page.clear(id) })
  }
  cores.run(4_000)
  page.send(ben, 'first') // and the page is told of its rooms, which looks at them
  let transactions = 0
  read(cores, 0, draftsDocument(ann.id)).on('afterTransaction', () => void transactions++)
  const before = settled(page)
  page.send(ben, 'new')
  assert.is(settled(page), before + 1, 'acknowledged')
  assert.is(transactions, 0, 'and it rests')
})

resting('[REP4] however much rests, a tick applies a part of it, the oldest first, until nothing rests', () => {
  const cores = createTrio({ rateLimits: false })
  const people = Array.from({ length: 12 }, (_, i) => signUp(cores, `person${i}`, i + 1))
  const pages = people.map((someone, i) => openDrafts(cores, someone, i + 1))
  const first = pages.map((page, i) => page.send(people[(i + 1) % people.length] as Someone, 'first'))
  cores.run(4_000)
  first.forEach((id, i) => [draftsDocument, (account: AccountId) => inboxDocument(account, messageToMonth(id))].forEach(nameOf => documents.requireDocument(cores.core(2).state, nameOf((people[i] as Someone).id))))
  cores.run(100)
  for (let round = 0; round < 100; round++) pages.forEach((page, i) => page.send(people[(i + 1) % people.length] as Someone, `message ${round}`))
  const { documents: held } = cores.core(2).state
  const restingUpdates = (): number => [...held.resting.values()].reduce((sum, { updates }) => sum + updates.length, 0)
  const before = restingUpdates()
  let left = before
  let most = 0
  for (let waitedMs = 0; left > 0; waitedMs += 50) {
    assert.ok(waitedMs < 10_000, `${left} of ${before} still rest`)
    cores.run(50)
    most = Math.max(most, left - restingUpdates())
    left = restingUpdates()
  }
  assert.ok(before > 3_000, `only ${before} rested`)
  assert.ok(most <= 512 + 256, `${most} of ${before} in one tick: half of what a tick may, and the rest of one document`)
  cores.run(4_000)
  assert.is(new Set(roots(cores)).size, 1)
})

resting('[DOC6] a document keeps the clientID of its node when it wakes, and its clocks have no hole', () => {
  const cores = createTrio({ rateLimits: false })
  const [ann, ben] = [signUp(cores, 'ann', 1), signUp(cores, 'ben', 2)]
  const page = openDrafts(cores, ann, 1)
  const ids = ['one', 'two'].map(text => page.send(ben, text))
  const home = homeOf(ben, ids[0] as MessageId)
  const { clientIds } = cores.core(0).state
  assert.ok(cores.core(0).state.documents.resting.has(home))
  cores.edit(0, home, doc => doc.getMap('recalled').set(ids[0] as string, 5))
  const doc = read(cores, 0, home)
  assert.is(doc.clientID, clientIds.node)
  assert.is(Y.getState(doc.store, clientIds.node), 3)
  assert.is(doc.store.pendingStructs, null)
  page.send(ben, 'three')
  cores.run(4_000)
  for (const pid of [0, 1, 2]) assert.is(Y.getState(read(cores, pid, home).store, clientIds.node), 4)
})

resting('[REP5] a push that starts after what is here does not rest: what is missing is asked for at once', () => {
  const cores = createTrio({ rateLimits: false })
  const [ann, ben] = [signUp(cores, 'ann', 1), signUp(cores, 'ben', 2)]
  const page = openDrafts(cores, ann, 1)
  const id = page.send(ben, 'one')
  cores.run(2_000)
  const home = homeOf(ben, id)
  const writer = new Y.Doc()
  writer.clientID = 7
  const updates: Uint8Array[] = []
  writer.on('update', update => void updates.push(update))
  for (const key of ['a', 'b', 'c']) writer.getMap('messages').set(key, 0)
  const { state } = cores.core(1)
  const pulled = state.peers.get(cores.core(0).pid)?.pull ?? null
  cores.all.forEach(core => assert.is(core.state.documents.resting.has(home), false))
  const { receiveUpdate } = documents
  assert.is(receiveUpdate(state, cores.core(0).pid, home, updates[0] as Uint8Array, 'as-received'), 'complete')
  assert.ok(state.documents.resting.has(home))
  assert.is(receiveUpdate(state, cores.core(0).pid, home, updates[2] as Uint8Array, 'as-received'), 'gap')
  assert.not.ok(state.documents.resting.has(home))
  assert.is(pulled === null || pulled.status === 'done', true)
})

resting.run()
