// The coordinator is killed at a named step of a grant, while somebody else asks for the same name: shared by the short
// and the long test. Whatever step it was, one of them has the name, and repeats say so through every node [COO4, COO5].

import { mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { buildNode } from '../../esbuild.config.mjs'
import type { Random } from '../sim/random.ts'
import { type Answer, TEST_ENV, ask, askAny, show } from './asking.ts'
import { type Cluster, type ClusterOptions, call, newRequestId, wait } from './cluster.ts'
import { FAILPOINTS_VARIABLE, type Failpoint, armFailpoint, disarmFailpoint } from './failpoints.ts'
import { startAll, waitSteady } from './steady.ts'

const ROOT = process.env['STARLING_ROOT'] ?? process.cwd()
/** The role may have moved between looking and asking: then nobody died, and the play begins anew. */
const TRIES_MAX = 6
const RIVAL_LATE_MS_MAX = 12

/** Builds the node with failpoints beside the results, never into dist. `directory` is where its nodes are armed. */
export const buildFailpointNode = async (): Promise<{ readonly options: ClusterOptions; readonly directory: string }> => {
  const outdir = join(ROOT, '.cache/failpoints')
  await buildNode({ root: ROOT, outdir, runtime: join(ROOT, 'test/support/failpoint-runtime.ts') })
  const directory = join(outdir, `armed-${process.pid}`)
  mkdirSync(directory, { recursive: true })
  return { directory, options: { program: join(outdir, 'node.js'), env: { ...TEST_ENV, [FAILPOINTS_VARIABLE]: directory } } }
}

export type GrantKill = {
  readonly findings: readonly string[]
  /** From the kill to the final answers of both. */
  readonly answeredMs: number
  /** The one whose request the coordinator died over has the name. */
  readonly isFirst: boolean
  /** Plays that were begun anew because the role had moved. */
  readonly missed: number
}

type Asker = { readonly password: string; readonly key: string }

const claim = (places: Cluster['places'], name: string, { password, key }: Asker): Promise<Answer> =>
  askAny(places, 'POST', '/api/accounts', { body: { name, password }, idempotencyKey: key, timeoutMs: 10_000 })

/** One kill at one step. Both askers go on with their own id until each has a final answer; then everything is looked at. */
export const playGrantKill = async (cluster: Cluster, directory: string, failpoint: Failpoint, label: string, random: Random): Promise<GrantKill> => {
  startAll(cluster)
  for (let missed = 0; missed < TRIES_MAX; missed++) {
    const { coordinator } = await waitSteady(cluster)
    const [home = 0, rivalHome = 0] = random.shuffle(cluster.pids)
    const name = `${label}-${missed}`
    const askers = [{ password: 'the first of two', key: newRequestId() }, { password: 'the second of two', key: newRequestId() }] as const
    const from = (pid: number): Cluster['places'] => cluster.pids.map((_, step) => cluster.at((pid + step) % cluster.pids.length))
    armFailpoint(directory, coordinator, failpoint)
    const asked = [claim(from(home), name, askers[0]), wait(random.integer(0, RIVAL_LATE_MS_MAX)).then(() => claim(from(rivalHome), name, askers[1]))]
    const killedMs = await watchForKill(cluster, coordinator, Promise.all(asked))
    const answers = await Promise.all(asked)
    const answeredMs = performance.now() - (killedMs ?? 0)
    if (killedMs === null && disarmFailpoint(directory, coordinator)) continue
    const findings = await inspect(cluster, name, askers, answers)
    return { findings: findings.map((text) => `${failpoint}, ${name}: ${text}`), answeredMs, isFirst: answers[0]?.status === 201, missed }
  }
  return { findings: [`${failpoint}: nobody died in ${TRIES_MAX} plays`], answeredMs: 0, isFirst: false, missed: TRIES_MAX }
}

const watchForKill = async (cluster: Cluster, pid: number, answered: Promise<unknown>): Promise<number | null> => {
  let isOver = false
  void answered.then(() => (isOver = true), () => (isOver = true))
  for (;;) {
    if (cluster.stateOf(pid) === 'stopped') return performance.now()
    if (isOver) {
      await wait(50) // who dies after its answer
      return cluster.stateOf(pid) === 'stopped' ? performance.now() : null
    }
    await wait(2)
  }
}

const accountOf = (answer: Answer | undefined): string | null => answer?.body?.account?.id ?? null

/** What is wrong with the two answers, with their repeats through every node, and with whom each node says has the name. */
const inspect = async (cluster: Cluster, name: string, askers: readonly Asker[], answers: readonly Answer[]): Promise<string[]> => {
  const findings: string[] = []
  const winners = answers.filter(({ status }) => status === 201)
  const losers = answers.filter(({ status, code }) => status === 409 && code === 'name-taken')
  if (winners.length !== 1 || losers.length !== 1) findings.push(`not one owner: ${answers.map(show).join(' and ')}`)
  const owner = accountOf(winners[0])
  startAll(cluster)
  await waitSteady(cluster)
  for (const place of cluster.places) {
    for (const [index, asker] of askers.entries()) {
      const again = await claim([place], name, asker)
      const isSame = again.status === answers[index]?.status && accountOf(again) === accountOf(answers[index])
      if (!isSame) findings.push(`the repeat through node ${place.pid} says ${show(again)}, the first answer was ${show(answers[index] as Answer)}`)
      const signIn = await ask(place, 'POST', '/api/sessions', { body: { name, password: asker.password } })
      if ((signIn.status === 201) !== (answers[index]?.status === 201)) findings.push(`signing in through node ${place.pid} with password ${index}: ${show(signIn)}`)
      if (signIn.status !== 201) continue
      const listed = await call(place, 'GET', `/api/accounts?prefix=${name}`, { token: signIn.body.session.token, timeoutMs: 10_000 })
      if (listed.status !== 200 || listed.body.accounts.length !== 1 || listed.body.accounts[0].id !== owner) findings.push(`node ${place.pid} lists ${show(listed)}, the owner is ${owner}`)
    }
  }
  return findings
}
