// The calls of whoever runs the nodes: `account`, `members`, `doctor` and `backup` speak them to a node on the same machine.
// `serve --join` asks for its pid by one of them, from its own machine.
// Not part of the HTTP API: a person's token opens none of them, and none is reachable without a proof of the cluster's secret
// (node/adapters/http-operator.ts). The node and its own command line share them, so they may change with any version; but a node
// that joins may be of another version than the cluster, so 'operator-admit-member' may only grow.

import * as v from 'valibot'
import { type AnswerFrom, type CallDefinition, type FieldsFrom, NOTHING, NO_CONTENT, json } from './api-tables.ts'
import * as shapes from './api-shapes.ts'
import { parseNodeId, toDocumentName } from './ids.ts'
import { LIMITS } from './limits.ts'

const count = v.pipe(v.number(), v.integer(), v.minValue(0))
/** Text that its one parser takes, branded by it. */
const parsedBy = <Value extends string>(parse: (text: string) => Value | null, message: string) =>
  v.pipe(
    v.string(),
    v.rawTransform<string, Value>(({ dataset, addIssue, NEVER }) => {
      const value = parse(dataset.value)
      if (value !== null) return value
      addIssue({ message })
      return NEVER
    })
  )
const nodeId = parsedBy(parseNodeId, 'must be the id of a node')
const documentName = parsedBy(toDocumentName, 'must be the name of a document')
/** A name as shown, or an id: ids are tried first. */
const byAccount = v.strictObject({ account: v.pipe(v.string(), v.maxLength(256)) })

export const operatorAccount = v.strictObject({ id: v.string(), name: v.string(), sessions: count, recoveryCodes: count, bytes: count })
export const operatorMember = v.strictObject({ pid: count, nodeId: v.nullable(v.string()), url: v.string(), status: v.picklist(['ready', 'syncing', 'down', 'removed']) })
export const storedDocument = v.strictObject({ name: v.string(), bytes: count })
/** `state`: everything the document holds as one Yjs update (V1), base64. */
export const documentState = v.strictObject({ name: v.string(), state: v.string() })
export const operatorChecks = v.strictObject({
  self: count,
  phase: v.string(),
  version: v.string(),
  ready: v.boolean(),
  checks: v.array(v.strictObject({ check: v.string(), ok: v.boolean(), text: v.string() })),
  /** How far the wall clocks of nodes in view are ahead of this one's. */
  clocks: v.array(v.strictObject({ pid: count, offsetMs: v.number(), roundTripMs: v.nullable(v.number()) })),
  /** Whom each node in view hears. */
  hears: v.array(v.strictObject({ pid: count, hears: v.array(count) })),
  members: v.array(count),
  behind: v.array(v.strictObject({ pid: count, because: v.string() })),
  /** Damaged here and not yet fetched from another node. */
  quarantined: v.array(v.string()),
  documents: count,
  bytes: count
})

export const OPERATOR_CALLS = {
  'operator-list-accounts': {
    method: 'GET', path: '/operator/accounts', summary: 'Accounts by name, a page at a time', token: 'needed',
    params: NOTHING, query: v.strictObject({ prefix: v.exactOptional(shapes.nameText), after: v.exactOptional(shapes.nameText), limit: shapes.limitOf(1000, 1000) }), body: null,
    success: json(200, v.strictObject({ accounts: v.array(operatorAccount), next: v.exactOptional(v.string()) })), codes: []
  },
  'operator-create-account': {
    method: 'POST', path: '/operator/accounts', summary: 'Make an account, also when registration is closed', token: 'needed',
    params: NOTHING, query: NOTHING, body: v.strictObject({ name: shapes.nameText, password: shapes.passwordText }),
    success: json(201, v.strictObject({ account: shapes.account })), codes: ['name-taken', 'id-reused', 'invalid-name', 'weak-password', 'no-coordinator']
  },
  'operator-reset-password': {
    method: 'POST', path: '/operator/accounts/:account/password', summary: 'Give an account a new password and end its sessions', token: 'needed',
    params: byAccount, query: NOTHING, body: v.strictObject({ password: shapes.passwordText }),
    success: json(200, v.strictObject({ account: shapes.account })), codes: ['no-such-account', 'id-reused', 'weak-password', 'no-coordinator']
  },
  'operator-remove-account': {
    method: 'DELETE', path: '/operator/accounts/:account', summary: 'Remove an account for ever', token: 'needed',
    params: byAccount, query: NOTHING, body: null,
    success: NO_CONTENT, codes: ['no-such-account', 'no-coordinator']
  },
  'operator-list-members': {
    method: 'GET', path: '/operator/members', summary: 'Every data directory that serves or served', token: 'needed',
    params: NOTHING, query: NOTHING, body: null,
    success: json(200, v.strictObject({ members: v.array(operatorMember) })), codes: []
  },
  'operator-remove-member': {
    method: 'DELETE', path: '/operator/members/:nodeId', summary: 'Let a data directory never join again', token: 'needed',
    params: v.strictObject({ nodeId }), query: NOTHING, body: null,
    success: NO_CONTENT, codes: ['no-such-member', 'member-up', 'no-coordinator']
  },
  'operator-admit-member': {
    method: 'POST', path: '/operator/admissions', summary: 'Make an empty data directory a member under a pid of its own', token: 'needed',
    params: NOTHING, query: NOTHING, body: v.strictObject({ nodeId, url: v.pipe(v.string(), v.url(), v.regex(/^https?:/), v.maxLength(LIMITS.urlCharactersMax)) }),
    success: json(200, v.strictObject({ pid: count, nodes: v.array(v.strictObject({ pid: count, url: v.string() })) })), codes: ['cluster-full', 'removed', 'no-coordinator']
  },
  'operator-list-documents': {
    method: 'GET', path: '/operator/documents', summary: 'Names of documents below a prefix', token: 'needed',
    params: NOTHING, query: v.strictObject({ prefix: v.pipe(v.string(), v.maxLength(256)), after: v.exactOptional(v.pipe(v.string(), v.maxLength(256))) }), body: null,
    success: json(200, v.strictObject({ documents: v.array(storedDocument), next: v.exactOptional(v.string()) })), codes: []
  },
  'operator-read-documents': {
    method: 'POST', path: '/operator/documents', summary: 'States of the first of these documents, as many as fit an answer', token: 'needed',
    params: NOTHING, query: NOTHING, body: v.strictObject({ names: v.pipe(v.array(documentName), v.minLength(1), v.maxLength(256)) }),
    success: json(200, v.strictObject({ documents: v.array(documentState) })), codes: []
  },
  'operator-check': {
    method: 'GET', path: '/operator/checks', summary: 'Clocks, links and health as this node sees them', token: 'needed',
    params: NOTHING, query: NOTHING, body: null,
    success: json(200, operatorChecks), codes: []
  }
} as const satisfies Record<string, CallDefinition>

export type OperatorCallType = keyof typeof OPERATOR_CALLS
export type OperatorCallOf<Type extends OperatorCallType> = { readonly type: Type } & FieldsFrom<(typeof OPERATOR_CALLS)[Type]>
export type OperatorCall = { [Type in OperatorCallType]: OperatorCallOf<Type> }[OperatorCallType]
export type OperatorAnswerOf<Type extends OperatorCallType> = AnswerFrom<(typeof OPERATOR_CALLS)[Type]>
