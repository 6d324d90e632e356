// People at work over the nodes of a cluster of real processes: W1 and W2 of the programmes, and the part of W6 that HTTP
// reaches. Each does one thing at a time and goes to another node, with the same ids, until an answer is final; what never
// got one may or may not have happened. Everything tried and told is recorded here; workload-checks.ts judges the nodes by
// it. What is wrong at once (a refusal, a read that goes back [FAULTS K6]) is a finding on the spot.

import { type CallOptions, type Cluster, call, newMessageId, newRequestId, wait } from './cluster.ts'
import { type Answer, askAny, isRepeatable, show, until } from './asking.ts'
import { type Random, createRandom } from '../sim/random.ts'

export type Deed = 'send' | 'sign-up' | 'open' | 'read' | 'mark' | 'draft'
export type Outcome = 'pending' | 'acknowledged' | 'refused' | 'unknown'

/** A message that somebody tried to send. Texts are unique, so a text found is a message found, whatever its id. */
export type SentMessage = {
  /** Null for one sent from a draft whose answer never came. */
  id: string | null
  readonly text: string
  readonly from: Worker
  readonly to: readonly Worker[]
  outcome: Outcome
  /** When the attempt began that was answered, and when the answer came; by performance.now(). */
  startedMs: number
  acknowledgedMs: number
  answeredBy: number | null
  storedOn: readonly number[]
}

export type SignUp = { readonly name: string; outcome: Outcome; accountId: string | null; answeredBy: number | null }

/** What a draft may read as: one text, or several where an edit was cut off. */
export type WorkedDraft = { readonly id: string; readonly texts: Set<string>; isSure: boolean; state: 'there' | 'unknown' | 'gone' }

export type Worker = {
  readonly label: string
  readonly id: string
  readonly name: string
  readonly token: string
  /** The node it talks to first; moves on when that gives no answer. */
  home: number
  /** Until when it keeps away from a node that took its time and said nothing, by pid. */
  readonly avoidedMs: Map<number, number>
  /** Texts by id of what it saw among its messages, latest last. */
  readonly seen: Map<string, string>
  /** Deleting was tried, and what came of it. */
  readonly deleted: Map<string, Outcome>
  /** Read or not read, as last set; null where an attempt has no answer. */
  readonly checked: Map<string, boolean | null>
  readonly drafts: WorkedDraft[]
}

/** One request and what came of it. Those of one `task` are tries of the same thing at node after node. */
export type Attempt = { readonly task: number; readonly deed: Deed; readonly pid: number; readonly startedMs: number; readonly endedMs: number; readonly status: number; readonly code: string | null }

export type WorkloadOptions = {
  /** Begins the names of people and accounts: 1 to 16 letters, digits, dots, dashes; another one each time in a cluster. */
  readonly label: string
  readonly people?: number
  /** Deeds of all together. */
  readonly perSecond?: number
  /** Messages are filled up to this length. */
  readonly textBytes?: number
  readonly deeds?: Readonly<Partial<Record<Deed, number>>>
  /** False while a read may rightly show less than another node acknowledged: on the small side of a split, or alone. */
  readonly judgesReads?: () => boolean
}

export type Workload = Awaited<ReturnType<typeof startWorkload>>

const DEEDS: Readonly<Record<Deed, number>> = { send: 60, 'sign-up': 8, open: 8, read: 10, mark: 6, draft: 8 }
const ATTEMPT_MS = 4_000
const GRANT_ATTEMPT_MS = 7_000 // a grant may wait for its coordinator [COO5]
const GIVE_UP_MS = 60_000
const PAUSE_MS = 20
/** As long as a page keeps away from a node that said nothing; else everybody would soon wait for the same frozen one. */
const AVOID_MS = 5_000
/** Every so often somebody goes elsewhere without need, so that reads move between nodes. */
const WANDER = 0.1
const NAMES_AT_ONCE = 4
const DRAFTS_MAX = 3
const WATCHED_SENT = 20
const WATCHED_SEEN = 50
const PAGE_SIZE = 100
const UNTIL_LIMIT_MS = 60_000

/** A text without what fills it up, for findings. */
export const toShort = (text: string): string => text.replace(/[ .]+$/, '')

/** Makes the people and lets them work until `stop()`. Have at least one node ready before either. */
export const startWorkload = async (cluster: Cluster, { label, people = 4, perSecond = 20, textBytes = 0, deeds = DEEDS, judgesReads = () => true }: WorkloadOptions) => {
  const random = createRandom(label)
  const findings: string[] = []
  const attempts: Attempt[] = []
  const sent: SentMessage[] = []
  const texts = new Map<string, SentMessage>()
  const signUps: SignUp[] = []
  let isStopped = false
  let textCount = 0
  let draftCount = 0
  let taskCount = 0

  const createWorker = async (number: number): Promise<Worker> => {
    const name = `${label}-p${number}`
    const ready = cluster.livePids().map((pid) => cluster.at(pid))
    const answer = await askAny(ready, 'POST', '/api/accounts', { body: { name, password: `${name} has a password` } })
    if (answer.status !== 201) throw new Error(`creating ${name}: ${show(answer)}`)
    const home = cluster.pids[number % cluster.pids.length] ?? 0
    return { label: name, id: answer.body.account.id, name, token: answer.body.session.token, home, avoidedMs: new Map(), seen: new Map(), deleted: new Map(), checked: new Map(), drafts: [] }
  }

  type Persisted = { readonly answer: Answer; readonly pid: number; readonly startedMs: number; readonly tries: number }

  const attempt = async (task: number, deed: Deed, pid: number, method: string, path: string, options: CallOptions): Promise<{ readonly answer: Answer; readonly startedMs: number }> => {
    const startedMs = performance.now()
    const answer = await call(cluster.at(pid), method, path, options)
    attempts.push({ task, deed, pid, startedMs, endedMs: performance.now(), status: answer.status, code: answer.code })
    return { answer, startedMs }
  }

  /** Asks node after node, from the worker's own on, until an answer is final or everybody would have given up. */
  const persist = async (worker: Worker, deed: Deed, method: string, path: string, options: CallOptions = {}): Promise<Persisted> => {
    const task = ++taskCount
    const deadline = performance.now() + GIVE_UP_MS
    const whole = { timeoutMs: deed === 'sign-up' ? GRANT_ATTEMPT_MS : ATTEMPT_MS, token: worker.token, ...(method === 'GET' || deed === 'send' ? {} : { idempotencyKey: newRequestId() }), ...options }
    for (let tries = 1; ; tries++) {
      const pid = worker.home
      const { answer, startedMs } = await attempt(task, deed, pid, method, path, whole)
      if (!isRepeatable(answer) || cluster.isClosed()) return { answer, pid, startedMs, tries }
      if (answer.code === 'timeout') worker.avoidedMs.set(pid, performance.now() + AVOID_MS)
      worker.home = (pid + 1) % cluster.pids.length
      if (performance.now() > deadline) {
        findings.push(`K8 ${worker.label} tried to ${deed} for ${Math.round(GIVE_UP_MS / 1000)} s at every node: ${show(answer)} at last`)
        return { answer, pid, startedMs, tries }
      }
      if (tries % cluster.pids.length === 0) await wait(PAUSE_MS)
    }
  }

  /** Acknowledged if the status is the wanted one; anything else final is a finding, as nobody here asks for what is refused. */
  const outcomeOf = (worker: Worker, deed: string, wanted: number, { answer, pid }: Persisted): Outcome => {
    if (answer.status === wanted) return 'acknowledged'
    if (isRepeatable(answer)) return 'unknown'
    // Nobody asks for what they have not seen: a node that has no such thing goes back behind that.
    findings.push(`${answer.status === 404 ? 'K6' : 'K1'} ${worker.label} was refused to ${deed} by node ${pid}: ${show(answer)}`)
    return 'refused'
  }

  const newText = (worker: Worker): string => `${worker.label} ${textCount++}`.padEnd(textBytes, ' .')
  const othersOf = (worker: Worker, dice: Random): Worker[] => dice.shuffle(workers.filter((other) => other !== worker)).slice(0, dice.chance(0.2) ? 2 : 1)

  const begin = (message: Pick<SentMessage, 'id' | 'text' | 'from' | 'to'>): SentMessage => {
    const whole: SentMessage = { ...message, outcome: 'pending', startedMs: performance.now(), acknowledgedMs: Number.NaN, answeredBy: null, storedOn: [] }
    sent.push(whole)
    texts.set(whole.text, whole)
    return whole
  }

  const acknowledge = (message: SentMessage, { pid, startedMs }: Persisted, storedOn: readonly number[]): void => {
    Object.assign(message, { outcome: 'acknowledged', startedMs, acknowledgedMs: performance.now(), answeredBy: pid, storedOn })
  }

  const doSend = async (worker: Worker, dice: Random): Promise<void> => {
    const message = begin({ id: newMessageId(), text: newText(worker), from: worker, to: othersOf(worker, dice) })
    const body = { id: message.id, text: message.text, to: message.to.map(({ id }) => ({ id })) }
    const done = await persist(worker, 'send', 'POST', '/api/messages', { body })
    message.outcome = outcomeOf(worker, 'send', 201, done)
    if (message.outcome !== 'acknowledged') return
    acknowledge(message, done, done.answer.body.storedOn)
    const missed = done.answer.body.recipients.filter(({ status }: { status: string }) => status !== 'delivered')
    if (missed.length > 0) findings.push(`K1 "${toShort(message.text)}" was acknowledged by node ${done.pid} as ${JSON.stringify(missed)}`)
  }

  /** Two strangers may ask for one name at once through two nodes: a name each, or one for the first [COO6]. */
  const doSignUp = async (worker: Worker, dice: Random): Promise<void> => {
    const name = `${label}-n${Math.floor(signUps.length / NAMES_AT_ONCE) * NAMES_AT_ONCE + dice.integer(0, NAMES_AT_ONCE - 1)}`
    const strangers = [worker, ...(dice.chance(0.5) ? [{ ...worker, home: dice.pick(cluster.pids) }] : [])]
    await Promise.all(
      strangers.map(async (stranger) => {
        const entry: SignUp = { name, outcome: 'pending', accountId: null, answeredBy: null }
        signUps.push(entry)
        const done = await persist(stranger, 'sign-up', 'POST', '/api/accounts', { body: { name, password: `a password ${signUps.length}` } })
        entry.answeredBy = done.pid
        entry.outcome = done.answer.code === 'name-taken' ? 'refused' : outcomeOf(stranger, `sign up as ${name}`, 201, done)
        if (entry.outcome === 'acknowledged') entry.accountId = done.answer.body.account.id
      }),
    )
  }

  const doOpen = async (worker: Worker, dice: Random): Promise<void> => {
    const done = await persist(worker, 'open', 'POST', '/api/inbox/open', { body: { count: dice.integer(1, 10) } })
    if (outcomeOf(worker, 'open', 200, done) !== 'acknowledged') return
    for (const { id, text } of done.answer.body.opened) see(worker, done.pid, id, text)
  }

  const see = (worker: Worker, pid: number, id: string, text: string): void => {
    if (!texts.has(text)) findings.push(`K1 node ${pid} shows ${worker.label} "${text}" as ${id}, which nobody sent`)
    worker.seen.set(id, text)
  }

  /** Lists at one node until everything that this person must see came by, and holds it against what they know [FAULTS K6]. */
  const readAt = async (worker: Worker, pid: number, ask: (path: string) => Promise<Answer>): Promise<Answer> => {
    const isJudged = judgesReads()
    const own = sent.filter(({ from, outcome, id }) => from === worker && outcome === 'acknowledged' && id !== null).slice(-WATCHED_SENT)
    const wanted = new Map([...own.map(({ id, text }) => [id ?? '', text] as const), ...[...worker.seen].slice(-WATCHED_SEEN)].filter(([id]) => !worker.deleted.has(id)))
    const oldest = [...wanted.keys()].sort()[0] ?? '~'
    const gone = new Set([...worker.deleted].filter(([, outcome]) => outcome === 'acknowledged').map(([id]) => id))
    let path = `/api/messages?limit=${PAGE_SIZE}`
    for (;;) {
      const answer = await ask(path)
      if (answer.status !== 200) return answer
      for (const { id, text } of answer.body.messages) {
        see(worker, pid, id, text)
        wanted.delete(id)
        if (gone.has(id) && isJudged && judgesReads()) findings.push(`K6 node ${pid} shows ${worker.label} "${toShort(text)}", deleted before`)
      }
      const { next } = answer.body
      if (wanted.size > 0 && next !== undefined && next > oldest) {
        path = `/api/messages?limit=${PAGE_SIZE}&before=${encodeURIComponent(next)}`
        continue
      }
      const missing = [...wanted].filter(([id]) => !worker.deleted.has(id)).map(([, text]) => toShort(text)) // deleted while this was read
      if (missing.length > 0 && isJudged && judgesReads()) findings.push(`K6 node ${pid} does not show ${worker.label} ${missing.length} messages they have seen or sent before: ${missing.slice(0, 3).join(', ')}`)
      return answer
    }
  }

  const doRead = async (worker: Worker): Promise<void> => {
    for (let tries = 0; tries < cluster.pids.length; tries++) {
      const pid = worker.home
      const answer = await readAt(worker, pid, async (path) => (await attempt(++taskCount, 'read', pid, 'GET', path, { token: worker.token, timeoutMs: ATTEMPT_MS })).answer)
      if (answer.status === 200) return
      if (!isRepeatable(answer)) return void findings.push(`K1 ${worker.label} was refused to read by node ${pid}: ${show(answer)}`)
      worker.home = (pid + 1) % cluster.pids.length
    }
  }

  const doMark = async (worker: Worker, dice: Random): Promise<void> => {
    const marked = [...worker.seen.keys()].filter((id) => !worker.deleted.has(id))
    if (marked.length === 0) return
    const id = dice.pick(marked)
    if (dice.chance(0.4)) {
      worker.deleted.set(id, 'pending')
      worker.deleted.set(id, outcomeOf(worker, 'delete', 204, await persist(worker, 'mark', 'DELETE', `/api/messages/${id}`)))
      return
    }
    const checked = dice.chance(0.7)
    worker.checked.set(id, null)
    const done = await persist(worker, 'mark', 'PATCH', `/api/messages/${id}`, { body: { checked } })
    if (outcomeOf(worker, 'mark', 200, done) === 'acknowledged' && done.tries === 1) worker.checked.set(id, checked)
  }

  const doDraft = async (worker: Worker, dice: Random): Promise<void> => {
    const open = worker.drafts.filter(({ state }) => state === 'there')
    const draft = open.length === 0 || (open.length < DRAFTS_MAX && dice.chance(0.5)) ? null : dice.pick(open)
    if (draft === null || dice.chance(0.4)) return putDraft(worker, dice, draft)
    if (draft.isSure && dice.chance(0.7)) return sendDraft(worker, draft)
    draft.state = 'unknown'
    const outcome = outcomeOf(worker, 'discard', 204, await persist(worker, 'draft', 'DELETE', `/api/drafts/${draft.id}`))
    if (outcome === 'acknowledged') draft.state = 'gone'
  }

  const putDraft = async (worker: Worker, dice: Random, old: WorkedDraft | null): Promise<void> => {
    const draft: WorkedDraft = old ?? { id: newMessageId(), texts: new Set(), isSure: true, state: 'there' }
    if (old === null) worker.drafts.push(draft)
    const text = `${worker.label} draft ${draftCount++}`
    const wasSure = draft.isSure
    Object.assign(draft, { isSure: false })
    draft.texts.add(text)
    const done = await persist(worker, 'draft', 'PUT', `/api/drafts/${draft.id}`, { body: { to: othersOf(worker, dice).map(({ id }) => ({ id })), text, selected: false } })
    const outcome = outcomeOf(worker, 'write a draft', 200, done)
    if (outcome === 'unknown' && old === null) draft.state = 'unknown'
    // An edit that was cut off and made again elsewhere may be there twice, as two people's edits would be.
    if (outcome !== 'acknowledged' || done.tries > 1 || !wasSure) return
    draft.isSure = true
    draft.texts.clear()
    draft.texts.add(text)
  }

  const sendDraft = async (worker: Worker, draft: WorkedDraft): Promise<void> => {
    const [text = ''] = draft.texts
    const drafts = await persist(worker, 'draft', 'GET', '/api/drafts')
    const held = drafts.answer.status === 200 ? drafts.answer.body.drafts.find(({ id }: { id: string }) => id === draft.id) : undefined
    if (held === undefined || held.text !== text) {
      if (drafts.answer.status === 200 && judgesReads()) findings.push(`K6 node ${drafts.pid} shows ${worker.label} draft ${draft.id} as ${JSON.stringify(held ?? null)} instead of "${text}"`)
      draft.state = 'unknown'
      return
    }
    const to = workers.filter(({ id }) => held.to.some((one: { id: string }) => one.id === id))
    const message = begin({ id: null, text, from: worker, to })
    draft.state = 'unknown'
    const done = await persist(worker, 'draft', 'POST', '/api/drafts/send', { body: { ids: [draft.id] } })
    message.outcome = outcomeOf(worker, 'send a draft', 200, done)
    if (message.outcome !== 'acknowledged') return
    const [result] = done.answer.body.sent
    if (result === undefined) {
      message.outcome = 'refused'
      if (judgesReads()) findings.push(`K1 ${worker.label} was refused to send draft ${draft.id} by node ${done.pid}: ${show(done.answer)}`)
      return
    }
    message.id = result.id
    draft.state = 'gone'
    acknowledge(message, done, result.storedOn)
  }

  const doDeed = (worker: Worker, deed: Deed, dice: Random): Promise<void> => {
    switch (deed) {
      case 'send':
        return doSend(worker, dice)
      case 'sign-up':
        return doSignUp(worker, dice)
      case 'open':
        return doOpen(worker, dice)
      case 'read':
        return doRead(worker)
      case 'mark':
        return doMark(worker, dice)
      case 'draft':
        return doDraft(worker, dice)
    }
  }

  const bag = Object.entries(deeds).flatMap(([deed, share]) => Array.from({ length: share }, () => deed as Deed))
  const work = async (worker: Worker): Promise<void> => {
    const dice = random.fork(worker.label)
    const everyMs = (1000 * workers.length) / perSecond
    let dueMs = performance.now() + dice.next() * everyMs
    while (!isStopped && !cluster.isClosed()) {
      await wait(Math.max(0, dueMs - performance.now()))
      if (isStopped) return
      if (dice.chance(WANDER)) worker.home = dice.pick(cluster.pids)
      if ((worker.avoidedMs.get(worker.home) ?? 0) > performance.now()) worker.home = (worker.home + 1) % cluster.pids.length
      await doDeed(worker, dice.pick(bag), dice)
      dueMs = Math.max(dueMs + everyMs, performance.now() - everyMs) // what an outage took is not made up for
    }
  }

  const workers: readonly Worker[] = await Promise.all(Array.from({ length: people }, (_, number) => createWorker(number)))
  const running = workers.map(work)
  for (const one of running) one.catch(() => {}) // told to whoever stops

  const acknowledged = (): SentMessage[] => sent.filter(({ outcome }) => outcome === 'acknowledged')
  return {
    label,
    workers,
    sent,
    /** The message of a text, or undefined if nobody tried to send it. */
    messageOf: (text: string): SentMessage | undefined => texts.get(text),
    signUps,
    attempts,
    /** What broke so far, a line each, beginning with its checker's id. */
    findings,
    acknowledged,
    /** Resolves when this many more messages were acknowledged. */
    untilAcknowledged: async (more: number, limitMs = UNTIL_LIMIT_MS): Promise<void> => {
      const goal = acknowledged().length + more
      await until(`${more} more messages acknowledged`, () => acknowledged().length >= goal, limitMs)
    },
    /** How long after this moment the first message was acknowledged whose sending began after it; Infinity if none was. */
    backAfter: (momentMs: number): number =>
      Math.min(...acknowledged().filter(({ startedMs }) => startedMs >= momentMs).map(({ acknowledgedMs }) => acknowledgedMs - momentMs)),
    /** Stretches between two moments in which nobody had a message acknowledged, in ms, where longer than `longerThanMs` [FAULTS K8]. */
    gaps: (fromMs: number, toMs: number, longerThanMs = 500): number[] => {
      const moments = acknowledged().map(({ acknowledgedMs }) => acknowledgedMs).filter((ms) => ms > fromMs && ms < toMs).sort((a, b) => a - b)
      return [...moments, toMs].map((ms, index) => ms - (moments[index - 1] ?? fromMs)).filter((ms) => ms > longerThanMs)
    },
    /** Everybody reads at one node, once, and judges what it shows; resolves to how many it answered. */
    readEverybodyAt: async (pid: number, timeoutMs = ATTEMPT_MS): Promise<number> => {
      const answers = await Promise.all(workers.map((worker) => readAt(worker, pid, (path) => call(cluster.at(pid), 'GET', path, { token: worker.token, timeoutMs }))))
      return answers.filter(({ status }) => status === 200).length
    },
    /** Resolves when everybody has ended what they were at; have a node ready, or they go on trying for a minute. */
    stop: async (): Promise<void> => {
      isStopped = true
      await Promise.all(running)
    },
  }
}
