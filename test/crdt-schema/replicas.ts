// Replicas of one document for property tests: any operations on any replica, updates delivered in any order and
// more than once, then everything to everyone. Seeds are fixed; STARLING_TEST_SEED=n tries another.

import * as fc from 'fast-check'
import * as Y from 'yjs'
import type { AccountId, DraftId, Epoch, Hlc, MessageId, Millis, NodeId, Pid, RequestId, SessionId } from '../../crdt-schema/ids.ts'
import { mintDraftId, mintMessageId, mintNodeId, mintRequestId, mintSessionId, requestToAccountId } from '../../crdt-schema/ids.ts'
import type { Person } from '../../crdt-schema/inbox.ts'

export const SEED = Number(process.env['STARLING_TEST_SEED'] ?? 20_260_301)

/** Runs a property with the fixed seed; a failure's message names the seed, the path and the shrunk example. */
export const holds = (property: fc.IRawProperty<unknown>, numRuns = 100): void => {
  const outcome = fc.check(property as fc.IProperty<unknown>, { seed: SEED, numRuns })
  if (!outcome.failed) return
  const cause = outcome.errorInstance instanceof Error ? outcome.errorInstance.stack : String(outcome.errorInstance)
  throw new Error(`${fc.defaultReportMessage(outcome)}\n${cause}`)
}

/** Something done to one replica. */
export interface Deed {
  readonly name: string
  readonly run: (doc: Y.Doc) => unknown
}

/** What happens in a history: a replica acts, or hears one of the updates made so far. */
export type Step = { readonly replica: number; readonly deed: Deed } | { readonly replica: number; readonly hears: number }

export const REPLICAS_MAX = 5

export const historyOf = (deeds: fc.Arbitrary<Deed>, minLength = 0): fc.Arbitrary<Step[]> => {
  const replica = fc.nat(REPLICAS_MAX - 1)
  return fc.array(fc.oneof({ weight: 3, arbitrary: fc.record({ replica, deed: deeds }) }, { weight: 2, arbitrary: fc.record({ replica, hears: fc.nat() }) }), { minLength, maxLength: 40 })
}

export const createReplica = (clientId: number): Y.Doc => {
  const doc = new Y.Doc()
  doc.clientID = clientId
  return doc
}

/** Plays a history on five replicas, then gives every update to everyone, in another order for each, and half of them twice. */
export const playHistory = (history: readonly Step[]): Y.Doc[] => {
  const updates: Uint8Array[] = []
  const docs = Array.from({ length: REPLICAS_MAX }, (_, i) => createReplica(i + 1))
  for (const doc of docs) {
    doc.on('update', (update: Uint8Array, _origin: unknown, _doc: Y.Doc, transaction: Y.Transaction) => {
      if (transaction.local) updates.push(update)
    })
  }
  for (const step of history) {
    const doc = docs[step.replica]
    if (doc === undefined) continue
    if ('deed' in step) step.deed.run(doc)
    else {
      const update = updates[step.hears % Math.max(1, updates.length)]
      if (update !== undefined) Y.applyUpdate(doc, update)
    }
  }
  docs.forEach((doc, i) => {
    const turned = i % 2 === 0 ? updates : [...updates].reverse()
    for (const update of [...turned, ...turned.slice(0, turned.length / 2)]) Y.applyUpdate(doc, update)
  })
  return docs
}

export const deedsOf = (history: readonly Step[]): Deed[] => history.flatMap(step => ('deed' in step ? [step.deed] : []))

/** A view as comparable text; maps keep their order, which must be equal, too. */
export const show = (value: unknown): string =>
  JSON.stringify(value, (_key, item: unknown) => (item instanceof Map ? { map: [...item] } : item instanceof Set ? { set: [...item] } : item), 1)

/** Any doc with any junk in the given root maps. */
export const junkEntries: fc.Arbitrary<[string, unknown][]> = fc.array(
  fc.tuple(
    fc.string({ maxLength: 80 }),
    fc.oneof(
      fc.constantFrom<unknown>(null, true, false, 0, -1, 1.5, 2 ** 53, '', 'x', [], [[]], {}, [null, null], [1, 2, 3, 4], [[], [], [], []], [['', ''], [['', '']], 5, -1]),
      fc.jsonValue(),
      fc.uint8Array({ maxLength: 4 }),
    ),
  ),
  { maxLength: 12 },
)

// ---- ids, few of each, so that histories meet themselves

const bytes = (n: number): Uint8Array => new Uint8Array(16).fill(n)
const few = <Id>(make: (n: number) => Id, count = 4): readonly Id[] => Array.from({ length: count }, (_, n) => make(n))

export const T0 = 1_760_000_000_000 as Millis
export const at = (ms: number): Millis => (T0 + ms) as Millis
export const hlcAt = (n: number): Hlc => (T0 * 1024 + n) as Hlc

export const requestIds: readonly RequestId[] = few(n => mintRequestId(bytes(n)))
export const accountIds: readonly AccountId[] = requestIds.map(requestToAccountId)
export const messageIds: readonly MessageId[] = few(n => mintMessageId(at(n), bytes(n).slice(6)))
export const draftIds: readonly DraftId[] = few(n => mintDraftId(at(n), bytes(n).slice(6)), 3)
export const sessionIds: readonly SessionId[] = few(n => mintSessionId(at(n), bytes(n).slice(6)))
export const nodeIds: readonly NodeId[] = few(n => mintNodeId(bytes(n)))
export const names = ['ana', 'Ben', 'Zoë', 'd.e-f_9'] as const

const from = <T>(items: readonly T[]): fc.Arbitrary<T> => fc.constantFrom(...items)
export const anAccount = from(accountIds)
export const aMessageId = from(messageIds)
export const aDraftId = from(draftIds)
export const aSessionId = from(sessionIds)
export const aNodeId = from(nodeIds)
export const aRequestId = from(requestIds)
export const aName = from(names)
export const anHlc: fc.Arbitrary<Hlc> = fc.nat(50).map(hlcAt)
export const aTime: fc.Arbitrary<Millis> = fc.nat(50).map(at)
export const anEpoch: fc.Arbitrary<Epoch> = fc.integer({ min: 64, max: 200 }) as fc.Arbitrary<Epoch>
export const aPid: fc.Arbitrary<Pid> = fc.nat(4) as fc.Arbitrary<Pid>
export const personOf = (n: number): Person => ({ id: accountIds[n] ?? '', name: names[n] ?? 'ana' })
export const aPerson: fc.Arbitrary<Person> = fc.oneof(fc.nat(3).map(personOf), fc.constant<Person>({ id: '', name: 'ghost' }))
export const aText = fc.oneof(fc.constantFrom('', ' ', 'hello', 'hallo', '😀', 'a😀b', 'ab'), fc.string({ unit: 'binary', maxLength: 12 }))
