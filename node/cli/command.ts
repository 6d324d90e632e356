// Which command a command line names; `serve` is the one without a name. Holds the help, generated from the table of options.
// Refuses to run anything.

import { ACCOUNT_HELP } from './account.ts'
import { BACKUP_HELP, RESTORE_HELP, VERIFY_HELP } from './backup.ts'
import { DOCTOR_HELP } from './doctor.ts'
import { usageError } from './errors.ts'
import { MEMBERS_HELP } from './members.ts'
import { describeOptions } from './options.ts'
import { didYouMean } from './spelling.ts'
import { STATUS_HELP } from './status.ts'

/** All commands but `serve`, with their help. */
const HELP = { status: STATUS_HELP, account: ACCOUNT_HELP, members: MEMBERS_HELP, doctor: DOCTOR_HELP, backup: BACKUP_HELP, verify: VERIFY_HELP, restore: RESTORE_HELP } as const

export type CommandName = 'serve' | keyof typeof HELP
export type Command =
  | { readonly name: 'print'; readonly text: string }
  | { readonly name: CommandName; readonly args: readonly string[] }

const COMMANDS = ['serve', ...Object.keys(HELP)]
const isCommand = (word: string): word is CommandName => COMMANDS.includes(word)

export const readCommand = (args: readonly string[], version: string): Command => {
  const [first = 'serve', ...rest] = args
  const isNamed = !first.startsWith('-')
  const own = isNamed ? rest : args
  if (isNamed && !isCommand(first)) {
    throw usageError(`Unknown command "${first}".${didYouMean(first, COMMANDS, '')} There are serve (the default), ${COMMANDS.slice(1).join(', ')}; see --help.`)
  }
  const name = isNamed && isCommand(first) ? first : 'serve'
  if (own.includes('--version')) return { name: 'print', text: version }
  if (own.includes('--help') || own.includes('-h')) return { name: 'print', text: name === 'serve' ? describeUsage() : HELP[name] }
  return { name, args: own }
}

const describeUsage = (): string => `Usage: node dist/node.js [serve] --pid N [options]     start a node
       node dist/node.js status [--url URL] [-o json]  how the cluster is
       node dist/node.js account list|create|reset-password|remove
       node dist/node.js members list|remove
       node dist/node.js doctor                        what is wrong, and what to do
       node dist/node.js backup FILE | verify FILE | restore FILE --pid N

Each command has a --help of its own.

${describeOptions()}
  --version  --help

Every option is also a variable, --data-dir is STARLING_DATA_DIR, and a field of the file, dataDir.
The secret may also be given as STARLING_SECRET; never by a flag, where others on the machine could read it.

Exit codes: 0 done or drained, 1 failed while running, 2 bad options, 3 address in use, 4 data directory locked,
foreign or unreadable, 5 data newer than the program, 6 refused by the cluster, 130 second Ctrl-C.`
