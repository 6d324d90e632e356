// The fake world: nodes, their disks and network, the people who use them, and time, all from one seed.
// Runs until something holds or time is up, heals, and collects what broke. Knows no plan: scenarios and fuzz drive it.

import { type Config, DEFAULTS, assertConfig } from '../../node/core/config.ts'
import { checkCluster, checkNode, checkNodeDeeply } from '../../node/core/invariants.ts'
import type { NodeState } from '../../node/core/state.ts'
import { digestToHex } from '../../node/core/digest.ts'
import { type Millis, type Pid, epochCounter, hashText } from '../../crdt-schema/ids.ts'
import { WORLD_BEGINS_MS } from './clock.ts'
import { type FakeDisk, createFakeDisk } from './disk.ts'
import { type History, type Operation, createHistory, describeDeed } from './history.ts'
import { type Network, createNetwork } from './network.ts'
import { type Operator, createOperator } from './operator.ts'
import { type Page, createPage } from './pages.ts'
import { type Device, type PeopleWorld, type Person, createDevice } from './people.ts'
import { type SimProcess, createProcess } from './process.ts'
import { type Random, createRandom } from './random.ts'
import { type Schedule, createSchedule } from './schedule.ts'
import { type Trace, createTrace } from './trace.ts'

export interface WorldOptions {
  readonly seed: string
  readonly nodes: number
  /** Wall clocks are off by up to this, either way. */
  readonly skewMsMax?: number
  readonly config?: Partial<Config>
  /** Looks on: role log, gaps, marks. */
  readonly watch?: Watch
  /** Sees each line that a person reading a transcript wants to see. */
  readonly onEvent?: (atMs: number, text: string) => void
}

/** Whoever looks on from outside, without a part in the run. */
export interface Watch {
  /** Once, before anything happens. */
  begin(world: World): void
  /** After each turn of a node, and when it has ended. */
  onTurn(process: SimProcess): void
  onLog(process: SimProcess, event: string, fields: Readonly<Record<string, unknown>>): void
  onOperation(operation: Operation): void
  onDiskLost(process: SimProcess): void
}

export interface Violation {
  readonly atMs: number
  readonly who: string
  readonly message: string
}

export interface Counts {
  kills: number
  pauses: number
  faults: number
  turns: number
}

export interface World {
  readonly seed: string
  readonly schedule: Schedule
  readonly network: Network
  readonly trace: Trace
  readonly history: History
  readonly random: Random
  readonly processes: readonly SimProcess[]
  readonly persons: ReadonlyMap<string, Person>
  readonly devices: ReadonlyMap<string, Device>
  readonly pages: ReadonlyMap<string, Page>
  readonly violations: Violation[]
  readonly counts: Counts
  process(pid: number): SimProcess
  /** A person's program, made on first use: `ana`. */
  device(label: string): Device
  /** A person's page, made on first use: `ana.phone`. */
  page(label: string): Page
  run(forMs: number): void
  /** Runs until `condition` holds, looking after every task; false when it did not within `withinMs`. */
  runUntil(condition: () => boolean, withinMs: number): boolean
  note(text: string): void
  /** The plan parts nodes from each other, so reads through one of them may be behind. */
  isParted: boolean
  /** A disk was lost and the cluster has not been whole since. */
  isDiskLost(): boolean
  /** That disk is lost, or damaged, from now until every node is in step again. */
  loseDisk(process: SimProcess): void
  /** Whose disk was lost, set back or damaged, and when last. */
  readonly lostDisks: ReadonlyMap<Pid, number>
  readonly operator: Operator
  violate(who: string, error: unknown): void
  /** Takes away every fault and starts or wakes every node and page. */
  heal(): void
}

/** A look at everything a node holds costs more than the turns between. */
const DEEP_CHECK_TURNS = 500
const LATENCY = { latencyMsMin: 0.15, latencyMsMax: 1.5 }
export const urlOf = (pid: number): string => `http://node-${pid}.test`

export const createWorld = (options: WorldOptions): World => {
  const schedule = createSchedule()
  const random = createRandom(options.seed)
  const trace = createTrace()
  const network = createNetwork(schedule, random.fork('network'), LATENCY)
  const persons = new Map<string, Person>()
  const devices = new Map<string, Device>()
  const pages = new Map<string, Page>()
  const violations: Violation[] = []
  const counts: Counts = { kills: 0, pauses: 0, faults: 0, turns: 0 }
  const roles = new Map<Pid, { readonly parts: readonly unknown[]; readonly text: string }>()
  const byUrl = new Map<string, SimProcess>()
  const lostDisks = new Map<Pid, number>()
  let isDiskLost = false
  let isParted = false

  const note = (text: string): void => {
    trace.line(schedule.nowMs, text)
    options.onEvent?.(schedule.nowMs, text)
  }
  const violate = (who: string, error: unknown): void => {
    const message = error instanceof Error ? `${error.name}: ${error.message}\n${error.stack?.split('\n').slice(1, 8).join('\n') ?? ''}` : String(error)
    violations.push({ atMs: schedule.nowMs, who, message })
    note(`VIOLATION ${who} ${message.split('\n')[0]}`)
  }

  const history = createHistory((operation: Operation) => {
    const { deed, device, outcome, status, code, answeredBy, storedOn } = operation
    options.watch?.onOperation(operation)
    if (deed.kind === 'mark' || deed.kind === 'draft') return trace.line(schedule.nowMs, `${device} ${describeDeed(deed)}: ${outcome}`)
    const detail = [status === 0 ? '' : status, code, answeredBy === null ? '' : `by ${answeredBy}`, storedOn.length > 0 ? `stored on ${storedOn.join(' ')}` : '']
    note(`${device} ${describeDeed(deed)}: ${outcome} ${detail.filter(part => part !== '').join(' ')}`.trimEnd())
  })

  // ---- nodes

  const watchRole = (process: SimProcess): void => {
    const { status, exit, state } = process
    const parts = [status, exit, state?.phase, state?.coordinator.role, state?.coordinator.epoch, state?.members.view]
    const known = roles.get(process.pid)
    // Nearly every turn leaves all of them as they were: no words are made for it.
    if (known !== undefined && parts.every((part, index) => part === known.parts[index])) return
    const text = describeRole(process)
    roles.set(process.pid, { parts, text })
    if (text !== known?.text) note(`${process.place} ${text}`)
  }

  const onTurn = (process: SimProcess): void => {
    counts.turns += 1
    watchRole(process)
    options.watch?.onTurn(process)
    world.operator.onTurn(process)
    const { state } = process
    if (state === null) return
    // Only who coordinates can have come to share an epoch in this turn.
    const running = state.coordinator.role !== 'coordinating' ? [] : processes.flatMap(other => (other.status !== 'running' || other.state === null ? [] : [other.state]))
    const broken = checkNode(state) ?? checkCluster(running) ?? (counts.turns % DEEP_CHECK_TURNS === 0 ? checkNodeDeeply(state) : null)
    if (broken !== null) violate(process.place, broken)
  }

  const onTrap = (process: SimProcess, moment: string): void => {
    counts.kills += 1
    if (moment === 'after-stored-answer') loseDisk(process)
  }

  const loseDisk = (process: SimProcess): void => {
    isDiskLost = true
    lostDisks.set(process.pid, schedule.nowMs)
    note(`${process.place} loses its disk`)
    options.watch?.onDiskLost(process)
  }

  const pids = Array.from({ length: options.nodes }, (_, pid) => pid as Pid)
  const peers = new Map(pids.map(pid => [pid, urlOf(pid)]))
  const skews = random.fork('skew')
  const addProcess = (pid: Pid): SimProcess => {
    const config: Config = { ...DEFAULTS, rateLimits: false, pid, peers, url: urlOf(pid), clusterId: hashText('secret'), version: '1.0.0', ...options.config }
    assertConfig(config)
    const disk: FakeDisk = createFakeDisk(schedule, random.fork(`disk ${pid}`))
    const skewMs = (options.skewMsMax ?? 0) * (skews.next() * 2 - 1)
    const process = createProcess({ schedule, network, trace, random, disk, config, skewMs, findByUrl: url => byUrl.get(url) ?? null, onTurn, onTrap, mayLoseDisk: () => !world.isDiskLost(), onViolation: ({ place }, error) => violate(place, error), onLog: (node, event, fields) => options.watch?.onLog(node, event, fields) })
    byUrl.set(config.url, process)
    return process
  }
  const processes: SimProcess[] = []
  for (const pid of pids) processes.push(addProcess(pid))

  // ---- people

  const peopleWorld: PeopleWorld = { schedule, network, trace, history, processes, wallMs: () => Math.floor(WORLD_BEGINS_MS + schedule.nowMs) as Millis }
  const personOf = (label: string): Person => {
    const name = label.split('.')[0] ?? label
    const known = persons.get(name)
    if (known !== undefined) return known
    const person: Person = { label: name, password: `password of ${name}`, account: null, name, hasLeft: false }
    persons.set(name, person)
    return person
  }
  const device = (label: string): Device => {
    const known = devices.get(label)
    if (known !== undefined) return known
    const made = createDevice(peopleWorld, personOf(label), label, random.fork('people'))
    devices.set(label, made)
    return made
  }
  const page = (label: string): Page => {
    const known = pages.get(label)
    if (known !== undefined) return known
    const made = createPage({ ...peopleWorld, onViolation: violate }, device(label), random.fork(`people/${label}`))
    pages.set(label, made)
    return made
  }

  // ---- time

  const runUntil = (condition: () => boolean, withinMs: number): boolean => {
    const untilMs = schedule.nowMs + withinMs
    while (!condition()) if (!schedule.runNext(untilMs)) return condition()
    return true
  }

  const world: World = {
    seed: options.seed,
    schedule,
    network,
    trace,
    history,
    random,
    processes,
    persons,
    devices,
    pages,
    violations,
    counts,
    process(pid) {
      const found = processes.find(process => process.pid === pid)
      if (found === undefined) throw new Error(`there is no node ${pid}`)
      return found
    },
    get isParted() {
      return isParted
    },
    set isParted(parted) {
      isParted = parted
    },
    isDiskLost() {
      if (isDiskLost && isSafe(world)) isDiskLost = false
      return isDiskLost
    },
    loseDisk,
    lostDisks,
    operator: createOperator({ schedule, processes, loseDisk, violate }),
    device,
    page,
    run(forMs) {
      const untilMs = schedule.nowMs + forMs
      while (schedule.runNext(untilMs)) if (violations.length > 20) return
    },
    runUntil,
    note,
    violate,
    heal() {
      network.heal()
      for (const process of processes) {
        process.disk.heal()
        process.setTrap(null)
        process.setSnip(null, () => {})
        process.setEcho(false)
        process.resume()
        process.start()
      }
      for (const each of pages.values()) if (!each.device.person.hasLeft) each.goOnline()
    }
  }
  options.watch?.begin(world)
  return world
}

/** What a node is, in words: its phase, its role, whom it sees. */
export const describeRole = (process: SimProcess): string => {
  const { state } = process
  if (state === null || process.status === 'stopped') return process.exit === null || process.exit.code === 0 ? 'is down' : `is down, exit ${process.exit.code}`
  const { role, epoch } = state.coordinator
  const what = role === 'coordinating' ? `coordinates epoch ${epochCounter(epoch)}.${process.pid}` : role === 'claiming' ? 'claims' : 'follows'
  return `${state.phase}, ${what}, sees ${state.members.view.join(' ')}`
}

export const isReady = (process: SimProcess): boolean => process.status === 'running' && process.state?.phase === 'ready'

export const coordinators = (world: World): readonly Pid[] =>
  world.processes.filter(process => process.status === 'running' && process.state?.coordinator.role === 'coordinating').map(({ pid }) => pid)

/** The root digest of a node, or null while it has none. */
export const rootOf = (state: NodeState): string | null => (state.documents.unapplied.size > 0 ? null : digestToHex(state.documents.root))

/** What keeps the cluster from being whole, in words. */
export const describeWhole = (world: World): string =>
  world.processes.map(process => `${process.place} ${describeRole(process)}, digest ${process.state === null ? 'none' : (rootOf(process.state) ?? 'unapplied')}`).join('; ')

/** Every node up, ready and of one content, and one of them coordinating. */
export const isWhole = (world: World): boolean => {
  const roots = new Set(world.processes.map(({ state }) => (state === null ? null : rootOf(state))))
  return world.processes.every(isReady) && roots.size === 1 && !roots.has(null) && coordinators(world).length === 1
}

/** Every node serves, sees all the others, and none lacks what was acknowledged: any one disk may be lost now. */
export const isSafe = (world: World): boolean =>
  world.processes.every(
    process =>
      isReady(process) &&
      process.state?.members.view.length === world.processes.length &&
      process.state.documents.quarantined.size === 0 &&
      [...process.state.peers.values()].every(peer => !peer.excluded && peer.missing.size === 0 && peer.holdsThrough >= peer.mustHold)
  )
