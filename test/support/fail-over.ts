// Fail-over as a client sees it: the coordinator is killed or frozen, and at that moment somebody sends a message through
// one of the other nodes and somebody else asks for an account through another. Both repeat with their ids, as clients do.

import { compareMailbox, readMailbox } from '../../scripts/demo/people.mjs'
import type { Random } from '../sim/random.ts'
import { ask, show } from './asking.ts'
import { type Cluster, type Person, newMessageId } from './cluster.ts'
import { startAll, waitSteady } from './steady.ts'

export type Fault = 'killed' | 'frozen'

/** Longer than a set of ready members must be unchanged before a lower node takes the role back [COO1]. */
const QUIET_MS = 700

export type FailOver = { readonly messageMs: number; readonly accountMs: number; readonly findings: readonly string[] }

export type FailOverWorld = {
  readonly cluster: Cluster
  readonly sender: Person
  readonly recipient: Person
  /** As the demo's senders keep it: every id with its text, and those that were acknowledged. */
  readonly record: { readonly tried: Map<string, string>; readonly acknowledged: Map<string, unknown> }
}

export const createFailOverWorld = async (cluster: Cluster): Promise<FailOverWorld> => ({
  cluster,
  sender: await cluster.createPerson(0, 'sender'),
  recipient: await cluster.createPerson(1, 'recipient'),
  record: { tried: new Map(), acknowledged: new Map() },
})

/** One fault on whoever coordinates; resolves when all nodes are back and at rest. */
export const playFailOver = async ({ cluster, sender, recipient, record }: FailOverWorld, fault: Fault, label: string, random: Random): Promise<FailOver> => {
  startAll(cluster)
  const { coordinator } = await waitSteady(cluster, { quietMs: QUIET_MS })
  const [near = 0, far = 0] = random.shuffle(cluster.pids.filter((pid) => pid !== coordinator))
  const id = newMessageId()
  record.tried.set(id, label)

  const faultMs = performance.now()
  const ended = fault === 'killed' ? cluster.kill(coordinator) : cluster.freeze(coordinator)
  const since = (): number => performance.now() - faultMs
  const message = ask(cluster.at(near), 'POST', '/api/messages', { token: sender.token, body: { id, to: [{ id: recipient.id }], text: label }, timeoutMs: 10_000 }).then((answer) => ({ answer, ms: since() }))
  const account = ask(cluster.at(far), 'POST', '/api/accounts', { body: { name: label, password: 'long enough' }, timeoutMs: 10_000 }).then((answer) => ({ answer, ms: since() }))
  const [sent, made] = await Promise.all([message, account])
  await ended
  const findings: string[] = []
  if (sent.answer.status === 201) record.acknowledged.set(id, null)
  else findings.push(`${label}: the message got ${show(sent.answer)}`)
  if (made.answer.status !== 201) findings.push(`${label}: the account got ${show(made.answer)}`)
  return { messageMs: sent.ms, accountMs: made.ms, findings }
}

/** Whatever was acknowledged is there once, on every node. */
export const inspectFailOver = async ({ cluster, recipient, record }: FailOverWorld): Promise<readonly string[]> => {
  startAll(cluster)
  await waitSteady(cluster)
  const findings: string[] = []
  for (const place of cluster.places) {
    const { held, lost, doubled, invented } = compareMailbox({ found: await readMailbox({ place, recipient }), record: record as never })
    if (lost + doubled + invented > 0 || held !== record.acknowledged.size) findings.push(`node ${place.pid}: ${lost} lost, ${doubled} doubled, ${invented} invented of ${record.acknowledged.size}`)
  }
  return findings
}
