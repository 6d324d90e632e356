// `npm run demo`: three nodes on this machine and a page; also `npm run demo -- --script six`.
//
//   --no-open        do not open a browser
//   --data-dir DIR   where the data stays between runs (./.data)
//   --script six     play all six orders in which two of three nodes can fail, under load, and end in a grid
//   --runs N         play the script N times

import { join, resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { playSix } from './demo/six.mjs'
import { supervise } from './demo/supervisor.mjs'
import { build } from './lib/build.mjs'
import { install } from './lib/install.mjs'
import { ROOT, Refusal, runMain } from './lib/paths.mjs'
import { preflight } from './lib/preflight.mjs'

const USAGE = 'Usage: npm run demo [-- [--no-open] [--data-dir DIR] | --script six [--runs N]]'

const readOptions = () => {
  try {
    const { values } = parseArgs({
      options: {
        'no-open': { type: 'boolean', default: false },
        'data-dir': { type: 'string', default: join(ROOT, '.data') },
        script: { type: 'string' },
        runs: { type: 'string', default: '1' },
        help: { type: 'boolean', short: 'h', default: false },
      },
    })
    if (values.script !== undefined && values.script !== 'six') throw new Error(`there is no script '${values.script}'; the one script is six`)
    if (!/^[1-9]\d*$/.test(values.runs)) throw new Error(`--runs must be a whole number of at least 1, not '${values.runs}'`)
    return values
  } catch (error) {
    throw new Refusal(`${error.message}\n${USAGE}`, 2)
  }
}

runMain(async () => {
  const options = readOptions()
  if (options.help) {
    console.log(USAGE)
    return 0
  }
  preflight()
  install()
  const missing = await build()
  if (missing.includes('node/main.ts')) throw new Refusal('There is no node/main.ts to run.')
  const program = join(ROOT, 'dist/node.js')
  if (options.script === 'six') return playSix({ program, runs: Number(options.runs) })
  return supervise({ program, directory: resolve(options['data-dir']), isBrowserWanted: !options['no-open'] })
})
