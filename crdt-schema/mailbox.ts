// What a person sees: the inbox, marks and drafts documents of an account folded into lists and counts.
// Counts are sizes of these lists and never stored [DOC4]. A recalled message is visible only if it was
// opened [DEL7], a deleted one not at all. Writes nothing and knows neither nodes nor screens.

import type * as Y from 'yjs'
import { type Draft, type OutboxEntry, type RefusedEntry, readDrafts, readOutbox, readRecalls } from './drafts.ts'
import type { AccountId, MessageId, Millis } from './ids.ts'
import { type FailureKind, type Message, type Person, type Receipts, type RecipientId, personToRecipient, readAllReceipts, readMessages, readRecalled } from './inbox.ts'
import { type Mark, NO_MARK, readMarks } from './marks.ts'
import { isBroken } from './mutation.ts'
import type { Read } from './prelude.ts'

export interface ReceivedMessage extends Message {
  /** Null while it waits in the Inbox. */
  readonly openedMs: Millis | null
  readonly checked: boolean
}

export type RecipientStatus = 'waiting' | 'delivered' | 'opened' | 'read' | FailureKind

export interface RecipientState {
  readonly person: Person
  readonly status: RecipientStatus
  /** When that came about; null while waiting, and for `read`, whose time nobody keeps. */
  readonly atMs: Millis | null
}

/** A message as its sender sees it [DEL5]. `status` is the furthest any recipient came; `failed` if none can get it. */
export interface SentMessage extends Message {
  readonly status: 'stored' | 'opened' | 'read' | 'recalled' | 'failed'
  readonly recipients: readonly RecipientState[]
  readonly recallRequested: boolean
}

/** An outbox entry that is not done: waiting for a node, or failed for some recipient until its owner acts [DEL4]. */
export interface UnsentMessage extends OutboxEntry {
  readonly status: 'waiting' | 'failed'
  readonly recipients: readonly RecipientState[]
}

export interface Mailbox {
  readonly owner: AccountId
  /** Received and unopened, oldest first. */
  readonly inbox: readonly ReceivedMessage[]
  /** Received and opened, newest opened first. */
  readonly messages: readonly ReceivedMessage[]
  /** Sent, newest first; a note to oneself is here too. */
  readonly sent: readonly SentMessage[]
  /** Sent and taken back unopened, newest first; hidden everywhere else. */
  readonly recalled: readonly SentMessage[]
  /** Live drafts, last edited first. */
  readonly drafts: readonly Draft[]
  /** Oldest first. */
  readonly outbox: readonly UnsentMessage[]
  /** Outbox entries with all their receipts and no failure: theirs to clear [DEL2]. */
  readonly settled: readonly MessageId[]
  /** Outbox entries that nodes refused for their id: theirs to send again under a new one [DEL4]. */
  readonly refused: readonly RefusedEntry[]
  readonly counts: MailboxCounts
}

export interface MailboxCounts {
  readonly unopened: number
  /** Opened and not checked. */
  readonly unread: number
  readonly messages: number
  readonly sent: number
  readonly drafts: number
  readonly selected: number
  /** Waiting for a node. */
  readonly unsent: number
  readonly failed: number
}

export interface MailboxDocuments {
  readonly owner: AccountId
  readonly inboxes: Iterable<Y.Doc>
  readonly marks: Iterable<Y.Doc>
  readonly drafts: Y.Doc
}

/** Folds an account's documents into what it sees; `skipped` counts the junk entries of all of them [DOC5]. */
export const foldMailbox = ({ owner, inboxes, marks, drafts }: MailboxDocuments): Read<Mailbox> =>
  foldContents(owner, Array.from(inboxes, readInboxContent), Array.from(marks, readMarks), readDraftsContent(drafts))

/** Folds again and again, reading only the documents that changed since; for a page. */
export interface MailboxFolder {
  fold(documents: MailboxDocuments): Read<Mailbox>
  /** Stops listening to the documents. */
  close(): void
}

export const createMailboxFolder = (): MailboxFolder => {
  const inboxes = createDocumentCache(readInboxContent)
  const marks = createDocumentCache(readMarks)
  const drafts = createDocumentCache(readDraftsContent)
  return {
    fold: documents => foldContents(documents.owner, Array.from(documents.inboxes, inboxes.read), Array.from(documents.marks, marks.read), drafts.read(documents.drafts)),
    close: () => [inboxes, marks, drafts].forEach(cache => cache.close()),
  }
}

const createDocumentCache = <Content>(read: (doc: Y.Doc) => Content): { read(doc: Y.Doc): Content; close(): void } => {
  const contents = new Map<Y.Doc, Content | null>()
  const forget = (_update: Uint8Array, _origin: unknown, doc: Y.Doc): void => void contents.set(doc, null)
  return {
    read: doc => {
      if (!contents.has(doc)) doc.on('update', forget)
      const content = contents.get(doc) ?? read(doc)
      contents.set(doc, content)
      return content
    },
    close: () => {
      for (const doc of contents.keys()) doc.off('update', forget)
      contents.clear()
    },
  }
}

// ---- what one document says

interface InboxContent {
  readonly messages: ReadonlyMap<MessageId, Message>
  readonly receipts: ReadonlyMap<MessageId, ReadonlyMap<RecipientId, Receipts>>
  readonly recalled: ReadonlySet<MessageId>
  readonly skipped: number
}

const readInboxContent = (doc: Y.Doc): InboxContent => {
  const messages = readMessages(doc)
  const receipts = readAllReceipts(doc)
  const recalled = readRecalled(doc)
  return { messages: messages.value, receipts: receipts.value, recalled: recalled.value, skipped: messages.skipped + receipts.skipped + recalled.skipped }
}

interface DraftsContent {
  readonly drafts: readonly Draft[]
  readonly outbox: readonly OutboxEntry[]
  readonly recalls: ReadonlySet<MessageId>
  readonly skipped: number
}

const readDraftsContent = (doc: Y.Doc): DraftsContent => {
  const drafts = readDrafts(doc)
  const outbox = readOutbox(doc)
  const recalls = readRecalls(doc)
  return { drafts: drafts.value.filter(draft => !draft.discarded), outbox: outbox.value, recalls: new Set(recalls.value), skipped: drafts.skipped + outbox.skipped + recalls.skipped }
}

// ---- the fold

const foldContents = (owner: AccountId, inboxes: readonly InboxContent[], marks: readonly Read<Map<MessageId, Mark>>[], drafts: DraftsContent): Read<Mailbox> => {
  const markOf = (id: MessageId): Mark => marks.find(part => part.value.has(id))?.value.get(id) ?? NO_MARK
  const inbox: ReceivedMessage[] = []
  const messages: ReceivedMessage[] = []
  const sent: SentMessage[] = []
  const recalled: SentMessage[] = []

  for (const content of inboxes) {
    for (const message of content.messages.values()) {
      const mark = markOf(message.id)
      if (mark.deleted) continue
      const isRecalled = content.recalled.has(message.id)
      if (isReceived(message, owner)) {
        const { openedMs, checked } = mark
        if (openedMs !== null) messages.push({ ...message, openedMs, checked })
        else if (!isRecalled) inbox.push({ ...message, openedMs, checked })
      }
      if (message.from.id === owner) {
        const asSent = toSentMessage(message, content.receipts.get(message.id), isRecalled, drafts.recalls.has(message.id))
        if (asSent.status === 'recalled') recalled.push(asSent)
        else sent.push(asSent)
      }
    }
  }

  const { outbox, settled } = foldOutbox(drafts.outbox, inboxes)
  const skipped = [...inboxes, ...marks, drafts].reduce((sum, part) => sum + part.skipped, 0)
  const value: Mailbox = {
    owner,
    inbox: inbox.sort(byAge),
    messages: messages.sort(byNewestOpened),
    sent: sent.sort((a, b) => byAge(b, a)),
    recalled: recalled.sort((a, b) => byAge(b, a)),
    drafts: drafts.drafts,
    outbox: outbox.sort(byAge),
    settled,
    refused: outbox.map(findRefused).filter(entry => entry !== null),
    counts: {
      unopened: inbox.length,
      unread: messages.filter(message => !message.checked).length,
      messages: messages.length,
      sent: sent.length,
      drafts: drafts.drafts.length,
      selected: drafts.drafts.filter(draft => draft.selected).length,
      unsent: outbox.filter(entry => entry.status === 'waiting').length,
      failed: outbox.filter(entry => entry.status === 'failed').length,
    },
  }
  return { value, skipped }
}

/** What lies in my inbox and is not from me is to me, even where the sender had only typed my name. */
const isReceived = (message: Message, owner: AccountId): boolean => message.from.id !== owner || message.to.some(person => person.id === owner)

const compareIds = (a: { readonly id: MessageId }, b: { readonly id: MessageId }): number => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0)

/** The order of the Inbox: (sentMs, id). */
const byAge = (a: { readonly id: MessageId; readonly sentMs: Millis }, b: { readonly id: MessageId; readonly sentMs: Millis }): number => a.sentMs - b.sentMs || compareIds(a, b)
const byNewestOpened = (a: ReceivedMessage, b: ReceivedMessage): number => (b.openedMs ?? 0) - (a.openedMs ?? 0) || byAge(b, a)

/** The ids of the `count` oldest messages in the Inbox: what opening that many opens [DEL6]. */
export const oldestUnopened = (mailbox: Mailbox, count: number): MessageId[] => mailbox.inbox.slice(0, Math.max(0, count)).map(message => message.id)

const toSentMessage = (message: Message, receipts: ReadonlyMap<RecipientId, Receipts> | undefined, isRecalled: boolean, recallRequested: boolean): SentMessage => {
  const recipients = message.to.map(person => toRecipientState(person, receipts?.get(personToRecipient(person))))
  return { ...message, recipients, recallRequested, status: toSentStatus(recipients, isRecalled) }
}

const toSentStatus = (recipients: readonly RecipientState[], isRecalled: boolean): SentMessage['status'] => {
  if (recipients.some(recipient => recipient.status === 'read')) return 'read'
  if (recipients.some(recipient => recipient.status === 'opened')) return 'opened'
  if (isRecalled) return 'recalled'
  return recipients.length > 0 && recipients.every(isFailed) ? 'failed' : 'stored'
}

const FAILURES = ['no-such-account', 'mailbox-full', 'bad-id', 'bad-name'] as const

const isFailed = (recipient: RecipientState): boolean => FAILURES.some(kind => kind === recipient.status)

/** The furthest of a recipient's receipts. A failure counts only if nothing was delivered: a later try may have succeeded. */
const toRecipientState = (person: Person, receipts: Receipts = {}): RecipientState => {
  if (receipts.read === true) return { person, status: 'read', atMs: receipts.opened ?? null }
  if (receipts.opened !== undefined) return { person, status: 'opened', atMs: receipts.opened }
  if (receipts.delivered !== undefined) return { person, status: 'delivered', atMs: receipts.delivered }
  const failure = FAILURES.find(kind => receipts[kind] !== undefined)
  return failure === undefined ? { person, status: 'waiting', atMs: null } : { person, status: failure, atMs: receipts[failure] ?? null }
}

const foldOutbox = (entries: readonly OutboxEntry[], inboxes: readonly InboxContent[]): { readonly outbox: UnsentMessage[]; readonly settled: MessageId[] } => {
  const outbox: UnsentMessage[] = []
  const settled: MessageId[] = []
  for (const entry of entries) {
    const home = inboxes.find(content => content.receipts.has(entry.id))
    const receipts = home?.receipts.get(entry.id)
    const stored = home?.messages.get(entry.id)
    const recipients = entry.to.map((person, i) => {
      // A name that the node resolved has its receipts under the account id that the stored message carries.
      const resolved = stored?.to[i] ?? person
      return toRecipientState(person, receipts?.get(personToRecipient(person)) ?? receipts?.get(personToRecipient(resolved)))
    })
    if (recipients.some(isFailed)) outbox.push({ ...entry, status: 'failed', recipients })
    else if (recipients.some(recipient => recipient.status === 'waiting') && !isBroken('outbox-cleared-before-receipt')) outbox.push({ ...entry, status: 'waiting', recipients })
    else settled.push(entry.id)
  }
  return { outbox, settled }
}

/** Whom an entry must still reach under another id, once all its recipients have an answer and one of them is that the id is bad. */
const findRefused = ({ status: _status, recipients, ...entry }: UnsentMessage): RefusedEntry | null => {
  const refusals = recipients.flatMap(({ status, atMs }) => (status === 'bad-id' && atMs !== null ? [atMs] : []))
  const [first, ...others] = refusals
  if (first === undefined || recipients.some(({ status }) => status === 'waiting')) return null
  const to = recipients.filter(isFailed).map(({ person }) => person)
  return { entry, to, refusedMs: others.reduce<Millis>((least, ms) => (ms < least ? ms : least), first) }
}
