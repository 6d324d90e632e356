// How often one address, one name or one session may do what is expensive or tempting (DESIGN 10): sign-in, account creation,
// name lookup, sending. rate-limiter-flexible is imported here and nowhere else.
// Refuses to know what the calls do: it sees them before the core does, and hears how they ended.
//
// A sign-in counts as failed when it is let in and is forgiven when it succeeds, so a hundred at once gain nothing over one after the other.
// Failures make the next try wait, longer each time and never for long: nobody can lock somebody else out. Whoever has signed in from an
// address before is not held up there by strangers who guess at the same name elsewhere.
// Keeps [COR3]: keys are hashed, with a salt nobody knows, onto a fixed number of slots, so no number of names or addresses fills the memory.

import { createHash, randomBytes } from 'node:crypto'
import { RateLimiterMemory } from 'rate-limiter-flexible'
import type { Call } from '../../crdt-schema/api.ts'

export interface Caller {
  readonly address: string
  readonly token: string | null
}

export type Admission =
  | { readonly status: 'wait'; readonly seconds: number }
  /** `settle` must be called with the problem's code, or null for a success, once the call has ended. */
  | { readonly status: 'admitted'; readonly settle: (code: string | null) => void }

export interface HttpLimits {
  admit(call: Call, caller: Caller): Promise<Admission>
}

/** `free` tries go unhindered; each further one makes the next wait twice as long, up to `delaySecondsMax`. */
interface GuessLimit {
  readonly free: number
  readonly delaySecondsMax: number
}

export interface LimitFigures {
  readonly guessesByPair: GuessLimit
  readonly guessesByName: GuessLimit
  readonly guessesByAddress: GuessLimit
  readonly creationsAnHour: number
  readonly lookUpsAMinute: number
  readonly messagesAMinute: number
}

export const LIMIT_FIGURES: LimitFigures = {
  guessesByPair: { free: 5, delaySecondsMax: 60 },
  guessesByName: { free: 20, delaySecondsMax: 30 },
  guessesByAddress: { free: 30, delaySecondsMax: 60 },
  creationsAnHour: 60,
  lookUpsAMinute: 10,
  messagesAMinute: 120
}

const SLOTS = 65_536
const MINUTE_S = 60
const HOUR_S = 3_600
const DAY_S = 86_400
/** One call that sends all drafts costs as much as this many messages at most: it must be possible at all. */
const DRAFTS_COST_MAX = 50

const FREE: Admission = { status: 'admitted', settle: () => undefined }

export const LIMITS_OFF: HttpLimits = { admit: () => Promise.resolve(FREE) }

export const createHttpLimits = (figures: LimitFigures = LIMIT_FIGURES): HttpLimits => {
  const salt = randomBytes(16)
  const slot = (...parts: readonly string[]): string => String(createHash('sha256').update(salt).update(JSON.stringify(parts)).digest().readUInt32BE() % SLOTS)
  const byPair = createGuesses(figures.guessesByPair)
  const byName = createGuesses(figures.guessesByName)
  const byAddress = createGuesses(figures.guessesByAddress)
  const known = new RateLimiterMemory({ points: 1, duration: DAY_S })
  const creations = new RateLimiterMemory({ points: figures.creationsAnHour, duration: HOUR_S })
  const lookUps = new RateLimiterMemory({ points: figures.lookUpsAMinute, duration: MINUTE_S })
  const messages = new RateLimiterMemory({ points: figures.messagesAMinute, duration: MINUTE_S })

  /** Someone tries a password for `subject`, a name or a session's account. */
  const admitGuess = async (subject: string, address: string): Promise<Admission> => {
    const pair = slot(subject, address)
    const isKnown = (await known.get(pair)) !== null
    const limits: readonly (readonly [Guesses, string])[] = [[byPair, pair], ...(isKnown ? [] : [[byName, slot(subject)], [byAddress, slot(address)]] as const)]
    const seconds = Math.max(...(await Promise.all(limits.map(([guesses, key]) => guesses.secondsToWait(key)))))
    if (seconds > 0) return { status: 'wait', seconds }
    await Promise.all(limits.map(([guesses, key]) => guesses.count(key)))
    return {
      status: 'admitted',
      settle: code => {
        if (code === 'wrong-credentials') return
        for (const [guesses, key] of limits) void guesses.forgive(key)
        if (code !== null) return // it was never tried
        void byPair.forget(pair)
        void known.set(pair, 1, DAY_S)
      }
    }
  }

  const admitCounted = async (limiter: RateLimiterMemory, key: string, cost: number): Promise<Admission> => {
    const { consumedPoints, msBeforeNext } = await limiter.penalty(key, cost)
    if (consumedPoints <= limiter.points) return FREE
    await limiter.reward(key, cost)
    return { status: 'wait', seconds: Math.max(1, Math.ceil(msBeforeNext / 1000)) }
  }

  const admit = (call: Call, { address, token }: Caller): Promise<Admission> => {
    const place = toNetwork(address)
    switch (call.type) {
      case 'create-session':
      case 'recover-account': // one count: whoever may guess no more passwords may guess no codes either
        return admitGuess(subjectOf(call.name), place)
      case 'change-me':
      case 'make-recovery-codes':
      case 'remove-me':
        return admitGuess(`token ${token ?? ''}`, place)
      case 'create-account':
        return admitCounted(creations, slot(place), 1)
      case 'look-up-name':
        return admitCounted(lookUps, slot(place), 1)
      case 'send-message':
        return admitCounted(messages, slot(token ?? '', place), 1)
      case 'send-drafts':
        return admitCounted(messages, slot(token ?? '', place), 'ids' in call ? Math.min(call.ids.length, DRAFTS_COST_MAX) : DRAFTS_COST_MAX)
      default:
        return Promise.resolve(FREE)
    }
  }

  // One at a time: between looking and counting, another call must not look.
  let last: Promise<unknown> = Promise.resolve()
  return {
    admit: (call, caller) => {
      const admission = last.then(() => admit(call, caller))
      last = admission.catch(() => undefined) // its caller hears of it
      return admission
    }
  }
}

const subjectOf = (name: string): string => `name ${name.normalize('NFKC').trim().toLowerCase()}`

interface Guesses {
  secondsToWait(key: string): Promise<number>
  /** Counts a try as failed, and from the limit on makes the next one wait. */
  count(key: string): Promise<void>
  /** The try was none, or right: it does not count. */
  forgive(key: string): Promise<void>
  forget(key: string): Promise<void>
}

const createGuesses = ({ free, delaySecondsMax }: GuessLimit): Guesses => {
  const failures = new RateLimiterMemory({ points: free, duration: HOUR_S })
  const delays = new RateLimiterMemory({ points: 0, duration: delaySecondsMax })
  return {
    secondsToWait: async key => Math.max(0, Math.ceil(((await delays.get(key))?.msBeforeNext ?? 0) / 1000)),
    count: async key => {
      const over = (await failures.penalty(key)).consumedPoints - free
      if (over >= 0) await delays.block(key, Math.min(2 ** Math.min(over, 16), delaySecondsMax))
    },
    forgive: async key => void (await failures.reward(key)),
    forget: async key => void (await Promise.all([failures.delete(key), delays.delete(key)]))
  }
}

/** What one household or server has: an IPv4 address, or the first 64 bits of an IPv6 address. */
const toNetwork = (address: string): string => {
  if (!address.includes(':')) return address
  const [head = '', tail] = address.split('%', 1)[0]?.toLowerCase().split('::') ?? []
  const front = head === '' ? [] : head.split(':')
  const back = tail === undefined || tail === '' ? [] : tail.split(':')
  const zeros = tail === undefined ? [] : Array.from({ length: Math.max(0, 8 - front.length - back.length) }, () => '0')
  return [...front, ...zeros, ...back].slice(0, 4).join(':')
}
