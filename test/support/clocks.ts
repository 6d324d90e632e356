// Wrong wall clocks under people at work: one node's clock jumps while it runs, or is wrong when it starts. Nothing may hang
// on it [CLK1]: roles, sessions and what is answered stay, and every time that people are shown is that of the cluster.

import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { TEST_ENV, ask, mustAsk, show, until } from './asking.ts'
import { type Cluster, type Person, newMessageId, wait } from './cluster.ts'
import { countEvents } from './cluster-unit.ts'
import { waitSettled } from './kill-orders.ts'
import { readRoles } from './roles.ts'
import type { Workload } from './workload.ts'

const root = process.env['STARLING_ROOT'] ?? process.cwd()

/** For startCluster: nodes whose clocks `playClock` can set. */
export const CLOCK_ENV = { ...TEST_ENV, NODE_OPTIONS: `--import ${pathToFileURL(join(root, 'test/support/clock-preload.mjs')).href}` }

export type ClockPlay = {
  readonly pid: number
  /** What is added to its wall clock. */
  readonly byMs: number
  /** While it runs, or by a restart. */
  readonly how: 'jump' | 'restart'
}

const HOUR_MS = 3_600_000
const YEAR_MS = 365.25 * 24 * HOUR_MS
/** All within what a 32-bit time, a cookie or a certificate would stumble over. */
export const CLOCK_SHIFTS: Readonly<Record<string, () => number>> = { 'an hour ahead': () => HOUR_MS, 'an hour back': () => -HOUR_MS, 'in 1970': () => -Date.now(), 'ten years ahead': () => 10 * YEAR_MS }

const SESSION_MS = 30 * 24 * HOUR_MS
const SANE_MS = 120_000
const ACKNOWLEDGED_MIN = 25
const QUIET_MS = 1_500

const setClock = async (cluster: Cluster, { pid, byMs, how }: ClockPlay): Promise<void> => {
  const file = `${cluster.at(pid).dataDir}.clock`
  writeFileSync(file, String(byMs))
  if (how === 'restart') {
    await cluster.kill(pid)
    await cluster.revive(pid)
  } else {
    process.kill(cluster.processIdOf(pid) ?? Number.NaN, 'SIGUSR2')
  }
  await until(`node ${pid} has its clock set`, () => existsSync(`${file}.applied`) && readFileSync(`${file}.applied`, 'utf8') === String(byMs))
}

/** Shifts the clocks, lets people work, looks at every time they are shown at every node, and sets the clocks right again. */
export const playClock = async (cluster: Cluster, load: Workload, plays: readonly ClockPlay[], label: string): Promise<string[]> => {
  const findings: string[] = []
  const newcomers: Person[] = []
  const say = (text: string): void => void findings.push(`clock of ${plays.map(({ pid, byMs, how }) => `node ${pid} by ${Math.round(byMs / 1000)} s (${how})`).join(', ')}: ${text}`)
  for (const shift of [plays, plays.map((play) => ({ ...play, byMs: 0 }))]) {
    // A jump moves no role. A restart does, before it is counted here; only the lowest node may take it back meanwhile [COO1].
    const isJump = plays.every(({ how }) => how === 'jump')
    if (!isJump) for (const play of shift) await setClock(cluster, play)
    const coordinator = await waitQuiet(cluster)
    const takenBefore = countEvents(cluster, 'coordinating')
    const pausedBefore = cluster.pids.map((pid) => pausesOf(cluster, pid).length)
    if (isJump) for (const play of shift) await setClock(cluster, play)
    await load.untilAcknowledged(ACKNOWLEDGED_MIN)
    for (const pid of cluster.pids) newcomers.push(await judgeTimesAt(cluster, pid, `${label}-${newcomers.length}`, say))
    for (const pid of cluster.pids) {
      for (const worker of load.workers) {
        const me = await ask(cluster.at(pid), 'GET', '/api/me', { token: worker.token })
        if (me.status !== 200) say(`node ${pid} takes the session of ${worker.label} no more: ${show(me)}`)
      }
    }
    const coordinatorNow = await waitSettled(cluster)
    const taken = countEvents(cluster, 'coordinating') - takenBefore
    const isTakenBack = !isJump && taken === 1 && coordinatorNow === cluster.pids[0]
    // A busy machine may starve a node, which then gives the role away as it must [LIV3]; a clock that is taken for such a pause tells of hours.
    const pauses = cluster.pids.flatMap((pid, index) => pausesOf(cluster, pid).slice(pausedBefore[index]))
    if (pauses.some((ms) => ms > SANE_MS)) say(`a node took it for a pause of ${Math.max(...pauses)} ms`)
    if (taken > 0 && !isTakenBack && pauses.length === 0) say(`the role went from node ${coordinator} to node ${coordinatorNow}, taken ${taken} times`)
  }
  for (const [index, person] of newcomers.entries()) await judgeRename(cluster, index % cluster.pids.length, person, say)
  return findings
}

/** Who coordinates, when nobody has claimed anything for a while: whoever becomes ready late makes the coordinator claim anew [COO3]. */
const waitQuiet = async (cluster: Cluster): Promise<number> => {
  for (;;) {
    const before = countEvents(cluster, 'claim')
    await wait(QUIET_MS)
    const coordinator = await waitSettled(cluster)
    if (countEvents(cluster, 'claim') === before) return coordinator
  }
}

/** How long a node says that it did not run, each time. */
const pausesOf = (cluster: Cluster, pid: number): number[] =>
  readRoles(cluster, pid).filter(({ event }) => event === 'paused').map(({ line }) => Number(/"ms":([\d.]+)/.exec(line)?.[1] ?? Number.NaN))

/** A name given while a clock was wrong is no harder to change than any other: what is later does not hang on the clock [COO6]. */
const judgeRename = async (cluster: Cluster, pid: number, { name, token, password }: Person, say: (text: string) => void): Promise<void> => {
  await mustAsk(200, cluster.at(pid), 'PATCH', '/api/me', { token, body: { password, name: `${name}.new`, newPassword: `${password} anew` } })
  for (const at of cluster.pids) {
    const { body: me } = await mustAsk(200, cluster.at(at), 'GET', '/api/me', { token })
    const { body: old } = await mustAsk(200, cluster.at(at), 'GET', `/api/accounts/${name}`)
    if (me.account.name !== `${name}.new` || old.exists) say(`${name} renamed through node ${pid} is ${me.account.name} at node ${at}, and the old name ${old.exists ? 'still taken' : 'free'}`)
    const again = await ask(cluster.at(at), 'POST', '/api/sessions', { body: { name: `${name}.new`, password: `${password} anew` } })
    if (again.status !== 201) say(`${name} has a new password, but node ${at} says ${show(again)}`)
  }
}

/** Somebody new signs up, signs in, sends, opens and drafts at a node; all nodes show the times of all this as now. */
const judgeTimesAt = async (cluster: Cluster, pid: number, name: string, say: (text: string) => void): Promise<Person> => {
  const judge = (what: string, at: number, time: string, laterMs = 0): void => {
    const offMs = Date.parse(time) - laterMs - Date.now()
    if (!(Math.abs(offMs) < SANE_MS)) say(`${what} through node ${pid} is ${time} at node ${at}, ${Math.round(offMs / 1000)} s off`)
  }
  const person = await cluster.createPerson(pid, name)
  const { id, token, password } = person
  const { body: signedIn } = await mustAsk(201, cluster.at(pid), 'POST', '/api/sessions', { body: { name, password } })
  judge('the end of a session', pid, signedIn.session.expiresAt, SESSION_MS)
  const { body: sent } = await mustAsk(201, cluster.at(pid), 'POST', '/api/messages', { token, body: { id: newMessageId(), to: [{ id }], text: 'a note to myself' } })
  await mustAsk(200, cluster.at(pid), 'POST', '/api/inbox/open', { token, body: { count: 1 } })
  const draftId = newMessageId()
  const { body: put } = await mustAsk(200, cluster.at(pid), 'PUT', `/api/drafts/${draftId}`, { token, body: { to: [{ id }], text: 'a draft', selected: false } })
  judge('the edit of a draft', pid, put.draft.editedAt)
  const { body: fromDraft } = await mustAsk(200, cluster.at(pid), 'POST', '/api/drafts/send', { token, body: { ids: [draftId] } })
  if (fromDraft.sent.length !== 1) say(`a draft was not sent through node ${pid}: ${JSON.stringify(fromDraft)}`)
  for (const at of cluster.pids) {
    const { body: sessions } = await mustAsk(200, cluster.at(at), 'GET', '/api/sessions', { token })
    if (sessions.sessions.length !== 2) say(`node ${at} lists ${sessions.sessions.length} of 2 sessions made through node ${pid}`)
    for (const session of sessions.sessions) judge('the beginning of a session', at, session.createdAt)
    const { body: listed } = await mustAsk(200, cluster.at(at), 'GET', '/api/messages', { token })
    const note = listed.messages.find((message: { id: string }) => message.id === sent.id)
    if (note === undefined) say(`node ${at} does not show a message opened through node ${pid}`)
    else {
      judge('the sending of a message', at, note.sentAt)
      judge('the opening of a message', at, note.openedAt)
    }
  }
  return person
}
