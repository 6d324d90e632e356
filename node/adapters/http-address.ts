// Whose request it is: the address of the client, also behind proxies that the operator named.
// Refuses to believe X-Forwarded-For from anybody else: whoever may choose his address has no limits.

import type { IncomingMessage } from 'node:http'

const PROXIES_MAX = 8

/** Reads the address of the client: the last in the chain of forwarders that is not one of `proxies`. */
export const createAddressReader = (proxies: readonly string[]): ((request: IncomingMessage) => string) => {
  const trusted = new Set(proxies.map(toPlain))
  return request => {
    let address = toPlain(request.socket.remoteAddress ?? '')
    const forwarded = [request.headers['x-forwarded-for'] ?? []].flat().join(',').split(',')
    for (let hops = 0; hops < PROXIES_MAX && trusted.has(address); hops++) {
      const next = toPlain((forwarded.pop() ?? '').trim())
      if (next === '') break
      address = next
    }
    return address
  }
}

/** An IPv4 address as itself, also when the socket listens on IPv6. */
const toPlain = (address: string): string => address.replace(/^::ffff:(?=\d+\.)/i, '')
