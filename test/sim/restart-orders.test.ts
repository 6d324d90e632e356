// A share of S5: total outages, and returns in every order of three nodes and some of five. The whole is in the long file.
// STARLING_ORDER='5 31402' runs all cases of one order of return and shows the transcript of the first that fails.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type RestartCase, casesOf, checkRoleLog, describeCase, permute, runCase, runCases, unitToCases, unitsOf } from './restart-orders.ts'

const orders = suite('restart-orders')

/** Each order takes other cases, so that together they are of every kind. */
const shareOf = (nodes: number, everyOrder: number, everyCase: number): RestartCase[] =>
  permute(Array.from({ length: nodes }, (_, pid) => pid))
    .filter((_, index) => index % everyOrder === everyOrder - 1)
    .flatMap((starts, index) => casesOf(nodes, starts).filter((_, at) => at % everyCase === index % everyCase))

const asked = process.env['STARLING_ORDER']
const SHARES: readonly [string, readonly RestartCase[]][] =
  asked === undefined ? [['three nodes, every order', shareOf(3, 1, 6)], ['five nodes, some orders', shareOf(5, 30, 19)]] : [[asked, unitToCases(asked)]]

for (const [name, cases] of SHARES) {
  orders(`[RDY1] ${name}: nothing acknowledged is lost, no name is given twice, whoever may go on does and nobody else`, () => {
    const { findings, figures } = runCases(cases)
    console.log(`    ${name}: ${figures.cases} outages, ${figures.acknowledged} operations acknowledged, ${Math.round(figures.simulatedMs / 1000)} simulated s`)
    const failed = asked === undefined ? undefined : cases.find(restart => runCase(restart).findings.length > 0)
    assert.equal(findings, [], failed === undefined ? findings.slice(0, 5).join('\n') : `${describeCase(failed)}\n${runCase(failed).transcript.join('\n')}`)
  })
}

orders('[RDY1] the whole programme has every order of return, every kind of kill and every stale disk', () => {
  assert.equal([unitsOf(3).length, unitsOf(5).length], [6, 120])
  assert.equal([unitToCases('3 201').length, unitToCases('5 31402').length], [12 + 6 * 3 * 2, 18 + 2 * 5 * 2])
  assert.is(new Set([...unitsOf(3), ...unitsOf(5)].flatMap(unitToCases).map(describeCase)).size, 6 * 48 + 120 * 38)
})

orders('[COO1] the role log tells an epoch that is coordinated again and one that falls back', () => {
  const line = (pid: number, epoch: string): string => `    1.0  node ${pid} ready, coordinates epoch ${epoch}, sees 0 1`
  assert.equal(checkRoleLog([line(0, '1.0'), line(0, '1.0'), line(1, '2.1'), line(0, '3.0')]), [])
  assert.is(checkRoleLog([line(1, '2.1'), line(0, '1.0')]).length, 1)
  assert.is(checkRoleLog([line(0, '1.0'), '    1.0  node 0 is down', line(0, '1.0')]).length, 1)
})

orders.run()
