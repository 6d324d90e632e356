// The limits that both sides keep, DESIGN's table 11. Units and bounds are in the names.
// Knows no documents: each module that writes or checks names the limit it keeps.

const KIB = 1024
const MIB = 1024 * KIB
const DAY_MS = 86_400_000

export const LIMITS = {
  nameCharactersMax: 32,
  passwordCharactersMin: 8,
  passwordCharactersMax: 256,
  messageTextBytesMax: 16 * KIB,
  draftTextBytesMax: 64 * KIB,
  recipientsMax: 64,
  /** Live drafts of one account. */
  draftsMax: 1000,
  /** Outbox entries of one account. */
  outboxMax: 1000,
  draftsDocumentBytesMax: 8 * MIB,
  mailboxBytesMax: 1024 * MIB,
  clientFrameBytesMax: 256 * KIB,
  /** The first sync step 2 of a socket: a page's whole offline work. */
  firstSyncFrameBytesMax: 16 * MIB,
  peerFrameBytesMax: 8 * MIB,
  /** A million tiny messages in one frame would hold the node that takes them for seconds. */
  peerFrameMessagesMax: 4_096,
  commitBytesMax: 4 * MIB,
  nodesMax: 9,
  /** An id further ahead of cluster time gets the receipt `bad-id` [DOC2]. */
  idAheadMsMax: DAY_MS,
  /** A session day's document expires this long after the day began [DOC8]. */
  sessionDayKeptMs: 31 * DAY_MS,
  sessionLifeMs: 30 * DAY_MS,
  /** A deleted message or finished draft may be purged after this [DOC3]. */
  purgeAfterMs: 30 * DAY_MS,
  settingKeyCharactersMax: 96,
  settingValueCharactersMax: 1024,
  /** The stored outcome of one idempotent request, as JSON: the largest names a thousand drafts with a code each. */
  requestOutcomeBytesMax: 128 * KIB,
  deviceCharactersMax: 128,
  urlCharactersMax: 512,
} as const

export type Limits = typeof LIMITS
