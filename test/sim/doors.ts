// The ways into a node of the fake world: links of other nodes, sync sockets and HTTP calls of people. Each connection becomes events for
// the run that took it; what a run sends goes out through the ends it keeps here. Does what node/adapters do with real sockets.

import type { Call } from '../../crdt-schema/api.ts'
import type { CallId, ClientId, Event, LinkId, PeerIdentity } from '../../node/core/events.ts'
import type { End, EndHandler } from './network.ts'
import { refusalOf } from './refusals.ts'

/** An HTTP request as it travels in the fake world: JSON in one frame, answered by one frame of JSON. */
export interface HttpRequest {
  readonly body: Call
  readonly token: string | null
  readonly idempotencyKey: string | null
}

export interface HttpAnswer {
  readonly status: number
  readonly body: unknown
}

export interface Doors {
  readonly links: Map<LinkId, End>
  readonly clients: Map<ClientId, End>
  readonly calls: Map<CallId, End>
  takeLink(end: End, peer: PeerIdentity, dialed: boolean): EndHandler
  takeClient(end: End, room: string, token: string | null, address: string): EndHandler
  takeHttp(end: End, address: string): EndHandler
  /** The process ends in order: whoever is connected hears so. */
  closeAll(): void
}

/** The doors of one run of a node. */
export const createDoors = (deliver: (event: Event) => void): Doors => {
  const links = new Map<LinkId, End>()
  const clients = new Map<ClientId, End>()
  const calls = new Map<CallId, End>()
  let nextId = 1
  return {
    links,
    clients,
    calls,
    takeLink(end, peer, dialed) {
      const link = nextId++
      links.set(link, end)
      deliver({ type: 'link-up', link, peer, dialed })
      return {
        onFrame: frame => deliver({ type: 'link-frame', link, frame }),
        onDown: code => {
          if (!links.delete(link)) return
          deliver({ type: 'link-down', link })
          // Who closes a link with a refusal tells so, whoever dialed.
          const reason = refusalOf(code)
          if (reason !== null) deliver({ type: 'dial-failed', pid: peer.pid, reason })
        },
        onFull: () => deliver({ type: 'link-full', link }),
        onWritable: () => deliver({ type: 'link-writable', link })
      }
    },
    takeClient(end, room, token, address) {
      const client = nextId++
      clients.set(client, end)
      deliver({ type: 'client-up', client, room, token, address })
      return {
        onFrame: frame => deliver({ type: 'client-frame', client, frame }),
        onDown: () => {
          if (clients.delete(client)) deliver({ type: 'client-down', client })
        },
        onFull: () => deliver({ type: 'client-full', client }),
        onWritable: () => deliver({ type: 'client-writable', client })
      }
    },
    takeHttp(end, address) {
      const call = nextId++
      return {
        onFrame: frame => {
          calls.set(call, end)
          deliver({ type: 'request', call, ...(bytesToJson(frame) as HttpRequest), address })
        },
        onDown: () => {
          if (calls.delete(call)) deliver({ type: 'request-aborted', call })
        },
        onFull: () => {},
        onWritable: () => {}
      }
    },
    closeAll() {
      for (const open of [...links.values(), ...clients.values(), ...calls.values()]) open.close()
    }
  }
}

const utf8Encoder = new TextEncoder()
const utf8Decoder = new TextDecoder()
export const jsonToBytes = (value: unknown): Uint8Array => utf8Encoder.encode(JSON.stringify(value))
export const bytesToJson = (bytes: Uint8Array): unknown => JSON.parse(utf8Decoder.decode(bytes))
