// People with programs: a device that speaks HTTP to the nodes and follows the rules for repeating. One call at a time;
// a call is made again, with the same idempotency key or message id, through another node, until it has a final answer.

import type { AnswerOf, Call, CallOf } from '../../crdt-schema/api.ts'
import type { SignedInJson } from '../../crdt-schema/api-shapes.ts'
import { type AccountId, type DraftId, type MessageId, type Millis, type Pid, mintDraftId, mintMessageId, mintRequestId, requestToAccountId } from '../../crdt-schema/ids.ts'
import { type HttpAnswer, bytesToJson, jsonToBytes } from './doors.ts'
import { type Deed, type History, type Operation, type Outcome, describeDeed } from './history.ts'
import type { Network, Place } from './network.ts'
import type { SimProcess } from './process.ts'
import type { Random } from './random.ts'
import type { Schedule } from './schedule.ts'
import type { Trace } from './trace.ts'

/** A person, whatever devices they have. `account` is known from the first attempt to sign up [COO5]. */
export interface Person {
  readonly label: string
  readonly password: string
  account: AccountId | null
  name: string
  hasLeft: boolean
}

export interface PeopleWorld {
  readonly schedule: Schedule
  readonly network: Network
  readonly trace: Trace
  readonly history: History
  readonly processes: readonly SimProcess[]
  /** Wall time on people's devices. */
  wallMs(): Millis
}

export interface Session {
  readonly token: string
  readonly sessionId: string
  /** The sign-up or sign-in that gave it. */
  readonly operation: Operation
}

export interface Device {
  readonly label: string
  readonly place: Place
  readonly person: Person
  session: Session | null
  readonly isBusy: boolean
  /** The node it talks to first. */
  home: Pid
  signUp(name: string): Operation
  signIn(takeOver: boolean): Operation
  signOut(): Operation | null
  leave(): Operation | null
  send(text: string, to: readonly Person[]): Operation | null
  /** The same message again, id and all, whatever became of it. */
  repeatSend(operation: Operation): Operation | null
  open(count: number): Operation | null
  mark(message: MessageId, mark: 'deleted' | 'checked'): Operation | null
  recall(message: MessageId): Operation | null
  putDraft(text: string, to: readonly Person[], draft: DraftId | null): Operation | null
  sendDraft(draft: DraftId, text: string, to: readonly Person[]): Operation | null
  /** `then` gets the messages and the node that answered. */
  read(then: (messages: AnswerOf<'list-messages'>['messages'], by: Pid) => void): Operation | null
  /** What this device has seen of messages and drafts, oldest first. */
  readonly seen: { readonly messages: MessageId[]; readonly drafts: { readonly id: DraftId; text: string; to: readonly Person[] }[] }
}

const CONNECT_TIMEOUT_MS = 1_500
const ANSWER_TIMEOUT_MS = 8_000
const GIVE_UP_MS = 40_000
const RETRY_MS_MIN = 50
const RETRY_MS_MAX = 600

export type AttemptResult = { readonly type: 'answer'; readonly pid: Pid; readonly answer: HttpAnswer } | { readonly type: 'refused' | 'broken' }

/** One attempt at one node: connects, sends the request, waits. Calls `done` once. */
export const attemptCall = (
  world: PeopleWorld,
  from: Place,
  process: SimProcess,
  request: { readonly body: Call; readonly token: string | null; readonly idempotencyKey: string | null },
  done: (result: AttemptResult) => void
): void => {
  let isDone = false
  const finish = (result: AttemptResult): void => {
    if (isDone) return
    isDone = true
    done(result)
  }
  world.network.dial({
    from,
    to: process.place,
    timeoutMs: CONNECT_TIMEOUT_MS,
    roundTrips: 1,
    accept: end => process.acceptHttp(end, from),
    connected: end => {
      end.send(jsonToBytes(request))
      world.schedule.after(ANSWER_TIMEOUT_MS, () => {
        if (isDone) return
        end.close()
        finish({ type: 'broken' })
      })
      return {
        onFrame: bytes => finish({ type: 'answer', pid: process.pid, answer: bytesToJson(bytes) as HttpAnswer }),
        onDown: () => finish({ type: 'broken' }),
        onFull: () => {},
        onWritable: () => {}
      }
    },
    failed: () => finish({ type: 'refused' })
  })
}

const FINAL_5XX: readonly number[] = [500, 501]

export const createDevice = (world: PeopleWorld, person: Person, label: string, randomOfPerson: Random): Device => {
  const { schedule, history, trace } = world
  const random = randomOfPerson.fork(label)
  const place = `device ${label}`
  const seen: Device['seen'] = { messages: [], drafts: [] }
  let busy = 0
  let session: Session | null = null
  let home = world.processes[0]?.pid ?? (0 as Pid)

  const processesFrom = (first: Pid): SimProcess[] => {
    const start = Math.max(0, world.processes.findIndex(({ pid }) => pid === first))
    return [...world.processes.slice(start), ...world.processes.slice(0, start)]
  }

  /** Goes through the nodes until one gives a final answer; what was never answered is unknown. */
  const persist = (deed: Deed, body: Call, idempotencyKey: string | null, onAnswer: (answer: HttpAnswer, operation: Operation, by: Pid) => void): Operation => {
    const operation = history.begin(label, deed, schedule.nowMs)
    trace.line(schedule.nowMs, `${label} begins ${operation.number}: ${describeDeed(deed)}`)
    const order = processesFrom(home)
    const token = session?.token ?? null
    let tries = 0
    busy += 1

    const conclude = (outcome: Outcome, answer: HttpAnswer | null, by: Pid | null): void => {
      busy -= 1
      const code = outcome === 'acknowledged' ? '' : readCode(answer)
      // What the answer teaches comes first, so that whoever watches the history sees it whole.
      if (answer !== null && by !== null && outcome === 'acknowledged') onAnswer(answer, operation, by)
      history.end(operation, schedule.nowMs, { outcome, status: answer?.status ?? 0, code, answeredBy: by, storedOn: readStoredOn(answer), reached: readReached(answer), recalled: isRecall(answer), tries })
    }
    const tryNext = (): void => {
      const process = order[tries % order.length]
      tries += 1
      if (process === undefined) return conclude('unknown', null, null)
      const noteView = (): void => void operation.views.push(viewOf(world, process.pid))
      noteView()
      attemptCall(world, place, process, { body, token, idempotencyKey }, result => {
        noteView()
        if (result.type === 'answer') {
          const { status } = result.answer
          if (readCode(result.answer) === 'unknown') operation.doubts += 1
          if (status < 300) return conclude('acknowledged', result.answer, result.pid)
          if ((status < 500 && status !== 429) || FINAL_5XX.includes(status)) return conclude('refused', result.answer, result.pid)
        }
        if (schedule.nowMs - operation.startedMs > GIVE_UP_MS) return conclude('unknown', null, null)
        schedule.after(random.integer(RETRY_MS_MIN, RETRY_MS_MAX), tryNext)
      })
    }
    tryNext()
    return operation
  }

  const newKey = (): string => mintRequestId(random.bytes(16))
  const accountsOf = (people: readonly Person[]): AccountId[] => people.flatMap(({ account }) => (account === null ? [] : [account]))
  const rememberSession = (answer: HttpAnswer, operation: Operation): void => {
    const body = answer.body as SignedInJson
    session = { token: body.session.token, sessionId: body.session.id, operation }
    person.account = body.account.id as AccountId
  }
  const sendAs = (message: MessageId, text: string, to: readonly AccountId[]): Operation => {
    const body: CallOf<'send-message'> = { type: 'send-message', to: to.map(id => ({ id })), text, id: message }
    return persist({ kind: 'send', from: me(), to, text, message }, body, newKey(), () => {
      seen.messages.push(message)
    })
  }
  const me = (): AccountId => {
    if (person.account === null) throw new Error(`${label} has no account`)
    return person.account
  }
  const signedIn = <Value>(act: () => Value): Value | null => (session === null || person.account === null ? null : act())

  return {
    label,
    place,
    person,
    seen,
    get session() {
      return session
    },
    set session(next) {
      session = next
    },
    get isBusy() {
      return busy > 0
    },
    get home() {
      return home
    },
    set home(pid) {
      home = pid
    },
    signUp(name) {
      const key = newKey()
      const account = requestToAccountId(key as Parameters<typeof requestToAccountId>[0])
      return persist({ kind: 'sign-up', name, account }, { type: 'create-account', name, password: person.password, device: label }, key, (answer, operation) => {
        person.name = name
        rememberSession(answer, operation)
      })
    },
    signIn(takeOver) {
      const account = person.account ?? ('' as AccountId)
      return persist({ kind: 'sign-in', account, takeOver }, { type: 'create-session', name: person.name, password: person.password, device: label, takeOver }, newKey(), rememberSession)
    },
    signOut() {
      const token = session?.token
      if (token === undefined) return null
      const operation = persist({ kind: 'sign-out', account: me(), token }, { type: 'end-session', id: 'current' }, newKey(), () => {})
      session = null
      return operation
    },
    leave: () =>
      signedIn(() => {
        person.hasLeft = true
        return persist({ kind: 'leave', account: me() }, { type: 'remove-me', password: person.password }, newKey(), () => {
          session = null
        })
      }),
    send: (text, to) => signedIn(() => sendAs(mintMessageId(world.wallMs(), random.bytes(10)), text, accountsOf(to))),
    repeatSend: ({ deed }) => (deed.kind === 'send' ? signedIn(() => sendAs(deed.message, deed.text, deed.to)) : null),
    open: count =>
      signedIn(() =>
        persist({ kind: 'open', account: me() }, { type: 'open-inbox', count }, newKey(), answer => {
          const { opened } = answer.body as AnswerOf<'open-inbox'>
          seen.messages.push(...opened.map(({ id }) => id as MessageId))
          for (const { id } of opened) {
            const mark = history.begin(label, { kind: 'mark', account: me(), message: id as MessageId, mark: 'opened' }, schedule.nowMs)
            history.end(mark, schedule.nowMs, { outcome: 'acknowledged' })
          }
        })
      ),
    mark: (message, mark) =>
      signedIn(() => {
        const body: Call = mark === 'deleted' ? { type: 'delete-message', id: message } : { type: 'change-message', id: message, checked: true }
        return persist({ kind: 'mark', account: me(), message, mark }, body, newKey(), () => {})
      }),
    recall: message => signedIn(() => persist({ kind: 'recall', from: me(), message }, { type: 'recall-message', id: message }, newKey(), () => {})),
    putDraft: (text, to, draft) =>
      signedIn(() => {
        const id = draft ?? mintDraftId(world.wallMs(), random.bytes(10))
        const body: CallOf<'put-draft'> = { type: 'put-draft', id, to: accountsOf(to).map(account => ({ id: account })), text }
        const known = seen.drafts.find(other => other.id === id)
        if (known === undefined) seen.drafts.push({ id, text, to })
        else Object.assign(known, { text, to })
        return persist({ kind: 'draft', account: me(), draft: id, text }, body, newKey(), () => {})
      }),
    sendDraft: (draft) =>
      signedIn(() => persist({ kind: 'read', account: me() }, { type: 'send-drafts', ids: [draft] }, newKey(), () => {})),
    read: then =>
      signedIn(() =>
        persist({ kind: 'read', account: me() }, { type: 'list-messages', limit: 200 }, null, (answer, _operation, by) => {
          then((answer.body as AnswerOf<'list-messages'>).messages, by)
        })
      )
  }
}

/**
 * Whom a node counted on when it answered: its view without those whom it, or the coordinator it follows, had given up
 * waiting for: a grant need not ask them [COO4], and the coordinator gives up first.
 */
const viewOf = (world: PeopleWorld, pid: Pid): readonly Pid[] => {
  const state = world.processes.find(process => process.pid === pid)?.state
  if (state === null || state === undefined) return [pid]
  const counted = state.members.view.filter(other => state.peers.get(other)?.excluded !== true)
  const leaders = world.processes.flatMap(process => (counted.includes(process.pid) && process.state?.coordinator.role === 'coordinating' ? [process.state] : []))
  return counted.filter(other => other === pid || leaders.every(leader => leader.peers.get(other)?.excluded !== true))
}

const readCode = (answer: HttpAnswer | null): string => {
  const body = answer?.body
  return typeof body === 'object' && body !== null && 'code' in body ? String(body.code) : ''
}

const readStoredOn = (answer: HttpAnswer | null): readonly number[] => {
  const body = answer?.body
  return typeof body === 'object' && body !== null && 'storedOn' in body && Array.isArray(body.storedOn) ? body.storedOn : []
}

const readReached = (answer: HttpAnswer | null): readonly string[] | null => {
  const body = answer?.body
  if (typeof body !== 'object' || body === null || !('recipients' in body) || !Array.isArray(body.recipients)) return null
  return (body.recipients as AnswerOf<'send-message'>['recipients']).flatMap(({ id, status }) => (status === 'delivered' ? [id] : []))
}

const isRecall = (answer: HttpAnswer | null): boolean => {
  const body = answer?.body
  return typeof body === 'object' && body !== null && 'recalled' in body && body.recalled === true
}
