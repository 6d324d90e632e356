// What the chip and the banner say, and after how long: the table of states of the connection.

import { signal } from '@preact/signals'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { Millis } from '../../crdt-schema/ids.ts'
import { createConnection } from '../../web/model/connection.ts'
import { bannerText, chipText } from '../../web/view/words.ts'
import { NOW_MS, createFakeClock } from '../support/web-fakes.ts'

const test = suite('connection')

const open = () => {
  const clock = createFakeClock()
  const pendingCount = signal(0)
  const inboxCount = signal(0)
  const connection = createConnection({ clock, remembered: [], pendingCount, inboxCount })
  const hear = (...statuses: string[]): void =>
    connection.onNodesNote({
      time: NOW_MS as Millis,
      nodes: statuses.map((status, pid) => ({ pid, url: `http://node-${pid}`, status })) as never,
    })
  return {
    clock,
    pendingCount,
    inboxCount,
    connection,
    hear,
    attach: (pid: number): void => {
      hear('ready', 'ready', 'ready')
      connection.onStatus({ status: 'open', url: `http://node-${pid}` })
      connection.onSynced(true)
    },
    lose: (next: string | null = null): void => {
      connection.onSynced(false)
      connection.onStatus({ status: 'dialling', next })
    },
    chip: () => chipText(connection.chip.value),
    banner: () => (connection.banner.value === null ? null : bannerText(connection.banner.value)),
  }
}

test('a page that connects within 400 ms says nothing before it has', () => {
  const { clock, chip, attach } = open()
  assert.is(chip(), '')
  clock.advance(399)
  assert.is(chip(), '')
  clock.advance(1)
  assert.is(chip(), 'Connecting…')
  attach(0)
  assert.is(chip(), 'node 0 · all saved')
})

test('something pending is said after 400 ms, and no longer than it lasts', () => {
  const { clock, pendingCount, chip, attach } = open()
  attach(0)
  pendingCount.value = 2
  clock.advance(399)
  assert.is(chip(), 'node 0 · all saved')
  clock.advance(1)
  assert.is(chip(), 'node 0 · saving 2')
  pendingCount.value = 0
  assert.is(chip(), 'node 0 · all saved')
})

test('switching shows at once in the chip and never as a banner under three seconds', () => {
  const { clock, chip, banner, attach, lose } = open()
  attach(0)
  lose('http://node-1')
  assert.is(chip(), 'node 0 → node 1')
  clock.advance(2999)
  assert.is(banner(), null)
  attach(1)
  assert.is(chip(), 'node 1 · all saved')
  clock.advance(10_000)
  assert.is(banner(), null)
})

test('without any node for three seconds it is offline, since the last contact', () => {
  const { clock, chip, banner, attach, lose, connection } = open()
  attach(0)
  clock.advance(60_000)
  lose()
  connection.onStatus({ status: 'waiting' })
  clock.advance(3000)
  assert.match(chip(), /^Offline since \d\d:\d\d$/)
  assert.match(banner() ?? '', /^You are offline\. Last contact \d\d:\d\d\. What you write is kept/)
  clock.advance(600_000)
  assert.match(chip(), /^Offline since/)
})

test('being back is said for four seconds, with what went out and what came in', () => {
  const { clock, pendingCount, inboxCount, banner, attach, lose } = open()
  attach(0)
  lose()
  clock.advance(5000)
  pendingCount.value = 3
  attach(1)
  pendingCount.value = 0
  inboxCount.value = 2
  clock.advance(500)
  assert.is(banner(), 'Back online. 3 stored, 2 new.')
  clock.advance(3999)
  assert.ok(banner())
  clock.advance(1)
  assert.is(banner(), null)
})

test('members that are down are a fact for the chip, the last survivor an advice that can be dismissed', () => {
  const { chip, banner, attach, hear, connection } = open()
  attach(1)
  hear('down', 'ready', 'ready')
  assert.is(chip(), 'node 1 · 2 of 3 up')
  assert.is(banner(), null)
  hear('down', 'ready', 'down')
  assert.is(chip(), 'node 1 · only copy')
  assert.match(banner() ?? '', /^Only one server is up\./)
  connection.dismiss()
  assert.is(banner(), null)
  hear('ready', 'ready', 'ready')
  hear('down', 'ready', 'down')
  assert.match(banner() ?? '', /^Only one server is up\./)
})

test('catching up is said after a second in the chip, after three in a banner', () => {
  const { clock, connection, chip, banner, hear } = open()
  hear('ready', 'ready', 'ready')
  connection.onStatus({ status: 'open', url: 'http://node-2' })
  clock.advance(999)
  assert.is(chip(), 'node 2 · all saved')
  clock.advance(1)
  assert.is(chip(), 'node 2 · catching up')
  assert.is(banner(), null)
  clock.advance(2000)
  assert.is(banner(), 'Catching up with what happened while you were away.')
  connection.onSynced(true)
  assert.is(banner(), null)
})

test('moves from node to node are kept with their gaps', () => {
  const { clock, connection, attach, lose } = open()
  attach(0)
  lose()
  clock.advance(18)
  attach(1)
  assert.equal(
    connection.moves.value.map(({ from, to, gapMs }) => [from, to, gapMs]),
    [
      [null, 'node 0', 0],
      ['node 0', 'node 1', 18],
    ],
  )
})

test('a full disk is said until it is dismissed', () => {
  const { connection, banner, attach } = open()
  attach(0)
  connection.onDiskFull()
  assert.match(banner() ?? '', /no space left/)
  connection.dismiss()
  assert.is(banner(), null)
})

test.run()
