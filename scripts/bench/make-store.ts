// Writes mailboxes straight into a stopped node's data directory, as commits of its own: a hundred thousand people with years of
// mail in a minute, where sending it would take hours. The same arguments write the same bytes, so stores of several nodes agree.
//
//   node make-store.js DIRECTORY MAILBOXES MESSAGES [BEFORE]
//
// BEFORE: messages that each mailbox has already from an earlier run; only those after them are written, and no accounts.

import { createHash } from 'node:crypto'
import * as Y from 'yjs'
import { type Claim, addClaim, addSecret } from '../../crdt-schema/accounts.ts'
import {
  type AccountId, type DocumentName, type Hlc, type Millis, accountToDocument, createEpoch, inboxDocument, millisToMonth, mintMessageId, mintRequestId,
  nameToDocument, nameToKey, parsePid, requestToAccountId,
} from '../../crdt-schema/ids.ts'
import { addMessage } from '../../crdt-schema/inbox.ts'
import { assert } from '../../crdt-schema/prelude.ts'
import { openLevelStore } from '../../node/adapters/level-store.ts'
import { digestOfDocument } from '../../node/core/digest.ts'
import type { CommitRecord, LoggedUpdate } from '../../node/core/events.ts'
import type { Store } from '../../node/core/ports.ts'

const DOCUMENTS_PER_COMMIT = 500
/** A hundred characters that do not compress. */
const writeText = (seed: string): string => createHash('sha512').update(seed).digest('base64').slice(0, 50) + createHash('sha512').update(`${seed} more`).digest('base64').slice(0, 50)
/** No node has this clientID: theirs are random. */
const CLIENT = 77_777
const NOW_MS = Date.UTC(new Date().getUTCFullYear(), new Date().getUTCMonth(), 1) as Millis
const HASH = `$argon2id$v=19$m=19456,t=2,p=1$${'A'.repeat(22)}$${'A'.repeat(43)}`

type Written = CommitRecord['digests'][number] & LoggedUpdate

const bytesOf = (text: string): Uint8Array => Uint8Array.from(createHash('sha256').update(text).digest().subarray(0, 16))

const claimOf = (index: number): Claim => {
  const pid = parsePid(0)
  assert(pid !== null, 'pid 0')
  const shownName = `person-${index}`
  const requestId = mintRequestId(bytesOf(shownName))
  return { nameKey: nameToKey(shownName), accountId: requestToAccountId(requestId), epoch: createEpoch(1, pid), shownName, requestId, hlc: (NOW_MS * 1024 + index) as Hlc }
}

const createDoc = (): Y.Doc => {
  const doc = new Y.Doc()
  doc.clientID = CLIENT
  return doc
}

const toWritten = (document: DocumentName, doc: Y.Doc, update = Y.encodeStateAsUpdate(doc)): Written => ({ document, update, digest: digestOfDocument(doc) })

/** The directory's documents for all accounts at once: names by name, secrets by account. */
const writeAccounts = (mailboxes: number): Written[] => {
  const docs = new Map<DocumentName, Y.Doc>()
  const docOf = (name: DocumentName): Y.Doc => {
    const doc = docs.get(name) ?? createDoc()
    docs.set(name, doc)
    return doc
  }
  for (let index = 0; index < mailboxes; index++) {
    const claim = claimOf(index)
    addClaim(docOf(nameToDocument(claim.nameKey)), claim)
    addSecret(docOf(accountToDocument(claim.accountId)), claim.accountId, HASH, claim.hlc)
  }
  return [...docs].map(([name, doc]) => toWritten(name, doc))
}

const writeMailbox = (index: number, before: number, messages: number): Written => {
  const { accountId, shownName } = claimOf(index)
  const doc = createDoc()
  const add = (from: number, to: number): void =>
    doc.transact(() => {
      for (let i = from; i < to; i++) {
        const id = mintMessageId((NOW_MS + i * 60_000) as Millis, bytesOf(`${index} ${i}`).slice(0, 10))
        addMessage(doc, { id, from: { id: ''.padEnd(32, '0') as AccountId, name: 'Sender' }, to: [{ id: accountId, name: shownName }], text: writeText(`${index} ${i}`), sentMs: (NOW_MS + i * 60_000) as Millis })
      }
    })
  add(0, before)
  const known = Y.encodeStateVector(doc)
  add(before, before + messages)
  return toWritten(inboxDocument(accountId, millisToMonth(NOW_MS)), doc, Y.encodeStateAsUpdate(doc, known))
}

const commit = async (store: Store, seq: number, written: readonly Written[]): Promise<void> =>
  store.commit({
    seq,
    updates: written.map(({ document, update }) => ({ document, update })),
    digests: written.map(({ document, digest }) => ({ document, digest })),
    removed: [],
    meta: null,
  })

const main = async ([directory, ...numbers]: readonly string[]): Promise<void> => {
  const [mailboxes = 0, messages = 0, before = 0] = numbers.map(Number)
  assert(directory !== undefined && mailboxes > 0, 'usage: make-store.js DIRECTORY MAILBOXES MESSAGES [BEFORE]')
  const store = await openLevelStore({ directory })
  let seq = store.state.lastCommit
  const accounts = before === 0 ? writeAccounts(mailboxes) : []
  for (let at = 0; at < accounts.length; at += 16) await commit(store, ++seq, accounts.slice(at, at + 16))
  for (let at = 0; at < mailboxes; at += DOCUMENTS_PER_COMMIT) {
    await commit(store, ++seq, Array.from({ length: Math.min(DOCUMENTS_PER_COMMIT, mailboxes - at) }, (_, i) => writeMailbox(at + i, before, messages)))
  }
  await store.close()
}

await main(process.argv.slice(2))
