// Signing in: a name, then a greeting and a password, or a recovery code instead; after signing up, the recovery codes.
// What is wrong is said under its field.

import { useSignal } from '@preact/signals'
import type { TargetedEvent } from 'preact'
import { useEffect, useRef } from 'preact/hooks'
import type { App } from '../model/app.ts'
import type { Session } from '../model/session.ts'
import { ErrorLine, PasswordField, fieldOf } from './controls.tsx'
import { Flock } from './flock.tsx'
import { Brand, NodeDot } from './icons.tsx'
import { RecoveryCodes } from './recovery-codes.tsx'
import { sessionErrorText } from './session-words.ts'
import { plural } from './words.ts'

const ASK_EVERY_MS = 5000

export const Login = ({ app }: { app: App }) => {
  const { session } = app
  const state = session.state.value
  const told = app.cluster.state.value
  const nodes = told?.nodes.filter(({ status }) => status !== 'removed').length ?? app.nodeCount.value
  // Also so that the page knows the other nodes before it needs one.
  useEffect(() => app.cluster.show(ASK_EVERY_MS), [app])
  useEffect(() => {
    document.title = 'Log in · Starling'
  }, [])
  return (
    <div class="login-page">
      <header class="lt">
        <a class="brand" href="/" aria-label="Starling">
          <Brand />
        </a>
        <nav aria-label="Pages">
          <a class="btn ghost" href="/cluster">
            Cluster
          </a>
          <a class="btn ghost" href="/help" aria-label="Help (?)">
            Help
          </a>
        </nav>
      </header>
      <main class="login" id="content">
        <Flock />
        {session.freshCodes.value !== null ? (
          <CodesStep key="codes" app={app} codes={session.freshCodes.value} />
        ) : state.status === 'recovering' ? (
          <RecoverStep key="recover" session={session} name={state.name} />
        ) : state.status === 'new' || state.status === 'known' ? (
          <PasswordStep key="password" session={session} status={state.status} name={state.name} />
        ) : (
          <NameStep key="name" session={session} />
        )}
      </main>
      <footer class="lf">
        <NodeChip pid={told?.self ?? null} isSilent={app.cluster.silentSinceMs.value !== null} />
        <p>{nodes > 1 ? `${plural(nodes, 'node')}, and each keeps a full copy.` : 'Every node keeps a full copy.'}</p>
      </footer>
    </div>
  )
}

/** Which node answers, or that none does. */
const NodeChip = ({ pid, isSilent }: { pid: number | null; isSilent: boolean }) => {
  if (isSilent) return <p role="status">No server answers at the moment. This page keeps trying.</p>
  if (pid === null) return <p />
  return (
    <p class="at">
      <NodeDot pid={pid} isUp={true} /> node {pid}
    </p>
  )
}

const NameStep = ({ session }: { session: Session }) => {
  const error = session.error.value
  const state = session.state.value
  const field = useFocus<HTMLInputElement>()
  const submit = (event: TargetedEvent<HTMLFormElement>): void => {
    event.preventDefault()
    void session.submitName(fieldOf(event.currentTarget, 'username')).then(() => {
      if (session.error.peek() !== null) field.current?.focus()
    })
  }
  return (
    <section class="step first">
      <h1>Starling</h1>
      <p class="lead">Mail that keeps working when servers do not.</p>
      <form onSubmit={submit} noValidate>
        <label class="label" for="name">
          Your name
        </label>
        <input
          ref={field}
          class="field"
          id="name"
          name="username"
          autoComplete="username"
          autoCapitalize="none"
          spellcheck={false}
          maxLength={64}
          defaultValue={state.status === 'name' ? state.name : ''}
          aria-invalid={error !== null}
          aria-describedby={error === null ? undefined : 'name-error'}
        />
        {error !== null && <ErrorLine id="name-error">{sessionErrorText(error)}</ErrorLine>}
        <button class="btn primary wide" aria-disabled={session.isBusy.value}>
          Continue
        </button>
      </form>
    </section>
  )
}

const PasswordStep = ({ session, status, name }: { session: Session; status: 'new' | 'known'; name: string }) => {
  const error = session.error.value
  const heading = useFocus<HTMLHeadingElement>()
  const form = useRef<HTMLFormElement>(null)
  const takeOver = useSignal(false)
  const isNew = status === 'new'
  const field = isNew ? 'new-password' : 'password'
  const describedBy = error !== null ? 'password-error' : isNew ? 'password-help' : undefined
  const submit = (event: TargetedEvent<HTMLFormElement>): void => {
    event.preventDefault()
    void session.submitPassword(fieldOf(event.currentTarget, field), { takeOver: takeOver.value }).then(() => {
      if (session.error.peek() === null) return
      takeOver.value = session.error.peek()?.code === 'already-signed-in'
      form.current?.querySelector<HTMLInputElement>('#password')?.focus()
    })
  }
  useEffect(() => form.current?.querySelector<HTMLInputElement>('#password')?.focus(), [])
  return (
    <section class="step" aria-labelledby="greeting">
      <h1 id="greeting" ref={heading} tabIndex={-1}>
        {isNew ? 'Welcome, new user!' : 'Welcome back!'}
      </h1>
      <p class="who">
        <b>{name}</b> <span class="muted">·</span>{' '}
        <button type="button" class="btn link" onClick={session.changeName}>
          Not {name}? Change name
        </button>
      </p>
      <form ref={form} onSubmit={submit} noValidate>
        {/* For password managers: the name belongs to this form too. */}
        <input class="vh" type="text" name="username" autoComplete="username" value={name} tabIndex={-1} readOnly aria-hidden="true" />
        <PasswordField
          id="password"
          label={isNew ? 'Choose a password' : 'Password'}
          autoComplete={isNew ? 'new-password' : 'current-password'}
          describedBy={describedBy}
          isInvalid={error !== null}
        />
        {error !== null ? (
          <ErrorLine id="password-error">{sessionErrorText(error)}</ErrorLine>
        ) : (
          isNew && (
            <p class="help" id="password-help">
              8 characters or more
            </p>
          )
        )}
        <button class="btn primary wide" aria-disabled={session.isBusy.value}>
          {isNew ? 'Create account' : takeOver.value ? 'Sign out there and log in' : 'Log in'}
        </button>
        {!isNew && (
          <button type="button" class="btn link" onClick={session.forgetPassword}>
            Forgot your password?
          </button>
        )}
      </form>
    </section>
  )
}

const RecoverStep = ({ session, name }: { session: Session; name: string }) => {
  const error = session.error.value
  const form = useRef<HTMLFormElement>(null)
  const code = useFocus<HTMLInputElement>()
  const isAboutCode = error !== null && (error.code === 'empty-code' || error.code === 'wrong-code')
  const submit = (event: TargetedEvent<HTMLFormElement>): void => {
    event.preventDefault()
    void session.submitCode(fieldOf(event.currentTarget, 'code'), fieldOf(event.currentTarget, 'new-password')).then(() => {
      const now = session.error.peek()
      if (now !== null) form.current?.querySelector<HTMLInputElement>(now.code.endsWith('-password') ? '#password' : '#code')?.focus()
    })
  }
  const told = error !== null && <ErrorLine id="recover-error">{sessionErrorText(error)}</ErrorLine>
  return (
    <section class="step" aria-labelledby="greeting">
      <h1 id="greeting">Use a recovery code</h1>
      <p class="who">
        <b>{name}</b> <span class="muted">·</span>{' '}
        <button type="button" class="btn link" onClick={session.rememberPassword}>
          Back to the password
        </button>
      </p>
      <form ref={form} onSubmit={submit} noValidate>
        <input class="vh" type="text" name="username" autoComplete="username" value={name} tabIndex={-1} readOnly aria-hidden="true" />
        <label class="label" for="code">
          Recovery code
        </label>
        <input
          ref={code}
          class="field"
          id="code"
          name="code"
          autoComplete="off"
          autoCapitalize="characters"
          spellcheck={false}
          maxLength={64}
          aria-invalid={isAboutCode}
          aria-describedby={isAboutCode ? 'recover-error' : 'code-help'}
        />
        {isAboutCode ? (
          told
        ) : (
          <p class="help" id="code-help">
            One of those you kept when you made the account. It is used up.
          </p>
        )}
        <PasswordField
          id="password"
          label="New password"
          autoComplete="new-password"
          describedBy={told !== false && !isAboutCode ? 'recover-error' : 'password-help'}
          isInvalid={error !== null && !isAboutCode}
        />
        {told !== false && !isAboutCode ? (
          told
        ) : (
          <p class="help" id="password-help">
            8 characters or more. Your devices are signed out.
          </p>
        )}
        <button class="btn primary wide" aria-disabled={session.isBusy.value}>
          Set password and log in
        </button>
      </form>
    </section>
  )
}

/** After signing up: what nobody can show again. */
const CodesStep = ({ app, codes }: { app: App; codes: readonly string[] }) => {
  const heading = useFocus<HTMLHeadingElement>()
  return (
    <section class="step" aria-labelledby="greeting">
      <h1 id="greeting" ref={heading} tabIndex={-1}>
        Keep your recovery codes
      </h1>
      <p class="lead">If you forget your password, each of these sets a new one, once. They are shown only now.</p>
      <RecoveryCodes codes={codes} name={app.ownName.value} />
      <button type="button" class="btn primary wide" onClick={app.session.keepCodes}>
        I have kept them
      </button>
    </section>
  )
}

/** Focuses the element once it is there. */
const useFocus = <Target extends HTMLElement>() => {
  const target = useRef<Target>(null)
  useEffect(() => target.current?.focus(), [])
  return target
}
