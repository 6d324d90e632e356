// K6, judged at every read: a person's reads never go back, and show what their devices were told is stored, through
// whichever node. Where nodes are parted, this much is promised of each node alone.

import type { AccountId, MessageId, Pid } from '../../crdt-schema/ids.ts'
import type { World } from './cluster.ts'
import type { Operation } from './history.ts'
import type { Device } from './people.ts'

export interface Reads {
  /** Lets a device read, and judges the answer when it comes. */
  read(device: Device): void
}

interface Seen {
  readonly atMs: number
  readonly by: Pid
}

/** What is asked for in one call: older messages than these are not looked for. */
const READ_MAX = 200

export const createReads = (world: World): Reads => {
  /** Sends of an account, oldest first, and what somebody tried to take away. */
  const sends = new Map<AccountId, Operation[]>()
  const gone = new Set<MessageId>()
  /** By account: each message that a read showed, and the last such read through each node. */
  const seen = new Map<AccountId, Map<MessageId, Seen[]>>()
  let known = 0

  const learn = (): void => {
    for (; known < world.history.operations.length; known++) {
      const operation = world.history.operations[known]
      if (operation === undefined) return
      const { deed } = operation
      if (deed.kind === 'send') sends.set(deed.from, [...(sends.get(deed.from) ?? []), operation])
      if (deed.kind === 'recall' || (deed.kind === 'mark' && deed.mark === 'deleted')) gone.add(deed.message)
    }
  }

  /** Whether what a node said at `atMs` binds what node `reader` says now. */
  const isBinding = (atMs: number, by: Pid | null, reader: Pid): boolean => !world.isParted || (by === reader && atMs > (world.lostDisks.get(reader) ?? -1))

  const judge = (device: Device, account: AccountId, ids: ReadonlySet<MessageId>, oldest: MessageId | null, reader: Pid, startedMs: number): void => {
    const mustShow = (message: MessageId): boolean => !ids.has(message) && !gone.has(message) && (oldest === null || message > oldest)
    const own = sends.get(account) ?? []
    for (let index = own.length - 1; index >= 0; index--) {
      const operation = own[index]
      if (operation?.deed.kind !== 'send') continue
      const { deed, outcome, endedMs, number, reached, answeredBy } = operation
      if (oldest !== null && deed.message < oldest && operation.startedMs < startedMs - READ_BACK_MS) break
      // A note to oneself waits in the Inbox, and what reached nobody leaves no copy.
      if (outcome !== 'acknowledged' || endedMs >= startedMs || (reached?.length ?? 0) === 0 || deed.to.includes(deed.from)) continue
      if (isBinding(endedMs, answeredBy, reader) && mustShow(deed.message)) world.violate(device.label, new Error(`K6 operation ${number} stored "${deed.text}", and a later read through node ${reader} does not show it`))
    }
    for (const [message, shown] of seen.get(account) ?? []) {
      const before = shown.find(({ atMs, by }) => atMs < startedMs && isBinding(atMs, by, reader))
      if (before !== undefined && mustShow(message)) world.violate(device.label, new Error(`K6 a read through node ${before.by} showed ${message}, and a later one through node ${reader} does not`))
    }
  }

  const remember = (account: AccountId, ids: ReadonlySet<MessageId>, by: Pid): void => {
    const known = seen.get(account) ?? new Map<MessageId, Seen[]>()
    seen.set(account, known)
    const atMs = world.schedule.nowMs
    for (const id of ids) known.set(id, [...(known.get(id) ?? []).filter(other => other.by !== by), { atMs, by }])
    // Only the newest can be looked for again.
    for (const id of [...known.keys()].sort().slice(0, -READ_MAX)) known.delete(id)
  }

  return {
    read(device) {
      const startedMs = world.schedule.nowMs
      device.read((messages, by) => {
        const { account } = device.person
        if (account === null) return
        learn()
        const ids = new Set(messages.map(({ id }) => id as MessageId))
        const oldest = messages.length < READ_MAX ? null : (([...ids].sort()[0] as MessageId | undefined) ?? null)
        judge(device, account, ids, oldest, by, startedMs)
        remember(account, ids, by)
      })
    }
  }
}

/** Longer than any call may take, and device clocks are right: an older send has an older id. */
const READ_BACK_MS = 120_000
