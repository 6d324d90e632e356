// Looks on while a run goes on and judges what can only be seen then: K7 the role log, K8 gaps in availability, and the
// marks of S10. Findings go to the world as violations, at their moment. Changes nothing of the run.

import { type Epoch, type Pid, epochCounter } from '../../crdt-schema/ids.ts'
import type { NodeState } from '../../node/core/state.ts'
import { findDeadSession } from './checkers.ts'
import { type Watch, type World, isReady } from './cluster.ts'
import { type MarkWatch, createMarks } from './marks.ts'
import { findMissingCopies } from './oracles.ts'
import type { SimProcess } from './process.ts'

export type { Marks } from './marks.ts'

export interface Observations {
  /** Epochs that somebody coordinated. */
  readonly epochs: number
  /** The longest time without an acknowledgement while people asked and some node had been ready for `PEACE_MS`. */
  readonly longestGapMs: number
  /** From healing until every probe was answered by its own node; null if the run did not get there. */
  readonly healedMs: number | null
}

export interface Observer extends Watch {
  readonly marks: MarkWatch
  onLine(line: string): void
  observations(): Observations
}

export interface ObserverOptions {
  readonly isParted: boolean
}

/** A node that has been ready for so long has met whatever the last fault left behind. */
const PEACE_MS = 3_000

export const createObserver = ({ isParted }: ObserverOptions): Observer => {
  const marks = createMarks()
  const lastStates = new Map<SimProcess, NodeState>()
  /** Who coordinated an epoch: its pid and run. */
  const coordinated = new Map<Epoch, NodeState>()
  const promised = new Map<Pid, Epoch>()
  const promising = new Map<Pid, { readonly epoch: Epoch; readonly seq: number }>()
  const readySinceMs = new Map<Pid, number>()
  let highest = 0 as Epoch
  let theWorld: World | null = null
  let lastAcknowledgedMs = 0
  let longestGapMs = 0
  let healMs: number | null = null
  let healedMs: number | null = null

  const violate = (process: SimProcess, text: string): void => theWorld?.violate(process.place, `K7 ${text}`)

  // ---- K7

  /** What a node promised and has on its disk it still promises after a crash; what was not yet there was told to nobody. */
  const watchPromise = (process: SimProcess, { meta, commits }: NodeState): void => {
    const { pid } = process
    const before = promised.get(pid)
    if (before !== undefined && meta.promised < before) violate(process, `promised ${epochCounter(before)} and then ${epochCounter(meta.promised)} [COO1]`)
    const writing = promising.get(pid)
    if (writing?.epoch !== meta.promised) promising.set(pid, { epoch: meta.promised, seq: commits.open.seq })
    else if (commits.committedThrough >= writing.seq) promised.set(pid, meta.promised)
  }

  /** Epochs rise: one run coordinates each, a node's promise never falls, and without partitions the next is higher. */
  const watchRole = (process: SimProcess, state: NodeState): void => {
    const { epoch, role } = state.coordinator
    watchPromise(process, state)
    if (role !== 'coordinating' || coordinated.get(epoch) === state) return
    if (coordinated.has(epoch)) violate(process, `coordinates epoch ${epochCounter(epoch)}.${process.pid}, which another run coordinated before [COO1]`)
    if (!isParted && epoch < highest) violate(process, `coordinates epoch ${epochCounter(epoch)}.${process.pid} after a higher one [COO1]`)
    coordinated.set(epoch, state)
    if (epoch > highest) highest = epoch
  }

  // ---- K8

  const watchReady = (process: SimProcess): void => {
    if (!isReady(process)) readySinceMs.delete(process.pid)
    else if (!readySinceMs.has(process.pid)) readySinceMs.set(process.pid, theWorld?.schedule.nowMs ?? 0)
  }

  /** A gap counts from the moment when some node had been at peace, and somebody had asked. */
  const noteAcknowledged = (nowMs: number, askedMs: number): void => {
    const atPeaceMs = Math.min(...[...readySinceMs.values()].map(sinceMs => sinceMs + PEACE_MS))
    const gapMs = nowMs - Math.max(lastAcknowledgedMs, askedMs, atPeaceMs)
    longestGapMs = Math.max(longestGapMs, gapMs)
    lastAcknowledgedMs = nowMs
  }

  return {
    marks,
    begin(world) {
      theWorld = world
    },
    onTurn(process) {
      if (theWorld === null) return
      const { state } = process
      watchReady(process)
      const last = lastStates.get(process)
      if (state === null) {
        if (last !== undefined) marks.onEnd(theWorld, process, last)
        lastStates.delete(process)
        promising.delete(process.pid)
        return
      }
      lastStates.set(process, state)
      if (state.meta === undefined) return
      watchRole(process, state)
      marks.onTurn(theWorld, process)
    },
    onLog: marks.onLog,
    onOperation(operation) {
      if (theWorld === null) return
      marks.onOperation(theWorld, operation)
      for (const finding of [...findMissingCopies(theWorld, operation), ...findDeadSession(theWorld, operation)]) theWorld.violate(operation.device, finding)
      if (operation.outcome === 'acknowledged') noteAcknowledged(operation.endedMs, operation.startedMs)
    },
    onDiskLost(process) {
      // A lost disk forgets what it promised; the others have not.
      promised.delete(process.pid)
      promising.delete(process.pid)
    },
    onLine(line) {
      if (theWorld === null) return
      marks.onLine(theWorld, line)
      if (line === 'heal') healMs = theWorld.schedule.nowMs
      // The line after the last probe was answered.
      if (line === 'expect answered within 60s' && healMs !== null) healedMs = theWorld.schedule.nowMs - healMs
    },
    observations: () => ({ epochs: coordinated.size, longestGapMs, healedMs })
  }
}
