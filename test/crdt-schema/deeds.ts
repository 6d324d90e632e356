// Every operation of every document kind as a deed for histories, and the whole view of each kind.

import * as fc from 'fast-check'
import type * as Y from 'yjs'
import * as accounts from '../../crdt-schema/accounts.ts'
import * as drafts from '../../crdt-schema/drafts.ts'
import { type AccountId, type Day, type Hlc, millisToDay, nameToKey } from '../../crdt-schema/ids.ts'
import * as inbox from '../../crdt-schema/inbox.ts'
import * as marks from '../../crdt-schema/marks.ts'
import * as members from '../../crdt-schema/members.ts'
import * as recovery from '../../crdt-schema/recovery.ts'
import * as sessions from '../../crdt-schema/sessions.ts'
import * as make from './replicas.ts'
import type { Deed } from './replicas.ts'

const deed = <Arguments extends unknown[]>(operation: (doc: Y.Doc, ...args: Arguments) => unknown, ...args: { [I in keyof Arguments]: fc.Arbitrary<Arguments[I]> }): fc.Arbitrary<Deed> =>
  fc.tuple(...args).map(values => ({ name: `${operation.name}(${JSON.stringify(values)})`, run: doc => operation(doc, ...(values as Arguments)) }))

export const aClaim: fc.Arbitrary<accounts.Claim> = fc
  .record({ shownName: make.aName, accountId: make.anAccount, epoch: make.anEpoch, requestId: make.aRequestId, hlc: make.anHlc })
  .map(claim => ({ ...claim, nameKey: nameToKey(claim.shownName) }))

/** Releases at or after the claim's own moment, as its contract asks. */
const release = (doc: Y.Doc, claim: accounts.Claim, later: number): unknown => accounts.releaseClaim(doc, claim, (claim.hlc + later) as Hlc)

export const aMessage: fc.Arbitrary<inbox.Message> = fc.record({ id: make.aMessageId, from: fc.nat(3).map(make.personOf), to: fc.array(make.aPerson, { minLength: 1, maxLength: 3 }), text: make.aText, sentMs: make.aTime })

const aCodeHash = fc.constantFrom('a', 'b', 'c').map(letter => letter.repeat(32))
const aSession: fc.Arbitrary<sessions.Session> = fc.record({ id: make.aSessionId, accountId: make.anAccount, tokenHash: fc.constantFrom('aa', 'bb'), rank: fc.nat(5), hlc: make.anHlc, expiresMs: make.aTime, device: fc.constantFrom('', 'phone') })
const aMember: fc.Arbitrary<members.Member> = fc.record({ pid: make.aPid, nodeId: make.aNodeId, url: fc.constantFrom('http://a', 'http://b'), hlc: make.anHlc })
const aDay: fc.Arbitrary<Day> = fc.nat(3).map(n => millisToDay(make.at(n * 86_400_000)))
const aMomentKind = fc.constantFrom<inbox.MomentKind[]>('delivered', 'opened', 'no-such-account', 'mailbox-full', 'bad-id', 'bad-name')
const aRecipient: fc.Arbitrary<inbox.RecipientId> = make.aPerson.map(inbox.personToRecipient)
const anEntry: fc.Arbitrary<drafts.OutboxEntry> = fc.record({ id: make.aMessageId, fromName: make.aName, to: fc.array(make.aPerson, { minLength: 1, maxLength: 2 }), text: make.aText, sentMs: make.aTime })
const aRecord: fc.Arbitrary<marks.RequestRecord> = fc.record({ requestId: make.aRequestId, fingerprint: fc.constantFrom('x', 'y'), outcome: fc.constantFrom({ opened: [] }, 204, null) })

const addReceipt = (doc: Y.Doc, ...args: [(typeof make.messageIds)[number], inbox.RecipientId, inbox.MomentKind, (typeof make.T0)]): void => inbox.addReceipt(doc, ...args)
const setRead = (doc: Y.Doc, id: (typeof make.messageIds)[number], recipient: inbox.RecipientId, read: boolean): void => inbox.addReceipt(doc, id, recipient, 'read', read)

export interface Kind {
  readonly name: string
  readonly roots: readonly string[]
  readonly deeds: fc.Arbitrary<Deed>
  /** All that its readers say. */
  readonly view: (doc: Y.Doc) => readonly { readonly value: unknown; readonly skipped: number }[]
}

const isNobodyRemoved = (_id: AccountId): boolean => false

export const KINDS: readonly Kind[] = [
  {
    name: 'names',
    roots: ['claims', 'released'],
    deeds: fc.oneof(deed(accounts.addClaim, aClaim), deed(release, aClaim, fc.nat(20))),
    view: doc => {
      const claims = accounts.readClaims(doc)
      const owners = make.names.map(name => accounts.ownerOfName(claims.value, nameToKey(name), isNobodyRemoved))
      const shown = make.accountIds.map(id => accounts.shownNameOf(claims.value, id, isNobodyRemoved))
      return [claims, { value: [owners, shown], skipped: 0 }]
    },
  },
  {
    name: 'accounts',
    roots: ['secrets', 'removed', 'codes', 'spent'],
    deeds: fc.oneof(deed(accounts.addSecret, make.anAccount, fc.constantFrom('h1', 'h2'), make.anHlc), deed(accounts.removeAccount, make.anAccount, make.anHlc), deed(recovery.addCodeSet, make.anAccount, fc.uniqueArray(aCodeHash, { minLength: 1 }), make.anHlc), deed(recovery.spendCode, make.anAccount, aCodeHash, make.anHlc)),
    view: doc => [
      ...make.accountIds.map(id => accounts.readSecrets(doc, id)),
      { value: make.accountIds.map(id => [accounts.currentSecret(doc, id), accounts.isAccountRemoved(doc, id)]), skipped: 0 },
      accounts.readRemovedAccounts(doc),
      recovery.readCodeSets(doc),
      recovery.readSpentCodes(doc),
      { value: make.accountIds.map(id => [recovery.currentCodeSet(doc, id), recovery.countCodes(doc, id)]), skipped: 0 },
    ],
  },
  {
    name: 'sessions',
    roots: ['granted', 'ended'],
    deeds: fc.oneof(deed(sessions.grantSession, aSession), deed(sessions.endSession, make.aSessionId, make.anHlc)),
    view: doc => [sessions.readSessions(doc)],
  },
  {
    name: 'members',
    roots: ['nodes', 'removed', 'expired'],
    deeds: fc.oneof(deed(members.addMember, aMember), deed(members.removeMember, make.aNodeId, make.anHlc), deed(members.expireDay, aDay, make.anHlc), deed(members.setClusterId, fc.constantFrom('c1', 'c2'))),
    view: doc => [members.readMembers(doc), members.readExpired(doc), { value: members.readClusterId(doc), skipped: 0 }],
  },
  {
    name: 'inbox',
    roots: ['messages', 'receipts', 'recalled'],
    deeds: fc.oneof(
      deed(inbox.addMessage, aMessage),
      deed(addReceipt, make.aMessageId, aRecipient, aMomentKind, make.aTime),
      deed(setRead, make.aMessageId, aRecipient, fc.boolean()),
      deed(inbox.recallMessage, make.aMessageId, make.anAccount, make.aTime),
      deed(inbox.purgeMessage, make.aMessageId),
    ),
    view: doc => [inbox.readMessages(doc), inbox.readAllReceipts(doc), inbox.readRecalled(doc), { value: make.messageIds.map(id => inbox.readReceipts(doc, id)), skipped: 0 }],
  },
  {
    name: 'marks',
    roots: ['marks'],
    deeds: fc.oneof(
      deed(marks.markOpened, make.aMessageId, make.aTime),
      deed(marks.setDeleted, make.aMessageId, fc.boolean()),
      deed(marks.setChecked, make.aMessageId, fc.boolean()),
      deed(marks.noteDeletedSince, make.aMessageId, make.aTime),
      deed(marks.rememberRequest, aRecord),
    ),
    view: doc => [marks.readMarks(doc), { value: [make.messageIds.map(id => marks.readMark(doc, id)), make.requestIds.map(id => marks.readRequest(doc, id))], skipped: 0 }, { value: marks.readDeleted(doc), skipped: 0 }],
  },
  {
    name: 'drafts',
    roots: ['drafts', 'outbox', 'recalls', 'settings'],
    deeds: fc.oneof(
      {
        weight: 6, // all that follows needs a draft
        arbitrary: deed(drafts.createDraft, fc.record({ id: make.aDraftId, editedMs: make.aTime, text: make.aText, to: fc.array(make.aPerson, { maxLength: 2 }) })),
      },
      deed(drafts.editText, make.aDraftId, make.aText),
      deed(drafts.setRecipients, make.aDraftId, fc.array(make.aPerson, { maxLength: 3 })),
      deed(drafts.setSelected, make.aDraftId, fc.boolean()),
      deed(drafts.touchDraft, make.aDraftId, make.aTime),
      deed(drafts.discardDraft, make.aDraftId),
      deed(drafts.restoreDraft, make.aDraftId),
      deed(drafts.noteFinished, make.aDraftId, make.aTime),
      deed(drafts.purgeDraft, make.aDraftId),
      deed(drafts.sendDraft, fc.record({ draftId: make.aDraftId, fromName: make.aName, nowMs: make.aTime })),
      deed(drafts.addOutboxEntry, anEntry),
      deed(drafts.clearOutboxEntry, make.aMessageId),
      deed(drafts.requestRecall, make.aMessageId),
      deed(drafts.clearRecall, make.aMessageId),
      deed(drafts.setSetting, fc.constantFrom('theme', 'language'), fc.constantFrom('dark', 1, true)),
      deed(drafts.setBlocked, make.anAccount, fc.boolean()),
      deed(drafts.setSharesReceipts, fc.constantFrom('on', 'off')),
    ),
    view: doc => [drafts.readDrafts(doc), drafts.readOutbox(doc), drafts.readRecalls(doc), drafts.readSettings(doc), { value: [[...drafts.readBlocked(doc)], drafts.sharesReceipts(doc), drafts.countLiveDrafts(doc)], skipped: 0 }],
  },
]
