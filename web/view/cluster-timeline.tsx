// What happened in the last ten minutes: a lane for each node, filled while it was up, one for this page in the colour of
// its node; marks that can be clicked for their details; and the same as a list.

import { useSignal } from '@preact/signals'
import { type ClusterState as State, membersOf } from '../model/cluster.ts'
import type { ClusterEvent } from '../model/cluster-watch.ts'
import type { Move } from '../model/connection.ts'
import type { DemoAct } from '../model/demo.ts'
import { NodeDot, hueOf } from './icons.tsx'
import { toClock, toClockSeconds } from './words.ts'

const SPAN_MS = 10 * 60_000
const TICK_MS = 2 * 60_000
const EVENTS_MAX = 100
const EVENTS_FIRST = 8

const EVENT_WORDS: Readonly<Record<string, string>> = {
  up: 'is up',
  ready: 'is ready',
  down: 'is down',
  left: 'has left',
  coordinates: 'coordinates',
  removed: 'was removed',
  'clock-ahead': 'has a clock far ahead',
}

const toText = ({ kind, pid }: ClusterEvent): string => {
  const words = EVENT_WORDS[kind] ?? kind.replaceAll('-', ' ')
  return pid === null ? words : `node ${pid} ${words}`
}

const moveText = ({ from, to, gapMs }: Move): string => (from === null ? `you are at ${to}` : `you moved from ${from} to ${to}, gap ${gapMs} ms`)

export interface TimelineProps {
  readonly state: State
  readonly events: readonly ClusterEvent[]
  readonly moves: readonly Move[]
  readonly acts: readonly DemoAct[]
}

export const Timeline = ({ state, events, moves, acts }: TimelineProps) => {
  const chosen = useSignal<string | null>(null)
  const isWhole = useSignal(false)
  const nowMs = Date.now()
  const fromMs = nowMs - SPAN_MS
  const told = [
    ...moves.map((move) => ({ atMs: move.atMs, text: moveText(move) })),
    ...acts,
    ...events.map((event) => ({ atMs: event.atMs, text: toText(event) })),
  ]
    .sort((a, b) => b.atMs - a.atMs)
    .slice(0, EVENTS_MAX)
  const ticks = Array.from({ length: SPAN_MS / TICK_MS }, (_, place) => Math.ceil(fromMs / TICK_MS) * TICK_MS + place * TICK_MS).filter(
    (atMs) => nowMs - atMs > TICK_MS / 3,
  )
  const choose = (text: string): void => {
    chosen.value = chosen.value === text ? null : text
  }
  return (
    <section class="blk" aria-labelledby="events-heading">
      <div class="bh">
        <h2 id="events-heading">Last 10 minutes</h2>
        <p class="small muted" role="status">
          {chosen.value ?? 'Click a mark for its details.'}
        </p>
      </div>
      <div class="lanes">
        {membersOf(state).map(({ pid, status }) => (
          <NodeLane key={pid} pid={pid} isUp={status !== 'down'} events={events} fromMs={fromMs} nowMs={nowMs} onChoose={choose} />
        ))}
        {moves.length > 0 && <OwnLane moves={moves} fromMs={fromMs} nowMs={nowMs} onChoose={choose} />}
        <div class="lane ticks" aria-hidden="true">
          <span />
          <span class="way">
            {ticks.map((atMs) => (
              <span key={atMs} class="tick" style={{ left: percent(atMs, fromMs) }}>
                {toClock(atMs)}
              </span>
            ))}
            <span class="tick now">now</span>
          </span>
        </div>
      </div>
      {told.length === 0 && <p class="muted">Nothing yet.</p>}
      <ol class="ev" aria-label="Events, newest first">
        {told.slice(0, isWhole.value ? EVENTS_MAX : EVENTS_FIRST).map(({ atMs, text }, place) => (
          <li key={place}>
            <time class="mono" dateTime={new Date(atMs).toISOString()}>
              {toClockSeconds(atMs)}
            </time>
            <span>{text}</span>
          </li>
        ))}
      </ol>
      {told.length > EVENTS_FIRST && (
        <button type="button" class="btn sm more" onClick={() => (isWhole.value = !isWhole.value)}>
          {isWhole.value ? 'Show fewer' : `Show all ${told.length}`}
        </button>
      )}
    </section>
  )
}

const percent = (atMs: number, fromMs: number): string => `${Math.min(100, Math.max(0, ((atMs - fromMs) / SPAN_MS) * 100)).toFixed(2)}%`

interface LaneProps {
  readonly fromMs: number
  readonly nowMs: number
  readonly onChoose: (text: string) => void
}

const Segment = ({ startMs, endMs, fromMs, look }: { startMs: number; endMs: number; fromMs: number; look: string }) => (
  <span class={`segment ${look}`} style={{ left: percent(startMs, fromMs), right: `calc(100% - ${percent(endMs, fromMs)})` }} />
)

const Mark = ({ atMs, fromMs, text, look, sign, onChoose }: { atMs: number; fromMs: number; text: string; look: string; sign: string; onChoose: (text: string) => void }) => {
  const whole = `${toClockSeconds(atMs)} ${text}`
  return (
    <button type="button" class={`mark-at ${look}`} style={{ left: percent(atMs, fromMs) }} aria-label={whole} title={whole} onClick={() => onChoose(whole)}>
      {sign}
    </button>
  )
}

const SIGNS: Readonly<Record<string, readonly [string, string]>> = { down: ['gone', '×'], left: ['gone', '×'], up: ['come', '↑'], coordinates: ['lead', '★'] }
const GONE: readonly string[] = ['down', 'left']
const COME: readonly string[] = ['up', 'ready']

/** Filled while it was up. Before the first word of it, it was the other way round. */
const NodeLane = ({ pid, isUp, events, fromMs, nowMs, onChoose }: LaneProps & { pid: number; isUp: boolean; events: readonly ClusterEvent[] }) => {
  const own = events.filter((event) => event.pid === pid)
  const turns = own.filter(({ kind }) => GONE.includes(kind) || COME.includes(kind))
  const first = turns[0]
  let wasUp = first === undefined ? isUp : GONE.includes(first.kind)
  let startMs = fromMs
  const segments = []
  for (const { atMs, kind } of turns) {
    const becomesUp = COME.includes(kind)
    if (becomesUp === wasUp) continue
    if (atMs > fromMs) segments.push({ startMs, endMs: atMs, wasUp })
    startMs = Math.max(fromMs, atMs)
    wasUp = becomesUp
  }
  segments.push({ startMs, endMs: nowMs, wasUp })
  const marks = own.filter(({ atMs, kind }) => atMs > fromMs && SIGNS[kind] !== undefined)
  return (
    <div class="lane">
      <span class="ln">
        <NodeDot pid={pid} isUp={isUp} /> node {pid}
      </span>
      <span class="way">
        {segments.map((segment) => (
          <Segment key={segment.startMs} {...segment} fromMs={fromMs} look={segment.wasUp ? `h${hueOf(pid)}` : 'none'} />
        ))}
        {marks.map((event) => {
          const [look, sign] = SIGNS[event.kind] ?? ['', '']
          return <Mark key={`${event.atMs}${event.kind}`} atMs={event.atMs} fromMs={fromMs} text={toText(event)} look={look} sign={sign} onChoose={onChoose} />
        })}
      </span>
    </div>
  )
}

const OwnLane = ({ moves, fromMs, nowMs, onChoose }: LaneProps & { moves: readonly Move[] }) => (
  <div class="lane">
    <span class="ln">
      <b>you</b>
    </span>
    <span class="way thin">
      {moves.map(({ atMs, toPid }, place) => {
        const endMs = moves[place + 1]?.atMs ?? nowMs
        return (
          endMs > fromMs && (
            <Segment key={atMs} startMs={Math.max(fromMs, atMs)} endMs={endMs} fromMs={fromMs} look={toPid === null ? 'none' : `h${hueOf(toPid)}`} />
          )
        )
      })}
      {moves
        .filter(({ atMs }) => atMs > fromMs)
        .map((move) => (
          <Mark key={move.atMs} atMs={move.atMs} fromMs={fromMs} text={moveText(move)} look={move.toPid === null ? '' : `h${hueOf(move.toPid)}`} sign="●" onChoose={onChoose} />
        ))}
    </span>
  </div>
)
