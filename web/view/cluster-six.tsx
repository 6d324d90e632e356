// The demo's play of all six orders in which two of three nodes can fail: a button, and the grid of how each one went.

import type { DemoModel, SixRow } from '../model/demo.ts'
import { Icon, NodeDot } from './icons.tsx'

const ORDERS = 6

export const SixOrders = ({ demo }: { demo: DemoModel }) => {
  const six = demo.six.value
  const nodes = demo.nodes.value.size
  const isRunning = six?.status === 'running'
  const reason = nodes === 3 ? undefined : 'The orders are those of three nodes.'
  return (
    <section class="blk" aria-labelledby="six-heading">
      <div class="bh">
        <h2 id="six-heading">Two of three fail, in every order</h2>
        <button
          type="button"
          class="btn push"
          aria-disabled={isRunning || reason !== undefined}
          title={reason}
          onClick={() => !isRunning && reason === undefined && void demo.playSix()}
        >
          Run all 6 failure orders
        </button>
      </div>
      <p class="small muted" role="status">
        {six === null
          ? 'Four senders write while two nodes are killed, one after the other. Then the survivor, and later every node, must hold each acknowledged message once.'
          : isRunning
            ? `Playing order ${six.order + 1} of ${ORDERS} …`
            : six.problems.length === 0
              ? 'All orders held: nothing acknowledged was lost, doubled or invented.'
              : `It did not hold: ${six.problems.join('; ')}`}
      </p>
      {six !== null && six.rows.length > 0 && (
        <div class="scroll" tabIndex={0} role="region" aria-label="How each order went">
          <table class="tbl">
            <caption class="vh">How each order went</caption>
            <thead>
              <tr>
                <th scope="col">First down</th>
                <th scope="col">Then down</th>
                <th scope="col">Survivor</th>
                <th scope="col">Sent before, between, after</th>
                <th scope="col">All there</th>
                <th scope="col">Gap, ms</th>
              </tr>
            </thead>
            <tbody>
              {six.rows.map((row) => (
                <Row key={`${row.first}${row.second}`} row={row} />
              ))}
            </tbody>
          </table>
        </div>
      )}
    </section>
  )
}

const Row = ({ row: { first, second, survivor, sent, held, total, isGood, gapsMs } }: { row: SixRow }) => (
  <tr>
    <td>
      <NodeDot pid={first} isUp={false} /> node {first}
    </td>
    <td>
      <NodeDot pid={second} isUp={false} /> node {second}
    </td>
    <td>
      <NodeDot pid={survivor} isUp={true} /> node {survivor}
    </td>
    <td>{sent.join(', ')}</td>
    <td class={isGood ? 'good' : 'bad'}>
      <Icon name={isGood ? 'check' : 'alert'} />
      {held} of {total}
    </td>
    <td>{gapsMs.map((ms) => ms ?? 'none').join(' + ')}</td>
  </tr>
)
