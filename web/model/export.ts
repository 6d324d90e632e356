// Everything of an account that this device has, as plain data for its owner to take away.

import type { Mail } from './mail.ts'

const toTime = (ms: number): string => new Date(ms).toISOString()

/** The whole mailbox and the drafts; call it after `openEverything`. */
export const describeMail = (mail: Mail, ownName: string, nowMs: number) => ({
  account: { id: mail.owner, name: ownName },
  exportedAt: toTime(nowMs),
  inbox: mail.mailbox.inbox.peek().map(({ id, from, to, text, sentMs }) => ({ id, from, to, text, sentAt: toTime(sentMs) })),
  messages: mail.mailbox.messages
    .peek()
    .filter(({ isDeleted }) => !isDeleted)
    .map(({ id, from, text, sentMs, openedMs, isRead }) => ({ id, from, text, sentAt: toTime(sentMs), openedAt: toTime(openedMs), read: isRead })),
  sent: mail.mailbox.sent.peek().map(({ id, to, text, sentMs, state }) => ({ id, to, text, sentAt: toTime(sentMs), state: state.status })),
  drafts: mail.drafts.rows
    .peek()
    .filter(({ isDiscarded }) => !isDiscarded)
    .map(({ id, to, text }) => ({ id, to, text })),
  settings: { receipts: mail.sharesReceipts.peek(), blocked: mail.blocked.peek() },
})
