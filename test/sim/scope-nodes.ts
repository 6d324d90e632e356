// Nodes for the exhaustive exploration of a small scope: the shipped core, stepped from any state that was reached before.
// A node's state is named by the history that led to it; the same turn of the same history is taken once and remembered, since
// the core is deterministic [COR1]. A turn is atomic with its commits: what a crash could leave of it otherwise is what
// a crash before it, or one that loses the frames it sent, leaves too [STO2].

import * as Y from 'yjs'
import type { Call } from '../../crdt-schema/api.ts'
import { readClaims } from '../../crdt-schema/accounts.ts'
import { type AccountId, type DocumentName, type Pid, nameToDocument, nameToKey } from '../../crdt-schema/ids.ts'
import { DEFAULTS, type Config } from '../../node/core/config.ts'
import { createDesk } from '../../node/core/node-desk.ts'
import { digestToHex } from '../../node/core/digest.ts'
import { onLoaded } from '../../node/core/documents.ts'
import type { CommitRecord, Effect, Event, PeerIdentity, StoredState } from '../../node/core/events.ts'
import { checkNode } from '../../node/core/invariants.ts'
import { createNode, step } from '../../node/core/node.ts'
import { resumeCalls } from '../../node/core/requests.ts'
import type { NodeState } from '../../node/core/state.ts'
import { printDisk, printNode } from './scope-prints.ts'

export const NAME = 'zoe'
/** Two names that differ are granted one beside the other: what is asked for after healing. */
export const OTHER_NAMES = ['after0', 'after1', 'after2'] as const
/** One heartbeat: between two, nothing in the core is due that could not come with either. */
export const TICK_MS = DEFAULTS.heartbeatMs

/** What a turn does to the world. */
export type Output =
  | { readonly type: 'frame'; readonly link: number; readonly frame: Frame }
  | { readonly type: 'close'; readonly link: number }
  | { readonly type: 'dial'; readonly pid: Pid }
  | { readonly type: 'answer'; readonly call: number; readonly status: number; readonly code: string; readonly body: unknown; readonly holders: readonly Pid[]; readonly view: readonly Pid[] }
  | { readonly type: 'stop'; readonly exitCode: number; readonly text: string }

/** A frame, known by what turn sent it. */
export interface Frame {
  readonly id: number
  readonly bytes: Uint8Array
}

/** What comes to a node, with a name that says all of it. */
export interface Input {
  readonly key: string
  readonly event: Event
}

interface Records {
  readonly record: CommitRecord
  readonly before: Records | null
}

/** A node at one moment of one history. */
export interface Local {
  readonly id: number
  readonly pid: Pid
  /** What it came from, while its state may have to be made again from there. */
  before: Local | null
  /** Never stepped, only copied. Null between the turns of one action. */
  state: NodeState | null
  readonly atMs: number
  readonly inputs: readonly Input[]
  readonly outputs: readonly Output[]
  /** All that is on its disk. */
  readonly records: Records | null
  readonly seen: Seen
  readonly next: Map<string, Local>
}

/** What the checks want to know of a node. */
export interface Seen {
  readonly identity: PeerIdentity | null
  readonly phase: string
  readonly role: string
  readonly epoch: number
  readonly promised: number
  readonly view: readonly Pid[]
  readonly root: string
  /** Accounts with a claim of the name. */
  readonly claimants: readonly AccountId[]
  readonly owner: AccountId | null
  /** Accounts with a claim of each other name. */
  readonly others: readonly (AccountId | null)[]
  readonly tentative: number
  readonly broken: string | null
}

export interface Nodes {
  readonly config: (pid: Pid) => Config
  /** A node before it is started, on what another run left on its disk. */
  start(pid: Pid, left: Local | null, atMs: number, runs: number): Local
  /** The node after one more turn. */
  turn(local: Local, atMs: number, inputs: readonly Input[]): Local
  /**
   * What a running node holds, times as ages: two nodes that read the same will do the same. What never decides anything (counters of
   * heartbeats, statistics) is left out, and so is how long ago something was that lies further back than every timer.
   */
  printOf(local: Local, nowMs: number): string
  /** The same of the disk of a node that is down. */
  diskPrintOf(local: Local): string
  /** To be called when an action is over: keeps where its nodes have come, so that the next action goes on from there. */
  rest(): void
  /** The past of these will not be asked for again. */
  forgetPast(locals: Iterable<Local>): void
  readonly turns: number
}

// ---- copies

/** Made anew for the copy; the documents in memory too. */
const REMADE = new Set(['desk', 'directory', 'clients', 'streams', 'effects', 'config', 'documents'])

const copyValue = (value: unknown, copies: Map<object, unknown>): unknown => {
  if (typeof value !== 'object' || value === null || value instanceof Uint8Array) return value
  const known = copies.get(value)
  if (known !== undefined) return known
  const remember = <Copy>(copy: Copy): Copy => {
    copies.set(value, copy)
    return copy
  }
  if (value instanceof Uint32Array) return remember(value.slice())
  if (value instanceof Map) {
    const copy = remember(new Map<unknown, unknown>())
    for (const [key, item] of value) copy.set(key, copyValue(item, copies))
    return copy
  }
  if (value instanceof Set) return remember(new Set(value))
  if (Array.isArray(value)) {
    const copy = remember<unknown[]>([])
    for (const item of value) copy.push(copyValue(item, copies))
    return copy
  }
  const copy = remember<Record<string, unknown>>({})
  for (const [key, item] of Object.entries(value)) copy[key] = copyValue(item, copies)
  return copy
}

/** A node that goes on as the given one would, while that one stays as it is. */
export const copyNode = (node: NodeState): NodeState => {
  const copies = new Map<object, unknown>()
  const copy = createNode()
  const fields = copy as unknown as Record<string, unknown>
  for (const [key, value] of Object.entries(node)) if (!REMADE.has(key)) fields[key] = copyValue(value, copies)
  copy.config = node.config
  copy.desk = createDesk(copy)
  const { loaded, ...rest } = node.documents
  copy.documents = { ...(copyValue(rest, copies) as Omit<NodeState['documents'], 'loaded'>), loaded: new Map() }
  for (const [name, document] of loaded) {
    const { pins, usedMs, updatesSinceCompaction } = document
    copy.documents.loading.set(name, { pins, updates: [] })
    onLoaded(copy, name, [Y.encodeStateAsUpdate(document.doc)])
    Object.assign(copy.documents.loaded.get(name) ?? {}, { usedMs, updatesSinceCompaction })
  }
  copy.loadedNow = []
  // What waits for a grant is called back by a function that belongs to the node it was copied from.
  for (const [key, asking] of copy.asking) copy.asking.set(key, { ...asking, onOutcome: grant => answerCall(copy, asking.grant, grant) })
  return copy
}

const answerCall = (node: NodeState, grant: string, outcome: Parameters<NonNullable<NodeState['asking'] extends Map<string, infer Asking> ? Asking extends { onOutcome: infer On } ? On : never : never>>[0]): void => {
  for (const call of node.calls.byId.values()) {
    if (call.waits !== 'grant' || call.idempotencyKey === null || !grant.includes(call.idempotencyKey)) continue
    call.facts = { ...call.facts, grant: outcome }
    call.waits = 'ready'
    return resumeCalls(node)
  }
}

// ---- runs

/** `forgetsPromise` plants a defect of the disk: what a node promised is gone when it dies [COO1]. */
export const createNodes = (config: (pid: Pid) => Config, { forgetsPromise = false } = {}): Nodes => {
  const toStored = (records: Records | null): StoredState => {
    const stored = readRecords(records)
    return !forgetsPromise || stored.meta === null ? stored : { ...stored, meta: JSON.stringify({ ...(JSON.parse(stored.meta) as object), promised: 0 }) }
  }
  /** What this action moves on. */
  const moving = new Map<Local, NodeState>()
  const roots = new Map<string, Local>()
  let locals = 0
  let frames = 0
  let turns = 0

  const run = (state: NodeState, atMs: number, inputs: readonly Input[], left: Records | null): { outputs: Output[]; records: Records | null; identity: PeerIdentity | null } => {
    const outputs: Output[] = []
    let records = left
    let identity: PeerIdentity | null = null
    let events: Event[] = inputs.map(({ event }) => event)
    const now = { monotonicMs: atMs, wallMs: WALL_MS + atMs }
    const perform = (effect: Effect): void => {
      switch (effect.type) {
        case 'send':
          outputs.push({ type: 'frame', link: effect.link, frame: { id: ++frames, bytes: effect.frame } })
          return
        case 'close-link':
          outputs.push({ type: 'close', link: effect.link })
          return
        case 'dial':
          outputs.push({ type: 'dial', pid: effect.pid })
          return
        case 'identify':
          identity = { pid: effect.pid, nodeId: effect.nodeId, boot: effect.boot, url: state.config.url, version: state.config.version }
          return
        case 'commit':
          records = { record: effect.record, before: records }
          events.push({ type: 'committed', seq: effect.record.seq })
          return
        case 'load':
          events.push({ type: 'loaded', document: effect.document, updates: updatesOf(records, effect.document) })
          return
        case 'hash-password':
          events.push({ type: 'password-hashed', job: effect.job, hash: `hash of ${effect.password}` })
          return
        case 'verify-password':
          events.push({ type: 'password-verified', job: effect.job, match: effect.hashes.indexOf(`hash of ${effect.password}`), rehash: null })
          return
        case 'respond':
          outputs.push({ type: 'answer', call: effect.call, status: effect.status, code: codeOf(effect.body), body: effect.body, holders: state.desk.holders, view: state.members.view })
          return
        case 'stop':
          outputs.push({ type: 'stop', exitCode: effect.exitCode, text: effect.text })
          return
        default:
      }
    }
    while (events.length > 0) {
      const now1 = events
      events = []
      for (const event of [...now1, { type: 'turn-end' } as const]) for (const effect of step(state, event, now)) perform(effect)
    }
    return { outputs, records, identity }
  }

  const record = (before: Local | null, pid: Pid, atMs: number, inputs: readonly Input[], state: NodeState, left: Records | null): Local => {
    turns += 1
    const { outputs, records, identity } = run(state, atMs, inputs, left)
    const local: Local = { id: ++locals, pid, before, state: null, atMs, inputs, outputs, records, seen: look(state, identity ?? before?.seen.identity ?? null), next: new Map() }
    moving.set(local, state)
    return local
  }

  /** The state of a local, to be moved on: this action's own, or a copy; or what another action passed through is passed through again. */
  const take = (local: Local): NodeState => {
    const own = moving.get(local)
    if (own !== undefined && moving.delete(local)) return own
    if (local.state !== null) return copyNode(local.state)
    const state = local.before === null ? createNode() : take(local.before)
    run(state, local.atMs, local.inputs, local.before === null ? (lefts.get(local) ?? null) : local.before.records)
    return state
  }
  const lefts = new WeakMap<Local, Records | null>()
  const prints = new WeakMap<Local, { readonly nowMs: number; readonly print: string }>()
  const diskPrints = new WeakMap<Local, string>()

  return {
    config,
    get turns() {
      return turns
    },
    start(pid, left, atMs, runs) {
      const key = `${pid}/${left?.id ?? 0}/${atMs}`
      const known = roots.get(key)
      if (known !== undefined) return known
      const stored = toStored(left?.records ?? null)
      const event: Event = { type: 'start', config: config(pid), stored, seed: new Uint8Array(32).fill(pid * 16 + runs) }
      const local = record(null, pid, atMs, [{ key: 'start', event }], createNode(), left?.records ?? null)
      lefts.set(local, left?.records ?? null)
      roots.set(key, local)
      return local
    },
    turn(local, atMs, inputs) {
      const key = `${atMs}:${inputs.map(input => input.key).join()}`
      const known = local.next.get(key)
      if (known !== undefined) return known
      const next = record(local, local.pid, atMs, inputs, take(local), local.records)
      local.next.set(key, next)
      return next
    },
    printOf(local, nowMs) {
      const known = prints.get(local)
      if (known?.nowMs === nowMs) return known.print
      const own = moving.get(local) ?? local.state
      const state = own ?? take(local)
      if (own === null) moving.set(local, state)
      const print = printNode(state, nowMs)
      prints.set(local, { nowMs, print })
      return print
    },
    diskPrintOf(local) {
      const known = diskPrints.get(local)
      if (known !== undefined) return known
      const print = printDisk(local.pid, toStored(local.records), local.seen)
      diskPrints.set(local, print)
      return print
    },
    rest() {
      for (const [local, state] of moving) local.state = state
      moving.clear()
    },
    forgetPast(locals) {
      for (const local of locals) local.before = null
      roots.clear()
    }
  }
}

const WALL_MS = Date.UTC(2026, 4, 10, 12)

const codeOf = (body: unknown): string => (typeof body === 'object' && body !== null && 'code' in body ? String(body.code) : '')

const listOf = (records: Records | null): CommitRecord[] => {
  const list: CommitRecord[] = []
  for (let at = records; at !== null; at = at.before) list.push(at.record)
  return list.reverse()
}

const updatesOf = (records: Records | null, document: DocumentName): Uint8Array[] => listOf(records).flatMap(({ updates }) => updates.filter(entry => entry.document === document).map(({ update }) => update))

/** What a disk says when it is opened after a crash. */
const readRecords = (records: Records | null): StoredState => {
  const heads = new Map<DocumentName, StoredState['heads'][number]>()
  let meta: string | null = null
  let lastCommit = 0
  for (const record of listOf(records)) {
    lastCommit = record.seq
    meta = record.meta ?? meta
    for (const { document, update } of record.updates) heads.set(document, { document, seq: record.seq, digest: null, bytes: (heads.get(document)?.bytes ?? 0) + update.byteLength })
    for (const { document, digest } of record.digests) {
      const head = heads.get(document)
      if (head !== undefined) heads.set(document, { ...head, digest })
    }
    for (const document of record.removed) heads.delete(document)
  }
  return { meta, heads: [...heads.values()], lastCommit, unclean: records !== null }
}

const claimantsOf = (node: NodeState, name: string): AccountId[] => {
  const doc = node.documents.loaded.get(nameToDocument(nameToKey(name)))?.doc
  return doc === undefined ? [] : readClaims(doc).value.filter(claim => claim.nameKey === nameToKey(name) && !claim.released).map(({ accountId }) => accountId)
}

const look = (node: NodeState, identity: PeerIdentity | null): Seen => ({
  identity,
  phase: node.phase,
  role: node.coordinator.role,
  epoch: node.coordinator.epoch,
  promised: node.meta.promised,
  view: node.members.view,
  root: node.documents.unapplied.size > 0 ? '' : digestToHex(node.documents.root),
  claimants: claimantsOf(node, NAME),
  owner: node.directory.ownerOfName(nameToKey(NAME)),
  others: OTHER_NAMES.map(name => node.directory.ownerOfName(nameToKey(name))),
  tentative: node.meta.tentative.length,
  broken: checkNode(node)
})

/** What a person asks for. */
export const claimCall = (name: string): Call => ({ type: 'create-account', name, password: 'a long password', device: '' })
