// Documents in memory: loading, changing, applying what peers and clients sent, unloading.
// Keeps [COR5] (complete before anything about it is answered, never unloaded with something uncommitted), [DOC6], [DOC8], [REP4], [STO4].

import * as Y from 'yjs'
import { type DocumentName, MEMBERS_DOCUMENT, type MessageId, type Pid, parseDocumentName } from '../../crdt-schema/ids.ts'
import { countSent, countSentIn, purgesIn } from '../../crdt-schema/inbox.ts'
import type { Insertion } from '../../crdt-schema/insertions.ts'
import { isBroken } from '../../crdt-schema/mutation.ts'
import { assert } from '../../crdt-schema/prelude.ts'
import { logOwn, logReceived, logRemoval } from './commits.ts'
import { addDigest, digestOfDocument, digestOfTransaction } from './digest.ts'
import { setDigest, setMessages } from './heads.ts'
import { noteRemoteHlc } from './remote-clocks.ts'
import { applyRested, collectHeard, hasGap, isFollowed, noteHeard, restInsertions, restUpdate, restedLong } from './resting.ts'
import { type LoadedDocument, trimContents } from './loaded.ts'
import { type NodeState, log } from './state.ts'

/** Updates that a document gathers before its rows are rewritten as one; and as many as were written then, or a mailbox would be rewritten whole for each few messages. */
const UPDATES_BEFORE_COMPACTION = 200
const LOADS_PER_TICK_MAX = 64
/** What a tick may apply of what rests, counted in updates, or an event loop stands still for as long as all of it takes: half in the background, the rest for rooms. */
const UPDATES_PER_TICK_MAX = 1_024
/** The same while a pull or a question waits for all of it. */
const UPDATES_FOR_PULL_MAX = 4_096
/** Rewriting so many bytes of rows takes about as long as applying one update. */
const BYTES_PER_UPDATE = 1_024
const UNLOAD_EVERY_MS = 1_000
/** What was used so lately is in use, and would only be read again: it stays up to a few times the budget. */
const IN_USE_MS = 2_000
const BUDGETS_IN_USE_MAX = 4

/** Transaction origins. A number is the attached client the update came from. */
const OWN = 'own'
const PEER = 'peer'

/** Documents every node keeps in memory, since logins and names are decided from them. */
export const isDirectoryDocument = (name: DocumentName): boolean =>
  name === MEMBERS_DOCUMENT || name.startsWith('names/') || name.startsWith('accounts/') || name.startsWith('sessions/')

/** Whether a fact removed this document for good [DOC8]: nothing about it is taken in, offered or asked for. */
export const isGone = (node: NodeState, name: DocumentName): boolean => node.directory.isGone(name)

/** The loaded document. One that nobody ever wrote is empty and needs no loading; null: not loaded, or unreadable. */
export const findDocument = (node: NodeState, name: DocumentName): LoadedDocument | null => {
  const { documents } = node
  const loaded = documents.loaded.get(name) ?? wake(node, name)
  if (loaded !== null) {
    loaded.usedMs = node.now.monotonicMs
    return documents.quarantined.has(name) ? null : loaded
  }
  if (documents.heads.has(name) || documents.loading.has(name)) return null
  return addLoaded(node, name, [], 0)
}

/** Whether a document is there as findDocument would find it, without applying what rests beside it. */
export const isInMemory = (node: NodeState, name: DocumentName): boolean =>
  (node.documents.resting.has(name) && !node.documents.quarantined.has(name)) || findDocument(node, name) !== null

/** Whether an inbox document, as it is and with what rests beside it, holds nothing under this message id; null: not loaded, or unreadable. */
export const isUnheard = (node: NodeState, name: DocumentName, id: MessageId): boolean | null => {
  const { documents, now } = node
  const loaded = documents.resting.get(name)?.loaded
  const holder = loaded === undefined || loaded.heard === null || documents.quarantined.has(name) ? findDocument(node, name) : loaded
  if (holder === null) return null
  holder.usedMs = now.monotonicMs
  holder.heard ??= collectHeard(holder.doc)
  return !holder.heard.has(id) && !isBroken('message-array')
}

/** Asks for a document unless it is there or already asked for. */
export const requireDocument = (node: NodeState, name: DocumentName): void => {
  const { documents } = node
  if (documents.loaded.has(name) || documents.loading.has(name) || wake(node, name) !== null) return
  if (!documents.heads.has(name)) {
    addLoaded(node, name, [], 0)
    return
  }
  load(node, name)
}

const load = (node: NodeState, name: DocumentName): void => {
  node.documents.loading.set(name, { pins: 0, updates: uncommittedUpdates(node, name) })
  node.effects.push({ type: 'load', document: name })
}

/** What was logged while the document was not in memory and is not on disk yet: the store will not read it. */
const uncommittedUpdates = (node: NodeState, name: DocumentName): Uint8Array[] =>
  [...(node.commits.writing?.record.updates ?? []), ...node.commits.open.updates].flatMap(({ document, update }) => (document === name ? [update] : []))

/** Keeps a document in memory until unpinned as often. */
export const pinDocument = (node: NodeState, name: DocumentName): void => {
  requireDocument(node, name)
  const holder = node.documents.loaded.get(name) ?? node.documents.loading.get(name)
  assert(holder !== undefined, `pinned ${name} is neither loaded nor loading`)
  holder.pins++
}

export const unpinDocument = (node: NodeState, name: DocumentName): void => {
  const holder = node.documents.loaded.get(name) ?? node.documents.resting.get(name)?.loaded ?? node.documents.loading.get(name)
  if (holder !== undefined && holder.pins > 0) holder.pins--
}

/** Apart from addLoaded, whose listeners would keep `updates` for as long as the document is loaded. */
const buildDoc = (name: DocumentName, updates: readonly Uint8Array[]): Y.Doc => {
  const doc = new Y.Doc({ gc: true, guid: name })
  doc.transact(() => { for (const update of updates) Y.applyUpdate(doc, update, PEER) }, PEER)
  if (isDirectoryDocument(name)) trimContents(doc)
  return doc
}

const addLoaded = (node: NodeState, name: DocumentName, updates: readonly Uint8Array[], pins: number): LoadedDocument => {
  const doc = buildDoc(name, updates)
  const updatesSinceCompaction = updates.length
  const ref = parseDocumentName(name)
  const onUpdate = (update: Uint8Array, origin: unknown): void => {
    loaded.updatesSinceCompaction++
    if (origin !== PEER) logOwn(node, name, update)
    if (isFollowed(node, loaded.owner)) node.changes.push({ name, update, client: typeof origin === 'number' ? origin : null, ids: null })
  }
  doc.clientID = ref !== null && (ref.kind === 'marks' || ref.kind === 'drafts') ? node.clientIds.owner : node.clientIds.node
  const loaded: LoadedDocument = { name, doc, digest: digestOfDocument(doc), messages: ref?.kind === 'inbox' ? countSent(doc, ref.account) : 0, pins, usedMs: node.now.monotonicMs, updatesSinceCompaction, updatesCompacted: 0, owner: ref !== null && 'account' in ref ? ref.account : null, heard: null, onUpdate }
  node.documents.loaded.set(name, loaded)
  setDigest(node, name, loaded.digest)
  setMessages(node, name, loaded.messages)
  if (isDirectoryDocument(name)) node.directory.indexDocument(name, doc)
  doc.on('afterTransaction', (transaction: Y.Transaction) => {
    loaded.digest = addDigest(loaded.digest, digestOfTransaction(transaction))
    setDigest(node, name, loaded.digest)
    if (loaded.heard !== null) noteHeard(loaded.heard, transaction)
    if (ref?.kind === 'inbox') {
      const isPurging = purgesIn(transaction)
      loaded.messages = isPurging ? countSent(doc, ref.account) : loaded.messages + countSentIn(transaction, ref.account)
      // What was purged is on disk until its rows are written anew.
      if (isPurging) loaded.updatesSinceCompaction = Infinity
      setMessages(node, name, loaded.messages)
    }
    if (isDirectoryDocument(name)) node.news.push(node.directory.onTransaction(name, transaction))
  })
  doc.on('update', onUpdate)
  node.loadedNow.push(name)
  return loaded
}

/** Takes in what the store read. An update that does not decode makes the document unreadable, not the node [COR4]. */
export const onLoaded = (node: NodeState, name: DocumentName, updates: readonly Uint8Array[]): void => {
  const loading = node.documents.loading.get(name)
  if (loading === undefined) return
  node.documents.loading.delete(name)
  if (isGone(node, name)) return
  const known = node.documents.heads.get(name)
  const wasUnapplied = known?.digest === null
  try {
    addLoaded(node, name, [...updates, ...loading.updates], loading.pins)
  } catch (error) {
    node.documents.loaded.delete(name)
    quarantine(node, name, loading.pins, error instanceof Error ? error.message : 'undecodable')
    return
  }
  if (wasUnapplied) node.commits.open.touched.add(name)
}

/** Its rows are damaged and moved aside: it is empty here until a peer's copy has been pulled [COR4, STO6]. */
export const onLoadFailed = (node: NodeState, name: DocumentName, reason: string): void => {
  const loading = node.documents.loading.get(name)
  if (loading === undefined) return
  node.documents.loading.delete(name)
  quarantine(node, name, loading.pins, reason)
  // What came since is in the log and not damaged: memory must not hold less than the disk.
  for (const update of loading.updates) applyFromPeer(node, name, update, 'as-received')
}

const quarantine = (node: NodeState, name: DocumentName, pins: number, reason: string): void => {
  log(node, 'error', 'document-quarantined', { document: name, reason })
  node.documents.quarantined.add(name)
  addLoaded(node, name, [], pins)
  for (const peer of node.peers.values()) peer.comparedMs = -Infinity
}

/** Changes a loaded document in one transaction under this node's own clientID. */
export const editDocument = <Value>(node: NodeState, name: DocumentName, change: (doc: Y.Doc) => Value): Value => {
  const loaded = findDocument(node, name)
  assert(loaded !== null, `edited ${name} is not loaded`)
  assert(!isGone(node, name), `edited ${name} is gone`)
  return loaded.doc.transact(() => change(loaded.doc), OWN)
}

/** Sets keys that a document never held, all about one message, as a transaction under this node's clientID would; nothing reads them yet. */
export const insertKeys = (node: NodeState, name: DocumentName, id: MessageId, insertions: readonly Insertion[]): void => {
  assert(!isGone(node, name), `edited ${name} is gone`)
  if (restInsertions(node, name, id, insertions)) return
  editDocument(node, name, (doc) => { for (const { root, key, value } of insertions) doc.getMap(root).set(key, value) })
}

/** Applies what an attached client sent and the gate has passed. */
export const applyFromClient = (node: NodeState, name: DocumentName, update: Uint8Array, client: number): void => {
  const loaded = findDocument(node, name)
  assert(loaded !== null, `updated ${name} is not loaded`)
  Y.applyUpdate(loaded.doc, update, client)
}

/**
 * How what a peer sent is logged. `as-done`: what it did here becomes this node's own and is pushed on to all in view, because nobody else
 * answers for it. Not as it came: a diff holds all deletions of its document, and whoever has not got what replaced the deleted would lose
 * sight of it [REP3]; and what did nothing here would go round for as long as two nodes see different views.
 */
type Logged = 'as-received' | 'as-done'

/**
 * Takes in what `from` wrote or sent: logged, and applied now if the document is in memory, otherwise when someone needs it or soon in the
 * background [REP4]. Returns whether something it builds on is missing here [REP5], or 'bad' if it does not decode: then nothing of it is
 * kept.
 */
export const receiveUpdate = (node: NodeState, from: Pid, name: DocumentName, update: Uint8Array, logged: Logged): 'complete' | 'gap' | 'bad' => {
  if (isGone(node, name)) return 'complete'
  const { documents } = node
  if (!documents.heads.has(name) && isDirectoryDocument(name)) findDocument(node, name)
  const newsBefore = node.news.length
  const outcome = applyFromPeer(node, name, update, logged)
  if (outcome === 'bad') return outcome
  for (const { latestHlc } of node.news.slice(newsBefore)) noteRemoteHlc(node, from, name, latestHlc)
  // Only a coordinator grants, so what others granted comes from another side of a split.
  if (node.news.length > newsBefore && node.coordinator.role === 'coordinating') node.coordinator.mergedMs ??= node.now.monotonicMs
  if (logged === 'as-received') logReceived(node, name, update)
  else if (outcome !== 'applied') logOwn(node, name, update)
  documents.loading.get(name)?.updates.push(update)
  return outcome === 'gap' ? 'gap' : 'complete'
}

const applyFromPeer = (node: NodeState, name: DocumentName, update: Uint8Array, logged: Logged): 'applied' | 'waits' | 'gap' | 'bad' => {
  if (logged === 'as-received' && restUpdate(node, name, update)) return 'waits'
  const loaded = node.documents.loaded.get(name) ?? wake(node, name)
  if (loaded === null) return 'waits'
  const effects: Uint8Array[] = []
  // Where it deleted something, or brought what something here had replaced, only the whole document is sure to hold the replacement.
  const note = (effect: Uint8Array, _origin: unknown, doc: Y.Doc, { deleteSet }: Y.Transaction): void =>
    void effects.push(deleteSet.clients.size === 0 ? effect : Y.encodeStateAsUpdate(doc))
  if (logged === 'as-done') loaded.doc.on('update', note)
  try {
    Y.applyUpdate(loaded.doc, update, PEER)
  } catch {
    // Yjs throws in the middle of a broken update: what it did so far is thrown away with the document, which is read from disk again.
    reload(node, loaded)
    return 'bad'
  }
  loaded.doc.off('update', note)
  if (hasGap(loaded)) return 'gap'
  for (const effect of effects) logOwn(node, name, effect)
  return 'applied'
}

/** Applies what rests beside a document. Null if it does not rest, or must be read from disk again. */
const wake = (node: NodeState, name: DocumentName): LoadedDocument | null => {
  const { documents } = node
  const resting = documents.resting.get(name)
  if (resting === undefined) return null
  if (applyRested(node, resting)) return resting.loaded
  // What is broken lies on disk by now: found there again, it makes the document unreadable [COR4].
  documents.loaded.delete(name)
  resting.loaded.doc.destroy()
  load(node, name)
  return null
}

/** Applies what rests beside a document, for somebody who can wait; false, and nothing is done, if this tick has applied enough. */
export const applyInTime = (node: NodeState, name: DocumentName): boolean => {
  const { documents } = node
  const resting = documents.resting.get(name)
  if (resting === undefined) return true
  if (documents.roomInTick <= 0) return false
  documents.roomInTick -= resting.updates.length
  wake(node, name)
  return true
}

/** What has rested longest first, so that nothing rests for ever. */
const wakeRested = (node: NodeState): void => {
  for (const name of restedLong(node)) {
    if (node.documents.roomInTick <= UPDATES_PER_TICK_MAX / 2) return
    applyInTime(node, name)
    const loaded = node.documents.loaded.get(name)
    if (loaded !== undefined) compactIfLong(node, loaded)
  }
}

const reload = (node: NodeState, loaded: LoadedDocument): void => {
  node.documents.loaded.delete(loaded.name)
  node.changes = node.changes.filter((change) => change.name !== loaded.name)
  if (isDirectoryDocument(loaded.name)) node.directory.forget(loaded.name)
  loaded.doc.destroy()
  requireDocument(node, loaded.name)
  const holder = node.documents.loaded.get(loaded.name) ?? node.documents.loading.get(loaded.name)
  if (holder !== undefined) holder.pins = loaded.pins
}

/** Drops documents for good, because of a fact that is in the open commit or was committed before [DOC8]. */
export const dropDocuments = (node: NodeState, names: readonly DocumentName[]): void => {
  const { documents } = node
  for (const name of names) {
    const loaded = documents.loaded.get(name)
    if (loaded !== undefined) {
      if (isDirectoryDocument(name)) node.directory.forget(name)
      documents.loaded.delete(name)
      loaded.doc.destroy()
    }
    documents.resting.get(name)?.loaded.doc.destroy()
    documents.resting.delete(name)
    documents.loading.delete(name)
    node.changes = node.changes.filter((change) => change.name !== name)
    if (documents.heads.has(name)) logRemoval(node, name)
  }
}

/** Each tick: applies what peers sent for documents nobody has loaded, rewrites long rows, unloads what is least used [COR5]. */
export const tendDocuments = (node: NodeState): void => {
  node.documents.roomInTick = UPDATES_PER_TICK_MAX
  wakeRested(node)
  loadUnapplied(node, [...node.documents.unapplied].filter((name) => !node.documents.resting.has(name)))
  unloadIdle(node)
}

/** Loads documents with unapplied updates, and applies what rests in memory, a bounded number at a time. Whether none are left. */
export const applyInBackground = (node: NodeState): boolean => {
  let room = UPDATES_FOR_PULL_MAX
  for (const [name, { updates }] of [...node.documents.resting]) {
    if (room <= 0) break
    room -= updates.length
    wake(node, name)
  }
  loadUnapplied(node, node.documents.unapplied)
  return node.documents.unapplied.size === 0
}

const loadUnapplied = (node: NodeState, names: Iterable<DocumentName>): void => {
  let room = LOADS_PER_TICK_MAX - node.documents.loading.size
  for (const name of names) {
    if (room-- <= 0) break
    requireDocument(node, name)
  }
}

/** Rewrites a document's rows as one when they have become many and all of it is on disk [STO4]. */
const compactIfLong = (node: NodeState, loaded: LoadedDocument): void => {
  const { documents, commits } = node
  const head = documents.heads.get(loaded.name)
  const isQuiet = head !== undefined && head.seq <= commits.committedThrough && !hasGap(loaded) && !documents.quarantined.has(loaded.name)
  if (isQuiet && loaded.updatesSinceCompaction >= Math.max(UPDATES_BEFORE_COMPACTION, loaded.updatesCompacted)) compactDocument(node, loaded, head.seq)
}

const compactDocument = (node: NodeState, loaded: LoadedDocument, through: number): void => {
  if (Number.isFinite(loaded.updatesSinceCompaction)) loaded.updatesCompacted += loaded.updatesSinceCompaction
  loaded.updatesSinceCompaction = 0
  const state = Y.encodeStateAsUpdate(loaded.doc)
  node.documents.roomInTick -= state.byteLength / BYTES_PER_UPDATE
  node.effects.push({ type: 'compact', document: loaded.name, state, through })
}

/** Once a second at most, and only past the budget, the documents used longest ago go; never what is not settled. */
const unloadIdle = (node: NodeState): void => {
  const { documents, commits } = node
  if (node.now.monotonicMs - documents.unloadedMs < UNLOAD_EVERY_MS) return
  for (const loaded of documents.loaded.values()) {
    if (documents.roomInTick <= 0) return // the next tick goes on
    compactIfLong(node, loaded)
  }
  documents.unloadedMs = node.now.monotonicMs
  const mailboxes = [...documents.loaded.values(), ...[...documents.resting.values()].map(({ loaded }) => loaded)].filter(({ owner }) => owner !== null)
  let excess = -node.config.documentMemoryBytes
  for (const { name } of mailboxes) excess += memoryOf(documents.heads.get(name)?.bytes ?? 0)
  if (excess <= 0) return
  const spare = (BUDGETS_IN_USE_MAX - 1) * node.config.documentMemoryBytes
  for (const loaded of mailboxes.sort((a, b) => a.usedMs - b.usedMs)) {
    const isInUse = node.now.monotonicMs - loaded.usedMs < IN_USE_MS
    if (excess <= (isInUse ? spare : 0)) return
    const head = documents.heads.get(loaded.name)
    const isStored = (head?.seq ?? 0) <= commits.settledThrough
    if (loaded.pins > 0 || !isStored || hasGap(loaded) || documents.quarantined.has(loaded.name)) continue
    excess -= memoryOf(head?.bytes ?? 0)
    documents.loaded.delete(loaded.name)
    documents.resting.delete(loaded.name)
    loaded.doc.destroy()
  }
}

/** What a document takes in memory, measured with inbox documents of one and of a thousand messages. */
const memoryOf = (storedBytes: number): number => 4_096 + 5 * storedBytes
