// A cluster of real processes from dist/node.js on free loopback ports, with temporary data, for test/cluster and
// test/browser. With `proxied` every directed link runs through a TCP proxy that can be cut, stalled or slowed.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { type CallOptions, call, newMessageId, newRequestId } from '../../scripts/lib/call.mjs'
import { createNodes, findFreePorts, wait } from '../../scripts/lib/nodes.mjs'
import { type TcpProxy, startTcpProxy } from './tcp-proxy.ts'

export { type CallOptions, call, findFreePorts, newMessageId, newRequestId, wait }

export type Person = { readonly id: string; readonly name: string; readonly password: string; readonly token: string }

export type ClusterOptions = {
  readonly size?: number
  readonly flags?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
  /** Put a proxy into every directed link. */
  readonly proxied?: boolean
  /** Start no node yet. */
  readonly idle?: boolean
  /** Another build of the node than dist/node.js. */
  readonly program?: string
}

export type Cluster = Awaited<ReturnType<typeof startCluster>>

const DIGEST_LIMIT_MS = 20_000

/** Starts `size` (3) nodes and waits until all are ready. Call `close()` at the end; it is also done at exit. */
export const startCluster = async ({ size = 3, flags = [], env = {}, proxied = false, idle = false, program = join(process.env['STARLING_ROOT'] ?? process.cwd(), 'dist/node.js') }: ClusterOptions = {}) => {
  const directory = mkdtempSync(join(tmpdir(), 'starling-cluster-'))
  const ports = await findFreePorts(size)
  const proxies = new Map<string, TcpProxy>()
  if (proxied) {
    for (const [from] of ports.entries()) {
      for (const [to, port] of ports.entries()) if (from !== to) proxies.set(`${from}>${to}`, await startTcpProxy(port))
    }
  }
  const nodes = createNodes({
    program,
    directory,
    ports,
    flags: ['--rate-limits', 'off', ...flags],
    env: { ...env },
    peerUrl: (from, to) => proxies.get(`${from}>${to}`)?.url ?? `http://127.0.0.1:${ports[to]}`,
  })
  const removeDirectory = (): void => rmSync(directory, { recursive: true, force: true })
  process.on('exit', removeDirectory)

  const pids = ports.map((_, pid) => pid)
  const livePids = (): number[] => pids.filter((pid) => nodes.stateOf(pid) === 'running')
  const at = (pid: number) => {
    const place = nodes.places[pid]
    if (place === undefined) throw new Error(`there is no node ${pid}`)
    return place
  }
  const waitAllReady = async (limitMs?: number): Promise<void> => {
    await Promise.all(livePids().map((pid) => nodes.waitReady(pid, limitMs)))
  }

  /** The proxies between two nodes, both ways; throws if the cluster is not `proxied`. */
  const linksBetween = (a: number, b: number): TcpProxy[] =>
    [`${a}>${b}`, `${b}>${a}`].map((key) => {
      const proxy = proxies.get(key)
      if (proxy === undefined) throw new Error(`no proxy for the link ${key}; start the cluster with proxied: true`)
      return proxy
    })

  /** Resolves with /api/cluster of one node once `isTrue` holds for it; rejects with what it said last. */
  const waitCluster = async (pid: number, isTrue: (state: any) => boolean, limitMs = DIGEST_LIMIT_MS): Promise<any> => {
    const deadline = Date.now() + limitMs
    let last: unknown = 'no answer'
    while (Date.now() < deadline) {
      const { status, body } = await call(at(pid), 'GET', '/api/cluster', { timeoutMs: 1000 })
      if (status === 200 && isTrue(body)) return body
      last = body
      await wait(50)
    }
    throw new Error(`node ${pid} did not come to the awaited state within ${limitMs} ms; it says ${JSON.stringify(last)}\n${nodes.logTail(pid)}`)
  }

  /** Waits until every running node shows every running node ready, with one digest. Resolves to that digest. */
  const waitEqual = async (limitMs = DIGEST_LIMIT_MS): Promise<string> => {
    const live = livePids()
    const isEqual = (state: any): boolean => {
      const rows = state.nodes.filter((row: any) => live.includes(row.pid))
      return rows.length === live.length && rows.every((row: any) => row.status === 'ready' && row.digest === rows[0].digest)
    }
    const deadline = Date.now() + limitMs
    for (;;) {
      const states = await Promise.all(live.map((pid) => waitCluster(pid, isEqual, Math.max(1, deadline - Date.now()))))
      const digests = new Set(states.map((state) => state.nodes.find((row: any) => row.pid === live[0]).digest))
      const [digest] = digests
      if (digests.size === 1 && typeof digest === 'string') return digest
    }
  }

  /** Makes an account through a node; throws with the answer if that fails. */
  const createPerson = async (pid: number, name: string, password = `${name}-password`): Promise<Person> => {
    const answer = await call(at(pid), 'POST', '/api/accounts', { body: { name, password }, idempotencyKey: newRequestId(), timeoutMs: 10_000 })
    if (answer.status !== 201) throw new Error(`creating ${name} on node ${pid}: ${answer.status} ${JSON.stringify(answer.body ?? answer.code)}\n${nodes.logTail(pid)}`)
    return { id: answer.body.account.id, name: answer.body.account.name, password, token: answer.body.session.token }
  }

  let isClosed = false
  const close = async (): Promise<void> => {
    isClosed = true
    await nodes.close()
    await Promise.all([...proxies.values()].map((proxy) => proxy.close()))
    removeDirectory()
    process.off('exit', removeDirectory)
  }

  const cluster = {
    ...nodes,
    directory,
    pids,
    livePids,
    at,
    proxies,
    waitAllReady,
    waitCluster,
    waitEqual,
    createPerson,
    /** Start again and wait until ready. */
    revive: async (pid: number): Promise<void> => {
      nodes.start(pid)
      await nodes.waitReady(pid)
    },
    /** Silence between two nodes, both ways; connections stay open. */
    partition: (a: number, b: number): void => {
      for (const proxy of linksBetween(a, b)) proxy.stall()
    },
    /** Connections between two nodes are reset and refused. */
    cutLink: (a: number, b: number): void => {
      for (const proxy of linksBetween(a, b)) proxy.refuse()
    },
    healLink: (a: number, b: number): void => {
      for (const proxy of linksBetween(a, b)) proxy.heal()
    },
    linksBetween,
    close,
    /** Nobody is there any more: whoever works on goes home, or a failed test would never end. */
    isClosed: (): boolean => isClosed,
  }
  if (!idle) {
    for (const pid of pids) nodes.start(pid)
    try {
      await waitAllReady()
    } catch (error) {
      await close()
      throw error
    }
  }
  return cluster
}
