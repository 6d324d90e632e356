// Hostile HTTP at a real node: calls whose fields are not what they should be, bodies and heads that are no HTTP. Whatever
// comes, the answer is a problem with a code or a closed connection, never an internal error, and the node goes on.

import { Agent, request } from 'node:http'
import { connect } from 'node:net'
import { CALLS, type CallType } from '../../crdt-schema/api.ts'
import { type Random, createRandom } from '../sim/random.ts'
import { type Cluster, type Person, newMessageId } from './cluster.ts'
import { countEvents } from './cluster-unit.ts'
import { mangle } from './mangling.ts'
import type { UnitResult } from './programme.ts'

const ODD: readonly unknown[] = [null, true, -1, 0, 1e308, 1.5, '', 'x', 'x'.repeat(40_000), '\u0000', '\ud800', '../../etc/passwd', '__proto__', [], {}, [[[]]], { toString: 'x' }, { length: 1e9 }, Array.from({ length: 3_000 }, () => 'ben'), { __proto__: { id: 'x' } }]
const BODIES: Readonly<Partial<Record<CallType, Readonly<Record<string, unknown>>>>> = {
  'create-account': { name: 'cat', password: 'long enough', device: 'a laptop' },
  'change-me': { password: 'not it, I fear', name: 'dan', newPassword: 'long enough' },
  'remove-me': { password: 'not it, I fear' },
  'create-session': { name: 'ann', password: 'not it, I fear', device: 'x', takeOver: true },
  'recover-account': { name: 'ann', code: '0000-0000-0000-0000', newPassword: 'long enough' },
  'make-recovery-codes': { password: 'not it, I fear' },
  'open-inbox': { count: 1 },
  'send-message': { to: ['ann', { id: '0'.repeat(32) }], text: 'hello', id: newMessageId() },
  'change-message': { checked: true },
  'put-draft': { to: ['ann'], text: 'hello', selected: true },
  'send-drafts': { ids: [newMessageId()] },
}
const HEADERS = ['authorization', 'content-type', 'content-length', 'transfer-encoding', 'expect', 'idempotency-key', 'host', 'origin', 'upgrade', 'connection', 'range', 'cookie', 'x-forwarded-for', 'accept-encoding', 'if-none-match'] as const
const LIMIT_MS = 10_000

const oddJson = (value: unknown, random: Random): unknown => {
  if (Array.isArray(value) && value.length > 0 && random.chance(0.5)) return value.map((item) => (random.chance(0.5) ? oddJson(item, random) : item))
  if (typeof value === 'object' && value !== null && !Array.isArray(value) && random.chance(0.8)) {
    const key = random.pick([...Object.keys(value), 'extra', '__proto__'])
    return { ...value, [key]: oddJson((value as Record<string, unknown>)[key], random) }
  }
  return random.pick(ODD.filter((odd) => odd !== undefined) as readonly {}[])
}

const oddText = (random: Random): string => random.pick(['', 'x', '%', '%00', '%E0%A4%A', '..', '.', '*', '~', 'a'.repeat(300), '0'.repeat(32), newMessageId(), '__proto__', 'current', 'ünïcode', '<script>', "' or 1=1"])

type Sent = { readonly status: number; readonly code: string }

const askOnce = (agent: Agent, port: number, method: string, path: string, headers: Readonly<Record<string, string>>, body: Uint8Array | string | null): Promise<Sent> =>
  new Promise((resolve) => {
    try {
      const sent = request({ host: '127.0.0.1', port, method, path, headers, agent, timeout: LIMIT_MS }, (response) => {
        let text = ''
        response.on('data', (bytes) => {
          text += bytes
          if (response.headers['content-type'] === 'text/event-stream') response.destroy() // it would never end
        })
        response.on('close', () => resolve({ status: response.statusCode ?? 0, code: /"code":"([\w-]+)"/.exec(text)?.[1] ?? '' }))
      })
      sent.on('timeout', () => sent.destroy())
      sent.on('error', () => resolve({ status: 0, code: 'cut off' }))
      sent.end(body ?? undefined)
    } catch {
      resolve({ status: -1, code: 'not even this client sends it' })
    }
  })

/** Bytes that are a request only in part; resolves when the node hangs up or has said something. */
const sayRaw = (port: number, bytes: Uint8Array): Promise<void> =>
  new Promise((resolve) => {
    const socket = connect(port, '127.0.0.1', () => socket.end(bytes))
    const timer = setTimeout(() => socket.destroy(), 1_000)
    socket.on('error', () => {}) // cut off, as it should be
    socket.on('close', () => {
      clearTimeout(timer)
      resolve()
    })
    socket.resume()
  })

const CALL_TYPES = Object.keys(CALLS) as CallType[]
const AT_ONCE = 8

/** Sends so many hostile requests to the nodes of a cluster in turn, eight at a time. */
export const attackOverHttp = async (cluster: Cluster, person: Person, seed: string, count: number): Promise<UnitResult> => {
  const agent = new Agent({ keepAlive: true, maxSockets: AT_ONCE })
  const findings: string[] = []
  const statuses: Record<string, number> = {}
  let sent = 0
  const work = async (random: Random): Promise<void> => {
    while (sent < count && findings.length < 20) {
      sent += 1
      const { port } = cluster.at(random.integer(0, 2))
      const type = random.pick(CALL_TYPES)
      const { method, path } = CALLS[type]
      const target = path.replace(/:\w+/, () => encodeURI(oddText(random))) + (random.chance(0.2) ? `?${oddText(random)}=${oddText(random)}` : '')
      const json = JSON.stringify(random.chance(0.85) ? oddJson(BODIES[type] ?? {}, random) : (BODIES[type] ?? {}))
      if (random.chance(0.08)) {
        const whole = Buffer.from(`${method} ${target} HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: ${Buffer.byteLength(json)}\r\n\r\n${json}`)
        await sayRaw(port, mangle(Uint8Array.from(whole), random, [Uint8Array.from(whole)]))
        continue
      }
      const body = method === 'GET' ? null : random.chance(0.1) ? mangle(new TextEncoder().encode(json), random, [new TextEncoder().encode(json)]) : json
      const headers: Record<string, string> = { 'content-type': 'application/json', ...(random.chance(0.8) ? { authorization: `Bearer ${person.token}` } : {}) }
      if (random.chance(0.15)) headers[random.pick(HEADERS)] = random.pick(['', 'x', '0', '-1', '99999999999', 'chunked', '100-continue', 'websocket', 'Upgrade', 'null', 'a'.repeat(5_000), 'application/json; charset=utf-16'])
      const answer = await askOnce(agent, port, random.chance(0.05) ? random.pick(['GET', 'PUT', 'PATCH', 'HEAD', 'OPTIONS', 'TRACE', 'PROPFIND']) : method, encodeURI(target).replaceAll('%25', '%'), headers, body)
      const { status, code } = answer
      statuses[status] = (statuses[status] ?? 0) + 1
      if (status >= 500 && code !== 'busy' && code !== 'not-ready' && code !== 'unknown' && code !== 'no-coordinator' && code !== 'incomplete') findings.push(`${method} ${target.slice(0, 100)} (${seed}) was answered with ${status} ${code}: ${String(json).slice(0, 300)}`)
    }
  }
  await Promise.all(Array.from({ length: AT_ONCE }, (_, worker) => work(createRandom(`http/${seed}/${worker}`))))
  agent.destroy()
  for (const pid of cluster.pids) if (cluster.stateOf(pid) !== 'running') findings.push(`node ${pid} ended: ${cluster.logTail(pid, 5)}`)
  for (const event of ['http-error', 'bad-response', 'node-crashed']) if (countEvents(cluster, event) > 0) findings.push(`a node logged ${event}`)
  return { findings, figures: { faults: sent, ...Object.fromEntries(Object.entries(statuses).map(([status, times]) => [`answered ${status}`, times])) } }
}
