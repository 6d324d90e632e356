// Which screen is shown: signing in, or one of the pages of the person who is signed in, with what lies over them.

import { useSignal } from '@preact/signals'
import { ErrorBoundary, LocationProvider, Route, Router, lazy, useLocation } from 'preact-iso'
import { useEffect } from 'preact/hooks'
import type { App } from '../model/app.ts'
import type { Mail } from '../model/mail.ts'
import { type Announcer, createAnnouncer } from './announcer.tsx'
import { Banner, Header, LogOutSheet, type Page, TabBar } from './frame.tsx'
import { Brand } from './icons.tsx'
import { MailScreen } from './mail-screen.tsx'
import { useOutside } from './outside-page.ts'
import { useCommands } from './use-commands.ts'

const Login = lazy(() => import('./login.tsx').then((module) => module.Login))
const Cluster = lazy(() => import('./cluster.tsx').then((module) => module.Cluster))
const Settings = lazy(() => import('./settings.tsx').then((module) => module.Settings))
const Palette = lazy(() => import('./palette.tsx').then((module) => module.Palette))
const Help = lazy(() => import('./help.tsx').then((module) => module.Help))
// What makes these panels come needs a node, so it can also give their script where the device has not kept it.
const DeleteAccount = lazy(() => import('./panels.tsx').then((module) => module.DeleteAccount))
const NameLost = lazy(() => import('./panels.tsx').then((module) => module.NameLost))
const TakenOver = lazy(() => import('./panels.tsx').then((module) => module.TakenOver))

export const createAppView = (app: App) => {
  const announcer = createAnnouncer()
  return () => (
    <LocationProvider>
      <Theme app={app} />
      <Screens app={app} announcer={announcer} />
      <announcer.Region />
    </LocationProvider>
  )
}

const Theme = ({ app }: { app: App }) => {
  const theme = app.preferences.theme.value
  useEffect(() => {
    if (theme === 'system') delete document.documentElement.dataset.theme
    else document.documentElement.dataset.theme = theme
  }, [theme])
  return null
}

const Screens = ({ app, announcer }: { app: App; announcer: Announcer }) => {
  const state = app.session.state.value
  const mail = app.mail.value
  const isIn = state.status === 'signed-in' || state.status === 'taken-over'
  // The mail opens behind the recovery codes, which are part of signing up.
  if (!isIn || app.session.freshCodes.value !== null) return <SignedOut app={app} />
  if (mail === null || (!mail.isLoaded.value && mail.seenMs.value === null)) return <main class="loading" id="content" aria-busy="true" />
  return <SignedIn key={mail.owner} app={app} mail={mail} announcer={announcer} />
}

/**
 * The router compares the props of a route by their JSON at each render. That of an app is everything in it, which takes
 * 20 ms with 5,000 messages, and reading it would redraw the page whenever anything changes at all. The objects given
 * here stay the same as long as the screens do.
 */
const UNREAD = { toJSON: () => '' }

const SignedOut = ({ app }: { app: App }) => (
  <Router>
    <Route path="/cluster" component={Outside} app={app} page="cluster" {...UNREAD} />
    <Route path="/help" component={Outside} app={app} page="help" {...UNREAD} />
    <Route default component={Login} app={app} {...UNREAD} />
  </Router>
)

/** A page that needs nobody to be signed in, with the way to the sign-in page. */
const Outside = ({ app, page }: { app: App; page: 'cluster' | 'help' }) => (
  <div class="screen paged outside">
    <header class="top">
      <a class="brand" href="/" aria-label="Starling">
        <Brand />
        <span>Starling</span>
      </a>
      <nav class="push" aria-label="Pages">
        <a class="btn" href="/">
          Log in
        </a>
      </nav>
    </header>
    {page === 'cluster' ? <Cluster app={app} mail={null} /> : <Help />}
  </div>
)

const PAGE_NAMES: Readonly<Record<string, string>> = { '/cluster': 'Cluster', '/settings': 'Settings', '/help': 'Help' }

const SignedIn = ({ app, mail, announcer }: { app: App; mail: Mail; announcer: Announcer }) => {
  const { path, route } = useLocation()
  const isPaletteOpen = useSignal(false)
  useOutside(app, mail, PAGE_NAMES[path] ?? '')
  useEffect(() => {
    const listen = (event: KeyboardEvent): void => {
      if (event.key !== 'k' || !(event.ctrlKey || event.metaKey) || event.altKey || document.querySelector('dialog[open], .behind[inert]') !== null) return
      event.preventDefault()
      isPaletteOpen.value = true
    }
    document.addEventListener('keydown', listen)
    return () => document.removeEventListener('keydown', listen)
  }, [isPaletteOpen])
  const state = app.session.state.value
  const lostName = app.session.lostName.value
  const isDeleting = useSignal(false)
  const isLeaving = useSignal(false)
  const onLogOut = (): void => {
    if (mail.mailbox.unsentCount.peek() > 0) isLeaving.value = true
    else void app.logOut({ forget: true })
  }
  const onDelete = (): void => {
    isDeleting.value = true
  }
  const isCovered = state.status === 'taken-over' || lostName !== null
  const isLoaded = mail.isLoaded.value
  const frame = { app, mail, announcer, onLogOut, onDelete, ...UNREAD }
  return (
    <>
      {isLeaving.value && (
        <LogOutSheet mail={mail} onLogOut={(options) => void app.logOut(options)} onCancel={() => (isLeaving.value = false)} />
      )}
      {isCovered && (
        <main>
          <ErrorBoundary>
            {state.status === 'taken-over' ? <TakenOver app={app} mail={mail} atMs={state.atMs} /> : lostName !== null && <NameLost app={app} lostName={lostName} />}
          </ErrorBoundary>
        </main>
      )}
      {!isLoaded && (
        <main class="vh" aria-busy="true">
          <h1>Opening your mail</h1>
        </main>
      )}
      <div class="behind" inert={isCovered || !isLoaded} aria-busy={isLoaded ? undefined : true}>
        <Router>
          <Route path="/cluster" component={Framed} page="cluster" {...frame} />
          <Route path="/settings" component={Framed} page="settings" {...frame} />
          <Route path="/help" component={Framed} page="help" {...frame} />
          <Route default component={MailScreen} {...frame} />
        </Router>
      </div>
      {isPaletteOpen.value && (
        <ErrorBoundary>
          <Palette mail={mail} route={route} onLogOut={onLogOut} onClose={() => (isPaletteOpen.value = false)} />
        </ErrorBoundary>
      )}
      {isDeleting.value && (
        <ErrorBoundary>
          <DeleteAccount app={app} mail={mail} onClose={() => (isDeleting.value = false)} />
        </ErrorBoundary>
      )}
    </>
  )
}

interface FramedProps {
  readonly app: App
  readonly mail: Mail
  readonly page: Exclude<Page, 'mail'>
  readonly onLogOut: () => void
  readonly onDelete: () => void
}

/** A page that is not the mail, with the same frame around it. */
const Framed = ({ app, mail, page, onLogOut, onDelete }: FramedProps) => {
  const { route } = useLocation()
  useCommands(app.preferences, (command) => {
    const path = (
      {
        'go-inbox': '/',
        'go-messages': '/',
        'go-drafts': '/drafts',
        'go-sent': '/sent',
        'go-cluster': '/cluster',
        settings: '/settings',
        help: '/help',
      } as Record<string, string>
    )[command]
    if (path !== undefined) route(path)
    return path !== undefined
  })
  return (
    <div class="screen paged">
      <a class="skip" href="#content">
        Skip to the page
      </a>
      <Header app={app} mail={mail} page={page} onLogOut={onLogOut} onDelete={onDelete} />
      <Banner app={app} mail={mail} />
      {page === 'cluster' && <Cluster app={app} mail={mail} />}
      {page === 'settings' && <Settings app={app} mail={mail} />}
      {page === 'help' && <Help />}
      <TabBar mail={mail} here={page === 'cluster' ? 'cluster' : null} />
    </div>
  )
}
