// Whether the cluster has another copy of what a damaged data directory held: only then may it be moved aside and fetched again [STO5].
// Refuses to know what is damaged, and how it is moved.

import * as v from 'valibot'
import type { Pid } from '../../crdt-schema/ids.ts'
import type { Settings } from './settings.ts'

const ASK_MS = 1_500
const PAUSE_MS = 500
/** After an outage of all, the others serve without this node when `--alone-ms` has passed: that is waited for. */
const WAIT_MS = 30_000

const shape = v.looseObject({ self: v.number(), nodes: v.array(v.looseObject({ pid: v.number(), status: v.string() })) })

/** Null when a member that serves knows this node and says that it is down; otherwise why the directory must stay. */
export const findCopy = async ({ config }: Settings): Promise<string | null> => {
  const { pid, joinUrl } = config
  // The pid of a node that joins without one stands in the very directory that cannot be read.
  if (pid === null || joinUrl !== null) return 'With --join it is not certain which node this is, so it was left where it is.'
  const others = [...config.peers].filter(([other]) => other !== pid).map(([, url]) => url)
  if (others.length === 0) return 'This node is alone: there is no other copy, so it was left where it is. A backup can be restored into an empty directory.'
  const deadline = performance.now() + WAIT_MS
  for (;;) {
    const answers = await Promise.all(others.map(url => askMember(url, pid)))
    // The others notice an end within two seconds: until then they speak of this node's last run.
    const isAnother = answers.includes('another')
    if (answers.includes('has-copy') && !isAnother) return null
    if (performance.now() > deadline) return isAnother ? `Another node runs as node ${pid}, so it was left where it is.` : `No other member served within ${WAIT_MS / 1_000} s, so it was left where it is.`
    await new Promise(resolve => setTimeout(resolve, PAUSE_MS))
  }
}

/** What one member says: it serves and misses this node, or it sees a node of this pid, or nothing that helps. */
const askMember = async (url: string, pid: Pid): Promise<'has-copy' | 'another' | 'no-help'> => {
  try {
    const response = await fetch(new URL('/api/cluster', url), { signal: AbortSignal.timeout(ASK_MS) })
    const { self, nodes } = v.parse(shape, await response.json())
    const own = nodes.find(row => row.pid === pid)
    if (own === undefined || !nodes.some(row => row.pid === self && row.status === 'ready')) return 'no-help'
    return own.status === 'down' ? 'has-copy' : 'another'
  } catch {
    return 'no-help' // nobody there, or nobody who speaks as a node does
  }
}
