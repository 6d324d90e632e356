// What of the page shows outside of it: the title and the icon of its tab, the badge of the installed page, and
// notifications while no tab is looked at.

import { useEffect } from 'preact/hooks'
import type { App } from '../model/app.ts'
import type { Mail } from '../model/mail.ts'

const NOTE_CHARACTERS_MAX = 80

interface BadgedNavigator {
  setAppBadge?(count: number): Promise<void>
  clearAppBadge?(): Promise<void>
}

const showIcon = (hasNews: boolean): void => {
  const link = document.querySelector<HTMLLinkElement>('link[rel="icon"]')
  const href = hasNews ? '/icon-dot.svg' : '/icon.svg'
  if (link !== null && link.getAttribute('href') !== href) link.href = href
}

const showBadge = (count: number): void => {
  const { setAppBadge, clearAppBadge } = navigator as BadgedNavigator
  // A page that is not installed has no badge; that is no failure.
  if (count > 0) setAppBadge?.call(navigator, count).catch(() => {})
  else clearAppBadge?.call(navigator).catch(() => {})
}

/** `page` is what is shown beside the mail: "Cluster", or '' for the mail itself. */
export const useOutside = (app: App, mail: Mail, page: string): void => {
  const { mailbox, connection } = mail
  const count = mailbox.inboxCount.value + mailbox.unreadCount.value
  const isOffline = connection.chip.value.status === 'offline'
  useEffect(() => {
    document.title = `${isOffline ? '⏸ ' : ''}${count > 0 ? `(${count}) ` : ''}${page === '' ? '' : `${page} · `}Starling`
    showIcon(count > 0)
    showBadge(count)
  }, [count, isOffline, page])
  const arrived = mailbox.arrived.value
  useEffect(() => {
    if (arrived === null || !app.preferences.notifies.peek()) return
    const text = app.preferences.isPrivate.peek() ? 'New message' : `${arrived.from}: ${[...arrived.text].slice(0, NOTE_CHARACTERS_MAX).join('')}`
    app.notify({ id: arrived.id, text })
  }, [app, arrived])
  useEffect(
    () => () => {
      document.title = 'Starling'
      showIcon(false)
      showBadge(0)
    },
    [],
  )
}
