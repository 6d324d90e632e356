// The documents `inbox/<accountId>/<yyyy-mm>`: the messages an account received or sent in a month of ids, the
// receipts of what it sent, and what was recalled. Written by nodes only, read by their owner.
// Messages are write-once and copied field by field from the outbox entry, so two nodes that deliver the same
// message write the same bytes [DOC1]. Refuses to know whether a message is visible: see mailbox.ts.

import type * as Y from 'yjs'
import { type EntryParser, isString, isTuple, readEntries, readEntry, setFlag } from './entries.ts'
import { type AccountId, type MessageId, type Millis, nameToKey, parseAccountId, parseMessageId, parseMillis, parseName } from './ids.ts'
import { LIMITS } from './limits.ts'
import { isBroken } from './mutation.ts'
import type { Insertion } from './insertions.ts'
import { type Read, type Result, fail, ok } from './prelude.ts'

const MESSAGES = 'messages'
const RECEIPTS = 'receipts'
const RECALLED = 'recalled'
/** What stands where a message was after it was purged [DOC3]: the key must stay, or a late delivery would bring it back. */
const PURGED = 0

/** A recipient or sender: an account id and the name shown when it was chosen. The id is empty only if never resolved [DEL3]. */
export interface Person {
  readonly id: AccountId | ''
  readonly name: string
}

export interface Message {
  readonly id: MessageId
  readonly from: Person
  readonly to: readonly Person[]
  readonly text: string
  readonly sentMs: Millis
}

export const RECEIPT_KINDS = ['delivered', 'opened', 'read', 'no-such-account', 'mailbox-full', 'bad-id', 'bad-name'] as const
export type ReceiptKind = (typeof RECEIPT_KINDS)[number]
export type FailureKind = 'no-such-account' | 'mailbox-full' | 'bad-id' | 'bad-name'
export type MomentKind = Exclude<ReceiptKind, 'read'>

/** Whom a receipt is about: an account id, or `@` and the name key of a recipient who was never resolved. */
export type RecipientId = AccountId | `@${string}`

/** What is known of one recipient of one message; a moment in ms for each kind but `read`. */
export type Receipts = { readonly [Kind in MomentKind]?: Millis } & { readonly read?: boolean }

export interface Receipt {
  readonly messageId: MessageId
  readonly recipientId: RecipientId
  readonly kind: ReceiptKind
  readonly value: Millis | boolean
}

// ---- people

export const personToRecipient = (person: Person): RecipientId => (person.id === '' ? `@${nameToKey(person.name)}` : person.id)

/** A pair [id, name] as documents hold it. The name is only a label, possibly with the `~abcd` of a contested one. */
export const parsePerson = (value: unknown): Person | null => {
  if (!isTuple(value, 2)) return null
  const [idValue, name] = value
  if (!isString(name) || name.length > LIMITS.nameCharactersMax * 2) return null
  if (idValue === '') return parseName(name) === null ? null : { id: '', name }
  const id = parseAccountId(idValue)
  return id === null ? null : { id, name }
}

/** A list of people within the limit, or null. */
export const parsePeople = (value: unknown): Person[] | null => {
  if (!Array.isArray(value) || value.length > LIMITS.recipientsMax) return null
  const people: Person[] = []
  for (const item of value) {
    const person = parsePerson(item)
    if (person === null) return null
    people.push(person)
  }
  return people
}

export const peopleToPairs = (people: readonly Person[]): [string, string][] => people.map(({ id, name }) => [id, name])

const isSamePerson = (a: Person, b: Person): boolean => (a.id === '' || b.id === '' ? nameToKey(a.name) === nameToKey(b.name) : a.id === b.id)

/** Whether two messages under one id say the same: sender, recipients and text. Names and the time are not compared [DEL8]. */
export const isSameMessage = (a: Message, b: Message): boolean =>
  isSamePerson(a.from, b.from) && a.text === b.text && a.to.length === b.to.length && a.to.every((person, i) => b.to[i] !== undefined && isSamePerson(person, b.to[i]))

// ---- messages

/** Where a message stands: under its id, so that two nodes which store it store it once [DOC1]. */
const messageToKey = (doc: Y.Doc, id: MessageId): string =>
  isBroken('message-array') ? ([...doc.getMap(MESSAGES).keys()].find(key => key.startsWith(id)) ?? `${id}/${doc.clientID}`) : id

/** The id of the message under a key, or null for junk. */
export const keyToMessageId = (key: string): MessageId | null => parseMessageId(isBroken('message-array') ? key.slice(0, 36) : key)

/** An entry of the root map `messages`; null for junk and for a purged message. */
export const parseMessageEntry = (key: string, value: unknown): Message | null => {
  const id = keyToMessageId(key)
  if (id === null || !isTuple(value, 4)) return null
  const from = parsePerson(value[0])
  const to = parsePeople(value[1])
  const text = value[2]
  const sentMs = parseMillis(value[3])
  return from !== null && to !== null && isString(text) && sentMs !== null ? { id, from, to, text, sentMs } : null
}

/** Stores a message once. `different`: another message has this id already [DEL8]. A purged one counts as present. */
export const addMessage = (doc: Y.Doc, message: Message): Result<'added' | 'present', 'different'> => {
  if (isPurged(doc, message.id)) return ok('present')
  const held = readMessage(doc, message.id)
  if (held !== null) return isSameMessage(held, message) ? ok('present') : fail('different')
  doc.transact(() => doc.getMap(MESSAGES).set(messageToKey(doc, message.id), messageToValue(message)))
  return ok('added')
}

const messageToValue = ({ from, to, text, sentMs }: Message): unknown => [[from.id, from.name], peopleToPairs(to), text, sentMs]

/** What addMessage writes into a document that never heard of the message. */
export const messageToInsertion = (message: Message): Insertion => ({ root: MESSAGES, key: message.id, value: messageToValue(message) })

export const readMessage = (doc: Y.Doc, id: MessageId): Message | null => readEntry(doc, MESSAGES, messageToKey(doc, id), parseMessageEntry)

/** Whether anything is stored under an id, a purged message included: whoever delivers treats it as present. */
export const hasMessage = (doc: Y.Doc, id: MessageId): boolean => isPurged(doc, id) || readMessage(doc, id) !== null

export const readMessages = (doc: Y.Doc): Read<Map<MessageId, Message>> => {
  const map = doc.getMap<unknown>(MESSAGES)
  const value = new Map<MessageId, Message>()
  let skipped = 0
  for (const key of [...map.keys()].sort()) {
    const entry = map.get(key)
    const message = parseMessageEntry(key, entry)
    if (message !== null) value.set(message.id, message)
    else if (entry !== PURGED || keyToMessageId(key) === null) skipped += 1
  }
  return { value, skipped }
}

/** Overwrites a message that was deleted for long enough [DOC3]; its id stays taken. */
export const purgeMessage = (doc: Y.Doc, id: MessageId): void => setFlag(doc, MESSAGES, id, PURGED)

export const isPurged = (doc: Y.Doc, id: MessageId): boolean => doc.getMap<unknown>(MESSAGES).get(id) === PURGED

// ---- receipts

const receiptToKey = (messageId: MessageId, recipientId: RecipientId, kind: ReceiptKind): string => `${messageId}/${recipientId}/${kind}`

const parseRecipientId = (text: string | undefined): RecipientId | null => {
  const id = parseAccountId(text)
  if (id !== null) return id
  return text !== undefined && text.startsWith('@') && parseName(text.slice(1)) !== null ? `@${text.slice(1)}` : null
}

/** An entry of the root map `receipts`. */
export const parseReceiptEntry = (key: string, value: unknown): Receipt | null => {
  const [messageText, recipientText, kindText, ...rest] = key.split('/')
  const messageId = parseMessageId(messageText)
  const recipientId = parseRecipientId(recipientText)
  const kind = RECEIPT_KINDS.find(known => known === kindText)
  if (messageId === null || recipientId === null || kind === undefined || rest.length > 0) return null
  const parsed = kind === 'read' ? (typeof value === 'boolean' ? value : null) : parseMillis(value)
  return parsed === null ? null : { messageId, recipientId, kind, value: parsed }
}

/** Adds a receipt: moments are written once, `read` is a register that follows the recipient's check mark. */
export function addReceipt(doc: Y.Doc, messageId: MessageId, recipientId: RecipientId, kind: 'read', value: boolean): void
export function addReceipt(doc: Y.Doc, messageId: MessageId, recipientId: RecipientId, kind: MomentKind, value: Millis): void
export function addReceipt(doc: Y.Doc, messageId: MessageId, recipientId: RecipientId, kind: ReceiptKind, value: Millis | boolean): void {
  const key = receiptToKey(messageId, recipientId, kind)
  if (kind !== 'read' && readEntry(doc, RECEIPTS, key, parseReceiptEntry) !== null) return
  setFlag(doc, RECEIPTS, key, value)
}

/** What addReceipt writes into a document that never heard of the message. */
export const receiptToInsertion = (messageId: MessageId, recipientId: RecipientId, kind: MomentKind, ms: Millis): Insertion =>
  ({ root: RECEIPTS, key: receiptToKey(messageId, recipientId, kind), value: ms })

/** The receipts of one recipient of one message; empty if there are none. */
export const readReceiptsOf = (doc: Y.Doc, messageId: MessageId, recipientId: RecipientId): Receipts => {
  const found: Record<string, Millis | boolean> = {}
  for (const kind of RECEIPT_KINDS) {
    const receipt = readEntry(doc, RECEIPTS, receiptToKey(messageId, recipientId, kind), parseReceiptEntry)
    if (receipt !== null) found[kind] = receipt.value
  }
  return found as Receipts
}

/** The receipts of the given recipients of a message, in their order; `recipients` defaults to those of the stored message. */
export const readReceipts = (doc: Y.Doc, messageId: MessageId, recipients: readonly Person[] = readMessage(doc, messageId)?.to ?? []): Map<RecipientId, Receipts> =>
  new Map(recipients.map(personToRecipient).map(recipientId => [recipientId, readReceiptsOf(doc, messageId, recipientId)]))

/** All receipts of a document, by message and recipient. */
export const readAllReceipts = (doc: Y.Doc): Read<Map<MessageId, Map<RecipientId, Receipts>>> => {
  const { value: receipts, skipped } = readEntries(doc, RECEIPTS, parseReceiptEntry)
  const value = new Map<MessageId, Map<RecipientId, Receipts>>()
  for (const { messageId, recipientId, kind, value: said } of receipts) {
    const ofMessage = value.get(messageId) ?? new Map<RecipientId, Receipts>()
    ofMessage.set(recipientId, { ...ofMessage.get(recipientId), [kind]: said })
    value.set(messageId, ofMessage)
  }
  return { value, skipped }
}

// ---- recalls

const recallToKey = (id: MessageId, sender: AccountId): string => `${id}/${sender}`

/**
 * Takes a message back for its sender [DEL7]; grow-only. Whether it vanishes depends on whether its reader had opened it. The message
 * need not be here yet: another node may hold what this one has not got.
 */
export const recallMessage = (doc: Y.Doc, id: MessageId, sender: AccountId, ms: Millis): Result<'recalled' | 'present', never> => {
  const key = recallToKey(id, sender)
  if (doc.getMap(RECALLED).has(key)) return ok('present')
  setFlag(doc, RECALLED, key, ms)
  return ok('recalled')
}

/** Whether the message here was taken back by its sender. Data of old name no sender: such a mark was made beside its message. */
export const isRecalled = (doc: Y.Doc, id: MessageId): boolean => {
  const recalled = doc.getMap(RECALLED)
  if (recalled.has(id)) return true
  const sender = recalled.size === 0 ? undefined : readMessage(doc, id)?.from.id
  return sender !== undefined && sender !== '' && recalled.has(recallToKey(id, sender))
}

const parseRecallEntry: EntryParser<MessageId> = key => {
  const [messageText, senderText, ...rest] = key.split('/')
  return rest.length > 0 || (senderText !== undefined && parseAccountId(senderText) === null) ? null : parseMessageId(messageText)
}

/** The messages here that were taken back by their senders. */
export const readRecalled = (doc: Y.Doc): Read<Set<MessageId>> => {
  const { value, skipped } = readEntries(doc, RECALLED, parseRecallEntry)
  return { value: new Set(value.filter(id => isRecalled(doc, id))), skipped }
}

// ---- counting

/** Whether an entry of `messages` is the sender's own copy, of which each message has one. */
const isOwnCopy = (value: unknown, owner: AccountId): boolean => Array.isArray(value) && Array.isArray(value[0]) && value[0][0] === owner

/** How many messages the owner of this document sent in its month; a recount of everything. */
export const countSent = (doc: Y.Doc, owner: AccountId): number => {
  let count = 0
  for (const value of doc.getMap(MESSAGES).values()) if (isOwnCopy(value, owner)) count++
  return count
}

/** Whether a transaction overwrote a message by the mark of a purged one: what it took from countSent must be counted anew. */
export const purgesIn = ({ doc, changed }: Y.Transaction): boolean => {
  const messages: Y.Map<unknown> = doc.getMap(MESSAGES)
  for (const [type, keys] of changed) if (Object.is(type, messages)) return [...keys].some(key => key !== null && messages.get(key) === PURGED)
  return false
}

/** The keys of `messages` that a transaction set for the first time, counted as countSent does: what it added to that count. */
export const countSentIn = ({ doc, changed, beforeState }: Y.Transaction, owner: AccountId): number => {
  const messages: Y.Map<unknown> = doc.getMap(MESSAGES)
  let count = 0
  for (const [type, keys] of changed) {
    if (!Object.is(type, messages)) continue
    for (const key of keys) {
      // Two nodes may have set one key at once, and both settings may come in this transaction: the key is new if all of them do.
      let item: Y.Item | null | undefined = key === null ? null : messages._map.get(key)
      let isNew = item != null
      for (; item != null && isNew; item = item.left) isNew = item.id.clock >= (beforeState.get(item.id.client) ?? 0)
      if (isNew && isOwnCopy(messages.get(key ?? ''), owner)) count++
    }
  }
  return count
}
