// A program of its own, as LevelDB may end the process on a damaged directory: opens the data directory of a stopped node,
// reads everything and says what it found, as one line of JSON. power-loss plays judge it; it changes the directory.
//
//   node image-check.js DIRECTORY

import * as Y from 'yjs'
import { parseDocumentName } from '../../crdt-schema/ids.ts'
import { readMessages } from '../../crdt-schema/inbox.ts'
import { openLevelStore } from '../../node/adapters/level-store.ts'
import { StoreRefused } from '../../node/core/ports.ts'

export type ImageReport = {
  /** `told`: opened, and said what is missing. */
  readonly status: 'sound' | 'told' | 'refused'
  readonly damage: readonly string[]
  readonly documents: number
  /** Texts of all messages that can be read. */
  readonly texts: readonly string[]
  /** Documents that were handed over as sound and cannot be read. */
  readonly wrong: readonly string[]
  /** Documents that miss something before what they hold: a peer's update may come before another's; the node asks for it [REP5]. */
  readonly holes: number
}

const check = async (directory: string): Promise<ImageReport> => {
  const damage: string[] = []
  const wrong: string[] = []
  const texts: string[] = []
  let holes = 0
  let store: Awaited<ReturnType<typeof openLevelStore>>
  try {
    store = await openLevelStore({ directory, onDamage: (text) => damage.push(text) })
  } catch (error) {
    if (!(error instanceof StoreRefused)) throw error
    return { status: 'refused', damage: [error.message], documents: 0, texts, wrong, holes }
  }
  for (const { document } of store.state.heads) {
    const outcome = await store.load(document)
    if (outcome.status === 'quarantined') {
      damage.push(`${document}: ${outcome.reason}`)
      continue
    }
    const doc = new Y.Doc()
    try {
      for (const update of outcome.updates) Y.applyUpdate(doc, update)
      if (parseDocumentName(document)?.kind === 'inbox') texts.push(...[...readMessages(doc).value.values()].map(({ text }) => text))
    } catch (error) {
      wrong.push(`${document}: ${(error as Error).message}`)
    }
    if (doc.store.pendingStructs !== null || doc.store.pendingDs !== null) holes += 1
    doc.destroy()
  }
  const { heads } = store.state
  await store.close()
  return { status: damage.length === 0 ? 'sound' : 'told', damage, documents: heads.length, texts, wrong, holes }
}

console.log(JSON.stringify(await check(process.argv[2] ?? '')))
