// What a sender notices when a node dies or freezes. One sender, one message at a time over HTTP, each tried on the next node at once
// when its node is gone. A figure is the longest time without an acknowledgement around the fault.

import { call, newMessageId } from '../lib/call.mjs'
import { wait } from '../lib/nodes.mjs'
import { createPeople, startCluster } from './cluster.mjs'

const BEFORE_MS = 1_500
const ATTEMPT_MS = 1_500

/** Sends until stopped; `acknowledgedMs` grows. */
const startSending = ({ places, home, sender, recipient }) => {
  const acknowledgedMs = []
  let isStopped = false
  const send = async () => {
    const id = newMessageId()
    for (let tries = 0; !isStopped; tries++) {
      const place = places[(home + tries) % places.length]
      const answer = await call(place, 'POST', '/api/messages', { token: sender.token, body: { to: [{ id: recipient.id }], text: 'x'.repeat(100), id }, timeoutMs: ATTEMPT_MS })
      if (answer.status === 201) return void acknowledgedMs.push(performance.now())
      if (tries % places.length === places.length - 1) await wait(2)
    }
  }
  const done = (async () => {
    while (!isStopped) await send()
  })()
  return {
    acknowledgedMs,
    stop: () => {
      isStopped = true
      return done
    },
  }
}

const longestPause = (times, fromMs) => {
  const relevant = times.filter((time, i) => time >= fromMs || (times[i + 1] ?? 0) >= fromMs)
  return Math.max(...relevant.slice(1).map((time, i) => time - relevant[i]))
}

/** Runs one fault: {fault: 'own-killed' | 'peer-killed' | 'peer-frozen'} → ms. The node is back and ready afterwards. */
const measureFault = async (cluster, people, fault, afterMs) => {
  const [sender, recipient] = people
  const target = fault === 'own-killed' ? 0 : 2
  const order = cluster.places
  const sending = startSending({ places: order, home: 0, sender, recipient })
  await wait(BEFORE_MS)
  const faultMs = performance.now()
  if (fault === 'peer-frozen') cluster.freeze(target)
  else process.kill(cluster.processIdOf(target), 'SIGKILL')
  await wait(afterMs)
  const next = sending.acknowledgedMs.find((time) => time > faultMs) ?? Number.NaN
  const pauseMs = fault === 'own-killed' ? next - faultMs : longestPause(sending.acknowledgedMs, faultMs)
  if (fault === 'peer-frozen') cluster.thaw(target)
  else {
    await cluster.ended(target)
    cluster.start(target)
  }
  await cluster.waitReady(target)
  await sending.stop()
  return Math.round(pauseMs)
}

/** Medians need several runs: each fault `runs` times on one cluster. */
export const measureFailures = async ({ runs }) => {
  const cluster = await startCluster({})
  try {
    const people = await createPeople(cluster, ['sender', 'recipient'])
    const results = { 'own-killed': [], 'peer-killed': [], 'peer-frozen': [] }
    for (let run = 0; run < runs; run++) {
      for (const [fault, afterMs] of [['own-killed', 2_500], ['peer-killed', 2_500], ['peer-frozen', 4_000]]) {
        results[fault].push(await measureFault(cluster, people, fault, afterMs))
        await wait(1_500) // so that what the last fault left behind is over
      }
    }
    return results
  } finally {
    await cluster.close()
  }
}
