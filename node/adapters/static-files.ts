// The browser's files from dist/web, with the headers that keep a page to itself (DESIGN 10).
// Refuses to know what the files are for; which files exist is read once, at the start.

import { existsSync } from 'node:fs'
import { join } from 'node:path'
import type { IncomingMessage, ServerResponse } from 'node:http'
import sirv from 'sirv'

/** Names with a hash of their content never change. */
const HASHED = /-[A-Z0-9]{8}\.(js|css|woff2|svg|png)(\.map)?$/
const YEAR_SECONDS = 31_536_000

export interface StaticFilesOptions {
  readonly directory: string
  /** URLs of the cluster's nodes: a page moves its sockets among them. */
  readonly nodeUrls: () => readonly string[]
}

/** Answers GET and HEAD: a file, or the page for any path that names none; leaves the rest to the next handler. */
export const createStaticFiles = ({ directory, nodeUrls }: StaticFilesOptions): ((request: IncomingMessage, response: ServerResponse, path: string) => boolean) => {
  if (!existsSync(join(directory, 'index.html'))) return answerWithoutPage
  const serve = sirv(directory, {
    single: true,
    etag: true,
    setHeaders: (response, path) => {
      response.setHeader('Cache-Control', HASHED.test(path) ? `public, max-age=${YEAR_SECONDS}, immutable` : 'no-cache')
      if (path === '/service-worker.js') response.setHeader('Service-Worker-Allowed', '/')
    }
  })
  return (request, response) => {
    if (request.method !== 'GET' && request.method !== 'HEAD') return false
    // Also for a 304, at which sirv asks for no headers: a browser puts those of a 304 over the ones it has kept, and a page that
    // comes back under the policy of all other answers stays blank.
    const before = response.getHeader('Content-Security-Policy')
    response.setHeader('Content-Security-Policy', contentPolicy(nodeUrls()))
    // sirv calls back at once if it has nothing.
    let isServed = true
    serve(request, response, () => {
      isServed = false
    })
    if (!isServed && before !== undefined) response.setHeader('Content-Security-Policy', before)
    return isServed
  }
}

/** What a page may load and call: itself and the nodes it may move to. Only one named policy may make script URLs. */
export const contentPolicy = (nodeUrls: readonly string[]): string => {
  const nodes = nodeUrls.filter(url => URL.canParse(url)).flatMap(url => [new URL(url).origin, new URL(url).origin.replace(/^http/, 'ws')])
  return [
    "default-src 'none'",
    "script-src 'self'",
    "style-src 'self'",
    "img-src 'self' data:",
    "font-src 'self'",
    `connect-src ${["'self'", ...new Set(nodes)].join(' ')}`,
    "worker-src 'self'",
    "manifest-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "require-trusted-types-for 'script'",
    'trusted-types starling'
  ].join('; ')
}

const answerWithoutPage = (request: IncomingMessage, response: ServerResponse, path: string): boolean => {
  if (path !== '/' || request.method !== 'GET') return false
  response.writeHead(200, { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' })
  response.end('This node serves no page: dist/web is not built (npm run build). Its API is described in /api/openapi.json.\n')
  return true
}
