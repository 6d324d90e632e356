// A stock y-websocket provider in this process, as any Yjs program would attach one: the socket from ws, the token by
// subprotocol, and no BroadcastChannel, which would join replicas behind the nodes' backs.

import { WebSocket } from 'ws'
import { WebsocketProvider } from 'y-websocket'
import * as Y from 'yjs'
import { isFinalClose } from '../../crdt-schema/wire.ts'

export type Attached = {
  readonly doc: Y.Doc
  readonly provider: WebsocketProvider
  /** Codes of all closes so far; those made here are left out. */
  readonly codes: readonly number[]
  /** Which of them no other node would answer otherwise. */
  readonly finalCodes: () => readonly number[]
  readonly detach: () => void
}

const attached = new Set<() => void>()

/** For the end of a suite: a provider that a failed test left attached would keep the process alive. */
export const detachAll = (): void => {
  for (const detach of attached) detach()
}

process.setMaxListeners(100) // each provider listens for the end of the process

type Place = { readonly url: string }

/**
 * Attaches a replica to a room. After a close the provider goes to the next of `places` by itself; with one place it
 * comes back there. `doc` is a replica that was there before.
 */
export const attach = (places: readonly Place[], room: string, token: string, doc = new Y.Doc()): Attached => {
  const urlOf = (index: number): string => `${(places[index % places.length]?.url ?? '').replace('http', 'ws')}/sync`
  let dials = 0
  const codes: number[] = []
  const provider = new WebsocketProvider(urlOf(0), room, doc, {
    WebSocketPolyfill: WebSocket as never,
    protocols: ['starling.v1', `starling.token.${token}`],
    disableBc: true,
    maxBackoffTime: 400,
  })
  provider.on('connection-close', (event) => {
    if (event !== null) codes.push(event.code)
    dials += 1
    provider.serverUrl = urlOf(dials)
  })
  const detach = (): void => {
    attached.delete(detach)
    provider.destroy()
    provider.awareness.destroy()
  }
  attached.add(detach)
  return { doc, provider, codes, finalCodes: () => codes.filter(isFinalClose), detach }
}
