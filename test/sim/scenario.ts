// Scenarios: a small language of lines that drives the world, and the transcript of what came of them. Fuzz plans are
// written in it too, so a failing seed can be kept as a file and read by a person. A line is one command:
//
//   nodes 3 [skew 2s] [aloneMs 3s]                     first line: how many nodes, their settings
//   start|kill|power-off|pause|resume|drain 0 2 …      or `all`; wipe 0 takes the disk of a stopped node
//   snapshot 0 · restore 0                             copy of a disk taken, and put back into a stopped node
//   disk 0 slow 800ms | full | broken | ok             the disk's faults
//   cut|stall 0-1 · stall 0>1 · delay 0>1 200ms · open 0-1 · blip 0-1 20ms · split 0 1 | 2
//   flap 0-1 200ms 5s · ring 0 2 1 · rejoin            up and down for 5 s; only neighbours hear each other; all paths open
//   isolate 0 · unite 0 · parted                       one node on its own side; parted: reads may be behind
//   snip 0 diff 2 · shake 0 · echo 0 on|off            cut behind its third diff; people's connections reset; frames repeated
//   lose-disk 0                                        its machine burns down after its next "stored on 2 or more"
//   wipe-out 0 · set-back 0 · flip 0                   its disk is lost, or is its last snapshot, or has a flipped bit, if all
//   roll-back 0                                        others hold everything; set-back and then start on its own side
//   operated                                           whoever runs a node that is refused does what its last words say
//   jump 0 +3600s                                      the wall clock
//   trap 0 before-send prepare [2]                     dies at such a moment, after letting 2 pass
//   heal                                               no faults, everything runs
//   ana signs-up [as Name] [via 0] · signs-in · signs-out · leaves
//   ana sends "text" to ben cleo [via 1] · repeats "text" [via 2] · opens 3 · deletes|checks "text" · recalls "text" · reads
//   ana.phone attaches [via 1] · goes-offline · goes-online · reloads · opens-all
//   ana.phone drafts d1 "text" to ben · edits d1 "more" · sends-draft d1 · discards d1
//   run 2s
//   expect … [within 4s]                               see `conditions`

import { type Pid, nameToKey } from '../../crdt-schema/ids.ts'
import type { Config } from '../../node/core/config.ts'
import { checkStableComponent } from '../../node/core/invariants.ts'
import { canonicalJson, checkWorld, countMessages, findUndrained, readContents } from './checkers.ts'
import { type Watch, type World, coordinators, createWorld, describeRole, describeWhole, isReady, isWhole } from './cluster.ts'
import { type Commands, createCommands } from './commands.ts'
import { ScenarioError, parseDuration, toPid } from './words.ts'

export interface ScenarioResult {
  readonly world: World
  /** What failed, in words; empty if all is well. */
  readonly findings: readonly string[]
  readonly transcript: readonly string[]
  /** The lines that ran: all of them, or up to the one that failed. */
  readonly ran: readonly string[]
}

export interface ScenarioOptions {
  readonly seed: string
  readonly watch?: Watch
  /** Told of every line before it runs. */
  readonly onLine?: (world: World, line: string) => void
}

/**
 * The variants of a scenario: a line `with a b = 0 1 | 1 0` before the first gives one text for each choice, its values in
 * place of $a and $b; without such a line there is one. A last variable takes all words that are left.
 */
export const expandScenario = (text: string): { readonly variant: string; readonly text: string }[] => {
  const match = /^with ([^=]+)=(.*)$/m.exec(text)
  if (match === null) return [{ variant: '', text }]
  const names = (match[1] ?? '').trim().split(/\s+/)
  return (match[2] ?? '').split('|').map(choice => {
    const values = choice.trim().split(/\s+/)
    const valueOf = (index: number): string => (index === names.length - 1 ? values.slice(index).join(' ') : (values[index] ?? ''))
    const filled = names.reduce((lines, name, index) => lines.replaceAll(`$${name}`, valueOf(index)), text.replace(match[0], ''))
    return { variant: choice.trim(), text: filled }
  })
}

/** Runs a scenario from its text; stops at the first expectation that does not hold and at the first broken rule. */
export const runScenario = (text: string, { seed, onLine, watch }: ScenarioOptions): ScenarioResult => {
  const lines = text.split('\n').map(line => line.replace(/#.*$/, '').trim()).filter(line => line !== '')
  const transcript: string[] = []
  const findings: string[] = []
  const [first = '', ...rest] = lines
  const world = createWorld({ seed, ...parseNodesLine(first), ...(watch === undefined ? {} : { watch }), onEvent: (atMs, event) => transcript.push(`  ${(atMs / 1000).toFixed(1).padStart(5)}  ${event}`) })
  const commands = createCommands(world)
  const ran = [first]
  transcript.push(first)
  for (const line of rest) {
    ran.push(line)
    transcript.push(line)
    onLine?.(world, line)
    try {
      const finding = runLine(world, commands, line)
      if (finding !== null) findings.push(...finding.map(words => `${line}: ${words}`))
    } catch (error) {
      if (!(error instanceof ScenarioError)) throw error
      findings.push(`${line}: ${error.message}`)
    }
    findings.push(...world.violations.splice(0).map(({ atMs, who, message }) => `${(atMs / 1000).toFixed(4)} ${who}: ${message}`))
    if (findings.length > 0) break
  }
  transcript.push(...findings.map(finding => `FAILED ${finding}`))
  return { world, findings, transcript, ran }
}

const parseNodesLine = (line: string): { readonly nodes: number; readonly skewMsMax: number; readonly config: Partial<Config> } => {
  const [word, count, ...settings] = line.split(/\s+/)
  if (word !== 'nodes') throw new ScenarioError('a scenario starts with `nodes N`')
  let skewMsMax = 0
  const config: Record<string, number | null | boolean> = {}
  for (let i = 0; i + 1 < settings.length; i += 2) {
    const [key = '', value = ''] = settings.slice(i, i + 2)
    if (key === 'skew') skewMsMax = parseDuration(value)
    else config[key] = value === 'never' ? null : value === 'yes' ? true : /[a-z]/.test(value) ? parseDuration(value) : Number(value)
  }
  return { nodes: Number(count), skewMsMax, config: config as Partial<Config> }
}

const runLine = (world: World, commands: Commands, line: string): readonly string[] | null => {
  const within = / within (\S+)$/.exec(line)
  const plain = within === null ? line : line.slice(0, within.index)
  if (plain.startsWith('expect ')) return expect(world, plain.slice(7), within === null ? 0 : parseDuration(within[1] ?? ''))
  const run = /^run (\S+)$/.exec(plain)
  if (run !== null) world.run(parseDuration(run[1] ?? ''))
  else commands.run(plain)
  return null
}

// ---- expectations

const expect = (world: World, what: string, withinMs: number): readonly string[] | null => {
  const [word = '', ...args] = what.split(/\s+/)
  if (word === 'stored') return expectStored(world, withinMs)
  const condition = conditionOf(world, word, args)
  return world.runUntil(condition.holds, withinMs) ? null : [`does not hold: ${condition.describe()}`]
}

/** Everything acknowledged is everywhere, once: judged when all is quiet, and again while the last frames may be under way. */
const expectStored = (world: World, withinMs: number): readonly string[] | null => {
  const untilMs = world.schedule.nowMs + withinMs
  world.runUntil(() => isWhole(world) && arePagesSettled(world) && isNobodyBusy(world), withinMs)
  const judge = (): string[] => [...(isWhole(world) ? [] : [`not whole: ${describeWhole(world)}`]), ...findUnstable(world), ...checkWorld(world, { isPartitionFree: !world.isParted })]
  let findings = judge()
  for (let waitMs = RECHECK_MS; findings.length > 0 && world.schedule.nowMs + waitMs <= untilMs; waitMs *= 2) {
    world.run(waitMs)
    findings = judge()
  }
  return findings.length === 0 ? null : findings
}

/** A cluster at rest is coordinated by its lowest ready node [COO1]. */
const findUnstable = (world: World): string[] => {
  const broken = checkStableComponent(world.processes.flatMap(({ state }) => (state === null ? [] : [state])))
  return broken === null ? [] : [broken]
}

const RECHECK_MS = 200

interface Condition {
  holds(): boolean
  describe(): string
}

const conditionOf = (world: World, word: string, args: readonly string[]): Condition => {
  const describeRoles = (): string => world.processes.map(process => `${process.place} ${describeRole(process)}`).join('; ')
  const pids = (): Pid[] => args.map(toPid)
  switch (word) {
    // expect coordinator 1: node 1 coordinates and nobody else
    case 'coordinator':
      return { holds: () => String(coordinators(world)) === args[0], describe: describeRoles }
    case 'no-coordinator':
      return { holds: () => coordinators(world).length === 0, describe: describeRoles }
    case 'ready':
      return { holds: () => pids().every(pid => isReady(world.process(pid))), describe: describeRoles }
    case 'not-ready':
      return { holds: () => pids().every(pid => !isReady(world.process(pid))), describe: describeRoles }
    case 'stopped':
      return { holds: () => pids().every(pid => world.process(pid).status === 'stopped'), describe: describeRoles }
    // expect answered: nobody waits for an answer; expect last ana acknowledged | refused name-taken | unknown
    case 'answered':
      return { holds: () => isNobodyBusy(world), describe: () => describePending(world) }
    case 'last':
      return lastOperation(world, args)
    // expect answered-by probe0 probe1: each was acknowledged by the node it asked first, not by another
    case 'answered-by':
      return answeredByHome(world, args)
    // expect drained: no queue, table or list that should empty itself holds anything
    case 'drained':
      return { holds: () => findUndrained(world).length === 0, describe: () => findUndrained(world).join('; ') }
    case 'digests':
      return { holds: () => isWhole(world), describe: describeRoles }
    case 'settled':
      return { holds: () => arePagesSettled(world), describe: () => [...world.pages.values()].map(page => `${page.device.label} ${page.describe()}`).join('; ') }
    // expect owner Name ana: every node says so
    case 'owner':
      return ownerOf(world, args)
    // expect acknowledged 2 of sign-up: so many deeds of the kind were acknowledged
    case 'acknowledged':
      return acknowledgedOf(world, args)
    // expect messages ben 2: so many are stored in his mailbox, on every node
    case 'messages':
      return messagesOf(world, args)
    case 'exit':
      return { holds: () => String(world.process(toPid(args[0])).exit?.code) === args[1], describe: describeRoles }
    default:
      throw new ScenarioError(`nothing can be expected of ${word}`)
  }
}

const lastOperation = (world: World, [label, outcome, code]: readonly string[]): Condition => {
  const last = () => world.history.operations.filter(({ device }) => device === label).at(-1)
  return {
    holds: () => last()?.outcome === outcome && (code === undefined || last()?.code === code),
    describe: () => `${label}: ${last()?.outcome ?? 'nothing'} ${last()?.code ?? ''}`
  }
}

const answeredByHome = (world: World, labels: readonly string[]): Condition => {
  const late = (): string[] =>
    labels.flatMap(label => {
      const last = world.history.operations.filter(({ device }) => device === label).at(-1)
      const { home } = world.device(label)
      return last?.outcome === 'acknowledged' && last.answeredBy === home ? [] : [`${label} through ${home}: ${last?.outcome ?? 'nothing'} ${last?.code ?? ''} by ${last?.answeredBy ?? 'nobody'}`]
    })
  return { holds: () => late().length === 0, describe: () => late().join('; ') }
}

const acknowledgedOf = (world: World, [count, , kind]: readonly string[]): Condition => {
  const found = () => world.history.operations.filter(({ deed, outcome }) => deed.kind === kind && outcome === 'acknowledged').length
  return { holds: () => found() === Number(count), describe: () => `${found()}` }
}

const ownerOf = (world: World, [name = '', label = '']: readonly string[]): Condition => {
  const owners = () => world.processes.filter(isReady).map(({ state }) => state?.desk.directory.ownerOfName(nameToKey(name)) ?? null)
  return { holds: () => owners().every(owner => owner === world.device(label).person.account), describe: () => canonicalJson(owners()) }
}

const messagesOf = (world: World, [label = '', count]: readonly string[]): Condition => {
  const counts = () => world.processes.map(process => countMessages(readContents(process), world.device(label).person.account))
  return { holds: () => counts().every(found => found === Number(count)), describe: () => canonicalJson(counts()) }
}

export const isNobodyBusy = (world: World): boolean => [...world.devices.values()].every(({ isBusy }) => !isBusy)

export const arePagesSettled = (world: World): boolean => [...world.pages.values()].every(page => page.device.person.hasLeft || page.device.person.account === null || page.isSettled)

const describePending = (world: World): string => world.history.operations.filter(({ outcome }) => outcome === 'pending').map(({ device, deed }) => `${device} ${deed.kind}`).join(', ')
