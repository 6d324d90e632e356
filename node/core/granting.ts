// Grants: asking for one, and making one as coordinator. What a grant means is in grants.ts; here it is a text with keys.
// Keeps [COO2] (settling what others left), [COO4] (tentative here, prepared everywhere, then committed), the forwarding half of [COO5].
//
//   waiting ──keys free, judged──▶ storing ──on own disk──▶ preparing ──on every disk in view──▶ committing ──acknowledged──▶ answered

import { NO_EPOCH, type Pid, nextHlc } from '../../crdt-schema/ids.ts'
import { isBroken } from '../../crdt-schema/mutation.ts'
import type { PeerMessage, WireGrant } from '../../crdt-schema/peer-wire.ts'
import { latestCommit } from './commits.ts'
import { currentCoordinator } from './coordinator-view.ts'
import type { Grant, GrantOutcome, GrantStamp } from './desk.ts'
import { applyGrant, grantKeys, judgeGrant } from './grants.ts'
import { sendAfter, sendTo } from './links.ts'
import { requiredPeers } from './members.ts'
import { dropTentative, holdTentative } from './promises.ts'
import { type GrantJob, type NodeState, log } from './state.ts'
import { daysToExpire, expireSessionDays, healAccounts } from './upkeep.ts'

const JOBS_MAX = 1_000
const ASKING_MAX = 1_000
const UPKEEP_MS = 60_000
const CONFIRM_MS = 2_000

// ---- asking

/** Asks whoever coordinates, now or as soon as somebody does; `onOutcome` is called once. */
export const askGrant = (node: NodeState, grant: Grant, onOutcome: (outcome: GrantOutcome) => void): void => {
  if (node.asking.size >= ASKING_MAX) {
    onOutcome({ status: 'refused', code: 'busy' })
    return
  }
  const key = `${node.meta.pid}.${node.meta.boot}.${++node.nextId}`
  node.asking.set(key, { key, grant: JSON.stringify(grant), deadlineMs: node.now.monotonicMs + node.config.grantTimeoutMs, askedEpoch: NO_EPOCH, askedMs: -Infinity, onOutcome })
  tendAsking(node)
}

/** Each tick: forwards what waits to a new coordinator, gives up what is too old. Both codes are safe to repeat [COO5]. */
export const tendAsking = (node: NodeState): void => {
  const coordinator = currentCoordinator(node)
  for (const asking of [...node.asking.values()]) {
    // Asked again now and then, since a question or its answer can be lost with a link; the coordinator knows what it has in hand.
    if (coordinator !== null && (coordinator.epoch !== asking.askedEpoch || node.now.monotonicMs - asking.askedMs >= node.config.ackTimeoutMs)) {
      asking.askedEpoch = coordinator.epoch
      asking.askedMs = node.now.monotonicMs
      const ask = { type: 'ask', key: asking.key, epoch: coordinator.epoch, grant: asking.grant } as const
      if (coordinator.pid === node.meta.pid) onAsk(node, node.meta.pid, ask)
      else sendTo(node, coordinator.pid, ask)
    }
    if (node.now.monotonicMs >= asking.deadlineMs) answerAsking(node, asking.key, { status: 'refused', code: asking.askedEpoch === 0 ? 'no-coordinator' : 'unknown' })
  }
}

const answerAsking = (node: NodeState, key: string, outcome: GrantOutcome): void => {
  const asking = node.asking.get(key)
  if (asking === undefined) return
  node.asking.delete(key)
  asking.onOutcome(outcome)
}

/** What was under way may or may not have happened: said so, and safe to repeat [LIV3]. */
export const failAsking = (node: NodeState): void => {
  for (const key of [...node.asking.keys()]) answerAsking(node, key, { status: 'refused', code: 'unknown' })
}

export const onReply = (node: NodeState, { key, outcome }: Extract<PeerMessage, { type: 'reply' }>): void => answerAsking(node, key, JSON.parse(outcome) as GrantOutcome)

// ---- granting

export const onAsk = (node: NodeState, from: Pid, { key, epoch, grant }: Extract<PeerMessage, { type: 'ask' }>): void => {
  const { coordinator } = node
  if (coordinator.role !== 'coordinating' || epoch !== coordinator.epoch || coordinator.jobs.length >= JOBS_MAX) return
  if (coordinator.jobs.some((job) => job.key === key)) return
  coordinator.jobs.push({ key, from, grant, keys: grantKeys(JSON.parse(grant) as Grant), status: 'waiting', order: 0, preparedBy: new Set(), askedOf: new Map(), storedBy: 0, outcome: null })
  tendJobs(node)
}

/** Moves every grant on as far as it goes: called on asks, answers, returned commits, settled thresholds and each tick. */
export const tendJobs = (node: NodeState): void => {
  const { coordinator } = node
  if (coordinator.role !== 'coordinating') return
  tendSettled(node)
  const busy = new Set<string>()
  for (const job of [...coordinator.jobs]) {
    if (job.status === 'waiting' && !job.keys.some((key) => busy.has(key))) startJob(node, job)
    if (job.status === 'storing' && node.commits.committedThrough >= job.storedBy) job.status = 'preparing'
    if (job.status === 'preparing') prepareJob(node, job)
    if (job.status === 'committing' && node.commits.acknowledgedThrough >= job.storedBy) finishJob(node, job)
    for (const key of job.keys) busy.add(key)
  }
}

const startJob = (node: NodeState, job: GrantJob): void => {
  const judgement = judgeGrant(node.desk, JSON.parse(job.grant) as Grant)
  if (!judgement.ok) {
    job.outcome = { status: 'refused', code: judgement.code }
    replyTo(node, job)
    return
  }
  job.order = node.coordinator.nextOrder++
  holdTentative(node, toWire(node, job))
  job.storedBy = latestCommit(node)
  job.status = 'storing'
}

const toWire = (node: NodeState, job: GrantJob): WireGrant => ({ epoch: node.coordinator.epoch, order: job.order, grant: job.grant })

/** The set is read again at each answer: whoever appeared meanwhile is prepared too [COO4]. */
const prepareJob = (node: NodeState, job: GrantJob): void => {
  const required = requiredPeers(node)
  for (const pid of required) {
    const wasAskedMs = job.askedOf.get(pid) ?? -Infinity
    if (job.preparedBy.has(pid) || node.now.monotonicMs - wasAskedMs < node.config.heartbeatMs) continue
    if (sendTo(node, pid, { type: 'prepare', grant: toWire(node, job) })) job.askedOf.set(pid, node.now.monotonicMs)
  }
  if (!required.every((pid) => job.preparedBy.has(pid))) return
  job.outcome = applyGrant(node.desk, JSON.parse(job.grant) as Grant, nextStamp(node))
  dropTentative(node, node.coordinator.epoch, [job.order])
  job.storedBy = latestCommit(node)
  job.status = 'committing'
}

const nextStamp = (node: NodeState): GrantStamp => {
  node.meta.hlc = nextHlc(node.meta.hlc, node.now.wallMs)
  node.metaChanged = true
  return { hlc: node.meta.hlc, epoch: node.coordinator.epoch }
}

const finishJob = (node: NodeState, job: GrantJob): void => {
  for (const pid of node.members.view) if (pid !== node.meta.pid) sendTo(node, pid, { type: 'resolved', epoch: node.coordinator.epoch, orders: [job.order] })
  replyTo(node, job)
}

const replyTo = (node: NodeState, job: GrantJob): void => {
  const outcome = job.outcome ?? { status: 'refused', code: 'unknown' }
  node.coordinator.jobs = node.coordinator.jobs.filter((other) => other !== job)
  if (job.from === node.meta.pid) answerAsking(node, job.key, outcome)
  else sendAfter(node, job.from, latestCommit(node), { type: 'reply', key: job.key, outcome: JSON.stringify(outcome) })
}

/** As a member: keeps a grant that the coordinator is about to make, unless another was promised since. */
export const onPrepare = (node: NodeState, from: Pid, { grant }: Extract<PeerMessage, { type: 'prepare' }>): void => {
  const accepted = grant.epoch >= node.meta.promised || isBroken('no-fence-no-self-suspicion')
  if (accepted) holdTentative(node, grant)
  sendAfter(node, from, latestCommit(node), { type: 'prepared', epoch: grant.epoch, order: grant.order, accepted, promised: node.meta.promised })
}

/** Returns whether the member refused, which ends the role. */
export const onPrepared = (node: NodeState, from: Pid, { epoch, order, accepted }: Extract<PeerMessage, { type: 'prepared' }>): 'refused' | 'noted' => {
  const { coordinator } = node
  if (coordinator.role !== 'coordinating' || epoch !== coordinator.epoch) return 'noted'
  if (!accepted) return 'refused'
  const job = coordinator.jobs.find((other) => other.order === order)
  if (job === undefined) sendTo(node, from, { type: 'resolved', epoch, orders: [order] })
  else job.preparedBy.add(from)
  tendJobs(node)
  return 'noted'
}

/**
 * Now and then: a grant of the present epoch that is still held although it was made. The word that it was made can be lost with a
 * link, or overtaken by the answer of another node to a pull, which then brings the grant back. So it is named again to the
 * coordinator, who knows what it has in hand.
 */
export const tendTentative = (node: NodeState): void => {
  const { coordinator, meta } = node
  if (meta.tentative.length === 0) coordinator.confirmedMs = node.now.monotonicMs
  if (node.now.monotonicMs - coordinator.confirmedMs < CONFIRM_MS) return
  const now = currentCoordinator(node)
  if (now === null || now.epoch !== meta.promised) return
  coordinator.confirmedMs = node.now.monotonicMs
  const held = meta.tentative.filter(({ epoch }) => epoch === now.epoch).map(({ order }) => order)
  if (now.pid === meta.pid) return dropTentative(node, now.epoch, held.filter((order) => !coordinator.jobs.some((job) => job.order === order)))
  for (const order of held) sendAfter(node, now.pid, latestCommit(node), { type: 'prepared', epoch: now.epoch, order, accepted: true, promised: meta.promised })
}

/** Settles what the coordinators before left half done, in (epoch, order): committed if still possible, else dropped [COO2]. */
export const settleCollected = (node: NodeState): void => {
  const { coordinator, meta } = node
  const byPlace = new Map([...meta.tentative, ...coordinator.collected].filter((held) => held.epoch < coordinator.epoch).map((held) => [`${held.epoch}/${held.order}`, held]))
  for (const held of [...byPlace.values()].sort((a, b) => a.epoch - b.epoch || a.order - b.order)) {
    const grant = JSON.parse(held.grant) as Grant
    const { status } = applyGrant(node.desk, grant, nextStamp(node))
    log(node, 'info', 'grant-settled', { kind: grant.kind, order: held.order, status })
  }
  coordinator.collected = []
  coordinator.mergedMs = null
  healAccounts(node.desk, nextStamp(node).hlc)
  dropTentative(node, coordinator.epoch, [])
  coordinator.settledBy = latestCommit(node)
  coordinator.tellsSettled = true
}

/** Each tick, as coordinator: what a merge left over [COO6, COO7], and once a minute what its time has passed [DOC8]. */
export const tendUpkeep = (node: NodeState): void => {
  const { mergedMs } = node.coordinator
  if (mergedMs !== null && node.coordinator.role === 'coordinating' && node.now.monotonicMs - mergedMs >= node.config.settleMs) {
    node.coordinator.mergedMs = null
    healAccounts(node.desk, nextStamp(node).hlc)
  }
  if (node.coordinator.role !== 'coordinating' || node.now.monotonicMs - node.coordinator.upkeepMs < UPKEEP_MS) return
  node.coordinator.upkeepMs = node.now.monotonicMs
  if (daysToExpire(node.desk).length > 0) expireSessionDays(node.desk, nextStamp(node).hlc)
  if (isBroken('expiring-removal-marks')) for (const name of node.desk.documentsUnder('accounts/')) node.desk.edit(name, (doc) => doc.getMap('removed').clear())
}

/** Members may forget older grants once what was settled is acknowledged by all. */
const tendSettled = (node: NodeState): void => {
  const { coordinator } = node
  if (!coordinator.tellsSettled || node.commits.acknowledgedThrough < coordinator.settledBy) return
  coordinator.tellsSettled = false
  for (const pid of node.members.view) if (pid !== node.meta.pid) sendTo(node, pid, { type: 'resolved', epoch: coordinator.epoch, orders: [] })
}
