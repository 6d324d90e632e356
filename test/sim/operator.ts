// Whoever runs the nodes: judges whether a node that ended because its cluster refused it was refused rightly [REP7], and in plans
// (`operated`) does what its last words say. An old copy of a directory whose id was removed since is worth nothing: its node gets
// an empty one. A pid that is still held by the node before is free a moment later: its node is started again.

import type { NodeId } from '../../crdt-schema/ids.ts'
import type { SimProcess } from './process.ts'
import type { Schedule } from './schedule.ts'

export interface OperatedWorld {
  readonly schedule: Schedule
  readonly processes: readonly SimProcess[]
  loseDisk(process: SimProcess): void
  violate(who: string, error: unknown): void
}

export interface Operator {
  /** From now on the last words of nodes are heeded. */
  begin(): void
  /** After each turn of a node, and when it has ended. */
  onTurn(process: SimProcess): void
}

const REFUSED_EXIT_CODE = 6
const REMOVED = /removed from the cluster/
const PID_TAKEN = /pid is held by another node/
/** Somebody reads the log and types. */
const HEEDS_AFTER_MS = 1_000

export const createOperator = (world: OperatedWorld): Operator => {
  let hasBegun = false
  const judged = new WeakSet<NonNullable<SimProcess['exit']>>()

  const heed = (process: SimProcess, exit: SimProcess['exit']): void => {
    // A later run, or another end, is none of what was said.
    if (process.status !== 'stopped' || process.exit !== exit || exit === null) return
    if (isEndOfRemoved(exit)) {
      world.loseDisk(process)
      process.disk.wipe()
    }
    process.start()
  }

  return {
    begin() {
      hasBegun = true
    },
    onTurn(process) {
      const { exit } = process
      if (process.status !== 'stopped' || exit?.code !== REFUSED_EXIT_CODE || judged.has(exit)) return
      judged.add(exit)
      const finding = findWrongEnd(world.processes, process)
      if (finding !== null) world.violate(process.place, new Error(finding))
      if (hasBegun) world.schedule.after(HEEDS_AFTER_MS, () => heed(process, exit))
    }
  }
}

/** The last words of a node whose directory was removed. */
export const isEndOfRemoved = ({ code, text }: NonNullable<SimProcess['exit']>): boolean => code === REFUSED_EXIT_CODE && REMOVED.test(text)

const isRemovedBy = ({ state }: SimProcess, nodeId: NodeId): boolean => state?.desk.directory.memberOf(nodeId)?.removed === true

/** A refused node ends only if some other one knows what it was refused for. */
const findWrongEnd = (processes: readonly SimProcess[], process: SimProcess): string | null => {
  const { exit, pid } = process
  const others = processes.filter(other => other !== process)
  // Whoever refused it may have died since, and what it alone knew with it.
  if (exit === null || exit.nodeId === null || others.some(({ state }) => state === null)) return null
  const { nodeId, text } = exit
  if (REMOVED.test(text)) return others.some(other => isRemovedBy(other, nodeId)) ? null : `[REP7] ended as removed, but no node has removed it: ${text}`
  if (PID_TAKEN.test(text)) {
    const isHeld = others.some(({ state }) => ![undefined, null, nodeId].includes(state?.peers.get(pid)?.nodeId))
    return isHeld ? null : `[REP7] ended for its pid, but nobody knows another node under it: ${text}`
  }
  return `[REP7] ended, refused for what no plan does: ${text}`
}

/** Nobody runs on in a directory that was removed: it finds so, or is told so, and ends [REP7]. */
export const findRemovedRunning = (processes: readonly SimProcess[]): string[] =>
  processes.flatMap(process => {
    const nodeId = process.state?.meta.nodeId
    const knowing = nodeId === undefined ? undefined : processes.find(other => isRemovedBy(other, nodeId))
    return knowing === undefined ? [] : [`[REP7] ${process.place} runs in a directory that was removed, as ${knowing.place} knows`]
  })
