// Ids, names of people and documents, clocks and the calendar.

import * as fc from 'fast-check'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as ids from '../../crdt-schema/ids.ts'
import { aDraftId, aMessageId, accountIds, anAccount, draftIds, holds } from './replicas.ts'

const test = suite('ids')
const TIME_MAX = Date.UTC(9999, 11, 31, 23, 59, 59, 999)
const aTime = fc.integer({ min: 0, max: TIME_MAX }) as fc.Arbitrary<ids.Millis>
const random = fc.uint8Array({ minLength: 16, maxLength: 16 })

test('[DOC2] the day and month of a time are those of the Gregorian calendar', () => {
  holds(
    fc.property(aTime, time => {
      const iso = new Date(time).toISOString()
      assert.is(ids.millisToDay(time), iso.slice(0, 10))
      assert.is(ids.millisToMonth(time), iso.slice(0, 7))
    }),
    5000,
  )
  for (const day of ['1970-01-01', '1972-02-29', '2000-02-29', '2100-02-28', '2100-03-01', '2024-12-31']) assert.is(ids.millisToDay(Date.parse(day) as ids.Millis), day)
})

test('[DOC2] an id carries its time, and its month is the one of its documents', () => {
  holds(
    fc.property(aTime, random, (time, bytes) => {
      for (const id of [ids.mintMessageId(time, bytes.slice(6)), ids.mintSessionId(time, bytes.slice(6))]) {
        assert.is(ids.parseMessageId(id), id)
        assert.is(ids.idToMillis(id), time)
        assert.is(id[14], '7')
        assert.match(id[19] ?? '', /[89ab]/)
      }
      assert.is(ids.messageToMonth(ids.mintMessageId(time, bytes.slice(6))), new Date(time).toISOString().slice(0, 7))
    }),
    500,
  )
})

test('[DEL8] the id of a sent draft follows the draft, the recipients and the text, and nothing else', () => {
  const person = fc.tuple(fc.oneof(anAccount as fc.Arbitrary<string>, fc.constant('')), fc.constantFrom('ana', 'ben'))
  const sending = fc.record({ draft: aDraftId, to: fc.array(person, { maxLength: 3 }), text: fc.string({ maxLength: 3 }) })
  const meaning = ({ draft, to, text }: { draft: string; to: [string, string][]; text: string }): string => JSON.stringify([draft, to.map(([id, name]) => (id === '' ? ['', name] : [id])), text])
  holds(
    fc.property(sending, sending, (a, b) => {
      const [first, second] = [a, b].map(({ draft, to, text }) => ids.draftToMessageId(draft, to, text))
      assert.is(first === second, meaning(a) === meaning(b))
      assert.is(ids.parseMessageId(first), first)
      assert.is(ids.idToMillis(first as ids.MessageId), ids.idToMillis(a.draft))
    }),
    500,
  )
  const [draft, account] = [draftIds[0] as ids.DraftId, accountIds[0] as string]
  assert.is(ids.draftToMessageId(draft, [[account, 'ana']], 'x'), ids.draftToMessageId(draft, [[account, 'renamed']], 'x'))
  assert.is.not(ids.draftToMessageId(draft, [['', 'ana']], 'x'), ids.draftToMessageId(draft, [['', 'ben']], 'x'))
})

test('[COO5] a request makes one account, whoever asks', () => {
  const request = ids.parseRequestId('0198C82C-C000-4000-8000-00000000000A')
  assert.ok(request !== null)
  assert.is(ids.requestToAccountId(request), ids.requestToAccountId(ids.parseRequestId('0198c82c-c000-4000-8000-00000000000a') as ids.RequestId))
  assert.ok(ids.parseAccountId(ids.requestToAccountId(request)) !== null)
})

test('document names and rooms are read as they are written, and nothing else is one', () => {
  holds(
    fc.property(anAccount, aTime, aMessageId, (account, time, message) => {
      const month = ids.millisToMonth(time)
      const rooms = [ids.inboxDocument(account, month), ids.marksDocument(account, month), ids.draftsDocument(account)]
      for (const name of rooms) {
        assert.is(ids.toDocumentName(name), name)
        assert.equal(ids.parseRoom(ids.documentToRoom(name)), { owner: account, document: name })
      }
      const others = [ids.MEMBERS_DOCUMENT, ids.accountToDocument(account), ids.nameToDocument(ids.nameToKey('Ana')), ids.dayToSessionsDocument(ids.millisToDay(time)), ids.inboxDocument(account, ids.messageToMonth(message))]
      for (const name of others) assert.is(ids.toDocumentName(name), name)
    }),
  )
  for (const name of ['', 'members/x', 'names', 'names/0', 'accounts/zz', 'inbox/x/2026-01', 'drafts', 'sessions/2026-13-01', 'inbox/00000000000000000000000000000000/2026-1']) assert.is(ids.toDocumentName(name), null, name)
  for (const room of ['', '/', 'members', 'x/drafts', '00000000000000000000000000000000/names', '00000000000000000000000000000000/inbox/2026-00', '00000000000000000000000000000000/drafts/2026-01']) assert.is(ids.parseRoom(room), null, room)
  holds(fc.property(fc.string(), room => void ids.parseRoom(room)))
})

test('a name has one key however it is typed, and is 1 to 32 letters, digits, dots, dashes or underscores', () => {
  for (const [typed, key] of [['Ana', 'ana'], [' ANA ', 'ana'], ['ＡＮＡ', 'ana'], ['Zoë', 'zoë'], ['Zoe\u0308', 'zoë'], ['ﬁn', 'fin']] as const) {
    const name = ids.parseName(typed)
    assert.is(name === null ? null : ids.nameToKey(name), key, typed)
  }
  for (const bad of ['', ' ', 'a b', 'a/b', 'a~b', '@a', 'x'.repeat(33), '\u202eana', 'a\u0000', 7, null]) assert.is(ids.parseName(bad), null, String(bad))
  holds(
    fc.property(fc.string({ unit: 'grapheme', maxLength: 40 }), typed => {
      const name = ids.parseName(typed)
      if (name === null) return
      assert.is(ids.parseName(name), name)
      assert.is(ids.nameToKey(ids.nameToKey(name)), ids.nameToKey(name))
    }),
    1000,
  )
})

test('[CLK1] the hybrid clock always rises and never falls behind the wall', () => {
  holds(
    fc.property(fc.array(fc.nat(2 ** 31).map(n => n * 4000), { minLength: 1, maxLength: 20 }), walls => {
      let last = 0 as ids.Hlc
      for (const wall of walls) {
        const next = ids.nextHlc(last, wall)
        assert.ok(next > last && ids.hlcToMillis(next) >= wall)
        last = next
      }
    }),
  )
})

test('[COO1] epochs order by counter, then pid', () => {
  holds(
    fc.property(fc.nat(1e6), fc.nat(63), fc.nat(1e6), fc.nat(63), (counterA, pidA, counterB, pidB) => {
      const [a, b] = [ids.createEpoch(counterA, pidA as ids.Pid), ids.createEpoch(counterB, pidB as ids.Pid)]
      assert.is(Math.sign(a - b), Math.sign(counterA - counterB || pidA - pidB))
      assert.equal([ids.epochCounter(a), ids.epochPid(a)], [counterA, pidA])
    }),
  )
})

test.run()
