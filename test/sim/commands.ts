// What the lines of a scenario do to the world, faults and people alike. The words are listed in scenario.ts.

import type { DraftId, MessageId, Pid } from '../../crdt-schema/ids.ts'
import { type World, isSafe } from './cluster.ts'
import type { Operation } from './history.ts'
import type { Page } from './pages.ts'
import type { Place } from './network.ts'
import type { Device, Person } from './people.ts'
import type { SimProcess } from './process.ts'
import type { Moment } from './traps.ts'
import { createReads } from './reads.ts'
import { ScenarioError, parseDuration, toPid } from './words.ts'

export interface Commands {
  run(line: string): void
  /** Messages by their text. */
  readonly texts: ReadonlyMap<string, MessageId>
}

const NODE_WORDS = ['start', 'kill', 'power-off', 'pause', 'resume', 'drain', 'wipe', 'snapshot', 'restore', 'restart']
const DRAFT_VERBS = ['edits', 'discards', 'sends-draft']
const PATH_WORDS = ['cut', 'stall', 'open', 'delay', 'blip', 'flap']

export const createCommands = (world: World): Commands => {
  const texts = new Map<string, MessageId>()
  const sends = new Map<string, Operation>()
  const drafts = new Map<string, { readonly id: DraftId; text: string; readonly to: readonly Person[] }>()

  const snapshots = new Set<Pid>()
  const reads = createReads(world)

  // ---- faults

  const processesOf = (words: readonly string[]): readonly SimProcess[] => (words[0] === 'all' ? world.processes : words.map(word => world.process(toPid(word))))

  const runNodeWord = (word: string, process: SimProcess): void => {
    switch (word) {
      case 'start':
        return process.start()
      case 'kill':
        world.counts.kills += process.status === 'stopped' ? 0 : 1
        return process.kill('process')
      case 'power-off':
        world.counts.kills += process.status === 'stopped' ? 0 : 1
        return process.kill('no-power')
      case 'restart':
        process.kill('process')
        return process.start()
      case 'pause':
        world.counts.pauses += process.status === 'running' ? 1 : 0
        return process.pause()
      case 'resume':
        return process.resume()
      case 'drain':
        return process.drain()
      case 'wipe':
        world.loseDisk(process)
        return process.disk.wipe()
      case 'snapshot':
        snapshots.add(process.pid)
        return process.disk.takeSnapshot()
      default:
        world.loseDisk(process)
        return process.disk.restoreSnapshot()
    }
  }

  const pathsOf = (text: string): [string, string][] => {
    const match = /^(\d+)([->])(\d+)$/.exec(text)
    if (match === null) throw new ScenarioError(`${text} is no path`)
    const from = world.process(toPid(match[1])).place
    const to = world.process(toPid(match[3])).place
    return match[2] === '>' ? [[from, to]] : [[from, to], [to, from]]
  }

  /** How often all was healed: a flap that began before ends then. */
  let heals = 0

  const blip = (from: Place, to: Place, forMs: number, since = heals): void => {
    if (since !== heals) return
    world.network.setPath(from, to, 'cut')
    world.schedule.after(forMs, () => world.network.setPath(from, to, 'open'))
  }

  const runPathWord = (word: string, path: string, duration: string | undefined, wholeDuration: string | undefined): void => {
    world.counts.faults += word === 'open' || duration === '0ms' ? 0 : 1
    for (const [from, to] of pathsOf(path)) {
      if (word === 'delay') world.network.setDelay(from, to, parseDuration(duration))
      else if (word === 'blip') blip(from, to, parseDuration(duration))
      else if (word === 'flap') {
        const everyMs = parseDuration(duration)
        const since = heals
        const flapOnce = (): void => blip(from, to, everyMs, since)
        for (let afterMs = 0; afterMs < parseDuration(wholeDuration); afterMs += 2 * everyMs) world.schedule.after(afterMs, flapOnce)
      } else world.network.setPath(from, to, word === 'cut' || word === 'stall' ? word : 'open')
    }
  }

  /** `ring 0 2 1 3`: only neighbours hear each other; three nodes stand in a line. */
  const ring = (words: readonly string[]): void => {
    world.counts.faults += 1
    const places = words.map(word => world.process(toPid(word)).place)
    for (const [index, from] of places.entries()) {
      for (const [other, to] of places.entries()) {
        const distance = Math.abs(index - other)
        if (distance > 1 && (places.length === 3 || distance < places.length - 1)) world.network.setPath(from, to, 'stall')
      }
    }
  }

  /** Every node hears every other one again. */
  const rejoin = (): void => {
    for (const { place } of world.processes) for (const other of world.processes) if (other.place !== place) world.network.setPath(place, other.place, 'open')
  }

  /** `shake 0`: all connections of people to a node are reset, once. */
  const shake = (process: SimProcess): void => {
    world.counts.faults += 1
    for (const { place } of world.devices.values()) blip(place, process.place, SNIP_MS)
  }

  /** `snip 0 diff 2`: the connection on which node 0 sends its third diff from now is cut behind it. */
  const setSnip = (process: SimProcess, messageType: string, count: string | undefined): void => {
    world.counts.faults += 1
    process.setSnip({ moment: 'after-send', messageType, count: Number(count ?? 0) }, to => {
      const { place } = world.process(to)
      blip(process.place, place, SNIP_MS)
      blip(place, process.place, SNIP_MS)
    })
  }

  /** `split 0 1 | 2`: nothing passes between the groups. */
  const split = (text: string): void => {
    world.counts.faults += 1
    const groups = text.split('|').map(group => group.trim().split(/\s+/).map(word => world.process(toPid(word)).place))
    for (const [index, group] of groups.entries()) {
      for (const other of groups.filter((_, at) => at !== index).flat()) for (const place of group) world.network.setPath(place, other, 'stall')
    }
  }

  /** `isolate 0`: a split with one node on its side. */
  const isolate = (pid: string | undefined, fault: 'stall' | 'open'): void => {
    world.counts.faults += fault === 'stall' ? 1 : 0
    const { place } = world.process(toPid(pid))
    for (const other of world.processes) {
      if (other.place === place) continue
      world.network.setPath(place, other.place, fault)
      world.network.setPath(other.place, place, fault)
    }
  }

  // ---- lost disks: only when all that was acknowledged is on the other nodes too, since nothing is promised to a cluster
  // whose only copy is lost. So the next one waits until every node is in step again.

  /** A node's disk comes to grief while it is down: `damage` says whether there was anything to lose. */
  const ruin = (process: SimProcess, damage: () => boolean): boolean => {
    if (!isSafe(world) || world.isDiskLost()) return false
    world.counts.kills += 1
    process.kill('process')
    if (damage()) world.loseDisk(process)
    return true
  }

  const wipeOut = (process: SimProcess): void =>
    void ruin(process, () => {
      process.disk.wipe()
      return true
    })

  const putBack = (process: SimProcess): boolean =>
    snapshots.has(process.pid) &&
    ruin(process, () => {
      process.disk.restoreSnapshot()
      return true
    })

  /**
   * A copy from before a loss has an id that was removed since. Where nodes go on alone it starts at once, among others who tell it so:
   * what its node would acknowledge alone before it hears that goes with its directory, and nothing more was promised [REP7].
   */
  const setBack = (process: SimProcess): void => {
    const mayServeAlone = process.state?.config.aloneMs !== null
    if (putBack(process) && process.disk.isCopyOutlived && mayServeAlone) process.start()
  }

  /** An old copy of a node's directory is put back, and it starts on its own side, unless its id was removed. */
  const rollBack = (process: SimProcess): void => {
    if (!putBack(process)) return
    if (!process.disk.isCopyOutlived) isolate(String(process.pid), 'stall')
    process.start()
  }

  /** A bit of a running node's disk flips. It may lie unseen for long, so it is only ever the disk of one node in a run. */
  let flipped: Pid | null = null
  const flip = (process: SimProcess): void => {
    if (!isSafe(world) || world.isDiskLost() || (flipped !== null && flipped !== process.pid)) return
    const what = process.disk.flipAny()
    if (what === null) return
    flipped = process.pid
    world.counts.faults += 1
    world.loseDisk(process)
    world.note(`${process.place} has a flipped bit in ${what}`)
  }

  const setDisk = ([pid, fault, duration]: readonly string[]): void => {
    world.counts.faults += 1
    const { disk } = world.process(toPid(pid))
    if (fault === 'slow') disk.setSlow(parseDuration(duration))
    else if (fault === 'full' || fault === 'broken') disk.fail(fault === 'full' ? 'ENOSPC' : 'EIO')
    else disk.heal()
  }

  const setTrap = ([pid, moment = '', ...rest]: readonly string[]): void => {
    const count = Number(rest.find(word => /^\d+$/.test(word)) ?? 0)
    world.process(toPid(pid)).setTrap({ moment: moment as Moment, messageType: rest.find(word => !/^\d+$/.test(word)) ?? '', count })
  }

  // ---- people

  const personOf = (label: string): Person => world.device(label).person

  const remember = (text: string, operation: Operation | null): void => {
    if (operation === null || operation.deed.kind !== 'send') return
    texts.set(text, operation.deed.message)
    sends.set(text, operation)
  }

  const runPerson = (device: Device, verb: string, args: readonly string[], text: string): void => {
    const to = (args.includes('to') ? args.slice(args.indexOf('to') + 1) : []).map(personOf)
    // A message that nobody sent yet is nobody's to change: fuzz plans ask for such things.
    const id = texts.get(text)
    const before = sends.get(text)
    switch (verb) {
      case 'signs-up':
        return void device.signUp(args[0] === 'as' ? (args[1] ?? device.person.name) : device.person.name)
      case 'signs-in':
        return void device.signIn(args.includes('taking-over'))
      case 'signs-out':
        return void device.signOut()
      case 'leaves':
        return void device.leave()
      case 'sends':
        return remember(text, device.send(text, to))
      case 'repeats':
        return void (before !== undefined && device.repeatSend(before))
      case 'opens':
        return void device.open(Number(args[0] ?? 1))
      case 'deletes':
      case 'checks':
        return void (id !== undefined && device.mark(id, verb === 'deletes' ? 'deleted' : 'checked'))
      case 'recalls':
        return void (id !== undefined && device.recall(id))
      case 'reads':
        return reads.read(device)
      default:
        return runPage(world.page(device.label), verb, args, text, to)
    }
  }

  const runPage = (page: Page, verb: string, args: readonly string[], text: string, to: readonly Person[]): void => {
    const name = args[0] ?? ''
    switch (verb) {
      case 'attaches':
      case 'goes-online':
        return page.goOnline()
      case 'goes-offline':
        return page.goOffline()
      case 'reloads':
        return page.reload()
      case 'opens-all':
        return page.openAll()
      case 'drafts': {
        const id = page.writeDraft(text, to)
        if (id !== null) drafts.set(name, { id, text, to })
        return
      }
    }
    const draft = drafts.get(name)
    if (!DRAFT_VERBS.includes(verb)) throw new ScenarioError(`${verb} is nothing that anybody does`)
    if (draft === undefined) return
    if (verb === 'edits') page.editDraft(draft.id, text)
    else if (verb === 'discards') page.discardDraft(draft.id)
    else remember(name, page.sendDraft(draft.id))
  }

  const run = (line: string): void => {
    const text = /"([^"]*)"/.exec(line)?.[1] ?? ''
    const words = line.replace(/"[^"]*"/, '').split(/\s+/).filter(word => word !== '')
    const [first = '', ...rest] = words
    if (NODE_WORDS.includes(first)) return processesOf(rest).forEach(process => runNodeWord(first, process))
    if (PATH_WORDS.includes(first)) return runPathWord(first, rest[0] ?? '', rest[1], rest[2])
    if (first === 'ring') return ring(rest)
    if (first === 'rejoin') return rejoin()
    if (first === 'shake') return shake(world.process(toPid(rest[0])))
    if (first === 'snip') return setSnip(world.process(toPid(rest[0])), rest[1] ?? '', rest[2])
    if (first === 'echo') return world.process(toPid(rest[0])).setEcho(rest[1] === 'on')
    if (first === 'wipe-out') return wipeOut(world.process(toPid(rest[0])))
    if (first === 'set-back') return setBack(world.process(toPid(rest[0])))
    if (first === 'flip') return flip(world.process(toPid(rest[0])))
    if (first === 'split') return split(rest.join(' '))
    if (first === 'isolate' || first === 'unite') return isolate(rest[0], first === 'isolate' ? 'stall' : 'open')
    if (first === 'roll-back') return rollBack(world.process(toPid(rest[0])))
    if (first === 'parted') return void (world.isParted = true)
    if (first === 'operated') return world.operator.begin()
    if (first === 'disk') return setDisk(rest)
    if (first === 'trap') return setTrap(rest)
    if (first === 'lose-disk') return loseDisk(world.process(toPid(rest[0])))
    if (first === 'jump') return world.process(toPid(rest[0])).clock.jump(parseDuration(rest[1]))
    if (first === 'heal') {
      heals++
      return world.heal()
    }
    const device = world.device(first)
    const via = rest.indexOf('via')
    if (via >= 0) {
      device.home = toPid(rest[via + 1])
      if (world.pages.has(first) || rest[0] === 'attaches') world.page(first).moveTo(device.home)
    }
    runPerson(device, rest[0] ?? '', via >= 0 ? rest.slice(1, via) : rest.slice(1), text)
  }

  return { run, texts }
}

const SNIP_MS = 20

/**
 * A machine that burns down just after it said "stored" on two nodes or more: what it said must hold without it.
 * Only one disk at a time: nothing is promised beyond that, so the next one waits until all was whole again.
 */
const loseDisk = (process: SimProcess): void => process.setTrap({ moment: 'after-stored-answer', messageType: '', count: 0 })
