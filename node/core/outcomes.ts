// The outcomes of repeatable requests as they are kept among an account's marks: compact tuples, and readers that take
// them for nothing else [DOC5], since an account's devices may write what they like there.

import { type ProblemCode, isProblemCode } from '../../crdt-schema/api-problems.ts'
import { isString, isTuple } from '../../crdt-schema/entries.ts'
import { type DraftId, type MessageId, parseDraftId, parseMessageId } from '../../crdt-schema/ids.ts'
import { type Person, parsePerson } from '../../crdt-schema/inbox.ts'
import type { DeliveryStatus, PlannedRecipient } from './delivery.ts'

export type RecipientOutcome = Person & { readonly status: DeliveryStatus }

export interface SendOutcome {
  readonly id: MessageId
  readonly recipients: readonly RecipientOutcome[]
}

export interface DraftsOutcome {
  /** A draft that was sent knows its message itself. */
  readonly sent: readonly DraftId[]
  readonly failed: readonly { readonly draftId: DraftId; readonly code: ProblemCode }[]
}

const STATUSES: readonly DeliveryStatus[] = ['delivered', 'no-such-account', 'mailbox-full', 'bad-id', 'bad-name']

export const toRecipientOutcome = ({ person, status }: PlannedRecipient): RecipientOutcome => ({ id: person.id, name: person.name, status })

export const sendOutcomeToValue = ({ id, recipients }: SendOutcome): unknown => [id, recipients.map(recipient => [recipient.id, recipient.name, recipient.status])]

export const parseSendOutcome = (value: unknown): SendOutcome | null => {
  if (!isTuple(value, 2)) return null
  const id = parseMessageId(value[0])
  const recipients = parseAll(value[1], item => {
    const person = isTuple(item, 3) ? parsePerson(item.slice(0, 2)) : null
    const status = isTuple(item, 3) ? STATUSES.find(known => known === item[2]) : undefined
    return person === null || status === undefined ? null : { ...person, status }
  })
  return id === null || recipients === null ? null : { id, recipients }
}

export const draftsOutcomeToValue = ({ sent, failed }: DraftsOutcome): unknown => [[...sent], failed.map(({ draftId, code }) => [draftId, code])]

export const parseDraftsOutcome = (value: unknown): DraftsOutcome | null => {
  if (!isTuple(value, 2)) return null
  const sent = parseAll(value[0], parseDraftId)
  const failed = parseAll(value[1], item => {
    const [id, code] = isTuple(item, 2) ? item : []
    const draftId = parseDraftId(id)
    return draftId !== null && isString(code) && isProblemCode(code) ? { draftId, code } : null
  })
  return sent === null || failed === null ? null : { sent, failed }
}

export const parseOpenOutcome = (value: unknown): MessageId[] | null => parseAll(value, parseMessageId)

/** The whole list parsed, or null if any item of it is junk. */
const parseAll = <Item>(value: unknown, parse: (item: unknown) => Item | null): Item[] | null => {
  if (!Array.isArray(value)) return null
  const items = value.map(parse).filter(item => item !== null)
  return items.length === value.length ? items : null
}
