// What leaves memory, and when.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { AccountId, DocumentName } from '../../crdt-schema/ids.ts'
import { draftsDocument } from '../../crdt-schema/ids.ts'
import { findDocument } from '../../node/core/documents.ts'
import { createLone } from '../support/cores.ts'

const memory = suite('memory')

memory('[COR5] many small documents count by what they take in memory, which is many times what they take on disk', () => {
  const cores = createLone({ documentMemoryBytes: 100_000 })
  const { state } = cores.core(0)
  const names = Array.from({ length: 200 }, (_, i): DocumentName => draftsDocument(i.toString(16).padStart(32, '0') as AccountId))
  for (const name of names) cores.edit(0, name, doc => doc.getMap('settings').set('theme', 'dark'))
  assert.ok(state.documents.loaded.size >= names.length)
  cores.run(3_000)
  const stored = names.reduce((sum, name) => sum + (state.documents.heads.get(name)?.bytes ?? 0), 0)
  assert.ok(stored < 50_000, `${stored} bytes on disk`)
  const left = names.filter(name => state.documents.loaded.has(name)).length
  assert.ok(left < 50, `${left} of ${names.length} are still in memory`)
})

memory('[COR5] documents in use stay up to four times the budget, for they would be read again at once', () => {
  const cores = createLone({ documentMemoryBytes: 300_000 })
  const { state } = cores.core(0)
  const names = Array.from({ length: 200 }, (_, i): DocumentName => draftsDocument(i.toString(16).padStart(32, '0') as AccountId))
  const left = (): number => names.filter(name => state.documents.loaded.has(name)).length
  for (const name of names) cores.edit(0, name, doc => doc.getMap('settings').set('theme', 'dark'))
  for (let round = 0; round < 20; round++) {
    cores.run(200)
    for (const name of names) findDocument(state, name)
    assert.is(left(), names.length, `round ${round}`)
  }
  cores.run(4_000)
  assert.ok(left() < 100, `${left()} of ${names.length} are still in memory`)
})

memory.run()
