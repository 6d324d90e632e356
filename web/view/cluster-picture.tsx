// The picture of the cluster, in plain SVG: nodes on a ring, each with the share of messages it holds, links with
// their round trips, the star of the coordinator, and where this page is attached. A dead node keeps its place.

import { useEffect } from 'preact/hooks'
import { useSignal } from '@preact/signals'
import { type ClusterNode, type ClusterState as State, membersOf } from '../model/cluster.ts'
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

export const ClusterPicture = ({ state, max, ownPid }: { state: State; max: number; ownPid: number | null }) => {
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
  const places = new Map(members.map(({ pid }, index) => [pid, layout.place(index, members.length)]))
  return (
    <svg
      class="pic"
      viewBox={`0 0 ${layout.width} ${layout.height}`}
      width={layout.width}
      height={layout.height}
      role="img"
      aria-label={describe(state, max, ownPid)}
    >
      {state.links.map((link) => {
        const from = places.get(link.a)
        const to = places.get(link.b)
        return (
          from !== undefined &&
          to !== undefined && <Link key={`${link.a}-${link.b}`} from={from} to={to} gap={layout.ring + 12} link={link} />
        )
      })}
      {ownPid !== null && <You place={places.get(ownPid)} ring={layout.ring} width={layout.width} />}
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
              isCoordinator={node.pid === state.coordinator}
              isTop={place.y < layout.height / 2}
            />
          )
        )
      })}
    </svg>
  )
}

const describe = (state: State, max: number, ownPid: number | null): string => {
  const nodes = membersOf(state).map((node) => {
    if (node.status === 'down') return `node ${node.pid} is down`
    const held = node.messages === null ? '' : ` and holds ${node.messages} of ${max} messages`
    return `node ${node.pid} is ${node.status === 'ready' ? 'up' : 'catching up'}${node.pid === state.coordinator ? ', coordinates' : ''}${held}`
  })
  return `${nodes.join('; ')}.${ownPid === null ? '' : ` You are connected to node ${ownPid}.`}`
}

/** A line that ends `gap` short of both nodes. */
const Link = ({ from, to, gap, link }: { from: Place; to: Place; gap: number; link: State['links'][number] }) => {
  const length = Math.hypot(to.x - from.x, to.y - from.y)
  const step = { x: ((to.x - from.x) / length) * gap, y: ((to.y - from.y) / length) * gap }
  const middle = { x: (from.x + to.x) / 2, y: (from.y + to.y) / 2 }
  const isFlat = Math.abs(step.y) < Math.abs(step.x) / 2
  const aside = isFlat ? { x: 0, y: 24 } : { x: from.x + to.x < middle.x * 2 ? 0 : (to.x - from.x) * (to.y - from.y) > 0 ? 30 : -30, y: -4 }
  return (
    <>
      <path class={`link ${link.state}`} d={`M${from.x + step.x} ${from.y + step.y}L${to.x - step.x} ${to.y - step.y}`} />
      {link.state === 'up' && link.rttMs !== null && (
        <text class="ms" x={middle.x + aside.x} y={middle.y + aside.y}>
          {link.rttMs < 1 ? '<1' : Math.round(link.rttMs)} ms
        </text>
      )}
    </>
  )
}

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
  const words = isTop ? { x: x + ring + 16, y: y - 4, anchor: 'start' as const } : { x, y: y + ring + 26, anchor: 'middle' as const }
  const behind = node.messages === null ? 0 : max - node.messages
  const lines = [
    isDown ? 'down' : node.messages === null ? node.status : heldText(node.messages, max),
    ...(isCoordinator ? ['coordinates'] : behind > 0 && !isDown ? [`${behind} behind`] : []),
  ]
  return (
    <g class={`node f${hueOf(node.pid)}${isDown ? ' down' : ''}`}>
      <circle class="track" cx={x} cy={y} r={ring} />
      {!isDown && (
        <circle
          class={isCoordinator ? 'ring lead' : 'ring'}
          cx={x}
          cy={y}
          r={ring}
          stroke-dasharray={`${share * around} ${around}`}
          transform={`rotate(-90 ${x} ${y})`}
        />
      )}
      <NodeShape pid={node.pid} x={x} y={y} r={ring * 0.56} className="core" />
      {!isDown && (
        <text class="pid" x={x} y={y + 6}>
          {node.pid}
        </text>
      )}
      {isDown && <path class="cross" d={`M${x - 14} ${y - 14}l28 28M${x + 14} ${y - 14}l-28 28`} />}
      {isCoordinator && (
        <path
          class="star"
          transform={`translate(${x + ring * 0.74} ${y - ring * 0.8})`}
          d="M0-12 2.72-4.74 10.46-4.4 4.39.43 6.47 7.9 0 3.62-6.47 7.9-4.39.43-10.46-4.4-2.72-4.74Z"
        />
      )}
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

const REACH = 34
const TAG = { width: 48, height: 40 }

/** A tag tied to the node of this page, on the side away from the others; on a move it travels to the next one. */
const You = ({ place, ring, width }: { place: Place | undefined; ring: number; width: number }) => {
  if (place === undefined) return null
  const side = place.x > width / 2 + 1 ? 1 : -1
  const near = side * (ring + 6)
  const far = side * (ring + REACH)
  return (
    <g class="yours" style={{ transform: `translate(${place.x}px, ${place.y}px)` }}>
      <path class="tie" d={`M${near} 0H${far}`} />
      <rect class="you" x={side === 1 ? far : far - TAG.width} y={-TAG.height / 2} width={TAG.width} height={TAG.height} rx="4" />
      <text class="youT" x={far + (side * TAG.width) / 2} y={5}>
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
        <path d="M0 8h24" stroke-dasharray="4 3" stroke-width="1.5" />
      </svg>
      link down
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
