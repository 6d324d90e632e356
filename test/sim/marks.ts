// "Sometimes" marks [S10]: rare situations that the programme must reach, watched from outside while a run goes on. A rule
// that holds in situations nobody ever reached has not been tested; a mark never hit means a missing fault or workload.
// Knows the states and logs of nodes and the operations of people, never a plan.

import type { NodeState } from '../../node/core/state.ts'
import type { World } from './cluster.ts'
import type { Operation } from './history.ts'
import { isEndOfRemoved } from './operator.ts'
import type { SimProcess } from './process.ts'

export const MARKS = [
  // roles
  'the coordinator changes while a node syncs',
  'two nodes coordinate at once, apart',
  'a coordinator steps down before a higher promise',
  'a promise is broken: a member refuses to prepare',
  'a node that lost the role often holds back',
  'a link opens again during a claim',
  // crashes at an unlucky moment
  'a coordinator dies between prepare and commit',
  'a coordinator dies while a grant is committed',
  'a claimant dies in its claim',
  'a node dies while it fetches what it missed',
  'a node dies while its disk writes',
  'a node dies with calls under way',
  'a node drains with calls under way',
  'every node is down at once',
  // grants of others
  'a half-done grant is committed by the next coordinator',
  'a half-done grant is dropped by the next coordinator',
  'two rivals for one name, one refused',
  'a repeated request is answered by another node',
  'a name is granted again after a removal',
  'a session is taken over',
  'a sign-in is refused because of another session',
  // frozen and slow
  'a frozen node finds itself paused',
  'a frozen coordinator wakes',
  'a peer is marked behind',
  'a peer catches up again',
  'a node leaves ready because another found it behind',
  'a node leaves ready because of its own disk',
  // networks
  'a relay is used',
  'a gap in live updates is asked for',
  'pushes of a lost node are adopted',
  'one node sees nobody and serves',
  // disks
  'a node starts after an unclean stop',
  'an old copy finds that it is one',
  'a document is quarantined',
  'a quarantined document comes back from a peer',
  'a disk fails and its node exits',
  'a node ends because its directory was removed',
  'tables are compared and something is fetched',
  'a node serves alone without those it last saw',
  // mail
  'a message to somebody removed reaches nobody',
  'a recall comes too late',
  'a recall comes in time',
  'a request of unknown outcome is repeated and acknowledged',
  'a page sends again what another node did not acknowledge'
] as const

export type Mark = (typeof MARKS)[number]

export interface Marks {
  readonly hit: ReadonlySet<Mark>
}

export interface MarkWatch extends Marks {
  onTurn(world: World, process: SimProcess): void
  onEnd(world: World, process: SimProcess, last: NodeState): void
  onLog(process: SimProcess, event: string, fields: Readonly<Record<string, unknown>>): void
  onOperation(world: World, operation: Operation): void
  onLine(world: World, line: string): void
}

/** Marks that a log line alone gives. */
const BY_LOG: Readonly<Record<string, Mark>> = {
  'paused': 'a frozen node finds itself paused',
  'peer-behind': 'a peer is marked behind',
  'peer-caught-up': 'a peer catches up again',
  'pushes-adopted': 'pushes of a lost node are adopted',
  'restored-copy': 'an old copy finds that it is one',
  'document-quarantined': 'a document is quarantined',
  'document-restored': 'a quarantined document comes back from a peer',
  'alone': 'a node serves alone without those it last saw'
}

const OPENING_WORDS = ['open', 'unite', 'rejoin', 'heal']
/** A pull by feed that begins so long after its link came up was asked for by a gap [REP5]. */
const LINK_SETTLED_MS = 1_000

export const createMarks = (): MarkWatch => {
  const hit = new Set<Mark>()
  const wasCoordinating = new Set<SimProcess>()
  const lastCoordinator: { process: SimProcess | null } = { process: null }

  const mark = (name: Mark, isHit = true): void => {
    if (isHit) hit.add(name)
  }

  const isSyncing = ({ state }: SimProcess): boolean => state?.phase === 'syncing' && [...state.peers.values()].some(({ pull }) => pull !== null && pull.status !== 'done')

  const watchRole = (world: World, process: SimProcess, state: NodeState): void => {
    if (state.coordinator.role !== 'coordinating') return void wasCoordinating.delete(process)
    if (wasCoordinating.has(process)) return
    wasCoordinating.add(process)
    const before = lastCoordinator.process
    lastCoordinator.process = process
    mark('the coordinator changes while a node syncs', before !== null && before !== process && world.processes.some(isSyncing))
    mark('two nodes coordinate at once, apart', world.processes.filter(({ state: other, status }) => status === 'running' && other?.coordinator.role === 'coordinating').length > 1)
  }

  const watchPeers = (state: NodeState): void => {
    if (!hit.has('a relay is used')) for (const [to, next] of state.members.routes) mark('a relay is used', to !== next && state.phase === 'ready')
    if (hit.has('a gap in live updates is asked for') || state.phase !== 'ready') return
    for (const { pull, linkSinceMs } of state.peers.values()) {
      mark('a gap in live updates is asked for', pull !== null && pull.mode === 'feed' && pull.startedMs === state.now.monotonicMs && pull.startedMs - linkSinceMs > LINK_SETTLED_MS)
    }
  }

  return {
    hit,
    onTurn(world, process) {
      const { state } = process
      if (state === null || state.meta === undefined) return
      watchRole(world, process, state)
      watchPeers(state)
      if (state.phase === 'draining') mark('a node drains with calls under way', state.calls.byId.size > 0)
      else if (state.phase !== 'ready') mark('a node starts after an unclean stop', state.unclean)
      else {
        mark('one node sees nobody and serves', state.members.view.length === 1)
        mark('a node that lost the role often holds back', state.coordinator.holdUntilMs > state.now.monotonicMs)
      }
    },
    onEnd(world, process, last) {
      mark('every node is down at once', world.processes.every(({ status }) => status === 'stopped'))
      if (last.meta === undefined) return
      const isLeader = last.coordinator.role === 'coordinating'
      const jobs = last.coordinator.jobs
      mark('a coordinator dies between prepare and commit', isLeader && jobs.some(({ status }) => status === 'preparing'))
      mark('a coordinator dies while a grant is committed', isLeader && jobs.some(({ status }) => status === 'committing'))
      mark('a claimant dies in its claim', last.coordinator.role === 'claiming')
      mark('a node dies while it fetches what it missed', last.phase === 'syncing' && [...last.peers.values()].some(({ pull }) => pull !== null && pull.status !== 'done'))
      mark('a node dies while its disk writes', last.commits.writing !== null)
      mark('a node dies with calls under way', last.calls.byId.size > 0)
      mark('a disk fails and its node exits', process.exit?.code === 1)
      mark('a node ends because its directory was removed', process.exit !== null && isEndOfRemoved(process.exit))
      wasCoordinating.delete(process)
    },
    onLog(process, event, fields) {
      const name = BY_LOG[event]
      if (name !== undefined) mark(name)
      if (event === 'paused') mark('a frozen coordinator wakes', wasCoordinating.has(process))
      if (event === 'stepped-down') {
        mark('a promise is broken: a member refuses to prepare', fields['reason'] === 'a member refused to prepare')
        mark('a coordinator steps down before a higher promise', String(fields['reason']).includes('promise'))
      }
      if (event === 'grant-settled') {
        mark(fields['status'] === 'granted' ? 'a half-done grant is committed by the next coordinator' : 'a half-done grant is dropped by the next coordinator')
      }
      if (event === 'left-ready') {
        mark('a node leaves ready because another found it behind', String(fields['reason']).includes('found this node behind'))
        mark('a node leaves ready because of its own disk', fields['reason'] === 'own commit is slow')
      }
      if (event === 'pulled') mark('tables are compared and something is fetched', fields['mode'] === 'table')
    },
    onOperation(world, { deed, outcome, code, tries, doubts, reached, recalled, resent }) {
      mark('a request of unknown outcome is repeated and acknowledged', outcome === 'acknowledged' && doubts > 0)
      mark('a repeated request is answered by another node', outcome === 'acknowledged' && tries > 1)
      mark('a page sends again what another node did not acknowledge', outcome === 'acknowledged' && resent)
      if (deed.kind === 'sign-up') {
        mark('two rivals for one name, one refused', code === 'name-taken')
        const before = outcome === 'acknowledged' ? world.history.granted(deed.name) : []
        mark('a name is granted again after a removal', before.length > 1)
      }
      if (deed.kind === 'sign-in') {
        mark('a session is taken over', outcome === 'acknowledged' && deed.takeOver)
        mark('a sign-in is refused because of another session', code === 'already-signed-in')
      }
      mark('a message to somebody removed reaches nobody', deed.kind === 'send' && outcome === 'acknowledged' && reached !== null && reached.length < deed.to.length)
      mark('a recall comes too late', deed.kind === 'recall' && outcome === 'acknowledged' && !recalled)
      mark('a recall comes in time', deed.kind === 'recall' && outcome === 'acknowledged' && recalled)
    },
    onLine(world, line) {
      if (!OPENING_WORDS.includes(line.split(' ')[0] ?? '')) return
      mark('a link opens again during a claim', world.processes.some(({ status, state }) => status === 'running' && state?.coordinator.role === 'claiming'))
    }
  }
}
