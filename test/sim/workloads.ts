// What people do in a plan: the workloads of docs/simulation.md as lines of the language of scenario.ts, with the time of each.
// Every workload has its own dice, so that a denser one does not move the others.
//
//   W1  unique messages between programs, some of them repeated     W4  accounts removed while others write to them
//   W2  new accounts from a pool of names, often two at once        W5  three pages editing the same drafts, offline and back
//   W3  signing in, taking over, signing out                        marks, open N, deletes, recalls, reads

import type { Random } from './random.ts'

/** One line of a plan and when it runs. */
export interface Entry {
  readonly atMs: number
  readonly line: string
}

/** `small` is W1 and W2 with reads; `whole` is all of W6. */
export type Workload = 'small' | 'whole'

export interface WorkloadOptions {
  readonly workload: Workload
  readonly nodes: number
  readonly simulatedMs: number
  /** With 1 a person has one session at a time, and so one page. */
  readonly sessionsPerAccount: number
}

export const START_MS = 4_000
/** As many as cleo has devices. */
export const FEW_SESSIONS = 4
/** By then everybody has signed up, if nothing went wrong. */
const BUSY_MS = START_MS + 2_000

/** Mean time between two deeds of each workload, over all people. */
const MEAN_GAP_MS = { W1: 150, W2: 700, W3: 1_500, W4: 6_000, W5: 400, marks: 500, reads: 1_000, pages: 4_000 }

export const PEOPLE = ['ana', 'ben', 'eve', 'cleo']
const EVERYBODY = [...PEOPLE, 'dan', 'flo']
const PAGES = ['cleo.phone', 'cleo.laptop', 'cleo.tablet', 'dan.phone']
const FLO = ['flo.home', 'flo.work', 'flo.tram']
const NAMES = 50

/** All of it, in no order. */
export const planPeople = (random: Random, options: WorkloadOptions): Entry[] => {
  const isWhole = options.workload === 'whole'
  const pages = options.sessionsPerAccount === 1 ? ['dan.phone', 'eve.phone'] : PAGES
  const messages = planMessages(random.fork('W1'), options)
  const joiners = planAccounts(random.fork('W2'), options)
  const small = [...planArrivals(pages, options), ...messages.entries, ...joiners.entries, ...planReads(random.fork('reads'), options)]
  if (!isWhole) return small
  return [
    ...small,
    ...planSessions(random.fork('W3'), options),
    ...planRemovals(random.fork('W4'), options, joiners.labels),
    ...planDrafts(random.fork('W5'), options, pages),
    ...planMarks(random.fork('marks'), options, messages.sent)
  ]
}

/** Times from `BUSY_MS` to the end, about `meanGapMs` apart; a few come in bursts. */
const timesOf = (random: Random, { simulatedMs }: WorkloadOptions, meanGapMs: number): number[] => {
  const times: number[] = []
  for (let atMs = BUSY_MS; atMs < simulatedMs; atMs += random.chance(0.1) ? 1 : random.integer(1, Math.round(meanGapMs * 2.2))) times.push(atMs)
  return times
}

const viaAny = (random: Random, { nodes }: WorkloadOptions): string => `via ${random.integer(0, nodes - 1)}`

const planArrivals = (pages: readonly string[], { workload, sessionsPerAccount }: WorkloadOptions): Entry[] => {
  const programs = ['ana', 'ben', ...(pages.includes('eve.phone') ? [] : ['eve'])]
  if (workload === 'small') return [...programs, 'cleo', 'dan', 'flo'].map((label, index) => ({ atMs: START_MS + index * 100, line: `${label} signs-up` }))
  const first = [...programs, ...(sessionsPerAccount === 1 ? ['cleo', ...pages] : ['cleo.phone', 'dan.phone']), 'flo.home']
  // A person's program beside their page: both write the same documents.
  const later = sessionsPerAccount === 1 ? [] : ['cleo signs-in']
  return [
    ...first.map((label, index) => ({ atMs: START_MS + index * 100, line: `${label} signs-up` })),
    ...later.map(line => ({ atMs: START_MS + 1_500, line })),
    ...pages.map((page, index) => ({ atMs: START_MS + 1_500, line: `${page} attaches via ${index % 3}` }))
  ]
}

interface Sent {
  readonly text: string
  readonly from: string
  readonly atMs: number
}

const planMessages = (random: Random, options: WorkloadOptions): { readonly entries: Entry[]; readonly sent: Sent[] } => {
  const entries: Entry[] = []
  const sent: Sent[] = []
  for (const atMs of timesOf(random, options, MEAN_GAP_MS.W1)) {
    const from = random.pick(PEOPLE)
    const before = sent.at(-random.integer(1, 20))
    if (before !== undefined && random.chance(0.08)) {
      entries.push({ atMs, line: `${before.from} repeats "${before.text}" ${viaAny(random, options)}` })
      continue
    }
    const text = `m${sent.length}`
    sent.push({ text, from, atMs })
    entries.push({ atMs, line: `${from} sends "${text}" to ${random.shuffle(EVERYBODY).slice(0, random.integer(1, 3)).join(' ')} ${viaAny(random, options)}` })
  }
  return { entries, sent }
}

/** Two people who want one name at one moment, through two nodes, is what names are granted one at a time for. */
const planAccounts = (random: Random, options: WorkloadOptions): { readonly entries: Entry[]; readonly labels: Sent[] } => {
  const entries: Entry[] = []
  const labels: Sent[] = []
  for (const atMs of timesOf(random, options, MEAN_GAP_MS.W2)) {
    const name = `Name${random.integer(0, NAMES - 1)}`
    const rivals = random.chance(0.4) ? 2 : 1
    for (let i = 0; i < rivals; i++) {
      const label = `n${labels.length}`
      labels.push({ text: name, from: label, atMs })
      entries.push({ atMs: atMs + random.integer(0, 3), line: `${label} signs-up as ${name} ${viaAny(random, options)}` })
    }
  }
  return { entries, labels }
}

const planReads = (random: Random, options: WorkloadOptions): Entry[] =>
  timesOf(random, options, MEAN_GAP_MS.reads).map(atMs => ({ atMs, line: `${random.pick(PEOPLE)} reads ${viaAny(random, options)}` }))

const planSessions = (random: Random, options: WorkloadOptions): Entry[] =>
  timesOf(random, options, MEAN_GAP_MS.W3).map(atMs => {
    // Few sessions are allowed so that they are passed: then the lowest rank must go, and never the newest.
    const signIns = options.sessionsPerAccount === FEW_SESSIONS ? ['signs-in', 'signs-in', 'signs-in', 'signs-in'] : ['signs-in', 'signs-in taking-over', 'signs-in taking-over', 'signs-out']
    const deed = random.pick([...signIns, 'reads', 'reads'])
    return { atMs, line: `${random.pick(FLO)} ${deed} ${viaAny(random, options)}` }
  })

const planRemovals = (random: Random, options: WorkloadOptions, joiners: readonly Sent[]): Entry[] => {
  const entries: Entry[] = []
  for (const atMs of timesOf(random, options, MEAN_GAP_MS.W4)) {
    const victims = joiners.filter(joiner => joiner.atMs > atMs - 8_000 && joiner.atMs < atMs - 500)
    if (victims.length === 0) continue
    const { from } = random.pick(victims)
    for (let i = 0; i < 4; i++) entries.push({ atMs: atMs + random.integer(-300, 300), line: `${random.pick(PEOPLE)} sends "to-${from}-${atMs}-${i}" to ${from} ${random.pick(EVERYBODY)} ${viaAny(random, options)}` })
    entries.push({ atMs, line: `${from} leaves ${viaAny(random, options)}` })
  }
  if (random.chance(0.2)) entries.push({ atMs: options.simulatedMs * random.next() * 0.9, line: `${random.pick(['eve', 'dan.phone'])} leaves` })
  return entries.filter(({ atMs }) => atMs >= BUSY_MS)
}

const planDrafts = (random: Random, options: WorkloadOptions, pages: readonly string[]): Entry[] => {
  let drafts = 0
  const linesAt = (atMs: number): string[] => {
    const page = random.pick(pages)
    const draft = `d${random.integer(Math.max(0, drafts - 6), drafts)}`
    const deed = random.pick(['drafts', 'drafts', 'edits', 'edits', 'edits', 'edits', 'sends-draft', 'sends-draft', 'discards'])
    if (deed === 'drafts') return [`${page} drafts d${drafts++} "d${drafts}." to ${random.shuffle(EVERYBODY).slice(0, random.integer(1, 2)).join(' ')}`]
    // Two devices send one draft at once: that is one message [DEL8].
    if (deed === 'sends-draft' && random.chance(0.3)) return pages.map(each => `${each} sends-draft ${draft}`)
    return [`${page} ${deed} ${draft}${deed === 'edits' ? ` "w${atMs}."` : ''}`]
  }
  const moves = timesOf(random, options, MEAN_GAP_MS.pages).map(atMs => ({ atMs, line: `${random.pick(pages)} ${random.pick(['goes-offline', 'goes-online', 'goes-online', 'reloads'])}` }))
  return [...timesOf(random, options, MEAN_GAP_MS.W5).flatMap(atMs => linesAt(atMs).map(line => ({ atMs, line }))), ...moves]
}

const planMarks = (random: Random, options: WorkloadOptions, sent: readonly Sent[]): Entry[] => {
  const lines: Entry[] = []
  for (const atMs of timesOf(random, options, MEAN_GAP_MS.marks)) {
    const before = sent.filter(message => message.atMs < atMs)
    const message = before.at(-random.integer(1, 40)) ?? before[0]
    if (message === undefined) continue
    const via = viaAny(random, options)
    lines.push({
      atMs,
      line: random.pick([
        `${random.pick(PEOPLE)} opens ${random.integer(1, 4)} ${via}`,
        `${random.pick(PEOPLE)} opens ${random.integer(1, 4)} ${via}`,
        `${random.pick([message.from, ...PEOPLE])} ${random.pick(['deletes', 'checks', 'checks'])} "${message.text}" ${via}`,
        `${message.from} recalls "${message.text}" ${via}`,
        'dan.phone opens-all'
      ])
    })
  }
  return lines
}
