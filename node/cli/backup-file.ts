// The file of a backup: every document as one Yjs state, and at the end a manifest with counts and a SHA-256 over all before it.
//
//   "STARLING BACKUP 1\n"
//   0x01, length of name (u16), name, length of state (u32), state     one per document; numbers big-endian
//   0x02, length of manifest (u32), manifest (JSON)                    once, and nothing after it
//
// States, not rows: they merge with whatever is there, and what was removed travels as removed. The file holds password hashes and mail:
// it is readable by its owner only. Written beside its name first, so a half-written one never looks like a backup.

import { createHash } from 'node:crypto'
import { type FileHandle, link, open, rm } from 'node:fs/promises'
import * as v from 'valibot'
import { parseDocumentName, toDocumentName, type DocumentName } from '../../crdt-schema/ids.ts'
import { EXIT, Exit, usageError } from './errors.ts'

const MAGIC = Buffer.from('STARLING BACKUP 1\n')
const DOCUMENT = 1
const MANIFEST = 2
const STATE_BYTES_MAX = 1024 * 1024 * 1024
const READ_BYTES = 1024 * 1024

const count = v.pipe(v.number(), v.integer(), v.minValue(0))
const manifestShape = v.object({
  format: v.literal(1),
  /** Of the program that wrote it. */
  version: v.string(),
  /** The node it was read from. */
  pid: count,
  clusterId: v.string(),
  beganAt: v.string(),
  endedAt: v.string(),
  documents: count,
  /** Of all states. */
  bytes: count,
  /** Documents by the first word of their names. */
  kinds: v.record(v.string(), count),
  /** Over everything before the manifest, hex. */
  sha256: v.pipe(v.string(), v.regex(/^[0-9a-f]{64}$/))
})
export type Manifest = v.InferOutput<typeof manifestShape>

export interface BackupDocument {
  readonly name: DocumentName
  readonly state: Uint8Array
}

// ---- writing

export interface BackupWriter {
  add(name: DocumentName, state: Uint8Array): Promise<void>
  /** Writes the manifest and gives the file its name. */
  finish(about: Pick<Manifest, 'version' | 'pid' | 'clusterId' | 'beganAt' | 'endedAt'>): Promise<Manifest>
  /** Leaves nothing behind. Does nothing after `finish`. */
  abandon(): Promise<void>
}

/** Begins a backup; a file that exists is never overwritten. */
export const createBackup = async (path: string): Promise<BackupWriter> => {
  const partial = `${path}.partial`
  const file = await openNew(path, partial)
  const hash = createHash('sha256')
  const kinds: Record<string, number> = {}
  let documents = 0
  let bytes = 0
  let isOpen = true

  const write = async (...parts: readonly Uint8Array[]): Promise<void> => {
    for (const part of parts) hash.update(part)
    await file.writev(parts as Uint8Array[])
  }
  await write(MAGIC)

  return {
    add: async (name, state) => {
      const nameBytes = Buffer.from(name)
      const head = Buffer.alloc(3)
      head.writeUInt8(DOCUMENT)
      head.writeUInt16BE(nameBytes.length, 1)
      const length = Buffer.alloc(4)
      length.writeUInt32BE(state.length)
      await write(head, nameBytes, length, state)
      const kind = kindOf(name)
      kinds[kind] = (kinds[kind] ?? 0) + 1
      documents++
      bytes += state.length
    },
    finish: async about => {
      const manifest: Manifest = { format: 1, ...about, documents, bytes, kinds, sha256: hash.digest('hex') }
      const text = Buffer.from(JSON.stringify(manifest))
      const head = Buffer.alloc(5)
      head.writeUInt8(MANIFEST)
      head.writeUInt32BE(text.length, 1)
      await file.writev([head, text])
      await file.sync()
      await file.close()
      isOpen = false
      await link(partial, path) // fails if somebody else made the file meanwhile
      await rm(partial)
      return manifest
    },
    abandon: async () => {
      if (!isOpen) return
      isOpen = false
      await file.close()
      await rm(partial, { force: true })
    }
  }
}

const openNew = async (path: string, partial: string): Promise<FileHandle> => {
  const existing = await open(path, 'r').catch(() => null) // that it cannot be read is found out below
  if (existing !== null) {
    await existing.close()
    throw usageError(`${path} exists. A backup is never overwritten: give another name.`)
  }
  try {
    return await open(partial, 'w', 0o600)
  } catch (error) {
    throw new Exit(EXIT.failed, `${partial} cannot be written (${(error as Error).message}). Give a file in a place that can.`)
  }
}

export const kindOf = (name: DocumentName): string => parseDocumentName(name)?.kind ?? 'unknown'

// ---- reading

/** Reads a backup from front to end, giving each document to `visit`; resolves to the manifest once everything was found to be as it says. */
export const readBackup = async (path: string, visit: (document: BackupDocument) => Promise<void> | void): Promise<Manifest> => {
  const file = await open(path, 'r').catch((error: Error) => {
    throw new Exit(EXIT.failed, `${path} cannot be read (${error.message}).`)
  })
  try {
    return await readRecords(path, createReader(path, file), visit)
  } finally {
    await file.close()
  }
}

const readRecords = async (path: string, reader: Reader, visit: (document: BackupDocument) => Promise<void> | void): Promise<Manifest> => {
  const hash = createHash('sha256')
  const take = async (length: number): Promise<Buffer> => {
    const bytes = await reader.take(length)
    hash.update(bytes)
    return bytes
  }
  const size = await reader.size()
  if (size < MAGIC.length || !(await take(MAGIC.length)).equals(MAGIC)) throw damaged(path, 'it is not a backup of Starling, or of a newer one')
  const kinds: Record<string, number> = {}
  let documents = 0
  let bytes = 0
  for (;;) {
    const head = await reader.take(1)
    if (head[0] === MANIFEST) break
    if (head[0] !== DOCUMENT) throw damaged(path, `after ${documents} documents comes something that is none`)
    hash.update(head)
    const name = toDocumentName((await take((await take(2)).readUInt16BE())).toString())
    if (name === null) throw damaged(path, `document ${documents + 1} has no name`)
    const length = (await take(4)).readUInt32BE()
    if (length > STATE_BYTES_MAX) throw damaged(path, `${name} is impossibly large`)
    const state = await take(length)
    const kind = kindOf(name)
    kinds[kind] = (kinds[kind] ?? 0) + 1
    documents++
    bytes += length
    await visit({ name, state: new Uint8Array(state) })
  }
  const text = await reader.take((await reader.take(4)).readUInt32BE())
  if (!(await reader.isAtEnd())) throw damaged(path, 'something stands after its end')
  const manifest = parseManifest(path, text.toString())
  if (manifest.sha256 !== hash.digest('hex')) throw damaged(path, 'its SHA-256 is not the one it names')
  const isCounted = manifest.documents === documents && manifest.bytes === bytes && Object.keys({ ...kinds, ...manifest.kinds }).every(kind => kinds[kind] === manifest.kinds[kind])
  if (!isCounted) throw damaged(path, `it names ${manifest.documents} documents of ${manifest.bytes} bytes and holds ${documents} of ${bytes}`)
  return manifest
}

const parseManifest = (path: string, text: string): Manifest => {
  try {
    const parsed = v.safeParse(manifestShape, JSON.parse(text))
    if (parsed.success) return parsed.output
    throw damaged(path, `its manifest is wrong (${v.getDotPath(parsed.issues[0]) ?? ''} ${parsed.issues[0].message})`)
  } catch (error) {
    throw error instanceof Exit ? error : damaged(path, 'its manifest cannot be read')
  }
}

export const damaged = (path: string, reason: string): Exit => new Exit(EXIT.failed, `${path} is not a sound backup: ${reason}. Take another copy of the file, or another backup.`)

interface Reader {
  /** The next bytes; throws an Exit if the file ends before. */
  take(length: number): Promise<Buffer>
  isAtEnd(): Promise<boolean>
  size(): Promise<number>
}

const createReader = (path: string, file: FileHandle): Reader => {
  let held = Buffer.alloc(0)
  const fill = async (length: number): Promise<boolean> => {
    const { size } = await file.stat()
    if (length > size) return false // a damaged length must not be allocated
    const chunks = [held]
    let bytes = held.length
    while (bytes < length) {
      const { bytesRead, buffer } = await file.read(Buffer.alloc(READ_BYTES), 0, READ_BYTES)
      if (bytesRead === 0) break
      chunks.push(buffer.subarray(0, bytesRead))
      bytes += bytesRead
    }
    held = Buffer.concat(chunks)
    return held.length >= length
  }
  return {
    take: async length => {
      if (held.length < length && !(await fill(length))) throw damaged(path, 'it ends too early')
      const taken = held.subarray(0, length)
      held = held.subarray(length)
      return taken
    },
    isAtEnd: async () => held.length === 0 && !(await fill(1)),
    size: async () => (await file.stat()).size
  }
}
