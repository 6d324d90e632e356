// One real core under attack: it is fed events without a cluster around it, its disk returns at once, and each step is
// timed. What it says is kept only as far as an attacker would notice: links and sockets that were closed.

import { type DocumentName, type Pid } from '../../crdt-schema/ids.ts'
import { type PeerMessage } from '../../crdt-schema/peer-wire.ts'
import type { Call } from '../../crdt-schema/api.ts'
import type { CommitRecord, Effect, Event, PeerIdentity } from '../../node/core/events.ts'
import { DEFAULTS } from '../../node/core/config.ts'
import { step } from '../../node/core/node.ts'
import type { NodeState } from '../../node/core/state.ts'
import { type Cores, createLone, createTrio, urlOf } from './cores.ts'

/** As in cores.ts: the month that documents of the attacked are named by. */
export const MONTH = '2026-05'
const START_WALL_MS = Date.UTC(2026, 4, 10, 12)
const ROUNDS_MAX = 10_000

export type Account = { readonly id: string; readonly token: string }

export type Victim = {
  readonly state: NodeState
  /** Longest single step so far, ms of the processor (another process may have stopped the clock's), and what it was fed. */
  readonly slowest: { ms: number; what: string }
  /** The node ended by its own rule; null: it runs. */
  stopped: string | null
  /** How many updates of documents have been committed so far. */
  readonly updatesCommitted: number
  feed(event: Event): void
  /** Time passes by one tick. */
  tick(): void
  /** Close code of a client's socket; null while it is open. */
  closedWith(client: number): number | null
  attach(room: string, token: string | null): number
  /** A link under this identity. Returns its id; `isUp` says whether the node still takes it. */
  link(identity: PeerIdentity): number
  isUp(link: number): boolean
}

/** Takes a core out of a running set and drives it alone. The others are never heard of again. */
const createVictim = (cores: Cores, pid: number): Victim => {
  const core = cores.core(pid)
  const { state } = core
  const records: CommitRecord[] = [...core.records]
  const closed = new Map<number, number>()
  const links = new Set<number>()
  let mailbox: Event[] = []
  let nowMs = cores.nowMs
  let next = 1_000_000
  let updatesCommitted = 0

  const updatesOf = (document: DocumentName): Uint8Array[] => records.flatMap(({ updates }) => updates.filter((entry) => entry.document === document).map(({ update }) => update))

  const perform = (effect: Effect): void => {
    switch (effect.type) {
      case 'commit':
        records.push(effect.record)
        updatesCommitted += effect.record.updates.length
        mailbox.push({ type: 'committed', seq: effect.record.seq })
        return
      case 'load':
        mailbox.push({ type: 'loaded', document: effect.document, updates: updatesOf(effect.document) })
        return
      case 'client-close':
        closed.set(effect.client, effect.code)
        return
      case 'close-link':
        if (links.delete(effect.link)) mailbox.push({ type: 'link-down', link: effect.link })
        return
      case 'dial':
        mailbox.push({ type: 'dial-failed', pid: effect.pid, reason: 'timeout' })
        return
      case 'hash-password':
        mailbox.push({ type: 'password-hashed', job: effect.job, hash: 'hash' })
        return
      case 'stop':
        victim.stopped = `${effect.exitCode}: ${effect.text}`
        return
      default:
    }
  }

  const stepOnce = (event: Event): void => {
    const startedMs = performance.now()
    const processor = process.cpuUsage()
    const effects = step(state, event, { monotonicMs: nowMs, wallMs: START_WALL_MS + nowMs })
    const { user, system } = process.cpuUsage(processor)
    const ms = Math.min(performance.now() - startedMs, (user + system) / 1_000)
    if (ms > victim.slowest.ms) Object.assign(victim.slowest, { ms, what: event.type })
    for (const effect of effects) perform(effect)
  }

  const victim: Victim = {
    state,
    slowest: { ms: 0, what: 'nothing' },
    stopped: null,
    get updatesCommitted() { return updatesCommitted },
    feed(event) {
      mailbox.push(event)
      for (let round = 0; mailbox.length > 0; round++) {
        if (round > ROUNDS_MAX) throw new Error('the core never came to rest')
        for (const one of [...mailbox.splice(0), { type: 'turn-end' } as const]) stepOnce(one)
      }
    },
    tick() {
      nowMs += DEFAULTS.tickMs
      victim.feed({ type: 'tick' })
    },
    closedWith: (client) => closed.get(client) ?? null,
    attach(room, token) {
      const client = ++next
      victim.feed({ type: 'client-up', client, room, token, address: '203.0.113.7' })
      return client
    },
    link(identity) {
      const link = ++next
      links.add(link)
      victim.feed({ type: 'link-up', link, peer: identity, dialed: false })
      return link
    },
    isUp: (link) => links.has(link)
  }
  return victim
}

const signUp = (cores: Cores, name: string): Account => {
  const call = cores.call(0, { type: 'create-account', name, password: `${name} has a password` } as Call, { key: `00000000-0000-4000-8000-${Buffer.from(name).toString('hex').padStart(12, '0').slice(-12)}` })
  for (let waited = 0; waited < 5_000 && !cores.core(0).answers.has(call); waited += 50) cores.run(50)
  const { body } = cores.core(0).answers.get(call) as { body: { account: { id: string }; session: { token: string } } }
  return { id: body.account.id, token: body.session.token }
}

/** A lone ready node with two accounts. */
export const createAttackedNode = (): { readonly victim: Victim; readonly ann: Account; readonly ben: Account } => {
  const cores = createLone()
  const [ann, ben] = [signUp(cores, 'ann'), signUp(cores, 'ben')]
  return { victim: createVictim(cores, 0), ann, ben }
}

/** Node 0 of three that were at work, whose peers are now in an attacker's hands; and what they said until then. */
export const createAttackedMember = (): { readonly victim: Victim; readonly identityOf: (pid: number) => PeerIdentity; readonly said: readonly PeerMessage[]; readonly ann: Account } => {
  const cores = createTrio()
  cores.kill(2)
  const ann = signUp(cores, 'ann')
  cores.start(2)
  cores.run(3_000)
  const identities = new Map<number, PeerIdentity>(cores.all.map(({ pid, state }): [Pid, PeerIdentity] => [pid, { pid, nodeId: state.meta.nodeId, boot: state.meta.boot, url: urlOf(pid), version: '1.0.0' }]))
  const said = cores.spoken.map(({ message }) => message)
  cores.kill(1)
  cores.kill(2)
  return { victim: createVictim(cores, 0), identityOf: (pid) => identities.get(pid) as PeerIdentity, said, ann }
}
