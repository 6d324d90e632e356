// Reads the JSON body of a request, capped before it is parsed.
// Refuses to know what the JSON should hold.

import type { IncomingMessage } from 'node:http'
import { type Result, fail, ok } from '../../crdt-schema/prelude.ts'

/** A draft of 64 KiB with every character escaped, and 64 recipients. */
export const BODY_BYTES_MAX = 512 * 1024

/** The body's bytes, whole. One that ends early never resolves to a value. */
export const readBytes = async (request: IncomingMessage): Promise<Result<Buffer, 'bad-request' | 'too-large'>> => {
  if (Number(request.headers['content-length'] ?? 0) > BODY_BYTES_MAX) return fail('too-large')
  const chunks: Buffer[] = []
  let bytes = 0
  try {
    for await (const chunk of request.iterator({ destroyOnReturn: false })) {
      bytes += chunk.length
      if (bytes > BODY_BYTES_MAX) return fail('too-large')
      chunks.push(chunk)
    }
  } catch {
    return fail('bad-request') // the client went away; nobody reads the answer
  }
  return ok(Buffer.concat(chunks))
}

/** What JSON.parse made of the body; undefined if there is none. */
export const readBody = async (request: IncomingMessage): Promise<Result<unknown, 'bad-request' | 'too-large' | 'unsupported-media-type'>> => {
  const body = await readBytes(request)
  return body.ok ? parseBody(request, body.value) : body
}

/** The JSON of a body that was read. */
export const parseBody = (request: IncomingMessage, bytes: Buffer): Result<unknown, 'bad-request' | 'unsupported-media-type'> => {
  if (bytes.length === 0) return ok(undefined)
  if (!/^application\/json *(;|$)/i.test(request.headers['content-type'] ?? '')) return fail('unsupported-media-type')
  try {
    return ok(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)))
  } catch {
    return fail('bad-request')
  }
}
