// Which local changes of one room are stored, and where. The node counts the frames of a socket that it applied and
// stored [SYN1]; here that count is turned into changes, which live longer than a socket.
// A change is one update of the document that did not come from the node; changes are numbered from 1.

import type { StoredNote } from '../../crdt-schema/wire.ts'

/** All changes up to and including `change` are stored on `pids`. */
export interface StoredChanges {
  readonly change: number
  readonly pids: readonly number[]
  readonly members: number
}

export interface ChangeReceipts {
  /** The number of the latest change. */
  readonly latest: number
  /** The highest change known to be stored on some node. */
  readonly stored: number
  onChange(): void
  onSocketOpened(): void
  /** A step 1 of the node: the step 2 that answers it holds every change that the node lacks. */
  onStep1Received(): void
  onStep2Sent(): void
  onUpdateSent(): void
  onNote(note: Pick<StoredNote, 'count' | 'members'> & { readonly pids: readonly number[] }): StoredChanges | null
}

export const createChangeReceipts = (): ChangeReceipts => {
  let latest = 0
  let stored = 0
  // Of the present socket:
  let sentFrames = 0
  let receivedSteps = 0
  /** Frame numbers with the change up to which everything is in them or before them; rising in both. */
  let marks: { readonly frame: number; readonly change: number }[] = []
  let isSeeded = false

  const mark = (): void => {
    const last = marks.at(-1)
    if (last === undefined || last.change < latest) marks.push({ frame: sentFrames, change: latest })
  }

  return {
    get latest() {
      return latest
    },
    get stored() {
      return stored
    },
    onChange: () => {
      latest += 1
    },
    onSocketOpened: () => {
      sentFrames = 0
      receivedSteps = 0
      marks = []
      isSeeded = false
    },
    onStep1Received: () => {
      receivedSteps += 1
      // Another step 1 says that a frame could not be applied. What it held is in the step 2 that follows,
      // so only that one vouches for the changes that no note has confirmed yet.
      if (receivedSteps > 1) marks = []
    },
    onStep2Sent: () => {
      sentFrames += 1
      isSeeded = true
      mark()
    },
    // Before the first step 2 an update says nothing about the changes before it.
    onUpdateSent: () => {
      sentFrames += 1
      if (isSeeded) mark()
    },
    onNote: ({ count, pids, members }) => {
      // Frames that were not applied are not counted; each was answered with a step 1 of its own.
      const handled = count + Math.max(0, receivedSteps - 1)
      const covered = marks.filter(({ frame }) => frame <= handled).at(-1)
      if (covered === undefined) return null
      marks = marks.filter(({ frame }) => frame >= covered.frame)
      stored = Math.max(stored, covered.change)
      return { change: covered.change, pids, members }
    },
  }
}
