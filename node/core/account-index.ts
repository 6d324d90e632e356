// Passwords, removals and past requests of accounts: an index over the documents `accounts/<hh>`.
// Keeps [COO8]: a removal once seen is never forgotten, whatever comes later. Passwords are known only as hashes.

import { accountToDocument, type AccountId, type DocumentName, type RequestId } from '../../crdt-schema/ids.ts'
import type { AccountRequest, Secret } from '../../crdt-schema/accounts.ts'
import { createGroups } from './groups.ts'

export const createAccountIndex = () => {
  const removed = new Set<AccountId>()
  const secretsByAccount = createGroups<AccountId, Secret>((a, b) => a.n === b.n)
  const requests = new Map<string, AccountRequest>()

  /** The hash in force: of the secret with the highest (hlc, n), or null. */
  const secretOf = (id: AccountId): Secret | null => {
    let current: Secret | null = null
    for (const secret of secretsByAccount.of(id)) {
      if (current === null || secret.hlc > current.hlc || (secret.hlc === current.hlc && secret.n > current.n)) current = secret
    }
    return current
  }

  const requestOf = (id: AccountId, requestId: RequestId): AccountRequest | null => requests.get(`${id}/${requestId}`) ?? null

  const setRemoved = (id: AccountId): void => void removed.add(id)
  const setSecret = (secret: Secret): void => secretsByAccount.set(secret.accountId, secret)
  const setRequest = (request: AccountRequest): void => void requests.set(`${request.accountId}/${request.requestId}`, request)

  /** Forgets the secrets and requests of one document; not its removals. */
  const forget = (name: DocumentName): void => {
    for (const id of secretsByAccount.keys()) if (accountToDocument(id) === name) secretsByAccount.deleteAll(id)
    for (const [key, request] of requests) if (accountToDocument(request.accountId) === name) requests.delete(key)
  }

  return { isRemoved: (id: AccountId) => removed.has(id), hasRemoved: () => removed.size > 0, removed: () => removed.values(), hasSecret: (id: AccountId) => secretsByAccount.has(id), secretOf, requestOf, setRemoved, setSecret, setRequest, forget }
}

export type AccountIndex = ReturnType<typeof createAccountIndex>
