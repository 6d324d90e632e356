// The contract of the Store port [STO1 to STO6], run on LevelDB and on the fake disk of the simulator.
// A harness makes stores and does to them what the world does: kills, full disks, flipped bits. A model says what must be there.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { DocumentName } from '../../crdt-schema/ids.ts'
import type { CommitNumber, CommitRecord } from '../../node/core/events.ts'
import type { Store } from '../../node/core/ports.ts'
import { createRandom } from '../sim/random.ts'
import { FIRST, SECOND, STATE_BYTES, assertContents, assertOpened, createRecords, expectedAfter, loadUpdates, recordOf, stateOf, updateOf } from './records.ts'

/** One place for stores; every test has its own. */
export interface StoreHarness {
  /** `checkpoints` often: every few commits; never: only on close. */
  open(checkpoints: 'often' | 'never'): Promise<Store>
  /** The process dies now: what had returned is there, nothing more is written. */
  crash(): Promise<void>
  /** The process dies in the write that follows `count` others; resolves then. Call `crash` afterwards, then `open`. */
  dieAfter(count: number, outcome: 'lost' | 'kept'): Promise<void>
  /** Every write fails, until healed. */
  failWrites(): void
  healWrites(): void
  /** Flips a bit, while the store is closed. */
  damageRow(document: DocumentName): Promise<void>
  damageRecord(seq: CommitNumber): Promise<void>
  dispose(): Promise<void>
}

const commitAll = async (store: Store, records: readonly CommitRecord[]): Promise<void> => {
  for (const record of records) await store.commit(record)
}

const rejectionOf = async (promise: Promise<unknown>): Promise<Error> => {
  try {
    await promise
  } catch (error) {
    return error as Error
  }
  return assert.unreachable('it should have been rejected') as never
}

/** The suite over a kind of store; the caller runs it. */
export const storeContract = (name: string, createHarness: () => Promise<StoreHarness>): ReturnType<typeof suite> => {
  const contract = suite(`store: ${name}`)

  const test = (title: string, body: (harness: StoreHarness) => Promise<void>): void => {
    contract(title, async () => {
      const harness = await createHarness()
      try {
        await body(harness)
      } finally {
        await harness.dispose()
      }
    })
  }

  test('[STO1] an empty place opens clean, and an unknown document loads as empty', async (harness) => {
    const store = await harness.open('never')
    assert.equal(store.state, { meta: null, heads: [], lastCommit: 0, unclean: false })
    assert.equal(await loadUpdates(store, FIRST), [])
  })

  for (const checkpoints of ['never', 'often'] as const) {
    test(`[STO1] what is committed is loaded in commit order (checkpoints: ${checkpoints})`, async (harness) => {
      const store = await harness.open(checkpoints)
      const records = createRecords(createRandom('round trip'), 60)
      for (const [index, record] of records.entries()) {
        await store.commit(record)
        if (index % 7 === 0) await assertContents(store, expectedAfter(records.slice(0, index + 1)))
      }
      await assertContents(store, expectedAfter(records))
    })

    test(`[STO3] a closed store opens clean with heads, digests, feed numbers and meta (checkpoints: ${checkpoints})`, async (harness) => {
      const records = createRecords(createRandom('close'), 60)
      const store = await harness.open(checkpoints)
      await commitAll(store, records)
      await store.close()
      const again = await harness.open(checkpoints)
      assert.not(again.state.unclean)
      assert.is(again.stats().logRecords, 0)
      assert.is(again.stats().documents, expectedAfter(records).heads.length)
      await assertOpened(again, records)
    })

    test(`[STO3] a killed store replays its log and says that it was not closed (checkpoints: ${checkpoints})`, async (harness) => {
      const records = createRecords(createRandom('kill'), 61)
      await commitAll(await harness.open(checkpoints), records.slice(0, 30))
      await harness.crash()
      const second = await harness.open(checkpoints)
      assert.ok(second.state.unclean)
      await assertOpened(second, records.slice(0, 30))
      await commitAll(second, records.slice(30))
      await harness.crash()
      const third = await harness.open(checkpoints)
      assert.ok(third.state.unclean)
      await assertOpened(third, records)
    })
  }

  test('[STO3] the digest is that of the newest commit that named the document', async (harness) => {
    const store = await harness.open('never')
    const update = { document: FIRST, update: Uint8Array.of(1) }
    await store.commit(recordOf(1, { updates: [update], digests: [{ document: FIRST, digest: { high: 1, low: 1 } }] }))
    await store.commit(recordOf(2, { updates: [update, { document: SECOND, update: Uint8Array.of(2) }] }))
    await store.commit(recordOf(3, { digests: [{ document: SECOND, digest: { high: 9, low: 9 } }] }))
    await store.close()
    const { heads } = (await harness.open('never')).state
    assert.equal(heads, [
      { document: FIRST, seq: 2, digest: null, bytes: 2 },
      { document: SECOND, seq: 2, digest: { high: 9, low: 9 }, bytes: 1 },
    ])
  })

  for (const folded of ['in the log', 'in rows'] as const) {
    test(`[DOC8] a removed document that was ${folded} is gone at once and stays gone`, async (harness) => {
      const store = await harness.open('never')
      await commitAll(store, [updateOf(1, FIRST), updateOf(2, SECOND)])
      if (folded === 'in rows') await store.close()
      const next = folded === 'in rows' ? await harness.open('never') : store
      await next.commit(recordOf(3, { removed: [FIRST] }))
      assert.equal(await loadUpdates(next, FIRST), [])
      assert.equal(await loadUpdates(next, SECOND), [[2]])
      await next.compact(FIRST, stateOf(FIRST), 3)
      assert.equal(await loadUpdates(next, FIRST), [])
      await next.close()
      const last = await harness.open('never')
      assert.equal(last.state.heads.map(({ document }) => document), [SECOND])
      assert.equal(await loadUpdates(last, FIRST), [])
      assert.is(last.stats().documents, 1)
    })
  }

  test('[DOC8] a name written again after its removal holds only what came later', async (harness) => {
    const records = [updateOf(1, FIRST), updateOf(2, FIRST), recordOf(3, { removed: [FIRST] }), updateOf(4, FIRST), updateOf(5, FIRST)]
    const store = await harness.open('never')
    await commitAll(store, records.slice(0, 2))
    await store.close()
    const next = await harness.open('never')
    await commitAll(next, records.slice(2))
    assert.equal(await loadUpdates(next, FIRST), [[4], [5]])
    await next.close()
    await assertOpened(await harness.open('never'), records)
  })

  test('[STO4] a compaction replaces what came up to its commit by one state', async (harness) => {
    const store = await harness.open('never')
    await commitAll(store, [updateOf(1, FIRST), updateOf(2, FIRST), updateOf(3, SECOND)])
    await store.compact(FIRST, stateOf(FIRST), 3)
    assert.equal(await loadUpdates(store, FIRST), [[...stateOf(FIRST)]])
    await store.commit(updateOf(4, FIRST))
    assert.equal(await loadUpdates(store, FIRST), [[...stateOf(FIRST)], [4]])
    await store.close()
    const again = await harness.open('never')
    assert.not(again.state.unclean)
    assert.equal(again.state.heads, [
      { document: SECOND, seq: 3, digest: { high: 3, low: 7 }, bytes: 1 },
      { document: FIRST, seq: 4, digest: { high: 4, low: 7 }, bytes: STATE_BYTES + 1 },
    ])
    assert.equal(await loadUpdates(again, FIRST), [[...stateOf(FIRST)], [4]])
  })

  test('[STO4] a compaction leaves a document alone that has moved on', async (harness) => {
    const store = await harness.open('never')
    await commitAll(store, [updateOf(1, FIRST), updateOf(2, FIRST)])
    await store.compact(FIRST, stateOf(FIRST), 1)
    assert.equal(await loadUpdates(store, FIRST), [[1], [2]])
    await store.close()
    const again = await harness.open('never')
    await again.compact(FIRST, stateOf(FIRST), 1)
    assert.equal(await loadUpdates(again, FIRST), [[1], [2]])
    await again.compact(SECOND, stateOf(SECOND), 2)
    assert.equal(await loadUpdates(again, SECOND), [])
  })

  test('[STO4] commits made while a compaction runs are kept', async (harness) => {
    const store = await harness.open('often')
    await commitAll(store, Array.from({ length: 10 }, (_, index) => updateOf(index + 1, FIRST)))
    const running = store.compact(FIRST, stateOf(FIRST), 10)
    for (let seq = 11; seq <= 14; seq++) await store.commit(updateOf(seq, FIRST))
    await running
    const updates = await loadUpdates(store, FIRST)
    assert.equal(updates.slice(-4), [[11], [12], [13], [14]])
    assert.ok(updates.length === 5 || updates.length === 14)
  })

  test('[STO3] loads while checkpoints run give every update once and in order', async (harness) => {
    const store = await harness.open('often')
    const checks: Promise<void>[] = []
    const faults: unknown[] = []
    for (let seq = 1; seq <= 150; seq++) {
      await store.commit(updateOf(seq, seq % 3 === 0 ? SECOND : FIRST, Uint8Array.of(1, seq)))
      const check = async (document: DocumentName, step: (at: number) => boolean): Promise<void> => {
        const wanted = Array.from({ length: seq }, (_, index) => index + 1).filter(step)
        const seen = (await loadUpdates(store, document)).map(([, at]) => at)
        assert.equal(seen.slice(0, wanted.length), wanted)
        assert.equal(seen, seen.filter((at, index) => index === 0 || (at ?? 0) > (seen[index - 1] ?? 0)))
      }
      for (const running of [check(SECOND, (at) => at % 3 === 0), check(FIRST, (at) => at % 3 !== 0)]) checks.push(running.catch((fault) => void faults.push(fault)))
    }
    await Promise.all(checks)
    if (faults.length > 0) throw faults[0]
  })

  test('[STO6] commit numbers are contiguous from 1 over all runs', async (harness) => {
    const store = await harness.open('never')
    assert.match((await rejectionOf(Promise.resolve().then(() => store.commit(updateOf(2, FIRST))))).message, 'follows 0')
    await store.commit(updateOf(1, FIRST))
    await store.close()
    const again = await harness.open('never')
    assert.match((await rejectionOf(Promise.resolve().then(() => again.commit(updateOf(1, FIRST))))).message, 'follows 1')
    await again.commit(updateOf(2, FIRST))
    assert.equal(await loadUpdates(again, FIRST), [[1], [2]])
  })

  test('[COR4] after a write has failed every later one fails, and what had returned is there', async (harness) => {
    const records = createRecords(createRandom('fail'), 12)
    const store = await harness.open('never')
    await commitAll(store, records.slice(0, 10))
    harness.failWrites()
    await rejectionOf(store.commit(recordOf(11, { meta: '"never acknowledged"' })))
    harness.healWrites()
    await rejectionOf(Promise.resolve().then(() => store.commit(recordOf(12))))
    await store.close()
    const again = await harness.open('never')
    assert.ok(again.state.unclean)
    assert.ok(again.state.lastCommit === 10 || again.state.lastCommit === 11)
    await assertContents(again, expectedAfter(records.slice(0, 10)))
  })

  test('[STO6] a damaged row is found when it is read, once; the document then holds what comes later', async (harness) => {
    const store = await harness.open('never')
    await commitAll(store, [updateOf(1, FIRST), updateOf(2, SECOND)])
    await store.close()
    await harness.damageRow(FIRST)
    const next = await harness.open('never')
    await next.commit(updateOf(3, FIRST))
    assert.is((await next.load(FIRST)).status, 'quarantined')
    assert.equal(await loadUpdates(next, FIRST), [[3]])
    await next.commit(updateOf(4, FIRST))
    assert.equal(await loadUpdates(next, FIRST), [[3], [4]])
    assert.equal(await loadUpdates(next, SECOND), [[2]])
    await next.close()
    const last = await harness.open('never')
    assert.ok(last.state.unclean, 'what was lost must be fetched before the node is ready')
    assert.equal(last.state.heads.find(({ document }) => document === FIRST), { document: FIRST, seq: 4, digest: { high: 4, low: 7 }, bytes: 2 })
    assert.equal(await loadUpdates(last, FIRST), [[3], [4]])
  })

  test('[STO6] what the log held of a quarantined document stays, but its digest is not believed', async (harness) => {
    const store = await harness.open('never')
    await commitAll(store, [updateOf(1, FIRST), updateOf(2, SECOND)])
    await store.close()
    await harness.damageRow(FIRST)
    const next = await harness.open('never')
    await next.commit(updateOf(3, FIRST))
    assert.is((await next.load(FIRST)).status, 'quarantined')
    await harness.crash()
    const last = await harness.open('never')
    assert.equal(last.state.heads, [
      { document: SECOND, seq: 2, digest: { high: 2, low: 7 }, bytes: 1 },
      { document: FIRST, seq: 3, digest: null, bytes: 1 },
    ])
  })

  test('[STO6] a damaged log record is found, its number is not used again, and later digests are not believed', async (harness) => {
    const store = await harness.open('never')
    await commitAll(store, [updateOf(1, FIRST), updateOf(2, FIRST), updateOf(3, SECOND)])
    await harness.crash()
    await harness.damageRecord(2)
    const next = await harness.open('never')
    assert.ok(next.state.unclean)
    assert.is(next.state.lastCommit, 3)
    assert.equal(next.state.heads.map(({ document, digest }) => [document, digest]), [[FIRST, null], [SECOND, null]])
    assert.equal(await loadUpdates(next, FIRST), [[1]])
    assert.equal(await loadUpdates(next, SECOND), [[3]])
    await next.commit(updateOf(4, SECOND))
    await next.close()
    assert.not((await harness.open('never')).state.unclean, 'the hole was told once')
  })

  test('[STO6] the last log record damaged: the next commit still has a number of its own', async (harness) => {
    const store = await harness.open('never')
    await commitAll(store, [updateOf(1, FIRST), updateOf(2, FIRST)])
    await harness.crash()
    await harness.damageRecord(2)
    const first = await harness.open('never')
    assert.ok(first.state.unclean)
    await first.close()
    const next = await harness.open('never')
    assert.is(next.state.lastCommit, 2)
    await next.commit(updateOf(3, FIRST))
    await harness.crash()
    const last = await harness.open('never')
    assert.is(last.state.lastCommit, 3)
    assert.equal(await loadUpdates(last, FIRST), [[1], [3]])
  })

  for (const outcome of ['lost', 'kept'] as const) {
    test(`[STO1] [STO3] killed in any write of commits, checkpoints, compactions and close, that write ${outcome}`, async (harness) => {
      const records = createRecords(createRandom('every point'), 26)
      let points = 0
      for (let isOver = false; !isOver; points++) isOver = await dieAndCheck(harness, records, points, outcome)
      assert.ok(points > records.length + 5, `${points} points`)
    })
  }

  return contract
}

/** One life with death in write `point`, and what is there afterwards. True if the store was closed before it came to that. */
const dieAndCheck = async (harness: StoreHarness, records: readonly CommitRecord[], point: number, outcome: 'lost' | 'kept'): Promise<boolean> => {
  const store = await harness.open('often')
  assert.is(store.state.lastCommit, 0)
  let returned = 0
  let isClosing = false
  const live = async (): Promise<'closed'> => {
    for (const record of records) {
      await store.commit(record)
      returned = record.seq
      const touched = record.updates[0]?.document
      if (record.seq % 6 === 0 && touched !== undefined) await store.compact(touched, stateOf(touched), record.seq)
    }
    isClosing = true
    await store.close()
    return 'closed'
  }
  const death = harness.dieAfter(point, outcome).then(() => 'dead' as const)
  const end = await Promise.race([live(), death])
  const acknowledged = returned // a commit under way beside the deadly write may still return here, or be on disk without having
  await harness.crash()
  const after = await harness.open('never')
  const { lastCommit } = after.state
  assert.ok(lastCommit === acknowledged || lastCommit === acknowledged + 1, `${lastCommit} stored, ${acknowledged} had returned`)
  if (end === 'dead' && !isClosing) assert.ok(after.state.unclean)
  if (end === 'closed') assert.not(after.state.unclean)
  await assertOpened(after, records.slice(0, lastCommit), 'some')
  const extra = updateOf(lastCommit + 1, FIRST, Uint8Array.of(255))
  await after.commit(extra)
  await after.close()
  const last = await harness.open('never')
  assert.not(last.state.unclean)
  await assertOpened(last, [...records.slice(0, lastCommit), extra], 'some')
  await last.close()
  await harness.dispose()
  return end === 'closed'
}
