// The store on LevelDB: the contract of all stores, then what only a real one can show: the layout on disk, stock y-leveldb
// reading it, damage below our own records, locks, foreign directories, and a process that is really killed.

import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import { cpSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, truncateSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { ClassicLevel } from 'classic-level'
import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import * as Y from 'yjs'
import type { DocumentName } from '../../crdt-schema/ids.ts'
import { hasAside, moveAside } from '../../node/adapters/level-directory.ts'
import { ASIDE_RANGE, FEED_RANGE, HEAD_RANGE, META_KEY, STATE_KEY, headKey, logKey, rowKey } from '../../node/adapters/level-records.ts'
import type { Database } from '../../node/adapters/level-rows.ts'
import { openLevelStore } from '../../node/adapters/level-store.ts'
import { type Store, StoreRefused } from '../../node/core/ports.ts'
import { createRandom } from '../sim/random.ts'
import { BreakableDatabase, NEVER_BYTES, OFTEN_BYTES, createDatabase, createLevelHarness, flipBit, makeDirectory, openStore, refusalOf, withDatabase, writeStore } from './level-harness.ts'
import { DOCUMENTS, FIRST, SECOND, createRecords, expectedAfter, loadUpdates, recordOf, updateOf } from './records.ts'
import { storeContract } from './store.ts'

const ROOT = process.env['STARLING_ROOT'] ?? process.cwd()
/** A child's work: commits, and prints each number that has returned, until it is killed. */
const writeUntilKilled = async (directory: string): Promise<never> => {
  const store = await openLevelStore({ directory, logBytesMax: 4_000 })
  for (let seq = store.state.lastCommit + 1; ; seq++) {
    await store.commit(updateOf(seq, DOCUMENTS[seq % DOCUMENTS.length] ?? FIRST, new Uint8Array(50).fill(seq)))
    process.stdout.write(`${seq}\n`)
  }
}

const level = suite('store: LevelDB')

const test = (title: string, body: (directory: string) => Promise<void>): void => {
  level(title, async () => {
    const directory = makeDirectory()
    try {
      await body(directory)
    } finally {
      rmSync(directory, { recursive: true, force: true })
    }
  })
}

const listFiles = (directory: string): Record<string, string> =>
  Object.fromEntries(readdirSync(directory).sort().map((name) => [name, readFileSync(join(directory, name)).toString('base64')]))

// ---- stock y-leveldb

/** What stock y-leveldb reads from a copy of the directory, in a process of its own: two native LevelDBs in one would not see each other's lock. */
const readWithYLeveldb = (directory: string): { readonly names: string[]; readonly documents: Record<string, unknown> } => {
  const copy = makeDirectory()
  cpSync(directory, copy, { recursive: true })
  const script = `
    import { LeveldbPersistence } from 'y-leveldb'
    import * as Y from 'yjs'
    const persistence = new LeveldbPersistence(process.argv[1])
    const names = await persistence.getAllDocNames()
    const documents = {}
    for (const name of names) {
      const doc = await persistence.getYDoc(name)
      const vector = Buffer.from(await persistence.getStateVector(name)).toString('hex')
      documents[name] = { text: doc.getText('text').toString(), map: doc.getMap('map').toJSON(), snapshot: Buffer.from(Y.encodeSnapshot(Y.snapshot(doc))).toString('hex'), vector }
    }
    console.log(JSON.stringify({ names, documents }))
    await persistence.destroy()`
  const result = spawnSync(process.execPath, ['--input-type=module', '-e', script, copy], { cwd: ROOT, encoding: 'utf8', timeout: 60_000 })
  rmSync(copy, { recursive: true, force: true })
  assert.is(result.status, 0, result.stderr)
  return JSON.parse(result.stdout) as ReturnType<typeof readWithYLeveldb>
}

test('[STO1] stock y-leveldb opens a stopped store with the same names and content', async (directory) => {
  const store = await openStore(directory, 3_000)
  const docs = new Map(DOCUMENTS.map((document) => [document, new Y.Doc()]))
  const pending: { document: DocumentName; update: Uint8Array }[] = []
  for (const [document, doc] of docs) doc.on('update', (update: Uint8Array) => pending.push({ document, update }))
  const random = createRandom('y-leveldb')
  for (let seq = 1; seq <= 200; seq++) {
    const [document, doc] = random.pick([...docs])
    const text = doc.getText('text')
    text.insert(random.integer(0, text.length), `${seq} grüße 🐦 `)
    if (random.chance(0.3)) text.delete(0, random.integer(1, text.length))
    doc.getMap('map').set(`k${random.integer(0, 3)}`, seq)
    await store.commit(recordOf(seq, { updates: pending.splice(0) }))
    if (seq % 60 === 0) await store.compact(document, Y.encodeStateAsUpdate(doc), seq)
  }
  await store.commit(recordOf(201, { removed: [FIRST] }))
  docs.delete(FIRST)
  await store.close()
  const read = readWithYLeveldb(directory)
  assert.equal(read.names.sort(), [...docs.keys()].sort())
  for (const [document, doc] of docs) {
    assert.equal(read.documents[document], {
      text: doc.getText('text').toString(),
      map: doc.getMap('map').toJSON(),
      snapshot: Buffer.from(Y.encodeSnapshot(Y.snapshot(doc))).toString('hex'),
      vector: Buffer.from(Y.encodeStateVector(doc)).toString('hex'),
    })
  }
  assert.not((await openStore(directory)).state.unclean, 'it only ever saw a copy')
})

// ---- checkpoints

test('[STO3] a checkpoint runs in the background when the log passes its bound', async (directory) => {
  const store = await openStore(directory, 2_000)
  for (let seq = 1; seq <= 200; seq++) await store.commit(updateOf(seq, FIRST, new Uint8Array(100)))
  assert.ok(store.stats().logRecords < 100, `${store.stats().logRecords} of 200 records in the log`)
  assert.ok(store.stats().bytes > 0)
  await store.close()
})

test('[STO3] a long log is folded in slices of at most 1 MiB or 4,000 updates', async (directory) => {
  let database: BreakableDatabase | undefined
  const options = { directory, logBytesMax: NEVER_BYTES, createDatabase: (path: string) => (database = new BreakableDatabase(path)).db }
  const store = await openLevelStore(options)
  for (let seq = 1; seq <= 12; seq++) await store.commit(updateOf(seq, FIRST, new Uint8Array(400 * 1024)))
  const many = Array.from({ length: 2400 }, () => ({ document: SECOND, update: Uint8Array.of(1, 2) }))
  for (let seq = 13; seq <= 16; seq++) await store.commit(recordOf(seq, { updates: many }))
  const before = database?.batches ?? 0
  await store.close()
  // Two of the large ones at a time, the first of the many with the last two of those, the others alone, and the clean mark.
  assert.is((database?.batches ?? 0) - before, 6 + 3 + 1)
  const again = await openStore(directory)
  assert.is((await loadUpdates(again, SECOND)).length, 9600)
  assert.is((await loadUpdates(again, FIRST)).length, 12)
  await again.close()
})

/** A store whose checkpoints' writes are for `onBatch` to decide; commits are batches of one operation and pass. */
const openWithCheckpoints = (directory: string, onBatch: (write: () => Promise<void>) => Promise<void>): Promise<Store> =>
  openLevelStore({
    directory,
    logBytesMax: OFTEN_BYTES,
    createDatabase: (path) => {
      const db = createDatabase(path)
      const batch = db.batch.bind(db) as (operations: never[], options: object) => Promise<void>
      const guarded = (operations: never[], options: object): Promise<void> => {
        const write = (): Promise<void> => batch(operations, options)
        return operations.length === 1 ? write() : onBatch(write)
      }
      return Object.assign(db, { batch: guarded })
    },
  })

test('[COR3] commits wait for the checkpoint when the log is four times its bound, and go on with it', async (directory) => {
  let release: () => void = () => undefined
  const gate = new Promise<void>((resolve) => (release = resolve))
  const store = await openWithCheckpoints(directory, (write) => gate.then(write))
  let returned = 0
  const commitSixty = async (): Promise<void> => {
    for (let seq = 1; seq <= 60; seq++) {
      await store.commit(updateOf(seq, FIRST, new Uint8Array(50)))
      returned = seq
    }
  }
  const writing = commitSixty()
  let seen = -1
  for (let still = 0; still < 50; still = seen === returned ? still + 1 : 0) {
    seen = returned
    await new Promise((resolve) => setTimeout(resolve, 5))
  }
  assert.ok(returned > 5 && returned < 30, `${returned} commits returned while nothing was folded`)
  release()
  await writing
  assert.is((await loadUpdates(store, FIRST)).length, 60)
  await store.close()
})

test('[COR4] a checkpoint whose write fails makes a commit after it fail', async (directory) => {
  const store = await openWithCheckpoints(directory, () => Promise.reject(new Error('i/o error')))
  let returned = 0
  let failure: unknown = null
  for (let seq = 1; seq < 60 && failure === null; seq++) {
    await store.commit(updateOf(seq, FIRST)).then(() => (returned = seq), (error: unknown) => (failure = error))
  }
  assert.match(String(failure), 'i/o error')
  await store.close()
  const again = await openStore(directory)
  assert.ok(again.state.unclean)
  assert.is((await loadUpdates(again, FIRST)).length, returned)
  await again.close()
})

test('[STO1] a commit of 4 MiB is stored whole', async (directory) => {
  const store = await openStore(directory)
  const update = new Uint8Array(createRandom('big').bytes(4 * 1024 * 1024))
  await store.commit(updateOf(1, FIRST, update))
  await store.close()
  const again = await openStore(directory)
  const outcome = await again.load(FIRST)
  assert.ok(outcome.status === 'loaded' && Buffer.from(update).equals(outcome.updates[0] ?? new Uint8Array()))
  await again.close()
})

// ---- damage

test('[STO6] a commit lost from the middle of the log is seen as a gap', async (directory) => {
  const store = await openStore(directory)
  for (let seq = 1; seq <= 4; seq++) await store.commit(updateOf(seq, seq === 1 ? SECOND : FIRST))
  const copy = `${directory}-copy`
  cpSync(directory, copy, { recursive: true })
  await store.close()
  try {
    await withDatabase(copy, (db) => db.del(logKey(3), { sync: true }))
    const damage: string[] = []
    const again = await openLevelStore({ directory: copy, onDamage: (text) => damage.push(text) })
    assert.ok(again.state.unclean)
    assert.equal(damage, ['commit 3 was lost'])
    assert.is(again.state.lastCommit, 4)
    assert.ok(again.state.heads.every(({ digest }) => digest === null))
    assert.equal(await loadUpdates(again, FIRST), [[2], [4]])
    await again.close()
  } finally {
    rmSync(copy, { recursive: true, force: true })
  }
})

const BELOW: readonly { readonly what: string; readonly damage: (db: Database) => Promise<void>; readonly isFirstLost: boolean }[] = [
  { what: 'a row lost', damage: (db) => db.del(rowKey(FIRST, 1)), isFirstLost: true },
  { what: 'a row cut short', damage: (db) => db.put(rowKey(FIRST, 1), new Uint8Array()), isFirstLost: true },
  { what: 'a head flipped', damage: (db) => flipBit(db, headKey(FIRST), 3), isFirstLost: true },
  { what: 'a head lost', damage: (db) => db.del(headKey(FIRST)), isFirstLost: true },
  { what: "another document's head", damage: async (db) => db.put(headKey(FIRST), (await db.get(headKey(SECOND))) ?? new Uint8Array()), isFirstLost: true },
  { what: 'the whole feed lost', damage: (db) => db.clear(FEED_RANGE), isFirstLost: false },
  { what: 'heads and feed lost', damage: async (db) => { await db.clear(FEED_RANGE); await db.clear(HEAD_RANGE) }, isFirstLost: false },
  { what: 'the state lost', damage: (db) => db.del(STATE_KEY), isFirstLost: false },
  { what: 'the state flipped', damage: (db) => flipBit(db, STATE_KEY, 2), isFirstLost: false },
]

for (const { what, damage, isFirstLost } of BELOW) {
  test(`[STO6] ${what}: found, told, moved aside, and the rest goes on`, async (directory) => {
    await writeStore(directory, 8)
    await withDatabase(directory, damage)
    const reports: string[] = []
    const store = await openLevelStore({ directory, onDamage: (text) => reports.push(text) })
    const statuses = [(await store.load(FIRST)).status, (await store.load(SECOND)).status]
    assert.is(statuses[0] === 'quarantined', isFirstLost)
    assert.is(statuses[1], 'loaded')
    assert.ok(reports.length > 0)
    assert.is(store.state.lastCommit, 8)
    await store.commit(updateOf(9, FIRST))
    assert.equal((await loadUpdates(store, FIRST)).at(-1), [9])
    await store.close()
    const again = await openStore(directory)
    assert.equal((await loadUpdates(again, FIRST)).at(-1), [9])
    assert.is(again.state.lastCommit, 9)
    await again.close()
    const aside = await withDatabase(directory, (db) => db.keys(ASIDE_RANGE).all())
    if (isFirstLost) assert.ok(aside.length >= 3, `${aside.length} entries kept for a person to look at`)
  })
}

test('[STO6] an old head that came back is seen by the sum, although it is sound in itself', async (directory) => {
  const store = await openStore(directory)
  await store.commit(updateOf(1, FIRST))
  await store.close()
  const old = await withDatabase(directory, (db) => Promise.all([HEAD_RANGE, FEED_RANGE].map((range) => db.iterator(range).all())))
  const next = await openStore(directory)
  await next.commit(updateOf(2, FIRST))
  await next.close()
  await withDatabase(directory, async (db) => {
    await db.clear(FEED_RANGE)
    for (const [key, value] of old.flat()) await db.put(key, value)
  })
  const again = await openStore(directory)
  assert.ok(again.state.unclean)
  assert.is(again.state.heads[0]?.seq, 1)
  await again.close()
})

test("[STO6] the node's own state flipped is not believed", async (directory) => {
  const store = await openStore(directory)
  await store.commit(recordOf(1, { meta: '{"boot":1}' }))
  await store.close()
  await withDatabase(directory, (db) => flipBit(db, META_KEY, 3))
  const again = await openStore(directory)
  assert.is(again.state.meta, null)
  assert.ok(again.state.unclean)
  await again.close()
})

test('[STO6] a bit flipped anywhere in the files is refused, told, or harmless', async (directory) => {
  const store = await openStore(directory, 2_000)
  for (const record of FLIP_RECORDS) await store.commit(record)
  await store.close()
  await (await openStore(directory)).close() // LevelDB turns its log into a table when it opens
  const counts = { refused: 0, told: 0, harmless: 0 }
  for (let round = 0; round < FLIP_ROUNDS; ) {
    // In a child: LevelDB asserts in native code on some damage, which ends the process. That is a refusal too, and a loud one.
    const child = startChild('judge-flips', directory, String(round))
    const end = endOf(child)
    for await (const line of createInterface({ input: child.stdout ?? process.stdin })) {
      assert.ok(Object.hasOwn(counts, line), line)
      counts[line as keyof typeof counts]++
      round++
    }
    const [code, text] = await end
    if (code === 0) break
    assert.match(text, 'Assertion', text)
    counts.refused++
    round++
  }
  assert.is(counts.refused + counts.told + counts.harmless, FLIP_ROUNDS)
  assert.ok(counts.told > 0 && counts.harmless > 0, JSON.stringify(counts))
})

const FLIP_ROUNDS = 80
const FLIP_RECORDS = createRecords(createRandom('flips'), 40)

/** A child's work: flips one bit of a copy in each round from `first` on, and prints what the store made of it. */
const judgeFlips = async (directory: string, first: number): Promise<void> => {
  const expected = expectedAfter(FLIP_RECORDS)
  const copy = makeDirectory()
  for (let round = first; round < FLIP_ROUNDS; round++) {
    const random = createRandom(`flip ${round}`)
    rmSync(copy, { recursive: true, force: true })
    cpSync(directory, copy, { recursive: true })
    const name = random.pick(readdirSync(copy).filter((file) => statSync(join(copy, file)).size > 0 && !file.startsWith('LOG')))
    const bytes = readFileSync(join(copy, name))
    const at = random.integer(0, bytes.length - 1)
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.integer(0, 7))
    writeFileSync(join(copy, name), bytes)
    process.stdout.write(`${await judgeFlip(copy, expected, `round ${round}, ${name} at ${at}`)}\n`)
  }
  rmSync(copy, { recursive: true, force: true })
}

/** Large enough for a table of its own, and nothing that could be packed. */
const LARGE_BYTES = 3 * 1024 * 1024
const STARTS_MAX = 4

test('[STO6] a table of rows that is cut short: its document is told and moved aside, and the store goes on', async (directory) => {
  const store = await openStore(directory)
  await store.commit(updateOf(1, SECOND, createRandom('large').bytes(LARGE_BYTES)))
  await store.close()
  await withDatabase(directory, (db) => (db as ClassicLevel<Uint8Array, Uint8Array>).compactRange(Uint8Array.of(0), Uint8Array.of(255)))
  const [table = ''] = readdirSync(directory).filter((name) => name.endsWith('.ldb')).sort((a, b) => statSync(join(directory, b)).size - statSync(join(directory, a)).size)
  truncateSync(join(directory, table), LARGE_BYTES >> 1)
  const again = await openStore(directory)
  assert.is((await again.load(SECOND)).status, 'quarantined')
  await again.commit(updateOf(2, SECOND))
  assert.equal(await loadUpdates(again, SECOND), [[2]])
  await again.close()
})

test('[STO5] damage that LevelDB meets while it writes is remembered: the next open is refused, or opens what is left', async (directory) => {
  const store = await openStore(directory)
  await store.commit(updateOf(1, SECOND, createRandom('large').bytes(LARGE_BYTES)))
  await store.close()
  const compact = (db: Database): Promise<void> => (db as ClassicLevel<Uint8Array, Uint8Array>).compactRange(Uint8Array.of(0), Uint8Array.of(255))
  await withDatabase(directory, compact)
  const [table = ''] = readdirSync(directory).filter((name) => name.endsWith('.ldb')).sort((a, b) => statSync(join(directory, b)).size - statSync(join(directory, a)).size)
  truncateSync(join(directory, table), LARGE_BYTES >> 1)
  // LevelDB merges tables whenever it has some that overlap: told to here, after each of a few starts.
  let failure: string | null = null
  for (let starts = 0; starts < STARTS_MAX && failure === null; starts++) {
    const databases: Database[] = []
    const again = await openLevelStore({ directory, createDatabase: (path) => databases[databases.push(createDatabase(path)) - 1] as Database })
    const { lastCommit } = again.state
    await again.load(SECOND)
    await again.commit(updateOf(lastCommit + 1, SECOND))
    for (const db of databases) await compact(db).catch(() => undefined)
    failure = await again.commit(updateOf(lastCommit + 2, SECOND)).then(() => null, (error: Error) => error.message)
    await again.close().catch(() => undefined) // which writes too
  }
  assert.match(failure ?? '', 'the disk refused a write')
  assert.is((await refusalOf(openStore(directory))).code, 'damaged')
  const left = await openLevelStore({ directory, damage: 'opened' })
  assert.equal(await loadUpdates(left, FIRST), [])
  await left.close().catch(() => undefined)
})

/** What a store does with a flipped bit: silence is only good if everything is there. */
const judgeFlip = async (directory: string, expected: ReturnType<typeof expectedAfter>, where: string): Promise<'refused' | 'told' | 'harmless'> => {
  let isTold = false
  let store: Store
  try {
    store = await openLevelStore({ directory, onDamage: () => (isTold = true) })
  } catch (error) {
    assert.instance(error, StoreRefused, where)
    return 'refused'
  }
  isTold ||= store.state.unclean
  for (const document of DOCUMENTS) {
    const outcome = await store.load(document)
    if (outcome.status === 'quarantined') isTold = true
    else if (!isTold) assert.equal(outcome.updates.map((update) => [...update]), (expected.updates.get(document) ?? []).map((update) => [...update]), where)
    else for (const update of outcome.updates) assert.ok((expected.updates.get(document) ?? []).some((known) => Buffer.from(known).equals(update)), `${where}: a false update`)
  }
  if (!isTold) assert.equal(store.state.heads, expected.heads, where)
  await store.close().catch(() => undefined) // LevelDB may refuse to write over what it cannot read
  return isTold ? 'told' : 'harmless'
}

// ---- directories

test('[STO5] a second process is refused, and the first goes on', async (directory) => {
  const store = await openStore(directory)
  await store.commit(updateOf(1, FIRST))
  const [code, text] = await endOf(startChild('write-until-killed', directory))
  assert.is.not(code, 0)
  assert.match(text, "code: 'locked'")
  assert.match(text, '--data-dir')
  await store.commit(updateOf(2, FIRST))
  await store.close()
  const again = await openStore(directory)
  assert.equal(await loadUpdates(again, FIRST), [[1], [2]])
  await again.close()
})

test('[STO5] a second opener in the same process is refused', async (directory) => {
  const store = await openStore(directory)
  assert.is((await refusalOf(openStore(directory))).code, 'locked')
  await store.close()
})

test('[STO5] a directory of something else is refused and left as it is', async (directory) => {
  writeFileSync(join(directory, 'thesis.txt'), 'not a database')
  const before = listFiles(directory)
  assert.is((await refusalOf(openStore(directory))).code, 'foreign')
  assert.equal(listFiles(directory), before)
  const database = join(directory, 'database')
  await withDatabase(database, (db) => db.put(Uint8Array.of(1), Uint8Array.of(2)))
  const files = listFiles(database)
  assert.is((await refusalOf(openStore(database))).code, 'foreign')
  assert.equal(listFiles(database), files)
})

test('[STO5] a newer format is refused and nothing is changed', async (directory) => {
  await writeStore(directory, 2)
  writeFileSync(join(directory, 'STARLING'), '{"format":2}\n')
  const before = listFiles(directory)
  const refused = await refusalOf(openStore(directory))
  assert.is(refused.code, 'newer')
  assert.equal(listFiles(directory), before)
})

test('[STO5] what cannot be read is refused with its reason', async (directory) => {
  const each = (path: string, kind: RegExp, change: (file: string) => void): void => readdirSync(path).filter((name) => kind.test(name)).forEach((name) => change(join(path, name)))
  const cases: readonly [string, string, (path: string) => void][] = [
    ['mark', 'unreadable', (path) => writeFileSync(join(path, 'STARLING'), 'flipped')],
    ['current', 'damaged', (path) => rmSync(join(path, 'CURRENT'))],
    ['current-junk', 'damaged', (path) => writeFileSync(join(path, 'CURRENT'), 'rubbish')],
    ['manifest', 'damaged', (path) => each(path, /^MANIFEST/, (file) => rmSync(file))],
    ['manifest-cut', 'damaged', (path) => each(path, /^MANIFEST/, (file) => truncateSync(file, 7))],
    ['table-cut', 'damaged', (path) => each(path, /\.ldb$/, (file) => truncateSync(file, statSync(file).size >> 1))],
    ['table-empty', 'damaged', (path) => each(path, /\.ldb$/, (file) => truncateSync(file, 0))],
  ]
  for (const [name, code, damage] of cases) {
    const path = join(directory, name)
    await writeStore(path, 2)
    await (await openStore(path)).close() // an open makes a table of the log
    damage(path)
    const refused = await refusalOf(openStore(path))
    assert.is(refused.code, code, name)
    assert.match(refused.message, path)
  }
  writeFileSync(join(directory, 'file'), '')
  assert.is((await refusalOf(openStore(join(directory, 'file')))).code, 'unreadable')
})

test('[STO5] what is moved aside keeps every file, under a name of its own each time, and leaves the place empty', async (directory) => {
  const path = join(directory, 'node')
  const nowMs = Date.UTC(2026, 10, 22, 12, 30, 5)
  assert.not.ok(await hasAside(path))
  await writeStore(path, 2)
  const files = listFiles(path)
  const first = await moveAside(path, nowMs)
  assert.is(first, `${path}.aside-20261122T123005Z`)
  assert.equal(listFiles(first), files)
  await writeStore(path, 2)
  assert.is(await moveAside(path, nowMs), `${first}-2`)
  assert.ok(await hasAside(path))
  assert.not.ok(await hasAside(join(directory, 'nod')))
  const store = await openStore(path)
  assert.is(store.state.meta, null)
  await store.close()
})

test('[STO5] a start that died before it wrote anything is no obstacle to the next', async (directory) => {
  mkdirSync(join(directory, 'lost+found'))
  writeFileSync(join(directory, 'STARLING.new'), '')
  const store = await openStore(directory)
  assert.not(store.state.unclean)
  await store.close()
})

// ---- a process that is killed

/** This very file in a process of its own; its last lines tell what it does there. */
const startChild = (...args: readonly string[]): ChildProcess =>
  spawn(process.execPath, [process.argv[1] ?? '', ...args], { cwd: ROOT, stdio: ['ignore', 'pipe', 'pipe'] })

const endOf = async (child: ChildProcess): Promise<[number | null, string]> => {
  let text = ''
  child.stderr?.on('data', (chunk: Buffer) => (text += chunk.toString()))
  await Promise.all([once(child, 'exit'), child.stderr === null ? null : once(child.stderr, 'end')])
  return [child.exitCode, text]
}

test('[STO3] killed with SIGKILL under load, three times: every commit that returned is there', async (directory) => {
  let returned = 0
  for (const count of [150, 400, 90]) {
    const child = startChild('write-until-killed', directory)
    const end = endOf(child)
    const until = returned + count
    for await (const line of createInterface({ input: child.stdout ?? process.stdin })) {
      returned = Number(line)
      if (returned === until) child.kill('SIGKILL')
    }
    await end
    const store = await openStore(directory)
    assert.ok(store.state.unclean)
    assert.ok(store.state.lastCommit === returned || store.state.lastCommit === returned + 1, `${store.state.lastCommit} stored, ${returned} returned`)
    returned = store.state.lastCommit
    for (const [index, document] of DOCUMENTS.entries()) {
      const wanted = Array.from({ length: returned }, (_, at) => at + 1).filter((seq) => seq % DOCUMENTS.length === index)
      assert.equal((await loadUpdates(store, document)).map(([byte]) => byte), wanted.map((seq) => seq & 255))
    }
    await store.close()
  }
})

const [, , task, path = '', first] = process.argv
if (task === 'write-until-killed') await writeUntilKilled(path)
else if (task === 'judge-flips') await judgeFlips(path, Number(first))
else {
  storeContract('LevelDB', createLevelHarness).run()
  level.run()
}
