// kill -9 of real processes under load: two of three in turn, all at once, any of them again and again, and the one that a
// sender is talking to; shared by the short tests and the programmes. The people are those of workload.ts; only the killed
// senders are those of the demo's script, so that the demo and the tests cannot disagree on what is lost.

import * as assert from 'uvu/assert'
import { compareMailbox, createAccount, readMailbox } from '../../scripts/demo/people.mjs'
import { createRandom } from '../sim/random.ts'
import { askAny, median, mustAsk, show, until } from './asking.ts'
import { type Cluster, call, newMessageId, wait } from './cluster.ts'
import { countEvents } from './cluster-unit.ts'
import { type Workload, startWorkload } from './workload.ts'
import { checkWorkloads } from './workload-checks.ts'

const PHASE_ACKNOWLEDGED_MIN = 8
/** Quick people, so that the moment when writes are back is seen to a few ms. */
const DENSE = { people: 6, perSecond: 90 } as const
/** A node that lost the role often lately holds back for up to a minute [COO1]. */
const ROLE_BACK_MS = 150_000
const EQUAL_MS = 60_000

/** Whatever an earlier test left dead runs again. */
const reviveAll = async (cluster: Cluster): Promise<void> => {
  await Promise.all(cluster.pids.filter((pid) => cluster.stateOf(pid) === 'stopped').map((pid) => cluster.revive(pid)))
}

/** All nodes ready, equal, and node 0 coordinating. */
export const waitWhole = async (cluster: Cluster): Promise<void> => {
  await cluster.waitEqual(EQUAL_MS)
  for (const pid of cluster.pids) await cluster.waitCluster(pid, (state) => state.coordinator === 0, ROLE_BACK_MS)
}

/** All nodes ready and one of them coordinating for all; resolves to that pid. One that lost the role often need not be it. */
export const waitSettled = async (cluster: Cluster): Promise<number> => {
  await cluster.waitAllReady(EQUAL_MS)
  for (;;) {
    const states = await Promise.all(cluster.livePids().map((pid) => cluster.waitCluster(pid, (state) => state.coordinator !== null, ROLE_BACK_MS)))
    const coordinators = new Set(states.map(({ coordinator }) => coordinator as number))
    const [coordinator] = coordinators
    if (coordinators.size === 1 && coordinator !== undefined) return coordinator
  }
}

export type OrderFigures = {
  readonly order: string
  readonly findings: readonly string[]
  readonly acknowledged: number
  readonly writesBackMs: readonly number[]
  readonly accountBackMs: number
}

/** Kills two of three under load, counts on the survivor, brings them back and counts on all. */
export const playOrder = async (cluster: Cluster, [first, second]: readonly [number, number], label: string): Promise<OrderFigures> => {
  await reviveAll(cluster)
  await waitSettled(cluster)
  const load = await startWorkload(cluster, { label, ...DENSE })
  await load.untilAcknowledged(PHASE_ACKNOWLEDGED_MIN)
  const firstMs = performance.now()
  await cluster.kill(first)
  await load.untilAcknowledged(PHASE_ACKNOWLEDGED_MIN)
  const secondMs = performance.now()
  await cluster.kill(second)
  const survivor = cluster.livePids()[0] ?? 0
  const accountBack = createAccount({ places: cluster.places, home: survivor, name: `newcomer-${label}` }).then(() => performance.now() - secondMs)
  await until('a write begun after the second kill is acknowledged', () => load.backAfter(secondMs) < Infinity)
  await load.untilAcknowledged(PHASE_ACKNOWLEDGED_MIN)
  const accountBackMs = await accountBack
  await load.stop()
  const order = `node ${first}, then node ${second}`
  const findings = (await checkWorkloads(cluster, [load])).map((finding) => `${order}, the survivor: ${finding}`)
  await reviveAll(cluster)
  await waitSettled(cluster)
  findings.push(...(await checkWorkloads(cluster, [load])).map((finding) => `${order}, after all returned: ${finding}`))
  return { order, findings, acknowledged: load.acknowledged().length, writesBackMs: [firstMs, secondMs].map(load.backAfter), accountBackMs }
}

export type OutageFigures = { readonly findings: readonly string[]; readonly acknowledged: number; readonly readyMs: number }

/** Kills all at once under load; some return in this order, `gapMs` apart, serve and hold everything; then the rest do. */
export const playOutage = async (cluster: Cluster, returning: readonly number[], { label, gapMs = 0 }: { readonly label: string; readonly gapMs?: number }): Promise<OutageFigures> => {
  await reviveAll(cluster)
  await waitSettled(cluster)
  const load = await startWorkload(cluster, { label, ...DENSE })
  await load.untilAcknowledged(PHASE_ACKNOWLEDGED_MIN)
  await Promise.all(cluster.pids.map((pid) => cluster.kill(pid)))
  const startedMs = performance.now()
  for (const [index, pid] of returning.entries()) {
    if (index > 0) await wait(gapMs)
    cluster.start(pid)
  }
  await cluster.waitAllReady(EQUAL_MS)
  const readyMs = performance.now() - startedMs
  await load.untilAcknowledged(PHASE_ACKNOWLEDGED_MIN)
  await load.stop()
  const findings = await checkWorkloads(cluster, [load])
  const others = cluster.pids.filter((pid) => !returning.includes(pid))
  if (others.length > 0) {
    await reviveAll(cluster)
    findings.push(...(await checkWorkloads(cluster, [load])))
  }
  return { findings: findings.map((finding) => `back in the order ${returning.join(' ')}, ${gapMs} ms apart: ${finding}`), acknowledged: load.acknowledged().length, readyMs }
}

export type RandomKillsOptions = { readonly label: string; readonly kills: number; readonly everyMs: readonly [number, number]; readonly downMs: readonly [number, number] }
export type RandomKillsFigures = { readonly findings: readonly string[]; readonly load: Workload; readonly kills: number; readonly allDown: number; readonly alone: number; readonly gapsMs: readonly number[] }

/**
 * Kills a random running node every so often and starts it again some time later, whether or not others are down or not
 * ready yet; at the end all return and are held against everything that was done.
 */
export const playRandomKills = async (cluster: Cluster, { label, kills, everyMs, downMs }: RandomKillsOptions): Promise<RandomKillsFigures> => {
  const dice = createRandom(`${label}/kills`)
  const load = await startWorkload(cluster, { label })
  const startedMs = performance.now()
  const returns: Promise<void>[] = []
  let allDown = 0
  for (let count = 0; count < kills; count++) {
    await wait(dice.integer(...everyMs))
    await until('some node runs', () => cluster.livePids().length > 0)
    const victim = dice.pick(cluster.livePids())
    await cluster.kill(victim)
    if (cluster.livePids().length === 0) allDown += 1
    returns.push(wait(dice.integer(...downMs)).then(() => cluster.start(victim)))
  }
  await Promise.all(returns)
  await cluster.waitAllReady(EQUAL_MS)
  const endedMs = performance.now()
  await load.stop()
  const alone = countEvents(cluster, 'alone')
  const stopped = cluster.pids.filter((pid) => cluster.stateOf(pid) === 'stopped').map((pid) => `node ${pid} ended by itself: ${cluster.logTail(pid)}`)
  // A node that waited in vain for the others served alone with what it had, as it must [RDY1]: reads and names may show it.
  const findings = (await checkWorkloads(cluster, [load], { allowsNameSplits: alone > 0 })).filter((finding) => alone === 0 || !finding.startsWith('K6'))
  return { findings: [...stopped, ...findings], load, kills, allDown, alone, gapsMs: load.gaps(startedMs, endedMs) }
}

type Somebody = { readonly id: string; readonly name: string; readonly token: string }
type Record_ = { readonly tried: Map<string, string>; readonly acknowledged: Map<string, { startedMs: number; acknowledgedMs: number; phase: string }> }

const IN_FLIGHT = 3

/**
 * `kills` times: three messages are on their way to one node when it is killed, some moment into them; each is sent again
 * with its id through another node. At the end each is there exactly once, on every node.
 */
export const playSenderKills = async (cluster: Cluster, kills: number, label: string): Promise<{ sent: number; unanswered: number; storedUnanswered: number }> => {
  await reviveAll(cluster)
  const people: Somebody[] = []
  for (let home = 0; home <= IN_FLIGHT; home++) people.push(await createAccount({ places: cluster.places, home: home % cluster.pids.length, name: `${label}-${home}` }))
  const [recipient, ...senders] = people
  if (recipient === undefined) throw new Error('nobody is there')
  const record: Record_ = { tried: new Map(), acknowledged: new Map() }
  const times: number[] = []
  let unanswered = 0
  let storedUnanswered = 0
  const send = (pid: number, sender: Somebody, id: string, text: string) =>
    call(cluster.at(pid), 'POST', '/api/messages', { token: sender.token, body: { id, to: [{ id: recipient.id }], text }, timeoutMs: 10_000 })

  for (let round = 0; round < kills; round++) {
    const victim = round % 3
    // How long a write takes just now, on this machine: a note to oneself.
    for (const sender of senders) times.push((await mustAsk(201, cluster.at(victim), 'POST', '/api/messages', { token: sender.token, body: { to: [{ id: sender.id }], text: 'a note' } })).ms)
    const batch = senders.map((sender, index) => ({ sender, id: newMessageId(), text: `round ${round}, ${index}` }))
    for (const { id, text } of batch) record.tried.set(id, text)
    const answers = batch.map(({ sender, id, text }) => send(victim, sender, id, text))
    await wait((round / kills) * 2.5 * median(times)) // from before anything arrived to after everything was answered
    await cluster.kill(victim)
    const others = cluster.livePids().map((pid) => cluster.at(pid))
    for (const [index, first] of (await Promise.all(answers)).entries()) {
      const one = batch[index]
      if (one === undefined) continue
      if (first.status !== 201) {
        unanswered += 1
        const held = await idsAt(others[0], recipient)
        if (held.includes(one.id)) storedUnanswered += 1
      }
      // Even who heard yes may have lost the answer: everybody sends again, elsewhere.
      const again = await askAny([...others].reverse(), 'POST', '/api/messages', { token: one.sender.token, body: { id: one.id, to: [{ id: recipient.id }], text: one.text } })
      assert.is(again.status, 201, show(again))
      record.acknowledged.set(one.id, { startedMs: 0, acknowledgedMs: 0, phase: '' })
    }
    await cluster.revive(victim)
  }
  await cluster.waitEqual(EQUAL_MS)
  for (const pid of cluster.pids) {
    const counts = compareMailbox({ found: await readMailbox({ place: cluster.at(pid), recipient }), record })
    assert.equal(counts, { held: record.acknowledged.size, lost: 0, doubled: 0, invented: 0 }, `after each killed sender sent again, node ${pid}\n${cluster.logTail(pid)}`)
  }
  return { sent: record.acknowledged.size, unanswered, storedUnanswered }
}

/** Ids in somebody's mailbox at a node, opened or not. */
const idsAt = async (place: { readonly url: string } | undefined, { token }: Somebody): Promise<string[]> => {
  if (place === undefined) return []
  const { body: opened } = await mustAsk(200, place, 'POST', '/api/inbox/open', { token, body: { count: 1000 } })
  const { body: listed } = await mustAsk(200, place, 'GET', '/api/messages?limit=200', { token })
  return [...opened.opened, ...listed.messages].map(({ id }: { id: string }) => id)
}
