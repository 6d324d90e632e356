// What happened in a run: one hash over every frame, commit and answer, which tells whether two runs were the same,
// and the last lines in words, for the person who must find out why a run failed.

const LINES_MAX = 4_000

export interface Trace {
  /** Adds bytes to the hash; `label` says what and where they were. */
  bytes(label: string, bytes: Uint8Array): void
  /** Adds a line to the hash and to the readable trace. */
  line(atMs: number, text: string): void
  hash(): string
  /** The newest `count` lines. */
  lines(count: number): readonly string[]
}

export const createTrace = (): Trace => {
  let low = 0x811c9dc5
  let high = 0x9e3779b9
  let recent: string[] = []

  // Two FNV-1a lanes with different primes: not for hostile input, but fast enough for every frame.
  const mix = (value: number): void => {
    low = Math.imul(low ^ value, 0x01000193)
    high = Math.imul(high ^ value, 0x01000207)
  }
  const mixText = (text: string): void => {
    for (let i = 0; i < text.length; i++) mix(text.charCodeAt(i))
    mix(0xffff)
  }
  return {
    bytes(label, bytes) {
      mixText(label)
      for (let i = 0; i < bytes.length; i++) mix(bytes[i] ?? 0)
      mix(0xffff)
    },
    line(atMs, text) {
      const whole = `${(atMs / 1000).toFixed(4).padStart(9)}  ${text}`
      mixText(whole)
      recent.push(whole)
      if (recent.length > LINES_MAX * 2) recent = recent.slice(-LINES_MAX)
    },
    hash: () => (high >>> 0).toString(16).padStart(8, '0') + (low >>> 0).toString(16).padStart(8, '0'),
    lines: count => recent.slice(-Math.min(count, LINES_MAX))
  }
}
