// One node whose links are slower there and back than `ackTimeoutMs`, under load: what programme P16 plays with real processes. The slow
// one leaves ready, the others go on and wait once [REP6]. And what must not be taken for it: others that are gone, or slow themselves.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Watch } from './cluster.ts'
import { runScenario } from './scenario.ts'

const PEOPLE = ['ana', 'ben', 'cleo', 'dora', 'emil', 'fay', 'gus', 'hal', 'ida', 'jo']
const SLOW_MS = 12_000
/** As P16 promises; nothing here depends on how fast the machine is. */
const WRITES_MS_MAX = 2_000

interface Play {
  readonly findings: readonly string[]
  /** Who left ready, and when, ms after the fault. */
  readonly left: readonly { readonly pid: number; readonly afterMs: number; readonly reason: string }[]
  /** What each write through the nodes that were not slow took; one without an answer took all the time there was. */
  readonly writesMs: readonly number[]
}

/** Ten people send, one every `everyMs`, before, during and after the fault. */
const play = (options: { readonly seed: string; readonly nodes: number; readonly slow: readonly number[]; readonly fault: readonly string[]; readonly undo: readonly string[]; readonly everyMs: number; readonly settings?: string }): Play => {
  const { nodes, slow, everyMs } = options
  const left: { pid: number; afterMs: number; reason: string }[] = []
  let [nowMs, fromMs, untilMs] = [() => 0, Infinity, Infinity]
  const watch: Watch = {
    begin: (world) => { nowMs = () => world.schedule.nowMs },
    onTurn: () => {},
    onLog: ({ pid }, event, { reason }) => void (event === 'left-ready' && nowMs() >= fromMs && left.push({ pid, afterMs: Math.round(nowMs() - fromMs), reason: String(reason) })),
    onOperation: () => {},
    onDiskLost: () => {},
  }
  let sent = 0
  const work = (forMs: number): string[] => Array.from({ length: forMs / everyMs }, () => {
    const [from, to] = [PEOPLE[sent % PEOPLE.length], PEOPLE[(sent + 1) % PEOPLE.length]]
    return [`${from} sends "m${sent++}" to ${to}`, `run ${everyMs}ms`]
  }).flat()
  const lines = [
    `nodes ${nodes} ${options.settings ?? ''}`, 'parted', 'start all', 'run 3s', ...PEOPLE.flatMap((name, at) => [`${name} signs-up via ${at % nodes}`, 'run 400ms']), ...work(2_000), 'run 1ms',
    ...options.fault, ...work(SLOW_MS), 'run 2ms', ...options.undo, ...work(1_000), 'expect answered within 30s', `expect ready ${Array.from({ length: nodes }, (_, pid) => pid).join(' ')} within 15s`, 'expect stored within 30s',
  ]
  const { findings, world } = runScenario(lines.join('\n'), {
    seed: options.seed, watch,
    onLine: (world, line) => {
      if (line === 'run 1ms') fromMs = world.schedule.nowMs + 1
      if (line === 'run 2ms') untilMs = world.schedule.nowMs
    },
  })
  const writesMs = world.history.operations.flatMap(({ deed, device, startedMs, endedMs }) => {
    const isMeant = deed.kind === 'send' && startedMs >= fromMs && startedMs < untilMs && !slow.includes(PEOPLE.indexOf(device) % nodes)
    return isMeant ? [(endedMs < 0 ? Infinity : endedMs) - startedMs] : []
  })
  return { findings, left, writesMs: writesMs.sort((a, b) => a - b) }
}

const linksOf = (pid: number, nodes: number): number[] => Array.from({ length: nodes }, (_, other) => other).filter((other) => other !== pid)
const delayed = (pid: number, nodes: number, ms: number): string[] => linksOf(pid, nodes).map((other) => `delay ${pid}-${other} ${ms}ms`)

const links = suite('slow links')

for (const nodes of [3, 5]) for (const [what, delay] of [
  ['900 ms each way', (pid: number, ms: number) => delayed(pid, nodes, ms && 900)],
  ['600 ms each way', (pid: number, ms: number) => delayed(pid, nodes, ms && 600)],
  ['1,400 ms out and none back', (pid: number, ms: number) => linksOf(pid, nodes).map((other) => `delay ${pid}>${other} ${ms && 1_400}ms`)],
  // Longer, and it hears nobody for so long when it begins that they are gone for it: a split, not a slow node.
  ['1,150 ms in and none out', (pid: number, ms: number) => linksOf(pid, nodes).map((other) => `delay ${other}>${pid} ${ms && 1_150}ms`)],
] as const) {
  links(`[REP6] ${nodes} nodes, the links of one are slow, ${what}: it leaves ready, the others do not, and wait less than two seconds`, () => {
    for (const [everyMs, slow] of nodes === 3 ? [[40, 0], [130, 1], [40, 2]] as const : [[130, 0], [40, 4]] as const) {
      const { findings, left, writesMs } = play({ seed: `${what} ${slow} ${everyMs}`, nodes, slow: [slow], fault: delay(slow, 1), undo: delay(slow, 0), everyMs })
      const others = left.filter(({ pid }) => pid !== slow)
      const longestMs = writesMs[writesMs.length - 1] ?? Infinity
      console.log(`    node ${slow} of ${nodes}, ${what}, a message every ${everyMs} ms: it left ready ${left.length - others.length} times, others ${others.length} times; ${writesMs.length} writes through others, the longest ${Math.round(longestMs)} ms`)
      assert.equal(findings, [])
      assert.equal(others, [], `${slow} ${everyMs}`)
      assert.ok(left.length > 0, 'the slow one does not go on as if all were well')
      assert.ok(longestMs < WRITES_MS_MAX, `${longestMs}`)
    }
  })
}

links('[REP6] all others are gone at once: who is left is not slow, and serves on without a wait', () => {
  for (const [down, up] of [['power-off', 'start'], ['pause', 'resume']] as const) for (const nodes of [3, 5]) {
    const gone = linksOf(0, nodes).join(' ')
    const { findings, left, writesMs } = play({ seed: `${down} ${nodes}`, nodes, slow: linksOf(0, nodes), fault: [`${down} ${gone}`], undo: [`${up} ${gone}`], everyMs: 40, settings: 'aloneMs never' })
    assert.equal(findings, [])
    // Who wakes may find that the other was written without it, or hear that it was itself; all that is asked here is the time they were away.
    assert.equal(left.filter(({ pid, afterMs }) => pid === 0 && afterMs < SLOW_MS), [], `${down} ${nodes}`)
    const longestMs = writesMs[writesMs.length - 1] ?? Infinity
    console.log(`    ${down} of all others of ${nodes}: ${writesMs.length} writes, the longest ${Math.round(longestMs)} ms`)
    assert.ok(longestMs < WRITES_MS_MAX, `${longestMs}`)
  }
})

links('[REP6] one other is slow while the rest hiccups: it is the slow one that is given up', () => {
  const { findings, left } = play({ seed: 'hiccup', nodes: 3, slow: [1], fault: ['disk 1 slow 1500ms', 'disk 2 slow 300ms'], undo: ['disk 1 ok', 'disk 2 ok'], everyMs: 40 })
  assert.equal(findings, [])
  assert.equal([...new Set(left.map(({ pid }) => pid))], [1])
})

links.run()
