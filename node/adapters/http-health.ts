// /livez, /readyz, /healthz and /metrics: what those who run a node ask it.
// Refuses to decide what ready means: the core says so, with reasons.

import type { ServerResponse } from 'node:http'
import type { RequestHandler } from './http-server.ts'

export interface Readiness {
  readonly ready: boolean
  readonly checks: readonly { readonly check: string; readonly ok: boolean; readonly text: string }[]
}

export interface HealthOptions {
  readonly readiness: () => Readiness
  readonly renderMetrics: () => Promise<{ readonly type: string; readonly text: string }>
}

const PATHS = ['/livez', '/readyz', '/healthz', '/metrics']

export const createHealth = ({ readiness, renderMetrics }: HealthOptions): RequestHandler => {
  const answer = (response: ServerResponse, path: string, isVerbose: boolean): void => {
    // That this code runs is the check: the event loop turns.
    if (path === '/livez') return writeText(response, 200, 'ok')
    const { ready, checks } = readiness()
    const shown = isVerbose ? checks : checks.filter(({ ok }) => !ok)
    const lines = shown.map(({ check, ok, text }) => `${ok ? 'ok  ' : 'fail'} ${check}: ${text}`)
    writeText(response, ready ? 200 : 503, [...(isVerbose || !ready ? lines : []), ready ? 'ok' : 'not ready'].join('\n'))
  }
  return (request, response, path) => {
    if (!PATHS.includes(path)) return false
    if (request.method !== 'GET' && request.method !== 'HEAD') {
      response.writeHead(405, { Allow: 'GET' }).end()
      return true
    }
    if (path !== '/metrics') answer(response, path, isVerboseUrl(request.url))
    else void renderMetrics().then(({ type, text }) => response.writeHead(200, { 'Content-Type': type }).end(text), () => response.destroy())
    return true
  }
}

const isVerboseUrl = (url: string | undefined): boolean => new URLSearchParams((url ?? '').split('?')[1]).has('verbose')

const writeText = (response: ServerResponse, status: number, text: string): void => {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', 'Cache-Control': 'no-store' }).end(`${text}\n`)
}
