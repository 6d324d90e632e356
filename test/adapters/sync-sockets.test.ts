// Sync sockets over real sockets on loopback: subprotocols, sizes, codes. What a frame means is the core's business and not tried here.

import { createServer } from 'node:http'
import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type ClientOptions, WebSocket } from 'ws'
import { LIMITS } from '../../crdt-schema/limits.ts'
import { type SyncSockets, createSyncSockets, readRoom, readToken } from '../../node/adapters/sync-sockets.ts'
import type { Event } from '../../node/core/events.ts'

const test = suite('sync-sockets')
const events: Event[] = []
const waiting: (() => void)[] = []
let sockets: SyncSockets
let url = ''
const server = createServer()

const next = async <Type extends Event['type']>(type: Type): Promise<Extract<Event, { type: Type }>> => {
  for (;;) {
    const index = events.findIndex(event => event.type === type)
    if (index >= 0) return events.splice(index, 1)[0] as never
    await new Promise<void>(resolve => waiting.push(resolve))
  }
}

const attach = async (room: string, protocols: string[] = ['starling.v1', 'starling.token.T-1'], options: ClientOptions = {}): Promise<WebSocket> => {
  const socket = new WebSocket(`${url}/sync/${room}`, protocols, options)
  socket.on('error', () => undefined)
  await once(socket, 'open')
  return socket
}

/** Ends a test's socket and waits until the node has noticed, so that the next test hears nothing of it. */
const detach = async (socket: WebSocket): Promise<void> => {
  socket.terminate()
  await next('client-down')
}

test.before(async () => {
  sockets = createSyncSockets({
    emit: event => {
      events.push(event)
      for (const wake of waiting.splice(0)) wake()
    },
    log: () => undefined,
    onBytes: () => undefined
  })
  server.on('upgrade', (request, socket, head) => {
    if (sockets.upgrade(request, socket, head) !== 'taken') socket.destroy()
  })
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  url = `ws://127.0.0.1:${(server.address() as AddressInfo).port}`
})

test.before.each(() => {
  events.length = 0
})

test.after(() => {
  sockets.shutDown()
  server.closeAllConnections()
  server.close()
})

test('the token travels as a subprotocol, and starling.v1 is the one selected', async () => {
  const socket = await attach('abc/inbox/2026-01?x=1')
  assert.is(socket.protocol, 'starling.v1')
  const up = await next('client-up')
  assert.is(up.room, 'abc/inbox/2026-01')
  assert.is(up.token, 'T-1')
  socket.terminate()
  assert.is((await next('client-down')).client, up.client)
})

test('a stock client without subprotocols is let in without a token, for the core to close', async () => {
  const socket = await attach('abc/drafts', [])
  const up = await next('client-up')
  assert.is(up.token, null)
  assert.is(socket.protocol, '')
  sockets.close(up.client, 4401, 'session ended')
  assert.is((await once(socket, 'close'))[0], 4401)
  assert.is(events.filter(({ type }) => type === 'client-down').length, 0)
})

test('rooms and tokens are read from what a client may write', () => {
  assert.is(readRoom('/sync/a/drafts?token=no'), 'a/drafts')
  assert.is(readRoom('/sync/a%2Fdrafts'), 'a/drafts')
  assert.is(readRoom('/sync/%'), null)
  assert.is(readRoom(`/sync/${'a'.repeat(300)}`), null)
  assert.is(readRoom('/peer'), null)
  assert.is(readToken('starling.v1, starling.token.abc'), 'abc')
  assert.is(readToken('starling.v1'), null)
  assert.is(readToken(undefined), null)
})

test('frames pass both ways as they are', async () => {
  const socket = await attach('abc/drafts')
  const { client } = await next('client-up')
  socket.send(Uint8Array.of(0, 0, 1, 9))
  const { frame } = await next('client-frame')
  assert.is(frame.constructor, Uint8Array)
  assert.equal([...frame], [0, 0, 1, 9])
  sockets.send(client, Uint8Array.of(0, 1, 2))
  assert.equal([...(await once(socket, 'message'))[0]], [0, 1, 2])
  await detach(socket)
})

test('[SYN4] a large frame is let in only as an answer to the node, and else closed with 4413', async () => {
  const large = new Uint8Array(LIMITS.clientFrameBytesMax + 1)
  const answer = large.slice()
  answer[1] = 1
  const update = large.slice()
  update[1] = 2
  const socket = await attach('abc/drafts')
  const { client } = await next('client-up')
  sockets.send(client, Uint8Array.of(0, 0, 1, 0))
  await once(socket, 'message')
  socket.send(answer)
  assert.is((await next('client-frame')).frame.length, answer.length)
  socket.send(update)
  assert.is((await once(socket, 'close'))[0], 4413)
  assert.is((await next('client-down')).client, client)
  assert.is(events.filter(({ type }) => type === 'client-frame').length, 0)
})

test('[COR3] large answers are counted', async () => {
  const answer = new Uint8Array(LIMITS.clientFrameBytesMax + 1)
  answer[1] = 1
  const socket = await attach('abc/drafts')
  const { client } = await next('client-up')
  sockets.send(client, Uint8Array.of(0, 0, 1, 0))
  await once(socket, 'message')
  for (let sent = 0; sent < 5; sent++) socket.send(answer)
  assert.is((await once(socket, 'close'))[0], 4413)
  assert.is(events.filter(({ type }) => type === 'client-frame').length, 4)
  await next('client-down')
})

test('[SYN4] a frame over every limit is closed with 4413 too, not with 1009, which a client would take for bad luck', async () => {
  const socket = await attach('abc/drafts')
  const { client } = await next('client-up')
  sockets.send(client, Uint8Array.of(0, 0, 1, 0))
  await once(socket, 'message')
  socket.send(new Uint8Array(LIMITS.firstSyncFrameBytesMax + 1))
  assert.is((await once(socket, 'close'))[0], 4413)
  await next('client-down')
})

test('[COR3] before the node has answered anything, no more than one small frame is read', async () => {
  const socket = await attach('abc/drafts')
  await next('client-up')
  const answer = new Uint8Array(LIMITS.clientFrameBytesMax * 2)
  answer[1] = 1
  socket.send(answer)
  const [code] = await once(socket, 'close')
  assert.ok(code === 4413 || code === 1006, String(code))
  await next('client-down')
  assert.is(events.filter(({ type }) => type === 'client-frame').length, 0)
})

test('text is no frame', async () => {
  const socket = await attach('abc/drafts')
  await next('client-up')
  socket.send('hello')
  assert.is((await once(socket, 'close'))[0], 1003)
  await next('client-down')
})

test('[COR3] a client that does not read is reported full once, and writable when it has read', async () => {
  const socket = await attach('abc/drafts')
  const { client } = await next('client-up')
  for (let sent = 0; sent < 8; sent++) sockets.send(client, new Uint8Array(1024 * 1024))
  assert.is((await next('client-full')).client, client)
  assert.is((await next('client-writable')).client, client)
  assert.is(events.filter(({ type }) => type === 'client-full').length, 0)
  await detach(socket)
})

test('[COR3] who has most sockets gives one up for somebody who has fewer, and gets none more himself', async () => {
  const few = createSyncSockets({ emit: () => undefined, log: () => undefined, onBytes: () => undefined, socketsMax: 4 })
  const door = createServer()
  door.on('upgrade', (request, socket, head) => void few.upgrade(request, socket, head))
  door.listen(0, '127.0.0.1')
  await once(door, 'listening')
  const codes: Record<string, number> = {}
  const call = async (name: string, localAddress: string): Promise<WebSocket> => {
    const socket = new WebSocket(`ws://127.0.0.1:${(door.address() as AddressInfo).port}/sync/x`, ['starling.v1'], { localAddress })
    socket.on('close', code => (codes[name] = code))
    await once(socket, 'open')
    return socket
  }
  const settle = (): Promise<void> => new Promise(resolve => setTimeout(resolve, 50))
  const open = [await call('greedy 1', '127.0.0.7'), await call('greedy 2', '127.0.0.7'), await call('greedy 3', '127.0.0.7'), await call('modest', '127.0.0.8')]
  open.push(await call('greedy 4', '127.0.0.7'))
  await settle()
  assert.equal(codes, { 'greedy 4': 1013 })
  open.push(await call('newcomer', '127.0.0.9'))
  await settle()
  assert.equal(codes, { 'greedy 4': 1013, 'greedy 1': 1013 })
  for (const socket of open) socket.terminate()
  few.shutDown()
  door.close()
})

test('[COR4] a socket that breaks costs only itself', async () => {
  const socket = await attach('abc/drafts')
  const { client } = await next('client-up')
  // A frame with a reserved opcode, written below ws.
  ;(socket as unknown as { _socket: { write(bytes: Buffer): void } })._socket.write(Buffer.from([0x83, 0x80, 0, 0, 0, 0]))
  assert.is((await next('client-down')).client, client)
  const other = await attach('abc/drafts')
  await next('client-up')
  await detach(other)
})

test('[COR3] a paused client is not read, and loses nothing', async () => {
  const socket = await attach('abc/drafts')
  const { client } = await next('client-up')
  sockets.send(client, new Uint8Array(2))
  socket.send(Uint8Array.of(0))
  assert.equal((await next('client-frame')).frame, Uint8Array.of(0))
  sockets.pause(client)
  for (let sent = 1; sent <= 64; sent++) socket.send(new Uint8Array(16 * 1024).fill(sent))
  await new Promise(resolve => setTimeout(resolve, 100))
  assert.ok(events.filter(({ type }) => type === 'client-frame').length < 16, 'what was under way may still come, the rest waits at the client')
  sockets.resume(client)
  for (let sent = 1; sent <= 64; sent++) assert.is((await next('client-frame')).frame[0], sent)
  sockets.pause(client)
  sockets.close(client, 4401, 'session ended')
  assert.is((await once(socket, 'close'))[0], 4401)
})

test.run()
