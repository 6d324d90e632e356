// What a person chose for this device: the theme, whether single keys act, and what is told while no tab is looked at.

import { type ReadonlySignal, signal } from '@preact/signals'
import type { Store } from './ports.ts'

export type Theme = 'system' | 'light' | 'dark'

export interface Preferences {
  readonly theme: ReadonlySignal<Theme>
  readonly hasSingleKeys: ReadonlySignal<boolean>
  readonly notifies: ReadonlySignal<boolean>
  /** Notifications say neither from whom nor what. */
  readonly isPrivate: ReadonlySignal<boolean>
  setTheme(theme: Theme): void
  setNotifies(isOn: boolean): void
  setPrivate(isOn: boolean): void
  setSingleKeys(isOn: boolean): void
}

const THEME_KEY = 'starling.theme'
const KEYS_KEY = 'starling.singleKeys'
const NOTIFIES_KEY = 'starling.notifies'
const PRIVATE_KEY = 'starling.privateNotifications'

export const createPreferences = (store: Store): Preferences => {
  const remembered = store.getItem(THEME_KEY)
  const theme = signal<Theme>(remembered === 'light' || remembered === 'dark' ? remembered : 'system')
  const hasSingleKeys = signal(store.getItem(KEYS_KEY) !== 'off')
  const notifies = signal(store.getItem(NOTIFIES_KEY) === 'on')
  const isPrivate = signal(store.getItem(PRIVATE_KEY) === 'on')
  return {
    theme,
    hasSingleKeys,
    notifies,
    isPrivate,
    setNotifies: (isOn) => {
      notifies.value = isOn
      store.setItem(NOTIFIES_KEY, isOn ? 'on' : 'off')
    },
    setPrivate: (isOn) => {
      isPrivate.value = isOn
      store.setItem(PRIVATE_KEY, isOn ? 'on' : 'off')
    },
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
