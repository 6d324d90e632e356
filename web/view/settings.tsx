// Settings: the theme, single keys, receipts, the name and password, and the devices that are signed in.

import { useSignal } from '@preact/signals'
import type { ComponentChildren, TargetedEvent } from 'preact'
import { useEffect } from 'preact/hooks'
import type { App, DeviceJson, Refusal } from '../model/app.ts'
import type { Mail } from '../model/mail.ts'
import type { Theme } from '../model/preferences.ts'
import { Check, ErrorLine, PasswordField, fieldOf } from './controls.tsx'
import { refusalText, toWhen } from './words.ts'

const THEMES: readonly { readonly value: Theme; readonly label: string }[] = [
  { value: 'system', label: 'System' },
  { value: 'light', label: 'Light' },
  { value: 'dark', label: 'Dark' },
]

export const Settings = ({ app, mail }: { app: App; mail: Mail }) => {
  const { preferences } = app
  return (
    <main class="page" id="content" tabIndex={-1}>
      <h1>Settings</h1>
      <Block title="Looks and keys">
        <fieldset class="seg2">
          <legend class="vh">Theme</legend>
          {THEMES.map(({ value, label }) => (
            <label key={value}>
              <input type="radio" name="theme" checked={preferences.theme.value === value} onChange={() => preferences.setTheme(value)} />
              {label}
            </label>
          ))}
        </fieldset>
        <Check isChecked={preferences.hasSingleKeys.value} onToggle={preferences.setSingleKeys}>
          Single keys act (j, k, r, c and the others)
        </Check>
      </Block>
      <Block title="Receipts">
        <Check isChecked={mail.sharesReceipts.value} onToggle={mail.setSharesReceipts}>
          Tell senders when I open or read their messages
        </Check>
      </Block>
      <Devices app={app} />
      <Aside app={app} />
      <AccountForm
        title="Change name"
        button="Change name"
        submit={(form) => app.rename(fieldOf(form, 'new-name'), fieldOf(form, 'password'))}
      >
        <label class="label" for="settings-name">
          New name
        </label>
        <input
          class="field"
          id="settings-name"
          name="new-name"
          autoComplete="off"
          autoCapitalize="none"
          spellcheck={false}
          defaultValue={app.ownName.value}
        />
        <PasswordField id="rename-password" label="Password" autoComplete="current-password" />
      </AccountForm>
      <AccountForm
        title="Change password"
        button="Change password"
        submit={(form) => app.changePassword(fieldOf(form, 'password'), fieldOf(form, 'new-password'))}
      >
        <PasswordField id="old-password" label="Password" autoComplete="current-password" />
        <PasswordField id="fresh-password" label="New password" autoComplete="new-password" describedBy="fresh-help" />
        <p class="help" id="fresh-help">
          8 characters or more. Your other devices are signed out.
        </p>
      </AccountForm>
    </main>
  )
}

const Block = ({ title, children }: { title: string; children: ComponentChildren }) => (
  <section class="block">
    <h2>{title}</h2>
    {children}
  </section>
)

const AccountForm = ({
  title,
  button,
  submit,
  children,
}: {
  title: string
  button: string
  submit: (form: HTMLFormElement) => Promise<Refusal | null>
  children: ComponentChildren
}) => {
  const outcome = useSignal<Refusal | 'done' | null>(null)
  const onSubmit = async (event: TargetedEvent<HTMLFormElement>): Promise<void> => {
    event.preventDefault()
    const form = event.currentTarget
    outcome.value = null
    const refusal = await submit(form)
    outcome.value = refusal ?? 'done'
    if (refusal === null) for (const field of form.querySelectorAll<HTMLInputElement>('input[name$="password"]')) field.value = ''
  }
  return (
    <Block title={title}>
      <form onSubmit={onSubmit} noValidate>
        {children}
        {outcome.value === 'done' && (
          <p class="help" role="status">
            Done.
          </p>
        )}
        {outcome.value !== null && outcome.value !== 'done' && <ErrorLine>{refusalText(outcome.value)}</ErrorLine>}
        <button class="btn">{button}</button>
      </form>
    </Block>
  )
}

/** Copies that a node refused: a person may want to look what was in them. */
const Aside = ({ app }: { app: App }) => {
  const copies = useSignal<Awaited<ReturnType<App['listAside']>>>([])
  useEffect(() => void app.listAside().then((found) => (copies.value = found)), [])
  if (copies.value.length === 0) return null
  return (
    <Block title="Copies put aside">
      <p class="muted">A node refused these copies of what this device had. They are Yjs documents.</p>
      <ul class="devices">
        {copies.value.map(({ room, atMs, state }) => (
          <li key={atMs}>
            <span>{room.split('/').slice(1).join(', ')}</span>
            <span class="muted small">{toWhen(atMs, Date.now())}</span>
            <button type="button" class="btn sm" onClick={() => download(state, `${room.replaceAll('/', '-')}.yjs`)}>
              Download
            </button>
          </li>
        ))}
      </ul>
    </Block>
  )
}

const download = (bytes: Uint8Array, name: string): void => {
  const link = document.createElement('a')
  link.href = URL.createObjectURL(new Blob([bytes.slice()]))
  link.download = name
  link.click()
  setTimeout(() => URL.revokeObjectURL(link.href), 1000)
}

const Devices = ({ app }: { app: App }) => {
  const devices = useSignal<readonly DeviceJson[] | null>(null)
  const load = async (): Promise<void> => {
    devices.value = (await app.listDevices()) ?? devices.value
  }
  useEffect(() => void load(), [])
  return (
    <Block title="Signed-in devices">
      {devices.value === null && <p class="muted">Asking a node…</p>}
      <ul class="devices">
        {devices.value?.map(({ id, device, createdAt, current }) => (
          <li key={id}>
            <span>{device === '' ? 'A program' : device}</span>
            <span class="muted small">{current ? 'this one' : `since ${toWhen(Date.parse(createdAt), Date.now())}`}</span>
            {!current && (
              <button type="button" class="btn sm" aria-label={`Sign out ${device}`} onClick={() => void app.signOutDevice(id).then(load)}>
                Sign out
              </button>
            )}
          </li>
        ))}
      </ul>
    </Block>
  )
}
