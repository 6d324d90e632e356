// Documents that rest: in memory, with updates beside them that are logged, counted and pushed, and not applied before somebody needs
// the document. Applying each update in a transaction of its own, and encoding it once more, was most of what a node did. So
// what peers push rests, and so does what this node delivers: a message that the document never heard of needs nothing of it but
// the clock of the last item. Whoever is attached to the document is sent such updates as they are.
// Keeps [REP4], [REP5] (what starts after the known clocks does not rest) and [DOC6] (own clocks go on without a hole).

import * as Y from 'yjs'
import type { OutboxEntry } from '../../crdt-schema/drafts.ts'
import { type GateLimits, inspectSending, liveKeysOf } from '../../crdt-schema/gate.ts'
import { type AccountId, type DocumentName, type MessageId, parseMessageId } from '../../crdt-schema/ids.ts'
import { type Insertion, encodeInsertions, joinUpdates, keysOfInsertions, readInsertions } from '../../crdt-schema/insertions.ts'
import { scanUpdate } from '../../crdt-schema/update-scan.ts'
import { logOwn } from './commits.ts'
import type { ClientId } from './events.ts'
import type { LoadedDocument, RestingDocument } from './loaded.ts'
import type { NodeState } from './state.ts'

/** Updates gather until none came for so long, or so long, or until they are so many. */
const REST_QUIET_MS = 300
const REST_MS_MAX = 3_000
const RESTING_UPDATES_MAX = 256
/** No client of Yjs has this id. */
const NOBODY = 0

/** Whether anybody attached here may be told of changes: what belongs to an account is told to that account alone. */
export const isFollowed = (node: NodeState, owner: AccountId | null): boolean => owner !== null && (node.clients.byAccount.has(owner) || node.streams.feeds.has(owner))

/** Whether the document holds back something that builds on what is missing here. */
export const hasGap = ({ doc }: LoadedDocument): boolean => doc.store.pendingStructs !== null || doc.store.pendingDs !== null

/** The document at rest, or about to be; null if it is not in memory, or somebody looks at each change of it: streams, deliveries that wait, repairs. */
const findResting = (node: NodeState, name: DocumentName): RestingDocument | null => {
  const { documents, now } = node
  const known = documents.resting.get(name)
  const loaded = known?.loaded ?? documents.loaded.get(name)
  if (loaded === undefined || loaded.owner === null || node.streams.feeds.has(loaded.owner) || node.undelivered.has(name)) return null
  if (hasGap(loaded) || documents.quarantined.has(name)) return null
  if (known === undefined) return { loaded, updates: [], added: 0, onlySends: true, clocks: new Map(), sinceMs: now.monotonicMs, latestMs: now.monotonicMs }
  return known.updates.length < RESTING_UPDATES_MAX ? known : null
}

/** Puts an update beside the document, which then counts as not loaded. */
const putToRest = (node: NodeState, resting: RestingDocument, update: Uint8Array, ids: readonly MessageId[], client: ClientId | null = null): void => {
  const { loaded, updates } = resting
  updates.push(update)
  if (client === null) resting.onlySends = false
  resting.latestMs = node.now.monotonicMs
  loaded.usedMs = node.now.monotonicMs
  node.documents.resting.set(loaded.name, resting)
  node.documents.loaded.delete(loaded.name)
  for (const id of ids) loaded.heard?.add(id)
  if (isFollowed(node, loaded.owner)) node.changes.push({ name: loaded.name, update, client, ids })
}

const clockOf = ({ loaded, clocks }: RestingDocument, client: number): number => clocks.get(client) ?? Y.getState(loaded.doc.store, client)

/**
 * Keeps an update that a peer pushed for later, if nobody needs it now, it is sure to decode then (a broken one is its sender's
 * affair [COR4]) and starts where the document ends. Returns whether it did.
 */
export const restUpdate = (node: NodeState, name: DocumentName, update: Uint8Array): boolean => {
  const resting = findResting(node, name)
  if (resting === null) return false
  const read = readInsertions(update)
  if (read === null) return restForNobody(node, resting, update)
  const { client, clock, count, deletes } = read
  if (clock > clockOf(resting, client)) return false
  const isFor = isFollowed(node, resting.loaded.owner)
  if (isFor && deletes.length > 0) return false
  resting.clocks.set(client, Math.max(clockOf(resting, client), clock + count))
  resting.added += count
  putToRest(node, resting, update, isFor || resting.loaded.heard !== null ? idsOf(keysOfInsertions(read)) : [])
  return true
}

/** The same for an update that names its keys only by their neighbours, or deletes: whoever is attached is told of the keys, so then it is applied. */
const restForNobody = (node: NodeState, resting: RestingDocument, update: Uint8Array): boolean => {
  const scanned = isFollowed(node, resting.loaded.owner) ? null : scanUpdate(update, update.byteLength)
  if (scanned === null) return false
  const keys: { root: string; key: string }[] = []
  for (const [client, structs] of scanned.structs) {
    const [first] = structs
    const last = structs.at(-1)
    if (first === undefined || last === undefined || first.clock > clockOf(resting, client) || structs.some(({ content }) => content.type === 'skip')) return false
    for (const { parent, parentSub } of structs) if (typeof parent === 'string' && parentSub !== null) keys.push({ root: parent, key: parentSub })
  }
  for (const [client, structs] of scanned.structs) {
    const last = structs.at(-1)
    if (last === undefined) continue
    resting.added += Math.max(0, last.clock + last.length - clockOf(resting, client))
    resting.clocks.set(client, Math.max(clockOf(resting, client), last.clock + last.length))
  }
  putToRest(node, resting, update, idsOf(keys))
  return true
}

/** The messages that keys of inbox and marks documents are about; receipts are found by their message, which has its key too. */
const idsOf = (keys: readonly { readonly root: string; readonly key: string }[]): MessageId[] => {
  const ids = new Set<MessageId>()
  for (const { root, key } of keys) {
    const id = parseMessageId(root === 'marks' ? key.slice(2) : key.slice(0, ID_CHARACTERS))
    if (id !== null) ids.add(id)
  }
  return [...ids]
}
const ID_CHARACTERS = 36

// ---- what this node writes

/** The message ids under which an inbox document, or an outbox, holds anything, gathered from the whole document. */
export const collectHeard = (doc: Y.Doc): Set<string> => {
  const heard = new Set<string>()
  for (const root of ['messages', 'receipts', 'recalled', 'outbox']) for (const key of doc.getMap(root)._map.keys()) heard.add(key.slice(0, ID_CHARACTERS))
  return heard
}

/** Adds the ids that a transaction wrote about. */
export const noteHeard = (heard: Set<string>, { changed }: Y.Transaction): void => {
  for (const keys of changed.values()) for (const key of keys) if (key !== null) heard.add(key.slice(0, ID_CHARACTERS))
}

/** Sets keys that the document never held, under this node's clientID; false if it may not rest. `id`: the message that they are about. */
export const restInsertions = (node: NodeState, name: DocumentName, id: MessageId, insertions: readonly Insertion[]): boolean => {
  const resting = findResting(node, name)
  if (resting === null) return false
  const client = resting.loaded.doc.clientID
  const clock = clockOf(resting, client)
  const update = encodeInsertions(client, clock, insertions)
  resting.clocks.set(client, clock + insertions.length)
  putToRest(node, resting, update, [id])
  logOwn(node, name, update)
  return true
}

// ---- what attached clients send

/** The entries of a client's update that may rest, because it does nothing but send; null: the document must be asked about it. */
export const readSending = (node: NodeState, name: DocumentName, update: Uint8Array, limits: GateLimits): readonly OutboxEntry[] | null => {
  const resting = findResting(node, name)
  if (resting === null) return null
  const { loaded, updates } = resting
  if (loaded.heard === null && updates.length > 0) return null
  const heard = (loaded.heard ??= collectHeard(loaded.doc))
  loaded.usedMs = node.now.monotonicMs
  return inspectSending(
    { clockOf: (client) => clockOf(resting, client), isKnown: (key) => heard.has(key), liveCount: liveKeysOf(loaded.doc.getMap('outbox')).size + resting.added },
    update, { ...limits, reservedClients: new Set([loaded.doc.clientID]) }
  )
}

/** A drafts document whose settings are as they are now, with or without what it sent lately; null: not at rest, or not sure. */
export const findSettings = (node: NodeState, name: DocumentName): Y.Doc | null => {
  const resting = node.documents.resting.get(name)
  return resting?.onlySends === true && !node.documents.quarantined.has(name) ? resting.loaded.doc : null
}

/** Takes in an update that readSending let through; `client`: the socket it came from. False if it must be applied after all. */
export const restSending = (node: NodeState, name: DocumentName, update: Uint8Array, client: ClientId): boolean => {
  const resting = findResting(node, name)
  const read = readInsertions(update)
  if (resting === null || read === null) return false
  resting.clocks.set(read.client, read.clock + read.count)
  resting.added += read.count
  putToRest(node, resting, update, idsOf(keysOfInsertions(read)), client)
  logOwn(node, name, update)
  return true
}

// ---- waking

/** Applies what rested, in one transaction, and counts the document as loaded again; false if that fails half way. */
export const applyRested = (node: NodeState, { loaded, updates }: RestingDocument): boolean => {
  const { documents } = node
  const { doc, name, onUpdate } = loaded
  const ownClient = doc.clientID
  documents.resting.delete(name)
  documents.loaded.set(name, loaded)
  doc.off('update', onUpdate) // it was logged, and whoever is attached was told
  doc.clientID = NOBODY // Yjs takes a new id when its own comes from outside [DOC6]
  try {
    doc.transact(() => { for (const update of joinUpdates(updates)) Y.applyUpdate(doc, update) })
  } catch {
    return false
  }
  doc.clientID = ownClient
  doc.on('update', onUpdate)
  loaded.updatesSinceCompaction += updates.length
  node.commits.open.touched.add(name)
  if (hasGap(loaded)) for (const peer of node.peers.values()) peer.comparedMs = -Infinity
  return true
}

/** Names of documents that have rested long enough. */
export const restedLong = (node: NodeState): DocumentName[] => {
  const nowMs = node.now.monotonicMs
  return [...node.documents.resting].filter(([, { sinceMs, latestMs }]) => nowMs - latestMs >= REST_QUIET_MS || nowMs - sinceMs >= REST_MS_MAX).map(([name]) => name)
}
