// The one polite live region: what happened, at most one message every two seconds, the latest of those that came meanwhile.

import { signal } from '@preact/signals'

const PAUSE_MS = 2000

export interface Announcer {
  say(text: string): void
  readonly Region: () => preact.JSX.Element
}

export const createAnnouncer = (): Announcer => {
  const text = signal('')
  let next: string | null = null
  let isPausing = false

  const say = (said: string): void => {
    if (isPausing) {
      next = said
      return
    }
    text.value = said
    isPausing = true
    setTimeout(() => {
      isPausing = false
      const waiting = next
      next = null
      if (waiting !== null) say(waiting)
    }, PAUSE_MS)
  }

  return {
    say,
    Region: () => (
      <p class="vh" role="status" aria-live="polite">
        {text.value}
      </p>
    ),
  }
}
