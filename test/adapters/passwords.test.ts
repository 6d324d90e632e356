// The password worker in its own thread, with parameters low enough to wait for.

import { mkdirSync, readdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { buildProgram } from '../../esbuild.config.mjs'
import { type Passwords, createPasswords, parseParameters } from '../../node/adapters/passwords.ts'
import { type PasswordParameters, runPasswordJob } from '../../node/adapters/password-worker.ts'
import type { Event } from '../../node/core/events.ts'

const test = suite('passwords')
const LOW: PasswordParameters = { memoryKib: 64, passes: 1, lanes: 1 }
// Below the project, where the worker finds its packages.
const directory = join(process.env['STARLING_ROOT'] ?? process.cwd(), '.cache', `passwords-${process.pid}`)
const workerFile = join(directory, 'password-worker.js')

const start = (parameters: PasswordParameters, idleMs = 60_000) => {
  const events: Event[] = []
  const waiting: (() => void)[] = []
  const passwords: Passwords = createPasswords({
    parameters,
    idleMs,
    workerUrl: pathToFileURL(workerFile),
    emit: event => {
      events.push(event)
      for (const wake of waiting.splice(0)) wake()
    },
    onBroken: error => assert.unreachable(error.message)
  })
  const until = async (isTrue: () => boolean): Promise<void> => {
    // A worker does not keep a process alive that waits for nothing else.
    const alive = setInterval(() => undefined, 1_000)
    while (!isTrue()) await new Promise<void>(resolve => waiting.push(resolve))
    clearInterval(alive)
  }
  return { passwords, events, until }
}

test.before(async () => {
  mkdirSync(directory, { recursive: true })
  await buildProgram({ entry: join(process.env['STARLING_ROOT'] ?? process.cwd(), 'node/adapters/password-worker.ts'), outfile: workerFile })
})
test.after(() => rmSync(directory, { recursive: true, force: true }))

test('a worker that has had nothing to do ends, and the next job starts another', async () => {
  const threads = (): number => readdirSync('/proc/self/task').length
  const { passwords, events, until } = start(LOW, 20)
  const working = threads()
  for (let waited = 0; threads() >= working; waited++) {
    assert.ok(waited < 500, 'the worker did not end')
    await new Promise(resolve => setTimeout(resolve, 20))
  }
  passwords.hash(1, 'correct horse')
  await until(() => events.length === 1)
  assert.is(events[0]?.type, 'password-hashed')
  await passwords.shutDown()
  passwords.hash(2, 'correct horse')
  await new Promise(resolve => setTimeout(resolve, 50))
  assert.is(events.length, 1, 'nothing is hashed after the end')
})

test('a password hashes in the worker, fits its hash and no other', async () => {
  const { passwords, events, until } = start(LOW)
  passwords.hash(1, 'correct horse')
  await until(() => events.length === 1)
  const [hashed] = events
  assert.is(hashed?.type, 'password-hashed')
  const hash = hashed?.type === 'password-hashed' ? hashed.hash : ''
  assert.match(hash, /^\$argon2id\$v=19\$m=64,t=1,p=1\$/)
  passwords.verify(2, 'correct horse', ['not a hash', hash])
  passwords.verify(3, 'wrong horse', [hash])
  passwords.verify(4, 'correct horse', [])
  await until(() => events.length === 4)
  assert.equal(events.slice(1), [
    { type: 'password-verified', job: 2, match: 1, rehash: null },
    { type: 'password-verified', job: 3, match: -1, rehash: null },
    { type: 'password-verified', job: 4, match: -1, rehash: null }
  ])
  await passwords.shutDown()
})

test('a hash of weaker parameters is made anew when its password fits, and only then', () => {
  const old = runPasswordJob({ type: 'hash', job: 1, password: 'correct horse' }, LOW)
  const hash = old.type === 'hashed' ? old.hash : ''
  const risen = { ...LOW, passes: 2 }
  const fits = runPasswordJob({ type: 'verify', job: 2, password: 'correct horse', hashes: [hash] }, risen)
  assert.match((fits.type === 'verified' && fits.rehash) || '', /t=2/)
  const fails = runPasswordJob({ type: 'verify', job: 3, password: 'wrong horse', hashes: [hash] }, risen)
  assert.is(fails.type === 'verified' && fails.rehash, null)
})

test('[COO7] a hash that is none costs as much as one of the parameters in force, whatever those are', () => {
  const dear = { ...LOW, memoryKib: 16_384 }
  const timeOf = (hashes: readonly string[]): number => {
    const startedMs = performance.now()
    runPasswordJob({ type: 'verify', job: 1, password: 'a guess', hashes }, dear)
    return performance.now() - startedMs
  }
  const made = runPasswordJob({ type: 'hash', job: 1, password: 'correct horse' }, dear)
  const hash = made.type === 'hashed' ? made.hash : ''
  const times = { real: [] as number[], none: [] as number[] }
  for (let sample = 0; sample < 15; sample++) {
    times.real.push(timeOf([hash]))
    times.none.push(timeOf(['nobody']))
  }
  const least = (values: readonly number[]): number => Math.min(...values)
  // A hundred times apart if no work is done, and the parameters of another day are many times apart.
  assert.ok(least(times.none) > least(times.real) / 3 && least(times.none) < least(times.real) * 3, `${least(times.none)} and ${least(times.real)} ms`)
})

test('[COR3] one job runs, 32 wait, the next is told the node is busy, and all of the rest are done in order', async () => {
  const { passwords, events, until } = start(LOW)
  for (let job = 1; job <= 35; job++) passwords.hash(job, `password ${job}`)
  assert.equal(events, [{ type: 'password-busy', job: 34 }, { type: 'password-busy', job: 35 }])
  await until(() => events.length === 35)
  assert.equal(events.slice(2).map(event => event.type === 'password-hashed' && event.job), Array.from({ length: 33 }, (_, index) => index + 1))
  await passwords.shutDown()
})

test('parameters are read from m,t,p and never taken below the floor outside tests', () => {
  assert.equal(parseParameters('65536,3,1', false), { memoryKib: 65_536, passes: 3, lanes: 1 })
  assert.equal(parseParameters('19456,2,1', false), { memoryKib: 19_456, passes: 2, lanes: 1 })
  for (const text of ['19455,2,1', '65536,1,1', '64,1,1', '', '1,2', 'a,b,c', '65536,3,1,1', '65536,3,0', '1e9,3,1']) assert.is(parseParameters(text, false), null, text)
  assert.equal(parseParameters('64,1,1', true), LOW)
})

test.run()
