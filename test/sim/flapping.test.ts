// The role under a node that comes and goes, for twelve simulated minutes: what programme P7 plays with real processes, and slower.
// Counted is every time that somebody begins to coordinate [COO1]. A node that is cut off again and again is not among them: it
// coordinates on its own side, as it should, and each reunion of two sides takes one new epoch.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Watch } from './cluster.ts'
import { runScenario } from './scenario.ts'

const TAKE_OVERS_MAX = 6

/** Runs a scenario and tells who began to coordinate, in order, after the line `run 10s` that lets the cluster begin. */
const takeOversOf = (lines: readonly string[], settings = ''): { readonly findings: readonly string[]; readonly takers: readonly number[] } => {
  const takers: number[] = []
  let isCounting = false
  const watch: Watch = {
    begin: () => {},
    onTurn: () => {},
    onLog: ({ pid }, event) => void (event === 'coordinating' && isCounting && takers.push(pid)),
    onOperation: () => {},
    onDiskLost: () => {},
  }
  const { findings } = runScenario([`nodes 3 ${settings}`, 'start all', 'run 10s', 'expect coordinator 0', ...lines].join('\n'), {
    seed: 'flapping',
    watch,
    onLine: (_, line) => void (isCounting ||= line.startsWith('expect coordinator')),
  })
  return { findings, takers }
}

const flap = (times: number, down: string, up: string, upMs: number, downMs: number): string[] =>
  Array.from({ length: times }, () => [`run ${upMs}ms`, down, `run ${downMs}ms`, up]).flat()

const flapping = suite('a flapping node')

/** Longer than losses are remembered: whoever still flaps then is not to begin anew. */
const WHOLE_MS = 720_000

for (const [kind, down, up, periodMs] of [['killed', 'kill 0', 'start 0', 3_000], ['frozen', 'pause 0', 'resume 0', 3_000], ['drained', 'drain 0', 'start 0', 3_000], ['killed', 'kill 0', 'start 0', 8_000]] as const) {
  flapping(`[COO1] the lowest node is ${kind}, ${periodMs / 1_000} s up and ${periodMs / 1_000} s down, for twelve minutes: the role changes hands at most ${TAKE_OVERS_MAX} times`, () => {
    const { findings, takers } = takeOversOf(flap(WHOLE_MS / (2 * periodMs), down, up, periodMs, periodMs))
    console.log(`    ${kind}, ${periodMs} ms: taken by ${takers.join(' ')}`)
    assert.equal(findings, [])
    assert.ok(takers.length <= TAKE_OVERS_MAX, `the role was taken ${takers.length} times: by ${takers.join(' ')}`)
  })
}

flapping('[COO1] a node that restarts once and once more has the role back each time as soon as it is ready', () => {
  for (const down of ['kill 0', 'power-off 0', 'drain 0']) {
    const { findings } = takeOversOf([down, 'expect coordinator 1 within 4s', 'run 5s', 'start 0', 'expect coordinator 0 within 4s', 'run 20s', down, 'expect coordinator 1 within 4s', 'run 3s', 'start 0', 'expect coordinator 0 within 4s'])
    assert.equal(findings, [], down)
  }
})

flapping('[COO1] a node that flapped and is steady has the role back within a minute', () => {
  const { findings, takers } = takeOversOf([...flap(20, 'kill 0', 'start 0', 3_000, 3_000), 'run 10s', 'expect coordinator 1', 'expect coordinator 0 within 60s'])
  assert.equal(findings, [])
  assert.equal(takers, [1, 0, 1, 0, 1, 0])
})

flapping('[COO1] while one node flaps, and when all did, somebody coordinates', () => {
  const everybody = [0, 1, 2].flatMap((pid) => [...flap(5, `kill ${pid}`, `start ${pid}`, 3_000, 2_000), 'run 2s'])
  const { findings } = takeOversOf([...everybody, 'kill 0', 'expect coordinator 1 within 5s', 'kill 1', 'expect coordinator 2 within 5s', 'start 0', 'start 1', 'run 5s', 'ana signs-up', 'expect answered within 2s', 'expect last ana acknowledged'])
  assert.equal(findings, [])
})

flapping.run()
