// One request of a command to a node, and the addresses to try when nobody says where it is.
// Refuses to know what is asked.

import { type RequestOptions, request as httpRequest } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Arguments } from './arguments.ts'
import { Exit, EXIT, usageError } from './errors.ts'
import { type Options, readOptions } from './options.ts'
import { type Addresses, localUrlOf, readAddresses } from './settings.ts'

const DEFAULT_URLS = ['http://127.0.0.1:4000', 'http://127.0.0.1:4001', 'http://127.0.0.1:4002']
const ANSWER_BYTES_MAX = 256 * 1024 * 1024

export type Environment = Readonly<Record<string, string | undefined>>

/** What a command line says of the node it means. */
export interface Target {
  /** Addresses to try, one after the other. */
  readonly urls: readonly string[]
  readonly options: Options
  /** Of the node itself; null if nothing says which node is meant. */
  readonly addresses: Addresses | null
}

/** Finds the node from flags, environment and file, as the node itself reads them. */
export const findTarget = ({ flags }: Arguments, env: Environment): Target => {
  const said = ['config', 'pid', 'data-dir', 'secret-file'].flatMap(name => (flags[name] === undefined ? [] : [`--${name}`, flags[name]]))
  const { url } = flags
  if (url !== undefined && !(URL.canParse(url) && /^https?:/.test(url))) throw usageError(`url: ${url} must start with http:// or https://.`)
  const options = readOptions(said, env)
  const addresses = options.pid !== null || options.join !== null ? readAddresses(options) : null
  const fallback = env['STARLING_URL'] === undefined ? DEFAULT_URLS : [env['STARLING_URL']]
  return { urls: url !== undefined ? [url] : addresses !== null ? [localUrlOf(options.host, addresses)] : fallback, options, addresses }
}

export interface Request {
  readonly method: string
  readonly path: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
  readonly timeoutMs: number
  /** Leave out who vouches for the certificate: the secret, or nothing at all, says who answers. */
  readonly takesAnyCertificate?: boolean
}

export interface Answer {
  readonly status: number
  readonly bytes: Buffer
  /** What JSON.parse made of it; null if it is none. */
  readonly body: unknown
  /** The header `Starling-Proof`. */
  readonly proof: string
}

/** Asks the addresses in turn; resolves to the first answer, whatever it says. Throws an Exit if nobody answers. */
export const askFirst = async (urls: readonly string[], toRequest: (host: string) => Request): Promise<{ readonly url: string; readonly answer: Answer }> => {
  let reason = ''
  for (const url of urls) {
    try {
      return { url, answer: await askOnce(url, toRequest(new URL(url).host)) }
    } catch (error) {
      reason = (error as NodeJS.ErrnoException).code ?? (error as Error).message
    }
  }
  const remedy = /CERT|SELF_SIGNED|UNABLE_TO/.test(reason)
    ? 'Its certificate is vouched for by nobody known here: ask over loopback with --config, or name its maker in NODE_EXTRA_CA_CERTS.'
    : 'Start it, or say where it is with --url or --config.'
  throw new Exit(EXIT.failed, `No node answers at ${urls.join(', ')} (${reason}). ${remedy}`)
}

/** Asks one address; rejects if nobody answers there. */
export const askOnce = (url: string, { method, path, headers, body, timeoutMs, takesAnyCertificate = false }: Request): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const { protocol, hostname, host, port } = new URL(url)
    const options: RequestOptions & { rejectUnauthorized?: boolean } = { method, path, hostname: hostname.replace(/^\[|\]$/g, ''), port, timeout: timeoutMs, headers: { host, ...headers, 'content-length': body.length } }
    // Nobody sits between two ends of a loopback, and a certificate that the node made itself is vouched for by nobody.
    if (protocol === 'https:' && (takesAnyCertificate || /^(localhost|127\.|\[::1\])/.test(hostname))) options.rejectUnauthorized = false
    const request = (protocol === 'https:' ? httpsRequest : httpRequest)(options, response => {
      const chunks: Buffer[] = []
      let bytes = 0
      response.on('data', (chunk: Buffer) => {
        bytes += chunk.length
        if (bytes > ANSWER_BYTES_MAX) response.destroy(new Error('too large an answer'))
        else chunks.push(chunk)
      })
      response.on('error', reject)
      response.on('end', () => {
        const answered = Buffer.concat(chunks)
        resolve({ status: response.statusCode ?? 0, bytes: answered, body: parseJson(answered), proof: String(response.headers['starling-proof'] ?? '') })
      })
    })
    request.on('timeout', () => request.destroy(new Error('no answer in time')))
    request.on('error', reject)
    request.end(body)
  })

const parseJson = (bytes: Buffer): unknown => {
  if (bytes.length === 0) return null
  try {
    return JSON.parse(bytes.toString())
  } catch {
    return null // not ours; the status tells
  }
}
