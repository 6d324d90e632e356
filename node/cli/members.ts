// `members`: which data directories serve in the cluster, and the removal of one that will not come back.
// Refuses to decide: the coordinator does, and it removes none that is up.

import { type Arguments, PLACE_FLAGS, PLACE_HELP, type Terminal, confirm, readArguments, readVerb, toColumns } from './arguments.ts'
import type { Environment } from './asking.ts'
import { Exit, EXIT, usageError } from './errors.ts'
import { type AskNode, createAskNode, findPlace } from './operator.ts'

export const MEMBERS_HELP = `Usage: node dist/node.js members list
       node dist/node.js members remove PID|NODE-ID [--yes]

A member is a data directory. remove is for one that is lost or retired: it may never join again, and nodes that
joined by --join are no longer counted. Stop the node first. A node that stands in --peers of the others is counted
until it is taken out there; a new one with an empty directory may take its pid at any time, without this.

  --yes               do not ask
${PLACE_HELP}`

const VERBS = ['list', 'remove'] as const

export const members = async (args: readonly string[], env: Environment, terminal: Terminal): Promise<number> => {
  const parsed = readArguments('members', args, { ...PLACE_FLAGS, yes: 'switch' }, { min: 0, max: 2 })
  const [word, which] = parsed.words
  const verb = readVerb('members', word, VERBS)
  if (verb === 'remove' && which === undefined) throw usageError('members remove needs a pid or the id of a node; see members list.')
  const ask = createAskNode(findPlace(parsed, env))
  if (verb === 'list') await list(ask, parsed, terminal)
  else await remove(ask, which ?? '', parsed, terminal)
  return 0
}

const list = async (ask: AskNode, { output }: Arguments, { say }: Terminal): Promise<void> => {
  const { members: rows } = await ask('operator-list-members')
  if (output === 'json') return say(JSON.stringify({ members: rows }, null, 2))
  for (const line of toColumns([['PID', 'STATUS', 'NODE-ID', 'URL'], ...rows.map(row => [String(row.pid), row.status, row.nodeId ?? 'never seen', row.url])])) say(line)
}

const remove = async (ask: AskNode, which: string, { flags, output }: Arguments, terminal: Terminal): Promise<void> => {
  const { members: rows } = await ask('operator-list-members')
  const found = rows.filter(row => row.nodeId !== null && row.status !== 'removed' && (row.nodeId === which || String(row.pid) === which))
  const [row, another] = found
  if (row?.nodeId === undefined || row.nodeId === null) throw new Exit(EXIT.failed, `No member is called ${which}. See members list.`)
  if (another !== undefined) throw usageError(`Several data directories served as node ${which}; name one by its id, see members list.`)
  await confirm(terminal, flags, `Node ${row.pid} (${row.nodeId}, ${row.url}) may never join again.`, which)
  await ask('operator-remove-member', { word: row.nodeId })
  terminal.say(output === 'json' ? JSON.stringify({ removed: row.nodeId }) : `Removed node ${row.pid} (${row.nodeId}). If --peers of the others names it, take it out there.`)
}
