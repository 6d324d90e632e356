// The shell with a core that a test plays: order, turns, commits, and every way of ending.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { DocumentName, Pid } from '../crdt-schema/ids.ts'
import { type Config, DEFAULTS } from '../node/core/config.ts'
import type { CommitRecord, Effect, Event } from '../node/core/events.ts'
import type { Store } from '../node/core/ports.ts'
import { type Hands, type Runtime, createRuntime } from '../node/runtime.ts'

const test = suite('runtime')
const config: Config = { ...DEFAULTS, pid: 0 as Pid, peers: new Map(), url: '', clusterId: '', version: '', tickMs: 5 }
const record = (seq: number): CommitRecord => ({ seq, updates: [], digests: [], removed: [], meta: null })
const send = (after: number): Effect => ({ type: 'send', link: 1, frame: new Uint8Array(), after })
const log = (event: string): Effect => ({ type: 'log', level: 'info', event, fields: {} })
const turns = async (count: number): Promise<void> => {
  for (let turn = 0; turn < count; turn++) await new Promise(resolve => setImmediate(resolve))
}

interface World {
  readonly runtime: Runtime
  /** Events as the core saw them, effects as they were carried out, ends. */
  readonly trace: string[]
  readonly commits: { readonly seq: number; readonly succeed: () => void; readonly fail: (error: Error) => void }[]
}

/** A runtime whose core answers each event by `play`; tick events are left out of the trace. */
const start = (play: (event: Event) => readonly Effect[]): World => {
  const trace: string[] = []
  const commits: World['commits'] = []
  const store: Store = {
    state: { meta: null, heads: [], lastCommit: 4, unclean: false },
    release: () => {},
    commit: ({ seq }) => new Promise((succeed, fail) => commits.push({ seq, succeed, fail })),
    load: async document => (document === ('members' as DocumentName) ? { status: 'loaded', updates: [] } : { status: 'quarantined', reason: 'torn' }),
    compact: async () => undefined,
    close: async () => void trace.push('store closed'),
    stats: () => ({ bytes: 0, documents: 0, logRecords: 0, lastCommitMs: 0 })
  }
  const note = (effect: Effect): void => void trace.push(effect.type === 'log' ? `-> ${effect.event}` : `-> ${effect.type}`)
  const hands: Hands = {
    identify: note, dial: note, send: note, 'close-link': note, 'client-send': note, 'client-close': note, 'client-pause': note, 'client-resume': note, respond: note, stream: note, 'stream-end': note, log: note,
    'hash-password': ({ job }) => runtime.feed({ type: 'password-busy', job }),
    'verify-password': note
  }
  const runtime = createRuntime({
    step: event => {
      if (event.type !== 'tick') trace.push(event.type)
      return play(event)
    },
    store,
    clock: () => ({ monotonicMs: performance.now(), wallMs: 0 }),
    hands,
    onCommitted: () => undefined,
    onSlowTurn: () => undefined,
    onStopped: (code, text) => trace.push(`stopped ${code} ${text}`),
    onCrashed: ({ reason, error }) => trace.push(`crashed ${reason}: ${error.message}`)
  })
  runtime.start(config, new Uint8Array(32))
  return { runtime, trace, commits }
}
const stop = (world: World): void => {
  world.runtime.feed({ type: 'drain' })
}
/** Stops on drain, whatever else it plays. */
const stopping = (play: (event: Event) => readonly Effect[]) => (event: Event): readonly Effect[] =>
  event.type === 'drain' ? [{ type: 'stop', exitCode: 0, text: 'done' }] : play(event)

test('one turn-end follows all events of one turn', async () => {
  const world = start(stopping(() => []))
  world.runtime.feed({ type: 'link-down', link: 1 })
  world.runtime.feed({ type: 'link-down', link: 2 })
  await turns(2)
  assert.equal(world.trace, ['start', 'link-down', 'link-down', 'turn-end'])
  stop(world)
})

test('an event that an effect causes waits until the effects before it are done', () => {
  const world = start(stopping(event => (event.type === 'start' ? [{ type: 'hash-password', job: 1, password: '' }, log('after')] : [])))
  assert.equal(world.trace, ['start', '-> after', 'password-busy'])
  stop(world)
})

test('[STO2] what names a commit leaves only when that commit has returned', async () => {
  const world = start(stopping(event => (event.type === 'start' ? [{ type: 'commit', record: record(5) }] : event.type === 'committed' ? [send(5)] : [])))
  await turns(2)
  assert.equal(world.trace, ['start', 'turn-end'])
  world.commits[0]?.succeed()
  await turns(2)
  assert.equal(world.trace.slice(2, 4), ['committed', '-> send'])
  stop(world)
})

test('[STO2] what leaves before its commit has returned ends the node', () => {
  const { trace, runtime } = start(() => [{ type: 'commit', record: record(5) }, send(5), log('never')])
  assert.equal(trace, ['start', 'crashed bug: send left before commit 5; 4 has returned'])
  runtime.feed({ type: 'drain' })
  assert.is(trace.length, 2)
})

test('[STO1] commits go one at a time and in order, or the node ends', () => {
  assert.match(start(() => [{ type: 'commit', record: record(5) }, { type: 'commit', record: record(6) }]).trace.at(-1) ?? '', /crashed bug: commit 6 after 4/)
  assert.match(start(() => [{ type: 'commit', record: record(7) }]).trace.at(-1) ?? '', /crashed bug: commit 7 after 4/)
})

test('[COR4] a failed write ends the node without closing its store, and nothing more happens', async () => {
  const world = start(event => (event.type === 'start' ? [{ type: 'commit', record: record(5) }] : []))
  world.commits[0]?.fail(new Error('ENOSPC'))
  await turns(3)
  assert.is(world.trace.at(-1), 'crashed disk: ENOSPC')
  const length = world.trace.length
  world.runtime.feed({ type: 'link-down', link: 1 })
  await new Promise(resolve => setTimeout(resolve, 30))
  assert.is(world.trace.length, length)
})

test('[COR4] an error thrown by the core ends the node', () => {
  const { trace } = start(() => {
    throw new Error('broken')
  })
  assert.equal(trace, ['start', 'crashed bug: broken'])
})

test('documents come back loaded or quarantined', async () => {
  const world = start(stopping(event => (event.type === 'start' ? [{ type: 'load', document: 'members' as DocumentName }, { type: 'load', document: 'names/00' as DocumentName }] : [])))
  await turns(3)
  assert.ok(world.trace.includes('loaded') && world.trace.includes('load-failed'))
  stop(world)
})

test('ticks come by themselves until the node stops; then the last commit lands and the store is closed before the end is told', async () => {
  let ticks = 0
  const world = start(
    stopping(event => {
      if (event.type === 'tick') ticks++
      return event.type === 'start' ? [{ type: 'commit', record: record(5) }] : []
    })
  )
  await new Promise(resolve => setTimeout(resolve, 60))
  assert.ok(ticks >= 3, `${ticks} ticks`)
  stop(world)
  await turns(3)
  assert.is(world.trace.at(-1), 'drain')
  world.commits[0]?.succeed()
  await turns(3)
  assert.equal(world.trace.slice(-2), ['store closed', 'stopped 0 done'])
  const after = ticks
  await new Promise(resolve => setTimeout(resolve, 30))
  assert.is(ticks, after)
})

test.run()
