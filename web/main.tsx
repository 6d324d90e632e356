// Puts the page together: the browser's clock, stores and sockets under the models, the models under the view.

import { render } from 'preact'
import { createApi } from './link/api.ts'
import type { NodeAddress } from './link/fail-over.ts'
import { type NodeBook, createNodeBook } from './link/node-book.ts'
import { forgetReplicas, listKeptRooms, listReplicasAside, setReplicaAside } from './link/replicas.ts'
import { createLink } from './link/sockets.ts'
import { type App, createApp } from './model/app.ts'
import type { Ports, Store } from './model/ports.ts'
import './styles/main.css'
import { createAppView } from './view/app-view.tsx'

const main = (): void => {
  performance.mark('starling-start')
  const deviceStore = openStore(() => localStorage)
  const book = createNodeBook(deviceStore, location.origin)
  const fetch = window.fetch.bind(window)
  const learn = (nodes: readonly NodeAddress[], selfUrl: string | null): void => {
    book.learn(nodes)
    if (selfUrl !== null && isOtherNameOf(location, new URL(selfUrl))) location.replace(selfUrl + location.pathname + location.search)
  }
  const ports: Ports = {
    clock: {
      nowMs: Date.now,
      after: (ms, work) => {
        const timer = setTimeout(work, ms)
        return () => clearTimeout(timer)
      },
    },
    api: createApi({ book, fetch, device: describeDevice(navigator.userAgent) }),
    deviceStore,
    tabStore: openStore(() => sessionStorage),
    connect: (account, events) => createLink({ ...account, book, events }),
    listKeptRooms,
    forgetReplicas,
    setReplicaAside,
    listReplicasAside,
    keepStorage: async () => (await navigator.storage?.persist?.()) ?? null,
    notify: (note) => {
      if (document.visibilityState !== 'visible') navigator.serviceWorker?.controller?.postMessage({ type: 'notify', ...note })
    },
    random: (bytes) => crypto.getRandomValues(new Uint8Array(bytes)),
  }
  addEventListener('securitypolicyviolation', ({ effectiveDirective, blockedURI }) => {
    if (effectiveDirective === 'connect-src' && URL.canParse(blockedURI)) book.shun(new URL(blockedURI).host)
  })
  const app = createApp({ ports, remembered: book.nodes, learn, fetch, fragment: location.hash })
  // The fragment holds the demo's token; it has no place in what a person copies or bookmarks.
  if (location.hash.startsWith('#demo=')) history.replaceState(null, '', location.pathname)
  listenToBrowser(app)
  void keepShell(book, app)
  const root = document.getElementById('root')
  if (root !== null) render(createAppView(app)(), root)
}

/** A browser may refuse its stores altogether; then what would be in them is remembered as long as the page. */
const openStore = (open: () => Storage): Store => {
  try {
    const store = open()
    store.getItem('starling.accounts')
    return store
  } catch {
    const items = new Map<string, string>()
    return { getItem: (key) => items.get(key) ?? null, setItem: (key, value) => void items.set(key, value), removeItem: (key) => void items.delete(key) }
  }
}

/**
 * localhost and 127.0.0.1 are one machine, but two origins: nodes take calls only from pages under the names that the
 * cluster goes by, so a page under the other name could not move to another node.
 */
const isOtherNameOf = (here: URL | Location, self: URL): boolean =>
  here.origin !== self.origin && here.port === self.port && LOOPBACK.test(here.hostname) && LOOPBACK.test(self.hostname)

const LOOPBACK = /^(localhost|127(\.\d{1,3}){3}|\[::1\])$/

/** What opening a database fails with where the browser forbids it. */
const NO_STORAGE: readonly string[] = ['SecurityError', 'InvalidStateError', 'UnknownError']

/** Back online, back in view: dial at once. A full disk shows as a failed write that nobody waits for. */
const listenToBrowser = (app: App): void => {
  const wake = (): void => app.mail.peek()?.wake()
  addEventListener('online', wake)
  addEventListener('pageshow', wake)
  addEventListener('pagehide', () => app.mail.peek()?.keepSeen())
  document.addEventListener('visibilitychange', () => {
    if (document.visibilityState === 'visible') wake()
  })
  addEventListener('unhandledrejection', (event) => {
    if (!(event.reason instanceof DOMException)) return
    if (event.reason.name === 'QuotaExceededError') app.mail.peek()?.connection.onDiskFull()
    else if (!NO_STORAGE.includes(event.reason.name)) return // a browser without storage was told of when the replica opened
    event.preventDefault()
  })
}

/** Lets the service worker keep the page on this device, and tells it which nodes that copy may talk to. */
const keepShell = async (book: NodeBook, app: App): Promise<void> => {
  if (!('serviceWorker' in navigator)) return // an insecure page: it works, but not after a reload without nodes
  const tell = async (): Promise<void> => {
    const { active } = await navigator.serviceWorker.ready
    active?.postMessage(book.nodes().map(({ url }) => new URL(url).origin))
  }
  try {
    watchForUpdate(await navigator.serviceWorker.register(createWorkerUrl('/service-worker.js') as string), app)
  } catch {
    // Without a node there is nothing to fetch; the worker of an earlier visit goes on.
  }
  book.watch(() => void tell())
  await tell()
}

/** A new version waits until the person asks for it: a reload under their hands would be worse than an old page. */
const watchForUpdate = (registration: ServiceWorkerRegistration, app: App): void => {
  const offer = (): void => {
    const { waiting } = registration
    if (waiting === null || navigator.serviceWorker.controller === null) return
    app.offerUpdate(() => {
      navigator.serviceWorker.addEventListener('controllerchange', () => location.reload(), { once: true })
      waiting.postMessage('take-over')
    })
  }
  offer()
  registration.addEventListener('updatefound', () => registration.installing?.addEventListener('statechange', offer))
}

/** The one policy that the page's Content-Security-Policy lets make script URLs. */
const createWorkerUrl = (path: string): unknown => {
  const { trustedTypes } = window as Window & {
    trustedTypes?: {
      createPolicy(name: string, rules: { createScriptURL(url: string): string }): { createScriptURL(url: string): unknown }
    }
  }
  return trustedTypes === undefined
    ? path
    : trustedTypes.createPolicy('starling', { createScriptURL: () => '/service-worker.js' }).createScriptURL(path)
}

/** "Chrome on Linux": what a person tells their devices apart by. */
const describeDevice = (userAgent: string): string => {
  const browser = [/Edg/, /OPR/, /Firefox/, /Chrome/, /Safari/].find((known) => known.test(userAgent))?.source ?? 'Browser'
  const system = [/Android/, /iPhone/, /iPad/, /Windows/, /Mac/, /Linux/].find((known) => known.test(userAgent))?.source ?? 'unknown system'
  return `${{ Edg: 'Edge', OPR: 'Opera' }[browser] ?? browser} on ${system}`
}

main()
