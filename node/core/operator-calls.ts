// The calls of whoever runs the nodes: accounts without their passwords, members, and the states of documents for a backup.
// Who may make them was settled before they came here: the adapter had the proof of the cluster's secret.
// Keeps [COO4] (what only the coordinator may decide is asked of it) and [COO8] on the asking side.

import { toBase64 } from 'lib0/buffer'
import * as Y from 'yjs'
import type { OperatorCall, OperatorCallOf } from '../../crdt-schema/operator-api.ts'
import { type AccountId, type DocumentName, nameToKey, parseAccountId, parseName, requestToAccountId } from '../../crdt-schema/ids.ts'
import { unreachable } from '../../crdt-schema/prelude.ts'
import { type CallContext, answer, refuse, refuseGrant, refuseKey, requestIdOf } from './answers.ts'
import { countCodesOf } from './codes.ts'
import type { Answer, Desk, GrantOutcome } from './desk.ts'
import { changeToFingerprint, documentsOfAccount } from './grants.ts'
import { isPossiblePassword, mintSessionFor } from './sessions.ts'

const DOCUMENTS_PER_PAGE = 2_000
/** What the states in one answer may be together; the first is always given. */
const STATES_BYTES_MAX = 4 * 1024 * 1024

export const runOperatorCall = (desk: Desk, call: OperatorCall, context: CallContext, describe: () => unknown): Answer => {
  switch (call.type) {
    case 'operator-list-accounts': return listAccounts(desk, call)
    case 'operator-create-account': return createAccount(desk, call, context)
    case 'operator-reset-password': return resetPassword(desk, call, context)
    case 'operator-remove-account': return removeAccount(desk, call, context)
    case 'operator-list-members': return listMembers(desk)
    case 'operator-remove-member': return removeMember(desk, call, context)
    case 'operator-admit-member': return admitMember(desk, call, context)
    case 'operator-list-documents': return listDocuments(desk, call)
    case 'operator-read-documents': return readDocuments(desk, call)
    case 'operator-check': return answer(200, describe(), 'nothing')
    default: return unreachable(call)
  }
}

// ---- accounts

const listAccounts = (desk: Desk, call: OperatorCallOf<'operator-list-accounts'>): Answer => {
  const { accounts, next } = desk.directory.listNames({ prefix: call.prefix ?? '', after: call.after ?? null, limit: call.limit })
  const rows = accounts.map(({ id, name }) => ({
    id, name,
    sessions: desk.directory.liveSessionsOf(id, desk.clusterMs).length,
    recoveryCodes: countCodesOf(desk, id),
    bytes: documentsOfAccount(desk, id).reduce((sum, document) => sum + desk.bytesOf(document), 0)
  }))
  return answer(200, next === null ? { accounts: rows } : { accounts: rows, next })
}

/**
 * As a person's own sign-up, but for the session, which nobody gets a token for: it ends as it begins. And without recovery codes, which are
 * nobody's business but the person's: they are made in the settings.
 */
const createAccount = (desk: Desk, call: OperatorCallOf<'operator-create-account'>, context: CallContext): Answer => {
  const { facts } = context
  const requestId = requestIdOf(context)
  if (requestId === null) return refuseKey()
  const accountId = requestToAccountId(requestId)
  if (facts.grant !== null) return afterGrant(facts.grant, () => answer(201, { account: accountJson(desk, accountId) }))
  const name = parseName(call.name)
  if (name === null) return refuse('invalid-name')
  if (!isPossiblePassword(call.password)) return refuse('weak-password')
  if (desk.directory.isRemoved(accountId) || desk.directory.exists(accountId)) return refuse('id-reused')
  const nameKey = nameToKey(name)
  if (desk.directory.ownerOfName(nameKey) !== null) return refuse('name-taken')
  if (facts.hash === null) return { status: 'needs-hash', password: call.password }
  const seed = mintSessionFor(desk, requestId, 'operator', facts)
  return { status: 'needs-grant', grant: { kind: 'create-account', requestId, accountId, shownName: name, nameKey, passwordHash: facts.hash, session: { ...seed, expiresMs: facts.arrivedMs } } }
}

const resetPassword = (desk: Desk, call: OperatorCallOf<'operator-reset-password'>, context: CallContext): Answer => {
  const { facts } = context
  const requestId = requestIdOf(context)
  if (requestId === null) return refuseKey()
  const accountId = findAccount(desk, call.account)
  if (accountId === null) return refuse('no-such-account')
  const done = (): Answer => answer(200, { account: accountJson(desk, accountId) })
  if (facts.grant !== null) return afterGrant(facts.grant, done)
  if (!isPossiblePassword(call.password)) return refuse('weak-password')
  const past = desk.directory.requestOf(accountId, requestId)
  if (past !== null) return past.fingerprint === changeToFingerprint(null, 'new-password') ? done() : refuse('id-reused')
  if (facts.hash === null) return { status: 'needs-hash', password: call.password }
  return { status: 'needs-grant', grant: { kind: 'change-account', requestId, accountId, shownName: null, nameKey: null, passwordHash: facts.hash, keepSession: null } }
}

const removeAccount = (desk: Desk, call: OperatorCallOf<'operator-remove-account'>, context: CallContext): Answer => {
  const requestId = requestIdOf(context)
  if (requestId === null) return refuseKey()
  if (context.facts.grant !== null) return afterGrant(context.facts.grant, () => answer(204, null))
  const accountId = findAccount(desk, call.account)
  return accountId === null ? refuse('no-such-account') : { status: 'needs-grant', grant: { kind: 'remove-account', requestId, accountId } }
}

const afterGrant = (outcome: GrantOutcome, done: () => Answer): Answer => (outcome.status === 'refused' ? refuseGrant(outcome.code) : done())

const accountJson = (desk: Desk, id: AccountId): { readonly id: AccountId; readonly name: string } => ({ id, name: desk.directory.nameOf(id) ?? '' })

/** The account with this id, or the one shown under this name. */
const findAccount = (desk: Desk, text: string): AccountId | null => {
  const id = parseAccountId(text)
  return id !== null && desk.directory.exists(id) ? id : desk.directory.accountShownAs(text)
}

// ---- members

const listMembers = (desk: Desk): Answer => {
  const known = desk.directory.members()
  const rows = known.map(member => ({ pid: member.pid, nodeId: member.nodeId, url: member.url, status: statusOfMember(desk, member.nodeId) }))
  const unknown = desk.nodes.filter(({ pid }) => !known.some(member => member.pid === pid)).map(({ pid, url, status }) => ({ pid, nodeId: null, url, status }))
  return answer(200, { members: [...rows, ...unknown].sort((a, b) => a.pid - b.pid) })
}

/** Of several directories that served under one pid, the one that came last is meant by what is heard of the pid. */
const statusOfMember = (desk: Desk, nodeId: string): 'ready' | 'syncing' | 'down' | 'removed' => {
  const member = desk.directory.members().find(row => row.nodeId === nodeId)
  if (member === undefined || member.removed) return 'removed'
  const latest = desk.directory.members().filter(row => row.pid === member.pid && !row.removed).sort((a, b) => b.hlc - a.hlc)[0]
  return latest?.nodeId === nodeId ? (desk.nodes.find(({ pid }) => pid === member.pid)?.status ?? 'down') : 'down'
}

const removeMember = (desk: Desk, call: OperatorCallOf<'operator-remove-member'>, context: CallContext): Answer => {
  const requestId = requestIdOf(context)
  if (requestId === null) return refuseKey()
  if (context.facts.grant !== null) return afterGrant(context.facts.grant, () => answer(204, null))
  const member = desk.directory.memberOf(call.nodeId)
  if (member === null) return refuse('no-such-member')
  if (member.removed) return answer(204, null)
  const status = statusOfMember(desk, call.nodeId)
  if (status !== 'down') return refuse('member-up')
  return { status: 'needs-grant', grant: { kind: 'remove-member', requestId, nodeId: call.nodeId } }
}

/** A pid for a directory that is empty yet. It is granted, so two that ask at once get two; the directory's id makes asking again safe [REP7]. */
const admitMember = (desk: Desk, call: OperatorCallOf<'operator-admit-member'>, context: CallContext): Answer => {
  const requestId = requestIdOf(context)
  if (requestId === null) return refuseKey()
  const { grant } = context.facts
  if (grant === null) return { status: 'needs-grant', grant: { kind: 'admit-member', requestId, pid: null, nodeId: call.nodeId, url: call.url, taken: [...desk.config.peers.keys()] } }
  if (grant.status === 'refused') return refuseGrant(grant.code)
  return answer(200, { pid: grant.value['pid'], nodes: desk.nodes.map(({ pid, url }) => ({ pid, url })) })
}

// ---- documents

const listDocuments = (desk: Desk, call: OperatorCallOf<'operator-list-documents'>): Answer => {
  const after = call.after ?? ''
  const names = desk.documentsUnder(call.prefix).filter(name => name > after)
  const page = names.slice(0, DOCUMENTS_PER_PAGE)
  const documents = page.map(name => ({ name, bytes: desk.bytesOf(name) }))
  const last = page.at(-1)
  return answer(200, names.length > page.length && last !== undefined ? { documents, next: last } : { documents })
}

/** A document that was dropped since it was listed is left out: the fact that dropped it is in a document that is read later. */
const readDocuments = (desk: Desk, call: OperatorCallOf<'operator-read-documents'>): Answer => {
  const chosen: DocumentName[] = []
  let bytes = 0
  for (const name of call.names) {
    bytes += desk.bytesOf(name)
    if (chosen.length > 0 && bytes > STATES_BYTES_MAX) break
    chosen.push(name)
  }
  const missing = chosen.filter(name => !desk.directory.isGone(name) && desk.document(name) === null)
  if (missing.length > 0) return { status: 'needs-documents', documents: missing }
  const documents = chosen.map(name => {
    const doc = desk.directory.isGone(name) ? null : desk.document(name)
    return { name, state: doc === null ? '' : toBase64(Y.encodeStateAsUpdate(doc)) }
  })
  return answer(200, { documents })
}
