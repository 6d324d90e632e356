// The Inbox strip: how many wait, and the button that opens the oldest of them.

import { useSignal } from '@preact/signals'
import type { MailboxModel } from '../model/mailbox.ts'
import { Select } from './controls.tsx'

const CHOICES = [1, 3, 5, 10] as const
const FIRST_CHOICE = 3
const ALL = 'all'
const PIPS_MAX = 8

export interface InboxProps {
  readonly mailbox: MailboxModel
  readonly onOpen: (count: number) => void
}

export const InboxStrip = ({ mailbox, onOpen }: InboxProps) => {
  const waiting = mailbox.inboxCount.value
  const chosen = useSignal<string>(String(FIRST_CHOICE))
  const options = [
    ...CHOICES.filter((count) => count < waiting).map((count) => ({ value: String(count), label: String(count) })),
    { value: ALL, label: `All ${waiting}` },
  ]
  const choice = options.some(({ value }) => value === chosen.value) ? chosen.value : ALL
  const count = choice === ALL ? waiting : Number(choice)
  return (
    <section class="bar inbox" aria-labelledby="inbox-heading">
      <h2 id="inbox-heading" tabIndex={-1}>
        Inbox <span class="count">({waiting})</span>
      </h2>
      {waiting === 0 ? (
        <p class="small muted inbox-empty">Nothing waiting. New mail for you collects here while you are away.</p>
      ) : (
        <>
          <Pips waiting={waiting} count={count} />
          <div class="split push">
            <button type="button" class="btn primary" id="open" onClick={() => onOpen(count)}>
              Open {count}
            </button>
            <Select label="How many" value={choice} options={options} onChoose={(value) => (chosen.value = value)} />
          </div>
        </>
      )}
    </section>
  )
}

/** An envelope for each message, those that the button opens in colour. */
const Pips = ({ waiting, count }: { waiting: number; count: number }) => (
  <span class="pips" aria-hidden="true">
    {Array.from({ length: Math.min(waiting, PIPS_MAX) }, (_, place) => (
      <svg key={place} class={place < count ? 'go' : ''} viewBox="0 0 18 14">
        <rect x="1" y="1" width="16" height="12" rx="2" />
        <path d="m2 3 7 5 7-5" />
      </svg>
    ))}
  </span>
)
