// Keeps the shell of the page on this device, so that it opens with the network off or its node dead. Serves nothing
// else: documents are in IndexedDB, and calls and sockets go to nodes directly. A new version waits until the page asks.
// The page may talk only to the nodes in its Content-Security-Policy; the kept copy gets those it heard of last.

declare const SHELL_FILES: readonly string[]
declare const SHELL_VERSION: string
declare const self: ServiceWorkerScope

/** What this file uses of a worker's global scope; the project's types are those of a window. */
interface ServiceWorkerScope {
  readonly location: Location
  readonly clients: {
    claim(): Promise<void>
    matchAll(options: { type: 'window' }): Promise<readonly WindowClient[]>
    openWindow(url: string): Promise<unknown>
  }
  readonly registration: ServiceWorkerRegistration
  skipWaiting(): Promise<void>
  addEventListener(type: 'install' | 'activate', listen: (event: { waitUntil(work: Promise<unknown>): void }) => void): void
  addEventListener(
    type: 'fetch',
    listen: (event: { readonly request: Request; respondWith(response: Promise<Response>): void }) => void,
  ): void
  addEventListener(
    type: 'notificationclick',
    listen: (event: { readonly notification: Notification; waitUntil(work: Promise<unknown>): void }) => void,
  ): void
  addEventListener(type: 'message', listen: (event: MessageEvent & { waitUntil(work: Promise<unknown>): void }) => void): void
}

interface WindowClient {
  readonly visibilityState: DocumentVisibilityState
  focus(): Promise<unknown>
}

const SHELL_PREFIX = 'starling-shell-'
const SHELL = `${SHELL_PREFIX}${SHELL_VERSION}`
const MEMORY = 'starling-memory'
const NODES_PATH = '/kept/nodes.json'
const NODES_MAX = 9

self.addEventListener('install', (event) => {
  event.waitUntil(keepShell())
})

self.addEventListener('activate', (event) => {
  event.waitUntil(Promise.all([forgetOldShells(), self.clients.claim()]))
})

self.addEventListener('message', (event) => {
  const said: unknown = event.data
  if (said === 'take-over') event.waitUntil(self.skipWaiting())
  else if (Array.isArray(said)) event.waitUntil(keepNodes(said))
  else if (isNote(said)) event.waitUntil(notify(said))
})

self.addEventListener('notificationclick', (event) => {
  event.notification.close()
  event.waitUntil(showPage())
})

self.addEventListener('fetch', (event) => {
  const { request } = event
  const url = new URL(request.url)
  if (request.method !== 'GET' || url.origin !== self.location.origin) return
  if (request.mode === 'navigate') event.respondWith(answerPage(request))
  else if (SHELL_FILES.includes(url.pathname)) event.respondWith(answerFile(request))
})

interface Note {
  readonly type: 'notify'
  readonly id: string
  readonly text: string
}

const isNote = (said: unknown): said is Note => {
  const { type, id, text } = (said ?? {}) as Record<string, unknown>
  return type === 'notify' && typeof id === 'string' && typeof text === 'string'
}

/** Once for a message, however many tabs tell of it, and not while one of them is looked at. */
const notify = async ({ id, text }: Note): Promise<void> => {
  const pages = await self.clients.matchAll({ type: 'window' })
  if (pages.some(({ visibilityState }) => visibilityState === 'visible')) return
  await self.registration.showNotification('Starling', { body: text, tag: id, icon: '/icon-192.png' })
}

const showPage = async (): Promise<void> => {
  const [page] = await self.clients.matchAll({ type: 'window' })
  await (page === undefined ? self.clients.openWindow('/') : page.focus())
}

const keepShell = async (): Promise<void> => {
  const shell = await caches.open(SHELL)
  // Past the browser's own cache: an old index.html would name files of another version.
  await shell.addAll(SHELL_FILES.map((path) => new Request(path, { cache: 'reload' })))
}

const forgetOldShells = async (): Promise<void> => {
  const names = await caches.keys()
  await Promise.all(names.filter((name) => name.startsWith(SHELL_PREFIX) && name !== SHELL).map((name) => caches.delete(name)))
}

const answerFile = async (request: Request): Promise<Response> => (await (await caches.open(SHELL)).match(request)) ?? fetch(request)

/** Any address of the page is the same page. */
const answerPage = async (request: Request): Promise<Response> => {
  const kept = await (await caches.open(SHELL)).match('/')
  if (kept === undefined) return fetch(request)
  const headers = new Headers(kept.headers)
  const policy = headers.get('Content-Security-Policy')
  if (policy !== null) headers.set('Content-Security-Policy', allowNodes(policy, await readNodes()))
  return new Response(kept.body, { status: 200, headers })
}

/** The policy with the nodes added to those it lets the page connect to. */
const allowNodes = (policy: string, nodes: readonly string[]): string => {
  const sources = nodes.flatMap((origin) => [origin, origin.replace(/^http/, 'ws')])
  return policy
    .split(';')
    .map((directive) => {
      const [name, ...allowed] = directive.trim().split(/\s+/)
      return name === 'connect-src' ? [name, ...new Set([...allowed, ...sources])].join(' ') : directive.trim()
    })
    .join('; ')
}

const keepNodes = async (said: readonly unknown[]): Promise<void> => {
  const origins = said.filter(isOrigin).slice(0, NODES_MAX)
  await (await caches.open(MEMORY)).put(NODES_PATH, new Response(JSON.stringify(origins)))
}

const readNodes = async (): Promise<string[]> => {
  const kept = await (await caches.open(MEMORY)).match(NODES_PATH)
  const value: unknown = await kept?.json()
  return Array.isArray(value) ? value.filter(isOrigin) : []
}

/** Nothing but a bare origin gets into the policy. */
const isOrigin = (value: unknown): value is string =>
  typeof value === 'string' && /^https?:/.test(value) && URL.canParse(value) && new URL(value).origin === value
