// Sends under load: acknowledged messages a second and their latency, over HTTP and over sync sockets, with delivery on another node.
// Senders are attached to node 0, the readers of what they send to node 1; node 2 only holds copies.

import { readdirSync, statSync } from 'node:fs'
import { createServer, connect } from 'node:net'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { createPeople, startCluster, startGenerator, toReader, toSender } from './cluster.mjs'
import { round } from './measure.mjs'

const PAIRS = 64

/** A cluster with 64 senders and 64 recipients, and a generator; kept over all rounds, as a real one would be. */
export const startLoad = async (options) => {
  const cluster = await startCluster(options)
  const generator = await startGenerator()
  const senders = await createPeople(cluster, Array.from({ length: PAIRS }, (_, i) => `sender-${i}`))
  const recipients = await createPeople(cluster, Array.from({ length: PAIRS }, (_, i) => `recipient-${i}`))
  const job = (kind, inFlight, { seconds, warmUpMs, reads = true }) => ({
    kind,
    inFlight,
    seconds,
    warmUpMs,
    senders: senders.map((person, i) => toSender(cluster.places[0], person, recipients[i])),
    readers: reads ? recipients.map((person) => toReader(cluster.places[1], person)) : [],
  })
  const measure = (kind, inFlight, settings) => generator.run(job(kind, inFlight, settings), cluster.processIds())
  const close = async () => {
    generator.close()
    await cluster.close()
  }
  return { cluster, measure, senders, recipients, close }
}

export const directoryBytes = (directory) => readdirSync(directory).reduce((sum, name) => sum + statSync(join(directory, name)).size, 0)

const TEXT_BYTES = 100
const IN_FLIGHT = 64

/** What LevelDB would do by and by: logs become tables, and what was deleted goes. */
const compact = async (directory) => {
  const db = new ClassicLevel(directory, { keyEncoding: 'view', valueEncoding: 'view' })
  await db.compactRange(Uint8Array.of(0), Uint8Array.of(255))
  await db.close()
}

/** Bytes on a link and on a disk for each byte of text. */
export const measureBytes = async ({ seconds }) => {
  const meter = createLinkMeter()
  const { cluster, measure, close } = await startLoad({ peerUrl: meter.urlFor })
  try {
    await meter.settle()
    meter.reset()
    const { latency, rate } = await measure('sockets', IN_FLIGHT, { seconds, warmUpMs: 0, reads: false })
    await meter.settle()
    const linkBytes = meter.bytesBetween(0, 1)
    await cluster.stop(2)
    await compact(cluster.places[2].dataDir)
    const diskBytes = directoryBytes(cluster.places[2].dataDir)
    const texts = latency.count * TEXT_BYTES
    return { rate, linkBytesPerMessage: round(linkBytes / latency.count, 0), linkRatio: round(linkBytes / texts), diskBytesPerMessage: round(diskBytes / latency.count, 0), diskRatio: round(diskBytes / (2 * texts)) }
  } finally {
    meter.close()
    await close()
  }
}

/** Proxies between every two nodes that count what passes, both ways. */
const createLinkMeter = () => {
  const counts = new Map()
  const servers = []
  const keyOf = (a, b) => [a, b].sort().join('-')
  const urlFor = (ports) => (from, to) => {
    const key = keyOf(from, to)
    const server = createServer((near) => {
      const far = connect(ports[to], '127.0.0.1')
      for (const [one, other] of [[near, far], [far, near]]) {
        one.on('data', (chunk) => counts.set(key, (counts.get(key) ?? 0) + chunk.length)).on('error', () => other.destroy()).on('close', () => other.destroy())
        one.pipe(other)
      }
    })
    server.listen(ports[to] + PROXY_OFFSET + from, '127.0.0.1')
    servers.push(server)
    return `http://127.0.0.1:${ports[to] + PROXY_OFFSET + from}`
  }
  return {
    urlFor,
    reset: () => counts.clear(),
    bytesBetween: (a, b) => counts.get(keyOf(a, b)) ?? 0,
    settle: () => new Promise((resolve) => setTimeout(resolve, 1000)),
    close: () => servers.forEach((server) => server.close()),
  }
}
const PROXY_OFFSET = 1
