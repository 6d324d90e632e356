// The panels that ask for a decision about the account: signed in elsewhere, a name lost in a split, deleting the
// account (the only modal), and leaving with something unsent (in frame.tsx).

import { useSignal } from '@preact/signals'
import type { TargetedEvent } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { App } from '../model/app.ts'
import type { Mail } from '../model/mail.ts'
import { ErrorLine, PasswordField, fieldOf } from './controls.tsx'
import { plural, refusalText, toClock } from './words.ts'

export const TakenOver = ({ app, mail, atMs }: { app: App; mail: Mail | null; atMs: number }) => {
  const unsent = mail?.onlyHere.value.length ?? 0
  const panel = useRef<HTMLElement>(null)
  useEffect(() => panel.current?.focus(), [])
  return (
    <section class="panel over" role="alertdialog" aria-labelledby="taken-title" aria-describedby="taken-text" tabIndex={-1} ref={panel}>
      <h1 id="taken-title">You are using Starling somewhere else</h1>
      <p id="taken-text">
        {app.ownName.value} logged in on another device at {toClock(atMs)}.
      </p>
      {unsent > 0 && (
        <p class="muted">
          {plural(unsent, 'text')} you wrote here {unsent === 1 ? 'is' : 'are'} not sent yet; they are kept.
        </p>
      )}
      <div class="acts">
        <button type="button" class="btn primary" onClick={app.session.useHere}>
          Use here
        </button>
        <button type="button" class="btn" onClick={() => void app.logOut({ forget: false })}>
          Log out
        </button>
      </div>
    </section>
  )
}

export const NameLost = ({ app, lostName }: { app: App; lostName: string }) => {
  const error = useSignal<string | null>(null)
  const submit = async (event: TargetedEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault()
    const form = event.currentTarget
    const refusal = await app.rename(fieldOf(form, 'new-name'), fieldOf(form, 'password'))
    error.value = refusal === null ? null : refusalText(refusal)
  }
  return (
    <section class="panel over" role="alertdialog" aria-labelledby="lost-title" aria-describedby="lost-text">
      <h1 id="lost-title">Your name needs to change</h1>
      <p id="lost-text">
        While the servers could not reach each other, someone else also registered “{lostName}”, and they were first. Your messages and
        drafts are safe.
      </p>
      <form onSubmit={submit} noValidate>
        <label class="label" for="new-name">
          New name
        </label>
        <input
          class="field"
          id="new-name"
          name="new-name"
          autoComplete="username"
          autoCapitalize="none"
          spellcheck={false}
          defaultValue={`${lostName}-2`}
        />
        <PasswordField
          id="lost-password"
          label="Password"
          autoComplete="current-password"
          describedBy={error.value === null ? undefined : 'lost-error'}
          isInvalid={error.value !== null}
        />
        {error.value !== null && <ErrorLine id="lost-error">{error.value}</ErrorLine>}
        <div class="acts">
          <button class="btn primary">Keep going under the new name</button>
        </div>
      </form>
      <p class="help">Mail already sent to you follows you.</p>
    </section>
  )
}

/** The only question that is asked in a modal: there is no Undo for it. */
export const DeleteAccount = ({ app, mail, onClose }: { app: App; mail: Mail; onClose: () => void }) => {
  const dialog = useRef<HTMLDialogElement>(null)
  const error = useSignal<string | null>(null)
  const isBusy = useSignal(false)
  const isOnline = mail.connection.isOnline.value
  useEffect(() => dialog.current?.showModal(), [])
  const submit = async (event: TargetedEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault()
    if (isBusy.value || !isOnline) return
    isBusy.value = true
    const refusal = await app.removeAccount(fieldOf(event.currentTarget, 'password'))
    isBusy.value = false
    if (refusal !== null) error.value = refusalText(refusal)
  }
  const messages = mail.mailbox.messageCount.value + mail.mailbox.inboxCount.value
  return (
    <dialog class="panel" ref={dialog} aria-labelledby="delete-title" onClose={onClose}>
      <h2 id="delete-title">Delete {app.ownName.value} for good?</h2>
      <p>
        {plural(messages, 'message')}, {plural(mail.drafts.count.value, 'draft')} and the name go from all servers. Mail you sent stays with
        its recipients.
      </p>
      <form onSubmit={submit} noValidate>
        <input
          class="vh"
          type="text"
          name="username"
          autoComplete="username"
          value={app.ownName.value}
          tabIndex={-1}
          readOnly
          aria-hidden="true"
        />
        <PasswordField
          id="delete-password"
          label="Type your password to confirm"
          autoComplete="current-password"
          describedBy={error.value === null ? undefined : 'delete-error'}
          isInvalid={error.value !== null}
        />
        {error.value !== null && <ErrorLine id="delete-error">{error.value}</ErrorLine>}
        {!isOnline && <p class="help">Needs a server, so that it is deleted everywhere.</p>}
        <div class="acts">
          <button class="btn danger solid" aria-disabled={isBusy.value || !isOnline}>
            Delete account
          </button>
          <button type="button" class="btn" onClick={() => dialog.current?.close()}>
            Keep it
          </button>
        </div>
      </form>
    </dialog>
  )
}
