// The desk of a real node: the product's questions answered from the node's state.
// Keeps the boundary of desk.ts: product rules see documents, time and holders, and nothing of links or logs.

import { digest as sha256 } from 'lib0/hash/sha256'
import type { DocumentName, Pid } from '../../crdt-schema/ids.ts'
import { isOpenEmpty, isOverfull, latestCommit } from './commits.ts'
import type { Desk } from './desk.ts'
import { digestToHex, isEqualDigest, ZERO } from './digest.ts'
import { toldUrls } from './describe.ts'
import { applyFromClient, applyInTime, dropDocuments, editDocument, findDocument, insertKeys, isDirectoryDocument, isInMemory, isUnheard, pinDocument, unpinDocument } from './documents.ts'
import { clusterMs } from './cluster-time.ts'
import { memberUrls } from './links.ts'
import { holders, memberCount } from './members.ts'
import { findSettings, readSending, restSending } from './resting.ts'
import type { NodeState } from './state.ts'

/**
 * `count` bytes of a deterministic generator: sha-256 over the start event's seed and a counter (NIST SP 800-90A in spirit:
 * as unguessable as the seed, and the same again in a simulation).
 */
export const randomBytes = (node: NodeState, count: number): Uint8Array => {
  const bytes = new Uint8Array(count)
  for (let at = 0; at < count; at += 32) {
    const block = new Uint8Array(40)
    block.set(node.random.seed)
    new DataView(block.buffer).setFloat64(32, node.random.counter++)
    bytes.set(sha256(block).subarray(0, Math.min(32, count - at)), at)
  }
  return bytes
}

const statusOf = (node: NodeState, pid: Pid): 'ready' | 'syncing' | 'down' => {
  const phase = pid === node.meta.pid ? node.phase : node.members.view.includes(pid) ? node.members.rows.get(pid)?.row.phase : undefined
  return phase === undefined ? 'down' : phase === 'ready' ? 'ready' : 'syncing'
}

const isWhole = (node: NodeState): boolean =>
  [...memberUrls(node).keys()].every((pid) => pid === node.meta.pid || (node.members.view.includes(pid) && node.peers.get(pid)?.synced === true))

const RANK = { ready: 0, syncing: 1, down: 2 } as const

/** All members for clients to try, best first: ready before syncing before down, this node first among equals [SYN2]. */
const nodesForClients = (node: NodeState): Desk['nodes'] =>
  [...toldUrls(node)]
    .map(([pid, url]) => ({ pid, url, status: statusOf(node, pid) }))
    .sort((a, b) => RANK[a.status] - RANK[b.status] || Number(b.pid === node.meta.pid) - Number(a.pid === node.meta.pid) || a.pid - b.pid)

const documentsUnder = (node: NodeState, prefix: string): readonly DocumentName[] => {
  const account = /^(?:inbox|marks|drafts)\/([0-9a-f]{32})/.exec(prefix)?.[1]
  const names = account === undefined ? node.documents.heads.keys() : node.documents.byAccount.of(account)
  return [...names].filter((name) => name.startsWith(prefix)).sort()
}

export const createDesk = (node: NodeState): Desk => ({
  get config() { return node.config },
  get pid() { return node.meta.pid },
  get phase() { return node.phase },
  get clusterMs() { return clusterMs(node) },
  get monotonicMs() { return node.now.monotonicMs },
  get directory() { return node.directory },
  document: (name) => findDocument(node, name)?.doc ?? null,
  settings: (name) => findSettings(node, name) ?? findDocument(node, name)?.doc ?? null,
  edit: (name, change) => editDocument(node, name, change),
  applyUpdate: (name, update, client) => applyFromClient(node, name, update, client),
  applyInTime: (name) => applyInTime(node, name),
  isInMemory: (name) => isInMemory(node, name),
  isUnheard: (name, id) => isUnheard(node, name, id),
  readSending: (name, update, limits) => readSending(node, name, update, limits),
  applySending: (name, update, client) => void (restSending(node, name, update, client) || applyFromClient(node, name, update, client)),
  insert: (name, id, insertions) => insertKeys(node, name, id, insertions),
  pin: (name) => pinDocument(node, name),
  unpin: (name) => unpinDocument(node, name),
  digestOf: (name) => {
    const head = node.documents.heads.get(name)
    if (head === undefined) return '0'
    if (head.digest === null || node.documents.quarantined.has(name)) return null
    return isEqualDigest(head.digest, ZERO) ? '0' : digestToHex(head.digest)
  },
  isKnown: (name) => node.documents.heads.has(name),
  bytesOf: (name) => node.documents.heads.get(name)?.bytes ?? 0,
  documentsUnder: (prefix) => documentsUnder(node, prefix),
  dropDocuments: (names) => dropDocuments(node, names.filter((name) => !isDirectoryDocument(name) || name.startsWith('sessions/'))),
  latestCommit: (name) => node.documents.heads.get(name)?.seq ?? 0,
  get openCommit() { return isOpenEmpty(node) ? latestCommit(node) : node.commits.open.seq },
  get acknowledgedThrough() { return node.shown.acknowledged },
  get settledThrough() { return node.shown.settled },
  get holders() { return holders(node) },
  get isOverfull() { return isOverfull(node) },
  get isWhole() { return isWhole(node) },
  get memberCount() { return memberCount(node) },
  get nodes() { return nodesForClients(node) },
  random: (count) => randomBytes(node, count),
  emit: (effect) => { node.effects.push(effect) }
})
