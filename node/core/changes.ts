// What follows from changed documents, whoever changed them: facts acted upon, deliveries made, attached clients told.
// Keeps [DOC8] (removal drops documents everywhere), [DEL2] (a loaded drafts document is delivered), [COO7] (ended sessions close sockets).

import { type DocumentName, dayToSessionsDocument } from '../../crdt-schema/ids.ts'
import { assert } from '../../crdt-schema/prelude.ts'
import * as clients from './clients.ts'
import { deliverOutbox } from './delivery.ts'
import type { DirectoryNews } from './directory.ts'
import { dropDocuments, requireDocument } from './documents.ts'
import { answerQuestions, continuePulls } from './catch-up.ts'
import { documentsOfAccount } from './grants.ts'
import { refreshPeers } from './links.ts'
import { resumeCalls } from './requests.ts'
import type { NodeState } from './state.ts'
import * as streams from './streams.ts'

/** Rounds of changes that changes may cause before it must be a bug. */
const ROUNDS_MAX = 64

/** Works off what the event changed and loaded, until nothing new follows. */
export const reactToChanges = (node: NodeState): void => {
  for (let round = 0; round < ROUNDS_MAX; round++) {
    const { changes, loadedNow, news } = node
    if (changes.length === 0 && loadedNow.length === 0 && news.length === 0) return
    assert(round < ROUNDS_MAX - 1, 'changes that cause changes without end')
    node.changes = []
    node.loadedNow = []
    node.news = []
    for (const item of news) reactToNews(node, item)
    for (const change of changes) {
      clients.onDocumentUpdate(node.desk, node.clients, change)
      streams.onDocumentUpdate(node.desk, node.streams, change.name, change.update)
    }
    for (const name of loadedNow) reactToLoaded(node, name)
    if (loadedNow.length > 0) {
      answerQuestions(node)
      continuePulls(node)
      resumeCalls(node)
    }
  }
}

const reactToNews = (node: NodeState, { endedSessions, removedAccounts, expiredDays }: DirectoryNews): void => {
  for (const account of removedAccounts) dropDocuments(node, documentsOfAccount(node.desk, account))
  dropDocuments(node, expiredDays.map(dayToSessionsDocument))
  if (endedSessions.length > 0 || removedAccounts.length > 0) {
    clients.onSessionsChanged(node.desk, node.clients)
    streams.onSessionsChanged(node.desk, node.streams)
  }
  refreshPeers(node)
}

const reactToLoaded = (node: NodeState, name: DocumentName): void => {
  clients.onLoaded(node.desk, node.clients, name)
  streams.onLoaded(node.desk, node.streams, name)
  if (!name.startsWith('drafts/')) return
  node.undelivered.add(name)
  if (node.phase === 'ready') deliver(node, name)
}

/** What has no receipt is delivered when its drafts document is loaded [DEL2]; missing documents are asked for, and their loading tries again. */
const deliver = (node: NodeState, name: DocumentName): void => {
  const step = deliverOutbox(node.desk, name)
  if (step.status === 'done') {
    node.undelivered.delete(name)
    return
  }
  node.undelivered.add(name)
  if (step.status === 'needs-documents') for (const document of step.documents) requireDocument(node, document)
}

/** Each tick, while ready: deliveries that had to wait. */
export const deliverWaiting = (node: NodeState): void => {
  if (node.phase !== 'ready') return
  for (const name of [...node.undelivered]) {
    if (node.documents.loaded.has(name)) deliver(node, name)
    else node.undelivered.delete(name)
  }
}

/** A threshold rose: attached clients and streams may see more. */
export const notifyProduct = (node: NodeState): void => {
  clients.onSettled(node.desk, node.clients)
  streams.onSettled(node.desk, node.streams)
}
