// Calls on messages that are there: counting and opening the Inbox, listing, marking, deleting, recalling.
// Keeps [DEL5] to [DEL7]. Answers follow from the documents alone, so they are equal on every node. A list goes by id,
// which is by the time a message was made: so a page of it loads only the months it shows.

import type * as Y from 'yjs'
import type { CallOf } from '../../crdt-schema/api.ts'
import { type AccountId, type DocumentName, type MessageId, type Millis, draftsDocument, marksDocument, messageToMonth, parseMessageId } from '../../crdt-schema/ids.ts'
import { foldMailbox, oldestUnopened } from '../../crdt-schema/mailbox.ts'
import { markOpened, setChecked, setDeleted } from '../../crdt-schema/marks.ts'
import { unreachable } from '../../crdt-schema/prelude.ts'
import { type CallContext, answer, refuse } from './answers.ts'
import type { Answer, Desk } from './desk.ts'
import { notLoaded } from './homes.ts'
import { type MessageView, type MonthDocuments, countUnopened, isUnopened, isVisible, messageIdsOf, monthOfMessage, monthsOf, readView, toMessageJson } from './message-views.ts'
import { parseOpenOutcome } from './outcomes.ts'
import { planRecall, writeRecall } from './recalls.ts'
import { documentsToStoreMarks, storeMarks } from './receipts.ts'
import { findRepeat } from './repeats.ts'

const needs = (documents: readonly DocumentName[]): Answer => ({ status: 'needs-documents', documents })

export const countInbox = (desk: Desk, account: AccountId): Answer => {
  const months = monthsOf(desk, account)
  const missing = notLoaded(desk, months.flatMap(({ inbox, marks }) => [inbox, marks]))
  if (missing.length > 0) return needs(missing)
  let unopened = 0
  for (const { inbox, marks } of months) {
    const inboxDoc = desk.document(inbox)
    const marksDoc = desk.document(marks)
    if (inboxDoc !== null && marksDoc !== null) unopened += countUnopened(account, inboxDoc, marksDoc)
  }
  return answer(200, { unopened })
}

// ---- opening

export const openInbox = (desk: Desk, call: CallOf<'open-inbox'>, context: CallContext, account: AccountId): Answer => {
  const repeat = findRepeat(desk, call, context, account)
  if (repeat.status === 'answered') return repeat.answer
  const chosen = repeat.status === 'repeated' ? (parseOpenOutcome(repeat.outcome) ?? []) : 'ids' in call ? call.ids : null
  const months = chosen === null ? monthsOf(desk, account) : chosen.map(id => monthOfMessage(account, id)).filter(month => month !== null)
  const missing = notLoaded(desk, [draftsDocument(account), ...new Set(months.flatMap(({ inbox, marks }) => [inbox, marks]))])
  if (missing.length > 0) return needs(missing)
  const ids = chosen ?? oldestIds(desk, account, months, 'count' in call ? call.count : 0)
  if (repeat.status === 'fresh') {
    const opening = ids.filter(id => isOpenable(viewOf(desk, account, id)))
    const lacking = openMessages(desk, account, opening, context.facts.arrivedMs)
    if (lacking.length > 0) return needs(lacking)
    repeat.remember(ids)
  }
  const views = [...new Set(ids)].map(id => viewOf(desk, account, id)).filter(view => view !== null)
  return answer(200, { opened: views.filter(view => view.kind === 'received' && isVisible(view)).map(toMessageJson) })
}

/** Moves messages out of the Inbox and tells their senders, or returns what must be loaded first and writes nothing. */
export const openMessages = (desk: Desk, account: AccountId, ids: readonly MessageId[], openedMs: Millis): readonly DocumentName[] => {
  const byMarks = new Map<DocumentName, MessageId[]>()
  for (const id of ids) {
    const name = marksDocument(account, messageToMonth(id))
    byMarks.set(name, [...(byMarks.get(name) ?? []), id])
  }
  const missing = [...byMarks].flatMap(([name, opening]) => [...notLoaded(desk, [name]), ...documentsToStoreMarks(desk, name, opening.map(id => `o:${id}`))])
  if (missing.length > 0) return [...new Set(missing)]
  for (const [name, opening] of byMarks) {
    desk.edit(name, doc => opening.forEach(id => markOpened(doc, id, openedMs)))
    storeMarks(desk, name, opening.map(id => `o:${id}`))
  }
  return []
}

const isOpenable = (view: MessageView | null): boolean => view !== null && isUnopened(view)

const oldestIds = (desk: Desk, account: AccountId, months: readonly MonthDocuments[], count: number): readonly MessageId[] => {
  const load = (name: DocumentName): Y.Doc[] => [desk.document(name)].filter(doc => doc !== null)
  const [drafts] = load(draftsDocument(account))
  if (drafts === undefined) return []
  const documents = { owner: account, inboxes: months.flatMap(({ inbox }) => load(inbox)), marks: months.flatMap(({ marks }) => load(marks)), drafts }
  return oldestUnopened(foldMailbox(documents).value, count)
}

/** The message under an id, or null; its documents must be loaded. */
const viewOf = (desk: Desk, account: AccountId, id: MessageId): MessageView | null => {
  const month = monthOfMessage(account, id)
  const inbox = month === null ? null : desk.document(month.inbox)
  const marks = month === null ? null : desk.document(month.marks)
  return inbox === null || marks === null ? null : readView(account, inbox, marks, id)
}

// ---- listing

/** Opened and sent messages by id, newest first. Goes month by month until the page is full. */
export const listMessages = (desk: Desk, call: CallOf<'list-messages'>, account: AccountId): Answer => {
  const before = call.before === undefined ? null : parseMessageId(call.before)
  if (call.before !== undefined && before === null) return refuse('bad-request', { field: 'query.before', reason: 'not a `next` of this list' })
  const first = before === null ? null : marksDocument(account, messageToMonth(before))
  const listed: MessageView[] = []
  for (const { inbox, marks } of monthsOf(desk, account)) {
    if (first !== null && marks > first) continue
    const inboxDoc = desk.document(inbox)
    const marksDoc = desk.document(marks)
    if (inboxDoc === null || marksDoc === null) return needs(notLoaded(desk, [inbox, marks]))
    for (const id of messageIdsOf(inboxDoc)) {
      if (before !== null && id >= before) continue
      const view = readView(account, inboxDoc, marksDoc, id)
      if (view !== null && isVisible(view) && !isUnopened(view)) listed.push(view)
      if (listed.length > call.limit) return answer(200, toPage(listed.slice(0, call.limit), 'more'))
    }
  }
  return answer(200, toPage(listed, 'end'))
}

const toPage = (views: readonly MessageView[], rest: 'more' | 'end') => {
  const last = views.at(-1)
  return { messages: views.map(toMessageJson), ...(rest === 'more' && last !== undefined ? { next: last.message.id } : {}) }
}

// ---- one message

/** Runs `change` on a message that is its owner's; 404 for any other, and for one that was taken back. */
const withMessage = (desk: Desk, account: AccountId, id: MessageId, change: (view: MessageView, marks: DocumentName) => Answer): Answer => {
  const month = monthOfMessage(account, id)
  if (month === null) return refuse('no-such-message')
  const missing = notLoaded(desk, [month.inbox, month.marks])
  if (missing.length > 0) return needs(missing)
  const view = viewOf(desk, account, id)
  return view === null || view.isGone ? refuse('no-such-message') : change(view, month.marks)
}

export const changeMessage = (desk: Desk, call: CallOf<'change-message'>, account: AccountId): Answer =>
  withMessage(desk, account, call.id, (view, marks) => {
    if (view.mark.deleted && !('deleted' in call)) return refuse('no-such-message')
    if ('deleted' in call) {
      desk.edit(marks, doc => setDeleted(doc, call.id, false))
    } else {
      const missing = documentsToStoreMarks(desk, marks, [`c:${call.id}`])
      if (missing.length > 0) return needs(missing)
      desk.edit(marks, doc => setChecked(doc, call.id, call.checked))
      storeMarks(desk, marks, [`c:${call.id}`])
    }
    const changed = viewOf(desk, account, call.id)
    return changed === null ? refuse('no-such-message') : answer(200, { message: toMessageJson(changed) })
  })

export const deleteMessage = (desk: Desk, call: CallOf<'delete-message'>, account: AccountId): Answer =>
  withMessage(desk, account, call.id, (_view, marks) => {
    desk.edit(marks, doc => setDeleted(doc, call.id, true))
    return answer(204, null)
  })

export const recallMessage = (desk: Desk, call: CallOf<'recall-message'>, account: AccountId): Answer => {
  const plan = planRecall(desk, account, call.id)
  switch (plan.status) {
    case 'needs-documents':
      return plan
    case 'no-such-message':
      return refuse('no-such-message')
    case 'recallable':
      writeRecall(desk, plan)
      return answer(200, { recalled: true })
    case 'recalled':
    case 'opened':
      return answer(200, { recalled: plan.status === 'recalled' })
    default:
      return unreachable(plan)
  }
}
