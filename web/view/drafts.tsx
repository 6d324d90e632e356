// The drafts: a row each, open for editing or not, with its recipient, its state and what is wrong with it; and the
// toolbar that selects and sends. The text field keeps its caret while other devices write into the same draft.

import type { RefObject } from 'preact'
import { useLayoutEffect, useRef } from 'preact/hooks'
import { difference } from '../../crdt-schema/drafts.ts'
import type { AccountId, DraftId } from '../../crdt-schema/ids.ts'
import type { Person } from '../../crdt-schema/inbox.ts'
import type { DraftsModel } from '../model/drafts.ts'
import type { DraftRow } from '../model/rows.ts'
import { Check, ErrorLine, Select } from './controls.tsx'
import { focusSoon } from './focus.ts'
import { Icon, ReplicaDots } from './icons.tsx'
import { copiesDetail, draftErrorText, draftStateText } from './words.ts'

export interface Nodes {
  readonly members: readonly number[]
  readonly down: readonly number[]
  readonly isOnline: boolean
}

export interface DraftsProps {
  readonly drafts: DraftsModel
  readonly owner: AccountId
  readonly people: readonly Person[]
  /** All accounts are among `people`. */
  readonly arePeopleComplete: boolean
  readonly nodes: Nodes
  readonly onNew: () => void
  readonly onSend: (ids?: readonly DraftId[]) => void
  readonly onDiscard: (row: DraftRow) => void
  readonly onPeople: () => void
}

export const Drafts = (props: DraftsProps) => {
  const { drafts, onNew, onSend } = props
  const count = drafts.count.value
  const selected = drafts.selectedCount.value
  const all = drafts.selectAllState.value
  return (
    <section aria-labelledby="drafts-heading" id="drafts">
      <div class="bar dbar">
        <h2 id="drafts-heading" tabIndex={-1}>
          Drafts <span class="count">({count})</span>
        </h2>
        <Check className="all" isChecked={all === 'all'} isMixed={all === 'some'} onToggle={() => drafts.selectAll(all !== 'all')}>
          Select all
        </Check>
        <button type="button" class="btn push" onClick={onNew}>
          New draft
        </button>
        <button
          type="button"
          class="btn primary send"
          aria-disabled={selected === 0}
          aria-describedby={selected === 0 ? 'send-none' : undefined}
          title={selected === 0 ? SEND_NONE : undefined}
          onClick={() => selected > 0 && onSend()}
        >
          Send {selected}
        </button>
        {selected === 0 && (
          <span class="vh" id="send-none">
            {SEND_NONE}
          </span>
        )}
      </div>
      {props.people.length === 1 && props.arePeopleComplete && (
        <p class="empty">You are the first one here. Open another tab and create a second account to try it.</p>
      )}
      {drafts.rows.value.length === 0 && (
        <div class="empty">
          <p>No drafts.</p>
          <p class="inline">
            <button type="button" class="btn" onClick={onNew}>
              New draft
            </button>{' '}
            or press <kbd>c</kbd>
          </p>
        </div>
      )}
      <ul>
        {drafts.rows.value.map((row) => (
          <li
            key={row.id}
            id={`draft-${row.id}`}
            class={row.isDiscarded ? 'gone' : `draft${row.isEditing ? ' on' : ''}`}
            tabIndex={row.isDiscarded ? undefined : -1}
            onKeyDown={(event) => {
              if (event.key === 'Enter' && event.target === event.currentTarget) edit(drafts, row.id)
            }}
          >
            {row.isDiscarded ? <DiscardedLine row={row} drafts={drafts} /> : <DraftItem {...props} row={row} />}
          </li>
        ))}
      </ul>
    </section>
  )
}

const edit = (drafts: DraftsModel, id: DraftId): void => {
  drafts.edit(id)
  focusSoon(`#draft-${id} textarea`)
}

const save = (drafts: DraftsModel, id: DraftId): void => {
  drafts.save(id)
  focusSoon(`#draft-${id}`)
}

const SEND_NONE = 'Select one or more drafts to send.'
const NOBODY = ''

const DraftItem = ({
  row,
  drafts,
  owner,
  people,
  arePeopleComplete,
  nodes,
  onSend,
  onDiscard,
  onPeople,
}: DraftsProps & { row: DraftRow }) => {
  const to = row.to.map(({ name }) => name).join(', ')
  const toward = to === '' ? 'without recipient' : `to ${to}`
  const chosen = row.to[0]
  const isGone = arePeopleComplete && chosen !== undefined && chosen.id !== '' && !people.some(({ id }) => id === chosen.id)
  const errorId = `draft-error-${row.id}`
  const hasError = row.error !== null || isGone
  return (
    <>
      <Check isChecked={row.isSelected} onToggle={(isSelected) => drafts.select(row.id, isSelected)}>
        <span class="vh">Select draft {toward}</span>
      </Check>
      <div class="head">
        <span class="to">
          <span aria-hidden="true">To</span>
          <Select
            label="To"
            className={chosen === undefined ? 'unset' : ''}
            value={chosen === undefined ? NOBODY : personKey(chosen)}
            options={toOptions(row.to, people, owner, isGone)}
            describedBy={hasError ? errorId : undefined}
            onOpen={onPeople}
            onChoose={(key) => drafts.setRecipient(row.id, people.find((person) => personKey(person) === key) ?? null)}
          />
        </span>
        {row.isEditing && (
          <button type="button" class="btn ghost push" aria-label={`Discard draft ${toward}`} onClick={() => onDiscard(row)}>
            Discard
          </button>
        )}
        {row.isEditing ? (
          <button type="button" class="btn" onClick={() => save(drafts, row.id)}>
            Save
          </button>
        ) : (
          <button type="button" class="btn push" aria-label={`Edit draft ${toward}`} onClick={() => edit(drafts, row.id)}>
            Edit
          </button>
        )}
      </div>
      {row.isEditing ? (
        <DraftField row={row} toward={toward} drafts={drafts} onSend={onSend} />
      ) : (
        <p class="text body clamp2">{row.text === '' ? <span class="muted">Empty</span> : row.text}</p>
      )}
      {hasError && (
        <div class="err-line">
          <ErrorLine id={errorId}>
            {row.error !== null ? draftErrorText(row.error) : `${chosen?.name} no longer has an account. Choose someone else.`}
          </ErrorLine>
        </div>
      )}
      <div class="foot">
        <span class="state">
          {row.isPending && !nodes.isOnline && !row.isEditing ? (
            <span class="marks">
              <Icon name="clock" />
            </span>
          ) : (
            nodes.members.length > 0 && (
              <span class="marks">
                <ReplicaDots
                  members={nodes.members}
                  storedOn={row.isPending ? [] : row.storedOn}
                  down={nodes.down}
                  detail={copiesDetail(row.isPending ? [] : row.storedOn, nodes.members)}
                />
              </span>
            )
          )}
          <span>{draftStateText(row, nodes.members, nodes.isOnline)}</span>
        </span>
        {row.isEditing && (
          <span class="hint" aria-hidden="true">
            <kbd>Ctrl</kbd>
            <kbd>Enter</kbd> sends
          </span>
        )}
      </div>
    </>
  )
}

const personKey = ({ id, name }: Person): string => (id === '' ? `@${name}` : id)

const toOptions = (to: readonly Person[], people: readonly Person[], owner: AccountId, isGone: boolean) => {
  const chosen = to[0]
  const isListed = chosen !== undefined && people.some((person) => personKey(person) === personKey(chosen))
  const unlisted =
    chosen !== undefined && !isListed
      ? [{ value: personKey(chosen), label: `${to.map(({ name }) => name).join(', ')}${isGone ? ' (no account)' : ''}` }]
      : []
  return [
    { value: NOBODY, label: 'Choose' },
    ...unlisted,
    ...people.map((person) => ({ value: personKey(person), label: person.id === owner ? `${person.name} (you)` : person.name })),
  ]
}

interface FieldProps {
  readonly row: DraftRow
  readonly toward: string
  readonly drafts: DraftsModel
  readonly onSend: (ids: readonly DraftId[]) => void
}

const DraftField = ({ row, toward, drafts, onSend }: FieldProps) => {
  const field = useRef<HTMLTextAreaElement>(null)
  useSharedText(field, row.text)
  return (
    <label class="body">
      <span class="vh">Message {toward}</span>
      <textarea
        ref={field}
        rows={2}
        placeholder="Write something"
        aria-invalid={row.error === 'empty' || row.error === 'too-large'}
        onInput={(event) => drafts.write(row.id, event.currentTarget.value)}
        onKeyDown={(event) => {
          if (!event.ctrlKey && !event.metaKey) return
          if (event.key === 'Enter') onSend([row.id])
          else if (event.key === 's') save(drafts, row.id)
          else return
          event.preventDefault()
          event.stopPropagation()
        }}
      />
    </label>
  )
}

/**
 * Puts the document's text into the field when another device has changed it, and moves the caret with the text
 * around it. What the person has just typed is there already, so their own keys change nothing here.
 */
const useSharedText = (field: RefObject<HTMLTextAreaElement | null>, text: string): void => {
  useLayoutEffect(() => {
    const area = field.current
    if (area === null || area.value === text) return
    const { selectionStart, selectionEnd } = area
    const move = createCaretMove(area.value, text)
    area.value = text
    if (document.activeElement === area) area.setSelectionRange(move(selectionStart), move(selectionEnd))
  }, [field, text])
}

/** Where a caret goes when `from` became `to`: it stays before what follows it. */
export const createCaretMove = (from: string, to: string): ((caret: number) => number) => {
  const { start, end } = difference(from, to)
  return (caret) => {
    if (caret <= start) return caret
    return caret >= from.length - end ? caret + to.length - from.length : Math.min(caret, to.length - end)
  }
}

const DiscardedLine = ({ row, drafts }: { row: DraftRow; drafts: DraftsModel }) => {
  const to = row.to.map(({ name }) => name).join(', ')
  return (
    <p>
      <span>Draft{to === '' ? '' : ` to ${to}`} discarded.</span>
      <button type="button" class="btn link" onClick={() => drafts.restore(row.id)}>
        Undo
      </button>
    </p>
  )
}
