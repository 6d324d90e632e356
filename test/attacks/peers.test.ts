// A share of FAULTS X8: strangers at /peer without the secret, with another one, with texts of somebody else's handshake,
// with the node's own, with a pid that is taken, and with all places filled. The machine alone is tried in greater number
// in peers.long.test.ts.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { readFileSync } from 'node:fs'
import { randomBytes } from 'node:crypto'
import { join } from 'node:path'
import { WebSocket } from 'ws'
import { type NodeId, type Pid } from '../../crdt-schema/ids.ts'
import { FRAMES_NEWEST } from '../../crdt-schema/link-stream.ts'
import { PEER_PROTOCOL } from '../../crdt-schema/peer-wire.ts'
import { type Claim, createHandshake } from '../../node/adapters/ws-handshake.ts'
import { TEST_ENV, mustAsk, print } from '../support/asking.ts'
import { type Cluster, startCluster, wait } from '../support/cluster.ts'
import { attackHandshakes } from '../support/handshake-attacks.ts'

const LIMIT_MS = 8_000
/** As many as a node lets prove themselves at once. */
const PLACES = 64
const FLOOD_MS = 4_000

const peers = suite<{ cluster: Cluster; secret: Uint8Array }>('X8')

peers.before(async (context) => {
  context.cluster = await startCluster({ env: TEST_ENV })
  context.secret = new TextEncoder().encode(readFileSync(join(context.cluster.directory, 'cluster.secret'), 'utf8').trim())
})
peers.after(({ cluster }) => cluster.close())

type Visit = { readonly code: number; readonly texts: readonly string[]; readonly frames: number }

/** Opens /peer and says what `answer` returns to each text; resolves when the node hangs up, or with code 0 after a while. */
const visit = (cluster: Cluster, opening: readonly (string | Uint8Array)[], answer: (text: string) => readonly (string | Uint8Array)[]): Promise<Visit> =>
  new Promise((resolve) => {
    const socket = new WebSocket(`${cluster.at(0).url.replace('http', 'ws')}/peer`)
    const texts: string[] = []
    let frames = 0
    const end = (code: number): void => {
      clearTimeout(timer)
      socket.terminate()
      resolve({ code, texts, frames })
    }
    const timer = setTimeout(() => end(0), LIMIT_MS)
    socket.on('open', () => opening.forEach((one) => socket.send(one)))
    socket.on('message', (data, isBinary) => {
      if (isBinary) return void (frames += 1)
      texts.push(String(data))
      for (const one of answer(String(data))) if (socket.readyState === WebSocket.OPEN) socket.send(one)
    })
    socket.on('close', end)
    socket.on('error', () => {}) // what comes of it says its close
  })

const claimAs = (pid: number, nodeId: string): Claim => ({ protocol: PEER_PROTOCOL, frames: FRAMES_NEWEST, clusterId: null, pid: pid as Pid, nodeId: nodeId as NodeId, boot: 1, url: 'http://127.0.0.1:9', version: '1.0.0', channel: '' })

/** A dialer that keeps to the protocol, with this secret and name. */
const dial = async (cluster: Cluster, secret: Uint8Array, claim: Claim): Promise<Visit & { readonly said: readonly string[] }> => {
  const handshake = createHandshake({ role: 'dialer', claim, secrets: [secret], nonce: randomBytes(32), expectedPid: null, mustShareChannel: false })
  const said: string[] = [...handshake.opening]
  let isOver = false
  const result = await visit(cluster, handshake.opening, (text) => {
    if (isOver) return []
    const step = handshake.receive(text)
    isOver = step.status !== 'waiting'
    if (step.status === 'refused') return []
    said.push(...step.send)
    return step.send
  })
  return { ...result, said }
}

/** The node said nothing that only a member hears. */
const isKeptOut = ({ texts, frames }: Visit): boolean => frames === 0 && !texts.some((text) => text.includes('welcome'))

peers('[LIV1] nobody becomes a peer without proving the secret', async ({ cluster, secret }) => {
  const outcomes: Record<string, number> = {}
  const note = (what: string, visited: Visit): void => {
    assert.ok(isKeptOut(visited), `${what}: ${JSON.stringify(visited)}`)
    outcomes[`${what}: ${visited.code}`] = (outcomes[`${what}: ${visited.code}`] ?? 0) + 1
  }
  const strangerId = () => randomBytes(16).toString('hex')
  const hello = JSON.stringify({ type: 'hello', role: 'dialer', ...claimAs(3, strangerId()), nonce: randomBytes(32).toString('hex') })
  note('no proof', await visit(cluster, [hello, '{"type":"proof","macs":[]}'], () => []))
  note('a made-up proof', await visit(cluster, [hello], (text) => (text.includes('"proof"') ? [JSON.stringify({ type: 'proof', macs: [randomBytes(32).toString('hex')] })] : [])))
  note('a frame first', await visit(cluster, [new Uint8Array([1, 2, 3, 4, 5])], () => []))
  note('a welcome first', await visit(cluster, ['{"type":"welcome"}'], () => []))
  note('nothing at all', await visit(cluster, [], () => []))
  // The node's own words back to it: its hello, its proof, with the other role's name on them too.
  note('reflected', await visit(cluster, [hello], (text) => [text]))
  note('reflected under the other role', await visit(cluster, [hello], (text) => [text.replace('"acceptor"', '"dialer"')]))
  const wrong = await dial(cluster, new TextEncoder().encode('not the secret of this cluster'), claimAs(3, strangerId()))
  // Its own end refuses the node's proof, so it sends none: one that goes on regardless is the made-up proof above.
  note('another secret', wrong)

  // A handshake that held, word for word, once more.
  const name = strangerId()
  const genuine = await dial(cluster, secret, claimAs(3, name))
  assert.ok(!isKeptOut(genuine), 'the recorded handshake held')
  note('replayed', await visit(cluster, genuine.said, () => []))
  note('replayed at the right moments', await visit(cluster, genuine.said.slice(0, 1), (text) => (text.includes('"proof"') ? genuine.said.slice(1) : [])))
  print(Object.keys(outcomes).join(', '))
})

peers('[REP7] with the secret, but under a pid whose node is up, nobody takes its place', async ({ cluster, secret }) => {
  const stolen = await dial(cluster, secret, claimAs(1, randomBytes(16).toString('hex')))
  assert.is(stolen.code, 4513, JSON.stringify(stolen))
  const own = await dial(cluster, secret, claimAs(0, randomBytes(16).toString('hex')))
  assert.is(own.code, 4513, JSON.stringify(own))
  await cluster.waitEqual()
})

peers('[COR3] strangers who take all places of callers keep no member out', async ({ cluster }) => {
  const sockets = new Set<WebSocket>()
  let isOver = false
  const fill = (pid: number): void => {
    if (isOver) return
    const socket = new WebSocket(`${cluster.at(pid).url.replace('http', 'ws')}/peer`)
    sockets.add(socket)
    socket.on('error', () => {}) // cut off or refused: the next one comes
    socket.on('close', () => {
      sockets.delete(socket)
      setTimeout(() => fill(pid), 50)
    })
  }
  for (let place = 0; place < PLACES * 2; place++) for (const pid of [0, 2]) fill(pid)
  await wait(500)
  // Node 1 comes back among them. It must not be they who dial: their calls would get through to it.
  await cluster.kill(1)
  const startedMs = performance.now()
  cluster.start(1)
  for (let place = 0; place < PLACES * 2; place++) fill(1)
  await cluster.waitReady(1)
  const readyMs = performance.now() - startedMs
  await wait(Math.max(0, FLOOD_MS - readyMs))
  await cluster.waitEqual()
  const ann = await cluster.createPerson(1, 'ann')
  const { body } = await mustAsk(201, cluster.at(1), 'POST', '/api/messages', { token: ann.token, body: { to: ['ann'], text: 'among strangers' } })
  assert.equal(body.storedOn, [0, 1, 2])
  isOver = true
  for (const socket of sockets) socket.terminate()
  print(`node 1 ready after ${Math.round(readyMs)} ms among ${PLACES * 6} strangers`)
})

peers('[COR4] of mangled handshakes none is taken for proven, and none throws', () => {
  const { findings, figures } = attackHandshakes('share', 3_000)
  assert.equal(findings, [])
  print(JSON.stringify(figures))
})

peers.run()
