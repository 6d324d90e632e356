// What a node counts of itself, in Prometheus text. prom-client is imported here and nowhere else.
// Refuses to know where the figures come from: the shell reports moments, and the core's view is read when somebody asks.

import { Counter, Gauge, Histogram, Registry, collectDefaultMetrics } from 'prom-client'
import type { ClusterJson } from '../../crdt-schema/api-shapes.ts'
import type { ReplicationView } from '../core/describe.ts'

const SECONDS = [0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5]

export interface MetricsOptions {
  /** The core's view of the cluster, now. */
  readonly describe: () => ClusterJson
  readonly describeReplication: () => ReplicationView
  readonly readStoreStats: () => { readonly bytes: number; readonly documents: number }
}

export interface Metrics {
  onCommitted(ms: number): void
  /** A call was answered; `code` is the problem's, or null. */
  onAnswered(answered: { readonly isWrite: boolean; readonly code: string | null; readonly ms: number }): void
  onClientBytes(direction: 'in' | 'out', bytes: number): void
  render(): Promise<{ readonly type: string; readonly text: string }>
}

export const createMetrics = ({ describe, describeReplication, readStoreStats }: MetricsOptions): Metrics => {
  const registry = new Registry()
  const registers = [registry]
  collectDefaultMetrics({ register: registry })
  const fsync = new Histogram({ name: 'starling_fsync_seconds', help: 'Time of one commit, fsync included', buckets: SECONDS, registers })
  const ack = new Histogram({ name: 'starling_ack_seconds', help: 'Time until a write over HTTP was acknowledged', buckets: SECONDS, registers })
  const bytes = new Counter({ name: 'starling_ws_bytes_total', help: 'Bytes of frames of client sockets', labelNames: ['direction'], registers })
  const rejected = new Counter({ name: 'starling_rejected_total', help: 'Calls answered with a problem, by its code', labelNames: ['reason'], registers })
  const logins = new Counter({ name: 'starling_login_failures_total', help: 'Calls with a wrong name or password', registers })
  const gauge = (name: string, help: string): Gauge => new Gauge({ name: `starling_${name}`, help, registers })
  const peerUp = new Gauge({ name: 'starling_peer_up', help: '1 for each other node that is ready or syncing', labelNames: ['peer'], registers })
  const peerBehind = new Gauge({ name: 'starling_peer_behind', help: '1 for each node that is neither waited for nor counted', labelNames: ['peer'], registers })
  const lag = new Gauge({ name: 'starling_replication_lag_seconds', help: 'Age of the oldest commit that a linked node has not acknowledged', labelNames: ['peer'], registers })
  const behindDocs = new Gauge({ name: 'starling_replication_behind_docs', help: 'Documents of which a linked node has not acknowledged the latest commit', labelNames: ['peer'], registers })
  const coordinator = gauge('coordinator', '1 if this node coordinates')
  const sessions = gauge('sessions', 'Sessions this node holds')
  const storeBytes = gauge('store_bytes', 'Bytes of the data directory')
  const documents = gauge('documents', 'Documents this node holds')
  const documentsLoaded = gauge('documents_loaded', 'Documents in memory')

  const readGauges = (): void => {
    const { self, coordinator: coordinatorPid, nodes } = describe()
    const stats = readStoreStats()
    coordinator.set(self !== null && self === coordinatorPid ? 1 : 0)
    storeBytes.set(stats.bytes)
    documents.set(stats.documents)
    const replication = describeReplication()
    documentsLoaded.set(replication.documentsLoaded)
    lag.reset() // a node without a link has no figure: peer_up says that it is gone
    behindDocs.reset()
    for (const { pid, lagMs, behindDocuments } of replication.peers) {
      lag.set({ peer: pid }, lagMs / 1000)
      behindDocs.set({ peer: pid }, behindDocuments)
    }
    for (const node of nodes) {
      if (node.pid === self) sessions.set(node.sessions ?? 0)
      else peerUp.set({ peer: node.pid }, node.status === 'ready' || node.status === 'syncing' ? 1 : 0)
      peerBehind.set({ peer: node.pid }, node.behind ? 1 : 0)
    }
  }

  return {
    onCommitted: ms => fsync.observe(ms / 1000),
    onAnswered: ({ isWrite, code, ms }) => {
      if (isWrite && code === null) ack.observe(ms / 1000)
      if (code !== null) rejected.inc({ reason: code })
      if (code === 'wrong-credentials') logins.inc()
    },
    onClientBytes: (direction, count) => bytes.inc({ direction }, count),
    render: async () => {
      readGauges()
      return { type: registry.contentType, text: await registry.metrics() }
    }
  }
}
