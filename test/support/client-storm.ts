// Many clients lose their node at once [FAULTS C10]: all must be attached elsewhere soon, without holding the others up.

import { type Cluster, call, wait } from './cluster.ts'
import { until } from './asking.ts'
import { type Attached, attach } from './providers.ts'

export type Storm = { readonly findings: readonly string[]; readonly attachedMs: number; readonly sendMs: readonly number[]; readonly lagMs: number }

const SETTLE_LIMIT_MS = 60_000
const PEOPLE = 20

/** The longest that the event loop of a node stood still since it was last asked. */
const readLagMs = async (cluster: Cluster, pid: number): Promise<number> => {
  const { body } = await call(cluster.at(pid), 'GET', '/metrics', { timeoutMs: 10_000 })
  return Number(/^nodejs_eventloop_lag_max_seconds (\S+)$/m.exec(String(body))?.[1] ?? Number.NaN) * 1000
}

/** Attaches `count` replicas to node 0, kills it, and waits until all are in step with another node. */
export const playStorm = async (cluster: Cluster, count: number): Promise<Storm> => {
  const people = []
  for (let number = 0; number < PEOPLE; number++) people.push(await cluster.createPerson(number % 3, `storm-${number}`))
  const clients: Attached[] = []
  const places = [0, 1, 2].map((pid) => cluster.at(pid))
  for (let index = 0; index < count; index++) {
    const person = people[index % PEOPLE]
    // Half of them go on to node 1, half to node 2.
    if (person !== undefined) clients.push(attach(index % 2 === 0 ? places : [cluster.at(0), cluster.at(2), cluster.at(1)], `${person.id}/drafts`, person.token))
  }
  const isAttached = ({ provider }: Attached): boolean => provider.wsconnected && provider.synced
  await until('all are attached to node 0', () => clients.every(isAttached), SETTLE_LIMIT_MS)
  for (const pid of [1, 2]) await readLagMs(cluster, pid)
  const killedMs = performance.now()
  await cluster.kill(0)
  const sendMs: number[] = []
  let attachedMs = Number.NaN
  const [ann] = people
  while (performance.now() - killedMs < SETTLE_LIMIT_MS) {
    const startedMs = performance.now()
    const { status } = await call(cluster.at(1), 'POST', '/api/messages', { token: ann?.token ?? '', body: { to: ['storm-1'], text: 'in the storm' }, timeoutMs: 10_000 })
    if (status === 201) sendMs.push(performance.now() - startedMs)
    if (clients.every(isAttached)) {
      attachedMs = performance.now() - killedMs
      break
    }
    await wait(50)
  }
  const lagMs = Math.max(...(await Promise.all([1, 2].map((pid) => readLagMs(cluster, pid)))))
  const findings: string[] = []
  if (Number.isNaN(attachedMs)) findings.push(`${clients.filter((client) => !isAttached(client)).length} of ${count} clients were not attached again in a minute`)
  const finals = clients.flatMap((client) => client.finalCodes())
  if (finals.length > 0) findings.push(`clients were sent away for good: ${finals.join(' ')}`)
  for (const client of clients) client.detach()
  await cluster.revive(0)
  return { findings, attachedMs, sendMs, lagMs }
}
