// `account`: what an operator does to accounts: list, create (also when registration is closed), reset-password, remove.
// Refuses to see messages. A password is typed, piped or made, never a flag: others on the machine could read that.

import { randomBytes } from 'node:crypto'
import { type Arguments, PLACE_FLAGS, PLACE_HELP, type Terminal, confirm, readArguments, readVerb, showBytes, toColumns } from './arguments.ts'
import type { Environment } from './asking.ts'
import { usageError } from './errors.ts'
import { type AskNode, createAskNode, findPlace } from './operator.ts'

export const ACCOUNT_HELP = `Usage: node dist/node.js account list [PREFIX]
       node dist/node.js account create NAME [--generate]
       node dist/node.js account reset-password NAME [--generate]
       node dist/node.js account remove NAME [--yes]

Works on the running node of this machine, for the whole cluster. NAME may be an account's id.
CODES of the list: how many recovery codes are left, by which somebody can
set a new password without you.
A password is asked for on the terminal, or read as one line from stdin.
reset-password ends all sessions of the account. remove cannot be undone; the name becomes free.

  --generate          make a password and print it
  --yes               do not ask
${PLACE_HELP}`

const VERBS = ['list', 'create', 'reset-password', 'remove'] as const
const GENERATED_BYTES = 15

export const account = async (args: readonly string[], env: Environment, terminal: Terminal): Promise<number> => {
  const parsed = readArguments('account', args, { ...PLACE_FLAGS, generate: 'switch', yes: 'switch' }, { min: 0, max: 2 })
  const [word, name] = parsed.words
  const verb = readVerb('account', word, VERBS)
  if (verb !== 'list' && name === undefined) throw usageError(`account ${verb} needs a name; see account --help.`)
  const ask = createAskNode(findPlace(parsed, env))
  if (verb === 'list') await list(ask, name ?? '', parsed, terminal)
  else if (verb === 'remove') await remove(ask, name ?? '', parsed, terminal)
  else await setPassword(ask, verb, name ?? '', parsed, terminal)
  return 0
}

const list = async (ask: AskNode, prefix: string, { output }: Arguments, { say }: Terminal): Promise<void> => {
  const accounts = []
  let after: string | undefined
  do {
    const page = await ask('operator-list-accounts', { query: { prefix, ...(after === undefined ? {} : { after }) } })
    accounts.push(...page.accounts)
    after = page.next
  } while (after !== undefined)
  if (output === 'json') return say(JSON.stringify({ accounts }, null, 2))
  for (const line of toColumns([['NAME', 'ID', 'SESSIONS', 'CODES', 'SIZE'], ...accounts.map(({ name, id, sessions, recoveryCodes, bytes }) => [name, id, String(sessions), String(recoveryCodes), showBytes(bytes)])])) say(line)
}

const setPassword = async (ask: AskNode, verb: 'create' | 'reset-password', name: string, { flags, output }: Arguments, terminal: Terminal): Promise<void> => {
  const isGenerated = flags['generate'] !== undefined
  const password = isGenerated ? randomBytes(GENERATED_BYTES).toString('base64url') : await readPassword(terminal)
  const { account: made } = verb === 'create' ? await ask('operator-create-account', { body: { name, password } }) : await ask('operator-reset-password', { word: name, body: { password } })
  if (output === 'json') return terminal.say(JSON.stringify({ account: made, ...(isGenerated ? { password } : {}) }, null, 2))
  terminal.say(verb === 'create' ? `Made the account ${made.name} (${made.id}).` : `${made.name} has a new password; all its sessions have ended.`)
  if (isGenerated) terminal.say(`Password: ${password}`)
}

const readPassword = async ({ ask, readLine }: Terminal): Promise<string> => {
  const typed = await ask('Password: ', 'hidden')
  if (typed !== null) {
    if (typed !== (await ask('Again: ', 'hidden'))) throw usageError('The two are not the same. Nothing was changed.')
    return typed
  }
  const piped = await readLine()
  if (piped === '') throw usageError('No password: type one, pipe one line, or let --generate make one.')
  return piped
}

const remove = async (ask: AskNode, name: string, { flags, output }: Arguments, terminal: Terminal): Promise<void> => {
  await confirm(terminal, flags, `The account ${name} goes with its mailbox and drafts, on every node.`, name)
  await ask('operator-remove-account', { word: name })
  terminal.say(output === 'json' ? JSON.stringify({ removed: name }) : `Removed ${name}.`)
}
