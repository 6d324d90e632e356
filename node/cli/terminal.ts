// The terminal of a command: results to stdout, the rest to stderr, questions only where somebody can answer.
// Refuses to know what is asked. What is typed as a password is never shown and never kept.

import { createInterface } from 'node:readline'
import { Writable } from 'node:stream'
import type { Terminal } from './arguments.ts'

/** Longest line that is read from a pipe. */
const LINE_CHARACTERS_MAX = 4_096

export const createTerminal = (): Terminal => ({
  say: line => void process.stdout.write(`${line}\n`),
  tell: line => void process.stderr.write(`${line}\n`),
  ask: (question, mode) => (process.stdin.isTTY && process.stderr.isTTY ? askPerson(question, mode) : Promise.resolve(null)),
  readLine: async () => {
    let text = ''
    for await (const chunk of process.stdin.setEncoding('utf8')) {
      text += String(chunk)
      if (text.includes('\n') || text.length > LINE_CHARACTERS_MAX) break
    }
    return (text.split('\n', 1)[0] ?? '').replace(/\r$/, '')
  }
})

const askPerson = (question: string, mode: 'shown' | 'hidden'): Promise<string> =>
  new Promise(resolve => {
    process.stderr.write(question)
    // readline writes back what is typed; a stream that swallows it keeps a password off the screen.
    const output = mode === 'shown' ? process.stderr : new Writable({ write: (_chunk, _encoding, done) => done() })
    const lines = createInterface({ input: process.stdin, output, terminal: true })
    const finish = (line: string): void => {
      if (mode === 'hidden') process.stderr.write('\n')
      resolve(line)
      lines.close()
    }
    lines.once('line', finish)
    lines.once('SIGINT', () => process.exit(130))
    lines.once('close', () => resolve(''))
  })
