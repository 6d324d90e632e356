// The document `members`: which data directory serves under which pid, which are gone, which session days
// have expired [DOC8], and the cluster's own id. Written by nodes only.
// Refuses to know who is alive: that is heard over links and never stored.

import type * as Y from 'yjs'
import { isString, isTuple, readEntries, readEntry, setFlag } from './entries.ts'
import { type Day, type Hlc, type NodeId, type Pid, parseDay, parseHlc, parseNodeId, parsePid } from './ids.ts'
import { type Read, type Result, fail, ok } from './prelude.ts'

const NODES = 'nodes'
const REMOVED = 'removed'
const EXPIRED = 'expired'
const CLUSTER_ID = 'clusterId'

export interface Member {
  readonly pid: Pid
  readonly nodeId: NodeId
  /** What browsers and peers are told. */
  readonly url: string
  readonly hlc: Hlc
}

export interface MemberRow extends Member {
  readonly removed: boolean
}

/** An entry of the root map `nodes`. */
export const parseMemberEntry = (key: string, value: unknown): Member | null => {
  const [pidText, node, ...rest] = key.split('/')
  const pid = parsePid(Number(pidText))
  const nodeId = parseNodeId(node)
  if (pid === null || String(pid) !== pidText || nodeId === null || rest.length > 0 || !isTuple(value, 2)) return null
  const [url] = value
  const hlc = parseHlc(value[1])
  return isString(url) && hlc !== null ? { pid, nodeId, url, hlc } : null
}

const parseRemovedEntry = (key: string, value: unknown): { readonly nodeId: NodeId; readonly hlc: Hlc } | null => {
  const nodeId = parseNodeId(key)
  const hlc = parseHlc(value)
  return nodeId === null || hlc === null ? null : { nodeId, hlc }
}

/** An entry of the root map `expired`. */
export const parseExpiredEntry = (key: string, value: unknown): { readonly day: Day; readonly hlc: Hlc } | null => {
  const day = parseDay(key)
  const hlc = parseHlc(value)
  return day === null || hlc === null ? null : { day, hlc }
}

/** Makes a node a member, or gives it a new URL when `hlc` is later. A removed node stays removed. */
export const addMember = (doc: Y.Doc, member: Member): Result<'added' | 'present', 'removed'> => {
  if (isMemberRemoved(doc, member.nodeId)) return fail('removed')
  const key = `${member.pid}/${member.nodeId}`
  const held = readEntry(doc, NODES, key, parseMemberEntry)
  if (held !== null && (held.hlc >= member.hlc || held.url === member.url)) return ok('present')
  doc.transact(() => doc.getMap(NODES).set(key, [member.url, member.hlc]))
  return ok('added')
}

/** Removes a node for ever; the first removal's moment stays. */
export const removeMember = (doc: Y.Doc, nodeId: NodeId, hlc: Hlc): Result<'removed' | 'present', never> => {
  if (isMemberRemoved(doc, nodeId)) return ok('present')
  setFlag(doc, REMOVED, nodeId, hlc)
  return ok('removed')
}

export const isMemberRemoved = (doc: Y.Doc, nodeId: NodeId): boolean => doc.getMap(REMOVED).has(nodeId)

export const readMembers = (doc: Y.Doc): Read<MemberRow[]> => {
  const nodes = readEntries(doc, NODES, parseMemberEntry)
  const removed = readEntries(doc, REMOVED, parseRemovedEntry)
  return { value: nodes.value.map(member => ({ ...member, removed: isMemberRemoved(doc, member.nodeId) })), skipped: nodes.skipped + removed.skipped }
}

/** Lets the documents of a session day go, for ever [DOC8]. */
export const expireDay = (doc: Y.Doc, day: Day, hlc: Hlc): Result<'expired' | 'present', never> => {
  if (isDayExpired(doc, day)) return ok('present')
  setFlag(doc, EXPIRED, day, hlc)
  return ok('expired')
}

export const isDayExpired = (doc: Y.Doc, day: Day): boolean => doc.getMap(EXPIRED).has(day)

/** The expired session days, oldest first. */
export const readExpired = (doc: Y.Doc): Read<{ readonly day: Day; readonly hlc: Hlc }[]> => readEntries(doc, EXPIRED, parseExpiredEntry)

/** The cluster's id, or null before the first start is done. Of several (only after a mistake) all nodes take the lowest. */
export const readClusterId = (doc: Y.Doc): string | null => [...doc.getMap(CLUSTER_ID).keys()].sort()[0] ?? null

/** Names the cluster unless it has this name already. */
export const setClusterId = (doc: Y.Doc, clusterId: string): Result<'set' | 'present', never> => {
  if (doc.getMap(CLUSTER_ID).has(clusterId)) return ok('present')
  setFlag(doc, CLUSTER_ID, clusterId, 1)
  return ok('set')
}
