// What was last seen, drawn until the documents are loaded: it is replaced by them, mixes no accounts, and goes with the
// account that signs out.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import { type AccountId, type MessageId, type Millis, millisToMonth, mintMessageId } from '../../crdt-schema/ids.ts'
import { addMessage } from '../../crdt-schema/inbox.ts'
import { markOpened } from '../../crdt-schema/marks.ts'
import { type App, createApp } from '../../web/model/app.ts'
import type { Store } from '../../web/model/ports.ts'
import { ANA, BEN, type FakePorts, NOW_MS, createFakeLink, createFakePorts, createFakeStore, present, settle } from '../support/web-fakes.ts'

const MONTH = millisToMonth(NOW_MS as Millis)
const SOON_MS = 1000

const test = suite('seen')

interface Device {
  readonly store: Store
  readonly items: ReadonlyMap<string, string>
}

const createDevice = (): Device => {
  const items = new Map<string, string>()
  const store = { getItem: (key: string) => items.get(key) ?? null, setItem: (key: string, value: string) => void items.set(key, value), removeItem: (key: string) => void items.delete(key) }
  return { store, items }
}

interface Tab {
  readonly app: App
  readonly ports: FakePorts
  /** The documents of this device are read. */
  readonly load: () => Promise<void>
}

/** A tab whose documents are loaded when told. */
const openTab = (device: Device, tabStore = createFakeStore()): Tab => {
  let load = (): void => {}
  const isLoaded = new Promise<'disk'>((resolve) => {
    load = () => resolve('disk')
  })
  const base = createFakePorts({
    lookUpName: async (name) => ({ ok: true, value: { name, exists: true } }),
    signIn: async ({ name }) => ({
      ok: true,
      value: { account: { id: name === 'ana' ? ANA : BEN, name }, session: { id: `session-${name}`, token: `token-${name}`, expiresAt: '2026-12-22T12:00:00.000Z' } },
    }),
  })
  const ports: FakePorts = {
    ...base,
    deviceStore: device.store,
    tabStore,
    connect: (_account, events) => {
      const link = createFakeLink(events)
      const { open } = link
      link.open = (name) => Object.assign(open(name), { loaded: isLoaded })
      base.links.push(link)
      return link
    },
  }
  const app = createApp({ ports, remembered: () => [], learn: () => {}, fetch: globalThis.fetch, fragment: '' })
  return {
    app,
    ports,
    load: async () => {
      load()
      await settle()
    },
  }
}

const signIn = async ({ app, load }: Tab, name: string): Promise<void> => {
  await app.session.submitName(name)
  await app.session.submitPassword('right-password')
  await load()
}

/** Puts an opened message into the documents of a tab. */
const putMessage = async ({ ports }: Tab, owner: AccountId, text: string, place = 0): Promise<MessageId> => {
  const id = mintMessageId((NOW_MS + place) as Millis, Uint8Array.from({ length: 10 }, () => place))
  const link = present(ports.links.at(-1))
  link.write(`${owner}/inbox/${MONTH}`, (doc) => addMessage(doc, { id, from: { id: BEN, name: 'ben' }, to: [{ id: owner, name: 'me' }], text, sentMs: (NOW_MS + place) as Millis }))
  link.write(`${owner}/marks/${MONTH}`, (doc) => markOpened(doc, id, (NOW_MS + place) as Millis))
  await settle()
  return id
}

const textsOf = ({ app }: Tab): readonly string[] => present(app.mail.value).mailbox.messages.value.map(({ text }) => text)

test('until the documents are loaded the screen shows what it showed last, cut to what it shows; then the documents', async () => {
  const device = createDevice()
  const tabStore = createFakeStore()
  const first = openTab(device, tabStore)
  await signIn(first, 'ana')
  for (let place = 0; place < 60; place += 1) await putMessage(first, ANA, `${place} ${'long '.repeat(200)}`, place)
  present(first.app.mail.value).drafts.create({ to: [{ id: BEN, name: 'ben' }], text: 'half written' })
  first.ports.clock.advance(SOON_MS)

  const second = openTab(device, tabStore)
  const mail = present(second.app.mail.value)
  assert.is(mail.isLoaded.value, false)
  assert.is(mail.seenMs.value, NOW_MS + 500)
  assert.match(present(textsOf(second)[0]), /^59 /)
  assert.is(textsOf(second).length, 40)
  assert.is(mail.mailbox.messageCount.value, 60)
  assert.is(mail.mailbox.unreadCount.value, 60)
  assert.equal(
    mail.drafts.rows.value.map(({ text, isEditing, storedOn }) => ({ text, isEditing, storedOn })),
    [{ text: 'half written', isEditing: false, storedOn: [] }],
  )
  await putMessage(second, ANA, 'what the disk has')
  assert.is(textsOf(second).length, 40, 'nothing of the documents shows before all of them are there')
  await second.load()
  assert.is(mail.seenMs.value, null)
  assert.equal(textsOf(second), ['what the disk has'])
  assert.equal(mail.drafts.rows.value, [])
  assert.ok([...device.items.values()].every((text) => text.length < 30_000))
})

test('a page that is left notes at once what it shows, but not before it has read its documents', async () => {
  const device = createDevice()
  const tabStore = createFakeStore()
  const first = openTab(device, tabStore)
  await signIn(first, 'ana')
  await putMessage(first, ANA, 'here')
  present(first.app.mail.value).keepSeen()
  const second = openTab(device, tabStore)
  present(second.app.mail.value).keepSeen()
  second.ports.clock.advance(SOON_MS)
  assert.equal(textsOf(openTab(device, tabStore)), ['here'])
})

test('two accounts in two tabs: each sees its own', async () => {
  const device = createDevice()
  const stores = [createFakeStore(), createFakeStore()]
  const tabs = stores.map((tabStore) => openTab(device, tabStore))
  for (const [place, name] of ['ana', 'ben'].entries()) {
    const tab = present(tabs[place])
    await signIn(tab, name)
    await putMessage(tab, name === 'ana' ? ANA : BEN, `for ${name}`)
  }
  for (const { ports } of tabs) ports.clock.advance(SOON_MS)
  assert.equal(
    stores.map((tabStore) => textsOf(openTab(device, tabStore))),
    [['for ana'], ['for ben']],
  )
})

test('who signs out leaves nothing of it here, even when another tab of the account goes on for a moment', async () => {
  const device = createDevice()
  const first = openTab(device)
  await signIn(first, 'ana')
  const second = openTab(device)
  await second.load()
  await putMessage(second, ANA, 'secret')
  second.ports.clock.advance(SOON_MS)
  assert.ok([...device.items.values()].some((text) => text.includes('secret')))
  await first.app.logOut({ forget: true })
  present(second.app.mail.value).keepSeen()
  await putMessage(second, ANA, 'another secret', 1)
  second.ports.clock.advance(SOON_MS)
  assert.equal(
    [...device.items].filter(([key, text]) => key.includes(ANA) || text.includes(ANA) || text.includes('secret')),
    [],
  )
})

test('a session that the server ends takes it along', async () => {
  const device = createDevice()
  const tab = openTab(device)
  await signIn(tab, 'ana')
  await putMessage(tab, ANA, 'secret')
  tab.ports.clock.advance(SOON_MS)
  present(tab.ports.links[0]).events.onStatus({ status: 'ended', code: 4401 })
  await settle()
  tab.ports.clock.advance(SOON_MS)
  assert.ok(![...device.items.values()].some((text) => text.includes('secret')))
})

test('what another version or a hand wrote is passed over, and a store that is full keeps nothing old', async () => {
  const device = createDevice()
  const tabStore = createFakeStore()
  const tab = openTab(device, tabStore)
  await signIn(tab, 'ana')
  await putMessage(tab, ANA, 'here')
  tab.ports.clock.advance(SOON_MS)
  const key = present([...device.items.keys()].find((name) => name.includes('seen')))
  for (const junk of ['', '{', 'null', '[]', '{"shape":0}']) {
    device.store.setItem(key, junk)
    assert.is(present(openTab(device, tabStore).app.mail.value).seenMs.value, null, junk)
  }
  present(tab.app.mail.value).keepSeen()
  const { setItem } = device.store
  device.store.setItem = (name, value) => {
    if (name === key) throw new Error('full')
    setItem(name, value)
  }
  present(tab.app.mail.value).keepSeen()
  assert.is(device.items.has(key), false)
})

test.run()
