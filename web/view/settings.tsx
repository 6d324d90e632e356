// Settings: the theme, single keys, receipts, notifications, blocked people, the devices that are signed in, one's data to take
// away, the name, the password and the recovery codes.

import { useSignal } from '@preact/signals'
import type { ComponentChildren, TargetedEvent } from 'preact'
import { useEffect } from 'preact/hooks'
import type { App, DeviceJson, Refusal } from '../model/app.ts'
import type { Mail } from '../model/mail.ts'
import type { Theme } from '../model/preferences.ts'
import { Check, ErrorLine, PasswordField, Select, fieldOf } from './controls.tsx'
import { download } from './download.ts'
import { RecoveryCodes } from './recovery-codes.tsx'
import { plural, refusalText, toWhen } from './words.ts'

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
      <Notifications app={app} />
      <Blocked mail={mail} />
      <Devices app={app} />
      <TakeAway app={app} mail={mail} />
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
      <Codes app={app} />
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

/** New ones are shown in place of the form, until this page is left. */
const Codes = ({ app }: { app: App }) => {
  const left = useSignal<number | null>(null)
  const codes = useSignal<readonly string[]>([])
  useEffect(() => void app.countRecoveryCodes().then((count) => (left.value = count)), [])
  if (codes.value.length > 0) {
    return (
      <Block title="Recovery codes">
        <p role="status">These replace all codes of before. They are shown only now.</p>
        <RecoveryCodes codes={codes.value} name={app.ownName.value} />
      </Block>
    )
  }
  const submit = async (form: HTMLFormElement): Promise<Refusal | null> => {
    const made = await app.makeRecoveryCodes(fieldOf(form, 'password'))
    if (typeof made === 'string') return made
    codes.value = made
    return null
  }
  return (
    <AccountForm title="Recovery codes" button="New recovery codes" submit={submit}>
      <p>Each sets a new password once, should you forget it. {left.value !== null && `${plural(left.value, 'code')} left.`}</p>
      <PasswordField id="codes-password" label="Password" autoComplete="current-password" />
      <p class="help">New codes replace all old ones.</p>
    </AccountForm>
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

/** Asked for only here, by a button: a browser that is asked unasked says no for good. */
const Notifications = ({ app }: { app: App }) => {
  const { preferences } = app
  const permission = useSignal(typeof Notification === 'undefined' ? 'denied' : Notification.permission)
  const turnOn = async (): Promise<void> => {
    permission.value = await Notification.requestPermission()
    preferences.setNotifies(permission.value === 'granted')
  }
  const isOn = preferences.notifies.value && permission.value === 'granted'
  return (
    <Block title="Notifications">
      {!app.isSecure ? (
        <p class="muted">Notifications, installing and working after a reload without servers need https or localhost.</p>
      ) : permission.value === 'denied' ? (
        <p class="muted">This browser does not allow notifications here.</p>
      ) : (
        <>
          <button type="button" class="btn" aria-pressed={isOn} onClick={() => (isOn ? preferences.setNotifies(false) : void turnOn())}>
            {isOn ? 'Turn notifications off' : 'Turn notifications on'}
          </button>
          <p class="help">For new messages, while no tab of Starling is looked at.</p>
        </>
      )}
      {isOn && (
        <Check isChecked={preferences.isPrivate.value} onToggle={preferences.setPrivate}>
          Private: do not show from whom and what
        </Check>
      )}
    </Block>
  )
}

/** Whose messages are not delivered; they are not told. */
const Blocked = ({ mail }: { mail: Mail }) => {
  const people = mail.people.people.value
  const blocked = mail.blocked.value
  const nameOf = (id: string): string => people.find((person) => person.id === id)?.name ?? 'somebody who has no account any more'
  const others = people.flatMap(({ id, name }) => (id === '' || id === mail.owner || blocked.includes(id) ? [] : [{ value: id, label: name }]))
  return (
    <Block title="Blocked people">
      {blocked.length > 0 && (
        <ul class="devices">
          {blocked.map((id) => (
            <li key={id}>
              <span>{nameOf(id)}</span>
              <button type="button" class="btn sm" aria-label={`Unblock ${nameOf(id)}`} onClick={() => mail.setBlocked(id, false)}>
                Unblock
              </button>
            </li>
          ))}
        </ul>
      )}
      <Select
        label="Block somebody"
        value=""
        options={[{ value: '', label: 'Block somebody…' }, ...others]}
        onChoose={(chosen) => {
          const person = people.find(({ id }) => id === chosen)
          if (person !== undefined && person.id !== '') mail.setBlocked(person.id, true)
        }}
      />
      <p class="help">What they send you is not delivered. They are not told.</p>
    </Block>
  )
}

const TakeAway = ({ app, mail }: { app: App; mail: Mail }) => {
  const isBusy = useSignal(false)
  const save = async (): Promise<void> => {
    if (isBusy.value) return
    isBusy.value = true
    await mail.openEverything()
    const { describeMail } = await import('../model/export.ts')
    const data = describeMail(mail, app.ownName.peek(), Date.now())
    download(new TextEncoder().encode(JSON.stringify(data, null, 2)), `starling-${app.ownName.peek()}.json`)
    isBusy.value = false
  }
  return (
    <Block title="Your data">
      <button type="button" class="btn" aria-disabled={isBusy.value} onClick={() => void save()}>
        {isBusy.value ? 'Collecting…' : 'Download as JSON'}
      </button>
      <p class="help">All messages, drafts and settings of this account.</p>
    </Block>
  )
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
