// The demo's kill and restart buttons: calls to the supervisor that started the nodes, whose port and token come in
// the address of the page (`#demo=PORT.TOKEN`) and are kept as long as the tab. The nodes have no such calls.

import { type ReadonlySignal, signal } from '@preact/signals'
import type { Clock, Store } from './ports.ts'

export type DemoAction = 'kill' | 'stop' | 'freeze' | 'thaw' | 'restart'
export type DemoNodeState = 'running' | 'frozen' | 'stopped'

export interface DemoModel {
  /** By pid; empty until the supervisor has answered. */
  readonly nodes: ReadonlySignal<ReadonlyMap<number, DemoNodeState>>
  act(action: DemoAction, pid: number): Promise<void>
  /** Asks for the states of the processes until stopped. */
  show(): () => void
}

export interface DemoOptions {
  readonly address: { readonly port: number; readonly token: string }
  readonly fetch: typeof globalThis.fetch
  readonly clock: Clock
}

const KEY = 'starling.demo'
const PATTERN = /^(\d{1,5})\.([0-9a-f]{16,64})$/
const ASK_EVERY_MS = 1000

/** The supervisor's address from the fragment of the page's URL, or as this tab remembers it; null outside the demo. */
export const findDemoAddress = (fragment: string, tabStore: Store): { port: number; token: string } | null => {
  const given = new URLSearchParams(fragment.replace(/^#/, '')).get('demo')
  if (given !== null && PATTERN.test(given)) tabStore.setItem(KEY, given)
  const [, port, token] = PATTERN.exec(tabStore.getItem(KEY) ?? '') ?? []
  return port === undefined || token === undefined ? null : { port: Number(port), token }
}

export const createDemo = ({ address, fetch, clock }: DemoOptions): DemoModel => {
  const nodes = signal<ReadonlyMap<number, DemoNodeState>>(new Map())

  const ask = async (method: 'GET' | 'POST', path: string): Promise<void> => {
    try {
      const response = await fetch(`http://127.0.0.1:${address.port}${path}`, {
        method,
        headers: { Authorization: `Bearer ${address.token}` },
        credentials: 'omit',
      })
      if (!response.ok) return
      const body = (await response.json()) as { nodes: { pid: number; state: DemoNodeState }[] }
      nodes.value = new Map(body.nodes.map(({ pid, state }) => [pid, state]))
    } catch {
      nodes.value = new Map() // the demo has ended: no buttons
    }
  }

  return {
    nodes,
    act: (action, pid) => ask('POST', `/${action}/${pid}`),
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
