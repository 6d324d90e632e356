// FAULTS X7 and X9 at real nodes: guesses at passwords from many addresses over all nodes, probing of names, and whether
// the time of an answer tells a name that exists from one that does not.

import { request } from 'node:http'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { LIMIT_FIGURES } from '../../node/adapters/http-limits.ts'
import { TEST_ENV, median, print } from '../support/asking.ts'
import { type Cluster, startCluster } from '../support/cluster.ts'

const GUESSERS = 60
const ATTACK_MS = 12_000
const SAMPLES = 60
/** Promised are 5 ms; a machine at work shifts even medians. */
const APART_MS_MAX = 40

type Reply = { readonly status: number; readonly retryAfter: number; readonly ms: number; readonly code: string }

/** A sign-in from an address of its own: all of 127.0.0.0/8 is this machine. */
const signIn = (port: number, localAddress: string, name: string, password: string): Promise<Reply> => post(port, localAddress, '/api/sessions', { name, password })
const post = (port: number, localAddress: string, path: string, body: object): Promise<Reply> =>
  new Promise((resolve, reject) => {
    const startedMs = performance.now()
    const sent = request({ host: '127.0.0.1', port, path, method: 'POST', localAddress, headers: { 'content-type': 'application/json' }, agent: false }, (response) => {
      let text = ''
      response.on('data', (bytes) => (text += bytes))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, retryAfter: Number(response.headers['retry-after'] ?? 0), ms: performance.now() - startedMs, code: JSON.parse(text).code ?? '' }))
    })
    sent.on('error', reject)
    sent.end(JSON.stringify(body))
  })
const lookUp = (port: number, localAddress: string, name: string): Promise<number> =>
  new Promise((resolve, reject) => {
    request({ host: '127.0.0.1', port, path: `/api/accounts/${name}`, localAddress, agent: false }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    }).on('error', reject).end()
  })

const guessing = suite<{ cluster: Cluster }>('X7')

guessing.before(async (context) => {
  context.cluster = await startCluster({ env: TEST_ENV, flags: ['--rate-limits', 'on'] })
})
guessing.after(({ cluster }) => cluster.close())

guessing('[COO7] guesses from everywhere over all nodes are as few as documented, and the owner gets in meanwhile', async ({ cluster }) => {
  const owner = await cluster.createPerson(0, 'owner')
  const home = '127.0.0.9'
  for (const { port } of cluster.places) assert.is((await signIn(port, home, 'owner', owner.password)).status, 201)
  const tried = [0, 0, 0]
  let held = 0
  const untilMs = performance.now() + ATTACK_MS
  const guesser = async (number: number): Promise<void> => {
    for (let guess = 0; performance.now() < untilMs; guess++) {
      const pid = (number + guess) % 3
      const { status, code } = await signIn(cluster.at(pid).port, `127.0.1.${number + 1}`, 'owner', `guess ${number} ${guess}`)
      if (status === 401) tried[pid] = (tried[pid] ?? 0) + 1
      else if (status === 429) held += 1
      else assert.ok(status === 503, `${status} ${code}`)
      await new Promise((resolve) => setTimeout(resolve, 50))
    }
  }
  const owners: Reply[] = []
  const atHome = async (): Promise<void> => {
    while (performance.now() < untilMs) {
      owners.push(await signIn(cluster.at(owners.length % 3).port, home, 'owner', owner.password))
      await new Promise((resolve) => setTimeout(resolve, 400))
    }
  }
  await Promise.all([...Array.from({ length: GUESSERS }, (_, number) => guesser(number)), atHome()])
  const { free } = LIMIT_FIGURES.guessesByName
  // After the free ones each wait doubles: 1, 2, 4 … seconds, so few more fit into the time of the attack.
  const allowed = free + Math.ceil(Math.log2(ATTACK_MS / 1_000 + 1)) + 1
  for (const [pid, count] of tried.entries()) assert.ok(count <= allowed, `node ${pid} tried ${count} guesses; ${allowed} are documented`)
  assert.ok(tried.every((count) => count >= free - 1), `the attack was none: ${tried}`)
  const refused = owners.filter(({ status }) => status === 401 || status === 429)
  assert.equal(refused, [], 'the owner, where he had signed in before')
  print(`${tried.join(' + ')} guesses tried at three nodes in ${ATTACK_MS / 1_000} s, ${held} held back; the owner signed in ${owners.filter(({ status }) => status === 201).length} of ${owners.length} times meanwhile`)
})

guessing('names are probed ten a minute from one address at one node, and no faster', async ({ cluster }) => {
  const statuses: number[] = []
  for (let probe = 0; probe < 40; probe++) statuses.push(await lookUp(cluster.at(1).port, '127.0.2.1', `name-${probe}`))
  assert.is(statuses.filter((status) => status === 200).length, LIMIT_FIGURES.lookUpsAMinute)
  assert.is(statuses.filter((status) => status === 429).length, 40 - LIMIT_FIGURES.lookUpsAMinute)
})

const timing = suite<{ cluster: Cluster }>('X9')

timing.before(async (context) => {
  // With the real cost of a hash: what must not be told apart is whether one was made.
  context.cluster = await startCluster({ size: 1, flags: ['--bootstrap'], env: { STARLING_TEST: '1', STARLING_ARGON2: '19456,2,1' } })
})
timing.after(({ cluster }) => cluster.close())

timing('[COO7] the time of an answer does not tell a name that exists from one that does not', async ({ cluster }) => {
  await cluster.createPerson(0, 'known')
  const { port } = cluster.at(0)
  const times: Record<'known' | 'unknown' | 'impossible', number[]> = { known: [], unknown: [], impossible: [] }
  for (let sample = 0; sample < SAMPLES; sample++) {
    // In turn, so that what the machine does besides falls on all alike.
    times.known.push((await signIn(port, '127.0.0.1', 'known', `wrong password ${sample}`)).ms)
    times.unknown.push((await signIn(port, '127.0.0.1', `unknown-${sample}`, `wrong password ${sample}`)).ms)
    times.impossible.push((await signIn(port, '127.0.0.1', 'no such name!', `wrong password ${sample}`)).ms)
  }
  const [known, unknown, impossible] = [median(times.known), median(times.unknown), median(times.impossible)]
  const apart = Math.max(known, unknown, impossible) - Math.min(known, unknown, impossible)
  print(`medians of ${SAMPLES}: a name that exists ${known.toFixed(1)} ms, one that does not ${unknown.toFixed(1)} ms, one that cannot ${impossible.toFixed(1)} ms; ${apart.toFixed(1)} apart (5 promised)`)
  assert.ok(apart < APART_MS_MAX, `${apart} ms apart`)
})

timing('[COO7] nor does the time of an answer to a recovery code', async ({ cluster }) => {
  await cluster.createPerson(0, 'forgetful')
  const { port } = cluster.at(0)
  const times: Record<'forgetful' | 'unknown' | 'junk', number[]> = { forgetful: [], unknown: [], junk: [] }
  const recover = async (name: string, code: string): Promise<number> => {
    const { code: problem, ms } = await post(port, '127.0.0.1', '/api/recover', { name, code, newPassword: 'long enough' })
    assert.is(problem, 'wrong-credentials')
    return ms
  }
  for (let sample = 0; sample < SAMPLES; sample++) {
    times.forgetful.push(await recover('forgetful', '0000-0000-0000-0000'))
    times.unknown.push(await recover(`unknown-${sample}`, '0000-0000-0000-0000'))
    times.junk.push(await recover('forgetful', 'no code at all'))
  }
  const medians = Object.values(times).map(median)
  const apart = Math.max(...medians) - Math.min(...medians)
  print(`medians of ${SAMPLES}: ${medians.map((ms) => ms.toFixed(1)).join(', ')} ms for a name that exists, one that does not, and no code; ${apart.toFixed(1)} apart`)
  assert.ok(apart < APART_MS_MAX, `${apart} ms apart`)
  assert.ok(apart < Math.max(...medians) / 2, 'each costs a hash, which is most of the time')
})

guessing.run()
timing.run()
