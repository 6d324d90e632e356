// The handshake between nodes as texts: who gets through, and every way of not getting through that needs no socket.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type NodeId, type Pid, parseNodeId, parsePid } from '../../crdt-schema/ids.ts'
import { type Claim, type Handshake, type HandshakeOptions, type HandshakeStep, createHandshake } from '../../node/adapters/ws-handshake.ts'

const test = suite('ws-handshake')
const utf8 = new TextEncoder()
const SECRET = utf8.encode('the secret of this cluster')
const OTHER_SECRET = utf8.encode('the secret of another one')

const pid = (value: number): Pid => parsePid(value) ?? assert.unreachable() as never
const nodeId = (digit: string): NodeId => parseNodeId(digit.repeat(32)) ?? assert.unreachable() as never
const claim = (number: number, changes: Partial<Claim> = {}): Claim => ({
  protocol: 1,
  frames: 2,
  clusterId: 'c',
  pid: pid(number),
  nodeId: nodeId(String(number)),
  boot: 3,
  url: `http://127.0.0.1:400${number}`,
  version: '1.0.0',
  channel: '',
  ...changes
})

let lastNonce = 0
const freshNonce = (): Uint8Array => new Uint8Array(32).fill(++lastNonce)
const end = (role: 'dialer' | 'acceptor', number: number, changes: Partial<HandshakeOptions> = {}): Handshake =>
  createHandshake({ role, claim: claim(number), secrets: [SECRET], nonce: freshNonce(), expectedPid: null, mustShareChannel: false, ...changes })

interface Outcome {
  readonly dialer: HandshakeStep | null
  readonly acceptor: HandshakeStep | null
  /** Everything that was sent, in order. */
  readonly texts: readonly { readonly from: 'dialer' | 'acceptor'; readonly text: string }[]
}

/** Carries texts both ways until nobody has more to say; `tamper` stands on the wire. */
const run = (dialer: Handshake, acceptor: Handshake, tamper: (text: string, from: 'dialer' | 'acceptor') => string = text => text): Outcome => {
  const texts: { from: 'dialer' | 'acceptor'; text: string }[] = dialer.opening.map(text => ({ from: 'dialer', text }))
  const last: { dialer: HandshakeStep | null; acceptor: HandshakeStep | null } = { dialer: null, acceptor: null }
  const isOver = (step: HandshakeStep | null): boolean => step !== null && step.status !== 'waiting'
  for (let index = 0; index < texts.length; index++) {
    const sent = texts[index]
    if (sent === undefined) break
    const to = sent.from === 'dialer' ? 'acceptor' : 'dialer'
    if (isOver(last[to])) continue
    const step = (to === 'dialer' ? dialer : acceptor).receive(tamper(sent.text, sent.from))
    last[to] = step
    if (step.status !== 'refused') texts.push(...step.send.map(text => ({ from: to, text }) as const))
  }
  return { ...last, texts }
}

const isRefused = (step: HandshakeStep | null, reason: string): void => assert.equal(step, { status: 'refused', reason })
const isNotProven = (step: HandshakeStep | null): void => assert.is.not(step?.status, 'proven')

test('both ends prove themselves and learn who the other is', () => {
  const { dialer, acceptor } = run(end('dialer', 1), end('acceptor', 0))
  assert.is(dialer?.status === 'proven' && dialer.peer.pid, 0)
  assert.is(acceptor?.status === 'proven' && acceptor.peer.url, 'http://127.0.0.1:4001')
  assert.is(acceptor?.status === 'proven' && acceptor.peer.boot, 3)
})

test('one secret in common is enough, whichever it is', () => {
  const { dialer, acceptor } = run(end('dialer', 1, { secrets: [OTHER_SECRET, SECRET] }), end('acceptor', 0))
  assert.is(dialer?.status, 'proven')
  assert.is(acceptor?.status, 'proven')
})

test('a wrong secret is refused, and the dialer has proven nothing by then', () => {
  const { dialer, acceptor, texts } = run(end('dialer', 1, { secrets: [OTHER_SECRET] }), end('acceptor', 0))
  isRefused(dialer, 'wrong-secret')
  isNotProven(acceptor)
  assert.is(texts.filter(({ from, text }) => from === 'dialer' && text.includes('macs')).length, 0)
})

test('an acceptor refuses a dialer that ignores the proof it was shown and sends one of another secret', () => {
  const honest = end('acceptor', 0)
  const nonce = freshNonce()
  const liar = end('dialer', 1, { nonce, secrets: [OTHER_SECRET] })
  const [hello = ''] = liar.opening
  const heard = honest.receive(hello)
  assert.is(heard.status, 'waiting')
  isRefused(honest.receive(JSON.stringify({ type: 'proof', macs: ['0'.repeat(64)] })), 'wrong-secret')
})

test('a foreign cluster is told apart from a wrong secret, and no cluster yet is no foreign one', () => {
  isRefused(run(end('dialer', 1, { claim: claim(1, { clusterId: 'd' }) }), end('acceptor', 0)).dialer, 'foreign-cluster')
  assert.is(run(end('dialer', 1, { claim: claim(1, { clusterId: null }) }), end('acceptor', 0)).acceptor?.status, 'proven')
  const both = { claim: claim(1, { clusterId: 'd' }), secrets: [OTHER_SECRET] }
  isRefused(run(end('dialer', 1, both), end('acceptor', 0)).dialer, 'wrong-secret')
})

test('a recorded handshake played again proves nothing', () => {
  const { texts } = run(end('dialer', 1), end('acceptor', 0))
  const recorded = texts.filter(({ from }) => from === 'dialer').map(({ text }) => text)
  const acceptor = end('acceptor', 0)
  const steps = recorded.map(text => acceptor.receive(text))
  isRefused(steps.at(-1) ?? null, 'wrong-secret')
})

test('what a node says cannot be reflected at it', () => {
  // As acceptor: its own proof comes back as if a dialer had made it.
  const acceptor = end('acceptor', 0)
  const [hello = ''] = end('dialer', 1).opening
  const heard = acceptor.receive(hello)
  const ownProof = heard.status === 'waiting' ? heard.send[1] : undefined
  isRefused(acceptor.receive(ownProof ?? ''), 'wrong-secret')
  // As dialer: its own hello comes back as if an acceptor had said it.
  const dialer = end('dialer', 1)
  const [own = ''] = dialer.opening
  isRefused(dialer.receive(own), 'protocol')
  isRefused(end('dialer', 1).receive(own.replace('"role":"dialer"', '"role":"acceptor"')), 'stranger')
})

test('a node that reaches itself notices', () => {
  isRefused(run(end('dialer', 1), end('acceptor', 1)).acceptor, 'stranger')
})

test('a role that is not the other one is refused', () => {
  const dialer = end('dialer', 1)
  const [hello = ''] = end('dialer', 0).opening
  isRefused(dialer.receive(hello), 'protocol')
})

test('every field of a hello is under the proof', () => {
  const changes: readonly [RegExp, string][] = [
    [/"pid":1/, '"pid":2'],
    [/"nodeId":"1+"/, `"nodeId":"${'7'.repeat(32)}"`],
    [/"boot":3/, '"boot":4'],
    [/4001/, '4009'],
    [/"version":"1.0.0"/, '"version":"1.0.1"'],
    [/"clusterId":"c"/, '"clusterId":null'],
    [/"nonce":"../, '"nonce":"ff'],
    [/"channel":""/, '"channel":"x"']
  ]
  for (const [pattern, replacement] of changes) {
    let changed = 0
    const { dialer, acceptor } = run(end('dialer', 1), end('acceptor', 0), (text, from) => {
      if (from !== 'dialer' || !pattern.test(text)) return text
      changed++
      return text.replace(pattern, replacement)
    })
    assert.is(changed, 1, String(pattern))
    isNotProven(acceptor)
    isNotProven(dialer)
  }
})

test('ends that know different ways of writing frames use the older one; who names none is of the first release', () => {
  const framesOf = (step: HandshakeStep | null): number | null => (step?.status === 'proven' ? step.frames : null)
  for (const [dialer, acceptor, both] of [[2, 2, 2], [1, 2, 1], [2, 1, 1], [7, 2, 2]] as const) {
    const outcome = run(end('dialer', 1, { claim: claim(1, { frames: dialer }) }), end('acceptor', 0, { claim: claim(0, { frames: acceptor }) }))
    assert.equal([framesOf(outcome.dialer), framesOf(outcome.acceptor)], [both, both])
  }
  const { frames, ...first } = claim(1)
  assert.is(frames, 2)
  const old = run(end('dialer', 1, { claim: first as Claim }), end('acceptor', 0))
  assert.equal([framesOf(old.acceptor), old.dialer?.status], [1, 'proven'])
})

test('another protocol version is refused before anything is proven', () => {
  const { acceptor, texts } = run(end('dialer', 1, { claim: claim(1, { protocol: 2 }) }), end('acceptor', 0))
  isRefused(acceptor, 'protocol')
  assert.is(texts.length, 1)
})

test('whoever answers instead of the one that was called is refused before this node proves itself', () => {
  const { dialer, acceptor } = run(end('dialer', 1, { expectedPid: pid(2) }), end('acceptor', 0))
  isRefused(dialer, 'stranger')
  isNotProven(acceptor)
})

test('two TLS sessions spliced by someone in between are refused before this node proves itself', () => {
  const spliced = run(end('dialer', 1, { claim: claim(1, { channel: 'a' }), mustShareChannel: true }), end('acceptor', 0, { claim: claim(0, { channel: 'b' }) }))
  isRefused(spliced.dialer, 'protocol')
  isNotProven(spliced.acceptor)
  const whole = run(end('dialer', 1, { claim: claim(1, { channel: 'a' }), mustShareChannel: true }), end('acceptor', 0, { claim: claim(0, { channel: 'a' }) }))
  assert.is(whole.dialer?.status, 'proven')
})

test('[COR4] junk at any place is refused and never thrown', () => {
  const { texts } = run(end('dialer', 1), end('acceptor', 0))
  const junk = ['', 'null', '[]', '"x"', '{}', '{"type":"hello"}', '{"type":"proof"}', '{"type":"proof","macs":[1]}', '{"type":"proof","macs":["zz"]}', '\u0000', `{"type":"hello","pad":"${'x'.repeat(5000)}"}`]
  for (const role of ['dialer', 'acceptor'] as const) {
    const heard = texts.filter(({ from }) => from !== role).map(({ text }) => text)
    for (let place = 0; place < heard.length; place++) {
      for (const bad of [...junk, (heard[place] ?? '').slice(0, -3)]) {
        let steps = 0
        const outcome = run(end('dialer', 1), end('acceptor', 0), (text, from) => (from !== role && steps++ === place ? bad : text))
        assert.is(outcome[role]?.status, 'refused', `${role} ${place} ${bad.slice(0, 40)}`)
      }
    }
  }
})

test.run()
