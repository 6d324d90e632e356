// The supervisor's own small HTTP server on loopback: kill, stop, freeze, thaw and restart for the cluster page.
// The nodes themselves have no such calls. A random token, printed in the page's URL, guards it.
//
//   GET  /state            {nodes: [{pid, url, state}]}
//   POST /kill/1 …         kill, stop, freeze, thaw, restart; answers with the state afterwards

import { randomBytes, timingSafeEqual } from 'node:crypto'
import { createServer } from 'node:http'

const ACTIONS = ['kill', 'stop', 'freeze', 'thaw', 'restart']

/** Starts it on a free port for pages of `origins`; `attach` gives it the nodes. */
export const startControl = async ({ origins }) => {
  const token = randomBytes(16).toString('hex')
  let nodes = null
  let onChange = () => {}

  const isAllowed = (header) => {
    const given = Buffer.from(header ?? '')
    const wanted = Buffer.from(`Bearer ${token}`)
    return given.length === wanted.length && timingSafeEqual(given, wanted)
  }
  const state = () => ({ nodes: nodes.places.map(({ pid, url }) => ({ pid, url, state: nodes.stateOf(pid) })) })
  const act = async (action, pid) => {
    const isStopped = nodes.stateOf(pid) === 'stopped'
    if (action === 'restart' && isStopped) nodes.start(pid)
    else if (!isStopped) await nodes[action](pid)
    onChange()
  }

  const server = createServer((request, response) => {
    const answer = (status, body) => {
      response.writeHead(status, { 'content-type': 'application/json', 'cache-control': 'no-store' })
      response.end(body === undefined ? '' : JSON.stringify(body))
    }
    const { origin } = request.headers
    response.setHeader('vary', 'origin')
    if (origin !== undefined) {
      if (!origins.includes(origin)) return answer(403, { code: 'foreign-origin' })
      response.setHeader('access-control-allow-origin', origin)
      response.setHeader('access-control-allow-headers', 'authorization')
      response.setHeader('access-control-allow-methods', 'GET, POST')
    }
    if (request.method === 'OPTIONS') return answer(204)
    if (!isAllowed(request.headers.authorization)) return answer(401, { code: 'wrong-token' })
    if (nodes === null) return answer(503, { code: 'starting' })
    if (request.method === 'GET' && request.url === '/state') return answer(200, state())
    const [, action, pidText] = /^\/([a-z]+)\/(\d{1,2})$/.exec(request.url ?? '') ?? []
    if (request.method !== 'POST' || !ACTIONS.includes(action) || nodes.places[Number(pidText)] === undefined) return answer(404, { code: 'not-found' })
    act(action, Number(pidText)).then(
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
    attach: (attached, changed) => {
      nodes = attached
      onChange = changed
    },
    close: () => {
      server.close()
      server.closeAllConnections()
    },
  }
}
