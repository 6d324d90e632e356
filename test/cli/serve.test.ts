// What a person sees of a node's life: first lines, signals, ends; and how `status` tells of a cluster. The node is played.

import { suite } from 'uvu'
import * as assert from 'uvu/assert'
import type { ClusterJson } from '../../crdt-schema/api-shapes.ts'
import { Exit } from '../../node/cli/errors.ts'
import { type End, serve } from '../../node/cli/serve.ts'
import { createSettings } from '../../node/cli/settings.ts'
import { readOptions } from '../../node/cli/options.ts'
import { describeCluster } from '../../node/cli/status.ts'

const test = suite('serve')
const env = { STARLING_SECRET: 'a secret that is long enough' }
const settings = createSettings(readOptions(['--pid', '0'], env), env, '1.0.0')

interface Run {
  readonly ended: Promise<End>
  readonly lines: string[]
  readonly node: { isReady: boolean; drains: number; reloads: number; end: (end: End) => void }
}

const run = async (): Promise<Run> => {
  const lines: string[] = []
  const node: Run['node'] = { isReady: false, drains: 0, reloads: 0, end: () => undefined }
  const ended = serve(
    settings,
    async (_settings, onEnd) => {
      node.end = onEnd
      return { settings, isReady: () => node.isReady, drain: () => void node.drains++, reload: () => void node.reloads++ }
    },
    line => lines.push(line)
  )
  await new Promise(resolve => setImmediate(resolve))
  return { ended, lines, node }
}

test('the first lines come at once, the last of them when the node is ready, once', async () => {
  const { ended, lines, node } = await run()
  assert.is(lines.length, 3)
  node.isReady = true
  await new Promise(resolve => setTimeout(resolve, 80))
  assert.is(lines.length, 4)
  assert.match(lines[3] ?? '', /^Ready in \d+ ms\.$/)
  node.end(new Exit(6, 'refused'))
  assert.is((await ended).code, 6)
})

test('SIGTERM drains once, and the node’s own end is the end', async () => {
  const { ended, node } = await run()
  process.emit('SIGTERM')
  process.emit('SIGTERM')
  assert.is(node.drains, 1)
  node.end({ code: 0, message: 'Stopped.' })
  assert.equal(await ended, { code: 0, message: 'Stopped.' })
  assert.is(process.listenerCount('SIGTERM') + process.listenerCount('SIGINT'), 0)
})

test('SIGHUP reloads, as often as it comes, and ends nothing', async () => {
  const { ended, node } = await run()
  process.emit('SIGHUP')
  process.emit('SIGHUP')
  assert.equal([node.reloads, node.drains], [2, 0])
  node.end({ code: 0, message: 'Stopped.' })
  await ended
  assert.is(process.listenerCount('SIGHUP'), 0)
})

test('the first Ctrl-C drains, the second ends at once with 130', async () => {
  const { ended, node } = await run()
  process.emit('SIGINT')
  assert.is(node.drains, 1)
  process.emit('SIGINT')
  assert.is((await ended).code, 130)
})

test('a node that cannot start ends with its own exit', async () => {
  try {
    await serve(settings, () => Promise.reject(new Exit(3, 'in use')), () => undefined)
    assert.unreachable()
  } catch (error) {
    assert.is((error as Exit).code, 3)
  }
})

const node = (pid: number, changes: Partial<ClusterJson['nodes'][number]> = {}): ClusterJson['nodes'][number] => ({
  pid, url: `http://n${pid}:1`, status: 'ready', behind: false, behindBecause: null, digest: 'd', upSince: null, messages: 3, sessions: 1, bytes: 9, version: '1', ...changes
})
const cluster = (nodes: ClusterJson['nodes'], coordinator: number | null = 0): ClusterJson => ({ self: 0, coordinator, epoch: 4, version: '1', nodes, links: [], events: [], recent: [] })

test('status says who is up, who coordinates, who is behind and why, and what may be stopped', () => {
  const lines = describeCluster(cluster([node(0), node(1, { behind: true, behindBecause: 'it does not acknowledge in time' }), node(2, { status: 'down', messages: null })]))
  assert.equal(lines, [
    '0  ready, coordinates  http://n0:1  3 messages',
    '1  ready               http://n1:1  3 messages  behind: it does not acknowledge in time',
    '2  down                http://n2:1',
    'Coordinator: node 0, epoch 4.',
    'Safe to stop: any but node 0, the only one that has everything.'
  ])
  assert.is(describeCluster(cluster([node(0), node(1)])).at(-1), 'Safe to stop: any one node; 0, 1 have everything.')
  const none = describeCluster(cluster([node(0, { status: 'syncing' })], null))
  assert.equal(none.slice(-2), ['No coordinator now: new accounts and sign-ins wait.', 'Safe to stop: none, no node is ready.'])
})

test.run()
