// The cluster page: the nodes, who coordinates, who is behind, which node this page is at, which of the latest
// changes is on which disk, and what happened; in the demo, buttons that kill, restart, cut and add. As a picture or a table.

import { useSignal } from '@preact/signals'
import { useEffect, useMemo } from 'preact/hooks'
import type { App } from '../model/app.ts'
import { type ClusterEvent, type LinkJson, type Traffic, createClusterWatch } from '../model/cluster-watch.ts'
import { type ClusterNode, type ClusterState as State, membersOf } from '../model/cluster.ts'
import type { DemoAction, DemoModel } from '../model/demo.ts'
import type { Mail } from '../model/mail.ts'
import { ClusterPicture, Legend, groupsText } from './cluster-picture.tsx'
import { SixOrders } from './cluster-six.tsx'
import { Timeline } from './cluster-timeline.tsx'
import { NodeDot, hueOf } from './icons.tsx'
import { heldText, plural, toBytes, toClock, toClockSeconds, toDuration } from './words.ts'

export const Cluster = ({ app, mail }: { app: App; mail: Mail | null }) => {
  const { cluster, demo } = app
  const watch = useMemo(() => createClusterWatch({ cluster, ...app.ports }), [cluster, app.ports])
  const state = watch.state.value
  const isTable = useSignal(false)
  useEffect(() => watch.start(), [watch])
  useEffect(() => demo?.show(), [demo])
  useEffect(() => listenForPids(demo), [demo])
  const ownPid = mail?.connection.isOnline.value === true ? mail.connection.nodePid.value : null
  const groups = watch.groups.value
  const max = Math.max(0, ...(state?.nodes.map(({ messages }) => messages ?? 0) ?? []))
  const traffic = watch.traffic.value
  const isDemo = demo !== null && demo.nodes.value.size > 0
  return (
    <main class="cl" id="content" tabIndex={-1}>
      <div class="head">
        <h1>Cluster</h1>
        <p class="muted num" aria-live="polite">
          {state === null ? 'Asking a node…' : summaryOf(state, groups, max)}
        </p>
        <fieldset class="seg2 push">
          <legend class="vh">View</legend>
          <label>
            <input type="radio" name="view" checked={!isTable.value} onChange={() => (isTable.value = false)} />
            Picture
          </label>
          <label>
            <input type="radio" name="view" checked={isTable.value} onChange={() => (isTable.value = true)} />
            Table
          </label>
        </fieldset>
      </div>
      {cluster.silentSinceMs.value !== null && (
        <p class="banner" role="status">
          No node answers. What is shown is from before {toClockSeconds(cluster.silentSinceMs.value)}.
        </p>
      )}
      {state !== null && (
        <>
          <div class="two">
            <section class="stage" aria-labelledby="picture-heading">
              <h2 id="picture-heading" class="vh">
                {isTable.value ? 'Table' : 'Picture'}
              </h2>
              <div class="picwrap">
                {isTable.value ? (
                  <NodeTable state={state} max={max} events={watch.events.value} />
                ) : (
                  <ClusterPicture state={state} max={max} ownPid={ownPid} groups={groups} traffic={traffic} />
                )}
              </div>
              <Legend />
            </section>
            <section class="side" aria-labelledby="nodes-heading">
              <div class="nh">
                <h2 id="nodes-heading">Nodes</h2>
                {isDemo && (
                  <p class="small muted">
                    Demo: <kbd>0</kbd> <kbd>1</kbd> <kbd>2</kbd> kill or restart
                  </p>
                )}
              </div>
              <ul>
                {membersOf(state).map((node) => (
                  <NodeCard
                    key={node.pid}
                    node={node}
                    isLead={groups.some(({ coordinator }) => coordinator === node.pid)}
                    max={max}
                    demo={demo}
                    events={watch.events.value}
                  />
                ))}
              </ul>
              {isDemo && demo.canAdd.value && (
                <p class="add">
                  <button type="button" class="btn sm" onClick={() => void demo.addNode()}>
                    Add node
                  </button>
                </p>
              )}
              <h2>Links</h2>
              <ul class="links">
                {state.links.map((link) => (
                  <LinkRow key={`${link.a}-${link.b}`} link={link} demo={demo} traffic={traffic} />
                ))}
              </ul>
            </section>
          </div>
          <HeatStrip state={state} />
          <Timeline state={state} events={watch.events.value} moves={mail?.connection.moves.value ?? []} acts={demo?.acts.value ?? []} />
          {isDemo && <SixOrders demo={demo} />}
        </>
      )}
    </main>
  )
}

type Events = readonly ClusterEvent[]
type Groups = readonly { readonly pids: readonly number[]; readonly coordinator: number | null }[]

const LINK_WORDS = { up: 'up', half: 'one way only', down: 'down' } as const

/** The moment of the latest event of these kinds. */
const lastOf = (events: Events, pid: number, kinds: readonly string[]): number | null =>
  events.findLast((event) => event.pid === pid && kinds.includes(event.kind))?.atMs ?? null

const summaryOf = (state: State, groups: Groups, max: number): string => {
  const members = membersOf(state)
  const ready = members.filter(({ status }) => status === 'ready')
  if (groups.length > 1) {
    const leads = groups.map(({ coordinator }) => (coordinator === null ? 'nobody coordinates' : `node ${coordinator} coordinates`))
    return `${ready.length} of ${members.length} up · ${groupsText(groups)} · ${leads.join(', ')}`
  }
  const coordinator = groups[0]?.coordinator ?? state.coordinator
  const lead = coordinator === null ? 'choosing a coordinator' : `node ${coordinator} coordinates`
  return `${ready.length} of ${members.length} up · ${copiesOf(members, max)} · ${lead}`
}

const times = (count: number): string => (count === 1 ? 'once' : count === 2 ? 'twice' : `${count} times`)

/** "everything stored 3 times", "395 of 408 messages stored 3 times, 13 twice" */
const copiesOf = (members: readonly ClusterNode[], max: number): string => {
  const up = members.filter(({ status }) => status !== 'down')
  const digests = new Set(up.map(({ digest }) => digest))
  if (digests.size === 1) return `everything stored ${times(up.length)}`
  const held = up.map(({ messages }) => messages ?? 0).sort((a, b) => b - a)
  const parts = held.map((count, place) => ({ copies: place + 1, count: count - (held[place + 1] ?? 0) })).filter(({ count }) => count > 0)
  const [most, ...fewer] = parts.reverse()
  if (most === undefined || fewer.length === 0) return 'copies are being made'
  return `${most.count} of ${max} messages stored ${times(most.copies)}, ${fewer.map(({ copies, count }) => `${count} ${times(copies)}`).join(', ')}`
}

const nodeWords = (node: ClusterNode, isLead: boolean, max: number, events: Events): string => {
  if (node.status === 'down') {
    const sinceMs = lastOf(events, node.pid, ['down', 'left'])
    return sinceMs === null ? 'Down' : `Down since ${toClockSeconds(sinceMs)}`
  }
  const behind = node.messages === null ? 0 : max - node.messages
  const because = node.behindBecause === null ? '' : ` because ${node.behindBecause}`
  if (node.status === 'syncing') return `Catching up${behind > 0 ? `, ${behind} behind` : ''}${because}`
  const since = node.upSince === null ? 'Up' : `Up ${toDuration(Date.now() - Date.parse(node.upSince))}`
  if (node.behind) return `${since}, behind${because}`
  if (!isLead) return `${since}, ${behind} behind`
  const leadMs = lastOf(events, node.pid, ['coordinates'])
  return `${since}, coordinates${leadMs === null ? '' : ` since ${toClock(leadMs)}`}`
}

const factsOf = (node: ClusterNode, max: number): string =>
  [
    node.messages === null ? null : max === 0 ? 'no messages yet' : `${node.messages} of ${max} messages`,
    node.sessions === null ? null : plural(node.sessions, 'session'),
    node.bytes === null ? null : toBytes(node.bytes),
    node.version,
  ]
    .filter((fact) => fact !== null)
    .join(' · ')

interface CardProps {
  readonly node: ClusterNode
  readonly isLead: boolean
  readonly max: number
  readonly demo: DemoModel | null
  readonly events: Events
}

const NodeCard = ({ node, isLead, max, demo, events }: CardProps) => (
  <li class="card">
    <h3>
      <NodeDot pid={node.pid} isUp={node.status !== 'down'} /> node {node.pid}
      {isLead && <Star />}
    </h3>
    {demo !== null && <DemoButtons demo={demo} pid={node.pid} />}
    <p class={node.status === 'syncing' || (node.behind && node.status === 'ready') ? 'small inf' : 'small'}>
      {nodeWords(node, isLead, max, events)}
    </p>
    <p class="small muted num">{factsOf(node, max)}</p>
  </li>
)

const LinkRow = ({ link: { a, b, state, rttMs }, demo, traffic }: { link: LinkJson; demo: DemoModel | null; traffic: ReadonlyMap<number, Traffic> }) => {
  const perSecond = (traffic.get(a)?.perSecond ?? 0) + (traffic.get(b)?.perSecond ?? 0)
  const cuttable = demo?.links.value.find((link) => link.a === a && link.b === b)
  return (
    <li>
      <span class="num">
        {a}–{b}
      </span>
      <span class="muted num">{state === 'up' && rttMs !== null ? `${rttMs < 1 ? '<1' : Math.round(rttMs)} ms` : ''}</span>
      <span class="muted num">{state === 'up' ? `${Math.round(perSecond)} changes/s` : cuttable?.isCut === true ? 'cut' : LINK_WORDS[state]}</span>
      {cuttable !== undefined && (
        <button type="button" class="btn sm" onClick={() => void demo?.setCut(cuttable, !cuttable.isCut)}>
          {cuttable.isCut ? 'Mend' : 'Cut'}
          <span class="vh">
            {' '}
            link between node {a} and node {b}
          </span>
        </button>
      )}
    </li>
  )
}

const Star = () => (
  <svg class="st" viewBox="0 0 16 16" width="14" height="14" role="img" aria-label="coordinator">
    <path d="M8 .9 9.85 5.85 15.13 6.08 11 9.37 12.41 14.47 8 11.55 3.59 14.47 5 9.37.87 6.08 6.15 5.85Z" />
  </svg>
)

const ACTIONS: Readonly<Record<'running' | 'frozen' | 'stopped', readonly (readonly [DemoAction, string])[]>> = {
  running: [
    ['kill', 'Kill'],
    ['stop', 'Stop'],
    ['freeze', 'Freeze'],
  ],
  frozen: [
    ['thaw', 'Thaw'],
    ['kill', 'Kill'],
  ],
  stopped: [['restart', 'Restart']],
}

const DemoButtons = ({ demo, pid }: { demo: DemoModel; pid: number }) => {
  const process = demo.nodes.value.get(pid)
  if (process === undefined) return null
  return (
    <div class="demo" role="group" aria-label={`Demo, node ${pid}`}>
      {ACTIONS[process].map(([action, name]) => (
        <button key={action} type="button" class="btn sm" onClick={() => void demo.act(action, pid)}>
          {name}
          <span class="vh"> node {pid}</span>
        </button>
      ))}
    </div>
  )
}

/** In the demo the keys 0 to 9 kill or restart a node. */
const listenForPids = (demo: DemoModel | null): (() => void) => {
  const listen = (event: KeyboardEvent): void => {
    const process =
      /^\d$/.test(event.key) && !event.ctrlKey && !event.metaKey && !event.altKey ? demo?.nodes.peek().get(Number(event.key)) : undefined
    if (process === undefined || (event.target instanceof HTMLElement && event.target.matches('input[type="search"], textarea'))) return
    void demo?.act(process === 'stopped' ? 'restart' : 'kill', Number(event.key))
  }
  document.addEventListener('keydown', listen)
  return () => document.removeEventListener('keydown', listen)
}

const NodeTable = ({ state, max, events }: { state: State; max: number; events: Events }) => (
  <div class="scroll" tabIndex={0} role="region" aria-label="Nodes, as a table">
    <table class="tbl">
      <caption class="vh">Nodes</caption>
      <thead>
        <tr>
          <th scope="col">Node</th>
          <th scope="col">State</th>
          <th scope="col">Messages</th>
          <th scope="col">Behind</th>
        </tr>
      </thead>
      <tbody>
        {membersOf(state).map((node) => (
          <tr key={node.pid}>
            <th scope="row">
              <NodeDot pid={node.pid} isUp={node.status !== 'down'} /> node {node.pid}
            </th>
            <td>{nodeWords(node, node.pid === state.coordinator, max, events)}</td>
            <td>{node.messages === null ? '' : heldText(node.messages, max)}</td>
            <td>{node.messages === null ? '' : max - node.messages}</td>
          </tr>
        ))}
      </tbody>
    </table>
  </div>
)

const COLUMNS = 60

/** One column for each of the latest changes, one row for each node: filled where it is on disk. */
const HeatStrip = ({ state }: { state: State }) => {
  const recent = state.recent.slice(-COLUMNS)
  if (recent.length === 0) return null
  const members = membersOf(state)
  const missing = recent.filter(({ pids }) => members.some(({ pid }) => !pids.includes(pid))).length
  const label = `Last ${recent.length} changes. ${missing === 0 ? 'Every node holds all of them.' : `${missing} are not on every node.`}`
  return (
    <section class="blk" aria-labelledby="strip-heading">
      <div class="bh">
        <h2 id="strip-heading">Last {plural(recent.length, 'change')}</h2>
        <p class="small muted">One column each, oldest on the left. Filled: on that node’s disk. Hollow: not yet.</p>
      </div>
      <div class="strip" role="img" aria-label={label}>
        {members.map(({ pid }) => (
          <span key={pid} class="lane">
            <span class="ln">
              <NodeDot pid={pid} isUp={true} /> node {pid}
            </span>
            <svg viewBox={`0 0 ${COLUMNS * 10} 20`} preserveAspectRatio="none" aria-hidden="true">
              {recent.map(({ seq, pids }, place) => (
                <rect key={seq} x={place * 10 + 1} y="1" width="8" height="18" class={pids.includes(pid) ? `f${hueOf(pid)}` : 'no'} />
              ))}
            </svg>
            <span class="mono">{recent.filter(({ pids }) => pids.includes(pid)).length}</span>
          </span>
        ))}
      </div>
    </section>
  )
}
