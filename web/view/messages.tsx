// The list of opened messages: rows, the line that a deleted one leaves, sorting, and the way through them by keys.

import { useComputed, useSignal } from '@preact/signals'
import { Component } from 'preact'
import type { MessageId } from '../../crdt-schema/ids.ts'
import type { MailboxModel } from '../model/mailbox.ts'
import type { MessageOrder, MessageRow } from '../model/rows.ts'
import { Check, Select } from './controls.tsx'
import { Icon } from './icons.tsx'
import { LinkedText } from './linked-text.tsx'
import { toWhen } from './words.ts'

export interface MessageActions {
  readonly onRead: (id: MessageId, isRead: boolean) => void
  readonly onDelete: (row: MessageRow) => void
  readonly onUndo: (id: MessageId) => void
  readonly onReply: (row: MessageRow) => void
}

export interface MessagesProps {
  readonly mailbox: MailboxModel
  /** The rows are those that were seen at this time, until the documents are loaded. */
  readonly seenMs: number | null
  readonly search: string
  readonly actions: MessageActions
  readonly hasOlder: boolean
  readonly onOlder: () => void
  readonly onFirstNote: () => void
}

/** Rows in the page at once; more on demand, so that a long list does not slow each key. */
const PAGE_ROWS = 200
/** Rows are drawn, and left out of sight, by so many at a time. */
const CHUNK_ROWS = 50

const ORDERS: readonly { readonly value: MessageOrder; readonly label: string }[] = [
  { value: 'newest', label: 'Newest first' },
  { value: 'unread', label: 'Unread first' },
]

export const Messages = ({ mailbox, seenMs, search, actions, hasOlder, onOlder, onFirstNote }: MessagesProps) => {
  const limit = useSignal(PAGE_ROWS)
  const all = mailbox.messages.value
  const found = search === '' ? all : all.filter((row) => matches(row, search))
  const unread = mailbox.unreadCount.value
  return (
    <section class="list" aria-labelledby="messages-heading">
      <div class="bar low">
        <h2 id="messages-heading" tabIndex={-1}>
          Messages <span class="count">({mailbox.messageCount.value})</span>
        </h2>
        {unread > 0 && <span class="small muted">{unread} unread</span>}
        {seenMs !== null && <span class="small muted clamp1 as-seen">As last seen, {toWhen(seenMs, Date.now())}</span>}
        <Select
          label="Sort"
          className="quiet push sort"
          value={mailbox.order.value}
          options={ORDERS}
          onChoose={(value) => mailbox.setOrder(value === 'unread' ? 'unread' : 'newest')}
        />
      </div>
      {all.length === 0 && <NoMessages onFirstNote={onFirstNote} />}
      {all.length > 0 && found.length === 0 && <p class="empty">Nothing found for “{search}”.</p>}
      {found.length > 0 && (
        <div role="list">
          {toChunks(found.slice(0, limit.value), seenMs === null ? found.length : mailbox.messageCount.value).map(({ key, rows }, place) => (
            <Chunk key={key} rows={rows} isFirst={place === 0} actions={actions} />
          ))}
        </div>
      )}
      {found.length > limit.value && (
        <button type="button" class="btn older" onClick={() => (limit.value += PAGE_ROWS)}>
          Show {Math.min(PAGE_ROWS, found.length - limit.value)} more
        </button>
      )}
      {found.length <= limit.value && hasOlder && (
        <button type="button" class="btn older" onClick={onOlder}>
          Show older messages
        </button>
      )}
    </section>
  )
}

/** Counted from the last of all `total` rows, so that one that arrives at the top moves none from chunk to chunk. */
const toChunks = (rows: readonly MessageRow[], total: number): { readonly key: number; readonly rows: readonly MessageRow[] }[] => {
  const chunks: { key: number; rows: MessageRow[] }[] = []
  for (const [place, row] of rows.entries()) {
    const key = Math.floor((total - 1 - place) / CHUNK_ROWS)
    const last = chunks.at(-1)
    if (last?.key === key) last.rows.push(row)
    else chunks.push({ key, rows: [row] })
  }
  return chunks
}

interface ChunkProps {
  readonly rows: readonly MessageRow[]
  readonly isFirst: boolean
  readonly actions: MessageActions
}

/** Of thousands of rows a key looks only at those of its chunk; the others are passed over as a whole. */
class Chunk extends Component<ChunkProps> {
  override shouldComponentUpdate({ rows, isFirst, actions }: ChunkProps): boolean {
    const { props } = this
    return isFirst !== props.isFirst || actions !== props.actions || rows.length !== props.rows.length || rows.some((row, place) => row !== props.rows[place])
  }

  override render({ rows, isFirst, actions }: ChunkProps) {
    return (
      <div class="chunk">
        {rows.map((row, place) => (
          <div role="listitem" key={row.id}>
            {row.isDeleted ? (
              <DeletedLine row={row} onUndo={actions.onUndo} />
            ) : (
              <MessageItem row={row} isFirst={isFirst && place === 0} actions={actions} />
            )}
          </div>
        ))}
      </div>
    )
  }
}

const matches = (row: MessageRow, search: string): boolean => {
  const wanted = search.toLowerCase()
  return row.text.toLowerCase().includes(wanted) || row.from.name.toLowerCase().includes(wanted)
}

const NoMessages = ({ onFirstNote }: { onFirstNote: () => void }) => (
  <div class="empty">
    <p>No messages yet.</p>
    <button type="button" class="btn" onClick={onFirstNote}>
      Send yourself a note
    </button>
  </div>
)

interface ItemProps {
  readonly row: MessageRow
  /** The way into the list by Tab. */
  readonly isFirst: boolean
  readonly actions: MessageActions
}

/** A row is drawn again only when it says something else: with many rows a key must not redraw them all. */
class MessageItem extends Component<ItemProps> {
  override shouldComponentUpdate({ row, isFirst, actions }: ItemProps): boolean {
    const { row: shown } = this.props
    return (
      isFirst !== this.props.isFirst ||
      actions !== this.props.actions ||
      row.isRead !== shown.isRead ||
      row.text !== shown.text ||
      row.openedMs !== shown.openedMs
    )
  }

  override render() {
    return <MessageArticle {...this.props} />
  }
}

const MessageArticle = ({ row, isFirst, actions }: ItemProps) => {
  const isExpanded = useSignal(false)
  const clamp = useComputed(() => (isExpanded.value ? 'text whole' : 'text clamp2'))
  const from = row.isOwn ? 'you' : row.from.name
  const when = toWhen(row.openedMs, Date.now())
  return (
    <article
      class={row.isRead ? 'row' : 'row unread'}
      id={`message-${row.id}`}
      tabIndex={isFirst ? 0 : -1}
      aria-label={`From ${from},${row.isRead ? '' : ' unread,'} ${when}`}
      onKeyDown={(event) => {
        if (event.key === 'Enter' && event.target === event.currentTarget) isExpanded.value = !isExpanded.value
      }}
    >
      <span class="from">{from}</span>
      <p class={clamp.value} onClick={() => (isExpanded.value = true)}>
        <LinkedText text={row.text} />
      </p>
      <time class="when" dateTime={new Date(row.openedMs).toISOString()}>
        {when}
      </time>
      <span class="acts">
        <button type="button" class="btn ghost" title="Reply" aria-label={`Reply to ${from}`} onClick={() => actions.onReply(row)}>
          <Icon name="reply" />
          <span>Reply</span>
        </button>
        <button
          type="button"
          class="btn ghost"
          title="Delete (#)"
          aria-label={`Delete message from ${from}`}
          onClick={() => actions.onDelete(row)}
        >
          <Icon name="trash" />
          <span>Delete</span>
        </button>
      </span>
      <Check isChecked={row.isRead} onToggle={(isRead) => actions.onRead(row.id, isRead)}>
        Read
      </Check>
    </article>
  )
}

/** Stands where the message was until the list is left; no timer takes the Undo away. */
const DeletedLine = ({ row, onUndo }: { row: MessageRow; onUndo: (id: MessageId) => void }) => {
  const from = row.isOwn ? 'you' : row.from.name
  return (
    <div class="gone" id={`message-${row.id}`}>
      <span class="who clamp1">{from}</span>
      <p>
        <span>Deleted.</span>
        <button type="button" class="btn link" aria-label={`Undo, bring back the message from ${from}`} onClick={() => onUndo(row.id)}>
          Undo
        </button>
        <kbd aria-hidden="true">z</kbd>
      </p>
    </div>
  )
}
