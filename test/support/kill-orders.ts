// Kills under load, and the counting afterwards; shared by the short and the long test of kills.
// People and counting are those of the demo's script, so the demo and the tests cannot disagree on what is lost.

import * as assert from 'uvu/assert'
import { compareMailbox, createAccount, readMailbox, startSender } from '../../scripts/demo/people.mjs'
import { askAny, median, mustAsk, show, until } from './asking.ts'
import { type Cluster, call, newMessageId, wait } from './cluster.ts'

type Somebody = { readonly id: string; readonly name: string; readonly token: string }
type Record_ = { readonly tried: Map<string, string>; readonly acknowledged: Map<string, { startedMs: number; acknowledgedMs: number; phase: string }>; readonly refused: string[] }

const PHASE_ACKNOWLEDGED_MIN = 8
const SENDER_COUNT = 3
const PAUSE_MS = 10
/** An account is given up only when a cluster has stopped for good. */
const ACKNOWLEDGED_LIMIT_MS = 60_000

let count = 0

const newPeople = async (cluster: Cluster): Promise<{ senders: Somebody[]; recipient: Somebody }> => {
  const places = cluster.livePids().map((pid) => cluster.at(pid))
  const make = (home: number): Promise<Somebody> => createAccount({ places, home, name: `person-${++count}` })
  const senders: Somebody[] = []
  for (let home = 0; home < SENDER_COUNT; home++) senders.push(await make(home))
  return { senders, recipient: await make(0) }
}

/** People who send through whatever answers, until stopped. */
const startLoad = async (cluster: Cluster) => {
  const { senders, recipient } = await newPeople(cluster)
  const record: Record_ = { tried: new Map(), acknowledged: new Map(), refused: [] }
  let phase = 'before'
  const running = senders.map((sender, home) =>
    startSender({ places: cluster.places, home, sender, recipient, record, phaseOf: () => phase, pauseMs: PAUSE_MS }),
  )
  const countIn = (name: string): number => [...record.acknowledged.values()].filter((entry) => entry.phase === name).length
  const enter = async (name: string): Promise<void> => {
    phase = name
    await until(`${PHASE_ACKNOWLEDGED_MIN} messages acknowledged ${name}`, () => countIn(name) >= PHASE_ACKNOWLEDGED_MIN, ACKNOWLEDGED_LIMIT_MS)
  }
  /** How long after this moment the first write was acknowledged that began after it. */
  const backAfter = (momentMs: number): number =>
    Math.min(...[...record.acknowledged.values()].filter(({ startedMs }) => startedMs >= momentMs).map(({ acknowledgedMs }) => acknowledgedMs - momentMs))
  const stop = async (): Promise<void> => {
    await Promise.all(running.map((sender) => sender.stop()))
  }
  return { recipient, record, enter, backAfter, stop }
}

type Load = Awaited<ReturnType<typeof startLoad>>

/** Every acknowledged message is in the mailbox as this node shows it, once, and none that nobody sent. */
const checkAt = async (cluster: Cluster, pid: number, { recipient, record }: Pick<Load, 'recipient' | 'record'>, when: string): Promise<void> => {
  const found = await readMailbox({ place: cluster.at(pid), recipient })
  const { held, lost, doubled, invented } = compareMailbox({ found, record })
  assert.equal({ held, lost, doubled, invented }, { held: record.acknowledged.size, lost: 0, doubled: 0, invented: 0 }, `${when}, on node ${pid}\n${cluster.logTail(pid)}`)
  // Who gave up after half a minute of silence was not refused; what became of that message is unknown, and counted above.
  assert.equal(record.refused.filter((line) => !/: (0|503) [\w-]*$/.test(line)), [], when)
}

/** Whatever an earlier test left dead runs again. */
const reviveAll = async (cluster: Cluster): Promise<void> => {
  for (const pid of cluster.pids) if (cluster.stateOf(pid) === 'stopped') await cluster.revive(pid)
}

/** A node that lost the role often lately holds back for up to a minute [COO1]. */
const ROLE_BACK_MS = 150_000

/** All nodes ready, equal, and node 0 coordinating. */
export const waitWhole = async (cluster: Cluster): Promise<void> => {
  await cluster.waitEqual(60_000)
  for (const pid of cluster.pids) await cluster.waitCluster(pid, (state) => state.coordinator === 0, ROLE_BACK_MS)
}

export type OrderFigures = { readonly order: string; readonly acknowledged: number; readonly writesBackMs: readonly number[]; readonly accountBackMs: number }

/** Kills two of three under load, counts on the survivor, brings them back and counts on all. */
export const playOrder = async (cluster: Cluster, [first, second]: readonly [number, number]): Promise<OrderFigures> => {
  await reviveAll(cluster)
  const load = await startLoad(cluster)
  const order = `node ${first}, then node ${second}`
  await load.enter('before')
  const moments: number[] = []
  for (const [pid, phase] of [[first, 'between'], [second, 'after']] as const) {
    moments.push(performance.now())
    await cluster.kill(pid)
    if (phase === 'between') await load.enter(phase)
  }
  const survivor = cluster.livePids()[0] ?? 0
  const secondMs = moments[1] ?? 0
  const accountBack = createAccount({ places: cluster.places, home: survivor, name: `newcomer-${++count}` }).then(() => performance.now() - secondMs)
  await load.enter('after')
  const accountBackMs = await accountBack
  await load.stop()
  await checkAt(cluster, survivor, load, `${order}, the survivor`)
  await Promise.all([first, second].map((pid) => cluster.revive(pid)))
  await waitWhole(cluster)
  for (const pid of cluster.pids) await checkAt(cluster, pid, load, `${order}, after all returned`)
  return { order, acknowledged: load.record.acknowledged.size, writesBackMs: moments.map(load.backAfter), accountBackMs }
}

/** Kills all at once under load; two return, serve and hold everything; then the third does. */
export const playOutage = async (cluster: Cluster, returning: readonly [number, number]): Promise<{ acknowledged: number; readyMs: number }> => {
  await reviveAll(cluster)
  const load = await startLoad(cluster)
  await load.enter('before')
  await Promise.all(cluster.pids.map((pid) => cluster.kill(pid)))
  const startedMs = performance.now()
  await Promise.all(returning.map((pid) => cluster.revive(pid)))
  const readyMs = performance.now() - startedMs
  await load.enter('after')
  await load.stop()
  for (const pid of returning) await checkAt(cluster, pid, load, `only ${returning.join(' and ')} returned`)
  const last = cluster.pids.find((pid) => !returning.includes(pid)) ?? 0
  await cluster.revive(last)
  await waitWhole(cluster)
  for (const pid of cluster.pids) await checkAt(cluster, pid, load, 'after all returned')
  return { acknowledged: load.record.acknowledged.size, readyMs }
}

const IN_FLIGHT = 3

/**
 * `kills` times: three messages are on their way to one node when it is killed, some moment into them; each is sent again
 * with its id through another node. At the end each is there exactly once, on every node.
 */
export const playSenderKills = async (cluster: Cluster, kills: number): Promise<{ sent: number; unanswered: number; storedUnanswered: number }> => {
  await reviveAll(cluster)
  const { senders, recipient } = await newPeople(cluster)
  const record: Record_ = { tried: new Map(), acknowledged: new Map(), refused: [] }
  const times: number[] = []
  let unanswered = 0
  let storedUnanswered = 0
  const send = (pid: number, sender: Somebody, id: string, text: string) =>
    call(cluster.at(pid), 'POST', '/api/messages', { token: sender.token, body: { id, to: [{ id: recipient.id }], text }, timeoutMs: 10_000 })

  for (let round = 0; round < kills; round++) {
    const victim = round % 3
    // How long a write takes just now, on this machine: a note to oneself.
    for (const sender of senders) times.push((await mustAsk(201, cluster.at(victim), 'POST', '/api/messages', { token: sender.token, body: { to: [{ id: sender.id }], text: 'a note' } })).ms)
    const batch = senders.slice(0, IN_FLIGHT).map((sender, index) => ({ sender, id: newMessageId(), text: `round ${round}, ${index}` }))
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
  await waitWhole(cluster)
  for (const pid of cluster.pids) await checkAt(cluster, pid, { recipient, record }, 'after each killed sender sent again')
  return { sent: record.acknowledged.size, unanswered, storedUnanswered }
}

/** Ids in somebody's mailbox at a node, opened or not. */
const idsAt = async (place: { readonly url: string } | undefined, { token }: Somebody): Promise<string[]> => {
  if (place === undefined) return []
  const { body: opened } = await mustAsk(200, place, 'POST', '/api/inbox/open', { token, body: { count: 1000 } })
  const { body: listed } = await mustAsk(200, place, 'GET', '/api/messages?limit=200', { token })
  return [...opened.opened, ...listed.messages].map(({ id }: { id: string }) => id)
}
