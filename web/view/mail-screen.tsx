// The main screen: Inbox and Messages beside Drafts and Sent, or one region at a time where there is no room for more.
// Ties keys and buttons to the models and decides where the focus goes after each action.

import { useSignal } from '@preact/signals'
import { useLocation } from 'preact-iso'
import { useEffect, useMemo } from 'preact/hooks'
import type { DraftId, MessageId } from '../../crdt-schema/ids.ts'
import type { App } from '../model/app.ts'
import type { DraftContent } from '../model/drafts.ts'
import type { Mail } from '../model/mail.ts'
import type { Announcer } from './announcer.tsx'
import { Drafts, type Nodes } from './drafts.tsx'
import { focusSoon } from './focus.ts'
import { type Region, Banner, Header, TabBar } from './frame.tsx'
import { InboxStrip } from './inbox.tsx'
import type { Command } from './keys.ts'
import { type MessageActions, Messages } from './messages.tsx'
import { type SentActions, Sent } from './sent.tsx'
import { useCommands } from './use-commands.ts'
import { openedText, sendText } from './words.ts'

export interface MailScreenProps {
  readonly app: App
  readonly mail: Mail
  readonly announcer: Announcer
  readonly onLogOut: () => void
  readonly onDelete: () => void
}

const REGIONS: Readonly<Record<string, Region>> = { '/drafts': 'drafts', '/sent': 'sent' }
const PATHS: Readonly<Record<Region, string>> = { messages: '/', drafts: '/drafts', sent: '/sent' }

export const MailScreen = ({ app, mail, announcer, onLogOut, onDelete }: MailScreenProps) => {
  const { path, route } = useLocation()
  const region = REGIONS[path] ?? 'messages'
  const search = useSignal('')
  const { mailbox, drafts, connection, people } = mail
  const screen = useMemo(() => createActions(mail, announcer, (to) => route(PATHS[to])), [mail, announcer, route])

  useCommands(app.preferences, (command) => runCommand(command, screen, mail, route))
  useEffect(
    () => () => {
      mailbox.leaveList()
      drafts.leaveList()
    },
    [mailbox, drafts],
  )
  const arrived = mailbox.arrived.value
  useEffect(() => {
    if (arrived !== null) announcer.say(arrived.count === 1 ? `New message from ${arrived.from}` : `${arrived.count} new messages`)
  }, [arrived, announcer])
  const waiting = mailbox.inboxCount.value
  const isOffline = connection.chip.value.status === 'offline'
  useEffect(() => {
    const count = waiting + mailbox.unreadCount.value
    document.title = `${isOffline ? '⏸ ' : ''}${count > 0 ? `(${count}) ` : ''}Starling`
  }, [waiting, isOffline, mailbox.unreadCount.value])

  const ready = connection.ready.value
  const members = connection.members.value
  const nodes: Nodes = {
    members,
    down: connection.isOnline.value && ready.length > 0 ? members.filter((pid) => !ready.includes(pid)) : [],
    isOnline: connection.isOnline.value,
  }

  return (
    <div class="screen" data-region={region}>
      <a class="skip" href="#content">
        Skip to messages
      </a>
      <Header
        app={app}
        mail={mail}
        page="mail"
        onLogOut={onLogOut}
        onDelete={onDelete}
        search={{ text: search.value, onSearch: (text) => (search.value = text) }}
      />
      <Banner app={app} mail={mail} />
      <main class="app" id="content" tabIndex={-1}>
        <div class="col left">
          <InboxStrip mailbox={mailbox} onOpen={screen.open} />
          <Messages
            mailbox={mailbox}
            search={search.value}
            actions={screen.messages}
            hasOlder={mail.hasOlder.value}
            onOlder={mail.showOlder}
            onFirstNote={() => screen.newDraft({ to: people.people.value.slice(-1) })}
          />
        </div>
        <div class="col right">
          <Drafts
            drafts={drafts}
            owner={mail.owner}
            people={people.people.value}
            arePeopleComplete={people.isComplete.value}
            nodes={nodes}
            onNew={() => screen.newDraft()}
            onSend={screen.send}
            onDiscard={(row) => {
              drafts.discard(row.id)
              focusSoon(row.text === '' ? '#drafts-heading' : `#draft-${row.id} .btn.link`)
            }}
            onPeople={() => void people.refresh()}
          />
          <Sent rows={mailbox.sent.value} search={search.value} nodes={nodes} actions={screen.sent} />
        </div>
      </main>
      <TabBar mail={mail} here={region} />
    </div>
  )
}

// ---- actions, with where the focus goes afterwards

interface ScreenActions {
  readonly open: (count: number) => void
  readonly newDraft: (content?: DraftContent) => void
  readonly send: (ids?: readonly DraftId[]) => void
  readonly undo: () => void
  readonly messages: MessageActions
  readonly sent: SentActions
}

const createActions = (mail: Mail, announcer: Announcer, show: (region: Region) => void): ScreenActions => {
  const { mailbox, drafts } = mail
  /** What `z` takes back, latest last. */
  const undoable: (() => void)[] = []

  const undoDelete = (id: MessageId): void => {
    mailbox.restore(id)
    announcer.say('Message brought back')
    focusSoon(`#message-${id}`)
  }

  const newDraft: ScreenActions['newDraft'] = (content = {}) => {
    const id = drafts.create(content)
    if (id === null) {
      announcer.say('There are too many drafts. Send or discard some first.')
      return
    }
    show('drafts')
    // Whom it goes to comes first, unless that is known.
    focusSoon(content.to === undefined ? `#draft-${id} select` : `#draft-${id} textarea`)
  }

  return {
    open: (count) => {
      const { opened, first } = mailbox.open(count)
      announcer.say(openedText(opened, mailbox.inboxCount.peek()))
      if (first !== null) focusSoon(`#message-${first}`)
    },
    newDraft,
    send: (ids) => {
      const { sent, failed } = drafts.send(ids)
      announcer.say(sendText(sent.length, failed.length))
      for (const id of sent) undoable.push(() => mailbox.recall(id))
      const [first] = failed
      if (first !== undefined) focusSoon(`#draft-${first} select, #draft-${first} textarea`)
      else if (sent.length > 0) focusSoon('#drafts-heading')
    },
    undo: () => {
      undoable.pop()?.()
    },
    messages: {
      onRead: (id, isRead) => mailbox.setRead(id, isRead),
      onDelete: (row) => {
        mailbox.remove(row.id)
        undoable.push(() => undoDelete(row.id))
        announcer.say('Deleted. Undo with z.')
        focusSoon(`#message-${row.id} .btn.link`)
      },
      onUndo: undoDelete,
      onReply: (row) => newDraft({ to: [row.from] }),
    },
    sent: {
      onCancel: (row) => {
        const given = mailbox.giveUp(row.id)
        if (given !== null) newDraft(given)
      },
      onRecall: (row) => mailbox.recall(row.id),
      onCopy: (row) => {
        // Only secure pages have a clipboard; elsewhere the text comes back as a draft.
        if (navigator.clipboard === undefined) newDraft({ to: [], text: row.text })
        else void navigator.clipboard.writeText(row.text).then(() => announcer.say('Text copied'))
      },
      onDiscard: (row) => void mailbox.giveUp(row.id),
      onRetry: (row) => {
        const given = mailbox.giveUp(row.id)
        if (given === null) return
        const id = drafts.create(given)
        if (id !== null) drafts.send([id])
      },
    },
  }
}

// ---- keys

const runCommand = (command: Command, screen: ScreenActions, mail: Mail, route: (path: string) => void): boolean => {
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
  const list = row?.closest('ul') ?? document.querySelector('.list ul')
  const rows = [...(list?.querySelectorAll<HTMLElement>(ROWS) ?? [])]
  const place = row === null ? (step === 1 ? 0 : rows.length - 1) : rows.indexOf(row) + step
  const next = rows[place]
  if (next === undefined) return row !== null
  const target = next.hasAttribute('tabindex') ? next : next.querySelector<HTMLElement>('button')
  target?.focus()
  next.scrollIntoView({ block: 'nearest' })
  return true
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
