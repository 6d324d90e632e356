// What a node tells of itself and the cluster: the body of `/api/cluster`, and why it is or is not ready. Pure functions of its state.

import type { AnswerOf } from '../../crdt-schema/api.ts'
import { epochCounter, type Millis, type Pid } from '../../crdt-schema/ids.ts'
import type { OperatorAnswerOf } from '../../crdt-schema/operator-api.ts'
import type { StateRow } from '../../crdt-schema/peer-wire.ts'
import { millisToTime } from './answers.ts'
import { currentCoordinator } from './coordinator-view.ts'
import { memberUrls } from './links.ts'
import { holders, isRemoved, rowOf } from './members.ts'
import type { NodeState, Peer } from './state.ts'

export type ClusterView = AnswerOf<'read-cluster'>

/**
 * The address by which each member goes, for clients: as it says of itself, or last said. `--peers` has the ones by which nodes reach each
 * other, and a page served under the first would be a stranger to a node that knew only the second.
 */
export const toldUrls = (node: NodeState): ReadonlyMap<Pid, string> => {
  const urls = new Map(memberUrls(node))
  // Of two directories under one pid the later one is the member.
  for (const { pid, url } of node.directory.members().filter(({ removed }) => !removed).sort((a, b) => a.hlc - b.hlc)) if (urls.has(pid)) urls.set(pid, url)
  for (const pid of urls.keys()) {
    const said = pid === node.meta.pid ? node.config.url : node.members.rows.get(pid)?.row.url
    if (said !== undefined) urls.set(pid, said)
  }
  return urls
}

const behindBecause = (node: NodeState, pid: Pid, row: StateRow | null): string | null => {
  if (row === null) return node.peers.get(pid)?.left === true ? 'it was stopped' : 'no node in view hears it'
  if (row.phase === 'syncing' || row.phase === 'recovering') return 'it is catching up after a start or a pause'
  const peer = node.peers.get(pid)
  if (peer?.excluded === true) return 'it does not acknowledge in time'
  return peer !== undefined && peer.missing.size > 0 ? 'it has not acknowledged everything' : null
}

const ownReason = (node: NodeState): string | null => (node.phase === 'ready' ? null : node.phase === 'draining' ? 'it is stopping' : 'it is catching up after a start or a pause')

const describeNode = (node: NodeState, pid: Pid, url: string): ClusterView['nodes'][number] => {
  const row = node.members.view.includes(pid) ? rowOf(node, pid) : null
  const because = pid === node.meta.pid ? ownReason(node) : behindBecause(node, pid, row)
  return {
    pid, url, status: row === null ? 'down' : row.phase === 'ready' ? 'ready' : 'syncing',
    behind: because !== null, behindBecause: because,
    digest: row === null || row.root === '' ? null : row.root, version: row?.version ?? null,
    upSince: row === null ? null : millisToTime(row.upSinceMs as Millis),
    messages: row?.messages ?? null, sessions: row?.sessions ?? null, bytes: row?.bytes ?? null
  }
}

const describeLinks = (node: NodeState): ClusterView['links'] => {
  const pids = [...memberUrls(node).keys()].sort((a, b) => a - b)
  return pids.flatMap((a, i) =>
    pids.slice(i + 1).map((b) => {
      const hears = (x: Pid, y: Pid): boolean => node.members.view.includes(x) && rowOf(node, x)?.hears.includes(y) === true
      const other = a === node.meta.pid ? b : b === node.meta.pid ? a : null
      const peer = other === null ? undefined : node.peers.get(other)
      const state = hears(a, b) && hears(b, a) ? 'up' : hears(a, b) || hears(b, a) ? 'half' : 'down'
      return { a, b, state, rttMs: peer !== undefined && state === 'up' ? Math.round(peer.roundTripMs * 100) / 100 : null }
    })
  )
}

/** The cluster as this node sees it, now. */
export const describe = (node: NodeState): ClusterView => {
  const coordinator = currentCoordinator(node)
  const urls = [...toldUrls(node)].sort(([a], [b]) => a - b)
  return {
    self: node.meta.pid,
    coordinator: coordinator?.pid ?? null,
    epoch: coordinator === null ? 0 : epochCounter(coordinator.epoch),
    version: node.config.version,
    nodes: urls.map(([pid, url]) => describeNode(node, pid, url)),
    links: describeLinks(node),
    events: node.history.map(({ at, kind, pid }) => ({ at: millisToTime(at as Millis), kind, pid })),
    recent: node.recent.map(({ seq, pids }) => ({ seq, pids: [...new Set([...pids, ...holders(node)])].sort((a, b) => a - b) }))
  }
}

export interface Readiness {
  readonly ready: boolean
  /** One line for each thing that must hold. */
  readonly checks: readonly { readonly check: string; readonly ok: boolean; readonly text: string }[]
}

/** How far a pull from a peer has come: a first copy of a large cluster takes minutes, and who waits wants to know. */
const progressOf = (node: NodeState, pid: Pid): string => {
  const pull = node.peers.get(pid)?.pull ?? null
  if (pull === null || pull.status === 'done') return ''
  const left = pull.wanted.size + pull.loading.size + pull.asked.size
  return pull.fetched + left === 0 ? '' : ` (${pull.fetched} documents fetched, ${left}${pull.rowsEnded ? '' : ' or more'} to go)`
}

/** Whether the node serves, and why not. */
export const readiness = (node: NodeState): Readiness => {
  const others = node.members.view.filter((pid) => pid !== node.meta.pid)
  const unsynced = others.filter((pid) => node.peers.get(pid)?.synced !== true)
  const checks = [
    { check: 'storage', ok: node.phase !== 'starting' && !node.stopped, text: node.phase === 'starting' ? 'opening the data directory' : 'open' },
    isRemoved(node, node.meta.nodeId)
      ? { check: 'cluster', ok: false, text: 'this node was removed; it ends when the members have what it holds' }
      : { check: 'cluster', ok: node.meta.clusterId !== null, text: node.meta.clusterId === null ? 'waiting for a node with data, or to begin a cluster' : `${others.length + 1} of ${memberUrls(node).size} members in view` },
    { check: 'caught-up', ok: node.phase === 'ready' || node.phase === 'draining', text: node.phase === 'ready' ? 'yes' : `${node.phase}${unsynced.map((pid) => `, not yet in step with ${pid}${progressOf(node, pid)}`).join('')}` },
    { check: 'serving', ok: node.phase !== 'draining', text: node.phase === 'draining' ? 'stopping' : 'yes' }
  ]
  return { ready: node.phase === 'ready' && !node.stopped, checks }
}

export type ChecksView = OperatorAnswerOf<'operator-check'>

/** What a `doctor` asks: clocks, links and health, as this node sees them now. */
export const describeChecks = (node: NodeState): ChecksView => {
  const { ready, checks } = readiness(node)
  const others = node.members.view.filter((pid) => pid !== node.meta.pid)
  const clocks = others.flatMap((pid) => {
    const seen = node.members.rows.get(pid)
    if (seen === undefined) return []
    return [{ pid, offsetMs: Math.round(seen.wallOffsetMs + node.now.monotonicMs - node.now.wallMs), roundTripMs: node.peers.get(pid)?.roundTripMs ?? null }]
  })
  const { nodes } = describe(node)
  return {
    self: node.meta.pid, phase: node.phase, version: node.config.version, ready, checks: [...checks], clocks,
    hears: node.members.view.map((pid) => ({ pid, hears: [...(rowOf(node, pid)?.hears ?? [])] })),
    members: nodes.map(({ pid }) => pid),
    behind: nodes.flatMap(({ pid, behindBecause }) => (behindBecause === null ? [] : [{ pid, because: behindBecause }])),
    quarantined: [...node.documents.quarantined],
    documents: node.documents.heads.size, bytes: node.documents.bytes
  }
}

export interface ReplicationView {
  /** For each linked node: age of the oldest push it has not acknowledged, ms, and documents whose latest commit it has not. */
  readonly peers: readonly { readonly pid: Pid; readonly lagMs: number; readonly behindDocuments: number }[]
  readonly documentsLoaded: number
}

/** How far the nodes linked to this one are behind it. */
export const describeReplication = (node: NodeState): ReplicationView => ({
  peers: [...node.peers.values()].filter(({ link }) => link !== null).map((peer) => ({ pid: peer.pid, lagMs: lagOf(node, peer), behindDocuments: countBehind(node, peer) })),
  documentsLoaded: node.documents.loaded.size + node.documents.resting.size
})

const lagOf = (node: NodeState, { unacknowledged }: Peer): number => {
  const [oldestMs] = unacknowledged.values() // in the order they were sent
  return oldestMs === undefined ? 0 : Math.max(0, node.now.monotonicMs - oldestMs)
}

const countBehind = (node: NodeState, { unacknowledged, missing, missingThrough, holdsThrough }: Peer): number => {
  const isOverflown = missingThrough > holdsThrough
  if (unacknowledged.size + missing.size === 0 && !isOverflown) return 0
  const isBehind = (seq: number): boolean => unacknowledged.has(seq) || missing.has(seq) || (isOverflown && seq > holdsThrough)
  return [...node.documents.heads.values()].filter(({ seq }) => isBehind(seq)).length
}
