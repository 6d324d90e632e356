// Sign-ins a second on one node at the configured cost of argon2id, beside bare hashing with one worker, and what sends notice.

import { Worker } from 'node:worker_threads'
import { call } from '../lib/call.mjs'
import { createPeople, startCluster, startGenerator, toSender } from './cluster.mjs'
import { round } from './measure.mjs'

/** As node/adapters/passwords.ts has them. */
const PARAMETERS = { memoryCost: 65_536, timeCost: 3, parallelism: 1 }
const AT_ONCE = 4
const SENDS_IN_FLIGHT = 4

const HASHER = `
const { parentPort, workerData } = require('node:worker_threads')
const { verifySync, hashSync } = require('@node-rs/argon2')
const hash = hashSync('a password', workerData.parameters)
const endMs = performance.now() + workerData.seconds * 1000
let count = 0
const startMs = performance.now()
while (performance.now() < endMs) { verifySync(hash, 'a password'); count++ }
parentPort.postMessage(count / ((performance.now() - startMs) / 1000))
`

/** Hashes a second of one worker with nothing around it. */
const measureBareHashing = (seconds) =>
  new Promise((resolve, reject) => new Worker(HASHER, { eval: true, workerData: { parameters: PARAMETERS, seconds } }).once('message', resolve).once('error', reject))

/** {bare, signIns, ratio, p99Before, p99During}; sends go to node 0, sign-ins to node 1. */
export const measureSignIns = async ({ seconds }) => {
  const bare = await measureBareHashing(seconds)
  const cluster = await startCluster({ env: {}, flags: ['--sessions-per-account', '64'] })
  const generator = await startGenerator()
  try {
    const people = await createPeople(cluster, Array.from({ length: 8 }, (_, i) => `person-${i}`))
    const job = { kind: 'sockets', inFlight: SENDS_IN_FLIGHT, seconds, warmUpMs: 500, senders: people.map((person, i) => toSender(cluster.places[0], person, people[(i + 1) % people.length])), readers: [] }
    const before = await generator.run(job)
    let isOver = false
    let count = 0
    const startedMs = performance.now()
    const signIn = async (person) => {
      while (!isOver) {
        const answer = await call(cluster.places[1], 'POST', '/api/sessions', { body: { name: person.name, password: `${person.name} has a password`, device: 'bench' }, timeoutMs: 10_000 })
        if (answer.status === 201 && !isOver) count++
      }
    }
    const signingIn = people.slice(0, AT_ONCE).map(signIn)
    const during = await generator.run(job)
    const rate = count / ((performance.now() - startedMs) / 1000)
    isOver = true
    await Promise.all(signingIn)
    return { bare: round(bare), signIns: round(rate), ratio: round(rate / bare), p99Before: before.latency.p99, p99During: during.latency.p99, p99Ratio: round(during.latency.p99 / before.latency.p99) }
  } finally {
    generator.close()
    await cluster.close()
  }
}
