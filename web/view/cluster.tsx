// The cluster page: the nodes, who coordinates, who is behind, which node this page is at, which of the latest
// messages is on which disk, and what happened; in the demo, buttons that kill and restart. As a picture or a table.

import { useSignal } from '@preact/signals'
import { useEffect } from 'preact/hooks'
import type { App } from '../model/app.ts'
import { type ClusterNode, type ClusterState as State, membersOf } from '../model/cluster.ts'
import type { DemoAction, DemoModel } from '../model/demo.ts'
import type { Mail } from '../model/mail.ts'
import { ClusterPicture, Legend } from './cluster-picture.tsx'
import { NodeDot, hueOf } from './icons.tsx'
import { heldText, plural, toBytes, toClockSeconds, toDuration } from './words.ts'

/** Four times a second: it is looked at, not read. */
const ASK_EVERY_MS = 250

export const Cluster = ({ app, mail }: { app: App; mail: Mail | null }) => {
  const { cluster, demo } = app
  const state = cluster.state.value
  const isTable = useSignal(false)
  useEffect(() => cluster.show(ASK_EVERY_MS), [cluster])
  useEffect(() => demo?.show(), [demo])
  useEffect(() => listenForPids(demo), [demo])
  useEffect(() => {
    document.title = 'Cluster · Starling'
  }, [])
  const ownPid = mail?.connection.isOnline.value === true ? mail.connection.nodePid.value : null
  return (
    <main class="cl" id="content" tabIndex={-1}>
      <div class="head">
        <h1>Cluster</h1>
        <p class="muted num" aria-live="polite">
          {state === null ? 'Asking a node…' : summaryOf(state, cluster.groups.value)}
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
                  <NodeTable state={state} max={cluster.messagesMax.value} />
                ) : (
                  <ClusterPicture state={state} max={cluster.messagesMax.value} ownPid={ownPid} />
                )}
              </div>
              <Legend />
            </section>
            <section class="side" aria-labelledby="nodes-heading">
              <div class="nh">
                <h2 id="nodes-heading">Nodes</h2>
                {demo !== null && demo.nodes.value.size > 0 && (
                  <p class="small muted">
                    Demo: <kbd>0</kbd> <kbd>1</kbd> <kbd>2</kbd> kill or restart
                  </p>
                )}
              </div>
              <ul>
                {membersOf(state).map((node) => (
                  <NodeCard key={node.pid} node={node} state={state} max={cluster.messagesMax.value} demo={demo} />
                ))}
              </ul>
              <h2>Links</h2>
              <ul class="links">
                {state.links.map(({ a, b, state: link, rttMs }) => (
                  <li key={`${a}-${b}`}>
                    <span class="num">
                      {a}–{b}
                    </span>
                    <span class="muted num">{link === 'up' && rttMs !== null ? `${rttMs < 1 ? '<1' : Math.round(rttMs)} ms` : ''}</span>
                    <span class="muted">{LINK_WORDS[link]}</span>
                  </li>
                ))}
              </ul>
            </section>
          </div>
          <HeatStrip state={state} />
          <Events state={state} mail={mail} />
        </>
      )}
    </main>
  )
}

const LINK_WORDS = { up: 'up', half: 'one way only', down: 'down' } as const

const summaryOf = (state: State, groups: readonly (readonly number[])[]): string => {
  const members = membersOf(state)
  const up = members.filter(({ status }) => status === 'ready').length
  const digests = new Set(members.flatMap(({ digest, status }) => (status === 'ready' && digest !== null ? [digest] : [])))
  const copies = digests.size === 1 ? `everything stored ${up === 1 ? 'once' : `${up} times`}` : 'copies are being made'
  const lead = state.coordinator === null ? 'choosing a coordinator' : `node ${state.coordinator} coordinates`
  const split = groups.length > 1 ? ` · ${groups.length} groups: ${groups.map((group) => group.join('+')).join(' and ')}` : ''
  return `${up} of ${members.length} up · ${copies} · ${lead}${split}`
}

const nodeWords = (node: ClusterNode, state: State, max: number): string => {
  if (node.status === 'down') return 'Down'
  const behind = node.messages === null ? 0 : max - node.messages
  const because = node.behindBecause === null ? '' : ` because ${node.behindBecause}`
  if (node.status === 'syncing') return `Catching up${behind > 0 ? `, ${behind} behind` : ''}${because}`
  const since = node.upSince === null ? 'Up' : `Up ${toDuration(Date.now() - Date.parse(node.upSince))}`
  if (node.behind) return `${since}, behind${because}`
  return node.pid === state.coordinator ? `${since}, coordinates` : since
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

const NodeCard = ({ node, state, max, demo }: { node: ClusterNode; state: State; max: number; demo: DemoModel | null }) => (
  <li class="card">
    <h3>
      <NodeDot pid={node.pid} isUp={node.status !== 'down'} /> node {node.pid}
      {node.pid === state.coordinator && <Star />}
    </h3>
    {demo !== null && <DemoButtons demo={demo} pid={node.pid} />}
    <p class={node.status === 'syncing' || (node.behind && node.status === 'ready') ? 'small inf' : 'small'}>
      {nodeWords(node, state, max)}
    </p>
    <p class="small muted num">{factsOf(node, max)}</p>
  </li>
)

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

const NodeTable = ({ state, max }: { state: State; max: number }) => (
  <div class="scroll">
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
            <td>{nodeWords(node, state, max)}</td>
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

const EVENT_WORDS: Readonly<Record<string, string>> = {
  up: 'is up',
  ready: 'is ready',
  down: 'is down',
  syncing: 'catches up',
  coordinates: 'coordinates',
  coordinator: 'coordinates',
  leaving: 'is leaving',
  joined: 'has joined',
  removed: 'was removed',
  behind: 'is behind',
  'clock-ahead': 'has a clock far ahead',
}
const EVENTS_MAX = 20

const Events = ({ state, mail }: { state: State; mail: Mail | null }) => {
  const moves = (mail?.connection.moves.value ?? []).map(({ atMs, from, to, gapMs }) => ({
    atMs,
    text: from === null ? `you are at ${to}` : `you moved from ${from} to ${to}, gap ${gapMs} ms`,
  }))
  const told = state.events.map(({ at, kind, pid }) => ({
    atMs: Date.parse(at),
    text: pid === null ? kind.replaceAll('-', ' ') : `node ${pid} ${EVENT_WORDS[kind] ?? kind.replaceAll('-', ' ')}`,
  }))
  const all = [...moves, ...told].sort((a, b) => b.atMs - a.atMs).slice(0, EVENTS_MAX)
  return (
    <section class="blk" aria-labelledby="events-heading">
      <div class="bh">
        <h2 id="events-heading">What happened</h2>
      </div>
      {all.length === 0 && <p class="muted">Nothing yet.</p>}
      <ol class="ev" aria-label="Events, newest first">
        {all.map(({ atMs, text }, place) => (
          <li key={place}>
            <time class="mono" dateTime={new Date(atMs).toISOString()}>
              {toClockSeconds(atMs)}
            </time>
            <span>{text}</span>
          </li>
        ))}
      </ol>
    </section>
  )
}
