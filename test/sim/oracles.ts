// Checkers that do not ask the code under test what its rules are: who owns a name, in which order a node stamps what it
// grants, how often a message is stored. A rule that is wrong in the schema is wrong on every node alike, so comparing
// nodes would never find it. Part of K1 and K2 (checkers.ts, observer.ts).

import { type ClaimRow, readClaims } from '../../crdt-schema/accounts.ts'
import { type AccountId, type NameKey, type Pid, epochPid, inboxDocument, messageToMonth } from '../../crdt-schema/ids.ts'
import type { Contents } from './checkers.ts'
import type { World } from './cluster.ts'
import type { Operation } from './history.ts'

// ---- K2: the owner of a name [COO6]

/** Every running node names the owner that its own disk gives it: the claim with the lowest (hlc, epoch, account) of those that count. */
export const checkOwners = (world: World, nodes: readonly Contents[], isRemoved: (node: Contents, account: AccountId) => boolean): string[] =>
  nodes.flatMap(node => {
    const state = world.process(node.pid).state
    if (state === null) return []
    const owners = new Map<NameKey, ClaimRow>()
    for (const claim of claimsOf(node)) {
      if (claim.released || isRemoved(node, claim.accountId)) continue
      const known = owners.get(claim.nameKey)
      if (known === undefined || isEarlier(claim, known)) owners.set(claim.nameKey, claim)
    }
    return [...owners].flatMap(([key, { accountId }]) => {
      const told = state.desk.directory.ownerOfName(key)
      return told === accountId ? [] : [`K2 node ${node.pid} says that ${key} belongs to ${told?.slice(0, 4) ?? 'nobody'}, but ${accountId.slice(0, 4)} claimed it first [COO6]`]
    })
  })

const claimsOf = ({ documents }: Contents): ClaimRow[] => [...documents].flatMap(([name, doc]) => (name.startsWith('names/') ? readClaims(doc).value : []))

const isEarlier = (a: ClaimRow, b: ClaimRow): boolean => (a.hlc !== b.hlc ? a.hlc < b.hlc : a.epoch !== b.epoch ? a.epoch < b.epoch : a.accountId < b.accountId)

/**
 * What one node stamped under a later epoch has a later hlc, whatever became of its wall clock in between: the hybrid clock
 * is on disk before it is used. A node whose disk was lost starts anew, so it is left out.
 */
export const checkStamps = (world: World, [node]: readonly Contents[]): string[] => {
  const found: string[] = []
  const latest = new Map<Pid, ClaimRow>()
  // A rename may be stamped past its coordinator's own clock; plans have none, every claim is that of a new account.
  for (const claim of (node === undefined ? [] : claimsOf(node)).sort((a, b) => a.epoch - b.epoch || a.hlc - b.hlc)) {
    const pid = epochPid(claim.epoch)
    const before = latest.get(pid)
    latest.set(pid, claim)
    if (before !== undefined && before.hlc >= claim.hlc && !world.lostDisks.has(pid)) found.push(`K2 node ${pid} stamped ${claim.shownName} earlier than ${before.shownName}, which it had granted in an earlier epoch [COO6]`)
  }
  return found
}

// ---- K1: each once

/** How many entries an inbox holds beyond one for each message. */
export const countDoubles = (entries: readonly string[]): number => entries.length - new Set(entries.map(key => key.slice(0, MESSAGE_ID_CHARACTERS))).size

const MESSAGE_ID_CHARACTERS = 36

// ---- K1: stored where it was said to be [REP6]

/** One in so many is looked up: reading a disk costs more than a send. */
const LOOKED_UP_EVERY = 3

/** An acknowledged message is on the disk of every node that was named, at the moment when its sender hears so. */
export const findMissingCopies = (world: World, { deed, outcome, number, reached, storedOn }: Operation): string[] => {
  if (deed.kind !== 'send' || outcome !== 'acknowledged' || reached === null || reached.length === 0) return []
  if (number % LOOKED_UP_EVERY !== 0 || world.isDiskLost() || world.history.leavers.has(deed.from)) return []
  const document = inboxDocument(deed.from, messageToMonth(deed.message))
  const missing = world.processes.filter(({ pid, disk }) => storedOn.includes(pid) && !world.lostDisks.has(pid) && !disk.holds(document, deed.message))
  return missing.map(({ place }) => `K1 operation ${number} was called stored on ${storedOn.join(' ')}, but the disk of ${place} does not hold it [REP6]`)
}
