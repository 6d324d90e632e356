// The load generator, a process of its own: a closed loop with so many messages in flight, over HTTP or over sync sockets.
// Told what to do by its parent, one job after the other; answers with latencies in ms and how long it used the CPU.
// Kept lean, since it shares the machine with the nodes: sockets and requests by hand, no Yjs, no fetch.

import { randomBytes } from 'node:crypto'
import { connect } from 'node:net'
import { WebSocket } from 'ws'
import { newMessageId } from '../lib/call.mjs'
import { createReplica, encodeEmptyAnswer, encodeHello, encodeSending, idsIn, readFrame } from './frames.mjs'
import { summarise } from './measure.mjs'

/** Text that does not compress, or the disk would look better than it is: each message a stretch of this. */
const LETTERS = randomBytes(48 * 1024).toString('base64')
const TEXT_CHARACTERS = 100
const writeText = () => {
  const from = Math.floor(Math.random() * (LETTERS.length - TEXT_CHARACTERS))
  return LETTERS.slice(from, from + TEXT_CHARACTERS)
}

const OPEN_LIMIT_MS = 10_000
/** What was sent and not acknowledged by then is given up. */
const STRAGGLERS_MS = 3_000

/** `onFrame` is told from the very first frame on, which may come with the answer to the upgrade. */
const openSocket = (url, room, token, onFrame) =>
  new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url.replace('http', 'ws')}/sync/${room}`, ['starling.v1', `starling.token.${token}`], { perMessageDeflate: false })
    socket.on('message', (data) => onFrame(readFrame(data), socket))
    socket.once('open', () => resolve(socket))
    socket.once('error', reject)
    setTimeout(() => reject(new Error(`${url} did not open ${room}`)), OPEN_LIMIT_MS).unref()
  })

/** Someone who writes outbox entries on a drafts socket; `send` calls back when the entry is acknowledged. */
const openSender = async ({ url, account, token, name, to }) => {
  const replica = createReplica()
  const waiting = []
  let confirmed = 0
  let isReady = null
  const ready = new Promise((resolve) => (isReady = resolve))
  const onStored = (count) => {
    for (; confirmed < count && waiting.length > 0; confirmed++) {
      const { clock, onDone } = waiting.shift()
      if (clock !== null) replica.done.push(clock)
      onDone()
    }
  }
  const socket = await openSocket(url, `${account}/drafts`, token, (frame, from) => {
    if (frame.type === 'stored') onStored(frame.count)
    else if (frame.type === 'asked') {
      waiting.push({ clock: null, onDone: isReady })
      from.send(encodeEmptyAnswer())
    }
  })
  await ready
  const send = (id, onDone) => {
    waiting.push({ clock: replica.clock, onDone })
    socket.send(encodeSending(replica, id, [name, [[to.id, to.name]], writeText(), Date.now()]))
  }
  return { send, socket }
}

/** A keep-alive connection that sends one message after the other; `send` calls back with the status of the answer. */
const openCaller = async ({ url, token, to }) => {
  const { hostname, port } = new URL(url)
  const connection = connect(Number(port), hostname).setNoDelay(true)
  await new Promise((resolve, reject) => connection.once('connect', resolve).once('error', reject))
  let text = ''
  let onAnswer = null
  connection.on('data', (chunk) => {
    text += chunk.toString('latin1')
    const end = text.indexOf('\r\n\r\n')
    if (end === -1) return
    const length = /content-length: (\d+)/i.exec(text)
    if (length === null || text.length < end + 4 + Number(length[1])) return
    const status = Number(text.slice(9, 12))
    const body = text.slice(end + 4)
    text = ''
    onAnswer?.(status, body)
  })
  connection.on('error', () => onAnswer?.(0, ''))
  connection.on('close', () => onAnswer?.(0, ''))
  const head = `POST /api/messages HTTP/1.1\r\nhost: ${hostname}:${port}\r\nauthorization: Bearer ${token}\r\ncontent-type: application/json\r\ncontent-length: `
  const send = (id, onDone) => {
    const body = JSON.stringify({ to: [{ id: to.id }], text: writeText(), id })
    onAnswer = (status, answer) => (status === 201 ? onDone() : onDone(new Error(`answered ${status}: ${answer}`)))
    connection.write(`${head}${body.length}\r\n\r\n${body}`)
  }
  return { send, socket: connection }
}

/** Someone attached to an inbox; `onMessage` hears of every message id that comes. */
const openReader = async ({ url, account, token, month }, onMessage) => {
  let isFirst = true
  let isSynced = null
  const synced = new Promise((resolve) => (isSynced = resolve))
  const socket = await openSocket(url, `${account}/inbox/${month}`, token, (frame) => {
    if (frame.type !== 'content') return
    if (!isFirst) return idsIn(frame.bytes).forEach(onMessage)
    isFirst = false
    isSynced()
  })
  socket.send(encodeHello())
  await synced
  return { socket }
}

/** Runs the loop; `inFlight` messages are under way at any time, spread over all senders. */
const runLoop = ({ senders, inFlight, warmUpMs, seconds, sent }) =>
  new Promise((resolve, reject) => {
    const times = []
    const startMs = performance.now() + warmUpMs
    const endMs = startMs + seconds * 1000
    let running = inFlight
    let errors = 0
    let cpu = null
    const finish = () => resolve({ times, errors, cpuSeconds: cpu === null ? 0 : (process.cpuUsage(cpu).user + process.cpuUsage(cpu).system) / 1e6 })
    const begin = (sender) => {
      const begunMs = performance.now()
      if (begunMs >= endMs) return --running === 0 ? finish() : undefined
      if (begunMs >= startMs && cpu === null) {
        cpu = process.cpuUsage()
        process.send({ type: 'measuring' })
      }
      const id = newMessageId()
      sent?.set(id, begunMs)
      sender.send(id, (error) => {
        const doneMs = performance.now()
        if (error !== undefined && ++errors > 50) return reject(error)
        if (error === undefined && doneMs >= startMs && doneMs <= endMs) times.push(doneMs - begunMs)
        begin(sender)
      })
    }
    for (let i = 0; i < inFlight; i++) begin(senders[i % senders.length])
    setTimeout(finish, warmUpMs + seconds * 1000 + STRAGGLERS_MS).unref()
  })

/**
 * {kind: 'http' | 'sockets', senders, readers, inFlight, seconds, warmUpMs} → {rate, latency, delivery, errors, cpuSeconds}.
 * Over HTTP there is one connection for each message in flight, over sockets one socket for each sender.
 */
const run = async ({ kind, senders, readers, inFlight, seconds, warmUpMs }) => {
  const sent = new Map()
  const deliveries = []
  const onMessage = (id) => {
    const begunMs = sent.get(id)
    if (begunMs === undefined) return
    deliveries.push(performance.now() - begunMs)
    sent.delete(id)
  }
  const attached = await Promise.all(readers.map((reader) => openReader(reader, onMessage)))
  const used = kind === 'http' ? Array.from({ length: inFlight }, (_, i) => senders[i % senders.length]) : senders.slice(0, inFlight)
  const open = await Promise.all(used.map(kind === 'http' ? openCaller : openSender))
  try {
    const { times, errors, cpuSeconds } = await runLoop({ senders: open, inFlight, warmUpMs, seconds, sent: readers.length > 0 ? sent : null })
    process.send({ type: 'measured' })
    if (readers.length > 0) await new Promise((resolve) => setTimeout(resolve, 300))
    return { rate: Math.round(times.length / seconds), latency: summarise(times), delivery: readers.length > 0 ? summarise(deliveries) : null, undelivered: sent.size, errors, cpuSeconds }
  } finally {
    for (const { socket } of [...open, ...attached]) 'terminate' in socket ? socket.terminate() : socket.destroy()
  }
}

process.on('message', (job) => {
  run(job).then(
    (result) => process.send({ type: 'result', result }),
    (error) => process.send({ type: 'failed', text: String(error?.stack ?? error) }),
  )
})
process.on('disconnect', () => process.exit(0))
process.send({ type: 'up' })
