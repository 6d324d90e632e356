// The shell around the core: turns the world into events, one at a time, and effects into the world, in order.
// Refuses to know what any event means. It owns the order "stored, then sent": it alone knows which commit has returned, and it
// asserts for every effect that leaves the node that the commit it waits for has [STO2].
// Keeps [STO1] (one commit at a time), and [COR4]: a thrown error or a failed write ends the node, and its directory stays marked unclean.

import { assert } from '../crdt-schema/prelude.ts'
import type { Config } from './core/config.ts'
import type { CommitNumber, CommitRecord, Effect, Event, Now } from './core/events.ts'
import type { Store } from './core/ports.ts'

/** What the runtime does itself; all other effects are carried out by a hand. */
type OwnEffect = 'load' | 'commit' | 'compact' | 'stop'
type OutwardEffect = Exclude<Effect['type'], OwnEffect>

/** Who carries out which effect. A hand may emit events at once; they wait their turn. */
export type Hands = { readonly [Type in OutwardEffect]: (effect: Extract<Effect, { readonly type: Type }>) => void }

export interface RuntimeOptions {
  /** The core, with its state inside. */
  readonly step: (event: Event, now: Now) => readonly Effect[]
  readonly store: Store
  readonly clock: () => Now
  readonly hands: Hands
  readonly onCommitted: (ms: number) => void
  readonly onSlowTurn: (event: Event['type'], ms: number) => void
  /** The core said `stop`: everything is stored and the store is closed, the process may end. */
  readonly onStopped: (exitCode: number, text: string) => void
  /** A bug or a failed write: the process must end at once. Called once. */
  readonly onCrashed: (crash: { readonly reason: 'bug' | 'disk'; readonly error: Error }) => void
}

export interface Runtime {
  /** Feeds the first event and starts the ticks. */
  start(config: Config, seed: Uint8Array): void
  /** Gives the core an event now, or after those before it. Does nothing once the node has ended. */
  feed(event: Event): void
}

const SLOW_TURN_MS = 100

export const createRuntime = (options: RuntimeOptions): Runtime => {
  const { store, clock } = options
  const events: Event[] = []
  let status: 'running' | 'ended' = 'running'
  let isStepping = false
  let isTurnEndDue = false
  let ticks: NodeJS.Timeout | null = null
  let isCommitting = false
  let committing = Promise.resolve()
  let committedThrough: CommitNumber = store.state.lastCommit
  /** Compactions are background work: one after the other. */
  let compacting = Promise.resolve()

  const end = (): boolean => {
    if (status === 'ended') return false
    status = 'ended'
    events.length = 0
    if (ticks !== null) clearInterval(ticks)
    return true
  }

  const crash = (reason: 'bug' | 'disk', error: unknown): void => {
    // The store stays open: closing would fold the log and call the directory clean, which it may not be.
    if (end()) options.onCrashed({ reason, error: error instanceof Error ? error : new Error(String(error)) })
  }

  const feed = (event: Event): void => {
    if (status === 'ended') return
    events.push(event)
    if (event.type !== 'turn-end') scheduleTurnEnd()
    if (isStepping) return
    isStepping = true
    try {
      for (let next = events.shift(); next !== undefined; next = events.shift()) handle(next)
    } catch (error) {
      crash('bug', error)
    } finally {
      isStepping = false
    }
  }

  const handle = (event: Event): void => {
    const now = clock()
    const effects = options.step(event, now)
    for (const effect of effects) {
      if (status === 'ended') return
      carryOut(effect)
    }
    const ms = clock().monotonicMs - now.monotonicMs
    if (ms > SLOW_TURN_MS) options.onSlowTurn(event.type, ms)
  }

  /** After all that this turn of the event loop has at hand: immediates run when its sockets have been read. */
  const scheduleTurnEnd = (): void => {
    if (isTurnEndDue) return
    isTurnEndDue = true
    setImmediate(() => {
      isTurnEndDue = false
      feed({ type: 'turn-end' })
    })
  }

  const carryOut = (effect: Effect): void => {
    if ('after' in effect) assert(effect.after <= committedThrough, `${effect.type} left before commit ${effect.after}; ${committedThrough} has returned`)
    switch (effect.type) {
      case 'commit':
        assert(!isCommitting && effect.record.seq === committedThrough + 1, `commit ${effect.record.seq} after ${committedThrough}, out of order`)
        isCommitting = true
        committing = commit(effect.record)
        return
      case 'load':
        return void load(effect.document)
      case 'compact':
        compacting = compacting.then(() => store.compact(effect.document, effect.state, effect.through)).catch((error: unknown) => crash('disk', error))
        return
      case 'stop':
        return void stop(effect.exitCode, effect.text)
      default:
        handOver(options.hands, effect)
    }
  }

  const commit = async (record: CommitRecord): Promise<void> => {
    const { monotonicMs } = clock()
    try {
      await store.commit(record)
    } catch (error) {
      return crash('disk', error)
    }
    isCommitting = false
    committedThrough = record.seq
    options.onCommitted(clock().monotonicMs - monotonicMs)
    feed({ type: 'committed', seq: record.seq })
  }

  const load = async (document: Extract<Effect, { type: 'load' }>['document']): Promise<void> => {
    try {
      const outcome = await store.load(document)
      if (outcome.status === 'loaded') feed({ type: 'loaded', document, updates: outcome.updates })
      else feed({ type: 'load-failed', document, reason: outcome.reason })
    } catch (error) {
      crash('disk', error)
    }
  }

  const stop = async (exitCode: number, text: string): Promise<void> => {
    if (!end()) return
    try {
      await Promise.all([committing, compacting])
      await store.close()
      options.onStopped(exitCode, text)
    } catch (error) {
      options.onCrashed({ reason: 'disk', error: error instanceof Error ? error : new Error(String(error)) })
    }
  }

  return {
    start: (config, seed) => {
      feed({ type: 'start', config, stored: store.state, seed })
      store.release()
      if (status === 'running') ticks = setInterval(() => feed({ type: 'tick' }), config.tickMs)
    },
    feed
  }
}

/** The compiler does not see that an effect and its hand go together; this is the one place that says so. */
const handOver = (hands: Hands, effect: Extract<Effect, { readonly type: OutwardEffect }>): void => (hands[effect.type] as (effect: Effect) => void)(effect)
