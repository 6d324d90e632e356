// Judges the nodes of a cluster by what the people of a workload tried and were told: K1 messages, K2 names, K5 one content
// everywhere, K7 roles; K6 was judged while they worked. Also reads K9, what the processes take. A finding is a line that
// begins with its checker's id.

import { readMailbox } from '../../scripts/demo/people.mjs'
import { mustAsk } from './asking.ts'
import { type Cluster, call } from './cluster.ts'
import { checkRoles } from './roles.ts'
import { type Outcome, type Worker, type Workload, toShort } from './workload.ts'

export type ShownMessage = { readonly id: string; readonly text: string; readonly checked: boolean }

export type CheckOptions = {
  /** Names may have two owners, of whom one is shown with a tilde: the cluster was split, or a node alone [COO6]. */
  readonly allowsNameSplits?: boolean
  readonly limitMs?: number
}

const EQUAL_LIMIT_MS = 60_000
const NAMES_PAGE = 200

/**
 * Waits until all running nodes hold the same, then holds each against the record of every workload, and waits again, as
 * looking opens messages. Call it when the workloads have stopped. Resolves to all findings, those of the work included.
 */
export const checkWorkloads = async (cluster: Cluster, workloads: readonly Workload[], { allowsNameSplits = false, limitMs = EQUAL_LIMIT_MS }: CheckOptions = {}): Promise<string[]> => {
  const findings = workloads.flatMap((workload) => workload.findings)
  findings.push(...(await findUnequal(cluster, limitMs)))
  for (const workload of workloads) {
    for (const pid of cluster.livePids()) {
      for (const worker of workload.workers) {
        const shown: ShownMessage[] = await readMailbox({ place: cluster.at(pid), recipient: worker })
        findings.push(...judgeMailbox(workload, worker, shown).map((finding) => `${finding}, node ${pid}`))
        findings.push(...(await judgeDrafts(cluster, pid, worker)))
      }
    }
    findings.push(...(await judgeNames(cluster, workload, allowsNameSplits)))
  }
  findings.push(...(await findUnequal(cluster, limitMs)), ...findRoles(cluster))
  return findings
}

const findUnequal = (cluster: Cluster, limitMs: number): Promise<string[]> =>
  cluster.waitEqual(limitMs).then(
    () => [],
    (error: Error) => [`K5 ${error.message}`],
  )

/** [FAULTS K7] */
export const findRoles = (cluster: Cluster): string[] => {
  try {
    checkRoles(cluster)
    return []
  } catch (error) {
    return [`K7 ${(error as Error).message}`]
  }
}

/** What a node shows of everything that a person sent, was sent, deleted and marked [FAULTS K1]. */
export const judgeMailbox = ({ sent, messageOf }: Pick<Workload, 'sent' | 'messageOf'>, worker: Worker, shown: readonly ShownMessage[]): string[] => {
  const findings: string[] = []
  const say = (what: string, texts: readonly string[]): void => {
    if (texts.length > 0) findings.push(`K1 ${worker.label}: ${texts.length} ${what}: ${texts.slice(0, 3).map(toShort).join(', ')}`)
  }
  const mine = sent.filter(({ from, to }) => from === worker || to.includes(worker))
  const count = new Map<string, number>()
  for (const { text } of shown) count.set(text, (count.get(text) ?? 0) + 1)
  const isKept = (id: string | null): boolean => id === null || !worker.deleted.has(id)
  say('acknowledged and lost', mine.filter(({ outcome, id, text }) => outcome === 'acknowledged' && isKept(id) && !count.has(text)).map(({ text }) => text))
  say('doubled', [...count].filter(([, times]) => times > 1).map(([text]) => text))
  say('that nobody sent to or from them', shown.filter(({ id, text }) => !isSentTo(worker, messageOf(text), id)).map(({ id, text }) => `${id} ${text}`))
  const isGone = (outcome: Outcome | undefined): boolean => outcome === 'acknowledged'
  say('deleted and back', shown.filter(({ id }) => isGone(worker.deleted.get(id))).map(({ text }) => text))
  say('with a mark that was set otherwise', shown.filter(({ id, checked }) => (worker.checked.get(id) ?? checked) !== checked).map(({ text }) => text))
  return findings
}

const isSentTo = (worker: Worker, message: ReturnType<Workload['messageOf']>, id: string): boolean =>
  message !== undefined && (message.from === worker || message.to.includes(worker)) && (message.id === null || message.id === id)

const judgeDrafts = async (cluster: Cluster, pid: number, worker: Worker): Promise<string[]> => {
  const { body } = await mustAsk(200, cluster.at(pid), 'GET', '/api/drafts', { token: worker.token })
  const shown = new Map<string, string>(body.drafts.map(({ id, text }: { id: string; text: string }) => [id, text]))
  return worker.drafts.flatMap(({ id, state, isSure, texts }) => {
    const text = shown.get(id)
    if (state === 'there' && text === undefined) return [`K1 ${worker.label}: draft ${id} is lost, node ${pid}`]
    if (state === 'gone' && text !== undefined) return [`K1 ${worker.label}: draft ${id} is back, node ${pid}`]
    if (state === 'there' && isSure && !texts.has(text ?? '')) return [`K1 ${worker.label}: draft ${id} reads "${text}" instead of "${[...texts].join('" or "')}", node ${pid}`]
    return []
  })
}

/** All accounts of a workload by id as a node lists them. */
const readNames = async (cluster: Cluster, pid: number, { label, workers }: Workload): Promise<Map<string, string>> => {
  const names = new Map<string, string>()
  const token = workers[0]?.token ?? ''
  let after = ''
  for (;;) {
    const { body } = await mustAsk(200, cluster.at(pid), 'GET', `/api/accounts?prefix=${label}-&limit=${NAMES_PAGE}${after}`, { token })
    for (const { id, name } of body.accounts) names.set(id, name)
    if (body.next === undefined) return names
    after = `&after=${encodeURIComponent(body.next)}`
  }
}

/** Each granted name belongs to whom it was granted, on every node, and to nobody else [FAULTS K2]. */
const judgeNames = async (cluster: Cluster, workload: Workload, allowsNameSplits: boolean): Promise<string[]> => {
  const findings: string[] = []
  const granted = workload.signUps.filter(({ outcome }) => outcome === 'acknowledged')
  for (const [index, { name, accountId, answeredBy }] of granted.entries()) {
    const twin = granted.slice(0, index).find((other) => other.name === name && other.accountId !== accountId)
    if (twin !== undefined && !allowsNameSplits) findings.push(`K2 ${name} was granted twice: by node ${twin.answeredBy} and by node ${answeredBy}`)
  }
  const stories = new Map<number, string>()
  for (const pid of cluster.livePids()) {
    const names = await readNames(cluster, pid, workload)
    stories.set(pid, JSON.stringify([...names].sort()))
    const owned = [...names.values()]
    const isOwn = (shown: string | undefined, name: string): boolean => shown === name || (allowsNameSplits && shown?.startsWith(`${name}~`) === true)
    for (const { name, accountId } of granted) {
      if (!isOwn(names.get(accountId ?? ''), name)) findings.push(`K2 ${name} was granted to ${accountId}, but node ${pid} calls that account ${names.get(accountId ?? '')}`)
    }
    for (const { name, outcome } of workload.signUps) {
      if (outcome === 'refused' && !owned.includes(name)) findings.push(`K2 ${name} was refused as taken, but nobody has it on node ${pid}`)
    }
    for (const name of new Set(owned)) if (owned.filter((other) => other === name).length > 1) findings.push(`K2 node ${pid} shows two accounts called ${name}`)
    for (const name of owned) {
      const isTried = workload.signUps.some((signUp) => isOwn(name, signUp.name)) || workload.workers.some((worker) => isOwn(name, worker.name))
      if (!isTried) findings.push(`K2 node ${pid} has an account ${name} that nobody asked for`)
    }
  }
  if (new Set(stories.values()).size > 1) findings.push(`K2 nodes list different accounts: ${[...stories].map(([pid, story]) => `${pid}: ${story}`).join(' / ').slice(0, 600)}`)
  return findings
}

/** [FAULTS K9] Memory, descriptors and lag of the event loop, of each running node, by its own figures. */
export const readHealth = async (cluster: Cluster): Promise<{ readonly residentMiB: number[]; readonly descriptors: number[]; readonly loopLagP99Ms: number[]; readonly loopLagMaxMs: number[] }> => {
  const health = { residentMiB: [] as number[], descriptors: [] as number[], loopLagP99Ms: [] as number[], loopLagMaxMs: [] as number[] }
  for (const pid of cluster.livePids()) {
    const { status, body } = await call(cluster.at(pid), 'GET', '/metrics', { timeoutMs: 5_000 })
    if (status !== 200) continue
    const read = (name: string): number => Number(new RegExp(`^${name} (\\S+)$`, 'm').exec(String(body))?.[1] ?? Number.NaN)
    health.residentMiB.push(read('process_resident_memory_bytes') / 1024 ** 2)
    health.descriptors.push(read('process_open_fds'))
    health.loopLagP99Ms.push(read('nodejs_eventloop_lag_p99_seconds') * 1000)
    health.loopLagMaxMs.push(read('nodejs_eventloop_lag_max_seconds') * 1000)
  }
  return health
}
