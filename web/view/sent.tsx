// Sent and outbox: every message with the truth about its copies, and what can still be done with it.

import type { SentRow, SentState } from '../model/rows.ts'
import type { Nodes } from './drafts.tsx'
import { Icon, type IconName, ReplicaDots } from './icons.tsx'
import { copiesDetail, sentText, toWhen } from './words.ts'

export interface SentActions {
  readonly onCancel: (row: SentRow) => void
  readonly onRecall: (row: SentRow) => void
  readonly onCopy: (row: SentRow) => void
  readonly onDiscard: (row: SentRow) => void
  readonly onRetry: (row: SentRow) => void
}

export interface SentProps {
  readonly rows: readonly SentRow[]
  /** Of all, where `rows` are only the first. */
  readonly count: number
  readonly search: string
  readonly nodes: Nodes
  readonly actions: SentActions
}

const ROWS_MAX = 100
/** After a day a message that is everywhere needs no words any more. */
const WORDS_MS = 86_400_000

export const Sent = ({ rows, count, search, nodes, actions }: SentProps) => {
  const found = rows.filter((row) => matches(row, search)).slice(0, ROWS_MAX)
  return (
    <section aria-labelledby="sent-heading" id="sent">
      <div class="bar low">
        <h2 id="sent-heading" tabIndex={-1}>
          Sent & outbox <span class="count">({count})</span>
        </h2>
      </div>
      {rows.length === 0 && (
        <div class="empty">
          <p>What you send shows here with the number of nodes that hold it.</p>
        </div>
      )}
      <ul>
        {found.map((row) => (
          <SentItem key={row.id} row={row} nodes={nodes} actions={actions} />
        ))}
      </ul>
    </section>
  )
}

const matches = (row: SentRow, search: string): boolean =>
  search === '' ||
  row.text.toLowerCase().includes(search.toLowerCase()) ||
  row.to.some(({ name }) => name.toLowerCase().includes(search.toLowerCase()))

const MARKS: Partial<Record<SentState['status'], IconName>> = {
  keeping: 'clock',
  waiting: 'clock',
  opened: 'check',
  read: 'checks',
  recalled: 'back',
  recalling: 'back',
  failed: 'alert',
}

const SentItem = ({ row, nodes, actions }: { row: SentRow; nodes: Nodes; actions: SentActions }) => {
  const to = row.to.map(({ name }) => name).join(', ')
  const { state } = row
  const isSeen = state.status === 'opened' || state.status === 'read'
  const hasDots = (state.status === 'stored' || isSeen) && nodes.members.length > 0
  const icon = MARKS[state.status]
  const isEverywhere = nodes.members.length > 0 && nodes.members.every((pid) => row.storedOn.includes(pid))
  const isTight = state.status === 'stored' && isEverywhere && Date.now() - row.sentMs > WORDS_MS
  const dots = hasDots && (
    <ReplicaDots members={nodes.members} storedOn={row.storedOn} down={nodes.down} detail={copiesDetail(row.storedOn, nodes.members)} />
  )
  const when = (
    <time class="when" dateTime={new Date(row.sentMs).toISOString()}>
      {toWhen(row.sentMs, Date.now())}
    </time>
  )
  return (
    <li class={isTight ? 'sent tight' : 'sent'} id={`sent-${row.id}`} tabIndex={-1}>
      <span class="to clamp1">
        <i>to</i> {to}
      </span>
      <span class={state.status === 'recalled' ? 'clamp1 muted' : 'clamp1'} title={row.text}>
        {row.text}
      </span>
      {isTight ? (
        <span class="act">
          {dots}
          {when}
        </span>
      ) : (
        <>
          {when}
          <span class={`state${isSeen ? ' seen' : ''}${state.status === 'failed' ? ' bad' : ''}`}>
            <span class="marks">
              {dots}
              {icon !== undefined && <Icon name={icon} />}
            </span>
            <span>{sentText(state, { to, storedOn: row.storedOn, members: nodes.members, down: nodes.down })}</span>
          </span>
          <span class="act">
            <Actions row={row} to={to} actions={actions} />
          </span>
        </>
      )}
    </li>
  )
}

const Actions = ({ row, to, actions }: { row: SentRow; to: string; actions: SentActions }) => {
  const act = (name: string, run: (row: SentRow) => void) => (
    <button type="button" class="btn link small" aria-label={name === 'Copy text' ? `Copy text of the message to ${to}` : `${name} message to ${to}`} onClick={() => run(row)}>
      {name}
    </button>
  )
  switch (row.state.status) {
    case 'keeping':
    case 'waiting':
      return act('Cancel', actions.onCancel)
    case 'stored':
      return act('Recall', actions.onRecall)
    case 'failed':
      return (
        <>
          {row.state.because === 'no-such-account' ? act('Copy text', actions.onCopy) : act('Retry', actions.onRetry)}
          {act('Discard', actions.onDiscard)}
        </>
      )
    default:
      return null
  }
}
