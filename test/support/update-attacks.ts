// FAULTS X2: hostile updates through the sockets of a real core. Each class is hostile by how it is made, so the verdict
// does not come from the gate under attack: nothing of it may reach a commit. Flipped updates are the exception: some of
// them are harmless, and those must integrate whole and leave nothing that readers skip.

import { createEncoder, toUint8Array, writeUint8, writeVarString, writeVarUint } from 'lib0/encoding'
import * as Y from 'yjs'
import * as drafts from '../../crdt-schema/drafts.ts'
import { type DocumentName, draftsDocument, marksDocument, parseAccountId } from '../../crdt-schema/ids.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import * as marks from '../../crdt-schema/marks.ts'
import { encodeSyncStep2, encodeUpdate } from '../../crdt-schema/wire.ts'
import { type Random, createRandom } from '../sim/random.ts'
import { BLOCK_MS_MAX } from './frame-attacks.ts'
import { type StructWriter, handMade, longValueAt, stringAfter, valueAt } from './hand-made.ts'
import { DRAFT_ID, MESSAGE_ID, writeHonestPage } from './honest-page.ts'
import { mangle } from './mangling.ts'
import type { UnitResult } from './programme.ts'
import { MONTH, createAttackedNode } from './victim.ts'

type Room = 'drafts' | 'marks' | 'inbox'
type Attack = { readonly room: Room; readonly update: Uint8Array }
type Scene = { readonly random: Random; readonly honest: readonly Uint8Array[]; readonly nodeClients: readonly number[] }

const HUGE = [0xffff_ffff, 2 ** 31, 30_000_000, 2 ** 40, Number.MAX_SAFE_INTEGER] as const
const JUNK_ROOTS = ['messages', 'receipts', 'recalled', 'claims', 'released', 'secrets', 'removed', 'granted', 'nodes', 'clusterId', '__proto__', 'constructor', '', 'Drafts', 'drafts ', 'x'.repeat(500)] as const
const client = (random: Random): number => random.integer(100, 0xffff_fff0)

const varUints = (...numbers: readonly number[]): Uint8Array => {
  const encoder = createEncoder()
  for (const number of numbers) writeVarUint(encoder, number)
  return toUint8Array(encoder)
}
const forge = (root: string, key: string, value: unknown): Uint8Array => {
  const doc = new Y.Doc()
  doc.getMap(root).set(key, value)
  return Y.encodeStateAsUpdate(doc)
}
const bare = (ref: number, length: number): StructWriter => (encoder) => {
  writeUint8(encoder, ref)
  writeVarUint(encoder, length)
}

/** Values that stand under no key of either room, by the key they are put under. */
const wrongValue = (random: Random): Uint8Array => {
  const value = random.pick<unknown>([{ a: 1 }, [[1]], 'x'.repeat(2_000), Number.NaN, -1, null, [], {}, JSON.parse('{ "__proto__": 1 }'), ['ana', 'ben'], '<img src=x onerror=alert(1)>'.repeat(80)])
  const key = random.pick([`${DRAFT_ID}.selected`, `${DRAFT_ID}.discarded`, `${DRAFT_ID}.editedMs`, `${DRAFT_ID}.to`])
  if (key.endsWith('.to') && Array.isArray(value) && value.length === 0) return forge('drafts', key, 7)
  if (random.chance(0.3)) return forge('outbox', MESSAGE_ID, random.pick<unknown>([1, 'x', ['ana'], ['ana', [], 'text', 1], ['ana', [['', 'ben']], { a: 1 }, 1], ['ana', [['', 'ben']], 'text', 'soon'], ['ana', [[{ a: 1 }, 'ben']], 'text', 1]]))
  if (random.chance(0.2)) return forge('drafts', `${DRAFT_ID}.text`, random.pick<unknown>(['plain', 1, true, { a: 1 }]))
  if (random.chance(0.2)) return forge('drafts', `${DRAFT_ID}.text`, random.pick([new Y.Map(), new Y.Array(), new Y.XmlElement('script'), new Y.XmlText(), new Y.Doc()]))
  return forge('drafts', key, value)
}

/** Each makes one hostile update. */
export const CLASSES: Readonly<Record<string, (scene: Scene) => Attack>> = {
  'junk root': ({ random }) => ({ room: random.pick(['drafts', 'marks']), update: random.chance(0.5) ? forge(random.pick(JUNK_ROOTS), MESSAGE_ID, random.pick<unknown>([1, 'x', { a: 1 }])) : handMade([[client(random), 0, valueAt(random.pick(JUNK_ROOTS), 'k', 1)]]) }),
  'wrong key': ({ random }) => random.chance(0.5)
    ? { room: 'drafts', update: forge(random.pick(['drafts', 'outbox', 'recalls']), random.pick(['__proto__', 'x', `${DRAFT_ID}.constructor`, `${DRAFT_ID}`, `${MESSAGE_ID.toUpperCase()}`, '']), true) }
    : { room: 'marks', update: forge('marks', random.pick(['__proto__', `x:${MESSAGE_ID}`, 'o:', 'd:first', `o:${MESSAGE_ID} `]), true) },
  'wrong value': ({ random }) => (random.chance(0.8) ? { room: 'drafts', update: wrongValue(random) } : { room: 'marks', update: forge('marks', `${random.pick(['d', 'c'])}:${MESSAGE_ID}`, random.pick<unknown>([1, 'yes', [true], { a: true }, null])) }),
  'giant length': ({ random }) => {
    const huge = random.pick(HUGE)
    const of = client(random)
    const update = random.pick([
      () => varUints(1, huge, of, 0), () => varUints(huge, 1, of, 0), () => varUints(0, 1, of, huge), () => varUints(0, huge),
      // Collected garbage of thirty million clocks is one struct, costs nothing and may be: beyond 31 bits it may not.
      () => handMade([[of, 0, bare(0, Math.max(huge, 2 ** 31))]]), () => handMade([[of, 0, bare(10, huge)]]), () => handMade([[of, huge, valueAt('settings', 'theme', 1)]]),
      () => handMade([], [[of, [huge, huge]]]),
      () => handMade([[of, 0, (encoder) => { writeUint8(encoder, 0x28); writeVarUint(encoder, 1); writeVarString(encoder, 'settings'); writeVarString(encoder, 'theme'); writeVarUint(encoder, huge) }]]),
      () => handMade([[of, 0, longValueAt('outbox', MESSAGE_ID, random.integer(2, 2_000))]]),
    ])()
    return { room: random.pick(['drafts', 'marks']), update }
  },
  gap: ({ random }) => {
    const of = client(random)
    const other = client(random)
    return { room: 'drafts', update: random.pick([() => handMade([[of, random.integer(1, 1_000), valueAt('settings', 'theme', 'dark')]]), () => handMade([[of, 0, stringAfter(other, random.integer(0, 50), 'x')]]), () => handMade([], [[other, [0, random.integer(1, 1_000)]]])])() }
  },
  '10,000 ids': ({ random }) => {
    const first = random.integer(1_000, 1_000_000)
    const isSpread = random.chance(0.5)
    return { room: 'drafts', update: handMade(Array.from({ length: 10_000 }, (_, index) => [first + 10_000 - index, 0, valueAt('settings', isSpread ? `k${index}` : 'k', 1)] as const)) }
  },
  "the node's own id": ({ random, nodeClients }) => ({ room: 'drafts', update: handMade([[random.pick(nodeClients), 0, valueAt('settings', 'theme', 'dark')]]) }),
  'an inbox written': ({ random, honest }) => ({ room: 'inbox', update: random.chance(0.5) ? forge(random.pick(['messages', 'receipts', 'recalled']), MESSAGE_ID, random.pick<unknown>([1, [['', 'a'], [], 'x', 1]])) : random.pick(honest) }),
  'a circle': ({ random }) => {
    const [of, other] = [client(random), client(random)].sort((a, b) => b - a) as [number, number]
    return { room: 'drafts', update: random.chance(0.5) ? handMade([[of, 0, stringAfter(of, 0, 'x')]]) : handMade([[of, 0, stringAfter(other, 0, 'x')], [other, 0, stringAfter(of, 0, 'x')]]) }
  },
  truncated: ({ random, honest }) => {
    const whole = random.pick(honest)
    return { room: 'drafts', update: whole.slice(0, random.integer(0, whole.length - 1)) }
  },
  'too much': ({ random }) => ({ room: 'drafts', update: random.chance(0.5) ? forge('settings', 'x', 'x'.repeat(LIMITS.settingValueCharactersMax + 1)) : forge('settings', 'k'.repeat(LIMITS.settingKeyCharactersMax + random.integer(1, 500)), 1) }),
}
const FLIPPED = 'flipped'
const ATTACKS_A_NODE = 1_000

const honestUpdates = (): readonly Uint8Array[] => {
  const { page, updates } = writeHonestPage('hello there, and more', (page) => drafts.discardDraft(page, DRAFT_ID))
  return [...updates, Y.encodeStateAsUpdate(page)]
}

const skippedIn = (doc: Y.Doc, room: Room): number =>
  (room === 'marks' ? [marks.readMarks(doc)] : [drafts.readDrafts(doc), drafts.readOutbox(doc), drafts.readSettings(doc)]).reduce((sum, { skipped }) => sum + skipped, 0)

/** Plays so many updates of all classes in turn. */
export const attackWithUpdates = (seed: string, count: number): UnitResult => {
  const random = createRandom(`X2/${seed}`)
  const honest = honestUpdates()
  const names = [...Object.keys(CLASSES), FLIPPED]
  const findings: string[] = []
  const tally: Record<string, number> = Object.fromEntries(names.map((name) => [name, 0]))
  const micros: number[] = []
  let played = 0
  let harmless = 0
  while (played < count && findings.length < 20) {
    const { victim, ann } = createAttackedNode()
    const account = parseAccountId(ann.id)
    if (account === null) throw new Error('no account')
    const documents: Readonly<Record<Room, DocumentName | null>> = { drafts: draftsDocument(account), marks: marksDocument(account, MONTH as never), inbox: null }
    const sockets = new Map<Room, number>()
    const roomOf: Readonly<Record<Room, string>> = { drafts: 'drafts', marks: `marks/${MONTH}`, inbox: `inbox/${MONTH}` }
    const scene: Scene = { random, honest, nodeClients: [] }
    for (let used = 0; used < ATTACKS_A_NODE && played < count && findings.length < 20; used++, played++) {
      const name = names[played % names.length] ?? FLIPPED
      const attach = (room: Room): number => {
        const open = sockets.get(room)
        if (open !== undefined && victim.closedWith(open) === null) return open
        const fresh = victim.attach(`${ann.id}/${roomOf[room]}`, ann.token)
        sockets.set(room, fresh)
        return fresh
      }
      attach('drafts')
      const docOf = (room: Room): Y.Doc | undefined => (documents[room] === null ? undefined : victim.state.documents.loaded.get(documents[room])?.doc)
      const { room, update } = name === FLIPPED ? { room: 'drafts' as const, update: mangle(random.pick(honest), random, honest) } : (CLASSES[name] as (scene: Scene) => Attack)({ ...scene, nodeClients: [docOf('drafts')?.clientID ?? 1] })
      const socket = attach(room)
      const before = victim.updatesCommitted
      victim.slowest.ms = 0
      const startedMs = performance.now()
      try {
        victim.feed({ type: 'client-frame', client: socket, frame: (random.chance(0.5) ? encodeUpdate : encodeSyncStep2)(update) })
      } catch (error) {
        findings.push(`${name} (seed ${seed}, ${played}) threw ${(error as Error).message}: ${Buffer.from(update.slice(0, 2_048)).toString('hex')}`)
        break
      }
      micros.push((performance.now() - startedMs) * 1_000)
      tally[name] = (tally[name] ?? 0) + 1
      const isApplied = victim.updatesCommitted !== before
      if (name !== FLIPPED && isApplied) findings.push(`${name} (seed ${seed}, ${played}) was applied in ${room}: ${Buffer.from(update.slice(0, 2_048)).toString('hex')}`)
      if (name === FLIPPED && isApplied) {
        harmless += 1
        const doc = docOf(room)
        if (doc === undefined || doc.store.pendingStructs !== null || doc.store.pendingDs !== null || skippedIn(doc, room) > 0) findings.push(`a flipped update (seed ${seed}, ${played}) left junk or half of it: ${Buffer.from(update).toString('hex')}`)
      }
      if (victim.slowest.ms > BLOCK_MS_MAX) findings.push(`${name} (seed ${seed}, ${played}) held the node for ${Math.round(victim.slowest.ms)} ms: ${Buffer.from(update.slice(0, 256)).toString('hex')}`)
      if (used % 50 === 49) victim.tick()
    }
  }
  return { findings, figures: { faults: played, 'flipped and harmless': harmless, 'microseconds to refuse': micros.map(Math.round).sort((a, b) => a - b).filter((_, index) => index % 50 === 49 || index === micros.length - 1), ...Object.fromEntries(Object.entries(tally).map(([name, times]) => [`of ${name}`, times])) } }
}
