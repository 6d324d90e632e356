// The main screen: Inbox and Messages beside Drafts and Sent, or one region at a time where there is no room for more.
// What its buttons and keys do is in mail-actions.ts and mail-commands.ts.

import { useSignal } from '@preact/signals'
import { useLocation } from 'preact-iso'
import { useEffect, useMemo } from 'preact/hooks'
import type { App } from '../model/app.ts'
import type { Mail } from '../model/mail.ts'
import type { Announcer } from './announcer.tsx'
import { Drafts, type Nodes } from './drafts.tsx'
import { focusSoon } from './focus.ts'
import { type Region, Banner, Header, TabBar } from './frame.tsx'
import { InboxStrip } from './inbox.tsx'
import { createActions } from './mail-actions.ts'
import { runCommand } from './mail-commands.ts'
import { Messages } from './messages.tsx'
import { Sent } from './sent.tsx'
import { useCommands } from './use-commands.ts'

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

  useEffect(() => {
    // For whoever measures how soon the list is there: the frame after this one shows it.
    requestAnimationFrame(() => performance.mark('starling-list'))
  }, [])
  const isLoaded = mail.isLoaded.value
  useEffect(() => {
    if (isLoaded) requestAnimationFrame(() => performance.mark('starling-loaded'))
  }, [isLoaded])
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
  // What is looked for may be in months that were not opened yet.
  const isSearching = search.value !== ''
  useEffect(() => {
    if (isSearching) void mail.openEverything()
  }, [isSearching, mail])

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
            seenMs={mail.seenMs.value}
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
          <Sent rows={mailbox.sent.value} count={mailbox.sentCount.value} search={search.value} nodes={nodes} actions={screen.sent} />
        </div>
      </main>
      <TabBar mail={mail} here={region} />
    </div>
  )
}
