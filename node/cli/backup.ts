// `backup`, `verify`, `restore`: all documents of a running node into one file, the check of such a file, and an empty data directory made from it.
// Refuses to touch the data of a node: a backup is read through the running node, and a restore only ever fills an empty directory.
//
// A restored node joins its cluster like any other and merges: what was removed since stays removed, what is newer stays. Documents are read
// one after the other while people go on, in an order in which a half-seen change does no harm: names before the accounts that have them,
// drafts before inboxes, and removals last. What was acknowledged when the backup began is in it.

import { mkdir, readdir } from 'node:fs/promises'
import { randomBytes } from 'node:crypto'
import { dirname } from 'node:path'
import * as Y from 'yjs'
import { type Hlc, NO_EPOCH, mintNodeId, parseDocumentName, toDocumentName } from '../../crdt-schema/ids.ts'
import { countSent } from '../../crdt-schema/inbox.ts'
import { openLevelStore } from '../adapters/level-store.ts'
import type { LoggedUpdate } from '../core/events.ts'
import { type Store, StoreRefused } from '../core/ports.ts'
import type { Meta } from '../core/state.ts'
import { PLACE_FLAGS, PLACE_HELP, type Terminal, readArguments, showBytes } from './arguments.ts'
import type { Environment } from './asking.ts'
import { type BackupDocument, type Manifest, createBackup, damaged, readBackup } from './backup-file.ts'
import { EXIT, Exit, storeRefused, usageError } from './errors.ts'
import { type AskNode, createAskNode, findPlace } from './operator.ts'
import { readOptions } from './options.ts'
import { createSettings, secretToClusterId, showPath } from './settings.ts'

export const BACKUP_HELP = `Usage: node dist/node.js backup FILE

Reads all documents from the running node of this machine into FILE, while it serves. Any one ready node has everything.
FILE must not exist. It holds mail and password hashes: keep it as safe as the data itself.

${PLACE_HELP}`

export const VERIFY_HELP = `Usage: node dist/node.js verify FILE [-o json]

Reads a backup from front to end: its SHA-256, its counts, and whether every document in it can be read.`

export const RESTORE_HELP = `Usage: node dist/node.js restore FILE --pid N [--data-dir PATH] [--secret-file PATH] [--config PATH]

Fills the empty data directory of node N, which must not run, from a backup. Then start the node. If others of its cluster
run, it joins them and only adds what they lack: nothing that was removed since comes back, nothing newer is lost.
The options are those the node starts with.`

/** Read in this order; see the head of this file. */
const PREFIXES = ['names/', 'drafts/', 'marks/', 'inbox/', 'accounts/', 'sessions/', 'members'] as const
const NAMES_PER_QUESTION = 256
/** One commit of a restore. */
const COMMIT_BYTES_MAX = 4 * 1024 * 1024
const COMMIT_UPDATES_MAX = 500
const HARMLESS = ['lost+found']

// ---- backup

export const backup = async (args: readonly string[], env: Environment, version: string, { say, tell }: Terminal): Promise<number> => {
  const parsed = readArguments('backup', args, PLACE_FLAGS, { min: 1, max: 1 })
  const [path = ''] = parsed.words
  const place = findPlace(parsed, env)
  const ask = createAskNode(place)
  const { self } = await ask('operator-check')
  const writer = await createBackup(path)
  try {
    const beganAt = new Date().toISOString()
    await copyDocuments(ask, writer.add, count => tell(`${count} documents …`))
    const clusterId = secretToClusterId(place.secrets[0] ?? new Uint8Array())
    const manifest = await writer.finish({ version, pid: self, clusterId, beganAt, endedAt: new Date().toISOString() })
    say(parsed.output === 'json' ? JSON.stringify(manifest, null, 2) : `Wrote ${path}: ${describeManifest(manifest)}.`)
    return EXIT.done
  } finally {
    await writer.abandon()
  }
}

const TELL_EVERY = 10_000

const copyDocuments = async (ask: AskNode, add: (name: BackupDocument['name'], state: Uint8Array) => Promise<void>, onProgress: (count: number) => void): Promise<void> => {
  let copied = 0
  for (const prefix of PREFIXES) {
    let after: string | undefined
    do {
      const page = await ask('operator-list-documents', { query: { prefix, ...(after === undefined ? {} : { after }) } })
      const names = page.documents.map(({ name }) => name)
      while (names.length > 0) {
        const { documents } = await ask('operator-read-documents', { body: { names: names.slice(0, NAMES_PER_QUESTION) } })
        if (documents.length === 0) throw new Exit(EXIT.failed, 'The node gave no document. Use the program of its own version.')
        for (const { name, state } of documents) {
          const known = toDocumentName(name)
          if (known !== null && state !== '') await add(known, Buffer.from(state, 'base64')) // empty: it was removed since
          if (++copied % TELL_EVERY === 0) onProgress(copied)
        }
        names.splice(0, documents.length)
      }
      after = page.next
    } while (after !== undefined)
  }
}

const describeManifest = ({ documents, bytes, kinds, pid, beganAt, sha256 }: Manifest): string =>
  `${documents} documents (${Object.entries(kinds).map(([kind, count]) => `${count} ${kind}`).join(', ')}), ${showBytes(bytes)}, read from node ${pid} at ${beganAt}, SHA-256 ${sha256}`

// ---- verify

export const verify = async (args: readonly string[], { say }: Terminal): Promise<number> => {
  const { words: [path = ''], output } = readArguments('verify', args, {}, { min: 1, max: 1 })
  const { manifest, messages } = await checkBackup(path)
  say(output === 'json' ? JSON.stringify({ ...manifest, messages }, null, 2) : `${path} is sound: ${describeManifest(manifest)}. It holds ${messages} messages sent.`)
  return EXIT.done
}

/** Reads everything once, each document as its reader would. */
const checkBackup = async (path: string): Promise<{ readonly manifest: Manifest; readonly messages: number }> => {
  let messages = 0
  const manifest = await readBackup(path, ({ name, state }) => {
    const doc = new Y.Doc()
    try {
      Y.applyUpdate(doc, state)
    } catch (error) {
      throw damaged(path, `${name} cannot be read (${(error as Error).message})`)
    }
    if (doc.store.pendingStructs !== null || doc.store.pendingDs !== null) throw damaged(path, `${name} is not whole`)
    const ref = parseDocumentName(name)
    if (ref?.kind === 'inbox') messages += countSent(doc, ref.account)
    doc.destroy()
  })
  return { manifest, messages }
}

// ---- restore

export const restore = async (args: readonly string[], env: Environment, version: string, { say }: Terminal): Promise<number> => {
  const { words: [path = ''], output, flags } = readArguments('restore', args, { config: 'value', pid: 'value', 'data-dir': 'value', 'secret-file': 'value', peers: 'value', host: 'value' }, { min: 1, max: 1 })
  const options = readOptions(Object.entries(flags).flatMap(([name, value]) => [`--${name}`, value]), env)
  const { pid } = options
  if (pid === null) throw usageError('pid: say which node the directory is for, for example --pid 0.')
  const { dataDir, config } = createSettings(options, env, version)
  const { manifest } = await checkBackup(path) // whole, before anything is written
  const store = await openEmpty(dataDir)
  try {
    await fill(store, path, { pid, nodeId: mintNodeId(new Uint8Array(randomBytes(16))), boot: 1, clusterId: config.clusterId, promised: NO_EPOCH, hlc: 0 as Hlc, lastView: [], tentative: [], held: {}, roleLostMs: [], agreedMs: 0, coordinated: false })
  } finally {
    await store.close()
  }
  const isOther = manifest.clusterId !== config.clusterId
  if (output === 'json') say(JSON.stringify({ dataDir, pid, documents: manifest.documents, bytes: manifest.bytes }, null, 2))
  else {
    say(`Filled ${showPath(dataDir)} with ${manifest.documents} documents. Start node ${pid}: beside others it only adds what they lack.`)
    if (isOther) say('The backup was taken under another secret; the restored cluster is a new one under the secret given.')
  }
  return EXIT.done
}

const openEmpty = async (dataDir: string): Promise<Store> => {
  await mkdir(dirname(dataDir), { recursive: true })
  const names = await readdir(dataDir).catch((): string[] => [])
  const isOurs = names.includes('STARLING')
  if (!isOurs && names.some(name => !HARMLESS.includes(name))) throw notEmpty(dataDir)
  let store: Store
  try {
    store = await openLevelStore({ directory: dataDir })
  } catch (error) {
    if (!(error instanceof StoreRefused)) throw error
    if (error.code === 'locked') throw new Exit(EXIT.dataDirectory, `The node of ${showPath(dataDir)} runs. Stop it, move its data directory away, and restore into an empty one.`)
    throw storeRefused(error.code, error.message)
  }
  if (store.state.meta === null && store.state.heads.length === 0) return store
  await store.close()
  throw notEmpty(dataDir)
}

const notEmpty = (dataDir: string): Exit => new Exit(EXIT.dataDirectory, `${showPath(dataDir)} is not empty. Nothing was changed. Move it away: a restore fills an empty directory, and the node then joins the others.`)

/** The node's own state comes with the last commit: a directory that was filled only in part belongs to nobody yet. */
const fill = async (store: Store, path: string, meta: Meta): Promise<void> => {
  let seq = store.state.lastCommit
  let updates: LoggedUpdate[] = []
  let bytes = 0
  const flush = async (text: string | null): Promise<void> => {
    if (updates.length === 0 && text === null) return
    await store.commit({ seq: ++seq, updates, digests: updates.map(({ document }) => ({ document, digest: null })), removed: [], meta: text })
    updates = []
    bytes = 0
  }
  await readBackup(path, async ({ name, state }) => {
    if (bytes + state.length > COMMIT_BYTES_MAX || updates.length >= COMMIT_UPDATES_MAX) await flush(null)
    updates.push({ document: name, update: state })
    bytes += state.length
  })
  await flush(JSON.stringify(meta))
}
