// What an applied update sent, took back, opened or checked is delivered in its own step. The rare one whose documents
// left memory between the check and the write waits here until they are back [DEL2]; repeating is harmless.

import type { OutboxEntry } from '../../crdt-schema/drafts.ts'
import { type AccountId, type DocumentName, parseDocumentName } from '../../crdt-schema/ids.ts'
import { unreachable } from '../../crdt-schema/prelude.ts'
import { deliverEntries, deliverOutbox } from './delivery.ts'
import type { Desk } from './desk.ts'
import type { DeliveryStep } from './homes.ts'
import { storeMarks } from './receipts.ts'
import { type Clients, type Undelivered, isServing } from './sockets.ts'

/** Documents whose outbox or marks wait at the same time; one more is tried when it is loaded the next time. */
const UNDELIVERED_MAX = 1_000
/** What cannot be loaded by then is given up until the document is loaded again. */
const PATIENCE_MS = 30_000

/** Delivers the `ids` (or mark keys) of a document now or, if documents are missing, when they have come. */
export const deliverSoon = (desk: Desk, clients: Clients, name: DocumentName, ids: Iterable<string>): void => {
  const waiting = clients.undelivered.get(name) ?? { ids: new Set<string>(), pinned: [], sinceMs: desk.monotonicMs }
  if (!clients.undelivered.has(name) && clients.undelivered.size >= UNDELIVERED_MAX) return
  for (const id of ids) waiting.ids.add(id)
  clients.undelivered.set(name, waiting)
  tryDelivery(desk, clients, name, waiting)
}

/** Delivers entries that an update has just put into the outbox of `sender`; what cannot be delivered at once, or follows on what waits, is read from there. */
export const deliverNow = (desk: Desk, clients: Clients, name: DocumentName, sender: AccountId, entries: readonly OutboxEntry[]): void => {
  const isFree = isServing(desk) && !clients.undelivered.has(name)
  if (!isFree || deliverEntries(desk, sender, entries).status !== 'done') deliverSoon(desk, clients, name, entries.map(({ id }) => id))
}

/** Tries again what waits; called when a document was loaded, when the node became ready, and on each tick. */
export const resumeDeliveries = (desk: Desk, clients: Clients): void => {
  for (const [name, waiting] of [...clients.undelivered]) {
    if (waiting.pinned.every(pinned => desk.document(pinned) !== null)) tryDelivery(desk, clients, name, waiting)
    else if (desk.monotonicMs - waiting.sinceMs > PATIENCE_MS) endDelivery(desk, clients, name, waiting)
  }
}

const tryDelivery = (desk: Desk, clients: Clients, name: DocumentName, waiting: Undelivered): void => {
  if (!isServing(desk)) return // a node that is behind would fail what the others know to be good
  const step = deliver(desk, name, waiting.ids)
  switch (step.status) {
    case 'done':
      return endDelivery(desk, clients, name, waiting)
    case 'more':
      waiting.sinceMs = desk.monotonicMs
      return
    case 'needs-documents':
      for (const document of step.documents) desk.pin(document)
      waiting.pinned.push(...step.documents)
      return
    default:
      return unreachable(step)
  }
}

const deliver = (desk: Desk, name: DocumentName, ids: ReadonlySet<string>): DeliveryStep =>
  parseDocumentName(name)?.kind === 'marks' ? storeMarks(desk, name, ids) : deliverOutbox(desk, name, ids)

const endDelivery = (desk: Desk, clients: Clients, name: DocumentName, waiting: Undelivered): void => {
  for (const document of waiting.pinned) desk.unpin(document)
  clients.undelivered.delete(name)
}
