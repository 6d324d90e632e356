// Sends a message as a program does that speaks Yjs itself: an entry straight into the outbox of the sender's drafts.

import * as Y from 'yjs'
import { until } from './asking.ts'
import type { Person } from './cluster.ts'
import { attach } from './providers.ts'

/** Resolves when the node has taken the entry or closed the socket over it. */
export const addToOutbox = async (place: { readonly url: string }, sender: Person, id: string, to: readonly (readonly [string, string])[], text: string): Promise<void> => {
  const room = attach([place], `${sender.id}/drafts`, sender.token, new Y.Doc())
  await until('the outbox is there', () => room.provider.synced || room.codes.length > 0)
  room.doc.getMap('outbox').set(id, [sender.name, to, text, Date.now()])
  await new Promise((resolve) => setTimeout(resolve, 150))
  room.detach()
}
