// Frame counts of a socket turned into changes that are stored [SYN1].

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createChangeReceipts } from '../../web/link/receipts.ts'
import { createLedger } from '../../web/model/ledger.ts'

const test = suite('receipts')
const note = (count: number, pids: number[] = [0, 1]) => ({ count, pids, members: 3 })

/** A socket that has made its handshake: both step 1 sent, the node's answered. */
const open = () => {
  const receipts = createChangeReceipts()
  receipts.onSocketOpened()
  receipts.onStep1Received()
  receipts.onStep2Sent()
  return receipts
}

test('[SYN1] a change is stored once the frame that held it is counted', () => {
  const receipts = open()
  receipts.onChange()
  receipts.onUpdateSent()
  assert.is(receipts.onNote(note(1))?.change, 0)
  assert.equal(receipts.onNote(note(2)), { change: 1, pids: [0, 1], members: 3 })
  assert.is(receipts.stored, 1)
})

test('[SYN1] the same count with more pids tells of the same change again', () => {
  const receipts = open()
  receipts.onChange()
  receipts.onUpdateSent()
  receipts.onNote(note(2, [0]))
  assert.equal(receipts.onNote(note(2, [0, 1, 2])), { change: 1, pids: [0, 1, 2], members: 3 })
})

test('what was written without a socket is in the first step 2, and in no update sent before it', () => {
  const receipts = createChangeReceipts()
  receipts.onChange()
  receipts.onSocketOpened()
  receipts.onChange()
  receipts.onUpdateSent() // typed during the handshake
  assert.is(receipts.onNote(note(1)), null)
  receipts.onStep1Received()
  receipts.onStep2Sent()
  assert.is(receipts.onNote(note(2))?.change, 2)
})

test('[SYN5] a frame that was not applied vouches for nothing; the step 2 that answers for it does', () => {
  const receipts = open()
  receipts.onChange()
  receipts.onUpdateSent() // frame 2: held back by the node, not counted
  receipts.onStep1Received()
  assert.is(receipts.onNote(note(1)), null)
  receipts.onStep2Sent() // frame 3
  assert.is(receipts.onNote(note(2))?.change, 1)
})

test('a new socket counts from the beginning', () => {
  const receipts = open()
  receipts.onChange()
  receipts.onUpdateSent()
  receipts.onSocketOpened()
  assert.is(receipts.onNote(note(2)), null)
  receipts.onStep1Received()
  receipts.onStep2Sent()
  assert.is(receipts.onNote(note(1))?.change, 1)
})

test('k only rises, and a thing written anew starts again', () => {
  const ledger = createLedger<string>()
  ledger.touch(['draft'], 1)
  assert.equal(ledger.pending.value, ['draft'])
  ledger.onStored({ change: 1, pids: [0, 1], members: 3 })
  ledger.onStored({ change: 1, pids: [1], members: 3 })
  assert.equal(ledger.pidsOf('draft'), [0, 1])
  ledger.touch(['draft'], 2)
  assert.ok(ledger.isPending('draft'))
  ledger.onStored({ change: 1, pids: [0, 1, 2], members: 3 })
  assert.ok(ledger.isPending('draft'))
})

test('something met for the first time is pending only if its change is', () => {
  const ledger = createLedger<string>()
  ledger.onStored({ change: 4, pids: [2], members: 3 })
  ledger.meet('from another tab', 5)
  ledger.meet('from another device', 4)
  assert.ok(ledger.isPending('from another tab'))
  assert.equal(ledger.pidsOf('from another device'), [2])
})

test.run()
