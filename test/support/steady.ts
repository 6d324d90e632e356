// A cluster at rest: what plays with faults wait for before each fault and after it, in one question to each node.

import { type Cluster, call, wait } from './cluster.ts'

export type Steady = { readonly coordinator: number; readonly epoch: number; readonly digest: string }

/** Only a cluster that never comes to rest passes it: a node that lost the role often holds back for up to a minute [COO1]. */
const LIMIT_MS = 90_000
const PAUSE_MS = 40

/**
 * Waits until every running node says of every running node that it is ready, not behind, and holds the same, and all name
 * the same coordinator; with `quietMs`, until that epoch has lasted so long. Throws with what they said last.
 */
export const waitSteady = async (cluster: Cluster, { limitMs = LIMIT_MS, quietMs = 0 }: { readonly limitMs?: number; readonly quietMs?: number } = {}): Promise<Steady> => {
  const deadline = performance.now() + limitMs
  let epochSince = { epoch: -1, ms: 0 }
  for (;;) {
    const live = cluster.livePids()
    const answers = await Promise.all(live.map((pid) => call(cluster.at(pid), 'GET', '/api/cluster', { timeoutMs: 2000 })))
    const [first] = answers
    const stories = new Set(answers.map(({ status, body }) => (status === 200 && isAtRest(body, live) ? `${body.coordinator}/${body.epoch}/${digestsOf(body, live).join()}` : 'not at rest')))
    const digest = first?.status === 200 ? digestsOf(first.body, live)[0] : undefined
    const isSteady = stories.size === 1 && !stories.has('not at rest')
    const epoch: number = isSteady ? first?.body.epoch : -1
    if (epoch !== epochSince.epoch) epochSince = { epoch, ms: performance.now() }
    if (isSteady && digest !== undefined && performance.now() - epochSince.ms >= quietMs) return { coordinator: first?.body.coordinator, epoch, digest }
    if (performance.now() > deadline) {
      const said = answers.map(({ status, body }, index) => `node ${live[index]}: ${status} ${JSON.stringify(body)}`)
      throw new Error(`the cluster did not come to rest within ${limitMs} ms\n${said.join('\n')}\n${live.map((pid) => cluster.logTail(pid, 8)).join('\n')}`)
    }
    await wait(PAUSE_MS)
  }
}

const rowsOf = (body: any, live: readonly number[]): any[] => body.nodes.filter(({ pid }: any) => live.includes(pid))
const digestsOf = (body: any, live: readonly number[]): string[] => [...new Set(rowsOf(body, live).map(({ digest }) => String(digest)))]

const isAtRest = (body: any, live: readonly number[]): boolean => {
  const rows = rowsOf(body, live)
  return rows.length === live.length && rows.every(({ status, behind }) => status === 'ready' && !behind) && digestsOf(body, live).length === 1 && live.includes(body.coordinator)
}

/** Starts whatever does not run and wakes what is frozen; does not wait. */
export const startAll = (cluster: Cluster): void => {
  for (const pid of cluster.pids) {
    if (cluster.stateOf(pid) === 'frozen') cluster.thaw(pid)
    if (cluster.stateOf(pid) === 'stopped') cluster.start(pid)
  }
}
