// Which keys of which root maps an update touched, once it has been applied. Delivery, event streams and notes to pages
// start from these keys, so that their work grows with the change and not with the document.
// An update names a key only for the first value under it; later ones are found through the document's own structs.

import * as Y from 'yjs'

/** Keys by root map. */
export type Touched = ReadonlyMap<string, ReadonlySet<string>>

const NONE: ReadonlySet<string> = new Set()

export const keysIn = (touched: Touched, root: string): ReadonlySet<string> => touched.get(root) ?? NONE

/** Reads the keys that `update` set, deleted or wrote beneath; `doc` must hold the update already. Junk touches nothing. */
export const readTouched = (doc: Y.Doc, update: Uint8Array): Touched => {
  const touched = new Map<string, Set<string>>()
  const { structs, ds } = Y.decodeUpdate(update)
  for (const { id, length } of structs) visitRange(doc, touched, id.client, id.clock, length)
  for (const [client, ranges] of ds.clients) for (const { clock, len } of ranges) visitRange(doc, touched, client, clock, len)
  return touched
}

const visitRange = (doc: Y.Doc, touched: Map<string, Set<string>>, client: number, clock: number, length: number): void => {
  const structs = doc.store.clients.get(client)
  const end = Math.min(clock + length, Y.getState(doc.store, client))
  if (structs === undefined || clock >= end) return
  for (let at = Y.findIndexSS(structs, clock); at < structs.length; at++) {
    const struct = structs[at]
    if (struct === undefined || struct.id.clock >= end) return
    if (struct instanceof Y.Item) notePlace(touched, struct)
  }
}

/** Walks up from an item to the root map it lies in, and notes the key there. */
const notePlace = (touched: Map<string, Set<string>>, item: Y.Item): void => {
  let current: Y.Item = item
  for (;;) {
    const parent = current.parent
    if (!(parent instanceof Y.AbstractType)) return
    if (parent._item === null) {
      if (current.parentSub === null) return
      const root = Y.findRootTypeKey(parent)
      const keys = touched.get(root) ?? new Set<string>()
      keys.add(current.parentSub)
      touched.set(root, keys)
      return
    }
    current = parent._item
  }
}
