// A node that is given one address of a running cluster: it asks there who the members are, and is then a node like any other [REP7].
// Without a pid it asks for one, which the coordinator grants: both ends prove the cluster's secret, and what it asks under is kept in
// its directory, so that after a crash or a lost answer it asks for the same again.
// Refuses to know links and handshakes: whether it may join under a pid that was given, the members decide from its secret and its pid.

import { randomUUID } from 'node:crypto'
import * as v from 'valibot'
import { type NodeId, type Pid, parsePid } from '../../crdt-schema/ids.ts'
import { OPERATOR_CALLS } from '../../crdt-schema/operator-api.ts'
import { isAnswerProven, signOperatorRequest } from '../adapters/http-operator-token.ts'
import { type Answer, askOnce } from './asking.ts'
import { EXIT, Exit } from './errors.ts'
import type { Settings } from './settings.ts'

const ASK_MS = 3_000
/** A node answers a call within 15 s, if only to say that it does not know. */
const ADMISSION_MS = 20_000
/** How long "not now" is asked again: a cluster may be choosing its coordinator, or starting. */
const PATIENCE_MS = 60_000
const PAUSE_MS = 250

/** What the data directory says of the node, before the node starts. */
export interface JoiningDirectory {
  /** Whose it is; null: nobody's yet. */
  readonly pid: Pid | null
  /** Nothing was ever written in it. */
  readonly isEmpty: boolean
  /** The id under which it asks for a pid: the same for ever, once made. */
  readonly keepNodeId: () => Promise<NodeId>
}

const shape = v.looseObject({ nodes: v.array(v.looseObject({ pid: v.number(), url: v.string() })) })
const admission = v.looseObject({ pid: v.number(), ...shape.entries })

/**
 * Settings whose peers are the members that `--join` tells of. Without `--pid` an empty directory is granted one; any other has its own.
 * A node that has joined before and finds nobody at that address goes by what its own data says. Throws an Exit that says what does not fit.
 */
export const joinCluster = async (settings: Settings, directory: JoiningDirectory): Promise<Settings> => {
  const { joinUrl } = settings.config
  if (joinUrl === null) return settings
  const pid = settings.config.pid ?? directory.pid
  if (pid === null) return askForPid(settings, joinUrl, directory)
  const members = await askMembers(joinUrl)
  if (members === null && directory.isEmpty) throw nobodyAnswers(joinUrl)
  return { ...settings, config: withPeers(settings, pid, members ?? new Map()) }
}

const withPeers = ({ config }: Settings, pid: Pid, members: ReadonlyMap<Pid, string>): Settings['config'] => ({ ...config, pid, peers: new Map([...config.peers, ...members, [pid, config.url]]) })

const nobodyAnswers = (joinUrl: string): Exit => new Exit(EXIT.refused, `Nobody answers at ${joinUrl}. A new node needs one running member to join. Check the address and try again.`)

/** Only addresses, which nobody vouches for: whoever is there proves the secret before anything else is said. */
const askMembers = async (joinUrl: string): Promise<ReadonlyMap<Pid, string> | null> => {
  try {
    const { body } = await askOnce(joinUrl, { method: 'GET', path: '/api/cluster', headers: {}, body: Buffer.alloc(0), timeoutMs: ASK_MS, takesAnyCertificate: true })
    const members = toMembers(v.parse(shape, body))
    return members.size > 0 ? members : null
  } catch {
    // No answer, or none of a node: both mean that there is nobody to join here, and the caller says so.
    return null
  }
}

const toMembers = ({ nodes }: v.InferOutput<typeof shape>): ReadonlyMap<Pid, string> => {
  const members = new Map<Pid, string>()
  for (const { pid, url } of nodes) {
    const known = parsePid(pid)
    if (known !== null) members.set(known, url)
  }
  return members
}

// ---- asking for a pid

const askForPid = async (settings: Settings, joinUrl: string, directory: JoiningDirectory): Promise<Settings> => {
  if (!directory.isEmpty) throw new Exit(EXIT.dataDirectory, 'The data directory is not empty and does not say which node it belongs to, so no pid was asked for. Give --pid, or an empty directory.')
  const nodeId = await directory.keepNodeId()
  const body = Buffer.from(JSON.stringify({ nodeId, url: settings.config.url }))
  const idempotencyKey = randomUUID()
  const deadline = performance.now() + PATIENCE_MS
  let last = 'no answer'
  do {
    const reply = await askOnceForPid(settings, joinUrl, body, idempotencyKey)
    if (reply === 'no-answer') {
      // An answer can also be lost, or late: who is there at all is asked again.
      if (last === 'no answer' && (await askMembers(joinUrl)) === null) throw nobodyAnswers(joinUrl)
    } else if (reply.answer.status === 503) last = codeOf(reply.answer)
    else {
      const { pid, members } = await readAdmission(settings, joinUrl, reply)
      return { ...settings, config: { ...withPeers(settings, pid, members), nodeId } }
    }
    await new Promise(resolve => setTimeout(resolve, PAUSE_MS))
  } while (performance.now() < deadline)
  throw new Exit(EXIT.refused, `The cluster at ${joinUrl} could not grant a pid within ${PATIENCE_MS / 1_000} s (${last}). See its status, and start this node again, on the same data directory; or give it a --pid that no node has or had.`)
}

interface Reply {
  readonly authorization: string
  readonly answer: Answer
}

/** Each try has a proof of its own; the key and the id say that it is the same request. */
const askOnceForPid = async ({ secrets }: Settings, joinUrl: string, body: Buffer, idempotencyKey: string): Promise<Reply | 'no-answer'> => {
  const { method, path } = OPERATOR_CALLS['operator-admit-member']
  const authorization = signOperatorRequest(secrets[0] ?? new Uint8Array(), { method, host: new URL(joinUrl).host, url: path, body }, Date.now())
  const headers = { authorization, 'idempotency-key': idempotencyKey, 'content-type': 'application/json' }
  try {
    return { authorization, answer: await askOnce(joinUrl, { method, path, headers, body, timeoutMs: ADMISSION_MS, takesAnyCertificate: true }) }
  } catch {
    return 'no-answer'
  }
}

/** What a cluster granted. A pid that anybody could make up might be that of a member, whose place this node would take [REP7]. */
const readAdmission = async ({ secrets }: Settings, joinUrl: string, { authorization, answer }: Reply): Promise<{ readonly pid: Pid; readonly members: ReadonlyMap<Pid, string> }> => {
  const { status, bytes, body, proof } = answer
  if (status !== 200) throw await toExit(joinUrl, answer)
  if (!isAnswerProven(secrets, { authorization, status, body: bytes }, proof)) throw new Exit(EXIT.refused, `Who answers at ${joinUrl} does not prove the cluster's secret, so its answer was not taken. Check the address.`)
  const parsed = v.safeParse(admission, body)
  const pid = parsed.success ? parsePid(parsed.output.pid) : null
  if (!parsed.success || pid === null) throw new Exit(EXIT.failed, `The node at ${joinUrl} answers in a way this program does not know. Give this node a --pid that no node has or had.`)
  return { pid, members: toMembers(parsed.output) }
}

const toExit = async (joinUrl: string, { status, body }: Answer): Promise<Exit> => {
  const code = codeOf({ status, body })
  const detail = fieldOf(body, 'detail') ?? ''
  if (code === 'unauthorized') return new Exit(EXIT.refused, `Refused by the node at ${joinUrl}: ${detail}`)
  if (code === 'cluster-full' || code === 'removed') return new Exit(EXIT.refused, `Refused by the cluster at ${joinUrl}: ${fieldOf(body, 'title') ?? code}. ${detail}`)
  if (status !== 404 && status !== 405) return new Exit(EXIT.failed, `The node at ${joinUrl} did not grant a pid (${code}). ${detail}`)
  // The releases before this call granted none, and two nodes that took the lowest free one kept each other out.
  if ((await askMembers(joinUrl)) === null) return nobodyAnswers(joinUrl)
  return new Exit(EXIT.refused, `The node at ${joinUrl} is of a version that grants no pid. Give this node a --pid that no node has or had, or upgrade the cluster first.`)
}

const codeOf = ({ status, body }: Pick<Answer, 'status' | 'body'>): string => fieldOf(body, 'code') ?? `status ${status}`

const fieldOf = (body: unknown, field: string): string | null => {
  const value = typeof body === 'object' && body !== null ? (body as Readonly<Record<string, unknown>>)[field] : null
  return typeof value === 'string' ? value : null
}
