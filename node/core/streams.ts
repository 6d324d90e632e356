// Event streams (GET /api/events): what happens in a mailbox, told as it settles to whoever follows it over HTTP.
// Following is being there: a message that arrives meanwhile is opened on its reader's behalf, as a page does, and then
// told. All streams of an account hear the same, so the work is done once for each account.
// Keeps [STO2], [DEL5] and [COR3]: a stream that cannot keep up is ended, and its client reads the lists again.

import { readDraft } from '../../crdt-schema/drafts.ts'
import { type AccountId, type DocumentName, type DraftId, type MessageId, type Millis, type SessionId, draftsDocument, inboxDocument, marksDocument, millisToMonth, parseDocumentName, parseDraftId, parseMessageId } from '../../crdt-schema/ids.ts'
import { problem, retryAfterSecondsOf } from '../../crdt-schema/api-problems.ts'
import { unreachable } from '../../crdt-schema/prelude.ts'
import type { Desk } from './desk.ts'
import type { CallId, CommitNumber } from './events.ts'
import { notLoaded } from './homes.ts'
import { openMessages } from './message-calls.ts'
import { isUnopened, isVisible, messageIdsOf, monthOfMessage, readView, toDraftJson, toMessageJson } from './message-views.ts'
import { keysIn, readTouched } from './touched.ts'

const STREAMS_MAX = 1_000
const STREAMS_PER_ACCOUNT_MAX = 16
/** News of one account that wait to settle; only a client that missed a lot at once gets there. */
const NEWS_MAX = 10_000
/** A message written this long before the stream was opened may still be on its way to this node. */
const ARRIVING_MS = 60_000
const CHECK_INTERVAL_MS = 1_000

type News =
  | { readonly type: 'message' | 'message-changed'; readonly id: MessageId; readonly after: CommitNumber }
  | { readonly type: 'draft-changed'; readonly id: DraftId; readonly after: CommitNumber }

/** An account that somebody follows here. */
interface Feed {
  readonly account: AccountId
  readonly openedMs: Millis
  readonly streams: Map<CallId, SessionId>
  /** What is to be told, by id of the message or draft, in the order it happened. */
  readonly news: Map<string, News>
  /** Kept in memory, so that what peers send is seen at once. */
  readonly kept: readonly DocumentName[]
  /** Pinned for the news that wait for them. */
  lacks: DocumentName[]
}

export interface Streams {
  readonly feeds: Map<AccountId, Feed>
  checkedMs: number
}

export const createStreams = (): Streams => ({ feeds: new Map(), checkedMs: 0 })

// ---- streams come and go

/** Lets a client follow its mailbox from now on, or tells it that too many do already. */
export const openStream = (desk: Desk, streams: Streams, call: CallId, { accountId, sessionId }: { readonly accountId: AccountId; readonly sessionId: SessionId }): void => {
  const open = [...streams.feeds.values()].reduce((sum, feed) => sum + feed.streams.size, 0)
  const feed = streams.feeds.get(accountId) ?? createFeed(desk, accountId)
  if (open >= STREAMS_MAX || feed.streams.size >= STREAMS_PER_ACCOUNT_MAX) {
    return desk.emit({ type: 'respond', call, status: 429, body: problem('too-many-requests'), retryAfterSeconds: retryAfterSecondsOf('too-many-requests'), after: 0 })
  }
  if (!streams.feeds.has(accountId)) for (const name of feed.kept) desk.pin(name)
  streams.feeds.set(accountId, feed)
  feed.streams.set(call, sessionId)
  desk.emit({ type: 'stream', call, event: '', data: null, after: 0 }) // says only that it is open
}

const createFeed = (desk: Desk, account: AccountId): Feed => {
  const month = millisToMonth(desk.clusterMs)
  return { account, openedMs: desk.clusterMs, streams: new Map(), news: new Map(), kept: [draftsDocument(account), inboxDocument(account, month), marksDocument(account, month)], lacks: [] }
}

/** The client has gone. What its account held in memory is let go with the next tick. */
export const endStream = (streams: Streams, call: CallId): void => {
  for (const feed of streams.feeds.values()) feed.streams.delete(call)
}

/** Sessions ended or accounts were removed: their streams say so and end. */
export const onSessionsChanged = (desk: Desk, streams: Streams): void => {
  for (const feed of streams.feeds.values()) {
    for (const [call, sessionId] of feed.streams) {
      const session = desk.directory.session(sessionId)
      if (session !== null && desk.directory.isLive(session, desk.clusterMs)) continue
      desk.emit({ type: 'stream', call, event: 'session-ended', data: { code: 'unauthorized' }, after: 0 })
      desk.emit({ type: 'stream-end', call })
      feed.streams.delete(call)
    }
  }
}

/** Time has passed: tries again what lacked a document, ends what expired, lets go of accounts nobody follows any more. */
export const onTick = (desk: Desk, streams: Streams): void => {
  if (desk.monotonicMs - streams.checkedMs >= CHECK_INTERVAL_MS) {
    streams.checkedMs = desk.monotonicMs
    onSessionsChanged(desk, streams)
  }
  for (const [account, feed] of streams.feeds) {
    if (feed.streams.size > 0) continue
    for (const name of [...feed.kept, ...feed.lacks]) desk.unpin(name)
    streams.feeds.delete(account)
  }
  onSettled(desk, streams)
}

// ---- what happens

/** A document has changed, by whomever: notes what its followers will be told. */
export const onDocumentUpdate = (desk: Desk, streams: Streams, name: DocumentName, update: Uint8Array): void => {
  if (streams.feeds.size === 0) return
  const ref = parseDocumentName(name)
  const feed = ref !== null && 'account' in ref ? streams.feeds.get(ref.account) : undefined
  const doc = feed === undefined ? null : desk.document(name)
  if (ref === null || feed === undefined || doc === null) return
  const touched = readTouched(doc, update)
  const after = desk.latestCommit(name)
  for (const key of keysIn(touched, 'messages')) noteMessage(desk, feed, 'message', key, after)
  for (const root of ['receipts', 'recalled']) for (const key of keysIn(touched, root)) noteMessage(desk, feed, 'message-changed', key.slice(0, 36), after)
  for (const key of keysIn(touched, 'marks')) if (/^[odc]:/.test(key)) noteMessage(desk, feed, 'message-changed', key.slice(2), after)
  for (const key of keysIn(touched, 'drafts')) {
    const id = parseDraftId(key.slice(0, 36))
    if (id !== null) note(desk, feed, { type: 'draft-changed', id, after })
  }
}

/** A document is in memory again. What came while it was not is told by what it left: unopened messages of this time. */
export const onLoaded = (desk: Desk, streams: Streams, name: DocumentName): void => {
  const ref = parseDocumentName(name)
  const feed = ref?.kind === 'inbox' ? streams.feeds.get(ref.account) : undefined
  const inbox = feed === undefined ? null : desk.document(name)
  if (ref?.kind !== 'inbox' || feed === undefined || inbox === null || feed.lacks.includes(name)) return
  const marks = desk.document(marksDocument(ref.account, ref.month))
  for (const id of messageIdsOf(inbox)) {
    const view = marks === null ? null : readView(ref.account, inbox, marks, id)
    const isArriving = view !== null && isUnopened(view) && view.message.sentMs >= feed.openedMs - ARRIVING_MS
    if (isArriving && !feed.news.has(id)) noteMessage(desk, feed, 'message', id, desk.latestCommit(name))
  }
}

const noteMessage = (desk: Desk, feed: Feed, type: 'message' | 'message-changed', text: string, after: CommitNumber): void => {
  const id = parseMessageId(text)
  if (id === null) return
  // What changes before a message was told of is told with it.
  note(desk, feed, { type: feed.news.get(id)?.type === 'message' ? 'message' : type, id, after })
}

const note = (desk: Desk, feed: Feed, news: News): void => {
  feed.news.set(news.id, news)
  if (feed.news.size <= NEWS_MAX) return
  for (const call of feed.streams.keys()) desk.emit({ type: 'stream-end', call })
  feed.streams.clear()
  feed.news.clear()
}

// ---- telling

/** Commits have settled: tells what they hold. */
export const onSettled = (desk: Desk, streams: Streams): void => {
  if (desk.phase !== 'ready') return
  for (const feed of streams.feeds.values()) {
    if (feed.news.size === 0 || feed.streams.size === 0 || notLoaded(desk, feed.lacks).length > 0) continue
    const { lacks } = feed
    feed.lacks = []
    for (const news of [...feed.news.values()]) if (news.after <= desk.settledThrough) tell(desk, feed, news)
    for (const name of lacks) desk.unpin(name)
  }
}

const tell = (desk: Desk, feed: Feed, news: News): void => {
  switch (news.type) {
    case 'draft-changed':
      return tellDraft(desk, feed, news.id, news.after)
    case 'message':
    case 'message-changed':
      return tellMessage(desk, feed, news)
    default:
      return unreachable(news)
  }
}

const tellDraft = (desk: Desk, feed: Feed, id: DraftId, after: CommitNumber): void => {
  const doc = desk.document(draftsDocument(feed.account))
  if (doc === null) return lack(desk, feed, [draftsDocument(feed.account)])
  const draft = readDraft(doc, id)
  send(desk, feed, { type: 'draft-changed', id, after }, draft === null || draft.discarded ? { id, gone: true } : toDraftJson(draft))
}

const tellMessage = (desk: Desk, feed: Feed, news: Extract<News, { id: MessageId }>): void => {
  const month = monthOfMessage(feed.account, news.id)
  const inbox = month === null ? null : desk.document(month.inbox)
  const marks = month === null ? null : desk.document(month.marks)
  if (month === null) return void feed.news.delete(news.id)
  if (inbox === null || marks === null) return lack(desk, feed, notLoaded(desk, [month.inbox, month.marks]))
  const view = readView(feed.account, inbox, marks, news.id)
  if (view === null || !isVisible(view)) return void feed.news.delete(news.id)
  if (news.type === 'message' && isUnopened(view)) {
    const missing = openMessages(desk, feed.account, [news.id], desk.clusterMs)
    // Opened just now: told when that is settled, too.
    if (missing.length === 0) feed.news.set(news.id, { ...news, after: desk.latestCommit(month.marks) })
    return lack(desk, feed, missing)
  }
  send(desk, feed, news, toMessageJson(view))
}

const lack = (desk: Desk, feed: Feed, documents: readonly DocumentName[]): void => {
  for (const name of documents) desk.pin(name)
  feed.lacks.push(...documents)
}

const send = (desk: Desk, feed: Feed, { type, id, after }: News, data: unknown): void => {
  feed.news.delete(id)
  for (const call of feed.streams.keys()) desk.emit({ type: 'stream', call, event: type, data, after })
}
