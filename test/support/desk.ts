// A desk without a machine behind it: real Yjs documents in a map, a clock that is set, seeded randomness, a coordinator
// that grants at once. For tests of the product's rules; what the machine adds is tested by the simulator.

import * as v from 'valibot'
import * as Y from 'yjs'
import { CALLS, type Call } from '../../crdt-schema/api.ts'
import { problemShape } from '../../crdt-schema/api-shapes.ts'
import { type DocumentName, type Hlc, type Millis, MEMBERS_DOCUMENT, type Pid, createEpoch, hashText, nextHlc, parseMillis, parsePid, toDocumentName } from '../../crdt-schema/ids.ts'
import { isBroken } from '../../crdt-schema/mutation.ts'
import { assert } from '../../crdt-schema/prelude.ts'
import type { CallContext } from '../../node/core/answers.ts'
import { randomBytesOf } from '../../node/core/codes.ts'
import { type Config, DEFAULTS } from '../../node/core/config.ts'
import type { Answer, Desk, Facts, Grant, GrantOutcome, GrantStamp } from '../../node/core/desk.ts'
import { type DirectoryNews, createDirectory } from '../../node/core/directory.ts'
import type { Effect } from '../../node/core/events.ts'
import { applyGrant } from '../../node/core/grants.ts'
import { collectHeard } from '../../node/core/resting.ts'
import { authenticate } from '../../node/core/sessions.ts'
import { createRandom } from '../sim/random.ts'

export const PID_0: Pid = parsePid(0) ?? assert(false, 'pid') as never
export const START_MS: Millis = parseMillis(Date.UTC(2026, 4, 10, 12)) ?? assert(false, 'time') as never

export interface FakeDesk extends Desk {
  clusterMs: Millis
  isWhole: boolean
  readonly config: Config
  readonly effects: Effect[]
  readonly docs: Map<DocumentName, Y.Doc>
  readonly dropped: DocumentName[]
  /** What the directory told after each change. */
  readonly news: DirectoryNews[]
  /** Grants made, in order. */
  readonly grants: Grant[]
  /** How many hashes were checked. */
  hashesChecked: number
  /** Every stored hash is of yesterday's parameters. */
  rehashes: boolean
  /** The document leaves memory until it is asked for. */
  unload(name: DocumentName): void
  load(name: DocumentName): void
  /** The stamp of the next grant. */
  stamp(): GrantStamp
  grant(grant: Grant): GrantOutcome
}

export interface FakeDeskOptions {
  readonly seed?: number
  readonly config?: Partial<Config>
  /** Counter of this desk's coordinator: two sides of a split have different ones. */
  readonly epochCounter?: number
  /** Whom it tells of; none but itself if left out. */
  readonly nodes?: Desk['nodes']
}

export const createFakeDesk = ({ seed = 1, config = {}, epochCounter = 1, nodes = [{ pid: PID_0, url: 'http://node-0', status: 'ready' }] }: FakeDeskOptions = {}): FakeDesk => {
  const random = createRandom(`desk ${seed}`)
  const directory = createDirectory()
  const unloaded = new Set<DocumentName>()
  const docs = new Map<DocumentName, Y.Doc>()
  const effects: Effect[] = []
  let hlc: Hlc = nextHlc(0 as Hlc, START_MS)
  let edits = 0

  const open = (name: DocumentName): Y.Doc => {
    const held = docs.get(name)
    if (held !== undefined) return held
    const doc = new Y.Doc()
    doc.clientID = seed * 1000 + 1
    docs.set(name, doc)
    directory.indexDocument(name, doc)
    doc.on('afterTransaction', (transaction: Y.Transaction) => void desk.news.push(directory.onTransaction(name, transaction)))
    return doc
  }

  const desk: FakeDesk = {
    config: { ...DEFAULTS, pid: PID_0, peers: new Map([[PID_0, 'http://node-0']]), url: 'http://node-0', clusterId: 'test', version: '1.0.0', ...config },
    pid: PID_0, phase: 'ready', clusterMs: START_MS, monotonicMs: 0, directory, effects, docs,
    dropped: [], news: [], grants: [], hashesChecked: 0, rehashes: false,
    document: name => (unloaded.has(name) ? null : open(name)),
    settings: name => (unloaded.has(name) ? null : open(name)),
    edit: (name, change) => {
      assert(!unloaded.has(name), `edited ${name} is not loaded`)
      assert(!directory.isGone(name), `edited ${name} is gone`)
      const doc = open(name)
      edits += 1
      return doc.transact(() => change(doc))
    },
    applyUpdate: (name, update, client) => Y.applyUpdate(open(name), update, client),
    applyInTime: () => true,
    isInMemory: name => !unloaded.has(name),
    isUnheard: (name, id) => (unloaded.has(name) ? null : !isBroken('message-array') && !collectHeard(open(name)).has(id)),
    readSending: () => null,
    applySending: () => assert(false, 'no sending was read'),
    insert: (name, _id, insertions) => desk.edit(name, doc => insertions.forEach(({ root, key, value }) => doc.getMap(root).set(key, value))),
    pin: () => {},
    unpin: () => {},
    digestOf: name => (isEmpty(docs.get(name)) ? '0' : hashText(String(Y.encodeSnapshot(Y.snapshot(open(name)))))),
    bytesOf: name => (isEmpty(docs.get(name)) ? 0 : Y.encodeStateAsUpdate(open(name)).length),
    isKnown: name => !isEmpty(docs.get(name)),
    documentsUnder: prefix => [...docs.keys()].filter(name => name.startsWith(prefix) && !isEmpty(docs.get(name))).sort(),
    dropDocuments: names => {
      for (const name of names) {
        docs.delete(name)
        directory.forget(name)
        desk.dropped.push(name)
      }
    },
    latestCommit: () => edits,
    get openCommit() { return edits + 1 },
    get acknowledgedThrough() { return edits },
    get settledThrough() { return edits },
    holders: [PID_0], isOverfull: false, isWhole: true, memberCount: 1, nodes,
    random: random.bytes,
    emit: effect => void effects.push(effect),
    unload: name => void unloaded.add(name),
    load: name => void unloaded.delete(name),
    stamp: () => {
      hlc = nextHlc(hlc, desk.clusterMs)
      return { hlc, epoch: createEpoch(epochCounter, PID_0) }
    },
    grant: grant => {
      desk.grants.push(grant)
      return applyGrant(desk, grant, desk.stamp())
    },
  }
  open(MEMBERS_DOCUMENT)
  return desk
}

const isEmpty = (doc: Y.Doc | undefined): boolean => doc === undefined || doc.store.clients.size === 0

/** Makes each desk hold what all of them hold, as after a split has healed. */
export const mergeDesks = (...desks: readonly FakeDesk[]): void => {
  const names = new Set(desks.flatMap(desk => [...desk.docs.keys()]))
  for (const from of desks) for (const to of desks) for (const name of names) {
    const doc = from.docs.get(name)
    if (from !== to && doc !== undefined) to.applyUpdate(name, Y.encodeStateAsUpdate(doc), -1)
  }
}

// ---- calls

export type Handler<C extends Call> = (desk: Desk, call: C, context: CallContext) => Answer
export type DoneAnswer = Extract<Answer, { status: 'done' }>

export interface Caller {
  readonly token?: string
  readonly idempotencyKey?: string
  /** Sees every answer that is not the last, and may change the world before it is fulfilled. */
  readonly onAsked?: (answer: Answer) => void
}

const RUNS_MAX = 20

/** Runs a handler as the machine does: again from the start whenever what it asked for has come. */
export const runHandler = <C extends Call>(desk: FakeDesk, handler: Handler<C>, call: C, caller: Caller = {}): DoneAnswer => {
  const token = caller.token ?? null
  let facts: Facts = { arrivedMs: desk.clusterMs, random: desk.random(randomBytesOf(call.type)), hash: null, verified: null, grant: null }
  for (let run = 0; run < RUNS_MAX; run++) {
    const answer = handler(desk, call, { token, session: authenticate(desk, token), idempotencyKey: caller.idempotencyKey ?? null, facts })
    if (answer.status === 'done') {
      assertAnswer(call, answer)
      return answer
    }
    caller.onAsked?.(answer)
    assert(answer.status !== 'stream', 'a stream has no end')
    facts = fulfil(desk, answer, facts)
  }
  throw new Error('the handler asks for ever')
}

/** A success has the shape that the API promises. */
const assertAnswer = (call: Call, answer: DoneAnswer): void => {
  const { success } = CALLS[call.type]
  if (answer.httpStatus >= 400) return void v.parse(problemShape, answer.body)
  assert(answer.httpStatus === success.status, `${call.type} answered ${answer.httpStatus}`)
  if (success.body === null) assert(answer.body === null, `${call.type} has a body`)
  else v.parse(success.body, bodyOf(answer))
}

const fulfil = (desk: FakeDesk, answer: Exclude<Answer, { status: 'done' | 'stream' }>, facts: Facts): Facts => {
  switch (answer.status) {
    case 'needs-documents':
      answer.documents.forEach(desk.load)
      return facts
    case 'needs-hash':
      return { ...facts, hash: hashPassword(desk, answer.password) }
    case 'needs-verify': {
      desk.hashesChecked += answer.hashes.length
      const match = answer.hashes.findIndex(hash => hash.startsWith(`fake$${hashText(answer.password)}$`))
      return { ...facts, verified: { hashes: answer.hashes, match, rehash: match >= 0 && desk.rehashes ? hashPassword(desk, answer.password) : null } }
    }
    case 'needs-grant':
      return { ...facts, grant: desk.grant(answer.grant) }
  }
}

/** Like argon2 in what matters here: a fresh salt each time. */
const hashPassword = (desk: FakeDesk, password: string): string => `fake$${hashText(password)}$${hashText(String(desk.random(16))).slice(0, 8)}`

/** The JSON of an answer, whoever holds it. */
export const bodyOf = (answer: DoneAnswer): Record<string, unknown> => (typeof answer.body === 'function' ? answer.body([PID_0]) : answer.body) as Record<string, unknown>

export const toName = (text: string): DocumentName => toDocumentName(text) ?? assert(false, `no document: ${text}`) as never
