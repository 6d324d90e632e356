// The judge of a workload finds what it is there to find: each kind of fault planted in what a node shows, and the same
// without it. That the work itself goes on over kills is shown by the programmes.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { SentMessage, Worker } from './workload.ts'
import { type ShownMessage, judgeMailbox } from './workload-checks.ts'

const createWorker = (label: string): Worker => ({ label, id: label, name: label, token: '', home: 0, avoidedMs: new Map(), seen: new Map(), deleted: new Map(), checked: new Map(), drafts: [] })
const ana = createWorker('ana')
const ben = createWorker('ben')
const eve = createWorker('eve')
const message = (id: string | null, text: string, outcome: SentMessage['outcome'], from = ana, to = [ben]): SentMessage => ({ id, text, from, to, outcome, startedMs: 0, acknowledgedMs: 0, answeredBy: null, storedOn: [] })
const sent = [message('1', 'one', 'acknowledged'), message('2', 'two', 'unknown'), message(null, 'from a draft', 'unknown'), message('4', 'four', 'acknowledged', eve, [ana])]
const messageOf = (text: string): SentMessage | undefined => sent.find((one) => one.text === text)

const judge = (worker: Worker, ...shown: readonly (readonly [id: string, text: string, checked?: boolean])[]): string[] =>
  judgeMailbox({ sent, messageOf }, worker, shown.map(([id, text, checked = false]): ShownMessage => ({ id, text, checked })))

const test = suite('the judge of a workload')

test('what was acknowledged is there once; what has no answer may be there', () => {
  assert.equal(judge(ben, ['1', 'one']), [])
  assert.equal(judge(ben, ['1', 'one'], ['2', 'two'], ['9', 'from a draft']), [])
})

test('a lost, a doubled and an invented message are found, and one in a stranger’s mailbox', () => {
  assert.equal(judge(ben), ['K1 ben: 1 acknowledged and lost: one'])
  assert.equal(judge(ben, ['1', 'one'], ['1', 'one']), ['K1 ben: 1 doubled: one'])
  assert.equal(judge(ben, ['1', 'one'], ['2', 'two'], ['3', 'two']), ['K1 ben: 1 doubled: two', 'K1 ben: 1 that nobody sent to or from them: 3 two'])
  assert.equal(judge(ben, ['1', 'one'], ['7', 'seven']), ['K1 ben: 1 that nobody sent to or from them: 7 seven'])
  assert.equal(judge(ben, ['1', 'one'], ['4', 'four']), ['K1 ben: 1 that nobody sent to or from them: 4 four'])
})

test('a deleted message that came back and a mark that went back are found; one without an answer is nobody’s fault', () => {
  const tidy: Worker = { ...ben, deleted: new Map([['1', 'acknowledged']]) }
  const mine = { sent: sent.map((one) => ({ ...one, to: [tidy] })) }
  const judgeTidy = (worker: Worker, ...shown: readonly ShownMessage[]): string[] =>
    judgeMailbox({ sent: mine.sent.map((one) => ({ ...one, to: [worker] })), messageOf: (text) => ({ ...message('1', text, 'acknowledged'), to: [worker] }) }, worker, shown)
  const four: ShownMessage = { id: '4', text: 'four', checked: false }
  const one: ShownMessage = { id: '1', text: 'one', checked: false }
  assert.equal(judgeTidy(tidy), ['K1 ben: 1 acknowledged and lost: four'])
  assert.ok(judgeTidy(tidy, one, four).includes('K1 ben: 1 deleted and back: one'))
  assert.not.ok(judgeTidy({ ...ben, deleted: new Map([['1', 'unknown']]) }, four).some((line) => line.includes('one')))
  assert.ok(judgeTidy({ ...ben, checked: new Map([['1', true]]) }, one).includes('K1 ben: 1 with a mark that was set otherwise: one'))
  assert.not.ok(judgeTidy({ ...ben, checked: new Map([['1', null]]) }, one).some((line) => line.includes('mark')))
})

test.run()
