// The seeded defects that are the store's own [S8]: the simulator finds them on its fake disk, which follows the store, so here
// it is shown that the store has them too when they are planted, and has none of them otherwise.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type Mutant, plantMutant } from '../../crdt-schema/mutation.ts'
import { rowKey } from '../../node/adapters/level-records.ts'
import type { Database } from '../../node/adapters/level-rows.ts'
import { openLevelStore } from '../../node/adapters/level-store.ts'
import { FIRST, updateOf } from './records.ts'

const mutants = suite('defects of the store')

type Batch = (operations: readonly never[], options: { readonly sync: boolean }) => Promise<void>

/** A database whose batches go through `around`. */
const createDatabase = (around: (write: () => Promise<void>, sync: boolean) => Promise<void>) => (directory: string): Database => {
  const db = new ClassicLevel<Uint8Array, Uint8Array>(directory, { keyEncoding: 'view', valueEncoding: 'view' })
  const batch = db.batch.bind(db) as unknown as Batch
  return Object.assign(db, { batch: ((operations, options) => around(() => batch(operations, options), options.sync)) satisfies Batch })
}

/** What `act` finds without the defect and with it, each in a directory of its own. */
const compare = async <Found>(mutant: Mutant, act: (directory: string) => Promise<Found>): Promise<readonly [sound: Found, broken: Found]> => {
  const found: Found[] = []
  for (const planted of [null, mutant]) {
    const directory = mkdtempSync(join(tmpdir(), 'starling-defect-'))
    plantMutant(planted)
    try {
      found.push(await act(directory))
    } finally {
      plantMutant(null)
      rmSync(directory, { recursive: true, force: true })
    }
  }
  return [found[0] as Found, found[1] as Found]
}

mutants('[STO1] no-fsync: a commit is asked to be on the disk when it returns', async () => {
  const [sound, broken] = await compare('no-fsync', async (directory) => {
    const syncs: boolean[] = []
    const store = await openLevelStore({ directory, createDatabase: createDatabase((write, sync) => (syncs.push(sync), write())) })
    await store.commit(updateOf(1, FIRST))
    await store.close()
    return syncs
  })
  assert.ok(sound.length > 0 && sound.every((sync) => sync))
  assert.ok(broken.every((sync) => !sync))
})

mutants('[STO6] no-checksum: a flipped row is served', async () => {
  const statuses = await compare('no-checksum', async (directory) => {
    const first = await openLevelStore({ directory })
    await first.commit(updateOf(1, FIRST))
    await first.close()
    const db = createDatabase((write) => write())(directory)
    await db.open()
    const row = (await db.get(rowKey(FIRST, 0))) ?? new Uint8Array()
    await db.put(rowKey(FIRST, 0), Uint8Array.from(row, (byte) => byte ^ 4))
    await db.close()
    const second = await openLevelStore({ directory })
    const { status } = await second.load(FIRST)
    await second.close()
    return status
  })
  assert.equal(statuses, ['quarantined', 'loaded'])
})

mutants('[COR4] swallowed-disk-full: a commit that was not written returns', async () => {
  const outcomes = await compare('swallowed-disk-full', async (directory) => {
    let isFull = false
    const store = await openLevelStore({ directory, createDatabase: createDatabase((write) => (isFull ? Promise.reject(new Error('ENOSPC')) : write())) })
    isFull = true
    const outcome = await store.commit(updateOf(1, FIRST)).then(() => 'returned', () => 'failed')
    isFull = false
    await store.close()
    return outcome
  })
  assert.equal(outcomes, ['failed', 'returned'])
})

mutants.run()
