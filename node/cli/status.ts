// `status`: asks a node how the cluster is and says it to a person: who is up, who coordinates, who is behind and why, what may be stopped.
// Refuses to know more than /api/cluster tells anyone.

import { parseArgs } from 'node:util'
import * as v from 'valibot'
import { type ClusterJson, cluster } from '../../crdt-schema/api-shapes.ts'
import { Exit, EXIT, usageError } from './errors.ts'
import { didYouMean } from './spelling.ts'

const DEFAULT_URLS = ['http://127.0.0.1:4000', 'http://127.0.0.1:4001', 'http://127.0.0.1:4002']
const ASK_MS = 2_000

export const STATUS_HELP = `Usage: node dist/node.js status [--url URL] [-o json]

  --url URL   any node (the default cluster on 127.0.0.1, ports 4000 to 4002; or STARLING_URL)
  -o json     the answer of /api/cluster as it is`

/** Runs the command; throws an Exit if no node answers. */
export const status = async (args: readonly string[], env: Readonly<Record<string, string | undefined>>, say: (line: string) => void): Promise<void> => {
  const { url, output } = readStatusOptions(args)
  const wanted = url ?? env['STARLING_URL']
  const found = await askFirst(wanted === undefined ? DEFAULT_URLS : [wanted])
  if (output === 'json') say(JSON.stringify(found, null, 2))
  else for (const line of describeCluster(found)) say(line)
}

const readStatusOptions = (args: readonly string[]): { readonly url: string | undefined; readonly output: 'text' | 'json' } => {
  const { tokens } = parseArgs({ args: [...args], options: { url: { type: 'string' }, output: { type: 'string', short: 'o' } }, strict: false, allowPositionals: true, tokens: true })
  let url: string | undefined
  let output: 'text' | 'json' = 'text'
  for (const token of tokens) {
    if (token.kind === 'positional') throw usageError(`Unexpected "${token.value}". See status --help.`)
    if (token.kind !== 'option') continue
    if (token.name === 'url' && token.value !== undefined && URL.canParse(token.value) && /^https?:/.test(token.value)) url = token.value
    else if (token.name === 'url') throw usageError(`url: ${token.value ?? 'nothing'} must start with http:// or https://.`)
    else if (token.name !== 'output') throw usageError(`Unknown option ${token.rawName}.${didYouMean(token.name, ['url', 'output'], '--')}`)
    else if (token.value === 'json' || token.value === 'text') output = token.value
    else throw usageError('output: must be text or json.')
  }
  return { url, output }
}

/** The first answer, asking one after the other. */
const askFirst = async (urls: readonly string[]): Promise<ClusterJson> => {
  for (const url of urls) {
    const found = await ask(url)
    if (found !== null) return found
  }
  throw new Exit(EXIT.failed, `No node answers at ${urls.join(', ')}. Start one, or say where it is with --url.`)
}

const ask = async (url: string): Promise<ClusterJson | null> => {
  try {
    const response = await fetch(new URL('/api/cluster', url), { signal: AbortSignal.timeout(ASK_MS) })
    const parsed = v.safeParse(cluster, await response.json())
    return parsed.success ? parsed.output : null
  } catch {
    return null // nobody there, or nobody who speaks our language
  }
}

/** The cluster in lines for a person. */
export const describeCluster = (found: ClusterJson): readonly string[] => {
  const rows = found.nodes.map(node => [
    String(node.pid),
    node.pid === found.coordinator ? `${node.status}, coordinates` : node.status,
    node.url,
    node.messages === null ? '' : `${node.messages} messages`,
    node.behind ? `behind: ${node.behindBecause ?? 'it has not acknowledged everything'}` : ''
  ])
  const widths = [0, 1, 2, 3].map(column => Math.max(...rows.map(row => row[column]?.length ?? 0)))
  return [
    ...rows.map(row => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd()),
    found.coordinator === null ? 'No coordinator now: new accounts and sign-ins wait.' : `Coordinator: node ${found.coordinator}, epoch ${found.epoch}.`,
    describeSafety(found)
  ]
}

/** Whether a node may be stopped: only while another one that is ready and not behind holds everything too. */
const describeSafety = ({ nodes }: ClusterJson): string => {
  const whole = nodes.filter(node => node.status === 'ready' && !node.behind).map(node => node.pid)
  const [only] = whole
  if (only === undefined) return 'Safe to stop: none, no node is ready.'
  if (whole.length === 1) return `Safe to stop: any but node ${only}, the only one that has everything.`
  return `Safe to stop: any one node; ${whole.join(', ')} have everything.`
}
