// Delivery: what a sender's outbox says goes into the recipients' inboxes, with the sender's copy and receipts.
// Everything is planned first and written only when each document it touches is loaded, so that an entry, its copies
// and its receipts land in one commit [DEL2], and doing it twice changes nothing.
// Keeps [DOC1], [DOC2], [DEL3], [DEL4], [DEL8]. Refuses to know who asked: sockets, calls and start-up all come here.

import type * as Y from 'yjs'
import { type OutboxEntry, isBlocked, readOutbox, readOutboxEntry, readRecalls } from '../../crdt-schema/drafts.ts'
import { type AccountId, type DocumentName, type MessageId, draftsDocument, idToMillis, inboxDocument, messageToMonth, parseDocumentName, parseMessageId, utf8Length } from '../../crdt-schema/ids.ts'
import { type FailureKind, type Message, type Person, addMessage, addReceipt, isPurged, isSameMessage, messageToInsertion, personToRecipient, readMessage, readReceiptsOf, receiptToInsertion } from '../../crdt-schema/inbox.ts'
import type { Insertion } from '../../crdt-schema/insertions.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import type { Desk } from './desk.ts'
import { type DeliveryStep, type NeedsDocuments, homeOfMessage, isAhead, missingOf, notLoaded } from './homes.ts'
import { planRecall, writeRecall } from './recalls.ts'

export type DeliveryStatus = 'delivered' | FailureKind

export interface PlannedRecipient {
  /** With the account that a name stood for, if only a name was given [DEL3]. */
  readonly person: Person
  readonly status: DeliveryStatus
  /** Where the message must still be written, or null. */
  readonly inbox: DocumentName | null
  /** The receipt is there already, from an earlier delivery. */
  readonly isSettled: boolean
}

export interface DeliveryPlan {
  readonly status: 'planned'
  readonly message: Message
  /** Whom the sender named, in the same order as `recipients`. */
  readonly named: readonly Person[]
  readonly recipients: readonly PlannedRecipient[]
  /** The sender's inbox document, or null when the id names none that can exist. */
  readonly home: DocumentName | null
  /** This id was used before for something else [DEL8]. */
  readonly isIdTaken: boolean
}

// ---- the outbox

/**
 * Delivers what a drafts document holds in its outbox and recalls, or only the `ids` of it: each entry whole, and no more entries than
 * one commit may hold; or nothing, and says which documents must be loaded first. What has its receipts already costs one look.
 */
export const deliverOutbox = (desk: Desk, drafts: DocumentName, ids: ReadonlySet<string> | null = null): DeliveryStep => {
  const ref = parseDocumentName(drafts)
  if (ref?.kind !== 'drafts' || desk.directory.isRemoved(ref.account)) return { status: 'done' }
  const doc = desk.document(drafts)
  if (doc === null) return { status: 'needs-documents', documents: [drafts] }
  if (desk.isOverfull) return { status: 'more' }
  return deliver(desk, ref.account, entriesOf(doc, ids), recallsOf(doc, ids))
}

/** The same for entries that are known to be in the outbox of `sender`, without reading it. */
export const deliverEntries = (desk: Desk, sender: AccountId, entries: readonly OutboxEntry[]): DeliveryStep =>
  desk.directory.isRemoved(sender) ? { status: 'done' } : desk.isOverfull ? { status: 'more' } : deliver(desk, sender, entries, [])

const deliver = (desk: Desk, sender: AccountId, entries: readonly OutboxEntry[], recalled: readonly MessageId[]): DeliveryStep => {
  const deliveries: (NeedsDocuments | DeliveryPlan)[] = []
  let bytes = 0
  for (const entry of entries) {
    if (bytes >= LIMITS.commitBytesMax) break
    const plan = planDelivery(desk, sender, entry)
    deliveries.push(plan)
    if (plan.status === 'planned') bytes += deliveryBytes(plan)
  }
  const recalls = recalled.map(id => planRecall(desk, sender, id))
  const missing = missingOf([...deliveries, ...recalls])
  if (missing.length > 0) return { status: 'needs-documents', documents: missing }
  for (const plan of deliveries) if (plan.status === 'planned') writeDelivery(desk, plan)
  for (const plan of recalls) if (plan.status === 'recallable') writeRecall(desk, plan)
  return { status: deliveries.length < entries.length ? 'more' : 'done' }
}

/** About what a plan adds to the commit: the text once for each inbox that it is written to. */
export const deliveryBytes = ({ message, recipients }: DeliveryPlan): number =>
  utf8Length(message.text) * recipients.filter(({ inbox }) => inbox !== null).length

const entriesOf = (doc: Y.Doc, ids: ReadonlySet<string> | null): OutboxEntry[] => {
  if (ids === null) return readOutbox(doc).value
  const messageIds = [...ids].map(parseMessageId).filter(id => id !== null)
  return messageIds.map(id => readOutboxEntry(doc, id)).filter(entry => entry !== null)
}

const recallsOf = (doc: Y.Doc, ids: ReadonlySet<string> | null): MessageId[] =>
  ids !== null && ![...ids].some(id => doc.getMap('recalls').has(id)) ? [] : readRecalls(doc).value.filter(id => ids === null || ids.has(id))

/** What must be loaded before an update that brings these entries and recalls can be delivered in one commit [DEL2]. */
export const documentsToDeliver = (desk: Desk, sender: AccountId, entries: readonly OutboxEntry[], recalls: readonly MessageId[]): readonly DocumentName[] => {
  const unsure = entries.filter(entry => !isAllLoaded(desk, sender, entry))
  return unsure.length + recalls.length === 0 ? [] : missingOf([...unsure.map(entry => planDelivery(desk, sender, entry)), ...recalls.map(id => planRecall(desk, sender, id))])
}

/** Whether all that a plan could ask for is in memory: nearly always so, and known without making the plan. */
const isAllLoaded = (desk: Desk, sender: AccountId, { id, to }: OutboxEntry): boolean => {
  const home = homeOfMessage(sender, id)
  if (home === null || !desk.isInMemory(home)) return false
  const month = messageToMonth(id)
  return to.every(person => person.id !== '' && desk.directory.exists(person.id) && desk.isInMemory(inboxDocument(person.id, month)) && desk.isInMemory(draftsDocument(person.id)))
}

// ---- one entry

/** Works out what becomes of an entry for each recipient. Writes nothing. */
export const planDelivery = (desk: Desk, sender: AccountId, entry: OutboxEntry): NeedsDocuments | DeliveryPlan => {
  const home = homeOfMessage(sender, entry.id)
  const message: Message = { id: entry.id, from: { id: sender, name: entry.fromName }, to: entry.to, text: entry.text, sentMs: entry.sentMs }
  if (home === null) return fail(message, entry.to, home, 'bad-id')
  const isUnheard = desk.isUnheard(home, entry.id)
  const doc = isUnheard === true ? null : desk.document(home)
  if (isUnheard !== true && doc === null) return { status: 'needs-documents', documents: [home] }
  const held = doc === null ? null : readMessage(doc, entry.id)
  const resolved = { ...message, to: entry.to.map((person, i) => resolvePerson(desk, person, held?.to[i])) }
  const settled = resolved.to.map((person, i) => (doc === null ? null : findSettled(doc, entry.id, person, entry.to[i] ?? person)))
  if (held !== null && !isSameMessage(held, resolved)) return { ...fail(resolved, entry.to, home, 'bad-id', settled), isIdTaken: true }
  const isNew = held === null && (doc === null || !isPurged(doc, entry.id)) && settled.includes(null)
  if (isNew && isAhead(desk, idToMillis(entry.id))) return fail(resolved, entry.to, home, 'bad-id', settled)
  if (isNew && !desk.directory.hadName(sender, entry.fromName)) return fail(resolved, entry.to, home, 'bad-name', settled)
  const recipients: PlannedRecipient[] = []
  const missing: DocumentName[] = []
  resolved.to.forEach((person, i) => {
    const recipient = settled[i] ?? planRecipient(desk, resolved, person)
    if ('documents' in recipient) missing.push(...recipient.documents)
    else recipients.push(recipient)
  })
  if (missing.length > 0) return { status: 'needs-documents', documents: missing }
  // The id names a month that exists and a time that is not ahead, so a recipient's `bad-id` means that another message has it there.
  const isIdTaken = recipients.some(({ status, isSettled }) => status === 'bad-id' && !isSettled)
  return { status: 'planned', message: resolved, named: entry.to, recipients, home, isIdTaken }
}

/**
 * What is still to be written of a message that is known to have been delivered to `message.to`. The word of that may be here without the
 * copies: documents are pulled one by one, and a node may come to serve alone in the middle of a pull.
 */
export const planAgain = (desk: Desk, sender: AccountId, message: Message, delivered: readonly Person[]): NeedsDocuments | DeliveryPlan => {
  const home = homeOfMessage(sender, message.id)
  const doc = home === null ? null : desk.document(home)
  if (home !== null && doc === null) return { status: 'needs-documents', documents: [home] }
  const held = doc === null ? null : readMessage(doc, message.id)
  const plans = delivered.map(person => planRecipient(desk, message, person))
  const missing = plans.flatMap(plan => ('documents' in plan ? plan.documents : []))
  if (missing.length > 0) return { status: 'needs-documents', documents: missing }
  const recipients = plans.flatMap(plan => ('documents' in plan || plan.status !== 'delivered' ? [] : [plan]))
  const isIdTaken = held !== null && !isSameMessage(held, message)
  return { status: 'planned', message, named: recipients.map(({ person }) => person), recipients: isIdTaken ? [] : recipients, home, isIdTaken }
}

/** Fails for everybody who has no receipt yet. */
const fail = (message: Message, named: readonly Person[], home: DocumentName | null, status: FailureKind, settled: readonly (PlannedRecipient | null)[] = []): DeliveryPlan => ({
  status: 'planned', message, named, home, isIdTaken: false,
  recipients: message.to.map((person, i) => settled[i] ?? { person, status, inbox: null, isSettled: false }),
})

/** Whom a name stands for: whoever an earlier delivery of this message found, else who has the name now. */
const resolvePerson = (desk: Desk, person: Person, stored: Person | undefined): Person => {
  if (person.id !== '') return person
  const id = stored === undefined ? desk.directory.accountShownAs(person.name) : stored.id
  return id === null ? person : { id, name: person.name }
}

const FINAL_KINDS = ['delivered', 'no-such-account', 'mailbox-full', 'bad-id', 'bad-name'] as const

/** What an earlier delivery left as a receipt, under the account or under the name it was given. */
const findSettled = (doc: Y.Doc, id: MessageId, person: Person, named: Person): PlannedRecipient | null => {
  const receipts = { ...readReceiptsOf(doc, id, personToRecipient(named)), ...readReceiptsOf(doc, id, personToRecipient(person)) }
  const status = FINAL_KINDS.find(kind => receipts[kind] !== undefined)
  return status === undefined ? null : { person, status, inbox: null, isSettled: true }
}

const planRecipient = (desk: Desk, message: Message, person: Person): PlannedRecipient | NeedsDocuments => {
  const outcome = (status: DeliveryStatus, inbox: DocumentName | null = null): PlannedRecipient => ({ person, status, inbox, isSettled: false })
  if (person.id === '' || !desk.directory.exists(person.id)) return outcome('no-such-account')
  const inbox = homeOfMessage(person.id, message.id)
  const settings = draftsDocument(person.id)
  const drafts = desk.settings(settings)
  if (inbox === null) return outcome('bad-id')
  const isUnheard = desk.isUnheard(inbox, message.id)
  const doc = isUnheard === true ? null : desk.document(inbox)
  if ((isUnheard !== true && doc === null) || drafts === null) return { status: 'needs-documents', documents: notLoaded(desk, [inbox, settings]) }
  const held = doc === null ? null : readMessage(doc, message.id)
  if (held !== null) return outcome(isSameMessage(held, message) ? 'delivered' : 'bad-id')
  if (doc !== null && isPurged(doc, message.id)) return outcome('delivered')
  const sender = message.from.id
  // Who is blocked is not told so.
  if (sender !== '' && sender !== person.id && isBlocked(drafts, sender)) return outcome('delivered')
  return mailboxBytes(desk, person.id) >= LIMITS.mailboxBytesMax ? outcome('mailbox-full') : outcome('delivered', inbox)
}

/** Stored bytes of all inbox documents of an account: a handful of names and numbers, no contents. */
const mailboxBytes = (desk: Desk, account: AccountId): number => desk.documentsUnder(`inbox/${account}/`).reduce((sum, name) => sum + desk.bytesOf(name), 0)

/**
 * Writes a plan: into each recipient's inbox, the sender's copy if anybody gets it, and the receipts. A message that
 * nobody gets leaves only its receipts, so that it shows as failed where it was sent from, and nowhere else [DEL4].
 */
export const writeDelivery = (desk: Desk, { message, named, recipients, home }: DeliveryPlan): void => {
  if (home === null) return
  for (const { inbox } of recipients) {
    if (inbox === null) continue
    if (desk.isUnheard(inbox, message.id) === true) desk.insert(inbox, message.id, [messageToInsertion(message)])
    else desk.edit(inbox, doc => addMessage(doc, message))
  }
  const hasCopy = recipients.some(({ status }) => status === 'delivered')
  if (!hasCopy && recipients.every(({ isSettled }) => isSettled)) return
  const nowMs = desk.clusterMs
  const receipts = recipients.flatMap(({ person, status, isSettled }, i) =>
    isSettled ? [] : [{ about: personToRecipient(hasCopy ? person : (named[i] ?? person)), status }])
  if (desk.isUnheard(home, message.id) === true) {
    const insertions = new Map<string, Insertion>() // whoever is named twice has one receipt
    if (hasCopy) insertions.set('', messageToInsertion(message))
    for (const { about, status } of receipts) {
      const receipt = receiptToInsertion(message.id, about, status, nowMs)
      insertions.set(receipt.key, receipt)
    }
    return desk.insert(home, message.id, [...insertions.values()])
  }
  desk.edit(home, doc => {
    if (hasCopy) addMessage(doc, message)
    for (const { about, status } of receipts) addReceipt(doc, message.id, about, status, nowMs)
  })
}
