// Awareness: what stock clients send of it, a node takes in silence and tells nobody, for it could be forged [DOC7].

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { signUp } from '../support/accounts.ts'
import { createSocketDesk } from '../support/socket-desk.ts'

const awareness = suite('awareness')

awareness('[DOC7] awareness and questions for it are answered with nothing, told to nobody and cost nothing', () => {
  const world = createSocketDesk()
  const { id, token } = signUp(world.base, 'alice')
  const [first, second] = [world.connect(`${id}/drafts`, token), world.connect(`${id}/drafts`, token)]
  const before = [first.frames, second.frames, first.notes.length, second.notes.length]
  for (const frame of [[1, 4, 1, 1, 1, 2], [1], [3], [3, 9, 9]]) world.run(() => first.send(Uint8Array.from(frame)))
  assert.equal([first.frames, second.frames, first.notes.length, second.notes.length], before)
  assert.equal([first.closed, second.closed], [null, null])
  world.run(() => { first.doc.getMap('settings').set('receipts', 'off') })
  assert.is(second.doc.getMap('settings').get('receipts'), 'off', 'and the socket goes on')
})

awareness.run()
