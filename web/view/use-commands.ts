// Listens to the keyboard of the whole page and hands on the commands it means.

import { useEffect, useRef } from 'preact/hooks'
import type { Preferences } from '../model/preferences.ts'
import { type Command, createKeyboard } from './keys.ts'

/** `run` tells whether it did anything with the command; only then is the key taken from the browser. */
export const useCommands = (preferences: Preferences, run: (command: Command) => boolean): void => {
  const latest = useRef(run)
  latest.current = run
  useEffect(() => {
    const keyboard = createKeyboard()
    const listen = (event: KeyboardEvent): void => {
      // Nothing can be done behind a dialog, nor with what is shown before it is loaded.
      if (event.defaultPrevented || document.querySelector('dialog[open], .behind[inert]') !== null) return
      const command = keyboard.press(event, {
        isInField: isField(event.target),
        hasSingleKeys: preferences.hasSingleKeys.peek(),
        nowMs: event.timeStamp,
      })
      if (command !== null && latest.current(command)) event.preventDefault()
    }
    document.addEventListener('keydown', listen)
    return () => document.removeEventListener('keydown', listen)
  }, [preferences])
}

const isField = (target: EventTarget | null): boolean =>
  target instanceof HTMLElement &&
  (target.matches('input:not([type="checkbox"]):not([type="radio"]), textarea, select') || target.isContentEditable)
