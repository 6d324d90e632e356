// A few real cores in one process: links without delay, disks that return when told, one clock that moves when told. For tests of
// single rules of the machine; what many faults at once do is the simulator's question.

import type * as Y from 'yjs'
import { type DocumentName, type Pid, parsePid } from '../../crdt-schema/ids.ts'
import { type PeerMessage, decodePeerFrame, decodePeerMessage } from '../../crdt-schema/peer-wire.ts'
import { assert } from '../../crdt-schema/prelude.ts'
import type { Call } from '../../crdt-schema/api.ts'
import { type Config, DEFAULTS } from '../../node/core/config.ts'
import { editDocument, findDocument, requireDocument } from '../../node/core/documents.ts'
import type { CommitNumber, CommitRecord, Effect, Event, LinkId, PeerIdentity, StoredState } from '../../node/core/events.ts'
import { checkCluster, checkNode, checkNodeDeeply } from '../../node/core/invariants.ts'
import { createNode, step } from '../../node/core/node.ts'
import type { NodeState } from '../../node/core/state.ts'

export const pidOf = (value: number): Pid => parsePid(value) ?? (assert(false, `${value} is no pid`) as never)

const START_WALL_MS = Date.UTC(2026, 4, 10, 12)
const ROUNDS_MAX = 10_000

export const urlOf = (pid: number): string => `http://node-${pid}.test`

export const configOf = (pid: number, count: number, config: Partial<Config> = {}): Config => ({
  ...DEFAULTS, pid: pidOf(pid), url: urlOf(pid), clusterId: 'c'.repeat(32), version: '1.0.0',
  peers: new Map(Array.from({ length: count }, (_, other) => [pidOf(other), urlOf(other)])), ...config
})

const EMPTY: StoredState = { meta: null, heads: [], lastCommit: 0, unclean: false }

export interface Spoken {
  readonly from: number
  readonly to: number
  readonly message: PeerMessage
}

export interface Core {
  readonly pid: Pid
  readonly state: NodeState
  readonly isUp: boolean
  /** Wall clock of this node less that of the others, ms. */
  skewMs: number
  /** Commits are written but do not return until this is false again. */
  isDiskStuck: boolean
  readonly records: readonly CommitRecord[]
  /** Effects of all its steps, logs and answers among them. */
  readonly effects: readonly Effect[]
  /** Answers by call. */
  readonly answers: ReadonlyMap<number, { readonly status: number; readonly body: unknown }>
}

export interface Cores {
  readonly nowMs: number
  readonly all: readonly Core[]
  /** Every message that was put on a link; one that goes through a neighbour also as what it carries, when it sets out. */
  readonly spoken: Spoken[]
  core(pid: number): Core
  start(...pids: number[]): void
  /** The process dies; its disk keeps what had returned. */
  kill(pid: number): void
  /** Puts an older copy of its disk back, while it is down. */
  restore(pid: number, records: readonly CommitRecord[]): void
  /** No event reaches it and nothing is refused. */
  freeze(pid: number): void
  wake(pid: number): void
  /** No link between the two: dials end in a timeout. */
  cut(a: number, b: number): void
  /** Frames that way are lost without a word. */
  deafen(from: number, to: number): void
  mend(a: number, b: number): void
  /** Lets time pass tick by tick; after each, everything that follows at once is carried out. */
  run(ms: number): void
  /** One turn of one node: events, then turn-end; and all that follows from it. */
  feed(pid: number, ...events: Event[]): void
  edit<Value>(pid: number, name: DocumentName, change: (doc: Y.Doc) => Value): Value
  /** Hands a frame to a node as if its peer had sent it. */
  inject(from: number, to: number, frame: Uint8Array): void
  call(pid: number, body: Call, options?: { readonly token?: string; readonly key?: string }): number
}

interface Inner extends Core {
  state: NodeState
  isUp: boolean
  isFrozen: boolean
  readonly records: CommitRecord[]
  readonly effects: Effect[]
  readonly answers: Map<number, { status: number; body: unknown }>
  mailbox: Event[]
  /** Records whose commit has not returned. */
  stuck: CommitNumber[]
  meta: string | null
  identity: PeerIdentity | null
  runs: number
}

interface Wire {
  readonly ends: readonly [number, number]
}

/** Cores on empty disks, started; the first `run` lets them find each other. */
export const createCores = (count: number, config: Partial<Config> = {}): Cores => {
  let nowMs = 1_000
  let nextLink: LinkId = 1
  let nextCall = 1
  const wires = new Map<LinkId, Wire>()
  const cut = new Set<string>()
  const deaf = new Set<string>()
  const spoken: Spoken[] = []
  const all: Inner[] = Array.from({ length: count }, (_, pid) => ({
    pid: pidOf(pid), state: createNode(), isUp: false, isFrozen: false, skewMs: 0, isDiskStuck: false, records: [], effects: [], answers: new Map(), mailbox: [], stuck: [], meta: null, identity: null, runs: 0
  }))
  const inner = (pid: number): Inner => all[pid] ?? (assert(false, `no core ${pid}`) as never)
  const pair = (a: number, b: number): string => `${Math.min(a, b)}-${Math.max(a, b)}`

  const turn = (core: Inner, events: readonly Event[]): void => {
    if (!core.isUp) return
    for (const event of [...events, { type: 'turn-end' } as const]) {
      const effects = step(core.state, event, { monotonicMs: nowMs, wallMs: START_WALL_MS + nowMs + core.skewMs })
      core.effects.push(...effects)
      const broken = checkNode(core.state)
      if (broken !== null) throw new Error(`node ${core.pid}: ${broken}`)
      for (const effect of effects) perform(core, effect)
      if (!core.isUp) return
    }
  }

  const perform = (core: Inner, effect: Effect): void => {
    if ('after' in effect) assert(effect.after <= core.state.commits.committedThrough, `[STO2] ${effect.type} left before commit ${effect.after}`)
    switch (effect.type) {
      case 'identify':
        core.identity = { pid: effect.pid, nodeId: effect.nodeId, boot: effect.boot, url: urlOf(effect.pid), version: '1.0.0' }
        return
      case 'dial':
        return dial(core, effect.pid)
      case 'send':
        return send(core, effect.link, effect.frame)
      case 'close-link':
        return closeLink(effect.link)
      case 'commit':
        core.stuck.push(effect.record.seq)
        core.records.push(effect.record)
        return
      case 'load':
        core.mailbox.push({ type: 'loaded', document: effect.document, updates: updatesOf(core, effect.document) })
        return
      case 'respond':
        core.answers.set(effect.call, { status: effect.status, body: effect.body })
        return
      case 'hash-password':
        core.mailbox.push({ type: 'password-hashed', job: effect.job, hash: `hash of ${effect.password}` })
        return
      case 'verify-password':
        core.mailbox.push({ type: 'password-verified', job: effect.job, match: effect.hashes.indexOf(`hash of ${effect.password}`), rehash: null })
        return
      case 'stop':
        core.isUp = false
        return
      default:
    }
  }

  const updatesOf = (core: Inner, document: DocumentName): Uint8Array[] =>
    core.records.filter(({ seq }) => seq <= core.state.commits.committedThrough).flatMap(({ updates }) => updates.filter((entry) => entry.document === document).map(({ update }) => update))

  const dial = (core: Inner, to: Pid): void => {
    const other = all[to]
    const fail = (reason: 'refused' | 'timeout'): void => void core.mailbox.push({ type: 'dial-failed', pid: to, reason })
    if (other === undefined || !other.isUp) return fail('refused')
    if (cut.has(pair(core.pid, to)) || other.isFrozen || other.identity === null || core.identity === null) return fail('timeout')
    const [here, there] = [nextLink++, nextLink++]
    wires.set(here, { ends: [core.pid, there] })
    wires.set(there, { ends: [to, here] })
    core.mailbox.push({ type: 'link-up', link: here, peer: other.identity, dialed: true })
    other.mailbox.push({ type: 'link-up', link: there, peer: core.identity, dialed: false })
  }

  const send = (core: Inner, link: LinkId, frame: Uint8Array): void => {
    const far = wires.get(link)?.ends[1]
    const to = far === undefined ? undefined : wires.get(far)?.ends[0]
    if (far === undefined || to === undefined) return
    note(core.pid, to, frame)
    if (!deaf.has(`${core.pid}>${to}`)) inner(to).mailbox.push({ type: 'link-frame', link: far, frame })
  }

  const note = (from: number, to: number, frame: Uint8Array): void => {
    const messages = decodePeerFrame(frame)
    for (const bytes of messages.ok ? messages.value : []) {
      const message = decodePeerMessage(bytes)
      if (!message.ok) continue
      spoken.push({ from, to, message: message.value })
      const inner = message.value.type === 'relay' && message.value.from === from ? decodePeerMessage(message.value.message) : null
      if (inner?.ok === true && message.value.type === 'relay') spoken.push({ from, to: message.value.to, message: inner.value })
    }
  }

  const closeLink = (link: LinkId): void => {
    const wire = wires.get(link)
    if (wire === undefined) return
    const [, far] = wire.ends
    const to = wires.get(far)?.ends[0]
    wires.delete(link)
    wires.delete(far)
    if (to !== undefined) inner(to).mailbox.push({ type: 'link-down', link: far })
  }

  const closeWhere = (isMeant: (a: number, b: number) => boolean): void => {
    for (const [link, { ends: [pid, far] }] of [...wires]) {
      const other = wires.get(far)?.ends[0]
      if (other === undefined || !isMeant(pid, other)) continue
      inner(pid).mailbox.push({ type: 'link-down', link })
      closeLink(link)
    }
  }

  /** Turns until nobody has anything left to do. */
  const settle = (): void => {
    for (let round = 0; round < ROUNDS_MAX; round++) {
      for (const core of all) if (core.isUp && !core.isFrozen && !core.isDiskStuck) core.mailbox.push(...core.stuck.splice(0).map((seq) => ({ type: 'committed', seq }) as const))
      const busy = all.filter((core) => core.isUp && !core.isFrozen && core.mailbox.length > 0)
      if (busy.length === 0) return
      for (const core of busy) turn(core, core.mailbox.splice(0))
    }
    throw new Error('the cores never came to rest')
  }

  const cores: Cores = {
    get nowMs() { return nowMs },
    all,
    spoken,
    core: inner,
    start(...pids) {
      for (const pid of pids) {
        const core = inner(pid)
        const lost = new Set(core.stuck)
        core.records.splice(0, core.records.length, ...core.records.filter(({ seq }) => !lost.has(seq)))
        const metas = core.records.flatMap(({ meta }) => (meta === null ? [] : [meta]))
        const stored: StoredState = core.records.length === 0 ? EMPTY : { meta: metas[metas.length - 1] ?? null, heads: headsOf(core), lastCommit: core.records[core.records.length - 1]?.seq ?? 0, unclean: core.runs > 0 }
        Object.assign(core, { state: createNode(), isUp: true, isFrozen: false, mailbox: [], stuck: [], identity: null, runs: core.runs + 1 })
        turn(core, [{ type: 'start', config: configOf(pid, count, config), stored, seed: new Uint8Array(32).fill(pid * 16 + core.runs) }])
      }
      settle()
    },
    kill(pid) {
      inner(pid).isUp = false
      closeWhere((a, b) => a === pid || b === pid)
      settle()
    },
    restore(pid, records) {
      const core = inner(pid)
      assert(!core.isUp, 'a disk is put back while its node is down')
      core.records.splice(0, core.records.length, ...records)
      core.stuck = []
    },
    freeze(pid) { inner(pid).isFrozen = true },
    wake(pid) {
      inner(pid).isFrozen = false
      settle()
    },
    cut(a, b) {
      cut.add(pair(a, b))
      closeWhere((from, to) => pair(from, to) === pair(a, b))
      settle()
    },
    deafen(from, to) { deaf.add(`${from}>${to}`) },
    mend(a, b) {
      cut.delete(pair(a, b))
      deaf.delete(`${a}>${b}`)
      deaf.delete(`${b}>${a}`)
    },
    run(ms) {
      for (const untilMs = nowMs + ms; nowMs < untilMs; ) {
        nowMs += DEFAULTS.tickMs
        for (const core of all) if (core.isUp && !core.isFrozen) core.mailbox.push({ type: 'tick' })
        settle()
        const broken = checkCluster(all.filter((core) => core.isUp).map((core) => core.state))
        if (broken !== null) throw new Error(broken)
      }
      for (const core of all) {
        const broken = core.isUp ? checkNodeDeeply(core.state) : null
        if (broken !== null) throw new Error(`node ${core.pid}: ${broken}`)
      }
    },
    feed(pid, ...events) {
      turn(inner(pid), events)
      settle()
    },
    edit(pid, name, change) {
      const core = inner(pid)
      if (findDocument(core.state, name) === null) {
        // As the product does: what is not in memory is asked for first.
        core.state.effects = []
        requireDocument(core.state, name)
        for (const effect of core.state.effects) perform(core, effect)
        settle()
      }
      const value = editDocument(core.state, name, change)
      turn(core, [])
      settle()
      return value
    },
    inject(from, to, frame) {
      const link = inner(to).state.peers.get(pidOf(from))?.link
      assert(typeof link === 'number', `no link from ${from} to ${to}`)
      turn(inner(to), [{ type: 'link-frame', link, frame }])
      settle()
    },
    call(pid, body, { token, key } = {}) {
      const call = nextCall++
      cores.feed(pid, { type: 'request', call, body, token: token ?? null, idempotencyKey: key ?? null, address: 'test' })
      return call
    }
  }
  return cores
}

/** What a disk would say of its documents: the last commit that touched each, its last digest, its bytes. */
const headsOf = (core: Core): StoredState['heads'] => {
  const heads = new Map<DocumentName, StoredState['heads'][number]>()
  for (const { seq, updates, digests, removed } of core.records) {
    for (const { document, update } of updates) heads.set(document, { document, seq, digest: heads.get(document)?.digest ?? null, bytes: (heads.get(document)?.bytes ?? 0) + update.byteLength })
    for (const { document, digest } of digests) {
      const head = heads.get(document)
      if (head !== undefined) heads.set(document, { ...head, digest })
    }
    for (const document of removed) heads.delete(document)
  }
  return [...heads.values()]
}

/** Three cores that have made a cluster: ready, node 0 coordinating. */
export const createTrio = (config: Partial<Config> = {}): Cores => {
  const cores = createCores(3, config)
  cores.start(0, 1, 2)
  cores.run(3_000)
  assert(cores.all.every(({ state }) => state.phase === 'ready'), `not ready: ${cores.all.map(({ state }) => state.phase).join(' ')}`)
  assert(cores.core(0).state.coordinator.role === 'coordinating', 'node 0 does not coordinate')
  cores.spoken.length = 0
  return cores
}

/** One core alone in its cluster, ready. */
export const createLone = (config: Partial<Config> = {}): Cores => {
  const cores = createCores(1, { bootstrap: true, ...config })
  cores.start(0)
  cores.run(3_000)
  assert(cores.core(0).state.phase === 'ready', 'not ready')
  return cores
}
