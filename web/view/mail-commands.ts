// The keyboard's commands on the main screen: which row they mean, and the way from row to row.

import type { Mail } from '../model/mail.ts'
import { focusSoon } from './focus.ts'
import type { Command } from './keys.ts'
import type { ScreenActions } from './mail-actions.ts'

export const runCommand = (command: Command, screen: ScreenActions, mail: Mail, route: (path: string) => void): boolean => {
  const row = currentRow()
  const message =
    row?.id.startsWith('message-') === true ? mail.mailbox.messages.peek().find(({ id }) => row.id === `message-${id}`) : undefined
  const draft = row?.id.startsWith('draft-') === true ? mail.drafts.rows.peek().find(({ id }) => row.id === `draft-${id}`) : undefined
  switch (command) {
    case 'next':
      return moveRow(row, 1)
    case 'previous':
      return moveRow(row, -1)
    case 'read':
      if (message !== undefined) screen.messages.onRead(message.id, !message.isRead)
      return message !== undefined
    case 'delete':
      if (message !== undefined && !message.isDeleted) screen.messages.onDelete(message)
      return message !== undefined
    case 'undo':
      screen.undo()
      return true
    case 'open':
      document.querySelector<HTMLElement>('#open')?.click()
      return true
    case 'new-draft':
      screen.newDraft()
      return true
    case 'select':
      if (draft !== undefined) mail.drafts.select(draft.id, !draft.isSelected)
      return draft !== undefined
    case 'select-all':
      mail.drafts.selectAll(mail.drafts.selectAllState.peek() !== 'all')
      return true
    case 'save':
      if (draft !== undefined) mail.drafts.save(draft.id)
      return true
    case 'send':
      screen.send(draft === undefined ? undefined : [draft.id])
      return true
    case 'leave':
      return leaveField()
    case 'search':
      return focusNow('#search')
    case 'go-inbox':
      route('/')
      focusSoon('#inbox-heading')
      return true
    case 'go-messages':
      route('/')
      focusSoon('.list article, #messages-heading')
      return true
    case 'go-drafts':
      route('/drafts')
      focusSoon('#drafts .draft select, #drafts-heading')
      return true
    case 'go-sent':
      route('/sent')
      focusSoon('#sent-heading')
      return true
    case 'go-cluster':
      route('/cluster')
      return true
    case 'help':
      route('/help')
      return true
    case 'settings':
      route('/settings')
      return true
  }
}

const ROWS = 'article.row, .gone, li.draft, li.sent'

const currentRow = (): HTMLElement | null => document.activeElement?.closest<HTMLElement>(ROWS) ?? null

/** From row to row in the list that has the focus; the messages, if none has. */
const moveRow = (row: HTMLElement | null, step: 1 | -1): boolean => {
  const item = row?.closest('li, [role=listitem]') ?? null
  const found = item === null ? endOfMessages(step) : itemBeside(item, step)
  const next = found?.matches(ROWS) === true ? found : found?.querySelector(ROWS)
  if (!(next instanceof HTMLElement)) return row !== null
  const target = next.hasAttribute('tabindex') ? next : next.querySelector<HTMLElement>('button')
  target?.focus()
  next.scrollIntoView({ block: 'nearest' })
  return true
}

const endOfMessages = (step: 1 | -1): Element | null => {
  const chunks = document.querySelectorAll('.list .chunk')
  return step === 1 ? (chunks[0]?.firstElementChild ?? null) : (chunks[chunks.length - 1]?.lastElementChild ?? null)
}

/** The next item of a list, or the one before; of messages, beyond the end of a chunk. */
const itemBeside = (item: Element, step: 1 | -1): Element | null | undefined => {
  const [beside, end] = step === 1 ? (['nextElementSibling', 'firstElementChild'] as const) : (['previousElementSibling', 'lastElementChild'] as const)
  return item[beside] ?? item.closest('.chunk')?.[beside]?.[end]
}

/** From a field to the row it is in, so that single keys act again. Text is never discarded. */
const leaveField = (): boolean => {
  const field: Element | null = document.activeElement
  if (!(field instanceof HTMLElement) || !field.matches('input, textarea, select')) return false
  field.blur()
  field.closest<HTMLElement>('li.draft')?.focus()
  return true
}

const focusNow = (selector: string): boolean => {
  document.querySelector<HTMLElement>(selector)?.focus()
  return true
}
