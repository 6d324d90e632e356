// The command line of a subcommand: its own flags, the few options of a node that say where it and its secret are, and words.
// Refuses to know what a command does with them.

import { parseArgs } from 'node:util'
import { Exit, EXIT, usageError } from './errors.ts'
import { didYouMean } from './spelling.ts'

/** A flag's name to whether it takes a value. */
export type FlagKinds = Readonly<Record<string, 'value' | 'switch'>>

export interface Arguments {
  readonly words: readonly string[]
  /** By name without dashes; a switch that is there is 'true'. */
  readonly flags: Readonly<Record<string, string>>
  readonly output: 'text' | 'json'
}

/** Where the node and its secret are; every command takes these. */
export const PLACE_FLAGS = { url: 'value', config: 'value', pid: 'value', 'data-dir': 'value', 'secret-file': 'value' } as const satisfies FlagKinds

export const PLACE_HELP = `  --url URL           the node to ask (the default cluster on 127.0.0.1, ports 4000 to 4002)
  --config PATH       the file the node was started with, or
  --pid, --data-dir, --secret-file, and STARLING_… as for the node: where it is and what its secret is
  -o json             for programs`

/** Takes a command line apart; throws an Exit that names the first mistake. */
export const readArguments = (command: string, args: readonly string[], kinds: FlagKinds, words: { readonly min: number; readonly max: number }): Arguments => {
  const known: FlagKinds = { ...kinds, output: 'value' }
  const options = Object.fromEntries(Object.entries(known).map(([name, kind]) => [name, { type: kind === 'value' ? 'string' : 'boolean', ...(name === 'output' ? { short: 'o' } : {}) } as const]))
  const { tokens } = parseArgs({ args: [...args], options, strict: false, allowPositionals: true, tokens: true })
  const flags: Record<string, string> = {}
  const found: string[] = []
  for (const token of tokens) {
    if (token.kind === 'positional') found.push(token.value)
    if (token.kind !== 'option') continue
    const kind = Object.hasOwn(known, token.name) ? known[token.name] : undefined
    if (kind === undefined) throw usageError(`Unknown option ${token.rawName}.${didYouMean(token.name, Object.keys(known), '--')} See ${command} --help.`)
    if (kind === 'switch' && token.value !== undefined) throw usageError(`--${token.name} takes no value.`)
    if (kind === 'value' && (token.value === undefined || (!token.inlineValue && token.value.startsWith('--')))) throw usageError(`--${token.name} needs a value; see ${command} --help.`)
    flags[token.name] = token.value ?? 'true'
  }
  if (found.length < words.min) throw usageError(`${command} needs ${words.min === 1 ? 'one more word' : 'more words'}; see ${command} --help.`)
  const extra = found[words.max]
  if (extra !== undefined) throw usageError(`Unexpected "${extra}". See ${command} --help.`)
  const { output = 'text', ...rest } = flags
  if (output !== 'text' && output !== 'json') throw usageError('output: must be text or json.')
  return { words: found, flags: rest, output }
}

/** Picks the verb of a command that has several. */
export const readVerb = <const Verb extends string>(command: string, word: string | undefined, verbs: readonly Verb[]): Verb => {
  const verb = verbs.find(known => known === word)
  if (verb !== undefined) return verb
  throw usageError(`${command}: ${word === undefined ? 'say what to do' : `"${word}" is not something it does.${didYouMean(word, verbs, '')}`} There are ${verbs.join(', ')}; see ${command} --help.`)
}

/** What a command talks to: results, questions, and the rest of the world. */
export interface Terminal {
  /** One line of a result, to stdout. */
  readonly say: (line: string) => void
  /** One line for a person, to stderr. */
  readonly tell: (line: string) => void
  /** Asks a person on the terminal; null if nobody is there. `hidden`: what is typed is not shown. */
  readonly ask: (question: string, mode: 'shown' | 'hidden') => Promise<string | null>
  /** The first line of what was piped in. */
  readonly readLine: () => Promise<string>
}

/** Asks for what cannot be undone, unless --yes said so already. */
export const confirm = async ({ ask }: Terminal, flags: Arguments['flags'], what: string, word: string): Promise<void> => {
  if (flags['yes'] !== undefined) return
  const typed = await ask(`${what} This cannot be undone. Type ${word} to go on: `, 'shown')
  if (typed === null) throw usageError(`${what} This cannot be undone; say so with --yes.`)
  if (typed.trim() !== word) throw new Exit(EXIT.failed, 'Nothing was changed.')
}

/** Rows as columns. */
export const toColumns = (rows: readonly (readonly string[])[]): readonly string[] => {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map(row => row[column]?.length ?? 0)))
  return rows.map(row => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  ').trimEnd())
}

/** 1,536 as "1.5 KiB". */
export const showBytes = (bytes: number): string => {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB']
  const power = Math.min(units.length - 1, bytes < 1 ? 0 : Math.floor(Math.log2(bytes) / 10))
  return `${Number((bytes / 1024 ** power).toFixed(1))} ${units[power]}`
}
