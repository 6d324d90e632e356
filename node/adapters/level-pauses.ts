// Long work of the store in pieces, so that frames and timers get their turn in between [COR3].

import { setImmediate } from 'node:timers/promises'

const PIECE_MS = 5

export interface Pauses {
  /** Whether the work has held the event loop long enough. */
  isDue(): boolean
  /** Resolves in a later turn. */
  take(): Promise<void>
}

/** For one piece of work that begins now. */
export const createPauses = (): Pauses => {
  let begunMs = performance.now()
  return {
    isDue: () => performance.now() - begunMs >= PIECE_MS,
    take: async () => {
      await setImmediate()
      begunMs = performance.now()
    },
  }
}
