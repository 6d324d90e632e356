// The options of `serve`: one table from which flags, environment, file, defaults and help all follow.
// Refuses to know what a node does with them; settings.ts turns them into what it starts with.
// A flag wins over the environment, that over the file, that over the default. Secrets come by file or environment, never by flag.

import { readFileSync } from 'node:fs'
import { isIP } from 'node:net'
import { parseArgs } from 'node:util'
import * as v from 'valibot'
import { PID_MAX, type Pid, parsePid } from '../../crdt-schema/ids.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import { assert } from '../../crdt-schema/prelude.ts'
import { DEFAULTS } from '../core/config.ts'
import { usageError } from './errors.ts'
import { didYouMean } from './spelling.ts'

export const MIB = 1024 * 1024

// ---- what a text may be

const URL_RULE = 'must start with http:// or https://'
const isNodeUrl = (text: string): boolean => /^https?:\/\//.test(text) && URL.canParse(text) && text.length <= LIMITS.urlCharactersMax

const wholeNumber = (min: number, max: number) =>
  v.pipe(v.string(), v.regex(/^\d{1,9}$/, `must be a whole number from ${min} to ${max}`), v.transform(Number), v.minValue(min, `must be at least ${min}`), v.maxValue(max, `must be at most ${max}`))
const oneOf = <const Words extends readonly string[]>(...words: Words) => v.picklist(words, `must be ${words.join(' or ')}`)
const nodeUrl = v.pipe(v.string(), v.check(isNodeUrl, URL_RULE), v.transform(text => text.replace(/\/+$/, '')))
const flag = v.pipe(oneOf('true', 'false', 'on', 'off'), v.transform(text => text === 'true' || text === 'on'))
const text = v.pipe(v.string(), v.minLength(1, 'must not be empty'))

const pidNumber = v.pipe(
  wholeNumber(0, PID_MAX),
  v.transform((value): Pid => {
    const pid = parsePid(value)
    assert(pid !== null, `${value} passed as a pid`)
    return pid
  })
)

const peers = v.pipe(
  v.string(),
  v.rawTransform<string, ReadonlyMap<Pid, string>>(({ dataset, addIssue, NEVER }) => {
    const found = new Map<Pid, string>()
    for (const entry of dataset.value.split(',').map(part => part.trim())) {
      const [, pidText = '', url = ''] = /^(\d{1,2})=(.*)$/.exec(entry) ?? []
      const pid = pidText === '' ? null : parsePid(Number(pidText))
      const fault = pid === null ? 'must be written as 0=http://host:port' : !isNodeUrl(url) ? URL_RULE : found.has(pid) ? 'names a pid twice' : null
      if (fault !== null || pid === null) {
        addIssue({ message: `${entry} ${fault}` })
        return NEVER
      }
      found.set(pid, url.replace(/\/+$/, ''))
    }
    if (found.size <= LIMITS.nodesMax) return found
    addIssue({ message: `names ${found.size} nodes; ${LIMITS.nodesMax} are the most` })
    return NEVER
  })
)

const ADDRESSES_MAX = 64
const addresses = v.pipe(
  v.string(),
  v.transform(list => list.split(',').map(part => part.trim()).filter(part => part !== '')),
  v.maxLength(ADDRESSES_MAX, `names too many; ${ADDRESSES_MAX} are the most`),
  v.everyItem(part => isIP(part) !== 0, 'must be IP addresses, separated by commas')
)

// ---- the table

interface OptionRow {
  readonly schema: v.GenericSchema<string, unknown>
  /** Shown in the help after the flag; null: the flag needs no value. */
  readonly value: string | null
  /** What holds when nobody says anything; null: see `help`. */
  readonly fallback: string | null
  readonly help: string
}

export const OPTIONS = {
  pid: { schema: pidNumber, value: 'N', fallback: null, help: 'which node this is: 0, 1, 2 …' },
  peers: { schema: peers, value: '0=URL,1=URL', fallback: null, help: 'addresses of all nodes, this one included; default: three on 127.0.0.1, ports 4000 to 4002' },
  join: { schema: nodeUrl, value: 'URL', fallback: null, help: 'any member, for a new node with an empty data directory; without --pid it is granted one' },
  bootstrap: { schema: flag, value: null, fallback: null, help: 'start a new cluster without waiting for the others; the default cluster does so by itself' },
  host: { schema: text, value: 'ADDRESS', fallback: '127.0.0.1', help: 'address to listen on' },
  port: { schema: wholeNumber(1, 65_535), value: 'N', fallback: null, help: 'port to listen on; default: that of this node in --peers' },
  peerPort: { schema: wholeNumber(1, 65_535), value: 'N', fallback: null, help: 'a port for the links between nodes alone, the same number on every node; default: they share the port of clients' },
  url: { schema: nodeUrl, value: 'URL', fallback: null, help: 'what browsers and peers are told; default: that of this node in --peers' },
  dataDir: { schema: text, value: 'PATH', fallback: null, help: 'where the data lies; default: ./data/node-PID' },
  secretFile: { schema: text, value: 'PATH', fallback: null, help: "the cluster's secret, 16 characters or more; on loopback made once as cluster.secret beside the data directory" },
  tls: { schema: oneOf('auto', 'off'), value: 'auto|off', fallback: 'off', help: 'auto: with a certificate of its own making' },
  tlsCert: { schema: text, value: 'PATH', fallback: null, help: 'certificate chain, PEM' },
  tlsKey: { schema: text, value: 'PATH', fallback: null, help: 'its key, PEM' },
  registration: { schema: oneOf('open', 'closed'), value: 'open|closed', fallback: DEFAULTS.registration, help: 'whether anybody may make an account' },
  sessionsPerAccount: { schema: wholeNumber(1, 64), value: 'N', fallback: String(DEFAULTS.sessionsPerAccount), help: 'sign-ins of one account at a time' },
  documentMemory: { schema: wholeNumber(1, 1_048_576), value: 'MIB', fallback: String(DEFAULTS.documentMemoryBytes / MIB), help: 'about how much memory loaded mailboxes may take; those used longest ago leave it' },
  rateLimits: { schema: flag, value: 'on|off', fallback: 'on', help: 'limits on sign-in, sign-up, name lookup and sending' },
  proxies: { schema: addresses, value: 'ADDRESS,ADDRESS', fallback: null, help: 'proxies in front whose X-Forwarded-For is believed; default: none' },
  aloneMs: {
    schema: v.union([v.pipe(v.literal('never'), v.transform(() => null)), wholeNumber(0, 86_400_000)], 'must be a number of milliseconds, or never'),
    value: 'N|never',
    fallback: String(DEFAULTS.aloneMs),
    help: 'how long a node that last saw others waits for them before it serves alone'
  },
  heartbeatMs: { schema: wholeNumber(10, 60_000), value: 'N', fallback: String(DEFAULTS.heartbeatMs), help: 'how often nodes tell each other how they are' },
  deadMs: { schema: wholeNumber(100, 600_000), value: 'N', fallback: String(DEFAULTS.deadMs), help: 'silence after which a node counts as dead' },
  logLevel: { schema: oneOf('debug', 'info', 'warn', 'error', 'silent'), value: 'LEVEL', fallback: 'info', help: 'debug, info, warn, error or silent' },
  logFormat: { schema: oneOf('auto', 'json', 'pretty'), value: 'FORMAT', fallback: 'auto', help: 'json, pretty, or auto: pretty on a terminal' }
} as const satisfies Record<string, OptionRow>

export type OptionName = keyof typeof OPTIONS
/** What was said or holds by default; null: nobody said, and the default depends on other options. */
export type Options = { readonly [Name in OptionName]: v.InferOutput<(typeof OPTIONS)[Name]['schema']> | ((typeof OPTIONS)[Name]['fallback'] extends string ? never : null) }

const NAMES = Object.keys(OPTIONS) as OptionName[]
export const nameToFlag = (name: string): string => name.replace(/[A-Z]/g, letter => `-${letter.toLowerCase()}`)
export const nameToVariable = (name: string): string => `STARLING_${nameToFlag(name).replaceAll('-', '_').toUpperCase()}`

// ---- reading

/** All options of a command line, its environment and its file; throws an Exit that names the first mistake. */
export const readOptions = (args: readonly string[], env: Readonly<Record<string, string | undefined>>): Options => {
  const flags = readFlags(args)
  const path = flags['config'] ?? env['STARLING_CONFIG']
  const file = path === undefined ? {} : readConfigFile(path)
  const entries = NAMES.map(name => {
    const row: OptionRow = OPTIONS[name]
    const said = flags[nameToFlag(name)] ?? env[nameToVariable(name)] ?? file[name]
    const value = said ?? row.fallback
    if (value === null) return [name, null]
    const parsed = v.safeParse(row.schema, value)
    if (parsed.success) return [name, parsed.output]
    const { message } = parsed.issues[0]
    // A list names its own entry; anything else is shown as it was written.
    throw usageError(`${nameToFlag(name)}: ${name === 'peers' ? message : `${value} ${message}`}.`)
  })
  return Object.fromEntries(entries) as Options
}

const readFlags = (args: readonly string[]): Readonly<Record<string, string>> => {
  const known = Object.fromEntries([
    ...NAMES.map(name => [nameToFlag(name), { type: OPTIONS[name].value === null ? 'boolean' : 'string' }] as const),
    ['config', { type: 'string' }] as const
  ])
  const { tokens } = parseArgs({ args: [...args], options: known, strict: false, allowPositionals: true, tokens: true })
  const flags: Record<string, string> = {}
  for (const token of tokens) {
    if (token.kind === 'positional') throw usageError(`Unexpected "${token.value}". Options start with --; see --help.`)
    if (token.kind !== 'option') continue
    const { name } = token
    const option = Object.hasOwn(known, name) ? known[name] : undefined
    if (option === undefined) throw usageError(`Unknown option ${token.rawName}.${didYouMean(name, Object.keys(known), '--')}`)
    if (option.type === 'boolean' && token.value !== undefined) throw usageError(`--${name} takes no value.`)
    if (option.type === 'string' && (token.value === undefined || (!token.inlineValue && token.value.startsWith('--')))) throw usageError(`--${name} needs a value; see --help.`)
    flags[name] = token.value ?? 'true'
  }
  return flags
}

/** A file's values as the texts that flags would be: numbers, booleans and `peers` as an object may be written as JSON has them. */
const readConfigFile = (path: string): Readonly<Record<string, string | undefined>> => {
  const scalar = v.pipe(v.union([v.string(), v.number(), v.boolean()], 'must be a text, a number, true or false'), v.transform(String))
  const peersObject = v.pipe(v.record(v.string(), v.string()), v.transform(found => Object.entries(found).map(([pid, url]) => `${pid}=${url}`).join(',')))
  const fields = Object.fromEntries(NAMES.map(name => [name, v.exactOptional(name === 'peers' ? v.union([v.string(), peersObject]) : scalar)]))
  let content: unknown
  try {
    content = JSON.parse(readFileSync(path, 'utf8'))
  } catch (error) {
    throw usageError(`config: ${path} cannot be read as JSON (${(error as Error).message}).`)
  }
  const unknown = Object.keys(Object(content)).find(name => !NAMES.some(known => known === name))
  if (unknown !== undefined) throw usageError(`config: ${path} has an unknown option "${unknown}".${didYouMean(unknown, NAMES, '')}`)
  const parsed = v.safeParse(v.strictObject(fields), content)
  if (parsed.success) return parsed.output
  const [issue] = parsed.issues
  throw usageError(`config: ${path}: ${v.getDotPath(issue) ?? 'it'} ${issue.message}.`)
}

// ---- help

/** The options, one line each, with their defaults. */
export const describeOptions = (): string => {
  const rows = NAMES.map(name => {
    const row: OptionRow = OPTIONS[name]
    return [`--${nameToFlag(name)}${row.value === null ? '' : ` ${row.value}`}`, row.help + (row.fallback === null ? '' : ` (${row.fallback})`)] as const
  })
  const all = [...rows, ['--config PATH', 'JSON file with any of these options, named like dataDir'] as const]
  const width = Math.max(...all.map(([left]) => left.length))
  return all.map(([left, right]) => `  ${left.padEnd(width)}  ${right}`).join('\n')
}
