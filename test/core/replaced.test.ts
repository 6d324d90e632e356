// A machine that is replaced under its pid [REP7]: the directory that held the pid is removed, and what comes back with it
// serves nobody.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { MEMBERS_DOCUMENT } from '../../crdt-schema/ids.ts'
import { readiness } from '../../node/core/describe.ts'
import { createTrio, pidOf } from '../support/cores.ts'

const replaced = suite('replaced')

replaced('[REP7] a new directory under a pid removes the one that had it', () => {
  const cores = createTrio()
  const old = cores.core(2).state.meta.nodeId
  const disk = [...cores.core(2).records]
  cores.kill(2)
  cores.restore(2, [])
  cores.start(2)
  cores.run(8_000)
  assert.is(cores.core(2).state.phase, 'ready')
  const fresh = cores.core(2).state.meta.nodeId
  assert.is.not(fresh, old)
  for (const { state } of cores.all) {
    const under = state.directory.members().filter(({ pid }) => pid === 2)
    assert.equal(under.map(({ nodeId, removed }) => [nodeId, removed]).sort(), [[fresh, false], [old, true]].sort())
    assert.equal([...state.members.view], [0, 1, 2])
  }

  // The old machine is switched on again: it must not take the place back.
  cores.kill(2)
  cores.restore(2, disk)
  cores.start(2)
  cores.run(8_000)
  assert.is.not(cores.core(2).state.phase, 'ready')
  for (const pid of [0, 1]) assert.is(cores.core(pid).state.directory.members().find(({ nodeId }) => nodeId === fresh)?.removed, false)
})

replaced('[REP7] a node that fetches its first copy says how far it has come', () => {
  const cores = createTrio()
  const { state } = cores.core(2)
  const textOf = (): string => readiness(state).checks.find(({ check }) => check === 'caught-up')?.text ?? ''
  assert.is(textOf(), 'yes')
  // As in the middle of a pull, which links without delay have no middle of.
  const peer = state.peers.get(pidOf(0))
  assert.ok(peer !== undefined && peer.pull !== null)
  if (peer === undefined || peer.pull === null) return
  state.phase = 'syncing'
  peer.synced = false
  const wanted = new Map([[MEMBERS_DOCUMENT, 'ff']])
  peer.pull = { ...peer.pull, status: 'fetching', fetched: 41, wanted, loading: new Map(), asked: new Set(), rowsEnded: false }
  assert.is(textOf(), 'syncing, not yet in step with 0 (41 documents fetched, 1 or more to go)')
  peer.pull.rowsEnded = true
  assert.is(textOf(), 'syncing, not yet in step with 0 (41 documents fetched, 1 to go)')
})

replaced.run()
