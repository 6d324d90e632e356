// What the gate says to single updates, made by hand: millions announced in a few bytes, circles, places that do not fit, quotas, the largest
// frame. What it lets through of honest pages and forgers is in gate.test.ts.

import { createEncoder, toUint8Array, writeAny, writeUint8, writeVarString, writeVarUint } from 'lib0/encoding'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as Y from 'yjs'
import * as drafts from '../../crdt-schema/drafts.ts'
import { DEFAULT_GATE_LIMITS, type GateLimits, inspectUpdate } from '../../crdt-schema/gate.ts'
import type { AccountId } from '../../crdt-schema/ids.ts'
import * as inbox from '../../crdt-schema/inbox.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import * as marks from '../../crdt-schema/marks.ts'
import { type StructWriter, handMade, longValueAt, stringAfter, valueAt } from '../support/hand-made.ts'
import { codeOf, copyOf, draftId, forge, judge, messageId, trial, updateOf } from './gate-judging.ts'
import { at, createReplica, holds, personOf } from './replicas.ts'

const test = suite('gate: verdicts')

test('[SYN5] a few bytes that announce millions of structs, deletes or values are refused at once', () => {
  const giants = [
    [1, 0xff, 0xff, 0xff, 0x0f, 1, 0],
    [0xff, 0xff, 0xff, 0xff, 0x0f, 1, 1, 0],
    [0, 1, 1, 0xff, 0xff, 0xff, 0xff, 0x0f],
    [0, 0xff, 0xff, 0xff, 0xff, 0x0f],
    [1, 1, 5, 0, 8, 1, 1, 97, 0xff, 0xff, 0xff, 0xff, 0x07],
    [1, 1, 5, 0, 0x28, 1, 1, 97, 1, 97, 1, 117, 0xff, 0xff, 0xff, 0xff, 0x07],
    [1, 1, 5, 0, 0, ...Array.from({ length: 20 }, () => 0x80), 0, 0],
    [1, 1, 5, 0, 0, 0, 0],
    [1, 1, 5, 0, 0, 0xff, 0xff, 0xff, 0xff, 0x0f, 0],
    [0, 0, 0],
  ]
  for (const giant of giants) assert.is(judge(new Uint8Array(giant)), 'bad-update', String(giant))
  const nested = createEncoder()
  for (const byte of [1, 1, 5, 0, 0x28, 1]) writeVarUint(nested, byte)
  writeVarString(nested, 'settings')
  writeVarString(nested, 'k')
  for (let i = 0; i < 100_000; i += 1) writeVarUint(nested, i === 0 ? 1 : i % 2 === 0 ? 1 : 117)
  assert.is(judge(toUint8Array(nested)), 'bad-update')
})

test('[SYN5] roots, keys and values that are not of the room are refused', () => {
  const cases: [string, Uint8Array][] = [
    ['bad-root', forge('messages', messageId, 1)],
    ['bad-key', forge('outbox', 'x', 1)],
    ['bad-key', forge('drafts', `${draftId}.other`, 1)],
    ['bad-key', forge('settings', 'x'.repeat(LIMITS.settingKeyCharactersMax + 1), 1)],
    ['bad-value', forge('outbox', messageId, ['ana', [], 'no recipient', 1])],
    ['bad-value', forge('outbox', messageId, ['ana', [['', 'ben']], 'x'.repeat(LIMITS.messageTextBytesMax + 1), 1])],
    ['bad-value', forge('outbox', messageId, ['ana', [[messageId, 'ben']], 'x', 1])],
    ['bad-value', forge('recalls', messageId, 2)],
    ['bad-value', forge('settings', 'theme', ['dark'])],
    ['bad-value', forge('drafts', `${draftId}.selected`, 'yes')],
    ['bad-value', forge('drafts', `${draftId}.text`, 'plain')],
    ['bad-value', forge('drafts', `${draftId}.to`, new Y.Text('x'))],
    ['bad-update', forge('drafts', `${draftId}.text`, new Y.Map())],
    ['bad-update', forge('drafts', `${draftId}.text`, new Y.Array())],
    ['bad-update', forge('drafts', `${draftId}.text`, new Y.XmlText())],
    ['bad-update', forge('settings', 'theme', new Uint8Array(3))],
    ['bad-update', forge('settings', 'theme', new Y.Doc())],
    ['bad-update', forge('settings', 'theme', 10n)],
  ]
  for (const [code, update] of cases) assert.is(judge(update), code)
  assert.is(judge(forge('marks', `o:${messageId}`, 'soon'), 'marks'), 'bad-value')
  assert.is(judge(forge('marks', `x:${messageId}`, 1), 'marks'), 'bad-key')
  assert.is(judge(forge('marks', `k:${messageId}`, ['f', { opened: [messageId] }]), 'marks'), 'applicable')
  assert.is(judge(forge('marks', `k:${messageId}`, ['f', JSON.parse('{ "__proto__": { "opened": [] } }')]), 'marks'), 'bad-update')
  assert.is(judge(forge('drafts', `${draftId}.selected`, true), 'marks'), 'bad-root')
  const list = createReplica(7)
  list.getArray('outbox').push([1])
  assert.is(judge(Y.encodeStateAsUpdate(list)), 'bad-key')
  const formatted = createReplica(7)
  drafts.createDraft(formatted, { id: draftId, editedMs: at(0), text: 'x' })
  drafts.draftText(formatted, draftId)?.format(0, 1, { bold: true })
  assert.is(judge(Y.encodeStateAsUpdate(formatted)), 'bad-update')
  const embedded = createReplica(7)
  drafts.createDraft(embedded, { id: draftId, editedMs: at(0), text: 'x' })
  drafts.draftText(embedded, draftId)?.insertEmbed(0, { image: 1 })
  assert.is(judge(Y.encodeStateAsUpdate(embedded)), 'bad-update')
})

test('[SYN5] structs that point at themselves, in circles or between places are refused, for Yjs would throw or wait for ever', () => {
  assert.is(judge(handMade([[5, 0, stringAfter(5, 0, 'x')]])), 'bad-update')
  assert.is(judge(handMade([[5, 0, stringAfter(6, 0, 'x')], [6, 0, stringAfter(5, 0, 'x')]])), 'bad-update')
  assert.is(judge(handMade([[5, 0, stringAfter(6, 0, 'x')]])), 'gap')
  assert.is(judge(handMade([[5, 0, valueAt('settings', 'a', 1)], [5, 0, valueAt('settings', 'a', 1)]])), 'bad-update')
  const doc = createReplica(1)
  drafts.createDraft(doc, { id: draftId, editedMs: at(0), text: 'held' })
  drafts.setSetting(doc, 'theme', 'dark')
  const after = (Y.decodeUpdate(Y.encodeStateAsUpdate(doc)).structs as Y.Item[]).find(item => item.parentSub === 'theme')?.id
  assert.is(judge(handMade([[5, 0, stringAfter(after?.client ?? 0, after?.clock ?? 0, 'x')]]), 'drafts', doc), 'bad-value')
  // Under a held id, but longer and elsewhere: Yjs would splice the rest onto the held beginning.
  assert.is(judge(handMade([[1, 0, valueAt('settings', 'a', 1), valueAt('settings', 'a', 1)]]), 'drafts', doc), 'nothing')
  assert.is(judge(handMade([[1, 1, longValueAt('settings', 'a', 99)]]), 'drafts', doc), 'bad-update')
})

test('[SYN5] typing goes on into a draft that another device purged: it passes, and is nowhere', () => {
  const page = createReplica(2)
  drafts.createDraft(page, { id: draftId, editedMs: at(0), text: 'abc' })
  const node = copyOf(page)
  drafts.discardDraft(node, draftId)
  drafts.purgeDraft(node, draftId)
  drafts.draftText(page, draftId)?.insert(3, 'd')
  // Sent whole, the text is one struct whose beginning the node has garbage-collected; sent as a diff, it is the rest.
  for (const update of [Y.encodeStateAsUpdate(page), Y.encodeStateAsUpdate(page, Y.encodeStateVector(node))]) {
    assert.is(codeOf(inspectUpdate(node, 'drafts', update)), trial(node, update))
    assert.is(trial(node, update), 'applicable')
    const copy = copyOf(node)
    Y.applyUpdate(copy, update)
    assert.is(drafts.readDraft(copy, draftId), null)
  }
  // The same ids claimed for another place.
  assert.is(judge(handMade([[2, 1, valueAt('settings', 'a', 1), valueAt('settings', 'a', 1), longValueAt('settings', 'a', 9)]]), 'drafts', node), 'bad-update')
})

test('[SYN5] a shared text holds characters only: no values, no attributes', () => {
  const doc = createReplica(1)
  drafts.createDraft(doc, { id: draftId, editedMs: at(0), text: 'held' })
  const inText = (info: number, write: StructWriter): Uint8Array => handMade([[7, 0, encoder => {
    writeUint8(encoder, info)
    for (const number of [0, 1, 0]) writeVarUint(encoder, number) // the parent by id: the text
    write(encoder)
  }]])
  const oneValue: StructWriter = encoder => (writeVarUint(encoder, 1), writeAny(encoder, true))
  const string: StructWriter = encoder => writeVarString(encoder, 'x')
  assert.is(judge(inText(4, string), 'drafts', doc), 'applicable')
  assert.is(judge(inText(8, oneValue), 'drafts', doc), 'bad-value')
  assert.is(judge(inText(7, encoder => writeVarUint(encoder, 2)), 'drafts', doc), 'bad-value')
  assert.is(judge(inText(0x24, encoder => (writeVarString(encoder, 'bold'), string(encoder))), 'drafts', doc), 'bad-key')
})

test('[SYN5] a struct between neighbours of two places is refused', () => {
  const doc = createReplica(1)
  drafts.createDraft(doc, { id: draftId, editedMs: at(0), text: 'held' }) // clocks 0, 1 to 4, 5
  const between: StructWriter = encoder => {
    for (const number of [1, 4, 1, 5]) writeVarUint(encoder, number)
    writeVarString(encoder, 'x')
  }
  const forged = handMade([[7, 0, encoder => (writeUint8(encoder, 0xc4), between(encoder))]])
  assert.is(judge(forged, 'drafts', doc), 'bad-update')
})

test('[SYN5] deletes of what nobody holds are a gap; empty, overlapping or unsorted ranges are refused', () => {
  const doc = createReplica(1)
  drafts.setSetting(doc, 'theme', 'dark')
  assert.is(judge(handMade([], [[1, [0, 1]]]), 'drafts', doc), 'applicable')
  assert.is(judge(handMade([], [[1, [0, 2]]]), 'drafts', doc), 'gap')
  assert.is(judge(handMade([], [[2, [0, 1]]]), 'drafts', doc), 'gap')
  assert.is(judge(handMade([], [[1, [0, 0]]]), 'drafts', doc), 'bad-update')
  assert.is(judge(handMade([], [[1, [0, 1], [0, 1]]]), 'drafts', doc), 'bad-update')
  assert.is(judge(handMade([], [[1, [0, 1]], [1, [0, 1]]]), 'drafts', doc), 'bad-update')
})

test('[SYN5] new structs under the node\'s own client id are refused, known ones are not', () => {
  const doc = createReplica(1)
  const update = updateOf(doc, () => marks.markOpened(doc, messageId, at(1)))
  const limits: GateLimits = { ...DEFAULT_GATE_LIMITS, reservedClients: new Set([1]) }
  assert.is(codeOf(inspectUpdate(doc, 'marks', update, limits)), 'nothing')
  assert.is(codeOf(inspectUpdate(createReplica(2), 'marks', update, limits)), 'reserved-client')
})

test('[SYN5] the entries say which other documents to load', () => {
  const page = createReplica(2)
  drafts.createDraft(page, { id: draftId, editedMs: at(0), text: 'hello', to: [personOf(1)] })
  const node = copyOf(page)
  const update = updateOf(page, () => drafts.sendDraft(page, { draftId, fromName: 'ana', nowMs: at(1) }))
  const inspection = inspectUpdate(node, 'drafts', update)
  const outbox = inspection.status === 'applicable' ? inspection.entries.filter(({ root }) => root === 'outbox') : []
  assert.equal(outbox.map(({ key, value }) => drafts.parseOutboxEntry(key, value)), drafts.readOutbox(page).value)
  const typed = updateOf(page, () => drafts.editText(page, draftId, 'hello!'))
  assert.equal(inspectUpdate(copyOf(page), 'drafts', typed), { status: 'nothing' })
  assert.equal(inspectUpdate(node, 'drafts', Y.mergeUpdates([update, typed])).status, 'applicable')
})

test('[SYN4] an inbox takes nothing new and passes over what it holds', () => {
  const doc = createReplica(1)
  inbox.addMessage(doc, { id: messageId, from: personOf(1), to: [personOf(0)], text: 'x', sentMs: at(0) })
  const page = copyOf(doc)
  assert.is(judge(Y.encodeStateAsUpdate(page), 'inbox', doc), 'nothing')
  assert.is(judge(new Uint8Array([0, 0]), 'inbox', doc), 'nothing')
  assert.is(judge(updateOf(page, () => inbox.recallMessage(page, messageId, personOf(1).id as AccountId, at(1))), 'inbox', doc), 'read-only')
  page.getMap('messages').delete(messageId)
  assert.is(judge(Y.encodeStateAsUpdate(page), 'inbox', doc), 'read-only')
})

test('[SYN5] quotas refuse growth and nothing else', () => {
  const page = createReplica(2)
  drafts.createDraft(page, { id: draftId, editedMs: at(0), text: 'x'.repeat(LIMITS.draftTextBytesMax) })
  const node = copyOf(page)
  const full: GateLimits = { ...DEFAULT_GATE_LIMITS, documentBytes: 100, documentBytesMax: 100 }
  const insert = (text: string): Uint8Array => updateOf(page, () => drafts.draftText(page, draftId)?.insert(0, text))
  const grown = insert('y')
  assert.is(codeOf(inspectUpdate(node, 'drafts', grown, full)), 'document-full')
  assert.is(codeOf(inspectUpdate(node, 'drafts', grown)), 'applicable')
  const tooMuch = Y.mergeUpdates([grown, insert('ä'.repeat(LIMITS.draftTextBytesMax / 2))])
  assert.is(codeOf(inspectUpdate(node, 'drafts', tooMuch)), 'text-too-large')
  const shrunk = Y.mergeUpdates([tooMuch, updateOf(page, () => drafts.draftText(page, draftId)?.delete(10, LIMITS.draftTextBytesMax))])
  assert.is(codeOf(inspectUpdate(node, 'drafts', shrunk)), 'applicable')
  const deletion = createReplica(3)
  Y.applyUpdate(deletion, Y.encodeStateAsUpdate(node))
  const deleted = updateOf(deletion, () => drafts.draftText(deletion, draftId)?.delete(0, 100))
  assert.is(codeOf(inspectUpdate(node, 'drafts', deleted, full)), 'applicable')
  assert.is(codeOf(inspectUpdate(node, 'drafts', grown, { ...DEFAULT_GATE_LIMITS, updateBytesMax: 3 })), 'too-large')
})

test('[SYN5] twice the drafts or outbox entries that a page may have are refused', () => {
  const page = createReplica(2)
  page.transact(() => {
    for (let i = 0; i <= LIMITS.outboxMax * 2; i += 1) {
      const id = messageId.slice(0, -4) + i.toString(16).padStart(4, '0')
      page.getMap('outbox').set(id, ['ana', [['', 'ben']], 'x', 1])
    }
  })
  const limits = { ...DEFAULT_GATE_LIMITS, updateBytesMax: LIMITS.firstSyncFrameBytesMax }
  assert.is(codeOf(inspectUpdate(createReplica(1), 'drafts', Y.encodeStateAsUpdate(page), limits)), 'outbox-full')
  const writer = createReplica(3)
  writer.transact(() => {
    for (let i = 0; i <= LIMITS.draftsMax * 2; i += 1) writer.getMap('drafts').set(`${draftId.slice(0, -4)}${i.toString(16).padStart(4, '0')}.text`, new Y.Text())
  })
  assert.is(codeOf(inspectUpdate(createReplica(1), 'drafts', Y.encodeStateAsUpdate(writer), limits)), 'too-many-drafts')
})

test('[SYN5] an update of the largest frame is judged in bounded time, and a crowd at one spot is refused', () => {
  const page = createReplica(2)
  drafts.createDraft(page, { id: draftId, editedMs: at(0) })
  const node = copyOf(page)
  const text = (Y.decodeUpdate(Y.encodeStateAsUpdate(page)).structs as Y.Item[]).find(item => item.content instanceof Y.ContentType)?.id
  const intoText: StructWriter = encoder => {
    for (const number of [4, 0, text?.client ?? 0, text?.clock ?? 0]) writeVarUint(encoder, number)
    writeVarString(encoder, 'x')
  }
  const crowd = handMade(Array.from({ length: 20_000 }, (_, i) => [100_000 + i, 0, intoText] as const))
  const limits = { ...DEFAULT_GATE_LIMITS, updateBytesMax: LIMITS.firstSyncFrameBytesMax }
  assert.is(codeOf(inspectUpdate(node, 'drafts', crowd, limits)), 'bad-update')
  // Every second character deleted: as many structs and ranges as bytes allow.
  const line = Array.from({ length: 100_000 }, (_, i) => (i === 0 ? intoText : stringAfter(7, i - 1, 'x')))
  const ranges = Array.from({ length: 50_000 }, (_, i) => [i * 2, 1] as [number, number])
  assert.is(codeOf(inspectUpdate(node, 'drafts', handMade([[7, 0, ...line]], [[7, ...ranges]]), limits)), 'applicable')
})

test.run()
