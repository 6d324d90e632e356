// Calls on their way: each is run until nothing is missing, then its answer waits for the commits it tells of.
// Keeps [STO2] and [REP6] for answers, the hold of [RDY1], and the answering half of [COO5]. What a call means is in calls.ts.

import type { Call } from '../../crdt-schema/api.ts'
import type { Millis } from '../../crdt-schema/ids.ts'
import type { OperatorCall } from '../../crdt-schema/operator-api.ts'
import { refuse } from './answers.ts'
import { runCall } from './calls.ts'
import { randomBytesOf } from './codes.ts'
import { isOverfull, latestCommit } from './commits.ts'
import { describe, describeChecks } from './describe.ts'
import type { Answer, Facts } from './desk.ts'
import { requireDocument } from './documents.ts'
import type { CallId, JobId } from './events.ts'
import { askGrant } from './granting.ts'
import { holders, mayAcknowledge } from './members.ts'
import type { Calls, NodeState, PendingCall } from './state.ts'
import { endStream, openStream } from './streams.ts'

const CALLS_MAX = 4_096
/** A call that is not answered by then is told so; what it wrote may stand. */
const CALL_TIMEOUT_MS = 15_000

type Done = Extract<Answer, { status: 'done' }>

export const createCalls = (): Calls => ({ byId: new Map(), byJob: new Map() })

/** Calls that a node answers in any phase. */
const isAlwaysServed = (body: Call | OperatorCall): boolean => body.type === 'read-cluster' || body.type === 'operator-check'

/** Takes in a call. */
export const onRequest = (node: NodeState, event: { readonly call: CallId; readonly body: Call | OperatorCall; readonly token: string | null; readonly idempotencyKey: string | null }): void => {
  const call: PendingCall = {
    id: event.call, body: event.body, token: event.token, idempotencyKey: event.idempotencyKey, sinceMs: node.now.monotonicMs,
    facts: { arrivedMs: node.desk.clusterMs as Millis, random: node.desk.random(randomBytesOf(event.body.type)), hash: null, verified: null, grant: null }, waits: 'ready', job: 0, hashes: [], answer: null
  }
  if (node.calls.byId.size >= CALLS_MAX) respond(node, call, refuse('busy'))
  else {
    node.calls.byId.set(call.id, call)
    runWaiting(node, call)
  }
}

/** The caller has gone: nothing more is said, what it wrote stands. */
export const onRequestAborted = (node: NodeState, id: CallId): void => {
  endStream(node.streams, id)
  node.calls.byId.delete(id)
}

export const onPasswordHashed = (node: NodeState, job: JobId, hash: string): void => resume(node, job, (facts) => ({ ...facts, hash }))

export const onPasswordVerified = (node: NodeState, job: JobId, { match, rehash }: { readonly match: number; readonly rehash: string | null }): void => {
  const hashes = node.calls.byJob.get(job)?.hashes ?? []
  resume(node, job, (facts) => ({ ...facts, verified: { match, rehash, hashes } }))
}

export const onPasswordBusy = (node: NodeState, job: JobId): void => {
  const call = node.calls.byJob.get(job)
  node.calls.byJob.delete(job)
  if (call !== undefined && node.calls.byId.has(call.id)) finish(node, call, refuse('busy'))
}

const resume = (node: NodeState, job: JobId, learn: (facts: Facts) => Facts): void => {
  const call = node.calls.byJob.get(job)
  node.calls.byJob.delete(job)
  if (call === undefined || !node.calls.byId.has(call.id)) return
  call.facts = learn(call.facts)
  call.waits = 'ready'
  runWaiting(node, call)
}

/** Runs again what waited for documents or for the node to be ready, and gives up what is too old; called when either came, and on each tick. */
export const resumeCalls = (node: NodeState): void => {
  for (const call of [...node.calls.byId.values()]) {
    if (node.now.monotonicMs - call.sinceMs > CALL_TIMEOUT_MS) finish(node, call, refuse('unknown'))
    else if (call.waits === 'documents' || call.waits === 'ready') runWaiting(node, call)
  }
}

const runWaiting = (node: NodeState, call: PendingCall): void => {
  if (isAlwaysServed(call.body)) return run(node, call)
  call.waits = 'ready'
  if (node.phase === 'ready') return isOverfull(node) ? undefined : run(node, call)
  if (!node.wasReady || node.now.monotonicMs - Math.max(node.phaseSinceMs, call.sinceMs) >= node.config.holdMs) finish(node, call, refuse('not-ready'))
}

const run = (node: NodeState, call: PendingCall): void => {
  call.waits = 'running'
  const said = runCall(node.desk, call.body, { token: call.token, idempotencyKey: call.idempotencyKey, facts: call.facts }, () => (call.body.type === 'operator-check' ? describeChecks(node) : describe(node)))
  switch (said.status) {
    case 'needs-documents':
      return waitForDocuments(node, call, said.documents)
    case 'needs-hash':
    case 'needs-verify':
      call.waits = 'password'
      call.job = ++node.nextId
      call.hashes = said.status === 'needs-verify' ? said.hashes : []
      node.calls.byJob.set(call.job, call)
      node.effects.push(said.status === 'needs-hash' ? { type: 'hash-password', job: call.job, password: said.password } : { type: 'verify-password', job: call.job, password: said.password, hashes: said.hashes })
      return
    case 'needs-grant':
      call.waits = 'grant'
      return askGrant(node, said.grant, (grant) => {
        if (!node.calls.byId.has(call.id)) return
        call.facts = { ...call.facts, grant }
        call.waits = 'ready'
        runWaiting(node, call)
      })
    case 'stream':
      node.calls.byId.delete(call.id)
      return openStream(node.desk, node.streams, call.id, said)
    case 'done':
      return finish(node, call, said)
  }
}

const waitForDocuments = (node: NodeState, call: PendingCall, documents: readonly Parameters<typeof requireDocument>[1][]): void => {
  if (documents.some((name) => node.documents.quarantined.has(name))) return finish(node, call, refuse('incomplete'))
  call.waits = 'documents'
  for (const name of documents) requireDocument(node, name)
}

/** An answer is there: it leaves when what it tells of is as safe as it must be. */
const finish = (node: NodeState, call: PendingCall, done: Done): void => {
  call.answer = { done, seq: latestCommit(node) }
  call.waits = 'store'
  if (!tryRespond(node, call)) node.waitingAnswers.push(call.id)
}

const tryRespond = (node: NodeState, call: PendingCall): boolean => {
  if (call.answer === null) return true
  const { done, seq } = call.answer
  const { acknowledgedThrough, settledThrough } = node.commits
  const through = done.wait === 'settled' ? settledThrough : acknowledgedThrough
  if (done.wait !== 'nothing' && (through < seq || !mayAcknowledge(node))) return false
  respond(node, call, done)
  return true
}

const respond = (node: NodeState, call: PendingCall, done: Done): void => {
  node.calls.byId.delete(call.id)
  const body: unknown = typeof done.body === 'function' ? done.body(holders(node)) : done.body
  node.effects.push({ type: 'respond', call: call.id, status: done.httpStatus, body, retryAfterSeconds: done.retryAfterSeconds ?? null, after: done.wait === 'nothing' ? 0 : (call.answer?.seq ?? 0) })
}

/** Sends the answers whose commits are now safe; called when a threshold rose. */
export const releaseAnswers = (node: NodeState): void => {
  node.waitingAnswers = node.waitingAnswers.filter((id) => {
    const call = node.calls.byId.get(id)
    return call !== undefined && !tryRespond(node, call)
  })
}

/** After a pause: nobody is told that a write of before is safe [LIV3]. It may be; repeating it is safe. */
export const discardAnswers = (node: NodeState): void => {
  for (const id of node.waitingAnswers) {
    const call = node.calls.byId.get(id)
    if (call !== undefined) respond(node, call, refuse('unknown'))
  }
  node.waitingAnswers = []
}
