// `npm run bench`: how fast three nodes on this machine acknowledge messages over HTTP, and how long one takes.
//
//   --senders N     concurrent senders (16)
//   --seconds N     how long it measures, after two seconds of warming up (10)

import { mkdtempSync, rmSync } from 'node:fs'
import { cpus, tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { createAccount, startSender } from './demo/people.mjs'
import { build } from './lib/build.mjs'
import { install } from './lib/install.mjs'
import { createNodes, findFreePorts, wait } from './lib/nodes.mjs'
import { ROOT, Refusal, runMain, say } from './lib/paths.mjs'
import { preflight } from './lib/preflight.mjs'

const WARM_UP_MS = 2000

const readNumber = (name, text) => {
  if (!/^[1-9]\d*$/.test(text)) throw new Refusal(`--${name} must be a whole number of at least 1, not '${text}'.`, 2)
  return Number(text)
}

runMain(async () => {
  const { values } = parseArgs({ options: { senders: { type: 'string', default: '16' }, seconds: { type: 'string', default: '10' } } })
  const senderCount = readNumber('senders', values.senders)
  const seconds = readNumber('seconds', values.seconds)
  preflight()
  install()
  await build()
  const directory = mkdtempSync(join(tmpdir(), 'starling-bench-'))
  const nodes = createNodes({ program: join(ROOT, 'dist/node.js'), directory, ports: await findFreePorts(3), flags: ['--rate-limits', 'off'] })
  try {
    for (const { pid } of nodes.places) nodes.start(pid)
    await Promise.all(nodes.places.map(({ pid }) => nodes.waitReady(pid)))
    say(`${senderCount} senders on three nodes, ${seconds} s …`)
    const record = { tried: new Map(), acknowledged: new Map(), refused: [] }
    let phase = 'warm-up'
    const people = []
    for (let index = 0; index < senderCount; index++) people.push(await createAccount({ places: nodes.places, home: index, name: `bench-${index}` }))
    const running = people.map((sender, index) =>
      startSender({ places: nodes.places, home: index, sender, recipient: people[(index + 1) % people.length], record, phaseOf: () => phase, pauseMs: 0 }),
    )
    await wait(WARM_UP_MS)
    phase = 'measured'
    await wait(seconds * 1000)
    phase = 'over'
    await Promise.all(running.map((sender) => sender.stop()))
    const times = [...record.acknowledged.values()]
      .filter((entry) => entry.phase === 'measured')
      .map(({ startedMs, acknowledgedMs }) => acknowledgedMs - startedMs)
      .sort((a, b) => a - b)
    const at = (share) => (times[Math.min(times.length - 1, Math.floor(times.length * share))] ?? 0).toFixed(1)
    console.log(`${cpus().length} × ${cpus()[0]?.model.trim()}, Node.js ${process.versions.node}`)
    console.log(`${Math.round(times.length / seconds)} messages/s acknowledged on all three nodes; ms: p50 ${at(0.5)}, p95 ${at(0.95)}, p99 ${at(0.99)}; refused ${record.refused.length}`)
    return record.refused.length === 0 ? 0 : 1
  } finally {
    await nodes.close()
    rmSync(directory, { recursive: true, force: true })
  }
})
