// The small words of the scenario language: pids, durations, and the error for a line that nobody understands.

import { type Pid, parsePid } from '../../crdt-schema/ids.ts'

/** A line that nobody understands, or that asks for what is not there. */
export class ScenarioError extends Error {
  override readonly name = 'ScenarioError'
}

/** `2s`, `150ms`, `+3600s` → ms. */
export const parseDuration = (text: string | undefined): number => {
  const match = /^([+-]?\d+(?:\.\d+)?)(ms|s)$/.exec(text ?? '')
  if (match === null) throw new ScenarioError(`${text} is no duration`)
  return Number(match[1]) * (match[2] === 's' ? 1000 : 1)
}

export const toPid = (text: string | undefined): Pid => {
  const pid = parsePid(Number(text))
  if (pid === null || text === undefined) throw new ScenarioError(`${text} is no pid`)
  return pid
}
