// Event streams: what a follower is told, when, and what following does to arriving mail.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { addOutboxEntry, createDraft, discardDraft, editText } from '../../crdt-schema/drafts.ts'
import type { MessageJson } from '../../crdt-schema/api-shapes.ts'
import { type MessageId, draftsDocument, inboxDocument, marksDocument, millisToMonth, mintDraftId, mintMessageId } from '../../crdt-schema/ids.ts'
import { readReceiptsOf } from '../../crdt-schema/inbox.ts'
import { readMark, setChecked } from '../../crdt-schema/marks.ts'
import { deliverOutbox } from '../../node/core/delivery.ts'
import { endSession } from '../../node/core/sessions.ts'
import { endStream, onSessionsChanged, openStream } from '../../node/core/streams.ts'
import { type SignIn, signIn, signUp } from '../support/accounts.ts'
import { START_MS, runHandler } from '../support/desk.ts'
import { type SocketDesk, createSocketDesk } from '../support/socket-desk.ts'

const month = millisToMonth(START_MS)
let minted = 0
const draftId = mintDraftId(START_MS, new Uint8Array(10))

const createTown = (): { world: SocketDesk; alice: SignIn; bob: SignIn } => {
  const world = createSocketDesk()
  return { world, alice: signUp(world.base, 'alice'), bob: signUp(world.base, 'bob') }
}

const follow = (world: SocketDesk, call: number, { id, token }: SignIn): void => {
  const session = world.base.directory.sessionOf(token, world.base.clusterMs)
  assert.ok(session)
  world.run(() => openStream(world.desk, world.streams, call, { accountId: id, sessionId: session.id }))
}

const send = (world: SocketDesk, alice: SignIn, bob: SignIn, text = 'hello'): MessageId => {
  const id = mintMessageId(START_MS, new Uint8Array(10).fill(++minted))
  world.run(() => {
    world.desk.edit(draftsDocument(alice.id), doc => addOutboxEntry(doc, { id, fromName: 'alice', to: [{ id: bob.id, name: 'bob' }], text, sentMs: START_MS }))
    deliverOutbox(world.desk, draftsDocument(alice.id))
  })
  return id
}

const streams = suite('streams')

streams('[DEL5] a message that arrives is opened on its reader\'s behalf, told once, and its sender hears of it', () => {
  const { world, alice, bob } = createTown()
  follow(world, 1, bob)
  const id = send(world, alice, bob)
  const [told, ...more] = world.told(1)
  assert.equal([told?.event, (told?.data as MessageJson).state, (told?.data as MessageJson).text, more], ['message', 'opened', 'hello', []])
  assert.ok(readMark(world.base.document(marksDocument(bob.id, month)) ?? assert.unreachable() as never, id).openedMs)
  assert.ok(readReceiptsOf(world.base.document(inboxDocument(alice.id, month)) ?? assert.unreachable() as never, id, bob.id).opened)
})

streams('what waited before is left in the Inbox', () => {
  const { world, alice, bob } = createTown()
  const id = send(world, alice, bob)
  follow(world, 1, bob)
  world.pass(200)
  assert.equal(world.told(1), [])
  assert.is(readMark(world.base.document(marksDocument(bob.id, month)) ?? assert.unreachable() as never, id).openedMs, null)
})

streams('[STO2] nothing is told before it is settled, the opening included', () => {
  const { world, alice, bob } = createTown()
  follow(world, 1, bob)
  world.autoSettle = false
  send(world, alice, bob)
  world.pass(200)
  assert.equal(world.told(1), [])
  world.settle() // the message; now it is opened
  assert.equal(world.told(1), [])
  world.settle()
  assert.is(world.told(1).length, 1)
})

streams('marks, receipts and drafts are told as they change, to every stream of the account', () => {
  const { world, alice, bob } = createTown()
  const id = send(world, alice, bob)
  follow(world, 1, alice)
  follow(world, 2, alice)
  const drafts = draftsDocument(alice.id)
  world.run(() => world.desk.edit(drafts, doc => createDraft(doc, { id: draftId, editedMs: START_MS, text: 'a' })))
  world.run(() => world.desk.edit(drafts, doc => editText(doc, draftId, 'ab')))
  world.run(() => world.desk.edit(drafts, doc => discardDraft(doc, draftId)))
  world.run(() => world.desk.edit(marksDocument(alice.id, month), doc => setChecked(doc, id, true)))
  for (const call of [1, 2]) {
    const told = world.told(call)
    assert.equal(told.map(({ event }) => event), ['draft-changed', 'draft-changed', 'draft-changed', 'message-changed'])
    assert.equal(told.slice(1, 3).map(({ data }) => (data as { text?: string; gone?: boolean }).text ?? (data as { gone?: boolean }).gone), ['ab', true])
    assert.is((told[3]?.data as MessageJson).checked, true)
  }
})

streams('what came while its document was out of memory is told when it is back', () => {
  const { world, alice, bob } = createTown()
  follow(world, 1, bob)
  const month2 = '2026-04' as typeof month
  const old = mintMessageId(Date.UTC(2026, 3, 10) as typeof START_MS, new Uint8Array(10).fill(++minted))
  const inbox = inboxDocument(bob.id, month2)
  world.base.edit(inbox, doc => doc.getMap('messages').set(old, [[alice.id, 'alice'], [[bob.id, 'bob']], 'late', START_MS])) // applied by the machine while loading
  world.unload(inbox)
  world.run(() => world.desk.pin(inbox))
  world.pass(100)
  assert.equal(world.told(1).map(({ event, data }) => [event, (data as MessageJson).text]), [['message', 'late']])
})

streams('an ended session ends its streams, and says so', () => {
  const { world, alice } = createTown()
  const second = signIn(world.base, 'alice')
  follow(world, 1, alice)
  follow(world, 2, second)
  runHandler(world.base, endSession, { type: 'end-session', id: 'current' }, { token: alice.token })
  world.run(() => onSessionsChanged(world.desk, world.streams))
  assert.equal(world.told(1), [{ event: 'session-ended', data: { code: 'unauthorized' } }, { event: 'end', data: null }])
  assert.equal(world.told(2), [])
})

streams('[COR3] an account has so many streams, and a stream that ended holds nothing', () => {
  const { world, alice } = createTown()
  for (let call = 1; call <= 17; call++) follow(world, call, alice)
  assert.equal(world.told(17).map(({ event }) => event), ['429'])
  for (let call = 1; call <= 16; call++) endStream(world.streams, call)
  world.pass(50)
  assert.is(world.streams.feeds.size, 0)
  assert.is(world.pins.size, 0)
})

streams.run()
