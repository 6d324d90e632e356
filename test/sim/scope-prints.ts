// When two worlds at rest are one and the same to whatever follows: nodes printed without what decides nothing, and numbers by their
// order, not their size. Times are ages, as far back as the longest timer; commit numbers, boots, epochs and digests are tagged
// with what they count, and `rankTags` gives each its place among those of its kind in the whole world.

import { type Pid, epochCounter, epochPid } from '../../crdt-schema/ids.ts'
import type { Epoch } from '../../crdt-schema/ids.ts'
import { decodePeerFrame, decodePeerMessage } from '../../crdt-schema/peer-wire.ts'
import type { StoredState } from '../../node/core/events.ts'
import type { NodeState } from '../../node/core/state.ts'
import type { Seen } from './scope-nodes.ts'

/** How far back a time still decides something: one beat more than its longest timer. */
const AGES_MS_MAX: Readonly<Record<string, number>> = { phaseSinceMs: 3_250, sinceMs: 15_250, deadlineMs: 5_250, comparedMs: 0, nextDialMs: 50 }
/** All others have none longer than `deadMs`. */
const AGE_MS_MAX = 1_750

/** Decides nothing, or follows from what is printed. */
const UNPRINTED = new Set([
  'desk', 'directory', 'clients', 'streams', 'effects', 'config', 'loaded', 'buckets', 'touches', 'random', 'history', 'recent', 'now', 'counter', 'heartbeatMs', 'wallMs', 'wallOffsetMs', 'upSinceMs',
  'hlc', 'startedMs', 'startedWallMs', 'observedMs', 'tickedMs', 'unloadedMs', 'roomInTick', 'upkeepMs', 'roundTripMs', 'comparedMs', 'usedMs', 'nextId', 'pidByLink', 'clientIds', 'identity', 'byJob', 'bytes', 'messages',
  'updatesSinceCompaction', 'sessions', 'url', 'version', 'nextOrder', 'nextMs', 'confirmedMs', 'agreedMs', 'dialed', 'linkSinceMs', 'dialAttempt', 'unclean'
])

/** Numbers of this node's own commits. */
const OWN_SEQS = new Set(['seq', 'committedThrough', 'acknowledgedThrough', 'lastPushed', 'bootCommit', 'settledBy', 'storedBy', 'adoptedBy', 'acknowledged', 'settled', 'previous', 'mustHold', 'holdsThrough', 'missingThrough', 'queueAfter'])
/** Numbers of the commits of the peer they are kept for. */
const PEER_SEQS = new Set(['heldPush', 'settledThrough', 'through', 'head', 'acknowledged'])
const EPOCHS = new Set(['epoch', 'promised', 'coordinates', 'askedEpoch'])

/** Whose numbers are meant: the node's own, and those of the peer, row or document that is being printed. */
interface Context {
  readonly nowMs: number
  readonly self: Pid
  readonly peer: Pid | null
  readonly document: string
}

const tag = (kind: string, value: number | string): string => `§${kind}:${value}§`
const printEpoch = (epoch: Epoch): string => `${tag('c', epochCounter(epoch))}.${epochPid(epoch)}`

const printNumber = (value: number, key: string, { nowMs, self, peer }: Context): string => {
  if (peer !== null && PEER_SEQS.has(key)) return tag(`s${peer}`, value)
  if (OWN_SEQS.has(key) || key === 'settledThrough') return tag(`s${self}`, value)
  if (key === 'boot') return tag(`b${peer ?? self}`, value)
  if (EPOCHS.has(key)) return printEpoch(value as Epoch)
  if (key === 'highestCounter') return tag('c', value)
  if (key === 'fastInRow') return String(Math.min(value, 3))
  return key.endsWith('Ms') ? String(Math.max(-(AGES_MS_MAX[key] ?? AGE_MS_MAX), value - nowMs)) : String(value)
}

const printValue = (value: unknown, key: string, context: Context): string => {
  if (key === 'link') return value === null ? 'no' : 'yes'
  if (typeof value === 'number') return printNumber(value, key, context)
  if (key === 'roleLostMs') return String((value as readonly number[]).length)
  if (key === 'pull' || key === 'claimPull') return value === null || (value as { readonly status: string }).status === 'done' ? 'no' : printObject(value as object, context)
  if (key === 'root' && context.document === '') return typeof value === 'string' ? tag('d', value) : ''
  if (key === 'digest') return value === null ? 'none' : tag(`d ${context.document}`, JSON.stringify(value))
  if (value instanceof Map && (key === 'peers' || key === 'rows' || key === 'foreign')) return printByPid(value as ReadonlyMap<Pid, unknown>, context)
  if (key === 'heads') return printHeads(value as NodeState['documents']['heads'], context)
  if (key === 'held') return printHeld(value as NodeState['meta']['held'], context)
  if (key === 'unacknowledged') return [...(value as ReadonlyMap<number, number>).keys()].map(seq => tag(`s${context.self}`, seq)).join()
  if (key === 'missing') return [...(value as ReadonlySet<number>)].map(seq => tag(`s${context.self}`, seq)).join()
  if (typeof value === 'function') return 'f'
  return typeof value === 'object' && value !== null ? printObject(value, context) : String(value)
}

const printByPid = (map: ReadonlyMap<Pid, unknown>, context: Context): string => [...map].map(([pid, item]) => `${pid}:${printValue(item, '', { ...context, peer: pid })}`).sort().join()
const printHeads = (heads: NodeState['documents']['heads'], context: Context): string => [...heads].map(([document, head]) => `${document}:${printObject(head, { ...context, document })}`).sort().join()
const printHeld = (held: NodeState['meta']['held'], context: Context): string => Object.values(held).map(entry => `${entry.pid}:${printObject(entry, { ...context, peer: entry.pid })}`).sort().join()

const printObject = (value: object, context: Context): string => {
  if (value instanceof Uint8Array) return String(value.length)
  if (value instanceof Map) return `{${[...value].map(([key, item]) => `${key}:${printValue(item, '', context)}`).sort().join()}}`
  if (value instanceof Set) return `{${[...value].map(String).sort().join()}}`
  if (Array.isArray(value)) return `[${value.map(item => printValue(item, '', context)).join()}]`
  return `{${Object.entries(value).filter(([key]) => !UNPRINTED.has(key)).map(([key, item]) => `${key}:${printValue(item, key, context)}`).join()}}`
}

/** A node as it is `nowMs`; one that has not run for a while also by how long. */
export const printNode = (node: NodeState, nowMs: number): string =>
  `${printObject(node, { nowMs, self: node.meta.pid, peer: null, document: '' })}${Math.max(-AGE_MS_MAX, node.observedMs - nowMs)}`

/** A frame that is on its way, by what it says. Whose commits are numbered in a message depends on its type. */
export const printFrame = (frame: Uint8Array, from: Pid, to: Pid, nowMs: number): string => {
  const messages = decodePeerFrame(frame)
  return messages.ok ? messages.value.map(bytes => printMessage(bytes, from, to, nowMs)).join(';') : 'bad'
}

const printMessage = (bytes: Uint8Array, from: Pid, to: Pid, nowMs: number): string => {
  const message = decodePeerMessage(bytes)
  if (!message.ok) return 'bad'
  const { value } = message
  const of = (pid: Pid): string => printObject(value, { nowMs, self: pid, peer: pid, document: '' })
  switch (value.type) {
    case 'heartbeat':
      return value.rows.map(row => printObject(row, { nowMs, self: row.pid, peer: row.pid, document: '' })).join()
    case 'relay':
      return `${value.from}>${value.to} ${printMessage(value.message, value.from, value.to, nowMs)}`
    case 'push':
      return of(value.origin)
    case 'ack':
      return `ack ${tag(`b${to}`, value.boot)} ${value.seqs.map(seq => tag(`s${to}`, seq)).join()}`
    case 'holds':
      return of(to)
    default:
      return of(from)
  }
}

/** What a disk holds, for the run that will be started on it. */
export const printDisk = (pid: Pid, { meta, heads, lastCommit }: StoredState, { claimants, others }: Seen): string => {
  const context: Context = { nowMs: 0, self: pid, peer: null, document: '' }
  const documents = new Map(heads.map(({ document, seq, digest }) => [document, { seq, digest: digest === null ? null : { high: digest.high, low: digest.low }, messages: 0, bytes: 0 }]))
  return `${tag(`s${pid}`, lastCommit)} ${printObject(JSON.parse(meta ?? '{}') as object, context)} ${printHeads(documents, context)} ${claimants.join()} ${others.join()}`
}

/** Each tagged number by its rank among those of its kind; digests, which have no order, by their first mention. */
export const rankTags = (text: string): string => {
  const kinds = new Map<string, Set<string>>()
  for (const [, kind = '', value = ''] of text.matchAll(/§([^:§]+):([^§]*)§/g)) kinds.set(kind, (kinds.get(kind) ?? new Set()).add(value))
  const ranks = new Map<string, ReadonlyMap<string, number>>()
  for (const [kind, values] of kinds) {
    const ordered = kind.startsWith('d') ? [...values] : [...values].sort((a, b) => Number(a) - Number(b))
    ranks.set(kind, new Map(ordered.map((value, rank) => [value, rank])))
  }
  return text.replace(/§([^:§]+):([^§]*)§/g, (_, kind: string, value: string) => String(ranks.get(kind)?.get(value)))
}
