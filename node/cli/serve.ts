// `serve`: starts a node, tells a person where it is, drains it on a signal, and ends the process with the right code and text.
// Refuses to know what a node is made of: main.ts puts it together and hands over `startNode`.

import { EXIT } from './errors.ts'
import { type Settings, showPath } from './settings.ts'

/** How the process ends: its exit code, and what a person reads. An Exit is one. */
export interface End {
  readonly code: number
  readonly message: string
}

/** A running node, as the process sees it. */
export interface RunningNode {
  /** As it started: with the pid and the members that a node which joins was told. */
  readonly settings: Settings
  readonly isReady: () => boolean
  /** Hands over and stops; the end is told by `onEnd`. */
  readonly drain: () => void
  /** Reads certificate and secrets anew; what cannot be used is logged and changes nothing. */
  readonly reload: () => void
}

/** Starts a node, or throws an Exit. `onEnd` is called once, when the process may end. */
export type StartNode = (settings: Settings, onEnd: (end: End) => void) => Promise<RunningNode>

const READY_POLL_MS = 20
/** A drain that takes longer than this is given up: whoever stops nodes waits ten seconds. */
const DRAIN_MS_MAX = 9_500

/** Runs until the node ends. */
export const serve = async (settings: Settings, startNode: StartNode, say: (line: string) => void): Promise<End> => {
  let onEnd: (end: End) => void = () => undefined
  const ended = new Promise<End>(resolve => {
    onEnd = resolve
  })
  const node = await startNode(settings, end => onEnd(end))
  for (const line of describeStart(node.settings)) say(line)

  const ready = setInterval(() => {
    if (!node.isReady()) return
    clearInterval(ready)
    // performance.now counts from the start of the process.
    say(`Ready in ${Math.round(performance.now())} ms.`)
  }, READY_POLL_MS)

  let isDraining = false
  const drain = (): void => {
    if (isDraining) return
    isDraining = true
    say('Stopping: clients are told where to go, the last commit lands. Ctrl-C again stops at once.')
    node.drain()
    setTimeout(() => onEnd({ code: EXIT.failed, message: 'Stopped: draining took too long and was given up. Nothing acknowledged was lost.' }), DRAIN_MS_MAX).unref()
  }
  const onInterrupt = (): void => {
    if (isDraining) onEnd({ code: EXIT.interrupted, message: 'Stopped at once. Nothing acknowledged was lost.' })
    else drain()
  }
  process.on('SIGINT', onInterrupt)
  const reload = (): void => node.reload()
  process.on('SIGTERM', drain)
  process.on('SIGHUP', reload)
  const end = await ended
  clearInterval(ready)
  process.off('SIGINT', onInterrupt).off('SIGTERM', drain).off('SIGHUP', reload)
  return end
}

/** The first lines: where it opens, where the data lies, whom it knows. */
export const describeStart = ({ config, dataDir }: Settings): readonly string[] => {
  const others = [...config.peers].filter(([pid]) => pid !== config.pid).map(([pid, url]) => `${pid} = ${url}`)
  const peers = config.joinUrl !== null ? `joining through ${config.joinUrl}` : others.length === 0 ? 'none, this node is alone' : others.join(', ')
  return [
    `Starling ${config.version}, node ${config.pid}: ${config.url}`,
    `Data:  ${showPath(dataDir)}`,
    `Peers: ${peers}`
  ]
}
