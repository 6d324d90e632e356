// The shell of a test build that kills its process at a named step of a grant (failpoints.ts). esbuild.config.mjs puts it
// in place of node/runtime.ts, which it wraps: it watches events, commits and frames pass and changes none of them.

import type { Epoch } from '../../crdt-schema/ids.ts'
import { epochPid } from '../../crdt-schema/ids.ts'
import { type PeerMessage, decodePeerFrame, decodePeerMessage } from '../../crdt-schema/peer-wire.ts'
import type { CommitRecord, Effect, Event, LinkId } from '../../node/core/events.ts'
import { type Runtime, type RuntimeOptions, createRuntime as createShippedRuntime } from '../../node/runtime.ts'
import { FAILPOINTS_VARIABLE, type Failpoint, disarmFailpoint, readFailpoint } from './failpoints.ts'

/** What the node's own state on disk says of grants that it makes. */
type StoredMeta = { readonly pid: number; readonly promised: Epoch; readonly tentative: readonly { readonly epoch: Epoch; readonly order: number }[] }

/** All messages of a frame; what a relay carries counts as itself. */
const readFrame = (frame: Uint8Array): readonly PeerMessage[] => {
  const messages = decodePeerFrame(frame)
  return messages.ok ? messages.value.flatMap(readMessage) : []
}
const readMessage = (bytes: Uint8Array): readonly PeerMessage[] => {
  const message = decodePeerMessage(bytes)
  if (!message.ok) return []
  return message.value.type === 'relay' ? readMessage(message.value.message) : [message.value]
}

/** The grant that this node makes as coordinator just now: how far each member has come, by its link. */
const createProgress = () => ({ commitSeq: 0, prepareSent: new Set<LinkId>(), prepared: new Set<LinkId>(), pushSent: new Set<LinkId>(), stored: new Set<LinkId>(), resolvedSent: new Set<LinkId>() })

export const createRuntime = (options: RuntimeOptions): Runtime => {
  const directory = process.env[FAILPOINTS_VARIABLE]
  if (directory === undefined) return createShippedRuntime(options)
  let pid = -1
  let lastGrant = ''
  let progress = createProgress()

  const reach = (failpoint: Failpoint): void => {
    if (readFailpoint(directory, pid) !== failpoint) return
    disarmFailpoint(directory, pid)
    process.kill(process.pid, 'SIGKILL') // SIGKILL to oneself: nothing after this line happens
  }

  /** Notes one more member; true when it is the first, or the second, to come that far. */
  const reachOnLink = (links: Set<LinkId>, link: LinkId, name: 'prepare-sent' | 'prepared' | 'push-sent' | 'stored' | 'resolved-sent'): void => {
    if (links.has(link)) return
    links.add(link)
    if (links.size === 1) reach(`${name}-first`)
    if (links.size === 2 && name !== 'resolved-sent') reach(`${name}-second`)
  }

  const onEvent = (event: Event): void => {
    if (event.type === 'start') pid = event.config.pid ?? -1
    if (event.type === 'request' && event.body.type === 'create-account') reach('asked')
    if (event.type !== 'link-frame') return
    for (const message of readFrame(event.frame)) {
      if (message.type === 'ask') reach('asked')
      if (message.type === 'prepared' && message.accepted) reachOnLink(progress.prepared, event.link, 'prepared')
      if (message.type === 'ack' && progress.commitSeq > 0 && message.seqs.includes(progress.commitSeq)) reachOnLink(progress.stored, event.link, 'stored')
    }
  }

  const beforeSend = (frame: Uint8Array): void => {
    for (const message of readFrame(frame)) {
      if (message.type === 'resolved' && message.orders.length > 0) reach('before-resolved')
      if (isGranted(message)) reach('before-answer')
    }
  }
  const afterSend = (link: LinkId, frame: Uint8Array): void => {
    for (const message of readFrame(frame)) {
      if (message.type === 'prepare') reachOnLink(progress.prepareSent, link, 'prepare-sent')
      if (message.type === 'push' && message.origin === pid && message.seq === progress.commitSeq) reachOnLink(progress.pushSent, link, 'push-sent')
      if (message.type === 'resolved' && message.orders.length > 0) reachOnLink(progress.resolvedSent, link, 'resolved-sent')
      if (isGranted(message)) reach('after-answer')
    }
  }

  /** Whether this commit holds a new grant of this node's own, on its own disk first [COO4]. */
  const bringsGrant = ({ meta }: CommitRecord): boolean => {
    if (meta === null) return false
    const { promised, tentative } = JSON.parse(meta) as StoredMeta
    const own = tentative.filter(({ epoch }) => epoch === promised && epochPid(epoch) === pid).at(-1)
    if (own === undefined || `${own.epoch}/${own.order}` === lastGrant) return false
    lastGrant = `${own.epoch}/${own.order}`
    return true
  }

  const commit = async (record: CommitRecord): Promise<void> => {
    const isTentative = bringsGrant(record)
    const isGrant = record.updates.some(({ document }) => document.startsWith('names/'))
    if (isTentative) {
      progress = createProgress()
      reach('before-tentative')
    }
    if (isGrant) {
      progress.commitSeq = record.seq
      reach('before-commit')
    }
    await options.store.commit(record)
    if (isTentative) reach('tentative-stored')
    if (isGrant) reach('committed')
  }

  const { store, hands } = options
  const respond = (effect: Extract<Effect, { type: 'respond' }>): void => {
    const isAccount = effect.status === 201 && typeof effect.body === 'object' && effect.body !== null && 'account' in effect.body
    if (isAccount) reach('before-answer')
    hands.respond(effect)
    // The bytes are on their way when the turn of the event loop is over.
    if (isAccount) setImmediate(() => reach('after-answer'))
  }
  return createShippedRuntime({
    ...options,
    step: (event, now) => {
      onEvent(event)
      return options.step(event, now)
    },
    store: { state: store.state, release: store.release.bind(store), commit, load: store.load.bind(store), compact: store.compact.bind(store), close: store.close.bind(store), stats: store.stats.bind(store) },
    hands: {
      ...hands,
      respond,
      send: (effect) => {
        beforeSend(effect.frame)
        hands.send(effect)
        afterSend(effect.link, effect.frame)
      },
    },
  })
}

const isGranted = (message: PeerMessage): boolean => message.type === 'reply' && (JSON.parse(message.outcome) as { status: string }).status === 'granted'
