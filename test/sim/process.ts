// One node of the fake world: the shipped core, its clock, its disk, its sockets, and the ways in which it can fail.
// Does what node/runtime.ts does with real things: feeds events one at a time, carries out effects in order, and checks
// that nothing leaves before the commit it reflects has returned [STO2].
//
//             start              pause
//   stopped ---------> running ---------> paused
//      ^                |    <---------     |
//      +---- kill ------+      resume       |
//      +---- kill --------------------------+

import { createNode, step } from '../../node/core/node.ts'
import type { NodeState } from '../../node/core/state.ts'
import type { Config } from '../../node/core/config.ts'
import type { Effect, Event, PeerIdentity } from '../../node/core/events.ts'
import type { NodeId, Pid } from '../../crdt-schema/ids.ts'
import { InvariantError } from '../../crdt-schema/prelude.ts'
import { type Clock, createClock } from './clock.ts'
import type { FakeDisk, OpenDisk } from './disk.ts'
import { type Doors, type HttpAnswer, createDoors, jsonToBytes } from './doors.ts'
import { describeFrame } from './frames.ts'
import type { End, EndHandler, Network, Place } from './network.ts'
import { type PasswordWorker, createPasswordWorker } from './passwords.ts'
import type { Random } from './random.ts'
import { closeCodeOf } from './refusals.ts'
import type { Schedule } from './schedule.ts'
import type { Trace } from './trace.ts'
import { type Moment, type Trap, createTrapHolder, isStoredElsewhere } from './traps.ts'

export type ProcessStatus = 'running' | 'paused' | 'stopped'

export interface SimProcess {
  readonly pid: Pid
  readonly place: Place
  readonly status: ProcessStatus
  readonly clock: Clock
  readonly disk: FakeDisk
  readonly state: NodeState | null
  /** Its last words, and the id of the directory that it ran in. */
  readonly exit: { readonly code: number; readonly text: string; readonly nodeId: NodeId | null } | null
  readonly identity: PeerIdentity | null
  start(): void
  /** kill -9, or with `no-power` the whole machine: peers hear nothing and what was not fsynced is lost. */
  kill(how: 'process' | 'no-power'): void
  pause(): void
  resume(): void
  drain(): void
  setTrap(trap: Trap | null): void
  /** Like a trap, but `onSnip` cuts the connection to that peer instead. */
  setSnip(trap: Trap | null, onSnip: (to: Pid) => void): void
  /** What a relay or a redialled link may repeat is sent twice, while it is on. */
  setEcho(isOn: boolean): void
  acceptLink(end: End, peer: PeerIdentity): EndHandler | null
  acceptClient(end: End, room: string, token: string | null, address: string): EndHandler | null
  acceptHttp(end: End, address: string): EndHandler | null
}

export interface ProcessWorld {
  readonly schedule: Schedule
  readonly network: Network
  readonly trace: Trace
  readonly random: Random
  readonly disk: FakeDisk
  readonly config: Config
  readonly skewMs: number
  /** The process that listens at an address, up or not. */
  findByUrl(url: string): SimProcess | null
  /** After each turn of a node's event loop. */
  onTurn(process: SimProcess): void
  /** No disk was lost since the cluster was last whole. */
  mayLoseDisk(): boolean
  onTrap(process: SimProcess, moment: Moment): void
  onLog(process: SimProcess, event: string, fields: Readonly<Record<string, unknown>>): void
  /** A rule of the machine was broken: the run has failed. */
  onViolation(process: SimProcess, error: unknown): void
}

const DIAL_TIMEOUT_MS = 3_000
const TURN_MS_MAX = 0.2
/** What goes again after a redial, or by two ways around a lost link. The steps of a pull belong to one connection. */
const REPEATABLE: ReadonlySet<string> = new Set(['push', 'ack', 'settled', 'holds', 'heartbeat', 'claim', 'promise', 'prepare', 'prepared', 'resolved', 'ask', 'reply'])

interface Run {
  readonly number: number
  readonly state: NodeState
  readonly disk: OpenDisk
  readonly doors: Doors
  readonly mailbox: Event[]
  isTurnDue: boolean
  isTickDue: boolean
  committed: number
  readonly passwords: PasswordWorker
}

export const createProcess = (world: ProcessWorld): SimProcess => {
  const { schedule, network, trace, config } = world
  const pid = config.pid ?? (99 as Pid)
  const place = `node ${pid}`
  const random = world.random.fork(place)
  const clock = createClock(schedule, world.skewMs)
  let status: ProcessStatus = 'stopped'
  let run: Run | null = null
  let runs = 0
  let identity: PeerIdentity | null = null
  let exit: SimProcess['exit'] = null
  const trap = createTrapHolder()
  const snip = createTrapHolder()
  let onSnip: (to: Pid) => void = () => {}
  let isEchoing = false

  // ---- events in

  const deliver = (to: Run, event: Event): void => {
    if (run !== to) return
    to.mailbox.push(event)
    scheduleTurn(to)
  }

  const scheduleTurn = (to: Run): void => {
    if (to.isTurnDue || status !== 'running') return
    to.isTurnDue = true
    schedule.after(random.next() * TURN_MS_MAX, () => {
      to.isTurnDue = false
      if (run === to && status === 'running') turn(to)
    })
  }

  const turn = (now: Run): void => {
    const events = now.mailbox.splice(0)
    for (const event of events) {
      feed(now, event)
      if (run !== now || status !== 'running') return keepRest(now, events, event)
    }
    feed(now, { type: 'turn-end' })
    world.onTurn(self)
  }

  /** A node paused in the middle of a turn finds the rest of it when it wakes. */
  const keepRest = (now: Run, events: readonly Event[], last: Event): void => {
    if (run === now) now.mailbox.unshift(...events.slice(events.indexOf(last) + 1))
  }

  const feed = (now: Run, event: Event): void => {
    try {
      for (const effect of step(now.state, event, clock.now())) {
        if (run !== now) return
        perform(now, effect)
      }
    } catch (error) {
      world.onViolation(self, error)
      if (run === now) kill('process')
    }
  }

  const tick = (now: Run): void => {
    if (run !== now) return
    if (status === 'running') {
      // A timer that is late by a little is the rule, not the exception.
      deliver(now, { type: 'tick' })
    } else now.isTickDue = true
    schedule.after(config.tickMs + random.next(), () => tick(now))
  }

  // ---- effects out

  /** Whether the node dies at this moment, because of a trap. */
  const springs = (moment: Moment, messageTypes: readonly string[]): boolean => {
    if (!trap.springs(moment, messageTypes)) return false
    world.onTrap(self, moment)
    trace.line(schedule.nowMs, `${place} springs its trap ${moment} ${messageTypes.join(' ')}`)
    kill('process')
    return true
  }

  const checkAfter = (now: Run, effect: Effect & { readonly after: number }): void => {
    if (effect.after > now.committed) throw new InvariantError(`[STO2] ${effect.type} reflects commit ${effect.after}, stored is ${now.committed}`)
  }

  const perform = (now: Run, effect: Effect): void => {
    switch (effect.type) {
      case 'dial':
        return dial(now, effect.pid, effect.url)
      case 'send':
        return sendToPeer(now, effect)
      case 'close-link':
        trace.line(schedule.nowMs, `${place} closes link ${effect.link}: ${effect.reason}`)
        now.doors.links.get(effect.link)?.close(closeCodeOf(effect.reason))
        now.doors.links.delete(effect.link)
        return
      case 'identify':
        identity = { pid: effect.pid, nodeId: effect.nodeId, boot: effect.boot, url: config.url, version: config.version }
        return
      case 'client-send':
        checkAfter(now, effect)
        trace.bytes(`${place} client ${effect.client}`, effect.frame)
        now.doors.clients.get(effect.client)?.send(effect.frame)
        return
      case 'client-pause':
      case 'client-resume':
        return // ends of the fake network take in all that was sent
      case 'client-close':
        trace.line(schedule.nowMs, `${place} closes client ${effect.client}: ${effect.code} ${effect.reason}`)
        now.doors.clients.get(effect.client)?.close(effect.code)
        now.doors.clients.delete(effect.client)
        return
      case 'respond':
        return answer(now, effect)
      case 'stream':
        checkAfter(now, effect)
        now.doors.calls.get(effect.call)?.send(jsonToBytes({ event: effect.event, data: effect.data }))
        return
      case 'stream-end':
        now.doors.calls.get(effect.call)?.close()
        now.doors.calls.delete(effect.call)
        return
      case 'load':
        return now.disk.load(effect.document, outcome => {
          if (outcome.status === 'loaded') deliver(now, { type: 'loaded', document: effect.document, updates: outcome.updates })
          else deliver(now, { type: 'load-failed', document: effect.document, reason: outcome.reason })
        })
      case 'commit':
        return commit(now, effect)
      case 'compact':
        return now.disk.compact(effect.document, effect.state, effect.through)
      case 'hash-password':
      case 'verify-password':
        return now.passwords.work(effect, event => deliver(now, event))
      case 'log':
        trace.line(schedule.nowMs, `${place} ${effect.level}: ${effect.event} ${JSON.stringify(effect.fields)}`)
        world.onLog(self, effect.event, effect.fields)
        return
      case 'stop':
        trace.line(schedule.nowMs, `${place} exits ${effect.exitCode}: ${effect.text}`)
        exit = { code: effect.exitCode, text: effect.text, nodeId: now.state.meta?.nodeId ?? null }
        end(now, 'closed')
        return
    }
  }

  const sendToPeer = (now: Run, effect: Effect & { type: 'send' }): void => {
    checkAfter(now, effect)
    const types = trap.isSet || snip.isSet || isEchoing ? describeFrame(effect.frame) : []
    if (springs('before-send', types)) return
    trace.bytes(`${place} link ${effect.link}`, effect.frame)
    now.doors.links.get(effect.link)?.send(effect.frame)
    if (isEchoing && types.every(type => REPEATABLE.has(type))) now.doors.links.get(effect.link)?.send(effect.frame)
    const to = now.state.pidByLink.get(effect.link)
    if (to !== undefined && snip.springs('after-send', types)) onSnip(to)
    springs('after-send', types)
  }

  const commit = (now: Run, { record }: Effect & { type: 'commit' }): void => {
    if (springs('before-commit', [])) return
    trace.line(schedule.nowMs, `${place} commits ${record.seq}: ${record.updates.length} updates${record.meta === null ? '' : ', meta'}`)
    for (const { document, update } of record.updates) trace.bytes(`${place} ${document}`, update)
    now.disk.commit(record, failure => {
      if (run !== now) return
      if (failure === null) now.committed = record.seq
      if (failure === null) deliver(now, { type: 'committed', seq: record.seq })
      else deliver(now, { type: 'commit-failed', seq: record.seq, reason: failure })
      springs('after-commit', [])
    })
  }

  const answer = (now: Run, effect: Effect & { type: 'respond' }): void => {
    checkAfter(now, effect)
    if (springs('before-answer', [])) return
    trace.line(schedule.nowMs, `${place} answers call ${effect.call}: ${effect.status} ${brief(effect.body)}`)
    const end = now.doors.calls.get(effect.call)
    end?.send(jsonToBytes({ status: effect.status, body: effect.body } satisfies HttpAnswer))
    end?.close()
    now.doors.calls.delete(effect.call)
    springs('after-answer', [])
    if (isStoredElsewhere(now.state, effect) && world.mayLoseDisk() && springs('after-stored-answer', [])) world.disk.wipe()
  }

  // ---- links

  const dial = (now: Run, toPid: Pid, url: string): void => {
    const failed = (reason: (Event & { type: 'dial-failed' })['reason']): void => deliver(now, { type: 'dial-failed', pid: toPid, reason })
    const target = world.findByUrl(url)
    if (target === null) return void schedule.after(1, () => failed('refused'))
    network.dial({
      from: place,
      to: target.place,
      timeoutMs: DIAL_TIMEOUT_MS,
      roundTrips: 2,
      accept: end => (identity === null ? null : target.acceptLink(end, identity)),
      connected: end => {
        const peer = target.identity
        if (peer === null) throw new Error('an accepted link has an identity')
        return now.doors.takeLink(end, peer, true)
      },
      failed
    })
  }

  // ---- life

  const start = (): void => {
    if (status !== 'stopped') return
    const opened = world.disk.open()
    runs += 1
    const originMs = random.integer(0, 1_000_000)
    clock.restart(originMs)
    exit = null
    identity = null
    const now: Run = {
      number: runs,
      state: createNode(),
      disk: opened,
      doors: createDoors(event => deliver(now, event)),
      mailbox: [],
      isTurnDue: false,
      isTickDue: false,
      committed: opened.state.lastCommit,
      passwords: createPasswordWorker(schedule, random)
    }
    run = now
    status = 'running'
    network.setPlace(place, 'up')
    trace.line(schedule.nowMs, `${place} starts, run ${runs}`)
    deliver(now, { type: 'start', config, stored: opened.state, seed: random.bytes(32) })
    tick(now)
  }

  const end = (now: Run, how: 'killed' | 'no-power' | 'closed'): void => {
    run = null
    status = 'stopped'
    identity = null
    trap.set(null)
    snip.set(null)
    if (how === 'closed') now.doors.closeAll()
    network.setPlace(place, how === 'no-power' ? 'no-power' : 'dead')
    if (how === 'closed') now.disk.close()
    else world.disk.crash(how === 'no-power' ? 'power' : 'process')
    world.onTurn(self)
  }

  const kill = (how: 'process' | 'no-power'): void => {
    if (run === null) return
    trace.line(schedule.nowMs, `${place} is killed${how === 'no-power' ? ' with its machine' : ''}`)
    end(run, how === 'process' ? 'killed' : 'no-power')
  }

  const self: SimProcess = {
    pid,
    place,
    clock,
    disk: world.disk,
    get status() {
      return status
    },
    get state() {
      return run?.state ?? null
    },
    get exit() {
      return exit
    },
    get identity() {
      return identity
    },
    start,
    kill,
    pause() {
      if (status !== 'running') return
      status = 'paused'
      network.setPlace(place, 'frozen')
      trace.line(schedule.nowMs, `${place} is frozen`)
    },
    resume() {
      if (status !== 'paused' || run === null) return
      status = 'running'
      trace.line(schedule.nowMs, `${place} wakes`)
      // Timers come first or last, as the event loop was caught.
      if (run.isTickDue && random.chance(0.5)) run.mailbox.unshift({ type: 'tick' })
      run.isTickDue = false
      network.setPlace(place, 'up')
      scheduleTurn(run)
    },
    drain() {
      if (run !== null) deliver(run, { type: 'drain' })
    },
    setTrap: trap.set,
    setSnip(next, act) {
      snip.set(next)
      onSnip = act
    },
    setEcho(isOn) {
      isEchoing = isOn
    },
    acceptLink: (end, peer) => (run === null || identity === null ? null : run.doors.takeLink(end, peer, false)),
    acceptClient: (end, room, token, address) => run?.doors.takeClient(end, room, token, address) ?? null,
    acceptHttp: (end, address) => run?.doors.takeHttp(end, address) ?? null
  }
  return self
}

const brief = (body: unknown): string => {
  const text = JSON.stringify(body) ?? ''
  return text.length > 160 ? `${text.slice(0, 160)}…` : text
}
