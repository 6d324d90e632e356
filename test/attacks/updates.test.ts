// A share of FAULTS X2: hostile updates through the sockets of a node. The counts are in updates.long.test.ts.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { print } from '../support/asking.ts'
import { quantile } from '../support/programme.ts'
import { attackWithUpdates } from '../support/update-attacks.ts'

const UPDATES = 2_400

const attacks = suite('X2')

attacks('[SYN5] nothing of a hostile update is applied', () => {
  const { findings, figures } = attackWithUpdates('share', UPDATES)
  assert.equal(findings, [])
  const { 'microseconds to refuse': micros, ...counts } = figures
  assert.ok(Number(figures['flipped and harmless']) > 0, 'some flipped updates pass, or nothing is shown of them')
  print(`${JSON.stringify(counts)}; median ${quantile(micros as number[], 0.5)} microseconds each`)
})

attacks.run()
