// The drawings: small line icons, the mark of Starling, and the marks of nodes (a hue and a shape for each pid).

import type { ComponentChildren } from 'preact'

const PATHS = {
  search: (
    <>
      <circle cx="7" cy="7" r="4.5" />
      <path d="m10.5 10.5 3 3" />
    </>
  ),
  menu: <path d="M2.5 4.5h11M2.5 8h11M2.5 11.5h11" />,
  chevron: <path d="m4.5 6.5 3.5 3.5 3.5-3.5" />,
  reply: (
    <>
      <path d="M6.5 3.5 2.5 7.5l4 4" />
      <path d="M3 7.5h6a4.5 4.5 0 0 1 4.5 4.5v1" />
    </>
  ),
  trash: <path d="M2.5 4.5h11M6 4V2.5h4V4M4 4.5l.6 9h6.8l.6-9M6.7 7v4M9.3 7v4" />,
  clock: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="M8 4.7V8l2.2 1.6" />
    </>
  ),
  alert: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="M8 4.8v3.7M8 11v.2" />
    </>
  ),
  check: <path d="m3 8.5 3.5 3.5L13 4.5" />,
  checks: <path d="m1 8.5 3.2 3.2L10 4.5M7.8 11.2l.5.5L15 4.5" />,
  back: (
    <>
      <path d="M5.5 3 2.5 6l3 3" />
      <path d="M3 6h6.5a3.5 3.5 0 0 1 0 7H6" />
    </>
  ),
  mail: (
    <>
      <rect x="1.8" y="3.5" width="12.4" height="9" rx="1.5" />
      <path d="m2.5 5 5.5 4 5.5-4" />
    </>
  ),
  pen: (
    <>
      <path d="M3 13l.6-3L10.8 2.8a1.3 1.3 0 0 1 1.9 0l.5.5a1.3 1.3 0 0 1 0 1.9L6 12.4Z" />
      <path d="M9.5 4.2l2.3 2.3" />
    </>
  ),
  plane: <path d="M14 2 2 7l4.5 2L14 2 9.5 14 6.5 9" />,
  net: (
    <>
      <path d="M8 5 4.5 10M8 5l3.5 5M5.5 11.8h5" />
      <circle cx="8" cy="3.6" r="1.9" />
      <circle cx="3.6" cy="11.8" r="1.9" />
      <circle cx="12.4" cy="11.8" r="1.9" />
    </>
  ),
  // of the connection
  live: <circle class="fill" cx="8" cy="8" r="5" />,
  saving: (
    <>
      <circle cx="8" cy="8" r="6" stroke-width="2" />
      <path class="fill" d="M8 2a6 6 0 0 1 0 12Z" />
    </>
  ),
  moving: <path d="M2.5 8h11M9.5 4l4 4-4 4" />,
  dots: <path d="M3 8h.1M8 8h.1M13 8h.1" stroke-width="2.5" />,
  arc: <path d="M8 2a6 6 0 1 1-5.2 3" stroke-width="2" />,
  warning: (
    <>
      <path d="M8 2.2 14.3 13H1.7Z" />
      <path d="M8 6.5v3M8 11.2v.1" />
    </>
  ),
  off: (
    <>
      <circle cx="8" cy="8" r="6" />
      <path d="m4 12 8-8" />
    </>
  ),
  reload: (
    <>
      <path d="M13.5 8A5.5 5.5 0 1 1 11.6 3.8" />
      <path d="M11.8 1v3h-3" />
    </>
  ),
} satisfies Record<string, ComponentChildren>

export type IconName = keyof typeof PATHS

export const Icon = ({ name }: { name: IconName }) => (
  <svg class="icon" viewBox="0 0 16 16" aria-hidden="true">
    {PATHS[name]}
  </svg>
)

/** The mark of Starling: three nodes, one of them only an outline. */
export const Brand = () => (
  <svg class="mark" width="24" height="20" viewBox="0 0 24 20" aria-hidden="true">
    <g class="mark-0">
      <circle cx="5.5" cy="14.5" r="3.6" />
    </g>
    <g class="mark-1">
      <rect x="9.51" y="3.01" width="5.98" height="5.98" rx="0.41" />
    </g>
    <g class="mark-2">
      <path d="M18.6 10.64L22.63 17.70H14.57Z" />
    </g>
  </svg>
)

/** Hue and shape of a pid: three of each, so that nine nodes look different. */
export const hueOf = (pid: number): number => pid % 3
const shapeOf = (pid: number): number => (pid + Math.floor(pid / 3)) % 3

/** The shape of a node around (x, y); `r` is the radius of its circle, and the other shapes look as large. */
export const NodeShape = ({ pid, x, y, r, className }: { pid: number; x: number; y: number; r: number; className: string }) => {
  const shape = shapeOf(pid)
  if (shape === 0) return <circle cx={x} cy={y} r={r} class={className} />
  if (shape === 1) {
    const half = r * 0.88
    return <rect x={x - half} y={y - half} width={half * 2} height={half * 2} rx={r * 0.12} class={className} />
  }
  const [top, foot, half] = [y - r * 1.1, y + r * 0.86, r * 1.12]
  return <path d={`M${x} ${top}L${x + half} ${foot}H${x - half}Z`} class={className} />
}

const DOT = 14

/** One mark per node, in node order: filled where it is stored, hollow where not yet, struck where the node is down. */
export const ReplicaDots = ({
  members,
  storedOn,
  down,
  detail,
}: {
  members: readonly number[]
  storedOn: readonly number[]
  down: readonly number[]
  detail: string
}) => (
  <>
    <svg class="dots" width={members.length * DOT - 2} height="12" viewBox={`0 0 ${members.length * DOT - 2} 12`} aria-hidden="true">
      <title>{detail}</title>
      {members.map((pid, place) => {
        const x = 6 + place * DOT
        const isOn = storedOn.includes(pid)
        return (
          <g key={pid}>
            <NodeShape pid={pid} x={x} y={6} r={4} className={`h${hueOf(pid)}${isOn ? ' on' : ''}`} />
            {!isOn && down.includes(pid) && <path class="slash" d={`M${x - 5} 11L${x + 5} 1`} />}
          </g>
        )
      })}
    </svg>
    <span class="vh">{detail}. </span>
  </>
)

export const NodeDot = ({ pid, isUp }: { pid: number; isUp: boolean }) => (
  <svg class="dots" width="12" height="12" viewBox="0 0 12 12" aria-hidden="true">
    <NodeShape pid={pid} x={6} y={6} r={4} className={`h${hueOf(pid)}${isUp ? ' on' : ''}`} />
  </svg>
)
