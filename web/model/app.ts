// The whole client without a screen: who is signed in, their mail, the cluster, the demo, the preferences. It opens
// and closes the mail as people come and go, and holds the few actions that concern the account itself.

import { type ReadonlySignal, computed, effect, signal, untracked } from '@preact/signals'
import type { SessionJson } from '../../crdt-schema/api-shapes.ts'
import { parseName } from '../../crdt-schema/ids.ts'
import type { ApiCode } from '../link/api.ts'
import type { NodeAddress } from '../link/fail-over.ts'
import type { AsideReplica } from '../link/replicas.ts'
import { type ClusterModel, createCluster } from './cluster.ts'
import { type DemoModel, createDemo, findDemoAddress } from './demo.ts'
import type { DraftContent } from './drafts.ts'
import { type Mail, type RefusedReplica, createMail } from './mail.ts'
import type { SignedInAccount } from './accounts.ts'
import type { Ports } from './ports.ts'
import { type Reserved, createReserving } from './reserving.ts'
import { type Preferences, createPreferences } from './preferences.ts'
import { type Session, createSession } from './session.ts'

export type DeviceJson = SessionJson
/** How a request about the account ended: null is well. */
export type Refusal = 'wrong-password' | 'name-taken' | 'invalid-name' | 'weak-password' | 'no-server' | 'locked'

export interface App {
  readonly session: Session
  /** Null while nobody is signed in. */
  readonly mail: ReadonlySignal<Mail | null>
  readonly ownName: ReadonlySignal<string>
  /** How many nodes this device has heard of. */
  readonly nodeCount: ReadonlySignal<number>
  readonly cluster: ClusterModel
  /** How far the name of an account made here has got. */
  readonly reserved: ReadonlySignal<Reserved | null>
  readonly notify: Ports['notify']
  /** Whether the browser gives this page all it has; over plain http it does not. */
  readonly isSecure: boolean
  /** To ask each node for itself. */
  readonly ports: Pick<Ports, 'api' | 'clock'>
  readonly demo: DemoModel | null
  readonly preferences: Preferences
  logOut(options: { readonly forget: boolean }): Promise<void>
  removeAccount(password: string): Promise<Refusal | null>
  rename(name: string, password: string): Promise<Refusal | null>
  changePassword(password: string, newPassword: string): Promise<Refusal | null>
  /** How many recovery codes are left; null: no node answered. */
  countRecoveryCodes(): Promise<number | null>
  /** New codes in place of all old ones, or why there are none. */
  makeRecoveryCodes(password: string): Promise<readonly string[] | Refusal>
  /** A newer version of the page waits; calling it reloads. */
  readonly update: ReadonlySignal<(() => void) | null>
  offerUpdate(reload: () => void): void
  /** Copies that a node refused, for download. */
  listAside(): Promise<readonly AsideReplica[]>
  listDevices(): Promise<readonly DeviceJson[] | null>
  signOutDevice(id: string): Promise<boolean>
}

export interface AppOptions {
  readonly ports: Ports
  readonly remembered: () => readonly NodeAddress[]
  /** Where the nodes are, as the one at `selfUrl` tells. */
  readonly learn: (nodes: readonly NodeAddress[], selfUrl: string | null) => void
  readonly fetch: typeof globalThis.fetch
  /** Of the page's address. */
  readonly fragment: string
}

/** By then a node that has just met others has taken in what they have. */
const ASK_AGAIN_MS = 4000

export const createApp = ({ ports, remembered, learn, fetch, fragment }: AppOptions): App => {
  const { api, clock } = ports
  const reserving = createReserving({ api, clock, store: ports.deviceStore })
  const session = createSession({ ...ports, onSignedUp: reserving.begin })
  const mail = signal<Mail | null>(null)
  const update = signal<(() => void) | null>(null)
  const account = computed(() => {
    const state = session.state.value
    return state.status === 'signed-in' || state.status === 'taken-over' ? state.account : null
  })
  const sessionId = computed(() => account.value?.sessionId ?? null)
  const ownName = computed(() => account.value?.name ?? '')
  const demoAddress = findDemoAddress(fragment, ports.tabStore)

  let isRemoving = false
  let stopAsking = (): void => {}

  /** Puts aside what a node refuses and starts that room afresh; once, since a second refusal would only repeat it. */
  let hasSetAside = false
  const setAside = async ({ room, state, texts }: RefusedReplica): Promise<void> => {
    if (hasSetAside) return session.onEnded()
    hasSetAside = true
    const refused = mail.peek()
    mail.value = null
    await refused?.close({ forget: false })
    await ports.setReplicaAside({ room, state, atMs: clock.nowMs() })
    openMail(texts)
  }

  const openMail = (rescued: readonly DraftContent[] = []): void => {
    const opening = account.peek()
    if (opening === null) return
    mail.value = createMail({
      ports,
      account: opening,
      name: ownName,
      remembered: remembered(),
      kept: ports.listKeptRooms(opening.id),
      rescued,
      onRefused: (refused) => void setAside(refused),
      onEnded: (how) => {
        if (isRemoving) return // the removal has ended the session; its answer is on the way
        if (how === 'ended') session.onEnded()
        else session.onTakenOver()
      },
    })
    const { isOnline, nodePid, ready } = mail.value.connection
    stopAsking()
    const stopReserving = reserving.watch(opening.id, () => nodePid.peek())
    // Also when more nodes are there than before: the other side of a split may have given the name away first.
    let cancelSecond = (): void => {}
    const stopAskingWho = effect(() => {
      if (!isOnline.value || ready.value.length === 0) return
      void askWhoIAm(opening)
      cancelSecond()
      cancelSecond = clock.after(ASK_AGAIN_MS, () => void askWhoIAm(opening))
    })
    stopAsking = () => {
      stopReserving()
      stopAskingWho()
      cancelSecond()
    }
  }

  /** After each time without a node: the name may have been lost in a split, or changed on another device. */
  const askWhoIAm = async ({ token, sessionId: asking }: SignedInAccount): Promise<void> => {
    const me = await api.readMe(token)
    if (sessionId.peek() !== asking || !me.ok) return
    session.onNotice(me.value.notice?.name ?? null)
    if (me.value.account.name !== ownName.peek()) session.onRenamed(me.value.account.name)
  }

  effect(() => {
    if (sessionId.value !== null) untracked(openMail)
    return () => {
      const open = mail.peek()
      stopAsking()
      mail.value = null
      // Who is thrown out keeps what was written here; who logs out decides, and has closed it already.
      if (open !== null) void open.close({ forget: false })
    }
  })

  /** Signs out on this device. With `forget`, nothing of the account stays on it. */
  const leave = async (forget: boolean): Promise<void> => {
    const open = mail.peek()
    mail.value = null
    session.leave()
    await open?.close({ forget })
  }

  const withToken = async <Value>(work: (token: string) => Promise<Value>): Promise<Value | null> => {
    const token = account.peek()?.token
    return token === undefined ? null : work(token)
  }

  return {
    session,
    mail,
    ownName,
    nodeCount: computed(() => (mail.value?.connection.members.value ?? remembered()).length),
    cluster: createCluster({ api, clock, onNodes: learn }),
    ports,
    reserved: reserving.reserved,
    notify: ports.notify,
    isSecure: globalThis.isSecureContext !== false,
    demo: demoAddress === null ? null : createDemo({ address: demoAddress, fetch, clock }),
    preferences: createPreferences(ports.deviceStore),
    logOut: async ({ forget }) => {
      const token = account.peek()?.token
      // This tab is signed out whether a node hears of it or not. What is on the device can go only when the account's
      // other tabs have let go of it, and they do so when the session ends.
      const left = leave(forget)
      if (token !== undefined) await api.endSession(token, 'current')
      await left
    },
    removeAccount: async (password) => {
      isRemoving = true
      const answer = await withToken((token) => api.removeMe(token, password))
      isRemoving = false
      if (answer === null) return 'no-server'
      if (!answer.ok) return toRefusal(answer.code)
      await leave(true)
      return null
    },
    rename: async (text, password) => {
      const name = parseName(text)
      if (name === null) return 'invalid-name'
      const answer = await withToken((token) => api.rename(token, { password, name }))
      if (answer === null) return 'no-server'
      if (!answer.ok) return toRefusal(answer.code)
      session.onRenamed(answer.value.account.name)
      session.onNotice(null)
      return null
    },
    changePassword: async (password, newPassword) => {
      const answer = await withToken((token) => api.changePassword(token, { password, newPassword }))
      if (answer === null) return 'no-server'
      return answer.ok ? null : toRefusal(answer.code)
    },
    countRecoveryCodes: async () => {
      const answer = await withToken((token) => api.readMe(token))
      return answer?.ok ? answer.value.recoveryCodesLeft : null
    },
    makeRecoveryCodes: async (password) => {
      const answer = await withToken((token) => api.makeRecoveryCodes(token, password))
      if (answer === null) return 'no-server'
      return answer.ok ? answer.value.recoveryCodes : toRefusal(answer.code)
    },
    update,
    offerUpdate: (reload) => {
      update.value = reload
    },
    listAside: async () => {
      const id = account.peek()?.id
      return id === undefined ? [] : ports.listReplicasAside(id)
    },
    listDevices: async () => {
      const answer = await withToken((token) => api.listSessions(token))
      return answer?.ok ? answer.value.sessions : null
    },
    signOutDevice: async (id) => {
      const answer = await withToken((token) => api.endSession(token, id))
      return answer?.ok ?? false
    },
  }
}

const toRefusal = (code: ApiCode): Refusal => {
  switch (code) {
    case 'wrong-credentials':
      return 'wrong-password'
    case 'name-taken':
    case 'invalid-name':
    case 'weak-password':
      return code
    case 'too-many-requests':
      return 'locked'
    default:
      return 'no-server'
  }
}
