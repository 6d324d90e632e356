// Where the project lies on this disk, and how its scripts speak to a person.

import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'

export const ROOT = dirname(dirname(dirname(fileURLToPath(import.meta.url))))
export const CACHE = join(ROOT, '.cache')

/** Says one line to the person at the terminal, on stderr, so that results alone go to stdout. */
export const say = (line) => process.stderr.write(`${line}\n`)

/** An expected failure: what, why, and what to do; printed without a stack. */
export class Refusal extends Error {
  constructor(message, exitCode = 1) {
    super(message)
    this.exitCode = exitCode
  }
}

/** Runs a script's main function; a Refusal ends it with its text alone, anything else with its stack. */
export const runMain = (main) => {
  main().then(
    (code) => {
      process.exitCode = code ?? 0
    },
    (error) => {
      say(error instanceof Refusal ? error.message : String(error?.stack ?? error))
      process.exit(error instanceof Refusal ? error.exitCode : 1)
    },
  )
}
