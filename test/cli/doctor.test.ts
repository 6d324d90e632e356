// What `doctor` makes of what it finds: each thing that can be wrong, with its remedy.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Finding, describeFindings, judgeNode, judgeSpace, judgeWrites } from '../../node/cli/doctor.ts'

const test = suite('doctor')

const SOUND = {
  self: 0, phase: 'ready', version: '1.0.0', ready: true, checks: [{ check: 'storage', ok: true, text: 'open' }],
  clocks: [{ pid: 1, offsetMs: 3, roundTripMs: 0.4 }], hears: [{ pid: 0, hears: [1] }, { pid: 1, hears: [0] }], members: [0, 1], behind: [], quarantined: [], documents: 12, bytes: 2048
}
const notOk = (findings: readonly Finding[]): string[] => {
  for (const { status, remedy, text } of findings) assert.is(status === 'ok', remedy === undefined, text)
  return findings.filter(({ status }) => status !== 'ok').map(({ status, check, text }) => `${status} ${check}: ${text}`)
}

test('a sound node is ok throughout', () => {
  assert.equal(notOk(judgeNode(SOUND)), [])
  assert.equal(describeFindings(judgeNode(SOUND)), [
    'ok  node     node 0 answers: version 1.0.0, ready, 12 documents, 2 KiB',
    'ok  storage  open',
    'ok  clock    node 1: 3 ms ahead of this clock, 0.4 ms there and back',
    'ok  reach    all 2 members hear each other'
  ])
})

test('clocks, links, copies, damage and readiness are told, each with a remedy', () => {
  assert.equal(notOk(judgeNode({ ...SOUND, clocks: [{ pid: 1, offsetMs: -2_500, roundTripMs: null }, { pid: 2, offsetMs: 400_000, roundTripMs: 1 }] })), [
    'warn clock: node 1: 2500 ms behind this clock',
    'fail clock: node 2: 400000 ms ahead of this clock, 1.0 ms there and back'
  ])
  assert.equal(notOk(judgeNode({ ...SOUND, members: [0, 1, 2], hears: [{ pid: 0, hears: [] }, { pid: 1, hears: [0] }] })), ['warn reach: node 2 is down or out of reach', 'warn reach: node 0 does not hear node 1'])
  assert.equal(notOk(judgeNode({ ...SOUND, behind: [{ pid: 1, because: 'it does not acknowledge in time' }] })), ['warn copies: node 1 is behind: it does not acknowledge in time'])
  assert.equal(notOk(judgeNode({ ...SOUND, quarantined: ['members'] })), ['fail damage: 1 documents were damaged here and are not yet fetched: members'])
  assert.equal(notOk(judgeNode({ ...SOUND, checks: [{ check: 'caught-up', ok: false, text: 'syncing' }] })), ['fail caught-up: syncing'])
})

test('a slow or full disk is told', () => {
  assert.equal(notOk(judgeWrites('./data', [1, 2, 40])), [])
  assert.equal(notOk(judgeWrites('./data', [20, 40, 60])), ['warn fsync: 3 writes with fsync to ./data: 40.0 ms each, 60.0 ms at worst'])
  assert.is(judgeWrites('./data', [1, 2, 1_500])[0]?.status, 'fail')
  assert.is(judgeSpace('./data', 5 * 1024 ** 3).status, 'ok')
  assert.is(judgeSpace('./data', 500 * 1024 ** 2).status, 'warn')
  assert.is(judgeSpace('./data', 1024).status, 'fail')
})

test.run()
