// How the store writes things down: keys, and values sealed with a checksum [STO6]. Pure; docs/storage.md draws the layout.
// Documents' rows have y-leveldb's keys and values, so that a stopped node's directory opens in stock y-leveldb. Everything else has
// keys that begin with 'starling', which y-leveldb never reads. Nothing here is trusted: what does not decode is null.

import { crc32 } from 'node:zlib'
import * as decoding from 'lib0/decoding'
import * as encoding from 'lib0/encoding'
import { keyEncoding } from 'y-leveldb'
import { type DocumentName, toDocumentName } from '../../crdt-schema/ids.ts'
import { isBroken } from '../../crdt-schema/mutation.ts'
import type { CommitNumber, CommitRecord, StoredDigest } from '../core/events.ts'

export type Operation =
  | { readonly type: 'put'; readonly key: Uint8Array; readonly value: Uint8Array }
  | { readonly type: 'del'; readonly key: Uint8Array }

/** A half-open range of keys. */
export interface KeyRange {
  readonly gte: Uint8Array
  readonly lt: Uint8Array
}

// ---- keys

/** In the order of their parts: strings as lib0 varStrings, numbers as 32 bits big-endian. */
const toKey = (...parts: readonly (string | number)[]): Uint8Array => keyEncoding.encode([...parts])
/** Both words of a commit number, since y-leveldb's keys hold 32 bits. */
const toWords = (seq: CommitNumber): readonly [number, number] => [Math.floor(seq / 2 ** 32), seq >>> 0]
/** All keys that begin with these parts. Parts open with byte 0 or 1, so 255 is beyond them all. */
const toRange = (...parts: readonly string[]): KeyRange => {
  const gte = toKey(...parts)
  return { gte, lt: Buffer.concat([gte, Uint8Array.of(255)]) }
}

export const STATE_KEY = toKey('starling', 'state')
export const META_KEY = toKey('starling', 'meta')
export const LOG_RANGE = toRange('starling', 'log')
export const HEAD_RANGE = toRange('starling', 'head')
export const FEED_RANGE = toRange('starling', 'feed')
export const ASIDE_RANGE = toRange('starling', 'aside')
export const logKey = (seq: CommitNumber): Uint8Array => toKey('starling', 'log', ...toWords(seq))
export const headKey = (document: DocumentName): Uint8Array => toKey('starling', 'head', document)
export const feedKey = (seq: CommitNumber, document: DocumentName): Uint8Array => toKey('starling', 'feed', ...toWords(seq), document)
/** Where a damaged entry goes: its own key behind the number of the last commit known when it was found. */
export const asideKey = (found: CommitNumber, key: Uint8Array): Uint8Array => Buffer.concat([toKey('starling', 'aside', ...toWords(found)), key])
/** y-leveldb's createDocumentUpdateKey, which it does not export. */
export const rowKey = (document: DocumentName, row: number): Uint8Array => toKey('v1', document, 'update', row)
/** The same key after key, for a document with many rows: its name is encoded once. The number is the last four bytes, big-endian. */
export const rowKeysOf = (document: DocumentName): ((row: number) => Uint8Array) => {
  const first = rowKey(document, 0)
  const at = first.byteLength - 4
  return (row) => {
    const key = new Uint8Array(first)
    key[at] = row >>> 24
    key[at + 1] = row >>> 16
    key[at + 2] = row >>> 8
    key[at + 3] = row
    return key
  }
}
export const rowRange = (document: DocumentName): KeyRange => toRange('v1', document, 'update')
/** y-leveldb's createDocumentStateVectorKey: the entry by which it finds a document's name. */
export const stateVectorKey = (document: DocumentName): Uint8Array => toKey('v1_sv', document)

const parseKey = (key: Uint8Array): readonly (string | number)[] | null => {
  try {
    return keyEncoding.decode(key)
  } catch {
    return null // not one of ours; its owner reports it
  }
}

const parseSeq = (high: unknown, low: unknown): CommitNumber | null =>
  typeof high === 'number' && typeof low === 'number' ? high * 2 ** 32 + low : null

export const parseLogKey = (key: Uint8Array): CommitNumber | null => {
  const parts = parseKey(key)
  return parts === null ? null : parseSeq(parts[2], parts[3])
}

export const parseHeadKey = (key: Uint8Array): DocumentName | null => {
  const name = parseKey(key)?.[2]
  return typeof name === 'string' ? toDocumentName(name) : null
}

export const parseFeedKey = (key: Uint8Array): { readonly seq: CommitNumber; readonly document: DocumentName } | null => {
  const parts = parseKey(key)
  if (parts === null) return null
  const seq = parseSeq(parts[2], parts[3])
  const document = typeof parts[4] === 'string' ? toDocumentName(parts[4]) : null
  return seq === null || document === null ? null : { seq, document }
}

// ---- seals

/** `body` and the CRC-32 of key and body: a value that was damaged, or that stands under another's key, does not open. */
export const seal = (key: Uint8Array, body: Uint8Array): Uint8Array => {
  const value = Buffer.allocUnsafe(body.byteLength + 4)
  value.set(body)
  value.writeUInt32LE(crc32(body, crc32(key)), body.byteLength)
  return value
}

/** The body of a sealed value, or null. */
export const unseal = (key: Uint8Array, value: Uint8Array): Uint8Array | null => {
  if (value.byteLength < 4) return null
  const body = value.subarray(0, value.byteLength - 4)
  return sealOf(value) === crc32(body, crc32(key)) || isBroken('no-checksum') ? body : null
}

/** The checksum at the end of a sealed value. */
export const sealOf = (value: Uint8Array): number => new DataView(value.buffer, value.byteOffset, value.byteLength).getUint32(value.byteLength - 4, true)

/** Opens a sealed value and reads it; null if either fails. */
const open = <Value>(key: Uint8Array, value: Uint8Array, read: (decoder: decoding.Decoder) => Value | null): Value | null => {
  const body = unseal(key, value)
  if (body === null) return null
  try {
    return read(decoding.createDecoder(body))
  } catch {
    return null // the seal holds but the body ends early: written by something else
  }
}

// ---- values

const FORMAT = 1
const NO_DIGEST = 0
const WITH_DIGEST = 1
const WITH_DIGEST_AND_MESSAGES = 2

const writeDigest = (encoder: encoding.Encoder, digest: StoredDigest | null): void => {
  encoding.writeUint8(encoder, digest === null ? NO_DIGEST : digest.messages === undefined ? WITH_DIGEST : WITH_DIGEST_AND_MESSAGES)
  if (digest === null) return
  encoding.writeUint32(encoder, digest.high)
  encoding.writeUint32(encoder, digest.low)
  if (digest.messages !== undefined) encoding.writeVarUint(encoder, digest.messages)
}

const readDigest = (decoder: decoding.Decoder): StoredDigest | null => {
  const kind = decoding.readUint8(decoder)
  if (kind === NO_DIGEST) return null
  const digest = { high: decoding.readUint32(decoder), low: decoding.readUint32(decoder) }
  return kind === WITH_DIGEST ? digest : { ...digest, messages: decoding.readVarUint(decoder) }
}

const readDocument = (decoder: decoding.Decoder): DocumentName => {
  const document = toDocumentName(decoding.readVarString(decoder))
  if (document === null) throw new Error('not the name of a document')
  return document
}

const readList = <Item>(decoder: decoding.Decoder, readItem: () => Item): Item[] =>
  Array.from({ length: decoding.readVarUint(decoder) }, readItem)

/** One commit as one log record [STO1], sealed for `key`. */
export const encodeRecord = (key: Uint8Array, record: CommitRecord): Uint8Array => {
  const encoder = encoding.createEncoder()
  encoding.writeUint8(encoder, FORMAT)
  encoding.writeVarUint(encoder, record.seq)
  encoding.writeVarUint(encoder, record.updates.length)
  for (const { document, update } of record.updates) {
    encoding.writeVarString(encoder, document)
    encoding.writeVarUint8Array(encoder, update)
  }
  encoding.writeVarUint(encoder, record.digests.length)
  for (const { document, digest } of record.digests) {
    encoding.writeVarString(encoder, document)
    writeDigest(encoder, digest)
  }
  encoding.writeVarUint(encoder, record.removed.length)
  for (const document of record.removed) encoding.writeVarString(encoder, document)
  encoding.writeUint8(encoder, record.meta === null ? 0 : 1)
  if (record.meta !== null) encoding.writeVarString(encoder, record.meta)
  return seal(key, encoding.toUint8Array(encoder))
}

/** Its updates are views into `value`. */
export const decodeRecord = (key: Uint8Array, value: Uint8Array): CommitRecord | null =>
  open(key, value, (decoder) => {
    if (decoding.readUint8(decoder) !== FORMAT) return null
    const seq = decoding.readVarUint(decoder)
    const updates = readList(decoder, () => ({ document: readDocument(decoder), update: decoding.readVarUint8Array(decoder) }))
    const digests = readList(decoder, () => ({ document: readDocument(decoder), digest: readDigest(decoder) }))
    const removed = readList(decoder, () => readDocument(decoder))
    const meta = decoding.readUint8(decoder) === 0 ? null : decoding.readVarString(decoder)
    return { seq, updates, digests, removed, meta }
  })

/** What stands beside a document's rows [STO3]. Its rows are numbered firstRow … nextRow − 1 without a hole. */
export interface RowsHead {
  /** The latest folded commit that touched it. */
  readonly seq: CommitNumber
  readonly digest: StoredDigest | null
  readonly firstRow: number
  readonly nextRow: number
  /** Sum of the lengths of its rows. */
  readonly bytes: number
  /** CRC-32 of its rows, one after the other. */
  readonly checksum: number
}

export const encodeHead = (key: Uint8Array, head: RowsHead): Uint8Array => {
  const encoder = encoding.createEncoder()
  encoding.writeUint8(encoder, FORMAT)
  encoding.writeVarUint(encoder, head.seq)
  writeDigest(encoder, head.digest)
  encoding.writeVarUint(encoder, head.firstRow)
  encoding.writeVarUint(encoder, head.nextRow)
  encoding.writeVarUint(encoder, head.bytes)
  encoding.writeUint32(encoder, head.checksum)
  return seal(key, encoding.toUint8Array(encoder))
}

export const decodeHead = (key: Uint8Array, value: Uint8Array): RowsHead | null =>
  open(key, value, (decoder) => {
    if (decoding.readUint8(decoder) !== FORMAT) return null
    return {
      seq: decoding.readVarUint(decoder),
      digest: readDigest(decoder),
      firstRow: decoding.readVarUint(decoder),
      nextRow: decoding.readVarUint(decoder),
      bytes: decoding.readVarUint(decoder),
      checksum: decoding.readUint32(decoder),
    }
  })

/** Where the log begins, what stands behind it, and whether the last run ended well. */
export interface LogState {
  /** Every commit up to this one is in rows; the log goes on with the next. */
  readonly folded: CommitNumber
  /** How many documents have rows. */
  readonly documents: number
  /** The seals of all heads and of the node's own state added up, modulo 2^32: none of them can get lost or old unnoticed. */
  readonly sum: number
  /** Written by a close that folded everything and had met no damage; taken back by the next open. */
  readonly isClean: boolean
}

export const encodeState = (state: LogState): Uint8Array => {
  const encoder = encoding.createEncoder()
  encoding.writeUint8(encoder, FORMAT)
  encoding.writeVarUint(encoder, state.folded)
  encoding.writeVarUint(encoder, state.documents)
  encoding.writeUint32(encoder, state.sum)
  encoding.writeUint8(encoder, state.isClean ? 1 : 0)
  return seal(STATE_KEY, encoding.toUint8Array(encoder))
}

export const decodeState = (value: Uint8Array): LogState | null =>
  open(STATE_KEY, value, (decoder) => {
    if (decoding.readUint8(decoder) !== FORMAT) return null
    return { folded: decoding.readVarUint(decoder), documents: decoding.readVarUint(decoder), sum: decoding.readUint32(decoder), isClean: decoding.readUint8(decoder) === 1 }
  })

const utf8 = { encoder: new TextEncoder(), decoder: new TextDecoder('utf-8', { fatal: true }) }

export const encodeMeta = (meta: string): Uint8Array => seal(META_KEY, utf8.encoder.encode(meta))
export const decodeMeta = (value: Uint8Array): string | null => {
  const body = unseal(META_KEY, value)
  return body === null ? null : utf8.decoder.decode(body)
}

/**
 * The value under a document's stateVectorKey: a clock that no row has and an empty state vector. Stock y-leveldb takes it as out of
 * date and computes its own when asked; keeping it current would mean decoding every update at every checkpoint.
 */
export const OUTDATED_STATE_VECTOR: Uint8Array = (() => {
  const encoder = encoding.createEncoder()
  encoding.writeVarUint(encoder, 2 ** 32 - 1)
  encoding.writeVarUint8Array(encoder, Uint8Array.of(0))
  return encoding.toUint8Array(encoder)
})()
