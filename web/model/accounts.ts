// The accounts signed in on this device, and which of them this tab is: each tab remembers its own, so two people can
// use two tabs of one browser, and a new tab goes on with the account used last.

import type { AccountId } from '../../crdt-schema/ids.ts'
import { parseAccountId } from '../../crdt-schema/ids.ts'
import type { Store } from './ports.ts'

export interface SignedInAccount {
  readonly id: AccountId
  readonly name: string
  readonly token: string
  readonly sessionId: string
}

export interface AccountStore {
  /** Somebody is signed in to this account here, in whatever tab. */
  has(id: AccountId): boolean
  /** The account of this tab, or the one used last, or null. */
  current(): SignedInAccount | null
  /** Makes it this tab's account and the one used last. */
  use(account: SignedInAccount): void
  /** The session of an account is over; another session of it, signed in since, is left alone. */
  forget(account: SignedInAccount): void
}

const ACCOUNTS_KEY = 'starling.accounts'
const TAB_KEY = 'starling.account'
/** Signed out here on purpose: a reload is not to slip into somebody else's account. */
const NOBODY = 'nobody'
const ACCOUNTS_MAX = 16

/** What is kept beside an account while it is signed in here: whom it can write to, and what its screen showed last. */
const BESIDE = ['people', 'seen'] as const

export const keyOfAccount = (what: (typeof BESIDE)[number], id: AccountId): string => `starling.${what}.${id}`

export const createAccountStore = (deviceStore: Store, tabStore: Store): AccountStore => {
  const read = (): SignedInAccount[] => parseAccounts(deviceStore.getItem(ACCOUNTS_KEY))
  const has = (id: AccountId): boolean => read().some((account) => account.id === id)
  const write = (accounts: readonly SignedInAccount[]): void => {
    const before = read()
    deviceStore.setItem(ACCOUNTS_KEY, JSON.stringify(accounts.slice(0, ACCOUNTS_MAX)))
    for (const { id } of before) if (!has(id)) for (const what of BESIDE) deviceStore.removeItem(keyOfAccount(what, id))
  }
  return {
    has,
    current: () => {
      const ownId = tabStore.getItem(TAB_KEY)
      if (ownId === NOBODY) return null
      return read().find((account) => ownId === null || account.id === ownId) ?? null
    },
    use: (account) => {
      write([account, ...read().filter(({ id }) => id !== account.id)])
      tabStore.setItem(TAB_KEY, account.id)
    },
    forget: (account) => {
      write(read().filter(({ sessionId }) => sessionId !== account.sessionId))
      tabStore.setItem(TAB_KEY, NOBODY)
    },
  }
}

const parseAccounts = (text: string | null): SignedInAccount[] => {
  try {
    const value: unknown = JSON.parse(text ?? '[]')
    return Array.isArray(value) ? value.flatMap(parseAccount) : []
  } catch {
    return [] // written by another version, or by hand
  }
}

const parseAccount = (value: unknown): SignedInAccount[] => {
  if (typeof value !== 'object' || value === null) return []
  const { id, name, token, sessionId } = value as Record<string, unknown>
  const accountId = parseAccountId(id)
  if (accountId === null || typeof name !== 'string' || typeof token !== 'string' || typeof sessionId !== 'string') return []
  return [{ id: accountId, name, token, sessionId }]
}
