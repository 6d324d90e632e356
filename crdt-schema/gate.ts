// The gate [SYN5]: judges a client's update as a whole before any of it is applied. Four outcomes: rejected (close
// the socket, nothing happened), a gap (ask for what is missing), nothing new, or applicable with the entries it sets.
// It must see through what Yjs leaves implicit: a struct may name its parent only by a neighbour, which may be in the
// document or in the same update, so places are worked out in the order in which Yjs would integrate them.
// Never throws on any bytes, and changes nothing. What it cannot see: neighbours named in the wrong order. With those a
// forger may make the text of his own drafts read differently on two replicas, and harms nobody else.

import * as Y from 'yjs'
import { countLiveDrafts, parseDraftEntry, parseOutboxEntry, parseRecallEntry, parseSettingEntry } from './drafts.ts'
import { parseDraftId, parseMessageId, parseRequestId, utf8Length } from './ids.ts'
import { LIMITS } from './limits.ts'
import { MARKS, parseMarkEntry } from './marks.ts'
import { assert } from './prelude.ts'
import { type ClockRange, type ScannedStruct, type ScannedUpdate, type StructId, scanUpdate } from './update-scan.ts'

export type RoomKind = 'marks' | 'drafts' | 'inbox'

export type GateCode =
  | 'too-large'
  /** Cannot be decoded, or structs that Yjs could not integrate. */
  | 'bad-update'
  | 'bad-root'
  | 'bad-key'
  | 'bad-value'
  /** A client's inbox replica says something the node does not hold. */
  | 'read-only'
  /** New structs under a client id of the node's own. */
  | 'reserved-client'
  | 'document-full'
  | 'text-too-large'
  | 'too-many-drafts'
  | 'outbox-full'

export interface GateLimits {
  readonly updateBytesMax: number
  readonly structsMax: number
  /** The size of the document now, and where growth ends. */
  readonly documentBytes: number
  readonly documentBytesMax: number
  /** Client ids under which this node writes: Yjs would change its own id on seeing new structs under it [DOC6]. */
  readonly reservedClients: ReadonlySet<number>
}

export const DEFAULT_GATE_LIMITS: GateLimits = {
  updateBytesMax: LIMITS.clientFrameBytesMax,
  structsMax: 500_000,
  documentBytes: 0,
  documentBytesMax: LIMITS.draftsDocumentBytesMax,
  reservedClients: new Set(),
}

/** A key that an update sets in a root map. `value` is undefined for a shared text and for content deleted since. */
export interface GateEntry {
  readonly root: string
  readonly key: string
  readonly value: unknown
}

export type Inspection =
  | { readonly status: 'rejected'; readonly code: GateCode }
  /** Needs what the document lacks: do not apply it, ask with a step 1. */
  | { readonly status: 'gap' }
  /** Adds nothing: do not apply it, for Yjs might still split items where it points. */
  | { readonly status: 'nothing' }
  | { readonly status: 'applicable'; readonly entries: readonly GateEntry[] }

/** Devices that were offline may together pass a limit that each kept; only twice the limit is an attack or a bug. */
const MERGE_SLACK = 2
/** Structs of one update at one spot; an editor reaches a handful. */
const CROWD_MAX = 4096

/** Judges `update` against what `doc` holds now. Takes time linear in the update and in what it deletes. */
export const inspectUpdate = (doc: Y.Doc, kind: RoomKind, update: Uint8Array, limits: GateLimits = DEFAULT_GATE_LIMITS): Inspection => {
  if (update.length > limits.updateBytesMax) return rejected('too-large')
  const scanned = scanUpdate(update, limits.structsMax)
  if (scanned === null) return rejected('bad-update')
  if (kind === 'inbox') return addsAnything(doc, scanned) ? rejected('read-only') : { status: 'nothing' }
  const work = createWork(doc, kind, scanned, limits)
  const verdict = settleStructs(work) ?? checkDeletes(work) ?? checkGrowth(work, update.length)
  if (verdict !== null) return verdict === 'gap' ? { status: 'gap' } : rejected(verdict)
  return work.addsStructs || deletesAnything(doc, scanned) ? { status: 'applicable', entries: work.entries } : { status: 'nothing' }
}

const rejected = (code: GateCode): Inspection => ({ status: 'rejected', code })

// ---- what a kind of document may hold

interface RootRule {
  readonly isKey: (key: string) => boolean
  readonly isValue: (key: string, value: unknown) => boolean
}

const DRAFT_FIELDS = new Set(['.to', '.text', '.selected', '.discarded', '.editedMs', '.sent'])
const isDraftKey = (key: string): boolean => parseDraftId(key.slice(0, 36)) !== null && DRAFT_FIELDS.has(key.slice(36))
const isTextPlace = (root: string, key: string): boolean => root === 'drafts' && key.endsWith('.text')
const isMessageKey = (key: string): boolean => parseMessageId(key) !== null
const isMarkKey = (key: string): boolean => (key.startsWith('k:') ? parseRequestId(key.slice(2)) === key.slice(2) : /^[odc]:/.test(key) && isMessageKey(key.slice(2)))
const isMarkValue = (key: string, value: unknown): boolean =>
  parseMarkEntry(key, value) !== null && (!key.startsWith('k:') || utf8Length(JSON.stringify(value)) <= LIMITS.requestOutcomeBytesMax * MERGE_SLACK)

const RULES: Record<'marks' | 'drafts', ReadonlyMap<string, RootRule>> = {
  marks: new Map([[MARKS, { isKey: isMarkKey, isValue: isMarkValue }]]),
  drafts: new Map<string, RootRule>([
    ['drafts', { isKey: isDraftKey, isValue: (key, value) => parseDraftEntry(key, value) !== null }],
    ['outbox', { isKey: isMessageKey, isValue: (key, value) => parseOutboxEntry(key, value) !== null }],
    ['recalls', { isKey: isMessageKey, isValue: (key, value) => parseRecallEntry(key, value) !== null }],
    ['settings', { isKey: key => key.length <= LIMITS.settingKeyCharactersMax, isValue: (key, value) => parseSettingEntry(key, value) !== null }],
  ]),
}

// ---- the work on one update

/** Where a struct goes: a key of a root map, a shared text, or nowhere, because a neighbour was garbage-collected. */
type Place = { readonly type: 'entry'; readonly root: string; readonly key: string } | { readonly type: 'text'; readonly text: string } | { readonly type: 'void' }

type Verdict = GateCode | 'gap' | null

interface Work {
  readonly doc: Y.Doc
  readonly rules: ReadonlyMap<string, RootRule>
  readonly scanned: ScannedUpdate
  readonly limits: GateLimits
  readonly rootNames: ReadonlyMap<unknown, string>
  /** For each client of the update, the index of its next struct and the clock it has reached with the document's help. */
  readonly cursors: ReadonlyMap<number, Cursor>
  readonly places: Map<ScannedStruct, Place>
  readonly entries: GateEntry[]
  /** How many new structs claim one and the same spot. */
  readonly crowds: Map<string, number>
  /** Bytes of text that the update adds, by shared text. */
  readonly textGrowth: Map<string, number>
  addsStructs: boolean
  addsContent: boolean
}

interface Cursor {
  readonly structs: readonly ScannedStruct[]
  index: number
  clock: number
}

const createWork = (doc: Y.Doc, kind: 'marks' | 'drafts', scanned: ScannedUpdate, limits: GateLimits): Work => ({
  doc,
  rules: RULES[kind],
  scanned,
  limits,
  rootNames: new Map([...doc.share].map(([name, type]) => [type, name])),
  cursors: new Map([...scanned.structs].map(([client, structs]) => [client, { structs, index: 0, clock: Y.getState(doc.store, client) }])),
  places: new Map(),
  entries: [],
  crowds: new Map(),
  textGrowth: new Map(),
  addsStructs: false,
  addsContent: false,
})

const endOf = (range: ClockRange): number => range.clock + range.length
const reachedClock = (work: Work, client: number): number => work.cursors.get(client)?.clock ?? Y.getState(work.doc.store, client)

/**
 * Walks the structs in an order in which Yjs can integrate them: each after those it refers to. A client's line
 * waits on a stack while another client's advances to what it needs; needing a line that is itself waiting is a
 * circle, which no editor can make and Yjs would keep pending for ever.
 */
const settleStructs = (work: Work): Verdict => {
  for (const [client, { structs }] of work.cursors) {
    const last = structs.at(-1)
    if (last === undefined) continue
    const stack = [{ client, until: endOf(last) }]
    const waiting = new Set([client])
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const outcome = advance(work, top.client, top.until)
      if (outcome === 'reached') {
        waiting.delete(top.client)
        stack.pop()
      } else if (typeof outcome === 'string') {
        return outcome
      } else {
        if (waiting.has(outcome.client)) return 'bad-update'
        waiting.add(outcome.client)
        stack.push({ client: outcome.client, until: outcome.clock + 1 })
      }
    }
  }
  return null
}

/**
 * Settles a client's structs up to the clock `until`; answers with the struct it must wait for, if any. Structs that
 * the document holds are looked at, too: Yjs resolves their references before it passes over them.
 */
const advance = (work: Work, client: number, until: number): 'reached' | 'gap' | GateCode | StructId => {
  const cursor = work.cursors.get(client)
  if (cursor === undefined) return 'gap'
  for (let struct = cursor.structs[cursor.index]; struct !== undefined; struct = cursor.structs[cursor.index]) {
    const isNew = endOf(struct) > cursor.clock
    if (isNew && cursor.clock >= until) return 'reached'
    if (struct.content.type !== 'skip') {
      if (struct.clock > cursor.clock) return 'gap'
      const missing = missingOf(work, struct)
      if (missing !== null) return missing
      const verdict = isNew ? settleStruct(work, struct) : null
      if (verdict !== null) return verdict
      cursor.clock = Math.max(cursor.clock, endOf(struct))
    }
    cursor.index += 1
  }
  return cursor.clock >= until ? 'reached' : 'gap'
}

/** The first reference of a struct to another client's struct that is not settled yet. */
const missingOf = (work: Work, { client, origin, rightOrigin, parent }: ScannedStruct): StructId | null => {
  for (const id of [origin, rightOrigin, parent]) {
    if (id !== null && typeof id !== 'string' && id.client !== client && id.clock >= reachedClock(work, id.client)) return id
  }
  return null
}

/** Finds a new struct's place and checks what it puts there. */
const settleStruct = (work: Work, struct: ScannedStruct): Verdict => {
  const place = findPlace(work, struct)
  if (typeof place === 'string') return place
  const continues = checkOverlap(work, struct, place)
  if (continues !== null) return continues
  if (work.limits.reservedClients.has(struct.client)) return 'reserved-client'
  work.places.set(struct, place)
  work.addsStructs = true
  const { content } = struct
  if (place.type === 'void' || content.type === 'gc') return null
  if (isCrowded(work, struct, place)) return 'bad-update'
  if (content.type !== 'deleted') work.addsContent = true
  return place.type === 'text' ? settleText(work, place.text, struct) : settleEntry(work, place.root, place.key, struct)
}

/** Yjs compares structs that were inserted at one spot pair by pair: a crowd there would hold the node for minutes. */
const isCrowded = (work: Work, { origin }: ScannedStruct, place: Place): boolean => {
  const spot = origin !== null ? textName(origin) : place.type === 'entry' ? `${place.root}/${place.key}` : place.type === 'text' ? `start ${place.text}` : ''
  const crowd = (work.crowds.get(spot) ?? 0) + 1
  work.crowds.set(spot, crowd)
  return crowd > CROWD_MAX
}

const settleText = (work: Work, text: string, { content }: ScannedStruct): Verdict => {
  if (content.type === 'deleted') return null
  if (content.type !== 'string') return 'bad-value'
  work.textGrowth.set(text, (work.textGrowth.get(text) ?? 0) + utf8Length(content.string))
  return null
}

const settleEntry = (work: Work, root: string, key: string, { content }: ScannedStruct): Verdict => {
  const rule = work.rules.get(root)
  if (rule === undefined) return 'bad-root'
  if (!rule.isKey(key)) return 'bad-key'
  if (content.type === 'values') {
    if (isTextPlace(root, key) || !content.values.every(value => rule.isValue(key, value))) return 'bad-value'
    work.entries.push({ root, key, value: content.values.at(-1) })
    return null
  }
  if (content.type === 'text' ? !isTextPlace(root, key) : content.type !== 'deleted') return 'bad-value'
  work.entries.push({ root, key, value: undefined })
  return null
}

/**
 * A struct whose beginning the document holds already is spliced onto it by Yjs, so it must lie in the same place.
 * If that beginning was garbage-collected, Yjs would throw; told of a gap, the client sends the rest alone.
 */
const checkOverlap = (work: Work, struct: ScannedStruct, place: Place): Verdict => {
  const state = Y.getState(work.doc.store, struct.client)
  if (struct.clock >= state || struct.content.type === 'gc') return null
  const held = findHeldPlace(work, { client: struct.client, clock: state - 1 })
  if (typeof held === 'string') return held
  if (held.type === 'void') return 'gap'
  return isSamePlace(held, place) ? null : 'bad-update'
}

// ---- places

const VOID: Place = { type: 'void' }

const isSamePlace = (a: Place, b: Place): boolean =>
  a.type === 'entry' ? b.type === 'entry' && a.root === b.root && a.key === b.key : a.type === 'text' ? b.type === 'text' && a.text === b.text : b.type === 'void'

/** A shared text, or any struct, by the id of its first clock. */
const textName = ({ client, clock }: StructId): string => `${client}:${clock}`

/** As Item.getMissing in Yjs: the place of the left neighbour, else of the right one, else the parent it names. */
const findPlace = (work: Work, struct: ScannedStruct): Place | GateCode => {
  const { content, origin, rightOrigin, parent, parentSub } = struct
  if (content.type === 'gc') return VOID
  if (origin !== null || rightOrigin !== null) {
    const left = origin === null ? null : findNeighbourPlace(work, origin)
    const right = rightOrigin === null ? null : findNeighbourPlace(work, rightOrigin)
    if (typeof left === 'string') return left
    if (typeof right === 'string') return right
    // Between a struct and itself is nowhere: replicas would each put it where they met it.
    if (origin !== null && rightOrigin !== null && textName(origin) === textName(rightOrigin)) return 'bad-update'
    if (left?.type === 'void' || right?.type === 'void') return VOID
    if (left !== null && right !== null && !isSamePlace(left, right)) return 'bad-update'
    return left ?? right ?? VOID
  }
  if (typeof parent === 'string') return parentSub === null ? 'bad-key' : { type: 'entry', root: parent, key: parentSub }
  assert(parent !== null, 'the scan gives a parent to every struct without neighbours')
  const container = findContainer(work, parent)
  return container !== VOID && parentSub !== null ? 'bad-key' : container
}

const isHeld = (work: Work, id: StructId): boolean => id.clock < Y.getState(work.doc.store, id.client)

const heldStruct = (work: Work, id: StructId): Y.Item | Y.GC => {
  const structs = work.doc.store.clients.get(id.client)
  const struct = structs?.[Y.findIndexSS(structs, id.clock)]
  assert(struct !== undefined, 'a clock below the state is held')
  return struct
}

/** The struct of the update that covers an id already settled. */
const settledStruct = (work: Work, id: StructId): ScannedStruct => {
  const structs = work.scanned.structs.get(id.client) ?? []
  let low = 0
  let high = structs.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((structs[middle]?.clock ?? Infinity) <= id.clock) low = middle
    else high = middle - 1
  }
  const struct = structs[low]
  assert(struct !== undefined, 'missingOf let only settled ids through')
  return struct
}

const findNeighbourPlace = (work: Work, id: StructId): Place | GateCode =>
  isHeld(work, id) ? findHeldPlace(work, id) : (work.places.get(settledStruct(work, id)) ?? VOID)

const findHeldPlace = (work: Work, id: StructId): Place | GateCode => {
  const struct = heldStruct(work, id)
  if (!(struct instanceof Y.Item)) return VOID
  const parent = struct.parent
  if (!(parent instanceof Y.AbstractType)) return 'bad-update'
  if (parent._item !== null) return { type: 'text', text: textName(parent._item.id) }
  const root = work.rootNames.get(parent)
  return root === undefined || struct.parentSub === null ? 'bad-root' : { type: 'entry', root, key: struct.parentSub }
}

/** The place inside a type given by id: a shared text, or nowhere if that was deleted. */
const findContainer = (work: Work, id: StructId): Place | GateCode => {
  if (isHeld(work, id)) {
    const struct = heldStruct(work, id)
    if (!(struct instanceof Y.Item) || struct.content instanceof Y.ContentDeleted) return VOID
    return struct.content instanceof Y.ContentType && struct.content.type instanceof Y.Text ? { type: 'text', text: textName(id) } : 'bad-update'
  }
  const struct = settledStruct(work, id)
  const { type } = struct.content
  if (work.places.get(struct) === VOID || type === 'gc' || type === 'deleted') return VOID
  return type === 'text' ? { type: 'text', text: textName(id) } : 'bad-update'
}

// ---- deletes

/** Every deleted range must lie within what is held or comes with the update. */
const checkDeletes = (work: Work): Verdict => {
  for (const [client, ranges] of work.scanned.deletes) {
    const last = ranges.at(-1)
    if (last !== undefined && endOf(last) > reachedClock(work, client)) return 'gap'
  }
  return null
}

/** Calls `visit` for each held struct that a range touches, until it answers true; then answers true. */
const someHeldStruct = (doc: Y.Doc, client: number, range: ClockRange, visit: (struct: Y.Item | Y.GC) => boolean): boolean => {
  const structs = doc.store.clients.get(client)
  if (structs === undefined || range.clock >= Y.getState(doc.store, client)) return false
  for (let i = Y.findIndexSS(structs, range.clock); i < structs.length; i += 1) {
    const struct = structs[i]
    if (struct === undefined || struct.id.clock >= endOf(range)) return false
    if (visit(struct)) return true
  }
  return false
}

const deletesAnything = (doc: Y.Doc, { deletes }: ScannedUpdate): boolean =>
  [...deletes].some(([client, ranges]) => ranges.some(range => someHeldStruct(doc, client, range, struct => !struct.deleted)))

/** For a read-only room: whether any struct or delete is new, complete or not. */
const addsAnything = (doc: Y.Doc, scanned: ScannedUpdate): boolean => {
  for (const [client, structs] of scanned.structs) {
    const state = Y.getState(doc.store, client)
    if (structs.some(struct => struct.content.type !== 'skip' && endOf(struct) > state)) return true
  }
  for (const [client, ranges] of scanned.deletes) {
    const last = ranges.at(-1)
    if (last !== undefined && endOf(last) > Y.getState(doc.store, client)) return true
  }
  return deletesAnything(doc, scanned)
}

// ---- quotas, which refuse growth only

const checkGrowth = (work: Work, updateBytes: number): Verdict => {
  const { doc, entries, limits, textGrowth } = work
  if (work.addsContent && limits.documentBytes + updateBytes > limits.documentBytesMax) return 'document-full'
  const newTexts = entries.filter(({ root, key }) => isTextPlace(root, key)).length
  if (newTexts > 0 && countLiveDrafts(doc) + newTexts > LIMITS.draftsMax * MERGE_SLACK) return 'too-many-drafts'
  const newSendings = entries.filter(({ root, value }) => root === 'outbox' && value !== undefined).length
  if (newSendings > 0 && doc.getMap('outbox').size + newSendings > LIMITS.outboxMax * MERGE_SLACK) return 'outbox-full'
  return checkTexts(work, LIMITS.draftTextBytesMax * MERGE_SLACK)
}

const checkTexts = (work: Work, bytesMax: number): Verdict => {
  let shrinkage: ReadonlyMap<string, number> | null = null
  for (const [name, growth] of work.textGrowth) {
    const text = heldText(work, name)
    // A UTF-16 unit takes at most three bytes, so most texts need no exact count.
    if (text === null ? growth <= bytesMax : text.length * 3 + growth <= bytesMax) continue
    shrinkage ??= measureShrinkage(work)
    if (utf8Length(text?.toString() ?? '') + growth - (shrinkage.get(name) ?? 0) > bytesMax) return 'text-too-large'
  }
  return null
}

const heldText = (work: Work, name: string): Y.Text | null => {
  const [client, clock] = name.split(':').map(Number)
  assert(client !== undefined && clock !== undefined, 'textName wrote it')
  const struct = isHeld(work, { client, clock }) ? heldStruct(work, { client, clock }) : null
  return struct instanceof Y.Item && struct.content instanceof Y.ContentType && struct.content.type instanceof Y.Text ? struct.content.type : null
}

/** How many bytes the update deletes from each shared text, of its own additions too. Ranges and structs both rise: one pass. */
const measureShrinkage = (work: Work): Map<string, number> => {
  const shrinkage = new Map<string, number>()
  const count = (name: string, string: string, clock: number, range: ClockRange): void => {
    const deleted = string.slice(Math.max(0, range.clock - clock), Math.max(0, endOf(range) - clock))
    shrinkage.set(name, (shrinkage.get(name) ?? 0) + utf8Length(deleted))
  }
  for (const [client, ranges] of work.scanned.deletes) {
    const added = work.scanned.structs.get(client) ?? []
    let first = 0
    for (const range of ranges) {
      someHeldStruct(work.doc, client, range, struct => {
        if (struct instanceof Y.Item && !struct.deleted && struct.content instanceof Y.ContentString && struct.parent instanceof Y.AbstractType && struct.parent._item !== null) {
          count(textName(struct.parent._item.id), struct.content.str, struct.id.clock, range)
        }
        return false
      })
      for (let i = first; i < added.length; i += 1) {
        const struct = added[i]
        if (struct === undefined || struct.clock >= endOf(range)) break
        if (endOf(struct) <= endOf(range)) first = i + 1
        const place = work.places.get(struct)
        if (struct.content.type === 'string' && place?.type === 'text') count(place.text, struct.content.string, struct.clock, range)
      }
    }
  }
  return shrinkage
}
