// What a program or page is told when a call fails: one row per code, as `application/problem+json` (RFC 9457).
// Codes are stable and are the API; titles and details are for people: what, why, and what to do.
// Keeps [COR4]: an expected failure is a coded result.

interface ProblemRow {
  readonly status: number
  readonly title: string
  readonly detail: string
  /** For what passes by itself: how long to wait before the same call is worth repeating. */
  readonly retryAfterSeconds?: number
}

export const PROBLEMS = {
  'bad-request': { status: 400, title: 'The request is not what this call takes', detail: 'A field is missing, unknown or of the wrong type. See /api/openapi.json.' },
  unauthorized: { status: 401, title: 'Not signed in', detail: 'The call needs a session, and the token is missing, unknown, ended or expired. Sign in again.' },
  'wrong-credentials': { status: 401, title: 'Wrong name or password', detail: 'No account has this name with this password. Check both and try again.' },
  'registration-closed': { status: 403, title: 'Registration is closed', detail: 'New accounts are made by whoever runs this server. Ask them for one.' },
  'foreign-origin': { status: 403, title: 'Not from this page', detail: 'Browsers may call only from the pages of this cluster.' },
  'not-found': { status: 404, title: 'Nothing here', detail: 'There is no such call. See /api/openapi.json for those there are.' },
  'no-such-account': { status: 404, title: 'No such account', detail: 'The account does not exist or was removed.' },
  'no-such-message': { status: 404, title: 'No such message', detail: 'You have no message with this id: it was never yours, was recalled, or is gone.' },
  'no-such-draft': { status: 404, title: 'No such draft', detail: 'You have no draft with this id: it was never yours, was sent, or was discarded.' },
  'no-such-session': { status: 404, title: 'No such session', detail: 'You have no session with this id, or it has ended.' },
  'no-such-member': { status: 404, title: 'No such node', detail: 'No data directory with this id is or was a member of the cluster.' },
  'method-not-allowed': { status: 405, title: 'Not with this method', detail: 'The address exists, but takes other methods. See /api/openapi.json.' },
  'name-taken': { status: 409, title: 'This name is taken', detail: 'Another account has this name. Choose another one.' },
  'already-signed-in': { status: 409, title: 'Signed in elsewhere', detail: 'This account has as many sessions as it may. Repeat with takeOver to end the other one.' },
  'member-up': { status: 409, title: 'This node is up', detail: 'Only a node that is stopped can be removed. Stop it first.' },
  'cluster-full': { status: 409, title: 'No pid is free', detail: 'The cluster has as many nodes as it may have, or every pid was used. Start the node with the --pid of a member that will not come back, or remove one.' },
  removed: { status: 409, title: 'This node was removed', detail: 'Its data directory may never join again. Start it with an empty one.' },
  'id-reused': { status: 409, title: 'This key was used for something else', detail: 'An Idempotency-Key belongs to one request. Make a new one for a new request.' },
  'id-taken': { status: 409, title: 'This id belongs to another message', detail: 'A message with this id but another sender, recipients or text exists. Make a new id.' },
  'too-large': { status: 413, title: 'Too large', detail: 'The text or the whole request is over its limit. Shorten it or split it.' },
  'unsupported-media-type': { status: 415, title: 'Not JSON', detail: 'Bodies are JSON: send Content-Type: application/json.' },
  'invalid-name': { status: 422, title: 'Not a possible name', detail: 'A name has 1 to 32 letters, digits, dots, underscores or dashes.' },
  'weak-password': { status: 422, title: 'Not a possible password', detail: 'A password has 8 to 256 characters.' },
  'bad-id': { status: 422, title: 'Not a possible id', detail: 'The time in the id is more than a day ahead of the cluster. Make a new id, or none.' },
  'no-recipients': { status: 422, title: 'No recipients', detail: 'A message needs at least one recipient. Choose one and send again.' },
  'mailbox-full': { status: 422, title: 'The mailbox is full', detail: 'The recipient must delete something before anything more can be delivered.' },
  'too-many-requests': { status: 429, title: 'Too many requests', detail: 'Wait a little before trying again.', retryAfterSeconds: 10 },
  internal: { status: 500, title: 'Something broke', detail: 'This is a bug; the log of this node tells more. Another node may serve the call.' },
  'no-coordinator': { status: 503, title: 'No node can decide this now', detail: 'The cluster is choosing its coordinator. Nothing has happened; repeating the request with its Idempotency-Key is safe.', retryAfterSeconds: 1 },
  unknown: { status: 503, title: 'Interrupted', detail: 'It may or may not have happened. Repeating the request with its Idempotency-Key is safe and tells.', retryAfterSeconds: 1 },
  'not-ready': { status: 503, title: 'This node is not ready', detail: 'It is starting, syncing or stopping. Use another node, or wait.', retryAfterSeconds: 1 },
  incomplete: { status: 503, title: 'Not all here yet', detail: 'This node is still fetching what the call needs. Use another node, or wait.', retryAfterSeconds: 2 },
  busy: { status: 503, title: 'Too busy', detail: 'More requests are waiting than this node takes. Use another node, or wait.', retryAfterSeconds: 1 },
} as const satisfies Record<string, ProblemRow>

export type ProblemCode = keyof typeof PROBLEMS

/** A problem as it travels; calls may add members, such as the field that is wrong. */
export interface Problem {
  readonly type: string
  readonly title: string
  readonly status: number
  readonly code: ProblemCode
  readonly detail: string
  readonly [member: string]: unknown
}

export const isProblemCode = (code: string): code is ProblemCode => Object.hasOwn(PROBLEMS, code)

/** The body that tells of a failure; `extra` adds members or puts a more telling `detail` in place. */
export const problem = (code: ProblemCode, extra: Readonly<Record<string, unknown>> = {}): Problem => {
  const { status, title, detail } = PROBLEMS[code]
  return { type: `urn:starling:problem:${code}`, title, status, detail, ...extra, code }
}

/** Seconds after which a failed call is worth repeating, or null if only a changed one is. */
export const retryAfterSecondsOf = (code: ProblemCode): number | null => {
  const row: ProblemRow = PROBLEMS[code]
  return row.retryAfterSeconds ?? null
}
