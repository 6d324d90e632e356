// Real stores for tests: directories of their own, databases whose writes fail or never return, and what opens them below the store.

import { cpSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { ClassicLevel } from 'classic-level'
import * as assert from 'uvu/assert'
import { logKey, rowKey } from '../../node/adapters/level-records.ts'
import type { Database } from '../../node/adapters/level-rows.ts'
import { openLevelStore } from '../../node/adapters/level-store.ts'
import { type Store, StoreRefused } from '../../node/core/ports.ts'
import { FIRST, SECOND, updateOf } from './records.ts'
import type { StoreHarness } from './store.ts'

export const OFTEN_BYTES = 400
export const NEVER_BYTES = Number.MAX_SAFE_INTEGER

export const createDatabase = (directory: string): Database => new ClassicLevel<Uint8Array, Uint8Array>(directory, { keyEncoding: 'view', valueEncoding: 'view' })

/** Opens a stopped store's directory below the store. */
export const withDatabase = async <Value>(directory: string, use: (db: Database) => Promise<Value>): Promise<Value> => {
  const db = createDatabase(directory)
  await db.open()
  try {
    return await use(db)
  } finally {
    await db.close()
  }
}

export const flipBit = async (db: Database, key: Uint8Array, at: number): Promise<void> => {
  const value = await db.get(key)
  if (value === undefined) return assert.unreachable('nothing to damage')
  const damaged = Uint8Array.from(value)
  damaged[at] = (damaged[at] ?? 0) ^ 4
  await db.put(key, damaged, { sync: true })
}

export const makeDirectory = (): string => mkdtempSync(join(tmpdir(), 'starling-store-'))
const NEVER = new Promise<never>(() => undefined)

/** A database whose batches can be told to fail, or never to return. */
export class BreakableDatabase {
  readonly db: Database
  batches = 0
  #left = Number.POSITIVE_INFINITY
  #onBatch: (write: () => Promise<void>) => Promise<void> = (write) => write()

  constructor(directory: string) {
    this.db = createDatabase(directory)
    const batch = this.db.batch.bind(this.db) as (operations: never[], options: object) => Promise<void>
    const guarded = (operations: never[], options: object): Promise<void> => {
      this.batches += 1
      this.#left -= 1
      return this.#left >= 0 ? batch(operations, options) : this.#onBatch(() => batch(operations, options))
    }
    Object.assign(this.db, { batch: guarded })
  }

  breakAfter(count: number, onBatch: (write: () => Promise<void>) => Promise<void>): void {
    this.#left = count
    this.#onBatch = onBatch
  }
}

export const createLevelHarness = async (): Promise<StoreHarness> => {
  let directory = makeDirectory()
  let breakable: BreakableDatabase | null = null
  return {
    open(checkpoints) {
      return openLevelStore({
        directory,
        logBytesMax: checkpoints === 'often' ? OFTEN_BYTES : NEVER_BYTES,
        createDatabase: (path) => {
          breakable = new BreakableDatabase(path)
          return breakable.db
        },
      })
    },
    async crash() {
      // What the operating system has of the files is what a killed process leaves.
      const next = makeDirectory()
      cpSync(directory, next, { recursive: true })
      breakable?.breakAfter(0, () => NEVER)
      await breakable?.db.close()
      rmSync(directory, { recursive: true, force: true })
      directory = next
    },
    dieAfter: (count, outcome) =>
      new Promise((resolve) => {
        breakable?.breakAfter(count, async (write) => {
          breakable?.breakAfter(0, () => NEVER)
          if (outcome === 'kept') await write()
          resolve()
          return NEVER
        })
      }),
    failWrites: () => breakable?.breakAfter(0, () => Promise.reject(new Error('no space left on device'))),
    healWrites: () => breakable?.breakAfter(Number.POSITIVE_INFINITY, (write) => write()),
    damageRow: (document) => withDatabase(directory, (db) => flipBit(db, rowKey(document, 0), 0)),
    damageRecord: (seq) => withDatabase(directory, (db) => flipBit(db, logKey(seq), 9)),
    async dispose() {
      await breakable?.db.close()
      rmSync(directory, { recursive: true, force: true })
      directory = makeDirectory()
    },
  }
}

export const openStore = (directory: string, logBytesMax = NEVER_BYTES): Promise<Store> => openLevelStore({ directory, logBytesMax })

/** A closed store with these commits. */
export const writeStore = async (directory: string, count: number): Promise<void> => {
  const store = await openStore(directory)
  for (let seq = 1; seq <= count; seq++) await store.commit(updateOf(seq, seq % 2 === 0 ? SECOND : FIRST))
  await store.close()
}

export const refusalOf = async (opening: Promise<Store>): Promise<StoreRefused> => {
  try {
    await (await opening).close()
  } catch (error) {
    assert.instance(error, StoreRefused)
    return error as StoreRefused
  }
  return assert.unreachable('it should have been refused') as never
}
