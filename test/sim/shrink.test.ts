// The shrinker, on plans that are made to fail: what comes after the failure goes first, and what is left is what the failure needs.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Plan } from './plans.ts'
import { runScenario } from './scenario.ts'
import { cutUnrun, shrinkPlan } from './shrink.ts'

const planOf = (...lines: readonly string[]): Plan => ({ row: 'S1', seed: 'shrink', simulatedMs: 1_000, families: [], text: lines.join('\n') })

const shrink = suite('shrinker')

shrink('what comes after the line that failed is not in the shorter plan', () => {
  const plan = planOf('nodes 1 bootstrap yes', 'start all', 'run 3s', 'kill 0', 'run 1s', 'expect ready 0', 'heal', 'run 60s', 'expect stored within 60s')
  const { findings, ran } = runScenario(plan.text, { seed: plan.seed })
  assert.match(findings.join(), /expect ready 0: does not hold/)
  const cut = cutUnrun(plan, ran)
  assert.is(cut.text.split('\n').at(-1), 'expect ready 0')
  assert.equal(runScenario(cut.text, { seed: plan.seed }).findings, findings, 'it fails as before')
  assert.equal(runScenario(planOf('nodes 1 bootstrap yes', 'start all', 'run 3s', 'expect ready 0').text, { seed: plan.seed }).ran.length, 4, 'a plan that holds runs to its end')
})

shrink('lines that the failure does not need go, waits become one, and the frame of a plan stays', () => {
  const noise = Array.from({ length: 30 }, (_, index) => [`person sends "m${index}"`, 'run 100ms']).flat()
  const plan = planOf('nodes 3', 'operated', 'start all', 'run 3s', ...noise.slice(0, 30), 'pause 1', 'run 50ms', ...noise.slice(30), 'kill 2', 'heal', 'expect stored within 30s')
  let runs = 0
  const isBoth = ({ text }: Plan): boolean => (runs++, /pause 1/.test(text) && /kill 2/.test(text))
  assert.is(shrinkPlan(plan, 400, isBoth).text, ['nodes 3', 'operated', 'start all', 'run 3s', 'run 1500ms', 'pause 1', 'run 1550ms', 'kill 2', 'heal', 'expect stored within 30s'].join('\n'))
  assert.ok(runs < 400)
})

shrink('no more plans are tried than allowed, and one that fails is what comes back', () => {
  const plan = planOf('nodes 3', 'start all', ...Array.from({ length: 100 }, (_, index) => `kill ${index}`))
  let runs = 0
  const isOdd = ({ text }: Plan): boolean => (runs++, /kill 37\b/.test(text))
  const shrunk = shrinkPlan(plan, 3, isOdd)
  assert.ok(runs <= 5, `${runs}`)
  assert.match(shrunk.text, /kill 37\b/)
})

shrink.run()
