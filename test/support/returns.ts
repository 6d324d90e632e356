// The lowest pid comes back with an empty or an old data directory. What was removed, ended, deleted, recalled and renamed
// while it was away stays so; until it has synced it neither serves nor coordinates [RDY1, COO8, DOC3].

import { cpSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import type { Random } from '../sim/random.ts'
import { type Answer, askAny, isRepeatable, mustAsk, show } from './asking.ts'
import { type Cluster, type Person, call, newMessageId, newRequestId, wait } from './cluster.ts'
import { startAll, waitSteady } from './steady.ts'

export type Disk = 'empty' | 'old'
export type Company = 'beside others' | 'before others'

export type Return = { readonly findings: readonly string[]; readonly readyMs: number; readonly acknowledged: number; readonly answersJudged: number }

const LOWEST = 0
/** A node alone with a cluster to wait for goes on alone after 10 s (`aloneMs`); the others are there long before. */
const OTHERS_LATE_MS = [200, 1_500] as const
const GOOD_ANSWERS = 3
const READY_LIMIT_MS = 60_000

/** Things that were so, and that were then undone while the lowest was away or after its old directory was put by. */
type Past = {
  readonly ben: Person
  readonly oldToken: string
  readonly removed: readonly Person[]
  readonly renamedFrom: string
  readonly kept: readonly string[]
  readonly deleted: readonly string[]
  readonly recalled: readonly string[]
  readonly discardedDraft: string
}

/** One return of node 0; resolves when the cluster is at rest again and every node was judged. */
export const playReturn = async (cluster: Cluster, disk: Disk, company: Company, label: string, random: Random): Promise<Return> => {
  startAll(cluster)
  await waitSteady(cluster)
  const { dataDir } = cluster.at(LOWEST)
  const image = join(cluster.directory, 'image')
  const past = await live(cluster, label, async () => {
    if (disk === 'old') await copyFrozen(cluster, image)
  })
  if (company === 'before others') await Promise.all(cluster.pids.map((pid) => cluster.kill(pid)))
  rmSync(dataDir, { recursive: true, force: true })
  if (disk === 'old') cpSync(image, dataDir, { recursive: true })
  rmSync(image, { recursive: true, force: true })

  const startedMs = performance.now()
  cluster.start(LOWEST)
  const others = wait(company === 'before others' ? random.integer(...OTHERS_LATE_MS) : 0).then(() => startAll(cluster))
  const watched = await watchReturn(cluster, past)
  await others
  await waitSteady(cluster)
  const findings = [...watched.findings]
  for (const pid of cluster.pids) findings.push(...(await judge(cluster, pid, past, mustAnswer)).findings)
  return { findings: findings.map((text) => `${label}, ${disk} disk, ${company}: ${text}`), readyMs: watched.readyMs - startedMs, acknowledged: past.kept.length + past.deleted.length + past.recalled.length, answersJudged: watched.judged }
}

/** Copies node 0's directory as it is at one moment of its run. */
const copyFrozen = async (cluster: Cluster, image: string): Promise<void> => {
  cluster.freeze(LOWEST)
  cpSync(cluster.at(LOWEST).dataDir, image, { recursive: true })
  cluster.thaw(LOWEST)
}

/** Lives through what is to be found again: first with node 0, with `keepImage` in between, then without it. */
const live = async (cluster: Cluster, label: string, keepImage: () => Promise<void>): Promise<Past> => {
  const everywhere = cluster.places
  const do_ = async (wanted: number, method: string, path: string, options: object): Promise<Answer> => {
    const answer = await askAny(everywhere, method, path, options)
    if (answer.status !== wanted) throw new Error(`${label}: ${method} ${path}: ${show(answer)}`)
    return answer
  }
  const signUp = async (name: string): Promise<Person> => {
    const { body } = await do_(201, 'POST', '/api/accounts', { body: { name, password: `${name} has a password` } })
    return { id: body.account.id, name, password: `${name} has a password`, token: body.session.token }
  }
  const [ana, ben, early, late] = await Promise.all([signUp(`${label}-ana`), signUp(`${label}-ben`), signUp(`${label}-early`), signUp(`${label}-late`)])
  const send = async (text: string): Promise<string> => {
    const id = newMessageId()
    await do_(201, 'POST', '/api/messages', { token: ana.token, body: { id, to: [{ id: ben.id }], text } })
    return id
  }
  const remove = ({ token, password }: Person): Promise<Answer> => do_(204, 'DELETE', '/api/me', { token, body: { password } })
  const signedIn = (await do_(201, 'POST', '/api/sessions', { body: { name: ben.name, password: ben.password } })).body.session
  const draftId = newMessageId()
  const [first, second, third] = await Promise.all([send('stays'), send('is deleted'), send('is deleted later')])
  await do_(200, 'PUT', `/api/drafts/${draftId}`, { token: ben.token, body: { to: [{ id: ana.id }], text: 'is discarded', selected: false } })
  await do_(200, 'POST', '/api/inbox/open', { token: ben.token, body: { count: 10 } })
  const recalled = await send('is recalled')

  await keepImage()
  await remove(early)
  await do_(204, 'DELETE', `/api/messages/${second}`, { token: ben.token })
  const withLowest = await send('with the lowest')
  await cluster.kill(LOWEST)
  await remove(late)
  await do_(204, 'DELETE', `/api/messages/${third}`, { token: ben.token })
  await do_(200, 'POST', `/api/messages/${recalled}/recall`, { token: ana.token })
  await do_(204, 'DELETE', `/api/drafts/${draftId}`, { token: ben.token })
  await do_(204, 'DELETE', `/api/sessions/${signedIn.id}`, { token: ben.token })
  await do_(200, 'PATCH', '/api/me', { token: ana.token, body: { password: ana.password, name: `${label}-anna` } })
  const without = await send('without the lowest')
  await do_(200, 'POST', '/api/inbox/open', { token: ben.token, body: { count: 10 } })
  return { ben, oldToken: signedIn.token, removed: [early, late], renamedFrom: ana.name, kept: [first, withLowest, without], deleted: [second, third], recalled: [recalled], discardedDraft: draftId }
}

type Ask = (place: Cluster['places'][number], path: string, token?: string) => Promise<Answer>
type Judgement = { readonly findings: string[]; readonly answers: number }

const mustAnswer: Ask = async (place, path, token) => askAny([place], 'GET', path, token === undefined ? {} : { token })
const mayAnswer: Ask = (place, path, token) => call(place, 'GET', path, { timeoutMs: 5_000, ...(token === undefined ? {} : { token }) })

/** Whatever a node answers must be as it is now; it may also say that it is not ready, unless it must answer. */
const judge = async (cluster: Cluster, pid: number, past: Past, ask: Ask): Promise<Judgement> => {
  const place = cluster.at(pid)
  const findings: string[] = []
  let answers = 0
  const check = async (path: string, token: string | undefined, isRight: (answer: Answer) => boolean): Promise<void> => {
    const answer = await ask(place, path, token)
    if (isRepeatable(answer)) {
      if (ask === mustAnswer) findings.push(`node ${pid} does not answer ${path}: ${show(answer)}`)
      return
    }
    answers += 1
    if (!isRight(answer)) findings.push(`node ${pid} says of ${path}: ${show(answer)}`)
  }
  await Promise.all([
    ...past.removed.map(({ token }) => check('/api/me', token, ({ status }) => status === 401)),
    ...past.removed.map(({ name }) => check(`/api/accounts/${name}`, undefined, ({ status, body }) => status === 200 && body.exists === false)),
    check(`/api/accounts/${past.renamedFrom}`, undefined, ({ status, body }) => status === 200 && body.exists === false),
    check('/api/inbox', past.oldToken, ({ status }) => status === 401),
    check('/api/inbox', past.ben.token, ({ status, body }) => status === 200 && body.unopened === 0),
    check('/api/drafts', past.ben.token, ({ status, body }) => status === 200 && !body.drafts.some(({ id }: { id: string }) => id === past.discardedDraft)),
    check('/api/messages?limit=50', past.ben.token, ({ status, body }) => status === 200 && JSON.stringify(body.messages.map(({ id }: { id: string }) => id).sort()) === JSON.stringify([...past.kept].sort())),
  ])
  return { findings, answers }
}

/** Asks node 0 from its first moment until it has answered everything a few times; judges all that it says meanwhile. */
const watchReturn = async (cluster: Cluster, past: Past): Promise<{ readonly findings: readonly string[]; readonly readyMs: number; readonly judged: number }> => {
  const findings: string[] = []
  const deadline = performance.now() + READY_LIMIT_MS
  let judged = 0
  let good = 0
  let readyMs = Number.NaN
  while (good < GOOD_ANSWERS) {
    if (performance.now() > deadline) throw new Error(`node ${LOWEST} did not come back\n${cluster.logTail(LOWEST)}`)
    const [state, { findings: found, answers }] = await Promise.all([call(cluster.at(LOWEST), 'GET', '/api/cluster', { timeoutMs: 5_000 }), judge(cluster, LOWEST, past, mayAnswer)])
    findings.push(...found)
    judged += answers
    const own = state.status === 200 ? state.body.nodes.find(({ pid }: { pid: number }) => pid === LOWEST) : undefined
    if (state.status === 200 && state.body.coordinator === LOWEST && own?.status !== 'ready') findings.push(`node ${LOWEST} coordinates and is ${own?.status}`)
    if (answers > 0 && Number.isNaN(readyMs)) readyMs = performance.now()
    if (answers > 0) good += 1
    if (answers === 0) await wait(15)
  }
  return { findings: [...new Set(findings)], readyMs, judged }
}
