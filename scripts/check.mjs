// `npm run check`: types and layers alone, in a second or two; what to run while writing.

import { spawnSync } from 'node:child_process'
import { join } from 'node:path'
import { install } from './lib/install.mjs'
import { ROOT, runMain } from './lib/paths.mjs'
import { preflight } from './lib/preflight.mjs'

runMain(async () => {
  preflight()
  install()
  const steps = [
    [join(ROOT, 'node_modules/typescript/bin/tsc'), '--noEmit', '-p', ROOT],
    [join(ROOT, 'scripts/check-layers.mjs'), ROOT],
  ]
  const codes = steps.map((args) => spawnSync(process.execPath, args, { cwd: ROOT, stdio: 'inherit' }).status)
  return codes.every((code) => code === 0) ? 0 : 1
})
