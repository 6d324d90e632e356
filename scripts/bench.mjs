// `npm run bench`: every figure of docs/performance.md, measured on this machine; a Markdown table on stdout, JSON in a file.
// Nodes, load generator and what they are compared with share the machine, so ratios say more than rates; run it when nothing else runs.
//
//   --quick              one short round, few mailboxes: about a minute
//   --only NAME          load, failures, bytes, history, idle or sign-ins; may be repeated
//   --rounds N           rounds of load (3)
//   --seconds N          length of each measurement (3)
//   --mailboxes N        mailboxes of ten messages each on disk (100000)
//   --each-round CMD     a command to run before each round of load, with ROUND set: other systems, interleaved with this one
//   --baselines FILE     result lines that it leaves: JSON with bench, inFlight, round, rate and lat {p50, p99}
//   --out FILE           where the JSON goes (.cache/bench.json)
//   --quiet-seconds N    how long to wait for other programs to leave the machine alone before each round (30)

import { spawnSync } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { cpus } from 'node:os'
import { dirname, join } from 'node:path'
import { parseArgs } from 'node:util'
import { measureEcho } from './bench/echo.mjs'
import { measureFailures } from './bench/failures.mjs'
import { measureHistory, measureIdle } from './bench/history.mjs'
import { measureBytes, startLoad } from './bench/load.mjs'
import { startForeignMeter, waitForQuiet } from './bench/measure.mjs'
import { toMarkdown } from './bench/report.mjs'
import { measureSignIns } from './bench/signins.mjs'
import { build } from './lib/build.mjs'
import { install } from './lib/install.mjs'
import { CACHE, Refusal, runMain, say } from './lib/paths.mjs'
import { preflight } from './lib/preflight.mjs'

const PARTS = ['load', 'failures', 'bytes', 'history', 'idle', 'sign-ins']
const IN_FLIGHTS = [1, 16, 64, 256]
const QUICK = { rounds: 1, seconds: 1, warmUpMs: 500, mailboxes: 2_000, failureRuns: 1, sockets: 200, quietMs: 0 }

const readNumber = (name, text) => {
  if (!/^\d+$/.test(text)) throw new Refusal(`--${name} must be a whole number, not '${text}'.`, 2)
  return Number(text)
}

const readOptions = () => {
  const text = (value) => ({ type: 'string', default: value })
  const { values } = parseArgs({
    options: {
      quick: { type: 'boolean', default: false },
      only: { type: 'string', multiple: true, default: PARTS },
      rounds: text('3'), seconds: text('3'), mailboxes: text('100000'), 'quiet-seconds': text('30'),
      'each-round': { type: 'string' }, baselines: { type: 'string' },
      out: text(join(CACHE, 'bench.json')),
    },
  })
  const wrong = values.only.find((part) => !PARTS.includes(part))
  if (wrong !== undefined) throw new Refusal(`--only must be one of ${PARTS.join(', ')}, not '${wrong}'.`, 2)
  const full = {
    rounds: readNumber('rounds', values.rounds), seconds: readNumber('seconds', values.seconds), warmUpMs: 1_000, mailboxes: readNumber('mailboxes', values.mailboxes),
    failureRuns: 3, sockets: 1_000, quietMs: readNumber('quiet-seconds', values['quiet-seconds']) * 1000,
  }
  return { parts: values.only, eachRound: values['each-round'], baselines: values.baselines, out: values.out, ...full, ...(values.quick ? QUICK : {}) }
}

const readLines = (file) => (file === undefined || !existsSync(file) ? [] : readFileSync(file, 'utf8').split('\n').filter((line) => line !== '').map((line) => JSON.parse(line)))

/** One round after the other, each: the other systems, the echo, this one; so that what changes on the machine changes for all. */
const measureLoad = async (options, figures, add) => {
  const rounds = []
  const busy = []
  const load = await startLoad({})
  try {
    for (let round = 1; round <= options.rounds; round++) {
      if (options.eachRound !== undefined) spawnSync(options.eachRound, { shell: true, stdio: ['ignore', 2, 2], env: { ...process.env, ROUND: String(round) } })
      busy.push(await waitForQuiet(options.quietMs))
      say(`Load, round ${round} of ${options.rounds}; the machine is ${busy.at(-1)} % busy …`)
      const results = {}
      const echo = await measureEcho({ ...options, inFlights: IN_FLIGHTS })
      for (const inFlight of IN_FLIGHTS) {
        results[`echo, ${inFlight}`] = echo[inFlight]
        for (const kind of ['sockets', 'http']) results[`${kind}, ${inFlight}`] = await load.measure(kind, inFlight, options)
      }
      const foreign = startForeignMeter(() => [process.pid, ...Object.values(load.cluster.processIds())])
      results['sockets without readers, 64'] = await load.measure('sockets', 64, { ...options, reads: false })
      results['sockets without readers, 64'].foreignCores = foreign()
      rounds.push(results)
      compare(results, readLines(options.baselines).filter((line) => line.round === round), add)
    }
  } finally {
    await load.close()
  }
  return { rounds, busy }
}

/** Ratios inside one round. */
const compare = (results, lines, add) => {
  const other = (bench, inFlight = 64) => lines.find((line) => line.bench === bench && line.inFlight === inFlight)
  const sockets = results['sockets, 64']
  const echo = results['echo, 64']
  const nats = other('nats-r3')
  const rabbit = other('rabbit-r3')
  add('sockets ÷ echo', sockets.rate / echo.rate)
  add('p99 ÷ echo', sockets.latency.p99 / echo.latency.p99)
  add('p50 at 1 ÷ echo', results['sockets, 1'].latency.p50 / results['echo, 1'].latency.p50)
  add('delivery ÷ acknowledgement', sockets.delivery.p99 / sockets.latency.p99)
  if (nats !== undefined) {
    add('sockets ÷ NATS', sockets.rate / nats.rate)
    add('HTTP ÷ NATS', results['http, 64'].rate / nats.rate)
    add('p99 ÷ NATS', sockets.latency.p99 / nats.lat.p99)
  }
  if (rabbit !== undefined) add('sockets ÷ RabbitMQ', sockets.rate / rabbit.rate)
}

runMain(async () => {
  const options = readOptions()
  preflight()
  install()
  await build()
  const figures = {}
  const add = (name, ...values) => (figures[name] = [...(figures[name] ?? []), ...values])
  const details = {}
  /** Runs a part if it is wanted; what fails is said and left out, so that an hour's other figures are not lost. */
  const part = async (name, measure) => {
    if (!options.parts.includes(name)) return
    say(`${name} …`)
    try {
      details[name] = await measure()
    } catch (error) {
      say(`${name} failed: ${error.stack}`)
      details[name] = { failed: String(error) }
    }
  }
  await part('load', () => measureLoad(options, figures, add))
  await part('failures', async () => {
    const pauses = await measureFailures({ runs: options.failureRuns })
    add('own killed', ...pauses['own-killed'])
    add('peer killed', ...pauses['peer-killed'])
    add('peer frozen', ...pauses['peer-frozen'])
    return pauses
  })
  await part('bytes', async () => {
    const bytes = await measureBytes({ seconds: options.seconds * 4 })
    add('disk', bytes.diskRatio)
    add('link', bytes.linkRatio)
    return bytes
  })
  await part('idle', async () => {
    const idle = await measureIdle(options)
    add('idle node', idle.idleMiB)
    add('per socket', idle.kibPerSocket)
    return idle
  })
  await part('sign-ins', async () => {
    const signIns = await measureSignIns({ seconds: Math.max(3, options.seconds) })
    add('sign-ins', signIns.ratio)
    add('sends during sign-ins', signIns.p99Ratio)
    return signIns
  })
  await part('history', async () => {
    const history = await measureHistory(options)
    add('start', history.startMs)
    add('in step', history.inStepPerSecond)
    add('behind', history.behindPerSecond)
    add('new node', history.freshPerSecond)
    add('per document', history.kibPerDocument)
    return history
  })
  const machine = `${cpus().length} × ${cpus()[0]?.model.trim()}, Node.js ${process.versions.node}`
  mkdirSync(dirname(options.out), { recursive: true })
  writeFileSync(options.out, `${JSON.stringify({ machine, options, figures, details }, null, 2)}\n`)
  console.log(toMarkdown({ machine, figures, rounds: details.load?.rounds ?? [], busy: details.load?.busy ?? [], notes: notesOf(details, options) }))
  say(`Details are in ${options.out}.`)
  return 0
})

const notesOf = ({ bytes, history }, { mailboxes }) => [
  ...(bytes?.linkBytesPerMessage === undefined ? [] : [`A message of 100 bytes costs ${bytes.linkBytesPerMessage} bytes on a link and ${bytes.diskBytesPerMessage} on each disk.`]),
  ...(history?.startMs === undefined ? [] : [`With ${mailboxes} mailboxes of ten messages: one node beside two others is ready in ${history.startMs} ms (empty: ${history.emptyStartMs}), all three at once in ${history.startAllMs} ms; ${history.unloadedMiB} MiB resident, ${history.diskBytesPerMessage} bytes on disk per message.`]),
]
