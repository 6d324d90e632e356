// The proxy that stands for a bad network must do each of its faults, or the tests that use it prove nothing.

import { type Socket, connect, createServer } from 'node:net'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { wait } from '../../scripts/lib/nodes.mjs'
import { type TcpProxy, startTcpProxy } from './tcp-proxy.ts'

/** Polls until `isTrue`, at most 2 s. */
const until = async (isTrue: () => boolean, what: string): Promise<void> => {
  for (let tries = 0; tries < 400; tries++) {
    if (isTrue()) return
    await wait(5)
  }
  throw new Error(`never happened: ${what}`)
}

type World = { readonly proxy: TcpProxy; readonly dial: () => Promise<{ socket: Socket; received: () => string; isClosed: () => boolean }>; readonly heard: () => string }

/** Runs `play` with an echo server behind a proxy. */
const withProxy = async (play: (world: World) => Promise<void>): Promise<void> => {
  let heard = ''
  const sockets = new Set<Socket>()
  const server = createServer((socket) => {
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('data', (bytes) => {
      heard += bytes.toString()
      socket.write(bytes)
    })
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const address = server.address()
  assert.ok(address !== null && typeof address === 'object')
  const proxy = await startTcpProxy(address.port)
  const dial: World['dial'] = async () => {
    const socket = connect(proxy.port, '127.0.0.1')
    let text = ''
    let isClosed = false
    sockets.add(socket)
    socket.on('error', () => {})
    socket.on('close', () => {
      isClosed = true
    })
    socket.on('data', (bytes) => {
      text += bytes.toString()
    })
    await new Promise((resolve) => socket.once('connect', resolve).once('close', resolve))
    return { socket, received: () => text, isClosed: () => isClosed }
  }
  try {
    await play({ proxy, dial, heard: () => heard })
  } finally {
    for (const socket of sockets) socket.destroy()
    await proxy.close()
    server.close()
  }
}

const proxies = suite('tcp proxy')

proxies('passes bytes both ways and counts them', () =>
  withProxy(async ({ proxy, dial }) => {
    const { socket, received } = await dial()
    socket.write('hello')
    await until(() => received() === 'hello', 'the echo')
    assert.equal(proxy.passed, { up: 5, down: 5 })
  }))

proxies('a stall holds bytes of both directions, keeps the connection, and heals in order', () =>
  withProxy(async ({ proxy, dial, heard }) => {
    const { socket, received, isClosed } = await dial()
    socket.write('a')
    await until(() => received() === 'a', 'the first echo')
    proxy.stall()
    socket.write('b')
    socket.write('c')
    await wait(60)
    assert.is(heard(), 'a')
    assert.is(isClosed(), false)
    proxy.heal()
    await until(() => received() === 'abc', 'what was held back')
  }))

proxies('one way: what is said arrives, what is answered does not', () =>
  withProxy(async ({ proxy, dial, heard }) => {
    const { socket, received } = await dial()
    proxy.stall('down')
    socket.write('hello')
    await until(() => heard() === 'hello', 'the upward bytes')
    await wait(40)
    assert.is(received(), '')
    proxy.heal()
    await until(() => received() === 'hello', 'the downward bytes')
  }))

proxies('what is dropped never arrives, and healing resets the connection that lost it', () =>
  withProxy(async ({ proxy, dial, heard }) => {
    const whole = await dial()
    const holed = await dial()
    holed.socket.write('a')
    await until(() => holed.received() === 'a', 'the first echo')
    proxy.drop('up')
    holed.socket.write('b')
    await wait(40)
    assert.is(heard(), 'a')
    assert.is(holed.isClosed(), false)
    proxy.heal()
    await until(holed.isClosed, 'the reset')
    whole.socket.write('c')
    await until(() => whole.received() === 'c', 'a connection that lost nothing goes on')
    assert.is(heard(), 'ac')
  }))

proxies('a delay holds each chunk that long', () =>
  withProxy(async ({ proxy, dial }) => {
    const { socket, received } = await dial()
    proxy.delay(60)
    const started = performance.now()
    socket.write('x')
    await until(() => received() === 'x', 'the echo')
    assert.ok(performance.now() - started >= 115, 'two directions, 60 ms each')
  }))

proxies('cutAfter ends the connection after exactly so many bytes', () =>
  withProxy(async ({ proxy, dial, heard }) => {
    const { socket, isClosed } = await dial()
    proxy.cutAfter('up', 3)
    socket.write('abcdef')
    await until(isClosed, 'the reset')
    await wait(10)
    assert.ok(heard() === 'abc' || heard() === '', `heard ${heard()}`) // a reset may discard what was not read yet
    assert.is(proxy.passed.up, 3)
  }))

proxies('nothing passes behind the place of a cut', () =>
  withProxy(async ({ proxy, dial, heard }) => {
    const { socket, isClosed } = await dial()
    socket.setNoDelay(true)
    socket.write('x')
    await until(() => heard() === 'x', 'the first byte')
    proxy.stall('up')
    for (const text of ['abc', 'def', 'ghi']) {
      socket.write(text)
      await wait(10) // chunks of their own
    }
    proxy.cutAfter('up', 2)
    proxy.heal()
    await until(isClosed, 'the reset')
    await wait(10)
    assert.ok(['x', 'xab'].includes(heard()), `heard ${heard()}`)
    assert.is(proxy.passed.up, 3)
  }))

proxies('refuse resets what is open and what comes; heal ends that', () =>
  withProxy(async ({ proxy, dial }) => {
    const first = await dial()
    first.socket.write('x')
    await until(() => first.received() === 'x', 'the echo')
    proxy.refuse()
    await until(first.isClosed, 'the reset of the open connection')
    const second = await dial()
    await until(second.isClosed, 'the reset of a new connection')
    proxy.heal()
    const third = await dial()
    third.socket.write('y')
    await until(() => third.received() === 'y', 'the echo after healing')
  }))

proxies('a side that closes while the network is silent is noticed only after healing', () =>
  withProxy(async ({ proxy, dial }) => {
    const { socket } = await dial()
    socket.write('x')
    await until(() => proxy.passed.down === 1, 'the echo')
    proxy.stall()
    socket.destroy()
    await wait(40)
    assert.is(proxy.connectionCount(), 1)
    proxy.heal()
    await until(() => proxy.connectionCount() === 0, 'both ends gone')
  }))

proxies.run()
