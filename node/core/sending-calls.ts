// Calls that send: a message of a program, and drafts. Both deliver in the step that answers, through the plans of
// delivery.ts, and leave nothing in the outbox: whoever called hears what became of each recipient.
// Keeps [DEL2] to [DEL4], [DEL8] and, with repeats.ts, [COO5].

import type { ProblemCode } from '../../crdt-schema/api-problems.ts'
import type { CallOf } from '../../crdt-schema/api.ts'
import { type OutboxEntry, clearOutboxEntry, readDraft, readDrafts, sendDraft } from '../../crdt-schema/drafts.ts'
import { type AccountId, type DocumentName, type DraftId, type MessageId, type Millis, draftToMessageId, draftsDocument, hashText, mintMessageId, parseMessageId, parseMillis, utf8Length } from '../../crdt-schema/ids.ts'
import { type Person, peopleToPairs } from '../../crdt-schema/inbox.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import { type CallContext, answer, refuse, requestIdOf } from './answers.ts'
import { type DeliveryPlan, deliveryBytes, planAgain, planDelivery, writeDelivery } from './delivery.ts'
import type { Answer, Desk } from './desk.ts'
import { type NeedsDocuments, homeOfMessage, missingOf } from './homes.ts'
import { type SendOutcome, draftsOutcomeToValue, parseDraftsOutcome, parseSendOutcome, sendOutcomeToValue, toRecipientOutcome } from './outcomes.ts'
import { findPeople } from './people.ts'
import { findRepeat, timeOfKey } from './repeats.ts'

const DAY_MS = 86_400_000

// ---- a message

export const sendMessage = (desk: Desk, call: CallOf<'send-message'>, context: CallContext, account: AccountId): Answer => {
  const repeat = findRepeat(desk, call, context, account)
  if (repeat.status === 'answered') return repeat.answer
  if (repeat.status === 'repeated') return sendAgain(desk, call, context, account, parseSendOutcome(repeat.outcome))
  if (call.text.trim() === '') return refuse('bad-request', { field: 'body.text', reason: 'nothing to say' })
  if (utf8Length(call.text) > LIMITS.messageTextBytesMax) return refuse('too-large')
  const to = findPeople(desk, call.to)
  if (to === null) return refuse('bad-request', { field: 'body.to', reason: 'not a possible name' })
  const id = call.id ?? chooseId(desk, context, account)
  if (homeOfMessage(account, id) === null) return refuse('bad-id')
  const plan = planDelivery(desk, account, { id, fromName: desk.directory.nameOf(account) ?? '', to, text: call.text, sentMs: context.facts.arrivedMs })
  if (plan.status === 'needs-documents') return plan
  if (plan.isIdTaken) return refuse(call.id === undefined ? 'id-reused' : 'id-taken')
  if (plan.recipients.every(({ status, isSettled }) => status === 'bad-id' && !isSettled)) return refuse('bad-id')
  writeDelivery(desk, plan)
  const recipients = plan.recipients.map(toRecipientOutcome)
  repeat.remember(sendOutcomeToValue({ id, recipients }))
  const isNew = plan.recipients.every(({ isSettled }) => !isSettled)
  return answer(201, (storedOn: readonly number[]) => ({ id, storedOn, recipients }), isNew ? 'acknowledged' : 'settled')
}

/** Tells again what became of the message, and says "stored" only of what is: its copies may not have come yet with the word of them. */
const sendAgain = (desk: Desk, call: CallOf<'send-message'>, { facts }: CallContext, account: AccountId, outcome: SendOutcome | null): Answer => {
  if (outcome === null) return refuse('id-reused')
  const { id, recipients } = outcome
  const message = { id, from: { id: account, name: desk.directory.nameOf(account) ?? '' }, to: recipients.map(toPerson), text: call.text, sentMs: facts.arrivedMs }
  const plan = planAgain(desk, account, message, recipients.filter(({ status }) => status === 'delivered').map(toPerson))
  if (plan.status === 'needs-documents') return plan
  writeDelivery(desk, plan)
  return answer(201, (storedOn: readonly number[]) => ({ ...outcome, storedOn }))
}

const toPerson = ({ id, name }: Person): Person => ({ id, name })

/**
 * The id of a message whose sender gave none. It follows from the key, if there is one, so that two nodes asked at once
 * make one message: a key with a time is the id; another one makes an id of the day, of which all nodes have one idea.
 */
const chooseId = (desk: Desk, context: CallContext, account: AccountId): MessageId => {
  const { arrivedMs, random } = context.facts
  const requestId = context.idempotencyKey === null ? null : requestIdOf(context)
  if (requestId === null) return mintMessageId(arrivedMs, random.slice(0, 10))
  const asId = timeOfKey(desk, requestId) === null ? null : parseMessageId(requestId)
  return asId ?? mintMessageId(startOfDay(arrivedMs), hexToBytes(hashText(`message ${account} ${requestId}`), 10))
}

const startOfDay = (timeMs: Millis): Millis => parseMillis(timeMs - (timeMs % DAY_MS)) ?? timeMs

const hexToBytes = (hex: string, length: number): Uint8Array => Uint8Array.from({ length }, (_, i) => Number.parseInt(hex.slice(2 * i, 2 * i + 2), 16))

// ---- drafts

type SentDraft = { readonly draftId: DraftId; readonly code: ProblemCode } | { readonly draftId: DraftId; readonly id: MessageId }

type DraftPlan =
  | NeedsDocuments
  | { readonly status: 'settled'; readonly result: SentDraft }
  | { readonly status: 'sending'; readonly draftId: DraftId; readonly entry: OutboxEntry; readonly plan: DeliveryPlan }

/** Sends drafts. One that nobody would get stays a draft, and says why. */
export const sendDrafts = (desk: Desk, call: CallOf<'send-drafts'>, context: CallContext, account: AccountId): Answer => {
  const repeat = findRepeat(desk, call, context, account)
  if (repeat.status === 'answered') return repeat.answer
  const drafts = draftsDocument(account)
  const doc = desk.document(drafts)
  if (doc === null) return { status: 'needs-documents', documents: [drafts] }
  const earlier = repeat.status === 'repeated' ? parseDraftsOutcome(repeat.outcome) : null
  if (repeat.status === 'repeated' && earlier === null) return refuse('id-reused')
  const asked = earlier?.sent ?? ('ids' in call ? [...new Set(call.ids)] : readDrafts(doc).value.filter(({ selected, discarded }) => selected && !discarded).map(({ id }) => id).sort())
  const plans = asked.map(id => planDraft(desk, account, drafts, id, context.facts.arrivedMs))
  const missing = missingOf(plans)
  if (missing.length > 0) return { status: 'needs-documents', documents: missing }
  // As much as one commit may hold; the others stay drafts, to be sent by another call [COR3].
  let bytes = 0
  const results = plans.filter(plan => plan.status !== 'needs-documents').map((plan): SentDraft => {
    if (plan.status === 'settled') return plan.result
    if (bytes >= LIMITS.commitBytesMax) return { draftId: plan.draftId, code: 'too-many-requests' }
    bytes += deliveryBytes(plan.plan)
    return writeDraft(desk, drafts, plan)
  })
  const sent = results.filter(result => 'id' in result)
  const failed = earlier?.failed ?? results.filter(result => 'code' in result)
  if (repeat.status === 'fresh') repeat.remember(draftsOutcomeToValue({ sent: sent.map(({ draftId }) => draftId), failed }))
  return answer(200, (storedOn: readonly number[]) => ({ sent: sent.map(draft => ({ ...draft, storedOn })), failed }))
}

const planDraft = (desk: Desk, account: AccountId, drafts: DocumentName, draftId: DraftId, nowMs: Millis): DraftPlan => {
  const doc = desk.document(drafts)
  const draft = doc === null ? null : readDraft(doc, draftId)
  const failed = (code: ProblemCode): DraftPlan => ({ status: 'settled', result: { draftId, code } })
  const fromName = desk.directory.nameOf(account) ?? ''
  if (doc === null) return { status: 'needs-documents', documents: [drafts] }
  if (draft === null || draft.discarded) {
    const before = sendDraft(doc, { draftId, fromName, nowMs }) // tells what it was sent as; writes nothing for a draft that is gone
    return before.ok ? { status: 'settled', result: { draftId, id: before.value } } : failed('no-such-draft')
  }
  if (draft.to.length === 0) return failed('no-recipients')
  if (draft.text.trim() === '') return failed('bad-request')
  if (utf8Length(draft.text) > LIMITS.messageTextBytesMax) return failed('too-large')
  const id = draftToMessageId(draftId, peopleToPairs(draft.to), draft.text)
  const entry: OutboxEntry = { id, fromName, to: draft.to, text: draft.text, sentMs: nowMs }
  const plan = planDelivery(desk, account, entry)
  if (plan.status === 'needs-documents') return plan
  if (plan.isIdTaken) return failed('id-taken')
  const statuses = plan.recipients.map(({ status }) => status)
  const [fault] = statuses.filter(status => status !== 'delivered')
  if (fault === undefined || statuses.includes('delivered')) return { status: 'sending', draftId, entry, plan }
  return failed(fault === 'bad-name' ? 'invalid-name' : fault)
}

const writeDraft = (desk: Desk, drafts: DocumentName, { draftId, entry, plan }: Extract<DraftPlan, { status: 'sending' }>): SentDraft => {
  const sent = desk.edit(drafts, doc => {
    const result = sendDraft(doc, { draftId, fromName: entry.fromName, nowMs: entry.sentMs })
    if (result.ok) clearOutboxEntry(doc, entry.id)
    return result
  })
  if (!sent.ok) return { draftId, code: sent.code === 'id-taken' ? 'id-taken' : 'too-many-requests' }
  writeDelivery(desk, plan)
  return { draftId, id: entry.id }
}
