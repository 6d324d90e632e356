// `status`: asks a node how the cluster is and says it to a person: who is up, who coordinates, who is behind and why, what may be stopped.
// Refuses to know more than /api/cluster tells anyone.

import * as v from 'valibot'
import { type ClusterJson, cluster } from '../../crdt-schema/api-shapes.ts'
import { PLACE_FLAGS, PLACE_HELP, readArguments } from './arguments.ts'
import { type Environment, askFirst, findTarget } from './asking.ts'
import { Exit, EXIT } from './errors.ts'

const ASK_MS = 2_000

export const STATUS_HELP = `Usage: node dist/node.js status [--url URL] [-o json]

Who is up, who coordinates, who is behind and why, and what may be stopped. Any node tells; it need not be on this machine.

${PLACE_HELP}`

/** Runs the command; throws an Exit if no node answers. */
export const status = async (args: readonly string[], env: Environment, say: (line: string) => void): Promise<void> => {
  const parsed = readArguments('status', args, PLACE_FLAGS, { min: 0, max: 0 })
  const { urls } = findTarget(parsed, env)
  const { url, answer } = await askFirst(urls, () => ({ method: 'GET', path: '/api/cluster', headers: {}, body: Buffer.alloc(0), timeoutMs: ASK_MS }))
  const found = v.safeParse(cluster, answer.body)
  if (!found.success) throw new Exit(EXIT.failed, `What answers at ${url} is no node of Starling, or one of another version. Say where a node is with --url or --config.`)
  if (parsed.output === 'json') say(JSON.stringify(found.output, null, 2))
  else for (const line of describeCluster(found.output)) say(line)
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
