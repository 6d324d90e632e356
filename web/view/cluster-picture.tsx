// The picture of the cluster, in plain SVG: nodes on a ring, each with the share of messages it holds, links with
// their round trips and what travels on them, the star of the coordinator, and where this page is attached. A dead node
// keeps its place; the sides of a split drift apart.

import { useEffect } from 'preact/hooks'
import { useSignal } from '@preact/signals'
import { type ClusterNode, type ClusterState as State, membersOf } from '../model/cluster.ts'
import type { Traffic } from '../model/cluster-watch.ts'
import { NodeShape, hueOf } from './icons.tsx'
import { heldText } from './words.ts'

interface Place {
  readonly x: number
  readonly y: number
}

interface Layout {
  readonly width: number
  readonly height: number
  readonly ring: number
  readonly place: (index: number, count: number) => Place
}

const NARROW = '(max-width: 599.98px)'

/** Nodes around an ellipse, the first on top, the second to its left. */
const createLayout = (width: number, height: number, ring: number, radius: Place): Layout => ({
  width,
  height,
  ring,
  place: (index, count) => {
    if (count === 1) return { x: width / 2, y: height / 2 }
    const angle = (-2 * Math.PI * index) / count - Math.PI / 2
    return { x: width / 2 + radius.x * Math.cos(angle), y: height / 2 + 4 + radius.y * Math.sin(angle) * (count === 2 ? 0.8 : 1) }
  },
})

const WIDE = createLayout(720, 420, 44, { x: 222, y: 140 })
const SMALL = createLayout(358, 392, 36, { x: 124, y: 124 })

export interface PictureProps {
  readonly state: State
  readonly max: number
  readonly ownPid: number | null
  readonly groups: readonly { readonly pids: readonly number[]; readonly coordinator: number | null }[]
  readonly traffic: ReadonlyMap<number, Traffic>
}

export const ClusterPicture = ({ state, max, ownPid, groups, traffic }: PictureProps) => {
  const isNarrow = useSignal(matchMedia(NARROW).matches)
  useEffect(() => {
    const query = matchMedia(NARROW)
    const listen = (): void => {
      isNarrow.value = query.matches
    }
    query.addEventListener('change', listen)
    return () => query.removeEventListener('change', listen)
  }, [isNarrow])
  const layout = isNarrow.value ? SMALL : WIDE
  const members = membersOf(state)
  const rest = new Map(members.map(({ pid }, index) => [pid, layout.place(index, members.length)]))
  const places = groups.length > 1 ? driftApart(rest, groups, layout) : rest
  const leaders = groups.length === 0 ? [state.coordinator] : groups.map(({ coordinator }) => coordinator)
  return (
    <svg
      class="pic"
      viewBox={`0 0 ${layout.width} ${layout.height}`}
      width={layout.width}
      height={layout.height}
      role="img"
      aria-label={describe(state, max, ownPid, groups)}
    >
      {groups.length === 2 && <Bar sides={groups.map(({ pids }) => centreOf(pids.flatMap((pid) => places.get(pid) ?? [])))} />}
      {state.links.map((link) => {
        const from = places.get(link.a)
        const to = places.get(link.b)
        return (
          from !== undefined &&
          to !== undefined && (
            <Link
              key={`${link.a}-${link.b}`}
              from={from}
              to={to}
              gap={layout.ring + 12}
              link={link}
              perSecond={(traffic.get(link.a)?.perSecond ?? 0) + (traffic.get(link.b)?.perSecond ?? 0)}
            />
          )
        )
      })}
      <Pulses state={state} places={places} gap={layout.ring + 12} traffic={traffic} />
      {ownPid !== null && <You place={places.get(ownPid)} ring={layout.ring} width={layout.width} isAbove={layout === SMALL && (rest.get(ownPid)?.y ?? 0) > layout.height / 2} />}
      {members.map((node) => {
        const place = places.get(node.pid)
        return (
          place !== undefined && (
            <Node
              key={node.pid}
              node={node}
              place={place}
              ring={layout.ring}
              max={max}
              isCoordinator={leaders.includes(node.pid)}
              isTop={(rest.get(node.pid)?.y ?? 0) < layout.height / 2}
            />
          )
        )
      })}
      {leaders.map((pid, place) => (
        <Star key={place} place={pid === null ? undefined : places.get(pid)} ring={layout.ring} />
      ))}
    </svg>
  )
}

const describe = (state: State, max: number, ownPid: number | null, groups: PictureProps['groups']): string => {
  const nodes = membersOf(state).map((node) => {
    if (node.status === 'down') return `node ${node.pid} is down`
    const held = node.messages === null ? '' : ` and holds ${node.messages} of ${max} messages`
    const leads = groups.some(({ coordinator }) => coordinator === node.pid)
    return `node ${node.pid} is ${node.status === 'ready' ? 'up' : 'catching up'}${leads ? ', coordinates' : ''}${held}`
  })
  const split = groups.length > 1 ? ` ${groupsText(groups)}.` : ''
  return `${nodes.join('; ')}.${split}${ownPid === null ? '' : ` You are connected to node ${ownPid}.`}`
}

/** "2 groups: 0+1 and 2" */
export const groupsText = (groups: PictureProps['groups']): string =>
  `${groups.length} groups: ${groups.map(({ pids }) => pids.join('+')).join(' and ')}`

const centreOf = (points: readonly Place[]): Place => ({
  x: points.reduce((sum, { x }) => sum + x, 0) / Math.max(1, points.length),
  y: points.reduce((sum, { y }) => sum + y, 0) / Math.max(1, points.length),
})

const DRIFT = 22

/** The sides of a split stand further apart. */
const driftApart = (rest: ReadonlyMap<number, Place>, groups: PictureProps['groups'], { width, height }: Layout): ReadonlyMap<number, Place> => {
  const places = new Map(rest)
  for (const { pids } of groups) {
    const centre = centreOf(pids.flatMap((pid) => rest.get(pid) ?? []))
    const away = { x: centre.x - width / 2, y: centre.y - height / 2 }
    const length = Math.max(1, Math.hypot(away.x, away.y))
    for (const pid of pids) {
      const place = rest.get(pid)
      if (place !== undefined) places.set(pid, { x: place.x + (away.x / length) * DRIFT * (width / WIDE.width), y: place.y + (away.y / length) * DRIFT * 0.6 })
    }
  }
  return places
}

/** What stands between the two sides of a split. */
const Bar = ({ sides: [a, b] }: { sides: readonly Place[] }) => {
  if (a === undefined || b === undefined) return null
  const middle = { x: (a.x + b.x) / 2, y: (a.y + b.y) / 2 }
  const length = Math.max(1, Math.hypot(b.x - a.x, b.y - a.y))
  const along = { x: (-(b.y - a.y) / length) * 110, y: ((b.x - a.x) / length) * 110 }
  return <path class="bar-split" d={`M${middle.x - along.x} ${middle.y - along.y}L${middle.x + along.x} ${middle.y + along.y}`} />
}

/** The two ends of a line that stops `gap` short of both nodes. */
const shorten = (from: Place, to: Place, gap: number): readonly [Place, Place] => {
  const length = Math.max(1, Math.hypot(to.x - from.x, to.y - from.y))
  const step = { x: ((to.x - from.x) / length) * gap, y: ((to.y - from.y) / length) * gap }
  return [
    { x: from.x + step.x, y: from.y + step.y },
    { x: to.x - step.x, y: to.y - step.y },
  ]
}

interface LinkProps {
  readonly from: Place
  readonly to: Place
  readonly gap: number
  readonly link: State['links'][number]
  readonly perSecond: number
}

/** As wide as there is traffic. */
const Link = ({ from, to, gap, link, perSecond }: LinkProps) => {
  const [start, end] = shorten(from, to, gap)
  const middle = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 }
  const isFlat = Math.abs(end.y - start.y) < Math.abs(end.x - start.x) / 2
  const aside = isFlat ? { x: 0, y: 24 } : { x: (to.x - from.x) * (to.y - from.y) > 0 ? 30 : -30, y: -4 }
  return (
    <>
      <path
        class={`link ${link.state}`}
        style={{ strokeWidth: link.state === 'up' ? 2 + Math.min(4, Math.log2(1 + perSecond)) : 2 }}
        d={`M${start.x} ${start.y}L${end.x} ${end.y}`}
      />
      {link.state === 'up' && link.rttMs !== null && (
        <text class="ms" x={middle.x + aside.x} y={middle.y + aside.y}>
          {link.rttMs < 1 ? '<1' : Math.round(link.rttMs)} ms
        </text>
      )}
    </>
  )
}

const PULSES_MAX = 20

/** One mark for each batch on its way, in the colour and shape of the node where it began. */
const Pulses = ({ state, places, gap, traffic }: { state: State; places: ReadonlyMap<number, Place>; gap: number; traffic: PictureProps['traffic'] }) => {
  const ways = state.links
    .filter((link) => link.state === 'up')
    .flatMap(({ a, b }) => [
      { from: a, to: b },
      { from: b, to: a },
    ])
  const pulses = ways.flatMap(({ from, to }) => (traffic.get(from)?.batches ?? []).map((batch) => ({ from, to, batch }))).slice(0, PULSES_MAX)
  return (
    <>
      {pulses.map(({ from, to, batch }) => {
        const [start, end] = shorten(places.get(from) ?? ORIGIN, places.get(to) ?? ORIGIN, gap)
        return (
          <g
            key={`${from}-${to}-${batch}`}
            class={`pulse f${hueOf(from)}`}
            style={{ '--x0': `${start.x}px`, '--y0': `${start.y}px`, '--x1': `${end.x}px`, '--y1': `${end.y}px` }}
          >
            <NodeShape pid={from} x={0} y={0} r={4.5} className="core" />
          </g>
        )
      })}
    </>
  )
}

const ORIGIN: Place = { x: 0, y: 0 }

interface NodeProps {
  readonly node: ClusterNode
  readonly place: Place
  readonly ring: number
  readonly max: number
  readonly isCoordinator: boolean
  /** Its words stand beside it; otherwise below. */
  readonly isTop: boolean
}

const Node = ({ node, place: { x, y }, ring, max, isCoordinator, isTop }: NodeProps) => {
  const isDown = node.status === 'down'
  const share = node.messages === null || max === 0 ? (isDown ? 0 : 1) : Math.min(1, node.messages / max)
  const around = 2 * Math.PI * ring
  const words = isTop ? { x: ring + 16, y: -4, anchor: 'start' as const } : { x: 0, y: ring + 26, anchor: 'middle' as const }
  const behind = node.messages === null ? 0 : max - node.messages
  const lines = [
    isDown ? 'down' : node.messages === null ? node.status : heldText(node.messages, max),
    ...(isCoordinator ? ['coordinates'] : behind > 0 && !isDown ? [`${behind} behind`] : []),
  ]
  return (
    <g class={`node f${hueOf(node.pid)} ${node.status}`} style={{ transform: `translate(${x}px, ${y}px)` }}>
      <circle class="track" r={ring} />
      {!isDown && (
        <circle class={isCoordinator ? 'ring lead' : 'ring'} r={ring} stroke-dasharray={`${share * around} ${around}`} transform="rotate(-90)" />
      )}
      <NodeShape pid={node.pid} x={0} y={0} r={ring * 0.56} className="core" />
      {!isDown && (
        <text class="pid" y={6}>
          {node.pid}
        </text>
      )}
      {isDown && <path class="cross" d="M-14-14l28 28M14-14l-28 28" />}
      <text class="name" x={words.x} y={words.y} text-anchor={words.anchor}>
        node {node.pid}
      </text>
      {lines.map((line, place) => (
        <text
          key={line}
          class={line.endsWith('behind') ? 'sub behind' : 'sub'}
          x={words.x}
          y={words.y + 20 * (place + 1)}
          text-anchor={words.anchor}
        >
          {line}
        </text>
      ))}
    </g>
  )
}

/** Travels to whoever takes over. */
const Star = ({ place, ring }: { place: Place | undefined; ring: number }) =>
  place === undefined ? null : (
    <g class="travels" style={{ transform: `translate(${place.x + ring * 0.74}px, ${place.y - ring * 0.8}px)` }}>
      <path class="star" d="M0-12 2.72-4.74 10.46-4.4 4.39.43 6.47 7.9 0 3.62-6.47 7.9-4.39.43-10.46-4.4-2.72-4.74Z" />
    </g>
  )

const REACH = 34
const TAG = { width: 48, height: 40 }
const LOW_TAG = 24

/** A tag tied to the node of this page, on the side away from the others, or above it where there is no room beside; on a move it travels to the next one. */
const You = ({ place, ring, width, isAbove }: { place: Place | undefined; ring: number; width: number; isAbove: boolean }) => {
  if (place === undefined) return null
  const side = place.x > width / 2 + 1 ? 1 : -1
  const tie = isAbove ? `M0 ${-ring - 4}V${-ring - 14}` : `M${side * (ring + 6)} 0H${side * (ring + REACH)}`
  const centre = isAbove ? { x: 0, y: -ring - 14 - LOW_TAG / 2 } : { x: side * (ring + REACH + TAG.width / 2), y: 0 }
  const height = isAbove ? LOW_TAG : TAG.height
  return (
    <g class="travels" style={{ transform: `translate(${place.x}px, ${place.y}px)` }}>
      <path class="tie" d={tie} />
      <rect class="you" x={centre.x - TAG.width / 2} y={centre.y - height / 2} width={TAG.width} height={height} rx="4" />
      <text class="youT" x={centre.x} y={centre.y + 5}>
        you
      </text>
    </g>
  )
}

export const Legend = () => (
  <ul class="legend" aria-label="Legend">
    <li>
      <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
        <circle class="track" cx="8" cy="8" r="6" />
        <path class="rg" d="M8 2A6 6 0 1 1 2.11 9.12" />
      </svg>
      ring: share of messages held
    </li>
    <li>
      <svg width="16" height="16" viewBox="0 0 16 16" aria-hidden="true">
        <path class="starl" d="M8 1.5 9.73 6.12 14.66 6.34 10.8 9.41 12.11 14.16 8 11.44 3.89 14.16 5.2 9.41 1.34 6.34 6.27 6.12Z" />
      </svg>
      coordinator
    </li>
    <li>
      <svg width="24" height="16" viewBox="0 0 24 16" aria-hidden="true">
        <path d="M0 8h24" stroke-width="3" />
      </svg>
      width: traffic
    </li>
    <li>
      <svg width="24" height="16" viewBox="0 0 24 16" aria-hidden="true">
        <path d="M0 8h24" stroke-dasharray="4 3" stroke-width="1.5" />
      </svg>
      one way only
    </li>
    <li>
      <svg width="24" height="16" viewBox="0 0 24 16" aria-hidden="true">
        <path d="M1 8h2M11 8h2M21 8h2" stroke-width="2" />
      </svg>
      cut or down
    </li>
    <li>
      <svg width="20" height="16" viewBox="0 0 20 16" aria-hidden="true">
        <rect class="y" x="1" y="2" width="12" height="12" rx="2" />
        <path class="y" d="M13 8h7" />
      </svg>
      you
    </li>
  </ul>
)
