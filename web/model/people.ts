// Whom one can write to: all accounts, as a node last listed them, kept on this device so that drafts can be
// addressed without any node.

import { type ReadonlySignal, computed, signal } from '@preact/signals'
import { type AccountId, parseAccountId } from '../../crdt-schema/ids.ts'
import type { Person } from '../../crdt-schema/inbox.ts'
import type { Api } from '../link/api.ts'
import { keyOfAccount } from './accounts.ts'
import type { Clock, Store } from './ports.ts'

export interface PeopleModel {
  /** By name; oneself last. */
  readonly people: ReadonlySignal<readonly Person[]>
  /** All accounts are listed: who is missing has none. */
  readonly isComplete: ReadonlySignal<boolean>
  /** Asks again, unless it was asked within the last seconds. */
  refresh(): Promise<void>
  close(): void
}

const PEOPLE_MAX = 2000
const FRESH_MS = 3000
const ALONE_MS = 5000
const REFRESH_MS = 60_000

export interface PeopleOptions {
  readonly owner: AccountId
  readonly ownName: ReadonlySignal<string>
  readonly token: string
  readonly api: Api
  readonly clock: Clock
  readonly store: Store
}

export const createPeople = ({ owner, ownName, token, api, clock, store }: PeopleOptions): PeopleModel => {
  const key = keyOfAccount('people', owner)
  const others = signal<readonly Person[]>(readPeople(store.getItem(key)))
  const isComplete = signal(false)
  let askedMs = Number.NEGATIVE_INFINITY
  let isClosed = false

  const list = async (): Promise<Person[] | null> => {
    const found: Person[] = []
    let after: string | null = null
    do {
      const page: Awaited<ReturnType<Api['listAccounts']>> = await api.listAccounts(token, { prefix: '', after })
      if (!page.ok) return null
      for (const { id, name } of page.value.accounts) {
        const accountId = parseAccountId(id)
        if (accountId !== null && accountId !== owner) found.push({ id: accountId, name })
      }
      after = page.value.next ?? null
    } while (after !== null && found.length < PEOPLE_MAX)
    isComplete.value = after === null
    return found
  }

  const refresh = async (): Promise<void> => {
    if (clock.nowMs() - askedMs < FRESH_MS) return
    askedMs = clock.nowMs()
    const found = await list()
    if (found === null || isClosed) return // whoever signs out leaves no list here
    others.value = found
    store.setItem(key, JSON.stringify(found))
  }

  /** The first one here waits for company. */
  let cancel = (): void => {}
  const lookAgain = (): void => {
    void refresh()
    cancel = clock.after(others.value.length === 0 ? ALONE_MS : REFRESH_MS, lookAgain)
  }
  lookAgain()

  return {
    people: computed(() => [...others.value].sort(byName).concat({ id: owner, name: ownName.value })),
    isComplete,
    refresh,
    close: () => {
      isClosed = true
      cancel()
    },
  }
}

const byName = (a: Person, b: Person): number => a.name.localeCompare(b.name)

const readPeople = (text: string | null): Person[] => {
  try {
    const value: unknown = JSON.parse(text ?? '[]')
    if (!Array.isArray(value)) return []
    return value.flatMap((item: { id?: unknown; name?: unknown } | null) => {
      const id = parseAccountId(item?.id)
      return id !== null && typeof item?.name === 'string' ? [{ id, name: item.name }] : []
    })
  } catch {
    return [] // written by another version, or by hand
  }
}
