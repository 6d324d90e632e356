// The gate against honest pages, forgers and noise. What it lets through is applied to a copy: it must integrate
// without a throw, leave nothing pending and put no junk into any map.
// deadline: 240 s (eight seconds of properties on an idle machine)

import * as fc from 'fast-check'
import { writeAny, writeUint8, writeVarString, writeVarUint } from 'lib0/encoding'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as Y from 'yjs'
import * as drafts from '../../crdt-schema/drafts.ts'
import { type RoomKind, inspectUpdate } from '../../crdt-schema/gate.ts'
import { type StructWriter, handMade } from '../support/hand-made.ts'
import { KINDS, type Kind } from './deeds.ts'
import { codeOf, contentOf, copyOf, draftId, isPending, judge, messageId, trial } from './gate-judging.ts'
import { type Step, at, createReplica, historyOf, holds } from './replicas.ts'

const test = suite('gate')
const written = KINDS.filter((kind): kind is Kind & { readonly name: 'marks' | 'drafts' } => kind.name === 'marks' || kind.name === 'drafts')

/** The updates that pages make while hearing some of each other. */
const updatesOf = (history: readonly Step[]): Uint8Array[] => {
  const updates: Uint8Array[] = []
  const docs = [11, 12, 13, 14, 15].map(createReplica)
  for (const doc of docs) doc.on('update', (update: Uint8Array, _o: unknown, _d: Y.Doc, transaction: Y.Transaction) => void (transaction.local && updates.push(update)))
  for (const step of history) {
    const doc = docs[step.replica]
    const heard = 'hears' in step ? updates.slice(0, step.hears % (updates.length + 1)) : []
    if (doc === undefined) continue
    if ('deed' in step) step.deed.run(doc)
    for (const update of heard) Y.applyUpdate(doc, update)
  }
  return updates
}

/** If the gate lets an update through, it must apply whole, and leave neither junk nor a foreign root. */
const passAndApply = (node: Y.Doc, kind: (typeof written)[number], update: Uint8Array): boolean => {
  const before = contentOf(node)
  const { status } = inspectUpdate(node, kind.name, update)
  assert.is(contentOf(node), before)
  if (status !== 'applicable') return status === 'nothing'
  Y.applyUpdate(node, update)
  assert.is(isPending(node), false)
  assert.is.not(contentOf(node), before)
  for (const { skipped } of kind.view(node)) assert.is(skipped, 0)
  assert.equal([...node.share.keys()].filter(root => !kind.roots.includes(root)), [])
  assert.equal(Y.encodeStateVector(copyOf(node)), Y.encodeStateVector(node))
  return true
}
for (const kind of written) {
  test(`[SYN5] ${kind.name}: whatever pages write is judged as Yjs would take it, in any order, lost and repeated, and never rejected`, () => {
    const tally = { gap: 0, nothing: 0, applicable: 0 }
    holds(
      fc.property(historyOf(kind.deeds, 15), fc.array(fc.nat(), { minLength: 10, maxLength: 30 }), (history, order) => {
        const updates = updatesOf(history)
        const node = createReplica(1)
        for (const pick of order) {
          const update = updates[pick % Math.max(1, updates.length)]
          if (update === undefined) continue
          const expected = trial(node, update)
          assert.is(codeOf(inspectUpdate(node, kind.name, update)), expected)
          tally[expected] += 1
          if (expected !== 'gap') Y.applyUpdate(node, update)
        }
      }),
      200,
    )
    for (const count of Object.values(tally)) assert.ok(count > 100, JSON.stringify(tally))
  })

  test(`[SYN5] ${kind.name}: a page's whole replica passes at once, and says nothing the second time`, () => {
    holds(
      fc.property(historyOf(kind.deeds, 10), fc.nat(), (history, known) => {
        const updates = updatesOf(history)
        const page = createReplica(2)
        for (const update of updates) Y.applyUpdate(page, update)
        const node = createReplica(1)
        for (const update of updates.slice(0, known % (updates.length + 1))) Y.applyUpdate(node, update)
        const whole = Y.encodeStateAsUpdate(page)
        assert.is(codeOf(inspectUpdate(node, kind.name, whole)), trial(node, whole))
        Y.applyUpdate(node, whole)
        assert.is(codeOf(inspectUpdate(node, kind.name, whole)), 'nothing')
      }),
      150,
    )
  })

  test(`[SYN5] ${kind.name}: a garbled update never throws, and what passes integrates whole and puts no junk in`, () => {
    let passed = 0
    holds(
      fc.property(historyOf(kind.deeds, 10), fc.nat(), fc.array(fc.tuple(fc.nat(), fc.integer({ min: 0, max: 255 })), { minLength: 1, maxLength: 2 }), (history, pick, changes) => {
        const updates = updatesOf(history)
        const update = updates[pick % Math.max(1, updates.length)]?.slice()
        if (update === undefined) return
        for (const [place, byte] of changes) update[place % update.length] = byte
        const node = createReplica(1)
        for (const other of updates.slice(0, pick % updates.length)) if (inspectUpdate(node, kind.name, other).status === 'applicable') Y.applyUpdate(node, other)
        if (passAndApply(node, kind, update)) passed += 1
      }),
      1500,
    )
    assert.ok(passed > 30, `only ${passed} garbled updates passed: too few to say anything`)
  })
}

/**
 * Structs as a forger would write them, knowing the node's document: any content, anywhere, beside what is there.
 * Clocks are drawn relative to what the node holds of a client.
 */
const aForgedUpdate: fc.Arbitrary<(doc: Y.Doc) => Uint8Array> = (() => {
  const client = fc.integer({ min: 11, max: 13 })
  const clockIn = (doc: Y.Doc, of: number, back: number): number => Math.max(0, Y.getState(doc.store, of) - back)
  const id = fc.tuple(client, fc.integer({ min: 0, max: 9 }))
  const place = fc.oneof(
    { weight: 3, arbitrary: fc.record({ origin: fc.option(id), rightOrigin: fc.option(id, { freq: 2 }) }) },
    { weight: 2, arbitrary: fc.record({ parent: id, parentSub: fc.option(fc.constant('k'), { freq: 5 }) }) },
    { weight: 2, arbitrary: fc.record({ root: fc.constantFrom('drafts', 'settings', 'recalls'), parentSub: fc.constantFrom(`${draftId}.text`, `${draftId}.selected`, 'theme', messageId) }) },
  )
  const content = fc.oneof(
    { weight: 4, arbitrary: fc.record({ ref: fc.constant(4), string: fc.string({ minLength: 1, maxLength: 5 }) }) },
    fc.record({ ref: fc.constant(8), values: fc.array(fc.constantFrom<unknown>(true, 1, 'dark'), { minLength: 1, maxLength: 3 }) }),
    fc.record({ ref: fc.constant(1), length: fc.integer({ min: 1, max: 4 }) }),
    fc.record({ ref: fc.constant(7) }),
  )
  const gap = fc.record({ ref: fc.constantFrom(0, 10), length: fc.integer({ min: 1, max: 4 }) })
  const item = fc.tuple(place, content).map(([where, what]) => (doc: Y.Doc): StructWriter => encoder => {
    const origin = 'origin' in where ? where.origin : null
    const rightOrigin = 'rightOrigin' in where ? where.rightOrigin : null
    const parentSub = 'parentSub' in where ? where.parentSub : null
    const isBare = origin === null && rightOrigin === null
    writeUint8(encoder, what.ref | (origin === null ? 0 : 0x80) | (rightOrigin === null ? 0 : 0x40) | (isBare && parentSub !== null ? 0x20 : 0))
    const writeId = ([of, back]: [number, number]): void => [of, clockIn(doc, of, back)].forEach(number => writeVarUint(encoder, number))
    if (origin !== null) writeId(origin)
    if (rightOrigin !== null) writeId(rightOrigin)
    if (isBare) {
      writeVarUint(encoder, 'parent' in where ? 0 : 1)
      if ('parent' in where) writeId(where.parent)
      else writeVarString(encoder, 'root' in where ? where.root : 'settings')
      if (parentSub !== null) writeVarString(encoder, parentSub)
    }
    if ('string' in what) writeVarString(encoder, what.string)
    else if ('values' in what) {
      writeVarUint(encoder, what.values.length)
      for (const value of what.values) writeAny(encoder, value as never)
    } else writeVarUint(encoder, 'length' in what ? what.length : 2)
  })
  const hole = gap.map(({ ref, length }) => (_doc: Y.Doc): StructWriter => encoder => {
    writeUint8(encoder, ref)
    writeVarUint(encoder, length)
  })
  const line = fc.tuple(client, fc.oneof({ weight: 4, arbitrary: fc.constant(0) }, { weight: 1, arbitrary: fc.integer({ min: -1, max: 4 }) }), fc.array(fc.oneof({ weight: 12, arbitrary: item }, { weight: 1, arbitrary: hole }), { minLength: 1, maxLength: 3 }))
  const lines = fc.uniqueArray(line, { selector: ([of]) => of, minLength: 1, maxLength: 2 })
  const deletes = fc.uniqueArray(fc.tuple(client, fc.tuple(fc.integer({ min: 0, max: 9 }), fc.integer({ min: 1, max: 4 }))), { selector: ([of]) => of, maxLength: 2 })
  return fc.tuple(lines, deletes).map(([clients, ranges]) => doc =>
    handMade(
      clients.map(([of, back, structs]) => [of, clockIn(doc, of, back), ...structs.map(struct => struct(doc))] as const),
      ranges.map(([of, [back, length]]) => [of, [clockIn(doc, of, back), length]] as const),
    ),
  )
})()

test('[SYN5] forged structs are refused, or they integrate whole, put no junk in and survive a reload', () => {
  const drafted = written.find(kind => kind.name === 'drafts')
  if (drafted === undefined) return
  const tally: Record<string, number> = {}
  holds(
    fc.property(fc.array(drafted.deeds, { maxLength: 8 }), fc.array(aForgedUpdate, { minLength: 1, maxLength: 6 }), (deeds, forged) => {
      const node = createReplica(1)
      const page = createReplica(11)
      drafts.createDraft(page, { id: draftId, editedMs: at(0), text: 'held' })
      for (const deed of deeds) deed.run(page)
      Y.applyUpdate(node, Y.encodeStateAsUpdate(page))
      for (const forgery of forged) {
        const update = forgery(node)
        const code = judge(update, 'drafts', node)
        tally[code] = (tally[code] ?? 0) + 1
        passAndApply(node, drafted, update)
      }
    }),
    1500,
  )
  for (const code of ['applicable', 'gap', 'bad-update', 'bad-key', 'bad-value']) assert.ok((tally[code] ?? 0) > 50, JSON.stringify(tally))
})

test('[SYN5] noise never throws and changes nothing', () => {
  holds(
    fc.property(fc.uint8Array({ maxLength: 60 }), fc.constantFrom<RoomKind>('marks', 'drafts', 'inbox'), (bytes, kind) => {
      const node = createReplica(1)
      inspectUpdate(node, kind, bytes)
      assert.is(node.store.clients.size, 0)
    }),
    3000,
  )
})

test.run()
