// A node that is given one address of a running cluster: it asks there who the members are, and is then a node like any other [REP7].
// Refuses to know links and handshakes: whether it may join, the members decide from its secret and its pid.

import { existsSync } from 'node:fs'
import * as v from 'valibot'
import { type Pid, parsePid } from '../../crdt-schema/ids.ts'
import { EXIT, Exit, usageError } from './errors.ts'
import type { Settings } from './settings.ts'

const ASK_MS = 3_000

const shape = v.looseObject({ nodes: v.array(v.looseObject({ pid: v.number(), url: v.string(), status: v.string() })) })

/**
 * Settings whose peers are the members that `--join` tells of. Without `--pid` the lowest free one is taken. A node that has joined
 * before and finds nobody at that address goes by what its own data says. Throws an Exit that says what does not fit.
 */
export const joinCluster = async (settings: Settings): Promise<Settings> => {
  const { joinUrl, pid } = settings.config
  if (joinUrl === null) return settings
  const members = await askMembers(joinUrl)
  if (members === null) {
    if (pid !== null && existsSync(settings.dataDir)) return settings
    throw new Exit(EXIT.refused, `Nobody answers at ${joinUrl}. A new node needs one running member to join. Check the address and try again.`)
  }
  const chosen = pid ?? lowestFree(members)
  if (chosen === null) throw usageError('join: the cluster has as many nodes as it may have.')
  const peers = new Map([...members, [chosen, settings.config.url] as const])
  return { ...settings, config: { ...settings.config, pid: chosen, peers } }
}

const askMembers = async (joinUrl: string): Promise<ReadonlyMap<Pid, string> | null> => {
  try {
    const response = await fetch(new URL('/api/cluster', joinUrl), { signal: AbortSignal.timeout(ASK_MS) })
    const { nodes } = v.parse(shape, await response.json())
    const members = new Map<Pid, string>()
    for (const { pid, url, status } of nodes) {
      const known = parsePid(pid)
      if (known !== null && status !== 'removed') members.set(known, url)
    }
    return members.size > 0 ? members : null
  } catch {
    // No answer, or none of a node: both mean that there is nobody to join here, and the caller says so.
    return null
  }
}

const lowestFree = (members: ReadonlyMap<Pid, string>): Pid | null => {
  for (let number = 0; ; number++) {
    const pid = parsePid(number)
    if (pid === null || !members.has(pid)) return pid
  }
}
