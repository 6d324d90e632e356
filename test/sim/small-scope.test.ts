// A share of S9: every way through a small scope, with fewer steps than the long programme takes. The sizes are printed.
// STARLING_UNIT='moments 3 12 2 0 crash 0 + pause 1' explores one unit: steps, nodes, depth, asks, how often time passes, faults.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Mutant } from '../../crdt-schema/mutation.ts'
import { createRandom } from './random.ts'
import { faultKinds } from './scope-world.ts'
import { createScopeOf, explore, parseUnit, unitsOfScope } from './small-scope.ts'

const scope = suite('small-scope')

const asked = process.env['STARLING_UNIT']
const UNITS = asked === undefined ? ['moments 2 12 2 0 crash 0', 'moments 2 5 2 1 cut 0-1', 'moments 3 4 2 0 crash 0 + pause 1', 'lives 2 5 2 any pause 0', 'lives 3 2 1 any crash 0', 'lives 3 2 1 any cut 0-1', 'lives 3 3 1 any pause 0'] : [asked]

for (const name of UNITS) {
  scope(`[COO4] no way through "${name}" ends in two owners, a lost grant or a cluster that does not come back`, () => {
    const { findings, figures, depth } = explore(parseUnit(name))
    console.log(`    ${name}: ${figures.states} states, ${figures.transitions} steps to depth ${depth}, ${figures.turns} turns of nodes, ${figures.ends} ends healed and judged`)
    assert.equal(findings, [])
  })
}

const PLANTED: readonly (readonly [Mutant | 'forgets-promise', string])[] = [
  ['no-ready-gate', 'lives 2 5 1 any crash 0 + crash 1'],
  ['forgets-promise', 'lives 2 5 1 any crash 0 + crash 1'],
  ['no-fence-no-self-suspicion', 'lives 3 3 1 any pause 0'],
  ['no-flush', 'lives 3 2 1 any crash 0'],
  ['acknowledge-early', 'lives 3 2 1 any crash 0'],
  ['fixed-view', 'lives 3 2 1 any crash 0'],
  ['no-relay', 'lives 3 2 1 any cut 0-1'],
  ['acknowledge-early', 'moments 2 6 1 0 crash 0'],
  ['no-flush', 'moments 3 7 1 0 crash 0']
]

for (const [defect, name] of PLANTED) {
  scope(`[COO1] ${defect} is caught on the way through "${name}"`, () => {
    const { findings, figures } = explore({ ...parseUnit(name), ...(defect === 'forgets-promise' ? { forgetsPromise: true } : { mutant: defect }) })
    assert.ok(findings.length > 0, `${defect} was not caught in ${figures.states} states`)
    console.log(`    ${defect}, after ${figures.states} states: ${findings[0]?.slice(0, 200)}`)
  })
}

scope('[COR1] a node that was copied goes on as one that never was', () => {
  const options = { ...parseUnit('moments 3 0 3 any'), faults: faultKinds(3) }
  for (let seed = 0; seed < 6; seed++) {
    const random = createRandom(`walk ${seed}`)
    const [copied, single] = [createScopeOf(options).scope, createScopeOf(options, 'none').scope]
    let [world, other] = [copied.begin(), single.begin()]
    for (let steps = 0; steps < 60; steps++) {
      const index = random.integer(0, copied.actions(world).length - 1)
      world = copied.actions(world)[index]?.at(world) ?? world
      other = single.actions(other)[index]?.at(other) ?? other
      assert.is(copied.keyOf(world), single.keyOf(other), `seed ${seed}, step ${steps}`)
    }
  }
})

scope('[COR1] units say what they explore, each once', () => {
  const units = unitsOfScope()
  assert.is(new Set(units.map(({ name }) => name)).size, units.length)
  for (const { name, exploration } of units) assert.equal(parseUnit(name), exploration)
})

scope.run()
// deadline: 600 s
