// The gate [SYN5]: judges a client's update as a whole before any of it is applied. Four outcomes: rejected (close
// the socket, nothing happened), a gap (ask for what is missing), nothing new, or applicable with the entries it sets.
// Never throws on any bytes, and changes nothing. What it cannot see: neighbours named in the wrong order. With those a
// forger may make the text of his own drafts read differently on two replicas, and harms nobody else.

import * as Y from 'yjs'
import { type OutboxEntry, countLiveDrafts, parseDraftEntry, parseOutboxEntry, parseRecallEntry, parseSettingEntry } from './drafts.ts'
import { parseDraftId, parseMessageId, parseRequestId, utf8Length } from './ids.ts'
import { type ReadInsertions, keysOfInsertions, readInsertions, valuesOfInsertions } from './insertions.ts'
import { LIMITS } from './limits.ts'
import { MARKS, parseMarkEntry } from './marks.ts'
import { type ClockRange, type ScannedStruct, type ScannedUpdate, scanUpdate } from './update-scan.ts'
import { type Place, type Walk, createWalk, endOf, heldText, reachedClock, someHeldStruct, textName, walkStructs } from './update-walk.ts'

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
/** Client ids that one update brings; each stays in every state vector for ever. Twenty years of four visits a week, all of them unknown here, are fewer. */
const NEW_CLIENTS_MAX = 8192

/** Judges `update` against what `doc` holds now. Takes time linear in the update and in what it deletes. */
export const inspectUpdate = (doc: Y.Doc, kind: RoomKind, update: Uint8Array, limits: GateLimits = DEFAULT_GATE_LIMITS): Inspection => {
  if (update.length > limits.updateBytesMax) return rejected('too-large')
  const scanned = scanUpdate(update, limits.structsMax)
  if (scanned === null) return rejected('bad-update')
  if (kind === 'inbox') return addsAnything(doc, scanned) ? rejected('read-only') : { status: 'nothing' }
  if (bringsCrowd(doc, scanned)) return rejected('bad-update')
  const work = createWork(doc, kind, scanned, limits)
  const verdict = walkStructs(work.walk, (struct, place) => settleStruct(work, struct, place)) ?? checkDeletes(work) ?? checkGrowth(work, update.length)
  if (verdict !== null) return verdict === 'gap' ? { status: 'gap' } : rejected(verdict)
  return work.addsStructs || deletesAnything(doc, scanned) ? { status: 'applicable', entries: work.entries } : { status: 'nothing' }
}

/** What a drafts document holds, as far as a sending needs to know. */
export interface OutboxView {
  /** The next clock of a client. */
  clockOf(client: number): number
  /** Whether an entry was ever under this key; more are called known than are. */
  isKnown(key: string): boolean
  /** Entries that may be under way now, at most. */
  readonly liveCount: number
}

/**
 * The entries of an update that does nothing but put new ones into the outbox, each good, and delete what the same client wrote; null
 * for any other, and whenever in doubt: inspectUpdate judges those. It lets through nothing that inspectUpdate would not.
 */
export const inspectSending = (view: OutboxView, update: Uint8Array, limits: GateLimits): readonly OutboxEntry[] | null => {
  if (update.length > limits.updateBytesMax || limits.documentBytes + update.length > limits.documentBytesMax) return null
  const read = readInsertions(update)
  if (read === null || limits.reservedClients.has(read.client) || read.clock !== view.clockOf(read.client)) return null
  if (view.liveCount + read.count > LIMITS.outboxMax * MERGE_SLACK || !deletesOwn(read)) return null
  const values = valuesOfInsertions(read)
  const entries: OutboxEntry[] = []
  for (const [i, { root, key }] of keysOfInsertions(read).entries()) {
    const entry = root !== 'outbox' || view.isKnown(key) ? null : parseOutboxEntry(key, values[i])
    if (entry === null || entries.some(({ id }) => id === entry.id)) return null
    entries.push(entry)
  }
  return entries
}

/** Whether all deleted ranges are of the client itself, up to what it writes now, rising and apart. */
const deletesOwn = ({ client, clock, count, deletes }: ReadInsertions): boolean => {
  let end = 0
  for (let i = 0; i < deletes.length; i += 3) {
    if (deletes[i] !== client || (deletes[i + 1] as number) < end) return false
    end = (deletes[i + 1] as number) + (deletes[i + 2] as number)
  }
  return end <= clock + count
}

const rejected = (code: GateCode): Inspection => ({ status: 'rejected', code })

/** Whether an update has structs of more unknown clients than any replica collects. */
const bringsCrowd = (doc: Y.Doc, { structs }: ScannedUpdate): boolean =>
  structs.size > NEW_CLIENTS_MAX && [...structs.keys()].filter(client => Y.getState(doc.store, client) === 0).length > NEW_CLIENTS_MAX

// ---- what a kind of document may hold

interface RootRule {
  readonly isKey: (key: string) => boolean
  readonly isValue: (key: string, value: unknown) => boolean
}

const DRAFT_FIELDS = new Set(['.to', '.text', '.selected', '.discarded', '.editedMs', '.finishedMs', '.sent'])
const isDraftKey = (key: string): boolean => parseDraftId(key.slice(0, 36)) !== null && DRAFT_FIELDS.has(key.slice(36))
const isTextPlace = (root: string, key: string): boolean => root === 'drafts' && key.endsWith('.text')
const isMessageKey = (key: string): boolean => parseMessageId(key) !== null
const isMarkKey = (key: string): boolean => (key.startsWith('k:') ? parseRequestId(key.slice(2)) === key.slice(2) : /^[odcs]:/.test(key) && isMessageKey(key.slice(2)))
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

interface Work {
  readonly rules: ReadonlyMap<string, RootRule>
  readonly limits: GateLimits
  readonly walk: Walk
  readonly entries: GateEntry[]
  /** How many new structs claim one and the same spot. */
  readonly crowds: Map<string, number>
  /** Bytes of text that the update adds, by shared text. */
  readonly textGrowth: Map<string, number>
  addsStructs: boolean
  addsContent: boolean
}

const createWork = (doc: Y.Doc, kind: 'marks' | 'drafts', scanned: ScannedUpdate, limits: GateLimits): Work => ({
  rules: RULES[kind],
  limits,
  walk: createWalk(doc, scanned),
  entries: [],
  crowds: new Map(),
  textGrowth: new Map(),
  addsStructs: false,
  addsContent: false,
})

/** Checks what a new struct puts at its place. */
const settleStruct = (work: Work, struct: ScannedStruct, place: Place): GateCode | null => {
  if (work.limits.reservedClients.has(struct.client)) return 'reserved-client'
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

const settleText = (work: Work, text: string, { content }: ScannedStruct): GateCode | null => {
  if (content.type === 'deleted') return null
  if (content.type !== 'string') return 'bad-value'
  work.textGrowth.set(text, (work.textGrowth.get(text) ?? 0) + utf8Length(content.string))
  return null
}

const settleEntry = (work: Work, root: string, key: string, { content }: ScannedStruct): GateCode | null => {
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

// ---- deletes

/** Every deleted range must lie within what is held or comes with the update. */
const checkDeletes = ({ walk }: Work): 'gap' | null => {
  for (const [client, ranges] of walk.scanned.deletes) {
    const last = ranges.at(-1)
    if (last !== undefined && endOf(last) > reachedClock(walk, client)) return 'gap'
  }
  return null
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

const checkGrowth = (work: Work, updateBytes: number): GateCode | null => {
  const { entries, limits } = work
  const { doc } = work.walk
  if (work.addsContent && limits.documentBytes + updateBytes > limits.documentBytesMax) return 'document-full'
  const newTexts = entries.filter(({ root, key }) => isTextPlace(root, key)).length
  if (newTexts > 0 && countLiveDrafts(doc) + newTexts > LIMITS.draftsMax * MERGE_SLACK) return 'too-many-drafts'
  const newSendings = entries.filter(({ root, value }) => root === 'outbox' && value !== undefined).length
  if (newSendings > 0 && isFuller(doc.getMap('outbox'), LIMITS.outboxMax * MERGE_SLACK - newSendings)) return 'outbox-full'
  return checkTexts(work, LIMITS.draftTextBytesMax * MERGE_SLACK)
}

/** Whether a map has more than `max` entries. Yjs counts them by walking over all it ever had, and an outbox has had every message that its owner ever sent. */
const isFuller = (map: Y.Map<unknown>, max: number): boolean => map._map.size > max && liveKeysOf(map).size > max

/** The keys of a map, gathered once and then kept current. */
export const liveKeysOf = (map: Y.Map<unknown>): ReadonlySet<string> => {
  const known = LIVE_KEYS.get(map)
  if (known !== undefined) return known
  const live = new Set(map.keys())
  map.observe(({ keysChanged }) => { for (const key of keysChanged) if (map.has(key)) live.add(key); else live.delete(key) })
  LIVE_KEYS.set(map, live)
  return live
}
const LIVE_KEYS = new WeakMap<Y.Map<unknown>, ReadonlySet<string>>()

const checkTexts = ({ walk, textGrowth }: Work, bytesMax: number): GateCode | null => {
  let shrinkage: ReadonlyMap<string, number> | null = null
  for (const [name, growth] of textGrowth) {
    const text = heldText(walk, name)
    // A UTF-16 unit takes at most three bytes, so most texts need no exact count.
    if (text === null ? growth <= bytesMax : text.length * 3 + growth <= bytesMax) continue
    shrinkage ??= measureShrinkage(walk)
    if (utf8Length(text?.toString() ?? '') + growth - (shrinkage.get(name) ?? 0) > bytesMax) return 'text-too-large'
  }
  return null
}

/** How many bytes the update deletes from each shared text, of its own additions too. Ranges and structs both rise: one pass. */
const measureShrinkage = ({ doc, scanned, places }: Walk): Map<string, number> => {
  const shrinkage = new Map<string, number>()
  const count = (name: string, string: string, clock: number, range: ClockRange): void => {
    const deleted = string.slice(Math.max(0, range.clock - clock), Math.max(0, endOf(range) - clock))
    shrinkage.set(name, (shrinkage.get(name) ?? 0) + utf8Length(deleted))
  }
  for (const [client, ranges] of scanned.deletes) {
    const added = scanned.structs.get(client) ?? []
    let first = 0
    for (const range of ranges) {
      someHeldStruct(doc, client, range, struct => {
        if (struct instanceof Y.Item && !struct.deleted && struct.content instanceof Y.ContentString && struct.parent instanceof Y.AbstractType && struct.parent._item !== null) {
          count(textName(struct.parent._item.id), struct.content.str, struct.id.clock, range)
        }
        return false
      })
      for (let i = first; i < added.length; i += 1) {
        const struct = added[i]
        if (struct === undefined || struct.clock >= endOf(range)) break
        if (endOf(struct) <= endOf(range)) first = i + 1
        const place = places.get(struct)
        if (struct.content.type === 'string' && place?.type === 'text') count(place.text, struct.content.string, struct.clock, range)
      }
    }
  }
  return shrinkage
}
