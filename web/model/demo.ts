// The demo's buttons (kill, restart, cut a link, add a node, play all orders): calls to the supervisor that started the
// nodes, whose port and token come in the address of the page (`#demo=PORT.TOKEN`) and are kept as long as the tab.
// The nodes have no such calls.

import { type ReadonlySignal, signal } from '@preact/signals'
import type { Clock, Store } from './ports.ts'

export type DemoAction = 'kill' | 'stop' | 'freeze' | 'thaw' | 'restart'
export type DemoNodeState = 'running' | 'frozen' | 'stopped'

export interface DemoLink {
  readonly a: number
  readonly b: number
  readonly isCut: boolean
}

/** One of the six orders in which two of three nodes can fail, as it went. */
export interface SixRow {
  readonly first: number
  readonly second: number
  readonly survivor: number
  readonly sent: readonly number[]
  readonly held: number
  readonly total: number
  readonly isGood: boolean
  readonly gapsMs: readonly (number | null)[]
}

export interface SixState {
  readonly status: 'running' | 'done'
  /** The order that is played, from 0. */
  readonly order: number
  readonly rows: readonly SixRow[]
  readonly problems: readonly string[]
}

/** Something done from this page. */
export interface DemoAct {
  readonly atMs: number
  readonly text: string
}

export interface DemoModel {
  /** By pid; empty until the supervisor has answered. */
  readonly nodes: ReadonlySignal<ReadonlyMap<number, DemoNodeState>>
  /** Links that can be cut. */
  readonly links: ReadonlySignal<readonly DemoLink[]>
  readonly canAdd: ReadonlySignal<boolean>
  /** Null until it was played. */
  readonly six: ReadonlySignal<SixState | null>
  readonly acts: ReadonlySignal<readonly DemoAct[]>
  act(action: DemoAction, pid: number): Promise<void>
  setCut(link: DemoLink, isCut: boolean): Promise<void>
  addNode(): Promise<void>
  playSix(): Promise<void>
  /** Asks for the states of the processes until stopped. */
  show(): () => void
}

export interface DemoOptions {
  readonly address: { readonly port: number; readonly token: string }
  readonly fetch: typeof globalThis.fetch
  readonly clock: Clock
}

interface DemoJson {
  readonly nodes: readonly { readonly pid: number; readonly state: DemoNodeState }[]
  readonly links: readonly DemoLink[]
  readonly canAdd: boolean
  readonly six: SixState | null
}

const KEY = 'starling.demo'
const PATTERN = /^(\d{1,5})\.([0-9a-f]{16,64})$/
const ASK_EVERY_MS = 1000
const ACTS_MAX = 100
const ACT_WORDS: Readonly<Record<DemoAction, string>> = { kill: 'killed', stop: 'stopped', freeze: 'frozen', thaw: 'thawed', restart: 'restarted' }

/** The supervisor's address from the fragment of the page's URL, or as this tab remembers it; null outside the demo. */
export const findDemoAddress = (fragment: string, tabStore: Store): { port: number; token: string } | null => {
  const given = new URLSearchParams(fragment.replace(/^#/, '')).get('demo')
  if (given !== null && PATTERN.test(given)) tabStore.setItem(KEY, given)
  const [, port, token] = PATTERN.exec(tabStore.getItem(KEY) ?? '') ?? []
  return port === undefined || token === undefined ? null : { port: Number(port), token }
}

export const createDemo = ({ address, fetch, clock }: DemoOptions): DemoModel => {
  const nodes = signal<ReadonlyMap<number, DemoNodeState>>(new Map())
  const links = signal<readonly DemoLink[]>([])
  const canAdd = signal(false)
  const six = signal<SixState | null>(null)
  const acts = signal<readonly DemoAct[]>([])
  const noteAct = (text: string): void => {
    acts.value = [...acts.value, { atMs: clock.nowMs(), text: `${text} from this page` }].slice(-ACTS_MAX)
  }

  const ask = async (method: 'GET' | 'POST', path: string): Promise<void> => {
    try {
      const response = await fetch(`http://127.0.0.1:${address.port}${path}`, {
        method,
        headers: { Authorization: `Bearer ${address.token}` },
        credentials: 'omit',
      })
      if (!response.ok) return
      const body = (await response.json()) as DemoJson
      nodes.value = new Map(body.nodes.map(({ pid, state }) => [pid, state]))
      links.value = body.links
      canAdd.value = body.canAdd
      six.value = body.six
    } catch {
      nodes.value = new Map() // the demo has ended: no buttons
    }
  }

  return {
    nodes,
    links,
    canAdd,
    six,
    acts,
    act: (action, pid) => {
      noteAct(`node ${pid} was ${ACT_WORDS[action]}`)
      return ask('POST', `/${action}/${pid}`)
    },
    setCut: ({ a, b }, isCut) => {
      noteAct(`link ${a}–${b} was ${isCut ? 'cut' : 'mended'}`)
      return ask('POST', `/${isCut ? 'cut' : 'mend'}/${a}/${b}`)
    },
    addNode: () => {
      noteAct('a node was added')
      return ask('POST', '/add')
    },
    playSix: () => ask('POST', '/six'),
    show: () => {
      let isShown = true
      let cancel = (): void => {}
      const again = async (): Promise<void> => {
        await ask('GET', '/state')
        if (isShown) cancel = clock.after(ASK_EVERY_MS, () => void again())
      }
      void again()
      return () => {
        isShown = false
        cancel()
      }
    },
  }
}
