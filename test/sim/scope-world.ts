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
// In `lives` all that can arrive does after every action, deliveries are no actions of their own, and each action is there once more
// for every telling frame before which a node may die in it.
//   wait              ten beats: long enough to give up the dead and to find a coordinator

import { type Epoch, type Pid, epochCounter } from '../../crdt-schema/ids.ts'
import { type Draft, type Link, type NodeAt, PEOPLE, type ScopeWorld, type Side, type Wish, createMoves } from './scope-moves.ts'
import { type Frame, NAME, type Nodes } from './scope-nodes.ts'
import { printFrame, rankTags } from './scope-prints.ts'

export { PEOPLE, type ScopeWorld } from './scope-moves.ts'

/** More telling frames than a node sends in one action. */
const DEATHS_MAX = 40

export interface Action {
  readonly name: string
  readonly change: (draft: Draft) => void
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
  /** The same action once more for each telling frame before which a node may die in it, in `lives`; in `moments` a crash is a step of its own. */
  deaths(world: ScopeWorld, action: Action): Action[]
  /** Who says that the name is free, although it was granted; null: nobody. */
  findStaleAnswer(world: ScopeWorld): string | null
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
  const { pids, at, turn, doom, findStaleAnswer, pairOf, isReady, fateOf, finishDial, deliver, drain, beat, wait, pass, startNode, crash, cut, ask } = createMoves(nodes, options.nodes)

  const edit = (world: ScopeWorld, change: (draft: Draft) => void): ScopeWorld => {
    const draft: Draft = { ...world, nodes: [...world.nodes], links: [...world.links], dials: [...world.dials], cuts: [...world.cuts], isolated: [...world.isolated], faults: [...world.faults], wishes: [...world.wishes], epochs: [...world.epochs], broken: null }
    change(draft)
    nodes.rest()
    return draft
  }
  // ---- what may happen

  const action = (name: string, change: (draft: Draft) => void): Action => ({
    name,
    change,
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

  const deaths = (world: ScopeWorld, { name, change }: Action): Action[] => {
    if (options.steps !== 'lives') return []
    return options.faults.flatMap((fault, index) => {
      const [kind, where] = fault.split(' ')
      const pid = Number(where) as Pid
      if (kind !== 'crash' || world.faults.includes(index) || name.startsWith('crash') || (options.faults.indexOf(fault) < index && !world.faults.includes(options.faults.indexOf(fault)))) return []
      const found: Action[] = []
      for (let left = 0; left < DEATHS_MAX; left++) {
        let isDead = false
        const dying = (draft: Draft): void => {
          isDead = doom(draft, pid, left, () => {
            change(draft)
            drain(draft)
          })
          draft.faults.push(index)
          draft.faults.sort()
        }
        const to = edit(world, dying)
        if (!isDead) break
        found.push({ name: `${name} and crash ${pid} before its frame ${left}`, change: dying, at: () => to })
      }
      return found
    })
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
    deaths,
    findStaleAnswer(world) {
      let stale: string | null = null
      edit(world, draft => void (stale = findStaleAnswer(draft)))
      return stale
    },
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
