// The world of the small scope: two or three nodes, their links frame by frame, a few faults, two people who want one name.
// Worlds are values: an action makes another one. What may happen next is a list; small-scope.ts takes every way through it.
//
//   deliver 0>1       the next frame or close on that link is taken in, with all that follows at once in that node
//   dial 0>1          a dial gets through, or is refused
//   ask 0 via 1       a person asks for the name (or asks again, by the same id, after an answer that did not come)
//   crash 1 [silent]  kill -9; what it sent last arrives, or is lost with it. Its disk keeps what was committed
//   pause 1 · wake 1  nothing reaches it, nothing is refused
//   cut 0-1           the connection breaks, frames under way are lost, dials are refused
//   isolate 1         nothing passes from or to it, and nothing breaks
//   start 1 · mend    back again; mend opens all paths
//   beat              every frame arrives, then 250 ms pass and every node does what its timers say, and that arrives, too
// In `lives` all that can arrive does after every action, and deliveries are no actions of their own.
//   wait              ten beats: long enough to give up the dead and to find a coordinator

import { type AccountId, type Epoch, type Pid, epochCounter, mintRequestId, requestToAccountId } from '../../crdt-schema/ids.ts'
import { type Frame, type Input, type Local, NAME, type Nodes, type Output, TICK_MS, claimCall } from './scope-nodes.ts'
import { printFrame, rankTags } from './scope-prints.ts'

const TICKS_OF_BEAT = 2
const TICKS_OF_WAIT = 10
const DIAL_TIMEOUT_MS = 3_000
const DELIVERIES_MAX = 20_000

export const PEOPLE: readonly { readonly key: string; readonly account: AccountId }[] = [1, 2].map(n => {
  const key = mintRequestId(new Uint8Array(16).fill(n))
  return { key, account: requestToAccountId(key) }
})

export interface NodeAt {
  readonly status: 'running' | 'paused' | 'down'
  /** Its present run, or its last. */
  readonly local: Local | null
  readonly runs: number
  readonly links: number
}

interface Side {
  readonly pid: Pid
  readonly link: number
  readonly isOpen: boolean
  /** What is on its way to this side. */
  readonly inbox: readonly (Frame | null)[]
}

type Link = readonly [Side, Side]

interface Dial {
  readonly from: Pid
  readonly to: Pid
  readonly sinceMs: number
}

/** What became of a person's wish so far. `lost`: no answer came, or one that says to ask again. */
export interface Wish {
  readonly status: 'none' | 'asked' | 'granted' | 'refused' | 'lost'
  readonly via: number
  readonly view: readonly Pid[]
}

export interface ScopeWorld {
  readonly nowMs: number
  readonly nodes: readonly NodeAt[]
  readonly links: readonly Link[]
  readonly dials: readonly Dial[]
  readonly cuts: readonly string[]
  readonly isolated: readonly Pid[]
  /** Faults of the options that have come. */
  readonly faults: readonly number[]
  readonly asks: number
  readonly times: number
  readonly wishes: readonly Wish[]
  /** Some nodes could not reach others for a while: one name may have been granted on both sides. */
  readonly wasParted: boolean
  /** Epochs coordinated so far, as `epoch by pid in run`. */
  readonly epochs: readonly string[]
  /** A rule that broke in the last action. */
  readonly broken: string | null
}

export interface Action {
  readonly name: string
  readonly at: (world: ScopeWorld) => ScopeWorld
}

export interface ScopeOptions {
  readonly nodes: number
  /** What may go wrong, each as often as it stands here: `crash 0`, `pause 1`, `cut 0-1`, `isolate 2`. */
  readonly faults: readonly string[]
  /** How often the name may be asked for, by both people together. */
  readonly asksMax: number
  /** `lives`: all that is on its way arrives together; `moments`: frame by frame. */
  readonly steps: 'lives' | 'moments'
  /** How often time may pass. */
  readonly timesMax: number
}

type Draft = { -readonly [Key in keyof ScopeWorld]: ScopeWorld[Key] extends readonly (infer Item)[] ? Item[] : ScopeWorld[Key] }

/** Every fault that nodes and links of so many nodes may have. */
export const faultKinds = (nodes: number): string[] => {
  const pids = Array.from({ length: nodes }, (_, pid) => pid)
  const pairs = pids.flatMap(a => pids.filter(b => a < b).map(b => `cut ${a}-${b}`))
  // Of two nodes, either one is isolated when the other is.
  return [...pids.map(pid => `crash ${pid}`), ...pids.map(pid => `pause ${pid}`), ...pairs, ...(nodes === 2 ? ['isolate 0'] : pids.map(pid => `isolate ${pid}`))]
}

export interface Scope {
  readonly options: ScopeOptions
  /** All up, whole and quiet. */
  begin(): ScopeWorld
  actions(world: ScopeWorld): Action[]
  /** All that can arrive does. */
  settle(world: ScopeWorld): ScopeWorld
  /** Every fault is taken back. */
  heal(world: ScopeWorld): ScopeWorld
  ask(world: ScopeWorld, pid: number, call: number, name: string, key: string): ScopeWorld
  /** Time passes, tick by tick, until it holds or `ticksMax` are over. */
  passUntil(world: ScopeWorld, holds: (world: ScopeWorld) => boolean, ticksMax: number): ScopeWorld
  keyOf(world: ScopeWorld): string
}

export const createScope = (nodes: Nodes, options: ScopeOptions): Scope => {
  const pids = Array.from({ length: options.nodes }, (_, pid) => pid as Pid)

  const edit = (world: ScopeWorld, change: (draft: Draft) => void): ScopeWorld => {
    const draft: Draft = { ...world, nodes: [...world.nodes], links: [...world.links], dials: [...world.dials], cuts: [...world.cuts], isolated: [...world.isolated], faults: [...world.faults], wishes: [...world.wishes], epochs: [...world.epochs], broken: null }
    change(draft)
    nodes.rest()
    return draft
  }
  const at = (world: Pick<ScopeWorld, 'nodes'>, pid: Pid): NodeAt => world.nodes[pid] as NodeAt
  const fail = (draft: Draft, words: string): void => void (draft.broken ??= words)

  // ---- turns

  const turn = (draft: Draft, pid: Pid, inputs: readonly Input[]): void => {
    const node = at(draft, pid)
    if (node.status !== 'running' || node.local === null) return
    try {
      const local = nodes.turn(node.local, draft.nowMs, inputs)
      draft.nodes[pid] = { ...node, local }
      take(draft, pid, local)
    } catch (error) {
      fail(draft, `node ${pid} threw: ${error instanceof Error ? error.stack : String(error)}`)
      draft.nodes[pid] = { ...node, status: 'down' }
    }
  }

  const take = (draft: Draft, pid: Pid, local: Local): void => {
    const { seen } = local
    if (seen.broken !== null) fail(draft, `node ${pid}: ${seen.broken}`)
    for (const output of local.outputs) carryOut(draft, pid, output)
    if (seen.role !== 'coordinating') return
    const boot = `${seen.epoch} by ${pid} in run ${at(draft, pid).runs}`
    if (draft.epochs.includes(boot)) return
    if (draft.epochs.some(other => other.startsWith(`${seen.epoch} `))) fail(draft, `epoch ${boot}, after ${draft.epochs.join(', ')}: coordinated twice [COO1]`)
    if (!draft.wasParted && draft.epochs.some(other => Number.parseInt(other) > seen.epoch)) fail(draft, `epoch ${boot}, after ${draft.epochs.join(', ')}: not above all before [COO1]`)
    draft.epochs.push(boot)
    draft.epochs.sort()
  }

  const carryOut = (draft: Draft, pid: Pid, output: Output): void => {
    switch (output.type) {
      case 'frame':
        return send(draft, pid, output.link, output.frame)
      case 'close':
        return close(draft, pid, output.link)
      case 'dial':
        return void draft.dials.push({ from: pid, to: output.pid, sinceMs: draft.nowMs })
      case 'answer':
        return answer(draft, pid, output)
      case 'stop':
        return fail(draft, `node ${pid} ends with code ${output.exitCode}: ${output.text}`)
    }
  }

  const answer = (draft: Draft, pid: Pid, { call, status, code, holders, view }: Extract<Output, { type: 'answer' }>): void => {
    const before = draft.wishes[call]
    if (before === undefined) return // asked for by heal's probes
    const isGranted = status < 300
    draft.wishes[call] = { status: isGranted ? 'granted' : status < 500 && status !== 429 ? 'refused' : 'lost', via: pid, view }
    if (!isGranted) {
      if (code === 'internal-error') fail(draft, `node ${pid} answered ${code}`)
      return
    }
    const { account } = PEOPLE[call] as (typeof PEOPLE)[number]
    for (const holder of [...new Set([pid, ...holders])]) {
      if (!at(draft, holder).local?.seen.claimants.includes(account)) fail(draft, `granted to person ${call} by node ${pid}, which counts node ${holder} as a holder, but its disk has no claim [REP6]`)
    }
    const other = draft.wishes.findIndex((wish, index) => index !== call && wish.status === 'granted')
    const held = draft.wishes[other]
    if (held === undefined) return
    const isApart = !held.view.some(member => view.includes(member)) || held.view.length === 1 || view.length === 1
    if (!draft.wasParted || !isApart) fail(draft, `two owners: granted to person ${other} by node ${held.via} seeing ${held.view.join(' ')}, and to person ${call} by node ${pid} seeing ${view.join(' ')} [COO4]`)
  }

  // ---- links

  const setSide = (draft: Draft, index: number, side: 0 | 1, change: Partial<Side>): void => {
    const link = draft.links[index] as Link
    const next: [Side, Side] = [...link]
    next[side] = { ...link[side], ...change }
    draft.links[index] = next
  }

  const findSide = (draft: Draft, pid: Pid, link: number): [number, 0 | 1] | null => {
    for (const [index, sides] of draft.links.entries()) for (const side of [0, 1] as const) if (sides[side].pid === pid && sides[side].link === link) return [index, side]
    return null
  }

  const put = (draft: Draft, index: number, side: 0 | 1, item: Frame | null): void => {
    const { isOpen, inbox } = (draft.links[index] as Link)[side]
    if (isOpen) setSide(draft, index, side, { inbox: [...inbox, item] })
  }

  const send = (draft: Draft, pid: Pid, link: number, frame: Frame): void => {
    const found = findSide(draft, pid, link)
    if (found === null || !(draft.links[found[0]] as Link)[found[1]].isOpen) return
    put(draft, found[0], found[1] === 0 ? 1 : 0, frame)
  }

  /** This side hears no more; the other gets what was sent before, then the close. */
  const close = (draft: Draft, pid: Pid, link: number): void => {
    const found = findSide(draft, pid, link)
    if (found === null || !(draft.links[found[0]] as Link)[found[1]].isOpen) return
    const [index, side] = found
    setSide(draft, index, side, { isOpen: false, inbox: [] })
    put(draft, index, side === 0 ? 1 : 0, null)
    sweep(draft)
  }

  const sweep = (draft: Draft): void => void (draft.links = draft.links.filter(([a, b]) => a.isOpen || b.isOpen))

  const isPassable = (world: Pick<ScopeWorld, 'isolated' | 'nodes'>, from: Pid, to: Pid): boolean => !world.isolated.includes(from) && !world.isolated.includes(to) && at(world, to).status === 'running'

  const deliver = (draft: Draft, index: number, side: 0 | 1): void => {
    const { pid, link, inbox } = (draft.links[index] as Link)[side]
    const [item, ...rest] = inbox
    if (item === undefined) return
    setSide(draft, index, side, { inbox: rest })
    if (item !== null) return turn(draft, pid, [{ key: `frame ${link} ${item.id}`, event: { type: 'link-frame', link, frame: item.bytes } }])
    setSide(draft, index, side, { isOpen: false, inbox: [] })
    sweep(draft)
    turn(draft, pid, [{ key: `down ${link}`, event: { type: 'link-down', link } }])
  }

  const pairOf = (a: Pid, b: Pid): string => `${Math.min(a, b)}-${Math.max(a, b)}`

  /** What a dial meets now; null: nothing yet. */
  const fateOf = (world: ScopeWorld | Draft, { from, to, sinceMs }: Dial): 'connected' | 'refused' | 'timeout' | null => {
    if (world.nowMs - sinceMs >= DIAL_TIMEOUT_MS) return 'timeout'
    if (world.cuts.includes(pairOf(from, to))) return 'refused'
    if (world.isolated.includes(from) || world.isolated.includes(to) || at(world, to).status === 'paused') return null
    const { status, local } = at(world, to)
    return status === 'down' || local === null || local.seen.identity === null ? 'refused' : 'connected'
  }

  const finishDial = (draft: Draft, dial: Dial): void => {
    const fate = fateOf(draft, dial)
    if (fate === null || at(draft, dial.from).status !== 'running') return
    draft.dials = draft.dials.filter(other => other !== dial)
    const { from, to } = dial
    if (fate !== 'connected') return turn(draft, from, [{ key: `dial ${to} ${fate}`, event: { type: 'dial-failed', pid: to, reason: fate } }])
    const identities = [at(draft, from).local?.seen.identity ?? null, at(draft, to).local?.seen.identity ?? null] as const
    const [here, there] = [openLink(draft, from), openLink(draft, to)]
    draft.links.push([{ pid: from, link: here, isOpen: true, inbox: [] }, { pid: to, link: there, isOpen: true, inbox: [] }])
    for (const [pid, link, peer, dialed] of [[from, here, identities[1], true], [to, there, identities[0], false]] as const) {
      if (peer !== null) turn(draft, pid, [{ key: `up ${link} ${peer.pid} ${peer.boot} ${dialed}`, event: { type: 'link-up', link, peer, dialed } }])
    }
  }

  const openLink = (draft: Draft, pid: Pid): number => {
    const node = at(draft, pid)
    draft.nodes[pid] = { ...node, links: node.links + 1 }
    return node.links + 1
  }

  // ---- time

  const nextDelivery = (world: ScopeWorld | Draft): [number, 0 | 1] | null => {
    for (const [index, link] of world.links.entries()) for (const side of [0, 1] as const) if (isReady(world, link, side)) return [index, side]
    return null
  }
  const isReady = (world: ScopeWorld | Draft, link: Link, side: 0 | 1): boolean => link[side].inbox.length > 0 && isPassable(world, link[side === 0 ? 1 : 0].pid, link[side].pid)

  /** Everything that can arrive does, and all that follows from it. */
  const drain = (draft: Draft): void => {
    for (let count = 0; count < DELIVERIES_MAX; count++) {
      const dial = draft.dials.find(each => at(draft, each.from).status === 'running' && fateOf(draft, each) !== null)
      if (dial !== undefined) {
        finishDial(draft, dial)
        continue
      }
      const next = nextDelivery(draft)
      if (next === null) return
      deliver(draft, ...next)
      // Links take turns.
      if (draft.links.length > 1 && draft.links[next[0]] !== undefined) draft.links.push(...draft.links.splice(next[0], 1))
    }
    fail(draft, 'the nodes never come to rest')
  }

  const tick = (draft: Draft): void => {
    draft.nowMs += TICK_MS
    for (const pid of pids) turn(draft, pid, [{ key: 'tick', event: { type: 'tick' } }])
  }

  const pass = (draft: Draft, ticks: number): void => {
    drain(draft)
    for (let count = 0; count < ticks && draft.broken === null; count++) {
      tick(draft)
      drain(draft)
    }
    draft.links.sort((a, b) => a[0].pid - b[0].pid || a[1].pid - b[1].pid || a[0].link - b[0].link)
  }
  const beat = (draft: Draft): void => pass(draft, TICKS_OF_BEAT)
  const wait = (draft: Draft): void => pass(draft, TICKS_OF_WAIT)

  // ---- nodes

  const startNode = (draft: Draft, pid: Pid): void => {
    const node = at(draft, pid)
    const local = nodes.start(pid, node.local, draft.nowMs, node.runs)
    draft.nodes[pid] = { status: 'running', local, runs: node.runs + 1, links: 0 }
    take(draft, pid, local)
  }

  const crash = (draft: Draft, pid: Pid, how: 'heard' | 'silent'): void => {
    draft.nodes[pid] = { ...at(draft, pid), status: 'down' }
    draft.dials = draft.dials.filter(({ from }) => from !== pid)
    for (const [index, link] of draft.links.entries()) {
      for (const side of [0, 1] as const) {
        if (link[side].pid !== pid || !link[side].isOpen) continue
        const far = side === 0 ? 1 : 0
        setSide(draft, index, side, { isOpen: false, inbox: [] })
        if (how === 'silent') setSide(draft, index, far, { inbox: [] })
        put(draft, index, far, null)
      }
    }
    sweep(draft)
    for (const [call, wish] of draft.wishes.entries()) if (wish.status === 'asked' && wish.via === pid) draft.wishes[call] = { ...wish, status: 'lost' }
  }

  const cut = (draft: Draft, pair: string): void => {
    draft.cuts.push(pair)
    draft.wasParted = true
    for (const [index, link] of draft.links.entries()) {
      if (pairOf(link[0].pid, link[1].pid) !== pair) continue
      for (const side of [0, 1] as const) if (link[side].isOpen) setSide(draft, index, side, { inbox: [null] })
    }
  }

  const ask = (draft: Draft, pid: Pid, call: number, name: string, key: string): void =>
    turn(draft, pid, [{ key: `ask ${call} ${key}`, event: { type: 'request', call, body: claimCall(name), token: null, idempotencyKey: key, address: 'test' } }])

  // ---- what may happen

  const action = (name: string, change: (draft: Draft) => void): Action => ({
    name,
    at: world => edit(world, draft => {
      change(draft)
      if (options.steps === 'lives') drain(draft)
    })
  })
  const passing = (name: string, change: (draft: Draft) => void): Action => action(name, draft => {
    draft.times += 1
    change(draft)
  })

  const deliveries = (world: ScopeWorld): Action[] => [
    ...world.dials.filter(dial => at(world, dial.from).status === 'running' && fateOf(world, dial) !== null).map(dial => action(`dial ${dial.from}>${dial.to}`, draft => finishDial(draft, dial))),
    ...world.links.flatMap((link, index) => ([0, 1] as const).filter(side => isReady(world, link, side)).map(side => action(`deliver ${link[side === 0 ? 1 : 0].pid}>${link[side].pid}`, draft => deliver(draft, index, side))))
  ]

  const asks = (world: ScopeWorld): Action[] =>
    world.asks >= options.asksMax ? [] : PEOPLE.flatMap(({ key }, call) => {
      const { status } = world.wishes[call] as Wish
      // Both people are alike until they have asked.
      if ((status !== 'none' && status !== 'lost') || (call > 0 && world.wishes[call - 1]?.status === 'none')) return []
      // A frozen node finds the question when it wakes: before its timers, and before the frames that wait with it.
      return pids.filter(pid => at(world, pid).status !== 'down').map(pid => action(`${at(world, pid).status === 'paused' ? `wake ${pid}, ` : ''}ask ${call} via ${pid}`, draft => {
        wakeNode(draft, pid)
        draft.asks += 1
        draft.wishes[call] = { status: 'asked', via: pid, view: [] }
        ask(draft, pid, call, NAME, key)
      }))
    })

  /** The faults that may come now; of two alike the first comes first. */
  const faults = (world: ScopeWorld): Action[] =>
    options.faults.flatMap((name, index) => (world.faults.includes(index) || options.faults.some((other, before) => other === name && before < index && !world.faults.includes(before)) ? [] : faultsOf(world, name, index)))

  const faultsOf = (world: ScopeWorld, name: string, index: number): Action[] => {
    const [kind = '', where = ''] = name.split(' ')
    const pid = Number(where) as Pid
    const fault = (label: string, change: (draft: Draft) => void): Action => action(label, draft => {
      draft.faults.push(index)
      draft.faults.sort()
      change(draft)
    })
    switch (kind) {
      case 'crash': {
        const hasSent = world.links.some(([a, b]) => (a.pid === pid && b.inbox.length > 0) || (b.pid === pid && a.inbox.length > 0))
        const ways = [fault(name, draft => crash(draft, pid, 'heard')), ...(hasSent ? [fault(`${name} silent`, draft => crash(draft, pid, 'silent'))] : [])]
        return at(world, pid).status === 'down' ? [] : ways
      }
      case 'pause':
        return at(world, pid).status === 'running' ? [fault(name, draft => void (draft.nodes[pid] = { ...at(draft, pid), status: 'paused' }))] : []
      case 'cut':
        return world.cuts.includes(where) ? [] : [fault(name, draft => cut(draft, where))]
      case 'isolate':
        return world.isolated.includes(pid) ? [] : [fault(name, draft => {
          draft.isolated.push(pid)
          draft.isolated.sort()
          draft.wasParted = true
        })]
      default:
        throw new Error(`no fault is called ${name}`)
    }
  }

  const wakeNode = (draft: Draft, pid: Pid): void => void (draft.nodes[pid] = { ...at(draft, pid), status: 'running' })
  const mend = (draft: Draft): void => {
    draft.cuts = []
    draft.isolated = []
  }

  const returns = (world: ScopeWorld): Action[] => [
    ...pids.filter(pid => at(world, pid).status === 'down').map(pid => action(`start ${pid}`, draft => startNode(draft, pid))),
    ...pids.filter(pid => at(world, pid).status === 'paused').flatMap(pid => [
      action(`wake ${pid}`, draft => wakeNode(draft, pid)),
      action(`wake ${pid} to its timers`, draft => {
        wakeNode(draft, pid)
        turn(draft, pid, [{ key: 'tick', event: { type: 'tick' } }])
      })
    ]),
    ...(world.cuts.length + world.isolated.length > 0 ? [action('mend', mend)] : [])
  ]

  return {
    options,
    begin() {
      const none: Wish = { status: 'none', via: -1, view: [] }
      const empty: ScopeWorld = {
        nowMs: 1_000, nodes: pids.map(() => ({ status: 'down', local: null, runs: 0, links: 0 })), links: [], dials: [], cuts: [], isolated: [], faults: [], asks: 0, times: 0,
        wishes: PEOPLE.map(() => none), wasParted: false, epochs: [], broken: null
      }
      return edit(empty, draft => {
        for (const pid of pids) startNode(draft, pid)
        wait(draft)
        wait(draft)
      })
    },
    actions: world => [
      ...(options.steps === 'moments' ? deliveries(world) : []),
      ...asks(world),
      ...faults(world),
      ...returns(world),
      ...(world.times < options.timesMax ? [passing('beat', beat), passing('wait', wait)] : [])
    ],
    settle: world => edit(world, drain),
    heal: world => edit(world, draft => {
      mend(draft)
      for (const pid of pids) {
        if (at(draft, pid).status === 'paused') wakeNode(draft, pid)
        if (at(draft, pid).status === 'down') startNode(draft, pid)
      }
    }),
    ask: (world, pid, call, name, key) => edit(world, draft => ask(draft, pid as Pid, call, name, key)),
    passUntil: (world, holds, ticksMax) => edit(world, draft => {
      for (let count = 0; count < ticksMax && draft.broken === null && !holds(draft as ScopeWorld); count++) pass(draft, 1)
    }),
    keyOf: world => {
      const node = ({ status, local }: NodeAt): string => (local === null ? '' : status === 'down' ? nodes.diskPrintOf(local) : nodes.printOf(local, world.nowMs))
      const link = (sides: Link): string => sides.map(({ pid, link: number, isOpen, inbox }, side) => `${pid}${isOpen ? '' : 'x'}:${inbox.map(item => printItem(item, (sides[side === 0 ? 1 : 0] as Side).pid, pid, world.nowMs)).join()}`).join('-')
      const key = rankTags([...world.nodes.map(node), ...world.links.map(link).sort(), ...world.dials.map(({ from, to, sinceMs }) => `${from}${to}${world.nowMs - sinceMs}`).sort(), ruleOf(world)].join('\n'))
      nodes.rest()
      return key
    }
  }

  /** What faults and wishes there were, and what the checks remember. */
  function ruleOf(world: ScopeWorld): string {
    const promised = Math.min(...world.nodes.map(({ local }) => local?.seen.promised ?? 0))
    const epochs = world.epochs.filter(text => Number.parseInt(text) >= promised).map(text => text.replace(/^\d+/, epoch => `§c:${epochCounter(Number(epoch) as Epoch)}§`))
    const wishes = world.wishes.map(({ status, via, view }) => (status === 'asked' ? `${status} ${via}` : status === 'granted' ? `${status} ${view.join(' ')}` : status))
    return [
      world.nodes.map(({ status }) => status).join(), world.cuts.join(), world.isolated.join(), world.faults.join(), world.asks, options.timesMax === Infinity ? '' : world.times,
      wishes.join(), world.wasParted, epochs.join()
    ].join('/')
  }
}

const printItem = (item: Frame | null, from: Pid, to: Pid, nowMs: number): string => (item === null ? 'close' : printFrame(item.bytes, from, to, nowMs))
