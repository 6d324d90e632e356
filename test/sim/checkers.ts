// Judges what the nodes hold after healing by what people attempted and were told:
// K1 acknowledged is stored everywhere, each once, none invented; K2 names; K3 sessions; K4 removals; K5 one content
// everywhere, on nodes and pages. Each finding is one line; an empty list is the proof of nothing but this run.
// K9 nothing is kept that should be gone. What can only be seen while it happens is judged there: K6 in reads.ts, K7 and
// K8 in observer.ts.

import * as Y from 'yjs'
import { isAccountRemoved, ownerOfName, readClaims, readRemovedAccounts } from '../../crdt-schema/accounts.ts'
import {
  type AccountId,
  type DocumentName,
  type MessageId,
  type Pid,
  accountToDocument,
  inboxDocument,
  marksDocument,
  messageToMonth,
  nameToDocument,
  nameToKey,
  parseDocumentName
} from '../../crdt-schema/ids.ts'
import { isRecalled, readMessages } from '../../crdt-schema/inbox.ts'
import { readMark } from '../../crdt-schema/marks.ts'
import type { World } from './cluster.ts'
import type { Deed, Operation } from './history.ts'
import { findRemovedRunning } from './operator.ts'
import { checkOwners, checkStamps, countDoubles } from './oracles.ts'
import type { SimProcess } from './process.ts'

/** What one node's disk holds, read without the node. */
export interface Contents {
  readonly pid: Pid
  readonly documents: ReadonlyMap<DocumentName, Y.Doc>
  /** What lies on disk and does not decode. */
  readonly broken: readonly DocumentName[]
  /** The messages of an inbox document, parsed once however many operations are looked up in it; null: it is not held. */
  messagesOf(name: DocumentName): ReturnType<typeof readMessages> | null
}

export interface CheckOptions {
  /** Two owners of one name are a finding even when their views were disjoint: the plan had no partition. */
  readonly isPartitionFree?: boolean
}

type OperationOf<Kind extends Deed['kind']> = Operation & { readonly deed: Extract<Deed, { readonly kind: Kind }> }

const operationsOf = <Kind extends Deed['kind']>(world: World, kind: Kind): OperationOf<Kind>[] =>
  world.history.operations.filter((operation): operation is OperationOf<Kind> => operation.deed.kind === kind)

export const readContents = (process: SimProcess): Contents => {
  const documents = new Map<DocumentName, Y.Doc>()
  const broken: DocumentName[] = []
  for (const [name, updates] of process.disk.contents()) {
    const doc = new Y.Doc({ guid: name })
    try {
      doc.transact(() => updates.forEach((update: Uint8Array) => Y.applyUpdate(doc, update)))
    } catch {
      broken.push(name)
    }
    documents.set(name, doc)
  }
  const parsed = new Map<DocumentName, ReturnType<typeof readMessages>>()
  const messagesOf = (name: DocumentName): ReturnType<typeof readMessages> | null => {
    const doc = documents.get(name)
    const known = parsed.get(name)
    if (doc === undefined || known !== undefined) return known ?? null
    const messages = readMessages(doc)
    parsed.set(name, messages)
    return messages
  }
  return { pid: process.pid, documents, broken, messagesOf }
}

/** How many messages a node holds for an account, sent ones too. */
export const countMessages = ({ documents, messagesOf }: Contents, account: AccountId | null): number =>
  [...documents.keys()].filter(name => name.startsWith(`inbox/${account}/`)).reduce((sum, name) => sum + (messagesOf(name)?.value.size ?? 0), 0)

/** Runs every checker; call it when the world is whole again. */
export const checkWorld = (world: World, options: CheckOptions = {}): string[] => {
  const nodes = world.processes.map(readContents)
  return [
    ...nodes.flatMap(({ pid, broken }) => broken.map(name => `K5 the disk of node ${pid} holds of ${name} what cannot be read`)),
    ...findRemovedRunning(world.processes),
    ...checkSends(world, nodes),
    ...checkNames(world, nodes, options),
    ...checkOwners(world, nodes, isRemovedIn),
    ...checkStamps(world, nodes),
    ...checkSessions(world),
    ...checkRemovals(world, nodes),
    ...checkMarks(world, nodes),
    ...checkRecalls(world, nodes),
    ...checkConvergence(nodes),
    ...checkPages(world, nodes)
  ]
}

// ---- K1

const isRemovedIn = ({ documents }: Contents, account: AccountId): boolean => {
  const doc = documents.get(accountToDocument(account))
  return doc !== undefined && isAccountRemoved(doc, account)
}

const checkSends = (world: World, nodes: readonly Contents[]): string[] => {
  const sends = operationsOf(world, 'send')
  const isRefused = refusedAccounts(world)
  const found: string[] = []
  for (const { deed, outcome, device, number, reached } of sends) {
    // What nobody gets leaves only receipts, no copy [DEL4].
    if (outcome !== 'acknowledged' || reached?.length === 0) continue
    for (const node of nodes) {
      for (const account of new Set([deed.from, ...deed.to])) {
        if (isRemovedIn(node, account) || isRefused(account)) continue
        if (reached !== null && account !== deed.from && !reached.includes(account)) continue
        const isOut = (recipient: AccountId): boolean => isRemovedIn(node, recipient) || isRefused(recipient) || (world.isParted && isUnknownThere(node, deed, recipient))
        if (reached === null && (account === deed.from ? deed.to.every(isOut) : isOut(account))) continue
        const text = node.messagesOf(inboxDocument(account, messageToMonth(deed.message)))?.value.get(deed.message)?.text
        if (text !== deed.text) found.push(`K1 operation ${number} of ${device}: "${deed.text}" was acknowledged, but node ${node.pid} holds ${text === undefined ? 'nothing' : `"${text}"`} for ${account.slice(0, 4)}`)
      }
    }
  }
  return [...found, ...nodes.flatMap(node => checkCopies(node, sends))]
}

/** A page's message to somebody whom only the other side of a split knew yet has a receipt that says so [DEL4]. */
const isUnknownThere = ({ documents }: Contents, { from, message }: OperationOf<'send'>['deed'], recipient: AccountId): boolean =>
  documents.get(inboxDocument(from, messageToMonth(message)))?.getMap('receipts').has(`${message}/${recipient}/no-such-account`) === true

/** Tells accounts that never came to be: their creation was refused. */
const refusedAccounts = (world: World): ((account: AccountId) => boolean) => {
  const created = new Set(operationsOf(world, 'sign-up').flatMap(({ deed, outcome }) => (outcome === 'acknowledged' ? [deed.account] : [])))
  return account => !created.has(account)
}

const checkCopies = (node: Contents, sends: readonly OperationOf<'send'>[]): string[] => {
  const found: string[] = []
  const byId = new Map<MessageId, OperationOf<'send'>[]>()
  for (const send of sends) byId.set(send.deed.message, [...(byId.get(send.deed.message) ?? []), send])
  for (const name of node.documents.keys()) {
    const messages = name.startsWith('inbox/') ? node.messagesOf(name) : null
    if (messages === null) continue
    const { value, skipped } = messages
    if (skipped > 0) found.push(`K1 node ${node.pid} holds ${skipped} unreadable messages in ${name}`)
    const doubles = countDoubles([...(node.documents.get(name)?.getMap('messages').keys() ?? [])])
    if (doubles > 0) found.push(`K1 node ${node.pid} holds ${doubles} messages more than once in ${name}`)
    for (const message of value.values()) {
      const attempts = byId.get(message.id) ?? []
      const isAttempted = attempts.some(({ deed }) => deed.text === message.text && deed.from === message.from.id)
      if (!isAttempted) found.push(`K1 node ${node.pid} holds "${message.text}" as ${message.id} in ${name}, which nobody sent`)
    }
    found.push(...checkTwice(node.pid, name, [...value.values()].map(({ id, text }) => [id, text])))
  }
  return found
}

/** Programs give every message a text of its own, so one text under two ids is one message stored twice. */
const checkTwice = (pid: Pid, name: string, messages: readonly (readonly [MessageId, string])[]): string[] => {
  const ids = new Map<string, MessageId>()
  const found: string[] = []
  for (const [id, text] of messages) {
    const other = ids.get(text)
    if (other !== undefined) found.push(`K1 node ${pid} holds "${text}" twice in ${name}: ${other} and ${id}`)
    ids.set(text, id)
  }
  return found
}

// ---- K2

const checkNames = (world: World, nodes: readonly Contents[], { isPartitionFree = false }: CheckOptions): string[] => {
  const found: string[] = []
  const granted = operationsOf(world, 'sign-up').filter(({ outcome }) => outcome === 'acknowledged')
  for (const { deed } of granted) {
    for (const node of nodes) {
      if (isRemovedIn(node, deed.account)) continue
      const doc = node.documents.get(nameToDocument(nameToKey(deed.name)))
      const claims = doc === undefined ? [] : readClaims(doc).value
      if (!claims.some(claim => claim.accountId === deed.account && !claim.released)) found.push(`K2 ${deed.name} was granted to ${deed.account.slice(0, 4)}, but node ${node.pid} has no claim of it`)
      const owner = ownerOfName(claims, nameToKey(deed.name), account => isRemovedIn(node, account))
      if (owner === null) found.push(`K2 nobody owns ${deed.name} on node ${node.pid}`)
      else if (isPartitionFree && owner.accountId !== deed.account) found.push(`K2 ${deed.name} was granted to ${deed.account.slice(0, 4)}, but node ${node.pid} gives it to ${owner.accountId.slice(0, 4)}`)
    }
  }
  const grantedByKey = new Map<string, (typeof granted)[number][]>()
  for (const second of granted) {
    const key = nameToKey(second.deed.name)
    const earlier = grantedByKey.get(key) ?? []
    grantedByKey.set(key, [...earlier, second])
    for (const first of earlier) {
      if (first.deed.account === second.deed.account) continue
      if (wasRemovedBetween(world, first, second)) continue
      if (isPartitionFree || !first.views.some(view => second.views.some(other => isApart(view, other)))) found.push(`K2 ${first.deed.name} was granted twice: by ${first.answeredBy} seeing ${viewsToText(first)} and by ${second.answeredBy} seeing ${viewsToText(second)}`)
    }
  }
  return found
}

/** Two nodes that saw this of the cluster, at two moments, need not have known of each other's grants. */
const isApart = (view: readonly Pid[], other: readonly Pid[]): boolean => view.length === 1 || other.length === 1 || !view.some(pid => other.includes(pid))

const viewsToText = ({ views }: Operation): string => [...new Set(views.map(view => view.join(' ')))].join(', ')

const wasRemovedBetween = (world: World, first: OperationOf<'sign-up'>, second: OperationOf<'sign-up'>): boolean =>
  operationsOf(world, 'leave').some(({ deed, startedMs }) => (deed.account === first.deed.account && startedMs < second.endedMs) || (deed.account === second.deed.account && startedMs < first.endedMs))

// ---- K3

/** An acknowledged sign-out holds: no node grants the token again. */
const checkSessions = (world: World): string[] => {
  const found: string[] = []
  const ended = operationsOf(world, 'sign-out').filter(({ outcome }) => outcome === 'acknowledged')
  for (const { deed, number } of ended) {
    for (const { pid, state } of world.processes) {
      if (state !== null && isTokenGood(state, deed.token)) found.push(`K3 operation ${number} signed out, but node ${pid} still takes its token`)
    }
  }
  for (const device of world.devices.values()) {
    const { session, person } = device
    if (session === null || person.hasLeft || person.account === null || ended.some(({ deed }) => deed.token === session.token)) continue
    if (mayHaveEnded(world, session.operation, person.account)) continue
    for (const { pid, state } of world.processes) {
      if (state !== null && !isTokenGood(state, session.token)) found.push(`K3 the session of ${device.label} was granted and never ended, but node ${pid} does not know it`)
    }
  }
  for (const { account, label } of world.persons.values()) {
    if (account === null) continue
    for (const { pid, state } of world.processes) {
      const live = state?.desk.directory.liveSessionsOf(account, state.desk.clusterMs).length ?? 0
      if (state !== null && live > state.config.sessionsPerAccount) found.push(`K3 ${label} has ${live} sessions on node ${pid}, at most ${state.config.sessionsPerAccount} are allowed`)
    }
  }
  return found
}

/** Whoever is told that he is signed in is signed in, there and then: the newest session is never the one too many. */
export const findDeadSession = (world: World, operation: Operation): string[] => {
  const { deed, outcome, device, number, answeredBy } = operation
  if (deed.kind !== 'sign-in' || outcome !== 'acknowledged' || answeredBy === null) return []
  const { session, person } = world.device(device)
  const { state } = world.process(answeredBy)
  if (session?.operation !== operation || person.hasLeft || mayHaveEnded(world, operation, deed.account)) return []
  if (state?.phase !== 'ready' || isTokenGood(state, session.token)) return []
  return [`K3 operation ${number} signed ${device} in, but node ${answeredBy}, which said so, does not take its token [COO7]`]
}

/** Others signed in meanwhile, or ever on the other side of a split: they may have taken over, or were so many that the session of lowest rank ended [COO7]. */
const mayHaveEnded = (world: World, since: Operation, account: AccountId): boolean => {
  const later = operationsOf(world, 'sign-in').filter(operation => operation !== since && operation.deed.account === account && (world.isParted || operation.endedMs < 0 || operation.endedMs >= since.startedMs))
  const limit = Math.max(0, ...world.processes.map(({ state }) => state?.config.sessionsPerAccount ?? 0))
  // Tries of one request on two sides of a split have each their session; elsewhere the later one replaces the earlier [COO5].
  const sessions = [since, ...later].reduce((sum, { tries }) => sum + (world.isParted ? Math.max(1, tries) : 1), 0)
  return sessions > limit || later.some(({ deed }) => deed.takeOver)
}

const isTokenGood = (state: NonNullable<SimProcess['state']>, token: string): boolean => state.desk.directory.sessionOf(token, state.desk.clusterMs) !== null

// ---- K4

const checkRemovals = (world: World, nodes: readonly Contents[]): string[] => {
  const found: string[] = []
  const attempted = new Set(operationsOf(world, 'leave').map(({ deed }) => deed.account))
  for (const { deed, outcome } of operationsOf(world, 'leave')) {
    if (outcome !== 'acknowledged') continue
    for (const node of nodes) {
      if (!isRemovedIn(node, deed.account)) found.push(`K4 ${deed.account.slice(0, 4)} left, but node ${node.pid} does not know`)
    }
    for (const { pid, state } of world.processes) {
      if (state?.desk.directory.exists(deed.account) === true) found.push(`K4 ${deed.account.slice(0, 4)} left, but node ${pid} still has the account`)
    }
  }
  for (const node of nodes) {
    for (const [name, doc] of node.documents) {
      const ref = parseDocumentName(name)
      if (ref?.kind === 'accounts') {
        for (const { accountId } of readRemovedAccounts(doc).value) if (!attempted.has(accountId)) found.push(`K4 node ${node.pid} removed ${accountId.slice(0, 4)}, who never left`)
      }
      if (ref !== null && 'account' in ref && isRemovedIn(node, ref.account)) found.push(`K4 node ${node.pid} still holds ${name} of a removed account`)
    }
  }
  return found
}

// ---- marks

/** A mark that was acknowledged and that nobody takes back again stands on every node. */
const checkMarks = (world: World, nodes: readonly Contents[]): string[] => {
  const found: string[] = []
  for (const { deed, outcome, device, number } of operationsOf(world, 'mark')) {
    if (outcome !== 'acknowledged') continue
    for (const node of nodes) {
      if (isRemovedIn(node, deed.account)) continue
      const doc = node.documents.get(marksDocument(deed.account, messageToMonth(deed.message)))
      const mark = doc === undefined ? null : readMark(doc, deed.message)
      const isSet = mark !== null && (deed.mark === 'opened' ? mark.openedMs !== null : mark[deed.mark])
      if (!isSet) found.push(`K1 operation ${number} of ${device}: the mark ${deed.mark} was acknowledged, but node ${node.pid} does not have it`)
    }
  }
  return found
}

// ---- recalls

/** What its sender was told is taken back is nowhere in an Inbox, whoever delivered it again [DEL7]. */
const checkRecalls = (world: World, nodes: readonly Contents[]): string[] => {
  const found: string[] = []
  const sends = operationsOf(world, 'send')
  for (const { deed, outcome, device, number, recalled } of operationsOf(world, 'recall')) {
    if (outcome !== 'acknowledged' || !recalled) continue
    const recipients = new Set(sends.flatMap(send => (send.deed.message === deed.message ? send.deed.to : [])))
    for (const node of nodes) {
      for (const account of recipients) {
        const inbox = node.documents.get(inboxDocument(account, messageToMonth(deed.message)))
        const marks = node.documents.get(marksDocument(account, messageToMonth(deed.message)))
        const isOpened = marks !== undefined && readMark(marks, deed.message).openedMs !== null
        const isHeld = node.messagesOf(inboxDocument(account, messageToMonth(deed.message)))?.value.has(deed.message) === true
        const isShown = inbox !== undefined && isHeld && !isRecalled(inbox, deed.message)
        if (isShown && !isOpened) found.push(`K1 operation ${number} of ${device} recalled a message, but node ${node.pid} still shows it to ${account.slice(0, 4)}`)
      }
    }
  }
  return found
}

// ---- K9

/**
 * What a node keeps only while something is under way and must be empty when nothing is: a list that never falls is a
 * list that grows.
 */
export const findUndrained = (world: World): string[] =>
  world.processes.flatMap(({ place, state }) => {
    if (state === null) return []
    const peers = [...state.peers.values()]
    const sizes: Record<string, number> = {
      'pending commits': state.commits.pending.length,
      'questions': state.questions.length,
      'messages held back': state.heldBack.length,
      'calls': state.calls.byId.size + state.calls.byJob.size + state.waitingAnswers.length,
      'grants asked for': state.asking.size,
      'grant jobs': state.coordinator.jobs.length,
      'tentative grants': state.meta.tentative.length,
      'undelivered drafts': state.undelivered.size,
      'quarantined documents': state.documents.quarantined.size,
      'unacknowledged pushes': peers.reduce((sum, peer) => sum + peer.unacknowledged.size + peer.missing.size, 0),
      'pushes above a hole': peers.reduce((sum, peer) => sum + peer.heldAbove.size, 0),
      'fragments': peers.reduce((sum, peer) => sum + peer.fragments.length, 0)
    }
    const kept = Object.entries(sizes).filter(([, size]) => size > 0)
    const grown = state.history.length > HISTORY_MAX ? [['history', state.history.length] as const] : []
    return [...kept, ...grown].map(([what, size]) => `K9 ${place} still holds ${size} ${what}`)
  })

const HISTORY_MAX = 200

// ---- K5

const checkConvergence = (nodes: readonly Contents[]): string[] => {
  const found: string[] = []
  const [first, ...rest] = nodes
  if (first === undefined) return found
  const names = new Set(nodes.flatMap(({ documents }) => [...documents.keys()]))
  for (const name of names) {
    const expected = fingerprintOf(first.documents.get(name))
    for (const other of rest) {
      const actual = fingerprintOf(other.documents.get(name))
      if (actual.json !== expected.json) found.push(`K5 ${name} reads differently on nodes ${first.pid} and ${other.pid}: ${excerpt(expected.json, actual.json)}`)
      else if (actual.snapshot !== expected.snapshot) found.push(`K5 ${name} has different histories on nodes ${first.pid} and ${other.pid}`)
    }
  }
  return found
}

interface Fingerprint {
  readonly json: string
  readonly snapshot: string
}

/** What a document reads as, keys sorted, and what Yjs says it has seen. A document that was never written is an empty one. */
const fingerprintOf = (doc: Y.Doc | undefined): Fingerprint => {
  if (doc === undefined) return { json: '{}', snapshot: EMPTY_SNAPSHOT }
  return { json: canonicalJson(contentOf(doc)), snapshot: Buffer.from(Y.encodeSnapshot(Y.snapshot(doc))).toString('base64') }
}

const EMPTY_SNAPSHOT = Buffer.from(Y.encodeSnapshot(Y.snapshot(new Y.Doc()))).toString('base64')

/** Root maps are typed on first use; reading each as a map gives them all. */
const contentOf = (doc: Y.Doc): Record<string, unknown> => {
  const content: Record<string, unknown> = {}
  for (const root of [...doc.share.keys()].sort()) {
    const json = doc.getMap(root).toJSON()
    if (Object.keys(json).length > 0) content[root] = json
  }
  return content
}

export const canonicalJson = (value: unknown): string => {
  if (Array.isArray(value)) return `[${value.map(canonicalJson).join()}]`
  if (typeof value !== 'object' || value === null) return JSON.stringify(value) ?? 'null'
  return `{${Object.entries(value)
    .sort(([a], [b]) => (a < b ? -1 : 1))
    .map(([key, item]) => `${JSON.stringify(key)}:${canonicalJson(item)}`)
    .join()}}`
}

const excerpt = (a: string, b: string): string => {
  let at = 0
  while (at < a.length && a[at] === b[at]) at += 1
  const from = Math.max(0, at - 60)
  return `…${a.slice(from, at + 80)}… / …${b.slice(from, at + 80)}…`
}

/** A page that is connected and has nothing waiting reads as its nodes do. */
const checkPages = (world: World, nodes: readonly Contents[]): string[] => {
  const found: string[] = []
  const [node] = nodes
  for (const page of world.pages.values()) {
    const { account, hasLeft } = page.device.person
    if (node === undefined || account === null || hasLeft) continue
    if (!page.isSettled) {
      found.push(`K5 ${page.device.label} is not settled: ${page.describe()}`)
      continue
    }
    for (const [name, doc] of page.replicas()) {
      const here = canonicalJson(contentOf(doc))
      const there = canonicalJson(node.documents.has(name) ? contentOf(node.documents.get(name) ?? new Y.Doc()) : {})
      if (here !== there) found.push(`K5 ${name} reads differently on ${page.device.label} and on node ${node.pid}: ${excerpt(here, there)}`)
    }
  }
  return found
}
