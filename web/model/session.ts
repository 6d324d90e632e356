// Signing in, in two steps, and out: who this tab is. The name step asks whether the name exists, so that the second
// step greets a new person or one who is back. Knows no mail.

import { type ReadonlySignal, signal } from '@preact/signals'
import { parseName } from '../../crdt-schema/ids.ts'
import { LIMITS } from '../../crdt-schema/limits.ts'
import type { SignedInJson } from '../../crdt-schema/api-shapes.ts'
import { type AccountId, parseAccountId } from '../../crdt-schema/ids.ts'
import type { ApiCode, ApiResult } from '../link/api.ts'
import { type SignedInAccount, createAccountStore } from './accounts.ts'
import type { Ports } from './ports.ts'

export type SessionState =
  | { readonly status: 'name'; readonly name: string }
  /** `recovering`: the password is forgotten, a recovery code asked for. */
  | { readonly status: 'new' | 'known' | 'recovering'; readonly name: string }
  | { readonly status: 'signed-in'; readonly account: SignedInAccount }
  /** Signed in on another device while only one session is allowed, there or at sign-in. */
  | { readonly status: 'taken-over'; readonly account: SignedInAccount; readonly atMs: number }

/** Why a step could not be done; the view has words for each. */
export type SessionError =
  | {
      readonly code:
        | 'empty-name'
        | 'invalid-name'
        | 'empty-password'
        | 'weak-password'
        | 'wrong-password'
        | 'empty-code'
        | 'wrong-code'
        | 'name-taken'
        | 'closed'
        | 'no-server'
        | 'already-signed-in'
    }
  | { readonly code: 'locked'; readonly seconds: number }

export interface Session {
  readonly state: ReadonlySignal<SessionState>
  readonly error: ReadonlySignal<SessionError | null>
  readonly isBusy: ReadonlySignal<boolean>
  /** The name that a split took from this account, until another is chosen. */
  readonly lostName: ReadonlySignal<string | null>
  /** The recovery codes of an account made here, until the person has kept them: nobody can show them again. */
  readonly freshCodes: ReadonlySignal<readonly string[] | null>
  keepCodes(): void
  submitName(name: string): Promise<void>
  changeName(): void
  submitPassword(password: string, options?: { readonly takeOver: boolean }): Promise<void>
  forgetPassword(): void
  rememberPassword(): void
  /** Sets a new password with a recovery code, and signs in. */
  submitCode(code: string, newPassword: string): Promise<void>
  /** The server ended this session. The name stays filled in, and what was written stays on this device. */
  onEnded(): void
  onTakenOver(): void
  /** After taken-over: back to the password, with the name filled in. */
  useHere(): void
  /** Leaves this account on this device; the caller ends the session with the server. */
  leave(): void
  onRenamed(name: string): void
  onNotice(lostName: string | null): void
}

export interface SessionOptions extends Pick<Ports, 'api' | 'clock' | 'deviceStore' | 'tabStore'> {
  /** An account was made here. */
  readonly onSignedUp?: (id: AccountId) => void
}

export const createSession = ({ api, clock, deviceStore, tabStore, onSignedUp }: SessionOptions): Session => {
  const store = createAccountStore(deviceStore, tabStore)
  const remembered = store.current()
  const state = signal<SessionState>(remembered === null ? { status: 'name', name: '' } : { status: 'signed-in', account: remembered })
  const error = signal<SessionError | null>(null)
  const isBusy = signal(false)
  const lostName = signal<string | null>(null)
  const freshCodes = signal<readonly string[] | null>(null)

  const become = (next: SessionState): void => {
    error.value = null
    state.value = next
  }

  const busily = async (work: () => Promise<void>): Promise<void> => {
    if (isBusy.value) return
    isBusy.value = true
    error.value = null
    try {
      await work()
    } finally {
      isBusy.value = false
    }
  }

  const becomeSignedIn = ({ account, session, notice }: SignedInJson): void => {
    const id = parseAccountId(account.id)
    if (id === null) return
    const signedIn = { id, name: account.name, token: session.token, sessionId: session.id }
    store.use(signedIn)
    lostName.value = notice?.name ?? null
    become({ status: 'signed-in', account: signedIn })
  }

  const signIn = async (name: string, password: string, options: { readonly takeOver: boolean }): Promise<void> => {
    const answer = await api.signIn({ name, password }, options)
    if (answer.ok) becomeSignedIn(answer.value)
    else error.value = toError(answer)
  }

  const signUp = async (name: string, password: string): Promise<void> => {
    const answer = await api.createAccount({ name, password })
    if (answer.ok) {
      const id = parseAccountId(answer.value.account.id)
      if (id !== null) onSignedUp?.(id)
      freshCodes.value = answer.value.recoveryCodes ?? null
      becomeSignedIn(answer.value)
    } else if (answer.code === 'name-taken') {
      // Someone was faster with this name since the first step.
      state.value = { status: 'name', name }
      error.value = { code: 'name-taken' }
    } else error.value = toError(answer)
  }

  return {
    state,
    error,
    isBusy,
    lostName,
    freshCodes,
    keepCodes: () => {
      freshCodes.value = null
    },
    submitName: (text) =>
      busily(async () => {
        if (text.trim() === '') {
          error.value = { code: 'empty-name' }
          return
        }
        const name = parseName(text)
        if (name === null) {
          error.value = { code: 'invalid-name' }
          return
        }
        const answer = await api.lookUpName(name)
        if (answer.ok) become({ status: answer.value.exists ? 'known' : 'new', name })
        else error.value = toError(answer)
      }),
    changeName: () => become({ status: 'name', name: state.value.status === 'signed-in' ? '' : nameOf(state.value) }),
    submitPassword: (password, options = { takeOver: false }) =>
      busily(async () => {
        const now = state.value
        if (now.status !== 'new' && now.status !== 'known') return
        if (password === '') {
          error.value = { code: 'empty-password' }
        } else if (now.status === 'known') {
          await signIn(now.name, password, options)
        } else if ([...password].length < LIMITS.passwordCharactersMin) {
          error.value = { code: 'weak-password' }
        } else {
          await signUp(now.name, password)
        }
      }),
    forgetPassword: () => {
      if (state.value.status === 'known') become({ status: 'recovering', name: state.value.name })
    },
    rememberPassword: () => {
      if (state.value.status === 'recovering') become({ status: 'known', name: state.value.name })
    },
    submitCode: (code, newPassword) =>
      busily(async () => {
        const now = state.value
        if (now.status !== 'recovering') return
        if (code.trim() === '') {
          error.value = { code: 'empty-code' }
        } else if ([...newPassword].length < LIMITS.passwordCharactersMin) {
          error.value = { code: newPassword === '' ? 'empty-password' : 'weak-password' }
        } else {
          const answer = await api.recover({ name: now.name, code, newPassword })
          if (answer.ok) {
            // The new password is in force, whatever becomes of signing in with it.
            become({ status: 'known', name: now.name })
            await signIn(now.name, newPassword, { takeOver: false })
          } else error.value = answer.code === 'wrong-credentials' ? { code: 'wrong-code' } : toError(answer)
        }
      }),
    onEnded: () => {
      if (state.value.status !== 'signed-in') return
      const { account } = state.value
      store.forget(account)
      become({ status: 'known', name: account.name })
    },
    onTakenOver: () => {
      if (state.value.status === 'signed-in') become({ status: 'taken-over', account: state.value.account, atMs: clock.nowMs() })
    },
    useHere: () => {
      if (state.value.status === 'taken-over') become({ status: 'known', name: state.value.account.name })
    },
    leave: () => {
      const now = state.value
      if (now.status !== 'signed-in' && now.status !== 'taken-over') return
      store.forget(now.account)
      lostName.value = null
      become({ status: 'name', name: '' })
    },
    onRenamed: (name) => {
      if (state.value.status !== 'signed-in') return
      const account = { ...state.value.account, name }
      store.use(account)
      state.value = { status: 'signed-in', account }
    },
    onNotice: (name) => {
      lostName.value = name
    },
  }
}

const nameOf = (state: SessionState): string => ('account' in state ? state.account.name : state.name)

const LOCKED_SECONDS = 10

const toError = (answer: ApiResult<unknown> & { readonly ok: false; readonly code: ApiCode }): SessionError => {
  switch (answer.code) {
    case 'wrong-credentials':
      return { code: 'wrong-password' }
    case 'invalid-name':
    case 'weak-password':
    case 'already-signed-in':
      return { code: answer.code }
    case 'registration-closed':
      return { code: 'closed' }
    case 'too-many-requests':
      return { code: 'locked', seconds: answer.retryAfterSeconds ?? LOCKED_SECONDS }
    default:
      return { code: 'no-server' }
  }
}
