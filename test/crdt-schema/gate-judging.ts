// How tests ask the gate, and how they find out what Yjs itself would do: updates made by one change or forged, and trials on copies.

import * as Y from 'yjs'
import { type Inspection, type RoomKind, inspectUpdate } from '../../crdt-schema/gate.ts'
import type { DraftId, MessageId } from '../../crdt-schema/ids.ts'
import { createReplica, draftIds, messageIds } from './replicas.ts'

export const draftId = draftIds[0] as DraftId
export const messageId = messageIds[0] as MessageId

export const copyOf = (doc: Y.Doc): Y.Doc => {
  const copy = createReplica(9_999)
  Y.applyUpdate(copy, Y.encodeStateAsUpdate(doc))
  return copy
}
export const isPending = (doc: Y.Doc): boolean => doc.store.pendingStructs !== null || doc.store.pendingDs !== null
export const contentOf = (doc: Y.Doc): string => JSON.stringify([...Y.encodeStateAsUpdate(doc)])
/** What one change writes, as an update. */
export const updateOf = (doc: Y.Doc, change: () => unknown): Uint8Array => {
  const before = Y.encodeStateVector(doc)
  change()
  return Y.encodeStateAsUpdate(doc, before)
}
export const forge = (root: string, key: string, value: unknown): Uint8Array => {
  const doc = createReplica(77)
  doc.getMap(root).set(key, value)
  return Y.encodeStateAsUpdate(doc)
}
export const codeOf = (inspection: Inspection): string => (inspection.status === 'rejected' ? inspection.code : inspection.status)
export const judge = (update: Uint8Array, kind: RoomKind = 'drafts', doc: Y.Doc = createReplica(1)): string => codeOf(inspectUpdate(doc, kind, update))

/** What Yjs does with an update, found out on a copy. */
export const trial = (doc: Y.Doc, update: Uint8Array): 'gap' | 'nothing' | 'applicable' => {
  const copy = copyOf(doc)
  const before = contentOf(copy)
  Y.applyUpdate(copy, update)
  return isPending(copy) ? 'gap' : contentOf(copy) === before ? 'nothing' : 'applicable'
}
