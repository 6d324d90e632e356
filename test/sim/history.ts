// What the people of a run attempted, and what they were told: the one record that the checkers judge the stores by.
// An operation without a final answer may or may not have happened, and is judged as such.

import type { AccountId, DraftId, MessageId, Pid } from '../../crdt-schema/ids.ts'

export type Outcome = 'pending' | 'acknowledged' | 'refused' | 'unknown'

/** What was attempted, in the words that the checkers need. */
export type Deed =
  | { readonly kind: 'sign-up'; readonly name: string; readonly account: AccountId }
  | { readonly kind: 'sign-in'; readonly account: AccountId; readonly takeOver: boolean }
  | { readonly kind: 'sign-out'; readonly account: AccountId; readonly token: string }
  | { readonly kind: 'leave'; readonly account: AccountId }
  | { readonly kind: 'send'; readonly from: AccountId; readonly to: readonly AccountId[]; readonly text: string; readonly message: MessageId }
  | { readonly kind: 'mark'; readonly account: AccountId; readonly message: MessageId; readonly mark: 'opened' | 'deleted' | 'checked' }
  | { readonly kind: 'draft'; readonly account: AccountId; readonly draft: DraftId; readonly text: string }
  | { readonly kind: 'recall'; readonly from: AccountId; readonly message: MessageId }
  | { readonly kind: 'open'; readonly account: AccountId }
  | { readonly kind: 'read'; readonly account: AccountId | null }

export interface Operation {
  readonly number: number
  readonly device: string
  readonly deed: Deed
  readonly startedMs: number
  endedMs: number
  outcome: Outcome
  /** HTTP status and code of the final answer; 0 for what travels by documents. */
  status: number
  code: string
  /** The node that gave the final answer, and whom it named as holders. */
  answeredBy: Pid | null
  storedOn: readonly number[]
  /** Of a send over HTTP: whom the answer called reached; null where no answer said so. */
  reached: readonly string[] | null
  /** Of a recall: the answer said that the message is taken back. */
  recalled: boolean
  /** Nodes that were asked, one after the other, and how many of them could not say what became of it [COO5]. */
  tries: number
  doubts: number
  /** What each node that was asked saw of the cluster, when it was asked and when that try ended: any of them may have done it [COO5]. */
  readonly views: (readonly Pid[])[]
  /** A page sent it on more than one connection. */
  resent: boolean
}

export interface History {
  readonly operations: readonly Operation[]
  /** Accounts that somebody tried to remove. */
  readonly leavers: ReadonlySet<AccountId>
  /** Acknowledged sign-ups of a name, oldest first. */
  granted(name: string): readonly Operation[]
  begin(device: string, deed: Deed, atMs: number): Operation
  end(operation: Operation, atMs: number, result: Partial<Pick<Operation, 'outcome' | 'status' | 'code' | 'answeredBy' | 'storedOn' | 'reached' | 'recalled' | 'tries'>>): void
}

export const createHistory = (onEnd: (operation: Operation) => void): History => {
  const operations: Operation[] = []
  const leavers = new Set<AccountId>()
  const grantedByName = new Map<string, Operation[]>()
  return {
    operations,
    leavers,
    granted: name => grantedByName.get(name) ?? [],
    begin(device, deed, atMs) {
      const operation: Operation = {
        number: operations.length,
        device,
        deed,
        startedMs: atMs,
        endedMs: -1,
        outcome: 'pending',
        status: 0,
        code: '',
        answeredBy: null,
        views: [],
        storedOn: [],
        reached: null,
        recalled: false,
        tries: 0,
        doubts: 0,
        resent: false
      }
      operations.push(operation)
      if (deed.kind === 'leave') leavers.add(deed.account)
      return operation
    },
    end(operation, atMs, result) {
      Object.assign(operation, { ...result, endedMs: atMs })
      const { deed, outcome } = operation
      if (deed.kind === 'sign-up' && outcome === 'acknowledged') grantedByName.set(deed.name, [...(grantedByName.get(deed.name) ?? []), operation])
      onEnd(operation)
    }
  }
}

/** An operation in a few words, for traces and transcripts. */
export const describeDeed = (deed: Deed): string => {
  switch (deed.kind) {
    case 'sign-up':
      return `sign-up as ${deed.name}`
    case 'send':
      return `send "${deed.text}"`
    case 'mark':
      return `mark ${deed.mark}`
    case 'draft':
      return `draft "${deed.text}"`
    default:
      return deed.kind
  }
}
