// The document `drafts/<accountId>`: what an account is writing, what it has sent but no node has stored yet,
// what it asks to take back, and its settings. Written by its owner, by whatever device, and by nodes on the
// owner's behalf. Texts merge character by character; everything else is a register or written once.
// Keeps [DEL1] and [DEL8]; refuses to know how an outbox entry is delivered.

import * as Y from 'yjs'
import { isString, isTuple, readEntries, readEntry, setFlag } from './entries.ts'
import { type AccountId, type DraftId, type MessageId, type Millis, draftToMessageId, parseAccountId, parseDraftId, parseMessageId, parseMillis, refusedToMessageId, utf8Length } from './ids.ts'
import { type Person, parsePeople, peopleToPairs, personToRecipient } from './inbox.ts'
import { LIMITS } from './limits.ts'
import { isBroken } from './mutation.ts'
import { type Read, type Result, fail, ok } from './prelude.ts'

const DRAFTS = 'drafts'
const OUTBOX = 'outbox'
const RECALLS = 'recalls'
const SETTINGS = 'settings'

export interface Draft {
  readonly id: DraftId
  readonly to: readonly Person[]
  readonly text: string
  readonly selected: boolean
  readonly discarded: boolean
  readonly editedMs: Millis
  /** The message it was last sent as, or null. */
  readonly sentAs: MessageId | null
}

// ---- drafts: one key per field, `<draftId>.<field>`

export type DraftEntry =
  | { readonly type: 'to'; readonly draftId: DraftId; readonly to: readonly Person[] }
  | { readonly type: 'text'; readonly draftId: DraftId; readonly text: Y.Text }
  | { readonly type: 'selected' | 'discarded'; readonly draftId: DraftId; readonly flag: boolean }
  | { readonly type: 'editedMs'; readonly draftId: DraftId; readonly editedMs: Millis }
  | { readonly type: 'finishedMs'; readonly draftId: DraftId; readonly finishedMs: Millis }
  | { readonly type: 'sent'; readonly draftId: DraftId; readonly messageId: MessageId }

/** An entry of the root map `drafts`. */
export const parseDraftEntry = (key: string, value: unknown): DraftEntry | null => {
  const draftId = parseDraftId(key.slice(0, 36))
  if (draftId === null) return null
  switch (key.slice(36)) {
    case '.to': {
      const to = parsePeople(value)
      return to === null ? null : { type: 'to', draftId, to }
    }
    case '.text':
      return value instanceof Y.Text ? { type: 'text', draftId, text: value } : null
    case '.selected':
      return typeof value === 'boolean' ? { type: 'selected', draftId, flag: value } : null
    case '.discarded':
      return typeof value === 'boolean' ? { type: 'discarded', draftId, flag: value } : null
    case '.editedMs': {
      const editedMs = parseMillis(value)
      return editedMs === null ? null : { type: 'editedMs', draftId, editedMs }
    }
    case '.finishedMs': {
      const finishedMs = parseMillis(value)
      return finishedMs === null ? null : { type: 'finishedMs', draftId, finishedMs }
    }
    case '.sent': {
      const messageId = parseMessageId(value)
      return messageId === null ? null : { type: 'sent', draftId, messageId }
    }
    default:
      return null
  }
}

/** The shared text of a draft, for editors to bind to, or null. */
export const draftText = (doc: Y.Doc, id: DraftId): Y.Text | null => {
  const text = doc.getMap<unknown>(DRAFTS).get(`${id}.text`)
  return text instanceof Y.Text ? text : null
}

/** One draft, live or discarded; null if it never was here or has been purged. */
export const readDraft = (doc: Y.Doc, id: DraftId): Draft | null => {
  const map = doc.getMap<unknown>(DRAFTS)
  const text = draftText(doc, id)
  if (text === null) return null
  return {
    id,
    to: parsePeople(map.get(`${id}.to`)) ?? [],
    text: text.toString(),
    selected: map.get(`${id}.selected`) === true,
    discarded: map.get(`${id}.discarded`) === true,
    editedMs: parseMillis(map.get(`${id}.editedMs`)) ?? (0 as Millis),
    sentAs: parseMessageId(map.get(`${id}.sent`)),
  }
}

/** All drafts, discarded ones too, last edited first. */
export const readDrafts = (doc: Y.Doc): Read<Draft[]> => {
  const map = doc.getMap<unknown>(DRAFTS)
  const value: Draft[] = []
  let skipped = 0
  for (const key of map.keys()) {
    const entry = parseDraftEntry(key, map.get(key))
    if (entry === null) skipped += 1
    else if (entry.type === 'text') {
      const draft = readDraft(doc, entry.draftId)
      if (draft !== null) value.push(draft)
    }
  }
  return { value: value.sort(byLastEdited), skipped }
}

const byLastEdited = (a: Draft, b: Draft): number => b.editedMs - a.editedMs || (a.id < b.id ? 1 : -1)

const isDraftLive = (doc: Y.Doc, id: DraftId): boolean => draftText(doc, id) !== null && doc.getMap(DRAFTS).get(`${id}.discarded`) !== true

/** How many drafts are live, without reading their texts. */
export const countLiveDrafts = (doc: Y.Doc): number => {
  let live = 0
  for (const key of doc.getMap(DRAFTS).keys()) {
    const id = key.endsWith('.text') ? parseDraftId(key.slice(0, -5)) : null
    if (id !== null && isDraftLive(doc, id)) live += 1
  }
  return live
}

export interface NewDraft {
  readonly id: DraftId
  readonly editedMs: Millis
  readonly to?: readonly Person[]
  readonly text?: string
}

/** Makes a draft; one that exists, discarded or not, is left as it is. */
export const createDraft = (doc: Y.Doc, { id, editedMs, to = [], text = '' }: NewDraft): Result<'created' | 'present', 'too-many-drafts' | 'too-large' | 'too-many-recipients'> => {
  const map = doc.getMap<unknown>(DRAFTS)
  if (draftText(doc, id) !== null || map.has(`${id}.discarded`)) return ok('present')
  if (countLiveDrafts(doc) >= LIMITS.draftsMax) return fail('too-many-drafts')
  if (utf8Length(text) > LIMITS.draftTextBytesMax) return fail('too-large')
  if (to.length > LIMITS.recipientsMax) return fail('too-many-recipients')
  doc.transact(() => {
    map.set(`${id}.text`, new Y.Text(text))
    map.set(`${id}.editedMs`, editedMs)
    if (to.length > 0) map.set(`${id}.to`, peopleToPairs(distinctPeople(to)))
  })
  return ok('created')
}

const distinctPeople = (people: readonly Person[]): Person[] => {
  const known = new Map<string, Person>()
  for (const person of people) if (!known.has(personToRecipient(person))) known.set(personToRecipient(person), person)
  return [...known.values()]
}

/** Chooses whom the draft goes to; a person named twice counts once. */
export const setRecipients = (doc: Y.Doc, id: DraftId, to: readonly Person[]): Result<'set' | 'present', 'no-such-draft' | 'too-many-recipients'> => {
  if (draftText(doc, id) === null) return fail('no-such-draft')
  const pairs = peopleToPairs(distinctPeople(to))
  if (pairs.length > LIMITS.recipientsMax) return fail('too-many-recipients')
  const map = doc.getMap<unknown>(DRAFTS)
  if (JSON.stringify(map.get(`${id}.to`) ?? []) === JSON.stringify(pairs)) return ok('present')
  doc.transact(() => map.set(`${id}.to`, pairs))
  return ok('set')
}

export const setSelected = (doc: Y.Doc, id: DraftId, selected: boolean): Result<'set', 'no-such-draft'> => setDraftFlag(doc, id, 'selected', selected)

/** Notes when the draft was last edited; only ever later. */
export const touchDraft = (doc: Y.Doc, id: DraftId, editedMs: Millis): Result<'set', 'no-such-draft'> => {
  const draft = readDraft(doc, id)
  if (draft === null) return fail('no-such-draft')
  if (editedMs > draft.editedMs) setFlag(doc, DRAFTS, `${id}.editedMs`, editedMs)
  return ok('set')
}

export const discardDraft = (doc: Y.Doc, id: DraftId): Result<'set', 'no-such-draft'> => setDraftFlag(doc, id, 'discarded', true)

/** Undo of discarding. A draft that was sent is sent: to write it again, make a new one from its text. */
export const restoreDraft = (doc: Y.Doc, id: DraftId): Result<'set', 'no-such-draft' | 'already-sent' | 'too-many-drafts'> => {
  const draft = readDraft(doc, id)
  if (draft?.discarded === true && draft.sentAs !== null) return fail('already-sent')
  if (draft?.discarded === true && countLiveDrafts(doc) >= LIMITS.draftsMax) return fail('too-many-drafts')
  return doc.transact(() => {
    if (doc.getMap(DRAFTS).has(`${id}.finishedMs`)) setFlag(doc, DRAFTS, `${id}.finishedMs`, 0)
    return setDraftFlag(doc, id, 'discarded', false)
  })
}

/** Notes since when a draft has been seen sent or discarded, in cluster time; for nodes. Restoring it sets that back. */
export const noteFinished = (doc: Y.Doc, id: DraftId, finishedMs: Millis): void => setFlag(doc, DRAFTS, `${id}.finishedMs`, finishedMs)

/** The drafts that are sent or discarded and not purged, in order of ids, and since when nodes have seen that; 0 if none has noted it. */
export const readFinished = (doc: Y.Doc): readonly { readonly draftId: DraftId; readonly finishedMs: Millis }[] => {
  const map = doc.getMap<unknown>(DRAFTS)
  const ids = [...map.keys()].filter(key => key.endsWith('.discarded') && map.get(key) === true).map(key => parseDraftId(key.slice(0, 36)))
  return ids
    .filter(id => id !== null)
    .filter(id => PURGED_FIELDS.some(field => map.has(`${id}.${field}`)))
    .sort()
    .map(draftId => ({ draftId, finishedMs: parseMillis(map.get(`${draftId}.finishedMs`)) ?? (0 as Millis) }))
}

const setDraftFlag = (doc: Y.Doc, id: DraftId, field: 'selected' | 'discarded', flag: boolean): Result<'set', 'no-such-draft'> => {
  if (draftText(doc, id) === null) return fail('no-such-draft')
  const key = `${id}.${field}`
  if (flag || doc.getMap(DRAFTS).has(key)) setFlag(doc, DRAFTS, key, flag)
  return ok('set')
}

/** What goes of a draft that is purged; that it was discarded, and sent as what, stays. */
const PURGED_FIELDS = ['to', 'text', 'selected', 'editedMs', 'finishedMs'] as const

/** Deletes what is left of a draft finished long ago [DOC3]; that it was discarded, and sent as what, stays. */
export const purgeDraft = (doc: Y.Doc, id: DraftId): Result<'purged', 'not-discarded'> => {
  const map = doc.getMap(DRAFTS)
  if (map.get(`${id}.discarded`) !== true) return fail('not-discarded')
  doc.transact(() => {
    for (const field of PURGED_FIELDS) map.delete(`${id}.${field}`)
  })
  return ok('purged')
}

/** Makes the draft read `text` by the smallest single replacement, so that edits elsewhere in it merge. */
export const editText = (doc: Y.Doc, id: DraftId, text: string): Result<'edited' | 'present', 'no-such-draft' | 'too-large'> => {
  const shared = draftText(doc, id)
  if (shared === null) return fail('no-such-draft')
  if (utf8Length(text) > LIMITS.draftTextBytesMax) return fail('too-large')
  const held = shared.toString()
  if (held === text) return ok('present')
  // Embedded objects of a foreign editor count in the length but not in the string: positions would not match.
  const { start, end } = shared.length === held.length ? difference(held, text) : { start: 0, end: 0 }
  doc.transact(() => {
    shared.delete(start, shared.length - start - end)
    shared.insert(start, text.slice(start, text.length - end))
  })
  return ok('edited')
}

/** How many UTF-16 units two texts share at the start and at the end, never parting a surrogate pair: Yjs would garble its halves. */
export const difference = (from: string, to: string): { readonly start: number; readonly end: number } => {
  const max = Math.min(from.length, to.length)
  let start = 0
  while (start < max && from.charCodeAt(start) === to.charCodeAt(start)) start += 1
  if (isHighSurrogate(from.charCodeAt(start - 1))) start -= 1
  let end = 0
  while (end < max - start && from.charCodeAt(from.length - 1 - end) === to.charCodeAt(to.length - 1 - end)) end += 1
  if (end > 0 && isLowSurrogate(from.charCodeAt(from.length - end))) end -= 1
  return { start, end }
}

const isHighSurrogate = (unit: number): boolean => unit >= 0xd800 && unit <= 0xdbff
const isLowSurrogate = (unit: number): boolean => unit >= 0xdc00 && unit <= 0xdfff

// ---- the outbox

export interface OutboxEntry {
  readonly id: MessageId
  readonly fromName: string
  readonly to: readonly Person[]
  readonly text: string
  readonly sentMs: Millis
}

/** An entry of the root map `outbox`. */
export const parseOutboxEntry = (key: string, value: unknown): OutboxEntry | null => {
  const id = parseMessageId(key)
  if (id === null || !isTuple(value, 4)) return null
  const [fromName, toValue, text, sentMsValue] = value
  const to = parsePeople(toValue)
  const sentMs = parseMillis(sentMsValue)
  if (!isString(fromName) || fromName.length > LIMITS.nameCharactersMax * 2 || to === null || to.length === 0 || sentMs === null) return null
  return isString(text) && utf8Length(text) <= LIMITS.messageTextBytesMax ? { id, fromName, to, text, sentMs } : null
}

export interface Sending {
  readonly draftId: DraftId
  /** The name the sender has now; a node checks it [DEL3]. */
  readonly fromName: string
  readonly nowMs: Millis
}

/**
 * Sends a draft: writes the outbox entry and discards the draft in one transaction [DEL1], under an id that only
 * the draft, its recipients and its text decide [DEL8]. Sending what was sent already gives the same id again.
 */
export const sendDraft = (doc: Y.Doc, { draftId, fromName, nowMs }: Sending): Result<MessageId, 'no-recipient' | 'empty' | 'too-large' | 'no-such-draft' | 'outbox-full' | 'id-taken'> => {
  const draft = readDraft(doc, draftId)
  if (draft === null) {
    const sentAs = parseMessageId(doc.getMap(DRAFTS).get(`${draftId}.sent`))
    return sentAs === null ? fail('no-such-draft') : ok(sentAs)
  }
  const messageId = draftToMessageId(draftId, peopleToPairs(draft.to), isBroken('retry-with-a-new-id') ? `${draft.text}${nowMs}` : draft.text)
  if (draft.discarded) return draft.sentAs === messageId ? ok(messageId) : fail('no-such-draft')
  if (draft.to.length === 0) return fail('no-recipient')
  if (draft.text.trim() === '') return fail('empty')
  return doc.transact(() => {
    const added = addOutboxEntry(doc, { id: messageId, fromName, to: draft.to, text: draft.text, sentMs: nowMs })
    if (!added.ok) return fail(added.code)
    setFlag(doc, DRAFTS, `${draftId}.sent`, messageId)
    discardDraft(doc, draftId)
    return ok(messageId)
  })
}

/** Writes an outbox entry once. 'replacing': another one goes in the same transaction, so a full outbox has room. */
export const addOutboxEntry = (doc: Y.Doc, entry: OutboxEntry, how: 'adding' | 'replacing' = 'adding'): Result<'added' | 'present', 'id-taken' | 'too-large' | 'outbox-full'> => {
  const map = doc.getMap<unknown>(OUTBOX)
  const held = readOutboxEntry(doc, entry.id)
  if (held !== null) return held.text === entry.text && held.to.map(personToRecipient).join() === entry.to.map(personToRecipient).join() ? ok('present') : fail('id-taken')
  if (utf8Length(entry.text) > LIMITS.messageTextBytesMax) return fail('too-large')
  if (how === 'adding' && map.size >= LIMITS.outboxMax) return fail('outbox-full')
  doc.transact(() => map.set(entry.id, [entry.fromName, peopleToPairs(entry.to), entry.text, entry.sentMs]))
  return ok('added')
}

/** An entry whose id nodes refused, whom it must still reach, and when they said so, in cluster time. */
export interface RefusedEntry {
  readonly entry: OutboxEntry
  readonly to: readonly Person[]
  readonly refusedMs: Millis
}

/** Sends again under a new id what was refused for its id; the old entry goes in the same transaction [DEL4]. */
export const resendRefused = (doc: Y.Doc, { entry, to, refusedMs }: RefusedEntry): Result<MessageId, 'no-such-entry' | 'id-taken' | 'too-large' | 'outbox-full'> => {
  if (readOutboxEntry(doc, entry.id) === null) return fail('no-such-entry')
  const id = refusedToMessageId(entry.id, entry.text, refusedMs)
  return doc.transact(() => {
    const added = addOutboxEntry(doc, { ...entry, id, to }, 'replacing')
    if (!added.ok) return fail(added.code)
    clearOutboxEntry(doc, entry.id)
    return ok(id)
  })
}

export const readOutboxEntry = (doc: Y.Doc, id: MessageId): OutboxEntry | null => readEntry(doc, OUTBOX, id, parseOutboxEntry)

/** The outbox by id. */
export const readOutbox = (doc: Y.Doc): Read<OutboxEntry[]> => readEntries(doc, OUTBOX, parseOutboxEntry)

/** Deletes entries that have all their receipts, or that their owner gave up. The receipts outlive them [DOC3]. */
export const clearOutboxEntries = (doc: Y.Doc, ids: Iterable<MessageId>): void => deleteKeys(doc, OUTBOX, ids)
export const clearOutboxEntry = (doc: Y.Doc, id: MessageId): void => deleteKeys(doc, OUTBOX, [id])

const deleteKeys = (doc: Y.Doc, root: string, keys: Iterable<string>): void => {
  const map = doc.getMap(root)
  const held = [...keys].filter(key => map.has(key))
  if (held.length > 0) doc.transact(() => held.forEach(key => map.delete(key)))
}

// ---- recalls

/** Asks the node to take a sent message back [DEL7]. */
export const requestRecall = (doc: Y.Doc, id: MessageId): void => setFlag(doc, RECALLS, id, 1)

export const readRecalls = (doc: Y.Doc): Read<MessageId[]> => readEntries(doc, RECALLS, parseRecallEntry)

/** An entry of the root map `recalls`. */
export const parseRecallEntry = (key: string, value: unknown): MessageId | null => (value === 1 ? parseMessageId(key) : null)

/** Forgets a request that was settled one way or the other. */
export const clearRecall = (doc: Y.Doc, id: MessageId): void => deleteKeys(doc, RECALLS, [id])

// ---- settings: one key each, so that two devices changing two things keep both

export type SettingValue = string | number | boolean

/** An entry of the root map `settings`: a short key and a plain value. */
export const parseSettingEntry = (key: string, value: unknown): { readonly key: string; readonly value: SettingValue } | null => {
  if (key.length > LIMITS.settingKeyCharactersMax) return null
  if (isString(value)) return value.length <= LIMITS.settingValueCharactersMax ? { key, value } : null
  return typeof value === 'boolean' || Number.isFinite(value) ? { key, value: value as SettingValue } : null
}

export const readSettings = (doc: Y.Doc): Read<Record<string, SettingValue>> => {
  const { value, skipped } = readEntries(doc, SETTINGS, parseSettingEntry)
  return { value: Object.fromEntries(value.map(setting => [setting.key, setting.value])), skipped }
}

export const getSetting = (doc: Y.Doc, key: string): SettingValue | null => readEntry(doc, SETTINGS, key, parseSettingEntry)?.value ?? null

/** Sets a setting; `invalid` when the key or value is over its limit. */
export const setSetting = (doc: Y.Doc, key: string, value: SettingValue): Result<'set', 'invalid'> => {
  if (parseSettingEntry(key, value) === null) return fail('invalid')
  setFlag(doc, SETTINGS, key, value)
  return ok('set')
}

export const setBlocked = (doc: Y.Doc, id: AccountId, blocked: boolean): void => {
  if (blocked || doc.getMap(SETTINGS).has(`blocked/${id}`)) setFlag(doc, SETTINGS, `blocked/${id}`, blocked)
}

export const isBlocked = (doc: Y.Doc, id: AccountId): boolean => getSetting(doc, `blocked/${id}`) === true

export const readBlocked = (doc: Y.Doc): Set<AccountId> => {
  const blocked = new Set<AccountId>()
  for (const [key, value] of Object.entries(readSettings(doc).value)) {
    const id = key.startsWith('blocked/') && value === true ? parseAccountId(key.slice('blocked/'.length)) : null
    if (id !== null) blocked.add(id)
  }
  return blocked
}

/** Whether senders learn that this account opened or read their messages; on unless switched off. */
export const sharesReceipts = (doc: Y.Doc): boolean => getSetting(doc, 'receipts') !== 'off'
export const setSharesReceipts = (doc: Y.Doc, shares: 'on' | 'off'): void => setFlag(doc, SETTINGS, 'receipts', shares)
