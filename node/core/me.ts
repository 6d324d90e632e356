// GET /api/me: the account behind a session, with its rooms, settings and notice: what a client needs to begin.
// Keeps [DOC4]: what is unopened is counted from the documents, never stored.

import type { CallOf } from '../../crdt-schema/api.ts'
import type { MeJson, RoomJson } from '../../crdt-schema/api-shapes.ts'
import { readSettings } from '../../crdt-schema/drafts.ts'
import { type AccountId, type DocumentName, documentToRoom, draftsDocument, marksDocument, parseDocumentName } from '../../crdt-schema/ids.ts'
import { type CallContext, answer, refuse } from './answers.ts'
import { countCodesOf } from './codes.ts'
import type { Answer, Desk } from './desk.ts'
import { countUnopened, monthsOf } from './message-views.ts'
import { noticeOf } from './sessions.ts'

/** Mail older than this many months that have any is listed without being counted, unless it is in memory. */
const MONTHS_COUNTED_MAX = 24

export const readMe = (desk: Desk, _call: CallOf<'read-me'>, { session }: CallContext): Answer => {
  if (session === null) return refuse('unauthorized')
  const owner = session.accountId
  const rooms = roomsOf(desk, owner)
  const months = monthsOf(desk, owner).slice(0, MONTHS_COUNTED_MAX)
  const counted = [draftsDocument(owner), ...months.flatMap(({ inbox, marks }) => [inbox, marks])]
  const missing = [...counted.filter(name => desk.document(name) === null), ...rooms.filter(name => desk.digestOf(name) === null)]
  if (missing.length > 0) return { status: 'needs-documents', documents: [...new Set(missing)] }
  const notice = noticeOf(desk, owner)
  const drafts = desk.document(draftsDocument(owner))
  const body: MeJson = {
    account: { id: owner, name: desk.directory.nameOf(owner) ?? '' },
    rooms: rooms.map(name => toRoom(desk, owner, name)),
    recoveryCodesLeft: countCodesOf(desk, owner),
    settings: drafts === null ? {} : readSettings(drafts).value,
    ...(notice === null ? {} : { notice }),
  }
  return answer(200, body)
}

/** Every document of an account that holds anything. */
const roomsOf = (desk: Desk, owner: AccountId): readonly DocumentName[] =>
  [`inbox/${owner}/`, `marks/${owner}/`, draftsDocument(owner)].flatMap(prefix => desk.documentsUnder(prefix))

const toRoom = (desk: Desk, owner: AccountId, name: DocumentName): RoomJson => ({
  room: documentToRoom(name),
  digest: desk.digestOf(name) ?? '0',
  unopened: unopenedIn(desk, owner, name),
})

/** How many messages wait in an inbox room; 0 for other rooms and for months that are not in memory. */
const unopenedIn = (desk: Desk, owner: AccountId, name: DocumentName): number => {
  const ref = parseDocumentName(name)
  if (ref?.kind !== 'inbox') return 0
  const inbox = desk.document(name)
  const marks = desk.document(marksDocument(owner, ref.month))
  return inbox === null || marks === null ? 0 : countUnopened(owner, inbox, marks)
}
