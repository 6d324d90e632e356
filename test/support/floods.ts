// FAULTS X3: clients that waste a node's sockets, memory and patience, while somebody honest goes on sending through it.

import { randomBytes } from 'node:crypto'
import { type Socket, connect } from 'node:net'
import { WebSocket } from 'ws'
import * as Y from 'yjs'
import { encodeSyncStep1, encodeUpdate } from '../../crdt-schema/wire.ts'
import { type Cluster, type Person, call, newMessageId, wait } from './cluster.ts'
import { quantile } from './programme.ts'

export const FLOODS = ['idle sockets', 'slow loris', 'endless bodies', 'tiny fragments', 'endless messages', 'never reads'] as const
export type Flood = (typeof FLOODS)[number]

export type FloodSize = { readonly idle: number; readonly others: number }

type World = { readonly cluster: Cluster; readonly person: Person; readonly pid: number; readonly size: FloodSize }
/** Starts a flood; returns how it ends. */
type Start = (world: World) => Promise<() => void>

const roomUrl = ({ cluster, pid, person }: World, room: string): string => `${cluster.at(pid).url.replace('http', 'ws')}/sync/${person.id}/${room}`
const attach = (world: World, room = 'drafts'): WebSocket => {
  const socket = new WebSocket(roomUrl(world, room), ['starling.v1', `starling.token.${world.person.token}`])
  socket.on('error', () => {}) // refused or cut off, as it should be
  return socket
}
const opened = (socket: WebSocket): Promise<void> =>
  new Promise((resolve) => {
    socket.once('open', resolve)
    socket.once('close', () => resolve())
  })

/** Raw connections that act every so often; one that is cut off comes back. */
const trickle = ({ cluster, pid, size }: World, head: string, drop: (socket: Socket) => void, everyMs: number): (() => void) => {
  let isOver = false
  const sockets = new Set<Socket>()
  const open = (): void => {
    if (isOver) return
    const socket = connect(cluster.at(pid).port, '127.0.0.1', () => socket.write(head))
    sockets.add(socket)
    const timer = setInterval(() => socket.writable && drop(socket), everyMs)
    socket.on('error', () => {}) // cut off, as it should be
    socket.resume()
    socket.on('close', () => {
      clearInterval(timer)
      sockets.delete(socket)
      setTimeout(open, 200)
    })
  }
  for (let index = 0; index < size.others; index++) open()
  return () => {
    isOver = true
    for (const socket of sockets) socket.destroy()
  }
}

/** Sends one message of a socket in pieces, as fast as it is taken; comes back with a new one when it is closed. */
const fragments = (world: World, bytes: number, total: number): (() => void) => {
  let isOver = false
  const sockets = new Set<WebSocket>()
  const piece = randomBytes(bytes)
  const run = async (): Promise<void> => {
    while (!isOver) {
      const socket = attach(world)
      sockets.add(socket)
      await opened(socket)
      for (let sent = 0; sent < total && !isOver && socket.readyState === WebSocket.OPEN; sent += bytes) {
        socket.send(piece, { fin: false, binary: true })
        if (sent % (bytes * 500) === 0) await wait(socket.bufferedAmount > 1_000_000 ? 50 : 1)
      }
      socket.terminate()
      sockets.delete(socket)
      await wait(50)
    }
  }
  for (let index = 0; index < Math.max(1, Math.floor(world.size.others / 10)); index++) void run()
  return () => {
    isOver = true
    for (const socket of sockets) socket.terminate()
  }
}

const STARTS: { readonly [Name in Flood]: Start } = {
  'idle sockets': async (world) => {
    const sockets: WebSocket[] = []
    for (let index = 0; index < world.size.idle; index++) {
      sockets.push(attach(world, ['drafts', `marks/${new Date().toISOString().slice(0, 7)}`][index % 2]))
      if (index % 50 === 49) await Promise.all(sockets.slice(-50).map(opened))
    }
    return () => sockets.forEach((socket) => socket.terminate())
  },
  'slow loris': async (world) => trickle(world, 'POST /api/sessions HTTP/1.1\r\nHost: x\r\n', (socket) => socket.write('X-A: b\r\n'), 300),
  'endless bodies': async (world) => trickle(world, 'POST /api/sessions HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 400000\r\n\r\n{"name":"', (socket) => socket.write('a'.repeat(200)), 300),
  'tiny fragments': async (world) => fragments(world, 1, 15 * 1024 * 1024),
  'endless messages': async (world) => fragments(world, 64 * 1024, 64 * 1024 * 1024),
  'never reads': async (world) => {
    const readers = Array.from({ length: world.size.others }, () => attach(world))
    await Promise.all(readers.map(opened))
    for (const reader of readers) {
      if (reader.readyState !== WebSocket.OPEN) continue
      reader.send(encodeSyncStep1(new Uint8Array([0])))
      reader.pause()
    }
    const writer = attach(world)
    await opened(writer)
    const doc = new Y.Doc()
    doc.on('update', (update: Uint8Array) => writer.readyState === WebSocket.OPEN && writer.bufferedAmount < 1_000_000 && writer.send(encodeUpdate(update)))
    let count = 0
    // A large setting, again and again: each goes to every reader.
    const timer = setInterval(() => doc.getMap('settings').set(`flood${count % 5}`, `${count++} `.padEnd(900, 'x')), 2)
    return () => {
      clearInterval(timer)
      for (const socket of [...readers, writer]) socket.terminate()
    }
  },
}

const send = async (cluster: Cluster, pid: number, person: Person): Promise<number> => {
  const startedMs = performance.now()
  const id = newMessageId()
  for (let tries = 0; tries < 40; tries++) {
    const { status } = await call(cluster.at(pid), 'POST', '/api/messages', { token: person.token, body: { id, to: [{ id: person.id }], text: 'honest' }, timeoutMs: 10_000 })
    if (status === 201) return performance.now() - startedMs
    if (status !== 503 && status !== 0) throw new Error(`an honest message was answered with ${status}`)
    await wait(50)
  }
  throw new Error('an honest message was not taken in forty tries')
}

const sendMany = async (cluster: Cluster, pid: number, person: Person, count: number): Promise<number[]> => {
  const times: number[] = []
  for (let index = 0; index < count; index++) times.push(await send(cluster, pid, person))
  return times
}

const residentMiB = async (cluster: Cluster, pid: number): Promise<number> => {
  const { body } = await call(cluster.at(pid), 'GET', '/metrics', { timeoutMs: 10_000 })
  return Number(/^process_resident_memory_bytes (\S+)$/m.exec(String(body))?.[1] ?? Number.NaN) / 1024 ** 2
}

export type FloodPlay = { readonly baselineP99Ms: number; readonly p99Ms: number; readonly grownMiB: number; readonly times: readonly number[] }

/** What honest messages through a node take before and during a flood, and by how much the node's memory grew at most. */
export const playFlood = async (cluster: Cluster, flood: Flood, size: FloodSize, messages: number): Promise<FloodPlay> => {
  const pid = 0
  const suffix = newMessageId().slice(-6)
  const honest = await cluster.createPerson(1, `honest-${suffix}`)
  const person = await cluster.createPerson(1, `flooder-${suffix}`)
  await sendMany(cluster, pid, honest, 10)
  const baseline = await sendMany(cluster, pid, honest, messages)
  const before = await residentMiB(cluster, pid)
  const end = await STARTS[flood]({ cluster, person, pid, size })
  let most = before
  let isOver = false
  const watch = (async () => {
    while (!isOver) {
      most = Math.max(most, (await residentMiB(cluster, pid)) || 0)
      await wait(500)
    }
  })()
  try {
    await wait(1_500)
    const times = await sendMany(cluster, pid, honest, messages)
    return { baselineP99Ms: quantile(baseline, 0.99), p99Ms: quantile(times, 0.99), grownMiB: most - before, times }
  } finally {
    isOver = true
    await watch
    end()
  }
}
