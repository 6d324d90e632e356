// From options to what a node starts with: defaults that depend on other options, the cluster's secret, the core's Config.
// Refuses to know sockets and stores. Outside loopback a secret must be given: nobody else's node may join by default (DESIGN 10).

import { createHash, randomBytes } from 'node:crypto'
import { existsSync, linkSync, mkdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'
import { type Pid, parsePid } from '../../crdt-schema/ids.ts'
import { InvariantError } from '../../crdt-schema/prelude.ts'
import { type Config, DEFAULTS, assertConfig } from '../core/config.ts'
import { Exit, EXIT, usageError } from './errors.ts'
import { MIB, type Options } from './options.ts'

const DEFAULT_PORT = 4000
const DEFAULT_PIDS = [0, 1, 2]
const SECRET_CHARACTERS_MIN = 16
const SECRETS_MAX = 4

export interface Settings {
  readonly config: Config
  readonly host: string
  readonly port: number
  /** Where links between nodes are listened for and dialed, if not on `port`. */
  readonly peerPort: number | null
  readonly dataDir: string
  /** The cluster's secrets, the preferred one first. */
  readonly secrets: readonly Uint8Array[]
  /** What the secret file or the environment says now; throws an Exit. */
  readonly rereadSecrets: () => readonly Uint8Array[]
  readonly tls: 'off' | 'auto' | { readonly certPath: string; readonly keyPath: string }
  /** Addresses whose X-Forwarded-For is believed. */
  readonly proxies: readonly string[]
  readonly logLevel: Options['logLevel']
  readonly logFormat: Options['logFormat']
}

/** Where a node listens, what it is called, and where its data lies. */
export interface Addresses {
  readonly tls: Settings['tls']
  readonly peers: Map<Pid, string>
  readonly port: number
  readonly url: string
  readonly dataDir: string
  /** Where a secret is made when none is given; null outside loopback, where none is: each node would make its own. */
  readonly defaultSecretPath: string | null
}

/** Completes what options say of places. Throws an Exit that says what does not fit. */
export const readAddresses = (options: Options): Addresses => {
  const { pid, join: joinUrl, host } = options
  if (pid === null && joinUrl === null) throw usageError('pid: say which node this is, for example --pid 0, or --join URL for a new one.')
  const tls = readTls(options)
  const peers = new Map(options.peers ?? (joinUrl === null ? defaultPeers(tls === 'off' ? 'http' : 'https') : []))
  const known = pid === null ? undefined : peers.get(pid)
  if (pid !== null && known === undefined && joinUrl === null) {
    throw usageError(`pid: ${pid} is not among the peers ${[...peers.keys()].join(', ')}. Give --peers with an address for it, or --join URL.`)
  }
  const port = options.port ?? portOf(options.url ?? known) ?? DEFAULT_PORT + (pid ?? DEFAULT_PIDS.length)
  const url = options.url ?? known ?? `${tls === 'off' ? 'http' : 'https'}://${isAnyAddress(host) ? 'localhost' : bracket(host)}:${port}`
  if (pid !== null) peers.set(pid, url)
  const dataDir = resolve(options.dataDir ?? `data/node-${pid ?? port}`)
  const isLoopback = [host, ...[url, ...peers.values()].map(hostOf)].every(isLoopbackHost)
  return { tls, peers, port, url, dataDir, defaultSecretPath: isLoopback ? join(dirname(dataDir), 'cluster.secret') : null }
}

/** Where the node listens, seen from its own machine. */
export const localUrlOf = (host: string, { port, tls }: Pick<Addresses, 'port' | 'tls'>): string =>
  `${tls === 'off' ? 'http' : 'https'}://${host === '0.0.0.0' ? '127.0.0.1' : host === '::' ? '[::1]' : bracket(host)}:${port}`

/** Completes the options; may make the default secret file. Throws an Exit that says what does not fit. */
export const createSettings = (options: Options, env: Readonly<Record<string, string | undefined>>, version: string): Settings => {
  const { pid, join: joinUrl, host } = options
  const { tls, peers, port, url, dataDir, defaultSecretPath } = readAddresses(options)
  const rereadSecrets = (): readonly Uint8Array[] => readSecrets(options.secretFile, env['STARLING_SECRET'], defaultSecretPath)
  const secrets = rereadSecrets()
  const config: Config = {
    ...DEFAULTS,
    pid,
    peers,
    url,
    joinUrl,
    version,
    clusterId: secretToClusterId(secrets[0] ?? new Uint8Array()),
    bootstrap: options.bootstrap ?? (options.peers === null && joinUrl === null),
    registration: options.registration,
    sessionsPerAccount: options.sessionsPerAccount,
    documentMemoryBytes: options.documentMemory * MIB,
    rateLimits: options.rateLimits,
    aloneMs: options.aloneMs,
    heartbeatMs: options.heartbeatMs,
    deadMs: options.deadMs
  }
  checkTimings(config)
  return { config, host, port, peerPort: options.peerPort === port ? null : options.peerPort, dataDir, secrets, rereadSecrets, tls, proxies: options.proxies ?? [], logLevel: options.logLevel, logFormat: options.logFormat }
}

/** A path as a person would write it from here. */
export const showPath = (path: string): string => {
  const near = relative(process.cwd(), path)
  return near.startsWith('..') || near === '' ? path : `./${near}`
}

const checkTimings = (config: Config): void => {
  try {
    assertConfig(config)
  } catch (error) {
    if (error instanceof InvariantError) throw usageError(`The timings do not fit together: ${error.message}.`)
    throw error
  }
}

// ---- addresses

const defaultPeers = (scheme: string): ReadonlyMap<Pid, string> => {
  const found = new Map<Pid, string>()
  for (const number of DEFAULT_PIDS) {
    const pid = parsePid(number)
    if (pid !== null) found.set(pid, `${scheme}://127.0.0.1:${DEFAULT_PORT + number}`)
  }
  return found
}

const portOf = (url: string | undefined): number | null => {
  if (url === undefined) return null
  const { port, protocol } = new URL(url)
  return port === '' ? (protocol === 'https:' ? 443 : 80) : Number(port)
}

const hostOf = (url: string): string => new URL(url).hostname
const isAnyAddress = (host: string): boolean => host === '0.0.0.0' || host === '::'
const isLoopbackHost = (host: string): boolean => /^(localhost|127(\.\d{1,3}){3}|\[?::1\]?)$/.test(host)
const bracket = (host: string): string => (host.includes(':') ? `[${host}]` : host)

const readTls = ({ tls, tlsCert, tlsKey }: Options): Settings['tls'] => {
  if (tlsCert === null && tlsKey === null) return tls
  if (tlsCert === null || tlsKey === null) throw usageError('tls-cert and tls-key belong together: give both.')
  return { certPath: tlsCert, keyPath: tlsKey }
}

// ---- secrets

/** A cluster is known by a hash of its first secret, which tells nothing about the secret [RDY1]. */
export const secretToClusterId = (secret: Uint8Array): string => createHash('sha256').update('starling cluster').update(secret).digest('hex').slice(0, 32)

/** `defaultPath` is null outside loopback, where no secret is made: each node would make its own. */
const readSecrets = (path: string | null, fromEnvironment: string | undefined, defaultPath: string | null): readonly Uint8Array[] => {
  if (path !== null) return parseSecrets(defaultPath === null ? readSecretFile(path) : readOrMakeSecret(path), path)
  if (fromEnvironment !== undefined) return parseSecrets(fromEnvironment, 'STARLING_SECRET')
  if (defaultPath === null) {
    throw usageError('secret-file: a node that others can reach needs a secret of its own. Make one (openssl rand -hex 32 > cluster.secret), copy it to every node and give --secret-file, or set STARLING_SECRET.')
  }
  return parseSecrets(readOrMakeSecret(defaultPath), defaultPath)
}

/** The secrets for a command beside a node: never made here, since a node that has none made its own. */
export const readSecretsOf = ({ secretFile }: Options, env: Readonly<Record<string, string | undefined>>, defaultPath: string | null): readonly Uint8Array[] => {
  const path = secretFile ?? (env['STARLING_SECRET'] === undefined ? defaultPath : null)
  if (path !== null) return parseSecrets(readSecretFile(path), path)
  const fromEnvironment = env['STARLING_SECRET']
  if (fromEnvironment !== undefined) return parseSecrets(fromEnvironment, 'STARLING_SECRET')
  throw usageError("secret-file: give the cluster's secret by --secret-file, --config, or STARLING_SECRET; there is none at ./data/cluster.secret.")
}

/** One secret a line; more than one while a cluster changes from one to the next. */
const parseSecrets = (content: string, source: string): readonly Uint8Array[] => {
  const lines = content.split('\n').map(line => line.trim()).filter(line => line !== '')
  if (lines.length === 0 || lines.some(line => line.length < SECRET_CHARACTERS_MIN)) throw usageError(`secret: ${source} must hold at least ${SECRET_CHARACTERS_MIN} characters a line.`)
  if (lines.length > SECRETS_MAX) throw usageError(`secret: ${source} holds ${lines.length} lines; ${SECRETS_MAX} secrets are the most.`)
  return lines.map(line => new TextEncoder().encode(line))
}

const readSecretFile = (path: string): string => {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    throw usageError(`secret-file: ${path} cannot be read (${(error as Error).message}).`)
  }
}

/** Three nodes may start at once: the file appears whole or not at all, and the first one's stays. */
const readOrMakeSecret = (path: string): string => {
  if (existsSync(path)) return readSecretFile(path)
  const fresh = `${path}.${process.pid}.${randomBytes(4).toString('hex')}`
  try {
    mkdirSync(dirname(path), { recursive: true })
    writeFileSync(fresh, `${randomBytes(32).toString('hex')}\n`, { mode: 0o600, flag: 'wx' })
    linkSync(fresh, path)
  } catch (error) {
    if (!(error instanceof Error && 'code' in error && error.code === 'EEXIST')) {
      throw new Exit(EXIT.dataDirectory, `${dirname(path)} cannot be written (${(error as Error).message}). Give --data-dir and --secret-file in a place that can.`)
    }
  } finally {
    rmSync(fresh, { force: true })
  }
  return readSecretFile(path)
}
