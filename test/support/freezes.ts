// SIGSTOP of real processes under load. A frozen node accepts connections and says nothing: the others wait for it once and
// go on without it; the woken one knows that it slept, and syncs before it serves, acknowledges or takes a role [LIV3].

import { call, type Cluster, wait } from './cluster.ts'
import { waitSettled } from './kill-orders.ts'
import { readRoles } from './roles.ts'
import { type Attempt, type Deed, type Workload, toShort } from './workload.ts'

/** A pause below this may pass unnoticed; config.ts has 600 ms. */
const NOTICED_MS = 1_000
const AWAKE_LIMIT_MS = 30_000
const AWAKE_ROUNDS = 3
const CLOCK_STEP_MS = 5

export type FreezeFigures = {
  readonly findings: readonly string[]
  /** How long each message, and each account, took at the nodes that were not frozen. */
  readonly writeMs: readonly number[]
  readonly accountMs: readonly number[]
  /** Until the others named one coordinator, if the frozen node was it and slept that long. */
  readonly takeOverMs: number | null
  /** From the wakening until everybody was served there. */
  readonly servesMs: number
}

/** Freezes one node for some time under a load that goes on, and watches what it says from its first moment awake. */
export const playFreeze = async (cluster: Cluster, load: Workload, { pid, forMs }: { readonly pid: number; readonly forMs: number }): Promise<FreezeFigures> => {
  const findings: string[] = []
  const say = (text: string): void => void findings.push(`node ${pid} frozen for ${Math.round(forMs)} ms: ${text}`)
  const coordinator = await waitSettled(cluster)
  const others = cluster.pids.filter((other) => other !== pid)
  const frozenMs = performance.now()
  cluster.freeze(pid)
  const takingOver = coordinator === pid ? watchTakeOver(cluster, others, pid, forMs) : Promise.resolve(null)
  await wait(forMs)
  const takeOver = await takingOver
  const awakeMs = performance.now()
  const known = load.signUps.findLast(({ outcome, answeredBy }) => outcome === 'acknowledged' && answeredBy !== pid)?.name
  cluster.thaw(pid)
  await watchAwake({ cluster, load, pid, known, epoch: takeOver?.epoch ?? null, say })
  const servesMs = performance.now() - awakeMs
  if (forMs > NOTICED_MS) judgeWakening(cluster, load, { pid, awakeMs, say })
  const waits = (deed: Deed): number[] => waitsAt(load.attempts, { deed, pids: others, fromMs: frozenMs, toMs: awakeMs })
  return { findings, writeMs: waits('send'), accountMs: waits('sign-up'), takeOverMs: takeOver?.ms ?? null, servesMs }
}

/** When all others name one new coordinator, or null if the frozen node wakes before. */
const watchTakeOver = async (cluster: Cluster, others: readonly number[], frozen: number, forMs: number): Promise<{ readonly ms: number; readonly epoch: number } | null> => {
  const startedMs = performance.now()
  while (performance.now() - startedMs < forMs - 100) {
    const answers = await Promise.all(others.map((other) => call(cluster.at(other), 'GET', '/api/cluster', { timeoutMs: 500 })))
    const [first] = answers
    const isMoved = answers.every(({ body }) => typeof body?.coordinator === 'number' && body.coordinator !== frozen && body.coordinator === first?.body.coordinator)
    if (isMoved) return { ms: performance.now() - startedMs, epoch: first?.body.epoch }
    await wait(20)
  }
  return null
}

type Awake = { readonly cluster: Cluster; readonly load: Workload; readonly pid: number; readonly known: string | undefined; readonly epoch: number | null; readonly say: (text: string) => void }

/** From its first moment the woken node either says what happened meanwhile, or says nothing yet. Reads are judged by the workload. */
const watchAwake = async ({ cluster, load, pid, known, epoch, say }: Awake): Promise<void> => {
  const deadline = performance.now() + AWAKE_LIMIT_MS
  for (let rounds = 0; rounds < AWAKE_ROUNDS; ) {
    if (performance.now() > deadline) return say(`it did not serve within ${AWAKE_LIMIT_MS} ms after it woke\n${cluster.logTail(pid)}`)
    const [served, name, state] = await Promise.all([
      load.readEverybodyAt(pid, 10_000),
      known === undefined ? null : call(cluster.at(pid), 'GET', `/api/accounts/${known}`, { timeoutMs: 10_000 }),
      call(cluster.at(pid), 'GET', '/api/cluster', { timeoutMs: 10_000 }),
    ])
    if (name?.status === 200 && !name.body.exists) say(`woken, it says that nobody is called ${known}, made through another node before`)
    if (epoch !== null && state.body?.coordinator === pid && state.body.epoch < epoch) say(`woken, it still coordinates epoch ${state.body.epoch}; the others have had ${epoch}`)
    if (served === load.workers.length) rounds += 1
  }
}

/** Between its wakening and its next `ready` a node notices its sleep and acknowledges only what all had stored before it. */
const judgeWakening = (cluster: Cluster, load: Workload, { pid, awakeMs, say }: { readonly pid: number; readonly awakeMs: number; readonly say: (text: string) => void }): void => {
  const awakeAtMs = performance.timeOrigin + awakeMs - CLOCK_STEP_MS
  const events = readRoles(cluster, pid).filter(({ atMs }) => atMs >= awakeAtMs)
  if (!events.some(({ event }) => event === 'paused')) say(`it did not notice that it slept: ${events.map(({ event }) => event).join(' ')}`)
  const readyMs = (events.find(({ event }) => event === 'ready')?.atMs ?? Infinity) - performance.timeOrigin - CLOCK_STEP_MS
  const stale = load.acknowledged().filter(({ answeredBy, acknowledgedMs, storedOn }) => answeredBy === pid && acknowledgedMs > awakeMs && acknowledgedMs < readyMs && storedOn.length < cluster.pids.length)
  if (stale.length > 0) say(`${stale.length} messages were acknowledged before it was ready again, such as "${toShort(stale[0]?.text ?? '')}" on ${stale[0]?.storedOn.join(' ')}`)
}

/** How long each task of a kind was waited for at these nodes, of those that began there in this time. */
const waitsAt = (attempts: readonly Attempt[], { deed, pids, fromMs, toMs }: { readonly deed: Deed; readonly pids: readonly number[]; readonly fromMs: number; readonly toMs: number }): number[] => {
  const waits = new Map<number, number>()
  for (const attempt of attempts) {
    if (attempt.deed !== deed || !pids.includes(attempt.pid) || attempt.endedMs < fromMs || attempt.startedMs > toMs) continue
    waits.set(attempt.task, (waits.get(attempt.task) ?? 0) + attempt.endedMs - attempt.startedMs)
  }
  return [...waits.values()]
}
