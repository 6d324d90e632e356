// What holds for every document kind, whatever the operations and in whatever order replicas hear of them.

import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as Y from 'yjs'
import { KINDS } from './deeds.ts'
import { createReplica, deedsOf, historyOf, holds, junkEntries, playHistory, show } from './replicas.ts'

const documents = suite('documents')

for (const kind of KINDS) {
  documents(`[DOC3] ${kind.name}: five replicas that heard the same, in any order and repeated, show one view without junk`, () => {
    holds(
      fc.property(historyOf(kind.deeds), history => {
        const [first, ...others] = playHistory(history).map(doc => kind.view(doc))
        for (const other of others) assert.equal(show(other), show(first))
        for (const { skipped } of first ?? []) assert.is(skipped, 0)
      }),
      150,
    )
  })

  documents(`[DOC1] ${kind.name}: an operation repeated on a replica that knows it writes nothing`, () => {
    holds(
      fc.property(fc.array(kind.deeds, { maxLength: 12 }), fc.nat(), (deeds, at) => {
        const doc = createReplica(1)
        for (const deed of deeds) deed.run(doc)
        const again = deeds[at % Math.max(1, deeds.length)]
        if (again === undefined) return
        again.run(doc) // may change something: later deeds may have undone it
        const before = Y.encodeStateAsUpdate(doc)
        again.run(doc)
        assert.equal(Y.encodeStateAsUpdate(doc), before, again.name)
      }),
    )
  })

  documents(`[DOC5] ${kind.name}: junk in any map is counted, never thrown, and hides nothing else`, () => {
    holds(
      fc.property(fc.array(kind.deeds, { maxLength: 10 }), junkEntries, fc.constantFrom(...kind.roots), (deeds, junk, root) => {
        const doc = createReplica(1)
        for (const deed of deeds) deed.run(doc)
        const before = kind.view(doc)
        // Keys that begin like this are of no kind but settings, where any short key with a plain value is a setting.
        if (root === 'settings') return
        for (const [key, value] of junk) doc.getMap(root).set(`?${key}`, value)
        const after = kind.view(doc)
        assert.equal(show(after.map(({ value }) => value)), show(before.map(({ value }) => value)))
        const keys = new Set(junk.map(([key]) => key)).size
        const readsKeys = kind.name === 'accounts' && root === 'secrets' ? 0 : keys // secrets are read by account
        assert.is(
          after.reduce((sum, { skipped }) => sum + skipped, 0),
          readsKeys,
        )
      }),
    )
  })

  documents(`[DOC5] ${kind.name}: junk under keys that are in use is never thrown, by readers nor by operations`, () => {
    holds(
      fc.property(fc.array(kind.deeds, { minLength: 1, maxLength: 10 }), junkEntries, fc.infiniteStream(fc.nat()), (deeds, junk, random) => {
        const doc = createReplica(1)
        for (const deed of deeds) deed.run(doc)
        const keys = kind.roots.flatMap(root => [...doc.getMap(root).keys()].map(key => [root, key] as const))
        for (const [, value] of junk) {
          const [root, key] = keys[random.next().value % Math.max(1, keys.length)] ?? []
          if (root !== undefined && key !== undefined) doc.getMap(root).set(key, value)
        }
        kind.view(doc)
        for (const deed of deeds) deed.run(doc)
        kind.view(doc)
      }),
    )
  })
}

documents('[DOC3] a history plays: the deeds of the generator reach every root map', () => {
  for (const kind of KINDS) {
    const doc = createReplica(1)
    const written = new Set<string>()
    for (const history of fc.sample(historyOf(kind.deeds), { seed: 1, numRuns: 50 })) {
      for (const deed of deedsOf(history)) {
        deed.run(doc)
        for (const root of kind.roots) if (doc.getMap(root).size > 0) written.add(root)
      }
    }
    assert.equal([...written].sort(), [...kind.roots].sort())
  }
})

documents.run()
