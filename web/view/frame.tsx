// The frame around the screens of a signed-in person: header, connection chip with its list, banner, account sheet, tab bar.

import { useSignal } from '@preact/signals'
import type { App } from '../model/app.ts'
import type { BannerState, ChipState } from '../model/connection.ts'
import type { Mail } from '../model/mail.ts'
import { Brand, Icon, type IconName } from './icons.tsx'
import { bannerText, chipText, plural, toClockSeconds } from './words.ts'

export type Page = 'mail' | 'cluster' | 'settings' | 'help'
export type Region = 'messages' | 'drafts' | 'sent'

export interface FrameProps {
  readonly app: App
  readonly mail: Mail
  readonly page: Page
  readonly onLogOut: () => void
  readonly onDelete: () => void
  readonly search?: { readonly text: string; readonly onSearch: (text: string) => void }
}

export const Header = ({ app, mail, page, search, onLogOut, onDelete }: FrameProps) => {
  const Greeting = page === 'mail' ? 'h1' : 'p'
  return (
    <header class="top">
      <a class="brand" href="/" aria-label="Starling">
        <Brand />
        <span>Starling</span>
      </a>
      <Greeting class="hello">
        Hello, <b>{app.ownName.value}</b>
        {app.reserved.value !== null && app.session.lostName.value === null && (
          <span class="small reserved">
            {' '}
            (name reserved on {app.reserved.value.on} of {app.reserved.value.of} nodes)
          </span>
        )}
      </Greeting>
      {search === undefined ? <span class="push" /> : <Search {...search} />}
      <Chip app={app} mail={mail} />
      <nav class="nav" aria-label="Pages">
        <PageLink href="/cluster" name="Cluster" isHere={page === 'cluster'} />
        <PageLink href="/settings" name="Settings" isHere={page === 'settings'} />
        <PageLink href="/help" name="Help" label="Help (?)" isHere={page === 'help'} />
      </nav>
      <span class="sep" />
      <span class="nav">
        <button type="button" class="btn ghost" onClick={onLogOut}>
          Log out
        </button>
        <button type="button" class="btn ghost" onClick={onDelete}>
          Delete account…
        </button>
      </span>
      <button type="button" class="btn ghost square menu" popovertarget="account" aria-label="Account and settings">
        <Icon name="menu" />
      </button>
      <AccountSheet name={app.ownName.value} onLogOut={onLogOut} onDelete={onDelete} />
    </header>
  )
}

const PageLink = ({ href, name, label, isHere }: { href: string; name: string; label?: string; isHere: boolean }) => (
  <a class="btn ghost" href={href} aria-label={label} aria-current={isHere ? 'page' : undefined}>
    {name}
  </a>
)

const Search = ({ text, onSearch }: { text: string; onSearch: (text: string) => void }) => (
  <search class="find">
    <label class="vh" for="search">
      Search messages and people
    </label>
    <Icon name="search" />
    <input id="search" type="search" placeholder="Search" value={text} onInput={(event) => onSearch(event.currentTarget.value)} />
    <kbd aria-hidden="true">/</kbd>
  </search>
)

const AccountSheet = ({ name, onLogOut, onDelete }: { name: string; onLogOut: () => void; onDelete: () => void }) => (
  <div popover="auto" id="account" class="pop sheet" aria-label="Account and settings">
    <h2>{name}</h2>
    <ul>
      <li>
        <a class="btn ghost" href="/settings" onClick={closeSheet}>
          Settings
        </a>
      </li>
      <li>
        <a class="btn ghost" href="/help" onClick={closeSheet}>
          Help
        </a>
      </li>
      <li>
        <button type="button" class="btn ghost" onClick={() => (closeSheet(), onLogOut())}>
          Log out
        </button>
      </li>
      <li>
        <button type="button" class="btn ghost bad-text" onClick={() => (closeSheet(), onDelete())}>
          Delete account…
        </button>
      </li>
    </ul>
  </div>
)

const closeSheet = (): void => document.getElementById('account')?.hidePopover()

// ---- the connection

const CHIP_LOOKS: Record<ChipState['status'], readonly [string, IconName]> = {
  quiet: ['off', 'dots'],
  connecting: ['off', 'dots'],
  live: ['ok', 'live'],
  saving: ['ok', 'saving'],
  switching: ['info', 'moving'],
  'catching-up': ['info', 'arc'],
  degraded: ['ok', 'live'],
  lone: ['warn', 'warning'],
  offline: ['off', 'off'],
}

const Chip = ({ app, mail }: { app: App; mail: Mail }) => {
  const chip = mail.connection.chip.value
  const [look, icon] = CHIP_LOOKS[chip.status]
  const text = chipText(chip)
  return (
    <>
      <button
        type="button"
        class={`chip ${look}`}
        popovertarget="connection"
        aria-label={`Connection: ${text === '' ? 'connecting' : text}`}
        hidden={chip.status === 'quiet'}
      >
        <Icon name={icon} />
        <span>{text}</span>
      </button>
      <ConnectionList app={app} mail={mail} />
    </>
  )
}

/** What is behind the chip: the node, the last word from it, and everything that is only on this device. */
const ConnectionList = ({ app, mail }: { app: App; mail: Mail }) => {
  const { connection } = mail
  const pid = connection.nodePid.value
  const lastMs = connection.lastContactMs.value
  const onlyHere = mail.onlyHere.value
  return (
    <div popover="auto" id="connection" class="pop" aria-label="Connection">
      <h2>{connection.isOnline.value ? (pid === null ? 'Connected' : `node ${pid}`) : 'Not connected'}</h2>
      <dl class="kv">
        <dt>Last confirmed</dt>
        <dd>{lastMs === null ? 'not yet' : toClockSeconds(lastMs)}</dd>
        <dt>Only on this device</dt>
        <dd>{onlyHere.length}</dd>
        {app.reserved.value !== null && (
          <>
            <dt>Name reserved on</dt>
            <dd>
              {app.reserved.value.on} of {app.reserved.value.of} nodes
            </dd>
          </>
        )}
      </dl>
      {onlyHere.length > 0 && (
        <ul class="small">
          {onlyHere.slice(0, 8).map(({ kind, to, text }, place) => (
            <li key={place} class="clamp1">
              {kind === 'message' ? 'Message' : 'Draft'} {to === '' ? '' : `to ${to}`}, “{text.slice(0, 60)}”
            </li>
          ))}
        </ul>
      )}
      {mail.isEvictable.value && onlyHere.length > 0 && <p class="help">Your browser may clear unsent text. Stay online or keep this tab open.</p>}
      <div class="acts">
        <button type="button" class="btn sm" onClick={mail.wake}>
          Try now
        </button>
        <a class="small" href="/cluster">
          Cluster
        </a>
      </div>
    </div>
  )
}

const BANNER_LOOKS: Record<BannerState['kind'], readonly [string, IconName]> = {
  offline: ['', 'off'],
  'catching-up': ['info', 'arc'],
  lone: ['warn', 'warning'],
  back: ['ok', 'check'],
  'disk-full': ['warn', 'alert'],
  'no-storage': ['warn', 'alert'],
  'set-aside': ['warn', 'alert'],
}

const DISMISSIBLE: readonly BannerState['kind'][] = ['lone', 'disk-full', 'no-storage', 'set-aside']

/** At most one, in the layout and never over it. */
export const Banner = ({ app, mail }: { app: App; mail: Mail }) => {
  const banner = mail.connection.banner.value
  if (banner === null) return app.update.value === null ? <div role="status" class="vh" /> : <UpdateBanner onReload={app.update.value} />
  const [look, icon] = BANNER_LOOKS[banner.kind]
  return (
    <div class={`banner ${look}`} role="status">
      <Icon name={icon} />
      <p>{bannerText(banner)}</p>
      {banner.kind === 'offline' && (
        <button type="button" class="btn sm" onClick={mail.wake}>
          Try now
        </button>
      )}
      {DISMISSIBLE.includes(banner.kind) && (
        <button type="button" class="btn sm" onClick={mail.connection.dismiss}>
          Dismiss
        </button>
      )}
    </div>
  )
}

const UpdateBanner = ({ onReload }: { onReload: () => void }) => (
  <div class="banner info" role="status">
    <Icon name="reload" />
    <p>There is a new version of this page. Your unsent text is kept.</p>
    <button type="button" class="btn sm" onClick={onReload}>
      Reload
    </button>
  </div>
)

// ---- the tab bar of narrow screens

const TABS: readonly { readonly href: string; readonly region: Region | 'cluster'; readonly name: string; readonly icon: IconName }[] = [
  { href: '/', region: 'messages', name: 'Messages', icon: 'mail' },
  { href: '/drafts', region: 'drafts', name: 'Drafts', icon: 'pen' },
  { href: '/sent', region: 'sent', name: 'Sent', icon: 'plane' },
  { href: '/cluster', region: 'cluster', name: 'Net', icon: 'net' },
]

export const TabBar = ({ mail, here }: { mail: Mail; here: Region | 'cluster' | null }) => (
  <nav class="tabs" aria-label="Regions">
    {TABS.map(({ href, region, name, icon }) => (
      <a key={region} href={href} aria-current={region === here ? 'page' : undefined}>
        <Icon name={icon} />
        <span>
          {name}
          {region === 'drafts' && mail.drafts.count.value > 0 && <b class="num"> {mail.drafts.count.value}</b>}
        </span>
      </a>
    ))}
  </nav>
)

// ---- leaving with something unsent

/** Three ways out when messages are only on this device; shown in the layout, not over it. */
export const LogOutSheet = ({
  mail,
  onLogOut,
  onCancel,
}: {
  mail: Mail
  onLogOut: (options: { forget: boolean }) => void
  onCancel: () => void
}) => {
  const unsent = mail.mailbox.unsentCount.value
  const isWaiting = useSignal(false)
  if (isWaiting.value && unsent === 0) queueMicrotask(() => onLogOut({ forget: true }))
  return (
    <section class="panel over" role="region" aria-labelledby="log-out-title">
      <h2 id="log-out-title" tabIndex={-1}>
        {plural(unsent, 'message')} {unsent === 1 ? 'is' : 'are'} only on this device
      </h2>
      <p class="muted">{isWaiting.value ? 'Waiting for a node to take them…' : 'They go out as soon as a node answers.'}</p>
      <div class="acts">
        <button type="button" class="btn primary" onClick={() => (isWaiting.value = true)}>
          Wait and log out
        </button>
        <button type="button" class="btn" onClick={() => onLogOut({ forget: false })}>
          Log out and keep them here
        </button>
        <button type="button" class="btn danger" onClick={() => onLogOut({ forget: true })}>
          Discard
        </button>
        <button type="button" class="btn ghost" onClick={onCancel}>
          Stay
        </button>
      </div>
    </section>
  )
}
