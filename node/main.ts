#!/usr/bin/env node
// The composition root: reads the command, puts a node together from core, runtime and adapters, and ends the process.
// Imported by nobody. Holds no rule of its own; the order in which things start and stop is its whole knowledge:
// store, sockets ready but deaf, port, first event; and back.

import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import packageJson from '../package.json' with { type: 'json' }
import { mintNodeId } from '../crdt-schema/ids.ts'
import { FRAMES_NEWEST } from '../crdt-schema/link-stream.ts'
import { PEER_PROTOCOL } from '../crdt-schema/peer-wire.ts'
import { createHealth } from './adapters/http-health.ts'
import { createAddressReader } from './adapters/http-address.ts'
import { createHttpApi } from './adapters/http-api.ts'
import { LIMITS_OFF, createHttpLimits } from './adapters/http-limits.ts'
import { createHttpOperator } from './adapters/http-operator.ts'
import { type HttpServer, createHttpServer } from './adapters/http-server.ts'
import { hasAside, keepNodeId, moveAside } from './adapters/level-directory.ts'
import { openLevelStore } from './adapters/level-store.ts'
import { createMetrics } from './adapters/metrics.ts'
import { DEFAULT_PARAMETERS, createPasswords, parseParameters } from './adapters/passwords.ts'
import { createStaticFiles } from './adapters/static-files.ts'
import { createSyncSockets } from './adapters/sync-sockets.ts'
import { createClock, createLog, randomBytes } from './adapters/system.ts'
import { type TlsCertificate, ensureCertificate, readCertificate } from './adapters/tls-certificate.ts'
import { createLinks } from './adapters/ws-links.ts'
import { account } from './cli/account.ts'
import { backup, restore, verify } from './cli/backup.ts'
import { readCommand } from './cli/command.ts'
import { EXIT, Exit, addressInUse, bugFound, diskFailed, isPortFree, storeRefused, usageError } from './cli/errors.ts'
import { doctor } from './cli/doctor.ts'
import { findCopy } from './cli/copies.ts'
import { joinCluster } from './cli/joining.ts'
import { members } from './cli/members.ts'
import { readOptions } from './cli/options.ts'
import { type End, type RunningNode, serve } from './cli/serve.ts'
import { type Settings, createSettings, showPath } from './cli/settings.ts'
import { status } from './cli/status.ts'
import { createTerminal } from './cli/terminal.ts'
import { describe, describeReplication, readiness } from './core/describe.ts'
import type { Event } from './core/events.ts'
import { createNode, readStoredPid, step } from './core/node.ts'
import { type Store, StoreRefused } from './core/ports.ts'
import { type Hands, createRuntime } from './runtime.ts'

const VERSION = packageJson.version
const { env } = process

/** Puts a node together and starts it. `onEnd` is called once, when the process may end. */
const startNode = async (asked: Settings, onEnd: (end: End) => void): Promise<RunningNode> => {
  const { dataDir } = asked
  const shown = showPath(dataDir)
  const tls = await openTls(asked)
  const store = await openStore(asked, openLog(asked))
  const settings = await join(asked, store)
  const { config } = settings
  const log = openLog(settings)
  let { secrets } = settings
  const readSecrets = (): readonly Uint8Array[] => secrets

  const node = createNode()
  const emit = (event: Event): void => runtime.feed(event)
  const metrics = createMetrics({ describe: () => describe(node), describeReplication: () => describeReplication(node), readStoreStats: () => store.stats() })
  const links = createLinks({ readSecrets, protocol: PEER_PROTOCOL, frames: FRAMES_NEWEST, url: config.url, peerPort: settings.peerPort, version: VERSION, random: randomBytes, emit, log })
  const readAddress = createAddressReader(settings.proxies)
  const sockets = createSyncSockets({ emit, log, onBytes: metrics.onClientBytes, readAddress })
  const api = createHttpApi({
    version: VERSION,
    emit,
    log,
    checksResponses: env['STARLING_CHECK_RESPONSES'] === '1',
    onAnswered: metrics.onAnswered,
    limits: config.rateLimits ? createHttpLimits() : LIMITS_OFF,
    readAddress
  })
  const operator = createHttpOperator({ readSecrets, emit, log, checksResponses: env['STARLING_CHECK_RESPONSES'] === '1' })
  const passwords = createPasswords({ parameters: readPasswordParameters(), workerUrl: new URL('./password-worker.js', import.meta.url), emit, onBroken: error => crash(bugFound(error), error) })

  const hands: Hands = {
    identify: links.identify,
    dial: ({ pid, url }) => links.dial(pid, url),
    send: ({ link, frame }) => links.send(link, frame),
    'close-link': ({ link, reason }) => links.close(link, reason),
    'client-send': ({ client, frame }) => sockets.send(client, frame),
    'client-close': ({ client, code, reason }) => sockets.close(client, code, reason),
    'client-pause': ({ client }) => sockets.pause(client),
    'client-resume': ({ client }) => sockets.resume(client),
    respond: effect => void (operator.respond(effect) || api.respond(effect)),
    stream: api.stream,
    'stream-end': ({ call }) => api.endStream(call),
    'hash-password': ({ job, password }) => passwords.hash(job, password),
    'verify-password': ({ job, password, hashes }) => passwords.verify(job, password, hashes),
    log: ({ level, event, fields }) => log(level, event, fields)
  }

  const crash = (end: Exit, error: Error): void => {
    log('error', 'node-crashed', { err: error.stack ?? error.message })
    onEnd(end)
  }
  const runtime = createRuntime({
    step: (event, now) => step(node, event, now),
    store,
    clock: createClock(Number(env['STARLING_CLOCK_OFFSET_MS'] ?? 0)),
    hands,
    onCommitted: metrics.onCommitted,
    onSlowTurn: (event, ms) => log('warn', 'slow-turn', { after: event, ms: Math.round(ms) }),
    onCrashed: ({ reason, error }) => crash(reason === 'disk' ? diskFailed(shown, error) : bugFound(error), error),
    onStopped: (exitCode, text) => {
      log('info', 'node-stopped', { exitCode })
      sockets.shutDown()
      links.shutDown()
      void Promise.all([server.shutDown(), peerServer?.shutDown(), passwords.shutDown()]).then(() => onEnd({ code: exitCode, message: text }))
    }
  })

  /** Links that are up stay up: they proved a secret that held then. */
  const reload = async (): Promise<void> => {
    const fresh = settings.rereadSecrets()
    const renewed = await openTls(settings)
    if (renewed !== null) for (const one of [server, peerServer]) one?.renewCertificate(renewed)
    secrets = fresh
    log('info', 'reloaded', { secrets: fresh.length, certificate: renewed !== null })
  }

  const nodeUrls = createNodeUrls(settings, () => describe(node).nodes.map(({ url }) => url))
  const demoControl = env['STARLING_DEMO_CONTROL']
  const server = createHttpServer({
    tls,
    nodeUrls,
    handlers: [
      api.handle,
      operator.handle,
      createHealth({ readiness: () => readiness(node), renderMetrics: metrics.render }),
      createStaticFiles({ directory: fileURLToPath(new URL('./web', import.meta.url)), nodeUrls: () => [...nodeUrls(), ...(demoControl === undefined ? [] : [demoControl])] })
    ],
    onPeer: settings.peerPort === null ? links.upgrade : null,
    onSync: sockets.upgrade,
    log
  })
  const peerServer = settings.peerPort === null ? null : createHttpServer({ tls, nodeUrls, handlers: [], onPeer: links.upgrade, onSync: null, log })
  await listen(server, settings.port, settings, store)
  if (peerServer !== null && settings.peerPort !== null) await listen(peerServer, settings.peerPort, settings, store)
  // What was moved aside is on other nodes: an empty directory in its place must not begin a cluster of its own.
  runtime.start({ ...config, bootstrap: config.bootstrap && !(await hasAside(dataDir)) }, randomBytes(32))
  log('info', 'node-started', { url: config.url, dataDir: shown, version: VERSION })
  return { settings, isReady: () => readiness(node).ready, drain: () => runtime.feed({ type: 'drain' }), reload: () => void reload().catch((error: Error) => log('error', 'reload-failed', { err: error.message })) }
}

const openLog = ({ logLevel, logFormat, config }: Settings): ReturnType<typeof createLog>['log'] => {
  const { log, flush } = createLog({ level: logLevel, format: logFormat, node: String(config.pid ?? 'new') })
  process.on('exit', flush)
  return log
}

/** The settings of a node that joins, which its directory and the cluster complete; a store that will not be used is closed again. */
const join = async (settings: Settings, store: Store): Promise<Settings> => {
  const { state } = store
  const { host, port, dataDir, config } = settings
  const pid = readStoredPid(state.meta)
  const isEmpty = state.lastCommit === 0 && state.heads.length === 0
  try {
    // Before a pid is granted, or the node would be a member that cannot start.
    if (config.joinUrl !== null && !(await isPortFree(port, host))) throw await addressInUse(host, port, config.url)
    return await joinCluster(settings, { pid, isEmpty, keepNodeId: () => keepNodeId(dataDir, mintNodeId(randomBytes(16))) })
  } catch (error) {
    await store.close()
    throw error
  }
}

const openTls = async ({ tls, dataDir, config }: Settings): Promise<TlsCertificate | null> => {
  if (tls === 'off') return null
  try {
    return tls === 'auto' ? await ensureCertificate(`${dataDir}-tls`, config.url) : readCertificate(tls.certPath, tls.keyPath)
  } catch (error) {
    throw usageError(`tls: the certificate cannot be read or made (${(error as Error).message}).`)
  }
}

/** Opens the data directory. One that is ours and damaged makes room for an empty one if the cluster has another copy [STO5]. */
const openStore = async (settings: Settings, log: ReturnType<typeof createLog>['log']): Promise<Store> => {
  const { dataDir } = settings
  const open = (damage: 'refused' | 'opened'): Promise<Store> => openLevelStore({ directory: dataDir, damage, onDamage: text => log('warn', 'quarantined', { reason: text }) })
  try {
    return await open('refused').catch(async (error: unknown) => {
      if (!(error instanceof StoreRefused && error.code === 'damaged')) throw error
      log('error', 'directory-damaged', { dataDir: showPath(dataDir), reason: error.message })
      const objection = await findCopy(settings)
      // Nobody else has it: what an earlier run found may leave enough to serve; what does not even open stays.
      if (objection !== null) return open('opened').catch(() => Promise.reject(new StoreRefused('damaged', `${error.message} ${objection}`)))
      const movedTo = await moveAside(dataDir, Date.now())
      log('warn', 'directory-aside', { dataDir: showPath(dataDir), movedTo: showPath(movedTo) })
      return open('refused')
    })
  } catch (error) {
    if (error instanceof StoreRefused) throw storeRefused(error.code, error.message)
    throw new Exit(EXIT.dataDirectory, `The data directory ${showPath(dataDir)} cannot be opened (${(error as Error).message}). Check that it can be written, or give another --data-dir.`)
  }
}

/** Waits until the port is open; a store that will not be used is closed again. */
const listen = async (server: HttpServer, port: number, { host, config }: Settings, store: Store): Promise<void> => {
  try {
    await server.listen(port, host)
  } catch (error) {
    await store.close()
    const code = (error as NodeJS.ErrnoException).code
    if (code === 'EADDRINUSE') throw await addressInUse(host, port, config.url)
    throw new Exit(EXIT.usage, `Cannot listen on ${host} port ${port} (${code ?? (error as Error).message}). Check --host and --port.`)
  }
}

const NODE_URLS_KEPT_MS = 1_000

/** Addresses of the cluster's nodes, read anew at most once a second: every page and every request asks for them. */
const createNodeUrls = ({ config }: Settings, readMembers: () => readonly string[]): (() => readonly string[]) => {
  let urls: readonly string[] = []
  let readMs = Number.NEGATIVE_INFINITY
  return () => {
    if (performance.now() - readMs < NODE_URLS_KEPT_MS) return urls
    readMs = performance.now()
    urls = [...new Set([config.url, ...config.peers.values(), ...readMembers()])]
    return urls
  }
}

const readPasswordParameters = (): typeof DEFAULT_PARAMETERS => {
  const text = env['STARLING_ARGON2']
  if (text === undefined) return DEFAULT_PARAMETERS
  const parameters = parseParameters(text, env['STARLING_TEST'] === '1')
  if (parameters === null) throw usageError(`STARLING_ARGON2: ${text} must be m,t,p (KiB, passes, lanes) and at least 19456,2,1.`)
  return parameters
}

/** Runs the command line; resolves to the exit code. */
const main = async (): Promise<number> => {
  const command = readCommand(process.argv.slice(2), VERSION)
  const say = (line: string): void => void process.stdout.write(`${line}\n`)
  switch (command.name) {
    case 'print':
      say(command.text)
      return EXIT.done
    case 'status':
      await status(command.args, env, say)
      return EXIT.done
    case 'account':
      return account(command.args, env, createTerminal())
    case 'members':
      return members(command.args, env, createTerminal())
    case 'backup':
      return backup(command.args, env, VERSION, createTerminal())
    case 'verify':
      return verify(command.args, createTerminal())
    case 'restore':
      return restore(command.args, env, VERSION, createTerminal())
    case 'doctor':
      return doctor(command.args, env, createTerminal())
    case 'serve': {
      const end = await serve(createSettings(readOptions(command.args, env), env, VERSION), startNode, say)
      if (end.code === EXIT.done) say(end.message)
      else process.stderr.write(`${end.message}\n`)
      return end.code
    }
  }
}

main().then(
  code => process.exit(code),
  (error: unknown) => {
    process.stderr.write(`${error instanceof Exit ? error.message : ((error as Error).stack ?? String(error))}\n`)
    process.exit(error instanceof Exit ? error.code : EXIT.failed)
  }
)
