// The floor for one durable server: a WebSocket echo whose answer waits for a group-committed fdatasync of one flat file, and a
// closed loop against it. No replication, no documents, no accounts: what is left is what this machine's sockets and disk cost.

import { fork } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { WebSocket, WebSocketServer } from 'ws'
import { cpuSeconds, round, summarise } from './measure.mjs'

const SELF = fileURLToPath(import.meta.url)
const SOCKETS = 4
const PAYLOAD = Buffer.alloc(200, 120)
const ANSWER_BYTES = 8

const serve = async (file) => {
  const handle = await open(file, 'a')
  let pending = []
  let isWriting = false
  const drain = async () => {
    while (pending.length > 0) {
      const batch = pending
      pending = []
      await handle.appendFile(Buffer.concat(batch.map(([, data]) => data)))
      await handle.datasync()
      for (const [socket, data] of batch) socket.send(data.subarray(0, ANSWER_BYTES))
    }
    isWriting = false
  }
  const server = new WebSocketServer({ host: '127.0.0.1', port: 0, perMessageDeflate: false })
  server.on('connection', (socket) =>
    socket.on('message', (data) => {
      pending.push([socket, data])
      if (isWriting) return
      isWriting = true
      setImmediate(drain)
    }),
  )
  server.on('listening', () => process.send({ port: server.address().port }))
  process.on('disconnect', () => process.exit(0))
}

/** Runs the loop for each number in flight; resolves to results by number, as the generator's. */
export const measureEcho = async ({ inFlights, seconds, warmUpMs, workDirectory = tmpdir() }) => {
  const directory = mkdtempSync(join(workDirectory, 'starling-echo-'))
  const child = fork(SELF, ['--server', join(directory, 'log')])
  try {
    const { port } = await new Promise((resolve, reject) => child.once('message', resolve).once('exit', () => reject(new Error('the echo server ended'))))
    const lines = await Promise.all(
      Array.from({ length: SOCKETS }, async () => {
        const socket = new WebSocket(`ws://127.0.0.1:${port}`, { perMessageDeflate: false })
        await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
        const waiting = []
        socket.on('message', () => waiting.shift()())
        return { socket, waiting }
      }),
    )
    const results = {}
    for (const inFlight of inFlights) results[inFlight] = await runLoop({ lines, inFlight, seconds, warmUpMs, serverId: child.pid })
    for (const { socket } of lines) socket.terminate()
    return results
  } finally {
    child.kill('SIGKILL')
    rmSync(directory, { recursive: true, force: true })
  }
}

const runLoop = async ({ lines, inFlight, seconds, warmUpMs, serverId }) => {
  const times = []
  const startMs = performance.now() + warmUpMs
  const endMs = startMs + seconds * 1000
  let cpuBefore = null
  const work = async (index) => {
    const { socket, waiting } = lines[index % lines.length]
    for (;;) {
      const begunMs = performance.now()
      if (begunMs >= endMs) return
      if (begunMs >= startMs) cpuBefore ??= cpuSeconds(serverId)
      await new Promise((resolve) => {
        waiting.push(resolve)
        socket.send(PAYLOAD)
      })
      const doneMs = performance.now()
      if (doneMs >= startMs && doneMs <= endMs) times.push(doneMs - begunMs)
    }
  }
  await Promise.all(Array.from({ length: inFlight }, (_, index) => work(index)))
  const cpu = cpuSeconds(serverId) - (cpuBefore ?? 0)
  return { rate: Math.round(times.length / seconds), latency: summarise(times), cpuPerThousand: { server: round((cpu / Math.max(1, times.length)) * 1000, 3) } }
}

if (process.argv[2] === '--server') await serve(process.argv[3])
