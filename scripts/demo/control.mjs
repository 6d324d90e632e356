// The supervisor's own small HTTP server on loopback: kill, stop, freeze, thaw and restart for the cluster page, links to
// cut and mend, a node more, and all six orders of two failures. The nodes themselves have no such calls. A random token,
// printed in the page's URL, guards it.
//
//   GET  /state            {nodes: [{pid, url, state}], links: [{a, b, isCut}], canAdd, six}
//   POST /kill/1 …         kill, stop, freeze, thaw, restart; answers with the state afterwards
//   POST /cut/0/1 …        cut, mend
//   POST /add              one node more
//   POST /six              plays all orders; 409 unless three nodes run and nothing else is played
//
// `six` is null before the first play, then {status: 'running' | 'done', order, rows, problems}.

import { randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'

const ACTIONS = ['kill', 'stop', 'freeze', 'thaw', 'restart']
const LINK_ACTIONS = ['cut', 'mend']
const NODES_MAX = 9

/**
 * Starts it on a free port; `attach` gives it what there is to control: {nodes, links, addNode, playSix, onChange}. Pages
 * of the nodes themselves may call.
 */
export const startControl = async () => {
  const token = randomBytes(16).toString('hex')
  let attached = null
  let six = null
  const origins = () => (attached?.nodes.places ?? []).flatMap(({ port }) => [`http://127.0.0.1:${port}`, `http://localhost:${port}`])

  const isAllowed = (header) => {
    const given = Buffer.from(header ?? '')
    const wanted = Buffer.from(`Bearer ${token}`)
    return given.length === wanted.length && timingSafeEqual(given, wanted)
  }
  const state = () => {
    const { nodes, links } = attached
    return {
      nodes: nodes.places.map(({ pid, url }) => ({ pid, url, state: nodes.stateOf(pid) })),
      links: links.list(),
      canAdd: nodes.places.length < NODES_MAX && six?.status !== 'running',
      six,
    }
  }
  const act = async (action, pid) => {
    const { nodes, onChange } = attached
    const isStopped = nodes.stateOf(pid) === 'stopped'
    if (action === 'restart' && isStopped) nodes.start(pid)
    else if (!isStopped) await nodes[action](pid)
    onChange()
  }
  /** Every node running and every link whole, so that the play begins with a whole cluster. */
  const makeWhole = () => {
    const { nodes, links } = attached
    for (const { a, b, isCut } of links.list()) if (isCut) links.mend(a, b)
    for (const { pid } of nodes.places) {
      if (nodes.stateOf(pid) === 'frozen') nodes.thaw(pid)
      if (nodes.stateOf(pid) === 'stopped') nodes.start(pid)
    }
  }
  const playSix = async () => {
    six = { status: 'running', order: 0, rows: [], problems: [] }
    makeWhole()
    const problems = await attached.playSix({
      onOrder: (index) => {
        six = { ...six, order: index }
      },
      onRow: (row) => {
        six = { ...six, rows: [...six.rows, row] }
      },
    })
    six = { ...six, status: 'done', problems }
    attached.onChange()
  }

  /** What a call asks for; null if there is no such thing. */
  const toWork = (path) => {
    const { nodes, links } = attached
    const [, action, first, second] = /^\/([a-z]+)(?:\/(\d{1,2}))?(?:\/(\d{1,2}))?$/.exec(path) ?? []
    const [a, b] = [Number(first), Number(second)]
    if (ACTIONS.includes(action) && second === undefined && nodes.places[a] !== undefined) return () => act(action, a)
    if (LINK_ACTIONS.includes(action) && links.has(a, b)) return async () => links[action](a, b)
    if (first !== undefined) return null
    if (action === 'add' && state().canAdd) return () => attached.addNode().then(attached.onChange)
    if (action === 'six' && nodes.places.length === 3) return async () => void playSix()
    return null
  }

  const server = createServer((request, response) => {
    const answer = (status, body) => {
      response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
      response.end(body === undefined ? '' : JSON.stringify(body))
    }
    const { origin } = request.headers
    response.setHeader('vary', 'origin')
    if (origin !== undefined) {
      if (!origins().includes(origin)) return answer(403, { code: 'foreign-origin' })
      response.setHeader('access-control-allow-origin', origin)
      response.setHeader('access-control-allow-headers', 'authorization')
      response.setHeader('access-control-allow-methods', 'GET, POST')
    }
    if (request.method === 'OPTIONS') return answer(204)
    if (!isAllowed(request.headers.authorization)) return answer(401, { code: 'wrong-token' })
    if (attached === null) return answer(503, { code: 'starting' })
    if (request.method === 'GET' && request.url === '/state') return answer(200, state())
    const work = request.method === 'POST' ? toWork(request.url ?? '') : null
    if (work === null) return answer(404, { code: 'not-found' })
    // What people press meanwhile would spoil the count.
    if (six?.status === 'running') return answer(409, { code: 'playing' })
    work().then(
      () => answer(200, state()),
      (error) => answer(500, { code: 'failed', detail: error.message }),
    )
  })
  await new Promise((resolve, reject) => server.once('error', reject).listen(0, '127.0.0.1', resolve))
  const { port } = server.address()
  return {
    port,
    token,
    origin: `http://127.0.0.1:${port}`,
    attach: (given) => {
      attached = given
    },
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
