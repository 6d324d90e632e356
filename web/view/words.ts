// What the page says, in one place: errors, states of messages, drafts and the connection, moments.
// Plain words, present tense; what happens to the text comes first.

import type { Refusal } from '../model/app.ts'
import type { BannerState, ChipState } from '../model/connection.ts'
import type { DraftError, DraftRow, SentState } from '../model/rows.ts'
import { unreachable } from '../../crdt-schema/prelude.ts'

export const plural = (count: number, one: string, many = `${one}s`): string => `${count} ${count === 1 ? one : many}`

// ---- moments

const MINUTE_MS = 60_000
const DAY_MS = 86_400_000

const clockFormat = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit' })
const secondsFormat = new Intl.DateTimeFormat('en-GB', { hour: '2-digit', minute: '2-digit', second: '2-digit' })
const weekdayFormat = new Intl.DateTimeFormat('en-GB', { weekday: 'short' })
const dayFormat = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short' })
const yearFormat = new Intl.DateTimeFormat('en-GB', { day: 'numeric', month: 'short', year: 'numeric' })

/** 12:04 */
export const toClock = (ms: number): string => clockFormat.format(ms)
/** 12:04:31 */
export const toClockSeconds = (ms: number): string => secondsFormat.format(ms)

/** 12:04 today, Tue in the last six days, 14 Nov this year, 14 Nov 2025 before. */
export const toWhen = (ms: number, nowMs: number): string => {
  const startOfToday = new Date(nowMs).setHours(0, 0, 0, 0)
  if (ms >= startOfToday) return toClock(ms)
  if (ms >= startOfToday - 6 * DAY_MS) return weekdayFormat.format(ms)
  return new Date(ms).getFullYear() === new Date(nowMs).getFullYear() ? dayFormat.format(ms) : yearFormat.format(ms)
}

/** 2 h 11 m */
export const toDuration = (ms: number): string => {
  const minutes = Math.floor(ms / MINUTE_MS)
  if (minutes < 1) return `${Math.max(0, Math.floor(ms / 1000))} s`
  if (minutes < 60) return `${minutes} m`
  if (minutes < 24 * 60) return `${Math.floor(minutes / 60)} h ${minutes % 60} m`
  return `${Math.floor(minutes / (24 * 60))} d ${Math.floor(minutes / 60) % 24} h`
}

/** 4.1 MB */
export const toBytes = (bytes: number): string => {
  if (bytes < 1000) return `${bytes} B`
  if (bytes < 1_000_000) return `${(bytes / 1000).toFixed(bytes < 10_000 ? 1 : 0)} kB`
  return `${(bytes / 1_000_000).toFixed(1)} MB`
}

// ---- what was refused

export const refusalText = (refusal: Refusal): string => {
  switch (refusal) {
    case 'wrong-password':
      return 'That password is not right. Try again.'
    case 'name-taken':
      return 'Someone else has this name. Choose another one.'
    case 'invalid-name':
      return 'Use 1 to 32 letters, digits, dots, dashes or underscores.'
    case 'weak-password':
      return 'Use 8 characters or more.'
    case 'locked':
      return 'Too many tries. Wait a little, then try again.'
    case 'no-server':
      return 'No server answers at the moment. Nothing was changed.'
  }
}

// ---- copies

/** "Stored on 2 of 3 nodes", "Stored on all 3 nodes" */
export const copiesText = (verb: 'Stored' | 'Saved', storedOn: readonly number[], members: readonly number[]): string => {
  const count = storedOn.filter((pid) => members.includes(pid)).length
  if (members.length === 0 || count === 0) return verb
  if (members.length === 1) return `${verb} on the only node`
  return count >= members.length ? `${verb} on all ${members.length} nodes` : `${verb} on ${count} of ${members.length} nodes`
}

/** For readers and tooltips: names the nodes. */
export const copiesDetail = (storedOn: readonly number[], members: readonly number[]): string => {
  const held = storedOn.filter((pid) => members.includes(pid))
  if (held.length === 0) return 'Not known to be on any node yet'
  return `Stored on ${held.length} of ${members.length} nodes: ${toList(held.map(String))}`
}

const toList = (items: readonly string[]): string =>
  items.length < 2 ? items.join('') : `${items.slice(0, -1).join(', ')} and ${items.at(-1)}`

/** "395 of 408" */
export const heldText = (count: number, max: number): string => (max === 0 ? 'no messages yet' : `${count} of ${max}`)

// ---- a sent message

export const sentText = (
  state: SentState,
  { to, storedOn, members, down }: { to: string; storedOn: readonly number[]; members: readonly number[]; down: readonly number[] },
): string => {
  switch (state.status) {
    case 'keeping':
      return 'Keeping it on this device…'
    case 'waiting':
      return 'Waiting. Only on this device.'
    case 'stored': {
      const missing = down.filter((pid) => !storedOn.includes(pid))
      return (
        copiesText('Stored', storedOn, members) +
        (missing.length > 0 ? `, ${toList(missing.map((pid) => `node ${pid}`))} ${missing.length === 1 ? 'is' : 'are'} down` : '')
      )
    }
    case 'opened':
    case 'read':
      if (state.isTooLate) return `Too late, ${to} has opened it.`
      return `${state.status === 'read' ? 'Read' : 'Opened'}${state.atMs === null ? '' : ` ${toClock(state.atMs)}`}`
    case 'recalling':
      return 'Taking it back…'
    case 'recalled':
      return 'Recalled before it was opened'
    case 'failed':
      return failureText(state)
    default:
      return unreachable(state)
  }
}

const failureText = ({ because, name, wasKnown }: SentState & { readonly status: 'failed' }): string => {
  switch (because) {
    case 'no-such-account':
      return wasKnown ? `Not sent: ${name} deleted the account.` : `Not sent: ${name} has no account.`
    case 'mailbox-full':
      return `Not sent: ${name}’s mailbox is full.`
    case 'bad-name':
      return 'Not sent: your name has changed since. Send it again.'
    default:
      return 'Not sent: the clock of this device is wrong. Send it again.'
  }
}

// ---- a draft

export const draftErrorText = (error: DraftError): string => {
  switch (error) {
    case 'no-recipient':
      return 'Choose who this goes to.'
    case 'empty':
      return 'Write something first.'
    case 'too-large':
      return 'This is too long: a message has up to 16 KiB, a draft up to 64.'
    case 'outbox-full':
      return 'Too many messages are waiting. Send this one when a node has taken some.'
  }
}

export const draftStateText = (draft: DraftRow, members: readonly number[], isOnline: boolean): string => {
  const isStored = !draft.isPending && draft.storedOn.length > 0
  if (draft.isEditing) return isStored ? `Editing. ${copiesText('Saved', draft.storedOn, members)}` : 'Editing. Kept on this device.'
  if (isStored) return copiesText('Saved', draft.storedOn, members)
  return isOnline ? 'Kept on this device.' : 'Kept on this device until a node answers'
}

// ---- the connection

export const chipText = (chip: ChipState): string => {
  switch (chip.status) {
    case 'quiet':
      return ''
    case 'connecting':
      return 'Connecting…'
    case 'live':
      return `${chip.node} · all saved`
    case 'saving':
      return `${chip.node} · saving ${chip.count}`
    case 'switching':
      return `${chip.from ?? ''} → ${chip.to ?? '…'}`
    case 'catching-up':
      return chip.total > 1 ? `Catching up ${chip.done} of ${chip.total}` : `${chip.node} · catching up`
    case 'degraded':
      return `${chip.node} · ${chip.up} of ${chip.members} up`
    case 'lone':
      return `${chip.node} · only copy`
    case 'offline':
      return `Offline since ${toClock(chip.sinceMs)}`
  }
}

export const bannerText = (banner: BannerState): string => {
  switch (banner.kind) {
    case 'offline': {
      const contact = banner.lastContactMs === null ? '' : ` Last contact ${toClock(banner.lastContactMs)}.`
      return `You are offline.${contact} What you write is kept on this device and goes out by itself.`
    }
    case 'catching-up':
      return 'Catching up with what happened while you were away.'
    case 'lone':
      return 'Only one server is up. You can go on; what you write now is stored once until another returns.'
    case 'back': {
      const facts = [banner.stored > 0 ? `${banner.stored} stored` : '', banner.arrived > 0 ? `${banner.arrived} new` : ''].filter(
        (fact) => fact !== '',
      )
      return `Back online.${facts.length > 0 ? ` ${facts.join(', ')}.` : ''}`
    }
    case 'set-aside':
      return 'A node refused the copy on this device. It was put aside (see Settings), and your unsent texts are drafts again.'
    case 'no-storage':
      return 'This browser keeps nothing on this device. What you write is safe once a node has it: stay online until it says saved.'
    case 'disk-full':
      return 'This device has no space left. New text cannot be kept here until you free some.'
  }
}

// ---- what was done, for the live region and the status lines

export const openedText = (opened: number, rest: number): string =>
  `${opened} opened. ${rest === 0 ? 'The inbox is empty.' : `${rest} left in the inbox.`}`

/** "2 sent. 1 draft still needs a recipient." */
export const sendText = (sent: number, errors: readonly DraftError[]): string => {
  const lacking = errors.every((error) => error === 'no-recipient') ? 'a recipient' : errors.every((error) => error === 'empty') ? 'a text' : 'something'
  const parts = [
    sent > 0 ? `${sent} sent.` : '',
    errors.length > 0 ? `${plural(errors.length, 'draft')} still ${errors.length === 1 ? 'needs' : 'need'} ${lacking}.` : '',
  ]
  return parts.filter((part) => part !== '').join(' ')
}
