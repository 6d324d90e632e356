// Frames between nodes: what is written is read back, and whatever else arrives is refused without a throw [COR4, STO6, REP4].

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type DocumentName, MEMBERS_DOCUMENT, type NodeId, createEpoch, draftsDocument, parseAccountId } from '../../crdt-schema/ids.ts'
import { type PeerMessage, type StateRow, crc32, decodePeerFrame, decodePeerMessage, encodePeerFrame, encodePeerMessage } from '../../crdt-schema/peer-wire.ts'
import { createRandom } from '../sim/random.ts'
import { pidOf } from '../support/cores.ts'

const wire = suite('peer wire')

const EPOCH = createEpoch(7, pidOf(2))
const NODE_ID = 'ab'.repeat(16) as NodeId
const account = parseAccountId('0f'.repeat(16))
const DRAFTS: DocumentName = account === null ? MEMBERS_DOCUMENT : draftsDocument(account)
const bytes = (...values: number[]): Uint8Array => Uint8Array.from(values)

const ROW: StateRow = {
  pid: pidOf(1), nodeId: NODE_ID, boot: 3, counter: 99, url: 'http://b.test', version: '1.0.0', hears: [pidOf(0), pidOf(2)], phase: 'syncing', hasData: true,
  isSynced: true, lastView: [pidOf(1)], promised: EPOCH, coordinates: createEpoch(0, pidOf(0)), isSlow: false, holdsBack: true, behind: [pidOf(2)], root: '00ff', head: 12, acknowledged: 11,
  wallMs: 1_700_000_000_000.5, upSinceMs: 1_700_000_000_000, messages: 0, sessions: 4, bytes: 70_000
}
const GRANT = { epoch: EPOCH, order: 2, grant: '{"kind":"remove-account","requestId":"r","accountId":"a"}' }

/** One of each; the type says when one is missing. */
const MESSAGES: { readonly [Type in PeerMessage['type']]: Extract<PeerMessage, { type: Type }> } = {
  hello: { type: 'hello', head: 5, held: 0, bootSeen: 2, clusterId: 'c1' },
  heartbeat: { type: 'heartbeat', rows: [ROW, { ...ROW, pid: pidOf(2), behind: [] }] },
  push: { type: 'push', origin: pidOf(0), boot: 1, seq: 300, previous: 299, sentTo: [pidOf(0), pidOf(2)], updates: [{ document: MEMBERS_DOCUMENT, update: bytes(0, 0) }, { document: DRAFTS, update: bytes(1, 2, 3) }] },
  ack: { type: 'ack', boot: 4, seqs: [1, 2, 70_000] },
  settled: { type: 'settled', boot: 4, through: 9 },
  holds: { type: 'holds', nodeId: NODE_ID, through: 8 },
  'feed-request': { type: 'feed-request', pull: 1, after: 40 },
  'table-request': { type: 'table-request', pull: 1 },
  table: { type: 'table', pull: 1, head: 41, buckets: new Uint8Array(64).fill(9) },
  'bucket-request': { type: 'bucket-request', pull: 1, buckets: [0, 4_095] },
  rows: { type: 'rows', pull: 1, rows: [{ document: DRAFTS, digest: 'a0' }], through: 41, last: true },
  want: { type: 'want', pull: 1, items: [{ document: DRAFTS, stateVector: bytes(0) }] },
  diff: { type: 'diff', pull: 1, document: DRAFTS, part: 0, parts: 1, bytes: bytes(5), missing: false },
  'pull-end-request': { type: 'pull-end-request', pull: 1 },
  'pull-end': { type: 'pull-end', pull: 1, promised: EPOCH, tentative: [GRANT] },
  claim: { type: 'claim', epoch: EPOCH },
  promise: { type: 'promise', epoch: EPOCH, accepted: true, promised: EPOCH, digests: [{ document: MEMBERS_DOCUMENT, digest: '0' }], tentative: [GRANT] },
  prepare: { type: 'prepare', grant: GRANT },
  prepared: { type: 'prepared', epoch: EPOCH, order: 2, accepted: false, promised: EPOCH },
  resolved: { type: 'resolved', epoch: EPOCH, orders: [1, 2] },
  ask: { type: 'ask', key: '1.2.3', epoch: EPOCH, grant: GRANT.grant },
  reply: { type: 'reply', key: '1.2.3', outcome: '{"status":"refused","code":"name-taken"}' },
  goodbye: { type: 'goodbye' },
  relay: { type: 'relay', from: pidOf(0), to: pidOf(2), hops: 8, message: bytes(1, 2) },
  fragment: { type: 'fragment', bytes: bytes(1, 2, 3), last: true }
}
const ALL: readonly PeerMessage[] = Object.values(MESSAGES)

wire('[REP4] every message comes back as it was written, many in one frame and in order', () => {
  const frame = encodePeerFrame(ALL.map(encodePeerMessage))
  const messages = decodePeerFrame(frame)
  assert.ok(messages.ok)
  const back = messages.ok ? messages.value.map(decodePeerMessage) : []
  assert.equal(back, ALL.map((value) => ({ ok: true, value })))
})

wire('[STO6] a frame with any bit flipped or any end cut off is a bad frame', () => {
  const frame = encodePeerFrame([encodePeerMessage(MESSAGES.push), encodePeerMessage(MESSAGES.ack)])
  for (let length = 0; length < frame.length; length++) assert.not.ok(decodePeerFrame(frame.slice(0, length)).ok, `cut to ${length}`)
  for (let bit = 0; bit < frame.length * 8; bit++) {
    const flipped = frame.slice()
    flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
    assert.equal(decodePeerFrame(flipped), { ok: false, code: 'bad-frame' }, `bit ${bit}`)
  }
  assert.not.ok(decodePeerFrame(Uint8Array.from([...frame, 0])).ok, 'one byte more')
})

wire('[STO6] a sum that fits does not excuse lengths that do not', () => {
  for (const body of [bytes(5, 1, 2), bytes(255, 255, 255, 255, 255, 255, 255, 255, 255, 255)]) {
    const frame = new Uint8Array(4 + body.length)
    frame.set(body, 4)
    new DataView(frame.buffer).setUint32(0, crc32(frame, 4), true)
    assert.equal(decodePeerFrame(frame), { ok: false, code: 'bad-frame' })
  }
})

wire('[COR4] a message cut off or with any bit flipped is refused or is another message, and never throws', () => {
  for (const message of ALL) {
    const encoded = encodePeerMessage(message)
    for (let length = 0; length < encoded.length; length++) assert.type(decodePeerMessage(encoded.slice(0, length)).ok, 'boolean', `${message.type} cut to ${length}`)
    for (let bit = 0; bit < encoded.length * 8; bit++) {
      const flipped = encoded.slice()
      flipped[bit >> 3] = (flipped[bit >> 3] ?? 0) ^ (1 << (bit & 7))
      assert.type(decodePeerMessage(flipped).ok, 'boolean', `${message.type} bit ${bit}`)
    }
  }
})

wire('[COR4] noise is refused and never throws', () => {
  const random = createRandom('peer noise')
  for (let i = 0; i < 5_000; i++) {
    const noise = random.bytes(random.integer(0, 40))
    if (i % 2 === 0 && noise.length > 0) noise[0] = random.integer(0, 26)
    assert.type(decodePeerMessage(noise).ok, 'boolean')
    assert.not.ok(decodePeerFrame(noise).ok)
  }
})

wire('[COR4] fields of another type, ids that are none and unknown types are refused', () => {
  const wrong: readonly unknown[] = [
    { ...MESSAGES.hello, head: -1 }, { ...MESSAGES.hello, head: 1.5 }, { ...MESSAGES.hello, clusterId: 'x'.repeat(257) },
    { ...MESSAGES.heartbeat, rows: [{ ...ROW, pid: 64 }] }, { ...MESSAGES.heartbeat, rows: [{ ...ROW, phase: 'asleep' }] }, { ...MESSAGES.heartbeat, rows: Array.from({ length: 65 }, () => ROW) },
    { ...MESSAGES.rows, rows: [{ document: 'inbox/nobody', digest: '0' }] }, { ...MESSAGES.table, buckets: 'bytes' }, { ...MESSAGES.claim, epoch: -3 },
    { ...MESSAGES.ask, grant: 'x'.repeat(8_193) }, { ...MESSAGES.push, origin: 64 }, { ...MESSAGES.push, updates: [{ document: 'passwd', update: bytes(0, 0) }] }
  ]
  for (const message of wrong) assert.equal(decodePeerMessage(encodePeerMessage(message as PeerMessage)), { ok: false, code: 'bad-message' }, JSON.stringify(message).slice(0, 90))
  assert.equal(decodePeerMessage(bytes(200, 0)), { ok: false, code: 'bad-message' })
  assert.equal(decodePeerMessage(bytes()), { ok: false, code: 'bad-message' })
})

const ADMISSION = { kind: 'admit-member', requestId: 'r', pid: null, nodeId: 'n', url: 'http://n', taken: Array.from({ length: 64 }, (_, pid) => pid) }

wire('[COR4] a grant or an outcome that is not one is a bad message', () => {
  assert.is(decodePeerMessage(encodePeerMessage({ ...MESSAGES.ask, grant: JSON.stringify(ADMISSION) })).ok, true)
  for (const grant of ['not json', '{}', '{"kind":"remove-account"}', '[]', 'null', '{"kind":"unheard-of","requestId":"r"}', JSON.stringify({ ...ADMISSION, taken: Array(65).fill(0) })]) {
    assert.equal(decodePeerMessage(encodePeerMessage({ ...MESSAGES.ask, grant })), { ok: false, code: 'bad-message' }, grant)
    assert.equal(decodePeerMessage(encodePeerMessage({ type: 'prepare', grant: { ...GRANT, grant } })), { ok: false, code: 'bad-message' }, grant)
  }
  for (const outcome of ['not json', '{}', '{"status":"granted"}']) assert.equal(decodePeerMessage(encodePeerMessage({ ...MESSAGES.reply, outcome })), { ok: false, code: 'bad-message' }, outcome)
})

wire.run()
