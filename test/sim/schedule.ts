// What happens next in the fake world: tasks ordered by (time, sequence), run one at a time by whoever drives the world.
// The only time there is. Knows nothing of nodes or people.

export interface Schedule {
  readonly nowMs: number
  /** Runs `task` when the time comes; tasks of one moment run in the order they were made. */
  at(atMs: number, task: () => void): void
  after(delayMs: number, task: () => void): void
  /** Runs the next task if it is due by `untilMs`; else moves the time there and returns false. */
  runNext(untilMs: number): boolean
}

interface Entry {
  readonly atMs: number
  readonly sequence: number
  readonly task: () => void
}

const isBefore = (a: Entry, b: Entry): boolean => a.atMs < b.atMs || (a.atMs === b.atMs && a.sequence < b.sequence)

export const createSchedule = (): Schedule => {
  const heap: Entry[] = [] // a binary heap: each entry is before its two children
  let nowMs = 0
  let sequence = 0

  const push = (entry: Entry): void => {
    let index = heap.length
    while (index > 0) {
      const parentIndex = (index - 1) >> 1
      const parent = heap[parentIndex]
      if (parent === undefined || !isBefore(entry, parent)) break
      heap[index] = parent
      index = parentIndex
    }
    heap[index] = entry
  }

  const pop = (): Entry | null => {
    const first = heap[0]
    const last = heap.pop()
    if (first === undefined || last === undefined) return null
    if (heap.length > 0) sink(last)
    return first
  }

  const sink = (entry: Entry): void => {
    let index = 0
    for (;;) {
      const left = heap[index * 2 + 1]
      const right = heap[index * 2 + 2]
      const childIndex = right !== undefined && left !== undefined && isBefore(right, left) ? index * 2 + 2 : index * 2 + 1
      const child = heap[childIndex]
      if (child === undefined || !isBefore(child, entry)) break
      heap[index] = child
      index = childIndex
    }
    heap[index] = entry
  }

  return {
    get nowMs() {
      return nowMs
    },
    at: (atMs, task) => push({ atMs: Math.max(atMs, nowMs), sequence: sequence++, task }),
    after: (delayMs, task) => push({ atMs: nowMs + delayMs, sequence: sequence++, task }),
    runNext(untilMs) {
      const first = heap[0]
      if (first === undefined || first.atMs > untilMs) {
        nowMs = Math.max(nowMs, untilMs)
        return false
      }
      pop()
      nowMs = first.atMs
      first.task()
      return true
    }
  }
}
