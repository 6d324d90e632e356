// A small client for a node's HTTP API (DESIGN 8), for the demo and the tests: one request, one answer, no retries.

import { randomBytes, randomUUID } from 'node:crypto'

/**
 * @typedef {object} CallOptions
 * @property {string} [token]           bearer token
 * @property {unknown} [body]           sent as JSON
 * @property {string | Uint8Array} [rawBody]  sent as it is, with the JSON content type
 * @property {string} [idempotencyKey]
 * @property {Record<string, string>} [headers]
 * @property {number} [timeoutMs]       3,000 if left out
 */

/**
 * Sends one request. Resolves with `status` 0 and the reason in `code` if no answer came.
 * `body` is the parsed JSON, the text if it is none, null if empty; `code` is the problem's code.
 *
 * @param {{ url: string } | string} node
 * @param {string} method
 * @param {string} path
 * @param {CallOptions} [options]
 * @returns {Promise<{ status: number, code: string | null, body: any, headers: Headers, ms: number }>}
 */
export const call = async (node, method, path, { token, body, rawBody, idempotencyKey, headers = {}, timeoutMs = 3000 } = {}) => {
  const started = performance.now()
  const sent = rawBody ?? (body === undefined ? undefined : JSON.stringify(body))
  try {
    const response = await fetch((typeof node === 'string' ? node : node.url) + path, {
      method,
      ...(sent === undefined ? {} : { body: sent }),
      headers: {
        ...(sent === undefined ? {} : { 'content-type': 'application/json' }),
        ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
        ...(idempotencyKey === undefined ? {} : { 'idempotency-key': idempotencyKey }),
        ...headers,
      },
      signal: AbortSignal.timeout(timeoutMs),
    })
    const text = await response.text()
    const parsed = parseOrText(text)
    return { status: response.status, code: parsed?.code ?? null, body: parsed, headers: response.headers, ms: performance.now() - started }
  } catch (error) {
    const { name, message, cause } = /** @type {any} */ (error)
    const code = name === 'TimeoutError' ? 'timeout' : (cause?.code ?? message)
    return { status: 0, code, body: null, headers: new Headers(), ms: performance.now() - started }
  }
}

const parseOrText = (/** @type {string} */ text) => {
  if (text === '') return null
  try {
    return JSON.parse(text)
  } catch {
    return text // metrics and pages are no JSON
  }
}

/** A fresh message id: UUIDv7, so its time names the documents it lives in. */
export const newMessageId = (timeMs = Date.now()) => {
  const bytes = randomBytes(16)
  bytes.writeUIntBE(timeMs, 0, 6)
  bytes[6] = 0x70 | (/** @type {number} */ (bytes[6]) & 0x0f)
  bytes[8] = 0x80 | (/** @type {number} */ (bytes[8]) & 0x3f)
  const hex = bytes.toString('hex')
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-${hex.slice(12, 16)}-${hex.slice(16, 20)}-${hex.slice(20)}`
}

/** A fresh Idempotency-Key. @returns {string} */
export const newRequestId = () => randomUUID()
