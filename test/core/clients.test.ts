// Attached clients: who is let in, what is taken from them, what they are told and when, slow ones and too many of them.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as Y from 'yjs'
import { addOutboxEntry, createDraft, draftText, editText, readOutboxEntry } from '../../crdt-schema/drafts.ts'
import { type DocumentName, type MessageId, draftsDocument, inboxDocument, marksDocument, millisToMonth, mintDraftId, mintMessageId, mintSessionId } from '../../crdt-schema/ids.ts'
import { readMessage, readReceiptsOf, recallMessage } from '../../crdt-schema/inbox.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import { markOpened } from '../../crdt-schema/marks.ts'
import { encodeSyncStep1, encodeUpdate } from '../../crdt-schema/wire.ts'
import { clientCount, onClientFull, onClientWritable, onSessionsChanged } from '../../node/core/clients.ts'
import { createSession, endSession } from '../../node/core/sessions.ts'
import { PASSWORD, type SignIn, signUp } from '../support/accounts.ts'
import { START_MS, runHandler } from '../support/desk.ts'
import { type Page, type SocketDesk, createSocketDesk, pid } from '../support/socket-desk.ts'

const month = millisToMonth(START_MS)
let minted = 0
const mintId = (): MessageId => mintMessageId(START_MS, new Uint8Array(10).fill(++minted))
const draftId = mintDraftId(START_MS, new Uint8Array(10))

interface Town {
  readonly world: SocketDesk
  readonly alice: SignIn
  readonly bob: SignIn
}

const createTown = (options: Parameters<typeof createSocketDesk>[0] = {}): Town => {
  const world = createSocketDesk(options)
  return { world, alice: signUp(world.base, 'alice'), bob: signUp(world.base, 'bob') }
}

const connectDrafts = (world: SocketDesk, { id, token }: SignIn, doc?: Y.Doc): Page => world.connect(`${id}/drafts`, token, doc)
const held = (world: SocketDesk, name: DocumentName): Y.Doc => world.base.document(name) as Y.Doc

const sendTo = (page: Page, to: SignIn, id = mintId(), text = 'hello'): MessageId => {
  addOutboxEntry(page.doc, { id, fromName: 'alice', to: [{ id: to.id, name: 'bob' }], text, sentMs: START_MS })
  return id
}

// ---- who is let in

const entering = suite('clients: entering')

entering('[SYN4] a wrong token is 4401, another account\'s room 4403, no room 4403', () => {
  const { world, alice, bob } = createTown()
  const codes = [
    world.connect(`${alice.id}/drafts`, null), world.connect(`${alice.id}/drafts`, 'nonsense'), world.connect(`${alice.id}/drafts`, bob.token),
    world.connect('members', alice.token), world.connect(`${alice.id}/names`, alice.token), world.connect(`${alice.id}/inbox/2026-13`, alice.token),
  ].map(({ closed }) => closed)
  assert.equal(codes, [4401, 4401, 4403, 4403, 4403, 4403])
  assert.is(clientCount(world.clients), 0)
  assert.is(world.connect(`${alice.id}/marks/2026-05`, alice.token).closed, null)
})

entering('[SYN4] while a member is missing, a session that is not known here is sent to another node', () => {
  const { world, alice } = createTown()
  const stranger = alice.token.replace(/^[0-9a-f-]{36}/, mintSessionId(START_MS, new Uint8Array(10)))
  assert.is(world.connect(`${alice.id}/drafts`, stranger).closed, 4401)
  world.base.isWhole = false
  assert.is(world.connect(`${alice.id}/drafts`, stranger).closed, 4503)
  assert.equal(['nonsense', null].map((token) => world.connect(`${alice.id}/drafts`, token).closed), [4401, 4401])
  runHandler(world.base, endSession, { type: 'end-session', id: 'current' }, { token: alice.token })
  assert.is(world.connect(`${alice.id}/drafts`, alice.token).closed, 4401, 'one that ended is known to have ended')
})

entering('[RDY1] frames wait while the node is not ready, for so long; then 4503', () => {
  const { world, alice } = createTown()
  const page = connectDrafts(world, alice)
  world.setPhase('syncing')
  createDraft(page.doc, { id: draftId, editedMs: START_MS, text: 'held' })
  const late = connectDrafts(world, alice)
  world.pass(2_900)
  assert.is(held(world, draftsDocument(alice.id)).getMap('drafts').size, 0)
  world.setPhase('ready')
  assert.is(draftText(held(world, draftsDocument(alice.id)), draftId)?.toString(), 'held')
  assert.is(draftText(late.doc, draftId)?.toString(), 'held')
  world.setPhase('syncing')
  world.pass(2_950)
  assert.equal([page.closed, late.closed], [null, null])
  world.pass(100)
  assert.equal([page.closed, late.closed], [4503, 4503])
  assert.is(world.pins.size, 0)
})

entering('[COR5] nothing is said about a document before it is loaded', () => {
  const { world, alice } = createTown()
  world.unload(draftsDocument(alice.id))
  world.autoLoad = false
  const page = connectDrafts(world, alice)
  assert.is(page.frames, 0)
  world.run(world.loadAll)
  assert.is(page.frames, 2)
  world.unload(marksDocument(alice.id, month))
  const stuck = world.connect(`${alice.id}/marks/${month}`, alice.token)
  world.pass(10_050)
  assert.is(stuck.closed, 4503)
})

entering('[COO7] an ended session closes its sockets with 4401, one taken over with 4409', () => {
  const { world, alice } = createTown({ config: { sessionsPerAccount: 1 } })
  const page = connectDrafts(world, alice)
  runHandler(world.base, createSession, { type: 'create-session', name: 'alice', password: PASSWORD, takeOver: true })
  world.run(() => onSessionsChanged(world.desk, world.clients))
  assert.is(page.closed, 4409)
  assert.is(connectDrafts(world, alice).closed, 4409)
  const bob = signUp(world.base, 'robert')
  const other = connectDrafts(world, bob)
  runHandler(world.base, endSession, { type: 'end-session', id: 'current' }, { token: bob.token })
  world.run(() => onSessionsChanged(world.desk, world.clients))
  assert.is(other.closed, 4401)
})

entering('a draining node tells its pages where to go and closes them one after the other with 1012', () => {
  const { world, alice } = createTown()
  const pages = Array.from({ length: 8 }, () => connectDrafts(world, alice))
  world.nodes = [{ pid: pid(1), url: 'http://node-1', status: 'ready' }]
  world.setPhase('draining')
  assert.is(connectDrafts(world, alice).closed, 1012)
  for (const page of pages) assert.equal(page.notes.findLast(note => note.type === 'nodes')?.nodes, world.nodes)
  world.pass(1_000)
  const gone = pages.filter(({ closed }) => closed === 1012).length
  assert.ok(gone > 0 && gone < 8, `${gone} of 8 after half the time`)
  world.pass(1_050)
  assert.ok(pages.every(({ closed }) => closed === 1012))
})

entering('[COR3] a room takes so many sockets, a socket so many frames', () => {
  const { world, alice } = createTown()
  const pages = Array.from({ length: 33 }, () => connectDrafts(world, alice))
  assert.equal(pages.map(({ closed }) => closed).filter(code => code !== null), [1013])
  world.setPhase('syncing')
  const [page] = pages
  for (let i = 0; i < 4_100; i++) page?.send(encodeUpdate(new Uint8Array([0, 0])))
  assert.is(page?.closed, 1013)
})

entering.run()

// ---- what they say

const saying = suite('clients: saying')

saying('two pages edit one draft, and a page that comes later has it all', () => {
  const { world, alice } = createTown()
  const [one, two] = [connectDrafts(world, alice), connectDrafts(world, alice)]
  createDraft(one.doc, { id: draftId, editedMs: START_MS, text: 'hello' })
  draftText(two.doc, draftId)?.insert(5, ' world')
  draftText(one.doc, draftId)?.insert(0, 'oh ')
  const three = connectDrafts(world, alice)
  for (const { doc } of [one, two, three]) assert.is(draftText(doc, draftId)?.toString(), 'oh hello world')
})

saying('[DEL2] an outbox entry is delivered in the commit that stores it, after its documents have come', () => {
  const { world, alice, bob } = createTown()
  world.autoLoad = false
  world.autoSettle = false
  const page = connectDrafts(world, alice)
  world.settle()
  world.unload(inboxDocument(bob.id, month), draftsDocument(bob.id))
  const id = sendTo(page, bob)
  editText(page.doc, draftId, 'later')
  assert.is(readOutboxEntry(held(world, draftsDocument(alice.id)), id), null)
  world.run(world.loadAll)
  assert.ok(readOutboxEntry(held(world, draftsDocument(alice.id)), id))
  assert.ok(readMessage(held(world, inboxDocument(bob.id, month)), id))
  assert.equal(Object.keys(readReceiptsOf(held(world, inboxDocument(alice.id, month)), id, bob.id)), ['delivered'])
  const commits = [draftsDocument(alice.id), inboxDocument(bob.id, month), inboxDocument(alice.id, month)].map(name => world.desk.latestCommit(name))
  assert.equal(commits, commits.map(() => world.desk.openCommit))
  page.close()
  assert.is(world.pins.size, 0)
})

saying('[DEL2] a client that leaves while its update waits for documents takes nothing with it and leaves nothing', () => {
  const { world, alice, bob } = createTown()
  world.autoLoad = false
  const page = connectDrafts(world, alice)
  world.unload(inboxDocument(bob.id, month), draftsDocument(bob.id))
  const id = sendTo(page, bob)
  page.close()
  assert.is(world.pins.size, 0)
  world.run(world.loadAll)
  assert.is(readMessage(held(world, inboxDocument(bob.id, month)), id), null)
})

saying('[DEL5] marks are told to the sender in the commit that stores them', () => {
  const { world, alice, bob } = createTown()
  const id = sendTo(connectDrafts(world, alice), bob)
  const marks = world.connect(`${bob.id}/marks/${month}`, bob.token)
  world.autoSettle = false
  markOpened(marks.doc, id, START_MS)
  assert.is(readReceiptsOf(held(world, inboxDocument(alice.id, month)), id, bob.id).opened, START_MS)
  assert.is(world.desk.latestCommit(inboxDocument(alice.id, month)), world.desk.latestCommit(marksDocument(bob.id, month)))
})

saying('[SYN5] a bad update is 4422 and changes nothing for anybody', () => {
  const { world, alice } = createTown()
  const good = connectDrafts(world, alice)
  createDraft(good.doc, { id: draftId, editedMs: START_MS, text: 'mine' })
  const frames = good.frames
  const before = Y.encodeStateAsUpdate(held(world, draftsDocument(alice.id)))
  for (const spoil of [(doc: Y.Doc) => doc.getMap('evil').set('a', 1), (doc: Y.Doc) => doc.getMap('outbox').set('no id', 1)]) {
    const bad = connectDrafts(world, alice)
    spoil(bad.doc)
    assert.is(bad.closed, 4422)
  }
  const garbled = connectDrafts(world, alice)
  garbled.send(new Uint8Array([0, 2, 200, 1, 2]))
  assert.is(garbled.closed, 4422)
  assert.equal(Y.encodeStateAsUpdate(held(world, draftsDocument(alice.id))), before)
  assert.equal([good.closed, good.frames], [null, frames])
})

saying('[SYN5] an inbox takes nothing, and says nothing to what adds nothing', () => {
  const { world, alice, bob } = createTown()
  sendTo(connectDrafts(world, alice), bob)
  const inbox = world.connect(`${bob.id}/inbox/${month}`, bob.token)
  assert.is(inbox.doc.getMap('messages').size, 1)
  inbox.send(encodeUpdate(Y.encodeStateAsUpdate(inbox.doc)))
  assert.is(inbox.closed, null)
  inbox.doc.getMap('messages').set(mintId(), 1)
  assert.is(inbox.closed, 4403)
  assert.is(held(world, inboxDocument(bob.id, month)).getMap('messages').size, 1)
})

saying('[SYN5] an update that starts after what the node holds is asked for again, and never final', () => {
  const { world, alice } = createTown()
  const doc = new Y.Doc()
  createDraft(doc, { id: draftId, editedMs: START_MS, text: 'before' })
  world.autoSettle = false
  const page = world.connect(`${alice.id}/drafts`, alice.token, doc)
  draftText(doc, draftId)?.insert(0, 'typed during the handshake, ') // its step 2 is not sent yet
  world.autoSettle = true
  world.settle()
  assert.is(page.closed, null)
  assert.is(draftText(held(world, draftsDocument(alice.id)), draftId)?.toString(), 'typed during the handshake, before')
})

saying('[SYN5] an update with a gap before it is answered with what the node holds, and is not counted', () => {
  const { world, alice } = createTown()
  const page = connectDrafts(world, alice)
  const other = new Y.Doc()
  const updates: Uint8Array[] = []
  other.on('update', (update: Uint8Array) => void updates.push(update))
  createDraft(other, { id: draftId, editedMs: START_MS, text: 'first' })
  draftText(other, draftId)?.insert(0, 'second, ')
  const [frames, applied] = [page.frames, world.clients.sockets.get(page.id)?.applied]
  page.send(encodeUpdate(updates.at(-1) ?? new Uint8Array()))
  // One frame asks; the page's answer to it is the one that counts.
  assert.equal([page.closed, page.frames, world.clients.sockets.get(page.id)?.applied], [null, frames + 1, (applied ?? 0) + 1])
  for (let i = 0; i < 30; i++) page.send(encodeUpdate(updates.at(-1) ?? new Uint8Array()))
  assert.is(page.closed, null) // each answer shows that it holds what it said it lacked
})

saying('[SYN4] a frame over its limit is 4413; only the first sync may be large', () => {
  const { world, alice } = createTown()
  const big = (bytes: number): Y.Doc => {
    const doc = new Y.Doc()
    for (let i = 0; i * 60_000 < bytes; i++) createDraft(doc, { id: mintDraftId(START_MS, new Uint8Array(10).fill(++minted)), editedMs: START_MS, text: 'x'.repeat(60_000) })
    return doc
  }
  const page = connectDrafts(world, alice, big(LIMITS.clientFrameBytesMax))
  assert.is(page.closed, null)
  assert.ok(held(world, draftsDocument(alice.id)).getMap('drafts').size >= 8)
  page.send(encodeUpdate(Y.encodeStateAsUpdate(big(LIMITS.clientFrameBytesMax))))
  assert.is(page.closed, 4413)
  const asking = connectDrafts(world, alice)
  asking.send(encodeSyncStep1(Y.encodeStateVector(new Map(Array.from({ length: 60_000 }, (_, i) => [i + 2 ** 31, 1])))))
  assert.is(asking.closed, 4413)
})

saying('[DEL3] above the sending rate a socket is read more slowly, and nothing is lost', () => {
  const { world, alice, bob } = createTown()
  const page = connectDrafts(world, alice)
  const ids = Array.from({ length: 150 }, () => sendTo(page, bob))
  const arrived = (): number => held(world, inboxDocument(bob.id, month)).getMap('messages').size
  assert.ok(arrived() >= 60 && arrived() < 100, `${arrived()} at once`)
  world.pass(10_000)
  assert.is(arrived(), ids.length)
  assert.is(page.closed, null)
})

saying('[COR3] of a client with much waiting nothing more is read, until little waits', () => {
  const { world, alice, bob } = createTown()
  const page = connectDrafts(world, alice)
  for (let sent = 0; sent < 200; sent++) sendTo(page, bob) // at 20 a second, after the first 60
  createDraft(page.doc, { id: draftId, editedMs: START_MS, text: '' })
  const type = (count: number): void => { for (let typed = 0; typed < count; typed++) draftText(page.doc, draftId)?.insert(0, 'a') }
  type(100)
  assert.is(page.isPaused, false)
  type(100)
  assert.is(page.isPaused, true)
  world.pass(5_000)
  assert.is(page.isPaused, true, 'it goes on with some distance, not at every frame')
  world.pass(5_000)
  assert.is(page.isPaused, false)
  assert.is(held(world, inboxDocument(bob.id, month)).getMap('messages').size, 200)
  assert.is(draftText(held(world, draftsDocument(alice.id)), draftId)?.length, 200)
  assert.is(page.closed, null)
})

saying('a client may say anything: nothing throws, and others go on', () => {
  const { world, alice } = createTown()
  const good = connectDrafts(world, alice)
  let closed = 0
  for (let i = 0; i < 300; i++) {
    const page = connectDrafts(world, alice)
    page.send(Uint8Array.from({ length: i % 40 }, (_, at) => (i * 31 + at * at * 17) % 251))
    if (page.closed === null) page.close()
    else closed += 1
  }
  assert.ok(closed > 100)
  assert.is(good.closed, null)
  assert.is(clientCount(world.clients), 1)
})

saying.run()

// ---- what they are told

const telling = suite('clients: telling')

telling('[STO2] nobody sees what is not settled, and frames keep their order', () => {
  const { world, alice } = createTown()
  const [one, two] = [connectDrafts(world, alice), connectDrafts(world, alice)]
  world.autoSettle = false
  createDraft(one.doc, { id: draftId, editedMs: START_MS, text: 'a' })
  draftText(one.doc, draftId)?.insert(1, 'b')
  const late = connectDrafts(world, alice)
  assert.is(draftText(two.doc, draftId), null)
  assert.is(late.frames, 0)
  world.settle()
  for (const { doc } of [two, late]) assert.is(draftText(doc, draftId)?.toString(), 'ab')
})

const storedNotes = (page: Page) => page.notes.filter(note => note.type === 'stored').map(({ count, pids, members }) => ({ count, pids, members }))

telling('[SYN1] a page hears how many of its frames are stored, and on whom; again when more nodes hold them', () => {
  const { world, alice } = createTown()
  const page = connectDrafts(world, alice) // its step 2 is the first frame
  assert.equal(storedNotes(page), [{ count: 1, pids: [0, 1], members: 3 }])
  world.autoSettle = false
  createDraft(page.doc, { id: draftId, editedMs: START_MS })
  setTextOf(page, 'x')
  assert.is(storedNotes(page).length, 1)
  world.settle()
  assert.equal(storedNotes(page).at(-1), { count: 3, pids: [0, 1], members: 3 })
  world.holders = [pid(0), pid(1), pid(2)]
  world.pass(50)
  assert.equal(storedNotes(page).at(-1), { count: 3, pids: [0, 1, 2], members: 3 })
  world.holders = [pid(0)]
  world.pass(50)
  assert.is(storedNotes(page).length, 3)
})

const setTextOf = (page: Page, text: string): void => void editText(page.doc, draftId, text)

telling('[SYN2] a page hears of the nodes at once and whenever they change', () => {
  const { world, alice } = createTown()
  const page = connectDrafts(world, alice)
  const nodesOf = (): unknown[] => page.notes.filter(note => note.type === 'nodes').map(({ nodes }) => nodes)
  assert.equal(nodesOf(), [world.nodes])
  world.pass(500)
  assert.is(nodesOf().length, 1)
  world.nodes = [...world.nodes, { pid: pid(1), url: 'http://node-1', status: 'down' }]
  world.pass(50)
  assert.equal(nodesOf().at(-1), world.nodes)
  assert.equal(world.connect(`${alice.id}/marks/${month}`, alice.token).notes.map(({ type }) => type), ['stored'])
})

telling('[SYN3] a drafts socket hears something every second, the others every ten', () => {
  const { world, alice } = createTown()
  const page = connectDrafts(world, alice)
  const marks = world.connect(`${alice.id}/marks/${month}`, alice.token)
  world.pass(10_500)
  assert.equal([page.keepAlives, marks.keepAlives], [11, 1])
})

const roomNotes = (page: Page, room: string) => page.notes.filter(note => note.type === 'room').filter(note => note.room === room)

telling('[SYN6] a page hears of each of its rooms, what waits in it, and when that changes', () => {
  const { world, alice, bob } = createTown()
  const room = `${bob.id}/inbox/${month}`
  const sender = connectDrafts(world, alice)
  const first = sendTo(sender, bob)
  const page = connectDrafts(world, bob)
  world.pass(300)
  assert.equal(roomNotes(page, room).map(({ unopened }) => unopened), [1])
  assert.is(roomNotes(page, room)[0]?.digest, world.desk.digestOf(inboxDocument(bob.id, month)))
  assert.is(roomNotes(page, `${bob.id}/drafts`).length, 1)
  sendTo(sender, bob)
  world.pass(300)
  assert.equal(roomNotes(page, room).map(({ unopened }) => unopened), [1, 2])
  const marks = world.connect(`${bob.id}/marks/${month}`, bob.token)
  markOpened(marks.doc, first, START_MS)
  world.pass(300)
  assert.equal(roomNotes(page, room).map(({ unopened }) => unopened), [1, 2, 1])
  assert.is(roomNotes(page, `${bob.id}/marks/${month}`).length, 1)
})

telling('[SYN6] a message that is taken back waits for nobody any more', () => {
  const { world, alice, bob } = createTown()
  const sender = connectDrafts(world, alice)
  const page = connectDrafts(world, bob)
  const [first] = [sendTo(sender, bob), sendTo(sender, bob)]
  world.pass(300)
  const inbox = inboxDocument(bob.id, month)
  world.run(() => world.desk.edit(inbox, doc => recallMessage(doc, first, alice.id, START_MS)))
  sendTo(sender, bob)
  world.pass(300)
  assert.equal(roomNotes(page, `${bob.id}/inbox/${month}`).map(({ unopened }) => unopened).slice(-2), [2, 2], 'one went, one came')
})

telling('[SYN6] at most four notes a second on one room, and the last word is right', () => {
  const { world, alice, bob } = createTown()
  const sender = connectDrafts(world, alice)
  const page = connectDrafts(world, bob)
  for (let i = 0; i < 40; i++) {
    sendTo(sender, bob)
    world.pass(50)
  }
  const count = roomNotes(page, `${bob.id}/inbox/${month}`).length
  assert.ok(count >= 7 && count <= 9, `${count} notes in two seconds`)
  world.pass(300)
  assert.is(roomNotes(page, `${bob.id}/inbox/${month}`).at(-1)?.unopened, 40)
})

telling('[SYN6] rooms out of memory are loaded to be counted, and let go', () => {
  const { world, alice, bob } = createTown()
  sendTo(connectDrafts(world, alice), bob)
  world.unload(inboxDocument(bob.id, month), marksDocument(bob.id, month))
  const page = connectDrafts(world, bob)
  world.pass(300)
  assert.is(roomNotes(page, `${bob.id}/inbox/${month}`).at(-1)?.unopened, 1)
  assert.equal([...world.pins.keys()].filter(name => name.includes(bob.id)), [draftsDocument(bob.id)])
})

telling('[COR3] a slow reader is sent one diff when it has caught up, and misses nothing', () => {
  const { world, alice } = createTown()
  const [fast, slow] = [connectDrafts(world, alice), connectDrafts(world, alice)]
  createDraft(fast.doc, { id: draftId, editedMs: START_MS, text: '' })
  const frames = slow.frames
  world.run(() => onClientFull(world.desk, world.clients, { type: 'client-full', client: slow.id }))
  for (let i = 0; i < 200; i++) draftText(fast.doc, draftId)?.insert(0, `${i} `)
  draftText(fast.doc, draftId)?.delete(0, 4)
  world.pass(2_000)
  assert.equal([slow.frames, slow.keepAlives], [frames, 0])
  assert.ok((world.clients.sockets.get(slow.id)?.output.length ?? 0) < 10)
  world.run(() => onClientWritable(world.desk, world.clients, { type: 'client-writable', client: slow.id }))
  assert.is(slow.frames, frames + 1)
  assert.is(draftText(slow.doc, draftId)?.toString(), draftText(fast.doc, draftId)?.toString())
  draftText(fast.doc, draftId)?.insert(0, 'on: ')
  assert.is(draftText(slow.doc, draftId)?.toString(), draftText(fast.doc, draftId)?.toString())
})

telling('[COR3] while commits do not settle, a socket\'s line stays short; then it has everything', () => {
  const { world, alice } = createTown()
  const [writer, reader] = [connectDrafts(world, alice), connectDrafts(world, alice)]
  createDraft(writer.doc, { id: draftId, editedMs: START_MS, text: '' })
  world.autoSettle = false
  for (let i = 0; i < 60; i++) editText(writer.doc, draftId, String(i % 10).repeat(40_000))
  const line = world.clients.sockets.get(reader.id)
  assert.ok((line?.outputBytes ?? 0) < 1_200_000, `${line?.outputBytes} bytes wait`)
  world.settle()
  assert.is(draftText(reader.doc, draftId)?.toString(), draftText(writer.doc, draftId)?.toString())
})

telling('a client that asks for everything again gets it', () => {
  const { world, alice } = createTown()
  const page = connectDrafts(world, alice)
  createDraft(page.doc, { id: draftId, editedMs: START_MS, text: 'kept' })
  const frames = page.frames
  page.send(encodeSyncStep1(new Uint8Array([0])))
  assert.is(page.frames, frames + 1)
})

telling.run()
