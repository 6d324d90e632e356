// One stream of server-sent events (text/event-stream, WHATWG HTML 9.2) on an open response.
// Refuses to know what the events mean.
// Keeps [COR3]: a reader slower than its events is cut off; it comes back by itself and reads what is there.

import type { ServerResponse } from 'node:http'

const UNSENT_BYTES_MAX = 1024 * 1024
/** A comment this often keeps proxies from taking the silence for an end. */
const BEAT_MS = 15_000
const RETRY_MS = 1_000

export interface EventStream {
  /** Sends one event; an empty name only opens the stream, so that the client knows it was let in. */
  send(event: string, data: unknown): void
  /** Stops the beat; the response is ended by whoever opened it. */
  end(): void
}

/** Writes the head of the answer and starts the beat. */
export const openEventStream = (response: ServerResponse): EventStream => {
  response.writeHead(200, { 'Content-Type': 'text/event-stream; charset=utf-8', 'X-Accel-Buffering': 'no' })
  const write = (text: string): void => {
    if (response.writableLength > UNSENT_BYTES_MAX) response.destroy()
    else if (response.writable) response.write(text)
  }
  write(`retry: ${RETRY_MS}\n\n`)
  const beat = setInterval(() => write(':\n\n'), BEAT_MS)
  return {
    // JSON has no line breaks of its own, so one data line is enough.
    send: (event, data) => write(event === '' ? ':\n\n' : `event: ${event}\ndata: ${JSON.stringify(data)}\n\n`),
    end: () => clearInterval(beat)
  }
}
