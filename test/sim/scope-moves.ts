// How the world of the small scope moves: turns of nodes and what they put out, links frame by frame, time, crashes. Each move changes a
// draft of a world; what may be done when is in scope-world.ts.

import { type AccountId, type Pid, mintRequestId, requestToAccountId } from '../../crdt-schema/ids.ts'
import { decodePeerFrame, decodePeerMessage } from '../../crdt-schema/peer-wire.ts'
import { type Frame, type Input, type Local, NAME, type Nodes, type Output, TICK_MS, claimCall } from './scope-nodes.ts'

const TICKS_OF_BEAT = 2
const TICKS_OF_WAIT = 10
const DIAL_TIMEOUT_MS = 3_000
const DELIVERIES_MAX = 20_000
/** Number of a call that only looks. */
const LOOK_UP = 1_000

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

export interface Side {
  readonly pid: Pid
  readonly link: number
  readonly isOpen: boolean
  /** What is on its way to this side. */
  readonly inbox: readonly (Frame | null)[]
}

export type Link = readonly [Side, Side]

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

export type Draft = { -readonly [Key in keyof ScopeWorld]: ScopeWorld[Key] extends readonly (infer Item)[] ? Item[] : ScopeWorld[Key] }

/** What a node dies before sending, or has just sent: the steps of a grant, a claim, a catch-up. Other frames come again by themselves. */
const TELLING: ReadonlySet<string> = new Set(['push', 'settled', 'claim', 'promise', 'prepare', 'prepared', 'resolved', 'ask', 'reply', 'rows', 'diff', 'pull-end'])

const isTelling = ({ bytes }: Frame): boolean => {
  const messages = decodePeerFrame(bytes)
  return messages.ok && messages.value.some(each => {
    const message = decodePeerMessage(each)
    return message.ok && TELLING.has(message.value.type)
  })
}

export const createMoves = (nodes: Nodes, count: number) => {
  const pids = Array.from({ length: count }, (_, pid) => pid as Pid)

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

  /** Who dies in this action, before it sends so many telling frames and one more. */
  let doomed: { readonly pid: Pid; left: number } | null = null

  /** Makes a change in which a node dies at such a moment; false if it never came to that. */
  const doom = (draft: Draft, pid: Pid, left: number, change: () => void): boolean => {
    doomed = { pid, left }
    try {
      change()
      return doomed === null
    } finally {
      doomed = null
    }
  }

  const isDoomed = (pid: Pid, frame: Frame): boolean => {
    if (doomed?.pid !== pid || !isTelling(frame) || doomed.left-- > 0) return false
    doomed = null
    return true
  }

  const carryOut = (draft: Draft, pid: Pid, output: Output): void => {
    if (at(draft, pid).status === 'down') return // it died before this came
    switch (output.type) {
      case 'frame':
        if (isDoomed(pid, output.frame)) return crash(draft, pid, 'heard')
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

  const answer = (draft: Draft, pid: Pid, { call, status, code, body, holders, view }: Extract<Output, { type: 'answer' }>): void => {
    if (call === LOOK_UP) lookedUp = body
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

  // ---- reads

  let lookedUp: unknown = null

  /**
   * Who now says that the name is free, although it was granted: whatever a running or waking node answers must hold what was
   * acknowledged before, unless nodes were parted. Only who lacks the claim is asked.
   */
  const findStaleAnswer = (draft: Draft): string | null => {
    const granted = draft.wishes.findIndex(({ status }) => status === 'granted')
    const account = PEOPLE[granted]?.account
    if (account === undefined || draft.wasParted) return null
    for (const pid of pids) {
      const { status, local } = at(draft, pid)
      if (status === 'down' || local === null || local.seen.claimants.includes(account)) continue
      const copy: Draft = { ...draft, nodes: [...draft.nodes], links: [...draft.links], dials: [...draft.dials], wishes: [...draft.wishes], epochs: [...draft.epochs] }
      copy.nodes[pid] = { ...at(copy, pid), status: 'running' }
      lookedUp = null
      turn(copy, pid, [{ key: 'look up', event: { type: 'request', call: LOOK_UP, body: { type: 'look-up-name', name: NAME }, token: null, idempotencyKey: null, address: 'test' } }])
      if ((lookedUp as { readonly exists?: boolean } | null)?.exists === false) return `node ${pid} says that nobody has the name, which was granted to person ${granted} [LIV3, RDY1]`
    }
    return null
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

  return { pids, at, turn, doom, findStaleAnswer, pairOf, isReady, fateOf, finishDial, deliver, drain, beat, wait, pass, startNode, crash, cut, ask }
}
