// The fake disk keeps the contract of real stores, and its own faults do what they say.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type FakeDisk, type OpenDisk, createFakeDisk, toStore } from '../sim/disk.ts'
import { createRandom } from '../sim/random.ts'
import { type Schedule, createSchedule } from '../sim/schedule.ts'
import { FIRST, SECOND, updateOf } from './records.ts'
import { type StoreHarness, storeContract } from './store.ts'

/** Runs every task in a microtask of its own; may die instead of running one. */
class TaskRunner implements Pick<Schedule, 'after'> {
  #left = Number.POSITIVE_INFINITY
  #die: () => void = () => undefined

  after(_delayMs: number, task: () => void): void {
    queueMicrotask(() => {
      this.#left -= 1
      if (this.#left === -1) this.#die()
      else task()
    })
  }

  dieAfter(count: number, die: () => void): void {
    this.#left = count
    this.#die = die
  }
}

const createHarness = async (): Promise<StoreHarness> => {
  let runner = new TaskRunner()
  const disk = createFakeDisk({ after: (delayMs, task) => runner.after(delayMs, task) }, createRandom('contract'), { logRecordsMax: 3 })
  return {
    // It folds every few commits, asked or not: that is cheap here.
    open: async () => toStore(disk.open()),
    crash: async () => {
      runner = new TaskRunner()
      disk.crash('process', 'lost')
      disk.heal()
    },
    dieAfter: (count, outcome) =>
      new Promise((resolve) => {
        runner.dieAfter(count, () => {
          disk.crash('process', outcome)
          resolve()
        })
      }),
    failWrites: () => disk.fail('EIO'),
    healWrites: () => disk.heal(),
    damageRow: async (document) => assert.ok(disk.flipRow(document)),
    damageRecord: async (seq) => assert.ok(disk.flipRecord(seq)),
    dispose: async () => {
      disk.crash('process', 'lost')
      disk.heal()
      disk.wipe()
      runner = new TaskRunner()
    },
  }
}

storeContract('fake disk', createHarness).run()

const faults = suite('the fake disk breaks')

/** A disk on a schedule of its own, open, with `count` commits that have returned. */
const createWritten = (count: number, seed = 'faults'): { readonly schedule: Schedule; readonly disk: FakeDisk; readonly open: OpenDisk } => {
  const schedule = createSchedule()
  const disk = createFakeDisk(schedule, createRandom(seed))
  const open = disk.open()
  for (let seq = 1; seq <= count; seq++) {
    open.commit(updateOf(seq, FIRST), (failure) => assert.is(failure, null))
    while (schedule.runNext(schedule.nowMs + 100)) continue
  }
  return { schedule, disk, open }
}

const storedOf = (disk: FakeDisk): number[] => (disk.contents().get(FIRST) ?? []).map(([seq]) => seq ?? 0)

faults('[STO1] a commit under way is lost, kept or torn, and never returns', () => {
  for (const [inFlight, stored, isTorn] of [['lost', [1], false], ['kept', [1, 2], false], ['torn', [1], true]] as const) {
    const { schedule, disk, open } = createWritten(1)
    open.commit(updateOf(2, FIRST), () => assert.unreachable())
    disk.crash('power', inFlight)
    while (schedule.runNext(1000)) continue
    const { state } = disk.open()
    assert.ok(state.unclean)
    assert.equal(storedOf(disk), [...stored])
    assert.is(state.lastCommit, isTorn ? 2 : stored.length)
  }
})

faults('[STO2] an fsync that lies loses what returned when the power fails, not when the process dies', () => {
  for (const [kind, stored] of [['process', [1, 2]], ['power', [1]]] as const) {
    const { schedule, disk, open } = createWritten(1)
    disk.lie()
    open.commit(updateOf(2, FIRST), (failure) => assert.is(failure, null))
    while (schedule.runNext(1000)) continue
    disk.crash(kind)
    assert.equal(storedOf(disk), [...stored])
    assert.ok(disk.open().state.unclean)
  }
})

faults('slow and stuck: commits return late, or when the disk is healed', () => {
  const { schedule, disk, open } = createWritten(0)
  let returned = 0
  const commit = (seq: number): void => open.commit(updateOf(seq, FIRST), () => returned++)
  disk.setSlow(500)
  commit(1)
  while (schedule.runNext(200)) continue
  assert.is(returned, 0)
  while (schedule.runNext(1000)) continue
  assert.is(returned, 1)
  disk.heal()
  disk.stick()
  commit(2)
  while (schedule.runNext(10_000)) continue
  assert.is(returned, 1)
  disk.heal()
  while (schedule.runNext(10_001)) continue
  assert.is(returned, 2)
})

faults('wiped, and an old copy in its place', () => {
  const { disk, open, schedule } = createWritten(1)
  disk.takeSnapshot()
  open.commit(updateOf(2, SECOND), () => undefined)
  while (schedule.runNext(1000)) continue
  open.close()
  disk.restoreSnapshot()
  assert.equal([...disk.contents().keys()], [FIRST])
  const { state } = disk.open()
  assert.ok(state.unclean, 'the copy was taken from a running node')
  assert.is(state.lastCommit, 1)
  disk.crash('process')
  disk.wipe()
  assert.equal(disk.open().state, { meta: null, heads: [], lastCommit: 0, unclean: false })
})

faults('every flip is found', () => {
  for (let round = 0; round < 40; round++) {
    const { disk, schedule } = createWritten(70, `flip ${round}`)
    disk.crash('process', 'lost')
    const where = disk.flipAny()
    const open = disk.open()
    let status = ''
    open.load(FIRST, (outcome) => {
      status = outcome.status
    })
    while (schedule.runNext(1e6)) continue
    if (where === FIRST) assert.is(status, 'quarantined')
    else assert.ok(open.state.heads.every(({ digest }) => digest === null), String(where))
  }
})

faults('[COR2] the same seed breaks the same way', () => {
  const live = (): unknown => {
    const { schedule, disk, open } = createWritten(5, 'same')
    const log: unknown[] = []
    for (let round = 0; round < 20; round++) {
      const now = round === 0 ? open : disk.open()
      now.commit(updateOf(now.state.lastCommit + (round === 0 ? 6 : 1), FIRST), (failure) => log.push([schedule.nowMs, failure]))
      schedule.runNext(schedule.nowMs + 1.5)
      disk.crash('power')
      log.push(storedOf(disk))
    }
    return log
  }
  assert.equal(live(), live())
})

faults.run()
