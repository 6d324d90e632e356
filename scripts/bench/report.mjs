// The figures as a table for people: what must be reached, what is aimed at, what was measured, and over how many runs.

import { round, spread } from './measure.mjs'

/** Figures in the order of the table. `sign`: whether more or less is better. `show` names the unit. */
export const TARGETS = [
  ['sockets ÷ NATS', 'acknowledged sends/s, 64 in flight, sync sockets ÷ NATS JetStream R3', 1.0, 1.5, 'more'],
  ['sockets ÷ RabbitMQ', 'the same ÷ RabbitMQ quorum R3', 2, 3, 'more'],
  ['HTTP ÷ NATS', 'acknowledged sends/s, 64 in flight, HTTP ÷ NATS', 0.4, 0.7, 'more'],
  ['sockets ÷ echo', 'acknowledged sends/s, 64 in flight, sync sockets ÷ one-server echo behind fdatasync', 0.25, 0.45, 'more'],
  ['p99 ÷ echo', 'p99 at 64 in flight ÷ the echo’s', 8, 4, 'less'],
  ['p99 ÷ NATS', 'p99 at 64 in flight ÷ NATS’', 1.0, 0.6, 'less'],
  ['p50 at 1 ÷ echo', '1 in flight, p50 ÷ the echo’s', 3, 2, 'less'],
  ['delivery ÷ acknowledgement', 'delivery on another node, p99 ÷ acknowledgement p99', 1.2, 1.0, 'less'],
  ['own killed', 'sender’s node killed → next acknowledgement elsewhere, ms', 500, 100, 'less'],
  ['peer killed', 'a peer killed → longest pause, ms', 250, 100, 'less'],
  ['peer frozen', 'a peer frozen → longest pause, ms', 2_500, 1_500, 'less'],
  ['in step', 'catch-up, documents in step, documents/s', 15_000, 40_000, 'more'],
  ['behind', 'catch-up, each ten messages behind, documents/s', 4_000, 10_000, 'more'],
  ['new node', 'catch-up, new node, documents/s', 1_000, 4_000, 'more'],
  ['start', 'start to ready with that many mailboxes, ms', 5_000, 1_500, 'less'],
  ['idle node', 'resident memory of an idle node, MiB', 100, 75, 'less'],
  ['per socket', 'memory per idle socket, KiB', 24, 12, 'less'],
  ['per document', 'memory per unloaded mailbox, KiB', 1, 0.5, 'less'],
  ['disk', 'disk per node ÷ raw text, both copies counted, after compaction', 5, 3, 'less'],
  ['link', 'bytes on a link per message ÷ raw text', 5, 3, 'less'],
  ['sign-ins', 'sign-ins/s ÷ bare hashing with one worker', 0.8, 0.95, 'more'],
  ['sends during sign-ins', 'p99 of sends while people sign in ÷ before', 2, 1, 'less'],
]

const show = (value) => (Number.isFinite(value) ? String(Math.abs(value) >= 100 ? Math.round(value) : round(value)) : '–')
const showSpread = ({ median, min, max, runs }) => (runs === 0 ? '–' : runs === 1 ? show(median) : `${show(median)} (${show(min)} to ${show(max)})`)

/** `figures`: lists of values by the names above. */
const targetTable = (figures) => {
  const rows = TARGETS.map(([name, label, must, aim, better]) => {
    const measured = spread(figures[name] ?? [])
    const meets = (bound) => (better === 'more' ? measured.median >= bound : measured.median <= bound)
    const verdict = measured.runs === 0 ? 'not measured' : meets(aim) ? 'aim' : meets(must) ? 'must' : 'short'
    return `| ${label} | ${show(must)} | ${show(aim)} | ${showSpread(measured)} | ${verdict} | ${measured.runs} |`
  })
  return ['| figure | must | aim | measured: median (spread) | reached | runs |', '| --- | ---: | ---: | ---: | --- | ---: |', ...rows].join('\n')
}

const loadTable = (rounds) => {
  const keys = [...new Set(rounds.flatMap((loads) => Object.keys(loads)))]
  const rows = keys.map((key) => {
    const runs = rounds.map((loads) => loads[key]).filter((run) => run !== undefined)
    const of = (read) => showSpread(spread(runs.map(read)))
    const processes = Object.keys(runs[0]?.cpuPerThousand ?? {})
    const cpu = processes.map((name) => `${name} ${show(spread(runs.map((run) => run.cpuPerThousand[name])).median)}`).join(', ')
    return `| ${key} | ${of((run) => run.rate)} | ${of((run) => run.latency.p50)} | ${of((run) => run.latency.p99)} | ${of((run) => run.delivery?.p99 ?? Number.NaN)} | ${cpu} |`
  })
  return ['| load, in flight | messages/s | p50 ms | p99 ms | delivery p99 ms | CPU seconds per 1,000 |', '| --- | ---: | ---: | ---: | ---: | --- |', ...rows].join('\n')
}

/** The whole report as Markdown. */
export const toMarkdown = ({ machine, figures, rounds, busy, notes }) =>
  [
    `${machine}. How busy other programs kept it at the start of each round, percent: ${busy.length === 0 ? '–' : busy.join(', ')}.`,
    targetTable(figures),
    ...(rounds.length === 0 ? [] : [loadTable(rounds)]),
    ...notes,
    '',
  ].join('\n\n')
