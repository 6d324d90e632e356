// The commit that is collecting, the one that is being written, and those that others must still acknowledge.
// Keeps [STO1] (all that one turn changed is one record), [STO2] and the thresholds of [REP6]: committed ≥ acknowledged ≥ … in order.
// Knows nothing of links: replication.ts says who acknowledged what.

import type { DocumentName, Pid } from '../../crdt-schema/ids.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import { isBroken } from '../../crdt-schema/mutation.ts'
import { assert } from '../../crdt-schema/prelude.ts'
import type { WireUpdate } from '../../crdt-schema/peer-wire.ts'
import type { CommitNumber, CommitRecord, StoredDigest } from './events.ts'
import { forgetDigest, noteTouch } from './heads.ts'
import type { NodeState, OpenCommit, PendingCommit } from './state.ts'

export const createOpenCommit = (seq: CommitNumber): OpenCommit => ({ seq, updates: [], own: [], foreign: new Map(), touched: new Set(), removed: [], adoptedBy: 0, bytes: 0 })

/** Whether anything waits to be written. */
export const isOpenEmpty = (node: NodeState): boolean =>
  node.commits.open.updates.length === 0 && node.commits.open.removed.length === 0 && node.commits.open.foreign.size === 0 && !node.metaChanged

/** Whether as much waits as one commit may hold, behind one that is still being written: clients wait too [COR3]. */
export const isOverfull = (node: NodeState): boolean => node.commits.writing !== null && node.commits.open.bytes >= LIMITS.commitBytesMax

/** The last commit that holds anything so far: what an answer given now must wait for. */
export const latestCommit = (node: NodeState): CommitNumber => (isOpenEmpty(node) ? node.commits.open.seq - 1 : node.commits.open.seq)

const logUpdate = (node: NodeState, document: DocumentName, update: Uint8Array): void => {
  const { open } = node.commits
  open.updates.push({ document, update })
  open.touched.add(document)
  open.bytes += update.byteLength
  noteTouch(node, document, open.seq, update.byteLength)
}

/** Logs an update that this node originated: it will be pushed to every peer in view. */
export const logOwn = (node: NodeState, document: DocumentName, update: Uint8Array): void => {
  logUpdate(node, document, update)
  node.commits.open.own.push({ document, update })
}

/** Logs an update that a peer sent. */
export const logReceived = (node: NodeState, document: DocumentName, update: Uint8Array): void => logUpdate(node, document, update)

/** Notes that the open commit holds this push of `origin`; it settles no earlier than its origin says. */
export const noteForeign = (node: NodeState, origin: Pid, boot: number, seq: number, updates: WireUpdate[]): void => {
  const { foreign } = node.commits.open
  const list = foreign.get(origin) ?? []
  list.push({ boot, seq, updates })
  foreign.set(origin, list)
}

/** Marks documents as gone with the open commit: digest 0, feed row void [DOC8]. The caller has unloaded them. */
export const logRemoval = (node: NodeState, document: DocumentName): void => {
  const { open } = node.commits
  open.removed.push(document)
  open.touched.delete(document)
  open.updates = open.updates.filter((entry) => entry.document !== document)
  open.own = open.own.filter((entry) => entry.document !== document)
  forgetDigest(node, document)
}

const storedDigest = (node: NodeState, document: DocumentName): StoredDigest | null => {
  const head = node.documents.heads.get(document)
  if (head?.digest == null) return null
  return head.messages === 0 ? head.digest : { ...head.digest, messages: head.messages }
}

/** The next record, if something waits and nothing is being written. Called once per turn of the event loop [STO1]. */
export const takeRecord = (node: NodeState): CommitRecord | null => {
  const { commits } = node
  if (commits.writing !== null || isOpenEmpty(node)) return null
  const open = commits.open
  const digests = [...open.touched].map((document) => ({ document, digest: storedDigest(node, document) }))
  const meta = node.metaChanged ? JSON.stringify(node.meta) : null
  node.metaChanged = false
  commits.writing = { record: open, sinceMs: node.now.monotonicMs, lastView: meta === null ? null : [...node.meta.lastView] }
  commits.open = createOpenCommit(open.seq + 1)
  return { seq: open.seq, updates: open.updates, digests, removed: open.removed, meta }
}

/** Commits that must have been quick, one after another, after a slow one, before this node's disk is trusted again [REP6]. */
export const FAST_IN_ROW = 3

/** Takes in that the commit being written has returned; what it holds can now be pushed and acknowledged. */
export const becomeCommitted = (node: NodeState, seq: CommitNumber): PendingCommit => {
  const { commits } = node
  assert(commits.writing !== null && commits.writing.record.seq === seq, `commit ${seq} returned out of order`)
  const { record, sinceMs, lastView } = commits.writing
  if (lastView !== null && lastView.join() !== node.storedLastView.join()) {
    node.storedLastView = lastView
    node.members.heartbeatDue = true
  }
  commits.fastInRow = node.now.monotonicMs - sinceMs > node.config.ackTimeoutMs ? 0 : commits.fastInRow + 1
  commits.writing = null
  commits.committedThrough = seq
  const pending: PendingCommit = { seq, own: record.own, previous: 0, ackedBy: new Set(), foreign: record.foreign, adoptedBy: record.adoptedBy }
  commits.pending.push(pending)
  return pending
}

const isAcknowledged = (pending: PendingCommit, required: readonly Pid[]): boolean =>
  pending.own.length === 0 || isBroken('acknowledge-early') || required.every((pid) => pending.ackedBy.has(pid))

const isForeignSettled = (node: NodeState, pending: PendingCommit): boolean => {
  if (pending.adoptedBy > node.commits.acknowledgedThrough) return false
  for (const [origin, pushes] of pending.foreign) {
    // Out of view it answers for nothing: its pushes were logged as this node's own, or adopted when it left or began another run.
    if (!node.members.view.includes(origin)) continue
    const peer = node.peers.get(origin)
    const rest = pushes.filter(({ boot, seq }) => peer !== undefined && peer.boot === boot && seq > peer.settledThrough)
    if (rest.length > 0) return false
  }
  return true
}

/**
 * Raises both thresholds as far as `required`, the peers that must hold everything, allow.
 * Returns the commits that settled (perhaps none), or null if nothing rose.
 */
export const raiseThresholds = (node: NodeState, required: readonly Pid[]): readonly PendingCommit[] | null => {
  const { commits } = node
  let acknowledged = commits.acknowledgedThrough
  for (const pending of commits.pending) {
    if (pending.seq <= acknowledged) continue
    if (!isAcknowledged(pending, required)) break
    acknowledged = pending.seq
  }
  const acknowledgedRose = acknowledged > commits.acknowledgedThrough
  commits.acknowledgedThrough = acknowledged
  let settledCount = 0
  for (const pending of commits.pending) {
    if (pending.seq > acknowledged || !isForeignSettled(node, pending)) break
    settledCount++
  }
  const settled = commits.pending.splice(0, settledCount)
  const last = settled[settled.length - 1]
  if (last !== undefined) commits.settledThrough = last.seq
  return acknowledgedRose || settled.length > 0 ? settled : null
}

/** How long the commit now being written has taken, in ms; 0 if none is. */
export const commitAgeMs = (node: NodeState): number => (node.commits.writing === null ? 0 : node.now.monotonicMs - node.commits.writing.sinceMs)
