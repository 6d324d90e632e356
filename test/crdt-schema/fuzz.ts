// S11: three to six replicas of every document kind, random operations on each, updates that arrive late, out of order, twice,
// merged or as a state-vector diff, replicas that join late or go on under a new clientID; then everything to everybody. All
// must read the same, document by document and as a mailbox. Faster than the properties beside it, since nothing is kept for
// shrinking: a failing seed names the document and replays in seconds.

import * as Y from 'yjs'
import * as accounts from '../../crdt-schema/accounts.ts'
import * as drafts from '../../crdt-schema/drafts.ts'
import { type AccountId, type DraftId, type Epoch, type Hlc, type MessageId, type NodeId, type Pid, type RequestId, type SessionId, millisToDay, mintDraftId, mintMessageId, mintNodeId, mintRequestId, mintSessionId, nameToKey, requestToAccountId } from '../../crdt-schema/ids.ts'
import * as inbox from '../../crdt-schema/inbox.ts'
import { foldMailbox, oldestUnopened } from '../../crdt-schema/mailbox.ts'
import * as marks from '../../crdt-schema/marks.ts'
import * as members from '../../crdt-schema/members.ts'
import * as sessions from '../../crdt-schema/sessions.ts'
import { digestOfDocument, digestToHex } from '../../node/core/digest.ts'
import { canonicalJson } from '../sim/checkers.ts'
import { type Random, createRandom } from '../sim/random.ts'
import { KINDS } from './deeds.ts'
import { at, hlcAt, show } from './replicas.ts'

export interface FuzzOptions {
  readonly seed: string
  readonly operations: number
  /** `shared`: what [DOC6] forbids, to see that it is found. */
  readonly clientIds?: 'fresh' | 'shared'
}

export interface FuzzOutcome {
  readonly findings: readonly string[]
  readonly figures: { readonly operations: number; readonly updates: number; readonly deliveries: number; readonly undone: number; readonly joined: number }
}

/** One document of each kind; of what goes by months, two. */
const DOCUMENTS = ['names', 'accounts', 'sessions', 'members', 'inbox', 'inbox 2', 'marks', 'marks 2', 'drafts'] as const
type DocumentKey = (typeof DOCUMENTS)[number]

interface Update {
  readonly document: DocumentKey
  readonly bytes: Uint8Array
}

interface Replica {
  docs: ReadonlyMap<DocumentKey, Y.Doc>
  /** Made elsewhere and not here yet. */
  waiting: Update[]
  isHere: boolean
  /** What its person may still take back, newest last. */
  readonly undo: (() => unknown)[]
}

const UNDO_MAX = 20
/** How far back in what waits a delivery may reach: Yjs keeps what lies behind a hole in one piece, so a hole must not grow for ever. */
const REACH = 12
const WAITING_MAX = 400

// ---- ids: few enough to meet, new ones now and then

interface Ids {
  readonly accounts: readonly AccountId[]
  readonly requests: readonly RequestId[]
  readonly nodes: readonly NodeId[]
  readonly messages: MessageId[]
  readonly drafts: DraftId[]
  readonly sessions: SessionId[]
}

const NAMES = ['ana', 'Ben', 'Zoë', 'd.e-f_9', 'Ｆ', 'x'] as const
const TEXTS = ['', ' ', 'hello', 'hallo', '😀', 'a😀b', 'ab', 'the quick brown fox', 'fox'] as const
const POOL_MAX = { messages: 400, drafts: 120, sessions: 200 } as const

const createIds = (random: Random): Ids => {
  const requests = Array.from({ length: 8 }, () => mintRequestId(random.bytes(16)))
  return { requests, accounts: requests.map(requestToAccountId), nodes: Array.from({ length: 6 }, () => mintNodeId(random.bytes(16))), messages: [], drafts: [], sessions: [] }
}

/** One of the pool, mostly of its newest; while it is small, sometimes a new one. */
const pickId = <Id>(random: Random, pool: Id[], max: number, mint: () => Id): Id => {
  if (pool.length === 0 || (pool.length < max && random.chance(0.08))) pool.push(mint())
  const index = random.chance(0.7) ? Math.max(0, pool.length - random.integer(1, 12)) : random.integer(0, pool.length - 1)
  return pool[index] as Id
}

// ---- operations

interface Act {
  readonly random: Random
  readonly ids: Ids
  readonly replica: Replica
  doc(key: DocumentKey): Y.Doc
}

const personOf = ({ random, ids }: Act): inbox.Person => (random.chance(0.1) ? { id: '', name: 'ghost' } : { id: random.pick(ids.accounts), name: random.pick(NAMES) })
const peopleOf = (act: Act, max: number): inbox.Person[] => Array.from({ length: act.random.integer(1, max) }, () => personOf(act))
const momentOf = ({ random }: Act) => at(random.integer(0, 5_000))
const hlcOf = ({ random }: Act): Hlc => hlcAt(random.integer(0, 3_000))
const messageOf = ({ random, ids }: Act): MessageId => pickId(random, ids.messages, POOL_MAX.messages, () => mintMessageId(at(random.integer(0, 5_000)), random.bytes(10)))
const draftOf = ({ random, ids }: Act): DraftId => pickId(random, ids.drafts, POOL_MAX.drafts, () => mintDraftId(at(random.integer(0, 5_000)), random.bytes(10)))
const sessionOf = ({ random, ids }: Act): SessionId => pickId(random, ids.sessions, POOL_MAX.sessions, () => mintSessionId(at(random.integer(0, 5_000)), random.bytes(10)))
/** Messages of two months live in documents of their own. */
const monthOf = (id: MessageId): '' | ' 2' => (Number.parseInt(id.slice(-1), 16) < 8 ? '' : ' 2')
const inboxOf = (act: Act, id: MessageId): Y.Doc => act.doc(`inbox${monthOf(id)}`)
const marksOf = (act: Act, id: MessageId): Y.Doc => act.doc(`marks${monthOf(id)}`)

const claimOf = (act: Act): accounts.Claim => {
  const shownName = act.random.pick(NAMES)
  return { shownName, nameKey: nameToKey(shownName), accountId: act.random.pick(act.ids.accounts), epoch: act.random.integer(64, 400) as Epoch, requestId: act.random.pick(act.ids.requests), hlc: hlcOf(act) }
}

/** Some other text: an insertion, a deletion, or all anew. */
const edited = (random: Random, text: string): string => {
  const letters = [...text]
  const place = random.integer(0, letters.length)
  if (random.chance(0.1)) return random.pick(TEXTS)
  if (random.chance(0.4)) letters.splice(place, random.integer(1, 4))
  else letters.splice(place, 0, random.pick(TEXTS))
  return letters.slice(0, 200).join('')
}

/** Sets a register, and leaves behind how its person takes that back. */
const flip = ({ random, replica }: Act, set: (to: boolean) => unknown): unknown => {
  const to = random.chance(0.6)
  if (replica.undo.length >= UNDO_MAX) replica.undo.shift()
  replica.undo.push(() => set(!to))
  return set(to)
}

const send = (act: Act): unknown => {
  const draftId = draftOf(act)
  return drafts.sendDraft(act.doc('drafts'), { draftId, fromName: act.random.pick(NAMES), nowMs: momentOf(act) })
}

/** Does what a node does with an entry: the copy, the receipts, and in time the entry goes. */
const deliverEntry = (act: Act): unknown => {
  const outbox = drafts.readOutbox(act.doc('drafts')).value
  const entry = outbox.length === 0 ? null : act.random.pick(outbox)
  if (entry === null) return null
  const { id, fromName, to, text, sentMs } = entry
  inbox.addMessage(inboxOf(act, id), { id, from: { id: act.ids.accounts[0] as AccountId, name: fromName }, to, text, sentMs })
  for (const person of to) inbox.addReceipt(inboxOf(act, id), id, inbox.personToRecipient(person), act.random.pick(['delivered', 'no-such-account', 'mailbox-full']), momentOf(act))
  return act.random.chance(0.5) ? drafts.clearOutboxEntry(act.doc('drafts'), id) : null
}

const openSome = (act: Act): unknown => {
  const { value } = foldMailbox({ owner: act.ids.accounts[0] as AccountId, inboxes: [act.doc('inbox'), act.doc('inbox 2')], marks: [act.doc('marks'), act.doc('marks 2')], drafts: act.doc('drafts') })
  for (const id of oldestUnopened(value, act.random.integer(1, 5))) marks.markOpened(marksOf(act, id), id, momentOf(act))
  return null
}

type Operation = (act: Act) => unknown

/** Every operation of every kind, with how often it comes. */
const OPERATIONS: readonly (readonly [number, Operation])[] = [
  // names, accounts, sessions, members
  [4, act => accounts.addClaim(act.doc('names'), claimOf(act))],
  [2, act => {
    const claims = accounts.readClaims(act.doc('names')).value
    const claim = claims.length === 0 ? claimOf(act) : act.random.pick(claims)
    return accounts.releaseClaim(act.doc('names'), claim, (claim.hlc + act.random.integer(0, 20)) as Hlc)
  }],
  [2, act => accounts.addSecret(act.doc('accounts'), act.random.pick(act.ids.accounts), `h${act.random.integer(0, 5)}`, hlcOf(act))],
  [1, act => accounts.rememberAccountRequest(act.doc('accounts'), { accountId: act.random.pick(act.ids.accounts), requestId: act.random.pick(act.ids.requests), fingerprint: act.random.pick(['x', 'y']), hlc: hlcOf(act) })],
  [0.1, act => accounts.removeAccount(act.doc('accounts'), act.random.pick(act.ids.accounts), hlcOf(act))],
  [4, act => sessions.grantSession(act.doc('sessions'), { id: sessionOf(act), accountId: act.random.pick(act.ids.accounts), tokenHash: 'aa', rank: act.random.integer(1, 9), hlc: hlcOf(act), expiresMs: momentOf(act), device: act.random.pick(['', 'phone']) })],
  [2, act => sessions.endSession(act.doc('sessions'), sessionOf(act), hlcOf(act))],
  [1, act => members.addMember(act.doc('members'), { pid: act.random.integer(0, 4) as Pid, nodeId: act.random.pick(act.ids.nodes), url: act.random.pick(['http://a', 'http://b']), hlc: hlcOf(act) })],
  [0.2, act => members.removeMember(act.doc('members'), act.random.pick(act.ids.nodes), hlcOf(act))],
  [0.5, act => members.expireDay(act.doc('members'), millisToDay(at(act.random.integer(0, 90) * 86_400_000)), hlcOf(act))],
  [0.1, act => members.setClusterId(act.doc('members'), act.random.pick(['c1', 'c2']))],
  // messages
  [14, act => {
    const id = messageOf(act)
    return inbox.addMessage(inboxOf(act, id), { id, from: personOf(act), to: peopleOf(act, 3), text: act.random.pick(TEXTS), sentMs: momentOf(act) })
  }],
  [8, act => {
    const id = messageOf(act)
    return inbox.addReceipt(inboxOf(act, id), id, inbox.personToRecipient(personOf(act)), act.random.pick(['delivered', 'opened', 'no-such-account', 'mailbox-full', 'bad-id', 'bad-name']), momentOf(act))
  }],
  [4, act => {
    const id = messageOf(act)
    const recipient = inbox.personToRecipient(personOf(act))
    return flip(act, read => inbox.addReceipt(inboxOf(act, id), id, recipient, 'read', read))
  }],
  [1, act => {
    const id = messageOf(act)
    return inbox.recallMessage(inboxOf(act, id), id, act.ids.accounts[0] as AccountId, momentOf(act))
  }],
  [0.3, act => {
    const id = messageOf(act)
    return inbox.purgeMessage(inboxOf(act, id), id)
  }],
  // marks
  [6, act => {
    const id = messageOf(act)
    return marks.markOpened(marksOf(act, id), id, momentOf(act))
  }],
  [5, act => {
    const id = messageOf(act)
    return flip(act, deleted => marks.setDeleted(marksOf(act, id), id, deleted))
  }],
  [5, act => {
    const id = messageOf(act)
    return flip(act, checked => marks.setChecked(marksOf(act, id), id, checked))
  }],
  [1, act => marks.rememberRequest(act.doc(act.random.pick(['marks', 'marks 2'])), { requestId: act.random.pick(act.ids.requests), fingerprint: act.random.pick(['x', 'y']), outcome: act.random.pick([{ opened: [] }, 204, null]) })],
  [0.4, openSome],
  // drafts
  [6, act => drafts.createDraft(act.doc('drafts'), { id: draftOf(act), editedMs: momentOf(act), text: act.random.pick(TEXTS), to: act.random.chance(0.5) ? peopleOf(act, 2) : [] })],
  [16, act => {
    const id = draftOf(act)
    return drafts.editText(act.doc('drafts'), id, edited(act.random, drafts.readDraft(act.doc('drafts'), id)?.text ?? ''))
  }],
  [4, act => drafts.setRecipients(act.doc('drafts'), draftOf(act), peopleOf(act, 3))],
  [3, act => {
    const id = draftOf(act)
    return flip(act, selected => drafts.setSelected(act.doc('drafts'), id, selected))
  }],
  [3, act => drafts.touchDraft(act.doc('drafts'), draftOf(act), momentOf(act))],
  [2, act => {
    const id = draftOf(act)
    act.replica.undo.push(() => drafts.restoreDraft(act.doc('drafts'), id))
    return drafts.discardDraft(act.doc('drafts'), id)
  }],
  [0.5, act => drafts.purgeDraft(act.doc('drafts'), draftOf(act))],
  [3, send],
  [3, deliverEntry],
  [1, act => drafts.addOutboxEntry(act.doc('drafts'), { id: messageOf(act), fromName: act.random.pick(NAMES), to: peopleOf(act, 2), text: 'sent by a program', sentMs: momentOf(act) })],
  [1, act => drafts.clearOutboxEntry(act.doc('drafts'), messageOf(act))],
  [1, act => {
    const id = messageOf(act)
    act.replica.undo.push(() => drafts.clearRecall(act.doc('drafts'), id))
    return drafts.requestRecall(act.doc('drafts'), id)
  }],
  [1, act => drafts.setSetting(act.doc('drafts'), act.random.pick(['theme', 'language']), act.random.pick<drafts.SettingValue>(['dark', 1, true]))],
  [1, act => {
    const id = act.random.pick(act.ids.accounts)
    return flip(act, blocked => drafts.setBlocked(act.doc('drafts'), id, blocked))
  }],
  [0.5, act => drafts.setSharesReceipts(act.doc('drafts'), act.random.pick(['on', 'off']))]
]

/** Operations by weight, spread over a table that one throw of the dice indexes. */
const TABLE: readonly Operation[] = OPERATIONS.flatMap(([weight, operation]) => Array.from({ length: Math.ceil(weight * 10) }, () => operation))

// ---- the run

export const fuzzSchema = ({ seed, operations, clientIds = 'fresh' }: FuzzOptions): FuzzOutcome => {
  const random = createRandom(`schema ${seed}`)
  const ids = createIds(random)
  const figures = { operations: 0, updates: 0, deliveries: 0, undone: 0, joined: 0 }
  const findings: string[] = []
  const count = random.integer(3, 6)
  const past: Update[] = []
  const replicas: Replica[] = Array.from({ length: count }, () => ({ docs: new Map(), waiting: [], isHere: false, undo: [] }))

  const createDoc = (replica: Replica, document: DocumentKey, state: Uint8Array | null): Y.Doc => {
    const doc = new Y.Doc({ guid: document })
    if (state !== null) Y.applyUpdate(doc, state)
    doc.clientID = clientIds === 'fresh' ? random.integer(1, 2 ** 32 - 1) : 1
    doc.on('update', (bytes: Uint8Array, _origin: unknown, _doc: Y.Doc, { local }: Y.Transaction) => {
      if (!local) return
      figures.updates += 1
      const update = { document, bytes }
      if (past.length < 5_000) past.push(update)
      else past[random.integer(0, past.length - 1)] = update
      for (const other of replicas) if (other !== replica) other.waiting.push(update)
    })
    return doc
  }
  const docOf = (replica: Replica, document: DocumentKey): Y.Doc => replica.docs.get(document) as Y.Doc
  const here = (): Replica[] => replicas.filter(({ isHere }) => isHere)

  /** A replica comes, with nothing or with all that another one holds, and hears the rest like everyone. */
  const join = (replica: Replica): void => {
    const source = here().length > 0 && random.chance(0.5) ? random.pick(here()) : null
    replica.docs = new Map(DOCUMENTS.map(document => [document, createDoc(replica, document, source === null ? null : Y.encodeStateAsUpdate(docOf(source, document)))]))
    replica.isHere = true
    figures.joined += 1
  }

  /** What a restart does: the same content, another clientID [DOC6]. Nothing of before can be taken back. */
  const restart = (replica: Replica): void => {
    replica.undo.length = 0
    replica.docs = new Map(DOCUMENTS.map(document => [document, createDoc(replica, document, Y.encodeStateAsUpdate(docOf(replica, document)))]))
  }

  const apply = (replica: Replica, { document, bytes }: Update): void => {
    figures.deliveries += 1
    Y.applyUpdate(docOf(replica, document), bytes)
  }

  const deliverOne = (replica: Replica): void => {
    const { waiting } = replica
    if (waiting.length === 0) return
    const index = random.integer(0, Math.min(REACH, waiting.length) - 1)
    const [update] = waiting.splice(index, 1)
    if (update !== undefined) apply(replica, update)
  }

  /** Several of one document at once, as one. */
  const deliverMerged = (replica: Replica): void => {
    const first = replica.waiting[0]
    if (first === undefined) return
    const batch = replica.waiting.slice(0, 60).filter(({ document }) => document === first.document)
    replica.waiting = replica.waiting.filter(update => !batch.includes(update))
    apply(replica, { document: first.document, bytes: Y.mergeUpdates(random.shuffle(batch).map(({ bytes }) => bytes)) })
  }

  /** What one replica has more than another, of one document or of all. */
  const sync = (from: Replica, to: Replica, documents: readonly DocumentKey[]): void => {
    for (const document of documents) apply(to, { document, bytes: Y.encodeStateAsUpdate(docOf(from, document), Y.encodeStateVector(docOf(to, document))) })
  }

  const deliver = (replica: Replica): void => {
    const dice = random.next()
    if (replica.waiting.length > WAITING_MAX) while (replica.waiting.length > 0) deliverMerged(replica)
    else if (dice < 0.55) deliverOne(replica)
    else if (dice < 0.85) deliverMerged(replica)
    else if (dice < 0.95 && past.length > 0) apply(replica, random.pick(past))
    else if (dice < 0.96) sync(random.pick(here()), replica, [random.pick(DOCUMENTS)])
  }

  for (const replica of replicas.slice(0, 2)) join(replica)
  for (let number = 0; number < operations; number++) {
    const replica = random.pick(here())
    const undo = random.chance(0.06) ? replica.undo.pop() : undefined
    if (undo !== undefined) {
      undo()
      figures.undone += 1
    } else random.pick(TABLE)({ random, ids, replica, doc: key => docOf(replica, key) })
    figures.operations += 1
    for (let turn = random.integer(0, 2); turn > 0; turn--) deliver(random.pick(here()))
    if (random.chance(0.0005)) restart(random.pick(here()))
    const absent = replicas.find(({ isHere }) => !isHere)
    if (absent !== undefined && random.chance(4 / operations)) join(absent)
  }

  // ---- everything to everybody, each in an order of its own

  for (const replica of replicas) if (!replica.isHere) join(replica)
  for (const replica of replicas) {
    const rest = random.shuffle(replica.waiting.splice(0))
    for (let at = 0; at < rest.length; at += 30) for (const document of DOCUMENTS) {
      const batch = rest.slice(at, at + 30).filter(update => update.document === document)
      if (batch.length > 0) apply(replica, { document, bytes: Y.mergeUpdates(batch.map(({ bytes }) => bytes)) })
    }
  }
  for (const document of DOCUMENTS) findings.push(...compare(document, replicas.map(replica => docOf(replica, document))))
  findings.push(...compareMailboxes(ids.accounts[0] as AccountId, replicas.map(({ docs }) => docs)))
  return { findings, figures }
}

// ---- judging

const canonicalOf = (doc: Y.Doc): string => canonicalJson(Object.fromEntries([...doc.share.keys()].map(root => [root, doc.getMap(root).toJSON()] as const).filter(([, json]) => Object.keys(json).length > 0)))

const snapshotOf = (doc: Y.Doc): string => Buffer.from(Y.encodeSnapshot(Y.snapshot(doc))).toString('base64')

const compare = (document: DocumentKey, docs: readonly Y.Doc[]): string[] => {
  const kind = KINDS.find(({ name }) => document.startsWith(name))
  const found: string[] = []
  const look = (doc: Y.Doc, index: number) => {
    if (doc.store.pendingStructs !== null || doc.store.pendingDs !== null) found.push(`K5 ${document}: replica ${index} still waits for something after it heard everything`)
    const views = kind?.view(doc) ?? []
    for (const { skipped } of views) if (skipped > 0) found.push(`K5 ${document}: replica ${index} reads ${skipped} entries as junk`)
    return { json: canonicalOf(doc), views: show(views), snapshot: snapshotOf(doc), digest: digestToHex(digestOfDocument(doc)) }
  }
  const [first, ...others] = docs.map(look)
  for (const [index, other] of others.entries()) {
    for (const what of ['json', 'views', 'snapshot', 'digest'] as const) if (other[what] !== first?.[what]) found.push(`K5 ${document}: ${what} of replica ${index + 1} differs from that of replica 0: ${excerpt(first?.[what] ?? '', other[what])}`)
  }
  const copy = new Y.Doc()
  if (docs[0] !== undefined) Y.applyUpdate(copy, Y.encodeStateAsUpdate(docs[0]))
  if (canonicalOf(copy) !== first?.json) found.push(`K5 ${document}: reads differently once it was written and read again`)
  return found
}

const compareMailboxes = (owner: AccountId, all: readonly ReadonlyMap<DocumentKey, Y.Doc>[]): string[] => {
  const mailboxes = all.map(docs => {
    const [inboxes, marksDocs, own] = [['inbox', 'inbox 2'], ['marks', 'marks 2'], ['drafts']].map(keys => keys.flatMap(key => docs.get(key as DocumentKey) ?? [])) as [Y.Doc[], Y.Doc[], Y.Doc[]]
    return show(foldMailbox({ owner, inboxes, marks: marksDocs, drafts: own[0] as Y.Doc }))
  })
  return mailboxes.flatMap((mailbox, index) => (mailbox === mailboxes[0] ? [] : [`K5 the mailbox of replica ${index} differs from that of replica 0: ${excerpt(mailboxes[0] ?? '', mailbox)}`]))
}

const excerpt = (a: string, b: string): string => {
  let at = 0
  while (at < a.length && a[at] === b[at]) at += 1
  const from = Math.max(0, at - 60)
  return `…${a.slice(from, at + 80)}… / …${b.slice(from, at + 80)}…`
}
