// What a person chose for this device: the theme, and whether single keys act.

import { type ReadonlySignal, signal } from '@preact/signals'
import type { Store } from './ports.ts'

export type Theme = 'system' | 'light' | 'dark'

export interface Preferences {
  readonly theme: ReadonlySignal<Theme>
  readonly hasSingleKeys: ReadonlySignal<boolean>
  setTheme(theme: Theme): void
  setSingleKeys(isOn: boolean): void
}

const THEME_KEY = 'starling.theme'
const KEYS_KEY = 'starling.singleKeys'

export const createPreferences = (store: Store): Preferences => {
  const remembered = store.getItem(THEME_KEY)
  const theme = signal<Theme>(remembered === 'light' || remembered === 'dark' ? remembered : 'system')
  const hasSingleKeys = signal(store.getItem(KEYS_KEY) !== 'off')
  return {
    theme,
    hasSingleKeys,
    setTheme: (next) => {
      theme.value = next
      store.setItem(THEME_KEY, next)
    },
    setSingleKeys: (isOn) => {
      hasSingleKeys.value = isOn
      store.setItem(KEYS_KEY, isOn ? 'on' : 'off')
    },
  }
}
