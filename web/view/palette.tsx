// Ctrl+K: everything the page can do and everybody one can write to, found by typing.

import { useSignal } from '@preact/signals'
import { useEffect, useRef } from 'preact/hooks'
import type { Person } from '../../crdt-schema/inbox.ts'
import type { Mail } from '../model/mail.ts'
import { focusSoon } from './focus.ts'

interface Entry {
  readonly name: string
  readonly run: () => void
}

const ENTRIES_MAX = 8

export interface PaletteProps {
  readonly mail: Mail
  readonly route: (path: string) => void
  readonly onLogOut: () => void
  readonly onClose: () => void
}

export const Palette = ({ mail, route, onLogOut, onClose }: PaletteProps) => {
  const dialog = useRef<HTMLDialogElement>(null)
  const text = useSignal('')
  const place = useSignal(0)
  useEffect(() => dialog.current?.showModal(), [])
  const found = listEntries(mail, route, onLogOut)
    .filter(({ name }) => name.toLowerCase().includes(text.value.trim().toLowerCase()))
    .slice(0, ENTRIES_MAX)
  const run = (entry: Entry | undefined): void => {
    if (entry === undefined) return
    dialog.current?.close()
    entry.run()
  }
  return (
    <dialog class="panel palette" ref={dialog} aria-label="Do or find" onClose={onClose}>
      <input
        class="field"
        type="text"
        role="combobox"
        aria-label="What to do, or whom to write to"
        aria-expanded="true"
        aria-controls="palette-list"
        aria-activedescendant={found.length === 0 ? undefined : `palette-${place.value}`}
        autoComplete="off"
        placeholder="What to do, or whom to write to"
        onInput={(event) => {
          text.value = event.currentTarget.value
          place.value = 0
        }}
        onKeyDown={(event) => {
          const step = { ArrowDown: 1, ArrowUp: -1 }[event.key] ?? 0
          if (step !== 0) place.value = Math.min(found.length - 1, Math.max(0, place.value + step))
          else if (event.key === 'Enter') run(found[place.value])
          else return
          event.preventDefault()
        }}
      />
      <ul id="palette-list" role="listbox" aria-label="Found">
        {found.map((entry, at) => (
          <li key={entry.name} id={`palette-${at}`} role="option" aria-selected={at === place.value} onClick={() => run(entry)}>
            {entry.name}
          </li>
        ))}
      </ul>
      {found.length === 0 && <p class="help">Nothing by that name.</p>}
    </dialog>
  )
}

const listEntries = (mail: Mail, route: (path: string) => void, onLogOut: () => void): readonly Entry[] => {
  const go = (name: string, path: string, selector: string): Entry => ({
    name,
    run: () => {
      route(path)
      focusSoon(selector)
    },
  })
  const write = (to: Person | null): void => {
    const id = mail.drafts.create(to === null ? {} : { to: [to] })
    route('/drafts')
    if (id !== null) focusSoon(to === null ? `#draft-${id} select` : `#draft-${id} textarea`)
  }
  return [
    { name: 'New draft', run: () => write(null) },
    go('Inbox', '/', '#inbox-heading'),
    go('Messages', '/', '#messages-heading'),
    go('Drafts', '/drafts', '#drafts-heading'),
    go('Sent & outbox', '/sent', '#sent-heading'),
    go('Cluster', '/cluster', '#content'),
    go('Settings', '/settings', '#content'),
    go('Help', '/help', '#content'),
    { name: 'Mark all as read', run: () => mail.mailbox.messages.peek().forEach(({ id, isRead }) => isRead || mail.mailbox.setRead(id, true)) },
    { name: 'Log out', run: onLogOut },
    ...mail.people.people.peek().map((person) => ({ name: `Write to ${person.name}${person.id === mail.owner ? ' (you)' : ''}`, run: () => write(person) })),
  ]
}
