// Links over real sockets on loopback: up, frames, refusals told by code, and callers that prove nothing.

import { createServer as createHttp } from 'node:http'
import { type AddressInfo, type Server, connect as connectTcp, createServer } from 'node:net'
import { once } from 'node:events'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { WebSocket } from 'ws'
import { type Pid, parseNodeId, parsePid } from '../../crdt-schema/ids.ts'
import { type Links, type LinksOptions, createLinks } from '../../node/adapters/ws-links.ts'
import { randomBytes } from '../../node/adapters/system.ts'
import type { Event } from '../../node/core/events.ts'

const test = suite('ws-links')
const utf8 = new TextEncoder()
const pid = (value: number): Pid => parsePid(value) ?? (assert.unreachable() as never)

interface End {
  readonly links: Links
  readonly events: Event[]
  readonly url: string
  /** Resolves to the first event of the type, also one that came before. */
  next<Type extends Event['type']>(type: Type): Promise<Extract<Event, { type: Type }>>
  close(): Promise<void>
}

const open: End[] = []

/** A node as far as links go: an HTTP server that passes upgrades on. */
const start = async (number: number, changes: Partial<LinksOptions> = {}, clusterId: string | null = 'c'): Promise<End> => {
  const events: Event[] = []
  const waiting: (() => void)[] = []
  const server = createHttp()
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const links = createLinks({
    readSecrets: () => [utf8.encode('the secret of this cluster')],
    protocol: 1,
    frames: 2,
    url,
    peerPort: null,
    version: '1.0.0',
    random: randomBytes,
    emit: event => {
      events.push(event)
      for (const wake of waiting.splice(0)) wake()
    },
    log: () => undefined,
    ...changes
  })
  const nodeId = parseNodeId(String(number).repeat(32)) ?? (assert.unreachable() as never)
  links.identify({ type: 'identify', pid: pid(number), nodeId, boot: 1, clusterId })
  server.on('upgrade', (request, socket, head) => {
    if (links.upgrade(request, socket, head) !== 'taken') socket.destroy()
  })
  const end: End = {
    links,
    events,
    url,
    next: async type => {
      for (;;) {
        const index = events.findIndex(event => event.type === type)
        if (index >= 0) return events.splice(index, 1)[0] as never
        await new Promise<void>(resolve => waiting.push(resolve))
      }
    },
    close: async () => {
      links.shutDown()
      server.closeAllConnections()
      server.close()
    }
  }
  open.push(end)
  return end
}

const connect = async (a: End, b: End, to: number) => {
  a.links.dial(pid(to), b.url)
  return { ofA: (await a.next('link-up')).link, ofB: (await b.next('link-up')).link }
}

test.after.each(async () => {
  for (const end of open.splice(0)) await end.close()
})

test('a link comes up at both ends, carries frames both ways, and goes down at both', async () => {
  const [a, b] = [await start(0), await start(1)]
  a.links.dial(pid(1), b.url)
  const [upA, upB] = [await a.next('link-up'), await b.next('link-up')]
  assert.is(upA.peer.pid, 1)
  assert.is(upA.dialed, true)
  assert.is(upB.peer.pid, 0)
  assert.is(upB.dialed, false)
  a.links.send(upA.link, Uint8Array.of(1, 2, 3))
  const { frame } = await b.next('link-frame')
  assert.is(frame.constructor, Uint8Array)
  assert.equal([...frame], [1, 2, 3])
  b.links.send(upB.link, new Uint8Array(3_000_000).fill(7))
  assert.is((await a.next('link-frame')).frame.length, 3_000_000)
  a.links.close(upA.link, 'replaced')
  assert.is((await a.next('link-down')).link, upA.link)
  assert.is((await b.next('link-down')).link, upB.link)
})

test('a wrong secret ends the dial with its reason, and the one who was called hears nothing of it', async () => {
  const [a, b] = [await start(0, { readSecrets: () => [utf8.encode('the secret of another cluster')] }), await start(1)]
  a.links.dial(pid(1), b.url)
  assert.is((await a.next('dial-failed')).reason, 'wrong-secret')
  assert.equal(b.events, [])
})

test('a foreign cluster, another protocol, and nobody there each have their reason', async () => {
  const [a, b] = [await start(0, {}, 'd'), await start(1)]
  a.links.dial(pid(1), b.url)
  assert.is((await a.next('dial-failed')).reason, 'foreign-cluster')
  const newer = await start(2, { protocol: 2 })
  newer.links.dial(pid(1), b.url)
  assert.is((await newer.next('dial-failed')).reason, 'protocol')
  await b.close()
  a.links.dial(pid(1), 'http://127.0.0.1:1')
  assert.is((await a.next('dial-failed')).reason, 'refused')
  a.links.dial(pid(1), 'not a url')
  assert.is((await a.next('dial-failed')).reason, 'error')
})

test('the core of one end refuses a pid, and the other end hears why, whoever dialed', async () => {
  const [a, b] = [await start(0), await start(1)]
  const { ofB } = await connect(a, b, 1)
  b.links.close(ofB, 'pid-taken')
  await a.next('link-down')
  assert.equal(await a.next('dial-failed'), { type: 'dial-failed', pid: 1, reason: 'pid-taken' })
  const { ofA } = await connect(a, b, 1)
  a.links.close(ofA, 'removed')
  assert.equal(await b.next('dial-failed'), { type: 'dial-failed', pid: 0, reason: 'removed' })
})

test('someone else than was called does not become a link, at neither end', async () => {
  const [a, b] = [await start(0), await start(1)]
  a.links.dial(pid(2), b.url)
  assert.is((await a.next('dial-failed')).reason, 'error')
  a.links.dial(pid(0), a.url)
  assert.is((await a.next('dial-failed')).reason, 'error')
  assert.equal([...a.events, ...b.events], [])
})

test('a peer that accepts and says nothing fails the dial in 1.5 seconds', async () => {
  const mute: Server = createServer(socket => socket.on('error', () => undefined))
  mute.listen(0, '127.0.0.1')
  await once(mute, 'listening')
  const a = await start(0)
  const startedMs = performance.now()
  a.links.dial(pid(1), `http://127.0.0.1:${(mute.address() as AddressInfo).port}`)
  assert.is((await a.next('dial-failed')).reason, 'timeout')
  const ms = performance.now() - startedMs
  assert.ok(ms > 1_400 && ms < 3_000, `${ms} ms`)
  mute.close()
})

test('[COR3] a caller that sends more than 4 KiB before its proof is cut off', async () => {
  const b = await start(1)
  const caller = new WebSocket(`${b.url.replace('http', 'ws')}/peer`)
  await once(caller, 'open')
  // A message that never ends: ws would keep it for us until then.
  for (let part = 0; part < 20; part++) caller.send('x'.repeat(1_000), { fin: false })
  const startedMs = performance.now()
  const [code] = await once(caller, 'close')
  assert.ok(code === 4510 || code === 1006, String(code))
  assert.ok(performance.now() - startedMs < 2_500, 'it was the time to prove that ended it, not its size')
  assert.equal(b.events, [])
})

test('a frame before the proof and a text after it each cost the link', async () => {
  const [a, b] = [await start(0), await start(1)]
  const caller = new WebSocket(`${b.url.replace('http', 'ws')}/peer`)
  await once(caller, 'open')
  caller.send(Uint8Array.of(1))
  assert.is((await once(caller, 'close'))[0], 4510)
  const { ofA } = await connect(a, b, 1)
  assert.ok(ofA > 0)
})

test('[REP4] what a link has carried before costs it next to nothing, and a link that came back begins anew', async () => {
  const [a, b] = [await start(0), await start(1)]
  const frame = randomBytes(4_000)
  for (const life of [1, 2]) {
    const { ofA, ofB } = await connect(a, b, 1)
    for (let sent = 0; sent < 200; sent++) a.links.send(ofA, frame)
    for (let came = 0; came < 200; came++) assert.is(Buffer.compare((await b.next('link-frame')).frame, frame), 0, `frame ${came} of life ${life}`)
    assert.not.ok(a.events.some(({ type }) => type === 'link-full'), '800,000 bytes are few when they are the same 4,000')
    b.links.close(ofB, 'replaced')
    await a.next('link-down')
    await b.next('link-down')
  }
})

test('[COR4] a message that is no frame of this link costs the link, at both ends', async () => {
  const [a, b] = [await start(0), await start(1)]
  let isBroken = false
  const proxy = createServer(near => {
    const far = connectTcp(Number(new URL(b.url).port), '127.0.0.1')
    far.pipe(near)
    near.on('data', chunk => {
      // Behind two bytes of header and four of mask: what says how the frame is written.
      if (isBroken) chunk[6] = 9
      far.write(chunk)
    })
    for (const socket of [near, far]) socket.on('error', () => undefined)
  })
  proxy.listen(0, '127.0.0.1')
  await once(proxy, 'listening')
  a.links.dial(pid(1), `http://127.0.0.1:${(proxy.address() as AddressInfo).port}`)
  const { link } = await a.next('link-up')
  isBroken = true
  a.links.send(link, Uint8Array.of(1, 2, 3))
  await b.next('link-down')
  await a.next('link-down')
  assert.not.ok(b.events.some(({ type }) => type === 'link-frame'))
  proxy.close()
})

test('[COR3] callers who take all places and say nothing keep no peer out', async () => {
  const [a, b] = [await start(0), await start(1)]
  // From one address, as a flood mostly is; the peer calls from another.
  const silent = Array.from({ length: 80 }, () => new WebSocket(`${b.url.replace('http', 'ws')}/peer`, { localAddress: '127.0.0.9' }))
  await Promise.all(silent.map(socket => new Promise(resolve => {
    socket.on('error', resolve) // refused, or cut off for the next
    socket.on('open', resolve)
  })))
  await connect(a, b, 1)
  for (const socket of silent) socket.terminate()
})

test('[COR3] a peer that does not read makes the link full, and writable again once it does', async () => {
  const [a, b] = [await start(0), await start(1)]
  const { ofA } = await connect(a, b, 1)
  // One turn of the event loop: the other end, in the same process, cannot read meanwhile.
  for (let sent = 0; sent < 16; sent++) a.links.send(ofA, new Uint8Array(1024 * 1024))
  assert.is((await a.next('link-full')).link, ofA)
  assert.is((await a.next('link-writable')).link, ofA)
  assert.is(a.events.filter(({ type }) => type === 'link-full').length, 0)
})

test.run()
