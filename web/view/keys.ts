// The keyboard: which key means which command. A small machine for the `g` prefix and a rule for fields;
// knows no elements beyond whether one is a field.

export type Command =
  | 'next'
  | 'previous'
  | 'read'
  | 'delete'
  | 'undo'
  | 'open'
  | 'new-draft'
  | 'select'
  | 'select-all'
  | 'save'
  | 'send'
  | 'leave'
  | 'search'
  | 'help'
  | 'settings'
  | 'go-inbox'
  | 'go-messages'
  | 'go-drafts'
  | 'go-sent'
  | 'go-cluster'

export interface KeyPress {
  readonly key: string
  readonly ctrlKey: boolean
  readonly metaKey: boolean
  readonly altKey: boolean
  readonly shiftKey: boolean
}

const SINGLE: Readonly<Record<string, Command>> = {
  j: 'next',
  ArrowDown: 'next',
  k: 'previous',
  ArrowUp: 'previous',
  r: 'read',
  '#': 'delete',
  Delete: 'delete',
  z: 'undo',
  o: 'open',
  c: 'new-draft',
  x: 'select',
  A: 'select-all',
  '/': 'search',
  '?': 'help',
  ',': 'settings',
}

const AFTER_G: Readonly<Record<string, Command>> = {
  i: 'go-inbox',
  m: 'go-messages',
  d: 'go-drafts',
  s: 'go-sent',
  c: 'go-cluster',
}

/** The second key of `g i` and its like must follow within this time. */
const PREFIX_MS = 1500

export interface Keyboard {
  /** The command of a key press, or null. `isInField`: single keys are letters there. `hasSingleKeys`: they are not switched off. */
  press(press: KeyPress, where: { readonly isInField: boolean; readonly hasSingleKeys: boolean; readonly nowMs: number }): Command | null
}

export const createKeyboard = (): Keyboard => {
  let prefixedMs = Number.NEGATIVE_INFINITY
  return {
    press: ({ key, ctrlKey, metaKey, altKey }, { isInField, hasSingleKeys, nowMs }) => {
      if (key === 'Escape') return 'leave'
      if ((ctrlKey || metaKey) && !altKey) {
        if (key === 's' || key === 'S') return 'save'
        return key === 'Enter' ? 'send' : null
      }
      if (isInField || altKey || !hasSingleKeys) return null
      if (nowMs - prefixedMs < PREFIX_MS) {
        prefixedMs = Number.NEGATIVE_INFINITY
        return AFTER_G[key] ?? null
      }
      if (key === 'g') {
        prefixedMs = nowMs
        return null
      }
      return SINGLE[key] ?? null
    },
  }
}

/** What the help page lists. */
export const SHORTCUTS: readonly { readonly keys: readonly string[]; readonly action: string }[] = [
  { keys: ['j', 'k'], action: 'Next, previous row' },
  { keys: ['Enter'], action: 'Show a whole message, edit a draft' },
  { keys: ['r'], action: 'Mark as read or unread' },
  { keys: ['#', 'Del'], action: 'Delete (Undo stays in its place)' },
  { keys: ['z'], action: 'Undo the last delete, or take back the last message' },
  { keys: ['o'], action: 'Open messages from the inbox' },
  { keys: ['c'], action: 'New draft' },
  { keys: ['x'], action: 'Select a draft' },
  { keys: ['Shift', 'A'], action: 'Select all drafts' },
  { keys: ['Ctrl', 'S'], action: 'Save a draft' },
  { keys: ['Ctrl', 'Enter'], action: 'Send the selected drafts, or the one being written' },
  { keys: ['Esc'], action: 'Leave a field; nothing is ever discarded' },
  { keys: ['g', 'i'], action: 'Go to the inbox; then m messages, d drafts, s sent, c cluster' },
  { keys: ['/'], action: 'Search' },
  { keys: [','], action: 'Settings' },
  { keys: ['Ctrl', 'K'], action: 'Find anything to do, or anybody to write to' },
  { keys: ['?'], action: 'This page' },
]
