// The bytes of a link: every frame comes back, in order, and bytes that are none end the link without a throw [COR4]. Vectors are LZ4's.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { createLinkDecoder, createLinkEncoder } from '../../crdt-schema/link-stream.ts'
import { createRandom } from '../sim/random.ts'

const test = suite('link stream')
const utf8 = new TextEncoder()
const text = (value: string): readonly number[] => [...utf8.encode(value)]
const KIB = 1024

const random = createRandom('2026')
const noise = (length: number): Uint8Array => Uint8Array.from({ length }, () => random.integer(0, 255))

/** A stretch of what came before, with noise around it: what a link carries, only more so. */
const echoOf = (history: Uint8Array, length: number): Uint8Array => {
  const frame = noise(length)
  for (let at = 0; at < length; ) {
    const from = random.integer(0, Math.max(0, history.length - 1))
    const stretch = history.subarray(from, from + random.integer(1, 200)).subarray(0, length - at)
    frame.set(stretch, at)
    at += stretch.length + random.integer(1, 30)
  }
  return frame
}

test('frames of any size come back as they were, over several windows', () => {
  const [encode, decode] = [createLinkEncoder(), createLinkDecoder()]
  let history = noise(100)
  for (let sent = 0; sent < 600; sent++) {
    const length = sent % 50 === 49 ? random.integer(60 * KIB, 70 * KIB) : sent % 10 === 9 ? random.integer(1, 14) : random.integer(1, 3_000)
    const frame = sent % 3 === 0 ? noise(length) : sent % 7 === 0 ? new Uint8Array(length).fill(7) : echoOf(history, length)
    history = sent % 4 === 0 ? frame : history
    const decoded = decode(encode(frame))
    assert.ok(decoded.ok, `frame ${sent} of ${length} bytes`)
    if (decoded.ok) assert.is(Buffer.compare(decoded.value, frame), 0, `frame ${sent} of ${length} bytes`)
  }
})

test('what was said before on the link costs a few bytes, what no window holds costs a little more than itself', () => {
  const encode = createLinkEncoder()
  const frame = noise(1_000)
  assert.ok(encode(frame).length <= 1_000 + 8)
  assert.ok(encode(frame).length < 20, 'said again')
  for (let sent = 0; sent < 70; sent++) encode(noise(KIB))
  assert.ok(encode(frame).length > 1_000, 'out of the window')
  assert.is(encode(noise(64 * KIB + 1)).length, 64 * KIB + 2)
})

test('a block is one of LZ4: literals, matches that overlap themselves, lengths in steps of 255, references into the block before', () => {
  const decode = createLinkDecoder()
  const decoded = (bytes: readonly number[]): string => {
    const frame = decode(Uint8Array.from([1, ...bytes]))
    return frame.ok ? new TextDecoder().decode(frame.value) : frame.code
  }
  assert.is(decoded([0x50, ...text('hello')]), 'hello')
  assert.is(decoded([0x11, ...text('a'), 1, 0, 0x50, ...text('bcdef')]), 'aaaaaabcdef')
  assert.is(decoded([0x1f, ...text('x'), 1, 0, 255, 1, 0x50, ...text('yyyyy')]), `${'x'.repeat(1 + 15 + 255 + 1 + 4)}yyyyy`)
  assert.is(decoded([0xf0, 3, ...text('eighteen literals!')]), 'eighteen literals!')
  assert.is(decoded([0x01, 18, 0, 0x50, ...text(' more')]), 'eight more', 'eighteen bytes back, in the block before')
})

test('[COR4] bytes that are no block, or lead out of the window, are refused; any other change is another frame, never a throw', () => {
  const refused = (...bytes: number[]): void => assert.equal(createLinkDecoder()(Uint8Array.from(bytes)), { ok: false, code: 'bad-block' }, bytes.join(' '))
  refused()
  refused(1)
  refused(2, 0x10, 65)
  refused(0, 65, 66, 67)
  refused(1, 0x00)
  refused(1, 0x20, 65)
  refused(1, 0x10, 65, 2)
  refused(1, 0x10, 65, 1, 0)
  refused(1, 0x10, 65, 2, 0, 0x10, 65)
  refused(1, 0x10, 65, 0, 0, 0x10, 65)
  refused(1, 0xf0, 255, 255)
  refused(1, 0x1f, 65, 1, 0, ...new Array<number>(300).fill(255), 0, 0x10, 65)
  const encode = createLinkEncoder()
  const sent = [noise(400), ...Array.from({ length: 3 }, () => noise(200))].map((frame, i, all) => encode(Uint8Array.from([...frame, ...(all[0] ?? frame).subarray(i * 20, i * 20 + 90)])))
  for (let round = 0; round < 2_000; round++) {
    const decode = createLinkDecoder()
    const hit = random.integer(0, sent.length - 1)
    sent.forEach((bytes, at) => {
      const changed = bytes.slice(0, at === hit && random.chance(0.3) ? random.integer(0, bytes.length) : bytes.length)
      if (at === hit && changed.length > 0) changed[random.integer(0, changed.length - 1)] = random.integer(0, 255)
      const frame = decode(changed)
      if (frame.ok) assert.ok(frame.value.length > 0 && frame.value.length <= 64 * KIB)
    })
  }
})

test.run()
