// The addresses of the cluster as this device knows them: told by nodes, remembered between visits, the one that
// served this page always among them. Both ways of talking to nodes, sockets and HTTP, choose from here.

import type { NodeAddress } from './fail-over.ts'

const NODES_KEY = 'starling.nodes'
const LAST_GOOD_KEY = 'starling.lastGood'

export interface NodeBook {
  /** Best first. */
  nodes(): readonly NodeAddress[]
  lastGood(): string | null
  /** The cluster's own word. */
  learn(nodes: readonly NodeAddress[]): void
  /** This node has just answered. */
  praise(url: string): void
  /** The page's policy does not let it talk to this host: a node that joined after the page was loaded. Until the next load it is left out. */
  shun(host: string): void
  isShunned(url: string): boolean
  /** Called after each change of the addresses; returns how to stop. */
  watch(onChange: (nodes: readonly NodeAddress[]) => void): () => void
}

/** `origin` is the node that served the page. */
export const createNodeBook = (storage: Pick<Storage, 'getItem' | 'setItem'>, origin: string): NodeBook => {
  const shunned = new Set<string>()
  const isShunned = (url: string): boolean => shunned.has(new URL(url).host)
  const watchers = new Set<(nodes: readonly NodeAddress[]) => void>()
  let nodes = withOrigin(readNodes(storage), origin)
  let lastGood = storage.getItem(LAST_GOOD_KEY)
  return {
    nodes: () => nodes.filter(({ url }) => !isShunned(url)),
    lastGood: () => lastGood,
    learn: (told) => {
      nodes = withOrigin(told, origin)
      storage.setItem(NODES_KEY, JSON.stringify(nodes.map(({ pid, url }) => ({ pid, url }))))
      for (const onChange of watchers) onChange(nodes.filter(({ url }) => !isShunned(url)))
    },
    shun: (host) => void shunned.add(host),
    isShunned,
    praise: (url) => {
      if (url === lastGood) return
      lastGood = url
      storage.setItem(LAST_GOOD_KEY, url)
    },
    watch: (onChange) => {
      watchers.add(onChange)
      return () => watchers.delete(onChange)
    },
  }
}

const withOrigin = (nodes: readonly NodeAddress[], origin: string): readonly NodeAddress[] =>
  nodes.some(({ url }) => url === origin) ? nodes : [...nodes, { pid: null, url: origin, status: 'unknown' }]

const readNodes = (storage: Pick<Storage, 'getItem'>): NodeAddress[] => {
  try {
    const value: unknown = JSON.parse(storage.getItem(NODES_KEY) ?? '[]')
    return Array.isArray(value) ? value.flatMap(parseRemembered) : []
  } catch {
    return [] // written by another version, or by hand
  }
}

const parseRemembered = (value: unknown): NodeAddress[] => {
  if (typeof value !== 'object' || value === null || !('url' in value) || typeof value.url !== 'string') return []
  const pid = 'pid' in value && typeof value.pid === 'number' ? value.pid : null
  return [{ pid, url: value.url, status: 'unknown' }]
}
