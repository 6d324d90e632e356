// Senders and recipients of the script, over HTTP: each message has an id of its own and goes to another node until one
// acknowledges it. What was tried and what was acknowledged is recorded here, so it can be counted afterwards.

import { call, newMessageId, newRequestId } from '../lib/call.mjs'
import { wait } from '../lib/nodes.mjs'

const ATTEMPT_TIMEOUT_MS = 2500
const GIVE_UP_MS = 30_000
const PAUSE_BETWEEN_TRIES_MS = 10
const PAGE_SIZE = 100
const PAGES_MAX = 1000

/** 0 is no answer, 503 not ready or unknown, 429 too fast: safe to repeat with the same id. All else is final. */
const isRepeatable = (status) => status === 0 || status === 503 || status === 429

/**
 * Tries `send(node, timeoutMs)` on the places in turn, from `home` on, until an answer is final.
 * Resolves to {answer, beganMs, startedMs, place, tries}: `beganMs` is when the first attempt began, `startedMs` when the successful one did.
 */
const sendAnywhere = async ({ places, home, send, timeoutMs = ATTEMPT_TIMEOUT_MS, giveUpMs = GIVE_UP_MS }) => {
  const beganMs = performance.now()
  const deadline = beganMs + giveUpMs
  for (let tries = 0; ; tries++) {
    const place = places[(home + tries) % places.length]
    const startedMs = performance.now()
    const answer = await send(place, timeoutMs)
    if (!isRepeatable(answer.status) || performance.now() > deadline) return { answer, beganMs, startedMs, place, tries: tries + 1 }
    if ((tries + 1) % places.length === 0) await wait(PAUSE_BETWEEN_TRIES_MS)
  }
}

/** Makes an account through any node, repeating one request id. Throws if the final answer is not 201. */
export const createAccount = async ({ places, home, name }) => {
  const idempotencyKey = newRequestId()
  const body = { name, password: passwordOf(name) }
  const { answer, startedMs } = await sendAnywhere({
    places,
    home,
    timeoutMs: 7000, // a grant may wait for its coordinator, [COO5]
    send: (place, timeoutMs) => call(place, 'POST', '/api/accounts', { body, idempotencyKey, timeoutMs }),
  })
  if (answer.status !== 201) throw new Error(`creating the account ${name} failed: ${answer.status} ${answer.code}`)
  return { id: answer.body.account.id, name, token: answer.body.session.token, startedMs }
}

/** Removes an account that was made here; one that cannot be removed stays. */
export const removeAccount = ({ places, person: { name, token } }) => {
  const idempotencyKey = newRequestId()
  return sendAnywhere({
    places,
    home: 0,
    timeoutMs: 7000,
    send: (place, timeoutMs) => call(place, 'DELETE', '/api/me', { token, body: { password: passwordOf(name) }, idempotencyKey, timeoutMs }),
  })
}

const passwordOf = (name) => `${name} has a password`

/**
 * Sends to `recipient` until stopped, one message at a time. `record.tried` holds every id with its text;
 * `record.acknowledged` those a node answered 201 for, with {beganMs, startedMs, acknowledgedMs, phase, storedOn}.
 */
export const startSender = ({ places, home, sender, recipient, record, phaseOf, pauseMs }) => {
  let isStopped = false
  let count = 0
  const run = async () => {
    while (!isStopped) {
      const id = newMessageId()
      const text = `${sender.name} ${count++}`
      record.tried.set(id, text)
      const body = { to: [{ id: recipient.id }], text, id }
      const { answer, beganMs, startedMs } = await sendAnywhere({ places, home, send: (place, timeoutMs) => call(place, 'POST', '/api/messages', { token: sender.token, body, timeoutMs }) })
      const acknowledgedMs = performance.now()
      const status = answer.body?.recipients?.[0]?.status
      if (answer.status === 201 && status === 'delivered') record.acknowledged.set(id, { beganMs, startedMs, acknowledgedMs, phase: phaseOf(), storedOn: answer.body.storedOn })
      else record.refused.push(`${text}: ${answer.status} ${answer.code ?? status ?? ''}`)
      await wait(pauseMs)
    }
  }
  const done = run()
  return {
    stop: () => {
      isStopped = true
      return done
    },
  }
}

/** Opens the whole inbox at one node, then lists all messages there as the node shows them, doubles included. */
export const readMailbox = async ({ place, recipient }) => {
  const get = async (method, path, options = {}) => {
    // A node on a busy machine may suspect itself and say 503 for a moment [LIV3].
    const { answer } = await sendAnywhere({ places: [place], home: 0, timeoutMs: 10_000, send: (_, timeoutMs) => call(place, method, path, { token: recipient.token, timeoutMs, ...options }) })
    if (answer.status !== 200) throw new Error(`${method} ${path} at node ${place.pid}: ${answer.status} ${answer.code}`)
    return answer.body
  }
  for (let page = 0; page < PAGES_MAX; page++) {
    const { unopened } = await get('GET', '/api/inbox')
    if (unopened === 0) break
    await get('POST', '/api/inbox/open', { body: { count: Math.min(unopened, PAGE_SIZE) }, idempotencyKey: newRequestId() })
  }
  const found = []
  let before
  for (let page = 0; page < PAGES_MAX; page++) {
    const { messages, next } = await get('GET', `/api/messages?limit=${PAGE_SIZE}${before === undefined ? '' : `&before=${encodeURIComponent(before)}`}`)
    found.push(...messages)
    if (next === undefined || next === null) return found
    before = next
  }
  throw new Error(`node ${place.pid} lists more than ${PAGES_MAX} pages`)
}

/** Compares what a mailbox holds with the record: {held, lost, doubled, invented}, all counts. */
export const compareMailbox = ({ found, record }) => {
  const counts = new Map()
  for (const { id } of found) counts.set(id, (counts.get(id) ?? 0) + 1)
  return {
    held: [...record.acknowledged.keys()].filter((id) => counts.get(id) === 1).length,
    lost: [...record.acknowledged.keys()].filter((id) => !counts.has(id)).length,
    doubled: [...counts.values()].filter((count) => count > 1).length,
    invented: found.filter(({ id, text }) => record.tried.get(id) !== text).length,
  }
}
