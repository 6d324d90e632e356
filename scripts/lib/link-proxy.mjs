// A TCP proxy for one link of the demo, that can be cut and mended: cut, its connections are reset and new ones are too.
// test/support/tcp-proxy.ts is the one with all the faults of a network; this is what a button needs.

import { connect, createServer } from 'node:net'

/** A proxy on a free loopback port to `targetPort`. */
export const startLinkProxy = async (targetPort) => {
  const sockets = new Set()
  let isCut = false
  const server = createServer((near) => {
    if (isCut) return near.resetAndDestroy()
    const far = connect(targetPort, '127.0.0.1')
    const pair = [near, far]
    const end = () => {
      for (const socket of pair) {
        sockets.delete(socket)
        socket.destroy()
      }
    }
    for (const socket of pair) {
      sockets.add(socket)
      socket.setNoDelay(true)
      socket.on('error', end).on('close', end)
    }
    near.pipe(far).pipe(near)
  })
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    cut: () => {
      isCut = true
      for (const socket of sockets) socket.resetAndDestroy()
    },
    mend: () => {
      isCut = false
    },
    close: () => {
      server.close()
      for (const socket of sockets) socket.destroy()
    },
  }
}

/** Proxies for all links between nodes on `ports`, both ways; a pair is cut and mended as one. */
export const startLinks = async (ports) => {
  const proxies = new Map()
  for (const from of ports.keys()) {
    for (const [to, port] of ports.entries()) if (from !== to) proxies.set(`${from}>${to}`, await startLinkProxy(port))
  }
  const cut = new Set()
  const keyOf = (a, b) => `${Math.min(a, b)}-${Math.max(a, b)}`
  const pairOf = (a, b) => [`${a}>${b}`, `${b}>${a}`].map((key) => proxies.get(key)).filter((proxy) => proxy !== undefined)
  const pairs = [...ports.keys()].flatMap((a) => [...ports.keys()].filter((b) => b > a).map((b) => [a, b]))
  return {
    peerUrl: (from, to) => proxies.get(`${from}>${to}`)?.url,
    has: (a, b) => pairOf(a, b).length > 0,
    list: () => pairs.map(([a, b]) => ({ a, b, isCut: cut.has(keyOf(a, b)) })),
    cut: (a, b) => {
      cut.add(keyOf(a, b))
      for (const proxy of pairOf(a, b)) proxy.cut()
    },
    mend: (a, b) => {
      cut.delete(keyOf(a, b))
      for (const proxy of pairOf(a, b)) proxy.mend()
    },
    close: () => {
      for (const proxy of proxies.values()) proxy.close()
    },
  }
}
