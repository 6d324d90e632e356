// Where the structs of an update belong, which Yjs leaves implicit: a struct may name its parent only by a neighbour, and
// that may be in the document or in the same update. So structs are walked in an order in which Yjs could integrate
// them, each after those it refers to. Reads the document and the scan; applies nothing and judges no content: see gate.ts.

import * as Y from 'yjs'
import { assert } from './prelude.ts'
import type { ClockRange, ScannedStruct, ScannedUpdate, StructId } from './update-scan.ts'

/** Where a struct goes: a key of a root map, a shared text, or nowhere, because a neighbour was garbage-collected. */
export type Place = { readonly type: 'entry'; readonly root: string; readonly key: string } | { readonly type: 'text'; readonly text: string } | { readonly type: 'void' }

/** Why a walk ends early: the update needs what nobody has yet, or Yjs could not integrate it, or it is in no map. */
export type WalkFault = 'gap' | 'bad-update' | 'bad-root' | 'bad-key'

export interface Walk {
  readonly doc: Y.Doc
  readonly scanned: ScannedUpdate
  readonly rootNames: ReadonlyMap<unknown, string>
  readonly cursors: ReadonlyMap<number, Cursor>
  /** Of the update's new structs, as far as the walk has come. */
  readonly places: Map<ScannedStruct, Place>
}

/** A client's next struct, and the clock it has reached with the document's help. */
interface Cursor {
  readonly structs: readonly ScannedStruct[]
  index: number
  clock: number
}

export const createWalk = (doc: Y.Doc, scanned: ScannedUpdate): Walk => ({
  doc,
  scanned,
  rootNames: new Map([...doc.share].map(([name, type]) => [type, name])),
  cursors: new Map([...scanned.structs].map(([client, structs]) => [client, { structs, index: 0, clock: Y.getState(doc.store, client) }])),
  places: new Map(),
})

export const endOf = (range: ClockRange): number => range.clock + range.length
/** How far a client's structs are known, with what the walk has passed. */
export const reachedClock = (walk: Walk, client: number): number => walk.cursors.get(client)?.clock ?? Y.getState(walk.doc.store, client)

/** What to do with a new struct at its place; an answer ends the walk. */
export type Visit<Code> = (struct: ScannedStruct, place: Place) => Code | null

/**
 * Visits each new struct after those it refers to; answers null when all are visited. A client's line
 * waits on a stack while another client's advances to what it needs; needing a line that is itself waiting is a
 * circle, which no editor can make and Yjs would keep pending for ever.
 */
export const walkStructs = <Code extends string>(walk: Walk, visit: Visit<Code>): Code | WalkFault | null => {
  for (const [client, { structs }] of walk.cursors) {
    const last = structs.at(-1)
    if (last === undefined) continue
    const stack = [{ client, until: endOf(last) }]
    const waiting = new Set([client])
    for (let top = stack.at(-1); top !== undefined; top = stack.at(-1)) {
      const outcome = advance(walk, visit, top.client, top.until)
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
 * Visits a client's structs up to the clock `until`; answers with the struct it must wait for, if any. Structs that
 * the document holds are looked at, too: Yjs resolves their references before it passes over them.
 */
const advance = <Code extends string>(walk: Walk, visit: Visit<Code>, client: number, until: number): 'reached' | Code | WalkFault | StructId => {
  const cursor = walk.cursors.get(client)
  if (cursor === undefined) return 'gap'
  for (let struct = cursor.structs[cursor.index]; struct !== undefined; struct = cursor.structs[cursor.index]) {
    const isNew = endOf(struct) > cursor.clock
    if (isNew && cursor.clock >= until) return 'reached'
    if (struct.content.type !== 'skip') {
      if (struct.clock > cursor.clock) return 'gap'
      const missing = missingOf(walk, struct)
      if (missing !== null) return missing
      const verdict = isNew ? visitStruct(walk, visit, struct) : null
      if (verdict !== null) return verdict
      cursor.clock = Math.max(cursor.clock, endOf(struct))
    }
    cursor.index += 1
  }
  return cursor.clock >= until ? 'reached' : 'gap'
}

/** The first reference of a struct to another client's struct that is not known yet. */
const missingOf = (walk: Walk, { client, origin, rightOrigin, parent }: ScannedStruct): StructId | null => {
  for (const id of [origin, rightOrigin, parent]) {
    if (id !== null && typeof id !== 'string' && id.client !== client && id.clock >= reachedClock(walk, id.client)) return id
  }
  return null
}

const visitStruct = <Code extends string>(walk: Walk, visit: Visit<Code>, struct: ScannedStruct): Code | WalkFault | null => {
  const place = findPlace(walk, struct)
  if (typeof place === 'string') return place
  walk.places.set(struct, place)
  return checkOverlap(walk, struct, place) ?? visit(struct, place)
}

/** A struct whose beginning the document holds already is spliced onto it by Yjs, so it must lie in the same place. */
const checkOverlap = (walk: Walk, struct: ScannedStruct, place: Place): WalkFault | null => {
  const state = Y.getState(walk.doc.store, struct.client)
  if (struct.clock >= state || struct.content.type === 'gc') return null
  const held = findHeldPlace(walk, { client: struct.client, clock: state - 1 })
  if (typeof held === 'string') return held
  return isSamePlace(held, place) ? null : 'bad-update'
}

// ---- places

const VOID: Place = { type: 'void' }

const isSamePlace = (a: Place, b: Place): boolean =>
  a.type === 'entry' ? b.type === 'entry' && a.root === b.root && a.key === b.key : a.type === 'text' ? b.type === 'text' && a.text === b.text : b.type === 'void'

/** A shared text, or any struct, by the id of its first clock. */
export const textName = ({ client, clock }: StructId): string => `${client}:${clock}`

/** As Item.getMissing in Yjs: the place of the left neighbour, else of the right one, else the parent it names. */
const findPlace = (walk: Walk, struct: ScannedStruct): Place | WalkFault => {
  const { content, origin, rightOrigin, parent, parentSub } = struct
  if (content.type === 'gc') return VOID
  if (origin !== null || rightOrigin !== null) {
    const left = origin === null ? null : findNeighbourPlace(walk, origin)
    const right = rightOrigin === null ? null : findNeighbourPlace(walk, rightOrigin)
    if (typeof left === 'string') return left
    if (typeof right === 'string') return right
    // Between a struct and itself is nowhere: replicas would each put it where they met it.
    if (origin !== null && rightOrigin !== null && textName(origin) === textName(rightOrigin)) return 'bad-update'
    if (left !== null && right !== null && !isSamePlace(left, right)) return 'bad-update'
    return left ?? right ?? VOID
  }
  if (typeof parent === 'string') return parentSub === null ? 'bad-key' : { type: 'entry', root: parent, key: parentSub }
  assert(parent !== null, 'the scan gives a parent to every struct without neighbours')
  const container = findContainer(walk, parent)
  return container !== VOID && parentSub !== null ? 'bad-key' : container
}

const isHeld = (walk: Walk, id: StructId): boolean => id.clock < Y.getState(walk.doc.store, id.client)

const heldStruct = (walk: Walk, id: StructId): Y.Item | Y.GC => {
  const structs = walk.doc.store.clients.get(id.client)
  const struct = structs?.[Y.findIndexSS(structs, id.clock)]
  assert(struct !== undefined, 'a clock below the state is held')
  return struct
}

/** The struct of the update that covers an id already walked over. */
const walkedStruct = (walk: Walk, id: StructId): ScannedStruct => {
  const structs = walk.scanned.structs.get(id.client) ?? []
  let low = 0
  let high = structs.length - 1
  while (low < high) {
    const middle = (low + high + 1) >> 1
    if ((structs[middle]?.clock ?? Infinity) <= id.clock) low = middle
    else high = middle - 1
  }
  const struct = structs[low]
  assert(struct !== undefined, 'missingOf let only known ids through')
  return struct
}

const findNeighbourPlace = (walk: Walk, id: StructId): Place | WalkFault =>
  isHeld(walk, id) ? findHeldPlace(walk, id) : (walk.places.get(walkedStruct(walk, id)) ?? VOID)

const findHeldPlace = (walk: Walk, id: StructId): Place | WalkFault => {
  const struct = heldStruct(walk, id)
  if (!(struct instanceof Y.Item)) return VOID
  const parent = struct.parent
  if (!(parent instanceof Y.AbstractType)) return 'bad-update'
  if (parent._item !== null) return { type: 'text', text: textName(parent._item.id) }
  const root = walk.rootNames.get(parent)
  return root === undefined || struct.parentSub === null ? 'bad-root' : { type: 'entry', root, key: struct.parentSub }
}

/** The place inside a type given by id: a shared text, or nowhere if that was deleted. */
const findContainer = (walk: Walk, id: StructId): Place | WalkFault => {
  if (isHeld(walk, id)) {
    const struct = heldStruct(walk, id)
    if (!(struct instanceof Y.Item) || struct.content instanceof Y.ContentDeleted) return VOID
    return struct.content instanceof Y.ContentType && struct.content.type instanceof Y.Text ? { type: 'text', text: textName(id) } : 'bad-update'
  }
  const struct = walkedStruct(walk, id)
  const { type } = struct.content
  if (type === 'gc' || type === 'deleted') return VOID
  return type === 'text' ? { type: 'text', text: textName(id) } : 'bad-update'
}

// ---- what the document holds

/** Calls `visit` for each held struct that a range touches, until it answers true; then answers true. */
export const someHeldStruct = (doc: Y.Doc, client: number, range: ClockRange, visit: (struct: Y.Item | Y.GC) => boolean): boolean => {
  const structs = doc.store.clients.get(client)
  if (structs === undefined || range.clock >= Y.getState(doc.store, client)) return false
  for (let i = Y.findIndexSS(structs, range.clock); i < structs.length; i += 1) {
    const struct = structs[i]
    if (struct === undefined || struct.id.clock >= endOf(range)) return false
    if (visit(struct)) return true
  }
  return false
}

/** A shared text by its name, or null if the document does not hold it. */
export const heldText = (walk: Walk, name: string): Y.Text | null => {
  const [client, clock] = name.split(':').map(Number)
  assert(client !== undefined && clock !== undefined, 'textName wrote it')
  const struct = isHeld(walk, { client, clock }) ? heldStruct(walk, { client, clock }) : null
  return struct instanceof Y.Item && struct.content instanceof Y.ContentType && struct.content.type instanceof Y.Text ? struct.content.type : null
}
