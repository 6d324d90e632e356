// People of a fake desk: signing up and in as a program would, for tests that need somebody.

import { type AccountId, parseAccountId } from '../../crdt-schema/ids.ts'
import { createAccount } from '../../node/core/accounts.ts'
import { createSession } from '../../node/core/sessions.ts'
import { type Caller, type DoneAnswer, type FakeDesk, bodyOf, runHandler } from './desk.ts'

export const KEY = '7b0c1c6e-0000-4000-8000-000000000001'
export const OTHER_KEY = '7b0c1c6e-0000-4000-8000-000000000002'
export const PASSWORD = 'correct horse'

/** What a sign-up or sign-in answered; `id` and `token` only if it succeeded. */
export interface SignIn {
  readonly status: number
  readonly code: unknown
  readonly id: AccountId
  readonly name: unknown
  readonly token: string
  readonly notice: { readonly code: string; readonly name: string } | null
}

const toSignIn = (answer: DoneAnswer): SignIn => {
  const { account, session, code, notice } = bodyOf(answer) as { account?: { id: string; name: string }; session?: { token: string }; code?: string; notice?: SignIn['notice'] }
  return { status: answer.httpStatus, code, id: parseAccountId(account?.id) as AccountId, name: account?.name, token: session?.token ?? '', notice: notice ?? null }
}

export const signUp = (desk: FakeDesk, name: string, caller: Caller = {}, password = PASSWORD): SignIn =>
  toSignIn(runHandler(desk, createAccount, { type: 'create-account', name, password }, caller))

export const signIn = (desk: FakeDesk, name: string, caller: Caller & { readonly takeOver?: boolean; readonly device?: string } = {}, password = PASSWORD): SignIn => {
  const { takeOver = false, device = 'test', ...rest } = caller
  return toSignIn(runHandler(desk, createSession, { type: 'create-session', name, password, takeOver, device }, rest))
}

/** Whether a token is good now. */
export const isSignedIn = (desk: FakeDesk, { token }: SignIn): boolean => desk.directory.sessionOf(token, desk.clusterMs) !== null
